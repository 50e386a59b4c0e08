"""One message, three writers, the same bytes; and each reads the others'."""

from __future__ import annotations

import json

import pytest
from support import wire_records
from support.wire_records import RECORD_STRUCTS, VECTORS

pytestmark = pytest.mark.twin

RECORDS = tuple(RECORD_STRUCTS)


def newest(record: str) -> str:
    """Name of a record's newest pair, which has every field of today's schema."""
    return max(path.stem for path in VECTORS.glob(f"{record}.v*.json"))


def golden_values(record: str) -> dict[str, int]:
    values = json.loads((VECTORS / f"{newest(record)}.json").read_text(encoding="utf-8"))
    return {name: int(value) for name, value in values.items()}


def golden_bytes(record: str) -> bytes:
    return (VECTORS / f"{newest(record)}.bin").read_bytes()


@pytest.mark.parametrize("record", RECORDS)
def test_kernel_writes_the_golden_bytes(record: str) -> None:
    assert wire_records.write_with_kernel(record, golden_values(record)) == golden_bytes(record)


@pytest.mark.parametrize("record", RECORDS)
def test_pycapnp_writes_the_golden_bytes(record: str) -> None:
    values = wire_records.by_camel_name(record, golden_values(record))
    struct = wire_records.struct_schema(record)
    assert wire_records.write_with_pycapnp(struct, values) == golden_bytes(record)


@pytest.mark.parametrize("record", RECORDS)
def test_stock_encoder_writes_the_golden_bytes(record: str) -> None:
    text = wire_records.as_capnp_text(record, golden_values(record))
    encoded = wire_records.run_capnp("encode", f"{record}.capnp", RECORD_STRUCTS[record], data=text)
    assert encoded == golden_bytes(record)


@pytest.mark.parametrize("record", RECORDS)
def test_kernel_reads_the_golden_bytes(record: str) -> None:
    assert wire_records.read_with_kernel(record, golden_bytes(record)) == golden_values(record)


@pytest.mark.parametrize("record", RECORDS)
def test_pycapnp_reads_what_the_kernel_wrote(record: str) -> None:
    written = wire_records.write_with_kernel(record, golden_values(record))
    read = wire_records.read_with_pycapnp(wire_records.struct_schema(record), written)
    assert read == wire_records.by_camel_name(record, golden_values(record))


@pytest.mark.parametrize("record", RECORDS)
def test_stock_decoder_reads_what_the_kernel_wrote(record: str) -> None:
    written = wire_records.write_with_kernel(record, golden_values(record))
    # Decoded text is encoded again: equal bytes mean that no field was lost or changed.
    struct = RECORD_STRUCTS[record]
    text = wire_records.run_capnp("decode", f"{record}.capnp", struct, data=written)
    again = wire_records.run_capnp("encode", f"{record}.capnp", struct, data=text)
    assert again == written
    document = json.loads(
        wire_records.run_capnp("convert", "binary:json", f"{record}.capnp", struct, data=written)
    )
    numbers = {
        field.camel_name: golden_values(record)[field.name]
        for field in wire_records.schema_fields(record)
        if not field.is_enum
    }
    assert {name: int(document[name]) for name in numbers} == numbers


@pytest.mark.parametrize("record", RECORDS)
def test_numpy_sees_the_same_fields(record: str) -> None:
    module = wire_records.accessors(record)
    buffer = wire_records.aligned_buffer(module.RECORD_BYTES)
    buffer[:] = bytearray(golden_bytes(record))
    row = buffer.view(module.DTYPE)[0]
    for field in wire_records.schema_fields(record):
        value = golden_values(record)[field.name]
        assert int(row[field.name]) == wire_records.signed_word(value), field.name
    assert int(row["segment_table"]) == module.SEGMENT_TABLE
    assert int(row["root_pointer"]) == module.ROOT_POINTER


@pytest.mark.parametrize("record", RECORDS)
def test_empty_record_carries_kind_and_version_alone(record: str) -> None:
    module = wire_records.accessors(record)
    buffer = wire_records.aligned_buffer(module.RECORD_BYTES)
    buffer[:] = 0xFF
    module.initialise(buffer.ctypes.data)
    values = wire_records.read_with_pycapnp(wire_records.struct_schema(record), buffer.tobytes())
    nonzero = {name: value for name, value in values.items() if value}
    assert nonzero == {"kind": module.KIND, "schemaVersion": module.SCHEMA_VERSION}


@pytest.mark.parametrize(
    "older", sorted(p.stem for r in RECORDS for p in VECTORS.glob(f"{r}.v*.json"))
)
def test_every_version_that_was_ever_written_stays_readable(older: str) -> None:
    record = older.partition(".")[0]
    text = (VECTORS / f"{older}.json").read_text(encoding="utf-8")
    written = {name: int(value) for name, value in json.loads(text).items()}
    known = dict.fromkeys(golden_values(record), 0) | written
    message = (VECTORS / f"{older}.bin").read_bytes()
    assert wire_records.read_with_kernel(record, message) == known
