"""Server reflection, versions v1 and v1alpha, answered from the generated descriptor set.

Python's descriptor pool hands out files from which some tools can't read method names, and it
knows only what the process has imported. The descriptor set holds the whole contract, so any
service can answer for all of them; behind Envoy one of them does.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import AsyncIterator, Callable, Iterable
from functools import lru_cache
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2 as messages

SERVICE_NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT.value[0]
_NOT_FOUND = grpc.StatusCode.NOT_FOUND.value[0]


class DescriptorIndex:
    """Finds files of a descriptor set by name, symbol and extension."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self._files: dict[str, FileDescriptorProto] = {}
        self._file_of_symbol: dict[str, str] = {}
        self._file_of_extension: dict[tuple[str, int], str] = {}
        self.services: list[str] = []
        for file in files:
            if file.name not in self._files:
                self._add(file)
        self.services.sort()

    def by_filename(self, name: str) -> list[bytes] | None:
        """The file and everything that it imports, serialised; None if it isn't known."""
        if name not in self._files:
            return None
        found: dict[str, bytes] = {}
        self._collect(name, found)
        return list(found.values())

    def by_symbol(self, symbol: str) -> list[bytes] | None:
        """The file that declares a fully qualified name, and its imports."""
        name = self._file_of_symbol.get(symbol)
        return None if name is None else self.by_filename(name)

    def by_extension(self, extended: str, number: int) -> list[bytes] | None:
        """The file that declares an extension, and its imports."""
        name = self._file_of_extension.get((extended, number))
        return None if name is None else self.by_filename(name)

    def extension_numbers(self, extended: str) -> list[int] | None:
        """Numbers of all known extensions of a message type; None if the type isn't known."""
        if extended not in self._file_of_symbol:
            return None
        return sorted(number for kind, number in self._file_of_extension if kind == extended)

    def _collect(self, name: str, found: dict[str, bytes]) -> None:
        file = self._files[name]
        found[name] = file.SerializeToString()
        for dependency in file.dependency:
            if dependency not in found and dependency in self._files:
                self._collect(dependency, found)

    def _add(self, file: FileDescriptorProto) -> None:
        self._files[file.name] = file
        prefix = f"{file.package}." if file.package else ""
        self._add_extensions(file.name, file.extension, prefix)
        for message in file.message_type:
            self._add_message(file.name, message, prefix)
        for enum in file.enum_type:
            self._add_enum(file.name, enum, prefix)
        for service in file.service:
            self.services.append(prefix + service.name)
            self._file_of_symbol[prefix + service.name] = file.name
            for method in service.method:
                self._file_of_symbol[f"{prefix}{service.name}.{method.name}"] = file.name

    def _add_message(self, file: str, message: DescriptorProto, prefix: str) -> None:
        name = prefix + message.name
        self._file_of_symbol[name] = file
        for field in message.field:
            self._file_of_symbol[f"{name}.{field.name}"] = file
        for oneof in message.oneof_decl:
            self._file_of_symbol[f"{name}.{oneof.name}"] = file
        self._add_extensions(file, message.extension, name + ".")
        for inner in message.nested_type:
            self._add_message(file, inner, name + ".")
        for enum in message.enum_type:
            self._add_enum(file, enum, name + ".")

    def _add_enum(self, file: str, enum: EnumDescriptorProto, prefix: str) -> None:
        self._file_of_symbol[prefix + enum.name] = file
        for value in enum.value:
            self._file_of_symbol[prefix + value.name] = file

    def _add_extensions(
        self, file: str, extensions: Iterable[FieldDescriptorProto], prefix: str
    ) -> None:
        for extension in extensions:
            self._file_of_symbol[prefix + extension.name] = file
            key = (extension.extendee.lstrip("."), extension.number)
            self._file_of_extension[key] = file


@lru_cache(maxsize=1)
def packaged_index() -> DescriptorIndex:
    """The whole contract, with health and both versions of reflection itself."""
    data = importlib.resources.files("tradecaptain.api").joinpath("descriptors.binpb").read_bytes()
    return DescriptorIndex([*FileDescriptorSet.FromString(data).file, *infrastructure_files()])


