"""PriceExoticOptions, SimulateOption and RevaluePortfolio over a real gRPC server."""

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
from tradecaptain.api.pricing.v1 import (
    option_families_pb2,
    options_pb2,
    options_pb2_grpc,
    simulation_pb2,
)
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.columns import OPTION_INPUT_COLUMNS, build_block
from tradecaptain.base.reference_file import default_reference
from tradecaptain.kernels.pricing import bumps, columns, monte_carlo, registry
from tradecaptain.kernels.pricing.contract import Contract
from tradecaptain.pricing.agent import QUOTE
from tradecaptain.pricing.chain import YEAR_NS
from tradecaptain.pricing.config import PricingConfig
from tradecaptain.pricing.options.families import all_families, family_name, terms_of
from tradecaptain.pricing.options.service import Options
from tradecaptain.pricing.service import Pricing
from tradecaptain.pricing.volatility import VolatilityBook
from tradecaptain.wire import reason as reasons

CALL, PUT = instruments_pb2.OPTION_RIGHT_CALL, instruments_pb2.OPTION_RIGHT_PUT
REFERENCE = default_reference()
ACME = REFERENCE.by_symbol("ACME@XSIM")
MARKET = {
    "spot": 100.0,
    "time_years": 0.5,
    "volatility": 0.25,
    "interest_rate": 0.05,
    "dividend_yield": 0.0,
}
FORWARDS = ("black76", "bachelier")
# Further terms that make an option of each family, and what the kernels take for its rows.
TERMS: dict[str, tuple[dict[str, Any], list[float]]] = {
    "black_scholes": ({"right": CALL, "strike": 95.0}, []),
    "black76": ({"right": CALL, "strike": 95.0}, []),
    "bachelier": ({"right": CALL, "strike": 95.0, "volatility": 25.0}, []),
    "american": ({"right": PUT, "strike": 95.0}, []),
    "cash_or_nothing": ({"right": CALL, "strike": 95.0, "amount": 10.0}, [10.0]),
    "asset_or_nothing": ({"right": CALL, "strike": 95.0}, [1.0]),
    "gap": ({"right": CALL, "strike": 95.0, "amount": 97.0}, [97.0]),
    "barrier_option": (
        {"right": CALL, "strike": 95.0, "barrier": 90.0, "barrier_kind": 2, "amount": 3.0},
        [3.0, 90.0, 1.0],
    ),
    "barrier_cash": (
        {"right": PUT, "strike": 95.0, "barrier": 110.0, "barrier_kind": 3, "amount": 5.0},
        [5.0, 110.0, 2.0],
    ),
    "barrier_asset": (
        {"right": PUT, "strike": 95.0, "barrier": 110.0, "barrier_kind": 4},
        [1.0, 110.0, 3.0],
    ),
    "touch_cash": ({"barrier": 90.0, "barrier_kind": 1, "amount": 5.0}, [5.0, 90.0, 0.0]),
    "monitored_barrier": (
        {
            "right": CALL,
            "strike": 95.0,
            "barrier": 90.0,
            "barrier_kind": 2,
            "monitoring_count": 20,
        },
        [0.0, 90.0, 1.0, 20.0],
    ),
    "soft_barrier": (
        {
            "right": CALL,
            "strike": 95.0,
            "barrier": 80.0,
            "high_barrier": 90.0,
            "barrier_kind": 2,
        },
        [1.0, 80.0, 1.0, 90.0],
    ),
    "double_barrier": (
        {"right": CALL, "strike": 95.0, "barrier": 80.0, "high_barrier": 120.0, "variant": 2},
        [1.0, 80.0, 120.0, 1.0, 0.0],
    ),
    "double_binary": (
        {"barrier": 80.0, "high_barrier": 120.0, "variant": 4, "amount": 10.0},
        [10.0, 80.0, 120.0, 1.0, 0.0],
    ),
    "two_asset_barrier": (
        {
            "right": CALL,
            "strike": 95.0,
            "barrier": 110.0,
            "barrier_kind": 4,
            "other_spot": 100.0,
            "other_volatility": 0.2,
            "other_yield": 0.0,
            "correlation": 0.5,
        },
        [1.0, 110.0, 3.0, 100.0, 0.2, 0.0, 0.5],
    ),
    "floating_lookback": ({"right": CALL, "extreme": 95.0}, [95.0]),
    "fixed_lookback": ({"right": CALL, "strike": 95.0}, [100.0]),
    "partial_floating_lookback": (
        {"right": CALL, "earlier_time_years": 0.25},
        [100.0, 0.25, 1.0],
    ),
    "partial_fixed_lookback": (
        {"right": CALL, "strike": 95.0, "earlier_time_years": 0.25},
        [100.0, 0.25],
    ),
    "geometric_asian": (
        {"right": CALL, "strike": 95.0, "earlier_time_years": 0.1, "fixing_count": 5},
        [0.1, 5.0, 0.0],
    ),
    "arithmetic_asian": (
        {"right": CALL, "earlier_time_years": 0.1, "fixing_count": 5, "average_strike": True},
        [0.1, 5.0, 1.0],
    ),
    "turnbull_wakeman_asian": (
        {"right": CALL, "strike": 95.0, "earlier_time_years": 0.1, "fixing_count": 5},
        [0.1, 5.0, 0.0],
    ),
    "levy_asian": (
        {"right": CALL, "strike": 95.0, "average": 98.0, "elapsed_years": 0.2},
        [98.0, 0.2],
    ),
    "exchange": (
        {
            "other_spot": 100.0,
            "other_volatility": 0.2,
            "other_yield": 0.0,
            "correlation": 0.5,
            "other_quantity": 2.0,
        },
        [100.0, 0.2, 0.0, 0.5, 1.0, 2.0],
    ),
    "two_asset_basket": (
        {
            "right": PUT,
            "strike": 95.0,
            "other_spot": 100.0,
            "other_volatility": 0.2,
            "other_yield": 0.0,
            "correlation": 0.5,
            "variant": 8,
        },
        [100.0, 0.2, 0.0, 0.5, 1.0],
    ),
    "compound": (
        {
            "right": CALL,
            "strike": 5.0,
            "other_right": PUT,
            "other_strike": 100.0,
            "later_time_years": 1.0,
        },
        [-1.0, 100.0, 1.0],
    ),
    "chooser": (
        {
            "strike": 95.0,
            "earlier_time_years": 0.25,
            "other_strike": 105.0,
            "later_time_years": 0.6,
        },
        [0.25, 105.0, 0.6],
    ),
    "forward_start": ({"right": CALL, "earlier_time_years": 0.25, "fraction": 1.1}, [0.25, 1.1]),
    "quanto": (
        {
            "right": CALL,
            "strike": 95.0,
            "exchange_rate": 1.5,
            "other_rate": 0.03,
            "other_volatility": 0.1,
            "correlation": 0.3,
        },
        [1.5, 0.03, 0.1, 0.3],
    ),
}
NUMBERS = {family_name(number): number for number in all_families()}


