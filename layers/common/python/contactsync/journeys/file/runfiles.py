"""The files of one run: the only module that knows how they are called and what their lines hold.

    runs/<account>/<run>/
        paste                 what the client pasted: fetch copies it, and the next run of the sync has it from here
        source                the source's bytes
        text                  the same in UTF-8 and unpacked, where the source is not
        records               the rows of a workbook or of an address book (`core.records_file`)
        manifest.json         which of the three to read, dialect, header, where the chunks begin and end
        rows/<chunk>.jsonl    mapped rows grouped by shard: [id, row, hash, fields]; [id, row, "", null] for a refused row,
                              [id, row, hash, true] for one that is known and was not typed
        rows/<chunk>-<…>.jsonl    the same where rows are known: not every worker need know the same ones
        rows/<chunk>.json     in which of these and where each shard's rows lie, and the chunk's counts
        rejects/<chunk>.jsonl [row, [cell, …], [[column, field, code, message], …]]
        looked-at             ids of contacts whose rows are not to be known; empty when the run has ended
        plan/<unit>.jsonl     one decision a row (`core.planning`)
        plan/<unit>.json      the unit's counts and the digest of its decisions
        plan/<unit>.odd       ids of contacts that are not as their row says: a later run looks at them again
        plan/<unit>.aside     ids of contacts by which a later run tells who is missing (`journeys.file.missing`)
        upsert/<unit>.jsonl   decisions that turned out otherwise than planned
        upsert/<unit>.json    the unit's counts
        held/<unit>.*         the same for deletions that waited for an approval
        rejects.csv           what the customer downloads
        added.csv             the same of rows that added a contact, once somebody has asked; updated.csv likewise
        deletions.csv         the contacts that the plan deletes, once somebody has asked

Every file is written whole, under a name that depends on nothing but the work it holds: a step that runs again
writes the same files again. The bucket forgets them by lifecycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal, NamedTuple, TypeVar

import orjson
from pydantic import ConfigDict, Field

from contactsync.core.decisions import Delete, read_decision
from contactsync.core.decisions import Reject as RejectedLate
from contactsync.core.identity import SHARDS, digest_of
from contactsync.core.naming import short
from contactsync.core.parsing import Chunk, Dialect
from contactsync.errors import NotFound
from contactsync.model.contact import Contact
from contactsync.model.deferred import Deferred
from contactsync.model.run import Counts, Run
from contactsync.ports import Objects

T = TypeVar("T")
Stage = Literal["all", "rest", "held"]
"""Which part of a plan: deletions that wait for an approval are carried out in a pass of their own, "held"."""

READ_BYTES = 1 << 20
BLANK = "blank_row"
ID = slice(2, 34)
"""Where the id stands in a mapped row's line: `["<32 hex digits>", …`."""
MENTION = b",null]"
"""How the line of a row ends that was refused, but whose identity is known: its contact is not missing."""
KNOWN = b",true]"
"""How the line of a row ends that says nothing new (`journeys.file.known`): it was not typed."""


class Manifest(Deferred):
    """How the file is read and where it is cut.

    `dialect` is None where the rows lie in `records`. `own_mapping` is that of cards, which counts where the sync
    has none. `ours`: so many columns behind the customer's are ours, in what we have written and comes back.
    `header` and `width` are the customer's.
    `date_orders` are those of columns of dates; the ones in `orders_proven` have proven it themselves. `reading` is a
    digest of what decides how a row is read, `known_by` the run that knows rows of the file, "" if none does
    (`journeys.file.known`).
    """

    model_config = ConfigDict(frozen=True)

    key: str
    dialect: Dialect | None
    header: list[str] | None
    width: int
    rows: int
    chunks: list[Chunk]
    units: int
    own_mapping: list[dict[str, str]] | None = None
    ours: int = 0
    date_orders: dict[int, str] = Field(default={})
    orders_proven: list[int] = Field(default=[])
    reading: str = ""
    known_by: str = ""

    @property
    def columns(self) -> list[str]:
        """A name for each column: the header's, or "Column 1" and so on where it has none."""
        named = self.header or []
        return [*named, *(f"Column {number}" for number in range(len(named) + 1, self.width + 1))]

    @property
    def file_width(self) -> int:
        """Columns of the file itself: what we have written has some of ours behind the customer's."""
        return self.width + self.ours


