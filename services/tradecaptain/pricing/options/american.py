"""One American option with its exercise, and one on a stock that pays cash."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import option_families_pb2, options_pb2, pricing_pb2
from tradecaptain.kernels.pricing import american, american_barrier, american_dividends, columns
from tradecaptain.kernels.pricing import status as statuses
from tradecaptain.kernels.pricing.american_dividends import CashDividend, DividendModel
from tradecaptain.kernels.pricing.contract import Contract, contract_block
from tradecaptain.pricing.batch import value_of
from tradecaptain.pricing.options.blocks import ACCURACY
from tradecaptain.pricing.refusals import invalid, of_status, outside_domain
from tradecaptain.pricing.worker_pool import Steps

FloatArray = npt.NDArray[np.float64]

NODES: Final = 801
_DEVIATION_MIN: Final = 1e-4
_MONEYNESS_MAX: Final = 12.0
BARRIER_KINDS: Final[dict[int, float]] = {
    option_families_pb2.BARRIER_KIND_DOWN_IN: columns.DOWN_IN,
    option_families_pb2.BARRIER_KIND_DOWN_OUT: columns.DOWN_OUT,
    option_families_pb2.BARRIER_KIND_UP_IN: columns.UP_IN,
    option_families_pb2.BARRIER_KIND_UP_OUT: columns.UP_OUT,
}
_MODELS: Final = {
    options_pb2.DIVIDEND_MODEL_UNSPECIFIED: DividendModel.SPOT,
    options_pb2.DIVIDEND_MODEL_SPOT: DividendModel.SPOT,
    options_pb2.DIVIDEND_MODEL_ESCROWED: DividendModel.ESCROWED,
}
# Where a status names an input by another name than the request.
_DIVIDEND_FIELDS: Final = {
    statuses.INVALID_DIVIDEND: "dividends",
    statuses.INVALID_LATTICE: "nodes",
}


def contract_of(option: pricing_pb2.OptionInputs, *, is_american: bool) -> Contract:
    """The contract that a request's option describes."""
    return Contract(
        1.0 if option.right == instruments_pb2.OPTION_RIGHT_CALL else -1.0,
        option.spot,
        option.strike,
        option.time_years,
        option.volatility,
        option.interest_rate,
        option.dividend_yield,
        is_american,
    )


def price_american(
    request: options_pb2.PriceAmericanOptionRequest,
) -> Steps[options_pb2.PriceAmericanOptionResponse]:
    """Answer a request for one American option."""
    style = request.option.exercise_style
    if style not in (
        instruments_pb2.EXERCISE_STYLE_UNSPECIFIED,
        instruments_pb2.EXERCISE_STYLE_AMERICAN,
    ):
        name = instruments_pb2.ExerciseStyle.Name(style)
        raise invalid("option.exercise_style", f"{name} isn't American exercise", observed=name)
    contract = contract_of(request.option, is_american=True)
    if request.HasField("barrier"):
        return _price_barrier(request, contract)
    found = american.price(contract_block(contract), ACCURACY[request.accuracy], columns.GREEK_ROWS)
    _refuse_status("american", int(found.status[0]), request.option)
    response = options_pb2.PriceAmericanOptionResponse(
        value=value_of(found.values, 0),
        exercise=_region(contract.time_years, found.boundaries[:, 0].tolist()),
    )
    yield
    times = np.array(request.boundary_times_years)
    if times.size:
        response.boundary.extend(_boundary(contract, times))
    return response


def _refuse_status(family: str, number: int, option: pricing_pb2.OptionInputs) -> None:
    if number not in (statuses.OK, statuses.GREEKS_UNDEFINED):
        name, _ = statuses.RULES[number]
        raise of_status(family, number, "option", getattr(option, name) if name else None)


def _boundary(contract: Contract, times: FloatArray) -> Iterable[options_pb2.ExerciseRegion]:
    try:
        edges = american.exercise_boundary(
            contract.right,
            contract.strike,
            contract.volatility,
            contract.interest_rate,
            contract.dividend_yield,
            times,
        )
    except ValueError as error:
        raise outside_domain("boundary_times_years", str(error)) from error
    columns_of_edges = zip(times.tolist(), edges.T.tolist(), strict=True)
    return [_region(time, edge) for time, edge in columns_of_edges]


