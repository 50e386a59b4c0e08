"""Segment files of the execution log: their names, heads, indexes, and reading them again.

A segment begins with a `JournalSegment` message; frames follow at byte 4096, exactly as they lay in
the ring. Its index is a file of `JournalBlock` messages, one for each synced range, with a strong
hash of the range. A closed segment is compressed by zstd, which leaves its frames as they are.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zstandard
from blake3 import blake3
from tradecaptain.base.crc32c import crc32c
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.direct_files import forget_pages, read_part, read_pieces, read_whole
from tradecaptain.mesh.journal_limits import LARGEST_GROUP_BYTES
from tradecaptain.mesh.journal_scan import BAD, CUT, FULL, Place, Scan, find_later_frame
from tradecaptain.wire import journal_block, journal_segment, reason

SEGMENT_HEADER_BYTES: Final = 4_096
SEGMENT_SUFFIX: Final = ".journal"
COMPRESSED_SUFFIX: Final = ".journal.zst"
INDEX_SUFFIX: Final = ".index"
FILE_MODE: Final = 0o600
_NAME_DIGITS: Final = 20
_CHUNK_BYTES: Final = 1 << 22
_LOOKS: Final = 16


@kernel("int64(int64, int64, int64)")
def checksum_of(address: int, length: int, seed: int) -> int:
    """CRC32C of bytes in memory."""
    return crc32c(address, length, seed)


class JournalDamaged(TradeCaptainError):  # noqa: N818
    """A record in the middle of the log is damaged or missing; ``sequence`` is its number."""

    def __init__(self, message: str, sequence: int) -> None:
        super().__init__(reason.REASON_JOURNAL_DAMAGED, message, observed=sequence)
        self.sequence = sequence


class SegmentMissing(JournalDamaged):
    """A segment is missing before another; ``sequence`` is the first record that it had."""


def strong_hash(*pieces: bytes | memoryview) -> npt.NDArray[np.int64]:
    """BLAKE3 of pieces one behind the other, as four words."""
    state = blake3()
    for piece in pieces:
        state.update(piece)
    return np.frombuffer(state.digest(), np.int64)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment file, by its head: where in the log it begins, and of which epoch it is."""

    path: Path
    start: Place
    epoch: int
    begun_ns: int
    capacity_bytes: int

    @property
    def is_compressed(self) -> bool:
        """Whether it is closed and compressed."""
        return self.path.name.endswith(COMPRESSED_SUFFIX)

    @property
    def index_path(self) -> Path:
        """File with its blocks."""
        return self.path.with_name(self.path.name.split(".")[0] + INDEX_SUFFIX)

    def frames(self) -> npt.NDArray[np.uint8]:
        """All frames, and what lies behind the last; unpacked if it is compressed."""
        if not self.is_compressed:
            try:
                return read_whole(self.path)[SEGMENT_HEADER_BYTES:]
            except FileNotFoundError:
                # It was compressed meanwhile.
                name = segment_name(self.start.position) + COMPRESSED_SUFFIX
                return replace(self, path=self.path.with_name(name)).frames()
        try:
            data = zstandard.ZstdDecompressor().decompress(read_whole(self.path).data)
        except (zstandard.ZstdError, MemoryError) as error:
            raise JournalDamaged(
                f"{self.path.name} can't be unpacked ({error}); it begins with record"
                f" {self.start.sequence + 1}",
                self.start.sequence + 1,
            ) from error
        return np.frombuffer(data, np.uint8, offset=SEGMENT_HEADER_BYTES)

    def part(self, offset: int, length: int) -> npt.NDArray[np.uint8]:
        """Frames from ``offset`` on, at most ``length`` bytes of what the file has."""
        if not self.is_compressed:
            with contextlib.suppress(FileNotFoundError):
                return read_part(self.path, SEGMENT_HEADER_BYTES + offset, length)
        return self.frames()[offset : offset + length]

    def blocks(self) -> npt.NDArray[Any]:
        """The index as an array of `JournalBlock` messages; empty if there is none."""
        try:
            data = self.index_path.read_bytes()
        except FileNotFoundError:
            return np.empty(0, journal_block.DTYPE)
        whole = len(data) // journal_block.RECORD_BYTES * journal_block.RECORD_BYTES
        return np.frombuffer(data[:whole], journal_block.DTYPE)


def segment_name(position: int) -> str:
    """Name without suffix; names sort as positions do."""
    return f"{position:0{_NAME_DIGITS}d}"


def encode_head(segment: Segment) -> bytes:
    """The first page of a segment file."""
    head = np.zeros(1, journal_segment.DTYPE)
    address = address_of(head)
    journal_segment.initialise(address)
    journal_segment.set_epoch(address, segment.epoch)
    journal_segment.set_sequence(address, segment.start.sequence + 1)
    journal_segment.set_time_ns(address, segment.begun_ns)
    journal_segment.set_position(address, segment.start.position)
    journal_segment.set_capacity_bytes(address, segment.capacity_bytes)
    journal_segment.set_previous_checksum(address, segment.start.checksum)
    journal_segment.set_header_checksum(address, checksum_of(address, head.nbytes, 0))
    return head.tobytes().ljust(SEGMENT_HEADER_BYTES, b"\0")


