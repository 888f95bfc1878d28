"""What all tests share: an environment in which nobody reaches a real AWS, and the local stack on demand."""

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, settings

from local.demo import DemoBook
from local.stack import Ports, Settings, Stack
from tests.fakes.radicale import Radicale
from tests.faults import figures

settings.register_profile(
    "steady",
    deadline=None,  # a shared machine is slow now and then, which is no finding
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("steady"), max_examples=2000)
settings.register_profile("fuzz", settings.get_profile("steady"), max_examples=20_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.hookimpl(optionalhook=True)  # there are processes where pytest-xdist makes some
def pytest_testnodedown(node: Any) -> None:
    """A process of tests has come to its end: what its campaigns have tried counts."""
    figures.FIGURES.update(getattr(node, "workeroutput", {}).get("figures", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A whole campaign that has come to less than its page says has failed."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["figures"] = dict(figures.FIGURES)
    elif short := figures.short(session):
        print(f"\nfewer than docs/reliability.md says: {', '.join(short)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How much the campaigns have tried."""
    for what, number in figures.FIGURES.items():
        terminalreporter.write_line(f"{number:,} {what}")


@pytest.fixture(autouse=True)
def _no_real_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, so that a forgotten endpoint fails instead of writing somewhere."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def ports() -> Ports:
    """Where the stack listens."""
    return Ports.free()


@pytest.fixture(scope="session")
def everybodys_demo_book(ports: Ports) -> Iterator[DemoBook]:
    """The book that the stack takes for Google's, as with `make run`; tests take `demo_book`."""
    with DemoBook(f"http://127.0.0.1:{ports.api}/v1/oauth/callback") as book:
        yield book


@pytest.fixture
def demo_book(everybodys_demo_book: DemoBook) -> DemoBook:
    """The stack's demo book, with nobody in it but those who are there at first."""
    everybodys_demo_book.begin_anew()
    return everybodys_demo_book


@pytest.fixture(scope="session")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radicale]:
    """A CardDAV server on this machine, to which the stack may go."""
    with Radicale(tmp_path_factory.mktemp("radicale")) as server:
        yield server


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    ports: Ports,
    everybodys_demo_book: DemoBook,
    radicale: Radicale,
) -> Iterator[Stack]:
    """The whole stack on free ports, started once for all tests of a process; waits between retries are shortened."""
    reachable = ",".join(urlsplit(server.url).netloc for server in (radicale, everybodys_demo_book))
    settings = Settings(
        home=tmp_path_factory.mktemp("stack"),
        ports=ports,
        demo=everybodys_demo_book,
        wait_scale=0.05,
        functions={"ALLOW_HOSTS": reachable},
        say=lambda text: None,
    )
    with Stack(settings) as started:
        yield started
        from tests.journeys.traces import people_in_logs

        assert people_in_logs(started) == [], "after all tests of the stack"
