"""The whole stack as one thing to start and stop.

    with Stack(Settings(home=Path(".local"))) as stack:
        requests.get(f"{stack.facts.api}/v1/contacts", headers=stack.facts.headers)

Everything listens on 127.0.0.1 only, and everything that was started ends with the `with` block, also
when it ends by an error or a signal.
"""

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from contactsync.journeys.account.accounts import NewAccount
from local import accounts, deploy, emulator
from local.front import Front
from local.inbox import Inbox
from local.problem import Problem
from local.rehearsal import rehearse

if TYPE_CHECKING:
    from local.demo import DemoBook

DEFAULT_PORT = 8600
MAIL_SENDER = "contact-sync@example.com"
NOBODY_SIGNS_IN = "https://nobody-signs-in.invalid"
"""Named in the place of the user pool, which is left out: a domain that never resolves (RFC 2606)."""
REHEARSAL = "rehearsal@example.com"
_START_TIMEOUT_S = 20


@dataclass(frozen=True)
class Ports:
    """Where the stack listens, always on the loopback interface."""

    api: int
    aws: int
    inbox: int
    smtp: int

    @classmethod
    def starting_at(cls, first: int) -> "Ports":
        """Four ports in a row."""
        return cls(first, first + 1, first + 2, first + 3)

    @classmethod
    def free(cls) -> "Ports":
        """Four ports that nobody listens on now."""
        held = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
        ports = [listener.getsockname()[1] for listener in held]
        for listener in held:
            listener.close()
        return cls(*ports)


@dataclass(frozen=True)
class Settings:
    """home: a folder for what this stack keeps, its own alone; cache: where built layers stay for the next start.

    demo: an address book to take for Google's, running.
    functions: environment variables for every function on top of its own.
    parameters: of the template, on top of the stack's own.
    rehearse: whether one small import is made before the stack counts as started.
    wait_scale: what the state machines' waits (Retry intervals too) are multiplied by.
    """

    home: Path
    ports: Ports = field(default_factory=lambda: Ports.starting_at(DEFAULT_PORT))
    cache: Path = deploy.ROOT / ".local" / "layers"
    demo: "DemoBook | None" = None
    functions: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    rehearse: bool = False
    wait_scale: float = 1.0
    say: Callable[[str], None] = print


@dataclass(frozen=True)
class Facts:
    """What .local/stack.json tells."""

    api: str
    api_key: str
    inbox: str
    aws: str
    upload_bucket: str
    drop_bucket: str
    demo: str


