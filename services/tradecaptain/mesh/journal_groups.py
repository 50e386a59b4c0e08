"""Groups of frames on their way from the ring to the disk, as whole pages of a segment file.

What was appended is copied, checked, and lies in pages. A group rarely begins with a page of its
file, so its first page repeats what was written of it before; its last is filled up with zeros, as
the rest of the file is.

`run_groups` takes group after group without the interpreter: a thread that needed Python's lock
between two groups would wait for it up to a switch interval, ten times as long as the disk takes.
"""

from __future__ import annotations

import errno
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.file_calls import link_count, sync_data, write_at
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.kernel_clock import monotonic_ns_kernel, realtime_ns_kernel
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    copy_bytes,
    fence,
    load_acquire_i64,
    load_i64,
    store_i64,
    store_release_i64,
    zero_bytes,
)
from tradecaptain.base.records import records_at
from tradecaptain.base.system_calls import sleep_ns
from tradecaptain.mesh.direct_files import PAGE_BYTES, page_buffer, whole_pages
from tradecaptain.mesh.journal import (
    HEADER_BYTES,
    OFFSET_AGENT_NS,
    OFFSET_DURABLE_CHECKSUM,
    OFFSET_DURABLE_COMMAND,
    OFFSET_DURABLE_POSITION,
    OFFSET_DURABLE_SEQUENCE,
    OFFSET_SYNC_COUNT,
    OFFSET_SYNC_NS,
    OFFSET_TAIL,
    JournalRing,
)
from tradecaptain.mesh.journal_files import SEGMENT_HEADER_BYTES
from tradecaptain.mesh.journal_limits import LARGEST_GROUP_BYTES
from tradecaptain.mesh.journal_scan import BAD, FULL, SCAN, Place, scan_frames

STOPPED: Final = 0
"""Somebody asked for it."""
NO_ROOM: Final = 1
"""What follows doesn't fit into the segment."""
DAMAGED: Final = 2
"""What follows isn't what was appended."""
FAILED: Final = 3
"""The disk failed; the state tells the error's number."""
SYNCED: Final = 4
"""One group is on disk, where no more than one was asked for."""

_PIECE_BYTES: Final = 1 << 15
"""So much is copied, and checked while it lies in the processor's cache."""
_IDLE_NS_MIN: Final = 30_000
_CACHE_LINE_WORDS: Final = 8

GROUPS: Final = np.dtype(
    [
        # Somebody else's word: not 0 makes `run_groups` return.
        ("stop", "<i8"),
        ("stop_padding", "<i8", (_CACHE_LINE_WORDS - 1,)),
        # The ring: address of its header, and its length.
        ("header", "<i8"),
        ("capacity", "<i8"),
        # The segment: descriptor, bytes of frames it has room for, and how many are on disk.
        ("descriptor", "<i8"),
        ("room", "<i8"),
        ("synced_bytes", "<i8"),
        # Up to where the log is on disk; the version is odd while that changes.
        ("version", "<i8"),
        ("position", "<i8"),
        ("sequence", "<i8"),
        ("checksum", "<i8"),
        ("last_command", "<i8"),
        # The group: its buffer, bytes that repeat what lies before, and its frames.
        ("buffer", "<i8"),
        ("lead", "<i8"),
        ("length", "<i8"),
        # When one is due: at so many bytes, or so long after the last.
        ("group_bytes", "<i8"),
        ("large_bytes", "<i8"),
        ("interval_ns", "<i8"),
        ("synced_ns", "<i8"),
        ("idle_ns_max", "<i8"),
        ("error", "<i8"),
        ("scan", SCAN),
    ],
    align=True,
)
"""Where the way of groups to the disk stands, one record."""
_FIELDS: Any = GROUPS.fields
_VERSION_OFFSET: Final = int(_FIELDS["version"][1])
_SCAN_OFFSET: Final = int(_FIELDS["scan"][1])


