"""From a silent venue to a live flow, and back.

The venue's gate refuses everything until its limits are set, and a restarted venue is empty. So a
flow first sends one probe. When the venue takes it, all is cancelled and the mirror's book enters,
one order a level; from then on the vendor's messages become commands. A new epoch of the venue, or
reports that were missed, start this over.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.kernels.market_data.flow_layout import (
    ACTION_CANCEL_ALL,
    ACTION_NEW,
    FLOW_LIVE,
    FLOW_PROBING,
    FLOW_SEEDING,
    FLOW_WAITING,
    SYNTHETIC_ID,
)
from tradecaptain.kernels.market_data.layout import BOOK_EMPTY, SIDE_BUY, SIDE_SELL
from tradecaptain.kernels.market_data.levels import side_count, side_offset
from tradecaptain.kernels.market_data.replay_flow import (
    flow_enter_order,
    flow_restart,
    has_step_room,
    push_command,
)

PROBE_PATIENCE_NS = 2_000_000_000
REFUSAL_PAUSE_NS = 250_000_000
_LEVELS_A_TURN = 512


@inline
def flow_wait(flow: Any, retry_ns: int) -> None:
    """Go back to waiting."""
    flow["state"] = FLOW_WAITING
    flow["retry_ns"] = retry_ns


@inline
def flow_wait_all(pools: Any) -> None:
    """The venue is gone or new, or reports were missed: all flows start over."""
    for index in range(pools.rings[0]["flow_count"]):
        flow_wait(pools.flows[index], 0)
        pools.flows[index]["reference_units"] = 0
    rings = pools.rings[0]
    rings["command_head"] = rings["command_tail"]
    rings["settlement_head"] = rings["settlement_tail"]
    rings["settling_tag"] = 0


@inline
def send_probe(pools: Any, flow: Any, book: Any, levels: Any, now_ns: int) -> None:
    """Send the best level of the fuller side, to see whether the venue takes orders.

    Levels far from the market are often so large that a limit refuses them for good.
    """
    side = SIDE_BUY if book["bid_count"] >= book["ask_count"] else SIDE_SELL
    best = levels[side_offset(book, side) + side_count(book, side) - 1]
    flow["next_synthetic"] += 1
    flow["probe_id"] = SYNTHETIC_ID + flow["next_synthetic"]
    push_command(pools, flow, ACTION_CANCEL_ALL, 0, 0, 0)
    command = push_command(
        pools, flow, ACTION_NEW, side, best["price_units"], best["quantity_units"]
    )
    command["order_id"] = flow["probe_id"]
    flow["state"] = FLOW_PROBING
    flow["retry_ns"] = now_ns + PROBE_PATIENCE_NS


@inline
def seed_levels(pools: Any, flow: Any, book: Any, levels: Any) -> int:
    """Enter the next levels of the mirror's book; how many."""
    entered = 0
    while entered < _LEVELS_A_TURN and has_step_room(pools):
        side = flow["seed_side"]
        count = side_count(book, side)
        if flow["seed_index"] >= count:
            if side == SIDE_SELL:
                flow["state"] = FLOW_LIVE
                break
            flow["seed_side"] = SIDE_SELL
            flow["seed_index"] = 0
            continue
        level = levels[side_offset(book, side) + count - 1 - flow["seed_index"]]
        flow_enter_order(pools, flow, 0, side, level["price_units"], level["quantity_units"])
        flow["seed_index"] += 1
        entered += 1
    return entered


@inline
def flow_advance(pools: Any, flow: Any, book: Any, levels: Any, now_ns: int) -> int:
    """Move a flow on that isn't live yet; the work done."""
    state = flow["state"]
    if flow["instrument_id"] == 0 or state == FLOW_LIVE or not has_step_room(pools):
        return 0
    if state == FLOW_SEEDING:
        return seed_levels(pools, flow, book, levels)
    if now_ns < flow["retry_ns"]:
        return 0
    if state == FLOW_PROBING:
        flow_wait(flow, now_ns)
        return 0
    if book["state"] == BOOK_EMPTY or book["bid_count"] + book["ask_count"] == 0:
        return 0
    send_probe(pools, flow, book, levels, now_ns)
    return 1


@inline
def flow_note_probe(pools: Any, flow: Any, is_accepted: bool, now_ns: int) -> None:
    """The venue answered the probe."""
    if not is_accepted:
        flow_wait(flow, now_ns + REFUSAL_PAUSE_NS)
        return
    flow_restart(pools, flow)
    flow["state"] = FLOW_SEEDING
    flow["seed_side"] = SIDE_BUY
    flow["seed_index"] = 0
