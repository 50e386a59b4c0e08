"""An engine's block from its configuration: how long it must be, and its first state.

Plain numbers in, plain numbers out, so that a C program makes an engine in the same way.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.identity import (
    SLOT_MASK,
    set_order_bucket_mask,
    set_order_buckets,
)
from tradecaptain.kernels.matching.layout import (
    BOOK_BYTES,
    BUCKETS_PER_ORDER,
    FEE_TIER_BYTES,
    FEE_TIERS,
    FIRST_NAMES,
    FIRST_ORDER_BUCKETS,
    IDENTITY_BITS,
    INT64_MAXIMUM,
    INT64_MINIMUM,
    LEVEL_BYTES,
    NEIGHBOURS_BYTES,
    NODE_BYTES,
    ORDER_BUCKETS_AT,
    ORDER_BYTES,
    ORDER_IDS_CLIENT,
    PAGE_BYTES,
    PAGE_NOTED,
    PARTY_BYTES,
    REPLACES_OPEN,
    REPORT_FORM_COMPACT,
    SPECIAL_BOOK,
    TERMS_BYTES,
)
from tradecaptain.kernels.matching.levels import set_best, worst_units
from tradecaptain.kernels.matching.prices import PAGE_MASK, change_state, page_at, set_side_key
from tradecaptain.kernels.matching.records import LINE_BYTES
from tradecaptain.kernels.matching.tables import book_at
from tradecaptain.kernels.matching.terms import watch
from tradecaptain.wire import common, execution_event, order_command, reason

LARGEST_CAPACITY = SLOT_MASK
LARGEST_STEP_LIMIT = 1_024
LARGEST_EPOCH = (1 << (63 - IDENTITY_BITS)) - 1
SPARE_BYTES = 2 * execution_event.RECORD_BYTES
"""Room for an event that nobody reads, or for two records of a snapshot."""


@inline
def power_of_two(at_least: int) -> int:
    """The smallest power of two that is not less than a number of at most 2^62."""
    power = 1
    while power < at_least:
        power = power * 2
    return power


@inline
def is_within(config: int, field: int, lowest: int, highest: int) -> bool:
    """Whether a field of a configuration (by its addresses) lies in a range."""
    value = load_i64(config + field)
    return lowest <= value <= highest


@inline
def invalid_field(config: int) -> int:
    """Number of the first field of a configuration that can't be, counted from 1; or 0."""
    for index in range(at.CONFIG_ACCOUNT_IDS // 8 + 1):
        if not is_within(config, index * 8, 1, LARGEST_CAPACITY):
            return index + 1
    if not is_within(config, at.CONFIG_STEP_LIMIT, 1, LARGEST_STEP_LIMIT):
        return at.CONFIG_STEP_LIMIT // 8 + 1
    if not is_within(config, at.CONFIG_EPOCH, 1, LARGEST_EPOCH):
        return at.CONFIG_EPOCH // 8 + 1
    if not is_within(config, at.CONFIG_REPORT_FORM, 0, REPORT_FORM_COMPACT):
        return at.CONFIG_REPORT_FORM // 8 + 1
    if not is_within(config, at.CONFIG_ORDER_IDS, 0, ORDER_IDS_CLIENT):
        return at.CONFIG_ORDER_IDS // 8 + 1
    for field in (at.CONFIG_PEGS, at.CONFIG_HIDDEN):
        if not is_within(config, field, 0, LARGEST_CAPACITY):
            return field // 8 + 1
    if not is_within(config, at.CONFIG_REPLACES, 0, REPLACES_OPEN):
        return at.CONFIG_REPLACES // 8 + 1
    return 0


@inline
def place_table(engine: int, field: int, start: int, size: int) -> int:
    """Note where a table begins (unless ``engine`` is 0); returns where the next one may."""
    if engine != 0:
        store_i64(engine + field, start)
    return (start + size + LINE_BYTES - 1) // LINE_BYTES * LINE_BYTES


@inline
def order_buckets(orders: int) -> int:
    """Buckets that the table of order ids may come to, for a power of two of orders."""
    return max(orders * BUCKETS_PER_ORDER, FIRST_ORDER_BUCKETS)


@inline
def place_tables(engine: int, config: int) -> int:
    """Lay out the tables of an engine, or only measure them if ``engine`` is 0: bytes in all."""
    orders = load_i64(config + at.CONFIG_ORDERS) + 1
    levels = load_i64(config + at.CONFIG_LEVELS) + 1
    books = load_i64(config + at.CONFIG_INSTRUMENTS) + 1
    buckets = power_of_two(orders - 1)
    end = place_table(0, 0, ORDER_BUCKETS_AT, order_buckets(buckets) * 4)
    end = place_table(engine, at.HEADER_SPARE_EVENT_OFFSET, end, SPARE_BYTES)
    end = place_table(engine, at.HEADER_BLANK_COMMAND_OFFSET, end, order_command.RECORD_BYTES)
    end = place_table(engine, at.HEADER_TOTAL_COMMAND_OFFSET, end, order_command.RECORD_BYTES)
    end = place_table(engine, at.HEADER_VENDOR_BUCKETS_OFFSET, end, buckets * 4)
    end = place_table(
        engine,
        at.HEADER_INSTRUMENT_INDEX_OFFSET,
        end,
        load_i64(config + at.CONFIG_INSTRUMENT_IDS) * 4,
    )
    end = place_table(
        engine,
        at.HEADER_ACCOUNT_SEQUENCES_OFFSET,
        end,
        load_i64(config + at.CONFIG_ACCOUNT_IDS) * 8,
    )
    end = place_table(engine, at.HEADER_BOOKS_OFFSET, end, books * BOOK_BYTES)
    end = place_table(engine, at.HEADER_ORDERS_OFFSET, end, orders * ORDER_BYTES)
    end = place_table(engine, at.HEADER_NEIGHBOURS_OFFSET, end, orders * NEIGHBOURS_BYTES)
    end = place_table(engine, at.HEADER_PARTIES_OFFSET, end, orders * PARTY_BYTES)
    end = place_table(engine, at.HEADER_TERMS_OFFSET, end, orders * TERMS_BYTES)
    end = place_table(engine, at.HEADER_GROUP_BUCKETS_OFFSET, end, buckets * 4)
    end = place_table(
        engine,
        at.HEADER_ACCOUNT_TIERS_OFFSET,
        end,
        load_i64(config + at.CONFIG_ACCOUNT_IDS) * 4,
    )
    end = place_table(engine, at.HEADER_FEE_TIERS_OFFSET, end, FEE_TIERS * FEE_TIER_BYTES)
    end = place_table(engine, at.HEADER_LEVELS_OFFSET, end, levels * LEVEL_BYTES)
    end = place_table(engine, at.HEADER_PAGES_OFFSET, end, levels * PAGE_BYTES)
    return place_table(engine, at.HEADER_NODES_OFFSET, end, levels * NODE_BYTES)


@inline
def note_plain_accounts(engine: int) -> None:
    """Note the longer run of known accounts without that of the replayed flow.

    Those of the shorter run are only slower: they go the general way.
    """
    limit = load_i64(engine + at.HEADER_ACCOUNT_ID_LIMIT)
    replay_account_id = load_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID)
    is_low = 2 * replay_account_id < limit
    first = max(replay_account_id + 1, 1) if is_low else 1
    store_i64(engine + at.HEADER_FIRST_PLAIN_ACCOUNT_ID, first)
    end = limit if is_low else min(replay_account_id, limit)
    store_i64(engine + at.HEADER_PLAIN_ACCOUNT_IDS, max(end - first, 0))


