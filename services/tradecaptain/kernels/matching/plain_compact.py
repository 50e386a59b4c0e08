"""The form of plain commands whose engine reports compactly, and which nobody else judges.

See `plain_form` for what each function does. Records of a run of commands say their names once:
names are numbered, and an order that takes over a slot with the same names writes none.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import copy_bytes, load_i16, load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.layout import PARTY_NAMES_BYTES
from tradecaptain.kernels.matching.plain_records import OTHER_NAMES, copy_names
from tradecaptain.kernels.matching.plain_rules import further_terms
from tradecaptain.kernels.matching.plain_unjudged import may_enter, may_replace, note_cancel
from tradecaptain.kernels.matching.reports import (
    AT_CONTRA_ORDER_ID,
    AT_LEAVES_UNITS,
    AT_ORDER_ID,
    AT_PRICE_UNITS,
    count_book_events,
    next_report,
    report_order,
    report_word,
    write_report,
    write_trade_report,
)
from tradecaptain.kernels.matching.tables import neighbours_at, order_at, party_at
from tradecaptain.kernels.matching.terms import working_status
from tradecaptain.wire import execution_event, order_command, reason

__all__ = ["AT_PRICE_UNITS", "may_enter", "may_replace", "note_cancel"]

ACCEPTED = report_word(
    execution_event.EXECUTION_TYPE_ACCEPTED, 0, execution_event.ORDER_STATUS_WORKING, 0
)
EXPIRED = report_word(
    execution_event.EXECUTION_TYPE_EXPIRED,
    0,
    execution_event.ORDER_STATUS_EXPIRED,
    reason.REASON_NO_LIQUIDITY,
)
"""Small fields of a report, with the side still to come."""

NAMES_BYTES = PARTY_NAMES_BYTES
"""Names of a command beyond the first word of its client order id; its tag lies elsewhere."""


@inline
def begin_run(engine: int, rest: int) -> int:
    """Number the names that a record says for a run of commands; returns its `further_terms`.

    Names that differ from those of the run before get another number.
    """
    return take_over_names(engine, rest, 0, 0)


@apart
def take_over_names(engine: int, rest: int, _third: int, _fourth: int) -> int:
    """`begin_run`, whose wide registers a loop over commands would clear before every call."""
    names = engine + at.HEADER_RUN_NAMES
    tag = order_command.get_tag(rest)
    has_names = tag
    differing = load_i64(names + NAMES_BYTES) ^ tag
    for offset in range(0, NAMES_BYTES, 8):
        word = load_i64(rest + OTHER_NAMES + offset)
        has_names |= word
        differing |= load_i64(names + offset) ^ word
    if differing != 0:
        copy_bytes(names, rest + OTHER_NAMES, NAMES_BYTES)
        store_i64(names + NAMES_BYTES, tag)
        store_i64(engine + at.HEADER_HAS_NAMES, has_names)
        number = load_i64(engine + at.HEADER_NAMES_NUMBER) + 2
        store_i64(engine + at.HEADER_NAMES_NUMBER, number)
    return further_terms(rest)


@inline
def begin_nameless(engine: int, blank: int) -> None:
    """`begin_run` of commands that name nobody."""
    if load_i64(engine + at.HEADER_HAS_NAMES) != 0:
        begin_run(engine, blank)


@inline
def has_names_of_run(engine: int, slot: int) -> bool:
    """Whether the party of a slot has the names of the run at work already."""
    number = load_i64(neighbours_at(engine, slot) + at.NEIGHBOURS_NAMES_NUMBER)
    return (number ^ load_i64(engine + at.HEADER_NAMES_NUMBER)) >> 1 == 0


@inline
def write_party_of_run(engine: int, slot: int, command: int, number: int) -> None:
    """`write_party` of an order that has the names of the run at work; ``number`` is their number
    if the party may be taken over by another order of that run, else 0."""
    party = party_at(engine, slot)
    names = engine + at.HEADER_RUN_NAMES
    copy_names(party, names)
    store_i32(party + at.PARTY_TAG, load_i64(names + NAMES_BYTES))
    store_i64(party + at.PARTY_WORD, load_i64(command + order_command.OFFSET_ACTION))
    store_i64(neighbours_at(engine, slot) + at.NEIGHBOURS_NAMES_NUMBER, number)


@inline
def note_command(engine: int, command: int) -> None:
    """See `plain_form`; compact reports need no trade date, tag or send time."""
    copy_bytes(engine + at.HEADER_COMMAND_SEQUENCE, command + order_command.OFFSET_SEQUENCE, 16)


@inline
def name_taker(engine: int, slot: int, command: int) -> None:
    """See `plain_form`."""
    write_party_of_run(engine, slot, command, 0)


@inline
def name_resting(engine: int, slot: int, command: int) -> None:
    """See `plain_form`: nothing, if an order had the slot before of which all the same was to be
    said: a run's orders often have the same names."""
    is_until_cancelled = order_command.get_time_in_force(command) >> 1
    number = load_i64(engine + at.HEADER_NAMES_NUMBER) | is_until_cancelled
    if load_i64(neighbours_at(engine, slot) + at.NEIGHBOURS_NAMES_NUMBER) != number:
        write_party_of_run(engine, slot, command, number)


