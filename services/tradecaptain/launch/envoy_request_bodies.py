"""The filter by which Envoy refuses REST requests with fields that are unknown or given twice.

Envoy's transcoder drops unknown fields of a body, and of a field that is given twice (in the body,
or in the path and elsewhere) takes one, and has no option against either. So a short script
(``request_bodies.lua``) looks at the names in a request before the transcoder does, by tables that
are made here from the descriptors of the contract. The same script types what a service's gRPC
library refuses by itself.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)
from tradecaptain.launch.envoy_local_replies import library_refusals

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
        route
        for file in files
        if file.package.startswith(_OURS)
        for service in file.service
        for method in service.method
        for route in _routes(method, messages)
    ]
    tables = [
        "local ROUTES = " + _lua_list(route.as_lua() for route in routes),
        "local MESSAGES = "
        + _lua_messages({route.body for route in routes if route.body}, messages),
        "local LIBRARY_REFUSALS = "
        + _lua_list(_lua_list(_quoted(text) for text in row) for row in library_refusals()),
    ]
    script = importlib.resources.files("tradecaptain.launch").joinpath(_SCRIPT).read_text("utf-8")
    return "\n".join([*tables, script])


def _collect(message: DescriptorProto, scope: str, found: dict[str, DescriptorProto]) -> None:
    name = f"{scope}.{message.name}"
    found[name] = message
    for nested in message.nested_type:
        _collect(nested, name, found)


@dataclass(frozen=True, slots=True)
class _Route:
    """A verb and path of the contract."""

    verb: str
    path: str
    """A template: ``{instrument}`` stands for one segment."""
    body: str
    """Name of the message in its body; empty if it takes none."""

    def as_lua(self) -> str:
        """The row of ROUTES; the fields that the path gives are plain names, as the script's."""
        given = (
            f"[{_quoted(name.replace('_', '').lower())}] = true"
            for name in re.findall(r"\{([^}=]*)", self.path)
        )
        pattern = _quoted(_path_pattern(self.path))
        body = _quoted(self.body) if self.body else "false"
        return _lua_list([_quoted(self.verb), pattern, _lua_list(given), body])


def _routes(
    method: MethodDescriptorProto, messages: dict[str, DescriptorProto]
) -> Iterable[_Route]:
    """The verbs and paths of a method that take a body, or a field from the path."""
    rule = method.options.Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        if verb is None:
            continue
        path: str = getattr(binding, verb)
        message = ""
        if binding.body:
            message = method.input_type.removeprefix(".")
        if binding.body not in ("", "*"):
            fields = {field.name: field for field in messages[message].field}
            message = fields[binding.body].type_name.removeprefix(".")
        if message or "{" in path:
            yield _Route(verb.upper(), path, message)


def _path_pattern(path: str) -> str:
    """A path template as a Lua pattern."""
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
