"""An engine made from a snapshot.

What a snapshot says is held against the same limits as commands are: a damaged one is refused with
a reason, and what was made of it by then is no engine any more.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    copy_bytes,
    load_i64,
    load_u32,
    store_i32,
    store_i64,
    store_u16,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.creation import note_plain_rules, open_book
from tradecaptain.kernels.matching.identity import find_order_id
from tradecaptain.kernels.matching.indexes import NOWHERE
from tradecaptain.kernels.matching.ladder import join_ladder
from tradecaptain.kernels.matching.layout import (
    FEE_TIERS,
    FLAG_PARKED,
    FLAG_READY,
    FLAG_TIMED,
    INT64_MAXIMUM,
)
from tradecaptain.kernels.matching.levels import level_of_price
from tradecaptain.kernels.matching.meeting import filters
from tradecaptain.kernels.matching.orders import (
    enter_place,
    join_expiries,
    join_pegs,
    note_timer,
)
from tradecaptain.kernels.matching.parking import make_ready, park
from tradecaptain.kernels.matching.reports import set_execution_sequence
from tradecaptain.kernels.matching.snapshot import fee_tier_at
from tradecaptain.kernels.matching.special import classify_book, is_auction
from tradecaptain.kernels.matching.tables import (
    account_known,
    book_at,
    book_index,
    has_free_level,
    has_free_order,
    level_at,
    order_at,
    party_at,
    side_at,
    take_order,
    terms_at,
)
from tradecaptain.kernels.matching.terms import clear_flags, has_flag, watch
from tradecaptain.kernels.matching.uncrossing import note_best
from tradecaptain.kernels.matching.views import hash_state
from tradecaptain.wire import (
    account_snapshot,
    common,
    engine_snapshot,
    fee_tier_snapshot,
    instrument_snapshot,
    order_snapshot,
    reason,
)

LARGEST_RECORD_BYTES = 4_096
"""A record that says it is longer is no record."""


@inline
def record_length(record: int, end: int) -> int:
    """Length of the record at an address as its own frame tells it; 0 if it can't be one."""
    if end - record < 16 or load_u32(record) != 0:
        return 0
    length = 8 + load_u32(record + 4) * 8
    return length if length <= min(end - record, LARGEST_RECORD_BYTES) else 0


@inline
def restore_counters(engine: int, record: int) -> None:
    """Take the counters of a snapshot; the trade date follows from the next command's time."""
    store_i64(engine + at.HEADER_LAST_ORDER_NUMBER, engine_snapshot.get_last_order_number(record))
    store_i64(engine + at.HEADER_LAST_MATCH_NUMBER, engine_snapshot.get_last_match_number(record))
    set_execution_sequence(engine, engine_snapshot.get_execution_sequence(record))
    store_i64(engine + at.HEADER_BOOK_SEQUENCE, engine_snapshot.get_book_sequence(record))
    store_i64(engine + at.HEADER_COMMAND_SEQUENCE, engine_snapshot.get_sequence(record))
    store_i64(engine + at.HEADER_TIME_NS, engine_snapshot.get_time_ns(record))
    store_i64(engine + at.HEADER_HAS_FEES, engine_snapshot.get_has_fees(record))
    store_i64(engine + at.HEADER_NEXT_TIMER_NS, engine_snapshot.get_next_timer_ns(record))


@inline
def restore_fee_tier(engine: int, record: int) -> int:
    """Take a fee tier: 0 or a reason."""
    tier = fee_tier_snapshot.get_tier(record)
    if tier < 0 or tier >= FEE_TIERS:
        return reason.REASON_MALFORMED_RECORD
    rates = fee_tier_at(engine, tier)
    store_i64(rates, fee_tier_snapshot.get_maker_rate(record))
    store_i64(rates + 8, fee_tier_snapshot.get_taker_rate(record))
    store_i64(rates + 16, fee_tier_snapshot.get_auction_rate(record))
    return 0


@inline
def restore_account(engine: int, record: int) -> int:
    """Take an account's sequence and fee tier: 0 or a reason."""
    account_id = account_snapshot.get_account_id(record)
    tier = account_snapshot.get_fee_tier(record)
    if not account_known(engine, account_id) or tier >= FEE_TIERS:
        return reason.REASON_UNKNOWN_ACCOUNT
    sequences = engine + load_i64(engine + at.HEADER_ACCOUNT_SEQUENCES_OFFSET)
    tiers = engine + load_i64(engine + at.HEADER_ACCOUNT_TIERS_OFFSET)
    store_i64(sequences + account_id * 8, account_snapshot.get_account_sequence(record))
    store_i32(tiers + account_id * 4, tier)
    return 0


