"""What the book's events do to the gate: release, fill, quote."""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_OPEN_ORDER_COUNT,
    HEADER_ABSENT,
    HEADER_ACCOUNTING_ERROR_COUNT,
    INSTRUMENT_DISPLAYED_ASK,
    INSTRUMENT_DISPLAYED_BID,
    INSTRUMENT_LAST_PRICE,
    INSTRUMENT_LAST_TIME_NS,
    INSTRUMENT_MID_PRICE,
    INSTRUMENT_MID_TIME_NS,
    INSTRUMENT_REFERENCE_FLAGS,
    NO_PRICE,
    REFERENCE_LAST,
    REFERENCE_MID,
)
from tradecaptain.kernels.risk_gate.pairs import find_pair
from tradecaptain.kernels.risk_gate.rates import note_execution
from tradecaptain.kernels.risk_gate.references import choose_reference, note_reference
from tradecaptain.kernels.risk_gate.rows import (
    find_account,
    find_instrument,
    working_offset,
)
from tradecaptain.kernels.risk_gate.valuation import change_pair, fill_pair
from tradecaptain.wire import common

_SIDE_BUY = common.SIDE_BUY

ACCOUNTING_ERROR = -1
"""A release or fill of something that was never reserved: a bug of the caller, counted."""


@inline
def _accounting_error(gate: int) -> int:
    count = load_i64(gate + HEADER_ACCOUNTING_ERROR_COUNT)
    store_i64(gate + HEADER_ACCOUNTING_ERROR_COUNT, count + 1)
    return ACCOUNTING_ERROR


@inline
def _can_release(
    gate: int, account: int, instrument: int, pair: int, side: int, quantity: int, order_count: int
) -> bool:
    """Whether so much of a pair works on a side, and so many orders of the account."""
    if instrument == 0 or pair == 0 or account == gate + HEADER_ABSENT:
        return False
    return quantity <= load_i64(pair + working_offset(side)) and order_count <= load_i32(
        account + ACCOUNT_OPEN_ORDER_COUNT
    )


@inline
def _close_orders(account: int, order_count: int) -> None:
    count = load_i32(account + ACCOUNT_OPEN_ORDER_COUNT)
    store_i32(account + ACCOUNT_OPEN_ORDER_COUNT, count - order_count)


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64, types.int64))
def gate_release(
    gate: int, account_id: int, instrument_id: int, side: int, quantity: int, order_count: int
) -> int:
    """Give back a reservation: the leaves of an order that ended, or a part of them.

    ``order_count`` is 1 if the order ended, else 0. A negative quantity takes back what a replace
    released. Returns 0, or ACCOUNTING_ERROR (and changes nothing) if more is given back than is
    reserved.
    """
    account = find_account(gate, account_id)
    instrument = find_instrument(gate, instrument_id)
    pair = find_pair(gate, account_id, instrument_id)
    if not _can_release(gate, account, instrument, pair, side, quantity, order_count):
        return _accounting_error(gate)
    offset = working_offset(side)
    change_pair(gate, account, instrument, pair, offset, load_i64(pair + offset) - quantity)
    _close_orders(account, order_count)
    return 0


@kernel(
    types.int64(
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
    )
)
def gate_apply_fill(
    gate: int,
    account_id: int,
    instrument_id: int,
    side: int,
    quantity: int,
    price: int,
    is_done: int,
) -> int:
    """Move a fill of one order from working to position; its price becomes the last own trade.

    ``is_done`` is 1 if nothing of the order is left. Returns 0, or ACCOUNTING_ERROR (and changes
    nothing) if the fill exceeds what is reserved.
    """
    account = find_account(gate, account_id)
    instrument = find_instrument(gate, instrument_id)
    pair = find_pair(gate, account_id, instrument_id)
    if quantity < 0 or not _can_release(gate, account, instrument, pair, side, quantity, is_done):
        return _accounting_error(gate)
    note_reference(
        gate, instrument, REFERENCE_LAST, INSTRUMENT_LAST_PRICE, INSTRUMENT_LAST_TIME_NS, price
    )
    signed = quantity if side == _SIDE_BUY else -quantity
    fill_pair(gate, account, instrument, pair, working_offset(side), quantity, signed)
    _close_orders(account, is_done)
    note_execution(gate, account)
    return 0


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64, types.int64))
def gate_apply_quote(
    gate: int, instrument_id: int, bid_price: int, ask_price: int, bid_units: int, ask_units: int
) -> int:
    """Take the book's best prices and what stands there for all to see.

    The prices' middle, rounded down, is the reference before a trade. Either may be NO_PRICE (with
    no quantity), then there is no mid. Returns 0, or -1 for an unknown instrument.
    """
    instrument = find_instrument(gate, instrument_id)
    if instrument == 0:
        return ACCOUNTING_ERROR
    store_i64(instrument + INSTRUMENT_DISPLAYED_BID, bid_units)
    store_i64(instrument + INSTRUMENT_DISPLAYED_ASK, ask_units)
    if bid_price == NO_PRICE or ask_price == NO_PRICE:
        known = load_i64(instrument + INSTRUMENT_REFERENCE_FLAGS)
        store_i64(instrument + INSTRUMENT_REFERENCE_FLAGS, known & ~REFERENCE_MID)
        choose_reference(instrument)
        return 0
    # Halves are added first, so that two prices at the edge of int64 don't overflow.
    middle = (bid_price >> 1) + (ask_price >> 1) + (bid_price & ask_price & 1)
    note_reference(
        gate, instrument, REFERENCE_MID, INSTRUMENT_MID_PRICE, INSTRUMENT_MID_TIME_NS, middle
    )
    return 0
