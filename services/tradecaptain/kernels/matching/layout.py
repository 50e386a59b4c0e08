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
from tradecaptain.kernels.matching.records import (
    LINE_BYTES,
    in_lines,
    offset_of,
    words_of,
)
from tradecaptain.wire import order_command

I8: Final = "<i8"
I4: Final = "<i4"
RUNNERS: Final = 8

HEADER: Final[np.dtype[Any]] = np.dtype(
    [
        # Where the tables lie, in bytes from the start of the block.
        ("orders_offset", I8),
        ("neighbours_offset", I8),
        ("parties_offset", I8),
        ("levels_offset", I8),
        ("pages_offset", I8),
        ("nodes_offset", I8),
        ("books_offset", I8),
        ("instrument_index_offset", I8),
        ("account_sequences_offset", I8),
        ("vendor_buckets_offset", I8),
        ("spare_event_offset", I8),
        ("blank_command_offset", I8),
        ("total_command_offset", I8),
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
        ("order_bucket_half_mask", I8),
        ("order_buckets", I8),
        # How many slots may have been used before the table of order ids gets more buckets.
        ("order_bucket_room", I8),
        ("vendor_bucket_mask", I8),
        ("step_limit", I8),
        ("replay_account_id", I8),
        # Accounts whose orders may go the short way: those in the table but the replayed flow's.
        ("first_plain_account_id", I8),
        ("plain_account_ids", I8),
        # Free lists (LIFO) and the number of records that were ever used.
        ("free_order", I8),
        ("free_level", I8),
        ("idle_page", I8),
        ("free_node", I8),
        ("used_orders", I8),
        ("used_levels", I8),
        ("used_pages", I8),
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
        ("filter_accounts", I8),
        ("filter_reason", I8),
        ("affected_count", I8),
        ("answers_account_id", I8),
        ("answer_tag", I8),
        ("answer_time_ns", I8),
        # Level at which the order checked last would rest: 0 if none is there yet; UNKNOWN_LEVEL.
        ("found_level", I8),
        # What whoever judges an order before it enters works on, or 0: see plain_form.py.
        ("judge", I8),
        # Names that the commands at work have in common, their number, and whether there are any.
        ("run_names", I8, (6,)),
        ("names_number", I8),
        ("has_names", I8),
        # REPORT_FORM_…. Compact reports go into a ring; how many there were is the execution
        # sequence less `report_lag`: a report may stand for two events (see reports.py).
        ("report_form", I8),
        ("report_address", I8),
        ("report_mask", I8),
        ("report_lag", I8),
        # Tables of what isn't plain, and what is under way there.
        ("terms_offset", I8),
        ("group_buckets_offset", I8),
        ("account_tiers_offset", I8),
        ("fee_tiers_offset", I8),
        ("group_bucket_mask", I8),
        ("watch_count", I8),
        # Books whose waiting orders have to be looked at, and what follows then.
        ("work_book", I8),
        ("work_last", I8),
        ("after_work", I8),
        ("has_fees", I8),
        ("has_band_reference", I8),
        ("band_reference_units", I8),
        ("expiries", I8),
        ("next_timer_ns", I8),
        ("auction_price_units", I8),
        ("auction_left_units", I8),
        ("following_phase", I8),
        ("following_end_ns", I8),
        ("auction_surplus_units", I8),
        # The ring's own words (see rings.py), and up to which count of reports it has room for a
        # step, as far as is known.
        ("report_ring", I8),
        ("report_limit", I8),
        # Where an order's id comes from (ORDER_IDS_…), and what a replace says (REPLACES_…).
        ("order_ids", I8),
        ("replaces", I8),
        # Whether somebody before the engine knows positions, and so judges reduce-only orders.
        ("knows_positions", I8),
        # Number of the newest look for what an order needs at once: see makers.may_begin.
        ("look_number", I8),
        # Where a sweep notes whose end was told (TOLD records), or 0 if it tells of each end as the
        # order leaves; how many those are, how many of them have left, and of which event the first
        # was told. See sweep.py.
        ("told_table", I8),
        ("told_capacity", I8),
        ("told_count", I8),
        ("ended_count", I8),
        ("told_sequence", I8),
        ("sweep_stage", I8),
        # Orders of groups that the sweep has left for last.
        ("passed_over", I8),
        # Runners that ask memory for what the sweep comes to (RUNNER records), which is next, among
        # how many a side is shared, and what was begun at last: see walk_ahead.py.
        ("ahead_book", I8),
        ("ahead_side", I8),
        ("ahead_level", I8),
        ("ahead_share", I8),
        ("ahead_shares", I8),
        ("peg_limit", I8),
        ("hidden_limit", I8),
        ("runner", I8),
        ("runners", I8, (RUNNERS,)),
    ],
    align=True,
)

