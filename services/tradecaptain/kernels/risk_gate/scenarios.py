"""Margin by scenarios: the largest loss of what an account holds together, as in a SPAN risk array.

Instruments of a risk group, such as an underlying with its options, have sixteen numbers each: what
one quantity unit long gains in each scenario of price and volatility. An account's margin for the
group is its largest loss over the scenarios. Working orders count as filled where that hurts and as
not filled where it helps, for each scenario by itself. (CME, SPAN: Standard Portfolio Analysis of
Risk; a delta margin is an array that is linear in the price.)

The losses of an account in a group are kept and changed with each of its pairs. They are made anew
from all of them once the group's scenarios have changed: its version tells.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.fixed_point import add_saturating, subtract_saturating
from tradecaptain.kernels.risk_gate.far_calls import (
    FAR_HAS_SCAN_ROOM,
    FAR_SCAN_MARGIN,
    far_entry,
)
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_MARGIN,
    HEADER_SCANS,
    INSTRUMENT_NEXT_IN_GROUP,
    INSTRUMENT_RISK_GROUP,
    INSTRUMENT_SCENARIOS,
    INT64_MAX,
    RISK_GROUP_FIRST_INSTRUMENT,
    RISK_GROUP_VERSION,
    SCAN_LOSSES,
    SCAN_MARGIN,
    SCAN_ROW_BYTES,
    SCAN_VERSION,
    SCENARIO_CHANGES,
    SCENARIO_COUNT,
)
from tradecaptain.kernels.risk_gate.pairs import pair_of
from tradecaptain.kernels.risk_gate.sums import add_to_account, quantities_of, value_of
from tradecaptain.kernels.risk_gate.table import find_bucket, is_full, occupy, pair_key
from tradecaptain.wire import common

_SIDE_BUY = common.SIDE_BUY


@inline
def loss_of(change: int, position: int, buys: int, sells: int) -> int:
    """Loss of a pair in a scenario in which one unit long gains ``change``."""
    size = abs(max(change, -INT64_MAX))
    if change >= 0:
        return value_of(sells, size) - value_of(position, size)
    return value_of(buys, size) + value_of(position, size)


@inline_always
def _change_in(instrument: int, scenario: int) -> int:
    row = load_i64(instrument + INSTRUMENT_SCENARIOS)
    return load_i64(row + SCENARIO_CHANGES + 8 * scenario)


@inline_always
def _scan_key(account: int, group: int) -> int:
    return pair_key(load_i64(account), load_i64(group))


@inline
def find_scan(gate: int, account: int, group: int) -> int:
    """Row of an account's losses in a risk group, made if there is none; 0 if there is no room."""
    table = gate + HEADER_SCANS
    row = find_bucket(table, _scan_key(account, group), SCAN_ROW_BYTES)
    if load_i64(row) == 0:
        if is_full(table):
            return 0
        occupy(table, row, _scan_key(account, group))
    return row


@far_entry(FAR_HAS_SCAN_ROOM)
def has_scan_room(gate: int, account: int, group: int, a: int, b: int, c: int) -> int:
    """1 if an account has losses in a risk group or there is room for them, else 0."""
    table = gate + HEADER_SCANS
    row = find_bucket(table, _scan_key(account, group), SCAN_ROW_BYTES)
    return 1 if load_i64(row) != 0 or not is_full(table) else 0


@inline
def _settle_margin(account: int, row: int) -> None:
    """Let the largest loss stand in the account's margin."""
    margin = 0
    for scenario in range(SCENARIO_COUNT):
        margin = max(margin, load_i64(row + SCAN_LOSSES + 8 * scenario))
    before = load_i64(row + SCAN_MARGIN)
    store_i64(row + SCAN_MARGIN, margin)
    add_to_account(account, ACCOUNT_MARGIN, subtract_saturating(margin, before))


@inline
def make_losses(gate: int, account: int, group: int, row: int) -> None:
    """Make an account's losses anew from its pairs in the instruments of a group."""
    for scenario in range(SCENARIO_COUNT):
        store_i64(row + SCAN_LOSSES + 8 * scenario, 0)
    instrument = load_i64(group + RISK_GROUP_FIRST_INSTRUMENT)
    while instrument != 0:
        pair = pair_of(gate, pair_key(load_i64(account), load_i64(instrument)))
        if load_i64(pair) != 0:
            position, buys, sells = quantities_of(pair)
            for scenario in range(SCENARIO_COUNT):
                place = row + SCAN_LOSSES + 8 * scenario
                loss = loss_of(_change_in(instrument, scenario), position, buys, sells)
                store_i64(place, add_saturating(load_i64(place), loss))
        instrument = load_i64(instrument + INSTRUMENT_NEXT_IN_GROUP)
    store_i64(row + SCAN_VERSION, load_i64(group + RISK_GROUP_VERSION))
    _settle_margin(account, row)


@inline
def renew_scan(gate: int, account: int, instrument: int) -> int:
    """Bring an account's losses to the present scenarios; their row, or 0 if there is no room."""
    group = load_i64(instrument + INSTRUMENT_RISK_GROUP)
    row = find_scan(gate, account, group)
    if row != 0 and load_i64(row + SCAN_VERSION) != load_i64(group + RISK_GROUP_VERSION):
        make_losses(gate, account, group, row)
    return row


@inline
def change_scan(
    gate: int, account: int, instrument: int, pair: int, position: int, buys: int, sells: int
) -> None:
    """Bring an account's losses with a pair that changed; the quantities are those before."""
    group = load_i64(instrument + INSTRUMENT_RISK_GROUP)
    row = find_scan(gate, account, group)
    if row == 0:
        return
    if load_i64(row + SCAN_VERSION) != load_i64(group + RISK_GROUP_VERSION):
        make_losses(gate, account, group, row)
        return
    new_position, new_buys, new_sells = quantities_of(pair)
    for scenario in range(SCENARIO_COUNT):
        change = _change_in(instrument, scenario)
        place = row + SCAN_LOSSES + 8 * scenario
        added = loss_of(change, new_position, new_buys, new_sells)
        added -= loss_of(change, position, buys, sells)
        store_i64(place, add_saturating(load_i64(place), added))
    _settle_margin(account, row)


@far_entry(FAR_SCAN_MARGIN)
def scan_margin(gate: int, account: int, instrument: int, pair: int, side: int, added: int) -> int:
    """Margin of an account in an instrument's risk group with ``added`` working on a side."""
    row = renew_scan(gate, account, instrument)
    if row == 0:
        return INT64_MAX if added != 0 else 0
    position, buys, sells = quantities_of(pair)
    more_buys = add_saturating(buys, added if side == _SIDE_BUY else 0)
    more_sells = add_saturating(sells, 0 if side == _SIDE_BUY else added)
    margin = 0
    for scenario in range(SCENARIO_COUNT):
        change = _change_in(instrument, scenario)
        loss = load_i64(row + SCAN_LOSSES + 8 * scenario)
        loss += loss_of(change, position, more_buys, more_sells)
        loss -= loss_of(change, position, buys, sells)
        margin = max(margin, loss)
    return margin
