"""Rates and latencies from the tables that parts keep in shared memory."""

import pytest
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.telemetry import Telemetry, part_counters
from tradecaptain.mesh.counters import CounterTable
from tradecaptain.mesh.histogram import HistogramTable

SECOND = 1_000_000_000


def test_without_tables_nothing_is_known(run: RunPaths) -> None:
    assert Telemetry(run, ManualClock()).rates() == {}
    assert part_counters(run, "collector") == {}


def test_rates_are_what_was_counted_since_the_look_before(run: RunPaths) -> None:
    clock = ManualClock()
    path = run.counters / "collector.counters"
    with CounterTable.create(path, ["ticks_published", "gaps"]) as table:
        table.set("ticks_published", 100)
        telemetry = Telemetry(run, clock)
        assert telemetry.rates() == {}
        table.set("ticks_published", 1100)
        clock.advance(2 * SECOND)
        assert telemetry.rates() == {"ticks_per_second": 500.0}
        assert part_counters(run, "collector") == {"ticks_published": 1100, "gaps": 0}


def test_a_part_that_started_again_has_no_negative_rate(run: RunPaths) -> None:
    clock = ManualClock()
    path = run.counters / "orderbook.counters"
    telemetry = Telemetry(run, clock)
    for value, expected in ((1000, None), (10, None), (30, 20.0)):
        with CounterTable.create(path, ["commands_sequenced"]) as table:
            table.set("commands_sequenced", value)
            clock.advance(SECOND)
            assert telemetry.rates().get("orders_per_second") == expected


def test_latency_is_that_of_the_last_moment(run: RunPaths) -> None:
    clock = ManualClock()
    telemetry = Telemetry(run, clock)
    with HistogramTable.create(run.counters / "orderbook.histograms", ["command_ns"]) as table:
        for _ in range(1000):
            table.record("command_ns", 1_000_000)
        clock.advance(SECOND)
        assert telemetry.rates()["order_p50_microseconds"] == pytest.approx(1000, rel=0.02)
        for _ in range(10):
            table.record("command_ns", 2_000)
        clock.advance(SECOND)
        rates = telemetry.rates()
        assert rates["order_p50_microseconds"] == pytest.approx(2, rel=0.02)
        assert rates["order_p99_microseconds"] == pytest.approx(2, rel=0.02)
        clock.advance(SECOND)
        assert telemetry.rates() == {}


def test_a_damaged_table_is_no_table(run: RunPaths) -> None:
    (run.counters / "collector.counters").write_bytes(b"x" * 200)
    assert part_counters(run, "collector") == {}
