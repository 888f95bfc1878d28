"""Day or month first: a column proves it, or somebody must say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactsync.core.date_order import date_order


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["03/04/2024", "05/06/2024"], "ambiguous"),
        (["03/04/2024", "13/06/2024"], "dmy"),
        (["03/04/2024", "6.13.2024"], "mdy"),
        (["13/04/2024", "04/13/2024"], "mixed"),
        (["03/03/2024"], None),
        (["13/04/2024", "04/31/2024", "30/02/2024"], "dmy"),
        (["02/29/2023"], "mdy"),
        (["2024-04-03", "", "soon"], None),
        (["32/01/2024", "13/13/2024", "0/5/2024"], None),
        ([" 13-04-2024 ", "13/04/2024 10:30"], "dmy"),
    ],
)
def test_one_date_decides_for_its_column(cells, order):
    assert date_order(cells) == order


@given(st.lists(st.dates(), min_size=1), st.sampled_from(["dmy", "mdy"]))
def test_a_column_in_one_order_is_never_taken_for_the_other(days, order):
    pattern = "{0.day}/{0.month}/{0.year:04}" if order == "dmy" else "{0.month}/{0.day}/{0.year:04}"
    proven = any(day.day > 12 for day in days)
    assert date_order(pattern.format(day) for day in days) in ({order} if proven else {"ambiguous", None})
