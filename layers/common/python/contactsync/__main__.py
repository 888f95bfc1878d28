"""Operate a deployed stack.

    python -m contactsync account --stack contact-sync --name "Example Ltd" --email you@example.com --country GB
    python -m contactsync accounts --stack contact-sync list
    python -m contactsync redeliver --stack contact-sync
    python -m contactsync redrive --stack contact-sync --dry-run

Each command is a module of contactsync.operating; AWS credentials and region come from where the AWS tools look for them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from contactsync.operating import account, accounts, redeliver, redrive
from contactsync.operating.stack import NoStack, Stack

COMMANDS = (account, accounts, redeliver, redrive)


def main(given: Sequence[str] | None = None) -> int:
    """The command's exit status, or 1 with a word on what is wrong."""
    options = _parser().parse_args(given)
    try:
        status: int = options.run(options, Stack.named(options.stack))
    except NoStack as problem:
        print(problem, file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m contactsync", description="Operate a deployed stack.")
    commands = parser.add_subparsers(required=True, metavar="<command>")
    for module in COMMANDS:
        told = (module.__doc__ or "").partition("\n")[0]
        command = commands.add_parser(module.__name__.rpartition(".")[2], help=told, description=told)
        command.add_argument("--stack", required=True, help="the CloudFormation stack's name")
        module.arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
