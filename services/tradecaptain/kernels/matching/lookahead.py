"""Asking for memory ahead of what needs it. Nothing that is done here changes what a command does.

In a book of many orders a cancel waits for its order, and that for its neighbours in the queue; all
of them lie anywhere. A run of commands tells early which ones will be needed.

A command also asks for what it will write but doesn't read, as soon as it knows where that lies:
stores reach the cache in their order, so that one that waits for its line holds up all others.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, prefetch_read, prefetch_write
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.identity import linked_slot, order_bucket
from tradecaptain.kernels.matching.levels import (
    best_level,
    level_head,
    level_in_page,
    opposite,
    order_ahead,
    order_behind,
    recent_page,
)
from tradecaptain.kernels.matching.prices import level_address, page_at
from tradecaptain.kernels.matching.tables import (
    book_index,
    level_at,
    neighbours_at,
    order_at,
    party_at,
    side_at,
)
from tradecaptain.wire import order_command

COMMANDS_AHEAD = 8
BUCKET_AHEAD = 12
ORDER_AHEAD = 8
NEIGHBOURS_AHEAD = 4
MANY_ORDERS = 8_192
"""With fewer orders everything lies near, and asking ahead costs more than it saves."""


@inline
def ask_for_order(engine: int, order_id: int) -> None:
    """Ask for the first order of an id's bucket, which most often is the one meant."""
    slot = linked_slot(order_bucket(engine, order_id))
    prefetch_write(order_at(engine, slot))
    prefetch_write(neighbours_at(engine, slot))


@inline
def ask_for_neighbours(engine: int, slot: int) -> None:
    """Ask for what names an order in the orders ahead of and behind it."""
    prefetch_write(neighbours_at(engine, order_ahead(engine, slot)))
    prefetch_write(neighbours_at(engine, order_behind(engine, slot)))


@inline
def ask_for_orders(engine: int, order_id: int, stride: int, end: int) -> None:
    """Ask for what a few of the next commands will need of a book of many orders."""
    if order_id + BUCKET_AHEAD * stride < end:
        prefetch_read(order_bucket(engine, load_i64(order_id + BUCKET_AHEAD * stride)))
    if order_id + ORDER_AHEAD * stride < end:
        ask_for_order(engine, load_i64(order_id + ORDER_AHEAD * stride))
    if order_id + NEIGHBOURS_AHEAD * stride < end:
        bucket = order_bucket(engine, load_i64(order_id + NEIGHBOURS_AHEAD * stride))
        ask_for_neighbours(engine, linked_slot(bucket))


@inline
def look_ahead(engine: int, order_id: int, stride: int, end: int) -> None:
    """Ask for what the commands behind one of a run will need.

    ``order_id`` is the address of its order id, ``stride`` the bytes from one to the next, and
    ``end`` where the one behind the run's last would be.
    """
    # The commands themselves: what to do next is known too late from one that isn't near.
    prefetch_read(order_id + COMMANDS_AHEAD * stride)
    if load_i64(engine + at.HEADER_ORDER_COUNT) >= MANY_ORDERS:
        ask_for_orders(engine, order_id, stride, end)


@inline
def told_side(command: int) -> int:
    """The side that a command names, or any of both."""
    return 2 - (order_command.get_side(command) & 1)


@inline
def told_book(engine: int, command: int) -> int:
    """Index of the book that a command names, or 0."""
    return book_index(engine, order_command.get_instrument_id(command))


@inline
def ask_for_command(engine: int, command: int) -> None:
    """Ask for what a command leads to that is the second behind the one at work.

    ``command`` is the address of an OrderCommand, which need not be checked yet.
    """
    if order_command.get_action(command) != order_command.COMMAND_ACTION_NEW_ORDER:
        prefetch_write(order_bucket(engine, order_command.get_order_id(command)))
        return
    book, side = told_book(engine, command), told_side(command)
    price_units = order_command.get_price_units(command)
    recent = load_i32(recent_page(engine, side_at(engine, book, side), price_units)) + 0
    page = page_at(engine, recent)
    prefetch_write(page)
    prefetch_write(level_address(page, price_units))
    prefetch_write(level_at(engine, best_level(side_at(engine, book, opposite(side)))))


@inline
def ask_closer(engine: int, command: int) -> None:
    """Ask for what the next command needs: what `ask_for_command` has asked for leads there."""
    if order_command.get_action(command) != order_command.COMMAND_ACTION_NEW_ORDER:
        slot = linked_slot(order_bucket(engine, order_command.get_order_id(command)))
        ask_for_whole_order(engine, slot)
        return
    book, side = told_book(engine, command), told_side(command)
    price_units = order_command.get_price_units(command)
    page = load_i32(recent_page(engine, side_at(engine, book, side), price_units)) + 0
    prefetch_write(level_at(engine, level_in_page(engine, page, price_units)))
    best = best_level(side_at(engine, book, opposite(side)))
    ask_for_whole_order(engine, level_head(engine, best))


@inline
def ask_for_whole_order(engine: int, slot: int) -> None:
    """Ask for all that is written and told of an order."""
    prefetch_write(order_at(engine, slot))
    prefetch_write(neighbours_at(engine, slot))
    prefetch_read(party_at(engine, slot))
