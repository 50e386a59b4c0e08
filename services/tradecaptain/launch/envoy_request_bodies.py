"""The filter by which Envoy refuses REST bodies with fields that the contract doesn't have.

Envoy's transcoder drops unknown fields of a body and has no option against it. So a short script
(``request_bodies.lua``) looks at the names in a body before the transcoder does, by tables that are
made here from the descriptors of the contract.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable
from typing import Final

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

_SCRIPT: Final = "request_bodies.lua"
_OURS: Final = "tradecaptain."


def request_body_script(descriptors: bytes) -> str:
    """The Lua text of the filter for a serialised FileDescriptorSet."""
    files = FileDescriptorSet.FromString(descriptors).file
    messages: dict[str, DescriptorProto] = {}
    for file in files:
        for message in file.message_type:
            _collect(message, file.package, messages)
    routes = [
        (path, body)
        for file in files
        if file.package.startswith(_OURS)
        for service in file.service
        for method in service.method
        for path, body in _bodies(method, messages)
    ]
    tables = [
        "local ROUTES = "
        + _lua_list(f"{{{_quoted(path)}, {_quoted(body)}}}" for path, body in routes),
        "local MESSAGES = " + _lua_messages({body for _, body in routes}, messages),
    ]
    script = importlib.resources.files("tradecaptain.launch").joinpath(_SCRIPT).read_text("utf-8")
    return "\n".join([*tables, script])


def _collect(message: DescriptorProto, scope: str, found: dict[str, DescriptorProto]) -> None:
    name = f"{scope}.{message.name}"
    found[name] = message
    for nested in message.nested_type:
        _collect(nested, name, found)


def _bodies(
    method: MethodDescriptorProto, messages: dict[str, DescriptorProto]
) -> list[tuple[str, str]]:
    """Lua patterns of the paths that take a body, each with the message in it."""
    rule = method.options.Extensions[annotations_pb2.http]
    found = []
    for binding in (rule, *rule.additional_bindings):
        path = binding.post or binding.put or binding.patch
        if not path or not binding.body:
            continue
        message = method.input_type.removeprefix(".")
        if binding.body != "*":
            fields = {field.name: field for field in messages[message].field}
            message = fields[binding.body].type_name.removeprefix(".")
        found.append((_path_pattern(path), message))
    return found


def _path_pattern(path: str) -> str:
    """A path template as a Lua pattern: `{instrument}` stands for one segment."""
    parts = re.split(r"\{[^}]*\}", path)
    return "^" + "[^/]+".join(re.sub(r"([^\w/:])", r"%\1", part) for part in parts) + "$"


def _lua_messages(wanted: set[str], messages: dict[str, DescriptorProto]) -> str:
    """A table of each message that bodies can hold, its fields by both of their JSON names."""
    rows: dict[str, str] = {}
    waiting = sorted(wanted)
    while waiting:
        name = waiting.pop()
        if name in rows:
            continue
        entries = []
        for field in messages[name].field:
            below = _checked_below(field, messages)
            held = _quoted(below) if below else "false"
            entries += [f"[{_quoted(key)}] = {held}" for key in {field.name, field.json_name}]
            if below:
                waiting.append(below)
        rows[name] = f"[{_quoted(name)}] = {_lua_list(sorted(entries))}"
    return _lua_list(rows[name] for name in sorted(rows))


def _checked_below(field: FieldDescriptorProto, messages: dict[str, DescriptorProto]) -> str | None:
    """The message whose fields are checked below a field; none for scalars and foreign types."""
    name = field.type_name.removeprefix(".")
    if field.type != FieldDescriptorProto.TYPE_MESSAGE or not name.startswith(_OURS):
        return None
    return None if messages[name].options.map_entry else name


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _lua_list(items: Iterable[str]) -> str:
    return "{" + ", ".join(items) + "}"