@asynccontextmanager
async def serving(tmp_path: Path, *, quote: bool = True) -> AsyncIterator[tuple[Caller, Pricing]]:
    book = VolatilityBook(REFERENCE, tmp_path / "volatilities.json")
    pricing = Pricing(REFERENCE, book, PricingConfig(), ManualClock())
    if quote:
        rows = np.zeros(1, dtype=QUOTE)
        rows["instrument_id"] = ACME.instrument_id
        rows["bid_price_units"], rows["ask_price_units"] = 9_990, 10_010
        rows["bid_quantity_units"] = rows["ask_quantity_units"] = 1
        pricing.on_quotes(rows)
    service = Options(pricing.pool, pricing.listed)
    add, stub = options_pb2_grpc.add_OptionServiceServicer_to_server, options_pb2_grpc
    try:
        async with served(tmp_path, (add, service, stub.OptionServiceStub)) as (caller,):
            yield caller, pricing
    finally:
        pricing.close()


def market_of(name: str) -> dict[str, Any]:
    """What the market tells of a family's underlying: a forward has no yield."""
    return {key: MARKET[key] for key in MARKET if name not in FORWARDS or key != "dividend_yield"}


def option_of(name: str, **change: Any) -> option_families_pb2.ExoticOption:
    fields = {**market_of(name), **TERMS[name][0], **change}
    given = {key: value for key, value in fields.items() if value is not None}
    return option_families_pb2.ExoticOption(family=NUMBERS[name], **given)


