"""The order path: a command goes over Aeron to sequencer, risk gate and matching, and its report
comes back; against an echo on the same two cores, through the same driver.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tradecaptain.mesh.client import AeronMesh
from tradecaptain.wire import execution_event, order_command

from perf.support.driver_process import media_driver
from perf.support.measurement import (
    Measurement,
    Pair,
    interleaved_pairs,
    median_of,
    median_ratio,
    warn_if_slow,
)
from perf.support.result import Result
from perf.topology.echo import OPEN_LOOP_RATE, EchoRig
from perf.topology.order_flow import FlowSettings
from perf.topology.order_path_rig import VenueRig

PLACEMENT = (
    "client on core 0, orderbook agent (sequencer, risk gate, matching) on core 1, waiting as `up` "
    "ships it (spins while orders flow, then sleeps), "
    "media driver in a process of its own, not pinned"
)
LIVE_ORDERS = 1_000
INSTRUMENTS = 100
ACCOUNTS = 1_000
IN_FLIGHT = 64
COMMANDS = 1_000_000
SMOKE_COMMANDS = 60_000


def run(smoke: bool) -> list[Result]:
    """Latency at 100,000 a second and with one in flight, and the rate with 64 in flight."""
    commands = SMOKE_COMMANDS if smoke else COMMANDS
    flow = FlowSettings(commands, LIVE_ORDERS, INSTRUMENTS, ACCOUNTS)
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tradecaptain-perf-") as folder,
        media_driver() as directory,
        AeronMesh(directory, "order-path", prefault=True) as mesh,
        VenueRig(mesh, Path(folder), flow) as venue,
        EchoRig(mesh, order_command.RECORD_BYTES, execution_event.RECORD_BYTES) as echo,
    ):
        # Until enough orders rest, and everything has been touched.
        venue.closed_loop(commands // 10, in_flight=IN_FLIGHT)
        steady_count, single_count, many_count = commands // 10, commands // 5, commands // 2
        steady = interleaved_pairs(
            lambda: venue.open_loop(steady_count, OPEN_LOOP_RATE),
            lambda: echo.open_loop(steady_count, OPEN_LOOP_RATE),
            smoke=smoke,
        )
        single = interleaved_pairs(
            lambda: venue.closed_loop(single_count),
            lambda: echo.closed_loop(single_count),
            smoke=smoke,
        )
        many = interleaved_pairs(
            lambda: venue.closed_loop(many_count, IN_FLIGHT),
            lambda: echo.closed_loop(many_count, in_flight=IN_FLIGHT),
            smoke=smoke,
        )
        venue.check_counts()
    warn_if_slow("order_path", [pair.ours for pair in steady])
    warn_if_slow("order_path's echo", [pair.peer for pair in steady])
    return [
        _latency_ratio("order_path.p50_ratio", steady, 50, 2.5),
        _latency_ratio("order_path.p99_ratio", steady, 99, 2.0),
        _latency_ratio("order_path.p999_ratio", steady, 99.9, None),
        _latency_ratio("order_path.p50_ratio_idle", single, 50, 2.0),
        *_latencies(steady, single),
        *_rates(many),
    ]


def _latency_ratio(metric: str, pairs: list[Pair], percent: float, goal: float | None) -> Result:
    ratio = median_ratio(pairs, lambda item: item.percentile_ns(percent))
    peer = median_of([pair.peer for pair in pairs], lambda item: item.percentile_ns(percent))
    return Result(
        metric, ratio, "ratio", goal=goal, peer="Aeron echo", peer_value=peer, ratio=ratio
    )


def _latencies(steady: list[Pair], single: list[Pair]) -> list[Result]:
    def figure(pairs: list[Pair], percent: float) -> float:
        ours: list[Measurement] = [pair.ours for pair in pairs]
        return median_of(ours, lambda item: item.percentile_ns(percent))

    return [
        Result("order_path.p50_ns", figure(steady, 50), "ns"),
        Result("order_path.p99_ns", figure(steady, 99), "ns"),
        Result("order_path.p999_ns", figure(steady, 99.9), "ns"),
        Result("order_path.p50_idle_ns", figure(single, 50), "ns"),
    ]


def _rates(many: list[Pair]) -> list[Result]:
    rate = median_of([pair.ours for pair in many], lambda item: item.rate)
    peer = median_of([pair.peer for pair in many], lambda item: item.rate)
    ratio = median_ratio(many, lambda item: item.rate)
    return [
        Result("order_path.orders_per_second", rate, "1/s", goal=5_000_000, higher_is_better=True),
        Result(
            "order_path.rate_ratio",
            ratio,
            "ratio",
            goal=0.4,
            higher_is_better=True,
            peer="Aeron echo",
            peer_value=peer,
            ratio=ratio,
        ),
    ]