def decode_head(path: Path, data: bytes) -> Segment:
    """Check a segment's first page and tell what it says."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise TradeCaptainError(reason.REASON_TRUNCATED_FILE, f"{path.name} has no whole head")
    head = np.frombuffer(data[: journal_segment.RECORD_BYTES], journal_segment.DTYPE).copy()
    stored = int(head[0]["header_checksum"])
    head[0]["header_checksum"] = 0
    if (
        int(head[0]["kind"]) != journal_segment.KIND
        or checksum_of(address_of(head), head.nbytes, 0) != stored
        or any(data[journal_segment.RECORD_BYTES : SEGMENT_HEADER_BYTES])
    ):
        raise JournalDamaged(f"the head of {path.name} is damaged", 0)
    row = head[0]
    start = Place(int(row["position"]), int(row["sequence"]) - 1, int(row["previous_checksum"]))
    if path.name.split(".")[0] != segment_name(start.position):
        raise JournalDamaged(
            f"{path.name} says that it begins at position {start.position}", start.sequence + 1
        )
    return Segment(path, start, int(row["epoch"]), int(row["time_ns"]), int(row["capacity_bytes"]))


def read_segment(path: Path) -> Segment:
    """The head of a segment file, compressed or not."""
    if path.name.endswith(COMPRESSED_SUFFIX):
        try:
            with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
                data = plain.read(SEGMENT_HEADER_BYTES)
        except zstandard.ZstdError as error:
            raise JournalDamaged(f"{path.name} can't be unpacked ({error})", 0) from error
    else:
        with path.open("rb") as file:
            data = file.read(SEGMENT_HEADER_BYTES)
    return decode_head(path, data)


def list_segments(folder: Path) -> list[Segment]:
    """Every segment in the order of the log, while its writer may go on.

    A plain file goes before its compressed copy, which a kill may have left incomplete beside it. A
    file that is compressed or dropped between the look at the folder and the look at it is looked
    for again; what isn't whole yet has a name that begins with a dot, or, being the last, nothing
    but zeros.
    """
    for _ in range(_LOOKS):
        paths: dict[str, Path] = {}
        for suffix in (COMPRESSED_SUFFIX, SEGMENT_SUFFIX):
            for path in folder.glob(f"[0-9]*{suffix}"):
                paths[path.name.split(".")[0]] = path
        names = sorted(paths)
        with contextlib.suppress(FileNotFoundError):
            if names and _is_unbegun(paths[names[-1]]):
                names.pop()
            return [read_segment(paths[name]) for name in names]
    raise TradeCaptainError(
        reason.REASON_UNAVAILABLE, f"the segments in {folder} change faster than they can be read"
    )


def _is_unbegun(path: Path) -> bool:
    """Whether a segment file has its name and its length, and nothing else: the power went before
    its head was on disk. What is in a segment came later than its head."""
    if path.name.endswith(COMPRESSED_SUFFIX) or read_part(path, 0, SEGMENT_HEADER_BYTES).any():
        return False
    content = read_whole(path)
    return len(content) > SEGMENT_HEADER_BYTES and not content.any()


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of one segment found: where its frames end, and whether a torn one follows."""

    segment: Segment
    end: Place
    frame_count: int
    times_ns: tuple[int, int]
    last_command: int
    torn_bytes: int
    block_count: int
    frames: npt.NDArray[np.uint8]


def check_segment(
    segment: Segment, *, is_last: bool, check_hashes: bool = True, durable_position: int = 0
) -> Checked:
    """Check every frame, and every block's hash.

    Only the last segment may end with a torn group: one whose sync hadn't returned when the power
    went, of which any sectors may be on disk. What the index has isn't torn, nor what lies before
    ``durable_position`` (of the ring, if there is one), nor what more than a group follows.
    Anything else that doesn't continue the chain raises :class:`JournalDamaged`, which names the
    record.
    """
    # The index first: whoever writes the log may go on meanwhile, and what the index has is whole.
    blocks = segment.blocks()
    frames = segment.frames()
    scan = Scan(segment.start)
    good = scan.take(frames)
    named = scan.place.sequence + 1
    synced_bytes = int((blocks["offset_bytes"] + blocks["length_bytes"]).max(initial=0))
    if is_last:
        told_bytes = durable_position - segment.start.position
        if synced_bytes <= good < len(frames) < told_bytes and not frames[good:].any():
            raise JournalDamaged(
                f"the log goes on behind {segment.path.name}, and no segment has record {named}",
                named,
            )
        synced_bytes = max(synced_bytes, min(told_bytes, len(frames)))
    if good < synced_bytes:
        raise JournalDamaged(f"record {named} in {segment.path.name} is damaged", named)
    torn = 0
    if scan.verdict != FULL and frames[good:].any():
        what = "damaged" if scan.verdict in (BAD, CUT) else "missing"
        beyond = frames[good + LARGEST_GROUP_BYTES :]
        if not is_last or find_later_frame(address_of(beyond), len(beyond), named - 1) >= 0:
            raise JournalDamaged(f"record {named} in {segment.path.name} is {what}", named)
        torn = int(np.flatnonzero(frames[good:])[-1]) + 1
    if check_hashes:
        _check_hashes(segment, frames, blocks)
    return Checked(
        segment,
        scan.place,
        scan.frame_count,
        scan.times_ns,
        scan.last_command,
        torn,
        len(blocks),
        frames[:good],
    )


