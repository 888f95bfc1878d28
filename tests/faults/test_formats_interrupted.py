"""A workbook or an address book is read from its beginning: whatever call of that fails, the outcome is the same."""

import gzip
from itertools import count

import pytest

from tests.faults.interruptions import Interruptions, Way
from tests.support.workbooks import packed, parts_of, sheet_of
from tests.support.world import World

MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
PEOPLE = [("ada@example.com", "Ada"), ("nobody", "No Address"), ("zoe@example.com", "Zoë")]
FILES = {
    "workbook": packed(parts_of(sheet_of([("email", "name"), *PEOPLE]))).getvalue(),
    "cards in gzip": gzip.compress(
        "".join(
            f"BEGIN:VCARD\nVERSION:4.0\nFN:{name}\nEMAIL:{email}\nEND:VCARD\n" for email, name in PEOPLE
        ).encode()
    ),
    "UTF-16 in gzip": gzip.compress("\n".join(["email,name", *map(",".join, PEOPLE)]).encode("utf-16")),
}


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
@pytest.mark.parametrize("name", FILES)
def test_a_failure_at_any_call_changes_nothing_in_the_result(name, way):
    for at in count(1):
        world = World()
        run = world.request(FILES[name], MAPPING)
        interruptions = Interruptions(at, way)
        world.ports = interruptions.ports(world.ports)
        world.execute(run)
        if not interruptions.fired:
            break
        ended = world.run(run)
        where = f"call {at}, {interruptions.calls[at - 1]}"
        assert ended.status == "succeeded", where
        assert (ended.counts.rows, ended.counts.added, ended.counts.rejected) == (3, 2, 1), where
        assert {email: fields["name"] for email, fields in world.fields().items()} == {
            "ada@example.com": "Ada",
            "zoe@example.com": "Zoë",
        }, where
    assert at > 40, "the workload makes fewer calls than it must"
