"""Accessors for numba from the Cap'n Proto schemas.

The schema compiler writes its CodeGeneratorRequest, pycapnp reads it, and every struct becomes a
plain module of constants, loads and stores in ``tradecaptain.wire``. Mesh records hold scalars only
and every default is zero; a schema that breaks this is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import capnp

from generators import GenerationError, run_tool, snake_case, write_text

INPUTS = ("schemas/capnp/*.capnp", "tools/generators/capnp.py", "tools/generators/runtime/*.py")
TOOLS = ("capnproto", "pycapnp")

PREFIX_BYTES = 16
COMMON_FIELDS = ("kind", "schemaVersion", "epoch", "sequence", "timeNs")

# Cap'n Proto type: bytes, machine type, suffix of load and store, numpy code. A UInt64 is read as
# int64, bits unchanged: numba turns arithmetic between int64 and uint64 into float64.
SCALARS = {
    "int8": (1, "int8", "i8", "i1"),
    "uint8": (1, "uint8", "u8", "u1"),
    "int16": (2, "int16", "i16", "<i2"),
    "uint16": (2, "uint16", "u16", "<u2"),
    "enum": (2, "uint16", "u16", "<u2"),
    "int32": (4, "int32", "i32", "<i4"),
    "uint32": (4, "uint32", "u32", "<u4"),
    "int64": (8, "int64", "i64", "<i8"),
    "uint64": (8, "int64", "i64", "<i8"),
    "float64": (8, "float64", "f64", "<f8"),
}


@dataclass(frozen=True)
class Field:
    """One scalar of a record; ``offset_bytes`` counts from the start of the message."""

    name: str
    scalar: str
    offset_bytes: int

    @property
    def is_float(self) -> bool:
        """Whether the field holds a model value."""
        return self.scalar == "float64"


@dataclass(frozen=True)
class Record:
    """One struct: its fields in the order of the source, and where its constants come from."""

    name: str
    kind: int
    version: int
    data_words: int
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class SchemaFile:
    """What one schema file declares."""

    stem: str
    enums: tuple[tuple[str, tuple[str, ...]], ...]
    records: tuple[Record, ...]


def read_schemas(root: Path) -> tuple[SchemaFile, ...]:
    """Compile ``schemas/capnp`` and return its files in the order of their names."""
    folder = root / "schemas" / "capnp"
    sources = sorted(path.name for path in folder.glob("*.capnp"))
    request_bytes = run_tool("capnp", "compile", "-o-", *sources, cwd=folder)
    site_packages = Path(capnp.__file__).parent.parent
    schema = capnp.load(str(site_packages / "capnp" / "schema.capnp"), imports=[str(site_packages)])
    with schema.CodeGeneratorRequest.from_bytes(request_bytes) as request:
        nodes = {node.id: node for node in request.nodes}
        kinds = _enumerants(_find_enum(nodes.values(), "RecordKind"))
        return tuple(
            _schema_file(Path(requested.filename).stem, requested.id, nodes, kinds)
            for requested in sorted(request.requestedFiles, key=lambda item: item.filename)
        )


def _find_enum(nodes: Any, name: str) -> Any:
    for node in nodes:
        if node.which() == "enum" and node.displayName.endswith(f":{name}"):
            return node
    raise GenerationError(f"schemas/capnp declares no enum {name}")


def _enumerants(node: Any) -> tuple[str, ...]:
    # Position in the list is the value on the wire.
    return tuple(enumerant.name for enumerant in node.enum.enumerants)


def _schema_file(
    stem: str, file_id: int, nodes: dict[int, Any], kinds: tuple[str, ...]
) -> SchemaFile:
    enums: list[tuple[str, tuple[str, ...]]] = []
    records: list[Record] = []
    for nested in nodes[file_id].nestedNodes:
        node = nodes[nested.id]
        if node.which() == "enum":
            enums.append((nested.name, _enumerants(node)))
        elif node.which() == "struct":
            records.append(_record(nested.name, node, nodes, kinds))
        else:
            raise GenerationError(
                f"{stem}.capnp: {nested.name}: only enums and structs may stand here"
            )
    return SchemaFile(stem, tuple(enums), tuple(records))


def _record(name: str, node: Any, nodes: dict[int, Any], kinds: tuple[str, ...]) -> Record:
    if node.struct.pointerCount != 0 or node.struct.discriminantCount != 0:
        raise GenerationError(f"{name}: a mesh record holds scalars only")
    kind_name = name[0].lower() + name[1:]
    if kind_name not in kinds:
        raise GenerationError(f"{name}: RecordKind has no enumerant {kind_name}")
    ordered = sorted(node.struct.fields, key=lambda item: item.codeOrder)
    fields = tuple(_field(name, field) for field in ordered)
    if tuple(field.name for field in ordered[:5]) != COMMON_FIELDS:
        raise GenerationError(f"{name}: the first five fields must be {', '.join(COMMON_FIELDS)}")
    versions = [
        nodes[nested.id].const.value.uint16
        for nested in node.nestedNodes
        if nested.name == "currentVersion"
    ]
    if len(versions) != 1:
        raise GenerationError(f"{name}: needs `const currentVersion :UInt16`")
    return Record(name, kinds.index(kind_name), versions[0], node.struct.dataWordCount, fields)


def _field(record: str, field: Any) -> Field:
    if field.which() != "slot" or field.slot.type.which() not in SCALARS:
        raise GenerationError(f"{record}.{field.name}: a mesh record holds plain numbers only")
    scalar = field.slot.type.which()
    default = field.slot.defaultValue
    if getattr(default, default.which()) != 0:
        raise GenerationError(f"{record}.{field.name}: a default other than zero is not allowed")
    # Slot offsets are counted in units of the field's own size.
    offset_bytes = PREFIX_BYTES + field.slot.offset * SCALARS[scalar][0]
    return Field(snake_case(field.name), scalar, offset_bytes)


def _header(source: str, summary: str) -> str:
    return (
        f"# Generated by tools/gen.py from {source}. Do not edit.\n"
        f'"""{summary}"""\n\n'
        "from typing import Any, Final\n"
    )


def _enum_block(enums: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    blocks = []
    for name, enumerants in enums:
        prefix = snake_case(name).upper()
        lines = [
            f"{prefix}_{snake_case(enumerant).upper()}: Final = {value}"
            for value, enumerant in enumerate(enumerants)
        ]
        names = "".join(f'    "{snake_case(enumerant)}",\n' for enumerant in enumerants)
        lines.append(f"{prefix}_NAMES: Final[tuple[str, ...]] = (\n{names})")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _imports(record: Record) -> str:
    used = {"load_i64", "load_u16", "store_i64", "copy_bytes"}
    for field in record.fields:
        suffix = SCALARS[field.scalar][2]
        used.update((f"load_{suffix}", f"store_{suffix}"))
    names = "".join(f"    {name},\n" for name in sorted(used))
    return (
        "import numpy as np\n\n"
        "from tradecaptain.base.jit import inline\n"
        f"from tradecaptain.base.memory import (\n{names})\n"
        "from tradecaptain.wire.accessor import getter, setter\n"
        "from tradecaptain.wire.layout import data_words, locate\n"
        "from tradecaptain.wire.status import WRONG_KIND"
    )


def _constants(record: Record) -> str:
    segment_words = 1 + record.data_words
    lines = [
        f"KIND: Final = {record.kind}",
        f"SCHEMA_VERSION: Final = {record.version}",
        f"DATA_WORDS: Final = {record.data_words}",
        f"RECORD_BYTES: Final = {PREFIX_BYTES + 8 * record.data_words}",
        "",
        "# One segment of so many words; its root is a struct right behind its pointer.",
        f"SEGMENT_TABLE: Final = {segment_words << 32:#x}",
        f"ROOT_POINTER: Final = {record.data_words << 32:#x}",
        "",
        "# Bytes from the start of the message.",
    ]
    lines += [
        f"OFFSET_{field.name.upper()}: Final = {field.offset_bytes}" for field in record.fields
    ]
    return "\n".join(lines)


def _dtype(record: Record) -> str:
    rows = [("segment_table", "<i8", 0), ("root_pointer", "<i8", 8)]
    rows += [(field.name, SCALARS[field.scalar][3], field.offset_bytes) for field in record.fields]
    columns = {
        "names": "".join(f'            "{name}",\n' for name, _, _ in rows),
        "formats": "".join(f'            "{code}",\n' for _, code, _ in rows),
        "offsets": "".join(f"            {offset},\n" for _, _, offset in rows),
    }
    body = "".join(f'        "{key}": [\n{text}        ],\n' for key, text in columns.items())
    return (
        "DTYPE: Final[np.dtype[Any]] = np.dtype(\n"
        f'    {{\n{body}        "itemsize": RECORD_BYTES,\n    }},\n    align=True,\n)'
    )


def _initialise(record: Record) -> str:
    first_word = record.kind | record.version << 16
    stores = "".join(
        f"    store_i64(address + {PREFIX_BYTES + 8 * word}, 0)\n"
        for word in range(1, record.data_words)
    )
    return (
        "@inline\n"
        "def initialise(address: int) -> None:\n"
        f'    """Write an empty {record.name} of ``RECORD_BYTES`` bytes at ``address``."""\n'
        "    store_i64(address, SEGMENT_TABLE)\n"
        "    store_i64(address + 8, ROOT_POINTER)\n"
        f"    store_i64(address + {PREFIX_BYTES}, {first_word:#x})\n"
        f"{stores}"
    )


def _normalise(record: Record) -> str:
    return (
        "@inline\n"
        "def normalise(address: int, length: int, scratch: int) -> int:\n"
        f'    """Check the {record.name} of ``length`` bytes at ``address``.\n\n'
        "    Returns ``address`` when the layout is this module's; ``scratch`` (``RECORD_BYTES``\n"
        "    bytes, apart from the message) with a copy when it is an older or newer version's;\n"
        '    or a negative number of ``tradecaptain.wire.status``.\n    """\n'
        "    if (\n"
        "        (address & 7) == 0\n"
        "        and length >= RECORD_BYTES\n"
        "        and load_i64(address) == SEGMENT_TABLE\n"
        "        and load_i64(address + 8) == ROOT_POINTER\n"
        "    ):\n"
        "        if load_u16(address + OFFSET_KIND) != KIND:\n"
        "            return WRONG_KIND\n"
        "        return address\n"
        "    data = locate(address, length, KIND)\n"
        "    if data < 0:\n"
        "        return data\n"
        "    initialise(scratch)\n"
        "    copied_bytes = 8 * min(data_words(address), DATA_WORDS)\n"
        f"    copy_bytes(scratch + {PREFIX_BYTES}, data, copied_bytes)\n"
        "    return scratch\n"
    )