def _check_hashes(
    segment: Segment, frames: npt.NDArray[np.uint8], blocks: npt.NDArray[Any]
) -> None:
    for block in blocks:
        start = int(block["offset_bytes"])
        data = memoryview(frames)[start : start + int(block["length_bytes"])]
        stored = [int(block[f"hash{index}"]) for index in range(4)]
        if strong_hash(data).tolist() != stored:
            raise JournalDamaged(
                f"block of record {int(block['sequence'])} in {segment.path.name} has another hash",
                int(block["sequence"]),
            )


def check_chain(
    folder: Path,
    *,
    from_sequence: int = 1,
    until: Segment | None = None,
    check_hashes: bool = True,
    durable_position: int = 0,
    on_segment: Callable[[Checked], None] | None = None,
) -> Place:
    """Check the segments that hold records from ``from_sequence`` on; the place behind the last.

    Each is handed to ``on_segment`` once it is known to be good, while the next one is read and
    checked on a thread beside; ``until`` is the last one that is looked at, ``durable_position``
    what the ring, if there is one, tells to be on disk. A segment that is
    missing between two others, or before the first one needed, raises :class:`JournalDamaged`.
    """
    segments = list_segments(folder)
    needed = segments_from(segments, from_sequence)
    if needed and needed[0].start.sequence >= from_sequence:
        raise JournalDamaged(
            f"records {from_sequence} to {needed[0].start.sequence} are missing", from_sequence
        )
    if until is not None:
        needed = [segment for segment in needed if segment.start <= until.start]
    place = needed[0].start if needed else Place()

    def check(segment: Segment) -> Checked:
        return check_segment(
            segment,
            is_last=segment is segments[-1],
            check_hashes=check_hashes,
            durable_position=durable_position,
        )

    for segment, checking in _one_ahead(needed, check):
        check_continues(segment, place)
        checked = checking.result()
        if on_segment is not None:
            on_segment(checked)
        place = checked.end
    return place


def check_continues(segment: Segment, place: Place) -> None:
    """Raise :class:`SegmentMissing` unless a segment begins where the log has come to."""
    if segment.start != place:
        named = place.sequence + 1
        raise SegmentMissing(
            f"{segment.path.name} doesn't continue the log: record {named} is missing", named
        )


def _one_ahead(
    segments: list[Segment], check: Callable[[Segment], Checked]
) -> Iterator[tuple[Segment, Future[Checked]]]:
    """Each segment with its check, and that of the next one under way."""
    with ThreadPoolExecutor(1, "journal-check") as pool:
        checks = [pool.submit(check, segment) for segment in segments[:1]]
        for index, segment in enumerate(segments):
            checks += [pool.submit(check, following) for following in segments[index + 1 :][:1]]
            yield segment, checks.pop(0)


def segments_from(segments: list[Segment], sequence: int) -> list[Segment]:
    """Those that hold records from ``sequence`` on."""
    first = 0
    for index, segment in enumerate(segments):
        if segment.start.sequence < sequence:
            first = index
    return segments[first:]


def sync_folder(folder: Path) -> None:
    """Make names of files in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make what was written to a file survive a loss of power."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cut_torn_tail(checked: Checked) -> None:
    """Take away what follows the last good frame, so that the log can go on there."""
    descriptor = os.open(checked.segment.path, os.O_RDWR)
    try:
        length = checked.end.position - checked.segment.start.position
        os.ftruncate(descriptor, SEGMENT_HEADER_BYTES + length)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def compress_segment(
    segment: Segment, level: int = 1, *, between: Callable[[], None] = lambda: None
) -> Segment:
    """Replace a closed segment by its compressed copy; the plain one goes last.

    ``between`` is called now and then, for what can't wait until all is packed. zstd's lowest level
    packs records of words, most of which repeat those before, no worse than its default does.
    """
    target = segment.path.with_name(segment_name(segment.start.position) + COMPRESSED_SUFFIX)
    staged = target.with_name(f".{target.name}")
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
    packing = compressor.compressobj(size=segment.path.stat().st_size)
    with staged.open("wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        for piece in read_pieces(segment.path, _CHUNK_BYTES):
            file.write(packing.compress(piece))
            between()
        file.write(packing.flush())
        file.flush()
        os.fsync(file.fileno())
        forget_pages(file.fileno())
    staged.rename(target)
    sync_folder(target.parent)
    segment.path.unlink()
    return replace(segment, path=target)
