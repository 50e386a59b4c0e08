"""Matching of an order where price and time alone don't decide, in bounded steps.

An order comes here if it says more than a price, if the book holds an order that does, or if the
instrument's phase, allocation or bands ask for it. It may also rest already: an order that sets a
condition trades from its place once the other side can meet it.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.ending import (
    drop_order,
    end_order,
    group_traded,
    reduce_order,
    write_shown,
)
from tradecaptain.kernels.matching.events import (
    write_auction_trade,
    write_book,
    write_end,
    write_execution,
    write_market,
    write_trade,
)
from tradecaptain.kernels.matching.finish import book_of, finish_step, note_book
from tradecaptain.kernels.matching.groups import role_of
from tradecaptain.kernels.matching.ladder import (
    join_ladder,
    leave_ladder,
    recount_level,
    unseen_units,
)
from tradecaptain.kernels.matching.layout import (
    CONDITIONAL_LIMIT,
    FLAG_CONDITIONAL,
    FLAG_GROUPED,
    FLAG_HIDDEN,
    FLAG_ICEBERG,
    FLAG_PARKED,
    FLAG_PRICELESS,
    INT64_MAXIMUM,
    MORE,
    PHASE_FILTERED,
    PHASE_SPECIAL,
    SPECIAL_BOOK,
)
from tradecaptain.kernels.matching.levels import close_if_empty, level_of_price, order_behind
from tradecaptain.kernels.matching.makers import (
    BEYOND_BAND,
    may_begin,
    next_maker,
    note_band,
    prevention_of,
    same_party,
)
from tradecaptain.kernels.matching.meeting import meeting_units
from tradecaptain.kernels.matching.orders import (
    enter_place,
    forget_order,
    note_timer,
    retire_order,
)
from tradecaptain.kernels.matching.parking import park, unpark
from tradecaptain.kernels.matching.sharing import share_address, share_out
from tradecaptain.kernels.matching.tables import (
    has_free_level,
    level_at,
    order_at,
    side_at,
    terms_at,
)
from tradecaptain.kernels.matching.terms import (
    has_flag,
    order_book,
    order_side,
    order_type_of,
    set_flags,
    show_display,
    show_units,
    shown_units,
    slice_units,
    take_off,
    time_in_force_of,
    working_status,
)
from tradecaptain.wire import book_event, common, execution_event, reason

GOES_ON = 0
HAS_ENDED = -1


@inline
def steps_left(engine: int, units: int) -> bool:
    """Whether this step may do more: by what it did, and by the events that it has written."""
    limit = load_i64(engine + at.HEADER_STEP_LIMIT)
    return (
        units < limit
        and load_i64(engine + at.HEADER_BOOK_COUNT) < limit
        and load_i64(engine + at.HEADER_EXECUTION_COUNT) < 2 * limit
    )


@inline
def is_auction(book: int) -> bool:
    """Whether a book (by its address) collects orders for an auction."""
    return load_i64(book + at.BOOK_PHASE) >= common.TRADING_PHASE_OPENING_AUCTION


@inline
def classify_book(book: int) -> None:
    """Note whether an instrument itself keeps its orders from plain matching."""
    counted = load_i64(book + at.BOOK_SPECIAL) & (SPECIAL_BOOK - 1)
    is_plain = (
        load_i64(book + at.BOOK_PHASE) == common.TRADING_PHASE_CONTINUOUS
        and load_i64(book + at.BOOK_ALLOCATION) == common.ALLOCATION_PRICE_TIME
        and load_i64(book + at.BOOK_DYNAMIC_BAND_UNITS) == 0
    )
    store_i64(book + at.BOOK_SPECIAL, counted if is_plain else counted + SPECIAL_BOOK)


@inline
def set_phase(engine: int, book: int, phase: int, end_ns: int) -> None:
    """Give a book (by its address) a phase and tell it."""
    was_auction = is_auction(book)
    store_i64(book + at.BOOK_PHASE, phase)
    store_i64(book + at.BOOK_AUCTION_END_NS, end_ns)
    store_i64(book + at.BOOK_INDICATED_NS, 0)
    store_i64(book + at.BOOK_INDICATION_DUE_NS, 0)
    store_i64(book + at.BOOK_LOOKED_AT, 0)
    classify_book(book)
    change = (1 if is_auction(book) else 0) - (1 if was_auction else 0)
    for address in (book + at.BOOK_WATCH_COUNT, engine + at.HEADER_WATCH_COUNT):
        store_i64(address, load_i64(address) + change)
    if end_ns != 0:
        note_timer(engine, end_ns)
    event = write_market(engine, book, book_event.BOOK_ACTION_PHASE)
    book_event.set_quantity_units(event, phase)
    book_event.set_level_quantity_units(event, end_ns)


@inline
def expire_order(engine: int, slot: int, why: int) -> None:
    """End an order that stands nowhere."""
    write_end(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_EXPIRED,
        execution_event.ORDER_STATUS_EXPIRED,
        why,
        True,
    )
    drop_order(engine, slot, False)


@inline
def rest_order(engine: int, slot: int) -> None:
    """Put what is left of an order into the ladder."""
    show_display(engine, slot)
    enter_place(engine, slot)
    join_ladder(engine, slot)
    write_shown(engine, slot, book_event.BOOK_ACTION_ADD)


@inline
def is_full_of_hidden(engine: int, book: int) -> bool:
    """Whether no further hidden order may rest in a book (by its address)."""
    return load_i32(book + at.BOOK_HIDDEN_COUNT) >= load_i64(engine + at.HEADER_HIDDEN_LIMIT)


@inline
def why_no_room(engine: int, slot: int) -> int:
    """Whether an order could rest at its price: 0, or the reason why not."""
    order = order_at(engine, slot)
    side_book = side_at(engine, book_of(engine, slot), order_side(order))
    if (
        has_flag(order, FLAG_CONDITIONAL)
        and load_i32(order_book(engine, slot) + at.BOOK_CONDITIONAL_COUNT) >= CONDITIONAL_LIMIT
    ) or (has_flag(order, FLAG_HIDDEN) and is_full_of_hidden(engine, order_book(engine, slot))):
        return reason.REASON_CAPACITY_EXHAUSTED
    level = level_of_price(engine, side_book, load_i64(order + at.ORDER_PRICE_UNITS))
    if level == 0:
        return 0 if has_free_level(engine) else reason.REASON_CAPACITY_EXHAUSTED
    resting_units = load_i64(level_at(engine, level) + at.LEVEL_QUANTITY_UNITS)
    if resting_units > INT64_MAXIMUM - load_i64(order + at.ORDER_LEAVES_UNITS):
        return reason.REASON_NUMBER_OUT_OF_RANGE
    return 0


@inline
def settle_leftover(engine: int, slot: int, why: int) -> None:
    """What becomes of an order that has met all it can: it rests, or ends for a reason."""
    order = order_at(engine, slot)
    if load_i32(order + at.ORDER_LEVEL) != 0:
        return
    if load_i64(order + at.ORDER_LEAVES_UNITS) == 0:
        retire_order(engine, slot)
        return
    time_in_force = time_in_force_of(engine, slot)
    if (
        has_flag(order, FLAG_PRICELESS)
        or time_in_force == common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
        or time_in_force == common.TIME_IN_FORCE_FILL_OR_KILL
    ):
        expire_order(engine, slot, why)
        return
    no_room = why_no_room(engine, slot)
    if no_room != 0:
        expire_order(engine, slot, no_room)
    else:
        rest_order(engine, slot)


@inline
def take_traded(engine: int, slot: int, quantity_units: int) -> None:
    """Take a trade off an order; of a resting one also off its level."""
    order = order_at(engine, slot)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    rests = load_i32(order + at.ORDER_LEVEL) != 0
    unseen = unseen_units(engine, slot) if rests else 0
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units - quantity_units)
    if not rests:
        return
    if has_flag(order, FLAG_ICEBERG):
        show_units(engine, slot, shown_units(engine, slot) - quantity_units)
    recount_level(engine, slot, leaves_units, unseen)


@inline
def tell_as_trade(engine: int, slot: int, event: int, price_units: int) -> None:
    """Let a book event tell of a hidden order no more than the trade: who and what limit it was,
    nobody learns; the level is the one at the trade's price."""
    side_book = side_at(engine, book_of(engine, slot), order_side(order_at(engine, slot)))
    level = level_at(engine, level_of_price(engine, side_book, price_units))
    is_level = level != level_at(engine, 0)
    count = load_i32(level + at.LEVEL_ORDER_COUNT) - load_i32(level + at.LEVEL_HIDDEN_COUNT)
    units = load_i64(level + at.LEVEL_QUANTITY_UNITS) - load_i64(level + at.LEVEL_HIDDEN_UNITS)
    book_event.set_order_id(event, 0)
    book_event.set_price_units(event, price_units)
    book_event.set_level_order_count(event, count if is_level else 0)
    book_event.set_level_quantity_units(event, units if is_level else 0)


