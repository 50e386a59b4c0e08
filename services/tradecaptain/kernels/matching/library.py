"""The engine's C interface: the functions of the shared library that `engine build` makes.

Each takes and returns 64-bit integers; addresses are the caller's memory. Nothing here allocates,
and nothing needs Python at run time. The C header says the same in C's words.
"""

from __future__ import annotations

from collections.abc import Callable

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_constant_i64, load_i16, load_i32, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.creation import (
    add_book,
    create_engine,
    invalid_field,
    place_tables,
)
from tradecaptain.kernels.matching.engine import (
    claim_events,
    resume_step,
    submit_command,
    submit_compact,
    submit_completed,
    submit_control,
    submit_reported,
)
from tradecaptain.kernels.matching.identity import find_order_id
from tradecaptain.kernels.matching.layout import (
    COMPACT_COMMAND,
    COMPACT_COMMAND_BYTES,
    DONE,
    EXTRA_EVENTS,
    PHASE_IDLE,
)
from tradecaptain.kernels.matching.levels import best_level, level_of_price
from tradecaptain.kernels.matching.lookahead import look_ahead
from tradecaptain.kernels.matching.plain_compact import begin_nameless, begin_run
from tradecaptain.kernels.matching.records import offset_of
from tradecaptain.kernels.matching.reports import report_count, reports_wire
from tradecaptain.kernels.matching.restore import restore_snapshot
from tradecaptain.kernels.matching.rings import (
    attach_ring,
    publish_ring,
    ring_drain,
    ring_has_room,
    steps_with_room,
)
from tradecaptain.kernels.matching.snapshot import snapshot_bytes, write_snapshot
from tradecaptain.kernels.matching.tables import book_index, level_at, order_at, side_at
from tradecaptain.kernels.matching.views import (
    hash_state,
    visible_quantity,
    write_depth,
)
from tradecaptain.wire import book_event, execution_event, order_command, reason

# Words of the buffer that wire events go into.
BUFFER_EXECUTIONS = 0
BUFFER_EXECUTION_CAPACITY = 8
BUFFER_EXECUTION_COUNT = 16
BUFFER_BOOKS = 24
BUFFER_BOOK_CAPACITY = 32
BUFFER_BOOK_COUNT = 40

COMPACT_ORDER_ID = offset_of(COMPACT_COMMAND, "order_id")
LIBRARY_VERSION = 2
NOT_AN_ENGINE = -1
NO_ROOM = -2


def tc_engine_version() -> int:
    """Version of this interface; it changes when a caller must be compiled again."""
    return LIBRARY_VERSION


def tc_engine_bytes(config: int) -> int:
    """Bytes of memory that an engine of this configuration needs, or minus the number of the first
    field that can't be, counted from 1."""
    field = invalid_field(config)
    if field != 0:
        return -field
    return place_tables(0, config)


def tc_engine_create(memory: int, config: int) -> int:
    """Make an empty engine in zeroed memory of `tc_engine_bytes`, on a multiple of 64. Returns 0,
    or minus the number of the field that can't be."""
    field = invalid_field(config)
    if field != 0:
        return -field
    create_engine(memory, config)
    return 0


def tc_engine_destroy(engine: int) -> int:
    """End an engine; its memory is the caller's again, and other calls refuse it from now on."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    store_i64(engine + at.HEADER_BLOCK_BYTES, 0)
    return 0


def tc_engine_add_instrument(engine: int, rules: int) -> int:
    """Open an empty book; its index, or minus a reason."""
    return add_book(engine, rules) if is_engine(engine) else NOT_AN_ENGINE


def tc_engine_attach_ring(engine: int, ring: int, capacity: int) -> int:
    """Report into a ring of ``capacity`` reports, a power of two (see TC_RING_BYTES). Returns 0, or
    minus a reason."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    return 0 if attach_ring(engine, ring, capacity) else -reason.REASON_INVALID_REQUEST


@inline
def is_engine(engine: int) -> bool:
    """Whether an engine was made at an address."""
    return engine != 0 and load_i64(engine + at.HEADER_BLOCK_BYTES) > 0


