"""Asking for memory ahead of the commands of a run.

In a book of many orders a cancel waits for its order, and that for its neighbours in the queue; all
of them lie anywhere. A run of commands tells early which ones will be needed. Nothing that is done
here changes what a command does.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, prefetch_read, prefetch_write
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.identity import linked_slot, order_bucket
from tradecaptain.kernels.matching.tables import order_at, party_at

COMMANDS_AHEAD = 8
BUCKET_AHEAD = 12
ORDER_AHEAD = 8
NEIGHBOURS_AHEAD = 4
MANY_ORDERS = 8_192
"""With fewer orders everything lies near, and asking ahead costs more than it saves."""


@inline
def ask_for_order(engine: int, order_id: int) -> None:
    """Ask for the first order of an id's bucket, which most often is the one meant."""
    prefetch_write(order_at(engine, linked_slot(order_bucket(engine, order_id))))


@inline
def ask_for_neighbours(engine: int, order_id: int) -> None:
    """Ask for the orders ahead of and behind one."""
    order = order_at(engine, linked_slot(order_bucket(engine, order_id)))
    prefetch_write(order_at(engine, load_i32(order + at.ORDER_PREVIOUS) + 0))
    prefetch_write(order_at(engine, load_i32(order + at.ORDER_NEXT) + 0))


@inline
def ask_for_orders(engine: int, order_id: int, stride: int, end: int) -> None:
    """Ask for what a few of the next commands will need of a book of many orders."""
    if order_id + BUCKET_AHEAD * stride < end:
        prefetch_read(order_bucket(engine, load_i64(order_id + BUCKET_AHEAD * stride)))
    if order_id + ORDER_AHEAD * stride < end:
        ask_for_order(engine, load_i64(order_id + ORDER_AHEAD * stride))
    if order_id + NEIGHBOURS_AHEAD * stride < end:
        ask_for_neighbours(engine, load_i64(order_id + NEIGHBOURS_AHEAD * stride))
    prefetch_write(party_at(engine, load_i64(engine + at.HEADER_FREE_ORDER)))


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