# The order that a runner asked for last, and the level behind.
RUNNER: Final[np.dtype[Any]] = np.dtype([("level", I4), ("slot", I4)], align=True)

# An order whose end was told, and the account's sequence of that event.
TOLD: Final[np.dtype[Any]] = np.dtype([("slot", I8), ("account_sequence", I8)], align=True)

# What an engine is made from: see state.MatchingCapacity for the meaning of each.
ENGINE_CONFIG: Final[np.dtype[Any]] = words_of(
    "orders levels instruments instrument_ids account_ids step_limit"
    " epoch replay_account_id report_form order_ids pegs hidden replaces"
)

# See state.InstrumentRules.
INSTRUMENT_RULES: Final[np.dtype[Any]] = words_of(
    "instrument_id minimum_price_units maximum_price_units maximum_quantity_units"
    " lot_units tick_units allocation minimum_share_units batch_interval_ns indication_interval_ns"
)

# One thing that happened, in a cache line. A trade is the taker's; the maker is its contra order.
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

# What most commands say: an order command's fields from its sequence on, where they lie there.
COMPACT_COMMAND: Final[np.dtype[Any]] = np.dtype(
    [
        ("sequence", I8),
        ("time_ns", I8),
        ("action", "<u2"),
        ("side", "<u2"),
        ("order_type", "<u2"),
        ("time_in_force", "<u2"),
        ("account_id", "<u4"),
        ("instrument_id", "<u4"),
        ("price_units", I8),
        ("quantity_units", I8),
        ("order_id", I8),
        ("client_order_id0", I8),
    ],
    align=True,
)


ORDER: Final[np.dtype[Any]] = in_lines(
    np.dtype(
        [
            ("order_id", I8),
            ("price_units", I8),
            ("quantity_units", I8),
            ("leaves_units", I8),
            ("level", I4),
            # The link to the next order of the same bucket of ids: see identity.py.
            ("chain", "<u4"),
            ("account_id", I4),
            ("book", I4),
            ("side", "<i2"),
            # FLAG_…; zero for a plain order.
            ("flags", "<u2"),
            ("self_trade_group", I4),
            ("client_order_id0", I8),
        ],
        align=True,
    )
)

# The orders behind and ahead of one in its queue; behind a free slot the next free one. They lie
# apart, so that an order comes and goes without the lines of its neighbours. So does the number of
# the names that its slot's party has, which outlives the order: see plain_compact.py.
NEIGHBOURS: Final[np.dtype[Any]] = np.dtype(
    [("next", I4), ("previous", I4), ("names_number", I8)], align=True
)