@inline
def restore_instrument(engine: int, record: int) -> int:
    """Open an instrument's book as it was, still without orders: 0 or a reason."""
    index = open_book(engine, instrument_snapshot.get_instrument_id(record))
    if index < 0:
        return -index
    if (
        instrument_snapshot.get_lot_units(record) < 1
        or instrument_snapshot.get_tick_units(record) < 1
    ):
        return reason.REASON_MALFORMED_RECORD
    book = book_at(engine, index)
    store_i64(
        book + at.BOOK_INSTRUMENT_SEQUENCE, instrument_snapshot.get_instrument_sequence(record)
    )
    store_i64(
        book + at.BOOK_MINIMUM_PRICE_UNITS, instrument_snapshot.get_minimum_price_units(record)
    )
    store_i64(
        book + at.BOOK_MAXIMUM_PRICE_UNITS, instrument_snapshot.get_maximum_price_units(record)
    )
    store_i64(
        book + at.BOOK_MAXIMUM_QUANTITY_UNITS,
        instrument_snapshot.get_maximum_quantity_units(record),
    )
    store_i64(book + at.BOOK_LOT_UNITS, instrument_snapshot.get_lot_units(record))
    store_i64(book + at.BOOK_TICK_UNITS, instrument_snapshot.get_tick_units(record))
    store_i64(
        book + at.BOOK_MINIMUM_SHARE_UNITS, instrument_snapshot.get_minimum_share_units(record)
    )
    store_i64(book + at.BOOK_BATCH_INTERVAL_NS, instrument_snapshot.get_batch_interval_ns(record))
    store_i64(book + at.BOOK_LAST_PRICE_UNITS, instrument_snapshot.get_last_price_units(record))
    store_i64(book + at.BOOK_TRADE_COUNT, instrument_snapshot.get_trade_count(record))
    store_i64(book + at.BOOK_DIVERGENCE_COUNT, instrument_snapshot.get_divergence_count(record))
    store_i64(book + at.BOOK_AUCTION_END_NS, instrument_snapshot.get_auction_end_ns(record))
    store_i64(book + at.BOOK_LOW_BAND_UNITS, instrument_snapshot.get_low_band_units(record))
    store_i64(book + at.BOOK_HIGH_BAND_UNITS, instrument_snapshot.get_high_band_units(record))
    store_i64(book + at.BOOK_DYNAMIC_BAND_UNITS, instrument_snapshot.get_dynamic_band_units(record))
    note_plain_rules(book)
    store_i64(book + at.BOOK_PAUSE_NS, instrument_snapshot.get_pause_ns(record))
    store_i64(
        book + at.BOOK_INDICATED_PRICE_UNITS, instrument_snapshot.get_indicated_price_units(record)
    )
    store_i64(
        book + at.BOOK_INDICATED_VOLUME_UNITS,
        instrument_snapshot.get_indicated_volume_units(record),
    )
    store_i64(
        book + at.BOOK_INDICATED_SURPLUS_UNITS,
        instrument_snapshot.get_indicated_surplus_units(record),
    )
    store_i64(
        book + at.BOOK_INDICATION_INTERVAL_NS,
        instrument_snapshot.get_indication_interval_ns(record),
    )
    store_i64(book + at.BOOK_INDICATED_NS, instrument_snapshot.get_indicated_ns(record))
    store_i64(book + at.BOOK_INDICATION_DUE_NS, instrument_snapshot.get_indication_due_ns(record))
    store_i64(book + at.BOOK_ALLOCATION, instrument_snapshot.get_allocation(record))
    store_i64(book + at.BOOK_PHASE, instrument_snapshot.get_phase(record))
    store_i64(book + at.BOOK_HAS_LAST, instrument_snapshot.get_has_last(record))
    classify_book(book)
    if is_auction(book):
        watch(engine, book, 1)
    if filters(book):
        watch(engine, book, 1)
    end_ns = instrument_snapshot.get_auction_end_ns(record)
    if end_ns != 0:
        note_timer(engine, end_ns)
    return 0