def kernel_block(name: str) -> np.ndarray:
    told = {**MARKET, **TERMS[name][0]}
    right = -1.0 if told.get("right") == PUT else 1.0
    rows = [right, told["spot"], told.get("strike", told["spot"])]
    rows += [told["time_years"], told["volatility"], told["interest_rate"]]
    if name not in FORWARDS:
        rows.append(0.0)
    return registry.stack(*rows, *TERMS[name][1])


def test_the_contract_has_every_family_of_the_registry_and_no_other() -> None:
    assert set(NUMBERS) == set(registry.FAMILIES) == set(TERMS)
    for number in all_families():
        terms = terms_of(number)
        fields = option_families_pb2.ExoticOption.DESCRIPTOR.fields_by_name
        assert set(terms.fields) <= set(fields), terms.name


async def test_every_family_is_priced_as_its_kernel_does_with_greeks(tmp_path: Path) -> None:
    names = list(TERMS)
    # Twice, so that a family's options don't lie together.
    request = option_families_pb2.PriceExoticOptionsRequest(
        options=[option_of(name) for name in (*names, *names)]
    )
    async with serving(tmp_path) as (caller, _):
        answer = await caller.PriceExoticOptions(request)
        request.depth = option_families_pb2.OPTION_DEPTH_VALUE
        values = await caller.PriceExoticOptions(request)
    assert len(answer.values) == len(values.values) == 2 * len(names)
    for index, name in enumerate((*names, *names)):
        block = kernel_block(name)
        is_exact = registry.FAMILIES[name].depth >= columns.GREEK_ROWS
        price = registry.evaluate if is_exact else bumps.bumped_greeks
        due = dict(zip(columns.OUTPUT_NAMES, price(name, block).outputs[:, 0], strict=False))
        for output, number in due.items():
            found = getattr(answer.values[index].value, output)
            assert found == pytest.approx(number, rel=1e-12, abs=1e-12), (name, output)
        assert due["value"] > 0.0
        alone = values.values[index].value
        # American greeks take more points of the value's integral.
        assert alone.value == pytest.approx(due["value"], rel=1e-8)
        assert {field.name for field, _ in alone.ListFields()} == {"value"}


async def test_higher_greeks_come_for_the_families_that_have_them(tmp_path: Path) -> None:
    request = option_families_pb2.PriceExoticOptionsRequest(
        options=[option_of("black76")], depth=option_families_pb2.OPTION_DEPTH_ALL_GREEKS
    )
    async with serving(tmp_path) as (caller, _):
        answer = await caller.PriceExoticOptions(request)
        due = registry.evaluate("black76", kernel_block("black76"), 12).outputs[:, 0]
        higher = answer.values[0].higher_greeks
        found = [getattr(higher, name) for name in columns.OUTPUT_NAMES[6:]]
        assert found == due[6:].tolist()
        request.options.append(option_of("quanto"))
        assert (await refusal(caller.PriceExoticOptions(request))).field == "depth"


async def test_the_list_tells_what_each_family_takes(tmp_path: Path) -> None:
    request = option_families_pb2.ListOptionFamiliesRequest()
    async with serving(tmp_path) as (caller, _):
        answer = await caller.ListOptionFamilies(request)
    told = {family_name(item.family): item for item in answer.families}
    assert set(told) == set(TERMS)
    for name, item in told.items():
        taken = {field.field for field in item.inputs}
        assert set(TERMS[name][0]) | set(market_of(name)) <= taken
        required = {field.field for field in item.inputs if field.required}
        strikeless = {"strike"} if TERMS[name][0].get("average_strike") else set()
        assert required - strikeless <= set(TERMS[name][0]) | set(MARKET), name
        assert set(market_of(name)) <= required, name
    assert list(told["double_binary"].variants) == [3, 4, 5, 6]
    assert told["compound"].exact_greeks
    assert not told["quanto"].exact_greeks


