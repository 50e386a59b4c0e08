"""Compact reports: one cache line for each thing that happens, written into the engine's ring.

The wire events of `events` carry all that a venue tells its members; a program that has the engine
inside itself knows most of that already. Sequences count as if wire events were written, so the
state is the same in either form.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    copy_bytes,
    load_constant_i64,
    load_i16,
    load_i32,
    load_i64,
    prefetch_write,
    store_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import REPORT, REPORT_BYTES, REPORT_FORM_WIRE
from tradecaptain.kernels.matching.records import offset_of
from tradecaptain.kernels.matching.tables import book_at, order_at
from tradecaptain.wire import execution_event, order_command

REPORTS_AHEAD = 8
AT_SEQUENCE = offset_of(REPORT, "sequence")
AT_COMMAND_SEQUENCE = offset_of(REPORT, "command_sequence")
AT_ORDER_ID = offset_of(REPORT, "order_id")
AT_CONTRA_ORDER_ID = offset_of(REPORT, "contra_order_id")
AT_PRICE_UNITS = offset_of(REPORT, "price_units")
AT_QUANTITY_UNITS = offset_of(REPORT, "quantity_units")
AT_LEAVES_UNITS = offset_of(REPORT, "leaves_units")
AT_WORD = offset_of(REPORT, "execution_type")


@inline
def reports_wire(engine: int) -> bool:
    """Whether the engine writes wire events."""
    return load_constant_i64(engine + at.HEADER_REPORT_FORM) == REPORT_FORM_WIRE


@inline
def report_word(execution_type: int, side: int, status: int, why: int) -> int:
    """The small fields of a report in their places: type, side, reason, status."""
    return execution_type | (side << 16) | (why << 32) | (status << 48)


@inline
def report_count(engine: int) -> int:
    """How many reports an engine has written into its ring."""
    return load_i64(engine + at.HEADER_EXECUTION_SEQUENCE) - load_i64(engine + at.HEADER_REPORT_LAG)


@inline
def set_execution_sequence(engine: int, sequence: int) -> None:
    """Set how many execution events there were, without another count of reports."""
    store_i64(engine + at.HEADER_REPORT_LAG, sequence - report_count(engine))
    store_i64(engine + at.HEADER_EXECUTION_SEQUENCE, sequence)


@inline
def next_report(engine: int, command_sequence: int, word: int, event_count: int) -> int:
    """Address of the next report, with its sequences and small fields written.

    ``event_count`` is how many wire events it stands for.
    """
    sequence = load_i64(engine + at.HEADER_EXECUTION_SEQUENCE)
    lag = load_i64(engine + at.HEADER_REPORT_LAG)
    report = load_constant_i64(engine + at.HEADER_REPORT_ADDRESS) + REPORT_BYTES * (
        (sequence - lag) & load_constant_i64(engine + at.HEADER_REPORT_MASK)
    )
    # Its reader had the line last, on another core.
    prefetch_write(report + REPORTS_AHEAD * REPORT_BYTES)
    store_i64(engine + at.HEADER_EXECUTION_SEQUENCE, sequence + event_count)
    if event_count != 1:
        store_i64(engine + at.HEADER_REPORT_LAG, lag + event_count - 1)
    store_i64(report + AT_SEQUENCE, sequence + 1)
    store_i64(report + AT_COMMAND_SEQUENCE, command_sequence)
    store_i64(report + AT_WORD, word)
    return report


@inline
def write_report(
    engine: int,
    command_sequence: int,
    word: int,
    order_id: int,
    price_units: int,
    quantity_units: int,
    leaves_units: int,
) -> None:
    """Write a report of one order; ``word`` holds its small fields."""
    report = next_report(engine, command_sequence, word, 1)
    store_i64(report + AT_ORDER_ID, order_id)
    store_i64(report + AT_CONTRA_ORDER_ID, 0)
    store_i64(report + AT_PRICE_UNITS, price_units)
    store_i64(report + AT_QUANTITY_UNITS, quantity_units)
    store_i64(report + AT_LEAVES_UNITS, leaves_units)


@inline
def report_order(
    engine: int, command_sequence: int, slot: int, execution_type: int, status: int, why: int
) -> None:
    """Report what happened to an order: its price, total quantity and what is left open.

    Of an order that has ended, what was left is what it ended with.
    """
    order = order_at(engine, slot)
    side = load_i16(order + at.ORDER_SIDE) + 0
    word = report_word(execution_type, side, status, why)
    report = next_report(engine, command_sequence, word, 1)
    store_i64(report + AT_ORDER_ID, load_i64(order + at.ORDER_ORDER_ID))
    store_i64(report + AT_CONTRA_ORDER_ID, 0)
    # Price and quantity lie beside each other in both.
    copy_bytes(report + AT_PRICE_UNITS, order + at.ORDER_PRICE_UNITS, 16)
    store_i64(report + AT_LEAVES_UNITS, load_i64(order + at.ORDER_LEAVES_UNITS))


@inline
def write_trade_report(
    engine: int,
    command_sequence: int,
    side: int,
    order_id: int,
    contra_order_id: int,
    price_units: int,
    quantity_units: int,
    leaves_units: int,
) -> None:
    """Report a trade: price and quantity, and what is left of the taker."""
    status = (
        execution_event.ORDER_STATUS_FILLED
        if leaves_units == 0
        else execution_event.ORDER_STATUS_PARTIALLY_FILLED
    )
    word = report_word(execution_event.EXECUTION_TYPE_TRADE, side, status, 0)
    report = next_report(engine, command_sequence, word, 2)
    store_i64(report + AT_ORDER_ID, order_id)
    store_i64(report + AT_CONTRA_ORDER_ID, contra_order_id)
    store_i64(report + AT_PRICE_UNITS, price_units)
    store_i64(report + AT_QUANTITY_UNITS, quantity_units)
    store_i64(report + AT_LEAVES_UNITS, leaves_units)


@inline
def report_trade(
    engine: int, taker: int, maker: int, price_units: int, quantity_units: int
) -> None:
    """Report a trade of two orders; their leaves are already those after it."""
    order = order_at(engine, taker)
    write_trade_report(
        engine,
        load_i64(engine + at.HEADER_COMMAND_SEQUENCE),
        load_i16(order + at.ORDER_SIDE) + 0,
        load_i64(order + at.ORDER_ORDER_ID),
        load_i64(order_at(engine, maker) + at.ORDER_ORDER_ID),
        price_units,
        quantity_units,
        load_i64(order + at.ORDER_LEAVES_UNITS),
    )


@inline
def report_refusal(engine: int, command: int, execution_type: int, why: int) -> None:
    """Report a refused command, with what the command itself says."""
    word = report_word(
        execution_type,
        order_command.get_side(command) & 0xFF,
        execution_event.ORDER_STATUS_REJECTED,
        why,
    )
    write_report(
        engine,
        load_i64(engine + at.HEADER_COMMAND_SEQUENCE),
        word,
        order_command.get_order_id(command),
        order_command.get_price_units(command),
        order_command.get_quantity_units(command),
        0,
    )


@inline
def count_book_event(engine: int, slot: int) -> None:
    """Count a change of a level, which compact reports don't tell."""
    count_market_event(book_at(engine, load_i32(order_at(engine, slot) + at.ORDER_BOOK) + 0))