class PlanSummary(Deferred):
    """What one unit's decisions come to.

    `odd`: how many contacts are not as their row says, though the run has gone well; None if they were not noted.
    `deletes`: the scope of those who go if no row mentions them, None if nobody goes. `aside`: how many are noted as they
    are either mentioned or in that scope, and not both; None if they were too many. `confirms`: of how many unchanged
    contacts it is noted that the sync knows them.
    """

    model_config = ConfigDict(frozen=True)

    counts: Counts
    digest: str
    stored: int = 0
    found: int = 0
    odd: int | None = None
    deletes: Literal["all", "sync"] | None = None
    aside: int | None = None
    confirms: int = 0

    @property
    def writes(self) -> bool:
        """Whether carrying out the unit writes anything."""
        return bool(self.written)

    @property
    def written(self) -> int:
        """How many contacts carrying out the unit writes."""
        return self.counts.added + self.counts.updated + self.counts.deleted + self.confirms


@dataclass(frozen=True, slots=True)
class Reject:
    """A refused row: where it stands, its cells as they were, and everything that is wrong with it."""

    row: int
    cells: list[str]
    problems: list[tuple[int | None, str | None, str, str]]

    def line(self) -> bytes:
        """As stored."""
        return orjson.dumps([self.row, self.cells, self.problems])

    @property
    def is_blank(self) -> bool:
        """A row without any content: skipped, not refused."""
        return self.problems[0][2] == BLANK

    def reason(self, columns: list[str]) -> str:
        """Everything that is wrong, each with the name of its column."""
        return " ".join(
            f"{short(columns[column])}: {message}"
            if column is not None and column < len(columns)
            else message
            for column, _, _, message in self.problems
        )