@pytest.mark.parametrize(
    ("name", "change", "field", "reason"),
    [
        ("quanto", {"exchange_rate": None}, "exchange_rate", reasons.REASON_INVALID_REQUEST),
        ("quanto", {"barrier": 90.0}, "barrier", reasons.REASON_INVALID_REQUEST),
        ("chooser", {"right": CALL}, "right", reasons.REASON_INVALID_REQUEST),
        ("quanto", {"right": 0}, "right", reasons.REASON_INVALID_REQUEST),
        ("double_barrier", {"variant": 7}, "variant", reasons.REASON_INVALID_REQUEST),
        ("geometric_asian", {"strike": None}, "strike", reasons.REASON_INVALID_REQUEST),
        ("levy_asian", {"fixing_count": 2}, "fixing_count", reasons.REASON_INVALID_REQUEST),
        ("quanto", {"spot": math.inf}, "spot", reasons.REASON_INVALID_REQUEST),
        ("quanto", {"correlation": 1.5}, "correlation", reasons.REASON_MODEL_DOMAIN),
        ("quanto", {"exchange_rate": -1.0}, "exchange_rate", reasons.REASON_MODEL_DOMAIN),
        ("exchange", {"other_yield": 1e9}, "other_yield", reasons.REASON_MODEL_DOMAIN),
        ("black76", {"spot": -1.0}, "spot", reasons.REASON_MODEL_DOMAIN),
        ("double_barrier", {"high_barrier": 70.0}, "high_barrier", reasons.REASON_MODEL_DOMAIN),
        ("compound", {"later_time_years": 0.2}, "later_time_years", reasons.REASON_MODEL_DOMAIN),
        ("arithmetic_asian", {"volatility": 20.0}, "volatility", reasons.REASON_MODEL_DOMAIN),
        ("exchange", {"quantity": math.nan}, "quantity", reasons.REASON_INVALID_QUANTITY),
        ("exchange", {"other_yield": None}, "other_yield", reasons.REASON_INVALID_REQUEST),
        ("quanto", {"other_rate": None}, "other_rate", reasons.REASON_INVALID_REQUEST),
        ("gap", {"interest_rate": None}, "interest_rate", reasons.REASON_INVALID_REQUEST),
        ("chooser", {"dividend_yield": None}, "dividend_yield", reasons.REASON_INVALID_REQUEST),
        ("levy_asian", {"average": None}, "average", reasons.REASON_INVALID_REQUEST),
        ("levy_asian", {"elapsed_years": -1.0}, "elapsed_years", reasons.REASON_MODEL_DOMAIN),
    ],
)  # fmt: skip
async def test_the_field_at_fault_is_named(
    tmp_path: Path, name: str, change: dict[str, Any], field: str, reason: int
) -> None:
    request = option_families_pb2.PriceExoticOptionsRequest(
        options=[option_of("american"), option_of(name, **change)]
    )
    async with serving(tmp_path) as (caller, _):
        error = await refusal(caller.PriceExoticOptions(request))
    assert (error.reason, error.field) == (reason, f"options[1].{field}")


@pytest.mark.parametrize(
    ("name", "change", "rule"),
    [
        ("barrier_option", {"volatility": 1e-5}, "from 1e-4 to 100"),
        ("quanto", {"volatility": 9.0, "time_years": 1.0}, "times the root of time within 8"),
    ],
)
async def test_the_rule_that_is_told_is_that_of_the_family(
    tmp_path: Path, name: str, change: dict[str, Any], rule: str
) -> None:
    request = option_families_pb2.PriceExoticOptionsRequest(options=[option_of(name, **change)])
    async with serving(tmp_path) as (caller, _):
        error = await refusal(caller.PriceExoticOptions(request))
    assert rule in error.message


def simulation(payoff: str, **change: Any) -> simulation_pb2.SimulateOptionRequest:
    fields: dict[str, Any] = {
        "right": CALL,
        "spot": 100.0,
        "strike": 95.0,
        "volatility": 0.25,
        "interest_rate": 0.05,
        "dividend_yield": 0.0,
        "schedule": {"first_years": 0.125, "last_years": 0.5, "count": 4},
        "plan": {"points": 1024, "seed": 3},
    }
    number = simulation_pb2.PathPayoff.Value(f"PATH_PAYOFF_{payoff}")
    return simulation_pb2.SimulateOptionRequest(payoff=number, **{**fields, **change})


