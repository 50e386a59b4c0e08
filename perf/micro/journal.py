"""The execution log: an append against C, groups against the device's own sync, recovery.

Appends are timed one by one between serialising reads of the cycle counter; what an empty
measurement costs is taken off and printed (perf/support/cycles.py). Files lie in a folder of the
current disk, never on a memory file system. An order of the group figures is what the order path
logs for one: a command and two events. Recovery is that of a killed venue whose log is in files:
once from the first record, once from the newest snapshot that it took.
"""

from __future__ import annotations

import ctypes
import gc
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    load_acquire_i64,
    load_i64,
    pause,
    store_i64,
)
from tradecaptain.mesh.direct_files import open_direct, page_buffer, whole_pages
from tradecaptain.mesh.journal import (
    JOURNAL,
    OFFSET_DURABLE_POSITION,
    OFFSET_SYNC_COUNT,
    OFFSET_TAIL,
    JournalRing,
    frame_bytes,
    journal_append,
    journal_has_room,
    journal_publish,
)
from tradecaptain.mesh.journal_agent import DurabilityAgent, JournalSettings
from tradecaptain.mesh.journal_follower import JournalFollower
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.mesh.journal_storage import SPARE_NAME
from tradecaptain.mesh.waiting import wait_until
from tradecaptain.wire import execution_event, order_command

from perf.micro.journal_recovery import measure_recovery
from perf.support.cycles import (
    cycles,
    cycles_per_ns,
    grouped_percentile,
    step_of,
    time_nothing,
)
from perf.support.machine import core_pair, pinned_to
from perf.support.result import Result
from perf.topology.order_path_journal import measure_order_path
from perf.topology.stopped_consumer import measure_stopped_consumer

PLACEMENT = (
    "writer on the first core, durability agent or reader on the second; order path: client on the "
    "first, venue on the second"
)

RECORD_BYTES = 128
ROUNDS = 9
APPENDS = 200_000
RING_BYTES = 1 << 26
IN_FLIGHT = 4_096
GROUP_ORDERS = 400_000
GROUP_RATE = 500_000
IN_FLIGHT_MOST = 1 << 15
"""As many as the ring has room for, with half of it to spare."""
FLOOR_SYNCS = 100
_FLOOR_PLACES = 16
_PREPARED_NS = 60_000_000_000
ORDER_BYTES = order_command.RECORD_BYTES + 2 * execution_event.RECORD_BYTES
POSITION = int((JOURNAL.fields or {})["position"][1])


@kernel("int64(int64, int64, int64, int64)")
def time_appends(journal: int, record: int, count: int, samples: int) -> int:
    """Append and show ``count`` records of 128 bytes; the cycles of each go to ``samples``."""
    for index in range(count):
        before = cycles()
        if journal_has_room(journal, frame_bytes(RECORD_BYTES)):
            journal_append(journal, record, RECORD_BYTES, 0)
            journal_publish(journal)
        store_i64(samples + index * 8, cycles() - before)
    return count


@inline
def append_order(journal: int, record: int) -> int:
    """Append what the order path logs for one order; where the log ends then."""
    journal_append(journal, record, order_command.RECORD_BYTES, 0)
    journal_append(journal, record, execution_event.RECORD_BYTES, 1)
    journal_append(journal, record, execution_event.RECORD_BYTES, 1)
    journal_publish(journal)
    return load_i64(journal + POSITION)


@kernel("int64(int64, int64, int64, int64, int64, int64, int64)")
def run_groups(
    journal: int,
    durable: int,
    record: int,
    count: int,
    in_flight: int,
    interval_cycles: int,
    samples: int,
) -> int:
    """Append orders, never more than ``in_flight`` ahead of the disk; cycles until each is durable.

    With an interval each is due at its time, and counted from then however late it is appended;
    with none as soon as there may be one more. ``samples`` has two words an order: its end in the
    log, then the cycles.
    """
    acknowledged = 0
    appended = 0
    start = cycles()
    while acknowledged < count:
        position = load_acquire_i64(durable)
        now = cycles()
        while acknowledged < appended and load_i64(samples + acknowledged * 16) <= position:
            began = load_i64(samples + acknowledged * 16 + 8)
            store_i64(samples + acknowledged * 16 + 8, now - began)
            acknowledged += 1
        due = start + appended * interval_cycles if interval_cycles > 0 else now
        if appended == count or appended - acknowledged >= in_flight or now < due:
            pause()
            continue
        store_i64(samples + appended * 16, append_order(journal, record))
        store_i64(samples + appended * 16 + 8, due)
        appended += 1
    return count


