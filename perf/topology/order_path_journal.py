"""What the execution log costs the order path: the same venue with and without, in turn."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.journal_agent import JournalSettings

from perf.support.driver_process import media_driver
from perf.support.measurement import interleaved_pairs, median_of, median_ratio
from perf.support.result import Result
from perf.topology.order_flow import FlowSettings
from perf.topology.order_path_rig import VenueRig

COMMANDS = 600_000
SMOKE_COMMANDS = 30_000
IN_FLIGHT = 64
RING_BYTES = 1 << 28


def measure_order_path(*, smoke: bool) -> list[Result]:
    """Time for an order with 64 in flight, with the log over without; the disk takes no part."""
    commands = SMOKE_COMMANDS if smoke else COMMANDS
    flow = FlowSettings(commands, 1_000, 100, 1_000)
    count = commands // 3
    with ExitStack() as stack:
        rigs = []
        for journal in (JournalSettings(ring_bytes=RING_BYTES), None):
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tradecaptain-perf-")
            )
            directory = stack.enter_context(media_driver())
            mesh = stack.enter_context(AeronMesh(directory, "order-path", prefault=True))
            rigs.append(stack.enter_context(VenueRig(mesh, Path(folder), flow, journal)))
        logged, plain = rigs
        for rig in rigs:
            rig.closed_loop(commands // 10, in_flight=IN_FLIGHT)
        pairs = interleaved_pairs(
            lambda: logged.closed_loop(count, in_flight=IN_FLIGHT),
            lambda: plain.closed_loop(count, in_flight=IN_FLIGHT),
            smoke=smoke,
        )
        for rig in rigs:
            rig.check_counts()
    ratio = median_ratio(pairs, lambda item: 1 / item.rate)
    with_log = median_of([pair.ours for pair in pairs], lambda item: item.rate)
    without = median_of([pair.peer for pair in pairs], lambda item: item.rate)
    return [
        Result(
            "order_path.journal_ratio",
            ratio,
            "ratio",
            goal=1.3,
            peer="the same path without a log",
            peer_value=1e9 / without,
            ratio=ratio,
        ),
        Result("order_path.journal_ns", 1e9 / with_log - 1e9 / without, "ns"),
        Result("order_path.logged_orders_per_second", with_log, "1/s"),
    ]