def _accessors(field: Field) -> str:
    _, machine_type, suffix, _ = SCALARS[field.scalar]
    offset = f"OFFSET_{field.name.upper()}"
    number = "float" if field.is_float else "int"
    return (
        f'@getter("{machine_type}", {offset})\n'
        f"def get_{field.name}(address: int) -> {number}:\n"
        f'    """Read ``{field.name}`` ({field.scalar})."""\n'
        f"    return load_{suffix}(address + {offset})\n\n\n"
        f'@setter("{machine_type}", {offset})\n'
        f"def set_{field.name}(address: int, value: {number}) -> None:\n"
        f'    """Write ``{field.name}`` ({field.scalar})."""\n'
        f"    store_{suffix}(address + {offset}, value)\n"
    )


def _record_module(schema: SchemaFile, record: Record) -> str:
    source = f"schemas/capnp/{schema.stem}.capnp"
    summary = (
        f"Layout of {record.name} and its accessors at a raw address.\n\n"
        "Getters of unsigned fields return int64 with the same bits; narrower ones are widened,\n"
        "so that arithmetic in kernels stays int64.\n"
    )
    sections = [
        _header(source, summary) + "\n" + _imports(record),
        _enum_block(schema.enums),
        _constants(record),
        _dtype(record),
    ]
    functions = [_initialise(record), _normalise(record), *map(_accessors, record.fields)]
    head = "\n\n".join(section for section in sections if section)
    return head + "\n\n\n" + "\n\n".join(functions)


