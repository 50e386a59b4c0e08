"""New orders and replaces that aren't plain: their terms, and how they enter."""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.ending import end_order, reduce_order, take_out, write_shown
from tradecaptain.kernels.matching.events import write_book, write_end, write_execution
from tradecaptain.kernels.matching.finish import finish_step, note_book
from tradecaptain.kernels.matching.groups import ROLE_EXIT
from tradecaptain.kernels.matching.indexes import NOWHERE
from tradecaptain.kernels.matching.ladder import leave_ladder
from tradecaptain.kernels.matching.layout import (
    FLAG_ASLEEP,
    FLAG_AUCTION_ONLY,
    FLAG_CONDITIONAL,
    FLAG_GROUPED,
    FLAG_HIDDEN,
    FLAG_ICEBERG,
    FLAG_OWN_RULES,
    FLAG_PARKED,
    FLAG_PEGGED,
    FLAG_POST_ONLY,
    FLAG_PRICELESS,
    FLAG_STOP,
    FLAG_TIMED,
    FLAG_TRAILING,
)
from tradecaptain.kernels.matching.levels import close_if_empty
from tradecaptain.kernels.matching.orders import join_expiries, join_pegs, leave_place
from tradecaptain.kernels.matching.parking import arm, disarm
from tradecaptain.kernels.matching.rules import (
    DISPLAYS_MAX,
    check_limit,
    check_phase,
    check_room_at,
    check_size,
    in_range,
    is_stop_type,
    meets_best,
    slid_price,
)
from tradecaptain.kernels.matching.special import is_auction
from tradecaptain.kernels.matching.tables import book_at, order_at, terms_at
from tradecaptain.kernels.matching.terms import (
    INSTRUCTION_ALL_OR_NONE,
    INSTRUCTION_HIDDEN,
    INSTRUCTION_POST_ONLY,
    INSTRUCTION_SLIDE,
    INSTRUCTION_TOP,
    has_flag,
    order_side,
    order_type_of,
    set_flags,
    show_display,
    shown_units,
    working_status,
)
from tradecaptain.kernels.matching.triggers import trail_unarmed
from tradecaptain.kernels.matching.work import (
    enter_order,
    has_to_wait,
    set_peg_price,
    write_triggered,
)
from tradecaptain.wire import book_event, common, execution_event, order_command, reason


@inline
def flags_of_command(command: int) -> int:
    """What a new order says beyond price and quantity, as flags."""
    order_type = order_command.get_order_type(command)
    force = order_command.get_time_in_force(command)
    bits = order_command.get_instructions(command)
    flags = 0
    if bits & INSTRUCTION_HIDDEN != 0:
        flags |= FLAG_HIDDEN
    if bits & INSTRUCTION_POST_ONLY != 0:
        flags |= FLAG_POST_ONLY
    if order_command.get_display_quantity_units(command) != 0:
        flags |= FLAG_ICEBERG
    if (
        bits & INSTRUCTION_ALL_OR_NONE != 0
        or order_command.get_minimum_quantity_units(command) != 0
    ):
        flags |= FLAG_CONDITIONAL
    role = order_command.get_group_role(command)
    if role != 0:
        flags |= FLAG_GROUPED
    if role == ROLE_EXIT:
        flags |= FLAG_ASLEEP
    if order_type == common.ORDER_TYPE_PEGGED:
        flags |= FLAG_PEGGED
    if is_stop_type(order_type):
        flags |= FLAG_STOP
    if order_type == common.ORDER_TYPE_TRAILING_STOP:
        flags |= FLAG_TRAILING
    if (
        order_type == common.ORDER_TYPE_MARKET
        or order_type == common.ORDER_TYPE_STOP
        or order_type == common.ORDER_TYPE_TRAILING_STOP
    ):
        flags |= FLAG_PRICELESS
    if force == common.TIME_IN_FORCE_GOOD_TILL_DATE:
        flags |= FLAG_TIMED
    if force == common.TIME_IN_FORCE_AT_OPEN or force == common.TIME_IN_FORCE_AT_CLOSE:
        flags |= FLAG_AUCTION_ONLY
    if bits & INSTRUCTION_TOP != 0 or order_command.get_self_trade_prevention(command) != 0:
        flags |= FLAG_OWN_RULES
    return flags


