"""`make run`: start the stack, say where everything is, wait for Ctrl-C."""

import argparse
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from local.problem import Problem

if TYPE_CHECKING:
    from local.stack import Stack

_WELCOME = """
Contact Sync runs on this machine (ready after {seconds:.1f} s).

  API      {api}/v1
  key      {api_key}
  inbox    {inbox}
  demo     {demo}

Import two contacts, look at the run (the sync's latest_run), list the contacts:

  curl -s {api}/v1/imports \\
    -H 'Authorization: Bearer {api_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{body}'

  curl -s {api}/v1/syncs -H 'Authorization: Bearer {api_key}'

  curl -s {api}/v1/contacts -H 'Authorization: Bearer {api_key}'

The demo is an address book to connect, as provider google; ?add=Zoe+Example puts somebody into it:

  curl -s {api}/v1/connections \\
    -H 'Authorization: Bearer {api_key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"provider": "google"}}'

Open the authorize_url of the answer; then save a sync with the connection as its source, and run it.

The mail about the run is at {inbox}. What was imported is gone when the stack stops.
Ctrl-C stops everything
"""

_BODY = (
    '{"source": {"kind": "paste", "text": "Name,Mail\\nAda Lovelace,ada@example.com\\nGrace Hopper,grace@example.com"}, '
    '"mapping": [{"column": "Name", "field": "name"}, {"column": "Mail", "field": "email"}], '
    '"identity": {"field": "email"}}'
)


def main() -> int:
    """The process's exit code: 0 after Ctrl-C, 1 if the stack cannot run."""
    options = _options()
    started = time.monotonic()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        from local.demo import DemoBook
        from local.stack import Ports, Settings
        from local.stack import Stack as Whole

        ports = Ports.starting_at(options.port)
        with DemoBook(f"http://127.0.0.1:{ports.api}/v1/oauth/callback") as demo:
            settings = Settings(
                home=Path(".local"),
                ports=ports,
                demo=demo,
                rehearse=not options.cold,
                functions={"ALLOW_HOSTS": options.allow_hosts} if options.allow_hosts else {},
            )
            return _run(Whole(settings), started)
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as missing:
        print(
            f"{missing.name} is not installed. Start with make run, which installs what is needed.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


def _run(ready: "Stack", started: float) -> int:
    """Say where everything is, and wait."""
    with ready as stack:
        facts = stack.facts
        seconds = time.monotonic() - started
        welcome = _WELCOME.format(seconds=seconds, body=_BODY, **asdict(facts))
        print(welcome, flush=True)
        stack.wait()
    print("The emulator ended by itself. Its last words are in .local/emulator.log.", file=sys.stderr)
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument(
        "--port",
        type=int,
        default=int(os.environ.get("PORT") or 8600),
        help="the API's port; AWS, inbox and SMTP take the three that follow (default: $PORT, or 8600)",
    )
    parser.add_argument(
        "--allow-hosts",
        default=os.environ.get("ALLOW_HOSTS", ""),
        help="private hosts that sources may read, host:port separated by commas (default: $ALLOW_HOSTS, or none)",
    )
    parser.add_argument(
        "--cold",
        action="store_true",
        help="be ready a few seconds earlier, without the trial import that warms the functions",
    )
    return parser.parse_args()


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (signal calls it so)
    # A second Ctrl-C must not cut the stopping short, or processes would stay behind.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
