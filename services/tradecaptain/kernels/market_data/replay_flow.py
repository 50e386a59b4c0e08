"""A vendor's messages as orders at our own venue.

The first book state enters as one order a level. An added order becomes a limit order, a visible
execution an immediate-or-cancel order of that size from the other side, a cancel a cancel. In feeds
that tell only levels an increase joins the tail, a trade takes the head, and any other decrease
takes the tail. What clients have taken meanwhile can't be cancelled or executed again: such steps
are reduced and counted as divergence. An execution that a client's order took instead leaves more
of ours than the vendor has: the excess is cancelled once the venue has reported it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tradecaptain.base.jit import inline
from tradecaptain.kernels.market_data.flow_book import (
    clear_flow,
    find_flow_level,
    find_flow_order,
    free_flow_order,
    leave_queue,
    make_flow_level,
    make_flow_order,
)
from tradecaptain.kernels.market_data.flow_layout import (
    ACTION_CANCEL,
    ACTION_CANCEL_ALL,
    ACTION_EXECUTE,
    ACTION_NEW,
    STEP_COMMANDS_MAX,
    SYNTHETIC_ID,
)
from tradecaptain.kernels.market_data.layout import (
    MESSAGE_ADD,
    MESSAGE_DELETE,
    MESSAGE_EXECUTE,
    MESSAGE_LEVEL,
    MESSAGE_REDUCE,
    MESSAGE_REVEAL,
    MESSAGE_SNAPSHOT,
    MESSAGE_TRADE,
    SIDE_BUY,
    SIDE_SELL,
)
from tradecaptain.kernels.market_data.levels import side_count, side_offset

_QUEUE_STEPS_MAX = STEP_COMMANDS_MAX - 8
_TAG_COUNT = 0x3FFFFFFF


@inline
def other_side(side: int) -> int:
    """The side that trades with ``side``."""
    return SIDE_SELL if side == SIDE_BUY else SIDE_BUY


@inline
def command_room(pools: Any) -> int:
    """How many commands the rings can still take."""
    rings = pools.rings[0]
    commands = rings["command_capacity"] - (rings["command_tail"] - rings["command_head"])
    settlements = rings["settlement_capacity"] - (
        rings["settlement_tail"] - rings["settlement_head"]
    )
    return min(commands, settlements)


@inline
def has_step_room(pools: Any) -> bool:
    """Whether another message can be taken."""
    return command_room(pools) >= STEP_COMMANDS_MAX


@inline
def push_command(
    pools: Any, flow: Any, action: int, side: int, price_units: int, units: int
) -> Any:
    """Append a command to the ring; the caller has seen to the room and adds ids."""
    tail = pools.rings[0]["command_tail"]
    command = pools.commands[tail % pools.rings[0]["command_capacity"]]
    pools.rings[0]["command_tail"] = tail + 1
    command["instrument_id"] = flow["instrument_id"]
    command["action"] = action
    command["side"] = side
    command["price_units"] = price_units
    command["quantity_units"] = units
    command["order_id"] = 0
    command["tag"] = 0
    return command


@inline
def count_divergence(flow: Any, units: int) -> None:
    """Count a vendor's step that clients have made impossible, in part or in all."""
    if units > 0:
        flow["divergence_count"] += 1
        flow["divergence_units"] += units


@inline
def flow_enter_order(
    pools: Any, flow: Any, order_id: int, side: int, price_units: int, units: int
) -> None:
    """A new order of the vendor joins the tail of its level; id 0 makes one up."""
    identifier = order_id
    if identifier == 0:
        flow["next_synthetic"] += 1
        identifier = SYNTHETIC_ID + flow["next_synthetic"]
    level = make_flow_level(pools, flow, side, price_units)
    index = 0
    if level != 0:
        index = make_flow_order(pools, flow, level, identifier, units)
    if index == 0:
        flow["refused_count"] += 1
        return
    command = push_command(pools, flow, ACTION_NEW, side, price_units, units)
    command["order_id"] = identifier


