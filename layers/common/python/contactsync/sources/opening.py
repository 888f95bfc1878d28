"""From what a customer asked for to the source that carries it out.

Each kind's module is imported when it is asked for, because most runs need one of them and some libraries are slow.
"""

from __future__ import annotations

from contactsync.errors import UnreadableFile
from contactsync.model.source import BasicAuth, BearerAuth, FtpSource, HttpSource, RemoteSource, S3Source
from contactsync.ports import Source
from contactsync.sources.net import Guard
from contactsync.sources.transfer import Limits


def source_of(
    asked: RemoteSource,
    *,
    guard: Guard,
    host_key: str | None = None,
    external_id: str = "",
    reader_role: str = "",
    region: str = "",
    limits: Limits | None = None,
) -> Source:
    """The source of a request whose secrets are in place.

    Args:
        asked: the request, decrypted.
        guard: the way out.
        host_key: what the last `SourceStream.host_key` of this sync said; None before the first.
        external_id: the account's, for roles in the customer's AWS account.
        reader_role: our role that buckets' policies may admit; "" if there is none.
        region: where the roles are assumed.
        limits: how long and how much; None: as `Limits` says.

    Raises:
        UnreadableFile: role_needed: a bucket without a role, where we have no reader role.
    """
    match asked:
        case HttpSource():
            return _http(asked, guard, limits)
        case FtpSource():
            return _ftp(asked, guard, host_key, limits)
        case S3Source():
            from contactsync.sources.s3 import Access, S3BucketSource  # noqa: PLC0415 see the module's docstring

            role = asked.role_arn or reader_role
            if not role:
                raise UnreadableFile(
                    "role_needed",
                    "A bucket is read by a role of yours.",
                    "Make a role that may read it, admit us under the external id shown with your account, "
                    "and give its ARN as role_arn.",
                )
            access = Access(role, external_id, region, ours=not asked.role_arn)
            return S3BucketSource(asked.bucket, asked.key, access=access, limits=limits)


def _http(asked: HttpSource, guard: Guard, limits: Limits | None) -> Source:
    from contactsync.sources import web  # noqa: PLC0415 see the module's docstring

    match asked.auth:
        case None:
            credential = None
        case BasicAuth(username=username, password=password):
            credential = web.basic(username, password)
        case BearerAuth(token=token):
            credential = web.bearer(token)
        case header:
            credential = (header.name, header.value)
    return web.WebSource(asked.url, guard=guard, credential=credential, limits=limits)


def _ftp(asked: FtpSource, guard: Guard, host_key: str | None, limits: Limits | None) -> Source:
    if asked.url.lower().startswith("sftp:"):
        from contactsync.sources.sftp import Login, SftpServerSource  # noqa: PLC0415 see the module's docstring

        login = Login(asked.username, asked.password, asked.private_key)
        return SftpServerSource(asked.url, guard=guard, login=login, host_key=host_key, limits=limits)
    from contactsync.sources.ftp import FtpServerSource  # noqa: PLC0415 see the module's docstring

    return FtpServerSource(
        asked.url, guard=guard, username=asked.username, password=asked.password, limits=limits
    )
