"""Bringing pairs to present prices, all of them over time, and the day on which that begins."""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.fixed_point import subtract_saturating
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_POSITION_VALUE,
    ACCOUNT_TRADE_CASH,
    HEADER_VALUES_ARE_KEPT,
    INSTRUMENT_RISK_GROUP,
)
from tradecaptain.kernels.risk_gate.pairs import pair_at, pair_count
from tradecaptain.kernels.risk_gate.rows import find_account, find_instrument
from tradecaptain.kernels.risk_gate.scenarios import renew_scan
from tradecaptain.kernels.risk_gate.sums import add_to_account
from tradecaptain.kernels.risk_gate.valuation import enter_pair, values_before

NOTHING = (0, 0, 0, 0, 0)
"""Values of a pair that doesn't stand in its account's sums yet."""


@inline
def revalue_pair(gate: int, pair: int) -> None:
    """Bring one pair to the present unit value of its instrument."""
    key = load_i64(pair)
    account = find_account(gate, key >> 32)
    instrument = find_instrument(gate, key & 0xFFFFFFFF)
    if instrument != 0:
        enter_pair(account, instrument, pair, values_before(pair))
        if load_i64(instrument + INSTRUMENT_RISK_GROUP) != 0:
            renew_scan(gate, account, instrument)


@kernel(types.int64(types.int64, types.int64, types.int64))
def gate_revalue(gate: int, first: int, count: int) -> int:
    """Bring pairs to the present prices, ``count`` of them from number ``first`` on (from 1).

    Returns where to go on, or 0 after the last.
    """
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        return 0
    end = pair_count(gate) + 1
    last = min(max(first, 1) + count, end)
    for number in range(max(first, 1), last):
        revalue_pair(gate, pair_at(gate, number))
    return last if last < end else 0


@inline
def keep_values(gate: int) -> None:
    """Begin to keep the sums: every pair enters at the present prices, without profit so far."""
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) != 0:
        return
    store_i64(gate + HEADER_VALUES_ARE_KEPT, 1)
    for number in range(1, pair_count(gate) + 1):
        pair = pair_at(gate, number)
        key = load_i64(pair)
        account = find_account(gate, key >> 32)
        instrument = find_instrument(gate, key & 0xFFFFFFFF)
        if instrument != 0:
            before = load_i64(account + ACCOUNT_POSITION_VALUE)
            enter_pair(account, instrument, pair, NOTHING)
            gained = subtract_saturating(load_i64(account + ACCOUNT_POSITION_VALUE), before)
            add_to_account(account, ACCOUNT_TRADE_CASH, -gained)
            if load_i64(instrument + INSTRUMENT_RISK_GROUP) != 0:
                renew_scan(gate, account, instrument)
