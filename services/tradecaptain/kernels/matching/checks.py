"""Rules that a command must satisfy before it may change a book: each breach has its own reason.

Nothing here changes a book. A command that passes can no longer be refused by matching, so the
risk gate may reserve for it right after.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i16, load_i32, load_i64, load_u16, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.identity import find_order_id, find_vendor_id
from tradecaptain.kernels.matching.layout import (
    INT64_MAXIMUM,
    ORDER_IDS_CLIENT,
    SPECIAL_BOOK,
    UNKNOWN_LEVEL,
)
from tradecaptain.kernels.matching.rules import check_room_at, check_special, meets_best
from tradecaptain.kernels.matching.tables import (
    account_known,
    book_at,
    book_index,
    has_free_order,
    level_at,
    order_at,
)
from tradecaptain.kernels.matching.terms import INSTRUCTION_POST_ONLY
from tradecaptain.kernels.matching.waiting import check_special_replace
from tradecaptain.wire import common, order_command, reason


@inline
def is_plain(command: int) -> bool:
    """Whether a new order says no more than price, quantity, post-only and a plain time in force.

    Self-trade prevention, peg, group role and basis points lie in one word.
    """
    order_type = order_command.get_order_type(command)
    extras = (
        order_command.get_stop_price_units(command)
        | order_command.get_display_quantity_units(command)
        | order_command.get_minimum_quantity_units(command)
        | order_command.get_expire_time_ns(command)
        | load_i64(command + order_command.OFFSET_SELF_TRADE_PREVENTION)
        | order_command.get_offset_units(command)
        | order_command.get_minimum_visible_units(command)
        | order_command.get_group_id(command)
    )
    return (
        extras == 0
        and (order_type == common.ORDER_TYPE_LIMIT or order_type == common.ORDER_TYPE_MARKET)
        and order_command.get_time_in_force(command) <= common.TIME_IN_FORCE_FILL_OR_KILL
        and order_command.get_instructions(command) <= INSTRUCTION_POST_ONLY
    )


@inline
def check_terms(command: int) -> int:
    """Side, time in force and post-only of a plain order: 0 or a reason."""
    side = order_command.get_side(command)
    if side != common.SIDE_BUY and side != common.SIDE_SELL:
        return reason.REASON_INVALID_SIDE
    time_in_force = order_command.get_time_in_force(command)
    is_market = order_command.get_order_type(command) == common.ORDER_TYPE_MARKET
    if time_in_force < common.TIME_IN_FORCE_DAY or (
        is_market and time_in_force == common.TIME_IN_FORCE_GOOD_TILL_CANCEL
    ):
        return reason.REASON_INVALID_TIME_IN_FORCE
    if order_command.get_instructions(command) != 0 and (
        is_market or time_in_force > common.TIME_IN_FORCE_GOOD_TILL_CANCEL
    ):
        return reason.REASON_INVALID_INSTRUCTION
    return 0


@inline
def check_numbers(
    engine: int, book: int, price_units: int, quantity_units: int, is_limit: int
) -> int:
    """Quantity and price of an order against its instrument's rules: 0 or a reason."""
    rules = book_at(engine, book)
    if quantity_units <= 0 or quantity_units > load_i64(rules + at.BOOK_MAXIMUM_QUANTITY_UNITS):
        return reason.REASON_INVALID_QUANTITY
    lot_units = load_i64(rules + at.BOOK_LOT_UNITS)
    if lot_units > 1 and quantity_units % lot_units != 0:
        return reason.REASON_INVALID_QUANTITY
    if is_limit != 0 and (
        price_units < load_i64(rules + at.BOOK_MINIMUM_PRICE_UNITS)
        or price_units > load_i64(rules + at.BOOK_MAXIMUM_PRICE_UNITS)
    ):
        return reason.REASON_PRICE_OUT_OF_RANGE
    if is_limit != 0 and (
        price_units < load_i64(rules + at.BOOK_LOW_BAND_UNITS)
        or price_units > load_i64(rules + at.BOOK_HIGH_BAND_UNITS)
    ):
        return reason.REASON_PRICE_BAND
    return 0


