"""What makes a command plain: the rules that could refuse or divert it, looked at together.

A new order that passes needs no more than price and time, in a book where nothing else does. Most
orders are such; all else goes the general way (`checks`, `entry`).
"""

from __future__ import annotations

from tradecaptain.base.bits import fit_together, is_below
from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_constant_i64, load_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.identity import (
    can_take_order,
    differs_at_once,
    link_in_bucket,
    linked_slot,
    order_bucket,
)
from tradecaptain.kernels.matching.layout import ORDER_IDS_CLIENT
from tradecaptain.kernels.matching.tables import level_at
from tradecaptain.wire import common, order_command

NOT_PLAIN = -1

# Action, side, type and time in force lie in one word. The first new order: a limit to buy for the
# day; and what may differ in it: to sell, a market order, and up to fill or kill. A new order's
# kind is its word less the first one's.
FIRST_NEW = (
    order_command.COMMAND_ACTION_NEW_ORDER
    | (common.SIDE_BUY << 16)
    | (common.ORDER_TYPE_LIMIT << 32)
    | (common.TIME_IN_FORCE_DAY << 48)
)
IS_MARKET = 1 << 32
IS_IMMEDIATE = 2 << 48
IS_LASTING = 1 << 48
OTHER_RESTING = (1 << 16) | (1 << 48)
OTHER_NEWS = (1 << 16) | IS_MARKET | IS_IMMEDIATE | (1 << 48)

FIRST_TERMS = order_command.OFFSET_STOP_PRICE_UNITS
LAST_TERMS = order_command.OFFSET_EXPIRE_TIME_NS
FURTHER_TERMS = order_command.OFFSET_SEND_TIME_NS + 8


@inline
def further_terms(rest: int) -> int:
    """Zero if a command's record says nothing beyond what a plain order says."""
    said = order_command.get_instructions(rest) | order_command.get_self_trade_group(rest)
    for offset in range(FIRST_TERMS, LAST_TERMS + 8, 8):
        said |= load_i64(rest + offset)
    for offset in range(FURTHER_TERMS, order_command.RECORD_BYTES, 8):
        said |= load_i64(rest + offset)
    return said


@inline
def further_rules(engine: int, book: int) -> int:
    """Zero if a book (by its address) has only plain orders, in continuous trading, and nothing
    waits in any book."""
    return load_i64(book + at.BOOK_SPECIAL) | load_i64(engine + at.HEADER_WATCH_COUNT)


@inline
def breaks_price_rules(book: int, price_units: int) -> bool:
    """Whether a price lies outside of what a book (by its address) takes."""
    return price_units < load_i64(book + at.BOOK_PLAIN_LOW_UNITS) or price_units > load_i64(
        book + at.BOOK_PLAIN_HIGH_UNITS
    )


@inline
def breaks_quantity_rules(book: int, quantity_units: int) -> bool:
    """Whether a book (by its address) takes no plain orders of a size."""
    # In one comparison: one less, a size of zero or less is beyond any limit.
    return not is_below(quantity_units - 1, load_i64(book + at.BOOK_PLAIN_QUANTITY_UNITS))


@inline
def is_plain_account(engine: int, account_id: int) -> bool:
    """Whether an account is known, and not that of the replayed flow, whose orders have further
    names."""
    place = account_id - load_constant_i64(engine + at.HEADER_FIRST_PLAIN_ACCOUNT_ID)
    return is_below(place, load_constant_i64(engine + at.HEADER_PLAIN_ACCOUNT_IDS))


@inline
def has_room(engine: int, level: int, quantity_units: int) -> bool:
    """Whether a level, or the null level, can take an order without its sum leaving int64."""
    level_units = load_i64(level_at(engine, level) + at.LEVEL_QUANTITY_UNITS)
    return fit_together(level_units, quantity_units)


@inline
def can_rest(kind: int) -> bool:
    """Whether what a new plain order of a kind leaves open stays in the book."""
    return kind & (IS_MARKET | IS_IMMEDIATE) == 0


@inline
def names_own_orders(engine: int) -> bool:
    """Whether new orders bring their ids along, as clients chose them."""
    return load_constant_i64(engine + at.HEADER_ORDER_IDS) == ORDER_IDS_CLIENT


@inline
def next_own_id(engine: int) -> int:
    """The id that the engine gives to the next order."""
    number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
    return load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + number


@inline_always
def next_order_id(engine: int, command: int) -> int:
    """The id that a new order gets: what it names itself, or the engine's next."""
    if names_own_orders(engine):
        return order_command.get_client_order_id0(command)
    return next_own_id(engine)


@inline_always
def is_new_id(engine: int, bucket: int, order_id: int) -> bool:
    """Whether an id that a client chose, of a bucket (by its address), is one, and no order's."""
    return order_id != 0 and (
        differs_at_once(bucket, order_id)
        or linked_slot(link_in_bucket(engine, bucket, order_id)) == 0
    )


@inline_always
def can_have_id(engine: int, order_id: int) -> bool:
    """Whether a new order can have an id: one that it names itself must be new."""
    return not names_own_orders(engine) or is_new_id(
        engine, order_bucket(engine, order_id), order_id
    )


@inline_always
def diverts(engine: int, command: int, book: int, said: int) -> bool:
    """Whether anything but type and price of a new order for a book (by its address), or about that
    book, refuses or diverts it."""
    return (
        further_rules(engine, book) | said != 0
        or not is_plain_account(engine, order_command.get_account_id(command))
        or not can_take_order(engine)
        or breaks_quantity_rules(book, order_command.get_quantity_units(command))
    )