@inline
def tell_trade(
    engine: int, slot: int, quantity_units: int, price_units: int, match_id: int, is_teller: bool
) -> None:
    """Tell the book what a trade did to a resting order; a filled one leaves its level."""
    order = order_at(engine, slot)
    level = load_i32(order + at.ORDER_LEVEL) + 0
    if level == 0:
        return
    is_hidden = has_flag(order, FLAG_HIDDEN)
    is_filled = load_i64(order + at.ORDER_LEAVES_UNITS) == 0
    shown = shown_units(engine, slot)
    if is_filled:
        leave_ladder(engine, slot)
    event = 0
    if is_teller:
        event = write_book(
            engine, slot, book_event.BOOK_ACTION_TRADE, quantity_units, level, match_id
        )
        if is_hidden:
            tell_as_trade(engine, slot, event, price_units)
    elif not is_hidden:
        if shown != 0:
            write_book(engine, slot, book_event.BOOK_ACTION_REDUCE, shown, level, 0)
        else:
            event = write_book(
                engine, slot, book_event.BOOK_ACTION_REMOVE, quantity_units, level, 0
            )
    if event != 0 and shown == 0 and not is_filled and not is_hidden:
        # An iceberg that shows nothing is gone for the public until it shows its display again.
        count = book_event.get_level_order_count(event)
        book_event.set_level_order_count(event, count - 1)
    if is_filled:
        close_if_empty(engine, slot, level)


