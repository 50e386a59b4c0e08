"""Room for the events of one step, and what happens to them once they are written."""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64, prefetch_write
from tradecaptain.base.records import records_at
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.engine import claim_events, resume_step
from tradecaptain.kernels.matching.layout import PHASE_IDLE
from tradecaptain.kernels.matching.levels import best_level, worse_level
from tradecaptain.kernels.matching.sweep import is_ending
from tradecaptain.kernels.matching.tables import book_at, book_index, level_at
from tradecaptain.kernels.matching.views import visible_order_count, visible_quantity
from tradecaptain.kernels.risk_gate import (
    NO_PRICE,
    gate_apply_fill,
    gate_apply_quote,
    gate_ask_for,
    gate_release,
)
from tradecaptain.mesh.history import history_copy
from tradecaptain.mesh.image import image_release
from tradecaptain.mesh.layout import CACHE_LINE_BYTES, IMAGE
from tradecaptain.mesh.publication import (
    publication_claim,
    publication_commit,
    publication_stride,
)
from tradecaptain.mesh.status import NOT_CONNECTED
from tradecaptain.orderbook.journaling import (
    has_journal_room,
    journal_events,
    mark_durability,
    show_journal,
)
from tradecaptain.wire import book_event, execution_event

LARGE_STEP_EVENTS = 3
"""Events of one step from which on it pays to ask for all of their accounts first: a trade has the
two sides of it and an acceptance."""

EXECUTION_BYTES_AHEAD, EXECUTION_LINES = 1_280, 7
BOOK_BYTES_AHEAD, BOOK_LINES = 640, 3
"""How far ahead of a step lines are asked for that the steps behind will write, and how many: what
one writes on the average."""

TOLD_TOGETHER = 64
"""Ends that are told at once: their frames are closed while they lie in the nearest cache."""


@inline
def open_claim(header: Any, executions: Any, books: Any) -> bool:
    """Claim room for the events of many commands in both streams; False when there is none now.

    A stream that nobody listens to doesn't stop the venue: its events go to scratch and are counted
    as unheard; the history keeps the executions for those who come later.
    """
    address = publication_claim(
        executions, header[0]["execution_batch"], execution_event.RECORD_BYTES
    )
    header[0]["execution_in_log"] = 1
    if address == NOT_CONNECTED:
        header[0]["execution_in_log"] = 0
        address = header[0]["execution_scratch"]
    elif address < 0:
        return False
    header[0]["execution_base"] = address
    header[0]["execution_used"] = 0
    address = publication_claim(books, header[0]["book_batch"], book_event.RECORD_BYTES)
    header[0]["book_in_log"] = 1
    if address == NOT_CONNECTED:
        header[0]["book_in_log"] = 0
        address = header[0]["book_scratch"]
    elif address < 0:
        return False
    header[0]["book_base"] = address
    header[0]["book_used"] = 0
    header[0]["is_claimed"] = 1
    return True


@inline
def give_back(header: Any) -> None:
    """Give what was read so far back to its writer, before the log shows that it was sequenced.

    Killed in between, the venue has lost a command that it answered to nobody; the other way about
    its successor would read, and carry out, a command a second time.
    """
    if header[0]["image_at_work"] != 0:
        image_release(records_at(header[0]["image_at_work"], 1, IMAGE), 0)


@inline
def close_claim(header: Any, executions: Any, books: Any) -> None:
    """Publish what the commands of this turn have written, all at once.

    History and log are written before: once readers have passed an event, the driver may wipe it,
    and what was published must be in the log. What a mass cancel tells ahead follows from its
    command, which the log has by then; it is kept as its orders leave.
    """
    if header[0]["is_claimed"] == 0:
        return
    header[0]["is_claimed"] = 0
    give_back(header)
    execution_count = header[0]["execution_used"]
    book_count = header[0]["book_used"]
    header[0]["execution_events"] += execution_count
    header[0]["book_events"] += book_count
    keep_events(header, header[0]["execution_base"], execution_count - header[0]["told_used"])
    header[0]["told_used"] = 0
    show_journal(header)
    if header[0]["execution_in_log"] != 0:
        publication_commit(executions, execution_count)
    else:
        header[0]["unheard_executions"] += execution_count
    if header[0]["book_in_log"] != 0:
        publication_commit(books, book_count)
    else:
        header[0]["unheard_books"] += book_count


