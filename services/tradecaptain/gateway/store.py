"""The gateway's memory: requests, orders and events in one mapped file that survives the process.

The file is sparse, so its capacity costs nothing until it is used. The operating system writes it
out; a kill loses nothing that was counted, a power cut may lose the newest part.
"""

from __future__ import annotations

import datetime
import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.base.reference import Account, Instrument
from tradecaptain.gateway.events import COMPLETED_MAX, EVENT_BYTES
from tradecaptain.gateway.layout import (
    ACCOUNT,
    BATCH_MAX,
    EVENT,
    FILE_HEADER,
    INSTRUMENT,
    MAGIC,
    REQUEST,
    SESSION,
    SESSIONS_MAX,
    VERSION,
    WORK,
)
from tradecaptain.gateway.prefault import populate
from tradecaptain.gateway.recovery import rebuild
from tradecaptain.gateway.reports import REPORT_BYTES_MAX
from tradecaptain.wire import order_command

type Records = npt.NDArray[Any]

_PAGE = 4096
WAITERS_MAX = 1 << 16
"""Calls that may wait for an answer at once."""
_SCRATCH_BYTES = 4096
POPULATED_AHEAD = 1 << 14
"""Requests and events whose pages are brought in before they are needed."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much the file holds; both are rounded up to powers of two."""

    requests: int
    events: int