@inline
def gather(state: int, tail: int) -> int:
    """Copy and check what the ring has up to ``tail``, as far as the group may go; its length."""
    row = records_at(state, 1, GROUPS)
    scan = records_at(state + _SCAN_OFFSET, 1, SCAN)
    frames = row[0]["header"] + HEADER_BYTES
    mask = row[0]["capacity"] - 1
    start = row[0]["position"]
    limit = min(tail, start + min(row[0]["room"] - row[0]["synced_bytes"], row[0]["group_bytes"]))
    target = row[0]["buffer"] + row[0]["lead"]
    scan[0]["sequence"] = row[0]["sequence"]
    scan[0]["checksum"] = row[0]["checksum"]
    scan[0]["last_command"] = row[0]["last_command"]
    scan[0]["verdict"] = FULL
    length = 0
    while start + length < limit and scan[0]["verdict"] != BAD:
        place = (start + length) & mask
        piece = min(limit - start - length, row[0]["capacity"] - place, _PIECE_BYTES)
        copy_bytes(target + length, frames + place, piece)
        good = scan_frames(state + _SCAN_OFFSET, target + length, piece)
        if good == 0:
            break
        length += good
    row[0]["length"] = length
    return length


@inline
def fill_pages(state: int) -> int:
    """Fill the group's last page with zeros; how many bytes its pages are."""
    row = records_at(state, 1, GROUPS)
    end = row[0]["lead"] + row[0]["length"]
    whole = (end + PAGE_BYTES - 1) & -PAGE_BYTES
    zero_bytes(row[0]["buffer"] + end, whole - end)
    return whole


@inline
def first_page_offset(state: int) -> int:
    """Where the group's first page lies in its file."""
    row = records_at(state, 1, GROUPS)
    return SEGMENT_HEADER_BYTES + row[0]["synced_bytes"] - row[0]["lead"]


@inline
def tell_durable(state: int, now_ns: int) -> None:
    """Show in the ring's header up to where the log is on disk."""
    row = records_at(state, 1, GROUPS)
    header = row[0]["header"]
    store_i64(header + OFFSET_DURABLE_SEQUENCE, row[0]["sequence"])
    store_i64(header + OFFSET_DURABLE_CHECKSUM, row[0]["checksum"])
    store_i64(header + OFFSET_DURABLE_COMMAND, row[0]["last_command"])
    store_i64(header + OFFSET_AGENT_NS, now_ns)
    store_release_i64(header + OFFSET_DURABLE_POSITION, row[0]["position"])


@inline
def finish_group(state: int, now_ns: int, began_ns: int, synced_ns: int) -> None:
    """The group is on disk: say so, and begin the next one's first page."""
    row = records_at(state, 1, GROUPS)
    scan = records_at(state + _SCAN_OFFSET, 1, SCAN)
    version = row[0]["version"]
    store_release_i64(state + _VERSION_OFFSET, version + 1)
    fence()
    row[0]["position"] += row[0]["length"]
    row[0]["sequence"] = scan[0]["sequence"]
    row[0]["checksum"] = scan[0]["checksum"]
    store_release_i64(state + _VERSION_OFFSET, version + 2)
    row[0]["last_command"] = scan[0]["last_command"]
    tell_durable(state, now_ns)
    header = row[0]["header"]
    store_i64(header + OFFSET_SYNC_COUNT, load_i64(header + OFFSET_SYNC_COUNT) + 1)
    store_i64(header + OFFSET_SYNC_NS, synced_ns - began_ns)
    row[0]["synced_ns"] = synced_ns
    row[0]["synced_bytes"] += row[0]["length"]
    end = row[0]["lead"] + row[0]["length"]
    lead = end & (PAGE_BYTES - 1)
    if end > lead:
        copy_bytes(row[0]["buffer"], row[0]["buffer"] + end - lead, lead)
    row[0]["lead"] = lead
    row[0]["length"] = 0


@inline
def is_due(state: int, waiting: int, now_ns: int) -> bool:
    """Whether what waits should go: it is much, or the last sync is long enough ago."""
    row = records_at(state, 1, GROUPS)
    return waiting >= row[0]["large_bytes"] or (
        now_ns - row[0]["synced_ns"] >= row[0]["interval_ns"]
    )


@inline
def write_group(state: int) -> int:
    """Write and sync the group's pages; 0, or the error's number."""
    row = records_at(state, 1, GROUPS)
    descriptor = row[0]["descriptor"]
    error = write_at(descriptor, row[0]["buffer"], fill_pages(state), first_page_offset(state))
    if error == 0:
        error = sync_data(descriptor)
    # A file that was removed from its folder is on disk for nobody.
    if error == 0 and link_count(descriptor) == 0:
        error = errno.ENOENT
    return error


