"""New, cancel and replace: what a command that passed its checks does to the book.

Each function leaves the engine in a bounded step: DONE, or MORE when `resume_step` has to go on.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    copy_bytes,
    load_constant_i64,
    load_i32,
    load_i64,
    load_u16,
    store_i32,
    store_i64,
    store_u16,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.checks import (
    check_new,
    check_replace,
    find_target,
    is_plain,
    keeps_priority,
)
from tradecaptain.kernels.matching.events import (
    begin_command,
    write_book,
    write_end,
    write_execution,
    write_refusal,
)
from tradecaptain.kernels.matching.finish import close_step, finish_step, note_book
from tradecaptain.kernels.matching.layout import (
    DONE,
    FLAG_POST_ONLY,
    INT64_MAXIMUM,
    INT64_MINIMUM,
    ORDER_IDS_CLIENT,
    REPLACES_TOTAL,
    SPECIAL_BOOK,
)
from tradecaptain.kernels.matching.levels import (
    close_if_empty,
    leave_level,
    level_reduce,
)
from tradecaptain.kernels.matching.match import begin_match
from tradecaptain.kernels.matching.orders import enter_ids, forget_order, leave_ids
from tradecaptain.kernels.matching.plain_records import write_party
from tradecaptain.kernels.matching.tables import (
    book_at,
    book_index,
    neighbours_at,
    order_at,
    party_at,
    take_order,
)
from tradecaptain.kernels.matching.terms import (
    INSTRUCTION_REDUCE,
    order_book,
    order_type_of,
    total_of_replace,
)
from tradecaptain.kernels.matching.waiting import (
    accept_special,
    cancel_special,
    replace_special,
)
from tradecaptain.wire import book_event, common, execution_event, order_command, reason


@inline
def begin_order_command(engine: int, command: int) -> None:
    """Note the sequenced command's stamps, and the tag and send time that its answers echo."""
    begin_command(engine, order_command.get_sequence(command), order_command.get_time_ns(command))
    store_i64(engine + at.HEADER_ANSWER_TAG, order_command.get_tag(command))
    store_i64(engine + at.HEADER_ANSWER_TIME_NS, order_command.get_send_time_ns(command))


@inline
def set_client_order_id(engine: int, slot: int, command: int) -> None:
    """Take over the client order id and tag of the command that now names the order."""
    party = party_at(engine, slot)
    client_order_id0 = order_command.get_client_order_id0(command)
    store_i64(order_at(engine, slot) + at.ORDER_CLIENT_ORDER_ID0, client_order_id0)
    store_i64(neighbours_at(engine, slot) + at.NEIGHBOURS_NAMES_NUMBER, 0)
    store_i64(party + at.PARTY_CLIENT_ORDER_ID1, order_command.get_client_order_id1(command))
    store_i64(party + at.PARTY_CLIENT_ORDER_ID2, order_command.get_client_order_id2(command))
    store_i64(party + at.PARTY_CLIENT_ORDER_ID3, order_command.get_client_order_id3(command))
    store_i32(party + at.PARTY_TAG, order_command.get_tag(command))


@inline
def fill_order(engine: int, slot: int, command: int) -> None:
    """Write a new order's records."""
    order = order_at(engine, slot)
    number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
    store_i64(engine + at.HEADER_LAST_ORDER_NUMBER, number)
    quantity_units = order_command.get_quantity_units(command)
    order_type = order_command.get_order_type(command)
    is_limit = order_type == common.ORDER_TYPE_LIMIT
    price_units = order_command.get_price_units(command) if is_limit else 0
    order_id = load_i64(engine + at.HEADER_IDENTITY_BASE) + number
    if load_i64(engine + at.HEADER_ORDER_IDS) == ORDER_IDS_CLIENT:
        order_id = order_command.get_client_order_id0(command)
    store_i64(order + at.ORDER_ORDER_ID, order_id)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, quantity_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
    store_i32(order + at.ORDER_LEVEL, 0)
    store_i32(order + at.ORDER_ACCOUNT_ID, order_command.get_account_id(command))
    book = book_index(engine, order_command.get_instrument_id(command))
    store_i32(order + at.ORDER_BOOK, book)
    store_i32(order + at.ORDER_SIDE, order_command.get_side(command))
    store_i32(order + at.ORDER_SELF_TRADE_GROUP, order_command.get_self_trade_group(command))
    client_order_id0 = order_command.get_client_order_id0(command)
    store_i64(order + at.ORDER_CLIENT_ORDER_ID0, client_order_id0)
    write_party(engine, slot, command)


