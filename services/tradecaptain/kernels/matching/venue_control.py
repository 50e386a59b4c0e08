"""Controls of the venue itself: instruments, phases, bands, fees, the clock."""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.creation import add_book, note_plain_rules
from tradecaptain.kernels.matching.events import begin_command
from tradecaptain.kernels.matching.fees import RATE_LIMIT
from tradecaptain.kernels.matching.layout import DONE, FEE_TIER_BYTES, FEE_TIERS
from tradecaptain.kernels.matching.phases import begin_timer, change_phase
from tradecaptain.kernels.matching.special import classify_book
from tradecaptain.kernels.matching.tables import account_known, book_at, book_index
from tradecaptain.wire import common, control, reason

FLAG_IS_REFERENCE = 16
"""The value of a phase control is the price that counts as the last one."""


@inline
def put_rules(engine: int, record: int) -> int:
    """Rules of a new instrument from its control, in the engine's spare room; their address."""
    rules = engine + load_i64(engine + at.HEADER_SPARE_EVENT_OFFSET)
    store_i64(rules + at.RULES_INSTRUMENT_ID, control.get_instrument_id(record))
    store_i64(rules + at.RULES_MINIMUM_PRICE_UNITS, control.get_low_units(record))
    store_i64(rules + at.RULES_MAXIMUM_PRICE_UNITS, control.get_high_units(record))
    store_i64(rules + at.RULES_MAXIMUM_QUANTITY_UNITS, control.get_maximum_quantity_units(record))
    store_i64(rules + at.RULES_LOT_UNITS, control.get_lot_units(record))
    store_i64(rules + at.RULES_TICK_UNITS, control.get_tick_units(record))
    store_i64(rules + at.RULES_ALLOCATION, max(control.get_allocation(record), 1))
    store_i64(rules + at.RULES_MINIMUM_SHARE_UNITS, control.get_minimum_share_units(record))
    store_i64(rules + at.RULES_BATCH_INTERVAL_NS, control.get_duration_ns(record))
    store_i64(rules + at.RULES_INDICATION_INTERVAL_NS, control.get_indication_interval_ns(record))
    return rules


@inline
def create_instrument(engine: int, record: int) -> int:
    """Open a book while the engine runs; DONE or minus a reason."""
    if book_index(engine, control.get_instrument_id(record)) != 0:
        return -reason.REASON_DUPLICATE_INSTRUMENT
    index = add_book(engine, put_rules(engine, record))
    return index if index < 0 else DONE


@inline
def set_bands(book: int, record: int) -> int:
    """Set the price bands of a book (by its address); DONE or minus a reason."""
    width_units = control.get_value(record)
    pause_ns = control.get_duration_ns(record)
    low_units = control.get_low_units(record)
    high_units = control.get_high_units(record)
    if low_units > high_units or width_units < 0 or pause_ns < 0:
        return -reason.REASON_INVALID_INSTRUMENT_RULES
    store_i64(book + at.BOOK_LOW_BAND_UNITS, low_units)
    store_i64(book + at.BOOK_HIGH_BAND_UNITS, high_units)
    store_i64(book + at.BOOK_DYNAMIC_BAND_UNITS, width_units)
    store_i64(book + at.BOOK_PAUSE_NS, pause_ns)
    note_plain_rules(book)
    classify_book(book)
    return DONE


@inline
def set_instrument_phase(engine: int, book: int, record: int) -> int:
    """Change the phase of a book (by its index); DONE, MORE or minus a reason."""
    phase = control.get_phase(record)
    duration_ns = control.get_duration_ns(record)
    if (
        phase < common.TRADING_PHASE_CONTINUOUS
        or phase > common.TRADING_PHASE_INTRADAY_AUCTION
        or duration_ns < 0
    ):
        return -reason.REASON_INVALID_INSTRUMENT_RULES
    address = book_at(engine, book)
    if control.get_flags(record) & FLAG_IS_REFERENCE != 0:
        store_i64(address + at.BOOK_LAST_PRICE_UNITS, control.get_value(record))
        store_i64(address + at.BOOK_HAS_LAST, 1)
    end_ns = 0
    if duration_ns != 0 and phase >= common.TRADING_PHASE_OPENING_AUCTION:
        end_ns = control.get_time_ns(record) + duration_ns
    return change_phase(engine, book, phase, end_ns)


@inline
def set_fee(engine: int, record: int) -> int:
    """Set the rates of a fee tier; DONE or minus a reason."""
    tier = control.get_scope_id(record)
    maker = control.get_value(record)
    taker = control.get_low_units(record)
    auction = control.get_high_units(record)
    largest = max(abs(maker), max(abs(taker), abs(auction)))
    if tier >= FEE_TIERS or largest > RATE_LIMIT or largest < 0:
        return -reason.REASON_INVALID_REQUEST
    rates = engine + load_i64(engine + at.HEADER_FEE_TIERS_OFFSET) + tier * FEE_TIER_BYTES
    store_i64(rates, maker)
    store_i64(rates + 8, taker)
    store_i64(rates + 16, auction)
    store_i64(engine + at.HEADER_HAS_FEES, 1)
    return DONE


@inline
def set_fee_tier(engine: int, record: int) -> int:
    """Put an account into a fee tier; DONE or minus a reason."""
    account_id = control.get_scope_id(record)
    tier = control.get_value(record)
    if not account_known(engine, account_id):
        return -reason.REASON_UNKNOWN_ACCOUNT
    if tier < 0 or tier >= FEE_TIERS:
        return -reason.REASON_INVALID_REQUEST
    table = engine + load_i64(engine + at.HEADER_ACCOUNT_TIERS_OFFSET)
    store_i32(table + account_id * 4, tier)
    return DONE


@kernel("int64(int64, int64)")
def submit_venue_control(engine: int, record: int) -> int:
    """Carry out the first step of a control of the venue itself: DONE, MORE, or minus a reason."""
    begin_command(engine, control.get_sequence(record), control.get_time_ns(record))
    store_i64(engine + at.HEADER_ANSWER_TAG, 0)
    store_i64(engine + at.HEADER_ANSWER_TIME_NS, 0)
    store_i64(engine + at.HEADER_AFFECTED_COUNT, 0)
    action = control.get_action(record)
    if action == control.CONTROL_ACTION_TIMER:
        return begin_timer(engine)
    if action == control.CONTROL_ACTION_CREATE_INSTRUMENT:
        return create_instrument(engine, record)
    if action == control.CONTROL_ACTION_SET_FEE:
        return set_fee(engine, record)
    if action == control.CONTROL_ACTION_SET_FEE_TIER:
        return set_fee_tier(engine, record)
    book = book_index(engine, control.get_instrument_id(record))
    if book == 0:
        return -reason.REASON_UNKNOWN_INSTRUMENT
    if action == control.CONTROL_ACTION_SET_BANDS:
        return set_bands(book_at(engine, book), record)
    if action == control.CONTROL_ACTION_SET_PHASE:
        return set_instrument_phase(engine, book, record)
    return -reason.REASON_INVALID_REQUEST
