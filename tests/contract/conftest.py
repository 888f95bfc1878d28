"""The services that the contract tests run against, each started once and only when a test asks for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from contactsync.adapters.patience import Patience
from contactsync.adapters.signing import Credentials
from tests.contract.scripted import Server
from tests.faults.proxy import FaultProxy
from tests.support.waiting import wait_for

REGION = "eu-west-1"
IMPATIENT = Patience(attempts=4, first_s=0.001, longest_s=0.002)
DYNAMODB_LOCAL = "DYNAMODB_LOCAL_HOME"


def credentials() -> Credentials:
    return Credentials("test", "test")


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def ministack_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """ministack in a process of its own: PartiQL batches, which moto has not."""
    port = _free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "HOME": str(tmp_path_factory.mktemp("ministack")),
    }
    with _running([sys.executable, "-m", "ministack"], environment, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def dynamodb_local_url() -> Iterator[str]:
    """AWS's own DynamoDB Local: slow and the most faithful. It is not ours to ship, so it is optional."""
    home = _dynamodb_local_home()
    if home is None:
        pytest.skip(
            f"No test ran on DynamoDB Local: set {DYNAMODB_LOCAL} to the folder of its jar, and have Java 17"
        )
    port = _free_port()
    command = ["java", f"-Djava.library.path={home}/DynamoDBLocal_lib", "-jar", f"{home}/DynamoDBLocal.jar"]
    options = ["-inMemory", "-sharedDb", "-port", str(port), "-disableTelemetry"]
    with _running([*command, *options], {"PATH": os.environ["PATH"]}, port):
        yield f"http://127.0.0.1:{port}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without DynamoDB Local one of its tests says so by being skipped; the others need not repeat it."""
    lane = [item for item in items if "dynamodb_local_url" in getattr(item, "fixturenames", ())]
    if lane and _dynamodb_local_home() is None:
        config.hook.pytest_deselected(items=lane[1:])
        silent = set(lane[1:])
        items[:] = [item for item in items if item not in silent]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Call it with what a server shall say."""
    servers: list[Server] = []

    def start(*answers: bytes | None, **options: Any) -> Server:
        servers.append(Server(*answers, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def proxy_to() -> Iterator[object]:
    """Call it with a service's address for a FaultProxy in front of it."""
    started: list[FaultProxy] = []

    def start(upstream_url: str) -> FaultProxy:
        proxy = FaultProxy(upstream_url)
        started.append(proxy)
        return proxy.__enter__()

    yield start
    for proxy in started:
        proxy.__exit__(None, None, None)


def _dynamodb_local_home() -> str | None:
    home = os.environ.get(DYNAMODB_LOCAL)
    usable = home and (Path(home) / "DynamoDBLocal.jar").exists() and shutil.which("java")
    return home if usable else None


@contextmanager
def _running(command: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(
            lambda: process.poll() is not None or _listens(port),
            within_s=60,
            what=f"the start of {command[0]}",
        )
        assert process.poll() is None, f"{command} ended at once"
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