@inline
def create_engine(engine: int, config: int) -> None:
    """Make an empty engine in zeroed memory of `place_tables` bytes, from a valid configuration."""
    store_i64(engine + at.HEADER_BLOCK_BYTES, place_tables(engine, config))
    orders = load_i64(config + at.CONFIG_ORDERS)
    levels = load_i64(config + at.CONFIG_LEVELS)
    epoch = load_i64(config + at.CONFIG_EPOCH)
    buckets = power_of_two(orders)
    store_i64(engine + at.HEADER_ORDER_CAPACITY, orders)
    store_i64(engine + at.HEADER_LEVEL_CAPACITY, levels)
    store_i64(engine + at.HEADER_NODE_CAPACITY, levels)
    store_i64(engine + at.HEADER_INSTRUMENT_CAPACITY, load_i64(config + at.CONFIG_INSTRUMENTS))
    store_i64(engine + at.HEADER_INSTRUMENT_ID_LIMIT, load_i64(config + at.CONFIG_INSTRUMENT_IDS))
    store_i64(engine + at.HEADER_ACCOUNT_ID_LIMIT, load_i64(config + at.CONFIG_ACCOUNT_IDS))
    store_i64(engine + at.HEADER_ORDER_BUCKET_CAPACITY, order_buckets(buckets))
    set_order_bucket_mask(engine, 2 * FIRST_ORDER_BUCKETS - 1)
    set_order_buckets(engine, FIRST_ORDER_BUCKETS)
    store_i64(engine + at.HEADER_VENDOR_BUCKET_MASK, buckets - 1)
    store_i64(engine + at.HEADER_GROUP_BUCKET_MASK, buckets - 1)
    store_i64(engine + at.HEADER_NEXT_TIMER_NS, INT64_MAXIMUM)
    store_i64(engine + at.HEADER_STEP_LIMIT, load_i64(config + at.CONFIG_STEP_LIMIT))
    for field, limit in (
        (at.CONFIG_PEGS, at.HEADER_PEG_LIMIT),
        (at.CONFIG_HIDDEN, at.HEADER_HIDDEN_LIMIT),
    ):
        most = load_i64(config + field)
        store_i64(engine + limit, most if most != 0 else INT64_MAXIMUM)
    store_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID, load_i64(config + at.CONFIG_REPLAY_ACCOUNT_ID))
    note_plain_accounts(engine)
    # The null page stands behind the first level of a side, and isn't to be noted then.
    change_state(page_at(engine, 0), 0, PAGE_NOTED)
    store_i64(engine + at.HEADER_EPOCH, epoch)
    store_i64(engine + at.HEADER_IDENTITY_BASE, epoch << IDENTITY_BITS)
    store_i64(engine + at.HEADER_REPORT_FORM, load_i64(config + at.CONFIG_REPORT_FORM))
    store_i64(engine + at.HEADER_ORDER_IDS, load_i64(config + at.CONFIG_ORDER_IDS))
    store_i64(engine + at.HEADER_NAMES_NUMBER, FIRST_NAMES)
    store_i64(engine + at.HEADER_REPLACES, load_i64(config + at.CONFIG_REPLACES))
    # No ring yet, and so no room.
    store_i64(engine + at.HEADER_REPORT_LIMIT, -1)


