"""Records of the collector's agent: tracks, published instruments, counters."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

# A track is one source of messages that is played at its own pace: a ring between the thread that
# decodes and the agent. Only the decoder writes `ring_tail`, only the agent `ring_head`.
TRACK_DTYPE = np.dtype(
    [
        ("ring_offset", "i8"),
        ("ring_capacity", "i8"),  # a power of two
        ("ring_head", "i8"),
        ("ring_tail", "i8"),
        ("speed_numerator", "i8"),  # source seconds a second; zero plays as fast as possible
        ("speed_denominator", "i8"),
        ("anchor_source_ns", "i8"),  # source time that was played at anchor_wall_ns
        ("anchor_wall_ns", "i8"),
        ("is_anchored", "i8"),
        ("message_count", "i8"),
        ("misfit_count", "i8"),
        ("paused_count", "i8"),  # turns in which back-pressure held the track
        ("tail_address", "i8"),  # of ring_tail and ring_head, for access with order between threads
        ("head_address", "i8"),
    ],
    align=True,
)

PUBLISHED_DTYPE = np.dtype(
    [
        ("instrument_id", "i8"),
        ("source", "i8"),
        ("instrument_sequence", "i8"),
        ("bid_price_units", "i8"),  # the quote that was published last
        ("bid_quantity_units", "i8"),
        ("ask_price_units", "i8"),
        ("ask_quantity_units", "i8"),
        ("last_price_units", "i8"),
        ("last_quantity_units", "i8"),
        ("has_gap", "i8"),
        ("trade_count", "i8"),
        ("reserved", "i8"),
    ],
    align=True,
)

# What any process may read about an instrument from the shared-memory cache.
LAST_VALUE_DTYPE = np.dtype(
    [
        ("instrument_id", "i8"),
        ("epoch", "i8"),
        ("instrument_sequence", "i8"),
        ("event_time_ns", "i8"),
        ("publish_time_ns", "i8"),
        ("bid_price_units", "i8"),
        ("bid_quantity_units", "i8"),
        ("ask_price_units", "i8"),
        ("ask_quantity_units", "i8"),
        ("last_price_units", "i8"),
        ("last_quantity_units", "i8"),
        ("source", "i8"),
    ],
    align=True,
)

COLLECTOR_DTYPE = np.dtype(
    [
        ("epoch", "i8"),
        ("sequence", "i8"),  # ticks published
        ("command_sequence", "i8"),
        ("control_sequence", "i8"),
        ("batch_messages", "i8"),  # at most so many messages of a track a turn
        ("reference_interval_ns", "i8"),
        ("resync_count", "i8"),  # times that missed reports made the flows start over
        ("report_generation", "i8"),
        ("replay_account_id", "i8"),
        ("replay_firm_id", "i8"),
        ("scratch_address", "i8"),  # room for one report of another version
        ("refusal_address", "i8"),  # of why the venue's log takes no new risk; 0: not known
        ("track_count", "i8"),
    ],
    align=True,
)

TRACKS: Any = numba.from_dtype(TRACK_DTYPE)[::1]
PUBLISHED: Any = numba.from_dtype(PUBLISHED_DTYPE)[::1]
COLLECTOR: Any = numba.from_dtype(COLLECTOR_DTYPE)[::1]


class Market(NamedTuple):
    """The records of the market side: what comes in, the books, and what goes out."""

    header: Any
    tracks: Any
    messages: Any
    books: Any
    levels: Any
    orders: Any
    published: Any
    ticks: Any
    cache: Any
