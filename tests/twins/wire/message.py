"""Slow and obvious twin of the record checks: parses a message with ``struct`` and slices."""

from __future__ import annotations

import struct

TRUNCATED = "TRUNCATED"
SEGMENT_COUNT = "SEGMENT_COUNT"
POINTER_KIND = "POINTER_KIND"
OUT_OF_BOUNDS = "OUT_OF_BOUNDS"
MISALIGNED = "MISALIGNED"
WRONG_KIND = "WRONG_KIND"


def data_section(message: bytes, address: int, kind: int) -> bytes | str:
    """Bytes of the root struct's data section, or the name of the rule that the message breaks."""
    if address % 8:
        return MISALIGNED
    if len(message) < 16:
        return TRUNCATED
    segments_less_one, segment_words = struct.unpack("<II", message[:8])
    if segments_less_one:
        return SEGMENT_COUNT
    segment = message[8 : 8 + 8 * segment_words]
    if not segment or len(segment) < 8 * segment_words:
        return TRUNCATED
    low, data_words, pointer_words = struct.unpack("<iHH", segment[:8])
    if segment[:8] == bytes(8) or low % 4:
        return POINTER_KIND
    start = 1 + low // 4
    if start < 1 or start + data_words + pointer_words > segment_words:
        return OUT_OF_BOUNDS
    data = segment[8 * start : 8 * (start + data_words)]
    if not data or struct.unpack("<H", data[:2])[0] != kind:
        return WRONG_KIND
    return data


def current_layout(data: bytes, data_words: int) -> bytes:
    """The data section cut, or filled with zeros, to the length that the reader knows."""
    return data[: 8 * data_words].ljust(8 * data_words, b"\0")