# What an order that isn't plain says beyond price and quantity; for a plain one it is never read.
TERMS: Final[np.dtype[Any]] = np.dtype(
    [
        # Iceberg: what is shown now, what it shows afresh, and when.
        ("visible_units", I8),
        ("display_units", I8),
        ("minimum_visible_units", I8),
        ("minimum_units", I8),
        ("stop_units", I8),
        # Distance of a trailing stop, or what is added to the reference of a peg.
        ("offset_units", I8),
        ("limit_units", I8),
        ("expire_time_ns", I8),
        ("group_id", I8),
        # What an allocation has given it.
        ("share_units", I8),
        ("has_stop", I4),
        ("basis_points", I4),
        ("peg_reference", I4),
        ("self_trade_prevention", I4),
        ("group_role", I4),
        ("instructions", I4),
        ("group_chain", I4),
        # Price up to which a trailing stop has followed.
        ("followed_units", I8),
        # Places in the heaps of triggers and of expiries.
        ("trigger_child", I4),
        ("trigger_next", I4),
        ("trigger_previous", I4),
        ("expiry_child", I4),
        ("expiry_next", I4),
        ("expiry_previous", I4),
        # Place in one further index of the instrument, and which one that is: see indexes.py.
        ("index_child", I4),
        ("index_next", I4),
        ("index_previous", I4),
        ("index_kind", I4),
    ],
    align=True,
)

# Its fields down to strategy_id lie as in commands and execution events; its last ones are a
# command's word.
PARTY: Final[np.dtype[Any]] = in_lines(
    np.dtype(
        [
            ("client_order_id1", I8),
            ("client_order_id2", I8),
            ("client_order_id3", I8),
            ("firm_id", I4),
            ("session_id", I4),
            ("trader_id", I4),
            ("strategy_id", I4),
            ("tag", I4),
            ("vendor_chain", I4),
            ("action", "<u2"),
            ("side", "<u2"),
            ("order_type", "<u2"),
            ("time_in_force", "<u2"),
        ],
        align=True,
    )
)

LEVEL: Final[np.dtype[Any]] = np.dtype(
    [
        ("price_units", I8),
        ("quantity_units", I8),
        ("order_count", I4),
        ("first", I4),
        ("last", I4),
        # The page of the price index that names it.
        ("page", I4),
        # What the public doesn't see of the totals above, and the first of its hidden orders.
        ("hidden_count", I4),
        ("first_hidden", I4),
        # Orders that set a condition, and orders whose price no peg follows.
        ("conditional_count", I4),
        ("hidden_units", I8),
        ("passive_count", I4),
    ],
    align=True,
)

PAGE_PRICES: Final = 64
# What is known of 64 prices of a side: see prices.py. Bits of ``bitmap`` say which have a level;
# they count from the best price, so that those of a bid are mirrored. ``levels`` names them.
PAGE: Final[np.dtype[Any]] = np.dtype(
    [
        ("bitmap", I8),
        ("first_units", I8),
        # Which side it is of: see prices.side_key.
        ("side_key", I4),
        # Node that names it: 0 if its side does.
        ("owner", I4),
        # Next of the pages that may be taken for other prices; PAGE_….
        ("next_idle", I4),
        ("state", "<i2"),
        ("mirror", "<i2"),
        ("levels", I4, (PAGE_PRICES,)),
    ],
    align=True,
)
# Whether a page may be taken for other prices, and whether nodes above lead to it: see prices.py.
PAGE_IDLE: Final = 1
PAGE_NOTED: Final = 2

# A branching node of the price index: see prices.py. The bits of ``kept`` say in the order of
# ``children`` which there are; those of ``bitmap``, which lead to a noted page, from the best price
# on.
NODE: Final[np.dtype[Any]] = np.dtype(
    [
        ("bitmap", I8),
        ("kept", I8),
        ("price_units", I8),
        ("shift", I4),
        ("owner", I4),
        ("children", I4, (64,)),
    ],
    align=True,
)

# Prices are only right where there is a level. The second is the one behind the best, 0 if unknown.
# The key tells a side from all others: see prices.side_key.
SIDE_BOOK: Final[np.dtype[Any]] = np.dtype(
    [
        ("best", I4),
        ("root", I4),
        ("best_units", I8),
        ("second", I4),
        ("key", I4),
        ("second_units", I8),
    ],
    align=True,
)

