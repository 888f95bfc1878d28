"""Pull's work: what has changed in the book, and what here, since the sync came so far.

Both are read from where the latest run that came to its end had left off; nothing is remembered before commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contactsync.control.feed import YOUNG, Entry, position_at, time_of
from contactsync.core.identity import card_mark
from contactsync.errors import CursorExpired, UserError
from contactsync.journeys.book.bookfiles import Line, Round, card_line
from contactsync.journeys.book.bookrun import BookRun, asked_for
from contactsync.journeys.changes import CHANGED_MAX, begun_by, run_named, written_by
from contactsync.model.card import Card, Pulled
from contactsync.model.connection import Progress
from contactsync.model.run import Run

Shunned = Callable[[Card], bool]
LOST_AFTER = timedelta(days=3)
"""A run that has not ended by then never will."""
LOOK_EVERY = timedelta(days=1)
"""How often pictures are looked at of which the provider's list does not tell: asking for them costs a request for
twenty cards and a write for where to go on, so that a run that has nothing else to do stays at one request."""
POSITION_KEPT = timedelta(days=7)
"""How old the position in the feed may grow before it is worth a write of its own."""


def pull_round(work: BookRun) -> Round:
    """Read both sides, and keep what is new in the run's files."""
    at = work.now.isoformat(timespec="milliseconds")
    stored = work.control.progress_of(*work.place, work.sync.id)
    settings = asked_for(work.sync)
    progress = stored.value
    if progress.settings != settings or _is_forgotten(work, progress.carry):
        progress = Progress(full_at=progress.full_at)
    changed, feed = _followed(work, progress.feed)
    group = progress.group if progress.cursor else _chosen(work)
    shunned, is_back = _erased(work, progress.full_at)
    try:
        pulled = _pulled(work, group, "" if is_back else progress.cursor, shunned)
    except CursorExpired:
        pulled = _pulled(work, _chosen(work), "", shunned)
    if not pulled.full and progress.size + pulled.size > work.limits.connection_contacts:
        pulled = _pulled(work, _chosen(work), "", shunned)  # only a complete list tells how many there are
    round_ = Round(
        parts=pulled.parts,
        group=group,
        cursor=pulled.cursor,
        feed=feed,
        full=pulled.full,
        everybody=changed is None,
        changed=tuple(changed or ()),
        size=pulled.size if pulled.full else progress.size,
        version=stored.version,
        at=at,
        erased=pulled.erased,
        settings=settings,
        first=not progress.full_at,
        look=not pulled.full and _is_look_due(work, progress),
    )
    if pulled.left:
        _chosen(work)  # they may have left because the group is gone
    work.check_turn()
    work.files.save_round(round_)
    return round_


def is_idle(work: BookRun, round_: Round) -> bool:
    """Whether there is nothing to do: nothing has changed on either side, and nothing was left."""
    progress = work.control.progress_of(*work.place, work.sync.id).value
    if round_.full or round_.everybody or round_.changed or round_.look or progress.carry:
        return False
    return next(work.files.pulled(round_.parts), None) is None


def _is_look_due(work: BookRun, progress: Progress) -> bool:
    if not work.carries_photos or not work.pulls or work.connector.capabilities.lists_photos:
        return False
    since_s = work.now.timestamp() - progress.looked_at
    return work.sync.limits.photos == "all" and since_s > LOOK_EVERY.total_seconds()


def is_worth_noting(progress: Progress, round_: Round) -> bool:
    """Whether a run that found nothing to do should remember how far it has read."""
    if progress.cursor != round_.cursor:
        return True
    return time_of(round_.feed) - time_of(progress.feed) > POSITION_KEPT