class Bench:
    """A ring in shared memory, a folder on the disk, and the compiled floor."""

    def __init__(self, shared: Path, disk: Path) -> None:
        self.disk = disk
        self.ring = JournalRing.create(shared / "ring", capacity=RING_BYTES, epoch=1)
        self.state = self.ring.writer_state(0, 0, 0)
        self.record = np.frombuffer(np.random.default_rng(1).bytes(512), np.uint8).copy()
        # The common prefix: a kind, and a time.
        self.record[:16] = 1
        self.samples = np.zeros(2 * max(APPENDS, GROUP_ORDERS), np.int64)
        self.floor_ring = aligned_zeros(RING_BYTES + 4_096, np.uint8)
        self.floor_ring[:] = 0
        self.floor_tail = np.zeros(1, np.int64)
        self.floor = compile_floor(disk)
        self.cycles_a_ns = cycles_per_ns()

    @property
    def journal(self) -> int:
        """Address of the writer's state."""
        return address_of(self.state)

    def forget(self) -> None:
        """Make room as if everything were on disk."""
        self.ring.store(OFFSET_DURABLE_POSITION, self.ring.load(OFFSET_TAIL))

    def ours(self, count: int, *, frees: bool = True) -> npt.NDArray[np.int64]:
        """Cycles of each append."""
        if frees:
            self.forget()
        samples = self.samples[:count]
        time_appends(self.journal, address_of(self.record), count, address_of(samples))
        return samples.copy()

    def peer(self, count: int) -> npt.NDArray[np.int64]:
        """Cycles of each append by the C floor."""
        samples = self.samples[:count]
        self.floor.append_floor(
            ctypes.c_void_p(address_of(self.floor_ring)),
            ctypes.c_uint64(RING_BYTES - 1),
            ctypes.c_void_p(address_of(self.floor_tail)),
            ctypes.c_void_p(address_of(self.record)),
            ctypes.c_uint64(RECORD_BYTES),
            ctypes.c_uint64(count),
            ctypes.c_void_p(address_of(samples)),
        )
        self.floor_tail[0] &= RING_BYTES - 1
        if self.floor_tail[0] > RING_BYTES // 2:
            self.floor_tail[0] = 0
        return samples.copy()

    def timer(self, count: int) -> npt.NDArray[np.int64]:
        """Cycles of each of many empty measurements."""
        samples = self.samples[:count]
        time_nothing(address_of(samples), count)
        return samples.copy()

    def follow(self, stop: threading.Event, lags: list[int]) -> None:
        """Read all that is appended until told to stop; how far behind at each look."""
        with JournalFollower(self.ring.path, self.ring.tail) as follower:
            # Whoever appended the last record stops it; what is left then is read all the same.
            while not stop.is_set() or follower.position < self.ring.tail:
                lags.append(self.ring.tail - follower.position)
                follower.read(1 << 20)

    def agent(self, segment_bytes: int = 1 << 28) -> DurabilityAgent:
        """A durability agent that goes on where the ring stands."""
        self.forget()
        row: Any = self.state[0]
        place = Place(int(row["position"]), int(row["sequence"]), int(row["checksum"]))
        folder = self.disk / f"segments-{place.position}"
        settings = JournalSettings(segment_bytes=segment_bytes, compress=False)
        return DurabilityAgent(self.ring, folder, settings, place, epoch=1, is_group=True)