@inline
def note_plain_rules(book: int) -> None:
    """Take what limits the numbers of a plain order of a book (by its address) together.

    Where sizes or prices come in steps, no number is plain; nor is a price at the edge of int64
    (`levels.reaches_side`).
    """
    low_units = max(
        load_i64(book + at.BOOK_MINIMUM_PRICE_UNITS),
        load_i64(book + at.BOOK_LOW_BAND_UNITS),
        INT64_MINIMUM + 1,
    )
    high_units = min(
        load_i64(book + at.BOOK_MAXIMUM_PRICE_UNITS),
        load_i64(book + at.BOOK_HIGH_BAND_UNITS),
        INT64_MAXIMUM - 1,
    )
    has_steps = load_i64(book + at.BOOK_LOT_UNITS) | load_i64(book + at.BOOK_TICK_UNITS) != 1
    quantity_units = 0 if has_steps else load_i64(book + at.BOOK_MAXIMUM_QUANTITY_UNITS)
    store_i64(book + at.BOOK_PLAIN_LOW_UNITS, low_units)
    store_i64(book + at.BOOK_PLAIN_HIGH_UNITS, high_units)
    store_i64(book + at.BOOK_PLAIN_QUANTITY_UNITS, quantity_units)


@inline
def set_trading(engine: int, book: int, rules: int) -> None:
    """How a new book (by its address) trades; a book that isn't plain is marked as special.

    A book of batch auctions collects from the start; its first auction is due at once. Whatever
    changes a book that filters and uncrosses may set that off.
    """
    allocation = load_i64(rules + at.RULES_ALLOCATION)
    store_i64(book + at.BOOK_TICK_UNITS, load_i64(rules + at.RULES_TICK_UNITS))
    store_i64(book + at.BOOK_ALLOCATION, allocation)
    store_i64(book + at.BOOK_MINIMUM_SHARE_UNITS, load_i64(rules + at.RULES_MINIMUM_SHARE_UNITS))
    store_i64(book + at.BOOK_BATCH_INTERVAL_NS, load_i64(rules + at.RULES_BATCH_INTERVAL_NS))
    store_i64(
        book + at.BOOK_INDICATION_INTERVAL_NS, load_i64(rules + at.RULES_INDICATION_INTERVAL_NS)
    )
    store_i64(book + at.BOOK_LOW_BAND_UNITS, INT64_MINIMUM)
    store_i64(book + at.BOOK_HIGH_BAND_UNITS, INT64_MAXIMUM)
    store_i64(book + at.BOOK_PHASE, common.TRADING_PHASE_CONTINUOUS)
    if allocation != common.ALLOCATION_PRICE_TIME:
        store_i64(book + at.BOOK_SPECIAL, SPECIAL_BOOK)
    if allocation == common.ALLOCATION_BATCH_AUCTION:
        store_i64(book + at.BOOK_PHASE, common.TRADING_PHASE_INTRADAY_AUCTION)
        store_i64(book + at.BOOK_AUCTION_END_NS, 1)
        store_i64(engine + at.HEADER_NEXT_TIMER_NS, 1)
    if (
        allocation == common.ALLOCATION_BATCH_AUCTION
        or allocation == common.ALLOCATION_FILTER_AND_UNCROSS
    ):
        watch(engine, book, 1)


