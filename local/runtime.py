"""Run Lambda handlers as the service does: AWS's runtime client, one process a sandbox, a warm pool.

A sandbox is a Python process that runs `awslambdaric` against a Runtime API of its own (a loopback
HTTP server in this process). It sees nothing of the surrounding environment but what Lambda would
give it: the function's code, its layers, the runtime client. Timeout and memory are enforced by
killing the process, as in the cloud.
"""

import importlib.metadata
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

MAX_SANDBOXES_PER_FUNCTION = 10
LOG_TAIL_BYTES = 256 * 1024
_PROBE_INTERVAL_S = 0.1


@dataclass(frozen=True)
class Function:
    """What a sandbox has to know of a function; equal values may share sandboxes."""

    name: str
    arn: str
    handler: str
    code: str
    layers: tuple[str, ...]
    timeout_s: float
    memory_mb: int
    environment: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Outcome:
    """The answer of one invocation: the handler's JSON, or the error as the service words it."""

    payload: bytes
    failed: bool
    log: str


@dataclass
class _Invocation:
    request_id: str
    payload: bytes
    deadline: float
    answers: "queue.Queue[tuple[bool, bytes]]" = field(default_factory=queue.Queue)


class _RuntimeApi(ThreadingHTTPServer):
    """The four calls of the Lambda Runtime API that a runtime client makes, for one sandbox."""

    daemon_threads = True

    def __init__(self, function: Function) -> None:
        super().__init__(("127.0.0.1", 0), _RuntimeApiHandler)
        self.function = function
        self.waiting: queue.Queue[_Invocation | None] = queue.Queue()  # None: the sandbox is gone
        self.current: _Invocation | None = None
        self.init_error: bytes | None = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Let go of the waiting sandbox and of the port, soon: to wait for it would take half a second each."""
        self.waiting.put(None)
        threading.Thread(target=self._close, daemon=True).start()

    def _close(self) -> None:
        self.shutdown()
        self.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A sandbox that was killed leaves a broken connection behind; that is no news."""


