"""What FTP servers do wrong or differently, and what a fetch makes of it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

import pytest
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler

from contactsync.errors import Busy, SourceAway, UnreadableFile
from contactsync.sources.ftp import FtpServerSource
from contactsync.sources.net import Guard
from contactsync.sources.transfer import Limits
from tests.fakes.certificates import Authority
from tests.fakes.ftpserver import ftp_server
from tests.fakes.ftpstub import FtpStub
from tests.support.waiting import waiting

HOST = "files.example.com"
TEXT = b"email,name\r\n" + b"".join(b"ann%d@example.com,Ann %d\r\n" % (n, n) for n in range(40_000))
QUICK = Limits(connect_s=2, read_s=1, answer_s=3, attempts=3, first_wait_s=0.001, settled_s=0)
SECRET = "s3cret-canary"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def stub():
    with FtpStub(TEXT) as stub:
        yield stub


def source(
    port: int,
    path: str = "/contacts.csv",
    *,
    scheme: str = "ftp",
    authority: Authority | None = None,
    **options: Any,
) -> FtpServerSource:
    tls = {"tls": authority.client} if authority else {}
    guard = Guard(frozenset({(HOST, port)}), resolver=lambda host, port: ["127.0.0.1"], **tls)
    return FtpServerSource(f"{scheme}://{HOST}:{port}{path}", guard=guard, **{"limits": QUICK} | options)


def fetched(source: FtpServerSource) -> tuple[bytes, str | None]:
    with source.open() as stream:
        return stream.body.read(), stream.ending().proof


def name_of(source: FtpServerSource) -> str:
    with source.open() as stream:
        stream.body.read()
        return stream.name


def code_of(source: FtpServerSource) -> str:
    with pytest.raises(UnreadableFile) as caught:
        fetched(source)
    assert SECRET not in str(caught.value)
    return caught.value.code


def mended(stub: FtpStub) -> None:
    """From the next transfer on nothing is cut."""

    def mend() -> None:
        if sum(command.startswith("RETR") for command in stub.commands) > 1:
            stub.cut_at = None

    stub.on_retrieve = mend


# completeness


@pytest.mark.parametrize("farewell", ["226 Transfer complete.", "426 Aborted.", "451 Local error.", "RST"])
def test_after_a_cut_the_rest_is_asked_for(stub, farewell):
    stub.cut_at, stub.farewell = 700_000, farewell

    def mend() -> None:
        if sum(command.startswith("RETR") for command in stub.commands) > 1:
            stub.cut_at, stub.farewell = None, "226 Done."

    stub.on_retrieve = mend
    assert fetched(source(stub.port)) == (TEXT, "size")
    assert "REST 634464" in stub.commands or farewell == "RST"


@pytest.mark.parametrize("path", ["/contacts.csv", "/*.csv"])
def test_a_server_that_never_comes_to_the_end_of_its_word_is_given_up(stub, path):
    """Each byte begins the wait of a socket anew."""
    stub.listing, stub.drips_s = b"type=file;modify=20260101120000; contacts.csv\r\n", 8
    began = time.monotonic()
    with pytest.raises(SourceAway):
        fetched(source(stub.port, path, limits=replace(QUICK, answer_s=0.5, attempts=2)))
    assert time.monotonic() - began < 6


class _Breaking:
    """A data connection that hangs up, control connection and all, in the middle of each transfer while `times` last."""

    times = 0

    def send(self: Any, data: bytes) -> Any:
        if type(self).times and self.tot_bytes_sent > 300_000:
            type(self).times -= 1
            self.cmd_channel.close()
            return 0
        return super().send(data)  # type: ignore[misc]  # of pyftpdlib's class beside it


@pytest.mark.parametrize("tls", ["none", "explicit", "implicit"])
def test_a_real_server_that_breaks_off_is_asked_for_the_rest(tmp_path, authority, tls):
    (tmp_path / "contacts.csv").write_bytes(TEXT)
    breaking: Any = type(
        "Breaking", (_Breaking, DTPHandler if tls == "none" else TLS_DTPHandler), {"times": 2}
    )
    restarts: list[int] = []

    def noted(self: Any, line: str, command: str, argument: str) -> None:
        if command == "REST":
            restarts.append(int(argument))
        FTPHandler.pre_process_command(self, line, command, argument)

    with ftp_server(
        tmp_path, password=SECRET, tls=tls, certificate=authority.pem(HOST),
        dtp_handler=breaking, use_sendfile=False, pre_process_command=noted,
    ) as port:  # fmt: skip
        login = {"username": "ann", "password": SECRET, "tls": tls}
        scheme = "ftp" if tls == "none" else "ftps"
        assert fetched(source(port, scheme=scheme, authority=authority, **login)) == (TEXT, "size")
    assert breaking.times == 0
    assert len(restarts) == 2
    assert restarts == sorted(restarts)
    assert restarts[0] > 200_000, "it goes on where it was, but for what is compared"


def test_another_file_of_the_same_size_and_second_is_noticed(stub):
    stub.cut_at = 700_000

    def replace() -> None:
        if sum(command.startswith("RETR") for command in stub.commands) > 1:
            stub.cut_at, stub.content = None, TEXT[::-1]

    stub.on_retrieve = replace
    with pytest.raises(Busy, match="changed"):
        fetched(source(stub.port))


def test_a_server_without_rest_begins_anew(stub):
    stub.cut_at, stub.knows_rest = 700_000, False
    mended(stub)
    assert fetched(source(stub.port)) == (TEXT, "size")


def test_a_server_that_tells_no_size_begins_anew_and_gives_no_proof(stub):
    stub.cut_at, stub.farewell, stub.size = 700_000, "426 Aborted.", ""

    def mend() -> None:
        if sum(command.startswith("RETR") for command in stub.commands) > 1:
            stub.cut_at, stub.farewell = None, "226 Done."

    stub.on_retrieve = mend
    with source(stub.port).open() as stream:
        assert stream.body.read() == TEXT
        assert stream.ending().proof is None
        assert "SIZE" in stream.ending().doubt
    assert not [command for command in stub.commands if command.startswith("REST")]


def test_without_a_time_of_change_there_is_no_proof(stub):
    stub.changed = [""]
    with source(stub.port).open() as stream:
        assert stream.body.read() == TEXT
        assert stream.ending().proof is None
        assert "MDTM" in stream.ending().doubt


def test_a_server_that_promises_more_than_it_has_is_not_believed(stub):
    stub.size = len(TEXT) + 1
    with pytest.raises(Busy, match="broke off"):
        fetched(source(stub.port))


def test_a_server_that_promises_less_than_it_has_is_not_believed(stub):
    stub.size = len(TEXT) - 1
    with pytest.raises(Busy, match="changed"):
        fetched(source(stub.port))


def test_a_file_that_changes_meanwhile_is_read_anew_later(stub):
    stub.changed = ["20260101120000", "20260101120001"]
    with pytest.raises(Busy, match="changed"):
        fetched(source(stub.port))


def test_a_file_that_grows_meanwhile_is_read_anew_later(tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_bytes(TEXT)
    with ftp_server(tmp_path) as port, source(port).open() as stream:
        stream.body.read(10)
        with path.open("ab") as file:
            file.write(TEXT)
        with pytest.raises(Busy, match="changed"):
            stream.body.read()


@pytest.mark.parametrize(("changed", "waited"), [("20260101120000", []), ("29990101120000", [20])])
def test_only_what_was_changed_just_now_or_by_another_clock_is_waited_for(stub, monkeypatch, changed, waited):
    waits = waiting(monkeypatch, lambda: None)
    stub.changed = [changed, changed]
    assert fetched(source(stub.port, limits=replace(QUICK, settled_s=20))) == (TEXT, "size")
    assert waits == waited


def test_a_server_that_falls_silent_is_given_up(stub):
    stub.farewell = ""
    with pytest.raises(Busy, match="broke off"):
        fetched(source(stub.port, limits=Limits(read_s=0.1, attempts=2, first_wait_s=0)))


# where it leads


def test_the_address_that_pasv_names_is_ignored(stub):
    """The stub says 10.0.0.5; the file comes from where the conversation is held."""
    assert fetched(source(stub.port)) == (TEXT, "size")


@pytest.mark.parametrize("port", [22, 25, 80, 1023])
def test_a_data_port_of_a_standard_service_is_refused(stub, port):
    stub.passive = f"227 Passive (127,0,0,1,{port >> 8},{port & 255})."
    assert code_of(source(stub.port)) == "port_not_allowed"


@pytest.mark.parametrize(
    "path",
    ["/a%0d%0aDELE%20b", "/a%0ab", "/%00", "/in%0d%0aDELE%20b/*.csv", "/", "/in/", "/in/..", "/%ff.csv"],
)
def test_a_path_that_is_none_is_refused_before_a_connection(stub, path):
    assert code_of(source(stub.port, path)) == "address_not_valid"
    assert stub.commands == []


@pytest.mark.parametrize(
    "login", [{"username": "ann\r\nDELE x"}, {"username": "ann", "password": "x\nDELE y"}]
)
def test_a_login_with_a_line_break_is_refused_before_a_connection(stub, login):
    assert code_of(source(stub.port, **login)) == "login_refused"
    assert stub.commands == []


@pytest.mark.parametrize("greeting", ["HTTP/1.1 400 Bad Request", "SSH-2.0-x"])
def test_another_kind_of_server_is_recognised(stub, greeting):
    stub.greeting = greeting
    with pytest.raises((UnreadableFile, Busy)):
        fetched(source(stub.port))


def test_a_path_is_taken_from_the_root_or_from_where_the_login_leads(stub):
    fetched(source(stub.port, "/in/my%20list.csv"))
    assert "RETR /in/my list.csv" in stub.commands
    fetched(source(stub.port, "/~/in/list%23%3F.csv"))
    assert "RETR in/list#?.csv" in stub.commands


def test_greetings_and_names_may_be_written_in_any_encoding(stub):
    stub.greeting = "220 Gr\udcfc\udcdf Gott."
    stub.listing = (
        b"type=file;modify=20260102000000; M\xfcller.csv\r\ntype=file;modify=20260101000000; contacts.csv\r\n"
    )
    assert name_of(source(stub.port, "/in/c*.csv")) == "contacts.csv"
    assert name_of(source(stub.port, "/in/*.csv")) == "M\N{REPLACEMENT CHARACTER}ller.csv"
    assert "RETR /in/M\udcfcller.csv" in stub.commands, "the very bytes that it has told"


# logins and TLS


def test_a_wrong_password_is_said_so(tmp_path):
    with ftp_server(tmp_path, auth_failed_timeout=0) as port:
        assert code_of(source(port, username="ann", password=SECRET)) == "login_refused"


def test_without_a_user_name_the_login_is_anonymous(tmp_path):
    (tmp_path / "contacts.csv").write_bytes(TEXT)
    with ftp_server(tmp_path) as port:
        assert fetched(source(port)) == (TEXT, "size")


def test_where_tls_is_wanted_nothing_is_sent_without(stub):
    assert code_of(source(stub.port, scheme="ftps", username="ann", password=SECRET)) == "encryption_failed"
    assert stub.commands == ["AUTH TLS"]


@pytest.mark.parametrize("tls", ["explicit", "implicit"])
def test_a_certificate_for_another_name_is_refused(tmp_path, authority, tls):
    with ftp_server(tmp_path, tls=tls, certificate=authority.pem("other.example.com")) as port:
        assert code_of(source(port, scheme="ftps", tls=tls, authority=authority)) == "certificate_not_valid"


def test_the_data_travels_protected_too(tmp_path, authority):
    (tmp_path / "contacts.csv").write_bytes(TEXT)
    with ftp_server(tmp_path, tls="explicit", certificate=authority.pem(HOST)) as port:
        ftps = source(port, scheme="ftps", username="ann", password="correct horse", authority=authority)
        assert fetched(ftps) == (TEXT, "size")  # this server refuses a data channel without TLS


def test_the_port_says_when_tls_begins(monkeypatch):
    from contactsync.sources import ftp
    from contactsync.sources.place import place_of

    assert [ftp._tls_of(place_of(url, ftp.SCHEMES)) for url in (
        "ftp://files.example.com/a", "ftp://files.example.com:990/a", "ftps://files.example.com/a",
        "ftps://files.example.com:2121/a", "ftps://files.example.com:990/a",
    )] == ["none", "none", "explicit", "explicit", "implicit"]  # fmt: skip


def test_over_ipv6_the_data_comes_from_the_same_host(tmp_path):
    (tmp_path / "contacts.csv").write_bytes(TEXT)
    with ftp_server(tmp_path, address="::1") as port:
        guard = Guard(frozenset({("::1", port)}))
        ftp = FtpServerSource(f"ftp://[::1]:{port}/contacts.csv", guard=guard, limits=QUICK)
        assert fetched(ftp) == (TEXT, "size")


# patterns

WITHOUT_MLSD = {name: value for name, value in FTPHandler.proto_cmds.items() if name not in {"MLSD", "MLST"}}


@pytest.mark.parametrize("settings", [{}, {"proto_cmds": WITHOUT_MLSD}], ids=["MLSD", "NLST"])
def test_the_newest_match_is_taken_and_of_equals_the_last_by_name(tmp_path, settings):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, age in (
        ("contacts-1.csv", 300), ("contacts-2.csv", 100), ("contacts-3.csv", 100), ("contacts-9.csv", 400),
        ("other.csv", 0), ("contacts-4.txt", 0), ("contacts-[5].csv", 500),
    ):  # fmt: skip
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, (1_767_000_000 - age, 1_767_000_000 - age))
    (folder / "contacts-8.csv").mkdir()
    with ftp_server(tmp_path, **settings) as port:
        assert name_of(source(port, "/in/contacts-*.csv")) == "contacts-3.csv"
        assert name_of(source(port, "/in/contacts-?.csv")) == "contacts-3.csv"
        assert name_of(source(port, "/in/contacts-[*].csv")) == "contacts-[5].csv"
        assert code_of(source(port, "/in/none-*.csv")) == "file_not_found"
        assert code_of(source(port, "/nowhere/*.csv")) == "file_not_found"


@pytest.mark.parametrize("settings", [{}, {"proto_cmds": WITHOUT_MLSD}], ids=["MLSD", "NLST"])
def test_what_is_hidden_matches_only_a_pattern_that_says_so(tmp_path, settings):
    """A Mac puts ._contacts.csv beside contacts.csv, and later; others hide a file while it is being written."""
    for name, age in (("contacts.csv", 100), ("._contacts.csv", 0), (".in.contacts.csv", 0)):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, (1_767_000_000 - age, 1_767_000_000 - age))
    with ftp_server(tmp_path, **settings) as port:
        assert name_of(source(port, "/*.csv")) == "contacts.csv"
        assert code_of(source(port, "/?in.*")) == "file_not_found"
        assert name_of(source(port, "/.in.*")) == ".in.contacts.csv"


@pytest.mark.parametrize(
    "odd",
    [
        {"greeting": f"220 {'x' * 9000}"},
        {"size": "9" * 5000},
        {"passive": "227 Entering Passive Mode (127,0,0,1,999,1)."},
        {"passive": f"227 Entering Passive Mode (127,0,0,1,{'9' * 5000},1)."},
    ],
    ids=["a line without end", "a size of 5,000 digits", "a port that none is", "a port of 5,000 digits"],
)
def test_an_answer_that_is_none_is_the_server_s_to_mend(stub, odd):
    for name, value in odd.items():
        setattr(stub, name, value)
    assert code_of(source(stub.port)) in {"unexpected_answer", "port_not_allowed"}


def test_of_more_matches_than_can_be_asked_none_is_taken_for_the_newest(tmp_path):
    for number in range(501):
        (tmp_path / f"{number:03}.csv").write_bytes(b"email\n")
        os.utime(tmp_path / f"{number:03}.csv", (1_767_000_000 - number, 1_767_000_000 - number))
    with ftp_server(tmp_path, proto_cmds=WITHOUT_MLSD) as port:
        assert code_of(source(port, "/*.csv")) == "too_many_files"
        assert name_of(source(port, "/0*.csv")) == "000.csv"