@inline
def refill_display(engine: int, slot: int) -> None:
    """Show an iceberg's display again, once less than its minimum is visible, behind the others."""
    order = order_at(engine, slot)
    if load_i32(order + at.ORDER_LEVEL) == 0 or not has_flag(order, FLAG_ICEBERG):
        return
    visible_units = shown_units(engine, slot)
    minimum_units = load_i64(terms_at(engine, slot) + at.TERMS_MINIMUM_VISIBLE_UNITS)
    if visible_units >= max(minimum_units, 1) or visible_units == load_i64(
        order + at.ORDER_LEAVES_UNITS
    ):
        return
    level = leave_ladder(engine, slot)
    if visible_units != 0:
        write_book(engine, slot, book_event.BOOK_ACTION_REMOVE, visible_units, level, 0)
    close_if_empty(engine, slot, level)
    show_display(engine, slot)
    join_ladder(engine, slot)
    write_shown(engine, slot, book_event.BOOK_ACTION_ADD)


@inline
def next_match_id(engine: int) -> int:
    """Id of the next trade."""
    match_number = load_i64(engine + at.HEADER_LAST_MATCH_NUMBER) + 1
    store_i64(engine + at.HEADER_LAST_MATCH_NUMBER, match_number)
    return load_i64(engine + at.HEADER_IDENTITY_BASE) + match_number


@inline
def drop_filled(engine: int, slot: int, had_place: bool) -> int:
    """Forget an order if it is filled; returns its slot, or 0 if it is gone.

    The taker at work keeps its slot: whoever runs it looks at what is left.
    """
    order = order_at(engine, slot)
    if load_i64(order + at.ORDER_LEAVES_UNITS) != 0:
        return slot
    if had_place:
        if has_flag(order, FLAG_PARKED):
            unpark(engine, slot)
        forget_order(engine, slot)
    return 0


@inline
def role_or_zero(engine: int, slot: int) -> int:
    """Part of an order in its group; zero if it has none."""
    if has_flag(order_at(engine, slot), FLAG_GROUPED):
        return role_of(engine, slot)
    return 0


@inline
def trade_orders(
    engine: int, taker: int, maker: int, quantity_units: int, price_units: int
) -> None:
    """One trade; in an auction the buyer stands in the taker's place.

    A filled order that rested or waited is gone afterwards; a taker without a place keeps its slot.
    """
    book = order_book(engine, maker)
    match_id = next_match_id(engine)
    store_i64(book + at.BOOK_LAST_PRICE_UNITS, price_units)
    store_i64(book + at.BOOK_HAS_LAST, 1)
    store_i64(book + at.BOOK_TRADE_COUNT, load_i64(book + at.BOOK_TRADE_COUNT) + 1)
    taker_order = order_at(engine, taker)
    maker_order = order_at(engine, maker)
    taker_rests = load_i32(taker_order + at.ORDER_LEVEL) != 0
    maker_rests = load_i32(maker_order + at.ORDER_LEVEL) != 0
    taker_has_place = taker_rests or has_flag(taker_order, FLAG_PARKED)
    taker_role = role_or_zero(engine, taker)
    maker_role = role_or_zero(engine, maker)
    take_traded(engine, taker, quantity_units)
    take_traded(engine, maker, quantity_units)
    if (
        load_i64(book + at.BOOK_PHASE) == common.TRADING_PHASE_CONTINUOUS
        and load_i64(engine + at.HEADER_PHASE) != PHASE_FILTERED
    ):
        write_trade(engine, taker, maker, price_units, quantity_units, match_id)
    else:
        write_auction_trade(engine, taker, maker, price_units, quantity_units, match_id)
    tell_trade(engine, maker, quantity_units, price_units, match_id, maker_rests)
    tell_trade(engine, taker, quantity_units, price_units, match_id, not maker_rests)
    refill_display(engine, maker)
    refill_display(engine, taker)
    if taker_role | maker_role == 0:
        drop_filled(engine, taker, taker_has_place)
        drop_filled(engine, maker, True)
        return
    trade_in_groups(engine, taker, maker, taker_has_place, taker_role * 4 + maker_role)


