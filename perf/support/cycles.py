"""The processor's cycle counter, and percentiles that are finer than its step.

The counter of some processors advances in steps of many cycles (10 ns on an EPYC of 2023), and a
single operation takes a few of them. An operation begins anywhere within a step, so what is read is
its time give or take one step, without bias. Percentiles therefore treat a reading as spread evenly
over the step around it, as percentiles of grouped data do; what an empty measurement reads is taken
off by the same rule.
"""

from __future__ import annotations

import time
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of, store_i64

_CALIBRATION_NS: Final = 100_000_000
"""How long the counter is held against the clock."""


@intrinsic
def cycles(typing_context: Any) -> Any:
    """The cycle counter, read after all loads before it and before all after it."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing = ir.FunctionType(ir.VoidType(), ())
        fence = builder.module.globals.get("llvm.x86.sse2.lfence")
        if fence is None:
            fence = ir.Function(builder.module, nothing, "llvm.x86.sse2.lfence")
        counter_type = ir.FunctionType(ir.IntType(64), ())
        counter = builder.module.declare_intrinsic("llvm.readcyclecounter", (), counter_type)
        builder.call(fence, ())
        value = builder.call(counter, ())
        builder.call(fence, ())
        return value

    return types.int64(), codegen


@kernel("int64(int64, int64)")
def time_nothing(samples: int, count: int) -> int:
    """Write the cycles of ``count`` empty measurements to ``samples``; the counter behind them."""
    for index in range(count):
        before = cycles()
        store_i64(samples + index * 8, cycles() - before)
    return cycles()


def cycles_per_ns() -> float:
    """Cycles of the counter in a nanosecond."""
    nothing = np.zeros(1, np.int64)
    began, began_ns = time_nothing(address_of(nothing), 0), time.perf_counter_ns()
    while (elapsed_ns := time.perf_counter_ns() - began_ns) < _CALIBRATION_NS:
        pass
    return float(time_nothing(address_of(nothing), 0) - began) / elapsed_ns


def step_of(samples: npt.NDArray[np.int64]) -> int:
    """The step in which the counter advances, from many readings of short operations."""
    values, counts = np.unique(samples, return_counts=True)
    often = values[counts * 1_000 >= len(samples)]
    return int(np.gcd.reduce(often)) if len(often) else 1


def grouped_percentile(samples: npt.NDArray[np.int64], percent: float, step: int) -> float:
    """A percentile of readings that are each spread evenly over the ``step`` around them."""
    values, counts = np.unique(samples, return_counts=True)
    behind = np.cumsum(counts)
    wanted = percent / 100 * len(samples)
    place = int(np.searchsorted(behind, wanted))
    within = (wanted - (behind[place] - counts[place])) / counts[place]
    return float(values[place]) + step * (within - 0.5)
