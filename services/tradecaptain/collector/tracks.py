"""Feeds on their way to the agent: one thread decodes ahead into the rings of the tracks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import structlog
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import load_acquire_i64, store_release_i64
from tradecaptain.collector.memory import TRACK_RING, CollectorMemory
from tradecaptain.kernels.market_data.layout import FEED_MESSAGE_DTYPE

_LOG = structlog.get_logger("collector")

# The longest run of messages that a feed hands over at a time.
DECODE_MESSAGES = 8192
# How long the thread sleeps while all rings are full, twice as long each time up to the longest: a
# ring that is played at full speed has room again after a millisecond and is empty after eight,
# while a track that plays at its own pace has something to play for far longer.
_PAUSE_SECONDS_MIN = 0.000_25
_PAUSE_SECONDS_MAX = 0.05


class Feed(Protocol):
    """A source of feed messages."""

    @property
    def name(self) -> str:
        """What to call it in messages for people."""
        ...

    def decode(self, messages: np.ndarray[Any, Any]) -> int:
        """Fill ``messages`` with what comes next; zero at the end."""
        ...

    def close(self) -> None:
        """Give up what it holds."""
        ...


@dataclass(slots=True)
class Track:
    """Feeds that are played one after the other."""

    openers: list[Callable[[], Feed]]
    feed: Feed | None = None
    failures: list[TradeCaptainError] = field(default_factory=list)

    def next_feed(self) -> Feed | None:
        """The feed that is being read, or the next one."""
        if self.feed is None and self.openers:
            # Another thread that asks meanwhile must not find both empty.
            try:
                self.feed = self.openers[0]()
            finally:
                del self.openers[0]
        return self.feed

    def finish_feed(self) -> None:
        """The feed has ended."""
        if self.feed is not None:
            self.feed.close()
            self.feed = None


class TrackFeeder:
    """The thread that keeps the rings filled."""

    def __init__(self, memory: CollectorMemory, tracks: Sequence[Track]) -> None:
        self._memory = memory
        self.tracks = list(tracks)
        self._batch = np.zeros(DECODE_MESSAGES, dtype=FEED_MESSAGE_DTYPE)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector feeds", daemon=True)

    @property
    def is_running(self) -> bool:
        """Whether there may be more to come."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to decode."""
        self._thread.start()

    def close(self) -> None:
        """Stop and close all feeds."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        for track in self.tracks:
            track.finish_feed()

    def fill_once(self, messages_max: int = DECODE_MESSAGES) -> int:
        """Decode up to so many messages of each track, if there is room; how many it were."""
        return sum(self._fill_track(index, messages_max) for index in range(len(self.tracks)))

    def is_exhausted(self) -> bool:
        """Whether every feed has ended."""
        return all(track.feed is None and not track.openers for track in self.tracks)

    def _run(self) -> None:
        pause = _PAUSE_SECONDS_MIN
        while not self._stop.is_set() and not self.is_exhausted():
            if self.fill_once() > 0:
                pause = _PAUSE_SECONDS_MIN
            else:
                self._stop.wait(pause)
                pause = min(2 * pause, _PAUSE_SECONDS_MAX)

    def _fill_track(self, index: int, messages_max: int) -> int:
        track = self.tracks[index]
        record = self._memory.tracks[index]
        tail = int(record["ring_tail"])
        head = load_acquire_i64(int(record["head_address"]))
        if TRACK_RING - (tail - head) < messages_max:
            return 0
        start = tail % TRACK_RING
        offset = int(record["ring_offset"])
        ring = self._memory.messages[offset : offset + TRACK_RING]
        if start + messages_max <= TRACK_RING:
            count = self._decode(track, ring[start : start + messages_max])
        else:
            count = self._decode(track, self._batch[:messages_max])
            first = min(count, TRACK_RING - start)
            ring[start : start + first] = self._batch[:first]
            ring[: count - first] = self._batch[first:count]
        if count > 0:
            store_release_i64(int(record["tail_address"]), tail + count)
        return count

    def _decode(self, track: Track, messages: np.ndarray[Any, Any]) -> int:
        """The next messages of a track; a file that can't be read on is said and left."""
        try:
            feed = track.next_feed()
            if feed is None:
                return 0
            count = feed.decode(messages)
            if count == 0:
                _LOG.info("feed ended", feed=feed.name)
                track.finish_feed()
            return count
        except TradeCaptainError as error:
            _LOG.error("feed failed", reason=error.name, detail=error.message)
            track.failures.append(error)
            track.finish_feed()
            return 0
