"""Protobuf's wire format for kernels: numbers and texts, read with bounds and written.

A reader is a record with the fields ``position``, an address, and ``failed``, which stays set once
something could not be read.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import copy_bytes, load_u8, store_u8

VARINT = 0
LENGTH = 2
KEY_BYTES = 32
"""Room of a client order id in the mesh's records, padded with zero bytes."""


def tag_of(message: Any, field: str, wire_type: int) -> int:
    """The tag that stands before a field of a message type."""
    return int(message.DESCRIPTOR.fields_by_name[field].number) << 3 | wire_type


@inline
def read_varint(cursor: Any, end: int) -> int:
    """The number at ``position``, which moves behind it; ``failed`` is set if there is none.

    Numbers beyond 63 bits are left to the protobuf runtime.
    """
    value = 0
    shift = 0
    address = cursor[0]["position"]
    while address < end and shift < 63:
        byte = load_u8(address)
        address += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            cursor[0]["position"] = address
            return value
        shift += 7
    cursor[0]["failed"] = 1
    return 0


@inline
def read_length(cursor: Any, end: int) -> int:
    """Length of a delimited field that lies within ``end``; negative if it doesn't."""
    length = read_varint(cursor, end)
    if cursor[0]["failed"] != 0 or length > end - cursor[0]["position"]:
        cursor[0]["failed"] = 1
        return 0
    return length


@inline
def unzigzag(value: int) -> int:
    """The signed number that protobuf's sint64 folds into ``value``."""
    return (value >> 1) ^ -(value & 1)


@inline
def write_varint(address: int, value: int) -> int:
    """Write a non-negative number; returns the address behind it."""
    while value > 0x7F:
        store_u8(address, (value & 0x7F) | 0x80)
        value >>= 7
        address += 1
    store_u8(address, value)
    return address + 1


@inline
def write_signed(address: int, value: int) -> int:
    """Write a number as protobuf's int64: a negative one takes ten bytes."""
    if value >= 0:
        return write_varint(address, value)
    for _ in range(9):
        store_u8(address, (value & 0x7F) | 0x80)
        value >>= 7
        address += 1
    store_u8(address, 1)
    return address + 1


@inline
def write_zigzag(address: int, value: int) -> int:
    """Write a number as protobuf's sint64."""
    # Sign-folded magnitude fits 64 bits unsigned; the top bit is written by hand.
    folded = (value << 1) ^ (value >> 63)
    if folded >= 0 and value != -(1 << 63):
        return write_varint(address, folded)
    for _ in range(9):
        store_u8(address, (folded & 0x7F) | 0x80)
        folded = (folded >> 7) & ((1 << 57) - 1)
        address += 1
    store_u8(address, folded & 0x7F)
    return address + 1


@inline
def write_text(address: int, tag: int, text: int, length: int) -> int:
    """Write the bytes of a text field; nothing if it is empty."""
    if length == 0:
        return address
    address = write_varint(address, tag)
    address = write_varint(address, length)
    copy_bytes(address, text, length)
    return address + length


@inline
def write_key(address: int, tag: int, key: int) -> int:
    """Write a client order id, which ends at its first zero byte; nothing if it is empty."""
    length = 0
    while length < KEY_BYTES and load_u8(key + length) != 0:
        length += 1
    return write_text(address, tag, key, length)


@inline
def write_number(address: int, tag: int, value: int) -> int:
    """Write a field that holds a plain number; nothing if it is zero."""
    if value == 0:
        return address
    return write_signed(write_varint(address, tag), value)


@inline
def write_zigzag_number(address: int, tag: int, value: int) -> int:
    """Write a field that holds a sint64; nothing if it is zero."""
    if value == 0:
        return address
    return write_zigzag(write_varint(address, tag), value)
