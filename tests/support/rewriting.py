"""A small file that comes again and again, a little otherwise each time: strategies for its rows, for what is changed in it,
and for the syncs that it comes to."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

PEOPLE = 7
MARK = "\ufeff"
ENDS = ["\n", "\n", "\r\n"]
MAPPING = [
    {"column": "number", "field": "customer_number"},
    {"column": "email", "field": "email"},
    {"column": "name", "field": "name"},
    {"column": "phone", "field": "phone"},
]
VIP = "vip"
FREE = {"min_overlap_percent": 0, "max_delete_percent": 100}
ASKING = {"min_overlap_percent": 0, "max_delete_count": 0}
HEADERS = ["number,email,name,phone\n", "number,email,phone,name\n", '"number",email,"name",phone\r\n']

# Rows, as they stand in a file

STYLES: dict[str, str] = {
    "plain": "{n},{email},{name},{phone}\n",
    "plain too": "{n},{email},{name} {name},{phone}\n",
    "quoted": '"{n}","{email}","{name}","{phone}"\n',
    "CR LF": "{n},{email},{name},{phone}\r\n",
    "CR": "{n},{email},{name},{phone}\r",
    "two lines": '{n},{email},"{name}\nof two lines",{phone}\n',
    "other second line": '{n},{email},"{name}\nof other lines",{phone}\n',
    "another's row inside": '{n},{email},"{name}\n{other}",{phone}\n',
    "quotes": '{n},{email},"{name} ""the Great""",{phone}\n',
    "capitals": "{n},{capitals},{name},{phone}\n",
    "short": "{n},{email}\n",
    "long": "{n},{email},{name},{phone},more\n",
    "long, but empty": "{n},{email},{name},{phone},\n",
    "no address": "{n},nobody,{name},{phone}\n",
    "no number": ",{email},{name},{phone}\n",
    "wrong phone": "{n},{email},{name},12\n",
    "stray quote": '{n},"{email},{name},{phone}\n',
    "empty cells": ",,,\n",
    "blank line": "\n",
    "NUL": "{n},{email},{name}\0,{phone}\n",
    "no UTF-8": "{n},{email},{name}\udcff,{phone}\n",
}
USUAL = ["plain", "plain", "plain", "quoted", "two lines"]


def rendered(who: int, address: int, name: str, phone: str, style: str) -> str:
    values = {"n": who, "email": f"p{address}@example.com", "capitals": f"P{address}@EXAMPLE.com"}
    other = f"{(who + 1) % PEOPLE},p{(who + 1) % PEOPLE}@example.com,Ada,\n"
    return STYLES[style].format(**values, name=name, phone=phone, other=other)


numbers = st.integers(0, PEOPLE + 1)
names = st.sampled_from(["Ada", "Bob", "Cem Öz"])
phones = st.sampled_from(["", "", "06 12345678", "020 7946 0018"])
styles = st.sampled_from(USUAL) | st.sampled_from(sorted(STYLES))
own_rows = st.builds(lambda who, *rest: rendered(who, who, *rest), numbers, names, phones, styles)
strange_rows = st.builds(rendered, numbers, numbers, names, phones, styles)
rows = st.one_of(own_rows, own_rows, own_rows, strange_rows)
everybody = st.tuples(
    *(
        st.builds(rendered, st.just(n), st.just(n), names, phones, st.sampled_from(USUAL))
        for n in range(PEOPLE)
    )
)
files = st.builds(lambda usual, others: [*usual, *others], everybody, st.lists(rows, max_size=5))

Change = Callable[[list[str]], list[str]]
places = st.integers(0, 20)


def put_in(at: int, row: str) -> Change:
    return lambda lines: [*lines[: at % (len(lines) + 1)], row, *lines[at % (len(lines) + 1) :]]


def taken_out(at: int) -> Change:
    return lambda lines: [line for place, line in enumerate(lines) if place != at % len(lines)]


def turned_round(at: int) -> Change:
    return lambda lines: [*lines[at % len(lines) :], *lines[: at % len(lines)]]


def twice(at: int, to: int) -> Change:
    return lambda lines: put_in(to, lines[at % len(lines)])(lines)


def in_place(at: int, row: str) -> Change:
    return lambda lines: [row if place == at % len(lines) else line for place, line in enumerate(lines)]


def unended(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1].rstrip("\r\n")] if lines[-1].rstrip("\r\n") else lines


some_changes = st.lists(
    st.one_of(
        st.builds(put_in, places, rows),
        st.builds(taken_out, places),
        st.builds(turned_round, places),
        st.builds(twice, places, places),
        st.builds(in_place, places, rows),
        st.builds(in_place, places, own_rows),
        st.just(unended),
    ),
    min_size=1,
    max_size=3,
)
changes = some_changes | st.builds(list[Change])
afterwards = changes | st.none()


# Syncs

options = st.fixed_dictionaries(
    {
        "guard": st.sampled_from([FREE, FREE, FREE, ASKING, {**ASKING, "on_trip": "hold_deletes"}, {}]),
        "delete_missing": st.sampled_from([None, {"scope": "all"}, {"scope": "sync"}, {"scope": "sync"}]),
    },
    optional={
        "existing": st.sampled_from(["override", "override", "fill_empty", "skip"]),
        "mode": st.sampled_from(["three_way", "three_way", "three_way", "mirror"]),
        "empty_cells": st.sampled_from(["ignore", "clear", "reject"]),
        "segments": st.sampled_from([[], [VIP]]),
    },
)
countries = st.sampled_from([None, "NL", "GB"])
