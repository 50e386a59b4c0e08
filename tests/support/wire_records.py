"""The mesh records as the tests see them: accessors, pycapnp's schema and the stock tool."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import capnp
import numba
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMAS = REPOSITORY / "schemas" / "capnp"
VECTORS = REPOSITORY / "tests" / "vectors" / "wire"
CAPNP_TOOL = Path(sys.executable).parent / "capnp"

_PARSERS: list[Any] = []

RECORD_STRUCTS = {
    "order_command": "OrderCommand",
    "execution_event": "ExecutionEvent",
    "book_event": "BookEvent",
    "market_tick": "MarketTick",
    "control": "Control",
}


@dataclass(frozen=True)
class SchemaField:
    """One field by both of its names; ``low`` and ``high`` bound what the schema lets it hold."""

    name: str
    camel_name: str
    low: int
    high: int
    is_enum: bool


def accessors(record: str) -> ModuleType:
    """The generated module of a record."""
    return importlib.import_module(f"tradecaptain.wire.{record}")


@cache
def struct_schema(record: str) -> Any:
    """Pycapnp's class for a record, from the committed schema."""
    return load_struct(SCHEMAS / f"{record}.capnp", RECORD_STRUCTS[record])


def load_struct(path: Path, struct: str) -> Any:
    """Pycapnp's class for a struct; each call has a parser of its own, so that versions coexist."""
    parser = capnp.SchemaParser()
    # Pycapnp's schemas point into their parser without holding it.
    _PARSERS.append(parser)
    return getattr(parser.load(str(path), imports=[str(SCHEMAS)]), struct)


@cache
def schema_fields(record: str) -> tuple[SchemaField, ...]:
    """Fields in the order of the source, with the range of values that the schema allows."""
    struct = struct_schema(record)
    fields = []
    for name, field in struct.schema.fields.items():
        kind = field.proto.slot.type.which()
        if kind == "enum":
            low, high = 0, len(field.schema.enumerants) - 1
        else:
            bits = int(re.sub(r"\D", "", kind))
            unsigned = kind.startswith("uint")
            low = 0 if unsigned else -(1 << (bits - 1))
            high = (1 << bits) - 1 if unsigned else (1 << (bits - 1)) - 1
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
        fields.append(SchemaField(snake, name, low, high, kind == "enum"))
    return tuple(fields)


def signed_word(value: int) -> int:
    """The int64 with the bits of an unsigned 64-bit number, as the accessors return it."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _compiled(source: str, names: dict[str, Any]) -> Callable[..., Any]:
    exec(source, names)
    return numba.njit(names["function"])


@cache
def kernel_writer(record: str) -> Callable[[int, np.ndarray], None]:
    """A kernel that writes a whole message at an address, field by field."""
    lines = [
        f"    record.set_{field.name}(address, values[{index}])"
        for index, field in enumerate(schema_fields(record))
    ]
    source = "def function(address, values):\n    record.initialise(address)\n" + "\n".join(lines)
    return _compiled(source, {"record": accessors(record)})


@cache
def kernel_reader(record: str) -> Callable[[int, int, int, np.ndarray], int]:
    """A kernel that normalises a message and reads every field of it."""
    lines = [
        f"    values[{index}] = record.get_{field.name}(found)"
        for index, field in enumerate(schema_fields(record))
    ]
    source = (
        "def function(address, length, scratch, values):\n"
        "    found = record.normalise(address, length, scratch)\n"
        "    if found < 0:\n        return found\n" + "\n".join(lines) + "\n    return found"
    )
    return _compiled(source, {"record": accessors(record)})


def aligned_buffer(length: int) -> np.ndarray:
    """Zeroed bytes on an 8-byte boundary."""
    return np.zeros(length // 8 + 1, dtype=np.int64).view(np.uint8)[:length]


def write_with_kernel(record: str, values: dict[str, int]) -> bytes:
    """The message with these values (by snake-case name), written by a kernel."""
    # Old bytes in the buffer show whether the kernel overwrites everything.
    buffer = aligned_buffer(accessors(record).RECORD_BYTES)
    buffer[:] = 0xA5
    words = [signed_word(values[field.name]) for field in schema_fields(record)]
    kernel_writer(record)(buffer.ctypes.data, np.array(words, dtype=np.int64))
    return buffer.tobytes()


def read_with_kernel(record: str, message: bytes) -> dict[str, int] | int:
    """The values of a message as a kernel reads them, or the negative status."""
    buffer = aligned_buffer(len(message))
    buffer[:] = np.frombuffer(message, dtype=np.uint8)
    scratch = aligned_buffer(accessors(record).RECORD_BYTES)
    fields = schema_fields(record)
    words = np.zeros(len(fields), dtype=np.int64)
    status = kernel_reader(record)(buffer.ctypes.data, len(message), scratch.ctypes.data, words)
    if status < 0:
        return int(status)
    return {
        field.name: int(word) + ((1 << 64) if word < 0 <= field.low else 0)
        for field, word in zip(fields, words, strict=True)
    }


def write_with_pycapnp(struct: Any, values: dict[str, int]) -> bytes:
    """The message with these values (by the schema's names), written by pycapnp."""
    message = struct.new_message()
    for name, value in values.items():
        setattr(message, name, value)
    return bytes(message.to_bytes())


def read_with_pycapnp(struct: Any, message: bytes) -> dict[str, int]:
    """The values of a message by the schema's names, as pycapnp reads them."""
    with struct.from_bytes(message) as reader:
        return {
            name: _number(getattr(reader, name))
            for name, field in struct.schema.fields.items()
            if field.proto.slot.type.which() != "text"
        }


def _number(value: Any) -> int:
    return value if isinstance(value, int) else int(value.raw)


def by_camel_name(record: str, values: dict[str, int]) -> dict[str, int]:
    """The same values under the schema's names."""
    return {field.camel_name: values[field.name] for field in schema_fields(record)}


def run_capnp(*arguments: str, data: bytes) -> bytes:
    """Run the stock ``capnp`` tool in the schema folder."""
    return subprocess.run(
        [str(CAPNP_TOOL), *arguments], input=data, cwd=SCHEMAS, check=True, capture_output=True
    ).stdout


def as_capnp_text(record: str, values: dict[str, int]) -> bytes:
    """The values in the text form that ``capnp encode`` reads; enumerants by name."""
    struct = struct_schema(record)
    parts = []
    for field in schema_fields(record):
        value: int | str = values[field.name]
        if field.is_enum:
            enumerants = struct.schema.fields[field.camel_name].schema.enumerants
            value = next(name for name, number in enumerants.items() if number == value)
        parts.append(f"{field.camel_name} = {value}")
    return ("(" + ", ".join(parts) + ")").encode()
