"""A list whose source is cut loses nobody, and the next whole file puts everything right: 20 places in 7 ways.

The guard is switched off as far as it can be, so that the proof of completeness alone stands between a cut file
and the deletion of all whom it no longer names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from contactsync.model.run import Run
from contactsync.sources.transfer import Limits
from tests.fakes.webserver import Request, WebServer, reply
from tests.faults.cuts import POINTS, WAYS, Cuts, points
from tests.support.world import World

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
UNGUARDED = {
    "delete_missing": {"scope": "all"},
    "guard": {"min_overlap_percent": 0, "max_delete_percent": 100, "max_delete_count": 1_000_000},
}
QUICK = Limits(connect_s=2, read_s=2, answer_s=3, attempts=2, first_wait_s=0.001)

BEFORE = {f"ann{n}@example.com": f"Ann {n}" for n in range(60)}
AFTER = {
    **{f"ann{n}@example.com": f"Ann {n}" if n % 7 else f"Dr Ann {n}" for n in range(5, 60)},
    "bob@example.com": "Bob",
    "cem@example.com": "Cem",
}
"""Five are gone, eight have another name, two are new."""


def listed(people: dict[str, str]) -> bytes:
    return b"email,name\r\n" + "".join(f"{email},{name}\r\n" for email, name in people.items()).encode()


def names(world: World) -> dict[str, str]:
    return {email: fields["name"] for email, fields in world.fields().items()}


def run_again(world: World, run: Run) -> Run:
    again = world.again(run.sync_id, "")
    world.execute(again)
    return world.run(again)


def cut_and_repaired(server: Cuts, point: int) -> str:
    """One list, its source cut once; how the run with the cut source ended."""
    world = World(allow_hosts=f"127.0.0.1:{server.port}", limits=QUICK)
    server.serve(listed(BEFORE))
    first = world.import_rows("", NAMES, source=server.source, options=UNGUARDED)
    assert (first.status, names(world)) == ("succeeded", BEFORE)

    server.serve(listed(AFTER), cut_at=point)
    cut = run_again(world, first)
    assert cut.counts.deleted == 0
    assert set(BEFORE) <= set(names(world)), "somebody was lost"
    assert set(names(world).items()) <= set(BEFORE.items()) | set(AFTER.items()) | cut_names(AFTER)
    if cut.status == "succeeded":
        told = [warning for warning in cut.warnings if warning.code == "source_not_proven_complete"]
        assert told
        outcome = "adds and updates only"
    else:
        assert (cut.status, names(world)) == ("failed", BEFORE)
        assert cut.problem
        assert cut.problem.detail
        outcome = cut.problem.code
        assert outcome != "internal", "it is the customer's server that fails"

    server.serve(listed(AFTER))
    repaired = run_again(world, first)
    assert repaired.status == "succeeded"
    proven = {warning.code for warning in repaired.warnings}.isdisjoint({"source_not_proven_complete"})
    assert names(world) == (AFTER if proven else BEFORE | AFTER)
    assert repaired.counts.deleted == (5 if proven else 0)
    return outcome


def cut_names(people: dict[str, str]) -> set[tuple[str, str]]:
    """What a cut row can turn a name into: a beginning of it."""
    return {(email, name[:length]) for email, name in people.items() for length in range(1, len(name))}


def test_no_cut_deletes_anybody_and_the_next_good_run_repairs() -> None:
    outcomes: Counter[tuple[str, str]] = Counter()
    for way, arrange in WAYS.items():
        with arrange() as server:
            for point in points(listed(AFTER), server.travels(listed(AFTER))):
                outcomes[way, cut_and_repaired(server, point)] += 1
    for (way, outcome), count in outcomes.items():
        print(f"{count:3} {way}: {outcome}")
    print(f"{outcomes.total()} of {POINTS * len(WAYS)} cuts: nothing deleted, repaired by the next good run")
    assert outcomes.total() == POINTS * len(WAYS) == 140


def test_a_file_that_takes_longer_than_a_run_can_wait_ends_it_with_what_to_do() -> None:
    """At once, for whoever is too slow now is so again: the machine does not try again."""

    def slow(request: Request) -> Iterator[bytes | float | object]:
        yield from reply(b"", Content_Length="1000000")
        for _ in range(100):
            yield bytes(10_000)
            yield 0.02

    with WebServer(slow) as server:
        limits = Limits(read_s=2, total_s=0.2, first_wait_s=0.001)
        world = World(allow_hosts=f"127.0.0.1:{server.port}", limits=limits)
        source = {"kind": "http", "url": f"http://127.0.0.1:{server.port}/contacts.csv"}
        run = world.import_rows("", NAMES, source=source)
        assert len(server.requests) == 1
    assert run.status == "failed"
    assert run.problem
    assert run.problem.code == "too_slow"
    assert "Split it, compress it" in run.problem.detail
