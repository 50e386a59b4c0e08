"""Reflection answers from the descriptor set, for every service, in both versions."""

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2
from tradecaptain.edge.reflection import SERVICE_NAMES, Reflection, packaged_index

ORDERS = "tradecaptain.api.orders.v1.OrderService"
INDEX = packaged_index()


def ask(**request: object) -> reflection_pb2.ServerReflectionResponse:
    reflection = Reflection(INDEX, [ORDERS])
    return reflection.answer(reflection_pb2.ServerReflectionRequest(**request))  # type: ignore[arg-type]


def files(response: reflection_pb2.ServerReflectionResponse) -> dict[str, FileDescriptorProto]:
    found = map(
        FileDescriptorProto.FromString, response.file_descriptor_response.file_descriptor_proto
    )
    return {file.name: file for file in found}


def test_the_whole_contract_is_known() -> None:
    assert {ORDERS, "grpc.health.v1.Health", *SERVICE_NAMES} <= set(INDEX.services)
    areas = {name.split(".")[2] for name in INDEX.services if name.startswith("tradecaptain.")}
    assert areas == {"instruments", "marketdata", "orderbook", "orders", "pricing", "risk"}


def test_only_the_listed_services_are_listed() -> None:
    response = ask(list_services="")
    assert [service.name for service in response.list_services_response.service] == [ORDERS]


@pytest.mark.parametrize("symbol", [ORDERS, ORDERS + ".SubmitOrder", *SERVICE_NAMES])
def test_a_symbol_comes_with_all_that_it_imports(symbol: str) -> None:
    found = files(ask(file_containing_symbol=symbol))
    assert found
    for file in found.values():
        assert set(file.dependency) <= set(found)


def test_methods_have_their_names_and_types() -> None:
    found = files(ask(file_containing_symbol=ORDERS))
    service = found["tradecaptain/api/orders/v1/orders.proto"].service[0]
    submit = service.method[0]
    assert submit.name == "SubmitOrder"
    assert submit.input_type == ".tradecaptain.api.orders.v1.SubmitOrderRequest"


def test_extensions_are_found_by_number() -> None:
    options = "google.protobuf.MethodOptions"
    numbers = ask(all_extension_numbers_of_type=options).all_extension_numbers_response
    assert 72295728 in numbers.extension_number
    found = files(
        ask(
            file_containing_extension=reflection_pb2.ExtensionRequest(
                containing_type=options, extension_number=72295728
            )
        )
    )
    assert "google/api/annotations.proto" in found


@pytest.mark.parametrize(
    "request_fields",
    [
        {"file_by_filename": "nope.proto"},
        {"file_containing_symbol": "nope"},
        {"all_extension_numbers_of_type": "nope"},
        {
            "file_containing_extension": reflection_pb2.ExtensionRequest(
                containing_type="nope", extension_number=1
            )
        },
    ],
)
def test_what_is_not_known_is_not_found(request_fields: dict[str, object]) -> None:
    assert ask(**request_fields).error_response.error_code == 5


def test_an_empty_request_is_invalid() -> None:
    assert ask().error_response.error_code == 3


def test_the_stable_version_names_only_itself() -> None:
    stable = files(ask(file_containing_symbol=SERVICE_NAMES[0]))
    text = str(stable["grpc/reflection/v1/reflection.proto"])
    assert "v1alpha" not in text
