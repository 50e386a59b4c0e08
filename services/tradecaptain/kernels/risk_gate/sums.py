"""Sums of an account over its pairs, and the same of its group and firm where these have totals.

A row of totals holds the eight sums of an account in the same order (see ``layout``), and three of
a position. An account's row keeps the addresses at which its group's and firm's would lie if they
were rows of accounts, so that one function changes all of them. Accounts without totals pay for
one test of a flag.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline_always
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.fixed_point import add_saturating, scaled_up, subtract_saturating
from tradecaptain.kernels.risk_gate.far_calls import FAR_ADD_TO_TOTAL, FAR_ADD_VALUES, call_far
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_CASH,
    ACCOUNT_DAY_START_VALUE,
    ACCOUNT_GROSS_EXPOSURE,
    ACCOUNT_MARGIN,
    ACCOUNT_NET_IF_BOUGHT,
    ACCOUNT_NET_IF_SOLD,
    ACCOUNT_POSITION_VALUE,
    ACCOUNT_TRADE_CASH,
    FLAG_HAS_TOTALS,
    INT64_MAX,
    LIMIT_FLAGS,
    PAIR_POSITION,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    VALUE_MAX,
)


@inline_always
def add_to_sum(row: int, offset: int, amount: int) -> None:
    """Change one sum of a row, held at the ends of int64."""
    store_i64(row + offset, add_saturating(load_i64(row + offset), amount))


@inline_always
def has_totals(account: int) -> bool:
    """Whether the account's group or firm has limits on totals."""
    return load_i32(account + LIMIT_FLAGS) & FLAG_HAS_TOTALS != 0


@inline_always
def add_to_account(gate: int, account: int, offset: int, amount: int) -> None:
    """Change one sum of an account, and with it those of its group and firm."""
    add_to_sum(account, offset, amount)
    if has_totals(account):
        call_far(gate, FAR_ADD_TO_TOTAL, account, offset, amount, 0, 0, 0)


@inline_always
def add_values(
    gate: int, account: int, gross: int, if_bought: int, if_sold: int, margin: int, value: int
) -> None:
    """Change an account's exposures, margin and value of positions, and with them the totals."""
    add_to_sum(account, ACCOUNT_GROSS_EXPOSURE, gross)
    add_to_sum(account, ACCOUNT_NET_IF_BOUGHT, if_bought)
    add_to_sum(account, ACCOUNT_NET_IF_SOLD, if_sold)
    add_to_sum(account, ACCOUNT_MARGIN, margin)
    add_to_sum(account, ACCOUNT_POSITION_VALUE, value)
    if has_totals(account):
        call_far(gate, FAR_ADD_VALUES, account, gross, if_bought, if_sold, margin, value)


@inline_always
def value_of(quantity: int, unit_value: int) -> int:
    """Value of a signed quantity in notional units, its magnitude rounded up."""
    magnitude = scaled_up(abs(max(quantity, -INT64_MAX)), unit_value, VALUE_MAX)
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
