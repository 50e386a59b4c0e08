"""The durability agent: from the ring to segment files, synced, and said so.

It takes what the sequencer has appended, checks it, writes it to the open segment, syncs that, and
only then moves `durable_position`, which is what acknowledgements of the level *group* wait for and
what lets the writer use the ring again. Nothing of it waits for hashing, the index and compression.
While a sync runs the ring fills, so groups grow with the load by themselves.

When the disk fails, the agent says why in the ring's header, so that new risk is refused, and tries
again. After a failed write or sync it doesn't trust the file any more: what hadn't been synced is
still in the ring, and goes to a new file that begins where the last synced byte ended.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.mesh.direct_files import read_beginning, whole_pages
from tradecaptain.mesh.journal import (
    OFFSET_AGENT_NS,
    OFFSET_DURABLE_CHECKSUM,
    OFFSET_DURABLE_COMMAND,
    OFFSET_DURABLE_POSITION,
    OFFSET_DURABLE_SEQUENCE,
    OFFSET_REFUSAL,
    OFFSET_SYNC_COUNT,
    OFFSET_SYNC_NS,
    JournalRing,
)
from tradecaptain.mesh.journal_files import (
    FILE_MODE,
    INDEX_SUFFIX,
    SEGMENT_HEADER_BYTES,
    SEGMENT_SUFFIX,
    JournalDamaged,
    Segment,
    compress_segment,
    encode_head,
    list_segments,
    segment_name,
    sync_file,
    sync_folder,
)
from tradecaptain.mesh.journal_groups import Gathering, Group
from tradecaptain.mesh.journal_index import BlockIndex
from tradecaptain.mesh.journal_scan import BAD, Place
from tradecaptain.mesh.journal_storage import FileSystem, RealFiles
from tradecaptain.wire import reason

_LOG = structlog.get_logger("journal")
SMALLEST_SEGMENT_BYTES: Final = 1 << 16
_RETRY_SECONDS: Final = 0.1
_LOWEST_PRIORITY: Final = 19
_IDLE_SECONDS: Final = 0.005
_GROUP_IDLE_SECONDS: Final = 0.000_25
"""Somebody waits for the group, so the ring is looked at oftener."""
_LOOK_SECONDS: Final = 0.000_03
_INDEX_SYNC_NS: Final = 1_000_000_000
"""How much of the newest index a loss of power may cost: without it a torn group can't be told
from a damaged one."""


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Sizes and times of the log; what they mean is in docs/journal.md."""

    ring_bytes: int = 1 << 26
    segment_bytes: int = 1 << 26
    group_bytes: int = 1 << 22
    group_interval_us: int = 0
    lazy_interval_ms: int = 20
    compress: bool = True
    keep_bytes: int = 1 << 34
    keep_days: int = 7
    huge_pages: bool = True
    snapshot_bytes: int = 1 << 28
    snapshot_interval_s: int = 600


@dataclass(slots=True)
class _Open:
    segment: Segment
    descriptor: int
    written_bytes: int = 0
    index: int = -1
    """Descriptor of its index."""

    def close(self) -> None:
        """Give both descriptors back."""
        os.close(self.descriptor)
        os.close(self.index)