class _RuntimeApiHandler(BaseHTTPRequestHandler):
    server: _RuntimeApi
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        pass

    def do_GET(self) -> None:
        """/invocation/next: hand out the next event, however long it takes to come."""
        invocation = self.server.waiting.get()
        if invocation is None:
            self.server.waiting.put(None)  # for who asks once more before the port is closed
            self.close_connection = True
            return
        self.server.current = invocation
        self._answer(
            200,
            invocation.payload,
            {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(int(invocation.deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": self.server.function.arn,
                "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
            },
        )

    def do_POST(self) -> None:
        """/invocation/<id>/response, /invocation/<id>/error, /init/error."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/init/error"):
            self.server.init_error = body
        elif self.server.current is not None:
            self.server.current.answers.put((self.path.endswith("/error"), body))
        self._answer(202, b'{"status":"OK"}', {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Sandbox:
    """One process that serves one function, one invocation at a time."""

    def __init__(
        self, function: Function, *, region: str, endpoint: str, runtime_path: Path, logs: Path
    ) -> None:
        self.function = function
        self.peak_mb = 0.0
        self._api = _RuntimeApi(function)
        stream = f"{int(time.time())}-{uuid.uuid4().hex[:8]}"
        folder = logs / function.name
        folder.mkdir(parents=True, exist_ok=True)
        self._log_path = folder / f"{stream}.log"
        self._log: IO[bytes] = self._log_path.open("ab")
        environment = (
            {
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "HOME": "/tmp",  # noqa: S108 (as in Lambda)
                "AWS_LAMBDA_RUNTIME_API": self._api.address,
                "_HANDLER": function.handler,
                "LAMBDA_TASK_ROOT": function.code,
                "AWS_LAMBDA_FUNCTION_NAME": function.name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
                "AWS_LAMBDA_LOG_STREAM_NAME": stream,
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
                "AWS_ACCESS_KEY_ID": function.name,  # what it signs with tells whose role is asked, see permissions.py
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_ENDPOINT_URL": endpoint,
                "PYTHONPATH": os.pathsep.join([function.code, *function.layers, str(runtime_path)]),
            }
            | dict(function.environment)
        )
        # -S: nothing from this environment's site-packages, so that what the layer lacks is missed here too.
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-m", "awslambdaric", function.handler],
            cwd=function.code,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None and self._api.init_error is None

    def invoke(self, payload: bytes, request_id: str) -> Outcome:
        """Run the handler once. The sandbox does not survive a timeout, too much memory or an exit."""
        start = self._log_path.stat().st_size
        deadline = time.time() + self.function.timeout_s
        invocation = _Invocation(request_id, payload, deadline)
        self._api.waiting.put(invocation)
        answer = None
        while answer is None:
            try:
                answer = invocation.answers.get(
                    timeout=max(0.001, min(_PROBE_INTERVAL_S, deadline - time.time()))
                )
            except queue.Empty:
                answer = self._end_by_force(invocation)
        self._note_memory()
        failed, body = answer
        return Outcome(body, failed, self._log_since(start))

    def _end_by_force(self, invocation: _Invocation) -> tuple[bool, bytes] | None:
        """Whether the sandbox is beyond saving, and if so, the service's words for it."""
        prefix = f"RequestId: {invocation.request_id} Error: "
        resident_mb = self._note_memory()
        if self._api.init_error is not None:
            self.kill()
            return True, self._api.init_error
        if self._process.poll() is not None and invocation.answers.empty():
            status = self._process.returncode
            how = f"exit status {status}" if status >= 0 else "signal: killed"
            self.kill()
            return True, _error("Runtime.ExitError", f"{prefix}Runtime exited with error: {how}")
        if resident_mb > self.function.memory_mb:
            self.kill()
            return True, _error("Runtime.OutOfMemory", f"{prefix}Runtime exited with error: signal: killed")
        if time.time() >= invocation.deadline:
            self.kill()
            seconds = f"{self.function.timeout_s:.2f}"
            return True, _error("Sandbox.Timedout", f"{prefix}Task timed out after {seconds} seconds")
        return None

    def _note_memory(self) -> float:
        """Resident megabytes now; keeps the highest seen. 0 where the system has no /proc."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        except OSError:
            return 0.0
        kilobytes = dict(line.split(":", 1) for line in status.splitlines() if line.startswith("Vm"))
        self.peak_mb = max(self.peak_mb, _megabytes(kilobytes.get("VmHWM")))
        return _megabytes(kilobytes.get("VmRSS"))

    def _log_since(self, start: int) -> str:
        with self._log_path.open("rb") as log:
            log.seek(start)
            return log.read(LOG_TAIL_BYTES).decode("utf-8", "replace")

    def kill(self) -> None:
        """End the process and its Runtime API; safe to call twice."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._api.close()
        self._log.close()


class Pool:
    """Sandboxes by function; a warm one is used again, else a new one starts.

    peaks_path receives {"<function>": {"memory_mb": limit, "peak_mb": highest resident size seen}}.
    """

    def __init__(self, *, region: str, endpoint: str, home: Path) -> None:
        self._region, self._endpoint = region, endpoint
        self._logs, self._peaks_path = home / "logs", home / "memory.json"
        self._runtime_path = link_runtime_client(home / "runtime")
        self._idle: defaultdict[Function, list[Sandbox]] = defaultdict(list)
        self._slots: defaultdict[str, threading.BoundedSemaphore] = defaultdict(
            lambda: threading.BoundedSemaphore(MAX_SANDBOXES_PER_FUNCTION)
        )
        self._started: set[Sandbox] = set()
        self._peaks: dict[str, dict[str, float]] = {}
        self._lock = threading.Lock()

    def invoke(self, function: Function, payload: bytes, request_id: str) -> Outcome:
        """Run the function once, in a warm sandbox if one is idle; waits while all its sandboxes are busy."""
        with self._lock:
            slot = self._slots[function.name]
        with slot:
            sandbox = self._take(function)
            outcome = sandbox.invoke(payload, request_id)
            self._give_back(sandbox)
        return outcome

    def warm(self, function: Function) -> None:
        """Start a sandbox before the first event asks for it, so that the first run is not a cold one."""
        sandbox = self._take(function)
        with self._lock:
            self._idle[function].append(sandbox)

    def _take(self, function: Function) -> Sandbox:
        with self._lock:
            while self._idle[function]:
                sandbox = self._idle[function].pop()
                if sandbox.alive:
                    return sandbox
                self._retire(sandbox)
            self._drop_outdated(function)
        sandbox = Sandbox(
            function,
            region=self._region,
            endpoint=self._endpoint,
            runtime_path=self._runtime_path,
            logs=self._logs,
        )
        with self._lock:
            self._started.add(sandbox)
        return sandbox

    def _drop_outdated(self, function: Function) -> None:
        """Idle sandboxes of an earlier configuration or code of the same function will not be asked again."""
        for other in [f for f in self._idle if f.name == function.name and f != function]:
            for sandbox in self._idle.pop(other):
                self._retire(sandbox)

    def _give_back(self, sandbox: Sandbox) -> None:
        with self._lock:
            known = self._peaks.setdefault(sandbox.function.name, {"memory_mb": 0.0, "peak_mb": 0.0})
            higher = sandbox.peak_mb > known["peak_mb"]
            if higher:
                known.update(memory_mb=float(sandbox.function.memory_mb), peak_mb=round(sandbox.peak_mb, 1))
                self._peaks_path.write_text(json.dumps(self._peaks, indent=1), encoding="utf-8")
            if sandbox.alive:
                self._idle[sandbox.function].append(sandbox)
            else:
                self._retire(sandbox)

    def _retire(self, sandbox: Sandbox) -> None:
        sandbox.kill()
        self._started.discard(sandbox)

    def close(self) -> None:
        """Kill every sandbox, also those at work."""
        with self._lock:
            for sandbox in list(self._started):
                self._retire(sandbox)
            self._idle.clear()


def link_runtime_client(folder: Path) -> Path:
    """A folder that holds the runtime client and its dependencies only, as Lambda's /var/runtime does."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in ("awslambdaric", "simplejson", "snapshot-restore-py"):
        files = importlib.metadata.files(package) or []
        for top in {file.parts[0] for file in files if file.parts[0] != ".."}:
            source = Path(str(importlib.metadata.distribution(package).locate_file(top)))
            link = folder / top
            if not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(source)
    return folder


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _megabytes(kilobytes: str | None) -> float:
    return float(kilobytes.split()[0]) / 1024 if kilobytes else 0.0
