"""Every benchmark runs in smoke mode and answers in the one form, so that none can rot."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from perf.support.catalogue import benchmark_files

ROOT = Path(__file__).resolve().parents[2]
SMOKE_SECONDS = 240
# Names on which others rely.
METRICS = {
    "ping_pong": {"ping_pong.p50_ratio", "ping_pong.p99_ratio"},
    "order_path": {
        "order_path.p50_ratio",
        "order_path.p99_ratio",
        "order_path.p50_ratio_idle",
        "order_path.orders_per_second",
        "order_path.rate_ratio",
    },
    "tick_path": {"tick_path.ticks_per_second"},
    "book": {
        "book.ops_1k",
        "book.p99_ns_1k",
        "book.bytes_per_order",
        "book.ratio_liquibook_1k",
        "book.features_ratio_1k",
    },
    "pricing": {
        "pricing.european_per_second",
        "pricing.european_greeks_per_second",
        "pricing.implied_volatility_ns",
        "pricing.scalar_greeks_ns",
        "pricing.revaluation_seconds",
        "pricing.first_call_seconds",
    },
    "edge": {"edge.unary_ratio", "edge.batch_ratio", "edge.stream_ratio"},
    "journal": {
        "journal.append_p50_ns",
        "journal.append_p99_ratio",
        "journal.group_orders_per_second",
        "journal.group_ack_p99_ratio",
        "journal.reader_slowdown",
        "journal.restore_commands_per_second",
        "journal.serve_again_seconds",
        "order_path.journal_ratio",
    },
    "risk_gate": {
        "risk_gate.p50_ns",
        "risk_gate.p99_ns",
        "risk_gate.checks_per_second",
        "risk_gate.bytes_per_pair",
        "risk_gate.path_ratio",
        "risk_gate.kill_ms",
    },
    "start": {"start.warm_seconds", "start.cold_seconds", "start.idle_pss_mb"},
}
KEYS = [
    "metric",
    "value",
    "unit",
    "goal",
    "met",
    "peer",
    "peer_value",
    "ratio",
    "why_missing",
]


def run_perf(*arguments: str) -> dict[str, object]:
    answer = subprocess.run(
        [sys.executable, "-m", "perf", *arguments, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SMOKE_SECONDS,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert isinstance(found, dict)
    return found


def test_the_promised_benchmarks_are_there() -> None:
    listed = run_perf()["benchmarks"]
    assert isinstance(listed, list)
    assert set(METRICS) <= set(listed)


@pytest.mark.parametrize("name", sorted(benchmark_files()))
def test_a_benchmark_runs_in_smoke_mode(name: str) -> None:
    answer = run_perf(name, "--smoke")
    assert list(answer) == ["benchmark", "machine", "placement", "results"]
    assert answer["benchmark"] == name
    results = answer["results"]
    assert isinstance(results, list)
    for result in results:
        assert list(result) == KEYS
        assert result["value"] is not None or result["why_missing"]
        if result["value"] is None and result["goal"] is not None:
            assert result["met"] is False
    assert METRICS.get(name, set()) <= {result["metric"] for result in results}