@inline
def leave_vendor(pools: Any, flow: Any, index: int, units: int) -> int:
    """Take ``units`` off what the vendor has in an order; how much of it the venue can still do."""
    order = pools.orders[index]
    level = order["level"]
    order["vendor_units"] -= units
    pools.levels[level]["vendor_units"] -= units
    possible = max(min(units, order["venue_units"] - order["pending_units"]), 0)
    count_divergence(flow, units - possible)
    return possible


@inline
def retire_order(pools: Any, flow: Any, index: int) -> None:
    """Drop an order that the vendor no longer has, unless an execution against it is under way."""
    if pools.orders[index]["vendor_units"] > 0:
        return
    if pools.orders[index]["awaiting"] > 0:
        leave_queue(pools, flow, index)
    else:
        free_flow_order(pools, flow, index)


@inline
def send_cancel(pools: Any, flow: Any, index: int, units: int, side: int, price_units: int) -> None:
    """Cancel a part of an order, or all of it where the vendor has none left."""
    order = pools.orders[index]
    quantity = 0 if order["vendor_units"] == 0 else units
    command = push_command(pools, flow, ACTION_CANCEL, side, price_units, quantity)
    command["order_id"] = order["order_id"]
    order["pending_units"] += units


@inline
def flow_cancel_units(pools: Any, flow: Any, index: int, units: int) -> None:
    """The vendor's order lost ``units`` without a trade."""
    level = pools.orders[index]["level"]
    side = pools.levels[level]["side"]
    price = pools.levels[level]["price_units"]
    taken = min(units, pools.orders[index]["vendor_units"])
    possible = leave_vendor(pools, flow, index, taken)
    if possible > 0:
        send_cancel(pools, flow, index, possible, side, price)
    retire_order(pools, flow, index)


@inline
def await_execution(pools: Any, flow_index: int, index: int, tag: int) -> None:
    """Have an order looked at when the execution with this tag is over."""
    tail = pools.rings[0]["settlement_tail"]
    settlement = pools.settlements[tail % pools.rings[0]["settlement_capacity"]]
    pools.rings[0]["settlement_tail"] = tail + 1
    settlement["tag"] = tag
    settlement["flow_index"] = flow_index
    settlement["order"] = index
    settlement["order_id"] = pools.orders[index]["order_id"]
    pools.orders[index]["awaiting"] += 1


@inline
def next_execution_tag(pools: Any) -> int:
    """A number, never zero, by which the venue's reports name an execution."""
    tag = pools.rings[0]["next_tag"] % _TAG_COUNT + 1
    pools.rings[0]["next_tag"] = tag
    return tag


@inline
def withdraw_settlements(pools: Any, flow: Any, start: int) -> None:
    """No execution was sent after all: take back the settlements from ``start`` on."""
    capacity = pools.rings[0]["settlement_capacity"]
    for position in range(start, pools.rings[0]["settlement_tail"]):
        index = pools.settlements[position % capacity]["order"]
        pools.orders[index]["awaiting"] -= 1
        retire_order(pools, flow, index)
    pools.rings[0]["settlement_tail"] = start


@inline
def flow_execute_order(
    pools: Any, flow: Any, flow_index: int, index: int, units: int, side: int, price_units: int
) -> None:
    """The vendor's order traded: send the other side. ``index`` 0 is an order we don't have."""
    quantity = units
    tag = next_execution_tag(pools)
    start = pools.rings[0]["settlement_tail"]
    if index != 0:
        taken = min(units, pools.orders[index]["vendor_units"])
        await_execution(pools, flow_index, index, tag)
        quantity -= taken - leave_vendor(pools, flow, index, taken)
        retire_order(pools, flow, index)
    if quantity > 0:
        taker = other_side(side)
        command = push_command(pools, flow, ACTION_EXECUTE, taker, price_units, quantity)
        command["tag"] = tag
    else:
        withdraw_settlements(pools, flow, start)