class RunFiles:
    """The files of one run in the runs bucket."""

    def __init__(self, objects: Objects, account_id: str, run_id: str, *, plan_of: str | None = None) -> None:
        self.objects = objects
        self.prefix = f"runs/{account_id}/{plan_of or run_id}/"
        """Where the plan lies, and all that comes before it."""
        self.done = f"runs/{account_id}/{run_id}/"
        self.paste = f"{self.prefix}paste"
        self.source = f"{self.prefix}source"
        self.text = f"{self.prefix}text"
        self.records = f"{self.prefix}records"
        self.rejects_csv = f"{self.done}rejects.csv"
        self.deletions_csv = f"{self.done}deletions.csv"
        self._indexes: dict[int, _Index] = {}

    # Parse

    def save_manifest(self, manifest: Manifest) -> None:
        """Parse's answer to everybody who reads rows."""
        self.objects.put(f"{self.prefix}manifest.json", manifest.model_dump_json().encode())

    def manifest(self) -> Manifest:
        """As saved. Raises NotFound before parse is through."""
        return Manifest.model_validate_json(self.objects.get(f"{self.prefix}manifest.json"))

    def chunk(self, manifest: Manifest, number: int) -> bytes:
        """The bytes of one chunk."""
        chunk = manifest.chunks[number]
        with self.objects.open(manifest.key, offset=chunk.offset, length=chunk.length) as stream:
            return stream.read()

    def save_looked_at(self, ids: Iterable[str]) -> None:
        """Whose rows are not to be known, as long as the run lasts."""
        self.objects.put(f"{self.prefix}looked-at", "\n".join(ids).encode())

    def looked_at(self) -> frozenset[str]:
        """As saved. Raises NotFound."""
        return frozenset(self.objects.get(f"{self.prefix}looked-at").decode().split("\n"))

    def forget_looked_at(self) -> None:
        """When the run has ended nobody needs it, and it names people whom the file does not. Emptied: notify may not delete."""
        self.save_looked_at(())

    def forget_source(self) -> None:
        """Of a run that has found its file as another run has kept it: a file that is fetched often would lie here so often."""
        self.objects.put(self.source, b"")

    # Map

    def save_mapped(
        self,
        chunk: int,
        by_shard: list[list[bytes]],
        rejects: list[bytes],
        counts: Counts,
        *,
        unreadable: int = 0,
        known: int = 0,
    ) -> None:
        """One chunk's rows, grouped by shard with the file's order kept within each, and its rejects.

        `unreadable`: how many of these do not say whom they are about. `known`: how many rows were not typed.
        The index is written last: where it is, the rest is. Rows of which another worker may know others are called by
        where their shards lie, so whoever comes last, they fit the index.
        """
        shards: dict[str, tuple[int, int]] = {}
        offset = 0
        for shard, lines in enumerate(by_shard):
            if lines:
                length = sum(map(len, lines)) + len(lines)
                shards[str(shard)] = (offset, length)
                offset += length
        name = f"{chunk:05d}-{digest_of(repr(shards))}" if known else f"{chunk:05d}"
        with self.objects.writer(f"{self.prefix}rows/{name}.jsonl") as out:
            for lines in filter(None, by_shard):
                out.write(b"\n".join(lines) + b"\n")
        self._save_lines(f"{self.prefix}rejects/{chunk:05d}.jsonl", rejects)
        index = {"rows": name, "shards": shards, "counts": counts.model_dump()}
        told = orjson.dumps(index | {"unreadable": unreadable, "known": known})
        self.objects.put(f"{self.prefix}rows/{chunk:05d}.json", told)

    def mapped_counts(self, chunks: int) -> Counts:
        """What map made of all chunks that it is through with."""
        return self._sum(f"{self.prefix}rows/{chunk:05d}.json" for chunk in range(chunks))

    def unreadable(self, chunks: int) -> int:
        """How many refused rows do not say whom they are about."""
        indexes = (self.objects.get(f"{self.prefix}rows/{chunk:05d}.json") for chunk in range(chunks))
        return sum(orjson.loads(index)["unreadable"] for index in indexes)

    def mapped_lines(self, chunks: int, shards: range) -> Iterator[bytes]:
        """The mapped rows of some neighbouring shards, unread, chunk by chunk in the file's order."""
        return chain.from_iterable(self._mapped_lines(chunk, shards) for chunk in range(chunks))

    def _mapped_lines(self, chunk: int, shards: range) -> Iterable[bytes]:
        if chunk not in self._indexes:  # the next unit asks for other shards of the same chunks
            self._indexes[chunk] = self._index(chunk)
        key, spans = self._indexes[chunk]
        ranges = [spans[str(shard)] for shard in shards if str(shard) in spans]
        if not ranges:
            return ()
        return self._lines(key, offset=ranges[0][0], length=sum(length for _, length in ranges))

    def mapped_shards(self, chunk: int) -> Iterator[tuple[int, list[bytes]]]:
        """The mapped rows of one chunk, unread, shard by shard."""
        key, spans = self._index(chunk)
        with self.objects.open(key) as stream:
            for shard, (_, length) in spans.items():
                yield int(shard), stream.read(length).splitlines()

    def _index(self, chunk: int) -> _Index:
        index = orjson.loads(self.objects.get(f"{self.prefix}rows/{chunk:05d}.json"))
        name = index.get("rows", f"{chunk:05d}")  # earlier versions do not say
        return _Index(f"{self.prefix}rows/{name}.jsonl", index["shards"])

    def rejects(self, chunks: int) -> Iterator[Reject]:
        """Every refused row, in the file's order."""
        for chunk in range(chunks):
            for line in self.reject_lines(chunk):
                yield read_reject(line)

    def reject_lines(self, chunk: int, *, offset: int = 0) -> Iterator[bytes]:
        """One chunk's refused rows, unread, from a byte on at which a line begins."""
        return self._lines_if_any(f"{self.prefix}rejects/{chunk:05d}.jsonl", offset=offset)

    def refused(self, chunk: int) -> Iterator[bytes]:
        """The same of a run that is through with the chunk. Raises NotFound if they are kept no longer."""
        return self._lines(f"{self.prefix}rejects/{chunk:05d}.jsonl")

    # Plan

    def save_plan(self, unit: int, lines: Iterable[bytes]) -> None:
        """One unit's decisions, streamed."""
        self._save_lines(f"{self.prefix}plan/{unit:02d}.jsonl", lines)

    def save_plan_summary(self, unit: int, summary: PlanSummary) -> None:
        """Written after the decisions: where it is, they are."""
        self.objects.put(f"{self.prefix}plan/{unit:02d}.json", summary.model_dump_json().encode())

    def plan_summary(self, unit: int) -> PlanSummary | None:
        """The unit's summary, once plan is through with it."""
        try:
            return PlanSummary.model_validate_json(self.objects.get(f"{self.prefix}plan/{unit:02d}.json"))
        except NotFound:
            return None

    def save_odd(self, unit: int, ids: list[str]) -> None:
        """Whose contacts are not as their rows say. No file of JSON: whoever erases a person deletes it."""
        self.objects.put(f"{self.prefix}plan/{unit:02d}.odd", "\n".join(ids).encode())

    def save_aside(self, unit: int, ids: list[str]) -> None:
        """Who is mentioned, or in the scope of the deletion, and not both. No file of JSON either."""
        self.objects.put(f"{self.prefix}plan/{unit:02d}.aside", "\n".join(ids).encode())

    def aside(self, unit: int) -> set[str]:
        """As saved. Raises NotFound."""
        return set(self.objects.get(f"{self.prefix}plan/{unit:02d}.aside").decode().split("\n"))

    def odd(self, units: int) -> set[str] | None:
        """The contacts that are not as their rows say, by plan and by what became of it; None if they were not noted.

        Raises NotFound if any of the run's files is kept no longer: the bucket forgets them one by one.
        """
        found: set[str] = set()
        for unit in range(units):
            summary = self.plan_summary(unit)
            if summary is None or summary.odd is None:
                return None
            if summary.odd:
                found.update(self.objects.get(f"{self.prefix}plan/{unit:02d}.odd").decode().split("\n"))
            if summary.written - summary.counts.deleted:
                found.update(
                    read_decision(line).key for line in self._lines(f"{self._done(unit, 'all')}.jsonl")
                )
        return found

    def plan(self, unit: int) -> Iterator[bytes]:
        """One unit's decisions, unread."""
        return self._lines(f"{self.prefix}plan/{unit:02d}.jsonl")

    def plan_lines(self, unit: int, *, offset: int = 0) -> Iterator[bytes]:
        """As `plan`, from a byte on at which a line begins; nothing if the run ended before there was a plan."""
        return self._lines_if_any(f"{self.prefix}plan/{unit:02d}.jsonl", offset=offset)

    def deletions(self, units: int) -> Iterator[Contact]:
        """The contacts that the plan deletes, as they were. Units whose counts say that there are none are not read."""
        for unit in range(units):
            summary = self.plan_summary(unit)
            if summary is None or not summary.counts.deleted:
                continue
            for line in self.plan(unit):
                if line.startswith(b'["delete"') and isinstance(decision := read_decision(line), Delete):
                    yield decision.contact

    # Upsert

    def save_upserted(self, unit: int, stage: Stage, deviations: list[bytes], counts: Counts) -> None:
        """What became of one unit. The counts are written last: where they are, the unit is done."""
        self.save_deviations(unit, stage, deviations)
        self.objects.put(f"{self._done(unit, stage)}.json", orjson.dumps({"counts": counts.model_dump()}))

    def save_deviations(self, unit: int, stage: Stage, deviations: list[bytes]) -> None:
        """Decisions made anew, kept before they are carried out."""
        self._save_lines(f"{self._done(unit, stage)}.jsonl", deviations)

    def upserted_counts(self, unit: int, stage: Stage) -> Counts | None:
        """The unit's counts, once upsert is through with it."""
        try:
            data = self.objects.get(f"{self._done(unit, stage)}.json")
        except NotFound:
            return None
        return Counts.model_validate(orjson.loads(data)["counts"])

    def deviations(self, unit: int, stage: Stage = "all") -> Iterator[bytes]:
        """Decisions of this unit that turned out otherwise than planned."""
        return self._lines_if_any(f"{self._done(unit, stage)}.jsonl")

    def _done(self, unit: int, stage: Stage) -> str:
        return f"{self.done}{'held' if stage == 'held' else 'upsert'}/{unit:02d}"

    def late_rejects(self, units: int) -> dict[int, str]:
        """Why rows were refused only when they met the contact list, by their place in the file. There may be a million.

        A unit's decisions, most of what a run stores, are not read where its counts say that none of them refuses.
        """
        late: dict[int, str] = {}
        for unit in range(units):
            summary = self.plan_summary(unit)
            planned = self.plan_lines(unit) if summary is None or summary.counts.rejected else ()
            for line in chain(planned, self.deviations(unit)):
                if line.startswith(b'["reject"') and isinstance(
                    decision := read_decision(line), RejectedLate
                ):
                    late[decision.row.line] = decision.reason
        return late

    # Notify

    def save_rejects_csv(self, lines: Iterable[str]) -> None:
        """What the customer downloads, streamed; lines come with their ends."""
        self.save_csv(self.rejects_csv, lines)

    def changed_csv(self, outcome: Literal["added", "updated"]) -> str:
        """Where the rows with this outcome lie, once somebody has asked for them."""
        return f"{self.done}{outcome}.csv"

    def save_csv(self, key: str, lines: Iterable[str]) -> None:
        """A file that the customer downloads, streamed; lines come with their ends."""
        with self.objects.writer(key) as out:
            for batch in batches(lines, 1000):
                out.write("".join(batch).encode())

    # Lines

    def _save_lines(self, key: str, lines: Iterable[bytes]) -> None:
        with self.objects.writer(key) as out:
            for batch in batches(lines, 1000):
                out.write(b"\n".join(batch) + b"\n")

    def _lines(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """One by one, though no generator hands on each: that would cost a step's worker more than reading them."""
        return chain.from_iterable(self._blocks(key, offset, length))

    def _blocks(self, key: str, offset: int, length: int | None) -> Iterator[list[bytes]]:
        with self.objects.open(key, offset=offset, length=length) as stream:
            rest = b""
            while data := stream.read(READ_BYTES):
                lines = (rest + data).split(b"\n")
                rest = lines.pop()
                yield lines
            if rest:
                yield [rest]

    def _lines_if_any(self, key: str, *, offset: int = 0) -> Iterator[bytes]:
        try:
            yield from self._lines(key, offset=offset)
        except NotFound:
            return

    def _sum(self, keys: Iterable[str]) -> Counts:
        total = Counts()
        for key in keys:
            try:
                total += Counts.model_validate(orjson.loads(self.objects.get(key))["counts"])
            except NotFound:
                continue
        return total


class _Index(NamedTuple):
    """In which object a chunk's mapped rows lie, and where in it each shard's: (offset, length)."""

    key: str
    spans: dict[str, tuple[int, int]]


def read_reject(line: bytes) -> Reject:
    """A refused row as `line()` stored it."""
    row, cells, problems = orjson.loads(line)
    return Reject(row, cells, [tuple(problem) for problem in problems])


def line_of(reject_line: bytes) -> int:
    """Where a refused row stood, its line unread."""
    return int(reject_line[1 : reject_line.index(b",")])


def files_of(run: Run, objects: Objects) -> RunFiles:
    """The files of a run; of one that carries out a dry run's plan, with that plan."""
    return RunFiles(objects, run.account_id, run.id, plan_of=run.plan_of)


def mention(id_: str, row: int) -> bytes:
    """The line of a refused row whose identity is known: nothing is done with it, but its contact is not missing."""
    return orjson.dumps([id_, row, "", None])


def shards_of(unit: int, units: int) -> range:
    """The shards that one of `units` workers plans and writes; together they are all shards."""
    return range(unit * SHARDS // units, (unit + 1) * SHARDS // units)


def units_for(rows: int, *, rows_each: int) -> int:
    """How many workers share the shards: a power of two, so that each has the same number."""
    units = 1
    while units < SHARDS and units * rows_each < rows:
        units *= 2
    return units


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items, in order."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