def generate(root: Path, out: Path) -> None:
    """Write ``tradecaptain.wire``'s records, and the hand-written modules that they lean on."""
    target = out / "gen" / "python" / "tradecaptain" / "wire"
    write_text(
        target / "__init__.py",
        "# Generated by tools/gen.py. Do not edit.\n"
        '"""Generated layouts of the mesh records, stream table and error numbers."""',
    )
    (target / "py.typed").touch()
    for name in ("accessor.py", "layout.py", "status.py"):
        body = (root / "tools" / "generators" / "runtime" / name).read_text(encoding="utf-8")
        header = f"# Copied by tools/gen.py from tools/generators/runtime/{name}. Do not edit.\n"
        write_text(target / name, header + body)
    for schema in read_schemas(root):
        if len(schema.records) > 1:
            raise GenerationError(f"{schema.stem}.capnp: one record a file")
        if schema.records:
            write_text(target / f"{schema.stem}.py", _record_module(schema, schema.records[0]))
        else:
            summary = f"Enumerations of ``schemas/capnp/{schema.stem}.capnp``."
            header = _header(f"schemas/capnp/{schema.stem}.capnp", summary).replace(
                "Any, Final", "Final"
            )
            write_text(target / f"{schema.stem}.py", header + "\n" + _enum_block(schema.enums))