def compile_floor(folder: Path) -> ctypes.CDLL:
    """Build the C floor with the machine's compiler, or with zig's."""
    source = Path(__file__).with_name("journal_floor.c")
    target = folder / "journal_floor.so"
    compiler = (
        [shutil.which("cc") or ""]
        if shutil.which("cc")
        else [sys.executable, "-m", "ziglang", "cc"]
    )
    subprocess.run(
        [*compiler, "-O3", "-msse4.2", "-shared", "-fPIC", "-o", str(target), str(source)],
        check=True,
        capture_output=True,
    )
    return ctypes.CDLL(str(target))


def sync_floor_ns(folder: Path, group_bytes: int, count: int) -> npt.NDArray[np.float64]:
    """What a write past the cache and fdatasync of so many bytes take on this device, each."""
    data = page_buffer(whole_pages(group_bytes))
    data[:] = np.frombuffer(os.urandom(len(data)), np.uint8)
    path = folder / "floor"
    taken = np.zeros(count)
    descriptor = open_direct(path, os.O_RDWR | os.O_CREAT)
    try:
        # Blocks that were written before, as those of a prepared segment are.
        for place in range(_FLOOR_PLACES):
            os.pwrite(descriptor, data, place * len(data))
        os.fsync(descriptor)
        for index in range(count):
            began = time.monotonic_ns()
            os.pwrite(descriptor, data, index % _FLOOR_PLACES * len(data))
            os.fdatasync(descriptor)
            taken[index] = time.monotonic_ns() - began
    finally:
        os.close(descriptor)
        path.unlink()
    return taken


def beside(work: Callable[[threading.Event], None], measure: Callable[[], Any]) -> Any:
    """Measure while ``work`` runs on a thread of the second core, which must not fail."""
    stop = threading.Event()
    second = core_pair()[1]

    def run() -> None:
        with pinned_to(second):
            work(stop)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        try:
            measured = measure()
        finally:
            stop.set()
        running.result()
    return measured