@inline
def trade_in_groups(engine: int, taker: int, maker: int, taker_has_place: bool, roles: int) -> None:
    """Forget what a trade has filled, then let it act on the groups of both orders."""
    taker_account_id = load_i32(order_at(engine, taker) + at.ORDER_ACCOUNT_ID) + 0
    maker_account_id = load_i32(order_at(engine, maker) + at.ORDER_ACCOUNT_ID) + 0
    taker_group_id = load_i64(terms_at(engine, taker) + at.TERMS_GROUP_ID)
    maker_group_id = load_i64(terms_at(engine, maker) + at.TERMS_GROUP_ID)
    taker_left = drop_filled(engine, taker, taker_has_place)
    maker_left = drop_filled(engine, maker, True)
    if roles >> 2 != 0:
        group_traded(engine, roles >> 2, taker_account_id, taker_group_id, taker_left)
    if roles & 3 != 0:
        group_traded(engine, roles & 3, maker_account_id, maker_group_id, maker_left)


@inline
def restate_smaller(engine: int, slot: int, quantity_units: int, is_own: bool) -> None:
    """Tell that self-trade prevention took something off an order."""
    event = write_execution(
        engine,
        slot,
        execution_event.EXECUTION_TYPE_RESTATED,
        working_status(order_at(engine, slot)),
        is_own,
    )
    execution_event.set_last_quantity_units(event, quantity_units)
    execution_event.set_reason(event, reason.REASON_SELF_TRADE_PREVENTED)


@inline
def end_prevented(engine: int, maker: int) -> None:
    """Cancel a resting order because its own side's taker would have met it."""
    end_order(
        engine,
        maker,
        execution_event.EXECUTION_TYPE_CANCELLED,
        reason.REASON_SELF_TRADE_PREVENTED,
        False,
    )


@inline
def decrement_both(engine: int, taker: int, maker: int) -> int:
    """Take the smaller open quantity off both orders; what is at zero then ends."""
    taker_leaves = load_i64(order_at(engine, taker) + at.ORDER_LEAVES_UNITS)
    maker_leaves = load_i64(order_at(engine, maker) + at.ORDER_LEAVES_UNITS)
    quantity_units = min(taker_leaves, maker_leaves)
    if maker_leaves == quantity_units:
        end_prevented(engine, maker)
    else:
        reduce_order(engine, maker, quantity_units)
        restate_smaller(engine, maker, quantity_units, False)
        write_shown(engine, maker, book_event.BOOK_ACTION_REDUCE)
    if taker_leaves == quantity_units:
        expire_order(engine, taker, reason.REASON_SELF_TRADE_PREVENTED)
        return HAS_ENDED
    take_off(engine, taker, quantity_units)
    restate_smaller(engine, taker, quantity_units, True)
    return GOES_ON


@inline
def prevent_self_trade(engine: int, taker: int, maker: int) -> int:
    """What the taker's self-trade prevention does: GOES_ON, or HAS_ENDED if the taker is gone."""
    policy = prevention_of(engine, taker)
    if policy == common.SELF_TRADE_PREVENTION_DECREMENT:
        return decrement_both(engine, taker, maker)
    if policy == common.SELF_TRADE_PREVENTION_CANCEL_OLDEST:
        end_prevented(engine, maker)
        return GOES_ON
    if policy == common.SELF_TRADE_PREVENTION_CANCEL_BOTH:
        end_prevented(engine, maker)
    expire_order(engine, taker, reason.REASON_SELF_TRADE_PREVENTED)
    return HAS_ENDED


@inline
def leave_band(engine: int, taker: int) -> None:
    """A trade would have left the dynamic band: the market pauses."""
    book = order_book(engine, taker)
    pause_ns = load_i64(book + at.BOOK_PAUSE_NS)
    if pause_ns != 0:
        end_ns = load_i64(engine + at.HEADER_TIME_NS) + pause_ns
        set_phase(engine, book, common.TRADING_PHASE_VOLATILITY_AUCTION, end_ns)
    else:
        set_phase(engine, book, common.TRADING_PHASE_HALTED, 0)


