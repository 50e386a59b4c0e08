"""Latency samples, their percentiles, and comparison by interleaved pairs."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

_LOWEST_NS = 1
_HIGHEST_NS = 60_000_000_000
_SIGNIFICANT_DIGITS = 3
RATE_TOLERANCE = 0.99
PAIRS = 9
SMOKE_PAIRS = 2


@dataclass(frozen=True, slots=True)
class Measurement:
    """Latencies of one run; for an open loop they start at the scheduled time of sending."""

    latencies_ns: npt.NDArray[np.int64]
    seconds: float
    target_rate: float | None = None

    @property
    def rate(self) -> float:
        """Operations a second."""
        return len(self.latencies_ns) / self.seconds

    @property
    def reached_target(self) -> bool:
        """Whether an open loop went as fast as it was told to."""
        return self.target_rate is None or self.rate >= RATE_TOLERANCE * self.target_rate

    def percentile_ns(self, percent: float) -> int:
        """A percentile by HdrHistogram with three significant digits."""
        return int(self.histogram().get_value_at_percentile(percent))

    def histogram(self) -> HdrHistogram:
        """All latencies in a histogram."""
        histogram = HdrHistogram(_LOWEST_NS, _HIGHEST_NS, _SIGNIFICANT_DIGITS)
        clipped = np.clip(self.latencies_ns, _LOWEST_NS, _HIGHEST_NS)
        for value, count in zip(*np.unique(clipped, return_counts=True), strict=True):
            histogram.record_value(int(value), int(count))
        return histogram


@dataclass(frozen=True, slots=True)
class Pair:
    """Two measurements taken one right after the other."""

    ours: Measurement
    peer: Measurement


def interleaved_pairs(
    ours: Callable[[], Measurement], peer: Callable[[], Measurement], *, smoke: bool
) -> list[Pair]:
    """Measure in turn, ``PAIRS`` times after one pair that is thrown away."""
    pairs = [Pair(ours(), peer()) for _ in range(SMOKE_PAIRS if smoke else PAIRS + 1)]
    return pairs[1:]


def median_ratio(pairs: list[Pair], figure: Callable[[Measurement], float]) -> float:
    """Median over the pairs of the quotient ours to peer."""
    return statistics.median(figure(pair.ours) / figure(pair.peer) for pair in pairs)


def median_of(measurements: list[Measurement], figure: Callable[[Measurement], float]) -> float:
    """Median of a figure."""
    return statistics.median(figure(measurement) for measurement in measurements)


def warn_if_slow(name: str, measurements: list[Measurement]) -> None:
    """Say on standard error when an open loop didn't reach the rate it was to run at."""
    slow = [item for item in measurements if not item.reached_target]
    if slow:
        worst = min(item.rate for item in slow)
        print(
            f"warning: {name}: {len(slow)} of {len(measurements)} runs missed the target rate of "
            f"{slow[0].target_rate:,.0f}/s (slowest {worst:,.0f}/s); their latencies are too low",
            file=sys.stderr,
        )
