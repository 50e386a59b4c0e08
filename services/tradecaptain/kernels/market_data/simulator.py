"""A simulated vendor: order flow that looks like a market's, as the messages of an L3 feed.

Events arrive in clusters: a Hawkes process whose intensity jumps with each event, decays between
them, and follows a slow daily cycle. An event is a limit order, a market order or a cancel.
Limit orders fall near the touch with a power-law distance, each standing order is cancelled at a
constant rate, sizes follow a power law, and market orders lean towards a reference price that
wanders and reverts to its anchor. Source of the ingredients: Cont, Stoikov, Talreja (2010);
Bouchaud, Mezard, Potters (2002); Bacry, Mastromatteo, Muzy (2015).
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.market_data.layout import (
    BOOKS,
    FEED_MESSAGES,
    FLAG_LAST,
    FLAG_SNAPSHOT,
    LEVELS,
    MESSAGE_ADD,
    MESSAGE_DELETE,
    MESSAGE_EXECUTE,
    MESSAGE_EXECUTE_HIDDEN,
    MESSAGE_REDUCE,
    MESSAGE_SNAPSHOT,
    SIDE_BUY,
    SIDE_SELL,
    SIDE_UNSET,
)
from tradecaptain.kernels.market_data.levels import (
    best_price,
    find_level,
    holds_level,
    insert_level,
    remove_level,
    side_count,
)
from tradecaptain.kernels.market_data.random_numbers import (
    next_below,
    next_exponential,
    next_symmetric,
    next_uniform,
)

SIMULATOR_DTYPE = np.dtype(
    [
        ("random_state", "i8"),
        ("now_ns", "i8"),  # time of the last event
        ("next_event_ns", "i8"),
        ("base_rate", "f8"),  # events a second before clustering
        ("excitation", "f8"),  # part of the intensity that past events left, a second
        ("cycle_ns", "f8"),  # period of the slow cycle
        ("anchor_units", "f8"),  # where the reference price reverts to
        ("reference_units", "f8"),
        ("volatility", "f8"),  # of the reference price, per square root of a second
        ("increment_units", "i8"),  # price grid
        ("lot_units", "i8"),
        ("minimum_price_units", "i8"),
        ("target_orders", "i8"),  # standing orders around which the book settles
        ("order_offset", "i8"),
        ("order_capacity", "i8"),
        ("order_count", "i8"),
        ("next_order_id", "i8"),
        ("sequence", "i8"),  # messages so far
        ("is_seeded", "i8"),
        ("reserved", "i8"),
    ],
    align=True,
)
# Its names set it apart: numba takes arrays of equal dtypes for one type even where only one of the
# dtypes is aligned, and then finds no kernel for the other.
SIMULATED_ORDER_DTYPE = np.dtype(
    [("order_id", "i8"), ("price_units", "i8"), ("quantity_units", "i8"), ("order_side", "i8")],
    align=True,
)
SIMULATORS: Any = numba.from_dtype(SIMULATOR_DTYPE)[::1]
SIMULATED_ORDERS: Any = numba.from_dtype(SIMULATED_ORDER_DTYPE)[::1]

# Clustering: each event adds to the intensity and the addition halves within milliseconds. The
# branching ratio, jump divided by decay, is below one, so that the process is stationary.
_DECAY_PER_SECOND = 60.0
_BRANCHING_RATIO = 0.7
_CYCLE_DEPTH = 0.5
_REVERSION_PER_SECOND = 0.02

_MARKET_SHARE = 0.09
_HIDDEN_SHARE = 0.02
_PARTIAL_CANCEL_SHARE = 0.1
_LEAN_TICKS = 2.0
_CANCEL_DRAWS = 4
_MARKET_SIZE_FACTOR = 3

_DISTANCE_EXPONENT = 1.6
_DISTANCE_MAX_TICKS = 60
_SIZE_EXPONENT = 1.4
_SIZE_MAX_LOTS = 4000
_ROUND_LOT = 100
_SEED_LEVELS = 20

# One event writes at most so many messages: a market order stops there.
EVENT_MESSAGES_MAX = 64


@inline
def write_message(
    simulator: Any, messages: Any, count: int, book_index: int, kind: int, flags: int
) -> Any:
    """Begin a message of the current event."""
    message = messages[count]
    simulator["sequence"] += 1
    message["event_time_ns"] = simulator["now_ns"]
    message["receive_time_ns"] = simulator["now_ns"]
    message["reference_id"] = 0
    message["price_units"] = 0
    message["quantity_units"] = 0
    message["vendor_sequence"] = simulator["sequence"]
    message["row"] = simulator["sequence"]
    message["book_index"] = book_index
    message["message_type"] = kind
    message["side"] = SIDE_UNSET
    message["flags"] = flags
    return message


@inline
def change_level(book: Any, levels: Any, side: int, price_units: int, delta_units: int) -> None:
    """Add to a level of the simulator's own book; a level with nothing left goes."""
    index = find_level(book, levels, side, price_units)
    if not holds_level(book, levels, side, price_units, index):
        index = insert_level(book, levels, side, price_units, index)
        if index < 0:
            return
    levels[index]["quantity_units"] += delta_units
    if levels[index]["quantity_units"] <= 0:
        remove_level(book, levels, side, index)