def _region(time_years: float, edges: list[float]) -> options_pb2.ExerciseRegion:
    """Prices of exercise; an edge that is NaN or infinite is left out."""
    region = options_pb2.ExerciseRegion(time_years=time_years)
    low, high = edges
    if math.isfinite(low):
        region.low = low
    if math.isfinite(high):
        region.high = high
    return region


def _price_barrier(
    request: options_pb2.PriceAmericanOptionRequest, contract: Contract
) -> options_pb2.PriceAmericanOptionResponse:
    barrier = request.barrier
    if request.boundary_times_years:
        raise invalid("boundary_times_years", "options with a barrier have no boundary times")
    if request.accuracy:
        raise invalid("accuracy", "options with a barrier have the accuracy of the grid")
    found = american_barrier.price(
        contract, barrier.level, BARRIER_KINDS[barrier.kind], barrier.rebate
    )
    if found.status == statuses.INVALID_BARRIER:
        raise outside_domain("barrier.level", statuses.RULES[found.status][1], barrier.level)
    if found.status == statuses.INVALID_AMOUNT:
        raise outside_domain("barrier.rebate", statuses.RULES[found.status][1], barrier.rebate)
    _refuse_status("american_barrier", found.status, request.option)
    value = value_of(np.array([[found.value], [found.delta], [found.gamma]]), 0)
    return options_pb2.PriceAmericanOptionResponse(value=value, error=found.error)


def price_dividend(
    request: options_pb2.PriceDividendOptionRequest,
) -> Steps[options_pb2.PriceDividendOptionResponse]:
    """Answer a request for one option on a stock that pays cash."""
    style = request.option.exercise_style
    if style == instruments_pb2.EXERCISE_STYLE_BERMUDAN:
        raise invalid("option.exercise_style", "exercise must be European or American")
    is_american = style == instruments_pb2.EXERCISE_STYLE_AMERICAN
    contract = contract_of(request.option, is_american=is_american)
    dividends = [CashDividend(item.time_years, item.amount) for item in request.dividends]
    _check_dividends(contract, dividends)
    _check_grid(contract)
    model, nodes = _MODELS[request.model], request.nodes or NODES
    found = american_dividends.price(contract, dividends, model, nodes)
    if found.status in _DIVIDEND_FIELDS:
        rule = "the dividends must leave some of the spot"
        if found.status == statuses.INVALID_LATTICE:
            rule = f"a grid has {american_dividends.NODES_MIN} nodes or more"
        raise outside_domain(_DIVIDEND_FIELDS[found.status], rule)
    _refuse_status("black_scholes", found.status, request.option)
    yield
    vega, rho = american_dividends.vega_and_rho(contract, dividends, model, nodes)
    outputs = np.array([found.value, found.delta, found.gamma, vega, found.theta, rho])
    answer = options_pb2.PriceDividendOptionResponse(value=value_of(outputs.reshape(-1, 1), 0))
    if not (model is DividendModel.ESCROWED and not is_american):
        answer.error = found.error
    return answer


def _check_grid(contract: Contract) -> None:
    """Refuse what a grid of spots can't hold."""
    deviation = contract.volatility * math.sqrt(contract.time_years)
    if not deviation >= _DEVIATION_MIN:
        rule = f"volatility times the root of time must be {_DEVIATION_MIN:g} or more"
        raise outside_domain("option.volatility", rule, contract.volatility)
    # Not of the ratio, which is zero or infinite where the two are far enough apart.
    if not abs(math.log(contract.spot) - math.log(contract.strike)) <= _MONEYNESS_MAX:
        rule = f"the strike must lie within a factor of e^{_MONEYNESS_MAX:g} of the spot"
        raise outside_domain("option.strike", rule, contract.strike)


def _check_dividends(contract: Contract, dividends: list[CashDividend]) -> None:
    """Name the dividend that is out of order or comes too late."""
    before = 0.0
    for index, dividend in enumerate(dividends):
        place = f"dividends[{index}].time_years"
        if not before <= dividend.time_years <= contract.time_years:
            rule = "dividends must come in order of time, at expiry at the latest"
            raise outside_domain(place, rule, dividend.time_years)
        before = dividend.time_years
