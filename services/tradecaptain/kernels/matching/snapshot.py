"""Snapshots of an engine: a run of records that say what it knows, and an engine made from them.

The records (``schemas/capnp/*_snapshot.capnp``) are versioned; none of them tells where anything
lies in memory. A restored engine has the same state hash, gives the same ids and events, and may
have other capacities. Snapshots are taken between commands.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    copy_bytes,
    load_i16,
    load_i32,
    load_i64,
    load_u16,
    load_u32,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import (
    FEE_TIER_BYTES,
    FEE_TIERS,
    PHASE_IDLE,
)
from tradecaptain.kernels.matching.reports import last_book_sequence
from tradecaptain.kernels.matching.tables import (
    book_at,
    order_at,
    party_at,
    terms_at,
)
from tradecaptain.kernels.matching.views import hash_state
from tradecaptain.kernels.matching.walk import PARKED, first_order, following_order
from tradecaptain.wire import (
    account_snapshot,
    engine_snapshot,
    fee_tier_snapshot,
    instrument_snapshot,
    order_snapshot,
    reason,
)


@inline
def fee_tier_at(engine: int, tier: int) -> int:
    """Address of the rates of a fee tier."""
    return engine + load_i64(engine + at.HEADER_FEE_TIERS_OFFSET) + tier * FEE_TIER_BYTES


@inline
def has_account(engine: int, account_id: int) -> bool:
    """Whether there is anything to tell of an account."""
    sequences = engine + load_i64(engine + at.HEADER_ACCOUNT_SEQUENCES_OFFSET)
    tiers = engine + load_i64(engine + at.HEADER_ACCOUNT_TIERS_OFFSET)
    return load_i64(sequences + account_id * 8) != 0 or load_i32(tiers + account_id * 4) != 0


@inline
def count_accounts(engine: int) -> int:
    """How many accounts a snapshot tells of."""
    count = 0
    for account_id in range(1, load_i64(engine + at.HEADER_ACCOUNT_ID_LIMIT)):
        if has_account(engine, account_id):
            count += 1
    return count


@inline
def snapshot_bytes(engine: int) -> int:
    """Length of an engine's snapshot, or minus the reason why there can't be one now."""
    if load_i64(engine + at.HEADER_PHASE) != PHASE_IDLE:
        return -reason.REASON_INVALID_REQUEST
    return (
        engine_snapshot.RECORD_BYTES
        + FEE_TIERS * fee_tier_snapshot.RECORD_BYTES
        + count_accounts(engine) * account_snapshot.RECORD_BYTES
        + load_i64(engine + at.HEADER_INSTRUMENT_COUNT) * instrument_snapshot.RECORD_BYTES
        + load_i64(engine + at.HEADER_ORDER_COUNT) * order_snapshot.RECORD_BYTES
    )


@inline
def write_engine(engine: int, record: int) -> int:
    """Write the first record; returns the address behind it."""
    engine_snapshot.initialise(record)
    engine_snapshot.set_epoch(record, load_i64(engine + at.HEADER_EPOCH))
    engine_snapshot.set_sequence(record, load_i64(engine + at.HEADER_COMMAND_SEQUENCE))
    engine_snapshot.set_time_ns(record, load_i64(engine + at.HEADER_TIME_NS))
    engine_snapshot.set_last_order_number(record, load_i64(engine + at.HEADER_LAST_ORDER_NUMBER))
    engine_snapshot.set_last_match_number(record, load_i64(engine + at.HEADER_LAST_MATCH_NUMBER))
    engine_snapshot.set_execution_sequence(record, load_i64(engine + at.HEADER_EXECUTION_SEQUENCE))
    engine_snapshot.set_book_sequence(record, last_book_sequence(engine))
    engine_snapshot.set_fee_tier_count(record, FEE_TIERS)
    engine_snapshot.set_account_count(record, count_accounts(engine))
    engine_snapshot.set_instrument_count(record, load_i64(engine + at.HEADER_INSTRUMENT_COUNT))
    engine_snapshot.set_order_count(record, load_i64(engine + at.HEADER_ORDER_COUNT))
    engine_snapshot.set_state_hash(record, hash_state(engine))
    engine_snapshot.set_has_fees(record, load_i64(engine + at.HEADER_HAS_FEES))
    engine_snapshot.set_next_timer_ns(record, load_i64(engine + at.HEADER_NEXT_TIMER_NS))
    return record + engine_snapshot.RECORD_BYTES


@inline
def write_accounts(engine: int, record: int) -> int:
    """Write fee tiers and accounts; returns the address behind them."""
    for tier in range(FEE_TIERS):
        rates = fee_tier_at(engine, tier)
        fee_tier_snapshot.initialise(record)
        fee_tier_snapshot.set_tier(record, tier)
        fee_tier_snapshot.set_maker_rate(record, load_i64(rates))
        fee_tier_snapshot.set_taker_rate(record, load_i64(rates + 8))
        fee_tier_snapshot.set_auction_rate(record, load_i64(rates + 16))
        record += fee_tier_snapshot.RECORD_BYTES
    sequences = engine + load_i64(engine + at.HEADER_ACCOUNT_SEQUENCES_OFFSET)
    tiers = engine + load_i64(engine + at.HEADER_ACCOUNT_TIERS_OFFSET)
    for account_id in range(1, load_i64(engine + at.HEADER_ACCOUNT_ID_LIMIT)):
        if has_account(engine, account_id):
            account_snapshot.initialise(record)
            account_snapshot.set_account_id(record, account_id)
            account_snapshot.set_account_sequence(record, load_i64(sequences + account_id * 8))
            account_snapshot.set_fee_tier(record, load_i32(tiers + account_id * 4))
            record += account_snapshot.RECORD_BYTES
    return record


@inline
def write_instrument(engine: int, index: int, record: int) -> int:
    """Write an instrument's rules and state; returns the address behind it."""
    book = book_at(engine, index)
    instrument_snapshot.initialise(record)
    instrument_snapshot.set_instrument_id(record, load_i64(book + at.BOOK_INSTRUMENT_ID))
    instrument_snapshot.set_instrument_sequence(
        record, load_i64(book + at.BOOK_INSTRUMENT_SEQUENCE)
    )
    instrument_snapshot.set_minimum_price_units(
        record, load_i64(book + at.BOOK_MINIMUM_PRICE_UNITS)
    )
    instrument_snapshot.set_maximum_price_units(
        record, load_i64(book + at.BOOK_MAXIMUM_PRICE_UNITS)
    )
    instrument_snapshot.set_maximum_quantity_units(
        record, load_i64(book + at.BOOK_MAXIMUM_QUANTITY_UNITS)
    )
    instrument_snapshot.set_lot_units(record, load_i64(book + at.BOOK_LOT_UNITS))
    instrument_snapshot.set_tick_units(record, load_i64(book + at.BOOK_TICK_UNITS))
    instrument_snapshot.set_minimum_share_units(
        record, load_i64(book + at.BOOK_MINIMUM_SHARE_UNITS)
    )
    instrument_snapshot.set_batch_interval_ns(record, load_i64(book + at.BOOK_BATCH_INTERVAL_NS))
    instrument_snapshot.set_last_price_units(record, load_i64(book + at.BOOK_LAST_PRICE_UNITS))
    instrument_snapshot.set_trade_count(record, load_i64(book + at.BOOK_TRADE_COUNT))
    instrument_snapshot.set_divergence_count(record, load_i64(book + at.BOOK_DIVERGENCE_COUNT))
    instrument_snapshot.set_auction_end_ns(record, load_i64(book + at.BOOK_AUCTION_END_NS))
    instrument_snapshot.set_low_band_units(record, load_i64(book + at.BOOK_LOW_BAND_UNITS))
    instrument_snapshot.set_high_band_units(record, load_i64(book + at.BOOK_HIGH_BAND_UNITS))
    instrument_snapshot.set_dynamic_band_units(record, load_i64(book + at.BOOK_DYNAMIC_BAND_UNITS))
    instrument_snapshot.set_pause_ns(record, load_i64(book + at.BOOK_PAUSE_NS))
    instrument_snapshot.set_indicated_price_units(
        record, load_i64(book + at.BOOK_INDICATED_PRICE_UNITS)
    )
    instrument_snapshot.set_indicated_volume_units(
        record, load_i64(book + at.BOOK_INDICATED_VOLUME_UNITS)
    )
    instrument_snapshot.set_indicated_surplus_units(
        record, load_i64(book + at.BOOK_INDICATED_SURPLUS_UNITS)
    )
    instrument_snapshot.set_indication_interval_ns(
        record, load_i64(book + at.BOOK_INDICATION_INTERVAL_NS)
    )
    instrument_snapshot.set_indicated_ns(record, load_i64(book + at.BOOK_INDICATED_NS))
    instrument_snapshot.set_indication_due_ns(record, load_i64(book + at.BOOK_INDICATION_DUE_NS))
    instrument_snapshot.set_allocation(record, load_i64(book + at.BOOK_ALLOCATION))
    instrument_snapshot.set_phase(record, load_i64(book + at.BOOK_PHASE))
    instrument_snapshot.set_has_last(record, load_i64(book + at.BOOK_HAS_LAST))
    return record + instrument_snapshot.RECORD_BYTES


