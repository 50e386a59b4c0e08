"""What the short way writes of an order: its records, its acknowledgement, its level's end."""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import copy_bytes, load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.identity import link_order
from tradecaptain.kernels.matching.levels import remove_level
from tradecaptain.kernels.matching.plain_form import Form
from tradecaptain.kernels.matching.tables import (
    index_of_book,
    neighbours_at,
    order_at,
    party_at,
    take_order,
)
from tradecaptain.wire import order_command

OTHER_NAMES = order_command.OFFSET_CLIENT_ORDER_ID1


@inline
def copy_names(party: int, names: int) -> None:
    """Write the names of a party (by its address), but for the tag, from where they lie alike."""
    # In pieces that need no wide registers, which would have to be cleared again.
    copy_bytes(party, names, 16)
    copy_bytes(party + 16, names + 16, 16)
    copy_bytes(party + 32, names + 32, 8)


@inline
def write_party(engine: int, slot: int, command: int) -> None:
    """Write who entered an order, of which a whole command says all."""
    party = party_at(engine, slot)
    copy_names(party, command + OTHER_NAMES)
    store_i32(party + at.PARTY_TAG, order_command.get_tag(command))
    store_i64(party + at.PARTY_WORD, load_i64(command + order_command.OFFSET_ACTION))
    store_i64(neighbours_at(engine, slot) + at.NEIGHBOURS_NAMES_NUMBER, 0)


@inline_always
def fill_plain_order(
    engine: int, slot: int, command: int, book: int, side: int, order_id: int, leaves_units: int
) -> None:
    """Write the record of a new plain limit order, but for its place in a queue."""
    order = order_at(engine, slot)
    store_i64(order + at.ORDER_ORDER_ID, order_id)
    # Price and quantity at once, as below what commands and records have beside each other.
    copy_bytes(order + at.ORDER_PRICE_UNITS, command + order_command.OFFSET_PRICE_UNITS, 16)
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    store_i32(order + at.ORDER_ACCOUNT_ID, order_command.get_account_id(command))
    store_i32(order + at.ORDER_BOOK, book)
    # No flags and no group: they lie behind the side, in its word.
    store_i64(order + at.ORDER_SIDE, side)
    client_order_id0 = order_command.get_client_order_id0(command)
    store_i64(order + at.ORDER_CLIENT_ORDER_ID0, client_order_id0)


@inline_always
def accept_plain(
    form: Form,
    engine: int,
    command: int,
    order_id: int,
    side: int,
    quantity_units: int,
    is_last: int,
) -> int:
    """Number a new order that nothing refuses, and acknowledge it; returns where that is told."""
    number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
    store_i64(engine + at.HEADER_LAST_ORDER_NUMBER, number)
    return form.accepted(engine, command, order_id, side, quantity_units, is_last)


@inline_always
def record_plain(
    form: Form,
    engine: int,
    command: int,
    book: int,
    side: int,
    order_id: int,
    bucket: int,
    leaves_units: int,
    level: int,
) -> int:
    """Record a new order for a book (by its address); returns its slot.

    ``bucket`` is its id's (by its address). A place in the queue of a level, or of a new one if
    that is 0, is to follow.
    """
    # What is needed for this alone needn't be kept for what follows.
    slot = take_order(engine)
    link_order(engine, slot, bucket, order_id)
    fill_plain_order(engine, slot, command, index_of_book(book), side, order_id, leaves_units)
    form.name_resting(engine, slot, command)
    price_units = order_command.get_price_units(command)
    form.added(engine, book, side, order_id, price_units, leaves_units, level)
    return slot


@apart
def close_level(engine: int, side_book: int, level: int, _fourth: int) -> int:
    """`remove_level`, of which nothing else is kept in registers."""
    remove_level(engine, side_book, level)
    return 0
