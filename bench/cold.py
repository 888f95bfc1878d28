"""What a cold start spends on imports: each handler in a process of its own, as Lambda imports it.

    python -m bench.cold [rounds]

Wall milliseconds from the first line to an imported handler, the least of some runs: what else the machine does
only adds. The interpreter's own start is left out; Lambda has it done before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET_MS = 400
PROBE = """
import sys, time
began = time.perf_counter()
sys.path[:0] = sys.argv[1:]
import handler
print((time.perf_counter() - began) * 1000)
"""
ENVIRONMENT = {
    "AWS_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "CONTACTS_TABLE": "contacts",
    "CONTROL_TABLE": "control",
    "RUNS_BUCKET": "runs",
    "UPLOADS_BUCKET": "uploads",
    "PHOTOS_BUCKET": "photos",
    "BUS_NAME": "bus",
}


def import_ms(function: Path) -> float:
    """One cold import of one function's handler."""
    layer = ROOT / "layers" / "common" / "python"
    environment = {"PATH": os.environ["PATH"], **ENVIRONMENT}
    command = [sys.executable, "-c", PROBE, str(function), str(layer)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(told.stdout)


def measure(rounds: int = 5) -> dict[str, int]:
    """Milliseconds by function. The first round, which compiles, does not count."""
    functions = sorted(path.parent for path in (ROOT / "functions").glob("*/handler.py"))
    taken: dict[str, list[float]] = {function.name: [] for function in functions}
    for number in range(rounds + 1):
        for function in functions:
            spent = import_ms(function)
            if number:
                taken[function.name].append(spent)
    return {name: round(min(times)) for name, times in taken.items()}


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:2])), indent=2))
