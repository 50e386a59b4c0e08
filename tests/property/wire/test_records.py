"""Every field at its edges, every mutation of a message, against pycapnp and a naive twin."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import wire_records
from support.wire_records import RECORD_STRUCTS
from tradecaptain.wire import status
from twins.wire import message as twin

pytestmark = pytest.mark.twin


def field_values(field: wire_records.SchemaField, kind: int) -> st.SearchStrategy[int]:
    if field.name == "kind":
        return st.just(kind)
    powers = [1 << bit for bit in range(field.high.bit_length() + 1)]
    edges = {field.low, field.high, 0}
    edges.update(sign * power + step for power in powers for sign in (1, -1) for step in (-1, 0, 1))
    inside = sorted(value for value in edges if field.low <= value <= field.high)
    return st.one_of(st.sampled_from(inside), st.integers(field.low, field.high))


def values_of(record: str) -> st.SearchStrategy[dict[str, int]]:
    kind = wire_records.accessors(record).KIND
    return st.fixed_dictionaries(
        {field.name: field_values(field, kind) for field in wire_records.schema_fields(record)}
    )


@pytest.mark.parametrize("record", tuple(RECORD_STRUCTS))
@given(data=st.data())
def test_kernel_and_pycapnp_agree_on_every_field(record: str, data: st.DataObject) -> None:
    values = data.draw(values_of(record))
    message = wire_records.write_with_kernel(record, values)
    by_camel_name = wire_records.by_camel_name(record, values)
    schema = wire_records.struct_schema(record)
    assert message == wire_records.write_with_pycapnp(schema, by_camel_name)
    assert wire_records.read_with_kernel(record, message) == values
    assert wire_records.read_with_pycapnp(schema, message) == by_camel_name


@st.composite
def damaged(draw: st.DrawFn, record: str) -> bytes:
    """A message whose prefix is replaced in part, cut or lengthened."""
    module = wire_records.accessors(record)
    words = module.DATA_WORDS
    near = st.integers(0, words + 3)
    table = draw(st.tuples(st.sampled_from([0, 0, 0, 1, 0xFFFFFFFF]), near))
    low = draw(
        st.one_of(
            st.just(0),
            st.integers(-3, 6).map(lambda distance: distance << 2),
            st.integers(-(1 << 31), (1 << 31) - 1),
        )
    )
    sizes = draw(st.tuples(near | st.just(0xFFFF), st.sampled_from([0, 0, 1, 2, 0xFFFF])))
    kind = draw(st.sampled_from([module.KIND, module.KIND, 0, 0xFFFF]))
    body = struct.pack("<H", kind) + draw(
        st.binary(min_size=8 * words - 2, max_size=8 * words + 32)
    )
    message = struct.pack("<IIiHH", *table, low, *sizes) + body
    return message[: draw(st.integers(0, len(message)) | st.just(len(message)))]


@pytest.mark.parametrize("record", ["control", "execution_event"])
@given(data=st.data())
def test_damaged_messages_are_judged_like_the_twin_does(record: str, data: st.DataObject) -> None:
    module = wire_records.accessors(record)
    message = data.draw(damaged(record))
    buffer = wire_records.aligned_buffer(max(len(message), 8))
    buffer[: len(message)] = bytearray(message)
    scratch = wire_records.aligned_buffer(module.RECORD_BYTES)
    found = module.normalise(buffer.ctypes.data, len(message), scratch.ctypes.data)
    verdict = twin.data_section(message, 0, module.KIND)
    if isinstance(verdict, str):
        assert status.NAMES.get(found) == verdict
        return
    assert found in (buffer.ctypes.data, scratch.ctypes.data)
    source = buffer if found == buffer.ctypes.data else scratch
    expected = twin.current_layout(verdict, module.DATA_WORDS)
    assert source[16 : module.RECORD_BYTES].tobytes() == expected


@pytest.mark.parametrize("record", tuple(RECORD_STRUCTS))
@given(data=st.data())
def test_any_length_of_the_data_section_is_read(record: str, data: st.DataObject) -> None:
    module = wire_records.accessors(record)
    values = data.draw(values_of(record))
    complete = wire_records.write_with_kernel(record, values)[16:]
    words = data.draw(st.integers(1, module.DATA_WORDS + 4))
    pointers = data.draw(st.integers(0, 3))
    section = complete[: 8 * words].ljust(8 * words, b"\x77") + b"\0" * 8 * pointers
    prefix = struct.pack("<IIiHH", 0, 1 + words + pointers, 0, words, pointers)
    read = wire_records.read_with_kernel(record, prefix + section)
    dtype = module.DTYPE
    for field in wire_records.schema_fields(record):
        offset = getattr(module, f"OFFSET_{field.name.upper()}")
        known = offset + dtype[field.name].itemsize <= 16 + 8 * words
        assert read[field.name] == (values[field.name] if known else 0), field.name
