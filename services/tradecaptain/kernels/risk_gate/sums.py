"""Sums of an account over its pairs, and the same of its group and firm where these have totals.

A row of totals holds the eight sums of an account where an account's row has them (see ``layout``),
and three of a position, so that one function changes either. Accounts without totals pay for one
test of a flag.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.fixed_point import add_saturating, scaled_up, subtract_saturating
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_CASH,
    ACCOUNT_DAY_START_VALUE,
    ACCOUNT_FIRM_TOTAL,
    ACCOUNT_GROSS_EXPOSURE,
    ACCOUNT_GROUP_TOTAL,
    ACCOUNT_MARGIN,
    ACCOUNT_MARKS,
    ACCOUNT_NET_IF_BOUGHT,
    ACCOUNT_NET_IF_SOLD,
    ACCOUNT_POSITION_VALUE,
    ACCOUNT_TRADE_CASH,
    INT64_MAX,
    MARK_HAS_TOTALS,
    PAIR_POSITION,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    UNIT_VALUE_MAX,
    VALUE_MAX,
)


@inline_always
def add_to_sum(row: int, offset: int, amount: int) -> None:
    """Change one sum of a row, held at the ends of int64."""
    store_i64(row + offset, add_saturating(load_i64(row + offset), amount))


@inline_always
def has_totals(account: int) -> bool:
    """Whether the account's group or firm has limits on totals."""
    return load_i32(account + ACCOUNT_MARKS) & MARK_HAS_TOTALS != 0


@inline
def add_to_account(account: int, offset: int, amount: int) -> None:
    """Change one sum of an account, and with it those of its group and firm."""
    add_to_sum(account, offset, amount)
    if has_totals(account):
        group, firm = (
            load_i64(account + ACCOUNT_GROUP_TOTAL),
            load_i64(account + ACCOUNT_FIRM_TOTAL),
        )
        if group != 0:
            add_to_sum(group, offset, amount)
        if firm != 0:
            add_to_sum(firm, offset, amount)


@inline
def _add_values_to(
    row: int, gross: int, if_bought: int, if_sold: int, margin: int, value: int
) -> None:
    add_to_sum(row, ACCOUNT_GROSS_EXPOSURE, gross)
    add_to_sum(row, ACCOUNT_NET_IF_BOUGHT, if_bought)
    add_to_sum(row, ACCOUNT_NET_IF_SOLD, if_sold)
    add_to_sum(row, ACCOUNT_MARGIN, margin)
    add_to_sum(row, ACCOUNT_POSITION_VALUE, value)


@inline
def add_values(
    account: int, gross: int, if_bought: int, if_sold: int, margin: int, value: int
) -> None:
    """Change an account's exposures, margin and value of positions, and with them the totals."""
    _add_values_to(account, gross, if_bought, if_sold, margin, value)
    if has_totals(account):
        group, firm = (
            load_i64(account + ACCOUNT_GROUP_TOTAL),
            load_i64(account + ACCOUNT_FIRM_TOTAL),
        )
        if group != 0:
            _add_values_to(group, gross, if_bought, if_sold, margin, value)
        if firm != 0:
            _add_values_to(firm, gross, if_bought, if_sold, margin, value)


@inline_always
def value_of(quantity: int, unit_value: int) -> int:
    """Value of a signed quantity in notional units, its magnitude rounded up.

    That of a unit without a value is larger than any limit on exposure lets pass.
    """
    magnitude = scaled_up(abs(max(quantity, -INT64_MAX)), unit_value, VALUE_MAX)
    if unit_value >= UNIT_VALUE_MAX and quantity != 0:
        magnitude = VALUE_MAX
    return magnitude if quantity >= 0 else -magnitude


@inline_always
def quantities_of(pair: int) -> Any:
    """Position, working buys and working sells of a pair."""
    return (
        load_i64(pair + PAIR_POSITION),
        load_i64(pair + PAIR_WORKING_BUY),
        load_i64(pair + PAIR_WORKING_SELL),
    )


@inline_always
def profit(row: int) -> int:
    """What trades brought and positions are worth."""
    return add_saturating(
        load_i64(row + ACCOUNT_TRADE_CASH), load_i64(row + ACCOUNT_POSITION_VALUE)
    )


@inline_always
def profit_of_day(row: int) -> int:
    """Profit since the day began; negative is a loss."""
    return subtract_saturating(profit(row), load_i64(row + ACCOUNT_DAY_START_VALUE))


@inline_always
def equity(row: int) -> int:
    """Cash and profit."""
    return add_saturating(load_i64(row + ACCOUNT_CASH), profit(row))
