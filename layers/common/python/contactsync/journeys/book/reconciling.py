"""Reconcile's work: what becomes of each pair of contact and card, on both sides.

What happens here is written as plan lines, exactly as an import plans it, so that guard, upsert and everything
that shows a run need not know where its changes came from. What happens there, and to links, are errands.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from contactsync.core.decisions import Decision
from contactsync.core.planning import Rules
from contactsync.journeys.book.bookfiles import BookPlan, Line, Round
from contactsync.journeys.book.bookrun import BookRun
from contactsync.journeys.book.gathering import gather
from contactsync.journeys.book.meeting import Meeting
from contactsync.journeys.book.pairing import Outcome, Pairing
from contactsync.journeys.book.rejecting import rejected
from contactsync.journeys.file.runfiles import Manifest, PlanSummary
from contactsync.journeys.file.units import counts_of, kind_of
from contactsync.model.connection import key_of
from contactsync.model.run import RunWarning

ORDER = {"link": 0, "photo": 2}
"""Links that change by themselves come first, pictures last, when their cards are there."""
MESSAGES = {
    "address_shared": "{count} contacts share their email address with another contact. All of them keep it.",
    "book_full": "The address book takes no more contacts: {count} were not put into it.",
    "card_unreadable": "{count} cards cannot be read, and were left as they are, as were their contacts. The rows of the run say "
    "which, and what is wrong with them.",
    "carried": "{count} of {changes} changes are left for the next run.",
    "deleted_here": "{count} cards were left alone, because their contacts were deleted here.",
    "erased": "{count} cards were left out, because their people were erased here. Add the contact to have it again.",
    "frozen": "{count} contacts are frozen: the address book and the contact list keep overwriting each other, as two programs do, or "
    "two people who do not agree. End that; GET /v1/connections/{book}/frozen shows both versions, and DELETE lets one go on.",
    "kept_here": "{count} contacts have more values than the address book holds. The others stay here, whole.",
    "needs_review": "{count} cards may be contacts that are here already. Say who they are: GET "
    "/v1/connections/{book}/reviews.",
    "not_taken_in": "{count} cards do not meet what the sync asks for, and were left where they are.",
    "photo_not_taken": "{count} pictures are too large, neither JPEG nor PNG, or not in the card itself, and were left where they are.",
    "photos_wait": "{count} pictures are left for the next run.",
    "protected": "{count} contacts keep values that the address book had emptied.",
    "too_large": "{count} contacts hold too much, here or in the address book, and were left as they are. Shorten their notes.",
    "revived": "{count} contacts were deleted on one side and edited on the other, and were kept.",
}


@dataclass(slots=True)
class _Tally:
    """What all pairs come to."""

    outcomes: list[Outcome] = field(default_factory=list)
    carried: list[Line] = field(default_factory=list)
    changes: int = 0


def reconcile_book(work: BookRun, round_: Round, rules: Rules) -> tuple[int, tuple[RunWarning, ...]]:
    """Decide everything, and save the plan of both sides; returns the number of rows, and what is to be said.

    A run makes as many changes as the account's plan allows; the rest is left for the next.
    """
    known = gather(work, round_)
    chooses = work.chooser()
    meeting = Meeting(work, round_, known, chooses)
    pairs = meeting.pairs()
    linked = work.control.progress_of(*work.place, work.sync.id).value.linked
    linked = max(0, linked + sum(errand.gains(work.sync.id) for errand in rejected(work)))
    if known.all_links:
        links = (read.value for read in known.links.values())
        linked = sum(link.is_live and link.sync == work.sync.id for link in links)
    pairing = Pairing(work, round_, known, rules, size=known.size(round_))
    pairing.noted["erased"] = round_.erased
    pairing.look_up(pairs)
    pairing.pictures.look(pairs, known.slots)
    missing: list[Line] = [["missing", [id_, at]] for id_, at in sorted(known.missing.items())]
    tally = _Tally(carried=[*meeting.waiting, *missing])
    limits = work.limits
    limit = limits.first_sync_contacts if round_.first else limits.next_sync_contacts
    for pair in pairs:
        outcome = pairing.decide(pair, len(tally.outcomes) + 1)
        if outcome.changes and tally.changes >= limit:
            tally.carried.append(pair.again)
            pairing.noted["carried"] += 1
            continue
        tally.changes += outcome.changes
        tally.outcomes.append(outcome)
    if not work.run.dry_run:
        _keep_doubts(work, meeting)
        if meeting.back:
            at = work.now.isoformat(timespec="milliseconds")
            work.control.let_back(*work.place, meeting.back, at)
    work.files.save_carried([*tally.carried, *pairing.left])
    rows = save_plans(
        work,
        tally.outcomes,
        pairing.with_claims([outcome.decision for outcome in tally.outcomes]),
        at_once=work.connector.capabilities.writes_at_once,
        linked=linked,
        size=pairing.size,
        looked=pairing.known.looked,
    )
    return rows, _warnings(pairing.noted, tally.changes, work.connection.id)


def _keep_doubts(work: BookRun, meeting: Meeting) -> None:
    """What a person must decide; what one has decided already stays so."""
    stored = work.control.reviews(*work.place) if meeting.doubts else {}
    for card_id, review in meeting.doubts.items():
        read = stored.get(key_of(card_id))
        if read is None:
            work.control.store_review(*work.place, key_of(card_id), review)
        elif (read.value.contacts, read.value.card) != (review.contacts, review.card):
            known = review.model_copy(update={"apart": read.value.apart})
            work.control.store_review(*work.place, key_of(card_id), known, expected=read.version)


def save_plans(
    work: BookRun,
    outcomes: Sequence[Outcome],
    decisions: Sequence[Decision],
    *,
    at_once: int,
    linked: int = 0,
    size: int = 0,
    looked: str = "",
) -> int:
    """Write both plans; the summaries last. Returns how many rows there are.

    `decisions` are those of the outcomes, with the addresses that they claim; the rest is what `BookPlan` holds.
    """
    errands = [errand for outcome in outcomes for errand in outcome.errands]
    errands.sort(key=lambda errand: ORDER.get(errand.kind, 1))
    digest = hashlib.sha256()
    kinds: Counter[str] = Counter()
    lines = []
    for decision in decisions:
        line = decision.line()
        kinds[kind_of(line)] += 1
        digest.update(line)
        lines.append(line)
    told = [errand.line() for errand in errands]
    for line in told:
        digest.update(line)
    counts = counts_of(kinds)
    made = Counter(errand.kind for errand in errands)
    written = {errand.contact_id for errand in errands if errand.kind in ("create", "update")}
    photos = sum(errand.kind == "photo" and errand.contact_id not in written for errand in errands)
    files, plain = work.files, work.files.files
    work.check_turn()
    files.save_errands(told)
    files.save_conflicts(
        [outcome.decision.key, each.field, each.ours, each.theirs, each.kept]
        for outcome in outcomes
        for each in outcome.conflicts
    )
    files.save_plan(
        BookPlan(
            created=made["create"],
            updated=made["update"] + photos,
            deleted=made["delete"],
            errands=len(errands),
            linked=linked,
            linked_after=linked + sum(errand.gains(work.sync.id) for errand in errands),
            size=size,
            at_once=at_once,
            looked=looked,
        )
    )
    plain.save_plan(0, lines)
    summary = PlanSummary(
        counts=counts,
        digest=digest.hexdigest(),
        stored=linked,
        found=max(0, linked - counts.deleted),
        confirms=kinds["confirm"],
    )
    plain.save_manifest(
        Manifest(key="", dialect=None, header=None, width=0, rows=counts.settled, chunks=[], units=1)
    )
    plain.save_plan_summary(0, summary)
    return counts.settled


def _warnings(noted: Counter[str], changes: int, book: str) -> tuple[RunWarning, ...]:
    known = {"changes": f"{changes + noted['carried']:,}", "book": book}
    return tuple(
        RunWarning(code=code, message=MESSAGES[code].format(count=f"{count:,}", **known))
        for code, count in sorted(noted.items())
        if count and code in MESSAGES
    )
