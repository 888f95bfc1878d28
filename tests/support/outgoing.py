"""What tests of the way out share: addresses that lead inside, name servers that lie, and a canary.

The canary is an audit hook: Python reports every attempt to connect before it is made, whoever makes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from contactsync.sources.net import Resolver
from tests.support.corpus import ROOT

PUBLIC = "8.8.8.8"

_LIST = ROOT / "payloads" / "ssrf-must-block.tsv"
_OWN = """\
http://127.0.0.1/ http://127.1/ http://2130706433/ http://0x7f000001/ http://0177.0.0.1/ http://0/ http://0x7f.1:80/
http://169.254.169.254/latest/meta-data/ http://2852039166/ http://0xA9FEA9FE/ http://0251.0376.0251.0376/
http://169.254.170.2/v2/credentials http://100.100.100.200/ http://192.0.0.192/ http://168.63.129.16/ http://10.0.0.1/
http://127.0.0.1:9001/2018-06-01/runtime/invocation/next http://100.64.0.1/ http://224.0.0.1/ http://0.0.0.0:22/
http://[::1]/ http://[::]/ http://[::ffff:127.0.0.1]/ http://[0:0:0:0:0:ffff:a9fe:a9fe]/ http://[64:ff9b::a9fe:a9fe]/
http://[2002:a9fe:a9fe::1]/ http://[::127.0.0.1]/ http://[fd00:ec2::254]/ http://[fe80::1%25eth0]/ http://[fec0::1]/
http://localhost/ http://localhost.:80/ http://ip6-localhost/ http://metadata.google.internal/ http://metadata/
http://①②⑦.⓪.⓪.①/ http://127。0。0。1/ http://１２７.０.０.１/ http://example.com@169.254.169.254/
http://127.1.1.1:80\\@127.2.2.2:80/ http:127.0.0.1/ ftp://127.0.0.1/a.csv ftp://[::1]/a.csv
file:///etc/passwd gopher://localhost:25/_MAIL dict://localhost:11211/ ldap://localhost/ jar:http://127.0.0.1!/
"""


def payloads() -> list[str]:
    """URLs that lead inside: the public list where there is one, else a smaller one of our own."""
    if not _LIST.exists():
        return _OWN.split()
    lines = _LIST.read_text("utf-8").splitlines()[1:]
    assert len(lines) >= 146
    return [line.split("\t")[0] for line in lines]


def inner_addresses() -> list[str]:
    """The IP addresses that those URLs lead to, as a name server could give them."""
    if not _LIST.exists():
        return ["127.0.0.1", "169.254.169.254", "10.0.0.1", "100.64.0.1", "::1", "::ffff:7f00:1", "64:ff9b::a9fe:a9fe", "fd00:ec2::254"]  # fmt: skip
    targets = (line.split("\t")[1] for line in _LIST.read_text("utf-8").splitlines()[1:])
    return sorted({target.removeprefix("host=") for target in targets if target.startswith("host=")})


def aimed(url: str, port: int) -> str:
    """The URL with another port."""
    return re.sub(r"^(\w+://)(\[[^]]*\]|[^/:]*)(:\d+)?", rf"\1\2:{port}", url)


def inside(host: str, port: int) -> list[str]:
    """A resolver in whose world every name leads inside."""
    return ["127.0.0.1"]


def answering(*answers: list[str]) -> Resolver:
    """A resolver that gives one answer after the other, and the last one from then on."""
    left = list(answers)
    return lambda host, port: left.pop(0) if len(left) > 1 else left[0]


_attempts: list[object] = []
_watching = False


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        _attempts.append(arguments[1])


sys.addaudithook(_watch)


@contextmanager
def watching() -> Iterator[list[object]]:
    """Addresses that somebody tried to reach meanwhile."""
    global _watching  # noqa: PLW0603 an audit hook stays for good, so it has to be told when to listen
    _attempts.clear()
    _watching = True
    try:
        yield _attempts
    finally:
        _watching = False