@inline
def write_terms(engine: int, slot: int, record: int) -> None:
    """Write what an order says beyond a plain one."""
    terms = terms_at(engine, slot)
    order_snapshot.set_visible_units(record, load_i64(terms + at.TERMS_VISIBLE_UNITS))
    order_snapshot.set_display_units(record, load_i64(terms + at.TERMS_DISPLAY_UNITS))
    order_snapshot.set_minimum_visible_units(
        record, load_i64(terms + at.TERMS_MINIMUM_VISIBLE_UNITS)
    )
    order_snapshot.set_minimum_units(record, load_i64(terms + at.TERMS_MINIMUM_UNITS))
    order_snapshot.set_stop_units(record, load_i64(terms + at.TERMS_STOP_UNITS))
    order_snapshot.set_offset_units(record, load_i64(terms + at.TERMS_OFFSET_UNITS))
    order_snapshot.set_limit_units(record, load_i64(terms + at.TERMS_LIMIT_UNITS))
    order_snapshot.set_expire_time_ns(record, load_i64(terms + at.TERMS_EXPIRE_TIME_NS))
    order_snapshot.set_group_id(record, load_i64(terms + at.TERMS_GROUP_ID))
    order_snapshot.set_basis_points(record, load_i32(terms + at.TERMS_BASIS_POINTS))
    order_snapshot.set_peg_reference(record, load_i32(terms + at.TERMS_PEG_REFERENCE))
    order_snapshot.set_self_trade_prevention(
        record, load_i32(terms + at.TERMS_SELF_TRADE_PREVENTION)
    )
    order_snapshot.set_group_role(record, load_i32(terms + at.TERMS_GROUP_ROLE))
    order_snapshot.set_has_stop(record, load_i32(terms + at.TERMS_HAS_STOP))
    order_snapshot.set_instructions(record, load_i32(terms + at.TERMS_INSTRUCTIONS))