def spaced(first: float, last: float, count: int) -> dict[str, Any]:
    return {"schedule": {"first_years": first, "last_years": last, "count": count}}


async def test_simulated_values_agree_with_closed_forms_within_their_errors(tmp_path: Path) -> None:
    asian = registry.stack(1.0, 100.0, 95.0, 0.5, 0.25, 0.05, 0.0, 0.125, 4.0, 0.0)
    strike = registry.stack(1.0, 100.0, 95.0, 0.5, 0.25, 0.05, 0.0, 0.125, 4.0, 1.0)
    plain = registry.stack(1.0, 100.0, 95.0, 0.5, 0.25, 0.05, 0.0)
    due = {
        "EUROPEAN": registry.evaluate("black_scholes", plain, 1),
        "AVERAGE_PRICE": registry.evaluate("arithmetic_asian", asian, 1),
        "AVERAGE_STRIKE": registry.evaluate("arithmetic_asian", strike, 1),
        "GEOMETRIC_AVERAGE_PRICE": registry.evaluate("geometric_asian", asian, 1),
    }
    async with serving(tmp_path) as (caller, _):
        for payoff, outcome in due.items():
            change = {"strike": None} if payoff == "AVERAGE_STRIKE" else {}
            found = await caller.SimulateOption(simulation(payoff, **change))
            value = float(outcome.outputs[0, 0])
            assert 0.0 < found.standard_error < 0.01
            assert abs(found.value - value) < 5 * found.standard_error + 1e-6, payoff
            assert found.path_count == 2 * 16 * 1024
            again = await caller.SimulateOption(simulation(payoff, **change))
            assert again.value == found.value
            # Without its control the same option has a larger error, around the same value.
            if found.control_weight:
                plan = {"points": 1024, "seed": 3, "uncontrolled": True}
                wide = await caller.SimulateOption(simulation(payoff, plan=plan, **change))
                assert (wide.control_weight, wide.standard_error > found.standard_error) == (
                    0,
                    True,
                )


async def test_knocked_in_and_out_add_up_and_lookbacks_are_worth_more(tmp_path: Path) -> None:
    async with serving(tmp_path) as (caller, _):
        plain = await caller.SimulateOption(simulation("EUROPEAN"))
        kinds = {"barrier": 90.0, "plan": {"points": 1024, "seed": 3, "uncontrolled": True}}
        down_in = await caller.SimulateOption(simulation("BARRIER", barrier_kind=1, **kinds))
        down_out = await caller.SimulateOption(simulation("BARRIER", barrier_kind=2, **kinds))
        assert down_in.value + down_out.value == pytest.approx(plain.value, rel=1e-12)
        rebated = await caller.SimulateOption(
            simulation("BARRIER", barrier_kind=2, rebate=5.0, **kinds)
        )
        assert rebated.value > down_out.value
        fixed = await caller.SimulateOption(simulation("FIXED_LOOKBACK"))
        floating = await caller.SimulateOption(simulation("FLOATING_LOOKBACK", strike=None))
        assert fixed.value > plain.value
        # A fixing now is the spot: more of them are worth more.
        known = {"times": {"years": [0.0, 0.125, 0.25, 0.375, 0.5]}, "schedule": None}
        more = await caller.SimulateOption(simulation("FLOATING_LOOKBACK", strike=None, **known))
        assert more.value > floating.value > 0.0