@inline
def order_fault(engine: int, record: int) -> int:
    """Why an order of a snapshot can't be: 0 or a reason."""
    side = order_snapshot.get_side(record)
    quantity_units = order_snapshot.get_quantity_units(record)
    leaves_units = order_snapshot.get_leaves_units(record)
    if (
        side < 1
        or side > 2
        or leaves_units < 1
        or leaves_units > quantity_units
        or find_order_id(engine, order_snapshot.get_order_id(record)) != 0
    ):
        return reason.REASON_MALFORMED_RECORD
    if not account_known(engine, order_snapshot.get_account_id(record)):
        return reason.REASON_UNKNOWN_ACCOUNT
    book = book_index(engine, order_snapshot.get_instrument_id(record))
    if book == 0:
        return reason.REASON_UNKNOWN_INSTRUMENT
    price_units = order_snapshot.get_price_units(record)
    level = level_of_price(engine, side_at(engine, book, side), price_units)
    # An order that waits has no level, and one that joins others takes none.
    needs_level = level == 0 and order_snapshot.get_flags(record) & FLAG_PARKED == 0
    if not has_free_order(engine) or (needs_level and not has_free_level(engine)):
        return reason.REASON_CAPACITY_EXHAUSTED
    if level != 0:
        resting_units = load_i64(level_at(engine, level) + at.LEVEL_QUANTITY_UNITS)
        if resting_units > INT64_MAXIMUM - leaves_units:
            return reason.REASON_NUMBER_OUT_OF_RANGE
    return 0


@inline
def fill_terms(engine: int, slot: int, record: int) -> None:
    """Take what an order says beyond a plain one."""
    terms = terms_at(engine, slot)
    store_i64(terms + at.TERMS_VISIBLE_UNITS, order_snapshot.get_visible_units(record))
    store_i64(terms + at.TERMS_DISPLAY_UNITS, order_snapshot.get_display_units(record))
    store_i64(
        terms + at.TERMS_MINIMUM_VISIBLE_UNITS, order_snapshot.get_minimum_visible_units(record)
    )
    store_i64(terms + at.TERMS_MINIMUM_UNITS, order_snapshot.get_minimum_units(record))
    store_i64(terms + at.TERMS_STOP_UNITS, order_snapshot.get_stop_units(record))
    store_i64(terms + at.TERMS_OFFSET_UNITS, order_snapshot.get_offset_units(record))
    store_i64(terms + at.TERMS_LIMIT_UNITS, order_snapshot.get_limit_units(record))
    store_i64(terms + at.TERMS_EXPIRE_TIME_NS, order_snapshot.get_expire_time_ns(record))
    store_i64(terms + at.TERMS_GROUP_ID, order_snapshot.get_group_id(record))
    store_i32(terms + at.TERMS_BASIS_POINTS, order_snapshot.get_basis_points(record))
    store_i32(terms + at.TERMS_PEG_REFERENCE, order_snapshot.get_peg_reference(record))
    store_i32(
        terms + at.TERMS_SELF_TRADE_PREVENTION, order_snapshot.get_self_trade_prevention(record)
    )
    store_i32(terms + at.TERMS_GROUP_ROLE, order_snapshot.get_group_role(record))
    store_i32(terms + at.TERMS_HAS_STOP, order_snapshot.get_has_stop(record))
    store_i32(terms + at.TERMS_INSTRUCTIONS, order_snapshot.get_instructions(record))
    store_i32(terms + at.TERMS_INDEX_KIND, NOWHERE)


@inline
def fill_restored(engine: int, slot: int, record: int) -> None:
    """Write a restored order's records."""
    order = order_at(engine, slot)
    party = party_at(engine, slot)
    store_i64(order + at.ORDER_ORDER_ID, order_snapshot.get_order_id(record))
    store_i64(order + at.ORDER_PRICE_UNITS, order_snapshot.get_price_units(record))
    store_i64(order + at.ORDER_QUANTITY_UNITS, order_snapshot.get_quantity_units(record))
    store_i64(order + at.ORDER_LEAVES_UNITS, order_snapshot.get_leaves_units(record))
    store_i32(order + at.ORDER_LEVEL, 0)
    store_i32(order + at.ORDER_ACCOUNT_ID, order_snapshot.get_account_id(record))
    book = book_index(engine, order_snapshot.get_instrument_id(record))
    store_i32(order + at.ORDER_BOOK, book)
    # The flags lie in the upper half of the side's word.
    store_i32(
        order + at.ORDER_SIDE,
        order_snapshot.get_side(record) | (order_snapshot.get_flags(record) << 16),
    )
    store_i32(order + at.ORDER_SELF_TRADE_GROUP, order_snapshot.get_self_trade_group(record))
    client_order_id0 = order_snapshot.get_client_order_id0(record)
    store_i64(order + at.ORDER_CLIENT_ORDER_ID0, client_order_id0)
    copy_bytes(party, record + order_snapshot.OFFSET_CLIENT_ORDER_ID1, 24)
    store_i32(party + at.PARTY_FIRM_ID, order_snapshot.get_firm_id(record))
    store_i32(party + at.PARTY_SESSION_ID, order_snapshot.get_session_id(record))
    store_i32(party + at.PARTY_TRADER_ID, order_snapshot.get_trader_id(record))
    store_i32(party + at.PARTY_STRATEGY_ID, order_snapshot.get_strategy_id(record))
    store_i32(party + at.PARTY_TAG, order_snapshot.get_tag(record))
    store_u16(party + at.PARTY_ORDER_TYPE, order_snapshot.get_order_type(record))
    store_u16(party + at.PARTY_TIME_IN_FORCE, order_snapshot.get_time_in_force(record))


