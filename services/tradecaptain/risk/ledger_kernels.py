"""Applies execution events to the ledger, compiled.

Every event of an order tells what is left of it, so an order's working quantity is set to that,
whatever was known before: applying events of an unknown order, or the answers to a status request,
brings the ledger to the truth by the same rule.
"""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import copy_bytes, load_i64, store_i64
from tradecaptain.kernels.fixed_point import add_saturating, product_exceeds
from tradecaptain.kernels.risk_gate.layout import (
    TABLE_BUCKET_COUNT,
    TABLE_ROWS,
    TABLE_USED_COUNT,
)
from tradecaptain.kernels.risk_gate.rows import is_valid_id
from tradecaptain.kernels.risk_gate.table import (
    bucket_of,
    find_bucket,
    is_full,
    occupy,
    pair_key,
)
from tradecaptain.risk.ledger_state import (
    ACCOUNT_BYTES,
    ACCOUNT_FLAGS,
    ACCOUNT_LAST_SEQUENCE,
    FLAG_DIRTY,
    FLAG_INCOMPLETE,
    FLAG_VALUE_LOST,
    HEADER_ACCOUNTS,
    HEADER_EPOCH,
    HEADER_EVENT_COUNT,
    HEADER_INSTRUMENTS,
    HEADER_LAST_SEQUENCE,
    HEADER_ORDERS,
    HEADER_OVERFLOW_COUNT,
    HEADER_PAIRS,
    INSTRUMENT_BYTES,
    INSTRUMENT_LAST_PRICE,
    ORDER_BYTES,
    ORDER_LEAVES,
    ORDER_PAIR,
    ORDER_SIDE,
    PAIR_BOUGHT,
    PAIR_BYTES,
    PAIR_COST,
    PAIR_FLAGS,
    PAIR_OPEN_ORDER_COUNT,
    PAIR_POSITION,
    PAIR_REALISED,
    PAIR_SOLD,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
)
from tradecaptain.wire import common, execution_event

_VALUE_MAX = 2**62
_SIDE_BUY = common.SIDE_BUY
_TRADE = execution_event.EXECUTION_TYPE_TRADE
_ACCEPTED = execution_event.EXECUTION_TYPE_ACCEPTED
_CANCELLED = execution_event.EXECUTION_TYPE_CANCELLED
_REPLACED = execution_event.EXECUTION_TYPE_REPLACED
_EXPIRED = execution_event.EXECUTION_TYPE_EXPIRED
_ORDER_STATUS = execution_event.EXECUTION_TYPE_ORDER_STATUS
_TRADE_BUST = execution_event.EXECUTION_TYPE_TRADE_BUST
_TRADE_CORRECTION = execution_event.EXECUTION_TYPE_TRADE_CORRECTION


@inline
def _find_or_add(ledger: int, table: int, key: int, row_bytes: int) -> int:
    """Row of a key, made if there is none; 0 (counted) if the table is full."""
    row = find_bucket(ledger + table, key, row_bytes)
    if load_i64(row) != 0:
        return row
    if is_full(ledger + table):
        store_i64(ledger + HEADER_OVERFLOW_COUNT, load_i64(ledger + HEADER_OVERFLOW_COUNT) + 1)
        return 0
    occupy(ledger + table, row, key)
    return row


@inline
def remove_row(table: int, row: int, row_bytes: int) -> None:
    """Free a row, moving later rows of its probe sequence up so that each is still found."""
    rows = load_i64(table + TABLE_ROWS)
    bucket_count = load_i64(table + TABLE_BUCKET_COUNT)
    end = rows + bucket_count * row_bytes
    hole = row
    probe = row
    while True:
        probe += row_bytes
        if probe == end:
            probe = rows
        key = load_i64(probe)
        if key == 0:
            break
        home = rows + bucket_of(key, bucket_count) * row_bytes
        # The row may stay if its home lies behind the hole, on the way round to where it is.
        if hole <= probe:
            stays = hole < home <= probe
        else:
            stays = home > hole or home <= probe
        if not stays:
            copy_bytes(hole, probe, row_bytes)
            hole = probe
    store_i64(hole, 0)
    store_i64(table + TABLE_USED_COUNT, load_i64(table + TABLE_USED_COUNT) - 1)