BOOK: Final[np.dtype[Any]] = in_lines(
    np.dtype(
        [
            # What plain orders need lies in two cache lines.
            ("instrument_id", I8),
            ("instrument_sequence", I8),
            ("bids", SIDE_BOOK),
            ("asks", SIDE_BOOK),
            # Orders of the ladder that plain matching can't treat; plus SPECIAL_BOOK if it can't
            # treat the instrument: any other phase or allocation, or a dynamic band.
            ("special", I8),
            # Number of orders that a change of the book may set off.
            ("watch_count", I8),
            # Limits of price and size, all rules taken together: see creation.note_plain_rules.
            ("plain_low_units", I8),
            ("plain_high_units", I8),
            ("plain_quantity_units", I8),
            ("index", I8),
            ("last_price_units", I8),
            ("has_last", I8),
            ("trade_count", I8),
            ("minimum_price_units", I8),
            ("maximum_price_units", I8),
            ("low_band_units", I8),
            ("high_band_units", I8),
            ("maximum_quantity_units", I8),
            ("lot_units", I8),
            ("tick_units", I8),
            ("divergence_count", I8),
            ("allocation", I8),
            ("minimum_share_units", I8),
            ("batch_interval_ns", I8),
            ("phase", I8),
            ("auction_end_ns", I8),
            ("dynamic_band_units", I8),
            ("pause_ns", I8),
            # What the auction would do now, as it was published.
            ("indicated_price_units", I8),
            ("indicated_volume_units", I8),
            ("indicated_surplus_units", I8),
            # When the last indication was, and when one that was held back is due.
            ("indication_interval_ns", I8),
            ("indicated_ns", I8),
            ("indication_due_ns", I8),
            # Whether, and at which best levels, the book was looked at: see uncrossing.py.
            ("looked_at", I8, (5,)),
            # Orders that wait outside of the ladder, in order of entry.
            ("parked_first", I4),
            ("parked_last", I4),
            ("parked_count", I4),
            ("ready_count", I4),
            ("conditional_count", I4),
            ("hidden_count", I4),
            ("peg_count", I4),
            ("buy_triggers", I4),
            ("sell_triggers", I4),
            # Market orders among those that wait, for the next auction.
            ("market_count", I4),
            # Indexes of the orders above, by kind: see indexes.py.
            ("buy_trails", I4),
            ("sell_trails", I4),
            ("bid_pegs", I4),
            ("ask_pegs", I4),
            ("middle_pegs", I4),
            ("moved_pegs", I4),
            ("ready_orders", I4),
            ("first_market_buy", I4),
            ("last_market_buy", I4),
            ("first_market_sell", I4),
            ("last_market_sell", I4),
            ("first_conditional", I4),
            ("last_conditional", I4),
            # Orders of groups in the ladder, and those that are for one kind of auction alone.
            ("grouped_count", I4),
            ("at_open_count", I4),
            ("at_close_count", I4),
            # Best prices that pegs were last held against: KNOWN, ABSENT, or neither at first.
            ("peg_bid_state", I4),
            ("peg_ask_state", I4),
            ("peg_bid_units", I8),
            ("peg_ask_units", I8),
        ],
        align=True,
    )
)


HEADER_BYTES: Final = HEADER.itemsize
ORDER_BYTES: Final = ORDER.itemsize
NEIGHBOURS_BYTES: Final = NEIGHBOURS.itemsize
PARTY_BYTES: Final = PARTY.itemsize
PARTY_NAMES_BYTES: Final = offset_of(PARTY, "tag")
TERMS_BYTES: Final = TERMS.itemsize
LEVEL_BYTES: Final = LEVEL.itemsize
PAGE_BYTES: Final = PAGE.itemsize
NODE_BYTES: Final = NODE.itemsize
SIDE_BOOK_BYTES: Final = SIDE_BOOK.itemsize
BOOK_BYTES: Final = BOOK.itemsize
REPORT_BYTES: Final = REPORT.itemsize
TOLD_BYTES: Final = TOLD.itemsize
RUNNER_BYTES: Final = RUNNER.itemsize
COMPACT_COMMAND_BYTES: Final = COMPACT_COMMAND.itemsize
COMPACT_FIRST_BYTE: Final = order_command.OFFSET_SEQUENCE
"""Where an order command's record holds what a compact command says."""

