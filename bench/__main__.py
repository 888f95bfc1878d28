"""Everything that is measured here, as ratios against named peers in one run on one machine.

    make bench                    some minutes
    make bench ARGS=--short       a minute: fewer rows and rounds, for a look at the ratios
    make bench ARGS=--full        an hour: whole imports of a million rows, too (20 GB of memory)

Seconds differ between machines and hours; ratios of two programs run in turn hardly do.
"""

from __future__ import annotations

import argparse

from bench import api, cold, mapping, parsing, sharing, whole, writing


def main() -> None:
    """Print one table after the other."""
    options = argparse.ArgumentParser(prog="bench", description=__doc__)
    options.add_argument("--short", action="store_true", help="fewer rows and rounds")
    options.add_argument("--full", action="store_true", help="a million rows, too")
    given = options.parse_args()
    short = given.short
    rounds = 1 if short else 3

    _title("Rows parsed, against csv.reader")
    parsing.measure(20_000 if short else 100_000, rounds)

    _title("Rows mapped and validated per CPU second, against pydantic + EmailStr + phonenumbers")
    mapped = mapping.measure(5_000 if short else 20_000, rounds)
    _row("contactsync", mapped["ours_us_a_row"], 1.0)
    _row("pydantic + EmailStr + phonenumbers", mapped["pydantic_us_a_row"], mapped["ratio"])
    print(f"  target: 6.0 x, stretch 8.0 x; measured: {mapped['ratio']:.1f} x less CPU")

    _title("Items written per CPU second, one fast stub endpoint, conditions and retries on our side")
    written = writing.measure(5_000 if short else 50_000, rounds, writing.available(None))
    for name, figures in written["workers"].items():
        _row(name, 1e6 / figures["items_a_cpu_s"], figures["ratio_to_ours"])
    print("  targets: 6 x less than csv.DictReader + batch_writer, 11 x less than awswrangler put_csv")

    _title("Whole imports, each a process of its own, on one endpoint that keeps what it is given")
    if short:
        whole.measure(2_000, (1_000, 4_000), every_peer=False)
    else:
        whole.keep(whole.measure(whole.USUAL, (10_000, whole.USUAL), every_peer=True))
    if given.full:
        whole.keep(whole.measure(1_000_000, (10_000, 100_000, 1_000_000), every_peer=True))

    _title("API latency on the local stack, median and p99, and the share of the median that is our handler")
    api.show(api.measure(100 if short else 500))

    _title(
        "Ten pasted rows of one account, alone and beside another account's large files, on the local stack"
    )
    many = 5_000 if short else 100_000
    sharing.show(sharing.measure(many, 3 if short else 10), many)

    _title(f"Cold import of each handler, ms (target {cold.TARGET_MS})")
    for name, spent in cold.measure(2 if short else 5).items():
        print(f"  {name:<12}{spent:>6}{'' if spent < cold.TARGET_MS else '   over the target'}")


def _title(text: str) -> None:
    print(f"\n{text}", flush=True)


def _row(name: str, microseconds: float, ratio: float) -> None:
    print(f"  {name:<36}{microseconds:>8.1f} us of CPU an item {ratio:>6.1f} x")


if __name__ == "__main__":
    main()
