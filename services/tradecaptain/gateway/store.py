"""The gateway's memory: requests, orders and events in one mapped file that survives the process.

Blocks of the disk are reserved before they are written, because a write that finds no room in a
mapped file would kill the process: those of events at once, for the venue's events can't be
refused, those of requests step by step. The operating system writes the file out; a kill loses
nothing that was counted, a power cut may lose the newest part.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.base.accounts import Account
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.gateway.compaction import compact
from tradecaptain.gateway.events import COMPLETED_MAX, EVENT_BYTES
from tradecaptain.gateway.frame import (
    AT_ACCOUNTS,
    AT_BUCKETS,
    AT_EVENTS,
    AT_FILE,
    AT_INSTRUMENTS,
    AT_REQUESTS,
    AT_WORK,
    Frame,
)
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
from tradecaptain.gateway.mapped_file import Records, map_sections
from tradecaptain.gateway.prefault import TABLE, populate
from tradecaptain.gateway.recovery import rebuild
from tradecaptain.gateway.reports import REPORT_BYTES_MAX
from tradecaptain.wire import order_command

_LOG = structlog.get_logger("gateway")
_REQUEST_COUNT = (FILE_HEADER.names or ()).index("request_count")
_EVENT_COUNT = (FILE_HEADER.names or ()).index("event_count")
_EVENT_CAPACITY = (FILE_HEADER.names or ()).index("event_capacity")
_REQUEST_LIMIT = (WORK.names or ()).index("request_limit")

_PAGE = 4096
WAITERS_MAX = 1 << 16
"""Calls that may wait for an answer at once."""
_SCRATCH_BYTES = 4096
_RESERVED_STEP = 1 << 15
"""Requests whose blocks are reserved at a time."""
_CANCEL_PART = 8
"""One part of so many of an account's share is for cancels alone."""
_SHARES_MAX = 4
_POPULATED_MIN = 1 << 14
POPULATED_MAX = 1 << 18
"""Requests and events whose pages are brought in before they are needed: from a few on a quiet day
to what a burst of some seconds takes."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much the file holds; requests and events are rounded up to powers of two."""

    requests: int
    events: int
    account_requests: int | None = None
    """How many of the requests one account may use up; if absent what :func:`equal_share` says."""


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
        self._path = path
        self.accounts = _account_table(accounts)
        share = capacity.account_requests
        if share is None:
            share = equal_share(requests, int(self.accounts["is_client"].sum()))
        dropped = compact(path, sections, _day_of(now_ns), share)
        if dropped:
            _LOG.info("commands of earlier days are dropped", count=dropped)
        self._mapping, views, self._places = map_sections(path, sections)
        self.file: Records = views["file"]
        self.requests: Records = views["requests"]
        self.commands: Records = views["commands"]
        self.events: Records = views["events"]
        self.records: Records = views["records"]
        self.sessions: Records = views["sessions"]
        self.header = memoryview(self.file.view(np.int64))
        """The fields of ``file`` by their place."""
        self.disk_error = ""
        """Why no more blocks can be reserved; empty while they can."""
        self._reserve_start(requests, events)
        self.buckets: npt.NDArray[np.int64] = np.zeros(2 * requests, dtype=np.int64)
        populate(address_of(self.buckets), self.buckets.nbytes)
        self._all_instruments = tuple(instruments)
        self.instruments, self._bands = _instrument_table(self._all_instruments, now_ns)
        self.staging: Records = aligned_zeros(BATCH_MAX, order_command.DTYPE)
        self.slots = np.full(BATCH_MAX, -1, dtype=np.int64)
        self.targets = np.zeros(BATCH_MAX, dtype=np.int64)
        self.codes = np.zeros(BATCH_MAX, dtype=np.int64)
        self.first_code = memoryview(self.codes)[:1]
        self.first_target = memoryview(self.targets)[:1]
        self.completed = np.zeros(COMPLETED_MAX + 1, dtype=np.int64)
        self.followed = np.zeros(COMPLETED_MAX + 1, dtype=np.int64)
        self.touched = np.zeros(self.accounts.shape[0] + 1, dtype=np.int64)
        self.listed = np.zeros(BATCH_MAX + 1, dtype=np.int64)
        self.waiters = np.zeros(WAITERS_MAX, dtype=np.int64)
        self._scratch = aligned_zeros(_SCRATCH_BYTES, np.dtype(np.uint8))
        assert max(EVENT_BYTES, REPORT_BYTES_MAX) <= _SCRATCH_BYTES
        self.work: Records = np.zeros(1, dtype=WORK)
        self.words = memoryview(self.work.view(np.int64))
        """The fields of ``work`` by their place, which reads much faster than by name."""
        self.frame = Frame()
        self._fill_work()
        self.work["account_limit"] = share
        self.work["account_order_limit"] = share - share // _CANCEL_PART
        self.set_day(now_ns)
        self.reserve(_RESERVED_STEP)
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

    def write_out(self) -> None:
        """Have all of the file on disk before going on."""
        self._mapping.flush()

    def new_session_id(self) -> int:
        """A session number that was never given before."""
        self.file["session_count"] += 1
        return int(self.file["session_count"][0])

    def reserve(self, count: int) -> None:
        """Have the disk keep room for ``count`` more requests; without it entry refuses them.

        Called before each entry, and ahead of it from a thread.
        """
        wanted = self.header[_REQUEST_COUNT] + count
        if wanted <= self.words[_REQUEST_LIMIT]:
            return
        limit = min(-(-wanted // _RESERVED_STEP) * _RESERVED_STEP, self.requests.shape[0])
        try:
            for name in ("requests", "commands"):
                self._allocate(name, limit)
        except OSError as error:
            if not self.disk_error:
                _LOG.error("no room on the disk for more commands", error=str(error))
            self.disk_error = str(error)
        else:
            self.words[_REQUEST_LIMIT] = limit
            self.disk_error = ""

    def needs_room(self) -> bool:
        """Whether :meth:`reserve` should be called ahead of entry."""
        reserved = self.words[_REQUEST_LIMIT]
        wanted = self.header[_REQUEST_COUNT] + POPULATED_MAX
        return reserved < min(wanted, self.requests.shape[0])

    def growing_tables(self) -> Records:
        """The tables that grow, for :func:`tradecaptain.gateway.prefault.prefault_agent`."""
        file, work = address_of(self.file), address_of(self.work)
        event_capacity = file + 8 * _EVENT_CAPACITY
        request_limit = work + 8 * _REQUEST_LIMIT
        ahead = (_POPULATED_MIN, POPULATED_MAX)
        counts = (self.header[_REQUEST_COUNT], self.header[_EVENT_COUNT])
        requests = (file + 8 * _REQUEST_COUNT, request_limit, *ahead, 0, counts[0], 0, 0)
        events = (file + 8 * _EVENT_COUNT, event_capacity, *ahead, 0, counts[1], 0, 0)
        return np.array(
            [
                (address_of(rows), rows.itemsize, *bounds)
                for rows, bounds in (
                    (self.requests, requests),
                    (self.commands, requests),
                    (self.events, events),
                    (self.records, events),
                )
            ],
            dtype=TABLE,
        )

    def set_day(self, now_ns: int) -> None:
        """Begin the trading day (UTC) of an instant: keys and order increments may be new."""
        number = _day_of(now_ns)
        if number != int(self.work["day"][0]):
            self.work["day"] = number
            self._show_instruments(now_ns)

    def add_instrument(self, instrument: Instrument, now_ns: int) -> None:
        """Let orders be entered for one more instrument."""
        self._all_instruments = (*self._all_instruments, instrument)
        self._show_instruments(now_ns)

    def _show_instruments(self, now_ns: int) -> None:
        self.instruments, self._bands = _instrument_table(self._all_instruments, now_ns)
        self.work["bands_address"] = address_of(self._bands)
        self.frame.set(AT_INSTRUMENTS, self.instruments)

    def _reserve_start(self, requests: int, events: int) -> None:
        """Check the header, and reserve what must be there from the start."""
        try:
            self._allocate("file", 1)
            self._check(self._path, requests, events)
            for name in ("events", "records", "sessions"):
                self._allocate(name, self._places[name][2])
            for name in ("requests", "commands"):
                self._allocate(name, self.header[_REQUEST_COUNT])
        except OSError as error:
            raise ConfigurationError(
                f"{self._path}: the disk has no room for {self.events.shape[0]} events: {error}:"
                " free some, or lower gateway.events_max"
            ) from error

    def _allocate(self, section: str, count: int) -> None:
        """Have the disk keep room for the first ``count`` records of a section."""
        offset, item_bytes, _ = self._places[section]
        if count == 0:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.posix_fallocate(descriptor, offset, item_bytes * count)
        finally:
            os.close(descriptor)

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
        """Tell the kernels where things lie."""
        for place, array in (
            (AT_FILE, self.file),
            (AT_WORK, self.work),
            (AT_REQUESTS, self.requests),
            (AT_BUCKETS, self.buckets),
            (AT_ACCOUNTS, self.accounts),
            (AT_INSTRUMENTS, self.instruments),
            (AT_EVENTS, self.events),
        ):
            self.frame.set(place, array)
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
        for count in ("request_count", "event_count", "last_sequence"):
            work[f"{count}_address"] = header + FILE_HEADER.fields[count][1]  # type: ignore[index]


def equal_share(requests: int, accounts: int) -> int:
    """How many of the requests each of so many accounts may use up: an equal share, so that none
    has to do with what others send, but never less than a quarter."""
    return requests // min(max(accounts, 1), _SHARES_MAX)


def _day_of(now_ns: int) -> int:
    """The trading day (UTC) of an instant, as YYYYMMDD."""
    day = datetime.datetime.fromtimestamp(now_ns // 1_000_000_000, tz=datetime.UTC)
    return int(day.strftime("%Y%m%d"))


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