def infrastructure_files() -> list[FileDescriptorProto]:
    """Descriptors of health and reflection, which every server offers."""
    health = FileDescriptorProto.FromString(health_pb2.DESCRIPTOR.serialized_pb)
    alpha = FileDescriptorProto.FromString(messages.DESCRIPTOR.serialized_pb)
    # The two versions differ in the package alone, and grpcio ships only the older one.
    stable = FileDescriptorProto()
    stable.CopyFrom(alpha)
    stable.name = "grpc/reflection/v1/reflection.proto"
    stable.package = "grpc.reflection.v1"
    stable.ClearField("options")
    for message in stable.message_type:
        for field in message.field:
            field.type_name = field.type_name.replace(".v1alpha.", ".v1.")
    for service in stable.service:
        for method in service.method:
            method.input_type = method.input_type.replace(".v1alpha.", ".v1.")
            method.output_type = method.output_type.replace(".v1alpha.", ".v1.")
    return [health, alpha, stable]


class Reflection:
    """Answers reflection requests for the services that it is told to list."""

    def __init__(self, index: DescriptorIndex, services: Iterable[str]) -> None:
        self._index = index
        self._services = sorted(services)

    def handlers(self) -> dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]]:
        """Method handlers by service name, for both versions."""
        handler = grpc.stream_stream_rpc_method_handler(
            self._serve,
            request_deserializer=messages.ServerReflectionRequest.FromString,
            response_serializer=messages.ServerReflectionResponse.SerializeToString,
        )
        return {name: {"ServerReflectionInfo": handler} for name in SERVICE_NAMES}

    async def _serve(
        self, requests: AsyncIterator[messages.ServerReflectionRequest], context: Any
    ) -> AsyncIterator[messages.ServerReflectionResponse]:
        async for request in requests:
            yield self.answer(request)

    def answer(
        self, request: messages.ServerReflectionRequest
    ) -> messages.ServerReflectionResponse:
        """One answer; what isn't known is a NOT_FOUND inside it, as the protocol asks."""
        answers: dict[str, Callable[[], messages.ServerReflectionResponse | None]] = {
            "list_services": self._list,
            "file_by_filename": lambda: _files(self._index.by_filename(request.file_by_filename)),
            "file_containing_symbol": lambda: _files(
                self._index.by_symbol(request.file_containing_symbol)
            ),
            "file_containing_extension": lambda: _files(
                self._index.by_extension(
                    request.file_containing_extension.containing_type,
                    request.file_containing_extension.extension_number,
                )
            ),
            "all_extension_numbers_of_type": lambda: self._extensions(
                request.all_extension_numbers_of_type
            ),
        }
        kind = request.WhichOneof("message_request")
        if kind is None:
            response = _error(_INVALID_ARGUMENT, "the request asks for nothing")
        else:
            response = answers[kind]() or _error(_NOT_FOUND, "not found")
        response.valid_host = request.host
        response.original_request.CopyFrom(request)
        return response

    def _list(self) -> messages.ServerReflectionResponse:
        response = messages.ServerReflectionResponse()
        for name in self._services:
            response.list_services_response.service.add(name=name)
        return response

    def _extensions(self, name: str) -> messages.ServerReflectionResponse | None:
        numbers = self._index.extension_numbers(name)
        if numbers is None:
            return None
        response = messages.ServerReflectionResponse()
        response.all_extension_numbers_response.base_type_name = name
        response.all_extension_numbers_response.extension_number.extend(numbers)
        return response


def _files(found: list[bytes] | None) -> messages.ServerReflectionResponse | None:
    if found is None:
        return None
    response = messages.ServerReflectionResponse()
    response.file_descriptor_response.file_descriptor_proto.extend(found)
    return response


def _error(code: int, message: str) -> messages.ServerReflectionResponse:
    response = messages.ServerReflectionResponse()
    response.error_response.error_code = code
    response.error_response.error_message = message
    return response