@inline
def _add(address: int, number: int) -> None:
    store_i64(address, add_saturating(load_i64(address), number))


@inline
def _set_flag(address: int, flag: int) -> None:
    store_i64(address, load_i64(address) | flag)


@inline
def _settle_leaves(ledger: int, pair: int, order_id: int, side: int, leaves: int) -> int:
    """Make an order's working quantity what the event says; 0 if the order table is full."""
    table = ledger + HEADER_ORDERS
    row = find_bucket(table, order_id, ORDER_BYTES)
    known = load_i64(row) != 0
    if not known:
        if leaves == 0:
            return 1
        row = _find_or_add(ledger, HEADER_ORDERS, order_id, ORDER_BYTES)
        if row == 0:
            return 0
        store_i64(row + ORDER_LEAVES, 0)
        store_i64(row + ORDER_PAIR, pair)
        store_i64(row + ORDER_SIDE, side)
        _add(pair + PAIR_OPEN_ORDER_COUNT, 1)
    offset = PAIR_WORKING_BUY if side == _SIDE_BUY else PAIR_WORKING_SELL
    _add(pair + offset, leaves - load_i64(row + ORDER_LEAVES))
    store_i64(row + ORDER_LEAVES, leaves)
    if leaves == 0:
        remove_row(table, row, ORDER_BYTES)
        _add(pair + PAIR_OPEN_ORDER_COUNT, -1)
    return 1


@inline
def _share_of(cost: int, closed: int, position: int) -> int:
    """``|cost| * closed / position`` rounded down, with the sign of ``cost``; exact at any size."""
    magnitude = abs(cost)
    low, high = 0, magnitude
    while low < high:
        middle = low + ((high - low + 1) >> 1)
        if product_exceeds(middle, position, 1, magnitude, closed):
            high = middle - 1
        else:
            low = middle
    return low if cost >= 0 else -low


@inline
def _book_value(pair: int, position: int, quantity: int, price: int) -> None:
    """Move cost to realised profit by the average cost; nothing is lost in rounding.

    What a partial close takes off the cost is rounded towards zero and the rest stays, so realised
    profit less open cost always is the exact sum of what was paid and received.
    """
    closed = 0
    if (position > 0) != (quantity > 0) and position != 0:
        closed = min(abs(position), abs(quantity))
    signed_closed = closed if quantity > 0 else -closed
    cost = load_i64(pair + PAIR_COST)
    realised = load_i64(pair + PAIR_REALISED)
    if closed != 0:
        removed = _share_of(cost, closed, abs(position))
        realised = add_saturating(realised, -(price * signed_closed) - removed)
        cost -= removed
    cost = add_saturating(cost, price * (quantity - signed_closed))
    if abs(cost) >= _VALUE_MAX or abs(realised) >= _VALUE_MAX:
        _set_flag(pair + PAIR_FLAGS, FLAG_VALUE_LOST)
        return
    store_i64(pair + PAIR_COST, cost)
    store_i64(pair + PAIR_REALISED, realised)


@inline
def _apply_trade(pair: int, side: int, quantity: int, price: int) -> None:
    position = load_i64(pair + PAIR_POSITION)
    signed = quantity if side == _SIDE_BUY else -quantity
    flags = load_i64(pair + PAIR_FLAGS)
    if flags & FLAG_VALUE_LOST == 0:
        if product_exceeds(price, quantity, 4, _VALUE_MAX, 1):
            _set_flag(pair + PAIR_FLAGS, FLAG_VALUE_LOST)
        else:
            _book_value(pair, position, signed, price)
    _add(pair + PAIR_POSITION, signed)
    _add(pair + (PAIR_BOUGHT if side == _SIDE_BUY else PAIR_SOLD), quantity)
    _set_flag(pair + PAIR_FLAGS, FLAG_DIRTY)


