"""Everything derived from the error catalogue ``api/errors/v1/errors.proto``.

The constants for kernels, the Cap'n Proto enum, the C header and the table of the documentation.
"""

from __future__ import annotations

import importlib.resources
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from generators import GenerationError, camel_case, run_tool, write_text

INPUTS = ("proto/tradecaptain/api/errors/v1/errors.proto", "tools/generators/reasons.py")
TOOLS = ("grpcio-tools", "protobuf")

PROTO = "tradecaptain/api/errors/v1/errors.proto"
PREFIX = "REASON_"
REASON_MAX = 0xFFFF
SOURCE = f"proto/{PROTO}"

# Names of google.rpc.Code by number.
GRPC_CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)


@dataclass(frozen=True)
class Reason:
    """One value of the catalogue with its options and its comment."""

    name: str
    number: int
    rule: str
    field: str
    retryable: bool
    grpc_code: int
    clause: str
    comment: str


def _descriptor_set(root: Path) -> descriptor_pb2.FileDescriptorSet:
    includes = [root / "proto", root / "third_party"]
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "errors.binpb"
        run_tool(
            "python",
            "-m",
            "grpc_tools.protoc",
            *(f"-I{include}" for include in includes if include.is_dir()),
            f"-I{well_known}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={target}",
            PROTO,
            cwd=root,
        )
        return descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())


def _comments(file: descriptor_pb2.FileDescriptorProto, enum_index: int) -> dict[int, str]:
    # Path of a value: field 5 of the file (enum_type), its index, field 2 (value), its index.
    return {
        location.path[3]: " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
        if len(location.path) == 4 and list(location.path[:3]) == [5, enum_index, 2]
    }


def read_reasons(root: Path) -> tuple[Reason, ...]:
    """The catalogue in the order of its numbers."""
    files = _descriptor_set(root)
    # Parsing the options needs a pool that knows the extension.
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    extension = pool.FindExtensionByName("tradecaptain.api.errors.v1.info")
    options_class = message_factory.GetMessageClass(
        pool.FindMessageTypeByName("google.protobuf.EnumValueOptions")
    )
    file = next(item for item in files.file if item.name == PROTO)
    enum_index = next(index for index, item in enumerate(file.enum_type) if item.name == "Reason")
    comments = _comments(file, enum_index)
    reasons = []
    for index, value in enumerate(file.enum_type[enum_index].value):
        options = options_class.FromString(value.options.SerializeToString())
        info: Any = options.Extensions[extension]  # type: ignore[index]
        reason = Reason(
            name=value.name,
            number=value.number,
            rule=info.rule,
            field=info.field,
            retryable=info.retryable,
            grpc_code=info.grpc_code,
            clause=info.clause,
            comment=comments.get(index, ""),
        )
        _check(reason)
        reasons.append(reason)
    return tuple(sorted(reasons, key=lambda reason: reason.number))


def _check(reason: Reason) -> None:
    if not reason.name.startswith(PREFIX) or not 0 <= reason.number <= REASON_MAX:
        raise GenerationError(f"{SOURCE}: {reason.name} must be {PREFIX}… and fit 16 bits")
    if not reason.comment:
        raise GenerationError(f"{SOURCE}: {reason.name} has no comment")
    if reason.number != 0 and (not reason.rule or not 0 < reason.grpc_code < len(GRPC_CODES)):
        raise GenerationError(f"{SOURCE}: {reason.name} needs a rule and a gRPC code")


