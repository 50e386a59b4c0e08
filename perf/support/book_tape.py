"""Tapes for benchmarks of the book: commands of one cache line each."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import entry, inline_always
from tradecaptain.base.kernel_clock import monotonic_ns_kernel
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    store_i64,
)
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.engine import resume_step, submit_reported
from tradecaptain.kernels.matching.layout import (
    COMPACT_COMMAND,
    COMPACT_COMMAND_BYTES,
    COMPACT_FIRST_BYTE,
    DONE,
    REPORT,
    REPORT_FORM_COMPACT,
)
from tradecaptain.kernels.matching.lookahead import look_ahead
from tradecaptain.kernels.matching.plain_compact import begin_run
from tradecaptain.kernels.matching.records import offset_of
from tradecaptain.kernels.matching.reports import report_count
from tradecaptain.kernels.matching.rings import FIRST_REPORT, attach_ring
from tradecaptain.kernels.matching.state import Engine
from tradecaptain.wire import order_command

ORDER_ID = offset_of(COMPACT_COMMAND, "order_id")
RING_REPORTS = 4_096

_I64 = types.int64


@apart
def go_on(engine: int, _second: int, _third: int, _fourth: int) -> int:
    """Go on with what a command has left under way, to its end."""
    while resume_step(engine) != DONE:
        pass
    return DONE


@inline_always
def carry_out(engine: int, line: int, end: int, scratch: int, said: int) -> None:
    """Carry out one command of a tape, which ends at ``end``, to its end."""
    look_ahead(engine, line + ORDER_ID, COMPACT_COMMAND_BYTES, end + ORDER_ID)
    if submit_reported(engine, line, scratch, said) != DONE:
        go_on(engine, 0, 0, 0)


@entry(_I64(_I64, _I64, _I64, _I64, _I64), whole_program=True)
def play_commands(engine: int, tape: int, count: int, scratch: int, times: int) -> int:
    """Carry out a run of commands; with ``times``, nanoseconds of each go there."""
    said = begin_run(engine, scratch)
    line = tape
    end = tape + count * COMPACT_COMMAND_BYTES
    if times == 0:
        while line < end:
            carry_out(engine, line, end, scratch, said)
            line += COMPACT_COMMAND_BYTES
        return count
    for index in range(count):
        before_ns = monotonic_ns_kernel()
        carry_out(engine, tape + index * COMPACT_COMMAND_BYTES, end, scratch, said)
        store_i64(times + index * 8, monotonic_ns_kernel() - before_ns)
    return count


@dataclass(frozen=True, slots=True)
class BookTape:
    """Commands in a flow's own order: the first ones fill the book and aren't measured."""

    commands: npt.NDArray[np.uint8]
    warm_count: int
    scratch: npt.NDArray[Any]
    state_hash: int

    @property
    def measured_count(self) -> int:
        """How many commands are measured."""
        return len(self.commands) - self.warm_count


def book_tape(records: npt.NDArray[Any], warm_count: int, state_hash: int) -> BookTape:
    """A tape of wire commands that say nothing beyond its line, one firm apart."""
    raw = records.view(np.uint8).reshape(len(records), order_command.RECORD_BYTES)
    lines = aligned_zeros(len(records) * COMPACT_COMMAND_BYTES, np.uint8).reshape(
        -1, COMPACT_COMMAND_BYTES
    )
    lines[:] = raw[:, COMPACT_FIRST_BYTE : COMPACT_FIRST_BYTE + COMPACT_COMMAND_BYTES]
    scratch = records[:1].copy()
    scratch["tag"] = 0
    return BookTape(lines, warm_count, scratch, state_hash)


def report_compactly(engine: Engine) -> npt.NDArray[np.uint8]:
    """Let an engine write compact reports into a ring, over and over; the ring must be kept."""
    ring = aligned_zeros(FIRST_REPORT + RING_REPORTS * REPORT.itemsize, np.uint8)
    engine.header[0]["report_form"] = REPORT_FORM_COMPACT
    if not attach_ring(engine.address, address_of(ring), RING_REPORTS):
        raise RuntimeError("the ring is too small")
    return ring


def play(engine: Engine, tape: BookTape, times: npt.NDArray[np.int64] | None = None) -> float:
    """Nanoseconds of processor time a command of the measured part, on an engine that has seen
    nothing yet."""
    ring = report_compactly(engine)
    start = address_of(tape.commands)
    scratch = address_of(tape.scratch)
    play_commands(engine.address, start, tape.warm_count, scratch, 0)
    count = tape.measured_count
    start_ns = time.thread_time_ns()
    play_commands(
        engine.address,
        start + tape.warm_count * COMPACT_COMMAND_BYTES,
        count,
        scratch,
        0 if times is None else address_of(times),
    )
    elapsed_ns = time.thread_time_ns() - start_ns
    if report_count(engine.address) < count:
        raise RuntimeError("a command was not reported")
    del ring
    return float(elapsed_ns) / count


def play_whole(engine: Engine, tape: BookTape) -> npt.NDArray[np.uint8]:
    """Carry out all of a tape on an engine that has seen nothing yet; returns the last reports, as
    they lie in the ring."""
    ring = report_compactly(engine)
    scratch = address_of(tape.scratch)
    play_commands(engine.address, address_of(tape.commands), len(tape.commands), scratch, 0)
    return ring[FIRST_REPORT:]
