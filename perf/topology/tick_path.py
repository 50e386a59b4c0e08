"""From vendor text to published depth: the collector's own agent at full speed on real Aeron.

One tick is one source message: its line is parsed from uncompressed text in the page cache, applied
to the mirror book, written to the last-value cache, and published on ``market_ticks``, where a
reader on the agent's thread counts the records and sees that their numbers have no hole. The floor
is a search for line ends (``memchr``) over the same bytes.
"""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.memory import aligned_zeros
from tradecaptain.base.reference import default_reference
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.collector.market import Market
from tradecaptain.mesh.agent import Agent, duty_cycle, frame_array
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.layout import IMAGE
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.waiting import wait_until
from tradecaptain.wire import market_tick, streams

from perf.support.driver_process import media_driver
from perf.support.result import Result

PLACEMENT = "decoder on one thread, collector's agent with a reader on another, neither pinned"
GOAL_TICKS_PER_SECOND = 5_000_000.0
PEER = "search for line ends in the same bytes"
TRUTH_VARIABLE = "TRADECAPTAIN_TRUTH"

_SAMPLE = "orderflow/lobster/LOBSTER_SampleFile_AMZN_2012-06-21_5.zip"
_SESSIONS = 300
_SMOKE_SESSIONS = 2
_ROUNDS = 3
_DEADLINE_NS = 120_000_000_000
_RECORDS_A_TURN = 1024

COUNT_DTYPE = np.dtype([("records", "<i8"), ("last_sequence", "<i8"), ("holes", "<i8")])


@duty_cycle
def count_records(frame: int, now_ns: int) -> int:
    """Read what was published; the number of records of this turn."""
    images = frame_array(frame, 0, IMAGE)
    counts = frame_array(frame, 1, COUNT_DTYPE)
    taken = 0
    for index in range(len(images)):
        while taken < _RECORDS_A_TURN:
            tick = image_next(images, index)
            if tick <= 0:
                break
            sequence = market_tick.get_instrument_sequence(tick)
            if sequence != counts[0]["last_sequence"] + 1:
                counts[0]["holes"] += 1
            counts[0]["last_sequence"] = sequence
            taken += 1
        image_release(images, index)
    counts[0]["records"] += taken
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


def last_line(path: Path) -> list[int]:
    """The vendor's last book."""
    return [int(text) for text in path.read_bytes().splitlines()[-1].split(b",")]


def our_line(market: Market) -> list[int]:
    """Our book at the end, in the vendor's order."""
    asks = market.memory.books.side(0, False)
    bids = market.memory.books.side(0, True)
    fields: list[int] = []
    for ask, bid in zip(asks, bids, strict=True):
        fields += [int(ask["price_units"]), int(ask["quantity_units"])]
        fields += [int(bid["price_units"]), int(bid["quantity_units"])]
    return fields


def play(directory: Path, paths: list[Path], sessions: int) -> tuple[float, dict[str, Any]]:
    """Play the session so many times; ticks a second, and what was seen."""
    with AeronMesh(directory, "tick-path") as mesh:
        subscription = mesh.add_subscription(streams.MARKET_TICKS, tether=True)
        counts = aligned_zeros(1, COUNT_DTYPE)
        reader = Agent(
            "reader", count_records, [subscription.images, counts], resources=[subscription]
        )
        config = CollectorConfig(replay=paths * sessions, speed="max")
        market = Market(
            mesh, default_reference(), config, directory.parent / "caches", SYSTEM_CLOCK
        )
        track = market.memory.tracks[0]
        rows = sessions * paths[0].read_bytes().count(b"\n")
        runner = AgentRunner([market.agent, reader], Placement(idle="backoff"))
        runner.start()
        started_ns = SYSTEM_CLOCK.monotonic_ns()
        market.start_feeds()
        played = wait_until(
            lambda: market.feeder.is_exhausted() and track["ring_head"] == track["ring_tail"],
            _DEADLINE_NS,
        )
        elapsed_ns = SYSTEM_CLOCK.monotonic_ns() - started_ns
        wait_until(
            lambda: int(counts[0]["records"]) == int(market.memory.header[0]["sequence"]),
            _DEADLINE_NS,
        )
        runner.close()
        seen = {
            "played": played,
            "misfits": int(track["misfit_count"]),
            "published": int(market.memory.header[0]["sequence"]),
            "read": int(counts[0]["records"]),
            "holes": int(counts[0]["holes"]),
            "book": our_line(market),
        }
        market.close()
        subscription.close()
    return rows * 1e9 / elapsed_ns, seen


def verify(seen: dict[str, Any], book_path: Path) -> None:
    """Refuse a figure whose output is wrong."""
    if not seen["played"] or seen["misfits"] or seen["holes"] or seen["read"] != seen["published"]:
        raise RuntimeError(f"the ticks are wrong: {seen}")
    if seen["book"] != last_line(book_path):
        raise RuntimeError("the book at the end isn't the vendor's")


def run(smoke: bool) -> list[Result]:
    """Median of several rounds of at least ten seconds together."""
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
        with media_driver() as directory:
            for _ in range(1 if smoke else _ROUNDS):
                rate, seen = play(directory, paths, _SMOKE_SESSIONS if smoke else _SESSIONS)
                verify(seen, paths[1])
                rates.append(rate)
            shutil.rmtree(directory.parent / "caches")
    finally:
        shutil.rmtree(folder)
    value = sorted(rates)[len(rates) // 2]
    return [
        Result(
            "tick_path.ticks_per_second", value, "ticks/s", GOAL_TICKS_PER_SECOND,
            higher_is_better=True, peer=PEER, peer_value=floor, ratio=value / floor,
        )
    ]  # fmt: skip