@inline
def are_consistent(rules: int) -> bool:
    """Whether the rules of a new instrument don't contradict each other."""
    allocation = load_i64(rules + at.RULES_ALLOCATION)
    return (
        load_i64(rules + at.RULES_LOT_UNITS) >= 1
        and load_i64(rules + at.RULES_TICK_UNITS) >= 1
        and load_i64(rules + at.RULES_MAXIMUM_QUANTITY_UNITS) >= 1
        and load_i64(rules + at.RULES_MINIMUM_PRICE_UNITS)
        <= load_i64(rules + at.RULES_MAXIMUM_PRICE_UNITS)
        and load_i64(rules + at.RULES_MINIMUM_SHARE_UNITS) >= 0
        and load_i64(rules + at.RULES_INDICATION_INTERVAL_NS) >= 0
        and common.ALLOCATION_PRICE_TIME <= allocation <= common.ALLOCATION_FILTER_AND_UNCROSS
        and (
            allocation != common.ALLOCATION_BATCH_AUCTION
            or load_i64(rules + at.RULES_BATCH_INTERVAL_NS) > 0
        )
    )


@inline
def open_book(engine: int, instrument_id: int) -> int:
    """Give an instrument the next book; returns its index, or minus the reason why not."""
    index = load_i64(engine + at.HEADER_INSTRUMENT_COUNT) + 1
    if index > load_i64(engine + at.HEADER_INSTRUMENT_CAPACITY):
        return -reason.REASON_CAPACITY_EXHAUSTED
    if instrument_id < 1 or instrument_id >= load_i64(engine + at.HEADER_INSTRUMENT_ID_LIMIT):
        return -reason.REASON_UNKNOWN_INSTRUMENT
    entry = engine + load_i64(engine + at.HEADER_INSTRUMENT_INDEX_OFFSET) + instrument_id * 4
    if load_i32(entry) != 0:
        return -reason.REASON_DUPLICATE_INSTRUMENT
    book = book_at(engine, index)
    store_i64(book + at.BOOK_INSTRUMENT_ID, instrument_id)
    store_i64(book + at.BOOK_INDEX, index)
    set_side_key(engine, book + at.BOOK_BIDS)
    set_side_key(engine, book + at.BOOK_ASKS)
    set_best(book + at.BOOK_BIDS, 0, worst_units(PAGE_MASK))
    set_best(book + at.BOOK_ASKS, 0, worst_units(0))
    store_i32(entry, index)
    store_i64(engine + at.HEADER_INSTRUMENT_COUNT, index)
    return index


@inline
def add_book(engine: int, rules: int) -> int:
    """Open an empty book for an instrument; returns its index, or minus the reason why not."""
    if not are_consistent(rules):
        return -reason.REASON_INVALID_INSTRUMENT_RULES
    index = open_book(engine, load_i64(rules + at.RULES_INSTRUMENT_ID))
    if index < 0:
        return index
    book = book_at(engine, index)
    store_i64(book + at.BOOK_MINIMUM_PRICE_UNITS, load_i64(rules + at.RULES_MINIMUM_PRICE_UNITS))
    store_i64(book + at.BOOK_MAXIMUM_PRICE_UNITS, load_i64(rules + at.RULES_MAXIMUM_PRICE_UNITS))
    store_i64(
        book + at.BOOK_MAXIMUM_QUANTITY_UNITS, load_i64(rules + at.RULES_MAXIMUM_QUANTITY_UNITS)
    )
    store_i64(book + at.BOOK_LOT_UNITS, load_i64(rules + at.RULES_LOT_UNITS))
    set_trading(engine, book, rules)
    note_plain_rules(book)
    return index
