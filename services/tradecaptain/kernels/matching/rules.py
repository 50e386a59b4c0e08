"""Rules of orders that aren't plain, one reason each, in the order in which they are asked.

Nothing here changes a book.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.groups import (
    GROUP_LIMIT,
    ROLE_ENTRY,
    ROLE_EXIT,
    ROLE_ONE_CANCELS_OTHER,
    next_member,
    role_of,
)
from tradecaptain.kernels.matching.layout import (
    CONDITIONAL_LIMIT,
    FLAG_ASLEEP,
    INT64_MAXIMUM,
    INT64_MINIMUM,
)
from tradecaptain.kernels.matching.levels import (
    BUY,
    best_level,
    level_of_price,
    meets_side,
    opposite,
)
from tradecaptain.kernels.matching.special import is_auction, is_full_of_hidden, is_pro_rata
from tradecaptain.kernels.matching.tables import (
    book_at,
    has_free_level,
    has_free_order,
    level_at,
    order_at,
    side_at,
)
from tradecaptain.kernels.matching.terms import (
    INSTRUCTION_ALL_OR_NONE,
    INSTRUCTION_BOUNDED,
    INSTRUCTION_HIDDEN,
    INSTRUCTION_LOCATED,
    INSTRUCTION_POST_ONLY,
    INSTRUCTION_REDUCE,
    INSTRUCTION_REDUCE_ONLY,
    INSTRUCTION_SLIDE,
    INSTRUCTION_TOP,
    INSTRUCTIONS_END,
    has_flag,
)
from tradecaptain.wire import common, order_command, reason

OFFSET_LIMIT = 1 << 62
BASIS_POINTS_END = 10_000
DISPLAYS_MAX = 10_000
"""Displays of an iceberg: each is traded by itself, and nothing else is sequenced meanwhile."""


@inline
def is_stop_type(order_type: int) -> bool:
    """Whether an order of this type waits for a price."""
    return (
        order_type == common.ORDER_TYPE_STOP
        or order_type == common.ORDER_TYPE_STOP_LIMIT
        or order_type == common.ORDER_TYPE_TRAILING_STOP
    )


@inline
def ends_at_once(time_in_force: int) -> bool:
    """Whether an order may not rest."""
    return (
        time_in_force == common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
        or time_in_force == common.TIME_IN_FORCE_FILL_OR_KILL
    )


@inline
def rests_by_itself(time_in_force: int) -> bool:
    """Whether an order may rest in the continuous book."""
    return (
        time_in_force == common.TIME_IN_FORCE_DAY
        or time_in_force == common.TIME_IN_FORCE_GOOD_TILL_CANCEL
        or time_in_force == common.TIME_IN_FORCE_GOOD_TILL_DATE
    )


@inline
def has_price(command: int) -> bool:
    """Whether a command's price means anything."""
    order_type = order_command.get_order_type(command)
    return (
        order_type == common.ORDER_TYPE_LIMIT
        or order_type == common.ORDER_TYPE_STOP_LIMIT
        or (
            order_type == common.ORDER_TYPE_PEGGED
            and order_command.get_instructions(command) & INSTRUCTION_BOUNDED != 0
        )
    )


@inline
def check_kind(command: int) -> int:
    """Side, type and time in force."""
    side = order_command.get_side(command)
    if side != common.SIDE_BUY and side != common.SIDE_SELL:
        return reason.REASON_INVALID_SIDE
    order_type = order_command.get_order_type(command)
    if order_type < common.ORDER_TYPE_LIMIT or order_type > common.ORDER_TYPE_PEGGED:
        return reason.REASON_INVALID_ORDER_TYPE
    force = order_command.get_time_in_force(command)
    if force < common.TIME_IN_FORCE_DAY or force > common.TIME_IN_FORCE_AT_CLOSE:
        return reason.REASON_INVALID_TIME_IN_FORCE
    is_for_auction = force == common.TIME_IN_FORCE_AT_OPEN or force == common.TIME_IN_FORCE_AT_CLOSE
    if (
        (
            order_type == common.ORDER_TYPE_MARKET
            and rests_by_itself(force)
            and force != common.TIME_IN_FORCE_DAY
        )
        or (is_stop_type(order_type) and is_for_auction)
        or (order_type == common.ORDER_TYPE_PEGGED and not rests_by_itself(force))
    ):
        return reason.REASON_INVALID_TIME_IN_FORCE
    expire_time_ns = order_command.get_expire_time_ns(command)
    is_timed = force == common.TIME_IN_FORCE_GOOD_TILL_DATE
    if is_timed != (expire_time_ns != 0) or (
        is_timed and expire_time_ns <= order_command.get_time_ns(command)
    ):
        return reason.REASON_INVALID_EXPIRE_TIME
    if order_command.get_self_trade_prevention(command) > common.SELF_TRADE_PREVENTION_DECREMENT:
        return reason.REASON_INVALID_SELF_TRADE_PREVENTION
    return 0