@pytest.mark.parametrize(
    ("payoff", "change", "field"),
    [
        ("EUROPEAN", {"strike": 0.0}, "strike"),
        ("EUROPEAN", {"strike": None}, "strike"),
        ("EUROPEAN", {"volatility": None}, "volatility"),
        ("EUROPEAN", {"interest_rate": None}, "interest_rate"),
        ("EUROPEAN", {"dividend_yield": None}, "dividend_yield"),
        ("EUROPEAN", {"schedule": {"last_years": 1.0, "count": 2}}, "schedule.first_years"),
        ("EUROPEAN", spaced(0.5, 1.0, 1), "schedule.first_years"),
        ("BARRIER", {"barrier_kind": 2}, "barrier"),
        ("FLOATING_LOOKBACK", {}, "strike"),
        ("EUROPEAN", {"barrier": 90.0}, "barrier"),
        ("BARRIER", {"barrier": 90.0}, "barrier_kind"),
        ("EUROPEAN", {"rebate": 1.0}, "rebate"),
        ("EUROPEAN", {"schedule": None}, "fixings"),
        ("EUROPEAN", spaced(1.0, 1.0, 3), "schedule.first_years"),
        ("EUROPEAN", {"schedule": None, "times": {"years": [0.5, 0.4]}}, "times.years[1]"),
        ("EUROPEAN", {"schedule": None, "times": {"years": [0.0]}}, "times.years"),
        ("EUROPEAN", {"plan": {"points": 1000}}, "plan.points"),
        ("EUROPEAN", {"plan": {"replicates": 1}}, "plan.replicates"),
        ("EUROPEAN", {"plan": {"points": 1 << 24, "replicates": 1024}}, "plan.points"),
        ("EUROPEAN", {"volatility": 90.0}, "volatility"),
        ("AVERAGE_PRICE", {"interest_rate": 1e6}, "interest_rate"),
        ("AVERAGE_PRICE", {**spaced(0.0, 900.0, 2), "dividend_yield": 50.0}, "dividend_yield"),
    ],
)
async def test_what_cant_be_simulated_is_named(
    tmp_path: Path, payoff: str, change: dict[str, Any], field: str
) -> None:
    async with serving(tmp_path) as (caller, _):
        error = await refusal(caller.SimulateOption(simulation(payoff, **change)))
    assert error.field == field


COLUMNS = {
    "right": [CALL, PUT, PUT],
    "spot": [100.0, 100.0, 50.0],
    "strike": [100.0, 95.0, 55.0],
    "time_years": [0.5, 1.0, 0.1],
    "volatility": [0.2, 0.3, 0.4],
    "interest_rate": [0.03, 0.03, 0.03],
    "dividend_yield": [0.0, 0.01, 0.0],
}
QUANTITIES = [10.0, -5.0, 3.0]
AXES = {
    "spot_factors": [0.8, 1.0, 1.25],
    "volatility_shifts": [-0.05, 0.0],
    "years": [0.0, 0.05, 0.2, 0.4],
}


def portfolio_value(family: str, factor: float, shift: float, years: float) -> float:
    rows = [np.array(COLUMNS[name], dtype=np.float64) for name in list(COLUMNS)[1:]]
    spot, strike, time, volatility, rate, dividend_yield = rows
    right = np.array([1.0, -1.0, -1.0])
    block = registry.stack(
        right,
        spot * factor,
        strike,
        np.maximum(time - years, 0.0),
        volatility + shift,
        rate,
        dividend_yield,
    )
    return float(registry.evaluate(family, block, 1).outputs[0] @ np.array(QUANTITIES))


@pytest.mark.parametrize(("model", "family"), [(0, "black_scholes"), (4, "american")])
async def test_a_portfolio_is_valued_in_every_scenario(
    tmp_path: Path, model: int, family: str
) -> None:
    request = options_pb2.RevaluePortfolioRequest(
        columns=COLUMNS, quantities=QUANTITIES, model=model, **AXES
    )
    async with serving(tmp_path) as (caller, _):
        answer = await caller.RevaluePortfolio(request)
        block = {**COLUMNS, "right": np.array(COLUMNS["right"], dtype=np.uint8)}
        request.ClearField("columns")
        request.block = build_block(OPTION_INPUT_COLUMNS, {}, block)
        by_block = await caller.RevaluePortfolio(request)
    assert by_block == answer
    assert list(answer.shape) == [3, 2, 4]
    assert answer.base_value == pytest.approx(portfolio_value(family, 1.0, 0.0, 0.0), rel=1e-12)
    values = np.array(answer.values).reshape(answer.shape)
    for spot, factor in enumerate(AXES["spot_factors"]):
        for volatility, shift in enumerate(AXES["volatility_shifts"]):
            for time, years in enumerate(AXES["years"]):
                due = portfolio_value(family, factor, shift, years)
                assert values[spot, volatility, time] == pytest.approx(due, rel=1e-9, abs=1e-9)
    assert not answer.invalid_counts


