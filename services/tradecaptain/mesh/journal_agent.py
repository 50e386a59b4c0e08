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
from tradecaptain.base.time_slices import request_slices
from tradecaptain.mesh.direct_files import read_beginning, whole_pages
from tradecaptain.mesh.journal import OFFSET_REFUSAL, JournalRing
from tradecaptain.mesh.journal_files import (
    FILE_MODE,
    SEGMENT_HEADER_BYTES,
    SEGMENT_SUFFIX,
    JournalDamaged,
    Segment,
    compress_segment,
    encode_head,
    list_segments,
    segment_name,
    sync_folder,
)
from tradecaptain.mesh.journal_groups import (
    DAMAGED,
    FAILED,
    NO_ROOM,
    SYNCED,
    Groups,
    finish_group,
    is_due,
    run_groups,
    tell_durable,
)
from tradecaptain.mesh.journal_index import BlockIndex
from tradecaptain.mesh.journal_pace import PackingPace
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.mesh.journal_storage import FileSystem, RealFiles
from tradecaptain.mesh.journal_watch import SegmentWatch
from tradecaptain.wire import reason

_LOG = structlog.get_logger("journal")
SMALLEST_SEGMENT_BYTES: Final = 1 << 16
_RETRY_SECONDS: Final = 0.1
_LOWEST_PRIORITY: Final = 19
_IDLE_NS: Final = 5_000_000
_GROUP_IDLE_NS: Final = 250_000
"""Somebody waits for the group, so the ring is looked at oftener."""
_SLICE_NS: Final = 100_000
"""What the disk wakes has the processor at once; a busy thread would keep it for milliseconds."""
_EVER: Final = 1 << 62
_LOOK_NS: Final = 500_000_000
"""How often closed segments are looked for."""
_PACK_SECONDS: Final = 0.5
"""How often is asked whether segments that wait to be packed may wait on."""
_INDEX_SECONDS: Final = 0.005
_INDEX_SECONDS_MAX: Final = 0.02


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