@inline
def check_instructions(engine: int, book: int, command: int) -> int:
    """Instructions against type, time in force and the instrument's allocation."""
    order_type = order_command.get_order_type(command)
    force = order_command.get_time_in_force(command)
    bits = order_command.get_instructions(command)
    is_limit = order_type == common.ORDER_TYPE_LIMIT
    is_peg = order_type == common.ORDER_TYPE_PEGGED
    has_condition = (
        bits & INSTRUCTION_ALL_OR_NONE != 0
        or order_command.get_minimum_quantity_units(command) != 0
    )
    may_hide = is_limit or is_peg or order_type == common.ORDER_TYPE_STOP_LIMIT
    is_top = bits & INSTRUCTION_TOP != 0
    is_broken = (
        bits & INSTRUCTION_REDUCE != 0
        or bits & ~INSTRUCTION_LOCATED >= INSTRUCTIONS_END
        or (
            bits & INSTRUCTION_REDUCE_ONLY != 0
            and load_i64(engine + at.HEADER_KNOWS_POSITIONS) == 0
        )
        or (
            bits & INSTRUCTION_POST_ONLY != 0
            and (not is_limit or not rests_by_itself(force) or has_condition)
        )
        or (bits & INSTRUCTION_SLIDE != 0 and bits & INSTRUCTION_POST_ONLY == 0)
        or (bits & INSTRUCTION_HIDDEN != 0 and (not may_hide or ends_at_once(force)))
        or (
            is_top
            and (
                not is_limit
                or load_i64(book + at.BOOK_ALLOCATION) != common.ALLOCATION_PRO_RATA_TOP
            )
        )
        or (bits & INSTRUCTION_BOUNDED != 0 and not is_peg)
        or (has_condition and is_peg)
    )
    if is_broken:
        return reason.REASON_INVALID_INSTRUCTION
    is_more = (
        bits & INSTRUCTION_HIDDEN != 0
        or has_condition
        or is_peg
        or order_command.get_display_quantity_units(command) != 0
        or order_command.get_group_role(command) != 0
    )
    if is_more and is_pro_rata(book):
        return reason.REASON_INVALID_INSTRUCTION
    return 0


@inline
def check_size(book: int, quantity_units: int) -> int:
    """Quantity against the instrument's rules."""
    if quantity_units <= 0 or quantity_units > load_i64(book + at.BOOK_MAXIMUM_QUANTITY_UNITS):
        return reason.REASON_INVALID_QUANTITY
    lot_units = load_i64(book + at.BOOK_LOT_UNITS)
    if lot_units > 1 and quantity_units % lot_units != 0:
        return reason.REASON_INVALID_QUANTITY
    return 0


@inline
def in_range(book: int, price_units: int) -> bool:
    """Whether a price lies within the instrument's range."""
    return (
        load_i64(book + at.BOOK_MINIMUM_PRICE_UNITS)
        <= price_units
        <= load_i64(book + at.BOOK_MAXIMUM_PRICE_UNITS)
    )


@inline
def check_limit(book: int, price_units: int) -> int:
    """Price against the instrument's range and its static band."""
    if not in_range(book, price_units):
        return reason.REASON_PRICE_OUT_OF_RANGE
    if price_units < load_i64(book + at.BOOK_LOW_BAND_UNITS) or price_units > load_i64(
        book + at.BOOK_HIGH_BAND_UNITS
    ):
        return reason.REASON_PRICE_BAND
    return 0