class Store:
    """Maps the file, and makes everything that the kernels need around it."""

    def __init__(
        self,
        path: Path,
        capacity: Capacity,
        accounts: Iterable[Account],
        instruments: Iterable[Instrument],
        now_ns: int,
    ) -> None:
        """Open or make the file; ConfigurationError if it belongs to another version or size."""
        requests = _power_of_two(capacity.requests)
        events = _power_of_two(capacity.events)
        sections = (
            ("file", FILE_HEADER, 1),
            ("requests", REQUEST, requests),
            ("commands", order_command.DTYPE, requests),
            ("events", EVENT, events),
            ("records", np.dtype(f"V{EVENT_BYTES}"), events),
            ("sessions", SESSION, SESSIONS_MAX),
        )
        self._mapping, views = _map(path, sections)
        self._populated: dict[str, int] = {}
        self.file: Records = views["file"]
        self.requests: Records = views["requests"]
        self.commands: Records = views["commands"]
        self.events: Records = views["events"]
        self.records: Records = views["records"]
        self.sessions: Records = views["sessions"]
        self._check(path, requests, events)
        self.buckets: npt.NDArray[np.int64] = np.zeros(2 * requests, dtype=np.int64)
        populate(address_of(self.buckets), self.buckets.nbytes)
        self.accounts = _account_table(accounts)
        self._all_instruments = tuple(instruments)
        self.instruments, self._bands = _instrument_table(self._all_instruments, now_ns)
        self.staging: Records = aligned_zeros(BATCH_MAX, order_command.DTYPE)
        self.slots = np.full(BATCH_MAX, -1, dtype=np.int64)
        self.targets = np.zeros(BATCH_MAX, dtype=np.int64)
        self.codes = np.zeros(BATCH_MAX, dtype=np.int64)
        self.completed = np.zeros(COMPLETED_MAX + 1, dtype=np.int64)
        self.followed = np.zeros(COMPLETED_MAX + 1, dtype=np.int64)
        self.touched = np.zeros(self.accounts.shape[0] + 1, dtype=np.int64)
        self.listed = np.zeros(BATCH_MAX + 1, dtype=np.int64)
        self.waiters = np.zeros(WAITERS_MAX, dtype=np.int64)
        self._scratch = aligned_zeros(_SCRATCH_BYTES, np.dtype(np.uint8))
        assert max(EVENT_BYTES, REPORT_BYTES_MAX) <= _SCRATCH_BYTES
        self.work: Records = np.zeros(1, dtype=WORK)
        self._fill_work()
        self.set_day(now_ns)
        self.open_requests = int(
            rebuild(self.file, self.work, self.requests, self.events, self.buckets, self.accounts)
        )

    @property
    def epoch(self) -> int:
        """Epoch of the venue that the newest event belongs to; 0 before the first."""
        return int(self.file["epoch"][0])

    @property
    def last_sequence(self) -> int:
        """Sequence of the newest execution event that was taken in this epoch."""
        return int(self.file["last_sequence"][0])

    def new_session_id(self) -> int:
        """A session number that was never given before."""
        self.file["session_count"] += 1
        return int(self.file["session_count"][0])

    def needs_pages(self) -> bool:
        """Whether the pages brought in so far are half used up."""
        return any(
            wanted - self._populated.get(count, used) >= POPULATED_AHEAD // 2
            for count, used, wanted in self._page_ranges()
        )

    def populate_ahead(self) -> None:
        """Bring in the pages of the next requests and events; may run on a thread of its own."""
        tables = {
            "request_count": (self.requests, self.commands),
            "event_count": (self.events, self.records),
        }
        for count, used, wanted in self._page_ranges():
            done = self._populated.get(count, used)
            for rows in tables[count]:
                start = address_of(rows) + done * rows.itemsize
                populate(start, (wanted - done) * rows.itemsize)
            self._populated[count] = wanted

    def _page_ranges(self) -> Iterator[tuple[str, int, int]]:
        """What is counted, how many are used, and up to where pages should be there."""
        for count, rows in (("request_count", self.requests), ("event_count", self.events)):
            used = min(int(self.file[count][0]), rows.shape[0])
            yield count, used, min(used + POPULATED_AHEAD, rows.shape[0])

    def set_day(self, now_ns: int) -> None:
        """Begin the trading day (UTC) of an instant: keys and order increments may be new."""
        day = datetime.datetime.fromtimestamp(now_ns // 1_000_000_000, tz=datetime.UTC)
        number = int(day.strftime("%Y%m%d"))
        if number != int(self.work["day"][0]):
            self.work["day"] = number
            self.instruments, self._bands = _instrument_table(self._all_instruments, now_ns)
            self.work["bands_address"] = address_of(self._bands)

    def _check(self, path: Path, requests: int, events: int) -> None:
        head = self.file[0]
        if head["magic"] == 0:
            head["version"] = VERSION
            head["request_capacity"] = requests
            head["event_capacity"] = events
            head["magic"] = MAGIC
        elif head["magic"] != MAGIC or head["version"] != VERSION:
            raise ConfigurationError(f"{path} isn't an order file of this version: move it away")
        elif head["request_capacity"] != requests or head["event_capacity"] != events:
            raise ConfigurationError(
                f"{path} holds {head['request_capacity']} requests and {head['event_capacity']}"
                f" events, and the configuration asks for {requests} and {events}"
            )

    def _fill_work(self) -> None:
        work = self.work
        work["bucket_mask"] = self.buckets.shape[0] // 2 - 1
        work["event_mask"] = self.events.shape[0] - 1
        for name, array in (
            ("commands_address", self.commands),
            ("records_address", self.records),
            ("staging_address", self.staging),
            ("slots_address", self.slots),
            ("targets_address", self.targets),
            ("codes_address", self.codes),
            ("completed_address", self.completed),
            ("followed_address", self.followed),
            ("touched_address", self.touched),
            ("listed_address", self.listed),
            ("waiters_address", self.waiters),
            ("bands_address", self._bands),
            ("scratch_address", self._scratch),
        ):
            work[name] = address_of(array)
        header = address_of(self.file)
        for count in ("request_count", "event_count"):
            work[f"{count}_address"] = header + FILE_HEADER.fields[count][1]  # type: ignore[index]


def _map(
    path: Path, sections: tuple[tuple[str, np.dtype[Any], int], ...]
) -> tuple[mmap.mmap, dict[str, Records]]:
    length = 0
    places = {}
    for name, dtype, count in sections:
        places[name] = length
        length += -(-dtype.itemsize * count // _PAGE) * _PAGE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        existing = os.fstat(descriptor).st_size
        if existing not in (0, length):
            raise ConfigurationError(
                f"{path} has {existing} bytes and the configured capacity needs {length}:"
                " restore gateway.requests_max and gateway.events_max, or move the file away"
            )
        os.ftruncate(descriptor, length)
        mapping = mmap.mmap(descriptor, length)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be mapped: {error}") from error
    finally:
        os.close(descriptor)
    views = {
        name: np.frombuffer(mapping, dtype=dtype, count=count, offset=places[name])
        for name, dtype, count in sections
    }
    return mapping, views


def _account_table(accounts: Iterable[Account]) -> Records:
    ids = [account.account_id for account in accounts]
    table = np.zeros(max(ids, default=0) + 1, dtype=ACCOUNT)
    table["is_client"][ids] = 1
    return table


def _instrument_table(
    instruments: Iterable[Instrument], now_ns: int
) -> tuple[Records, npt.NDArray[np.int64]]:
    tradable = [instrument for instrument in instruments if instrument.is_tradable]
    highest = max((instrument.instrument_id for instrument in tradable), default=0)
    table = np.zeros(highest + 1, dtype=INSTRUMENT)
    bands: list[tuple[int, int]] = []
    for instrument in tradable:
        row = table[instrument.instrument_id]
        row["is_tradable"] = 1
        row["lot_units"] = instrument.lot_units
        row["minimum_order_units"] = instrument.minimum_order_units
        row["maximum_order_units"] = instrument.maximum_order_units
        row["minimum_price_units"] = instrument.minimum_price_units
        row["maximum_price_units"] = instrument.maximum_price_units
        row["first_band"] = len(bands)
        in_force = instrument.tick_table_at(now_ns).bands
        row["band_count"] = len(in_force)
        bands += [(band.from_price_units, band.increment_units) for band in in_force]
    return table, np.array(bands or [(0, 1)], dtype=np.int64)


def _power_of_two(count: int) -> int:
    return 1 << max(4, (count - 1).bit_length())
