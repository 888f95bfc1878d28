"""Two runs of two syncs on one account, taking turns call by call: what always holds, holds, and they come to rest."""

from __future__ import annotations

import copy
import os
import random
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from contactsync.model.run import Run
from tests.faults import invariants
from tests.faults.figures import note
from tests.faults.interruptions import Interruptions, Way
from tests.faults.scenes import earlier, new_world
from tests.faults.workloads import BY_NUMBER, DELETING, NAMES, NUMBERED, many, people
from tests.support.world import World

ORDERS = 1_500 if os.environ.get("FAULTS") == "all" else 24
TURN_S = 30
MOVE = "number,email,name\n1,ada@example.org,Ada\n2,bob@example.com,Bob\n"
BEFORE = "number,email,name\n1,ada@example.com,Ada\n2,bob@example.com,Bob\n"


class Turns:
    """Two workers, of whom one at a time makes calls; after how many calls they change is drawn by lot."""

    def __init__(self, seed: int) -> None:
        self._lots = random.Random(seed)
        self._changed = threading.Condition()
        self._turn = self._lots.randrange(2)
        self._left = self._draw()
        self._done = [False, False]

    def _draw(self) -> int:
        return self._lots.choice([1, 1, 2, 3, 5, 8, 13, 21, 34, 55])

    def take(self, who: int) -> None:
        """Wait until it is the turn of this worker."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._turn == who or self._done[1 - who], TURN_S):
                raise AssertionError("the other worker does not move")
            self._left -= 1
            if self._left <= 0:
                self._turn, self._left = 1 - who, self._draw()
                self._changed.notify_all()

    def end(self, who: int) -> None:
        """This worker makes no more calls."""
        with self._changed:
            self._done[who] = True
            self._changed.notify_all()


class _Turn(Interruptions):
    """The calls of one worker. None of them fails; each waits for its turn."""

    def __init__(self, turns: Turns, who: int) -> None:
        super().__init__(0, Way.BEFORE)
        self._turns, self._who = turns, who

    def due(self, name: str) -> bool:
        self._turns.take(self._who)
        return False


def side_by_side(world: World, runs: tuple[Run, Run], seed: int) -> None:
    """Carry both runs out, in an order of calls that the seed stands for."""
    turns = Turns(seed)
    failures: list[BaseException] = []

    def work(who: int) -> None:
        mine = copy.copy(world)
        mine.ports = _Turn(turns, who).ports(world.ports)
        try:
            mine.execute(runs[who], execution=f"execution-{who}")
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)
        finally:
            turns.end(who)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, f"order {seed}: {failures}"


def one_address_for_two(world: World) -> tuple[Run, Run]:
    one = "number,email,name\n1,shared@example.com,Ada\n"
    other = "number,email,name\n2,shared@example.com,Bob\n"
    return (
        world.request(one, NUMBERED, identity=BY_NUMBER),
        world.request(other, NUMBERED, identity=BY_NUMBER),
    )


def a_person_in_both(world: World) -> tuple[Run, Run]:
    one = "number,email,name\n1,shared@example.com,Ada\n"
    return (
        world.request(one, NUMBERED, identity=BY_NUMBER),
        world.request(one.replace("Ada", "Ada King"), NUMBERED, identity=BY_NUMBER),
    )


def an_address_left_and_taken(world: World) -> tuple[Run, Run]:
    earlier(world, BEFORE, NUMBERED, identity=BY_NUMBER)
    return (
        world.request(MOVE, NUMBERED, identity=BY_NUMBER),
        world.request("number,email,name\n3,ada@example.com,Cem\n", NUMBERED, identity=BY_NUMBER),
    )


def an_address_left_and_imported_by_itself(world: World) -> tuple[Run, Run]:
    earlier(world, BEFORE, NUMBERED, identity=BY_NUMBER)
    return world.request(MOVE, NUMBERED, identity=BY_NUMBER), world.request(people("Ada"), NAMES)


def there_and_back(world: World) -> tuple[Run, Run]:
    """One run moves an address that another one moves back: an undo."""
    run = earlier(world, BEFORE, NUMBERED, identity=BY_NUMBER)
    moved = world.again(run.sync_id, MOVE)
    world.execute(moved)
    other = BEFORE.replace("1,ada@example.com", "1,ada@example.net")
    return (
        world.again(run.sync_id, "", undoes=moved.id),
        world.request(other, NUMBERED, identity=BY_NUMBER),
    )


def given_back_and_taken(world: World) -> tuple[Run, Run]:
    run = earlier(world, BEFORE, NUMBERED, identity=BY_NUMBER)
    moved = world.again(run.sync_id, MOVE)
    world.execute(moved)
    return world.again(run.sync_id, "", undoes=moved.id), world.request(people("Ada"), NAMES)


def deleted_and_updated(world: World) -> tuple[Run, Run]:
    run = earlier(world, many(10), NAMES, options=DELETING)
    return world.again(run.sync_id, many(9)), world.request("email,name\np9@example.com,Still here\n", NAMES)


def deleted_and_its_address_taken(world: World) -> tuple[Run, Run]:
    text = "number,email,name\n" + "".join(f"{n},p{n}@example.com,P{n}\n" for n in range(6))
    run = earlier(world, text, NUMBERED, identity=BY_NUMBER, options=DELETING)
    return (
        world.again(run.sync_id, text.replace("5,p5@example.com,P5\n", "")),
        world.request("email,name\np5@example.com,Somebody\n", NAMES),
    )


PAIRS: dict[str, Callable[[World], tuple[Run, Run]]] = {
    pair.__name__.replace("_", " "): pair
    for pair in (
        one_address_for_two,
        a_person_in_both,
        an_address_left_and_taken,
        an_address_left_and_imported_by_itself,
        there_and_back,
        given_back_and_taken,
        deleted_and_updated,
        deleted_and_its_address_taken,
    )
}


def check_what_always_holds(world: World, run: Run, where: str) -> None:
    """What does not depend on the order."""
    invariants.one_record_a_key(world, where)
    ended = world.run(run)
    invariants.rows_add_up(ended, where)
    invariants.at_rest(world, ended, where)


def come_to_rest(world: World, runs: tuple[Run, Run], where: str) -> None:
    """The same files again, until nothing is written, for nobody has anything new to say.

    That is the second time; the third where one of the two comes to its row only now, for the other was at it, and
    the other's file has to answer that first.
    """
    before = None
    for _ in range(3):
        for run in runs:
            if run.undoes:
                continue
            world.clock.advance(timedelta(minutes=5))
            again = world.again(run.sync_id, world.runs.get(world.files(run).paste))
            world.execute(again)
            assert world.run(again).status in {"succeeded", "unchanged"}, where
            check_what_always_holds(world, again, where)
        outcome = invariants.outcome(world)
        if outcome == before:
            return
        before = outcome
    raise AssertionError(f"{where}: still writing")


@pytest.mark.parametrize("name", PAIRS)
def test_two_runs_that_take_turns_keep_what_always_holds(name: str) -> None:
    for number in range(ORDERS):
        seed = list(PAIRS).index(name) * 100_000 + number
        where = f"{name}, order {seed}"
        world = new_world()
        runs = PAIRS[name](world)
        side_by_side(world, runs, seed)
        for run in runs:
            assert world.run(run).status == "succeeded", where
            check_what_always_holds(world, run, where)
        if number % 4 == 0:
            come_to_rest(world, runs, where)
    note("orders of two runs", ORDERS)
