"""The end of a step: marks, and whether something that waits has to be looked at."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.events import mark_last_book, mark_last_execution
from tradecaptain.kernels.matching.layout import DONE, MORE, PHASE_IDLE, PHASE_WORK
from tradecaptain.kernels.matching.tables import order_at, party_at


@inline
def note_book(engine: int, book: int) -> None:
    """Note the index of the book that the command at work changes."""
    store_i64(engine + at.HEADER_WORK_BOOK, book)
    store_i64(engine + at.HEADER_WORK_LAST, book)


@inline
def note_all_books(engine: int) -> None:
    """Any book may have changed."""
    store_i64(engine + at.HEADER_WORK_BOOK, 1)
    store_i64(engine + at.HEADER_WORK_LAST, load_i64(engine + at.HEADER_INSTRUMENT_COUNT))


@inline
def mark_last(engine: int) -> None:
    """Mark the last event in each stream of what is done."""
    mark_last_execution(engine)
    mark_last_book(engine)


@inline
def close_step(engine: int) -> int:
    """End a command that changed no book."""
    store_i64(engine + at.HEADER_PHASE, PHASE_IDLE)
    mark_last(engine)
    return DONE


@inline
def finish_step(engine: int) -> int:
    """End a command, or go on with the orders that it may have set off."""
    mark_last(engine)
    if load_i64(engine + at.HEADER_WATCH_COUNT) != 0:
        store_i64(engine + at.HEADER_PHASE, PHASE_WORK)
        return MORE
    store_i64(engine + at.HEADER_PHASE, PHASE_IDLE)
    return DONE


@inline
def work_then(engine: int, phase: int) -> None:
    """Go on with a phase once nothing that waits is due; counted, so that no end passes it by."""
    store_i64(engine + at.HEADER_AFTER_WORK, phase)
    counter = engine + at.HEADER_WATCH_COUNT
    store_i64(counter, load_i64(counter) + 1)


@inline
def after_work(engine: int) -> int:
    """Take the phase that `work_then` has noted, or PHASE_IDLE."""
    phase = load_i64(engine + at.HEADER_AFTER_WORK)
    if phase != PHASE_IDLE:
        store_i64(engine + at.HEADER_AFTER_WORK, PHASE_IDLE)
        counter = engine + at.HEADER_WATCH_COUNT
        store_i64(counter, load_i64(counter) - 1)
    return phase


@inline
def answer_as_own(engine: int, slot: int) -> None:
    """Let an order that the command set off be reported with its own tag."""
    store_i64(engine + at.HEADER_ANSWER_TAG, load_i32(party_at(engine, slot) + at.PARTY_TAG) + 0)
    store_i64(engine + at.HEADER_ANSWER_TIME_NS, 0)


@inline
def book_of(engine: int, slot: int) -> int:
    """Index of an order's book."""
    return load_i32(order_at(engine, slot) + at.ORDER_BOOK) + 0