@apart
def claim_buffer(engine: int, buffer: int, _third: int, _fourth: int) -> int:
    """Get room in a buffer for the events of one bounded step: 1, or 0 when there is none."""
    trades = load_i64(engine + at.HEADER_STEP_LIMIT)
    executions = load_i64(buffer + BUFFER_EXECUTION_COUNT)
    books = load_i64(buffer + BUFFER_BOOK_COUNT)
    if executions + 2 * trades + EXTRA_EVENTS > load_i64(
        buffer + BUFFER_EXECUTION_CAPACITY
    ) or books + trades + EXTRA_EVENTS > load_i64(buffer + BUFFER_BOOK_CAPACITY):
        return 0
    claim_events(
        engine,
        load_i64(buffer + BUFFER_EXECUTIONS) + executions * execution_event.RECORD_BYTES,
        execution_event.RECORD_BYTES,
        load_i64(buffer + BUFFER_BOOKS) + books * book_event.RECORD_BYTES,
        book_event.RECORD_BYTES,
    )
    return 1


@inline
def claim_room(engine: int, buffer: int) -> bool:
    """Get room for the events of one bounded step; False when there is none."""
    if reports_wire(engine):
        return claim_buffer(engine, buffer, 0, 0) != 0
    return ring_has_room(engine)


@inline
def note_events(engine: int, buffer: int) -> None:
    """Count what a step has written into the caller's buffer."""
    if reports_wire(engine):
        executions = load_i64(buffer + BUFFER_EXECUTION_COUNT)
        books = load_i64(buffer + BUFFER_BOOK_COUNT)
        store_i64(
            buffer + BUFFER_EXECUTION_COUNT,
            executions + load_i64(engine + at.HEADER_EXECUTION_COUNT),
        )
        store_i64(buffer + BUFFER_BOOK_COUNT, books + load_i64(engine + at.HEADER_BOOK_COUNT))


@apart
def go_on(engine: int, buffer: int, _third: int, _fourth: int) -> int:
    """Go on with what is under way: 1, or 0 when room ran out before it was done."""
    while load_i64(engine + at.HEADER_PHASE) != PHASE_IDLE:
        if not claim_room(engine, buffer):
            return 0
        resume_step(engine)
        note_events(engine, buffer)
    return 1


@inline
def finish_command(engine: int, buffer: int) -> bool:
    """Go on with what is under way, if anything is; False when room ran out before it was done."""
    return load_i64(engine + at.HEADER_PHASE) == PHASE_IDLE or go_on(engine, buffer, 0, 0) != 0


@inline
def has_room_at_once(engine: int) -> bool:
    """Whether reports are compact, and the ring is known to have room for those of a step.

    Then nothing is under way: only want of room leaves a command unfinished.
    """
    return report_count(engine) <= load_i64(engine + at.HEADER_REPORT_LIMIT)


def tc_engine_submit(engine: int, commands: int, count: int, buffer: int) -> int:
    """Carry out a run of order commands in their order. Returns how many were taken: fewer than
    ``count`` when room for events ran out; then make room and call again with the rest (with none,
    if all were taken, until `tc_engine_is_idle`)."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    done = 0
    if finish_command(engine, buffer):
        command = commands
        ids_end = commands + count * order_command.RECORD_BYTES + order_command.OFFSET_ORDER_ID
        while done < count and claim_room(engine, buffer):
            look_ahead(
                engine, command + order_command.OFFSET_ORDER_ID, order_command.RECORD_BYTES, ids_end
            )
            answer = submit_command(engine, command)
            note_events(engine, buffer)
            command += order_command.RECORD_BYTES
            done += 1
            if answer != DONE and not finish_command(engine, buffer):
                break
    publish_ring(engine)
    return done


@inline
def submit_lines_to_buffer(engine: int, commands: int, count: int, rest: int, buffer: int) -> int:
    """Carry out a run of compact commands whose events are wire records; returns how many were
    taken."""
    line = commands
    end = commands + count * COMPACT_COMMAND_BYTES
    while line < end and claim_buffer(engine, buffer, 0, 0) != 0:
        look_ahead(engine, line + COMPACT_ORDER_ID, COMPACT_COMMAND_BYTES, end + COMPACT_ORDER_ID)
        answer = submit_completed(engine, line, rest, 0)
        note_events(engine, buffer)
        line += COMPACT_COMMAND_BYTES
        if answer != DONE and not finish_command(engine, buffer):
            break
    return (line - commands) // COMPACT_COMMAND_BYTES


@inline
def submit_lines_to_ring(
    engine: int, commands: int, count: int, rest: int, said: int, buffer: int
) -> int:
    """Carry out a run of compact commands that are reported compactly; returns how many were
    taken."""
    line = commands
    end = commands + count * COMPACT_COMMAND_BYTES
    while line < end and ring_has_room(engine):
        # Room is asked for once for as many commands as there is room for, unless one goes on.
        stop = min(end, line + steps_with_room(engine) * COMPACT_COMMAND_BYTES)
        while line < stop:
            look_ahead(
                engine, line + COMPACT_ORDER_ID, COMPACT_COMMAND_BYTES, end + COMPACT_ORDER_ID
            )
            answer = submit_reported(engine, line, rest, said)
            line += COMPACT_COMMAND_BYTES
            if answer != DONE:
                if not finish_command(engine, buffer):
                    return (line - commands) // COMPACT_COMMAND_BYTES
                stop = line
    return (line - commands) // COMPACT_COMMAND_BYTES


@inline
def submit_lines(engine: int, commands: int, count: int, rest: int, buffer: int) -> int:
    """Carry out a run of compact commands; returns how many were taken."""
    done = 0
    if finish_command(engine, buffer):
        if reports_wire(engine):
            done = submit_lines_to_buffer(engine, commands, count, rest, buffer)
        else:
            said = begin_run(engine, rest)
            done = submit_lines_to_ring(engine, commands, count, rest, said, buffer)
    publish_ring(engine)
    return done


def tc_engine_submit_compact(engine: int, commands: int, count: int, rest: int, buffer: int) -> int:
    """Carry out a run of compact commands as `tc_engine_submit` does. ``rest`` says for all of them
    what they don't say themselves; its first words, those of a compact command, are overwritten.
    It may be NULL, where commands say all there is."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    if rest != 0:
        return submit_lines(engine, commands, count, rest, buffer)
    blank = engine + load_constant_i64(engine + at.HEADER_BLANK_COMMAND_OFFSET)
    # One command by itself, for callers that have no run: nothing has to be kept for the next.
    if count != 1 or not has_room_at_once(engine):
        return submit_lines(engine, commands, count, blank, buffer)
    begin_nameless(engine, blank)
    if submit_compact(engine, commands, blank, 0) != DONE:
        go_on(engine, buffer, 0, 0)
    publish_ring(engine)
    return 1