@inline
def write_order(engine: int, slot: int, record: int) -> int:
    """Write a working order; returns the address behind it."""
    order = order_at(engine, slot)
    party = party_at(engine, slot)
    book = book_at(engine, load_i32(order + at.ORDER_BOOK) + 0)
    order_snapshot.initialise(record)
    order_snapshot.set_order_id(record, load_i64(order + at.ORDER_ORDER_ID))
    order_snapshot.set_price_units(record, load_i64(order + at.ORDER_PRICE_UNITS))
    order_snapshot.set_quantity_units(record, load_i64(order + at.ORDER_QUANTITY_UNITS))
    order_snapshot.set_leaves_units(record, load_i64(order + at.ORDER_LEAVES_UNITS))
    order_snapshot.set_instrument_id(record, load_i64(book + at.BOOK_INSTRUMENT_ID))
    order_snapshot.set_account_id(record, load_i32(order + at.ORDER_ACCOUNT_ID))
    order_snapshot.set_self_trade_group(record, load_i32(order + at.ORDER_SELF_TRADE_GROUP))
    order_snapshot.set_side(record, load_i16(order + at.ORDER_SIDE))
    order_snapshot.set_flags(record, load_u16(order + at.ORDER_FLAGS))
    client_order_id0 = load_i64(order + at.ORDER_CLIENT_ORDER_ID0)
    order_snapshot.set_client_order_id0(record, client_order_id0)
    copy_bytes(record + order_snapshot.OFFSET_CLIENT_ORDER_ID1, party, 24)
    order_snapshot.set_firm_id(record, load_u32(party + at.PARTY_FIRM_ID))
    order_snapshot.set_session_id(record, load_u32(party + at.PARTY_SESSION_ID))
    order_snapshot.set_trader_id(record, load_u32(party + at.PARTY_TRADER_ID))
    order_snapshot.set_strategy_id(record, load_u32(party + at.PARTY_STRATEGY_ID))
    order_snapshot.set_tag(record, load_u32(party + at.PARTY_TAG))
    order_snapshot.set_order_type(record, load_u16(party + at.PARTY_ORDER_TYPE))
    order_snapshot.set_time_in_force(record, load_u16(party + at.PARTY_TIME_IN_FORCE))
    if load_u16(order + at.ORDER_FLAGS) != 0:
        write_terms(engine, slot, record)
    return record + order_snapshot.RECORD_BYTES


@inline
def write_snapshot(engine: int, target: int) -> int:
    """Write a snapshot of `snapshot_bytes`; returns its length."""
    record = write_accounts(engine, write_engine(engine, target))
    instrument_count = load_i64(engine + at.HEADER_INSTRUMENT_COUNT)
    for index in range(1, instrument_count + 1):
        record = write_instrument(engine, index, record)
    for index in range(1, instrument_count + 1):
        for part in range(1, PARKED + 1):
            slot = first_order(engine, index, part)
            while slot != 0:
                record = write_order(engine, slot, record)
                slot = following_order(engine, slot)
    return record - target


@kernel("int64(int64)")
def engine_snapshot_bytes(engine: int) -> int:
    """`snapshot_bytes` for callers outside of kernels."""
    return snapshot_bytes(engine)


@kernel("int64(int64, int64)")
def engine_write_snapshot(engine: int, target: int) -> int:
    """`write_snapshot` for callers outside of kernels."""
    return write_snapshot(engine, target)
