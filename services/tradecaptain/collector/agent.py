"""The collector's agent: plays tracks into mirror books, ticks, and orders at our own venue.

One turn reads the venue's reports, moves flows on that aren't live yet, sends waiting commands, and
plays messages that are due. A message is taken only when there is room for everything that it may
cause; otherwise its track pauses, and nothing is dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_acquire_i64, store_release_i64
from tradecaptain.collector.flow_writer import (
    follow_reports,
    is_live,
    send_commands,
    send_reference,
)
from tradecaptain.collector.state import (
    COLLECTOR_DTYPE,
    LAST_VALUE_DTYPE,
    PUBLISHED_DTYPE,
    TRACK_DTYPE,
    Market,
)
from tradecaptain.collector.tick_writer import claim_ticks, publish_message
from tradecaptain.kernels.market_data.flow_layout import (
    FLOW_COMMAND_DTYPE,
    FLOW_DTYPE,
    FLOW_LEVEL_DTYPE,
    FLOW_ORDER_DTYPE,
    FLOW_SEEDING,
    RINGS_DTYPE,
    SETTLEMENT_DTYPE,
    FlowPools,
)
from tradecaptain.kernels.market_data.flow_session import flow_advance
from tradecaptain.kernels.market_data.layout import (
    BOOK_DTYPE,
    FEED_MESSAGE_DTYPE,
    FLAG_LAST,
    LEVEL_DTYPE,
    MESSAGE_SNAPSHOT,
    ORDER_DTYPE,
    SIDE_UNSET,
)
from tradecaptain.kernels.market_data.mirror import mirror_apply_message
from tradecaptain.kernels.market_data.replay_flow import (
    flow_apply_message,
    flow_drop_level,
    has_step_room,
)
from tradecaptain.mesh.agent import duty_cycle, frame_array
from tradecaptain.mesh.last_value_cache import CACHE, cache_write
from tradecaptain.mesh.layout import IMAGE, PUBLICATION

_VALUE_BYTES = LAST_VALUE_DTYPE.itemsize
BUCKET_DTYPE = np.dtype(np.int64)

# Source times may jump when one file follows another; the pace starts anew then.
_JUMP_NS = 3_600_000_000_000


@inline
def anchor(track: Any, source_ns: int, now_ns: int) -> None:
    """From now on source time runs from here."""
    track["anchor_source_ns"] = source_ns
    track["anchor_wall_ns"] = now_ns
    track["is_anchored"] = 1


@inline
def is_due(track: Any, message: Any, now_ns: int) -> bool:
    """Whether a message's time has come at the track's speed."""
    if track["speed_numerator"] == 0:
        return True
    source_ns = message["receive_time_ns"]
    elapsed_ns = source_ns - track["anchor_source_ns"]
    jumped = message["message_type"] == MESSAGE_SNAPSHOT and abs(elapsed_ns) > _JUMP_NS
    if track["is_anchored"] == 0 or jumped:
        anchor(track, source_ns, now_ns)
        return True
    wait_ns = elapsed_ns * track["speed_denominator"] // track["speed_numerator"]
    return track["anchor_wall_ns"] + wait_ns <= now_ns


@inline
def store_last_value(market: Any, index: int, message: Any, now_ns: int) -> None:
    """Show the newest quote and trade of an instrument to every process."""
    published = market.published[index]
    value = market.last_values[index]
    value["instrument_id"] = published["instrument_id"]
    value["epoch"] = market.header[0]["epoch"]
    value["instrument_sequence"] = published["instrument_sequence"]
    value["event_time_ns"] = message["event_time_ns"]
    value["publish_time_ns"] = now_ns
    value["bid_price_units"] = published["bid_price_units"]
    value["bid_quantity_units"] = published["bid_quantity_units"]
    value["ask_price_units"] = published["ask_price_units"]
    value["ask_quantity_units"] = published["ask_quantity_units"]
    value["last_price_units"] = published["last_price_units"]
    value["last_quantity_units"] = published["last_quantity_units"]
    value["source"] = published["source"]
    cache_write(market.cache, index, market.header[0]["last_values_address"] + index * _VALUE_BYTES)


@inline
def take_message(market: Any, pools: Any, track: Any, message: Any, now_ns: int) -> int:
    """Apply one message and publish it; 1, or negative while there is no room."""
    index = message["book_index"]
    flow = pools.flows[index]
    live = is_live(flow)
    # A flow that is entering the book needs the book to stand still.
    if flow["state"] == FLOW_SEEDING or (live and not has_step_room(pools)):
        return -1
    address = claim_ticks(market)
    if address < 0:
        return -1
    book = market.books[index]
    published = market.published[index]
    book["dropped_side"] = SIDE_UNSET
    outcome = mirror_apply_message(book, market.levels, market.orders, message)
    if outcome < 0:
        track["misfit_count"] += 1
        return 1
    if live:
        flow_apply_message(pools, flow, index, message)
        if book["dropped_side"] != SIDE_UNSET:
            flow_drop_level(pools, flow, book["dropped_side"], book["dropped_price_units"])
    publish_message(market, published, book, message, address, now_ns, outcome)
    if (message["flags"] & FLAG_LAST) != 0:
        store_last_value(market, index, message, now_ns)
    return 1


@inline
def play_track(market: Any, pools: Any, track: Any, now_ns: int) -> int:
    """Play messages that are due; how many."""
    head = track["ring_head"]
    tail = load_acquire_i64(track["tail_address"])
    limit = min(tail, head + market.header[0]["batch_messages"])
    position = head
    while position < limit:
        slot = track["ring_offset"] + position % track["ring_capacity"]
        message = market.messages[slot]
        if not is_due(track, message, now_ns):
            break
        if take_message(market, pools, track, message, now_ns) < 0:
            track["paused_count"] += 1
            break
        position += 1
    track["message_count"] += position - head
    store_release_i64(track["head_address"], position)
    return position - head


@inline
def collector_do_work(
    market: Any, pools: Any, commands: Any, controls: Any, reports: Any, now_ns: int
) -> int:
    """One turn; see the module."""
    header = market.header[0]
    work = follow_reports(header, pools, reports, header["scratch_address"], now_ns)
    for index in range(len(pools.flows)):
        flow = pools.flows[index]
        work += flow_advance(pools, flow, market.books[index], market.levels, now_ns)
        work += send_reference(header, flow, market.published[index], controls, now_ns)
    work += send_commands(header, pools, commands, now_ns)
    for index in range(len(market.tracks)):
        work += play_track(market, pools, market.tracks[index], now_ns)
    return work


@duty_cycle
def collector_duty_cycle(frame: int, now_ns: int) -> int:
    """The agent's turn, over the arrays that :class:`CollectorMemory` lists."""
    market = Market(
        frame_array(frame, 0, COLLECTOR_DTYPE),
        frame_array(frame, 1, TRACK_DTYPE),
        frame_array(frame, 2, FEED_MESSAGE_DTYPE),
        frame_array(frame, 3, BOOK_DTYPE),
        frame_array(frame, 4, LEVEL_DTYPE),
        frame_array(frame, 5, ORDER_DTYPE),
        frame_array(frame, 6, PUBLISHED_DTYPE),
        frame_array(frame, 7, PUBLICATION),
        frame_array(frame, 8, CACHE),
        frame_array(frame, 9, LAST_VALUE_DTYPE),
    )
    pools = FlowPools(
        frame_array(frame, 10, FLOW_DTYPE),
        frame_array(frame, 11, FLOW_ORDER_DTYPE),
        frame_array(frame, 12, FLOW_LEVEL_DTYPE),
        frame_array(frame, 13, BUCKET_DTYPE),
        frame_array(frame, 14, RINGS_DTYPE),
        frame_array(frame, 15, FLOW_COMMAND_DTYPE),
        frame_array(frame, 16, SETTLEMENT_DTYPE),
    )
    commands = frame_array(frame, 17, PUBLICATION)
    controls = frame_array(frame, 18, PUBLICATION)
    reports = frame_array(frame, 19, IMAGE)
    return collector_do_work(market, pools, commands, controls, reports, now_ns)
