"""From vendor text to published depth: the collector's own agent at full speed on real Aeron.

One tick is one source message, that is one row of a LOBSTER recording: its lines are parsed from
uncompressed text in the page cache, applied to the mirror book, written to the last-value cache,
and published on ``market_ticks``, where a reader on the agent's thread takes every record, sees
that their numbers have no hole, and adds up what they say. Threads and memory are those that the
collector starts; the venue isn't there, so nothing is sent to it.

The recording is a trading day of one instrument, the largest of the vendor's samples. It is played
over and over without a pause: opening the files and entering the first book is part of the figure,
once in each day's rows. What the first day publishes is kept and held against a twin, row by row
(:mod:`perf.topology.tick_path_check`); every timed day must publish as many records with the same
sum. The floor is a search for line ends (``memchr``) over the same bytes.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.memory import aligned_zeros
from tradecaptain.base.reference_file import default_reference
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.collector.market import LAST_VALUE_FILE, Market
from tradecaptain.collector.state import LAST_VALUE_DTYPE
from tradecaptain.mesh.agent import Agent, duty_cycle, frame_array
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.last_value_cache import LastValueCache
from tradecaptain.mesh.layout import IMAGE
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.waiting import wait_until
from tradecaptain.wire import market_tick, streams

from perf.support.driver_process import media_driver
from perf.support.result import Result
from perf.topology.tick_path_check import (
    Expected,
    check_last_value,
    check_session,
    keep_records,
    new_keeper,
)

PLACEMENT = "decoder on one thread, collector's agent with a reader on another, neither pinned"
GOAL_TICKS_PER_SECOND = 5_000_000.0
PEER = "search for line ends in the same bytes"
TRUTH_VARIABLE = "TRADECAPTAIN_TRUTH"

_SAMPLE = "orderflow/lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
_DAYS = 150
_SMOKE_DAYS = 2
_ROUNDS = 5
_DEADLINE_NS = 120_000_000_000
_RECORDS_A_TURN = 1024
# A source message makes at most a trade, two levels and a quote.
_RECORDS_A_ROW = 4

COUNT_DTYPE = np.dtype(
    [("records", "<i8"), ("last_sequence", "<i8"), ("holes", "<i8"), ("value_sum", "<i8")],
    align=True,
)


@duty_cycle
def count_records(frame: int, now_ns: int) -> int:
    """Read what was published; the number of records of this turn."""
    images = frame_array(frame, 0, IMAGE)
    counts = frame_array(frame, 1, COUNT_DTYPE)
    taken = 0
    value_sum = 0
    for index in range(len(images)):
        while taken < _RECORDS_A_TURN:
            tick = image_next(images, index)
            if tick <= 0:
                break
            sequence = market_tick.get_instrument_sequence(tick)
            if sequence != counts[0]["last_sequence"] + 1:
                counts[0]["holes"] += 1
            counts[0]["last_sequence"] = sequence
            value_sum += market_tick.get_price_units(tick)
            value_sum += market_tick.get_quantity_units(tick)
            value_sum += market_tick.get_bid_price_units(tick)
            value_sum += market_tick.get_bid_quantity_units(tick)
            value_sum += market_tick.get_ask_price_units(tick)
            value_sum += market_tick.get_ask_quantity_units(tick)
            taken += 1
        image_release(images, index)
    counts[0]["records"] += taken
    counts[0]["value_sum"] += value_sum
    return taken


def sample_file() -> Path:
    """The vendor's file, which isn't part of the repository."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "truth"
    return Path(os.environ.get(TRUTH_VARIABLE) or default) / _SAMPLE


def unpack(archive_path: Path, folder: Path) -> list[Path]:
    """The message and the order book file as plain text, read once into the page cache."""
    paths = []
    with zipfile.ZipFile(archive_path) as archive:
        for name in archive.namelist():
            if name.endswith(".csv"):
                paths.append(folder / Path(name).name)
                paths[-1].write_bytes(archive.read(name))
    return paths


def floor_rate(paths: list[Path]) -> float:
    """Source messages a second of a search for line ends, best of several passes."""
    texts = [path.read_bytes() for path in paths]
    best_ns = min(_scan_ns(texts) for _ in range(5))
    return texts[0].count(b"\n") * 1e9 / best_ns


def _scan_ns(texts: list[bytes]) -> int:
    started_ns = SYSTEM_CLOCK.monotonic_ns()
    for text in texts:
        text.count(b"\n")
    return SYSTEM_CLOCK.monotonic_ns() - started_ns