@inline
def fill_terms(engine: int, slot: int, command: int) -> None:
    """Write what a new order says beyond price and quantity."""
    terms = terms_at(engine, slot)
    order_type = order_command.get_order_type(command)
    has_stop = order_type == common.ORDER_TYPE_STOP or order_type == common.ORDER_TYPE_STOP_LIMIT
    display_units = order_command.get_display_quantity_units(command)
    store_i64(terms + at.TERMS_VISIBLE_UNITS, display_units)
    store_i64(terms + at.TERMS_DISPLAY_UNITS, display_units)
    store_i64(
        terms + at.TERMS_MINIMUM_VISIBLE_UNITS, order_command.get_minimum_visible_units(command)
    )
    store_i64(terms + at.TERMS_MINIMUM_UNITS, order_command.get_minimum_quantity_units(command))
    store_i64(terms + at.TERMS_STOP_UNITS, order_command.get_stop_price_units(command))
    store_i64(terms + at.TERMS_OFFSET_UNITS, order_command.get_offset_units(command))
    store_i64(terms + at.TERMS_LIMIT_UNITS, order_command.get_price_units(command))
    store_i64(terms + at.TERMS_EXPIRE_TIME_NS, order_command.get_expire_time_ns(command))
    store_i64(terms + at.TERMS_GROUP_ID, order_command.get_group_id(command))
    store_i32(terms + at.TERMS_HAS_STOP, 1 if has_stop else 0)
    store_i32(terms + at.TERMS_BASIS_POINTS, order_command.get_offset_basis_points(command))
    store_i32(terms + at.TERMS_PEG_REFERENCE, order_command.get_peg_reference(command))
    store_i32(
        terms + at.TERMS_SELF_TRADE_PREVENTION, order_command.get_self_trade_prevention(command)
    )
    store_i32(terms + at.TERMS_GROUP_ROLE, order_command.get_group_role(command))
    store_i32(terms + at.TERMS_INSTRUCTIONS, order_command.get_instructions(command))
    store_i32(terms + at.TERMS_INDEX_KIND, NOWHERE)


@inline
def first_price(engine: int, slot: int, command: int) -> None:
    """The price that a new order begins with: its limit, slid or pegged if it asks for that."""
    order = order_at(engine, slot)
    book = load_i32(order + at.ORDER_BOOK) + 0
    order_type = order_command.get_order_type(command)
    price_units = order_command.get_price_units(command)
    is_awake = not has_flag(order, FLAG_ASLEEP)
    if order_type == common.ORDER_TYPE_LIMIT or order_type == common.ORDER_TYPE_STOP_LIMIT:
        store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    side = order_side(order)
    if (
        is_awake
        and order_command.get_instructions(command) & INSTRUCTION_SLIDE != 0
        and not is_auction(book_at(engine, book))
        and meets_best(engine, book, side, price_units)
    ):
        store_i64(order + at.ORDER_PRICE_UNITS, slid_price(engine, book, side))
    if is_awake and order_type == common.ORDER_TYPE_PEGGED:
        set_peg_price(engine, slot)


@kernel("int64(int64, int64, int64)")
def accept_special(engine: int, slot: int, command: int) -> int:
    """Enter a new order that isn't plain; its plain fields are written. DONE or MORE."""
    order = order_at(engine, slot)
    set_flags(order, flags_of_command(command))
    fill_terms(engine, slot, command)
    first_price(engine, slot, command)
    note_book(engine, load_i32(order + at.ORDER_BOOK) + 0)
    write_execution(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_ACCEPTED,
        execution_event.ORDER_STATUS_WORKING,
        True,
    )
    if has_flag(order, FLAG_TIMED):
        join_expiries(engine, slot)
    join_pegs(engine, slot)
    if has_flag(order, FLAG_STOP) and not has_flag(order, FLAG_ASLEEP):
        trail_unarmed(engine, slot)
        if not has_to_wait(engine, slot):
            write_triggered(engine, slot, True)
    return enter_order(engine, slot)


@kernel("int64(int64, int64, int64)")
def check_special_replace(engine: int, slot: int, command: int) -> int:
    """Whether a replace of an order that waits, or that isn't plain, may go through."""
    order = order_at(engine, slot)
    book = load_i32(order + at.ORDER_BOOK) + 0
    address = book_at(engine, book)
    side = order_command.get_side(command)
    own_side = order_side(order)
    if order_command.get_instrument_id(command) != load_i64(address + at.BOOK_INSTRUMENT_ID) or (
        side != own_side and side != common.SIDE_UNSET
    ):
        return reason.REASON_REPLACE_MISMATCH
    order_type = order_type_of(engine, slot)
    if order_type == common.ORDER_TYPE_PEGGED or order_type == common.ORDER_TYPE_TRAILING_STOP:
        return reason.REASON_REPLACE_MISMATCH
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
    refusal = check_size(address, quantity_units)
    is_priced = order_type == common.ORDER_TYPE_LIMIT or order_type == common.ORDER_TYPE_STOP_LIMIT
    if refusal == 0 and is_priced:
        refusal = check_limit(address, price_units)
    if refusal != 0:
        return refusal
    total_units = load_i64(order + at.ORDER_QUANTITY_UNITS)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    if quantity_units <= total_units - leaves_units:
        return reason.REASON_REPLACE_BELOW_FILLED
    if has_flag(order, FLAG_ICEBERG):
        display_units = load_i64(terms_at(engine, slot) + at.TERMS_DISPLAY_UNITS)
        if quantity_units // display_units > DISPLAYS_MAX:
            return reason.REASON_INVALID_DISPLAY_QUANTITY
    waits = has_flag(order, FLAG_PARKED)
    stop_units = order_command.get_stop_price_units(command)
    has_stop = order_type == common.ORDER_TYPE_STOP or order_type == common.ORDER_TYPE_STOP_LIMIT
    if stop_units != 0 and (not waits or not has_stop or not in_range(address, stop_units)):
        return reason.REASON_INVALID_STOP_PRICE
    refusal = check_phase(address, common.TIME_IN_FORCE_DAY)
    if refusal != 0:
        return refusal
    keeps_price = price_units == load_i64(order + at.ORDER_PRICE_UNITS)
    if waits or (keeps_price and quantity_units <= total_units):
        return 0
    if (
        has_flag(order, FLAG_POST_ONLY)
        and not is_auction(address)
        and meets_best(engine, book, own_side, price_units)
    ):
        return reason.REASON_POST_ONLY_WOULD_TRADE
    others_units = leaves_units if keeps_price else 0
    return check_room_at(engine, book, own_side, price_units, max(quantity_units - others_units, 0))


