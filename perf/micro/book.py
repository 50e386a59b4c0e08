"""The order book alone: no transport, no risk gate, one thread, every feature compiled in.

Two kinds of flow. The mix (57 % limit, 5 % market or immediate or cancel, 33 % cancel, 5 % replace)
at a steady number of live orders; and a cancel-heavy flow whose middle drifts, swings or crashes.
Commands and reports are compact, as inside another program; ``wire`` says what the venue's full
records cost instead, and ``features`` how many times as much the engine costs as a book that can do
nothing but price and time. The peers get the same commands, natively driven.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import entry
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import (
    Engine,
    InstrumentRules,
    MatchingCapacity,
    allocate_engine,
    engine_state_hash,
)
from tradecaptain.kernels.matching.engine import claim_events, resume_step, submit_command
from tradecaptain.kernels.matching.layout import (
    LEVEL_BYTES,
    MORE,
    NEIGHBOURS_BYTES,
    ORDER_BYTES,
    PARTY_BYTES,
)
from tradecaptain.wire import book_event, execution_event, order_command

from perf.support.book_peers import PEERS, build_driver, peer_tape, run_peer
from perf.support.book_tape import BookTape, book_tape, play, play_whole
from perf.support.moving_flow import ACCOUNT_ID, MOVES, moving_commands
from perf.support.plain_book import plain_ns
from perf.support.result import Result
from perf.topology.order_flow import FlowSettings, flow_engine, record_tape

PLACEMENT = "one thread, not pinned; reports go round a ring of 256 KiB that stays in the cache"
MEASURED = 400_000
SMOKE_MEASURED = 20_000
REPEATS = 5
GOAL_OPS = {"1k": 40e6, "100k": 12e6}
GOAL_P99_NS = 200
GOAL_GROWTH = 3.0
GOAL_BYTES = 128
_I64 = types.int64


@dataclass(frozen=True, slots=True)
class Case:
    """One size of the book."""

    name: str
    live_orders: int
    instruments: int


CASES = (
    Case("1k", 1_000, 1),
    Case("100k", 100_000, 1),
    Case("1m", 1_000_000, 1),
    Case("1k_1000_instruments", 1_000, 1_000),
    Case("100k_1000_instruments", 100_000, 1_000),
)
PEER_CASES = ("1k", "100k")
SMOKE_CASES = ("1k", "1k_1000_instruments")


@entry(_I64(_I64, _I64, _I64, _I64, _I64), whole_program=True)
def play_wire(engine: int, commands: int, count: int, executions: int, books: int) -> int:
    """Carry out wire commands; their events go to the same small region again and again."""
    for index in range(count):
        claim_events(
            engine, executions, execution_event.RECORD_BYTES, books, book_event.RECORD_BYTES
        )
        answer = submit_command(engine, commands + index * order_command.RECORD_BYTES)
        while answer == MORE:
            claim_events(
                engine, executions, execution_event.RECORD_BYTES, books, book_event.RECORD_BYTES
            )
            answer = resume_step(engine)
    return count


def wire_ns(engine: Engine, records: npt.NDArray[np.void], warm_count: int) -> float:
    """Nanoseconds of processor time a command with wire events."""
    executions = np.zeros(engine.capacity.execution_room, execution_event.DTYPE)
    books = np.zeros(engine.capacity.book_room, book_event.DTYPE)
    start = address_of(records)
    regions = (address_of(executions), address_of(books))
    play_wire(engine.address, start, warm_count, *regions)
    count = len(records) - warm_count
    first = start + warm_count * order_command.RECORD_BYTES
    start_ns = time.thread_time_ns()
    play_wire(engine.address, first, count, *regions)
    return float(time.thread_time_ns() - start_ns) / count


def median_ns(
    make_engine: Callable[[], Engine], tape: BookTape, repeats: int
) -> tuple[float, npt.NDArray[np.int64]]:
    """Median nanoseconds a command over fresh engines, and the times of single commands of a last
    run; every engine must end in the tape's state."""
    costs = []
    for _ in range(repeats):
        engine = make_engine()
        costs.append(play(engine, tape))
        if engine_state_hash(engine.address) != tape.state_hash:
            raise RuntimeError("the engine ended in another state than the one that made the tape")
    times = np.zeros(tape.measured_count, np.int64)
    play(make_engine(), tape, times)
    return statistics.median(costs), times


def peer_results(
    driver: Path, name: str, records: npt.NDArray[np.void], warm_count: int, repeats: int
) -> dict[str, float]:
    """Median nanoseconds a command of each peer."""
    tape = driver.with_name(f"{name}.tape")
    peer_tape(records).tofile(tape)
    results = {
        peer: statistics.median([run_peer(driver, peer, tape, warm_count) for _ in range(repeats)])
        for peer in PEERS
    }
    tape.unlink()
    return results


