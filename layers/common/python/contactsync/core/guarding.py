"""Whether a plan may delete what it wants to delete.

An incomplete source that is taken for a complete one is the worst that can happen to a contact list, so every
path that deletes comes through here, for lists of any size. The rules, in order of severity:

    blocked   too few of the stored contacts appear in the file: it is the wrong one, or next to empty
    hold      refused rows that do not say whom they are about: each may be one who seems to be missing
    hold      more deletions than this list can lose unnoticed, at once or drop by drop within a week
    go

Nothing is written when a plan is blocked or held (`hold_run`), or everything but the deletions (`hold_deletes`).
"""

from __future__ import annotations

from dataclasses import dataclass

from contactsync.model.run import Verdict

WEEK_FACTOR = 2
"""A week may lose twice what one run may: a fifth a run, two fifths a week."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may delete without asking. The smaller of share and count holds; one contact always may go.

    The defaults stand in `model.sync.Guard`, and why in docs/adr/0007.
    """

    min_overlap_percent: float = 10
    max_delete_percent: float = 20
    max_delete_count: int = 500

    def a_run(self, stored: int) -> int:
        """The most that one run may delete from a list of `stored` contacts."""
        if self.max_delete_percent == 0 or self.max_delete_count == 0:
            return 0
        return min(self.max_delete_count, max(1, int(stored * self.max_delete_percent / 100)))

    def a_week(self, stored: int) -> int:
        """The most that may go within seven days from a list that held `stored` contacts when they began."""
        return WEEK_FACTOR * self.a_run(stored)


@dataclass(frozen=True, slots=True)
class Losses:
    """What a plan would do to the contacts that it may delete.

    Attributes:
        stored: contacts in the scope of the deletion before the run.
        found: those of them that the file mentions.
        deletes: those that the plan deletes.
        deleted_lately: contacts that runs of the same sync deleted within the last seven days.
        unreadable: refused rows that do not say whom they are about: each may be one who seems to be missing.
    """

    stored: int
    found: int
    deletes: int
    deleted_lately: int = 0
    unreadable: int = 0


GO = Verdict(kind="go")


def judge(losses: Losses, limits: Limits) -> Verdict:
    """Whether the deletions of one plan may be carried out."""
    if not losses.deletes:
        return GO
    if losses.found * 100 <= losses.stored * limits.min_overlap_percent:
        return Verdict(
            kind="blocked",
            code="too_little_overlap",
            title=f"Only {losses.found:,} of {losses.stored:,} stored contacts appear in the file, so the import was not "
            f"performed.",
            detail="Check that this is the right and whole file. If it is, switch the deletion of missing contacts off, or "
            "delete the contacts by hand first.",
        )
    if losses.unreadable:
        return _held(
            "rows_unreadable",
            f"{losses.unreadable:,} rows do not say whom they are about, and the import would delete "
            f"{losses.deletes:,} contacts that no other row mentions.",
        )
    allowed = limits.a_run(losses.stored)
    if losses.deletes > allowed:
        return _held(
            "too_many_deletions",
            f"The import would delete {losses.deletes:,} of {losses.stored:,} contacts; up to {allowed:,} go "
            f"without asking.",
        )
    week = limits.a_week(losses.stored + losses.deleted_lately)
    if losses.deletes + losses.deleted_lately > week:
        return _held(
            "too_many_deletions_in_a_week",
            f"With this import {losses.deletes + losses.deleted_lately:,} contacts would have been deleted within "
            f"seven days; up to {week:,} go without asking.",
        )
    return GO


def judge_book(here: Losses, there: Losses, limits: Limits) -> Verdict:
    """Whether the deletions of a round with an address book may be carried out, here and in the book.

    Both come from somebody's deletions on the other side. `deleted_lately` of either counts for both.
    """
    for losses, side in ((here, "the contact list"), (there, "the address book")):
        if losses.deletes and losses.deletes >= losses.stored:
            return _held(
                "book_emptied",
                f"The sync would delete all {losses.deletes:,} contacts of {side} that it keeps in step.",
            )
    for losses, side in ((here, "the contact list"), (there, "the address book")):
        allowed = limits.a_run(losses.stored)
        if losses.deletes > allowed:
            return _held(
                "too_many_deletions",
                f"The sync would delete {losses.deletes:,} of {losses.stored:,} contacts from {side}; up to "
                f"{allowed:,} go without asking.",
            )
    lately = max(here.deleted_lately, there.deleted_lately)
    deletes = here.deletes + there.deletes
    week = limits.a_week(max(here.stored, there.stored) + lately)
    if deletes and deletes + lately > week:
        return _held(
            "too_many_deletions_in_a_week",
            f"With this run {deletes + lately:,} contacts would have been deleted within seven days; up to {week:,} "
            f"go without asking.",
        )
    return GO


def _held(code: str, title: str) -> Verdict:
    return Verdict(
        kind="hold",
        code=code,
        title=title,
        detail="Look at the list of contacts to be deleted, then approve the plan, or reject it.",
    )