class DurabilityAgent:
    """Syncs one ring into one folder; :meth:`step` does one group, :meth:`start` runs threads."""

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
        restored_from: Callable[[], int] = lambda: 0,
        on_begin: Callable[[], None] = lambda: None,
    ) -> None:
        """``place`` is where the files end. ``is_group`` syncs as soon as there is something;
        otherwise at intervals. ``retained_from`` tells the first record that is kept for restores,
        ``restored_from`` the last one whose outcome the newest snapshot has. ``on_begin`` is called
        before a segment is begun, and may fail as that may."""
        self.settings = settings
        self.error: str = ""
        self.missing: str = ""
        """That a segment which a restore would need was taken away; empty if none was."""
        self.damage: JournalDamaged | None = None
        self._ring = ring
        self.folder = folder
        self._epoch = epoch
        self._clock = clock
        self._files: FileSystem = files or RealFiles()
        self._is_group = is_group
        self._retained_from = retained_from
        self._restored_from = restored_from
        self._watch = SegmentWatch(folder)
        self._pace = PackingPace(folder, settings.keep_bytes, clock)
        self._on_begin = on_begin
        self._open: _Open | None = None
        self._groups = Groups(ring, place, settings.group_bytes)
        row = self._groups.record[0]
        row["last_command"] = last_command
        row["large_bytes"] = min(settings.group_bytes, ring.capacity >> 3)
        row["interval_ns"] = (
            1_000 * settings.group_interval_us
            if is_group
            else 1_000_000 * settings.lazy_interval_ms
        )
        row["idle_ns_max"] = _GROUP_IDLE_NS if is_group else _IDLE_NS
        row["synced_ns"] = clock.monotonic_ns()
        self._index = BlockIndex(ring, place, epoch)
        self._is_stopping = threading.Event()
        self._wants_help = threading.Event()
        self._wants_tidy = threading.Event()
        self._wants_file = threading.Event()
        self._threads: list[threading.Thread] = []
        # A ring that survived may tell of a disk that failed for the agent before.
        ring.store(OFFSET_REFUSAL, 0)
        tell_durable(self._groups.address, clock.now_ns())

    @property
    def place(self) -> Place:
        """Where the files end."""
        return self._groups.place

    @place.setter
    def place(self, place: Place) -> None:
        self._groups.set_place(place)

    def begin(self) -> None:
        """Do what comes before anything is told. Raises REASON_JOURNAL_UNAVAILABLE if that fails:
        not even a cancel may be taken then, for a loss of power could take it back unnoticed."""
        try:
            self._on_begin()
        except OSError as error:
            raise TradeCaptainError(
                reason.REASON_JOURNAL_UNAVAILABLE,
                f"the log in {self.folder} must be writable at the start, and isn't: {error}",
            ) from error

    # One group ------------------------------------------------------------------------------

    def step(self, *, force: bool = False) -> int:
        """Sync what has been appended, if it is time; returns how many bytes became durable."""
        state, tail = self._groups.address, self._ring.tail
        waiting = tail - self.place.position
        if waiting <= 0 or not (force or is_due(state, waiting, self._clock.monotonic_ns())):
            return 0
        try:
            synced = self._sync_group(tail)
        except OSError as error:
            self._fail(error)
            return 0
        if self.damage is None:
            self._tell_mended()
        self._index.write(self.place)
        return synced

    def _sync_group(self, tail: int) -> int:
        """What `run_groups` does, by calls that may be made to fail."""
        current = self._open or self._begin_segment()
        length = self._groups.gather(tail)
        if length == 0:
            if self._groups.is_damaged:
                self._stop_at_damage()
            else:
                # A group is at most what one segment has room for, so a step may only close one.
                self._close_segment(current)
            return 0
        began_ns = self._clock.monotonic_ns()
        pages, offset = self._groups.pages()
        self._files.write(current.descriptor, pages, offset)
        self._files.sync(current.descriptor)
        finish_group(
            self._groups.address, self._clock.now_ns(), began_ns, self._clock.monotonic_ns()
        )
        return length

    def _tell_mended(self) -> None:
        """Take orders again if the disk had failed."""
        if self.error:
            self.error = ""
            self._refuse_or_not()
            _LOG.info("the log is written again", position=self.place.position)

    def look_for_segments(self) -> None:
        """Take no new orders while a segment is missing without which what was acknowledged can't
        be restored: until it is back, or a snapshot behind it is written."""
        current = self._open
        open_position = current.segment.start.position if current else self.place.position
        try:
            missing = self._watch.missing(open_position, self._restored_from)
        except OSError as error:
            _LOG.error("the segments can't be looked for", error=str(error))
            return
        if not missing and not self.missing:
            return
        if not missing:
            _LOG.info("what the log has can be restored again")
        elif not self.missing:
            _LOG.error("a segment is missing; new orders are refused", segment=missing)
        self.missing = missing and f"segment {missing} is missing"
        self._refuse_or_not()

    def _refuse_or_not(self) -> None:
        if self.damage is None:
            refuses = self.error or self.missing
            self._ring.store(OFFSET_REFUSAL, reason.REASON_JOURNAL_UNAVAILABLE if refuses else 0)

    # Segments -------------------------------------------------------------------------------

    def _begin_segment(self) -> _Open:
        self._on_begin()
        place = self.place
        path = self.folder / (segment_name(place.position) + SEGMENT_SUFFIX)
        segment = Segment(
            path, place, self._epoch, self._clock.now_ns(), self.settings.segment_bytes
        )
        descriptor = self._files.begin(path, self._file_bytes, encode_head(segment))
        self._open = _Open(segment, descriptor)
        self._watch.note(segment)
        self._groups.open(descriptor, segment.capacity_bytes)
        self._index.begin(segment)
        self._wants_file.set()
        self._wants_help.set()
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

    def _prepare_if_wanted(self) -> None:
        if self._threads and self._wants_file.is_set():
            self._wants_file.clear()
            self.prepare()

    def _close_segment(self, current: _Open) -> None:
        # It keeps the few zeros behind its frames: cutting them off would keep the disk busy at
        # the moment when the next one is begun.
        os.close(current.descriptor)
        self._open = None
        if self._threads:
            self._wants_tidy.set()
        else:
            self.tidy()

    def note_snapshot(self) -> None:
        """One was written: what only older ones need may go, and may be missing. From any thread;
        another one tidies."""
        if self.missing:
            self.look_for_segments()
        self._wants_tidy.set()
        self._wants_help.set()

    def tidy(self, may_wait: Callable[[int], bool] = lambda _bytes: False) -> int:
        """Compress closed segments and drop those that are old and needed for nothing.

        Before each is compressed ``may_wait`` is asked whether those that are left, of so many
        bytes, may wait. Returns how many bytes do."""
        waiting_bytes = 0
        try:
            if self.settings.compress:
                waiting_bytes = self._pack(may_wait)
            self._drop_expired()
        except (OSError, TradeCaptainError) as error:
            _LOG.error("segments were not tidied", error=str(error))
        return waiting_bytes

    def _pack(self, may_wait: Callable[[int], bool]) -> int:
        closed = [
            (segment, segment.path.stat().st_size)
            for segment in list_segments(self.folder)
            if self._is_closed(segment) and not segment.is_compressed
        ]
        waiting_bytes = sum(length for _, length in closed)
        for segment, length in closed:
            if may_wait(waiting_bytes):
                break
            compress_segment(segment, between=self._prepare_if_wanted)
            waiting_bytes -= length
        return waiting_bytes

    def _drop_expired(self) -> None:
        for segment in expired(
            list_segments(self.folder),
            self.settings,
            self._clock.now_ns(),
            min(self._retained_from(), self.place.sequence),
        ):
            self._watch.forget(segment)
            segment.path.unlink(missing_ok=True)
            segment.index_path.unlink(missing_ok=True)
            _LOG.info("dropped an old segment", segment=segment.path.name)

    def _may_wait(self, waiting_bytes: int) -> bool:
        """Whether closed segments of so many bytes may wait to be packed. On a disk that failed
        they don't: it may be full."""
        if self._is_stopping.is_set():
            return True
        return not self.error and self._pace.may_wait(self._ring.tail, waiting_bytes)

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
        self._refuse_or_not()
        current, self._open = self._open, None
        if current is None:
            return
        # What is behind the last synced byte may or may not be on disk: a new file begins there.
        try:
            self._give_up(current)
        except OSError as also:
            _LOG.error("the failed segment stays as it is", error=str(also))
        finally:
            os.close(current.descriptor)

    def _give_up(self, current: _Open) -> None:
        path, whole = current.segment.path, self._groups.file_bytes
        if whole == SEGMENT_HEADER_BYTES:
            self._watch.forget(current.segment)
            path.unlink(missing_ok=True)
            return
        if os.fstat(current.descriptor).st_nlink == 0:
            # Somebody removed it; its content is still open, so it comes back under its name.
            staged = path.with_name(f".{path.name}")
            with staged.open("wb") as file:
                os.fchmod(file.fileno(), FILE_MODE)
                file.write(read_beginning(current.descriptor, whole))
                file.flush()
                os.fsync(file.fileno())
            staged.rename(path)
            sync_folder(path.parent)
            return
        os.ftruncate(current.descriptor, whole)

    def _stop_at_damage(self) -> None:
        named = self.place.sequence + 1
        self.damage = JournalDamaged(f"record {named} is damaged in the ring", named)
        self.error = self.damage.message
        self._ring.store(OFFSET_REFUSAL, reason.REASON_JOURNAL_DAMAGED)
        _LOG.error("the ring is damaged; new orders are refused", sequence=named)

    # Its threads ----------------------------------------------------------------------------

    def start(self) -> None:
        """Sync on a thread of its own, by the machine's calls; index, prepare and tidy on others,
        so that no group waits for that."""
        self._know_segments()
        self._wants_file.set()
        # What the life before left unpacked.
        self._wants_tidy.set()
        self._wants_help.set()
        for name, target in (
            ("journal", self._run),
            ("journal-index", self._keep_index),
            ("journal-files", self._help),
        ):
            thread = threading.Thread(target=target, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _know_segments(self) -> None:
        try:
            for segment in list_segments(self.folder):
                self._watch.note(segment)
        except (OSError, TradeCaptainError) as error:
            _LOG.error("segments of before are not watched", error=str(error))

    @property
    def is_running(self) -> bool:
        """Whether the thread that syncs lives."""
        return bool(self._threads) and self._threads[0].is_alive()

    def _run(self) -> None:
        request_slices(_SLICE_NS)
        state, idle_seconds = self._groups.address, _GROUP_IDLE_NS / 1e9
        while not self._is_stopping.is_set():
            if self._open is None and self._ring.tail == self.place.position:
                self._is_stopping.wait(idle_seconds)
                continue
            try:
                self._open = self._open or self._begin_segment()
                # The first group after a failure tells whether the disk is well again.
                why = run_groups(state, 1 if self.error else _EVER)
                number = int(self._groups.record[0]["error"])
                if why == FAILED:
                    raise OSError(number, os.strerror(number), str(self._open.segment.path))
            except OSError as error:
                self._fail(error)
                self._is_stopping.wait(_RETRY_SECONDS)
                continue
            if why == DAMAGED:
                self._stop_at_damage()
                return
            if why == NO_ROOM:
                self._close_segment(self._open)
            elif why == SYNCED:
                self._tell_mended()

    def _keep_index(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        pause = _INDEX_SECONDS
        looked_ns = 0
        while not self._is_stopping.is_set():
            while self._index.write(self.place):
                pause = _INDEX_SECONDS
            now_ns = self._clock.monotonic_ns()
            self._index.sync(now_ns)
            if now_ns - looked_ns >= _LOOK_NS:
                looked_ns = now_ns
                self.look_for_segments()
            self._is_stopping.wait(pause)
            pause = min(2 * pause, _INDEX_SECONDS_MAX)

    def _help(self) -> None:
        # In time that nobody else wants: packing a segment takes a tenth of a second of a core.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
        # But for each piece of a file the disk wakes it, and the next must be ready in time.
        request_slices(_SLICE_NS)
        waiting_bytes = 0
        while not self._is_stopping.is_set():
            self._wants_help.wait(_PACK_SECONDS if waiting_bytes else None)
            self._wants_help.clear()
            self._prepare_if_wanted()
            if self._wants_tidy.is_set() or (waiting_bytes and not self._may_wait(waiting_bytes)):
                self._wants_tidy.clear()
                waiting_bytes = self.tidy(self._may_wait)

    def drop(self) -> None:
        """End without a word: give back what the operating system would give back."""
        self._index.drop()

    def close(self) -> bool:
        """Stop, sync what is left, and close the open segment; whether everything is on disk.

        The writer must have stopped."""
        self._is_stopping.set()
        self._wants_help.set()
        self._groups.stop()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        while self._ring.tail > self.place.position:
            if self.step(force=True) == 0 and self.error:
                break
        current, self._open = self._open, None
        if current is not None:
            try:
                self._files.finish(current.descriptor, self._groups.file_bytes)
            except OSError as error:
                _LOG.error("the open segment stays longer than it needs", error=str(error))
            os.close(current.descriptor)
        self._index.close(self.place)
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
