"""A price-time book that can do nothing else: what the full engine's features are held against.

One instrument, limit and market orders for the day or immediate, cancels and replaces; no account,
rule, capacity or refusal is looked at, nothing can be restored, and prices lie within a ladder of a
few hundred. It takes the same commands and writes the same compact reports, byte for byte, so its
lead over the engine is what the features cost. It isn't a product: a price outside of the ladder or
a cancel of an unknown order would corrupt it.
"""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.bits import highest_set_to, lowest_set_from
from tradecaptain.base.jit import entry, inline
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    load_i32,
    load_i64,
    store_i32,
    store_i64,
)
from tradecaptain.kernels.matching.layout import (
    COMPACT_COMMAND_BYTES,
    COMPACT_FIRST_BYTE,
    REPORT_BYTES,
)
from tradecaptain.kernels.matching.plain_compact import ACCEPTED, EXPIRED
from tradecaptain.kernels.matching.reports import (
    AT_COMMAND_SEQUENCE,
    AT_CONTRA_ORDER_ID,
    AT_LEAVES_UNITS,
    AT_ORDER_ID,
    AT_PRICE_UNITS,
    AT_QUANTITY_UNITS,
    AT_SEQUENCE,
    AT_WORD,
    report_word,
)
from tradecaptain.wire import common, execution_event, order_command, reason

from perf.support.book_tape import RING_REPORTS, BookTape
from perf.topology.order_flow import MID_UNITS, ORDER_NUMBER_MASK

_I64 = types.int64
BUY = common.SIDE_BUY

LADDER = 256
FIRST_UNITS = MID_UNITS - LADDER // 2
WORDS = LADDER // 64

# Words of the head, then the bits of each side, the levels (first, last), the id buckets and slots.
BASE = 0
NUMBER = 8
SEQUENCE = 16
REPORTS = 24
RING = 32
FREE = 40
USED = 48
BEST = 56
BITS = 128
LEVELS = 256
BUCKET_MASK = 4_096 - 1
BUCKETS = LEVELS + LADDER * 8
SLOTS = BUCKETS + (BUCKET_MASK + 1) * 4
SLOT_BYTES = 32
AT_ID, AT_TOTAL, AT_OPEN, AT_PLACE, AT_NEXT, AT_PREVIOUS, AT_CHAIN = 0, 8, 12, 16, 20, 24, 28

REPLACED = report_word(execution_event.EXECUTION_TYPE_REPLACED, 0, 0, 0)
CANCELLED = report_word(
    execution_event.EXECUTION_TYPE_CANCELLED,
    0,
    execution_event.ORDER_STATUS_CANCELLED,
    reason.REASON_CANCELLED_BY_OWNER,
)
TRADE = report_word(execution_event.EXECUTION_TYPE_TRADE, 0, 0, 0)
NO_BID = -1
NO_ASK = LADDER


@inline
def slot_at(book: int, slot: int) -> int:
    """Address of an order."""
    return book + SLOTS + slot * SLOT_BYTES


@inline
def report(
    book: int, sequence: int, word: int, order_id: int, contra_id: int, place: int, events: int
) -> int:
    """Write a report but for its quantities; ``place`` is that of its price, or under 0."""
    count = load_i64(book + REPORTS)
    line = load_i64(book + RING) + (count & (RING_REPORTS - 1)) * REPORT_BYTES
    told = load_i64(book + SEQUENCE)
    store_i64(book + REPORTS, count + 1)
    store_i64(book + SEQUENCE, told + events)
    store_i64(line + AT_SEQUENCE, told + 1)
    store_i64(line + AT_COMMAND_SEQUENCE, sequence)
    store_i64(line + AT_WORD, word)
    store_i64(line + AT_ORDER_ID, order_id)
    store_i64(line + AT_CONTRA_ORDER_ID, contra_id)
    store_i64(line + AT_PRICE_UNITS, place + FIRST_UNITS)
    return line


@inline
def tell_quantities(line: int, quantity_units: int, leaves_units: int) -> None:
    """Write the quantities of a report."""
    store_i64(line + AT_QUANTITY_UNITS, quantity_units)
    store_i64(line + AT_LEAVES_UNITS, leaves_units)


@inline
def best_of(book: int, side: int) -> int:
    """Place of the best price of a side."""
    return load_i64(book + BEST + side * 8)


@inline
def bits_of(book: int, side: int) -> int:
    """Address of the bits that say which prices of a side have orders."""
    return book + BITS + (side - 1) * WORDS * 8