class Stack:
    """Start with `with` (or `start`), then read `facts`, `deployed`."""

    facts: Facts
    deployed: deploy.Deployed

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._running = ExitStack()
        self._emulator: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The emulator's address, for boto3's endpoint_url."""
        return f"http://127.0.0.1:{self.settings.ports.aws}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """The API answers when this returns. Raises Problem; whatever had been started is stopped then."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        settings = self.settings
        settings.home.mkdir(parents=True, exist_ok=True)
        self._claim_home()
        _check_ports(settings.ports)
        for leftover in ("logs", "code", "runtime"):
            shutil.rmtree(settings.home / leftover, ignore_errors=True)
        self._start_emulator()
        layer = deploy.build_layer(settings.cache)
        inbox = Inbox(smtp_port=settings.ports.smtp, http_port=settings.ports.inbox)
        inbox.start()
        self._running.callback(inbox.stop)
        self._await_emulator()
        api = f"http://127.0.0.1:{settings.ports.api}"
        parameters = {
            "Environment": "local",
            "MailSender": MAIL_SENDER,
            "PublicUrl": api,
            "IdentityIssuer": NOBODY_SIGNS_IN,
            **(settings.demo.parameters if settings.demo else {}),
            **settings.parameters,
        }
        self.deployed = deploy.deploy(
            endpoint=self.endpoint, layer=layer, parameters=parameters, say=settings.say
        )
        self._warm_functions()
        front = Front(port=settings.ports.api, emulator_port=settings.ports.aws)
        front.start(self.deployed.api_id)
        self._running.callback(front.stop)
        account = self.create_account(name="Example Ltd", email="you@example.com")
        self.facts = Facts(
            api=api,
            api_key=account.api_key,
            inbox=f"http://127.0.0.1:{settings.ports.inbox}",
            aws=self.endpoint,
            upload_bucket=self.deployed.outputs["UploadsBucketName"],
            drop_bucket=self.deployed.outputs["DropBucketName"],
            demo=f"{settings.demo.url}/demo" if settings.demo else "",
        )
        if settings.rehearse:
            rehearse(api=api, api_key=self.create_account(name="Rehearsal", email=REHEARSAL).api_key)
        told = settings.home / "stack.json"
        told.write_text(json.dumps(asdict(self.facts), indent=2) + "\n", encoding="utf-8")
        self._running.callback(told.unlink, missing_ok=True)

    def create_account(self, *, name: str, email: str, country: str = "GB") -> NewAccount:
        """A further customer of this stack."""
        return accounts.create(
            endpoint=self.endpoint,
            deployed=self.deployed,
            name=name,
            email=email,
            country=country,
        )

    def stop(self) -> None:
        """End everything that was started; safe to call twice."""
        self._running.close()

    def wait(self) -> None:
        """Return when the emulator has ended, which it does only by force."""
        assert self._emulator is not None
        self._emulator.wait()

    def _claim_home(self) -> None:
        """Hold a lock for as long as this stack runs. Raises Problem if another one holds it."""
        claim: IO[str] = self._running.enter_context(
            (self.settings.home / "lock").open("a+", encoding="utf-8")
        )
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            claim.seek(0)
            raise Problem(
                f"A stack already runs from this directory (process {claim.read().strip() or 'unknown'}). "
                f"Its addresses are in {self.settings.home.name}/stack.json. To start another one, stop it first: "
                "Ctrl-C where it runs."
            ) from None
        claim.seek(0)
        claim.truncate()
        claim.write(str(os.getpid()))
        claim.flush()

    def _start_emulator(self) -> None:
        settings = self.settings
        log = self._running.enter_context((settings.home / "emulator.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "local.emulator"],
            cwd=deploy.ROOT,
            env=emulator.environment(
                port=settings.ports.aws,
                smtp_port=settings.ports.smtp,
                home=settings.home.resolve(),
                wait_scale=settings.wait_scale,
                functions=(settings.demo.variables if settings.demo else {}) | settings.functions,
            ),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the others in order
        )
        self._emulator = process
        self._running.callback(_end, process)

    def _await_emulator(self) -> None:
        assert self._emulator is not None
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._emulator.poll() is not None:
                break
            connection = http.client.HTTPConnection("127.0.0.1", self.settings.ports.aws, timeout=1)
            try:
                connection.request("GET", "/_ministack/health")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        log = (self.settings.home / "emulator.log").read_text(encoding="utf-8", errors="replace")
        raise Problem(f"The emulator did not start. Its last words:\n{log[-2000:].strip()}")

    def _warm_functions(self) -> None:
        """As with provisioned concurrency: one sandbox of each function is there before the first event."""
        assert self._emulator is not None
        assert self._emulator.stdin is not None
        resources = self.deployed.resources.items()
        names = [physical_id for logical_id, physical_id in resources if logical_id.endswith("Function")]
        self._emulator.stdin.write("".join(f"{name}\n" for name in names).encode())
        self._emulator.stdin.flush()


def _check_ports(ports: Ports) -> None:
    """Raises Problem naming every port that is taken."""
    taken = []
    for use, port in asdict(ports).items():
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            taken.append(f"{port} ({use})")
    if taken:
        raise Problem(
            f"Port {', '.join(taken)} is taken by another program. Stop that one, or choose where the stack "
            "listens, for example: make run PORT=9600 (it takes four ports in a row)."
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end (its standard input closes), then insist."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
