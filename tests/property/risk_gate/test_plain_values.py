"""Values of pairs and sums of accounts as vectors, against Python's own integers and the long way.

Both ways are run in the same draw, so that what one takes the other must agree with.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.kernels.risk_gate import plain_values as plain
from tradecaptain.kernels.risk_gate.layout import ACCOUNT_ROW_DTYPE, lead_of
from tradecaptain.kernels.risk_gate.valuation import values_of_pair

pytestmark = pytest.mark.twin

HALF_RANGE = 2**60
CHANGED = (
    "gross_exposure",
    "net_if_bought",
    "net_if_sold",
    "margin",
    "trade_cash",
    "position_value",
)
INTEGER = types.int64


def near(*edges: int) -> st.SearchStrategy[int]:
    """Numbers around some edges, of both signs."""
    return st.builds(
        lambda sign, edge, distance: sign * (edge + distance),
        st.sampled_from((-1, 1)),
        st.sampled_from(edges),
        st.integers(-2, 2),
    )


signed = near(0, 1, 2**20, 2**31, 2**42, 2**43, 2**59) | st.integers(-(2**44), 2**44)
working = signed.map(abs)
units = near(1, 2**20, 2**31, 2**33, 2**61, 2**62).map(lambda unit: min(abs(unit), 2**62))
units |= st.integers(0, 2**40)
holdings = st.tuples(signed, working, working, units, units)
sums = st.lists(near(0, 1, 2**32, HALF_RANGE), min_size=6, max_size=6)
limits = st.integers(0, 3) | st.integers(2**60 - 2, 2**60 + 2) | st.just(2**63 - 1)


@kernel(INTEGER(*[INTEGER] * 5))
def excess(position: int, buys: int, sells: int, unit_value: int, unit_margin: int) -> int:
    return plain.plain_excess(position, buys, sells, unit_value, unit_margin)


@kernel(types.void(*[INTEGER] * 7))
def add(row: int, position: int, buys: int, sells: int, value: int, margin: int, cash: int) -> None:
    """Let a row's sums take a pair that held nothing."""
    before = plain.plain_values(0, 0, 0, value, margin)
    after = plain.plain_values(position, buys, sells, value, margin)
    plain.add_plainly(row, plain.changes_of(before, after, cash))


@kernel(types.void(*[INTEGER] * 6))
def add_the_long_way(
    row: int, position: int, buys: int, sells: int, value: int, margin: int
) -> None:
    after = values_of_pair(position, buys, sells, value, margin)
    before = plain.plain_values(0, 0, 0, value, margin)
    plain.add_plainly(row, plain.changes_of(before, before, after[0]))
    plain.add_plainly(row + 8, plain.changes_of(before, before, after[1]))
    plain.add_plainly(row + 16, plain.changes_of(before, before, after[2]))
    plain.add_plainly(row + 24, plain.changes_of(before, before, after[3]))
    plain.add_plainly(row + 32, plain.changes_of(before, before, after[4]))


@kernel(INTEGER(*[INTEGER] * 8))
def fit(
    row: int, position: int, buys: int, sells: int, value: int, margin: int, gross: int, net: int
) -> int:
    before = plain.plain_values(0, 0, 0, value, margin)
    changes = plain.changes_of(before, plain.plain_values(position, buys, sells, value, margin), 0)
    return 1 if plain.fit_exposures(row, changes, gross, net) else 0


@kernel(INTEGER(*[INTEGER] * 6))
def margin_with(row: int, position: int, buys: int, sells: int, value: int, margin: int) -> int:
    before = plain.plain_values(0, 0, 0, value, margin)
    after = plain.plain_values(position, buys, sells, value, margin)
    return plain.margin_with(row, plain.changes_of(before, after, 0))


@kernel(INTEGER(INTEGER))
def are_moderate(row: int) -> int:
    return 1 if plain.have_moderate_sums(row) else 0


def scaled(quantity: int, unit: int) -> int:
    """A quantity's value, its magnitude rounded up."""
    magnitude = -(-abs(quantity) * unit // 2**20)
    return magnitude if quantity >= 0 else -magnitude


def expected_values(holding: tuple[int, ...]) -> list[int]:
    position, buys, sells, value, margin = holding
    bought, sold = position + buys, position - sells
    largest = max(abs(bought), abs(sold))
    quantities = ((largest, value), (bought, value), (sold, value), (largest, margin))
    return [*(scaled(*pair) for pair in quantities), 0, scaled(position, value)]


def row_with(values: list[int]) -> tuple[Any, int]:
    """A row of an account with six sums, and other numbers beside them; and its address."""
    rows = aligned_zeros(1, ACCOUNT_ROW_DTYPE)
    for name, value in zip(CHANGED, values, strict=True):
        rows[name] = value
    rows["credit_and_cash"], rows["profit_floor"], rows["resolved_net_exposure"] = 3, -5, 7
    return rows, address_of(rows) + lead_of(ACCOUNT_ROW_DTYPE)


@given(sums, holdings, st.integers(-(2**57), 2**57), limits, limits)
@example([0] * 6, (0, 2**42, 0, 2**32, 2**32), 0, 2**63 - 1, 2**63 - 1)
@example([0] * 6, (-7, 3, 2**43 - 9, 2**30 + 1, 1), 5, 2**63 - 1, 2**63 - 1)
def test_values_and_sums_are_exact(
    before: list[int], holding: tuple[int, ...], cash: int, gross_limit: int, net_limit: int
) -> None:
    rows, row = row_with(before)
    untouched = rows.copy()
    is_moderate = all(-HALF_RANGE <= value < HALF_RANGE for value in before)
    assert are_moderate(row) == int(is_moderate)
    if not is_moderate or excess(*holding) != 0:
        return
    values = expected_values(holding)
    assert max(map(abs, values)) < 2**56
    after = [value + added for value, added in zip(before, values, strict=True)]
    fits = abs(after[0]) <= gross_limit and max(abs(after[1]), abs(after[2])) <= net_limit
    assert fit(row, *holding, gross_limit, net_limit) == int(fits)
    assert margin_with(row, *holding) == after[3]
    assert rows == untouched
    add(row, *holding, cash)
    for name, value in zip(CHANGED, after, strict=True):
        untouched[name] = value
    untouched["trade_cash"] += cash
    assert rows == untouched


@given(holdings)
def test_values_are_those_of_the_long_way(holding: tuple[int, ...]) -> None:
    if excess(*holding) != 0:
        return
    rows, row = row_with([0] * 6)
    add(row, *holding, 0)
    apart = aligned_zeros(64, "i8")
    # Each value is added as trade cash, one word further on than the one before.
    add_the_long_way(address_of(apart) + lead_of(ACCOUNT_ROW_DTYPE), *holding)
    first = ACCOUNT_ROW_DTYPE.fields["trade_cash"][1] // 8
    names = [name for name in CHANGED if name != "trade_cash"]
    assert [int(rows[name][0]) for name in names] == apart[first : first + 5].tolist()


@given(holdings)
def test_what_is_of_an_ordinary_size_has_no_excess(holding: tuple[int, ...]) -> None:
    position, buys, sells, value, margin = holding
    largest = max(abs(position + buys), abs(position - sells))
    is_ordinary = largest < 2**43 and largest * max(value, margin) < 2**74 and value < 2**62
    if is_ordinary and margin < 2**62:
        assert excess(*holding) == 0