def plain_results(
    settings: FlowSettings, tape: BookTape, cost: float, repeats: int
) -> list[Result]:
    """What a book costs that has no feature but price and time, and how many times as much the
    engine does; both must write the same reports."""
    engine = flow_engine(settings)
    expected = play_whole(engine, tape)
    costs = []
    for _ in range(repeats):
        plain_cost, reports = plain_ns(tape, settings.epoch, engine.capacity.orders)
        costs.append(plain_cost)
        if not np.array_equal(reports, expected):
            raise RuntimeError("the plain book reported something else than the engine")
    plain_cost = statistics.median(costs)
    return [
        Result("book.plain_ops_1k", 1e9 / plain_cost, "1/s"),
        Result("book.features_ratio_1k", cost / plain_cost, "x"),
    ]


def mix_results(case: Case, driver: Path, smoke: bool) -> tuple[list[Result], float]:
    """All that is measured on the mix at one size, and the cost of a command."""
    measured = SMOKE_MEASURED if smoke else MEASURED
    repeats = 2 if smoke or case.live_orders > 100_000 else REPEATS
    # Long enough for the book to fill, and to lose its first order.
    warm_count = max(SMOKE_MEASURED, 4 * case.live_orders)
    settings = FlowSettings(warm_count + measured, case.live_orders, case.instruments, 1_000)
    recorded = record_tape(settings)
    state_hash = int(engine_state_hash(recorded.engine.address))
    tape = book_tape(recorded.commands, warm_count, state_hash)
    cost, times = median_ns(lambda: flow_engine(settings), tape, repeats)
    goal = None if smoke else GOAL_OPS.get(case.name)
    results = [Result(f"book.ops_{case.name}", 1e9 / cost, "1/s", goal, higher_is_better=True)]
    for share, label in ((50, "p50"), (99, "p99"), (99.9, "p999")):
        goal = GOAL_P99_NS if not smoke and (label, case.name) == ("p99", "1k") else None
        value = float(np.percentile(times, share))
        results.append(Result(f"book.{label}_ns_{case.name}", value, "ns", goal))
    if case.name == "1k":
        wire = [
            wire_ns(flow_engine(settings), recorded.commands, warm_count) for _ in range(repeats)
        ]
        results.append(Result("book.ops_1k_wire", 1e9 / statistics.median(wire), "1/s"))
        results += plain_results(settings, tape, cost, repeats)
    if case.name in PEER_CASES:
        peers = peer_results(driver, case.name, recorded.commands, warm_count, min(repeats, 3))
        for peer, peer_cost in peers.items():
            results.append(
                Result(
                    f"book.ratio_{peer.replace('-', '_')}_{case.name}",
                    peer_cost / cost,
                    "x",
                    higher_is_better=True,
                    peer=peer,
                    peer_value=1e9 / peer_cost,
                    ratio=peer_cost / cost,
                )
            )
    return results, cost


def moving_engine() -> Engine:
    """An engine for the cancel-heavy flow; prices may go anywhere."""
    capacity = MatchingCapacity(
        orders=65_536,
        levels=65_536,
        instruments=1,
        instrument_ids=2,
        account_ids=ACCOUNT_ID + 1,
    )
    return allocate_engine(capacity, [InstrumentRules(1)])


def moving_results(move: str, driver: Path, smoke: bool) -> list[Result]:
    """The cancel-heavy flow with one kind of movement of its middle."""
    measured = SMOKE_MEASURED if smoke else MEASURED
    records = moving_commands(move, SMOKE_MEASURED + measured)
    engine = moving_engine()
    wire_ns(engine, records, SMOKE_MEASURED)
    tape = book_tape(records, SMOKE_MEASURED, int(engine_state_hash(engine.address)))
    cost, times = median_ns(moving_engine, tape, 2 if smoke else REPEATS)
    results = [
        Result(f"book.ops_{move}", 1e9 / cost, "1/s"),
        Result(f"book.p99_ns_{move}", float(np.percentile(times, 99)), "ns"),
    ]
    peers = peer_results(driver, move, records, SMOKE_MEASURED, 1 if smoke else 3)
    results += [
        Result(
            f"book.ratio_{peer.replace('-', '_')}_{move}",
            peer_cost / cost,
            "x",
            peer=peer,
            peer_value=1e9 / peer_cost,
            ratio=peer_cost / cost,
        )
        for peer, peer_cost in peers.items()
    ]
    return results


def run(smoke: bool) -> list[Result]:
    """Commands a second by size of the book, latency of single commands, growth, and memory."""
    results: list[Result] = []
    costs: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        driver = build_driver(Path(folder))
        for case in CASES:
            if not smoke or case.name in SMOKE_CASES:
                found, costs[case.name] = mix_results(case, driver, smoke)
                results += found
        for move in MOVES[:1] if smoke else MOVES:
            results += moving_results(move, driver, smoke)
    if "1m" in costs:
        growth = costs["1m"] / costs["1k"]
        results.append(Result("book.growth_1k_1m", growth, "x", GOAL_GROWTH))
    return [
        *results,
        Result("book.bytes_per_order", ORDER_BYTES + NEIGHBOURS_BYTES, "B", GOAL_BYTES),
        Result("book.cold_bytes_per_order", PARTY_BYTES, "B"),
        Result("book.bytes_per_level", LEVEL_BYTES, "B"),
    ]