async def test_a_position_without_a_value_in_a_scenario_is_counted_there(tmp_path: Path) -> None:
    request = options_pb2.RevaluePortfolioRequest(
        columns=COLUMNS, quantities=QUANTITIES, volatility_shifts=[0.0, 1000.0]
    )
    async with serving(tmp_path) as (caller, _):
        answer = await caller.RevaluePortfolio(request)
    assert list(answer.invalid_counts) == [0, 3]
    assert answer.values[0] == answer.base_value
    assert math.isnan(answer.values[1])


async def test_listed_options_are_valued_at_their_quote(tmp_path: Path) -> None:
    options = REFERENCE.options_on(ACME.instrument_id)[:2]
    positions = [{"instrument": option.key, "quantity": 100.0} for option in options]
    request = options_pb2.RevaluePortfolioRequest(listed=positions, spot_factors=[0.9, 1.1])
    async with serving(tmp_path) as (caller, _):
        answer = await caller.RevaluePortfolio(request)
    spot, now_ns = float(10_000 * ACME.price_unit), ManualClock().now_ns()
    due = np.zeros(3)
    for option in options:
        block = registry.stack(
            1.0 if option.right == "call" else -1.0,
            spot * np.array([1.0, 0.9, 1.1]),
            float(option.strike_units * option.price_unit),
            (option.expiry_ns - now_ns) / YEAR_NS,
            option.volatility,
            option.rate,
            option.dividend_yield,
        )
        due += 100.0 * registry.evaluate("black_scholes", block, 1).outputs[0]
    assert [answer.base_value, *answer.values] == pytest.approx(due.tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quantities": [1.0]}, "quantities"),
        ({"quantities": [1.0, math.inf, 1.0]}, "quantities[1]"),
        ({"columns": None}, "columns"),
        ({"listed": [{"instrument": "ACME@XSIM", "quantity": 1.0}]}, "columns"),
        ({"columns": None, "listed": [{"instrument": "ACME@XSIM"}]}, "listed[0].quantity"),
        ({"spot_factors": [0.0]}, "spot_factors[0]"),
        ({"spot_factors": [1.0] * 1000, "years": [0.0] * 101}, "spot_factors"),
        ({"model": 2}, "columns.dividend_yield"),
    ],
)
async def test_a_wrong_portfolio_is_named(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    request = options_pb2.RevaluePortfolioRequest(
        **{"columns": COLUMNS, "quantities": QUANTITIES, **change}
    )
    async with serving(tmp_path) as (caller, _):
        error = await refusal(caller.RevaluePortfolio(request))
    assert error.field == field
    assert error.reason in (reasons.REASON_INVALID_REQUEST, reasons.REASON_INVALID_QUANTITY)


@pytest.mark.parametrize(
    ("name", "quoted", "reason"),
    [
        ("NONE@XSIM", True, reasons.REASON_UNKNOWN_INSTRUMENT),
        ("ACME@XSIM", True, reasons.REASON_INVALID_REQUEST),
        ("option", False, reasons.REASON_UNAVAILABLE),
    ],
)
async def test_a_listed_position_that_cant_be_priced_is_named(
    tmp_path: Path, name: str, quoted: bool, reason: int
) -> None:
    option = REFERENCE.options_on(ACME.instrument_id)[0]
    names = [option.key] if name == "option" else [option.key, name]
    positions = [{"instrument": item, "quantity": 1.0} for item in names]
    request = options_pb2.RevaluePortfolioRequest(listed=positions)
    async with serving(tmp_path, quote=quoted) as (caller, _):
        error = await refusal(caller.RevaluePortfolio(request))
    assert (error.reason, error.field) == (reason, f"listed[{len(names) - 1}].instrument")


def test_the_asian_problem_is_what_the_kernel_simulates() -> None:
    contract = Contract(1.0, 100.0, 95.0, 0.5, 0.25, 0.05, 0.0, is_american=False)
    times, plan = np.array([0.0, 0.25, 0.5]), monte_carlo.Plan(points=256)
    problem = monte_carlo.arithmetic_asian_problem(contract, times)
    due = monte_carlo.arithmetic_asian(contract, times, plan)
    found = monte_carlo.simulate(
        problem.market, problem.times, problem.payoff, plan, problem.control
    )
    assert found == due