@inline
def is_market_at_auction(engine: int, slot: int) -> bool:
    """Whether a new order has no price while its instrument collects orders for an auction."""
    book = order_book(engine, slot)
    return (
        load_i64(book + at.BOOK_SPECIAL) >= SPECIAL_BOOK
        and order_type_of(engine, slot) == common.ORDER_TYPE_MARKET
    )


@inline
def accept_new(engine: int, command: int) -> int:
    """Enter a new order that `check_new` let pass: acknowledge it, match it, rest or expire it."""
    slot = take_order(engine)
    fill_order(engine, slot, command)
    order = order_at(engine, slot)
    if not is_plain(command) or is_market_at_auction(engine, slot):
        return accept_special(engine, slot, command)
    if order_command.get_instructions(command) != 0:
        store_u16(order + at.ORDER_FLAGS, FLAG_POST_ONLY)
    write_execution(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_ACCEPTED,
        execution_event.ORDER_STATUS_WORKING,
        True,
    )
    if order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT:
        limit_units = order_command.get_price_units(command)
    elif order_command.get_side(command) == common.SIDE_BUY:
        limit_units = INT64_MAXIMUM
    else:
        limit_units = INT64_MINIMUM
    return begin_match(engine, slot, limit_units)


@inline
def refuse(engine: int, command: int, why: int) -> int:
    """Answer a refused command by its action; returns the address of the event."""
    action = order_command.get_action(command)
    execution_type = execution_event.EXECUTION_TYPE_REJECTED
    if (
        action == order_command.COMMAND_ACTION_CANCEL_ORDER
        or action == order_command.COMMAND_ACTION_MASS_CANCEL
    ):
        execution_type = execution_event.EXECUTION_TYPE_CANCEL_REJECTED
    elif action == order_command.COMMAND_ACTION_REPLACE_ORDER:
        execution_type = execution_event.EXECUTION_TYPE_REPLACE_REJECTED
    event = write_refusal(engine, command, execution_type, why)
    close_step(engine)
    return event


@inline
def count_divergence(engine: int, book: int) -> None:
    """The replayed flow asked for what isn't there any more in an instrument's own book."""
    counter = book_at(engine, book) + at.BOOK_DIVERGENCE_COUNT
    store_i64(counter, load_i64(counter) + 1)


@inline
def refuse_target(engine: int, command: int) -> int:
    """Answer a cancel or replace whose order isn't working or belongs to somebody else."""
    if order_command.get_account_id(command) == load_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID):
        book = book_index(engine, order_command.get_instrument_id(command))
        if book != 0:
            count_divergence(engine, book)
    refuse(engine, command, reason.REASON_UNKNOWN_ORDER)
    return DONE


@inline
def end_resting(engine: int, slot: int, why: int, is_own: bool) -> None:
    """Cancel a resting order."""
    write_end(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_CANCELLED,
        execution_event.ORDER_STATUS_CANCELLED,
        why,
        is_own,
    )
    take_out_resting(engine, slot)


@inline
def take_out_resting(engine: int, slot: int) -> None:
    """Take a resting order whose end was told out of the book."""
    leaves_units = load_i64(order_at(engine, slot) + at.ORDER_LEAVES_UNITS)
    level = leave_level(engine, slot)
    write_book(engine, slot, book_event.BOOK_ACTION_REMOVE, leaves_units, level, 0)
    close_if_empty(engine, slot, level)
    forget_order(engine, slot)


@inline
def write_replaced(engine: int, slot: int) -> None:
    """Acknowledge a replace, or a cancel of a part, with the order as it stands now."""
    order = order_at(engine, slot)
    is_untouched = load_i64(order + at.ORDER_LEAVES_UNITS) == load_i64(
        order + at.ORDER_QUANTITY_UNITS
    )
    status = (
        execution_event.ORDER_STATUS_WORKING
        if is_untouched
        else execution_event.ORDER_STATUS_PARTIALLY_FILLED
    )
    write_execution(engine, slot, execution_event.EXECUTION_TYPE_REPLACED, status, True)


