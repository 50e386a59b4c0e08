"""Sealing a log whose writer was killed, so that the next one can go on behind it.

What a segment's index has was synced, so damage there is damage. What lies behind its last block
was on its way to the disk when the writer ended: good frames of it are kept, and become as good as
the others by :func:`seal_tail`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from tradecaptain.mesh.journal_files import (
    FILE_MODE,
    Checked,
    Segment,
    cut_torn_tail,
    sync_file,
)
from tradecaptain.mesh.journal_index import encode_block
from tradecaptain.mesh.journal_scan import Place, Scan
from tradecaptain.wire import journal_block

_LOG = structlog.get_logger("journal")


def seal_tail(checked: Checked) -> None:
    """Cut a torn frame off the last segment; sync and index the good ones behind the last block.

    Before that they may be lost with the power, and damage to them looks like a torn write. The log
    can go on behind them. OSError if they can't be synced.
    """
    if checked.torn_bytes:
        cut_torn_tail(checked)
    segment = checked.segment
    blocks = segment.blocks()
    start, offset = segment.start, 0
    if len(blocks):
        last = blocks[-1]
        offset = int(last["offset_bytes"] + last["length_bytes"])
        position = segment.start.position + offset
        start = Place(position, int(last["last_sequence"]), int(last["checksum_after"]))
    if start.position >= checked.end.position:
        return
    frames = checked.frames[offset:]
    scan = Scan(start)
    scan.take(frames)
    assert scan.place == checked.end, "what was checked is checked again"
    sync_file(segment.path)
    try:
        with _appended(segment, len(blocks)) as descriptor:
            os.write(descriptor, encode_block(segment.epoch, start, checked.end, offset, [frames]))
    except OSError as error:
        # They are durable all the same; a full disk doesn't keep the venue from its start.
        _LOG.error("synced frames are not indexed", segment=segment.path.name, error=str(error))


@contextmanager
def _appended(segment: Segment, block_count: int) -> Iterator[int]:
    """An index behind its whole blocks: a kill in the middle of one leaves a part of it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(segment.index_path, flags, FILE_MODE)
    try:
        os.ftruncate(descriptor, block_count * journal_block.RECORD_BYTES)
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
