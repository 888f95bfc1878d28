"""`make run` as a person meets it: what it prints, what it refuses, and that nothing stays behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.deploy import ROOT
from local.problem import Problem
from local.stack import Ports, Settings, Stack
from tests.support.waiting import wait_for

LOOPBACK = "0100007F"
LISTENING = "0A"

only_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def children_of(pid: int) -> set[int]:
    """All processes below this one."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        below = {child for child, its in parents.items() if its == parent}
        waiting += below - found
        found |= below
    return found


def listening(pids: set[int]) -> set[str]:
    """The addresses (hex, as the kernel writes them) that these processes accept connections on."""
    sockets = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(descriptor.readlink()))
            except OSError:
                continue
    rows = [
        row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    return {
        row[1].partition(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in sockets
    }


@pytest.fixture
def started(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """`python -m local` in a directory of its own, ready."""
    # The repository's code, but another place for what it keeps.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "--cold", "--port", str(four_free_ports())],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    told = tmp_path / ".local" / "stack.json"
    wait_for(lambda: told.exists() or process.poll() is not None, within_s=90, what="the start of the stack")
    assert process.poll() is None, process.stdout and process.stdout.read()
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)


def four_free_ports() -> int:
    """The first of four ports in a row that nobody listens on."""
    for first in range(20000, 30000, 4):
        held = []
        try:
            held = [socket.create_server(("127.0.0.1", first + n)) for n in range(4)]
            return first
        except OSError:
            continue
        finally:
            for listener in held:
                listener.close()
    raise AssertionError("no four free ports in a row")


@only_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind(
    started: "subprocess.Popen[str]", tmp_path: Path, number: signal.Signals
) -> None:
    """Even a process that is killed outright takes its emulator and the emulator's sandboxes along."""
    below = children_of(started.pid)
    assert below, "the emulator is a process of its own"
    assert listening({started.pid, *below}) == {LOOPBACK}
    started.send_signal(number)
    said, _ = started.communicate(timeout=20)
    wait_for(lambda: not {pid for pid in below if alive(pid)}, within_s=10, what="the end of all processes")
    if number != signal.SIGKILL:
        assert started.returncode == 0
        assert not (tmp_path / ".local" / "stack.json").exists()
        assert "Traceback" not in said
        assert len(re.findall(r"^  curl ", said, re.MULTILINE)) == 4


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands are curl's")
def test_the_printed_commands_work_as_they_are(started: "subprocess.Popen[str]") -> None:
    assert started.stdout is not None
    said = "".join(iter(started.stdout.readline, "Ctrl-C stops everything\n"))
    commands = re.findall(r"^  (curl (?:.*\\\n)*.*)$", said, re.MULTILINE)

    def answer(command: str) -> Any:
        return json.loads(subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout)

    start, look, contacts, book = commands
    run_id = answer(start)["run"]["id"]

    def run() -> Any:
        (sync,) = answer(look)["items"]
        assert sync["latest_run"]["id"] == run_id
        return sync["latest_run"] if sync["latest_run"]["finished_at"] else None

    assert wait_for(run, within_s=60, what="the end of the run")["status"] == "succeeded"
    names = [contact["fields"]["name"] for contact in answer(contacts)["items"]]
    assert sorted(names) == ["Ada Lovelace", "Grace Hopper"]
    assert answer(book)["authorize_url"].startswith("http")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_stack_json_tells(stack: Stack) -> None:
    told = json.loads((stack.settings.home / "stack.json").read_text(encoding="utf-8"))
    assert set(told) == {"api", "api_key", "inbox", "aws", "upload_bucket", "drop_bucket", "demo"}
    assert all(told.values())


def test_a_second_start_is_told_who_runs(stack: Stack) -> None:
    again = Stack(Settings(home=stack.settings.home, ports=Ports.free()))
    with pytest.raises(Problem, match=rf"already runs.*process {os.getpid()}.*Ctrl-C"):
        again.start()


def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    ports = Ports.free()
    with (
        socket.create_server(("127.0.0.1", ports.aws)),
        pytest.raises(Problem, match=rf"Port {ports.aws} \(aws\) is taken.*make run PORT="),
    ):
        Stack(Settings(home=tmp_path, ports=ports)).start()


def test_a_template_that_cannot_be_deployed_stops_everything_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        queue = {"Type": "AWS::Nowhere::ToBeFound", "Properties": {}}
        return {"Resources": {"Broken": queue}}

    monkeypatch.setattr("local.deploy._translated", broken)
    ports = Ports.free()
    with pytest.raises(Problem, match=r"not deployed.*Nowhere"):
        Stack(Settings(home=tmp_path, ports=ports, say=lambda text: None)).start()
    for port in (ports.api, ports.aws, ports.inbox, ports.smtp):
        socket.create_server(("127.0.0.1", port)).close()
