"""The matching engine alone, on a seeded flow: no transport, no risk gate, one core."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

import numpy as np
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.base.kernel_clock import monotonic_ns_kernel
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import engine_state_hash
from tradecaptain.kernels.matching.engine import claim_events, resume_step
from tradecaptain.kernels.matching.entry import submit_order_command
from tradecaptain.kernels.matching.layout import MORE, ORDER_BYTES
from tradecaptain.wire import book_event, execution_event, order_command

from perf.support.result import Result
from perf.topology.order_flow import FlowSettings, Tape, flow_engine, record_tape

PLACEMENT = "one thread, not pinned; events are written to the same small region again and again"
COMMANDS = 500_000
SMOKE_COMMANDS = 20_000
REPEATS = 9
_I64 = types.int64


@dataclass(frozen=True, slots=True)
class Case:
    """One size of the book."""

    name: str
    live_orders: int
    instruments: int


CASES = (Case("1k", 1_000, 1), Case("1k_100", 1_000, 100), Case("100k", 100_000, 1))


@kernel(_I64(_I64, _I64, _I64, _I64, _I64))
def play(engine: int, commands: int, count: int, executions: int, books: int) -> int:
    """Carry out a run of commands; nanoseconds for all."""
    start_ns = monotonic_ns_kernel()
    for index in range(count):
        claim_events(
            engine, executions, execution_event.RECORD_BYTES, books, book_event.RECORD_BYTES
        )
        answer = submit_order_command(engine, commands + index * order_command.RECORD_BYTES)
        while answer == MORE:
            claim_events(
                engine, executions, execution_event.RECORD_BYTES, books, book_event.RECORD_BYTES
            )
            answer = resume_step(engine)
    return monotonic_ns_kernel() - start_ns


def play_tape(settings: FlowSettings, tape: Tape) -> float:
    """Commands a second on a fresh engine, which must end in the tape's own state."""
    engine = flow_engine(settings)
    executions = np.zeros(engine.capacity.execution_room, execution_event.DTYPE)
    books = np.zeros(engine.capacity.book_room, book_event.DTYPE)
    count = len(tape.commands)
    elapsed_ns = play(
        engine.address,
        address_of(tape.commands),
        count,
        address_of(executions),
        address_of(books),
    )
    if engine_state_hash(engine.address) != engine_state_hash(tape.engine.address):
        raise RuntimeError("the engine ended in another state than the one that made the tape")
    return count * 1e9 / float(elapsed_ns)


def run(smoke: bool) -> list[Result]:
    """Commands a second for each size of the book, medians."""
    results = []
    for case in CASES:
        # Long enough for the book to fill, whatever its size.
        commands = max(SMOKE_COMMANDS if smoke else COMMANDS, 4 * case.live_orders)
        settings = FlowSettings(commands, case.live_orders, case.instruments, 1_000)
        tape = record_tape(settings)
        rates = [play_tape(settings, tape) for _ in range(2 if smoke else REPEATS)]
        results.append(Result(f"matching.ops_{case.name}", statistics.median(rates), "1/s"))
    return [*results, Result("matching.bytes_per_order", ORDER_BYTES, "B")]