@inline
def keep_events(header: Any, event: int, count: int) -> None:
    """Take execution events into the history, if there is one now, and into the log."""
    stride = publication_stride(execution_event.RECORD_BYTES)
    history = header[0]["history"]
    if history != 0:
        for index in range(count):
            history_copy(history, event + index * stride)
    journal_events(header, event, count)


@inline
def ask_for_lines(address: int, count: int) -> None:
    """Ask for lines of a stream's log, which is longer than any cache, before they are written.

    Stores reach the cache in their order: one that waits for its line holds up all others.
    """
    for line in range(count):
        prefetch_write(address + line * CACHE_LINE_BYTES)


@inline
def claim_step(header: Any, executions: Any, books: Any) -> bool:
    """Get room for one bounded step in both event streams; False when there is none now."""
    show_quote(header)
    execution_stride = publication_stride(execution_event.RECORD_BYTES)
    book_stride = publication_stride(book_event.RECORD_BYTES)
    ends_told = is_ending(header[0]["engine"])
    if header[0]["is_claimed"] != 0 and (
        (ends_told and header[0]["told_used"] != 0)
        or header[0]["told_used"] >= TOLD_TOGETHER
        or header[0]["execution_used"] + header[0]["execution_room"] > header[0]["execution_batch"]
        or header[0]["book_used"] + header[0]["book_room"] > header[0]["book_batch"]
    ):
        close_claim(header, executions, books)
    if not has_journal_room(header):
        return False
    if header[0]["is_claimed"] == 0 and not open_claim(header, executions, books):
        return False
    execution = header[0]["execution_base"] + header[0]["execution_used"] * execution_stride
    book = header[0]["book_base"] + header[0]["book_used"] * book_stride
    ask_for_lines(execution + EXECUTION_BYTES_AHEAD, EXECUTION_LINES)
    ask_for_lines(book + BOOK_BYTES_AHEAD, BOOK_LINES)
    header[0]["is_ending"] = 0
    if ends_told:
        # Its execution events are published already; they are only kept.
        execution = header[0]["execution_scratch"]
        header[0]["is_ending"] = 1
    claim_events(
        header[0]["engine"],
        execution,
        execution_stride,
        book,
        book_stride,
    )
    return True


@inline
def best_displayed(engine: int, side_book: int) -> int:
    """The best level of a side (by its address) that shows something, or 0."""
    level = best_level(side_book)
    while level != 0 and visible_order_count(level_at(engine, level)) == 0:
        level = worse_level(engine, level)
    return level


@inline
def best_price(engine: int, level: int) -> int:
    """Price of the best displayed level, or ``NO_PRICE`` without one."""
    if level == 0:
        return NO_PRICE
    return load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS)


@inline
def displayed_units(engine: int, level: int) -> int:
    """What the best displayed level shows, or 0 without one."""
    return visible_quantity(level_at(engine, level)) if level != 0 else 0


@inline
def quote_gate(header: Any, engine: int, instrument_id: int) -> None:
    """Show the gate an instrument's best prices that stand there for all to see, and how much."""
    book = book_at(engine, book_index(engine, instrument_id))
    bid = best_displayed(engine, book + at.BOOK_BIDS)
    ask = best_displayed(engine, book + at.BOOK_ASKS)
    gate_apply_quote(
        header[0]["gate"],
        instrument_id,
        best_price(engine, bid),
        best_price(engine, ask),
        displayed_units(engine, bid),
        displayed_units(engine, ask),
    )


@inline
def show_quote(header: Any) -> None:
    """Show the gate the best prices that the last step has changed, if it has.

    That waits for the next step or the turn's end, whichever comes first, so that what a lone
    command has caused is published before.
    """
    if header[0]["unquoted_id"] != 0:
        quote_gate(header, header[0]["engine"], header[0]["unquoted_id"])
        header[0]["unquoted_id"] = 0


