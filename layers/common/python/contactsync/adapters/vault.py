"""Secrets under a key of KMS, which itself never leaves KMS.

The context is part of the encryption: what was sealed for one sync cannot be opened for another, and CloudTrail
says for which one it was. A secret fits into one request, so there is no data key to keep.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from contactsync.adapters.wire import ServiceError, Wire
from contactsync.ports import Unopenable

_FOREIGN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


class KmsVault:
    """See `ports.Vault`."""

    def __init__(self, key: str, wire: Wire) -> None:
        self._key = key
        self._wire = wire

    def encrypt(self, plaintext: str, context: Mapping[str, str]) -> str:
        """See `ports.Vault.encrypt`."""
        data = base64.b64encode(plaintext.encode()).decode()
        request = {"KeyId": self._key, "Plaintext": data, "EncryptionContext": dict(context)}
        return str(self._wire.call("Encrypt", request)["CiphertextBlob"])

    def decrypt(self, sealed: str, context: Mapping[str, str]) -> str:
        """See `ports.Vault.decrypt`."""
        try:
            base64.b64decode(sealed, validate=True)
        except (binascii.Error, ValueError):
            raise Unopenable from None
        request = {"KeyId": self._key, "CiphertextBlob": sealed, "EncryptionContext": dict(context)}
        try:
            answer = self._wire.call("Decrypt", request)
        except ServiceError as error:
            if error.code in _FOREIGN:
                raise Unopenable from None
            raise
        return base64.b64decode(answer["Plaintext"]).decode()
