"""Indicators against TA-Lib: whole arrays, and a tick against its streaming handles.

Every function with its default parameters, on one random walk. Arrays are compared call by call as
a user makes them, from Python.

A tick is one bar that has closed: it is taken in, and all outputs at it are written, before the
next one is looked at. Ours are pushed by compiled code, which is how ticks come in a mesh, into
streams that were fused before; what fusing a function takes is told beside it. Those of
``talib.stream`` are calls of ``update``, the only way to feed it: it updates in O(1) as well (since
0.8), and some 100 ns of a call are Python's. Neither side opens its stream in the timed part.
``streaming_ratio`` is the geometric mean, over all functions, of their time by ours. What one of
our pushes costs from Python is told as well: there ``talib.stream`` is ahead.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.indicators.program import compute
from tradecaptain.kernels.indicators.registry import INDICATORS
from tradecaptain.kernels.indicators.stream import Stream

from perf.support.kernel_timing import seconds_per_call
from perf.support.result import Result

FloatArray = npt.NDArray[np.float64]

BARS = 50_000
TICKS = 2_000
SMOKE_BARS = 2_000
# Two hundred functions are timed four ways; their mean is steadier than any of them.
BRIEF = True
SMOKE_NAMES = ("SMA", "MACD", "ATR", "MAX", "CDLDOJI", "HT_SINE")


def walk(count: int, seed: int = 1) -> dict[str, FloatArray]:
    """Bars of a random walk, and periods for the average that takes them."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    opens = close * np.exp(random.normal(0, 0.005, count))
    above, below = np.abs(random.normal(0, 0.5, (2, count)))
    return {
        "open": opens,
        "high": np.maximum(opens, close) + above,
        "low": np.minimum(opens, close) - below,
        "close": close,
        "volume": random.integers(1_000, 100_000, count).astype(float),
        "periods": random.integers(2, 31, count).astype(float),
    }


def _geometric_mean(ratios: Mapping[str, float]) -> float:
    return math.exp(sum(map(math.log, ratios.values())) / len(ratios))


def _tell(what: str, ratios: Mapping[str, float]) -> None:
    ordered = sorted(ratios, key=lambda name: ratios[name])
    slowest = ", ".join(f"{name} {ratios[name]:.2f}" for name in ordered[:5])
    fastest = ", ".join(f"{name} {ratios[name]:.1f}" for name in ordered[-5:])
    print(f"indicators: {what}: lowest {slowest}; highest {fastest}", file=sys.stderr)


def array_ratios(names: list[str], bars: dict[str, FloatArray]) -> dict[str, float]:
    """How many times faster than TA-Lib each is over whole arrays."""
    import talib

    ratios = {}
    for name in names:
        inputs = [bars[column] for column in INDICATORS[name].inputs]
        theirs, ours = getattr(talib, name), [name, inputs]
        their_seconds = seconds_per_call(lambda f=theirs, i=inputs: f(*i), smoke=BRIEF)
        our_seconds = seconds_per_call(lambda a=ours: compute(*a), smoke=BRIEF)
        ratios[name] = their_seconds / our_seconds
    return ratios


def tick_times(
    names: list[str], bars: dict[str, FloatArray]
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Nanoseconds of a tick, ours and those of ``talib.stream``, and our seconds to fuse."""
    from talib import stream as talib_stream

    ours, theirs, fusing = {}, {}, {}
    for name in names:
        block = np.ascontiguousarray([bars[column] for column in INDICATORS[name].inputs])
        ticks = np.ascontiguousarray(block[:, :TICKS])
        rows = list(zip(*ticks.tolist(), strict=True))
        handle = getattr(talib_stream, name)(*block)
        stream = Stream.of(name)
        start = time.thread_time()
        stream.fuse()
        fusing[name] = time.thread_time() - start
        outputs = np.empty((len(INDICATORS[name].outputs), ticks.shape[1]))

        def update_all(update=handle.update, rows=rows) -> None:
            for row in rows:
                update(*row)

        def push_all(stream=stream, ticks=ticks, outputs=outputs) -> None:
            stream.push_block(ticks, outputs)

        theirs[name] = seconds_per_call(update_all, smoke=BRIEF) / len(rows) * 1e9
        ours[name] = seconds_per_call(push_all, smoke=BRIEF) / len(rows) * 1e9
    return ours, theirs, fusing


def measure(smoke: bool) -> list[Result]:
    """Ratios to TA-Lib over all functions, and the nanoseconds of a tick."""
    names = list(SMOKE_NAMES) if smoke else sorted(INDICATORS)
    bars = walk(SMOKE_BARS if smoke else BARS)
    print(f"indicators: {len(names)} functions, arrays of {len(bars['close']):,}", file=sys.stderr)
    arrays = array_ratios(names, bars)
    _tell("arrays against TA-Lib", arrays)
    ours, theirs, fusing = tick_times(names, bars)
    ticks = {name: theirs[name] / ours[name] for name in names}
    _tell("ticks against talib.stream", ticks)
    stream = Stream.of("MACD")
    from_python = seconds_per_call(lambda: stream.push([100.0]), smoke=BRIEF) * 1e9
    return [
        Result(
            "pricing.indicators_ratio",
            _geometric_mean(arrays),
            "x",
            1.0,
            higher_is_better=True,
            peer="TA-Lib",
        ),
        Result(
            "pricing.streaming_ratio",
            _geometric_mean(ticks),
            "x",
            20.0,
            higher_is_better=True,
            peer="talib.stream",
        ),
        Result(
            "pricing.indicator_tick_ns",
            _geometric_mean(ours),
            "ns",
            peer="talib.stream",
            peer_value=_geometric_mean(theirs),
        ),
        Result("pricing.indicator_fuse_seconds", statistics.median(fusing.values()), "s"),
        Result("pricing.indicator_push_from_python_ns", from_python, "ns"),
    ]
