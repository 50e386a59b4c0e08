"""What an order says beyond price and quantity, read through its flags."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    load_constant_i64,
    load_i16,
    load_i32,
    load_i64,
    load_u16,
    store_i64,
    store_u16,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import (
    FLAG_CONDITIONAL,
    FLAG_HIDDEN,
    FLAG_ICEBERG,
    INT64_MAXIMUM,
    REPLACES_TOTAL,
)
from tradecaptain.kernels.matching.tables import book_at, order_at, party_at, terms_at
from tradecaptain.wire import execution_event

INSTRUCTION_POST_ONLY = 1
INSTRUCTION_REDUCE_ONLY = 2
INSTRUCTION_HIDDEN = 4
INSTRUCTION_ALL_OR_NONE = 8
INSTRUCTION_REDUCE = 16
INSTRUCTION_SLIDE = 32
INSTRUCTION_TOP = 64
INSTRUCTION_BOUNDED = 128
INSTRUCTIONS_END = 256
INSTRUCTION_LOCATED = 1 << 15
"""The author says that the shares of a short sale are located: only the risk gate asks for it."""


@inline
def order_side(order: int) -> int:
    """Side of an order by its address."""
    return load_i16(order + at.ORDER_SIDE) + 0


@inline
def flags_of(order: int) -> int:
    """All flags of an order."""
    return load_u16(order + at.ORDER_FLAGS) + 0


@inline
def has_flag(order: int, flag: int) -> bool:
    """Whether an order has any of some flags."""
    return (load_u16(order + at.ORDER_FLAGS) & flag) != 0


@inline
def set_flags(order: int, flags: int) -> None:
    """Add flags to an order."""
    store_u16(order + at.ORDER_FLAGS, load_u16(order + at.ORDER_FLAGS) | flags)


@inline
def clear_flags(order: int, flags: int) -> None:
    """Take flags off an order."""
    store_u16(order + at.ORDER_FLAGS, load_u16(order + at.ORDER_FLAGS) & (0xFFFF ^ flags))


@inline
def shown_units(engine: int, slot: int) -> int:
    """What the public sees of an order."""
    order = order_at(engine, slot)
    if has_flag(order, FLAG_HIDDEN):
        return 0
    if has_flag(order, FLAG_ICEBERG):
        return load_i64(terms_at(engine, slot) + at.TERMS_VISIBLE_UNITS)
    return load_i64(order + at.ORDER_LEAVES_UNITS)


@inline
def slice_units(engine: int, slot: int) -> int:
    """What one trade can take of an order."""
    order = order_at(engine, slot)
    if has_flag(order, FLAG_ICEBERG):
        return load_i64(terms_at(engine, slot) + at.TERMS_VISIBLE_UNITS)
    return load_i64(order + at.ORDER_LEAVES_UNITS)


@inline
def required_units(engine: int, slot: int) -> int:
    """The least of an order that has to trade at once."""
    order = order_at(engine, slot)
    if not has_flag(order, FLAG_CONDITIONAL):
        return 0
    terms = terms_at(engine, slot)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    if load_i32(terms + at.TERMS_INSTRUCTIONS) & INSTRUCTION_ALL_OR_NONE != 0:
        return leaves_units
    return min(load_i64(terms + at.TERMS_MINIMUM_UNITS), leaves_units)


@inline
def take_off(engine: int, slot: int, quantity_units: int) -> None:
    """Make an order smaller; an iceberg loses what nobody sees first."""
    order = order_at(engine, slot)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS) - quantity_units
    store_i64(order + at.ORDER_LEAVES_UNITS, leaves_units)
    store_i64(
        order + at.ORDER_QUANTITY_UNITS,
        load_i64(order + at.ORDER_QUANTITY_UNITS) - quantity_units,
    )
    if has_flag(order, FLAG_ICEBERG):
        show_units(engine, slot, min(shown_units(engine, slot), leaves_units))


@inline
def show_units(engine: int, slot: int, visible_units: int) -> None:
    """Set what an iceberg shows."""
    store_i64(terms_at(engine, slot) + at.TERMS_VISIBLE_UNITS, visible_units)


@inline
def show_display(engine: int, slot: int) -> None:
    """Let an iceberg show its display quantity, or what is left."""
    order = order_at(engine, slot)
    if has_flag(order, FLAG_ICEBERG):
        display_units = load_i64(terms_at(engine, slot) + at.TERMS_DISPLAY_UNITS)
        show_units(engine, slot, min(display_units, load_i64(order + at.ORDER_LEAVES_UNITS)))


@inline
def total_of_replace(engine: int, quantity_units: int, order: int) -> int:
    """Total that the quantity of a replace gives an order (by its address): 0, which is no order's,
    where int64 can't hold it."""
    if load_constant_i64(engine + at.HEADER_REPLACES) == REPLACES_TOTAL:
        return quantity_units
    filled_units = load_i64(order + at.ORDER_QUANTITY_UNITS) - load_i64(
        order + at.ORDER_LEAVES_UNITS
    )
    return 0 if quantity_units > INT64_MAXIMUM - filled_units else quantity_units + filled_units


@inline
def working_status(order: int) -> int:
    """Status of an open order (by its address)."""
    if load_i64(order + at.ORDER_LEAVES_UNITS) == load_i64(order + at.ORDER_QUANTITY_UNITS):
        return execution_event.ORDER_STATUS_WORKING
    return execution_event.ORDER_STATUS_PARTIALLY_FILLED


@inline
def order_type_of(engine: int, slot: int) -> int:
    """Type of an order."""
    return load_u16(party_at(engine, slot) + at.PARTY_ORDER_TYPE) + 0


@inline
def time_in_force_of(engine: int, slot: int) -> int:
    """Time in force of an order."""
    return load_u16(party_at(engine, slot) + at.PARTY_TIME_IN_FORCE) + 0


@inline
def order_book(engine: int, slot: int) -> int:
    """Address of the book of an order."""
    return book_at(engine, load_i32(order_at(engine, slot) + at.ORDER_BOOK) + 0)


@inline
def watch(engine: int, book: int, change: int) -> None:
    """Count orders of a book (by its address) that a change of the book may set off."""
    counter = book + at.BOOK_WATCH_COUNT
    store_i64(counter, load_i64(counter) + change)
    counter = engine + at.HEADER_WATCH_COUNT
    store_i64(counter, load_i64(counter) + change)
