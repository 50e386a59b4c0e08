"""Column blocks: history as FlatBuffers that NumPy views in place.

A block is one table of ``schemas/flatbuffers``: a few scalars (instrument, units, position) and
vectors of equal length, one a column. :func:`build_block` writes it from arrays, and
:func:`view_block` checks every offset of a block and returns arrays over its own bytes: nothing is
copied, and nothing outside the block is read, whatever its bytes say.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import flatbuffers
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tradecaptain.api.columns.v1 import schemas
from tradecaptain.api.columns.v1.schemas import ColumnField, ColumnSchema
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire.reason import REASON_MALFORMED_RECORD

CANDLE_COLUMNS: Final = schemas.CANDLE_COLUMNS
DEPTH_COLUMNS: Final = schemas.DEPTH_COLUMNS
OPTION_INPUT_COLUMNS: Final = schemas.OPTION_INPUT_COLUMNS
OPTION_VALUE_COLUMNS: Final = schemas.OPTION_VALUE_COLUMNS

# What a table may take besides its columns' elements: root, identifier, vtable, scalars, padding.
_OVERHEAD_BYTES = 1024
# Offsets in a block are signed 32-bit.
_BLOCK_BYTES_MAX = 2**31 - 1

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")


@dataclass(frozen=True, slots=True)
class ColumnBlock:
    """A checked block: its scalars, and its columns as read-only views of its bytes."""

    schema: ColumnSchema
    scalars: Mapping[str, int | float]
    """Every scalar of the schema by name; absent ones are zero."""
    columns: Mapping[str, NDArray[Any]]
    """Every column that the block has, by name; all of length ``row_count``."""
    row_count: int


def schema_of(schema_id: str) -> ColumnSchema:
    """Return the schema with this id; an unknown one is refused."""
    schema = schemas.SCHEMAS.get(schema_id)
    if schema is None:
        raise _malformed(f"unknown column schema {schema_id!r}", field="schema_id")
    return schema


def build_block(
    schema: ColumnSchema, scalars: Mapping[str, int | float], columns: Mapping[str, ArrayLike]
) -> bytes:
    """Write one block.

    Scalars that aren't given are zero; a column that isn't required may be left out. A value that
    doesn't fit its field, columns of different lengths, and a name that the schema doesn't have are
    ``ValueError``: they are mistakes of the caller.
    """
    arrays = _columns_to_write(schema, scalars, columns)
    size = sum(array.nbytes for array in arrays.values()) + _OVERHEAD_BYTES
    if size > _BLOCK_BYTES_MAX:
        raise ValueError(f"a block of {size} bytes exceeds {_BLOCK_BYTES_MAX}")
    builder = flatbuffers.Builder(size)
    offsets = {name: builder.CreateNumpyVector(array) for name, array in arrays.items()}
    builder.StartObject(len(schema.fields))
    for slot, field in enumerate(schema.fields):
        if field.name in offsets:
            builder.PrependUOffsetTRelativeSlot(slot, offsets[field.name], 0)
        elif not field.is_vector and field.name in scalars:
            _prepend_scalar(builder, slot, field, scalars[field.name])
    builder.Finish(builder.EndObject(), file_identifier=schema.identifier)
    return bytes(builder.Output())


def view_block(schema: ColumnSchema, data: bytes | memoryview) -> ColumnBlock:
    """Check a block and return views of its columns.

    Raises REASON_MALFORMED_RECORD if any offset, length or alignment is wrong, a required column is
    missing, columns differ in length, or the block is of another schema.
    """
    table = _Table.of(data, schema.identifier)
    scalars: dict[str, int | float] = {}
    columns: dict[str, NDArray[Any]] = {}
    for field in schema.fields:
        if field.is_vector:
            column = table.vector(field)
            if column is not None:
                columns[field.name] = column
        else:
            scalars[field.name] = table.scalar(field)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise _malformed("columns differ in length")
    return ColumnBlock(schema, scalars, columns, lengths.pop() if lengths else 0)


def _malformed(why: str, field: str = "block") -> TradeCaptainError:
    return TradeCaptainError(REASON_MALFORMED_RECORD, f"column block: {why}", field=field)


def _columns_to_write(
    schema: ColumnSchema, scalars: Mapping[str, int | float], columns: Mapping[str, ArrayLike]
) -> dict[str, NDArray[Any]]:
    vectors = {field.name: field for field in schema.fields if field.is_vector}
    known = {field.name for field in schema.fields} - vectors.keys()
    unknown = (columns.keys() - vectors.keys()) | (scalars.keys() - known)
    missing = {name for name, field in vectors.items() if field.required} - columns.keys()
    if unknown or missing:
        raise ValueError(f"unknown fields {sorted(unknown)}, missing columns {sorted(missing)}")
    arrays: dict[str, NDArray[Any]] = {}
    for name, values in columns.items():
        given = np.asarray(values)
        array = np.ascontiguousarray(given, dtype=vectors[name].dtype)
        # Floats may be NaN, which equals nothing; of the right type they are as they were given.
        is_exact = given.dtype == array.dtype or np.array_equal(array, given)
        if array.ndim != 1 or not is_exact:
            raise ValueError(f"{name}: not one dimension of values that fit {vectors[name].dtype}")
        arrays[name] = array
    if len({len(array) for array in arrays.values()}) > 1:
        raise ValueError("columns differ in length")
    return arrays


def _prepend_scalar(
    builder: flatbuffers.Builder, slot: int, field: ColumnField, value: int | float
) -> None:
    prepend = {
        "<u4": builder.PrependUint32Slot,
        "<u8": builder.PrependUint64Slot,
        "<i8": builder.PrependInt64Slot,
        "<f8": builder.PrependFloat64Slot,
    }.get(field.dtype)
    if prepend is None:
        raise ValueError(f"{field.name}: scalars of type {field.dtype} aren't used in columns")
    try:
        prepend(slot, value, 0)
    except TypeError as error:  # flatbuffers says so of a value that is out of range.
        raise ValueError(f"{field.name}: {value} doesn't fit {field.dtype}") from error


@dataclass(frozen=True, slots=True)
class _Table:
    """The root table of a block whose own bounds and vtable have been checked."""

    data: bytes | memoryview
    position: int
    size: int
    vtable: int
    vtable_size: int

    @classmethod
    def of(cls, data: bytes | memoryview, identifier: bytes) -> _Table:
        length = len(data)
        if not 12 <= length <= _BLOCK_BYTES_MAX:
            raise _malformed(f"{length} bytes can't be a block")
        if bytes(data[4:8]) != identifier:
            raise _malformed(f"identifier {bytes(data[4:8])!r} instead of {identifier!r}")
        position = _U32.unpack_from(data, 0)[0]
        if position % 4 or position + 4 > length:
            raise _malformed("root offset outside the block")
        vtable = position - _I32.unpack_from(data, position)[0]
        if vtable % 2 or vtable < 0 or vtable + 4 > length:
            raise _malformed("vtable outside the block")
        vtable_size, size = (_U16.unpack_from(data, vtable + at)[0] for at in (0, 2))
        if vtable_size < 4 or vtable_size % 2 or vtable + vtable_size > length:
            raise _malformed("vtable runs out of the block")
        if size < 4 or position + size > length:
            raise _malformed("table runs out of the block")
        return cls(data, position, size, vtable, vtable_size)

    def place(self, field: ColumnField, value_bytes: int) -> int:
        """Where the field's value lies in the block; zero if the table hasn't got it."""
        if field.vtable_offset + 2 > self.vtable_size:
            return 0
        offset = int(_U16.unpack_from(self.data, self.vtable + field.vtable_offset)[0])
        if offset == 0:
            return 0
        place = self.position + offset
        if offset < 4 or offset + value_bytes > self.size or place % value_bytes:
            raise _malformed(f"{field.name} lies outside its table", field.name)
        return place

    def scalar(self, field: ColumnField) -> int | float:
        dtype = np.dtype(field.dtype)
        place = self.place(field, dtype.itemsize)
        if place == 0:
            return 0
        value: int | float = np.frombuffer(self.data, dtype, 1, place)[0].item()
        return value

    def vector(self, field: ColumnField) -> NDArray[Any] | None:
        dtype = np.dtype(field.dtype)
        place = self.place(field, 4)
        if place == 0:
            if field.required:
                raise _malformed(f"{field.name} is missing", field.name)
            return None
        start = place + _U32.unpack_from(self.data, place)[0]
        if start % 4 or start + 4 > len(self.data):
            raise _malformed(f"{field.name} lies outside the block", field.name)
        count = _U32.unpack_from(self.data, start)[0]
        first = start + 4
        if first % dtype.itemsize:
            raise _malformed(f"{field.name} is misaligned", field.name)
        if count * dtype.itemsize > len(self.data) - first:
            raise _malformed(f"{field.name} runs out of the block", field.name)
        if count == 0:
            return np.empty(0, dtype)
        column = np.frombuffer(self.data, dtype, count, first)
        if not column.flags.aligned:
            raise _malformed(f"{field.name}: the block itself is misaligned", field.name)
        column.flags.writeable = False
        return column