def trimmed_mean(rounds: list[npt.NDArray[np.int64]]) -> float:
    """Median over the rounds of the mean without the slowest hundredth, when the host was away."""
    return statistics.median(
        float(np.sort(item)[: len(item) * 99 // 100].mean()) for item in rounds
    )


def measure_appends(bench: Bench, count: int, rounds: int) -> list[Result]:
    """Appends alone, beside a syncing agent, and beside a reader."""
    agent = bench.agent()

    def sync(stop: threading.Event) -> None:
        while not stop.is_set():
            if agent.step(force=True) == 0:
                time.sleep(0.0002)

    lags: list[int] = []

    # Small rounds, so that the disk keeps up and no append finds the ring full.
    piece = min(count, RING_BYTES // 4 // frame_bytes(RECORD_BYTES))
    bench.ours(piece), bench.peer(piece)
    timer = bench.timer(piece)
    step = step_of(timer)
    timer_cycles = grouped_percentile(timer, 50, step)
    alone, floor, synced, followed = [], [], [], []
    for _ in range(rounds):
        alone.append(bench.ours(piece))
        floor.append(bench.peer(piece))
        followed.append(beside(lambda stop: bench.follow(stop, lags), lambda: bench.ours(piece)))
    agent = bench.agent()
    for _ in range(rounds):
        synced.append(beside(sync, lambda: bench.ours(piece, frees=False)))
        while agent.step(force=True):
            pass
    agent.close()

    def percentile(samples: list[npt.NDArray[np.int64]], percent: float) -> float:
        gross = statistics.median(grouped_percentile(item, percent, step) for item in samples)
        return (gross - timer_cycles) / bench.cycles_a_ns

    p50, p99 = percentile(alone, 50), percentile(alone, 99)
    floor_p50, floor_p99 = percentile(floor, 50), percentile(floor, 99)
    committing = percentile(synced, 99)
    slowed = trimmed_mean(followed) / trimmed_mean(alone)
    print(
        f"journal: timer {timer_cycles / bench.cycles_a_ns:.1f} ns (in steps of"
        f" {step / bench.cycles_a_ns:.1f}) taken off; p50 {p50:.1f} (C {floor_p50:.1f}), p99"
        f" {p99:.1f} (C {floor_p99:.1f}), while groups commit {committing:.1f}; a reader looked"
        f" {len(lags):,} times and was at most {max(lags):,} bytes behind",
        file=sys.stderr,
    )
    ratio = max(p99, committing) / floor_p99
    return [
        Result(
            "journal.append_p50_ns",
            p50,
            "ns",
            goal=20,
            peer="C memcpy and CRC",
            peer_value=floor_p50,
            ratio=p50 / floor_p50,
        ),
        Result(
            "journal.append_p99_ratio",
            ratio,
            "ratio",
            goal=2,
            peer="C memcpy and CRC",
            peer_value=floor_p99,
            ratio=ratio,
        ),
        Result("journal.append_p99_committing_ns", committing, "ns"),
        Result("journal.reader_slowdown", slowed, "ratio", goal=1.1),
    ]


class Groups:
    """Orders that are each acknowledged with the sync of their group."""

    def __init__(self, bench: Bench, orders: int, segment_bytes: int = 0) -> None:
        """``orders`` is how many there will be, all of them in one segment, prepared beforehand,
        unless segments are to be shorter."""
        self._agent = bench.agent(segment_bytes or max(1 << 20, 5 * orders * ORDER_BYTES // 4))
        self._bench = bench
        self._agent.prepare()
        with pinned_to(core_pair()[1]):
            self._agent.start()

    def settle(self) -> None:
        """Wait until the file of the segment behind is prepared, as it is most of the time."""
        spare = self._agent.folder / SPARE_NAME
        if not wait_until(spare.exists, _PREPARED_NS):
            raise RuntimeError(f"{spare} is not prepared")

    def run(self, orders: int, in_flight: int, orders_per_second: int = 0) -> GroupRun:
        """Log some, at a rate or as fast as the disk takes them."""
        bench, ring = self._bench, self._bench.ring
        samples = bench.samples[: 2 * orders]
        interval = round(1e9 * bench.cycles_a_ns / orders_per_second) if orders_per_second else 0
        start, syncs = ring.tail, ring.load(OFFSET_SYNC_COUNT)

        began = time.monotonic_ns()
        run_groups(
            bench.journal,
            ring.address + OFFSET_DURABLE_POSITION,
            address_of(bench.record),
            orders,
            in_flight,
            interval,
            address_of(samples),
        )
        seconds = (time.monotonic_ns() - began) / 1e9
        groups = ring.load(OFFSET_SYNC_COUNT) - syncs
        return GroupRun(
            seconds,
            groups,
            (ring.tail - start) // max(groups, 1),
            samples[1::2] / bench.cycles_a_ns,
        )

    def close(self) -> None:
        """Close the segment."""
        self._agent.close()


@dataclass(frozen=True, slots=True)
class GroupRun:
    """How long it took, into how many groups of what size it fell, and each order's time until it
    was durable."""

    seconds: float
    groups: int
    group_bytes: int
    latencies_ns: npt.NDArray[np.float64]


def measure_rate(bench: Bench, orders: int) -> list[Result]:
    """Orders a second when as many wait as may."""
    groups = Groups(bench, orders)
    run = groups.run(orders, IN_FLIGHT)
    groups.close()
    print(
        f"journal: {run.groups} groups of {run.group_bytes:,} bytes as fast as the disk takes them",
        file=sys.stderr,
    )
    return [
        Result(
            "journal.group_orders_per_second",
            orders / run.seconds,
            "1/s",
            goal=GROUP_RATE,
            higher_is_better=True,
        )
    ]


def measure_acknowledgements(
    bench: Bench, orders: int, rounds: int, segment_bytes: int = 0
) -> Acknowledged:
    """Time until orders at the rate of the goal are durable, and that of the device's own sync of
    as many bytes, on the same core, round about."""
    groups = Groups(bench, orders * (rounds + 1), segment_bytes)
    groups.run(orders, IN_FLIGHT_MOST, GROUP_RATE)
    groups.settle()
    latencies, floors, sizes = [], [], []
    for _ in range(rounds):
        run = groups.run(orders, IN_FLIGHT_MOST, GROUP_RATE)
        latencies.append(run.latencies_ns.astype(np.float32))
        sizes.append(run.group_bytes)
        with pinned_to(core_pair()[1]):
            floors.append(sync_floor_ns(bench.disk, run.group_bytes, FLOOR_SYNCS))
    groups.close()
    told, floor = np.concatenate(latencies), np.concatenate(floors)
    found = Acknowledged(
        float(np.median(told)),
        float(np.percentile(told, 99)),
        float(np.median(floor)),
        float(np.percentile(floor, 99)),
    )
    print(
        f"journal: at {GROUP_RATE:,} orders a second, {len(told):,} in all,"
        f" {int(np.median(sizes)):,} bytes a group; acknowledged after {found.p50_ns / 1e3:.0f} µs"
        f" (p99 {found.p99_ns / 1e3:.0f}); the device's own write and fdatasync of one takes"
        f" {found.floor_p50_ns / 1e3:.0f} µs (p99 {found.floor_p99_ns / 1e3:.0f})",
        file=sys.stderr,
    )
    return found


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How long orders waited for the sync of their group, and what the device takes for one."""

    p50_ns: float
    p99_ns: float
    floor_p50_ns: float
    floor_p99_ns: float

    @property
    def ratio(self) -> float:
        """Of the slowest hundredth."""
        return self.p99_ns / self.floor_p99_ns


def measure_groups(bench: Bench, *, smoke: bool) -> list[Result]:
    """Acknowledgements within one segment, and while the log goes from one to the next."""
    within = measure_acknowledgements(bench, *((2_000, 1) if smoke else (25_000, 64)))
    across = measure_acknowledgements(
        bench, *((2_000, 1) if smoke else (62_500, 40)), JournalSettings().segment_bytes
    )
    return [
        Result(
            "journal.group_ack_p99_ratio",
            within.ratio,
            "ratio",
            goal=3,
            peer="write and fdatasync of the same bytes",
            peer_value=within.floor_p99_ns,
            ratio=within.ratio,
        ),
        Result("journal.group_ack_p50_us", within.p50_ns / 1e3, "us"),
        Result(
            "journal.group_ack_across_segments_p99_ratio",
            across.ratio,
            "ratio",
            peer="write and fdatasync of the same bytes",
            peer_value=across.floor_p99_ns,
            ratio=across.ratio,
        ),
    ]


def not_in_smoke() -> list[Result]:
    """What a run of seconds can't show: its consumer stands still too briefly to miss the log."""
    return [
        Result(
            "journal.stopped_consumer_p99_ratio",
            None,
            "ratio",
            goal=1.2,
            peer="the same flow while it runs",
            why_missing="not measured in smoke mode",
        )
    ]


def run(smoke: bool) -> list[Result]:
    """Appends, groups, the order path, a consumer that stands still, recovery."""
    count = 5_000 if smoke else APPENDS
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tradecaptain-perf-") as shared,
        tempfile.TemporaryDirectory(dir=".", prefix=".journal-perf-") as disk,
    ):
        device = Path(disk).stat().st_dev
        print(f"journal: files on device {os.major(device)}:{os.minor(device)}", file=sys.stderr)
        bench = Bench(Path(shared), Path(disk).absolute())
        # As every service does before it serves (edge/serving.py).
        gc.freeze()
        with pinned_to(core_pair()[0]):
            results = measure_appends(bench, count, 2 if smoke else ROUNDS)
            results += measure_rate(bench, 4_000 if smoke else GROUP_ORDERS)
            results += measure_groups(bench, smoke=smoke)
        bench.ring.close()
        (Path(shared) / "ring").unlink()
        results += measure_order_path(smoke=smoke)
        results += not_in_smoke() if smoke else measure_stopped_consumer(smoke=False)
        results += measure_recovery(Path(shared), Path(disk).absolute(), smoke=smoke)
    return results