def _chosen(work: BookRun) -> str:
    """The group that is synced, the whole book where none was chosen; looked for before all of it is read.

    A group that is not there looks like one that everybody has left.
    """
    groups = work.connector.groups()
    if not work.group:
        return groups[0].id
    if work.group not in {group.id for group in groups}:
        raise UserError(
            "group_gone",
            "The group that the sync was to follow is not in the address book; nothing was changed.",
            "Choose another group: GET /v1/connections/{id}/groups lists those that are there.",
        )
    return work.group


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a provider has said: in how many files, up to where, whether that is all, of how many cards, without whom, and
    whether anybody has left the group.
    """

    parts: int
    cursor: str
    full: bool
    size: int
    erased: int
    left: bool


def _pulled(work: BookRun, group: str, cursor: str, shunned: Shunned) -> _Kept:
    """Keep what the provider says, but of people who were erased."""
    known: set[str] = set()
    erased: set[str] = set()
    parts = 0
    following, left = "", False
    room = work.limits.connection_contacts
    for part in work.connector.pull(group, cursor):
        work.check_turn()
        theirs = {card.id for card in part.cards if shunned(card)}
        erased |= theirs
        cards = tuple(card for card in part.cards if card.id not in theirs)
        work.files.save_part(parts, _lines(replace(part, cards=cards)))
        parts += 1
        known.update(card.id for card in part.cards)
        following, left = part.cursor, left or bool(part.left)
        if len(known) > room:
            raise UserError(
                "book_too_large",
                f"There are more than {room:,} contacts in this part of the address book, so it is not synced.",
                "Choose a smaller group, or divide this one.",
            )
    return _Kept(parts, following, not cursor, len(known), len(erased), left)


def _erased(work: BookRun, full_at: str) -> tuple[Shunned, bool]:
    """Tells of a card whether its person was erased here; and whether one has come back, whose card is to be found."""
    cards = work.control.erased_cards(*work.place)
    shunned = {mark for mark, card in cards.items() if not card.back}
    secret = bytes.fromhex(work.control.account(work.run.account_id).identity_secret) if shunned else b""

    def is_shunned(card: Card) -> bool:
        names = (card.id, *card.former, card.marker)
        return bool(shunned) and any(card_mark(secret, name) in shunned for name in names if name)

    return is_shunned, any(card.back >= full_at for card in cards.values() if card.back)


def _lines(part: Pulled) -> Iterator[Line]:
    yield from (["gone", id_] for id_ in part.gone)
    yield from (["left", id_] for id_ in part.left)
    yield from (card_line(card) for card in part.cards)


def _followed(work: BookRun, position: str) -> tuple[list[str] | None, str]:
    """The contacts that have changed here, None for perhaps all of them, and the position from which to go on."""
    now = work.now
    entries = work.control.changes_since(work.run.account_id, position, now)
    if entries is None:
        return None, position_at(begun_by(work.control, work.run.account_id, now - YOUNG))
    changed: dict[str, None] = {}
    following = position if entries else position_at(now - YOUNG)
    everybody, passing = False, True
    for entry in entries:
        run = run_named(work.control, work.run.account_id, entry.run_id) if entry.run_id else None
        passing = passing and entry.at < now - YOUNG and _is_settled(run, entry, now)
        if passing:
            following = entry.name
        changed.update(dict.fromkeys(entry.contacts))
        if entry.run_id and not everybody and not _is_ours(work, run):
            written = written_by(run, work.ports.runs) if run else None
            changed.update(written or {})
            everybody = written is None or len(changed) > CHANGED_MAX
    return (None if everybody else list(changed)), following


def _is_forgotten(work: BookRun, carry: str) -> bool:
    """Whether what the latest run left is not kept any more: then everything is looked at again."""
    return bool(carry) and work.ports.runs.size(carry) is None


def _is_settled(run: Run | None, entry: Entry, now: datetime) -> bool:
    """Whether nothing more will be written on behalf of an entry."""
    return run is None or run.has_ended or run.status == "awaiting_approval" or now - entry.at > LOST_AFTER


def _is_ours(work: BookRun, run: Run | None) -> bool:
    """Whether this sync made the changes itself, and has linked them: they are no news to the book."""
    if run is None or run.sync_id != work.sync.id:
        return False
    return run.undoes is None and run.status == "succeeded"