@kernel(types.int64(types.int64, types.int64))
def gather_group(state: int, tail: int) -> int:
    """Copy and check the next group; its length."""
    return gather(state, tail)


@kernel(types.int64(types.int64, types.int64))
def run_groups(state: int, most: int) -> int:
    """Put group after group on disk until something else is to be done; why it returns.

    Nothing of it needs the interpreter. It ends behind ``most`` groups as well.
    """
    row = records_at(state, 1, GROUPS)
    pause_ns = _IDLE_NS_MIN
    count = 0
    while count < most:
        if load_acquire_i64(state) != 0:
            return STOPPED
        # What is appended meanwhile goes with the next group, or this one would never go.
        tail = load_acquire_i64(row[0]["header"] + OFFSET_TAIL)
        waiting = tail - row[0]["position"]
        if waiting <= 0 or not is_due(state, waiting, monotonic_ns_kernel()):
            sleep_ns(pause_ns)
            pause_ns = min(2 * pause_ns, row[0]["idle_ns_max"])
            continue
        pause_ns = _IDLE_NS_MIN
        if gather(state, tail) == 0:
            scan = records_at(state + _SCAN_OFFSET, 1, SCAN)
            return DAMAGED if scan[0]["verdict"] == BAD else NO_ROOM
        began_ns = monotonic_ns_kernel()
        row[0]["error"] = write_group(state)
        if row[0]["error"] != 0:
            return FAILED
        finish_group(state, realtime_ns_kernel(), began_ns, monotonic_ns_kernel())
        count += 1
    return SYNCED


class Groups:
    """The state of `run_groups` for one ring, and the buffer in which groups are gathered."""

    def __init__(self, ring: JournalRing, place: Place, group_bytes: int) -> None:
        """``place`` is up to where the log is on disk; no file is open."""
        self._buffer = page_buffer(whole_pages(group_bytes) + 2 * PAGE_BYTES)
        self.record: npt.NDArray[Any] = aligned_zeros(1, GROUPS)
        row = self.record[0]
        row["header"], row["capacity"] = ring.address, ring.capacity
        row["buffer"] = address_of(self._buffer)
        row["group_bytes"] = min(group_bytes, LARGEST_GROUP_BYTES)
        self.set_place(place)

    @property
    def address(self) -> int:
        """What kernels take as ``state``."""
        return address_of(self.record)

    @property
    def place(self) -> Place:
        """Up to where the log is on disk, also while the kernel runs."""
        row, address = self.record[0], self.address + _VERSION_OFFSET
        while True:
            before = load_acquire_i64(address)
            place = Place(int(row["position"]), int(row["sequence"]), int(row["checksum"]))
            if before & 1 == 0 and load_acquire_i64(address) == before:
                return place

    def set_place(self, place: Place) -> None:
        """Go on at another place."""
        row = self.record[0]
        row["position"], row["sequence"] = place.position, place.sequence
        row["checksum"] = place.checksum

    def open(self, descriptor: int, room: int) -> None:
        """Go on in a file that begins at the place, and has room for so many bytes of frames."""
        row = self.record[0]
        row["descriptor"], row["room"] = descriptor, room
        row["synced_bytes"] = row["lead"] = row["length"] = 0

    def gather(self, tail: int) -> int:
        """Copy and check the next group; its length."""
        return int(gather_group(self.address, tail))

    def pages(self) -> tuple[memoryview, int]:
        """The group's pages, and where the first lies in its file."""
        length = fill_pages(self.address)
        return memoryview(self._buffer)[:length], int(first_page_offset(self.address))

    @property
    def file_bytes(self) -> int:
        """Up to where the open file is on disk."""
        return SEGMENT_HEADER_BYTES + int(self.record[0]["synced_bytes"])

    def stop(self) -> None:
        """Have the kernel return, from any thread."""
        store_release_i64(self.address, 1)

    @property
    def is_damaged(self) -> bool:
        """Whether what was gathered ends at what wasn't appended so."""
        return int(self.record[0]["scan"]["verdict"]) == BAD