def tc_engine_control(engine: int, record: int, buffer: int) -> int:
    """Carry out one control. Returns 1 when it was taken, 0 when there was no room, or minus a
    reason."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    result = 0
    if finish_command(engine, buffer) and claim_room(engine, buffer):
        answer = submit_control(engine, record)
        result = 1 if answer >= 0 else answer
        note_events(engine, buffer)
        finish_command(engine, buffer)
    publish_ring(engine)
    return result


def tc_engine_is_idle(engine: int) -> int:
    """1 when the last command is done, 0 when a call of `tc_engine_submit` has to go on with it."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    return 1 if load_i64(engine + at.HEADER_PHASE) == PHASE_IDLE else 0


def tc_ring_drain(ring: int, reports: int, limit: int) -> int:
    """Take up to ``limit`` reports out of a ring, on any one thread; returns how many."""
    return ring_drain(ring, reports, limit)


@inline
def depth_of(engine: int, instrument_id: int, side: int, levels: int, limit: int) -> int:
    """Visible levels of a side, or minus a reason."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    book = book_index(engine, instrument_id)
    if book == 0:
        return -reason.REASON_UNKNOWN_INSTRUMENT
    if side < 1 or side > 2:
        return -reason.REASON_INVALID_SIDE
    return write_depth(engine, book, side, levels, limit)


def tc_engine_best(engine: int, instrument_id: int, side: int, level: int) -> int:
    """Write the best visible level of a side. Returns 1, 0 if there is none, or minus a reason."""
    return depth_of(engine, instrument_id, side, level, 1)


def tc_engine_depth(engine: int, instrument_id: int, side: int, levels: int, limit: int) -> int:
    """Write up to ``limit`` visible levels, best first; returns how many, or minus a reason."""
    return depth_of(engine, instrument_id, side, levels, limit)


def tc_engine_quantity_at(engine: int, instrument_id: int, side: int, price_units: int) -> int:
    """Visible open quantity at a price, 0 where nothing rests, or minus a reason."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    book = book_index(engine, instrument_id)
    if book == 0:
        return -reason.REASON_UNKNOWN_INSTRUMENT
    if side < 1 or side > 2:
        return -reason.REASON_INVALID_SIDE
    side_book = side_at(engine, book, side)
    if best_level(side_book) == 0:
        return 0
    level = level_of_price(engine, side_book, price_units)
    return 0 if level == 0 else visible_quantity(level_at(engine, level))