class DurabilityAgent:
    """Syncs one ring into one folder; :meth:`step` does one group, :meth:`start` runs a thread."""

    def __init__(
        self,
        ring: JournalRing,
        folder: Path,
        settings: JournalSettings,
        place: Place,
        *,
        epoch: int,
        last_command: int = 0,
        clock: Clock = SYSTEM_CLOCK,
        files: FileSystem | None = None,
        is_group: bool = False,
        retained_from: Callable[[], int] = lambda: 0,
    ) -> None:
        """``place`` is where the files end. ``is_group`` syncs as soon as there is something;
        otherwise at intervals. ``retained_from`` tells the first record that a restore needs."""
        self.settings = settings
        self.place = place
        self.error: str = ""
        self.damage: JournalDamaged | None = None
        self._ring = ring
        self.folder = folder
        self._epoch = epoch
        self._clock = clock
        self._files: FileSystem = files or RealFiles()
        self._is_group = is_group
        self._retained_from = retained_from
        self._open: _Open | None = None
        self._last_command = last_command
        self._synced_ns = clock.monotonic_ns()
        self._is_stopping = threading.Event()
        self._wants_tidy = threading.Event()
        self._wants_file = threading.Event()
        self._wants_index = threading.Event()
        self._index_synced_ns = self._synced_ns
        self._gathering = Gathering(ring, place, settings.group_bytes)
        self._blocks = BlockIndex(epoch)
        self._thread: threading.Thread | None = None
        self._helper: threading.Thread | None = None
        self._report()

    # One group ------------------------------------------------------------------------------

    def step(self, *, force: bool = False) -> int:
        """Sync what has been appended, if it is time; returns how many bytes became durable."""
        waiting = self._ring.tail - self.place.position
        is_due = waiting > 0 and (force or self._is_due(waiting))
        try:
            # The buffer that the next group will be gathered in is that of the one before the last.
            self._blocks.settle(1 if is_due else 0)
            synced = self._sync_group() if is_due else 0
        except OSError as error:
            self._fail(error)
            return 0
        if is_due and self.error and self.damage is None:
            self.error = ""
            self._ring.store(OFFSET_REFUSAL, 0)
            _LOG.info("the log is written again", position=self.place.position)
        return synced

    def _is_due(self, waiting: int) -> bool:
        if waiting >= min(self.settings.group_bytes, self._ring.capacity >> 3):
            return True
        interval_ns = (
            1_000 * self.settings.group_interval_us
            if self._is_group
            else 1_000_000 * self.settings.lazy_interval_ms
        )
        return self._clock.monotonic_ns() - self._synced_ns >= interval_ns

    def _sync_group(self) -> int:
        current = self._open or self._begin_segment()
        # What is appended meanwhile goes with the next group, or this one would never go.
        tail = self._ring.tail
        while self._gathering.take(tail):
            pass
        if self._gathering.group.length == 0:
            return self._sync_nothing(current, self._gathering.group)
        group = self._gathering.close()
        began_ns = self._clock.monotonic_ns()
        offset = SEGMENT_HEADER_BYTES + group.first_page_offset
        self._files.write(current.descriptor, group.pages(), offset)
        self._files.sync(current.descriptor)
        self._synced_ns = self._clock.monotonic_ns()
        current.written_bytes += group.length
        self.place = group.end
        self._last_command = group.scan.last_command or self._last_command
        self._report()
        self._ring.store(OFFSET_SYNC_COUNT, self._ring.load(OFFSET_SYNC_COUNT) + 1)
        self._ring.store(OFFSET_SYNC_NS, self._synced_ns - began_ns)
        self._blocks.add(current.index, group.start, group.scan, group.offset, group.frames)
        if self._synced_ns - self._index_synced_ns >= _INDEX_SYNC_NS:
            self._index_synced_ns = self._synced_ns
            self._wants_index.set()
        return group.length

    def _sync_nothing(self, current: _Open, group: Group) -> int:
        """What is appended doesn't fit into the segment, or isn't what was appended."""
        if group.verdict == BAD:
            self._stop_at_damage(group.start)
        else:
            # A group is at most what one segment has room for, so a step may only close one.
            self._close_segment(current)
        return 0

    def _report(self) -> None:
        self._ring.store(OFFSET_DURABLE_SEQUENCE, self.place.sequence)
        self._ring.store(OFFSET_DURABLE_CHECKSUM, self.place.checksum)
        self._ring.store(OFFSET_DURABLE_COMMAND, self._last_command)
        self._ring.store(OFFSET_AGENT_NS, self._clock.now_ns())
        self._ring.store(OFFSET_DURABLE_POSITION, self.place.position)

    # Segments -------------------------------------------------------------------------------

    def _begin_segment(self) -> _Open:
        place = self.place
        path = self.folder / (segment_name(place.position) + SEGMENT_SUFFIX)
        segment = Segment(
            path, place, self._epoch, self._clock.now_ns(), self.settings.segment_bytes
        )
        descriptor = self._files.begin(path, self._file_bytes, encode_head(segment))
        index = os.open(
            segment.index_path,
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC,
            FILE_MODE,
        )
        self._open = _Open(segment, descriptor, index=index)
        self._gathering.restart(place, segment.capacity_bytes)
        self._wants_file.set()
        return self._open

    @property
    def _file_bytes(self) -> int:
        return SEGMENT_HEADER_BYTES + whole_pages(self.settings.segment_bytes)

    def prepare(self) -> None:
        """Make the file of the next segment, so that nothing waits for it."""
        try:
            self._files.prepare(self.folder, self._file_bytes)
        except OSError as error:
            _LOG.error("the next segment is not prepared", error=str(error))

    def _close_segment(self, current: _Open) -> None:
        self._blocks.settle()
        self._files.finish(current.descriptor, SEGMENT_HEADER_BYTES + current.written_bytes)
        current.close()
        self._open = None
        if self._thread is None:
            self.tidy()
        else:
            self.request_tidy()

    def request_tidy(self) -> None:
        """Have the agent's thread see to :meth:`tidy`, from any thread."""
        self._wants_tidy.set()

    def _help(self) -> None:
        """Have a thread beside prepare the next file and tidy, so that no group waits for it."""
        if self._helper is not None and self._helper.is_alive():
            return
        if self._wants_index.is_set() or self._wants_file.is_set() or self._wants_tidy.is_set():
            self._helper = threading.Thread(
                target=self._prepare_and_tidy, name="journal-files", daemon=True
            )
            self._helper.start()

    def _prepare_and_tidy(self) -> None:
        # In time that nobody else wants: packing a segment takes a second of a core.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        if self._wants_index.is_set():
            self._wants_index.clear()
            self._sync_index()
        if self._wants_file.is_set():
            self._wants_file.clear()
            self.prepare()
        if self._wants_tidy.is_set():
            self._wants_tidy.clear()
            self.tidy()

    def _sync_index(self) -> None:
        """Have the newest index on disk."""
        try:
            newest = max(self.folder.glob(f"[0-9]*{INDEX_SUFFIX}"), default=None)
            if newest is not None:
                sync_file(newest)
        except OSError as error:
            _LOG.error("the index is not synced", error=str(error))

    def tidy(self) -> None:
        """Compress closed segments and drop those that are old and needed for nothing."""
        try:
            segments = list_segments(self.folder)
            for segment in segments:
                if (
                    self._is_closed(segment)
                    and not segment.is_compressed
                    and self.settings.compress
                ):
                    compress_segment(segment)
            for segment in expired(
                list_segments(self.folder),
                self.settings,
                self._clock.now_ns(),
                min(self._retained_from(), self.place.sequence),
            ):
                segment.path.unlink(missing_ok=True)
                segment.index_path.unlink(missing_ok=True)
                _LOG.info("dropped an old segment", segment=segment.path.name)
        except (OSError, TradeCaptainError) as error:
            _LOG.error("segments were not tidied", error=str(error))

    def _is_closed(self, segment: Segment) -> bool:
        current = self._open
        if current is not None and segment.start.position >= current.segment.start.position:
            return False
        return segment.start.position < self.place.position

    # Failures -------------------------------------------------------------------------------

    def _fail(self, error: OSError) -> None:
        if not self.error:
            _LOG.error("the log can't be written; new orders are refused", error=str(error))
        self.error = str(error)
        self._ring.store(OFFSET_REFUSAL, reason.REASON_JOURNAL_UNAVAILABLE)
        current, self._open = self._open, None
        if current is None:
            return
        # What is behind the last synced byte may or may not be on disk: a new file begins there.
        try:
            self._blocks.settle()
            self._give_up(current)
        except OSError as also:
            _LOG.error("the failed segment stays as it is", error=str(also))
        finally:
            current.close()

    def _give_up(self, current: _Open) -> None:
        path = current.segment.path
        if current.written_bytes == 0:
            path.unlink(missing_ok=True)
            return
        if os.fstat(current.descriptor).st_nlink == 0:
            # Somebody removed it; its content is still open, so it comes back under its name.
            staged = path.with_name(f".{path.name}")
            whole = SEGMENT_HEADER_BYTES + current.written_bytes
            with staged.open("wb") as file:
                os.fchmod(file.fileno(), FILE_MODE)
                file.write(read_beginning(current.descriptor, whole))
                file.flush()
                os.fsync(file.fileno())
            staged.rename(path)
            sync_folder(path.parent)
            return
        os.ftruncate(current.descriptor, SEGMENT_HEADER_BYTES + current.written_bytes)

    def _stop_at_damage(self, start: Place) -> None:
        named = start.sequence + 1
        self.damage = JournalDamaged(f"record {named} is damaged in the ring", named)
        self.error = self.damage.message
        self._ring.store(OFFSET_REFUSAL, reason.REASON_JOURNAL_DAMAGED)
        _LOG.error("the ring is damaged; new orders are refused", sequence=named)

    # Its thread -----------------------------------------------------------------------------

    def start(self) -> None:
        """Sync on a thread of its own."""
        self._wants_file.set()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        longest = _GROUP_IDLE_SECONDS if self._is_group else _IDLE_SECONDS
        pause = _IDLE_SECONDS / 16
        while not self._is_stopping.is_set():
            self._help()
            if self.step():
                pause = _LOOK_SECONDS if self._is_group else _IDLE_SECONDS / 16
                continue
            if self.damage is not None:
                return
            self._is_stopping.wait(_RETRY_SECONDS if self.error else pause)
            pause = min(2 * pause, longest)

    def close(self) -> bool:
        """Stop, sync what is left, and close the open segment; whether everything is on disk.

        The writer must have stopped."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()
        if self._helper is not None:
            self._helper.join()
        while self._ring.tail > self.place.position:
            if self.step(force=True) == 0 and self.error:
                break
        current, self._open = self._open, None
        if current is not None:
            try:
                self._blocks.settle()
                self._files.finish(current.descriptor, SEGMENT_HEADER_BYTES + current.written_bytes)
            except OSError as error:
                _LOG.error("the open segment stays longer than it needs", error=str(error))
            current.close()
        self._blocks.close()
        return self._ring.tail == self.place.position


def expired(
    segments: list[Segment], settings: JournalSettings, now_ns: int, needed_from: int
) -> list[Segment]:
    """Compressed segments beyond the limits of age and size, the oldest first, none of which holds
    a record from ``needed_from`` on."""
    day_ns = 86_400_000_000_000
    oldest_ns = now_ns - settings.keep_days * day_ns
    total = sum(segment.path.stat().st_size for segment in segments)
    dropped = []
    for segment, following in itertools.pairwise(segments):
        if following.start.sequence >= needed_from or not segment.is_compressed:
            break
        if following.begun_ns >= oldest_ns and total <= settings.keep_bytes:
            break
        dropped.append(segment)
        total -= segment.path.stat().st_size
    return dropped
