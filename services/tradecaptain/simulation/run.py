"""Runs seeds, one world each, and tells which failed, where, and why."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.simulation.witness import Violation
from tradecaptain.simulation.world import Parts, World

_MEMORY: Final = Path("/dev/shm")
_NS: Final = 1e9
_COLLECTED_EVERY: Final = 4
"""Worlds after which their memory is given back; to look for it takes as long as ten steps."""
_CHUNK: Final = 16
"""Seeds that a process takes at a time."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A seed that failed: at which step, and why. The same seed fails again there."""

    seed: int
    step: int
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one seed: how many steps it took, how many orders and trades the venue told of,
    its digest, and its failure if it failed."""

    steps: int
    orders: int
    trades: int
    digest: str
    failure: Failure | None


def run_seed(seed: int, parts: Parts | None = None) -> Outcome:
    """Run one seed to its end, or to the first rule that is broken.

    A process that raises is as much of a failure as an answer that is wrong.
    """
    parent = Path(tempfile.mkdtemp(prefix="tradecaptain-simulation-", dir=_memory_folder()))
    try:
        with World(seed, parent / "world", parts) as world:
            why = _fate(world)
            failure = None if why is None else Failure(seed, world.step, why)
            witness = world.witness
            return Outcome(
                world.step, len(witness.orders), len(witness.executions), world.digest, failure
            )
    finally:
        shutil.rmtree(parent, ignore_errors=True)
        if seed % _COLLECTED_EVERY == 0:
            # Worlds are full of cycles, and each holds megabytes.
            gc.collect()


def _fate(world: World) -> str | None:
    try:
        world.run()
    except Violation as violation:
        return str(violation)
    except (
        TradeCaptainError,
        OSError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AssertionError,
        RuntimeError,
    ) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
    return None


def run_seeds(
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    on_outcome: Callable[[int, Outcome], None] = lambda seed, outcome: None,
) -> tuple[list[Failure], float]:
    """Run seeds, each in a world of its own; the failures, and how many seconds all of it took."""
    began_ns = SYSTEM_CLOCK.monotonic_ns()
    failures = []
    for seed, outcome in zip(seeds, _outcomes(seeds, jobs), strict=True):
        if outcome.failure is not None:
            failures.append(outcome.failure)
        on_outcome(seed, outcome)
    return failures, (SYSTEM_CLOCK.monotonic_ns() - began_ns) / _NS


def _outcomes(seeds: Sequence[int], jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        silence()
        yield from map(run_seed, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=silence) as pool:
        yield from pool.map(run_seed, seeds, chunksize=_CHUNK)


def silence() -> None:
    """Keep the processes' logs back: in a simulation faults are what is wanted."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # What was there before the first world isn't looked through after each of them.
    gc.collect()
    gc.freeze()


def _memory_folder() -> Path | None:
    """A file system in memory if there is one: a simulated disk needs no real one."""
    return _MEMORY if os.access(_MEMORY, os.W_OK) else None
