"""No connection leaves for an internal address, however it is spelled, reached or resolved."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

import pytest

from contactsync.errors import Busy, UnreadableFile
from contactsync.sources import net
from contactsync.sources.ftp import FtpServerSource
from contactsync.sources.net import Guard, allowed_hosts, is_public
from contactsync.sources.place import host_of, place_of
from contactsync.sources.sftp import Login, SftpServerSource
from contactsync.sources.transfer import Limits
from contactsync.sources.web import WebSource, basic
from tests.fakes.webserver import WebServer, reply
from tests.support.outgoing import PUBLIC, aimed, answering, inner_addresses, inside, payloads, watching

HOST = "files.example.com"
QUICK = Limits(connect_s=1, read_s=2, answer_s=3, attempts=2, first_wait_s=0.001)


@pytest.fixture
def attempts() -> Iterator[list[object]]:
    """Addresses that somebody tried to reach."""
    with watching() as seen:
        yield seen


def sources(url: str, guard: Guard) -> list[object]:
    return [
        WebSource(url, guard=guard, limits=QUICK),
        FtpServerSource(url, guard=guard, limits=QUICK),
        SftpServerSource(url, guard=guard, login=Login("ann", "x"), limits=QUICK),
    ]


def refused(source: object) -> str:
    """The code with which a source is refused."""
    with pytest.raises(UnreadableFile) as caught, source.open():  # type: ignore[attr-defined]
        pass
    return caught.value.code


def test_every_payload_is_refused_before_a_packet_leaves(attempts):
    for url in payloads():
        for source in sources(url, Guard(resolver=inside)):
            assert refused(source) in {
                "address_not_allowed", "address_not_valid", "scheme_not_allowed", "port_not_allowed",
            }, url  # fmt: skip
    assert attempts == []


def test_no_payload_reaches_a_listener_of_ours_on_any_spelling_of_loopback(attempts):
    with socket.create_server(("", 0)) as canary:
        canary.settimeout(0.05)
        port = canary.getsockname()[1]
        for url in payloads():
            for source in sources(aimed(url, port), Guard(resolver=net.resolve)):
                with pytest.raises((UnreadableFile, Busy)), source.open():  # type: ignore[attr-defined]
                    pass
        with pytest.raises(TimeoutError):
            canary.accept()
    assert attempts == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_payload_is_refused_as_a_redirect(status, attempts):
    location = [""]

    def answer(request):
        return [f"HTTP/1.1 {status} Elsewhere\r\nLocation: ".encode() + location[0].encode() + b"\r\n\r\n"]

    with WebServer(answer) as server:
        guard = Guard(frozenset({(HOST, server.port)}), resolver=inside)
        for url in payloads():
            location[0] = url
            refused(WebSource(f"http://{HOST}:{server.port}/", guard=guard, limits=QUICK))
        assert set(attempts) == {("127.0.0.1", server.port)}


def test_every_payload_is_refused_as_the_answer_of_a_name_server(attempts):
    """One answer that leads inside is enough, wherever it stands: the next connection could get that one."""
    for host in inner_addresses():
        for answers in ([host], [PUBLIC, host], [host, PUBLIC]):
            guard = Guard(resolver=answering(answers))
            for number, scheme in ((0, "http"), (0, "https"), (1, "ftp"), (1, "ftps"), (2, "sftp")):
                source = sources(f"{scheme}://{HOST}/contacts.csv", guard)[number]
                assert refused(source) == "address_not_allowed"
    assert attempts == []


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(monkeypatch):
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    reached = []

    def unreachable(address, timeout):
        reached.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", unreachable)
    guard = Guard(resolver=lambda host, port: next(answers))
    with pytest.raises(Busy):
        guard.connect(HOST, 443, timeout_s=1)
    assert reached == [(PUBLIC, 443)]
    assert next(answers) == ["127.0.0.1"], "a second look-up was made"


def test_each_redirect_is_resolved_and_checked_anew(monkeypatch):
    reached = []
    with WebServer(lambda request: reply(b"", status="302 Found", Location="/again")) as server:
        connect = socket.create_connection

        def outside(address, timeout):
            reached.append(address[0])
            return connect(("127.0.0.1", server.port), timeout)

        monkeypatch.setattr(socket, "create_connection", outside)
        answers = iter([[PUBLIC], ["10.0.0.1"]])
        source = WebSource(
            f"http://{HOST}/", guard=Guard(resolver=lambda host, port: next(answers)), limits=QUICK
        )
        assert refused(source) == "address_not_allowed"
    assert reached == [PUBLIC]


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
        "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::8.8.8.8",
        "::ffff:127.0.0.1", "::ffff:0:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1",
        "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
        "2002:a9fe:a9fe::1", "2002:808:808::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_an_internal_address_is_known_as_one(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "8.8.8.8", "11.0.0.1", "100.63.255.255", "100.128.0.0", "169.253.255.255", "172.15.255.255",
        "172.32.0.0", "192.0.1.1", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255",
        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2001:4860:4860::8888", "2a00:1450:4001:80b::200e", "2600::1",
    ],
)  # fmt: skip
def test_a_public_address_is_known_as_one(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("port", [1, 23, 25, 53, 79, 110, 111, 139, 445, 587, 993, 1023, 65536])
def test_ports_of_other_services_are_refused(port, attempts):
    with pytest.raises(UnreadableFile) as caught:
        Guard(resolver=lambda host, port: [PUBLIC]).addresses(HOST, port)
    assert caught.value.code == "port_not_allowed"
    assert attempts == []


@pytest.mark.parametrize("port", [21, 22, 80, 443, 990, 1024, 2222, 8443, 65535])
def test_ports_of_file_servers_are_allowed(port):
    assert Guard(resolver=lambda host, port: [PUBLIC]).addresses(HOST, port) == [PUBLIC]


def test_listed_hosts_are_allowed_on_the_listed_port_only():
    guard = Guard(allowed_hosts(" 127.0.0.1:8099, [::1]:8021,files.test:80 "), resolver=inside)
    assert guard.addresses("127.0.0.1", 8099) == ["127.0.0.1"]
    assert guard.addresses("::1", 8021) == ["::1"]
    assert guard.addresses("files.test", 80) == ["127.0.0.1"]
    for host, port in (("127.0.0.1", 8098), ("127.0.0.2", 8099), ("files.test", 8080)):
        with pytest.raises(UnreadableFile):
            guard.addresses(host, port)


def test_nothing_is_listed_without_a_setting():
    assert allowed_hosts("") == frozenset()


@pytest.mark.parametrize(
    ("written", "host"),
    [
        ("Files.Example.COM", "files.example.com"), ("files.example.com.", "files.example.com"),
        ("bücher.example", "xn--bcher-kva.example"), ("8.8.8.8", "8.8.8.8"), ("2001:4860:0:0::8888", "2001:4860::8888"),
        ("ｆｉｌｅｓ.example.com", "files.example.com"), ("_files.example.com", "_files.example.com"),
    ],
)  # fmt: skip
def test_a_host_has_one_spelling(written, host):
    assert host_of(written) == host


@pytest.mark.parametrize(
    "url",
    [
        "http://files.example.com /", "http://files.example.com\\@other.example.com/", "http://ann:pw@files.example.com/",
        "http:///path", "http:files.example.com", "http://files.example.com:99999/", "http://files..example.com/",
        "http://-files.example.com/", "http://files.example.com/\r\nX: y", "http://1.2.3.4.5/", "http://08.8.8.8/",
        "http://files.example.com:8o/", "http://%66iles.example.com/", "http://[::1", "",
    ],
)  # fmt: skip
def test_what_needs_interpretation_is_refused(url):
    with pytest.raises(UnreadableFile) as caught:
        place_of(url, ("http",))
    assert caught.value.code in {"address_not_valid", "scheme_not_allowed"}
    assert "pw" not in str(caught.value)


def test_a_name_server_that_is_away_is_no_fault_of_the_customer():
    def away(host, port):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    def unknown(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Busy):
        Guard(resolver=away).addresses(HOST, 80)
    with pytest.raises(UnreadableFile) as caught:
        Guard(resolver=unknown).addresses(HOST, 80)
    assert caught.value.code == "host_not_found"


def test_a_credential_is_not_part_of_what_is_shown():
    source = WebSource("http://files.example.com/?key=abc", guard=Guard(), credential=basic("ann", "pw"))
    assert "abc" not in repr(source)
    assert "abc" not in repr(place_of("http://files.example.com/?key=abc", ("http",)))