@inline
def flow_execute_level(
    pools: Any, flow: Any, flow_index: int, units: int, side: int, price_units: int
) -> int:
    """A trade of a feed without orders takes the head of its level; how much of it was known."""
    level = find_flow_level(pools, flow, side, price_units)
    quantity = units
    left = units
    tag = next_execution_tag(pools)
    index = pools.levels[level]["first"] if level != 0 else 0
    start = pools.rings[0]["settlement_tail"]
    steps = 0
    while index != 0 and left > 0 and steps < _QUEUE_STEPS_MAX:
        following = pools.orders[index]["next"]
        taken = min(left, pools.orders[index]["vendor_units"])
        await_execution(pools, flow_index, index, tag)
        quantity -= taken - leave_vendor(pools, flow, index, taken)
        retire_order(pools, flow, index)
        left -= taken
        index = following
        steps += 1
    if quantity > 0:
        taker = other_side(side)
        command = push_command(pools, flow, ACTION_EXECUTE, taker, price_units, quantity)
        command["tag"] = tag
    else:
        withdraw_settlements(pools, flow, start)
    return units - left


@inline
def flow_set_level(pools: Any, flow: Any, side: int, price_units: int, units: int) -> None:
    """A level's whole quantity is now ``units``: the difference joins or leaves the tail."""
    level = find_flow_level(pools, flow, side, price_units)
    held = pools.levels[level]["vendor_units"] if level != 0 else 0
    if units > held:
        flow_enter_order(pools, flow, 0, side, price_units, units - held)
        return
    left = held - units
    index = pools.levels[level]["last"] if level != 0 else 0
    steps = 0
    while index != 0 and left > 0 and steps < _QUEUE_STEPS_MAX:
        before = pools.orders[index]["previous"]
        taken = min(left, pools.orders[index]["vendor_units"])
        flow_cancel_units(pools, flow, index, taken)
        left -= taken
        index = before
        steps += 1


@inline
def order_of_message(pools: Any, flow: Any, message: Any) -> int:
    """The order that a message names; for one that we never saw, the level's made-up order."""
    index = find_flow_order(pools, flow, message["reference_id"])
    if index != 0:
        return index
    side = np.int64(message["side"])
    level = find_flow_level(pools, flow, side, message["price_units"])
    index = pools.levels[level]["first"] if level != 0 else 0
    steps = 0
    while index != 0 and steps < _QUEUE_STEPS_MAX:
        if pools.orders[index]["order_id"] >= SYNTHETIC_ID:
            return index
        index = pools.orders[index]["next"]
        steps += 1
    return 0


@inline
def is_late(flow: Any, message: Any) -> bool:
    """Whether a trade happened before the last update of levels, which thus knows of it."""
    return message["event_time_ns"] < flow["levels_time_ns"]


@inline
def flow_apply_message(pools: Any, flow: Any, flow_index: int, message: Any) -> None:
    """Turn one message into commands. The mirror has taken it already, so it fits."""
    kind = message["message_type"]
    side = np.int64(message["side"])
    price = message["price_units"]
    units = message["quantity_units"]
    if kind == MESSAGE_ADD:
        flow_enter_order(pools, flow, message["reference_id"], side, price, units)
    elif kind == MESSAGE_EXECUTE:
        index = order_of_message(pools, flow, message)
        flow_execute_order(pools, flow, flow_index, index, units, side, price)
    elif kind in (MESSAGE_REDUCE, MESSAGE_DELETE):
        index = order_of_message(pools, flow, message)
        if index != 0:
            flow_cancel_units(pools, flow, index, units)
        else:
            count_divergence(flow, units)
    elif kind in (MESSAGE_LEVEL, MESSAGE_REVEAL):
        flow["levels_time_ns"] = message["event_time_ns"]
        flow_set_level(pools, flow, side, price, units)
    elif kind == MESSAGE_SNAPSHOT:
        flow_restart(pools, flow)
    elif kind == MESSAGE_TRADE:
        maker = other_side(side)
        taken = flow_execute_level(pools, flow, flow_index, units, maker, price)
        # The levels told before a late trade had lost it already, at their tail.
        if is_late(flow, message) and taken > 0:
            flow_enter_order(pools, flow, 0, maker, price, taken)