@inline
def draw_quantity(simulator: Any) -> int:
    """A size with a power-law tail; half of the larger ones are round lots."""
    lots = int(10.0 * (1.0 - next_uniform(simulator)) ** (-1.0 / _SIZE_EXPONENT))
    lots = min(lots, _SIZE_MAX_LOTS)
    if lots > _ROUND_LOT // 4 and next_uniform(simulator) < 0.5:
        lots = (lots + _ROUND_LOT - 1) // _ROUND_LOT * _ROUND_LOT
    return max(lots, 1) * simulator["lot_units"]


@inline
def draw_distance(simulator: Any) -> int:
    """Ticks behind the touch, with a power-law tail."""
    distance = (1.0 - next_uniform(simulator)) ** (-1.0 / _DISTANCE_EXPONENT) - 1.0
    return min(int(distance * 3.0), _DISTANCE_MAX_TICKS)


@inline
def on_grid(simulator: Any, price_units: float) -> int:
    """The grid price next below, at least the lowest price."""
    increment = simulator["increment_units"]
    price = math.floor(price_units / increment) * increment
    return max(price, simulator["minimum_price_units"])


@inline
def draw_limit_price(simulator: Any, book: Any, levels: Any, side: int) -> int:
    """Price of a limit order that doesn't trade."""
    increment = simulator["increment_units"]
    own = side_count(book, side)
    other_side = SIDE_SELL if side == SIDE_BUY else SIDE_BUY
    sign = 1 if side == SIDE_BUY else -1
    distance = draw_distance(simulator)
    if own == 0:
        middle = on_grid(simulator, simulator["reference_units"])
        price = middle - sign * (1 + distance) * increment
    else:
        best = best_price(book, levels, side)
        price = best - sign * distance * increment
        lean = sign * (simulator["reference_units"] - best) / increment
        if side_count(book, other_side) > 0:
            spread = sign * (best_price(book, levels, other_side) - best) // increment
            # A wide spread, and a reference price beyond our side's best, invite better prices.
            if spread > 1 and lean > 0.5 and next_uniform(simulator) < 0.4:
                price = best + sign * increment * (1 + next_below(simulator, min(spread - 1, 3)))
    if side_count(book, other_side) > 0:
        limit = best_price(book, levels, other_side) - sign * increment
        if sign * (price - limit) > 0:
            price = limit
    return max(price, simulator["minimum_price_units"])


@inline
def enter_order(
    simulator: Any, book: Any, levels: Any, orders: Any, message: Any, side: int, price_units: int
) -> None:
    """Put a new order into the book and the message."""
    quantity = draw_quantity(simulator)
    slot = simulator["order_offset"] + simulator["order_count"]
    orders[slot]["order_id"] = simulator["next_order_id"]
    orders[slot]["price_units"] = price_units
    orders[slot]["quantity_units"] = quantity
    orders[slot]["order_side"] = side
    simulator["order_count"] += 1
    simulator["next_order_id"] += 1
    change_level(book, levels, side, price_units, quantity)
    message["reference_id"] = orders[slot]["order_id"]
    message["price_units"] = price_units
    message["quantity_units"] = quantity
    message["side"] = side


@inline
def leave_order(simulator: Any, orders: Any, slot: int) -> None:
    """Take an order out of the list of those that stand."""
    last = simulator["order_offset"] + simulator["order_count"] - 1
    orders[slot]["order_id"] = orders[last]["order_id"]
    orders[slot]["price_units"] = orders[last]["price_units"]
    orders[slot]["quantity_units"] = orders[last]["quantity_units"]
    orders[slot]["order_side"] = orders[last]["order_side"]
    simulator["order_count"] -= 1


@inline
def take_from_order(
    simulator: Any, book: Any, levels: Any, orders: Any, slot: int, message: Any, quantity: int
) -> None:
    """Reduce a standing order and describe that in the message."""
    message["reference_id"] = orders[slot]["order_id"]
    message["price_units"] = orders[slot]["price_units"]
    message["quantity_units"] = quantity
    message["side"] = orders[slot]["order_side"]
    change_level(book, levels, orders[slot]["order_side"], orders[slot]["price_units"], -quantity)
    orders[slot]["quantity_units"] -= quantity
    if orders[slot]["quantity_units"] == 0:
        leave_order(simulator, orders, slot)