@inline
def trade_share(engine: int, taker: int, slot: int) -> None:
    """Trade an order's share of the taker; the cursor moves to the order behind it."""
    store_i64(engine + at.HEADER_CURSOR_ORDER, order_behind(engine, slot))
    quantity_units = load_i64(share_address(engine, slot))
    if quantity_units != 0:
        price_units = load_i64(order_at(engine, slot) + at.ORDER_PRICE_UNITS)
        trade_orders(engine, taker, slot, quantity_units, price_units)


@inline
def is_pro_rata(book: int) -> bool:
    """Whether a book (by its address) shares orders out."""
    allocation = load_i64(book + at.BOOK_ALLOCATION)
    return allocation == common.ALLOCATION_PRO_RATA or allocation == common.ALLOCATION_PRO_RATA_TOP


@inline
def meet_maker(engine: int, taker: int, maker: int) -> int:
    """Let a taker trade with the next order, share it out, or prevent a self-trade."""
    order = order_at(engine, taker)
    if same_party(engine, taker, maker):
        return prevent_self_trade(engine, taker, maker)
    if is_pro_rata(order_book(engine, taker)):
        share_out(engine, taker, maker)
        return GOES_ON
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    quantity_units = min(leaves_units, slice_units(engine, maker))
    trade_orders(engine, taker, maker, quantity_units, meeting_units(engine, taker, maker))
    return GOES_ON


@kernel("int64(int64)")
def special_step(engine: int) -> int:
    """Trade the taker at work for a bounded while; then it rests or ends. MORE if it goes on."""
    taker = load_i64(engine + at.HEADER_TAKER)
    order = order_at(engine, taker)
    order_id = load_i64(order + at.ORDER_ORDER_ID)
    rests = load_i32(order + at.ORDER_LEVEL) != 0
    why = reason.REASON_NO_LIQUIDITY
    units = 0
    # A resting taker that is filled has left its slot, and its id with it.
    while (
        load_i64(order + at.ORDER_LEAVES_UNITS) > 0
        and load_i64(order + at.ORDER_ORDER_ID) == order_id
    ):
        sharer = load_i64(engine + at.HEADER_CURSOR_ORDER)
        maker = sharer if sharer != 0 else next_maker(engine, taker)
        if maker <= 0:
            if maker == BEYOND_BAND:
                leave_band(engine, taker)
                why = reason.REASON_DYNAMIC_BAND
            break
        if not steps_left(engine, units):
            store_i64(engine + at.HEADER_PHASE, PHASE_SPECIAL)
            return MORE
        units += 1
        if sharer != 0:
            trade_share(engine, taker, sharer)
        elif rests and same_party(engine, taker, maker):
            break
        elif meet_maker(engine, taker, maker) == HAS_ENDED:
            return finish_step(engine)
    store_i64(engine + at.HEADER_CURSOR_ORDER, 0)
    if not rests:
        settle_leftover(engine, taker, why)
    store_i64(engine + at.HEADER_TAKER, 0)
    return finish_step(engine)


@kernel("int64(int64, int64)")
def special_begin(engine: int, taker: int) -> int:
    """Start to match an order that stands in no level, or that rests and sets a condition."""
    book = order_book(engine, taker)
    note_book(engine, book_of(engine, taker))
    if order_type_of(engine, taker) == common.ORDER_TYPE_MARKET:
        set_flags(order_at(engine, taker), FLAG_PRICELESS)
    store_i64(engine + at.HEADER_TAKER, taker)
    store_i64(engine + at.HEADER_CURSOR_ORDER, 0)
    if is_auction(book):
        settle_leftover(engine, taker, reason.REASON_PHASE_REFUSES)
        return finish_step(engine)
    note_band(engine, book)
    if not may_begin(engine, taker):
        is_kill = time_in_force_of(engine, taker) == common.TIME_IN_FORCE_FILL_OR_KILL
        settle_leftover(
            engine,
            taker,
            reason.REASON_FILL_OR_KILL_UNFILLED
            if is_kill
            else reason.REASON_MINIMUM_QUANTITY_UNFILLED,
        )
        return finish_step(engine)
    return special_step(engine)


@inline
def enter_waiting(engine: int, slot: int) -> None:
    """Let an order wait outside of the ladder."""
    show_display(engine, slot)
    enter_place(engine, slot)
    park(engine, slot)
