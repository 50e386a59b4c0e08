"""Rates and latencies of a running mesh, read from the shared memory of its parts."""

from __future__ import annotations

from collections.abc import Mapping

from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.mesh.table_readers import CounterReader, Histogram, HistogramReader

NANOSECONDS = 1_000_000_000
# What the status table shows: rate, part that counts it, counter.
RATES = (
    ("ticks_per_second", "collector", "ticks_published"),
    ("orders_per_second", "orderbook", "commands_sequenced"),
    ("client_orders_per_second", "gateway", "orders_submitted"),
)
LATENCY_PART = "orderbook"
LATENCY_HISTOGRAM = "command_ns"


def part_counters(run: RunPaths, part: str) -> Mapping[str, int]:
    """All counters of a part; empty where it keeps none at the moment."""
    path = run.counters / f"{part}.counters"
    try:
        with CounterReader.open(path) as table:
            return dict(table.values())
    except (FileNotFoundError, TradeCaptainError):
        # Not written yet, or just being rewritten by a part that starts again.
        return {}


class Telemetry:
    """Computes rates between two looks at the counters."""

    def __init__(self, run: RunPaths, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._last: dict[str, int] = {}
        self._last_ns = 0
        self._histogram: Histogram | None = None

    def rates(self) -> dict[str, float]:
        """Rates a second, and latency percentiles in microseconds, since the call before."""
        now_ns = self._clock.monotonic_ns()
        counters = {part: part_counters(self._run, part) for _, part, _ in RATES}
        found = {name: counters[part].get(key) for name, part, key in RATES}
        seconds = (now_ns - self._last_ns) / NANOSECONDS
        rates = {}
        for name, value in found.items():
            # A part that started again counts from zero: its rate shows from the next look on.
            if value is not None and value >= self._last.get(name, value + 1):
                rates[name] = (value - self._last[name]) / seconds
        self._last = {name: value for name, value in found.items() if value is not None}
        self._last_ns = now_ns
        return rates | self._latency()

    def _latency(self) -> dict[str, float]:
        path = self._run.counters / f"{LATENCY_PART}.histograms"
        try:
            with HistogramReader.open(path) as table:
                histogram = table.snapshot(LATENCY_HISTOGRAM)
        except (FileNotFoundError, TradeCaptainError, KeyError):
            return {}
        earlier, self._histogram = self._histogram, histogram
        recent = histogram
        if earlier is not None and earlier.count <= histogram.count:
            recent = histogram.difference(earlier)
        if recent.count == 0:
            return {}
        return {
            "order_p50_microseconds": recent.percentile(50.0) / 1000,
            "order_p99_microseconds": recent.percentile(99.0) / 1000,
        }