@inline
def first_in_queue(simulator: Any, orders: Any, side: int, price_units: int) -> int:
    """Slot of the oldest order at a price, or -1."""
    offset = simulator["order_offset"]
    found = -1
    for slot in range(offset, offset + simulator["order_count"]):
        stands = orders[slot]["price_units"] == price_units and orders[slot]["order_side"] == side
        if stands and (found < 0 or orders[slot]["order_id"] < orders[found]["order_id"]):
            found = slot
    return found


@inline
def seed_book(
    simulator: Any, book: Any, levels: Any, orders: Any, messages: Any, book_index: int
) -> int:
    """The opening book: a snapshot, then one order a level; the number of messages."""
    write_message(simulator, messages, 0, book_index, MESSAGE_SNAPSHOT, FLAG_SNAPSHOT)
    count = 1
    increment = simulator["increment_units"]
    middle = on_grid(simulator, simulator["reference_units"])
    for depth in range(1, _SEED_LEVELS + 1):
        bid = max(middle - depth * increment, simulator["minimum_price_units"])
        message = write_message(simulator, messages, count, book_index, MESSAGE_ADD, FLAG_SNAPSHOT)
        enter_order(simulator, book, levels, orders, message, SIDE_BUY, bid)
        ask = max(middle, simulator["minimum_price_units"]) + depth * increment
        message = write_message(
            simulator, messages, count + 1, book_index, MESSAGE_ADD, FLAG_SNAPSHOT
        )
        enter_order(simulator, book, levels, orders, message, SIDE_SELL, ask)
        count += 2
    messages[count - 1]["flags"] = FLAG_SNAPSHOT | FLAG_LAST
    simulator["is_seeded"] = 1
    return count


@inline
def trade_at_market(
    simulator: Any, book: Any, levels: Any, orders: Any, messages: Any, start: int, index: int
) -> int:
    """A market order: executions at the best prices in queue order; the new count."""
    middle = simulator["reference_units"]
    if book["bid_count"] > 0 and book["ask_count"] > 0:
        middle = 0.5 * (best_price(book, levels, SIDE_BUY) + best_price(book, levels, SIDE_SELL))
    lean = (simulator["reference_units"] - middle) / simulator["increment_units"] / _LEAN_TICKS
    buys = next_uniform(simulator) < 0.5 + 0.45 * min(max(lean, -1.0), 1.0)
    side = SIDE_SELL if buys else SIDE_BUY
    left = draw_quantity(simulator) * _MARKET_SIZE_FACTOR
    count = start
    while left > 0 and count - start < EVENT_MESSAGES_MAX - 1 and side_count(book, side) > 1:
        price = best_price(book, levels, side)
        slot = first_in_queue(simulator, orders, side, price)
        if slot < 0:
            break
        quantity = min(left, orders[slot]["quantity_units"])
        message = write_message(simulator, messages, count, index, MESSAGE_EXECUTE, 0)
        take_from_order(simulator, book, levels, orders, slot, message, quantity)
        left -= quantity
        count += 1
    if count > start:
        messages[count - 1]["flags"] = FLAG_LAST
    return count


@inline
def trade_hidden(
    simulator: Any, book: Any, levels: Any, messages: Any, count: int, index: int
) -> int:
    """A trade against a hidden order at the middle of the spread; the new count."""
    if book["bid_count"] == 0 or book["ask_count"] == 0:
        return count
    bid = best_price(book, levels, SIDE_BUY)
    ask = best_price(book, levels, SIDE_SELL)
    message = write_message(simulator, messages, count, index, MESSAGE_EXECUTE_HIDDEN, FLAG_LAST)
    message["price_units"] = (bid + ask) // 2
    message["quantity_units"] = draw_quantity(simulator)
    message["side"] = SIDE_BUY if next_uniform(simulator) < 0.5 else SIDE_SELL
    return count + 1


@inline
def draw_order(simulator: Any, orders: Any) -> int:
    """Slot of an order to cancel: of a few drawn, one that the reference price has run over."""
    slot = simulator["order_offset"] + next_below(simulator, simulator["order_count"])
    for _ in range(_CANCEL_DRAWS):
        sign = 1 if orders[slot]["order_side"] == SIDE_BUY else -1
        if sign * (orders[slot]["price_units"] - simulator["reference_units"]) > 0.0:
            break
        slot = simulator["order_offset"] + next_below(simulator, simulator["order_count"])
    return slot


@inline
def cancel_one(
    simulator: Any, book: Any, levels: Any, orders: Any, messages: Any, count: int, index: int
) -> int:
    """Cancel or reduce a standing order; the new count."""
    slot = draw_order(simulator, orders)
    side = orders[slot]["order_side"]
    at_last_level = side_count(book, side) <= 1
    if at_last_level:
        return count
    quantity = orders[slot]["quantity_units"]
    kind = MESSAGE_DELETE
    lots = quantity // simulator["lot_units"]
    if lots > 1 and next_uniform(simulator) < _PARTIAL_CANCEL_SHARE:
        quantity = (1 + next_below(simulator, lots - 1)) * simulator["lot_units"]
        kind = MESSAGE_REDUCE
    message = write_message(simulator, messages, count, index, kind, FLAG_LAST)
    take_from_order(simulator, book, levels, orders, slot, message, quantity)
    return count + 1


