"""What tests of whom a file lacks have in common: stories in two worlds (tests/support/twinstory.py), told by the last good run or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from contactsync.journeys.asked import editing
from contactsync.model.contact import Slot
from contactsync.model.run import Run
from contactsync.ports import ContactStore, Objects
from tests.support.twins import Twin
from tests.support.twinstory import ALL, LATER, LINES, TEXT, Story, row

OF_SYNC = {**ALL, "delete_missing": {"scope": "sync"}}
WITHOUT_7 = TEXT.replace(LINES[7], "")
OTHERS = "".join(row(number, f"Other {number}") for number in (6, 7, 8))
REFUSED = "".join(row(number, phone="1") for number in range(20, 40))


def figures(story: Story, run: Run) -> tuple[int, int]:
    """How many contacts the guard was told of, and how many of them the file mentions."""
    world = story.worlds[0]
    files = world.files(run)
    units = [files.plan_summary(unit) for unit in range(files.manifest().units)]
    return sum(unit.stored for unit in units if unit), sum(unit.found for unit in units if unit)


def told(story: Story, text: str = WITHOUT_7) -> Run:
    """The sync's next run, which is told who is missing."""
    before = story.told
    run = story.again(text)
    assert story.told == before + 1, "it has looked along the contact list"
    return run


def not_told(story: Story, text: str = WITHOUT_7) -> Run:
    before = story.told
    run = story.again(text)
    assert story.told == before
    return run


class After:
    """A bucket in which something happens once, after an object was put whose name ends like this."""

    def __init__(self, objects: Objects, name: str, happens: Callable[[], object]) -> None:
        self._objects, self._name = objects, name
        self._happens: Callable[[], object] | None = happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects, name)

    def put(self, key: str, data: bytes) -> None:
        self._objects.put(key, data)
        if key.endswith(self._name) and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()


class Before:
    """A contact list in which something happens once, before a contact is asked for by key for the n-th time."""

    def __init__(self, contacts: ContactStore, asked: str, times: int, happens: Callable[[], object]) -> None:
        self._contacts, self._asked, self._left, self._happens = contacts, asked, times, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._contacts, name)

    def slots(self, account_id: str, ids: Sequence[str]) -> dict[str, Slot]:
        self._left -= self._asked in ids
        if self._left == 0:
            self._left = -1
            self._happens()
        return self._contacts.slots(account_id, ids)


def before_plan(story: Story, happens: Callable[[Twin], object]) -> None:
    """Something happens when map is through with the last chunk of the next run."""

    def watched(world: Twin) -> None:
        world.ports.runs = cast(Objects, After(world.runs, "rows/00003.json", lambda: happens(world)))

    story.both(watched)


def delete_by_hand(story: Story, number: int) -> None:
    gone = story.id_of(number)
    story.both(lambda world: by_hand(world, gone))
    story.both(lambda world: world.clock.advance(LATER))


def by_hand(world: Twin, gone: str) -> None:
    editing.delete_contact(world.asked, world.caller, gone, f"gone {gone}", if_match=None)


def create(world: Twin, number: int) -> None:
    body = {"fields": {"email": f"p{number}@example.com", "name": "By Hand"}}
    editing.create_contact(world.asked, world.caller, body, f"new {number}")
