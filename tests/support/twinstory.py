"""One sync in two worlds (tests/support/twins.py), of which the other reads every row: what was good comes again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import orjson

from contactsync.journeys.account import erasing, forgetting
from contactsync.journeys.asked import editing
from contactsync.model.message import EraseDue
from contactsync.model.run import Run
from contactsync.ports import ContactStore, Delete, RecordKey
from tests.support.twins import Twin, Twins
from tests.support.world import Overtaken, stores_of

HEADER = "number,email,name,phone\n"
MAPPING = [
    {"column": "number", "field": "customer_number"},
    {"column": "email", "field": "email"},
    {"column": "name", "field": "name"},
    {"column": "phone", "field": "phone"},
]
BY_NUMBER = {"field": "customer_number"}
PEOPLE = 12
ALL = {"delete_missing": {"scope": "all"}, "guard": {"max_delete_percent": 100}}
LATER = timedelta(minutes=10)


def row(number: int, name: str = "", phone: str = "06 12345678", email: str = "") -> str:
    return f"{number},{email or f'p{number}@example.com'},{name or f'Person {number}'},{phone}\n"


LINES = [row(number) for number in range(PEOPLE)]
TEXT = HEADER + "".join(LINES)
CHANGED = TEXT.replace("Person 5", "Person Five")


class Story(Twins):
    """One sync in both worlds, and what becomes of it."""

    def __init__(self, text: str | bytes = TEXT, *, unit: int = 4, **body: Any) -> None:
        super().__init__(unit=unit)
        self.sync_id = self.imported(text, **body).sync_id

    def imported(self, text: str | bytes, **body: Any) -> Run:
        """Another sync's first run."""
        run = self.both(lambda world: world.request(text, **{"mapping": MAPPING, "notify": {}, **body}))
        return self.ended(run)

    def again(self, text: str | bytes = CHANGED, **asked: Any) -> Run:
        """The sync's next run."""
        return self.ended(self.both(lambda world: world.again(self.sync_id, text, **asked)))

    def ended(self, run: Run, **options: Any) -> Run:
        """The run at its end, some minutes later."""
        before = self.came_again
        ended = self.execute(run, **options)
        self.known = self.came_again - before
        self.both(lambda world: world.clock.advance(LATER))
        return ended

    def change_sync(self, **changed: Any) -> None:
        def change(world: Twin) -> None:
            world.control.update_sync(
                world.account.account_id, self.sync_id, lambda read: read.value.model_copy(update=changed)
            )

        self.both(change)

    def id_of(self, number: int) -> str:
        return self.worlds[0].stored()[f"p{number}@example.com"].id

    def edit(self, number: int, **fields: Any) -> None:
        """By hand, some minutes before whatever comes next."""
        id_ = self.id_of(number)
        self.both(
            lambda world: editing.change_contact(
                world.asked, world.caller, id_, {"fields": fields}, f"edit {number} {fields}", if_match=None
            )
        )
        self.both(lambda world: world.clock.advance(LATER))

    def begin_to_erase(self, gone: str, *, stretches: int = 1) -> None:
        """The contact is gone, and the more stretches, the more of its traces."""
        erased = self.asked_to_erase(gone)
        self.both(lambda world: erased(world, stretches))

    def asked_to_erase(self, gone: str) -> Callable[[Twin, int], None]:
        """Somebody has asked; what is returned does so many stretches of it."""
        erasure_id = self.both(
            lambda world: erasing.ask_for_erasure(world.asked, world.caller, {"contact_id": gone}, gone).id
        )

        def erase(world: Twin, stretches: int) -> None:
            message = EraseDue(account_id=world.account.account_id, erasure_id=erasure_id)
            for _ in range(stretches):
                forgetting.erase(message, stores_of(world))

        return erase

    @property
    def good(self) -> Run:
        """The run whose rows are known."""
        world = self.worlds[0]
        sync = world.control.sync(world.account.account_id, self.sync_id).value
        assert sync.last_good is not None
        return world.control.run(world.account.account_id, sync.last_good.run_id).value

    def files_of_good(self) -> list[str]:
        """The names of its files."""
        prefix = f"runs/{self.good.account_id}/{self.good.id}/"
        return [key.removeprefix(prefix) for key in self.worlds[0].runs.keys(prefix)]

    def lose(self, run: Run, name: str) -> None:
        """A file of a run is kept no longer."""
        self.both(lambda world: world.runs.delete([f"runs/{run.account_id}/{run.id}/{name}"]))

    def forget(self, run: Run) -> None:
        """A run's record is kept no longer."""

        def forget(world: Twin) -> None:
            stored = world.records.get(RecordKey(run.account_id, f"run#{run.id}"))
            assert stored is not None
            world.records.commit([Delete(stored.key, stored.version)])

        self.both(forget)

    def overtaken(self, happens: Callable[[Twin], object]) -> None:
        """Something happens, once, just before contacts are written next."""

        def overtaken(world: Twin) -> None:
            within = copy.copy(world)
            within.ports = world.true_ports()
            contacts = Overtaken(world.contacts, lambda: happens(within))
            world.ports.contacts = cast(ContactStore, contacts)

        self.both(overtaken)

    def rewrite(self, run: Run, name: str, drop: str) -> None:
        """A file of a run as a version had written it that did not know one of its words."""

        def rewrite(world: Twin) -> None:
            key = f"runs/{run.account_id}/{run.id}/{name}"
            said = orjson.loads(world.runs.get(key))
            del said[drop]
            world.runs.put(key, orjson.dumps(said))

        self.both(rewrite)