@inline
def simulate_event(
    simulator: Any, book: Any, levels: Any, orders: Any, messages: Any, count: int, index: int
) -> int:
    """One event of one instrument; the new count of messages."""
    standing = simulator["order_count"]
    cancel_weight = (1.0 - 2.0 * _MARKET_SHARE) * standing / simulator["target_orders"]
    draw = next_uniform(simulator) * (1.0 + _MARKET_SHARE + _HIDDEN_SHARE + cancel_weight)
    if draw < _MARKET_SHARE:
        return trade_at_market(simulator, book, levels, orders, messages, count, index)
    if draw < _MARKET_SHARE + _HIDDEN_SHARE:
        return trade_hidden(simulator, book, levels, messages, count, index)
    if draw < _MARKET_SHARE + _HIDDEN_SHARE + cancel_weight:
        return cancel_one(simulator, book, levels, orders, messages, count, index)
    if standing == simulator["order_capacity"]:
        return count
    side = SIDE_BUY if next_uniform(simulator) < 0.5 else SIDE_SELL
    price = draw_limit_price(simulator, book, levels, side)
    message = write_message(simulator, messages, count, index, MESSAGE_ADD, FLAG_LAST)
    enter_order(simulator, book, levels, orders, message, side, price)
    return count + 1


@inline
def move_reference(simulator: Any, seconds: float) -> None:
    """Let the reference price wander for a while; its anchor drifts a tenth as fast."""
    step = simulator["volatility"] * math.sqrt(seconds)
    pull = simulator["anchor_units"] - simulator["reference_units"]
    simulator["reference_units"] += pull * min(_REVERSION_PER_SECOND * seconds, 1.0)
    simulator["reference_units"] += step * next_symmetric(simulator)
    simulator["anchor_units"] += 0.1 * step * next_symmetric(simulator)
    floor = 4.0 * simulator["minimum_price_units"]
    simulator["reference_units"] = max(simulator["reference_units"], floor)
    simulator["anchor_units"] = max(simulator["anchor_units"], floor)


@inline
def schedule_next(simulator: Any) -> None:
    """Draw the time of the next event by thinning the decaying intensity (Ogata 1981)."""
    base = simulator["base_rate"]
    waited = 0.0
    excitation = simulator["excitation"]
    for _ in range(64):
        bound = base * (1.0 + _CYCLE_DEPTH) + excitation
        step = next_exponential(simulator) / bound
        waited += step
        excitation *= math.exp(-_DECAY_PER_SECOND * step)
        at_ns = simulator["now_ns"] + waited * 1e9
        phase = 2.0 * math.pi * at_ns / simulator["cycle_ns"]
        intensity = base * (1.0 + _CYCLE_DEPTH * math.cos(phase)) + excitation
        if next_uniform(simulator) * bound <= intensity:
            break
    simulator["next_event_ns"] = simulator["now_ns"] + max(int(waited * 1e9), 1)
    simulator["excitation"] = excitation + _BRANCHING_RATIO * _DECAY_PER_SECOND


@inline
def earliest(simulators: Any) -> int:
    """Index of the instrument whose event comes next."""
    found = 0
    for index in range(1, len(simulators)):
        if simulators[index]["next_event_ns"] < simulators[found]["next_event_ns"]:
            found = index
    return found


@kernel(numba.int64(SIMULATORS, BOOKS, LEVELS, SIMULATED_ORDERS, FEED_MESSAGES, numba.int64))
def simulator_generate(
    simulators: Any, books: Any, levels: Any, orders: Any, messages: Any, until_ns: int
) -> int:
    """Write all messages of events up to a time, as far as there is room; their number.

    ``books`` are the simulator's own, one for each instrument, in the same order. The first event
    of an instrument is its opening book.
    """
    count = 0
    while count + EVENT_MESSAGES_MAX <= len(messages):
        index = earliest(simulators)
        simulator = simulators[index]
        if simulator["next_event_ns"] > until_ns:
            break
        seconds = (simulator["next_event_ns"] - simulator["now_ns"]) * 1e-9
        simulator["now_ns"] = simulator["next_event_ns"]
        if simulator["is_seeded"] == 0:
            room = messages[count:]
            count += seed_book(simulator, books[index], levels, orders, room, index)
        else:
            move_reference(simulator, seconds)
            count = simulate_event(simulator, books[index], levels, orders, messages, count, index)
        schedule_next(simulator)
    return count