@inline
def write_own_replaced(engine: int, slot: int) -> None:
    """Acknowledge a replace with the order as it stands now."""
    write_execution(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_REPLACED,
        working_status(order_at(engine, slot)),
        True,
    )


@inline
def replace_waiting(engine: int, slot: int, command: int) -> int:
    """Replace an order that waits; it keeps its place in time."""
    order = order_at(engine, slot)
    terms = terms_at(engine, slot)
    order_type = order_type_of(engine, slot)
    disarm(engine, slot)
    if order_type == common.ORDER_TYPE_LIMIT or order_type == common.ORDER_TYPE_STOP_LIMIT:
        store_i64(order + at.ORDER_PRICE_UNITS, order_command.get_price_units(command))
    stop_units = order_command.get_stop_price_units(command)
    if stop_units != 0:
        store_i64(terms + at.TERMS_STOP_UNITS, stop_units)
    total_units = order_command.get_quantity_units(command)
    added_units = total_units - load_i64(order + at.ORDER_QUANTITY_UNITS)
    store_i64(order + at.ORDER_QUANTITY_UNITS, total_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, load_i64(order + at.ORDER_LEAVES_UNITS) + added_units)
    show_display(engine, slot)
    arm(engine, slot)
    write_own_replaced(engine, slot)
    return finish_step(engine)


@kernel("int64(int64, int64, int64)")
def replace_special(engine: int, slot: int, command: int) -> int:
    """Replace an order that waits, or that isn't plain; its new names are written."""
    order = order_at(engine, slot)
    note_book(engine, load_i32(order + at.ORDER_BOOK) + 0)
    if has_flag(order, FLAG_PARKED):
        return replace_waiting(engine, slot, command)
    price_units = order_command.get_price_units(command)
    removed_units = load_i64(order + at.ORDER_QUANTITY_UNITS) - order_command.get_quantity_units(
        command
    )
    if price_units == load_i64(order + at.ORDER_PRICE_UNITS) and removed_units >= 0:
        if removed_units > 0:
            reduce_order(engine, slot, removed_units)
        write_own_replaced(engine, slot)
        if removed_units > 0:
            write_shown(engine, slot, book_event.BOOK_ACTION_REDUCE)
        return finish_step(engine)
    shown = shown_units(engine, slot)
    level = leave_ladder(engine, slot)
    if not has_flag(order, FLAG_HIDDEN):
        write_book(engine, slot, book_event.BOOK_ACTION_REMOVE, shown, level, 0)
    close_if_empty(engine, slot, level)
    leave_place(engine, slot)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, order_command.get_quantity_units(command))
    store_i64(
        order + at.ORDER_LEAVES_UNITS, load_i64(order + at.ORDER_LEAVES_UNITS) - removed_units
    )
    write_own_replaced(engine, slot)
    return enter_order(engine, slot)


@kernel("int64(int64, int64, int64)")
def cancel_special(engine: int, slot: int, quantity_units: int) -> int:
    """Cancel an order that isn't plain at its owner's wish, or a part of it if that is less."""
    if 0 < quantity_units < load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS):
        reduce_order(engine, slot, quantity_units)
        write_own_replaced(engine, slot)
        write_shown(engine, slot, book_event.BOOK_ACTION_REDUCE)
    else:
        end_order(
            engine,
            slot,
            execution_event.EXECUTION_TYPE_CANCELLED,
            reason.REASON_CANCELLED_BY_OWNER,
            True,
        )
    return finish_step(engine)


@kernel("void(int64, int64, int64, int64, int64)")
def end_special(engine: int, slot: int, why: int, is_own: int, is_told: int) -> None:
    """Cancel an order that isn't plain for a reason of the venue's or a mass cancel's, or only take
    it out where its end was told."""
    kind, status = execution_event.EXECUTION_TYPE_CANCELLED, execution_event.ORDER_STATUS_CANCELLED
    if is_told == 0:
        write_end(engine, slot, kind, status, why, is_own != 0)
    take_out(engine, slot)
