"""Groups of frames on their way from the ring to the disk, as whole pages of a segment file.

What was appended is copied, checked, and lies in pages. A group rarely begins with a page of its
file, so its first page repeats what was written of it before; its last is filled up with zeros, as
the rest of the file is.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.mesh.direct_files import PAGE_BYTES, page_buffer, whole_pages
from tradecaptain.mesh.journal import JournalRing
from tradecaptain.mesh.journal_files import LARGEST_GROUP_BYTES
from tradecaptain.mesh.journal_scan import FULL, Place, Scan

BUFFERS: Final = 3
"""One group is written, the one before may still be hashed, and the next begins in the third."""


class Group:
    """A run of frames that continue the log, in a buffer of whole pages."""

    def __init__(self, buffer: npt.NDArray[np.uint8], start: Place, lead: int, offset: int) -> None:
        """``lead`` bytes of the buffer repeat what lies before; ``offset`` is where the group lies
        among the frames of its segment."""
        self.start = start
        self.offset = offset
        self.scan = Scan(start)
        self.length = 0
        self.verdict = FULL
        self._buffer = buffer
        self._lead = lead

    @property
    def frames(self) -> npt.NDArray[np.uint8]:
        """The frames, where they lie in the buffer."""
        return self._buffer[self._lead : self._lead + self.length]

    @property
    def end(self) -> Place:
        """The place behind its frames."""
        return self.scan.place

    @property
    def first_page_offset(self) -> int:
        """Where its first page lies among the frames of its segment."""
        return self.offset - self._lead

    def take(self, data: npt.NDArray[np.uint8]) -> int:
        """Copy and check what follows; how many bytes of it are good frames."""
        end = self._lead + self.length
        copy = self._buffer[end : end + len(data)]
        copy[:] = data
        count = self.scan.take(copy)
        self.verdict = self.scan.verdict
        self.length += count
        return count

    def pages(self) -> memoryview:
        """Whole pages that end with the frames and zeros."""
        end = self._lead + self.length
        self._buffer[end : whole_pages(end)] = 0
        return memoryview(self._buffer)[: whole_pages(end)]

    def begun_page(self) -> npt.NDArray[np.uint8]:
        """What the group has of the page in which the next one begins."""
        end = self._lead + self.length
        return self._buffer[end - end % PAGE_BYTES : end]

    def followed_in(self, buffer: npt.NDArray[np.uint8]) -> Group:
        """The group behind this one in the same file, empty so far."""
        page = self.begun_page()
        buffer[: len(page)] = page
        return Group(buffer, self.end, len(page), self.offset + self.length)


class Gathering:
    """The next group of one ring."""

    def __init__(self, ring: JournalRing, place: Place, group_bytes: int) -> None:
        self._ring = ring
        self._group_bytes = group_bytes
        length = whole_pages(group_bytes) + 2 * PAGE_BYTES
        self._buffers = deque(page_buffer(length) for _ in range(BUFFERS))
        self._room = 0
        self.group = Group(self._buffers[0], place, 0, 0)

    def restart(self, place: Place, room: int) -> None:
        """Forget what was gathered: ``place`` begins the frames of a file that has ``room``."""
        self._room = room
        self.group = Group(self._buffers[0], place, 0, 0)

    def take(self, tail: int) -> int:
        """Gather of what the ring has up to ``tail``, one piece of it; how many bytes it were."""
        group = self.group
        position = group.end.position
        room = min(self._room - group.offset, self._group_bytes) - group.length
        limit = min(tail, position + min(room, LARGEST_GROUP_BYTES))
        if limit <= position:
            return 0
        return group.take(np.frombuffer(self._ring.chunk(position, limit), np.uint8))

    def close(self) -> Group:
        """The group as it is; another follows it, in the buffer that was used longest ago."""
        closed = self.group
        self._buffers.rotate(-1)
        self.group = closed.followed_in(self._buffers[0])
        return closed
