"""Where a customer's file lies on a server of theirs, and what opens it.

Secrets are marked: `public` is what may be stored in the open and shown again, `secrets` is what is to be
encrypted, and `joined` puts the two together when a file is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, field_validator, model_validator

from contactsync.model.deferred import Deferred
from contactsync.model.forms import BUCKET, HEADER_NAME, LINE, ROLE_ARN, TOKEN

_UNSEEN = re.compile(r"[\x00-\x20\x7f\\]")
Secret = Annotated[str, Field(repr=False, max_length=20_000)]
Line = Annotated[str, Field(max_length=1000, pattern=LINE)]
"""Text that goes into a command or a header, where a line break would begin another one."""


class _Asked(Deferred):
    """Part of a request body: an unknown key is a mistake, and is said so."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class BasicAuth(_Asked):
    """A user name and a password, as browsers ask for them."""

    kind: Literal["basic"]
    username: Line = Field(min_length=1)
    password: Line = Field(repr=False)


class BearerAuth(_Asked):
    """A token in the header Authorization."""

    kind: Literal["bearer"]
    token: str = Field(min_length=1, max_length=8000, pattern=TOKEN, repr=False)


class HeaderAuth(_Asked):
    """A secret in a header of the customer's choice, such as X-Api-Key."""

    kind: Literal["header"]
    name: str = Field(min_length=1, max_length=100, pattern=HEADER_NAME)
    value: Line = Field(min_length=1, repr=False)

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name.lower() in RESERVED_HEADERS:
            raise ValueError(f"{name} is set by us; name the header that the server asks for.")
        return name


RESERVED_HEADERS = frozenset(
    {
        *(
            "accept",
            "accept-encoding",
            "connection",
            "content-length",
            "expect",
            "host",
            "if-match",
            "if-range",
        ),
        *("range", "te", "trailer", "transfer-encoding", "upgrade", "user-agent"),
    }
)
"""With these a request could be made into two, or an answer into one that proves nothing."""


class HttpSource(_Asked):
    """A file on a web server. The part of the URL after the question mark is kept as a secret."""

    kind: Literal["http"]
    url: str = Field(min_length=1, max_length=4096, repr=False)
    auth: Annotated[BasicAuth | BearerAuth | HeaderAuth, Field(discriminator="kind")] | None = None

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        return plain_url(url, ("http", "https"))


class FtpSource(_Asked):
    """A file on an FTP or SSH server: ftp, ftps (TLS that is asked for; from the start on port 990) or sftp.

    The path's last part may hold `*` and `?`; then the newest match is meant, as in a shell not a hidden one.
    `password` is the private key's passphrase where there is a private key that has one.
    """

    kind: Literal["ftp"]
    url: str = Field(min_length=1, max_length=4096)
    username: Line = ""
    password: Line = Field(default="", repr=False)
    private_key: Secret = ""

    @field_validator("url")
    @classmethod
    def _is_plain(cls, url: str) -> str:
        return plain_url(url, ("ftp", "ftps", "sftp"))

    @model_validator(mode="after")
    def _fits(self) -> FtpSource:
        ssh = self.url.lower().startswith("sftp:")
        if self.private_key and not ssh:
            raise ValueError("A private key is for sftp:// only: leave it out.")
        if ssh and not self.username:
            raise ValueError("sftp:// needs a username: give it.")
        return self


class S3Source(_Asked):
    """An object in the customer's own bucket. The key's last part may hold `*` and `?`: the newest match is meant."""

    kind: Literal["s3"]
    bucket: str = Field(pattern=BUCKET)
    key: str = Field(min_length=1, max_length=1024)
    role_arn: str | None = Field(
        default=None,
        pattern=ROLE_ARN,
        max_length=600,
        description="A role in the customer's AWS account that admits us under the account's external id.",
    )


RemoteSource = Annotated[HttpSource | FtpSource | S3Source, Field(discriminator="kind")]


@cache
def remote_source() -> TypeAdapter[HttpSource | FtpSource | S3Source]:
    """Made with its first use: few functions open such sources."""
    # pydantic heeds the outermost setting only
    return TypeAdapter(RemoteSource, config=ConfigDict(hide_input_in_errors=True))


def external_id(account_id: str) -> str:
    """What a role in the customer's AWS account has to ask for: ours alone to send, and one for each account."""
    return account_id


def public(source: HttpSource | FtpSource | S3Source) -> dict[str, Any]:
    """The source without its secrets, as JSON."""
    shown = source.model_dump(mode="json", exclude_none=True, exclude={"password", "private_key"})
    if isinstance(source, HttpSource):
        shown["url"] = source.url.partition("?")[0]
        for name in ("password", "token", "value"):
            shown.get("auth", {}).pop(name, None)
    return shown


def secrets(source: HttpSource | FtpSource | S3Source) -> dict[str, str]:
    """The source's secrets by name; those that are empty are left out."""
    match source:
        case HttpSource(url=url, auth=auth):
            query = {"query": url.partition("?")[2]}
            named = auth.model_dump(include={"password", "token", "value"}) if auth else {}
        case FtpSource():
            query, named = {}, source.model_dump(include={"password", "private_key"})
        case _:
            return {}
    return {name: value for name, value in (query | named).items() if value}


def with_stand_ins(shown: Mapping[str, Any]) -> dict[str, Any]:
    """What `public` shows as a request again, with a dash for each secret that a request has to have."""
    whole = dict(shown)
    if "auth" in whole:
        secret = {"basic": "password", "bearer": "token", "header": "value"}[whole["auth"]["kind"]]
        whole["auth"] = {**whole["auth"], secret: "-"}
    return whole


def joined(shown: Mapping[str, Any], secret: Mapping[str, str]) -> HttpSource | FtpSource | S3Source:
    """The inverse of `public` and `secrets`."""
    whole: dict[str, Any] = dict(shown)
    rest = dict(secret)
    if whole["kind"] == "http":
        if query := rest.pop("query", ""):
            whole["url"] += f"?{query}"
        if "auth" in whole:
            whole["auth"] = {**whole["auth"], **rest}
        return remote_source().validate_python(whole)
    return remote_source().validate_python(whole | rest)


def plain_url(url: str, schemes: tuple[str, ...]) -> str:
    """What can be said about a URL before it is used. Where it leads is checked when a file is fetched."""
    scheme, separator, rest = url.partition("://")
    if scheme.lower() not in schemes or not separator or not rest.strip("/"):
        raise ValueError(
            f"Begin with {' or '.join(f'{scheme}://' for scheme in schemes)}, followed by a host."
        )
    if _UNSEEN.search(url):
        raise ValueError(
            "Write spaces and other special characters as %20 and the like; a backslash has no place."
        )
    if "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]:
        raise ValueError(
            "Put the user name and the password into fields of their own, so that they are kept secret."
        )
    return url