@inline
def check_new(engine: int, command: int) -> int:
    """Whether a new order may enter: 0 or the reason why not."""
    if not account_known(engine, order_command.get_account_id(command)):
        return reason.REASON_UNKNOWN_ACCOUNT
    book = book_index(engine, order_command.get_instrument_id(command))
    if book == 0:
        return reason.REASON_UNKNOWN_INSTRUMENT
    if not is_plain(command) or load_i64(book_at(engine, book) + at.BOOK_SPECIAL) >= SPECIAL_BOOK:
        return check_special(engine, book, command)
    refusal = check_terms(command)
    if refusal != 0:
        return refusal
    is_limit = 1 if order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT else 0
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
    refusal = check_numbers(engine, book, price_units, quantity_units, is_limit)
    if refusal != 0:
        return refusal
    if not has_free_order(engine):
        return reason.REASON_CAPACITY_EXHAUSTED
    if load_i64(engine + at.HEADER_ORDER_IDS) == ORDER_IDS_CLIENT:
        order_id = order_command.get_client_order_id0(command)
        if order_id == 0 or find_order_id(engine, order_id) != 0:
            return reason.REASON_DUPLICATE_CLIENT_ORDER_ID
    side = order_command.get_side(command)
    if (
        is_limit != 0
        and order_command.get_time_in_force(command) <= common.TIME_IN_FORCE_GOOD_TILL_CANCEL
    ):
        if order_command.get_instructions(command) == INSTRUCTION_POST_ONLY and meets_best(
            engine, book, side, price_units
        ):
            return reason.REASON_POST_ONLY_WOULD_TRADE
        return check_room_at(engine, book, side, price_units, quantity_units)
    return 0


@inline
def find_target(engine: int, command: int) -> int:
    """Slot of the working order that a cancel or replace names, if its sender owns it; else 0."""
    account_id = order_command.get_account_id(command)
    order_id = order_command.get_order_id(command)
    slot = 0
    if order_id != 0:
        slot = find_order_id(engine, order_id)
    elif account_id == load_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID):
        book = book_index(engine, order_command.get_instrument_id(command))
        vendor_id = order_command.get_client_order_id0(command)
        if book != 0 and vendor_id != 0:
            slot = find_vendor_id(engine, book, vendor_id)
    if slot == 0 or load_i32(order_at(engine, slot) + at.ORDER_ACCOUNT_ID) != account_id:
        return 0
    return slot


@inline
def keeps_priority(order: int, price_units: int, quantity_units: int) -> bool:
    """Whether a replace leaves an order (by its address) its place: same price, no increase."""
    return price_units == load_i64(order + at.ORDER_PRICE_UNITS) and quantity_units <= load_i64(
        order + at.ORDER_QUANTITY_UNITS
    )


@inline
def check_replace(engine: int, command: int, slot: int) -> int:
    """Whether a replace of a working order may go through: 0 or the reason why not."""
    order = order_at(engine, slot)
    book = load_i32(order + at.ORDER_BOOK) + 0
    if (
        load_u16(order + at.ORDER_FLAGS) != 0
        or load_i64(book_at(engine, book) + at.BOOK_SPECIAL) >= SPECIAL_BOOK
        or order_command.get_stop_price_units(command) != 0
    ):
        return check_special_replace(engine, slot, command)
    instrument_id = order_command.get_instrument_id(command)
    side = order_command.get_side(command)
    own_side = load_i16(order + at.ORDER_SIDE) + 0
    if instrument_id != load_i64(book_at(engine, book) + at.BOOK_INSTRUMENT_ID) or (
        side != own_side and side != common.SIDE_UNSET
    ):
        return reason.REASON_REPLACE_MISMATCH
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
    refusal = check_numbers(engine, book, price_units, quantity_units, 1)
    if refusal != 0:
        return refusal
    filled_units = load_i64(order + at.ORDER_QUANTITY_UNITS) - load_i64(
        order + at.ORDER_LEAVES_UNITS
    )
    if quantity_units <= filled_units:
        return reason.REASON_REPLACE_BELOW_FILLED
    if keeps_priority(order, price_units, quantity_units):
        return 0
    if price_units == load_i64(order + at.ORDER_PRICE_UNITS):
        level = level_at(engine, load_i32(order + at.ORDER_LEVEL) + 0)
        others_units = load_i64(level + at.LEVEL_QUANTITY_UNITS) - load_i64(
            order + at.ORDER_LEAVES_UNITS
        )
        if others_units > INT64_MAXIMUM - quantity_units:
            return reason.REASON_NUMBER_OUT_OF_RANGE
        # The level is closed in between if the order was alone at it.
        store_i64(engine + at.HEADER_FOUND_LEVEL, UNKNOWN_LEVEL)
        return 0
    return check_room_at(engine, book, own_side, price_units, quantity_units)