@inline
def find_best(book: int, side: int, place: int) -> int:
    """The best place of a side from one on."""
    bits = bits_of(book, side)
    word = place >> 6
    if side == BUY:
        found = highest_set_to(load_i64(bits + word * 8), place & 63)
        while found < 0 and word > 0:
            word -= 1
            found = highest_set_to(load_i64(bits + word * 8), 63)
        return NO_BID if found < 0 else word * 64 + found
    found = lowest_set_from(load_i64(bits + word * 8), place & 63)
    while found == 64 and word < WORDS - 1:
        word += 1
        found = lowest_set_from(load_i64(bits + word * 8), 0)
    return NO_ASK if found == 64 else word * 64 + found


@inline
def join(book: int, slot: int, side: int, place: int) -> None:
    """Put an order at the end of the queue of a place."""
    order = slot_at(book, slot)
    level = book + LEVELS + place * 8
    last = load_i32(level + 4) + 0
    store_i32(order + AT_PLACE, place * 4 + side)
    store_i32(order + AT_NEXT, 0)
    store_i32(order + AT_PREVIOUS, last)
    store_i32(level + 4, slot)
    if last != 0:
        store_i32(slot_at(book, last) + AT_NEXT, slot)
        return
    store_i32(level, slot)
    bits = bits_of(book, side) + (place >> 6) * 8
    store_i64(bits, load_i64(bits) | (1 << (place & 63)))
    best = best_of(book, side)
    if (place > best) if side == BUY else (place < best):
        store_i64(book + BEST + side * 8, place)


@inline
def leave(book: int, slot: int, side: int, place: int) -> None:
    """Take an order out of its queue."""
    order = slot_at(book, slot)
    level = book + LEVELS + place * 8
    following = load_i32(order + AT_NEXT) + 0
    previous = load_i32(order + AT_PREVIOUS) + 0
    store_i32(level if previous == 0 else slot_at(book, previous) + AT_NEXT, following)
    store_i32(level + 4 if following == 0 else slot_at(book, following) + AT_PREVIOUS, previous)
    if following | previous == 0:
        bits = bits_of(book, side) + (place >> 6) * 8
        store_i64(bits, load_i64(bits) & ~(1 << (place & 63)))
        if place == best_of(book, side):
            store_i64(book + BEST + side * 8, find_best(book, side, place))


@inline
def link_to(book: int, order_id: int) -> int:
    """Address of the word that names an order."""
    link = book + BUCKETS + (order_id & BUCKET_MASK) * 4
    slot = load_i32(link) + 0
    while load_i64(slot_at(book, slot) + AT_ID) != order_id:
        link = slot_at(book, slot) + AT_CHAIN
        slot = load_i32(link) + 0
    return link


@inline
def drop(book: int, link: int, slot: int) -> None:
    """Forget an order that has left its queue, of which a word (by its address) is the name."""
    order = slot_at(book, slot)
    store_i32(link, load_i32(order + AT_CHAIN))
    store_i32(order + AT_NEXT, load_i64(book + FREE))
    store_i64(book + FREE, slot)


@inline
def match(book: int, sequence: int, side: int, limit: int, order_id: int, units: int) -> int:
    """Trade up to the place ``limit``; returns what is left."""
    other = 3 - side
    while units > 0:
        best = best_of(book, other)
        if (best > limit or best == NO_ASK) if side == BUY else (best < limit or best == NO_BID):
            break
        maker = load_i32(book + LEVELS + best * 8) + 0
        order = slot_at(book, maker)
        maker_id = load_i64(order + AT_ID)
        open_units = load_i32(order + AT_OPEN) + 0
        traded_units = min(units, open_units)
        units -= traded_units
        status = (
            execution_event.ORDER_STATUS_FILLED
            if units == 0
            else execution_event.ORDER_STATUS_PARTIALLY_FILLED
        )
        word = TRADE | (side << 16) | (status << 48)
        line = report(book, sequence, word, order_id, maker_id, best, 2)
        tell_quantities(line, traded_units, units)
        store_i32(order + AT_OPEN, open_units - traded_units)
        if traded_units == open_units:
            leave(book, maker, other, best)
            drop(book, link_to(book, maker_id), maker)
    return units


@inline
def rest(book: int, side: int, place: int, order_id: int, total_units: int, units: int) -> None:
    """Let what is left of a new order wait."""
    slot = load_i64(book + FREE)
    if slot != 0:
        store_i64(book + FREE, load_i32(slot_at(book, slot) + AT_NEXT))
    else:
        slot = load_i64(book + USED) + 1
        store_i64(book + USED, slot)
    order = slot_at(book, slot)
    bucket = book + BUCKETS + (order_id & BUCKET_MASK) * 4
    store_i64(order + AT_ID, order_id)
    store_i32(order + AT_TOTAL, total_units)
    store_i32(order + AT_OPEN, units)
    store_i32(order + AT_CHAIN, load_i32(bucket))
    store_i32(bucket, slot)
    join(book, slot, side, place)