@inline
def flow_settle(pools: Any, tag: int) -> None:
    """An execution is over: cancel what stands beyond the vendor's quantity.

    Executions end in the order in which they were sent, so settlements are a queue.
    """
    rings = pools.rings[0]
    while rings["settlement_head"] < rings["settlement_tail"]:
        settlement = pools.settlements[rings["settlement_head"] % rings["settlement_capacity"]]
        if settlement["tag"] != tag:
            break
        rings["settlement_head"] += 1
        index = settlement["order"]
        if pools.orders[index]["order_id"] != settlement["order_id"]:
            continue
        flow = pools.flows[settlement["flow_index"]]
        order = pools.orders[index]
        order["awaiting"] = max(order["awaiting"] - 1, 0)
        excess = order["venue_units"] - order["pending_units"] - order["vendor_units"]
        if order["awaiting"] == 0 and excess > 0:
            count_divergence(flow, excess)
            send_cancel(pools, flow, index, excess, 0, 0)
        retire_order(pools, flow, index)


@inline
def flow_note_report(
    pools: Any, flow: Any, order_id: int, leaves_units: int, is_cancel: bool
) -> None:
    """The venue reported what is left of one of our orders, after a cancel or after a trade."""
    index = find_flow_order(pools, flow, order_id)
    if index == 0:
        return
    order = pools.orders[index]
    if is_cancel:
        gone = order["venue_units"] - leaves_units
        order["pending_units"] = max(order["pending_units"] - gone, 0)
    order["venue_units"] = leaves_units
    if leaves_units == 0:
        order["pending_units"] = 0


@inline
def flow_drop_level(pools: Any, flow: Any, side: int, price_units: int) -> None:
    """A level left the vendor's depth: nothing more will be told about it, so it goes."""
    level = find_flow_level(pools, flow, side, price_units)
    index = pools.levels[level]["first"] if level != 0 else 0
    steps = 0
    while index != 0 and steps < _QUEUE_STEPS_MAX:
        following = pools.orders[index]["next"]
        order = pools.orders[index]
        pools.levels[level]["vendor_units"] -= order["vendor_units"]
        order["vendor_units"] = 0
        if order["venue_units"] > order["pending_units"]:
            send_cancel(pools, flow, index, order["venue_units"], side, price_units)
        retire_order(pools, flow, index)
        index = following
        steps += 1


@inline
def flow_clear_way(pools: Any, flow: Any, book: Any, levels: Any, message: Any) -> bool:
    """Before a level or a trade enters: drop standing levels that the market has passed.

    An update of levels tells bids before asks, so a market that has risen shows the new bid while
    the asks that it has passed still stand; and a trade is told before the update that explains
    it, so levels better than its price still stand. The next levels told remove them; the vendor
    saw no trade there. A trade that is told after that update has no way to its price if better
    levels have come since: false, it only prints.
    """
    kind = message["message_type"]
    is_trade = kind == MESSAGE_TRADE
    if not is_trade and (kind != MESSAGE_LEVEL or message["quantity_units"] == 0):
        return True
    price = message["price_units"]
    other = other_side(np.int64(message["side"]))
    index = side_offset(book, other) + side_count(book, other) - 1
    # A dropped level takes a step of its own, and the message itself needs one after that.
    while index >= side_offset(book, other) and command_room(pools) >= 2 * STEP_COMMANDS_MAX:
        standing = levels[index]["price_units"]
        is_passed = standing < price if other == SIDE_SELL else standing > price
        if not is_passed and (is_trade or standing != price):
            return True
        if is_trade and is_late(flow, message):
            return False
        flow_drop_level(pools, flow, other, standing)
        index -= 1
    return True


@inline
def flow_restart(pools: Any, flow: Any) -> None:
    """Cancel everything at the venue and forget it, before a book starts afresh."""
    push_command(pools, flow, ACTION_CANCEL_ALL, 0, 0, 0)
    clear_flow(pools, flow)