@inline
def reduce_resting(engine: int, slot: int, quantity_units: int) -> None:
    """Take less than all off a resting order, which keeps its place."""
    order = order_at(engine, slot)
    level = load_i32(order + at.ORDER_LEVEL) + 0
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS) - quantity_units
    level_reduce(engine, level, quantity_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    store_i64(
        order + at.ORDER_QUANTITY_UNITS,
        load_i64(order + at.ORDER_QUANTITY_UNITS) - quantity_units,
    )
    write_replaced(engine, slot)
    write_book(engine, slot, book_event.BOOK_ACTION_REDUCE, leaves_units, level, 0)


@inline
def cancel_order(engine: int, command: int, slot: int) -> int:
    """Cancel a working order that its owner named, or the part of it that ``quantity_units`` says.

    A quantity of zero means all of it, unless ``INSTRUCTION_REDUCE`` insists on a part.
    """
    quantity_units = order_command.get_quantity_units(command)
    is_partial = order_command.get_instructions(command) & INSTRUCTION_REDUCE != 0
    if quantity_units < 0 or (is_partial and quantity_units == 0):
        refuse(engine, command, reason.REASON_INVALID_QUANTITY)
        return DONE
    order = order_at(engine, slot)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    if quantity_units > leaves_units and load_i32(order + at.ORDER_ACCOUNT_ID) == load_i64(
        engine + at.HEADER_REPLAY_ACCOUNT_ID
    ):
        count_divergence(engine, load_i32(order + at.ORDER_BOOK) + 0)
    note_book(engine, load_i32(order + at.ORDER_BOOK) + 0)
    if load_u16(order + at.ORDER_FLAGS) != 0:
        return cancel_special(engine, slot, quantity_units)
    if quantity_units == 0 or quantity_units >= leaves_units:
        end_resting(engine, slot, reason.REASON_CANCELLED_BY_OWNER, True)
    else:
        reduce_resting(engine, slot, quantity_units)
    return finish_step(engine)


@inline
def accept_replace(engine: int, command: int, slot: int) -> int:
    """Replace a working order by terms that `check_replace` let pass.

    The order keeps its id and what was filled; ``quantity_units`` is the new total. It keeps its
    place if the price stays and the total does not grow; else it leaves the book, may trade at its
    new price, and rests at the end of the queue.
    """
    order = order_at(engine, slot)
    price_units = order_command.get_price_units(command)
    quantity_units = order_command.get_quantity_units(command)
    removed_units = load_i64(order + at.ORDER_QUANTITY_UNITS) - quantity_units
    is_reduction = keeps_priority(order, price_units, quantity_units)
    leave_ids(engine, slot)
    set_client_order_id(engine, slot, command)
    if load_u16(order + at.ORDER_FLAGS) != 0:
        enter_ids(engine, slot)
        return replace_special(engine, slot, command)
    if is_reduction:
        enter_ids(engine, slot)
        note_book(engine, load_i32(order + at.ORDER_BOOK) + 0)
        if removed_units > 0:
            reduce_resting(engine, slot, removed_units)
        else:
            write_replaced(engine, slot)
        return finish_step(engine)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    level = leave_level(engine, slot)
    write_book(engine, slot, book_event.BOOK_ACTION_REMOVE, leaves_units, level, 0)
    close_if_empty(engine, slot, level)
    store_i64(order + at.ORDER_PRICE_UNITS, price_units)
    store_i64(order + at.ORDER_QUANTITY_UNITS, quantity_units)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units - removed_units)
    write_replaced(engine, slot)
    return begin_match(engine, slot, price_units)


@inline
def replace_of_total(engine: int, command: int, slot: int) -> int:
    """A replace whose quantity is the order's new total: the command itself, or a copy of it where
    quantities of replaces are open ones."""
    if load_constant_i64(engine + at.HEADER_REPLACES) == REPLACES_TOTAL:
        return command
    copy = engine + load_constant_i64(engine + at.HEADER_TOTAL_COMMAND_OFFSET)
    copy_bytes(copy, command, order_command.RECORD_BYTES)
    said_units = order_command.get_quantity_units(command)
    total_units = total_of_replace(engine, said_units, order_at(engine, slot))
    order_command.set_quantity_units(copy, total_units)
    return copy


@inline
def submit_order_command(engine: int, command: int) -> int:
    """Check and carry out one sequenced new, cancel or replace without a risk gate."""
    begin_order_command(engine, command)
    action = order_command.get_action(command)
    if action == order_command.COMMAND_ACTION_NEW_ORDER:
        refusal = check_new(engine, command)
        if refusal == 0:
            return accept_new(engine, command)
        refuse(engine, command, refusal)
        return DONE
    if (
        action != order_command.COMMAND_ACTION_CANCEL_ORDER
        and action != order_command.COMMAND_ACTION_REPLACE_ORDER
    ):
        refuse(engine, command, reason.REASON_INVALID_REQUEST)
        return DONE
    slot = find_target(engine, command)
    if slot == 0:
        return refuse_target(engine, command)
    if action == order_command.COMMAND_ACTION_CANCEL_ORDER:
        return cancel_order(engine, command, slot)
    replace = replace_of_total(engine, command, slot)
    refusal = check_replace(engine, replace, slot)
    if refusal == 0:
        return accept_replace(engine, replace, slot)
    refuse(engine, command, refusal)
    return DONE
