"""Sends the function Reach to customers' servers, with the right to write one object and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from contactsync.adapters.clients import busy_if_transient
from contactsync.adapters.errands import sent
from contactsync.errors import UnreadableFile
from contactsync.model.message import Reached, Reaching, StagingKeys
from contactsync.model.source import RemoteSource, S3Source
from contactsync.ports import Carried, Courier, Destination, Ending

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sts import STSClient

SESSION_S = 900
"""The shortest that STS grants, and longer than Reach may run."""


class ReachCourier:
    """See `ports.Courier`. `role` is the staging role's ARN; `direct` carries files from S3, which is no stranger."""

    def __init__(
        self,
        function: str,
        role: str,
        bucket: str,
        *,
        sts: Callable[[], STSClient],
        functions: Callable[[], LambdaClient],
        direct: Courier,
    ) -> None:
        self._function = function
        self._role = role
        self._bucket = bucket
        self._sts = sts
        self._functions = functions
        self._direct = direct

    def carry(self, source: RemoteSource, to: Destination, *, host_key: str | None) -> Carried:
        """See `ports.Courier.carry`."""
        if isinstance(source, S3Source):
            return self._direct.carry(source, to, host_key=host_key)
        asked = Reaching(
            account_id=to.account_id,
            run_id=to.run_id,
            source=source,
            host_key=host_key,
            key=to.key,
            keys=self._keys(to),
        )
        reached = sent(self._functions(), self._function, asked, Reached, UnreadableFile.told, gives_up=True)
        modified = reached.modified.isoformat() if reached.modified else None
        ending = Ending(reached.proof, reached.doubt)
        return Carried(reached.digest, ending, reached.size, modified, reached.host_key)

    def _keys(self, to: Destination) -> StagingKeys:
        with busy_if_transient():
            session = self._sts().assume_role(
                RoleArn=self._role,
                RoleSessionName=to.run_id,
                DurationSeconds=SESSION_S,
                Policy=json.dumps(session_policy(self._role, self._bucket, to.key)),
            )
        keys = session["Credentials"]
        return StagingKeys(
            access_key_id=keys["AccessKeyId"],
            secret_access_key=keys["SecretAccessKey"],
            session_token=keys["SessionToken"],
        )


def session_policy(role: str, bucket: str, key: str) -> dict[str, Any]:
    """What the session may do: write this one object. STS grants what both this and the role's policy allow."""
    partition = role.split(":")[1]
    allowed = {
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:AbortMultipartUpload"],
        "Resource": f"arn:{partition}:s3:::{bucket}/{key}",
    }
    return {"Version": "2012-10-17", "Statement": [allowed]}