# Wire records of both streams, or compact reports of executions alone.
REPORT_FORM_WIRE: Final = 0
REPORT_FORM_COMPACT: Final = 1

# The engine gives order ids out; or a new order's client_order_id0 is its id, if that is unique.
ORDER_IDS_ENGINE: Final = 0
ORDER_IDS_CLIENT: Final = 1

# The quantity of a replace is the order's new total, or what is to be open from now on.
REPLACES_TOTAL: Final = 0
REPLACES_OPEN: Final = 1

# Phases of what is under way between two calls.
PHASE_IDLE: Final = 0
PHASE_FILL_OR_KILL: Final = 1
PHASE_MATCH: Final = 2
PHASE_MASS_CANCEL: Final = 3
PHASE_STATUS: Final = 4
PHASE_SPECIAL: Final = 5
PHASE_SHARE: Final = 6
PHASE_WORK: Final = 7
PHASE_UNCROSS: Final = 8
PHASE_CLOSE_AUCTION: Final = 9
PHASE_END_OF_DAY: Final = 10
PHASE_TIMER: Final = 11
PHASE_FILTERED: Final = 12

# An order's flags.
FLAG_HIDDEN: Final = 1
FLAG_ICEBERG: Final = 2
FLAG_CONDITIONAL: Final = 4
FLAG_GROUPED: Final = 8
FLAG_PEGGED: Final = 16
FLAG_TIMED: Final = 32
FLAG_STOP: Final = 64
FLAG_TRAILING: Final = 128
FLAG_PARKED: Final = 256
FLAG_PRICELESS: Final = 512
FLAG_READY: Final = 1_024
FLAG_ASLEEP: Final = 2_048
FLAG_DOOMED: Final = 4_096
FLAG_POST_ONLY: Final = 8_192
FLAG_AUCTION_ONLY: Final = 16_384
FLAG_OWN_RULES: Final = 32_768
"""Self-trade prevention other than by group and newest, or another rule in its terms."""
SPECIAL_FLAGS: Final = (
    FLAG_HIDDEN | FLAG_ICEBERG | FLAG_CONDITIONAL | FLAG_GROUPED | FLAG_PEGGED | FLAG_AUCTION_ONLY
)
"""What plain matching can't treat where it rests."""
SPECIAL_BOOK: Final = 1 << 40

CONDITIONAL_LIMIT: Final = 256
"""Resting orders of an instrument that set a condition: a command may have to look at them all."""

FEE_TIERS: Final = 16
FEE_TIER_BYTES: Final = 24

UNKNOWN_LEVEL: Final = -1

# Events of a step beyond its trades or cancels: answers, two groups, two icebergs.
EXTRA_EVENTS: Final = 22

# Pages of the price index that were used of late: see levels.py. A power of two.
RECENT_PAGES: Final = 4_096
# Buckets that the table of order ids begins with, and how many there are for an order later, while
# the table is small and when it isn't: see identity.py. Powers of two.
FIRST_ORDER_BUCKETS: Final = 1_024
ROOMY_BUCKETS: Final = 16_384
ROOMY_BUCKETS_PER_ORDER: Final = 8
BUCKETS_PER_ORDER: Final = 2
RECENT_PAGES_AT: Final = -(-HEADER_BYTES // LINE_BYTES) * LINE_BYTES
ORDER_BUCKETS_AT: Final = RECENT_PAGES_AT + RECENT_PAGES * 4

# What a call answers.
DONE: Final = 0
MORE: Final = 1

# Number of no names at all. Those of others follow, even ones: see plain_compact.py.
FIRST_NAMES: Final = 2

# Epoch and count share an id: 2^40 ids an epoch.
IDENTITY_BITS: Final = 40
INT64_MAXIMUM: Final = (1 << 63) - 1
INT64_MINIMUM: Final = -(1 << 63)
NANOSECONDS_A_DAY: Final = 86_400_000_000_000
