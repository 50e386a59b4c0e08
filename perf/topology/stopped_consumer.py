"""What a consumer that stands still does to everybody else: nothing, and it is told what it missed.

The consumer is a process of its own that follows the execution events (untethered, as every reader
off the order path) and the ring of the execution log. It is stopped by a signal for a minute while
a client goes on trading at a fixed rate; the client's latencies are held against those with the
consumer running. When it goes on, the consumer must hear how much of the stream it was passed over
by, and from where on the log goes on.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.journal import JournalLapped
from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.mesh.journal_follower import JournalFollower
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.stream_reader import EVENT_LAPPED, EVENT_RECORD, StreamReader
from tradecaptain.wire import execution_event, streams

from perf.support.driver_process import media_driver
from perf.support.measurement import Measurement, median_of
from perf.support.result import Result
from perf.topology.order_flow import FlowSettings
from perf.topology.order_path_rig import VenueRig

RATE = 20_000
STOPPED_SECONDS = 60
SMOKE_STOPPED_SECONDS = 2
RUNNING_SECONDS = 6
CHUNK_SECONDS = 2
RING_BYTES = 1 << 26
SMOKE_RING_BYTES = 1 << 25
COMMANDS = 400_000
TOLD_SECONDS = 10
_PAUSE_SECONDS = 0.005


class Consumer:
    """The consumer's process, as who starts it sees it: what it has heard, as lines of JSON."""

    def __init__(self, aeron: Path, ring: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "perf.topology.stopped_consumer", str(aeron), str(ring)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.ask()

    def ask(self) -> dict[str, int]:
        """Its counts so far."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        counts: dict[str, int] = orjson.loads(self.process.stdout.readline())
        return counts

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it stand still during the block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


def measure_stopped_consumer(*, smoke: bool) -> list[Result]:
    """The others' p99 while a consumer stands still over that while it runs."""
    stopped_seconds = SMOKE_STOPPED_SECONDS if smoke else STOPPED_SECONDS
    chunk = RATE * (1 if smoke else CHUNK_SECONDS)
    chunks = max(1, RUNNING_SECONDS // CHUNK_SECONDS // 2) if not smoke else 1
    journal = JournalSettings(ring_bytes=SMOKE_RING_BYTES if smoke else RING_BYTES)
    with ExitStack() as stack:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tradecaptain-perf-")
        )
        aeron = stack.enter_context(media_driver())
        mesh = stack.enter_context(AeronMesh(aeron, "order-path", prefault=True))
        flow = FlowSettings(max(2 * chunk, COMMANDS // (4 if smoke else 1)), 1_000, 100, 1_000)
        rig = stack.enter_context(VenueRig(mesh, Path(folder), flow, journal))
        assert rig.venue.log is not None
        consumer = Consumer(aeron, rig.venue.log.ring.path)
        stack.callback(consumer.close)
        rig.open_loop(chunk, RATE)
        running = [rig.open_loop(chunk, RATE) for _ in range(chunks)]
        before = consumer.ask()
        standing: list[Measurement] = []
        began = time.monotonic()
        with consumer.stopped():
            while time.monotonic() - began < stopped_seconds:
                standing.append(rig.open_loop(chunk, RATE))
        told = wait_until_told(consumer)
        running += [rig.open_loop(chunk, RATE) for _ in range(chunks)]
        rig.check_counts()
    ratio = _p99(standing) / _p99(running)
    print(
        f"stopped consumer: heard {before['records']:,} events before, stood still for"
        f" {stopped_seconds} s, was told of {told['missed_bytes']:,} bytes of events missed in"
        f" {told['laps']} laps, and that the log goes on at byte {told['log_resumes_at']:,}",
        file=sys.stderr,
    )
    return [
        Result(
            "journal.stopped_consumer_p99_ratio",
            ratio,
            "ratio",
            goal=1.2,
            peer="the same flow while it runs",
            peer_value=_p99(running),
            ratio=ratio,
        ),
        Result("journal.stopped_consumer_seconds", stopped_seconds, "s"),
        Result("journal.stopped_consumer_missed_bytes", told["missed_bytes"], "bytes"),
    ]


def _p99(measurements: list[Measurement]) -> float:
    return median_of(measurements, lambda item: item.percentile_ns(99))


def wait_until_told(consumer: Consumer) -> dict[str, int]:
    """Its counts once it knows of both its gaps; RuntimeError if it doesn't hear of them."""
    deadline = time.monotonic() + TOLD_SECONDS
    while True:
        counts = consumer.ask()
        if counts["laps"] and counts["log_laps"]:
            return counts
        if time.monotonic() > deadline:
            raise RuntimeError(f"the stopped consumer wasn't told of its gaps: {counts}")
        threading.Event().wait(_PAUSE_SECONDS)


class Heard:
    """What the consumer's process counts."""

    def __init__(self, aeron: Path, ring: Path) -> None:
        self.counts = dict.fromkeys(
            ("records", "laps", "missed_bytes", "frames", "log_laps", "log_resumes_at"), 0
        )
        self._mesh = AeronMesh(aeron, "consumer")
        self._reader = StreamReader(
            self._mesh, streams.EXECUTION_EVENTS, execution_event.DTYPE, capacity=1 << 12
        )
        self._ring = ring
        self._follower = JournalFollower(ring)
        self._runner = AgentRunner([self._reader.agent], Placement(idle="sleep"))
        self._runner.start()

    def drain(self) -> None:
        """Take what has come since the last call."""
        while len(batch := self._reader.handover.drain()):
            self.counts["records"] += int((batch["event"] == EVENT_RECORD).sum())
            laps = batch[batch["event"] == EVENT_LAPPED]
            self.counts["laps"] += len(laps)
            self.counts["missed_bytes"] += int(laps["length"].sum())
        try:
            while len(frames := self._follower.read()):
                self.counts["frames"] += len(frames)
        except JournalLapped:
            self._follower.close()
            self._follower = JournalFollower(self._ring)
            self.counts["log_laps"] += 1
            self.counts["log_resumes_at"] = self._follower.position

    def run(self) -> None:
        """Follow, and answer each line on standard input with the counts."""
        answered = threading.Thread(target=self._answer, daemon=True)
        answered.start()
        while answered.is_alive():
            self.drain()
            answered.join(_PAUSE_SECONDS)
        self._runner.close()

    def _answer(self) -> None:
        for _ in sys.stdin:
            sys.stdout.buffer.write(orjson.dumps(self.counts, option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()


def main(arguments: list[str]) -> None:
    """The consumer's process."""
    Heard(Path(arguments[0]), Path(arguments[1])).run()


if __name__ == "__main__":
    main(sys.argv[1:])