def _python(reasons: tuple[Reason, ...]) -> str:
    constants = "".join(f"{reason.name}: Final = {reason.number}\n" for reason in reasons)
    names = "".join(f'    {reason.name}: "{reason.name}",\n' for reason in reasons)
    rules = "".join(
        f"    {reason.name}: ReasonRule(\n"
        f"        rule={_quote(reason.rule)},\n"
        f"        field={_quote(reason.field)},\n"
        f"        retryable={reason.retryable},\n"
        f"        grpc_code={reason.grpc_code},\n"
        f"        clause={_quote(reason.clause)},\n"
        "    ),\n"
        for reason in reasons
    )
    return (
        f"# Generated by tools/gen.py from {SOURCE}. Do not edit.\n"
        '"""Numbers of the error catalogue and what each of them means."""\n\n'
        "from typing import Final, NamedTuple\n\n\n"
        "class ReasonRule(NamedTuple):\n"
        '    """The rule behind a reason, as the catalogue states it."""\n\n'
        "    rule: str\n    field: str\n    retryable: bool\n    grpc_code: int\n"
        "    clause: str\n\n\n"
        f"{constants}\n"
        f"NAMES: Final[dict[int, str]] = {{\n{names}}}\n\n"
        f"RULES: Final[dict[int, ReasonRule]] = {{\n{rules}}}\n"
    )


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _capnp(reasons: tuple[Reason, ...]) -> str:
    # Enumerants of Cap'n Proto are numbered without gaps, so the catalogue's gaps are filled.
    by_number = {reason.number: reason for reason in reasons}
    lines = []
    for number in range(max(by_number) + 1):
        reason = by_number.get(number)
        if reason is None:
            lines.append(f"  reserved{number} @{number};")
        else:
            name = camel_case(reason.name.removeprefix(PREFIX))
            lines.append(f"  {name} @{number};\n  # {reason.comment}")
    return (
        "@0xb1f0c7a2d4e86a1f;\n"
        f"# Generated by tools/gen.py from {SOURCE}. Do not edit.\n"
        "# The error catalogue. Enumerants named reserved fill the gaps of its numbers.\n\n"
        "enum Reason {\n" + "\n".join(lines) + "\n}\n"
    )


def _c_header(reasons: tuple[Reason, ...]) -> str:
    lines = "".join(
        f"    /* {reason.comment} */\n    TRADECAPTAIN_{reason.name} = {reason.number},\n"
        for reason in reasons
    )
    return (
        f"/* Generated by tools/gen.py from {SOURCE}. Do not edit. */\n"
        "#ifndef TRADECAPTAIN_REASON_H\n#define TRADECAPTAIN_REASON_H\n\n"
        f"enum tradecaptain_reason {{\n{lines}}};\n\n"
        "#endif /* TRADECAPTAIN_REASON_H */\n"
    )


def _table(reasons: tuple[Reason, ...]) -> str:
    rows = "".join(
        f"| {reason.number} | `{reason.name.removeprefix(PREFIX)}` | {_cell(reason.comment)} "
        f"| {_cell(reason.rule)} | {f'`{reason.field}`' if reason.field else ''} "
        f"| {'yes' if reason.retryable else ''} | `{GRPC_CODES[reason.grpc_code]}` "
        f"| {_cell(reason.clause)} |\n"
        for reason in reasons
        if reason.number != 0
    )
    return (
        f"<!-- Generated by tools/gen.py from {SOURCE}. Do not edit. -->\n"
        "# Error catalogue\n\n"
        "Every refusal carries one of these numbers: in mesh records as `reason`, over gRPC and\n"
        "REST as `tradecaptain.api.errors.v1.ErrorDetail` in the details of the status. A\n"
        "retryable request may succeed later without a change.\n\n"
        "The field below is the field's own name. `ErrorDetail.field` is its path in the request:\n"
        "`order.quantity` in `SubmitOrderRequest` and `CheckOrderRequest`, `replace.quantity` in\n"
        "`ReplaceOrderRequest`. In the result of one order of a batch it is the name in that\n"
        "order, in that of a command of a session its path there, such as `submit.quantity`.\n\n"
        "| number | reason | when | rule | field | retryable | gRPC code | clause |\n"
        "| ---: | --- | --- | --- | --- | --- | --- | --- |\n" + rows
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def generate(root: Path, out: Path) -> None:
    """Write constants, enum, header and table of the error catalogue."""
    reasons = read_reasons(root)
    write_text(out / "gen" / "python" / "tradecaptain" / "wire" / "reason.py", _python(reasons))
    write_text(out / "gen" / "capnp" / "reason.capnp", _capnp(reasons))
    write_text(out / "gen" / "c" / "tradecaptain_reason.h", _c_header(reasons))
    write_text(out / "docs" / "errors.md", _table(reasons))
