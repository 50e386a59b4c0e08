"""OptionService over a real gRPC server: blocks, exercise, dividends, implied volatility."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pricing_service import Caller, refusal, served
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import option_families_pb2, options_pb2, options_pb2_grpc
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.columns import (
    OPTION_INPUT_COLUMNS,
    OPTION_VALUE_COLUMNS,
    build_block,
    view_block,
)
from tradecaptain.base.reference_file import default_reference
from tradecaptain.kernels.pricing import american, american_dividends, columns, registry, status
from tradecaptain.kernels.pricing.american_dividends import CashDividend, DividendModel
from tradecaptain.kernels.pricing.contract import Contract
from tradecaptain.pricing.config import PricingConfig
from tradecaptain.pricing.options.blocks import ROWS_MAX
from tradecaptain.pricing.options.service import Options
from tradecaptain.pricing.service import Pricing
from tradecaptain.pricing.volatility import VolatilityBook
from tradecaptain.wire import reason as reasons

CALL, PUT = instruments_pb2.OPTION_RIGHT_CALL, instruments_pb2.OPTION_RIGHT_PUT
VALUE, ALL = option_families_pb2.OPTION_DEPTH_VALUE, option_families_pb2.OPTION_DEPTH_ALL_GREEKS
BLACK76, BACHELIER = options_pb2.OPTION_MODEL_BLACK76, options_pb2.OPTION_MODEL_BACHELIER
AMERICAN = options_pb2.OPTION_MODEL_AMERICAN
OK = options_pb2.OPTION_STATUS_OK
PUT_OPTION = {
    "right": PUT,
    "spot": 100.0,
    "strike": 105.0,
    "time_years": 1.0,
    "volatility": 0.25,
    "interest_rate": 0.05,
    "dividend_yield": 0.02,
}


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[Caller]:
    reference = default_reference()
    book = VolatilityBook(reference, tmp_path / "volatilities.json")
    pricing = Pricing(reference, book, PricingConfig(), ManualClock())
    service = Options(pricing.pool, pricing.listed)
    add, stub = options_pb2_grpc.add_OptionServiceServicer_to_server, options_pb2_grpc
    try:
        async with served(tmp_path, (add, service, stub.OptionServiceStub)) as (caller,):
            yield caller
    finally:
        pricing.close()


def inputs(count: int, seed: int = 5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "right": random.choice([1, 2], count).astype(np.uint8),
        "spot": random.uniform(80, 120, count),
        "strike": random.uniform(80, 120, count),
        "time_years": random.uniform(0.1, 2, count),
        "volatility": random.uniform(0.1, 0.6, count),
        "interest_rate": random.uniform(-0.01, 0.05, count),
        "dividend_yield": random.uniform(0, 0.03, count),
    }


def request_of(told: dict[str, np.ndarray], **fields: Any) -> options_pb2.PriceOptionBlockRequest:
    block = build_block(OPTION_INPUT_COLUMNS, {}, told)
    return options_pb2.PriceOptionBlockRequest(block=block, **fields)


def without(told: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {key: values for key, values in told.items() if key != name}


def kernel_block(told: dict[str, np.ndarray], rows: int = 7) -> np.ndarray:
    block = np.stack(list(told.values())[:rows]).astype(np.float64)
    block[columns.RIGHT] = np.where(told["right"] == 1, 1.0, -1.0)
    return np.ascontiguousarray(block)


async def test_a_block_of_a_hundred_thousand_options_is_priced_in_one_call(tmp_path: Path) -> None:
    told = inputs(100_000)
    async with serving(tmp_path) as caller:
        answer = await caller.PriceOptionBlock(request_of(told))
    assert (answer.row_count, answer.invalid_count) == (100_000, 0)
    assert answer.schema_id == OPTION_VALUE_COLUMNS.schema_id
    found = view_block(OPTION_VALUE_COLUMNS, answer.block).columns
    due = registry.evaluate("black_scholes", kernel_block(told)).outputs
    assert set(found) == {"status", *columns.OUTPUT_NAMES[:6]}
    for row, name in enumerate(columns.OUTPUT_NAMES[:6]):
        np.testing.assert_array_equal(found[name], due[row])
    assert set(found["status"].tolist()) == {OK}


@pytest.mark.parametrize(
    ("model", "family", "depth", "rows"),
    [
        (0, "black_scholes", ALL, 12),
        (BLACK76, "black76", ALL, 12),
        (BACHELIER, "bachelier", 0, 6),
        (AMERICAN, "american", VALUE, 1),
        (AMERICAN, "american", 0, 6),
    ],
)
async def test_every_model_prices_blocks_to_its_depth(
    tmp_path: Path, model: int, family: str, depth: int, rows: int
) -> None:
    told = inputs(300)
    if model in (BLACK76, BACHELIER):
        del told["dividend_yield"]
    async with serving(tmp_path) as caller:
        answer = await caller.PriceOptionBlock(request_of(told, model=model, depth=depth))
    found = view_block(OPTION_VALUE_COLUMNS, answer.block).columns
    due = registry.evaluate(family, kernel_block(told), rows).outputs
    assert set(found) == {"status", *columns.OUTPUT_NAMES[:rows]}
    for row, name in enumerate(columns.OUTPUT_NAMES[:rows]):
        np.testing.assert_allclose(found[name], due[row], rtol=1e-12, atol=1e-12)


async def test_what_cant_be_priced_in_a_block_has_a_status_and_its_neighbours_values(
    tmp_path: Path,
) -> None:
    told = inputs(6)
    told["right"][0] = 3
    told["spot"][1] = -1.0
    told["time_years"][2] = math.nan
    told["volatility"][3] = 1e9
    told["volatility"][4], told["strike"][4] = 0.0, told["spot"][4]
    told["interest_rate"][4] = told["dividend_yield"][4] = 0.0
    async with serving(tmp_path) as caller:
        answer = await caller.PriceOptionBlock(request_of(told))
    found = view_block(OPTION_VALUE_COLUMNS, answer.block).columns
    assert [options_pb2.OptionStatus.Name(item) for item in found["status"].tolist()] == [
        "OPTION_STATUS_INVALID_RIGHT",
        "OPTION_STATUS_INVALID_SPOT",
        "OPTION_STATUS_INVALID_TIME",
        "OPTION_STATUS_INVALID_VOLATILITY",
        "OPTION_STATUS_GREEKS_UNDEFINED",
        "OPTION_STATUS_OK",
    ]
    assert answer.invalid_count == 4
    assert np.isnan(found["value"][:4]).all()
    assert np.isfinite(found["value"][4:]).all()
    # At the strike without volatility greeks don't exist: no number stands for them.
    assert np.isnan([found[name][4] for name in columns.OUTPUT_NAMES[1:6]]).all()
    assert np.isfinite([found[name][5] for name in columns.OUTPUT_NAMES[1:6]]).all()


def test_every_status_of_the_kernels_that_a_block_can_have_is_in_the_contract() -> None:
    names = {name: number for name, number in vars(status).items() if isinstance(number, int)}
    for name, number in options_pb2.OptionStatus.items():
        kernel_name = name.removeprefix("OPTION_STATUS_")
        if kernel_name not in ("UNSPECIFIED", "OK"):
            assert names[kernel_name] == -number


async def test_a_wrong_block_is_named(tmp_path: Path) -> None:
    good = inputs(3)
    schema = OPTION_INPUT_COLUMNS._replace(
        fields=tuple(field._replace(required=False) for field in OPTION_INPUT_COLUMNS.fields)
    )
    without_strike = build_block(schema, {}, without(good, "strike"))
    many = {name: np.resize(values, ROWS_MAX + 1) for name, values in good.items()}
    none = {name: values[:0] for name, values in good.items()}
    cases = [
        (options_pb2.PriceOptionBlockRequest(block=b"nonsense block"), "block"),
        (options_pb2.PriceOptionBlockRequest(), "block"),
        (options_pb2.PriceOptionBlockRequest(block=without_strike), "block.strike"),
        (request_of(many), "block"),
        (request_of(none), "block"),
        (request_of(good, schema_id="tradecaptain.api.columns.v1.CandleColumns"), "schema_id"),
        (request_of(good, model=BLACK76), "block.dividend_yield"),
        (request_of(without(good, "interest_rate")), "block.interest_rate"),
        (request_of(without(good, "dividend_yield")), "block.dividend_yield"),
        (request_of(good, model=AMERICAN, depth=ALL), "depth"),
        (request_of(good, accuracy=1), "accuracy"),
        (request_of(good, model=9), "model"),
    ]
    async with serving(tmp_path) as caller:
        for request, field in cases:
            error = await refusal(caller.PriceOptionBlock(request))
            assert error.field == field
            assert error.reason in (reasons.REASON_INVALID_REQUEST, reasons.REASON_MALFORMED_RECORD)


@pytest.mark.parametrize(
    ("accuracy", "due"),
    [(0, "standard"), (1, "fast"), (2, "standard"), (3, "accurate")],
)
async def test_an_american_option_is_priced_to_its_accuracy_with_its_boundary(
    tmp_path: Path, accuracy: int, due: str
) -> None:
    request = options_pb2.PriceAmericanOptionRequest(
        option=PUT_OPTION, accuracy=accuracy, boundary_times_years=[0.25, 1.0]
    )
    async with serving(tmp_path) as caller:
        answer = await caller.PriceAmericanOption(request)
    block = registry.stack(-1.0, 100.0, 105.0, 1.0, 0.25, 0.05, 0.02)
    found = american.price(block, american.Accuracy(due), 6)
    outputs = [getattr(answer.value, name) for name in columns.OUTPUT_NAMES[:6]]
    assert outputs == found.values[:, 0].tolist()
    assert (answer.exercise.low, answer.exercise.high) == (0.0, found.boundaries[1, 0])
    near, far = answer.boundary
    assert far.high == pytest.approx(answer.exercise.high, abs=1e-3)
    assert far.high < near.high < 105.0
    assert near.time_years == 0.25


async def test_a_call_without_yield_is_never_exercised(tmp_path: Path) -> None:
    option = {**PUT_OPTION, "right": CALL, "dividend_yield": 0.0}
    request = options_pb2.PriceAmericanOptionRequest(option=option, boundary_times_years=[0.5])
    async with serving(tmp_path) as caller:
        answer = await caller.PriceAmericanOption(request)
    for region in (answer.exercise, *answer.boundary):
        assert not region.HasField("low")
        assert not region.HasField("high")


async def test_greeks_that_an_american_option_lacks_are_absent(tmp_path: Path) -> None:
    option = {**PUT_OPTION, "spot": PUT_OPTION["strike"], "time_years": 0.0}
    async with serving(tmp_path) as caller:
        found = await caller.PriceAmericanOption(
            options_pb2.PriceAmericanOptionRequest(option=option)
        )
    assert found.value.value == 0.0
    assert not any(found.value.HasField(name) for name in columns.OUTPUT_NAMES[1:6])


async def test_an_american_knock_out_is_worth_less_than_the_option_and_more_than_its_exercise(
    tmp_path: Path,
) -> None:
    barrier = options_pb2.AmericanBarrier(
        level=80.0, kind=option_families_pb2.BARRIER_KIND_DOWN_OUT
    )
    request = options_pb2.PriceAmericanOptionRequest(option=PUT_OPTION, barrier=barrier)
    async with serving(tmp_path) as caller:
        found = await caller.PriceAmericanOption(request)
        plain = await caller.PriceAmericanOption(
            options_pb2.PriceAmericanOptionRequest(option=PUT_OPTION)
        )
        assert 5.0 < found.value.value < plain.value.value
        assert found.error < 1e-3
        given = {field.name for field, _ in found.value.ListFields()}
        assert given == {"value", "delta", "gamma"}
        assert not plain.HasField("error")
        request.boundary_times_years.append(0.5)
        error = await refusal(caller.PriceAmericanOption(request))
        assert error.field == "boundary_times_years"


async def test_dividends_move_european_and_american_options(tmp_path: Path) -> None:
    dividends = [
        options_pb2.CashDividend(time_years=0.3, amount=2.0),
        options_pb2.CashDividend(time_years=0.8, amount=2.0),
    ]
    own = [CashDividend(0.3, 2.0), CashDividend(0.8, 2.0)]
    async with serving(tmp_path) as caller:
        for style, model in ((1, 2), (1, 1), (2, 1), (2, 2)):
            option = {**PUT_OPTION, "exercise_style": style}
            answer = await caller.PriceDividendOption(
                options_pb2.PriceDividendOptionRequest(
                    option=option, dividends=dividends, model=model, nodes=201
                )
            )
            contract = Contract(-1.0, 100.0, 105.0, 1.0, 0.25, 0.05, 0.02, style == 2)
            kind = DividendModel.SPOT if model == 1 else DividendModel.ESCROWED
            due = american_dividends.price(contract, own, kind, 201)
            assert (answer.value.value, answer.value.theta) == (due.value, due.theta)
            assert answer.HasField("error") == (due.error > 0.0)
            assert answer.error == due.error
            assert answer.value.vega > 20.0
            assert answer.value.rho < 0.0


def changed(**fields: Any) -> dict[str, Any]:
    return {"option": {**PUT_OPTION, **fields}}


def paying(*times_and_amounts: tuple[float, float], **fields: Any) -> dict[str, Any]:
    items = [{"time_years": time, "amount": amount} for time, amount in times_and_amounts]
    return {"dividends": items, **fields}


def knocked(price: float, kind: int, rebate: float = 0.0) -> dict[str, Any]:
    return {"barrier": {"level": price, "kind": kind, "rebate": rebate}}


@pytest.mark.parametrize(
    ("call", "change", "field"),
    [
        ("PriceAmericanOption", changed(exercise_style=1), "option.exercise_style"),
        ("PriceAmericanOption", changed(volatility=500.0), "option.volatility"),
        ("PriceAmericanOption", changed(spot=0.0), "option.spot"),
        *(
            (call, changed(**{name: None}), f"option.{name}")
            for call in ("PriceAmericanOption", "PriceDividendOption")
            for name in ("spot", "strike", "time_years", "volatility", "interest_rate")
        ),
        ("PriceAmericanOption", {"barrier": {"kind": 2}}, "barrier.level"),
        ("PriceDividendOption", {"dividends": [{"amount": 1.0}]}, "dividends[0].time_years"),
        ("PriceDividendOption", {"dividends": [{"time_years": 0.1}]}, "dividends[0].amount"),
        ("PriceAmericanOption", {"boundary_times_years": [0.0]}, "boundary_times_years[0]"),
        ("PriceAmericanOption", {"boundary_times_years": [2000.0]}, "boundary_times_years"),
        ("PriceAmericanOption", knocked(1e60, 1), "barrier.level"),
        ("PriceAmericanOption", knocked(90.0, 0), "barrier.kind"),
        ("PriceAmericanOption", knocked(90.0, 2, 1e60), "barrier.rebate"),
        ("PriceDividendOption", changed(exercise_style=3), "option.exercise_style"),
        ("PriceDividendOption", paying((1.5, 1.0)), "dividends[0].time_years"),
        ("PriceDividendOption", paying((0.5, 1.0), (0.4, 1.0)), "dividends[1].time_years"),
        ("PriceDividendOption", paying((0.5, 200.0), model=2), "dividends"),
        ("PriceDividendOption", paying((0.5, 0.0)), "dividends[0].amount"),
        ("PriceDividendOption", changed(time_years=0.0), "option.volatility"),
        ("PriceDividendOption", changed(strike=1e30), "option.strike"),
        ("PriceDividendOption", changed(spot=5e-324), "option.strike"),
        ("PriceDividendOption", {"nodes": 7}, "nodes"),
        ("PriceDividendOption", {"nodes": 5000}, "nodes"),
    ],
)
async def test_what_is_wrong_with_one_option_is_named(
    tmp_path: Path, call: str, change: dict[str, Any], field: str
) -> None:
    request = getattr(options_pb2, f"{call}Request")(**{"option": PUT_OPTION, **change})
    async with serving(tmp_path) as caller:
        error = await refusal(getattr(caller, call)(request))
    assert error.field == field
    assert error.reason in (reasons.REASON_INVALID_REQUEST, reasons.REASON_MODEL_DOMAIN)


@pytest.mark.parametrize(
    ("model", "family"), [(0, "black_scholes"), (2, "black76"), (3, "bachelier")]
)
async def test_prices_give_their_volatilities_back(tmp_path: Path, model: int, family: str) -> None:
    told = inputs(200)
    rows = 7 if family == "black_scholes" else 6
    if family == "bachelier":
        told["volatility"] *= 100.0
    block = kernel_block(told, rows)
    prices = registry.evaluate(family, block, 1).outputs[0]
    request = options_pb2.SolveImpliedVolatilitiesRequest(model=model)
    for name in ("right", "spot", "strike", "time_years", "interest_rate", "dividend_yield"):
        if name != "dividend_yield" or rows == 7:
            getattr(request.columns, name).extend(told[name].tolist())
    request.columns.price.extend(prices.tolist())
    async with serving(tmp_path) as caller:
        answer = await caller.SolveImpliedVolatilities(request)
    assert set(answer.status) == {OK}
    assert answer.invalid_count == 0
    np.testing.assert_allclose(answer.volatility, told["volatility"], rtol=1e-8)


async def test_a_price_without_a_volatility_has_a_status(tmp_path: Path) -> None:
    # Intrinsic value 20: below it, at it, above the maximum, no time left, and a good one.
    request = options_pb2.SolveImpliedVolatilitiesRequest(
        columns={
            "right": [CALL] * 5,
            "spot": [100.0] * 5,
            "strike": [80.0] * 5,
            "time_years": [1.0, 1.0, 1.0, 0.0, 1.0],
            "price": [19.0, 20.0, 100.0, 21.0, 21.0],
            "interest_rate": [0.0] * 5,
            "dividend_yield": [0.0] * 5,
        }
    )
    async with serving(tmp_path) as caller:
        answer = await caller.SolveImpliedVolatilities(request)
    names = [options_pb2.OptionStatus.Name(item) for item in answer.status]
    assert [name.removeprefix("OPTION_STATUS_") for name in names] == [
        "PRICE_BELOW_INTRINSIC",
        "PRICE_CARRIES_NO_VOLATILITY",
        "PRICE_ABOVE_MAXIMUM",
        "INVALID_TIME",
        "OK",
    ]
    assert answer.invalid_count == 4
    assert math.isnan(answer.volatility[0])
    assert answer.volatility[1] == 0.0


@pytest.mark.parametrize(
    ("model", "change", "field"),
    [
        (0, {"strike": [80.0]}, "columns.strike"),
        (0, {"interest_rate": [0.01]}, "columns.interest_rate"),
        (0, {"interest_rate": []}, "columns.interest_rate"),
        (0, {"dividend_yield": []}, "columns.dividend_yield"),
        (2, {}, "columns.dividend_yield"),
        (4, {}, "model"),
        (0, {"right": []}, "columns.right"),
    ],
)
async def test_wrong_columns_of_prices_are_named(
    tmp_path: Path, model: int, change: dict[str, Any], field: str
) -> None:
    told = {
        "right": [CALL, PUT],
        "spot": [100.0, 100.0],
        "strike": [80.0, 90.0],
        "time_years": [1.0, 1.0],
        "price": [21.0, 3.0],
        "interest_rate": [0.0, 0.0],
        "dividend_yield": [0.0, 0.0],
    }
    request = options_pb2.SolveImpliedVolatilitiesRequest(model=model, columns={**told, **change})
    async with serving(tmp_path) as caller:
        error = await refusal(caller.SolveImpliedVolatilities(request))
    assert (error.reason, error.field) == (reasons.REASON_INVALID_REQUEST, field)