@inline
def place_again(engine: int, slot: int) -> None:
    """Put a restored order where it was: into the ladder or among those that wait, and into the
    lists that its flags tell of."""
    order = order_at(engine, slot)
    is_ready = has_flag(order, FLAG_READY)
    clear_flags(order, FLAG_READY)
    enter_place(engine, slot)
    if has_flag(order, FLAG_TIMED):
        join_expiries(engine, slot)
    if not is_ready:
        join_pegs(engine, slot)
    if not has_flag(order, FLAG_PARKED):
        join_ladder(engine, slot)
        return
    park(engine, slot)
    if is_ready:
        make_ready(engine, slot)


@inline
def restore_order(engine: int, record: int) -> int:
    """Put an order behind those of its price: 0 or a reason."""
    fault = order_fault(engine, record)
    if fault != 0:
        return fault
    slot = take_order(engine)
    fill_restored(engine, slot, record)
    if order_snapshot.get_flags(record) != 0:
        fill_terms(engine, slot, record)
    place_again(engine, slot)
    return 0


@inline
def restore_record(engine: int, part: int, record: int) -> int:
    """Take one record of the part of a snapshot that it must belong to: 0 or a reason."""
    if part == 0:
        return restore_fee_tier(engine, record)
    if part == 1:
        return restore_account(engine, record)
    if part == 2:
        return restore_instrument(engine, record)
    return restore_order(engine, record)


@inline
def normalise_record(part: int, record: int, length: int, scratch: int) -> int:
    """A record of a part in today's layout, or a negative status."""
    if part == 0:
        return fee_tier_snapshot.normalise(record, length, scratch)
    if part == 1:
        return account_snapshot.normalise(record, length, scratch)
    if part == 2:
        return instrument_snapshot.normalise(record, length, scratch)
    return order_snapshot.normalise(record, length, scratch)


@inline
def part_count(first: int, part: int) -> int:
    """How many records of a part a snapshot has, by its first record."""
    if part == 0:
        return engine_snapshot.get_fee_tier_count(first)
    if part == 1:
        return engine_snapshot.get_account_count(first)
    if part == 2:
        return engine_snapshot.get_instrument_count(first)
    return engine_snapshot.get_order_count(first)


@inline
def note_looks(engine: int) -> None:
    """Books that filter and uncross were looked at after the last command, while they traded."""
    for book in range(1, load_i64(engine + at.HEADER_INSTRUMENT_COUNT) + 1):
        phase = load_i64(book_at(engine, book) + at.BOOK_PHASE)
        if filters(book_at(engine, book)) and phase == common.TRADING_PHASE_CONTINUOUS:
            note_best(engine, book)


@inline
def restore_snapshot(engine: int, source: int, size: int, scratch: int) -> int:
    """Make a new, empty engine what a snapshot of ``size`` bytes says: 0, or minus a reason.

    ``scratch`` is room for two records of today's layout.
    """
    if load_i64(engine + at.HEADER_INSTRUMENT_COUNT) != 0:
        return -reason.REASON_INVALID_REQUEST
    end = source + size
    length = record_length(source, end)
    first = engine_snapshot.normalise(source, length, scratch)
    if length == 0 or first < 0:
        return -reason.REASON_MALFORMED_RECORD
    other = scratch + engine_snapshot.RECORD_BYTES
    record = source + length
    for part in range(4):
        for _ in range(part_count(first, part)):
            length = record_length(record, end)
            if length == 0:
                return -reason.REASON_MALFORMED_RECORD
            current = normalise_record(part, record, length, other)
            if current < 0:
                return -reason.REASON_MALFORMED_RECORD
            fault = restore_record(engine, part, current)
            if fault != 0:
                return -fault
            record += length
    restore_counters(engine, first)
    note_looks(engine)
    if record != end or hash_state(engine) != engine_snapshot.get_state_hash(first):
        return -reason.REASON_MALFORMED_RECORD
    return 0


@kernel("int64(int64, int64, int64, int64)")
def engine_restore_snapshot(engine: int, source: int, size: int, scratch: int) -> int:
    """`restore_snapshot` for callers outside of kernels."""
    return restore_snapshot(engine, source, size, scratch)
