"""The collector's agent: plays tracks into mirror books, ticks, and orders at our own venue.

One turn reads the venue's reports, moves flows on that aren't live yet, sends waiting commands, and
plays messages that are due. A message is taken only when there is room for everything that it may
cause; otherwise its track pauses, and nothing is dropped. The ticks of messages that are due at the
same time become visible together.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_acquire_i64, store_release_i64
from tradecaptain.base.records import records_at
from tradecaptain.collector.flow_writer import (
    follow_reports,
    hold_flows,
    is_live,
    log_refuses,
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
from tradecaptain.collector.tick_writer import (
    CLAIM_MESSAGES,
    TICK_STRIDE,
    claim_ticks,
    write_ticks,
)
from tradecaptain.kernels.market_data.flow_layout import (
    FLOW_BUCKET_DTYPE,
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
    flow_clear_way,
    flow_drop_level,
    has_step_room,
)
from tradecaptain.mesh.agent import duty_cycle, frame_array, frame_records
from tradecaptain.mesh.last_value_cache import CACHE, cache_begin, cache_end
from tradecaptain.mesh.layout import IMAGE, PUBLICATION
from tradecaptain.mesh.publication import publication_commit

# Source times may jump when one file follows another; the pace starts anew then.
_JUMP_NS = 3_600_000_000_000


@inline
def anchor(track: Any, source_ns: int, now_ns: int) -> None:
    """From now on source time runs from here."""
    track["anchor_source_ns"] = source_ns
    track["anchor_wall_ns"] = now_ns
    track["is_anchored"] = 1


@inline_always
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


@inline_always
def store_last_value(market: Any, index: int, message: Any, now_ns: int) -> None:
    """Show the newest quote and trade of an instrument to every process."""
    address = cache_begin(market.cache, index)
    if address == 0:
        return
    published = market.published[index]
    value = records_at(address, 1, LAST_VALUE_DTYPE)[0]
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
    cache_end(market.cache, index)


@inline_always
def can_take(pools: Any, index: int) -> bool:
    """Whether a message of this book may be taken now."""
    flow = pools.flows[index]
    # A flow that is entering the book needs the book to stand still.
    if flow["state"] == FLOW_SEEDING:
        return False
    return not is_live(flow) or has_step_room(pools)


@inline
def feed_flow(pools: Any, book: Any, levels: Any, index: int, message: Any) -> None:
    """Turn a message that the mirror has taken into commands, if its flow is live."""
    flow = pools.flows[index]
    if is_live(flow):
        if flow_clear_way(pools, flow, book, levels, message):
            flow_apply_message(pools, flow, index, message)
        if book["dropped_side"] != SIDE_UNSET:
            flow_drop_level(pools, flow, book["dropped_side"], book["dropped_price_units"])


@inline_always
def take_message(
    market: Any, pools: Any, track: Any, message: Any, address: int, now_ns: int
) -> int:
    """Apply one message and write its ticks from ``address`` on; how many."""
    index = message["book_index"]
    book = market.books[index]
    book["dropped_side"] = SIDE_UNSET
    outcome = mirror_apply_message(book, market.levels, market.orders, message)
    if outcome < 0:
        track["misfit_count"] += 1
        return 0
    feed_flow(pools, book, market.levels, index, message)
    count = write_ticks(market, index, message, address, now_ns, outcome)
    if (message["flags"] & FLAG_LAST) != 0:
        store_last_value(market, index, message, now_ns)
    return count


@inline_always
def play_batch(market: Any, pools: Any, track: Any, start: int, limit: int, now_ns: int) -> int:
    """Play up to ``limit`` messages that are due and publish their ticks together; how many."""
    mask = track["ring_capacity"] - 1
    message = market.messages[track["ring_offset"] + (start & mask)]
    if not is_due(track, message, now_ns):
        return 0
    address = claim_ticks(market, limit)
    ticks = 0
    played = 0
    while address > 0:
        if not can_take(pools, message["book_index"]):
            address = 0
            break
        ticks += take_message(market, pools, track, message, address + ticks * TICK_STRIDE, now_ns)
        played += 1
        if played == limit:
            break
        message = market.messages[track["ring_offset"] + ((start + played) & mask)]
        if not is_due(track, message, now_ns):
            break
    if address <= 0:
        track["paused_count"] += 1
    publication_commit(market.ticks, ticks)
    return played


@inline
def play_track(market: Any, pools: Any, track: Any, now_ns: int) -> int:
    """Play messages that are due; how many."""
    head = track["ring_head"]
    tail = load_acquire_i64(track["tail_address"])
    waiting = min(tail - head, market.header[0]["batch_messages"])
    played = 0
    while played < waiting:
        wanted = min(waiting - played, CLAIM_MESSAGES)
        count = play_batch(market, pools, track, head + played, wanted, now_ns)
        played += count
        if count < wanted:
            break
    track["message_count"] += played
    store_release_i64(track["head_address"], head + played)
    return played


@inline
def move_flows(market: Any, pools: Any, controls: Any, now_ns: int) -> int:
    """Bring flows that aren't live yet further, and tell reference prices; the work done."""
    work = 0
    for index in range(pools.rings[0]["flow_count"]):
        flow = pools.flows[index]
        work += flow_advance(pools, flow, market.books[index], market.levels, now_ns)
        work += send_reference(market.header[0], flow, market.published[index], controls, now_ns)
    return work


@inline
def collector_do_work(
    market: Any, pools: Any, commands: Any, controls: Any, reports: Any, now_ns: int
) -> int:
    """One turn; see the module."""
    header = market.header[0]
    work = follow_reports(header, pools, reports, header["scratch_address"], now_ns)
    if log_refuses(header):
        hold_flows(pools)
    else:
        work += move_flows(market, pools, controls, now_ns)
    work += send_commands(header, pools, commands, now_ns)
    for index in range(market.header[0]["track_count"]):
        work += play_track(market, pools, market.tracks[index], now_ns)
    return work


@duty_cycle
def collector_duty_cycle(frame: int, now_ns: int) -> int:
    """The agent's turn, over the arrays that :class:`CollectorMemory` lists."""
    market = Market(
        frame_records(frame, 0, COLLECTOR_DTYPE),
        frame_records(frame, 1, TRACK_DTYPE),
        frame_records(frame, 2, FEED_MESSAGE_DTYPE),
        frame_records(frame, 3, BOOK_DTYPE),
        frame_records(frame, 4, LEVEL_DTYPE),
        frame_records(frame, 5, ORDER_DTYPE),
        frame_records(frame, 6, PUBLISHED_DTYPE),
        frame_records(frame, 7, PUBLICATION),
        frame_records(frame, 8, CACHE),
    )
    pools = FlowPools(
        frame_records(frame, 9, FLOW_DTYPE),
        frame_records(frame, 10, FLOW_ORDER_DTYPE),
        frame_records(frame, 11, FLOW_LEVEL_DTYPE),
        frame_records(frame, 12, FLOW_BUCKET_DTYPE),
        frame_records(frame, 13, RINGS_DTYPE),
        frame_records(frame, 14, FLOW_COMMAND_DTYPE),
        frame_records(frame, 15, SETTLEMENT_DTYPE),
    )
    commands = frame_records(frame, 16, PUBLICATION)
    controls = frame_records(frame, 17, PUBLICATION)
    reports = frame_array(frame, 18, IMAGE)
    return collector_do_work(market, pools, commands, controls, reports, now_ns)