@inline
def settle_execution(header: Any, event: int) -> None:
    """Tell the risk gate what an event did to its order's reservation."""
    kind = execution_event.get_execution_type(event)
    if kind == execution_event.EXECUTION_TYPE_TRADE:
        result = gate_apply_fill(
            header[0]["gate"],
            execution_event.get_account_id(event),
            execution_event.get_instrument_id(event),
            execution_event.get_side(event),
            execution_event.get_last_quantity_units(event),
            execution_event.get_last_price_units(event),
            1 if execution_event.get_leaves_quantity_units(event) == 0 else 0,
        )
        if result < 0:
            header[0]["accounting_errors"] += 1
    elif (
        kind == execution_event.EXECUTION_TYPE_CANCELLED
        or kind == execution_event.EXECUTION_TYPE_EXPIRED
        or kind == execution_event.EXECUTION_TYPE_RESTATED
    ):
        # A restated order lives on with what the venue has taken off it given back.
        is_restated = kind == execution_event.EXECUTION_TYPE_RESTATED
        result = gate_release(
            header[0]["gate"],
            execution_event.get_account_id(event),
            execution_event.get_instrument_id(event),
            execution_event.get_side(event),
            execution_event.get_last_quantity_units(event)
            if is_restated
            else execution_event.get_quantity_units(event)
            - execution_event.get_cumulative_quantity_units(event),
            0 if is_restated else 1,
        )
        if result < 0:
            header[0]["accounting_errors"] += 1


@inline
def ask_for_accounts(header: Any, event: int, stride: int, count: int) -> None:
    """Ask memory for what the events of a large step will change in the gate.

    What the first one changes, the order at hand's, was checked just now.
    """
    gate = header[0]["gate"]
    known_id = execution_event.get_account_id(event)
    for index in range(1, count):
        place = event + index * stride
        account_id = execution_event.get_account_id(place)
        if account_id != known_id:
            gate_ask_for(gate, account_id, execution_event.get_instrument_id(place))


@inline
def settle_step(header: Any) -> None:
    """Follow the events of a step: the gate's reservations, and which best prices it has to see.

    Of an end that is told ahead, the gate hears when the order leaves.
    """
    engine = header[0]["engine"]
    execution_count = load_i64(engine + at.HEADER_EXECUTION_COUNT)
    first_event = load_i64(engine + at.HEADER_EXECUTION_ADDRESS)
    stride = load_i64(engine + at.HEADER_EXECUTION_STRIDE)
    told_count = load_i64(engine + at.HEADER_TOLD_COUNT)
    is_told_ahead = told_count > header[0]["told_count"]
    header[0]["told_count"] = told_count
    if execution_count >= LARGE_STEP_EVENTS and not is_told_ahead:
        ask_for_accounts(header, first_event, stride, execution_count)
    for index in range(execution_count):
        event = first_event + index * stride
        mark_durability(header, event)
        if not is_told_ahead:
            settle_execution(header, event)
    book_count = load_i64(engine + at.HEADER_BOOK_COUNT)
    event = load_i64(engine + at.HEADER_BOOK_ADDRESS)
    stride = load_i64(engine + at.HEADER_BOOK_STRIDE)
    for _ in range(book_count):
        instrument_id = book_event.get_instrument_id(event)
        if instrument_id != header[0]["unquoted_id"]:
            show_quote(header)
            header[0]["unquoted_id"] = instrument_id
        event += stride
    header[0]["book_used"] += book_count
    if header[0]["is_ending"] != 0:
        keep_events(header, first_event, execution_count)
        return
    header[0]["execution_used"] += execution_count
    if is_told_ahead:
        header[0]["told_used"] += execution_count


@inline
def end_turn(header: Any, executions: Any, books: Any) -> None:
    """Publish what is left, then show the gate what it has yet to see."""
    close_claim(header, executions, books)
    show_quote(header)


@inline
def finish_steps(header: Any, executions: Any, books: Any) -> bool:
    """Finish what is under way in the engine, if anything is; False while there is no room."""
    engine = header[0]["engine"]
    return load_i64(engine + at.HEADER_PHASE) == PHASE_IDLE or resume_steps(
        header, engine, executions, books
    )


@inline
def resume_steps(header: Any, engine: int, executions: Any, books: Any) -> bool:
    """Go on in the engine until nothing is under way; False while there is no room."""
    while load_i64(engine + at.HEADER_PHASE) != PHASE_IDLE:
        if not claim_step(header, executions, books):
            return False
        resume_step(engine)
        settle_step(header)
    return True