@inline
def _follow_account(ledger: int, record: int) -> int:
    """Row of the event's account, incomplete from now on if its sequence jumped; 0 if no room."""
    row = _find_or_add(
        ledger, HEADER_ACCOUNTS, execution_event.get_account_id(record), ACCOUNT_BYTES
    )
    if row == 0:
        return 0
    sequence = execution_event.get_account_sequence(record)
    if sequence != load_i64(row + ACCOUNT_LAST_SEQUENCE) + 1:
        _set_flag(row + ACCOUNT_FLAGS, FLAG_INCOMPLETE)
    store_i64(row + ACCOUNT_LAST_SEQUENCE, sequence)
    _set_flag(row + ACCOUNT_FLAGS, FLAG_DIRTY)
    return row


@inline
def _states_leaves(execution_type: int) -> bool:
    return execution_type in (_ACCEPTED, _TRADE, _CANCELLED, _REPLACED, _EXPIRED, _ORDER_STATUS)


@inline
def _apply_order_event(ledger: int, record: int, execution_type: int) -> int:
    """Apply an event that tells an order's leaves; 0 if a table had no room for it."""
    instrument_id = execution_event.get_instrument_id(record)
    key = pair_key(execution_event.get_account_id(record), instrument_id)
    pair = _find_or_add(ledger, HEADER_PAIRS, key, PAIR_BYTES)
    if pair == 0:
        return 0
    side = execution_event.get_side(record)
    if execution_type == _TRADE:
        price = execution_event.get_last_price_units(record)
        _apply_trade(pair, side, execution_event.get_last_quantity_units(record), price)
        instrument = _find_or_add(ledger, HEADER_INSTRUMENTS, instrument_id, INSTRUMENT_BYTES)
        if instrument != 0:
            store_i64(instrument + INSTRUMENT_LAST_PRICE, price)
    order_id = execution_event.get_order_id(record)
    leaves = execution_event.get_leaves_quantity_units(record)
    return _settle_leaves(ledger, pair, order_id, side, leaves)


@inline
def _apply_event(ledger: int, record: int) -> None:
    if not is_valid_id(execution_event.get_account_id(record)):
        return
    account = _follow_account(ledger, record)
    if account == 0:
        return
    execution_type = execution_event.get_execution_type(record)
    if execution_type in (_TRADE_BUST, _TRADE_CORRECTION):
        # The venue doesn't send these yet; a position that ignored one must not look right.
        _set_flag(account + ACCOUNT_FLAGS, FLAG_INCOMPLETE)
        return
    if not _states_leaves(execution_type):
        return
    if not is_valid_id(execution_event.get_instrument_id(record)):
        return
    if _apply_order_event(ledger, record, execution_type) == 0:
        _set_flag(account + ACCOUNT_FLAGS, FLAG_INCOMPLETE)


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64))
def ledger_apply_events(ledger: int, records: int, count: int, stride: int) -> int:
    """Apply ``count`` whole ExecutionEvent messages that lie ``stride`` bytes apart at ``records``.

    Returns how many were dealt with. Fewer than ``count`` means that the next one leaves a gap or
    opens a newer epoch. Events that were applied before, or of an older epoch, are passed over.
    """
    epoch = load_i64(ledger + HEADER_EPOCH)
    last_sequence = load_i64(ledger + HEADER_LAST_SEQUENCE)
    applied = 0
    index = 0
    while index < count:
        record = records + index * stride
        record_epoch = execution_event.get_epoch(record)
        sequence = execution_event.get_sequence(record)
        if record_epoch > epoch or (record_epoch == epoch and sequence > last_sequence + 1):
            break
        if record_epoch == epoch and sequence == last_sequence + 1:
            _apply_event(ledger, record)
            last_sequence = sequence
            applied += 1
        index += 1
    store_i64(ledger + HEADER_LAST_SEQUENCE, last_sequence)
    store_i64(ledger + HEADER_EVENT_COUNT, load_i64(ledger + HEADER_EVENT_COUNT) + applied)
    return index


@kernel(types.int64(types.int64, types.int64, types.int64))
def ledger_find_row(table: int, key: int, row_bytes: int) -> int:
    """Address of a key's row, or of the free row where it belongs."""
    return find_bucket(table, key, row_bytes)
