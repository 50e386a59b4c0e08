"""Older and newer versions of a struct, read both ways by the evolution rules of Cap'n Proto."""

from __future__ import annotations

import json

import pytest
from support import wire_records
from support.wire_records import VECTORS

pytestmark = pytest.mark.twin

ABSENT_FROM_OLDER = {
    "bid_price_units",
    "bid_quantity_units",
    "ask_price_units",
    "ask_quantity_units",
    "vendor_id",
}


def values() -> dict[str, int]:
    text = (VECTORS / "market_tick.v1.json").read_text(encoding="utf-8")
    return {name: int(value) for name, value in json.loads(text).items()}


def test_kernel_reads_an_older_version_with_zeros_for_what_it_lacks() -> None:
    message = (VECTORS / "market_tick.older.bin").read_bytes()
    expected = {name: 0 if name in ABSENT_FROM_OLDER else value for name, value in values().items()}
    assert wire_records.read_with_kernel("market_tick", message) == expected


def test_kernel_reads_a_newer_version_without_what_it_adds() -> None:
    message = (VECTORS / "market_tick.newer.bin").read_bytes()
    assert wire_records.read_with_kernel("market_tick", message) == values()


@pytest.mark.parametrize("version", ["older", "newer"])
def test_other_versions_read_what_the_kernel_writes(version: str) -> None:
    struct = wire_records.load_struct(
        VECTORS / "versions" / f"market_tick_{version}.capnp", "MarketTick"
    )
    message = wire_records.write_with_kernel("market_tick", values())
    read = wire_records.read_with_pycapnp(struct, message)
    expected = wire_records.by_camel_name("market_tick", values())
    assert read == {name: expected.get(name, 0) for name in read}
    assert len(read) == len(expected) - 5 if version == "older" else len(expected) + 2


@pytest.mark.parametrize("version", ["older", "newer"])
def test_other_layouts_are_copied_and_left_as_they_were(version: str) -> None:
    module = wire_records.accessors("market_tick")
    message = (VECTORS / f"market_tick.{version}.bin").read_bytes()
    buffer = wire_records.aligned_buffer(len(message))
    buffer[:] = bytearray(message)
    scratch = wire_records.aligned_buffer(module.RECORD_BYTES)
    found = module.normalise(buffer.ctypes.data, len(message), scratch.ctypes.data)
    assert found == scratch.ctypes.data
    assert buffer.tobytes() == message
    # The copy is a message of the current layout: pycapnp reads it with the current schema.
    read = wire_records.read_with_pycapnp(
        wire_records.struct_schema("market_tick"), scratch.tobytes()
    )
    assert read["kind"] == module.KIND
    assert read["priceUnits"] == values()["price_units"]


def test_current_layout_is_read_where_it_lies() -> None:
    module = wire_records.accessors("market_tick")
    message = wire_records.write_with_kernel("market_tick", values())
    buffer = wire_records.aligned_buffer(len(message))
    buffer[:] = bytearray(message)
    assert module.normalise(buffer.ctypes.data, len(message), 0) == buffer.ctypes.data


def test_segment_with_a_gap_before_the_struct_is_read() -> None:
    message = wire_records.write_with_kernel("market_tick", values())
    data = message[16:]
    # The root pointer's distance is two words.
    pointer = (2 << 2) | (len(data) // 8) << 32
    segment = pointer.to_bytes(8, "little") + b"\xee" * 16 + data
    table = bytes(4) + (len(segment) // 8).to_bytes(4, "little")
    assert wire_records.read_with_kernel("market_tick", table + segment) == values()