@inline
def check_quantities(book: int, command: int) -> int:
    """Display and minimum quantity."""
    order_type = order_command.get_order_type(command)
    quantity_units = order_command.get_quantity_units(command)
    bits = order_command.get_instructions(command)
    display_units = order_command.get_display_quantity_units(command)
    least_units = order_command.get_minimum_visible_units(command)
    minimum_units = order_command.get_minimum_quantity_units(command)
    if display_units != 0 and (
        display_units < 0
        or display_units >= quantity_units
        or quantity_units // display_units > DISPLAYS_MAX
        or display_units % load_i64(book + at.BOOK_LOT_UNITS) != 0
        or (order_type != common.ORDER_TYPE_LIMIT and order_type != common.ORDER_TYPE_STOP_LIMIT)
        or ends_at_once(order_command.get_time_in_force(command))
        or bits & (INSTRUCTION_HIDDEN | INSTRUCTION_ALL_OR_NONE) != 0
        or minimum_units != 0
    ):
        return reason.REASON_INVALID_DISPLAY_QUANTITY
    if least_units < 0 or least_units > display_units:
        return reason.REASON_INVALID_DISPLAY_QUANTITY
    if minimum_units != 0 and (
        minimum_units < 0 or minimum_units > quantity_units or bits & INSTRUCTION_ALL_OR_NONE != 0
    ):
        return reason.REASON_INVALID_MINIMUM_QUANTITY
    return 0


@inline
def check_moving_prices(book: int, command: int) -> int:
    """Stop price, trailing distance and peg."""
    order_type = order_command.get_order_type(command)
    stop_units = order_command.get_stop_price_units(command)
    if order_type == common.ORDER_TYPE_STOP or order_type == common.ORDER_TYPE_STOP_LIMIT:
        if not in_range(book, stop_units):
            return reason.REASON_INVALID_STOP_PRICE
    elif stop_units != 0:
        return reason.REASON_INVALID_STOP_PRICE
    offset_units = order_command.get_offset_units(command)
    points = order_command.get_offset_basis_points(command)
    is_peg = order_type == common.ORDER_TYPE_PEGGED
    if order_type == common.ORDER_TYPE_TRAILING_STOP:
        if (
            (offset_units != 0) == (points != 0)
            or offset_units < 0
            or offset_units > OFFSET_LIMIT
            or points >= BASIS_POINTS_END
        ):
            return reason.REASON_INVALID_TRAIL
    elif (
        points != 0
        or (offset_units != 0 and not is_peg)
        or offset_units < -OFFSET_LIMIT
        or offset_units > OFFSET_LIMIT
    ):
        return reason.REASON_INVALID_TRAIL
    reference = order_command.get_peg_reference(command)
    if reference > common.PEG_REFERENCE_MIDPOINT or is_peg != (reference != 0):
        return reason.REASON_INVALID_PEG
    return 0


@inline
def fits_member(engine: int, slot: int, role: int, instrument_id: int) -> bool:
    """Whether an order of this role may join a group with this member."""
    order = order_at(engine, slot)
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    other = role_of(engine, slot)
    if load_i64(book + at.BOOK_INSTRUMENT_ID) != instrument_id:
        return False
    if (other == ROLE_ONE_CANCELS_OTHER) != (role == ROLE_ONE_CANCELS_OTHER):
        return False
    if other == ROLE_ENTRY and role == ROLE_ENTRY:
        return False
    return other != ROLE_EXIT or has_flag(order, FLAG_ASLEEP)


@inline
def check_group(engine: int, command: int) -> int:
    """The order's part in its group against the group's other members."""
    role = order_command.get_group_role(command)
    group_id = order_command.get_group_id(command)
    if (role != 0) != (group_id != 0) or role > ROLE_EXIT:
        return reason.REASON_INVALID_GROUP
    if role == 0:
        return 0
    if role != ROLE_ENTRY and ends_at_once(order_command.get_time_in_force(command)):
        return reason.REASON_INVALID_GROUP
    if (
        role == ROLE_ONE_CANCELS_OTHER
        and order_command.get_order_type(command) == common.ORDER_TYPE_MARKET
    ):
        return reason.REASON_INVALID_GROUP
    account_id = order_command.get_account_id(command)
    instrument_id = order_command.get_instrument_id(command)
    count = 0
    slot = next_member(engine, account_id, group_id, 0)
    while slot != 0:
        count += 1
        if count >= GROUP_LIMIT or not fits_member(engine, slot, role, instrument_id):
            return reason.REASON_INVALID_GROUP
        order_id = load_i64(order_at(engine, slot) + at.ORDER_ORDER_ID)
        slot = next_member(engine, account_id, group_id, order_id)
    return 0


@inline
def check_phase(book: int, time_in_force: int) -> int:
    """Whether the instrument's phase takes an order."""
    phase = load_i64(book + at.BOOK_PHASE)
    if phase == common.TRADING_PHASE_CLOSED or phase == common.TRADING_PHASE_HALTED:
        return reason.REASON_PHASE_REFUSES
    if is_auction(book) and ends_at_once(time_in_force):
        return reason.REASON_PHASE_REFUSES
    return 0