def tc_engine_find_order(engine: int, order_id: int, order: int) -> int:
    """Write how a working order stands. Returns 1, 0 if no such order works, or NOT_AN_ENGINE."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    slot = find_order_id(engine, order_id)
    if slot == 0:
        return 0
    found = order_at(engine, slot)
    store_i64(order, load_i64(found + at.ORDER_ORDER_ID))
    store_i64(order + 8, load_i64(found + at.ORDER_PRICE_UNITS))
    store_i64(order + 16, load_i64(found + at.ORDER_QUANTITY_UNITS))
    store_i64(order + 24, load_i64(found + at.ORDER_LEAVES_UNITS))
    store_i64(order + 32, load_i16(found + at.ORDER_SIDE) + 0)
    store_i64(order + 40, load_i32(found + at.ORDER_ACCOUNT_ID) + 0)
    return 1


def tc_engine_snapshot_bytes(engine: int) -> int:
    """Bytes that a snapshot takes now, or minus a reason; only while the engine is idle."""
    return snapshot_bytes(engine) if is_engine(engine) else NOT_AN_ENGINE


def tc_engine_snapshot(engine: int, snapshot: int, size: int) -> int:
    """Write a snapshot into ``size`` bytes. Returns its length, or minus a reason."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    needed = snapshot_bytes(engine)
    if needed < 0:
        return needed
    if size < needed:
        return -reason.REASON_CAPACITY_EXHAUSTED
    return write_snapshot(engine, snapshot)


def tc_engine_restore(engine: int, snapshot: int, size: int) -> int:
    """Make a new engine without instruments what a snapshot says. Returns 0, or minus a reason;
    the engine is destroyed then."""
    if not is_engine(engine):
        return NOT_AN_ENGINE
    scratch = engine + load_i64(engine + at.HEADER_SPARE_EVENT_OFFSET)
    result = restore_snapshot(engine, snapshot, size, scratch)
    if result != 0:
        store_i64(engine + at.HEADER_BLOCK_BYTES, 0)
    return result


def tc_engine_state_hash(engine: int) -> int:
    """Hash of the canonical logical state, or NOT_AN_ENGINE."""
    return hash_state(engine) if is_engine(engine) else NOT_AN_ENGINE


# Each function, and its parameters as C declares them.
ENTRIES: tuple[tuple[Callable[..., int], tuple[str, ...]], ...] = (
    (tc_engine_version, ()),
    (tc_engine_bytes, ("const tc_engine_config *config",)),
    (tc_engine_create, ("tc_engine *memory", "const tc_engine_config *config")),
    (tc_engine_destroy, ("tc_engine *engine",)),
    (tc_engine_add_instrument, ("tc_engine *engine", "const tc_instrument_rules *rules")),
    (tc_engine_attach_ring, ("tc_engine *engine", "tc_report_ring *ring", "int64_t capacity")),
    (
        tc_engine_submit,
        (
            "tc_engine *engine",
            "const tc_order_command *commands",
            "int64_t count",
            "tc_event_buffer *buffer",
        ),
    ),
    (
        tc_engine_submit_compact,
        (
            "tc_engine *engine",
            "const tc_compact_command *commands",
            "int64_t count",
            "tc_order_command *rest",
            "tc_event_buffer *buffer",
        ),
    ),
    (
        tc_engine_control,
        ("tc_engine *engine", "const tc_control *control", "tc_event_buffer *buffer"),
    ),
    (tc_engine_is_idle, ("tc_engine *engine",)),
    (tc_ring_drain, ("tc_report_ring *ring", "tc_report *reports", "int64_t limit")),
    (
        tc_engine_best,
        ("tc_engine *engine", "int64_t instrument_id", "int64_t side", "tc_level *level"),
    ),
    (
        tc_engine_depth,
        (
            "tc_engine *engine",
            "int64_t instrument_id",
            "int64_t side",
            "tc_level *levels",
            "int64_t limit",
        ),
    ),
    (
        tc_engine_quantity_at,
        ("tc_engine *engine", "int64_t instrument_id", "int64_t side", "int64_t price_units"),
    ),
    (tc_engine_find_order, ("tc_engine *engine", "int64_t order_id", "tc_order *order")),
    (tc_engine_snapshot_bytes, ("tc_engine *engine",)),
    (tc_engine_snapshot, ("tc_engine *engine", "void *snapshot", "int64_t size")),
    (tc_engine_restore, ("tc_engine *engine", "const void *snapshot", "int64_t size")),
    (tc_engine_state_hash, ("tc_engine *engine",)),
)
