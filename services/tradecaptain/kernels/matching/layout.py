"""Layout of a matching engine: one block of memory that holds everything the engine knows.

The block begins with one ``HEADER`` record; behind it lie the tables, each a run of records whose
length is fixed when the engine is allocated. Records name each other by index, and a table's place
is kept as a distance from the start of the block, so a block may be moved or copied as a whole.
Index 0 of orders, levels, nodes and instruments is never used: zero means "none".

``ORDER`` is what matching touches (one cache line); ``PARTY`` holds what only reports need.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

I8: Final = "<i8"
I4: Final = "<i4"

HEADER: Final[np.dtype[Any]] = np.dtype(
    [
        # Where the tables lie, in bytes from the start of the block.
        ("orders_offset", I8),
        ("parties_offset", I8),
        ("levels_offset", I8),
        ("nodes_offset", I8),
        ("books_offset", I8),
        ("instrument_index_offset", I8),
        ("account_sequences_offset", I8),
        ("order_buckets_offset", I8),
        ("vendor_buckets_offset", I8),
        ("spare_event_offset", I8),
        ("recent_levels_offset", I8),
        ("block_bytes", I8),
        # Capacities, in records; buckets are powers of two and kept as masks.
        ("order_capacity", I8),
        ("level_capacity", I8),
        ("node_capacity", I8),
        ("instrument_capacity", I8),
        ("instrument_id_limit", I8),
        ("account_id_limit", I8),
        ("order_bucket_capacity", I8),
        ("order_bucket_mask", I8),
        ("order_buckets_split", I8),
        ("vendor_bucket_mask", I8),
        ("step_limit", I8),
        ("replay_account_id", I8),
        # Free lists (LIFO) and the number of records that were ever used.
        ("free_order", I8),
        ("free_level", I8),
        ("free_node", I8),
        ("used_orders", I8),
        ("used_levels", I8),
        ("used_nodes", I8),
        ("order_count", I8),
        ("level_count", I8),
        ("instrument_count", I8),
        # Identity counters. An id is the epoch shifted up plus a count.
        ("epoch", I8),
        ("identity_base", I8),
        ("last_order_number", I8),
        ("last_match_number", I8),
        ("execution_sequence", I8),
        ("book_sequence", I8),
        # The command at work.
        ("command_sequence", I8),
        ("time_ns", I8),
        ("trade_date", I8),
        ("trade_date_start_ns", I8),
        ("trade_date_end_ns", I8),
        # Where events go: record k lies at address + k * stride.
        ("execution_address", I8),
        ("execution_stride", I8),
        ("execution_count", I8),
        ("book_address", I8),
        ("book_stride", I8),
        ("book_count", I8),
        # What is under way between two calls.
        ("phase", I8),
        ("taker", I8),
        ("missing_units", I8),
        ("cursor_level", I8),
        ("cursor_units", I8),
        ("cursor_book", I8),
        ("cursor_side", I8),
        ("cursor_order", I8),
        ("filter_firm_id", I8),
        ("filter_account_id", I8),
        ("filter_strategy_id", I8),
        ("filter_session_id", I8),
        ("filter_book", I8),
        ("filter_side", I8),
        ("filter_reason", I8),
        ("affected_count", I8),
        ("answers_account_id", I8),
        ("answer_tag", I8),
        ("answer_time_ns", I8),
        # Level at which the order that was checked last would rest: 0 if there is none yet, or
        # UNKNOWN_LEVEL. Nothing happens to its side before it rests.
        ("found_level", I8),
        # How what happens is reported (REPORT_FORM_…). Compact reports go into a ring of 64-byte
        # records, at `report_count & report_mask`; the count is never set back.
        ("report_form", I8),
        ("report_address", I8),
        ("report_mask", I8),
        ("report_count", I8),
    ],
    align=True,
)

# One thing that happened, in a cache line: what a program that embeds the engine reads. A trade is
# one report, of the taker; the maker is its contra order.
REPORT: Final[np.dtype[Any]] = np.dtype(
    [
        ("sequence", I8),
        ("command_sequence", I8),
        ("order_id", I8),
        ("contra_order_id", I8),
        ("price_units", I8),
        ("quantity_units", I8),
        ("leaves_units", I8),
        ("execution_type", "<u2"),
        ("side", "<u2"),
        ("reason", "<u2"),
        ("order_status", "<u2"),
    ],
    align=True,
)

ORDER: Final[np.dtype[Any]] = np.dtype(
    [
        ("order_id", I8),
        ("price_units", I8),
        ("leaves_units", I8),
        ("quantity_units", I8),
        ("next", I4),
        ("previous", I4),
        ("level", I4),
        ("chain", I4),
        ("account_id", I4),
        ("book", I4),
        ("side", I4),
        ("self_trade_group", I4),
    ],
    align=True,
)

PARTY: Final[np.dtype[Any]] = np.dtype(
    [
        ("client_order_id0", I8),
        ("client_order_id1", I8),
        ("client_order_id2", I8),
        ("client_order_id3", I8),
        ("firm_id", I4),
        ("session_id", I4),
        ("trader_id", I4),
        ("strategy_id", I4),
        ("tag", I4),
        ("order_type", I4),
        ("time_in_force", I4),
        ("vendor_chain", I4),
        ("send_time_ns", I8),
        ("reserved", I8),
    ],
    align=True,
)

LEVEL: Final[np.dtype[Any]] = np.dtype(
    [
        ("price_units", I8),
        ("quantity_units", I8),
        ("order_count", I4),
        ("first", I4),
        ("last", I4),
        ("better", I4),
        ("worse", I4),
        ("side_key", I4),
        ("reserved", I4, (6,)),
    ],
    align=True,
)

# A branching node of the price index: see prices.py. ``children`` is addressed by hand.
NODE: Final[np.dtype[Any]] = np.dtype(
    [
        ("bitmap", I8),
        ("price_units", I8),
        ("shift", I4),
        ("child_count", I4),
        ("reserved", I8),
        ("children", I4, (64,)),
    ],
    align=True,
)

SIDE_BOOK: Final[np.dtype[Any]] = np.dtype(
    [("best", I4), ("root", I4), ("level_count", I4), ("order_count", I4)], align=True
)

BOOK: Final[np.dtype[Any]] = np.dtype(
    [
        ("instrument_id", I8),
        ("instrument_sequence", I8),
        ("bids", SIDE_BOOK),
        ("asks", SIDE_BOOK),
        ("minimum_price_units", I8),
        ("maximum_price_units", I8),
        ("maximum_quantity_units", I8),
        ("lot_units", I8),
        ("last_price_units", I8),
        ("trade_count", I8),
        ("divergence_count", I8),
        ("reserved", I8, (3,)),
    ],
    align=True,
)


def offset_of(dtype: np.dtype[Any], field: str) -> int:
    """Byte offset of ``field`` from the start of its record."""
    fields = dtype.fields
    if fields is None:
        raise TypeError(f"{dtype} has no fields")
    return int(fields[field][1])


HEADER_BYTES: Final = HEADER.itemsize
ORDER_BYTES: Final = ORDER.itemsize
PARTY_BYTES: Final = PARTY.itemsize
LEVEL_BYTES: Final = LEVEL.itemsize
NODE_BYTES: Final = NODE.itemsize
BOOK_BYTES: Final = BOOK.itemsize
REPORT_BYTES: Final = REPORT.itemsize

# Wire records of both streams, or compact reports of executions alone.
REPORT_FORM_WIRE: Final = 0
REPORT_FORM_COMPACT: Final = 1

# Phases of what is under way between two calls.
PHASE_IDLE: Final = 0
PHASE_FILL_OR_KILL: Final = 1
PHASE_MATCH: Final = 2
PHASE_MASS_CANCEL: Final = 3
PHASE_STATUS: Final = 4

UNKNOWN_LEVEL: Final = -1

# Levels looked up of late, by price: see levels.py. A power of two.
RECENT_LEVELS: Final = 4_096
# Buckets that the table of order ids begins with: see identity.py. A power of two.
FIRST_ORDER_BUCKETS: Final = 1_024

# What a call answers.
DONE: Final = 0
MORE: Final = 1

# Epoch and count share an id: 2^40 ids an epoch.
IDENTITY_BITS: Final = 40
INT64_MAXIMUM: Final = (1 << 63) - 1
INT64_MINIMUM: Final = -(1 << 63)
NANOSECONDS_A_DAY: Final = 86_400_000_000_000