@inline
def meets_best(engine: int, book: int, side: int, price_units: int) -> bool:
    """Whether an order would meet the best price of the other side; ``book`` is its index."""
    return meets_side(side, price_units, side_at(engine, book, opposite(side)))


@inline
def slid_price(engine: int, book: int, side: int) -> int:
    """The nearest price at which an order of a side doesn't meet the other side's best.

    At the edge of int64 the best price itself, which no rule lets pass.
    """
    best = best_level(side_at(engine, book, opposite(side)))
    best_units = load_i64(level_at(engine, best) + at.LEVEL_PRICE_UNITS)
    tick_units = load_i64(book_at(engine, book) + at.BOOK_TICK_UNITS)
    if side == BUY:
        return best_units - tick_units if best_units >= INT64_MINIMUM + tick_units else best_units
    return best_units + tick_units if best_units <= INT64_MAXIMUM - tick_units else best_units


@inline
def check_room_at(engine: int, book: int, side: int, price_units: int, quantity_units: int) -> int:
    """Whether an order could rest at a price: a level for it, and no overflow of its total.

    Notes the level, so that it needn't be looked for again when the order does rest.
    """
    level = level_of_price(engine, side_at(engine, book, side), price_units)
    store_i64(engine + at.HEADER_FOUND_LEVEL, level)
    if level == 0:
        return 0 if has_free_level(engine) else reason.REASON_CAPACITY_EXHAUSTED
    resting_units = load_i64(level_at(engine, level) + at.LEVEL_QUANTITY_UNITS)
    if resting_units > INT64_MAXIMUM - quantity_units:
        return reason.REASON_NUMBER_OUT_OF_RANGE
    return 0


@inline
def check_place(engine: int, book: int, command: int) -> int:
    """A slot for the order, and a place in the ladder if it may rest there at once."""
    if not has_free_order(engine):
        return reason.REASON_CAPACITY_EXHAUSTED
    address = book_at(engine, book)
    if (
        order_command.get_order_type(command) == common.ORDER_TYPE_PEGGED
        and order_command.get_group_role(command) != ROLE_EXIT
        and load_i32(address + at.BOOK_PEG_COUNT) >= load_i64(engine + at.HEADER_PEG_LIMIT)
    ):
        return reason.REASON_CAPACITY_EXHAUSTED
    if (
        order_command.get_order_type(command) != common.ORDER_TYPE_LIMIT
        or not rests_by_itself(order_command.get_time_in_force(command))
        or order_command.get_group_role(command) == ROLE_EXIT
    ):
        return 0
    side = order_command.get_side(command)
    price_units = order_command.get_price_units(command)
    bits = order_command.get_instructions(command)
    has_condition = (
        bits & INSTRUCTION_ALL_OR_NONE != 0
        or order_command.get_minimum_quantity_units(command) != 0
    )
    if has_condition and load_i32(address + at.BOOK_CONDITIONAL_COUNT) >= CONDITIONAL_LIMIT:
        return reason.REASON_CAPACITY_EXHAUSTED
    if bits & INSTRUCTION_HIDDEN != 0 and is_full_of_hidden(engine, address):
        return reason.REASON_CAPACITY_EXHAUSTED
    if (
        bits & INSTRUCTION_POST_ONLY != 0
        and not is_auction(address)
        and meets_best(engine, book, side, price_units)
    ):
        if bits & INSTRUCTION_SLIDE == 0:
            return reason.REASON_POST_ONLY_WOULD_TRADE
        price_units = slid_price(engine, book, side)
        if check_limit(address, price_units) != 0 or meets_best(engine, book, side, price_units):
            return reason.REASON_POST_ONLY_WOULD_TRADE
    return check_room_at(engine, book, side, price_units, order_command.get_quantity_units(command))


@kernel("int64(int64, int64, int64)")
def check_special(engine: int, book: int, command: int) -> int:
    """Whether a new order that isn't plain may enter a book (by its index): 0 or the reason."""
    address = book_at(engine, book)
    refusal = check_kind(command)
    if refusal == 0:
        refusal = check_instructions(engine, address, command)
    if refusal == 0:
        refusal = check_size(address, order_command.get_quantity_units(command))
    if refusal == 0 and has_price(command):
        refusal = check_limit(address, order_command.get_price_units(command))
    if refusal == 0:
        refusal = check_quantities(address, command)
    if refusal == 0:
        refusal = check_moving_prices(address, command)
    if refusal == 0:
        refusal = check_group(engine, command)
    if refusal == 0:
        refusal = check_phase(address, order_command.get_time_in_force(command))
    if refusal == 0:
        refusal = check_place(engine, book, command)
    return refusal
