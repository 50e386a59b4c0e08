"""Checks of a Cap'n Proto message whose layout is not the one that the accessors were made for.

A mesh message is a segment table (8 bytes: segment count less one, segment length in words), a root
pointer (8 bytes) and one struct. Nothing outside ``[address, address + length)`` is ever read.
Source: https://capnproto.org/encoding.html.
"""

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64, load_u16
from tradecaptain.wire.status import (
    MISALIGNED,
    OUT_OF_BOUNDS,
    POINTER_KIND,
    SEGMENT_COUNT,
    TRUNCATED,
    WRONG_KIND,
)


@inline
def data_words(address: int) -> int:
    """Length in words of the data section that the root pointer at ``address + 8`` announces."""
    words: int = (load_i64(address + 8) >> 32) & 0xFFFF
    return words


@inline
def locate(address: int, length: int, kind: int) -> int:
    """Address of the data section of a message of any version, or a negative status.

    ``length`` is what the transport delivered, in bytes; bytes behind the segment are ignored.
    """
    if (address & 7) != 0:
        return MISALIGNED
    if length < 16:
        return TRUNCATED
    table = load_i64(address)
    if (table & 0xFFFFFFFF) != 0:
        return SEGMENT_COUNT
    segment_words = (table >> 32) & 0xFFFFFFFF
    if segment_words < 1 or 8 + segment_words * 8 > length:
        return TRUNCATED
    pointer = load_i64(address + 8)
    if pointer == 0 or (pointer & 3) != 0:
        return POINTER_KIND
    # Bits 2 to 31 are the signed distance in words from the end of the pointer to the struct.
    distance_words = (((pointer & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000) >> 2
    start_words = 1 + distance_words
    size_words = ((pointer >> 32) & 0xFFFF) + ((pointer >> 48) & 0xFFFF)
    if start_words < 1 or start_words + size_words > segment_words:
        return OUT_OF_BOUNDS
    data: int = address + 8 + start_words * 8
    if data_words(address) < 1 or load_u16(data) != kind:
        return WRONG_KIND
    return data
