"""The AWS emulator as a process of its own: `python -m local.emulator`, started by local/stack.py.

Its settings come from the environment (see `environment`). Each line on its standard input names a function
that shall be warm before its first event. It serves until its standard input closes, so that it ends with
the process that started it however that one ends.
"""

import asyncio
import hashlib
import io
import json
import os
import resource
import signal
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

from local.place import ACCOUNT, REGION

POINTER = "directory.json"


def environment(
    *, port: int, smtp_port: int, home: Path, wait_scale: float, functions: dict[str, str]
) -> dict[str, str]:
    """What the emulator's process is started with.

    functions: variables that every function gets on top of its own; wait_scale shortens the waits of
    state machines (1 = as written).
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "SMTP_HOST": f"127.0.0.1:{smtp_port}",
        "SFN_WAIT_SCALE": str(wait_scale),
        "LOG_LEVEL": "WARNING",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",  # else it removes containers it takes for its own
        "LOCAL_HOME": str(home),
        "LOCAL_FUNCTIONS": json.dumps(functions),
    }


def main() -> None:
    """Serve until standard input closes or a signal comes; then end every sandbox."""
    from local import patches
    from local.runtime import Pool

    port = int(os.environ["GATEWAY_PORT"])
    home = Path(os.environ["LOCAL_HOME"])
    pool = Pool(region=REGION, endpoint=f"http://127.0.0.1:{port}", home=home)
    functions = Functions(pool, home / "code", json.loads(os.environ["LOCAL_FUNCTIONS"]))
    patches.apply(functions.invoke)
    _allow_many_files()
    try:
        asyncio.run(_serve(port, functions, home))
    finally:
        functions.close()


async def _serve(port: int, functions: "Functions", home: Path) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    from local.permissions import Permissions

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 0.5
    config.loglevel = "WARNING"
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    threading.Thread(target=_listen_to_parent, args=(functions, loop, ending), daemon=True).start()
    guarded: Any = Permissions(app, functions.role_of, home)
    await serve(guarded, config, shutdown_trigger=ending.wait)
    functions.close()
    os._exit(0)  # at once: none of the emulator's threads has anything left to finish


def _listen_to_parent(functions: "Functions", loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    """Standard input is a pipe; it ends when the parent does."""
    for line in sys.stdin:
        functions.warm(line.strip())
    loop.call_soon_threadsafe(ending.set)


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Functions:
    """Turns the emulator's function records into sandboxes' functions."""

    def __init__(self, pool: Any, code: Path, variables: dict[str, str]) -> None:
        self._pool, self._code, self._variables = pool, code, variables
        self._unpacking = threading.Lock()
        self._roles: dict[str, str] = {}

    def invoke(self, record: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        """The emulator's executor: {"body", "error", "log"} as ministack.services.lambda_svc expects it."""
        outcome = self._pool.invoke(self._function(record), json.dumps(event).encode(), request_id)
        from local import quotas  # which needs this module's names

        if too_large := quotas.too_large_an_answer(len(outcome.payload or b"")):
            told = {"errorMessage": too_large, "errorType": "Function.ResponseSizeTooLarge"}
            return {"body": told, "log": outcome.log, "error": True, "function_error": "Unhandled"}
        body = json.loads(outcome.payload) if outcome.payload else None
        answer = {"body": body, "log": outcome.log}
        return answer | {"error": True, "function_error": "Unhandled"} if outcome.failed else answer

    def close(self) -> None:
        """End every sandbox."""
        self._pool.close()

    def warm(self, name: str) -> None:
        """Start a sandbox of the function, so that its first event does not wait for the imports."""
        from ministack.services import lambda_svc

        record, _, _ = lambda_svc._get_func_record_for_ref(name)
        if record is not None:
            self._pool.warm(self._function(record))

    def role_of(self, name: str) -> str | None:
        """The name of the role that signs with `name`: a function's own, or one of ours that was lent; else None."""
        from ministack.services import iam, lambda_svc, sts

        if name in sts._sessions:
            role = str(sts._sessions[name].get("RoleArn") or sts._sessions[name]["Arn"]).split("/")[1]
            return role if role in iam._roles else None
        if name not in self._roles:
            record, _, _ = lambda_svc._get_func_record_for_ref(name)
            if record is None:
                return None
            self._roles[name] = str((record.get("config") or record)["Role"]).rpartition("/")[2]
        return self._roles[name]

    def _function(self, record: dict[str, Any]) -> Any:
        from ministack.services import iam, lambda_svc

        from local.runtime import Function

        config = record.get("config") or record
        # The emulator takes presigned URLs only from keys that it knows; each function signs with its name
        name = config["FunctionName"]
        iam._access_keys[name] = {"UserName": name, "Status": "Active", "SecretAccessKey": "test"}
        layers = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
        own = (config.get("Environment") or {}).get("Variables") or {}
        return Function(
            name=name,
            arn=config["FunctionArn"],
            handler=config["Handler"],
            code=self._unpacked(record["code_zip"]),
            layers=tuple(f"{self._unpacked(layer)}/python" for layer in layers if layer),
            timeout_s=float(config.get("Timeout", 3)),
            memory_mb=int(config.get("MemorySize", 128)),
            environment=tuple(sorted((self._variables | own).items())),
        )

    def _unpacked(self, archive: bytes) -> str:
        """The folder of an archive's content. An archive that holds only a pointer names the folder itself."""
        with zipfile.ZipFile(io.BytesIO(archive)) as opened, self._unpacking:
            if opened.namelist() == [POINTER]:
                return str(json.loads(opened.read(POINTER))["directory"])
            folder = self._code / hashlib.sha256(archive).hexdigest()[:16]
            if not folder.is_dir():
                opened.extractall(folder)
        return str(folder)


if __name__ == "__main__":
    main()