@inline
def rename(engine: int, slot: int, command: int) -> None:
    """See `plain_form`."""
    client_order_id0 = order_command.get_client_order_id0(command)
    store_i64(order_at(engine, slot) + at.ORDER_CLIENT_ORDER_ID0, client_order_id0)
    if not has_names_of_run(engine, slot):
        party = party_at(engine, slot)
        copy_bytes(party, engine + at.HEADER_RUN_NAMES, at.PARTY_FIRM_ID)
        store_i32(party + at.PARTY_TAG, load_i64(engine + at.HEADER_RUN_NAMES + NAMES_BYTES))
        store_i64(neighbours_at(engine, slot) + at.NEIGHBOURS_NAMES_NUMBER, 0)


@inline_always
def accepted(
    engine: int,
    command: int,
    order_id: int,
    side: int,
    quantity_units: int,
    _is_last: int,
) -> int:
    """See `plain_form`."""
    sequence = order_command.get_sequence(command)
    report = next_report(engine, sequence, ACCEPTED | (side << 16), 1)
    store_i64(report + AT_ORDER_ID, order_id)
    store_i64(report + AT_CONTRA_ORDER_ID, 0)
    # Price and quantity at once.
    copy_bytes(report + AT_PRICE_UNITS, command + order_command.OFFSET_PRICE_UNITS, 16)
    store_i64(report + AT_LEAVES_UNITS, quantity_units)
    return report


@inline_always
def traded(
    engine: int,
    command: int,
    side: int,
    order_id: int,
    maker: int,
    price_units: int,
    quantity_units: int,
    leaves_units: int,
    _trade_count: int,
) -> None:
    """See `plain_form`."""
    sequence = order_command.get_sequence(command)
    maker_id = load_i64(order_at(engine, maker) + at.ORDER_ORDER_ID)
    write_trade_report(
        engine, sequence, side, order_id, maker_id, price_units, quantity_units, leaves_units
    )


@inline
def count_trades(book: int, count: int) -> None:
    """See `plain_form`."""
    count_book_events(book, count)


@inline
def expired(
    engine: int,
    command: int,
    order_id: int,
    side: int,
    price_units: int,
    quantity_units: int,
    leaves_units: int,
) -> None:
    """See `plain_form`."""
    word = EXPIRED | (side << 16)
    sequence = order_command.get_sequence(command)
    write_report(engine, sequence, word, order_id, price_units, quantity_units, leaves_units)


@inline
def end_taking(_engine: int) -> None:
    """See `plain_form`."""


@inline
def cancelled(engine: int, command: int, slot: int) -> None:
    """See `plain_form`."""
    report_order(
        engine,
        order_command.get_sequence(command),
        slot,
        execution_event.EXECUTION_TYPE_CANCELLED,
        execution_event.ORDER_STATUS_CANCELLED,
        reason.REASON_CANCELLED_BY_OWNER,
    )


@inline
def replaced(
    engine: int, slot: int, command: int, price_units: int, quantity_units: int, leaves_units: int
) -> None:
    """See `plain_form`."""
    order = order_at(engine, slot)
    side = load_i16(order + at.ORDER_SIDE) + 0
    status = working_status(order)
    word = report_word(execution_event.EXECUTION_TYPE_REPLACED, side, status, 0)
    order_id = load_i64(order + at.ORDER_ORDER_ID)
    sequence = order_command.get_sequence(command)
    write_report(engine, sequence, word, order_id, price_units, quantity_units, leaves_units)


@inline
def added(
    _engine: int,
    book: int,
    _side: int,
    _order_id: int,
    _price_units: int,
    _quantity_units: int,
    _level: int,
) -> None:
    """See `plain_form`."""
    count_book_events(book, 1)


@inline
def removed(_engine: int, book: int, _slot: int, _is_last: int) -> None:
    """See `plain_form`."""
    count_book_events(book, 1)


@inline
def reduced(_engine: int, book: int, _slot: int) -> None:
    """See `plain_form`."""
    count_book_events(book, 1)