@inline
def count_market_event(book: int) -> None:
    """Count an event of a book (by its address) that compact reports don't tell."""
    count_book_events(book, 1)


@inline
def count_book_events(book: int, count: int) -> None:
    """Count events of a book (by its address) that compact reports don't tell."""
    instrument_sequence = load_i64(book + at.BOOK_INSTRUMENT_SEQUENCE) + count
    store_i64(book + at.BOOK_INSTRUMENT_SEQUENCE, instrument_sequence)


@inline
def last_book_sequence(engine: int) -> int:
    """Sequence of the newest book event: where no such events are written, the sum of what the
    books have counted."""
    if reports_wire(engine):
        return load_i64(engine + at.HEADER_BOOK_SEQUENCE)
    sequence = 0
    for book in range(1, load_i64(engine + at.HEADER_INSTRUMENT_COUNT) + 1):
        sequence += load_i64(book_at(engine, book) + at.BOOK_INSTRUMENT_SEQUENCE)
    return sequence


@inline
def report_mass_cancel(engine: int) -> None:
    """Report the end of an account's mass cancel, with how many orders it cancelled."""
    word = report_word(execution_event.EXECUTION_TYPE_MASS_CANCEL_DONE, 0, 0, 0)
    sequence = load_i64(engine + at.HEADER_COMMAND_SEQUENCE)
    write_report(engine, sequence, word, 0, 0, load_i64(engine + at.HEADER_AFFECTED_COUNT), 0)
