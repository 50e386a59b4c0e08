"""Pricing through Envoy in a whole mesh: a chain that lives on simulated ticks, and REST."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest
from support.running_mesh import RunningMesh
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import bonds_pb2, bonds_pb2_grpc, pricing_pb2, pricing_pb2_grpc
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.wire import reason as reasons

TIMEOUT_SECONDS = 60
STOPPED_NS = 3_000_000_000
GROWTH_BYTES = 8 << 20
HULL = {
    "right": "OPTION_RIGHT_CALL",
    "spot": 42.0,
    "strike": 40.0,
    "timeYears": 0.5,
    "volatility": 0.2,
    "interestRate": 0.1,
    "dividendYield": 0.0,
}


def post(mesh: RunningMesh, path: str, body: object) -> tuple[int, dict[str, object]]:
    """Status and document of a REST call as alpha."""
    request = urllib.request.Request(
        f"http://{mesh.address}{path}",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json", **dict(mesh.metadata("alpha"))},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_chain_streams_while_its_underlying_ticks(mesh: RunningMesh) -> None:
    with mesh.channel() as channel:
        stub = pricing_pb2_grpc.PricingServiceStub(channel)
        request = pricing_pb2.StreamOptionChainRequest(underlying="ACME@XSIM", interval_ms=20)
        stream = stub.StreamOptionChain(
            request, metadata=mesh.metadata("alpha"), timeout=TIMEOUT_SECONDS
        )
        first = next(stream)
        assert first.contracts
        previous, prices = 0, set()
        for _ in range(5):
            values = next(stream).values
            assert values.previous_sequence == previous
            assert values.sequence > previous
            previous = values.sequence
            prices.add(values.underlying_price)
            assert len(values.values.value) == len(first.contracts)
            assert min(values.values.gamma) >= 0.0
            assert not values.stale
        stream.cancel()


def resident_bytes(mesh: RunningMesh, part: str) -> int:
    """Memory that a part of the mesh holds."""
    status = Path(f"/proc/{mesh.pid(part)}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def test_a_reader_that_stops_gets_the_newest_later_and_costs_nobody_anything(
    mesh: RunningMesh,
) -> None:
    request = pricing_pb2.StreamOptionChainRequest(underlying="ACME@XSIM")
    with mesh.channel() as slow_channel, mesh.channel() as fast_channel:
        slow, fast = (
            pricing_pb2_grpc.PricingServiceStub(channel).StreamOptionChain(
                request, metadata=mesh.metadata("alpha"), timeout=TIMEOUT_SECONDS
            )
            for channel in (slow_channel, fast_channel)
        )
        for stream in (slow, fast):
            next(stream)
            last = next(stream).values
        stopped_ns, before = last.publish_time_ns, resident_bytes(mesh, "pricing")
        longest_ns = 0
        # The other reads on for some seconds, while this one reads nothing.
        while last.publish_time_ns < stopped_ns + STOPPED_NS:
            values = next(fast).values
            longest_ns = max(longest_ns, values.publish_time_ns - last.publish_time_ns)
            last = values
        assert longest_ns < STOPPED_NS / 2
        assert resident_bytes(mesh, "pricing") < before + GROWTH_BYTES
        # What the connection held comes first, then what is new.
        held_bytes = 0
        while (response := next(slow)).values.publish_time_ns < last.publish_time_ns:
            held_bytes += response.ByteSize()
        assert held_bytes < GROWTH_BYTES
        assert response.values.sequence >= last.sequence
        slow.cancel()
        fast.cancel()


def test_rest_prices_an_option_and_names_what_is_wrong(mesh: RunningMesh) -> None:
    code, document = post(mesh, "/v1/options:price", {"option": HULL})
    assert code == 200
    value = document["value"]
    assert isinstance(value, dict)
    assert value["value"] == pytest.approx(4.759422392871533, rel=1e-14)
    assert value["delta"] == pytest.approx(0.779131290942669, rel=1e-14)
    without = {name: value for name, value in HULL.items() if name != "volatility"}
    code, document = post(mesh, "/v1/options:price", {"option": without})
    assert code == 400
    assert "option.volatility: value is required" in json.dumps(document)
    code, document = post(mesh, "/v1/options:price", {"option": {**HULL, "volatility": 500.0}})
    assert code == 400
    assert "REASON_MODEL_DOMAIN" in json.dumps(document)
    assert "option.volatility" in json.dumps(document)


def test_only_operators_change_volatilities(mesh: RunningMesh) -> None:
    with mesh.channel() as channel:
        stub = pricing_pb2_grpc.PricingServiceStub(channel)
        change = pricing_pb2.SetVolatilityRequest(instrument="ACME@XSIM", volatility=0.3)
        with pytest.raises(grpc.RpcError) as caught:
            stub.SetVolatility(change, metadata=mesh.metadata("alpha"), timeout=TIMEOUT_SECONDS)
        assert from_rpc_error(caught.value).reason == reasons.REASON_PERMISSION_DENIED
        answer = stub.SetVolatility(
            change, metadata=mesh.metadata("operator"), timeout=TIMEOUT_SECONDS
        )
        assert answer.reference.volatility == 0.3


def test_a_batch_of_columns_goes_through_envoy(mesh: RunningMesh) -> None:
    count = 20_000
    columns = pricing_pb2.OptionInputColumns(
        right=[instruments_pb2.OPTION_RIGHT_PUT] * count,
        spot=[100.0] * count,
        strike=[50.0 + 0.005 * index for index in range(count)],
        time_years=[1.0] * count,
        volatility=[0.2] * count,
        interest_rate=[0.01] * count,
        dividend_yield=[0.0] * count,
    )
    with mesh.channel() as channel:
        stub = pricing_pb2_grpc.PricingServiceStub(channel)
        answer = stub.PriceOptions(
            pricing_pb2.PriceOptionsRequest(columns=columns),
            metadata=mesh.metadata("alpha"),
            timeout=TIMEOUT_SECONDS,
        )
    values = list(answer.columns.value)
    assert len(values) == count
    assert values == sorted(values)


BOND = {"startDate": "2024-02-15", "maturityDate": "2034-02-15", "couponRates": [0.04]}


def test_rest_analyses_a_bond_and_names_what_is_wrong(mesh: RunningMesh) -> None:
    query = {"bond": BOND, "settlementDate": "2025-03-03", "cleanPrice": 98.5}
    code, document = post(mesh, "/v1/bonds:analyse", {"query": query})
    assert code == 200
    analytics = document["analytics"]
    assert isinstance(analytics, dict)
    assert analytics["yield"] == pytest.approx(0.042024877287, rel=1e-9)
    wrong = {**query, "bond": {**BOND, "calendar": "TARGET+MARS"}}
    code, document = post(mesh, "/v1/bonds:analyse", {"query": wrong})
    assert code == 400
    assert "query.bond.calendar" in json.dumps(document)


def test_a_curve_built_over_grpc_prices_credit(mesh: RunningMesh) -> None:
    with mesh.channel() as channel:
        stub = bonds_pb2_grpc.BondServiceStub(channel)
        metadata = mesh.metadata("alpha")
        quotes = [
            {"deposit": {"tenor": "3M", "rate": 0.03}},
            {"swap": {"tenor": "10Y", "rate": 0.03}},
        ]
        request = bonds_pb2.BuildCurveRequest(reference_date="2025-01-15", quotes=quotes)
        built = stub.BuildCurve(request, metadata=metadata, timeout=TIMEOUT_SECONDS)
        contract = bonds_pb2.PriceCreditDefaultSwapRequest(
            trade_date="2025-01-15",
            tenor="5Y",
            coupon=0.01,
            recovery_rate=0.4,
            curve=built.curve,
            par_spread=0.01,
        )
        found = stub.PriceCreditDefaultSwap(contract, metadata=metadata, timeout=TIMEOUT_SECONDS)
        assert found.maturity_date == "2029-12-20"
        assert found.upfront == pytest.approx(0.0, abs=1e-12)
