"""The execution log's frames, written slowly and obviously from docs/journal.md."""

from __future__ import annotations


def crc32c(data: bytes, seed: int = 0) -> int:
    """CRC32C bit by bit; ``seed`` is the checksum of what comes before."""
    state = seed ^ 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


class JournalTwin:
    """A log as one growing byte string, laid out as in a ring of ``capacity`` bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.data = b""
        self.checksum = 0
        self.sequence = 0

    def append(self, record: bytes, flags: int) -> None:
        size = 16 + len(record)
        size += -size % 16
        left = self.capacity - len(self.data) % self.capacity
        if size > left:
            self._pad(left)
        self.sequence += 1
        head = (len(record) + (flags << 24)).to_bytes(4, "little")
        number = self.sequence.to_bytes(8, "little")
        self.checksum = crc32c(head + bytes(4) + number + record, self.checksum)
        frame = head + self.checksum.to_bytes(4, "little") + number + record
        self.data += frame.ljust(size, b"\0")

    def _pad(self, size: int) -> None:
        head = (size - 16 + (128 << 24)).to_bytes(4, "little")
        frame = head + self.checksum.to_bytes(4, "little") + self.sequence.to_bytes(8, "little")
        self.data += frame.ljust(size, b"\0")
