"""What the short way writes of an order: its records, its acknowledgement, its level's end."""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import copy_bytes, load_constant_i64, load_i64, store_i32, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.identity import link_order
from tradecaptain.kernels.matching.layout import ORDER_IDS_CLIENT, PARTY_NAMES_BYTES
from tradecaptain.kernels.matching.levels import remove_level
from tradecaptain.kernels.matching.plain_rules import further_terms
from tradecaptain.kernels.matching.reports import (
    AT_CONTRA_ORDER_ID,
    AT_LEAVES_UNITS,
    AT_ORDER_ID,
    AT_PRICE_UNITS,
    count_book_events,
    next_report,
    report_word,
)
from tradecaptain.kernels.matching.tables import neighbours_at, order_at, party_at, take_order
from tradecaptain.wire import execution_event, order_command, reason

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

OTHER_NAMES = order_command.OFFSET_CLIENT_ORDER_ID1
NAMES_BYTES = PARTY_NAMES_BYTES
"""Names of a command beyond the first word of its client order id; its tag lies elsewhere."""


@inline
def note_command(engine: int, command: int) -> None:
    """Note the stamps of a command; compact reports need no trade date, tag or send time."""
    copy_bytes(engine + at.HEADER_COMMAND_SEQUENCE, command + order_command.OFFSET_SEQUENCE, 16)


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
def name_plain_order(engine: int, slot: int, command: int) -> None:
    """`write_party_of_run` of a limit order for the day or until it is cancelled, unless an order
    had the slot before of which all the same was to be said: a run's orders often have the same
    names."""
    is_until_cancelled = order_command.get_time_in_force(command) >> 1
    number = load_i64(engine + at.HEADER_NAMES_NUMBER) | is_until_cancelled
    if load_i64(neighbours_at(engine, slot) + at.NEIGHBOURS_NAMES_NUMBER) != number:
        write_party_of_run(engine, slot, command, number)


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


@inline
def newest_order_id(engine: int, command: int) -> int:
    """The id of the order that a command has just entered."""
    if load_constant_i64(engine + at.HEADER_ORDER_IDS) == ORDER_IDS_CLIENT:
        return order_command.get_client_order_id0(command)
    return load_constant_i64(engine + at.HEADER_IDENTITY_BASE) + load_i64(
        engine + at.HEADER_LAST_ORDER_NUMBER
    )


@inline_always
def accept_plain(
    engine: int, command: int, order_id: int, side: int, price_at: int, quantity_units: int
) -> int:
    """Number a new order that nothing refuses, and acknowledge it; returns the report's address.

    Its price lies at ``price_at``, and the quantity behind it.
    """
    note_command(engine, command)
    number = load_i64(engine + at.HEADER_LAST_ORDER_NUMBER) + 1
    store_i64(engine + at.HEADER_LAST_ORDER_NUMBER, number)
    sequence = order_command.get_sequence(command)
    report = next_report(engine, sequence, ACCEPTED | (side << 16), 1)
    store_i64(report + AT_ORDER_ID, order_id)
    store_i64(report + AT_CONTRA_ORDER_ID, 0)
    copy_bytes(report + AT_PRICE_UNITS, price_at, 16)
    store_i64(report + AT_LEAVES_UNITS, quantity_units)
    return report


@inline_always
def record_plain(
    engine: int,
    command: int,
    index: int,
    book: int,
    side: int,
    order_id: int,
    bucket: int,
    leaves_units: int,
) -> int:
    """Record a new order for a book, of which there are index and address; returns its slot.

    ``bucket`` is its id's (by its address). A place in a queue is to follow.
    """
    # What is needed for this alone needn't be kept for what follows.
    slot = take_order(engine)
    link_order(engine, slot, bucket, order_id)
    fill_plain_order(engine, slot, command, index, side, order_id, leaves_units)
    name_plain_order(engine, slot, command)
    count_book_events(book, 1)
    return slot


@apart
def close_level(engine: int, side_book: int, level: int, _fourth: int) -> int:
    """`remove_level`, of which nothing else is kept in registers."""
    remove_level(engine, side_book, level)
    return 0