class Session:
    """The collector's market side with one reader, on one thread, over a running driver."""

    def __init__(self, mesh: AeronMesh, paths: list[Path], folder: Path, days: int) -> None:
        self.subscription = mesh.add_subscription(streams.MARKET_TICKS, tether=True)
        self._config = config = CollectorConfig(replay=paths * days, speed="max")
        self._caches = folder / "caches"
        # There is no venue, hence no log that could refuse anything.
        self.market = Market(
            mesh,
            default_reference(),
            config,
            self._caches,
            SYSTEM_CLOCK,
            log_ring=folder / "ring",
        )
        self.track = self.market.memory.tracks[0]

    def play(self, reader: Agent, records_read: Callable[[], int]) -> int:
        """Play everything and have all of it read; ns from the first byte to the last tick."""
        placement = Placement(core=self._config.core, idle=self._config.idle_strategy)
        runner = AgentRunner([self.market.agent, reader], placement)
        runner.start()
        started_ns = SYSTEM_CLOCK.monotonic_ns()
        self.market.start_feeds()
        played = wait_until(self._is_played, _DEADLINE_NS)
        elapsed_ns = SYSTEM_CLOCK.monotonic_ns() - started_ns
        is_read = wait_until(lambda: records_read() == self.published, _DEADLINE_NS)
        runner.close()
        if not played or not is_read or self.track["misfit_count"]:
            raise RuntimeError(f"not all was played and read: {self.market.statistics()}")
        return elapsed_ns

    def _is_played(self) -> bool:
        is_empty = self.track["ring_head"] == self.track["ring_tail"]
        return self.market.feeder.is_exhausted() and bool(is_empty)

    @property
    def published(self) -> int:
        """Ticks published so far."""
        return int(self.market.memory.header[0]["sequence"])

    def last_value(self) -> Any:
        """What any process reads from the shared cache."""
        cache = LastValueCache.open(self._caches / LAST_VALUE_FILE, LAST_VALUE_DTYPE)
        value = cache.read(0)
        cache.close()
        return value

    def close(self) -> None:
        """Leave the mesh."""
        self.market.close()
        self.subscription.close()


def play_checked(mesh: AeronMesh, paths: list[Path], folder: Path) -> Expected:
    """Play one day, untimed, and hold every record against the twin."""
    session = Session(mesh, paths, folder, 1)
    rows = paths[0].read_bytes().count(b"\n")
    records = np.zeros(rows * _RECORDS_A_ROW, market_tick.DTYPE)
    keeper = new_keeper(records)
    reader = Agent(
        "keeper",
        keep_records,
        [session.subscription.images, keeper],
        resources=[session.subscription],
    )
    session.play(reader, lambda: int(keeper[0]["kept"]))
    expected = check_session(records[: session.published], paths[0], paths[1])
    check_last_value(session.last_value(), expected, session.published)
    session.close()
    return expected


def play_timed(
    mesh: AeronMesh, paths: list[Path], folder: Path, expected: Expected, days: int
) -> float:
    """Play so many days; ticks a second. Raises if anything but the expected was read."""
    session = Session(mesh, paths, folder, days)
    counts = aligned_zeros(1, COUNT_DTYPE)
    reader = Agent(
        "reader",
        count_records,
        [session.subscription.images, counts],
        resources=[session.subscription],
    )
    elapsed_ns = session.play(reader, lambda: int(counts[0]["records"]))
    count = counts[0]
    wanted = (days * expected.record_count, days * expected.value_sum)
    if (count["records"], count["value_sum"]) != wanted or count["holes"]:
        raise RuntimeError(f"the ticks are wrong: {count}, not {wanted}")
    check_last_value(session.last_value(), expected, session.published)
    session.close()
    return days * expected.row_count * 1e9 / elapsed_ns


def run(smoke: bool) -> list[Result]:
    """Median of several rounds, together of at least ten seconds."""
    # Standard output is the figures' alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    source = sample_file()
    if not source.exists():
        why = f"no vendor file at {source}; set {TRUTH_VARIABLE}"
        return [
            Result(
                "tick_path.ticks_per_second", None, "ticks/s", GOAL_TICKS_PER_SECOND,
                higher_is_better=True, peer=PEER, why_missing=why,
            )
        ]  # fmt: skip
    folder = Path("/dev/shm") / f"tradecaptain-tick-path-{os.getpid()}"
    folder.mkdir(mode=0o700)
    try:
        paths = unpack(source, folder)
        paths.sort(key=lambda path: "orderbook" in path.name)
        floor = floor_rate(paths)
        rates = []
        with media_driver() as directory, AeronMesh(directory, "tick-path") as mesh:
            expected = play_checked(mesh, paths, folder)
            days = _SMOKE_DAYS if smoke else _DAYS
            rates = [
                play_timed(mesh, paths, folder, expected, days)
                for _ in range(1 if smoke else _ROUNDS)
            ]
    finally:
        shutil.rmtree(folder)
    value = sorted(rates)[len(rates) // 2]
    return [
        Result(
            "tick_path.ticks_per_second", value, "ticks/s", GOAL_TICKS_PER_SECOND,
            higher_is_better=True, peer=PEER, peer_value=floor, ratio=value / floor,
        )
    ]  # fmt: skip