@inline
def plain_new(book: int, command: int, sequence: int) -> None:
    """A new order."""
    side = order_command.get_side(command)
    units = order_command.get_quantity_units(command)
    number = load_i64(book + NUMBER) + 1
    store_i64(book + NUMBER, number)
    order_id = load_i64(book + BASE) + number
    is_limit = order_command.get_order_type(command) == common.ORDER_TYPE_LIMIT
    place = order_command.get_price_units(command) - FIRST_UNITS if is_limit else -FIRST_UNITS
    line = report(book, sequence, ACCEPTED | (side << 16), order_id, 0, place, 1)
    tell_quantities(line, units, units)
    limit = place if is_limit else (LADDER if side == BUY else -1)
    left_units = match(book, sequence, side, limit, order_id, units)
    if left_units == 0:
        return
    if order_command.get_time_in_force(command) == common.TIME_IN_FORCE_DAY and is_limit:
        rest(book, side, place, order_id, units, left_units)
        return
    line = report(book, sequence, EXPIRED | (side << 16), order_id, 0, place, 1)
    tell_quantities(line, units, left_units)


@inline
def plain_cancel(book: int, order_id: int, sequence: int) -> None:
    """A cancel of an order that rests."""
    link = link_to(book, order_id)
    slot = load_i32(link) + 0
    order = slot_at(book, slot)
    side = load_i32(order + AT_PLACE) & 3
    place = load_i32(order + AT_PLACE) >> 2
    line = report(book, sequence, CANCELLED | (side << 16), order_id, 0, place, 1)
    tell_quantities(line, load_i32(order + AT_TOTAL) + 0, load_i32(order + AT_OPEN) + 0)
    leave(book, slot, side, place)
    drop(book, link, slot)


@inline
def plain_replace(book: int, command: int, order_id: int, sequence: int) -> None:
    """A replace of an order that rests, which loses its place in the queue."""
    link = link_to(book, order_id)
    slot = load_i32(link) + 0
    order = slot_at(book, slot)
    side = load_i32(order + AT_PLACE) & 3
    total_units = order_command.get_quantity_units(command)
    units = load_i32(order + AT_OPEN) + total_units - load_i32(order + AT_TOTAL)
    place = order_command.get_price_units(command) - FIRST_UNITS
    status = (
        execution_event.ORDER_STATUS_WORKING
        if units == total_units
        else execution_event.ORDER_STATUS_PARTIALLY_FILLED
    )
    leave(book, slot, side, load_i32(order + AT_PLACE) >> 2)
    line = report(book, sequence, REPLACED | (side << 16) | (status << 48), order_id, 0, place, 1)
    tell_quantities(line, total_units, units)
    units = match(book, sequence, side, place, order_id, units)
    store_i32(order + AT_TOTAL, total_units)
    store_i32(order + AT_OPEN, units)
    if units == 0:
        drop(book, link_to(book, order_id), slot)
    else:
        join(book, slot, side, place)


@entry(_I64(_I64, _I64, _I64), whole_program=True)
def play_plainly(book: int, tape: int, count: int) -> int:
    """Carry out a run of commands of one cache line each."""
    for index in range(count):
        command = tape + index * COMPACT_COMMAND_BYTES - COMPACT_FIRST_BYTE
        sequence = order_command.get_sequence(command)
        action = order_command.get_action(command)
        if action == order_command.COMMAND_ACTION_CANCEL_ORDER:
            plain_cancel(book, order_command.get_order_id(command), sequence)
        elif action == order_command.COMMAND_ACTION_NEW_ORDER:
            plain_new(book, command, sequence)
        else:
            plain_replace(book, command, order_command.get_order_id(command), sequence)
    return count


def plain_ns(tape: BookTape, epoch: int, orders: int) -> tuple[float, npt.NDArray[np.uint8]]:
    """Nanoseconds of processor time a command of the measured part, and the last reports, as they
    lie in the ring."""
    block = aligned_zeros(SLOTS + (orders + 1) * SLOT_BYTES, np.uint8)
    ring = aligned_zeros(RING_REPORTS * REPORT_BYTES, np.uint8)
    book = address_of(block)
    store_i64(book + BASE, epoch * (ORDER_NUMBER_MASK + 1))
    store_i64(book + RING, address_of(ring))
    store_i64(book + BEST + BUY * 8, NO_BID)
    store_i64(book + BEST + common.SIDE_SELL * 8, NO_ASK)
    start = address_of(tape.commands)
    play_plainly(book, start, tape.warm_count)
    first = start + tape.warm_count * COMPACT_COMMAND_BYTES
    start_ns = time.thread_time_ns()
    play_plainly(book, first, tape.measured_count)
    return (time.thread_time_ns() - start_ns) / tape.measured_count, ring
