"""Option analytics and surfaces through Envoy in a whole mesh, heavy calls beside light ones."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from support.running_mesh import RunningMesh
from support.wait import wait_until
from tradecaptain.api.pricing.v1 import (
    options_pb2,
    options_pb2_grpc,
    pricing_pb2,
    pricing_pb2_grpc,
    surface_pb2,
    surface_pb2_grpc,
)
from tradecaptain.base.columns import (
    OPTION_INPUT_COLUMNS,
    OPTION_VALUE_COLUMNS,
    build_block,
    view_block,
)
from tradecaptain.client import Client
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.tokens import token_of
from tradecaptain.kernels.pricing import registry
from tradecaptain.wire import reason as reasons

TIMEOUT_SECONDS = 60
PUT = {
    "right": 2,
    "spot": 42.0,
    "strike": 50.0,
    "time_years": 0.5,
    "volatility": 0.2,
    "interest_rate": 0.1,
    "dividend_yield": 0.0,
}
LARGE = [("grpc.max_receive_message_length", 32 << 20)]


@pytest.fixture
def channel(mesh: RunningMesh) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(mesh.address, options=LARGE) as opened:
        yield opened


def rest(mesh: RunningMesh, path: str, body: object | None = None) -> tuple[int, dict[str, Any]]:
    """Status and document of a REST call as alpha: a POST if it has a body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json", **dict(mesh.metadata("alpha"))}
    request = urllib.request.Request(f"http://{mesh.address}{path}", data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def columns_of(count: int) -> dict[str, np.ndarray]:
    return {
        "right": np.full(count, 2, dtype=np.uint8),
        "spot": np.full(count, 100.0),
        "strike": np.linspace(50.0, 150.0, count),
        "time_years": np.full(count, 1.0),
        "volatility": np.full(count, 0.2),
        "interest_rate": np.full(count, 0.01),
        "dividend_yield": np.zeros(count),
    }


def heavy_request() -> options_pb2.RevaluePortfolioRequest:
    """Some seconds of work: much longer than all the light calls beside it."""
    count = 20_000
    return options_pb2.RevaluePortfolioRequest(
        block=build_block(OPTION_INPUT_COLUMNS, {}, columns_of(count)),
        quantities=[1.0] * count,
        spot_factors=np.linspace(0.5, 1.5, 1000).tolist(),
        volatility_shifts=np.linspace(0.0, 0.5, 90).tolist(),
    )


def test_a_block_of_a_hundred_thousand_contracts_goes_in_and_out_in_one_call(
    mesh: RunningMesh, channel: grpc.Channel
) -> None:
    told = columns_of(100_000)
    stub = options_pb2_grpc.OptionServiceStub(channel)
    answer = stub.PriceOptionBlock(
        options_pb2.PriceOptionBlockRequest(block=build_block(OPTION_INPUT_COLUMNS, {}, told)),
        metadata=mesh.metadata("alpha"),
        timeout=TIMEOUT_SECONDS,
    )
    found = view_block(OPTION_VALUE_COLUMNS, answer.block).columns
    block = registry.stack(-1.0, 100.0, told["strike"], 1.0, 0.2, 0.01, 0.0)
    np.testing.assert_array_equal(
        found["value"], registry.evaluate("black_scholes", block).outputs[0]
    )


def test_rest_prices_exercise_exotics_and_simulations_and_names_what_is_wrong(
    mesh: RunningMesh,
) -> None:
    code, found = rest(mesh, "/v1/options:priceAmerican", {"option": PUT})
    assert (code, found["value"]["delta"]) == (200, pytest.approx(-1.0))
    barrier = {"level": 30.0, "kind": "BARRIER_KIND_DOWN_OUT"}
    code, found = rest(mesh, "/v1/options:priceAmerican", {"option": PUT, "barrier": barrier})
    assert (code, set(found["value"])) == (200, {"value", "delta", "gamma"})
    option = {
        "family": "OPTION_FAMILY_DOUBLE_BARRIER",
        "right": "OPTION_RIGHT_CALL",
        "spot": 100.0,
        "strike": 100.0,
        "time_years": 0.25,
        "volatility": 0.15,
        "interest_rate": 0.1,
        "dividend_yield": 0.0,
        "barrier": 50.0,
        "high_barrier": 150.0,
        "variant": "OPTION_VARIANT_KNOCK_OUT",
    }
    code, found = rest(mesh, "/v1/options:priceExotics", {"options": [option]})
    # Haug, The Complete Guide to Option Pricing Formulas, table 4-14.
    assert (code, found["values"][0]["value"]["value"]) == (200, pytest.approx(4.3515, abs=5e-5))
    del option["high_barrier"]
    code, found = rest(mesh, "/v1/options:priceExotics", {"options": [option]})
    assert code == 400
    assert "options[0].high_barrier" in json.dumps(found)
    code, found = rest(mesh, "/v1/optionFamilies")
    assert (code, len(found["families"])) == (200, len(registry.FAMILIES))
    path = {"payoff": "PATH_PAYOFF_AVERAGE_PRICE", **PUT, "plan": {"points": 256}}
    path["schedule"] = {"first_years": 0.25, "last_years": path.pop("time_years"), "count": 3}
    code, found = rest(mesh, "/v1/options:simulate", path)
    assert code == 200
    assert 0.0 < found["standardError"] < 0.01
    names = ("right", "spot", "strike", "time_years", "interest_rate", "dividend_yield")
    prices = {name: [PUT[name]] for name in names}
    columns = {"columns": {**prices, "price": [5.0]}}
    code, found = rest(mesh, "/v1/options:solveImpliedVolatilities", columns)
    assert (code, found["status"]) == (200, ["OPTION_STATUS_PRICE_BELOW_INTRINSIC"])
    assert found["volatility"] == ["NaN"]


def test_a_surface_is_fitted_and_interpolated(mesh: RunningMesh, channel: grpc.Channel) -> None:
    stub = surface_pb2_grpc.SurfaceServiceStub(channel)
    strikes = [80.0, 90.0, 100.0, 110.0, 120.0, 130.0]
    volatilities = [0.30, 0.25, 0.22, 0.21, 0.205, 0.21]
    smiles = [
        {
            "smile": {
                "time_years": time,
                "forward": 100.0,
                "strikes": strikes,
                "volatilities": volatilities,
            }
        }
        for time in (0.5, 1.0)
    ]
    metadata = mesh.metadata("alpha")
    request = surface_pb2.FitSurfaceRequest(expiries=smiles)
    fitted = stub.FitSurface(request, metadata=metadata, timeout=TIMEOUT_SECONDS)
    assert max(fit.error_max for fit in fitted.fits) < 0.005
    found = stub.InterpolateSurface(
        surface_pb2.InterpolateSurfaceRequest(
            slices=fitted.slices, time_years=[0.75], strikes=[100.0]
        ),
        metadata=metadata,
        timeout=TIMEOUT_SECONDS,
    )
    assert found.volatilities[0] == pytest.approx(0.22, abs=0.005)


def test_listed_options_are_revalued_at_the_market(
    mesh: RunningMesh, channel: grpc.Channel
) -> None:
    metadata = mesh.metadata("alpha")
    chain = pricing_pb2_grpc.PricingServiceStub(channel).StreamOptionChain(
        pricing_pb2.StreamOptionChainRequest(underlying="ACME@XSIM"),
        metadata=metadata,
        timeout=TIMEOUT_SECONDS,
    )
    contracts = next(chain).contracts
    next(chain)
    chain.cancel()
    calls = [item for item in contracts if item.right == 1][:5]
    answer = options_pb2_grpc.OptionServiceStub(channel).RevaluePortfolio(
        options_pb2.RevaluePortfolioRequest(
            listed=[{"instrument": item.instrument, "quantity": 10.0} for item in calls],
            spot_factors=[0.9, 1.0, 1.1],
        ),
        metadata=metadata,
        timeout=TIMEOUT_SECONDS,
    )
    low, middle, high = answer.values
    assert low < middle < high
    assert middle == pytest.approx(answer.base_value)


def test_light_calls_are_answered_while_a_heavy_one_goes_on(
    mesh: RunningMesh, channel: grpc.Channel
) -> None:
    """By order of completion: none of the light calls waits for the heavy one's end."""
    metadata = mesh.metadata("alpha")
    options = options_pb2_grpc.OptionServiceStub(channel)
    pricing = pricing_pb2_grpc.PricingServiceStub(channel)
    heavy = options.RevaluePortfolio.future(
        heavy_request(), metadata=metadata, timeout=TIMEOUT_SECONDS
    )
    for _ in range(10):
        request = pricing_pb2.PriceOptionRequest(option=PUT)
        pricing.PriceOption(request, metadata=metadata, timeout=TIMEOUT_SECONDS)
        # One that takes the threads of the heavy one too.
        american = options_pb2.PriceAmericanOptionRequest(option=PUT)
        options.PriceAmericanOption(american, metadata=metadata, timeout=TIMEOUT_SECONDS)
    assert not heavy.done()
    heavy.cancel()


def test_a_heavy_call_gives_its_place_back_when_its_deadline_passes(
    mesh: RunningMesh, channel: grpc.Channel
) -> None:
    metadata = mesh.metadata("alpha")
    options = options_pb2_grpc.OptionServiceStub(channel)
    # More than may wait or run at once: what isn't refused is still at work at its deadline.
    calls = [
        options.RevaluePortfolio.future(heavy_request(), metadata=metadata, timeout=2)
        for _ in range(20)
    ]
    found = [from_rpc_error(call.exception()).reason for call in calls]
    assert reasons.REASON_OUTCOME_UNKNOWN in found
    assert set(found) <= {reasons.REASON_OUTCOME_UNKNOWN, reasons.REASON_OVERLOADED}

    def is_free() -> bool:
        american = options_pb2.PriceAmericanOptionRequest(option=PUT)
        try:
            options.PriceAmericanOption(american, metadata=metadata, timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            assert from_rpc_error(error).reason == reasons.REASON_OVERLOADED
            return False
        return True

    wait_until(is_free, what="a place in the pool")


async def test_the_sdk_prices_columns_of_numpy(mesh: RunningMesh) -> None:
    told = columns_of(1000)
    token = token_of(mesh.run.tokens, "alpha")
    async with Client(mesh.address, token) as client:
        found = await client.price_columns(told, depth="value", timeout=TIMEOUT_SECONDS)
    block = registry.stack(-1.0, 100.0, told["strike"], 1.0, 0.2, 0.01, 0.0)
    due = registry.evaluate("black_scholes", block, 1).outputs[0]
    np.testing.assert_array_equal(found["value"], due)
    assert set(found["status"].tolist()) == {options_pb2.OPTION_STATUS_OK}


def test_the_command_prices_by_hand(mesh: RunningMesh) -> None:
    plain = mesh.json("price", "option", "call", "42", "40", "0.5", "0.2", "--rate", "0.1")
    assert plain["value"]["value"] == pytest.approx(4.759422392871533, rel=1e-12)
    terms = ["right=call", "spot=120", "extreme=100", "time_years=0.5", "volatility=0.3"]
    terms += ["interest_rate=0.1", "dividend_yield=0.06"]
    look = mesh.json("price", "exotic", "floating_lookback", *terms)
    # Haug, The Complete Guide to Option Pricing Formulas, 4.15.1.
    assert look["value"]["value"] == pytest.approx(25.3533, abs=1e-4)
    chain = mesh.json("watch", "chain", "ACME@XSIM", "--count", "1")["chains"][0]
    name = chain["options"][0]["instrument"]
    grid = mesh.json("price", "portfolio", f"{name}=10", "--spots", "0.9,1")
    assert grid["shape"] == [2, 1, 1]
    wrong = mesh.command("price", "exotic", "quanto", "right=call", "spot=1")
    assert wrong.returncode == 1
    assert "needs strike" in wrong.stderr
    assert "tradecaptain price families quanto" in wrong.stderr
    wrong = mesh.command("price", "simulate", "european", "right=call", "spot=1", "strike=1")
    assert wrong.returncode == 1
    assert "volatility: value is required" in wrong.stderr
    assert "as name=value" in wrong.stderr
