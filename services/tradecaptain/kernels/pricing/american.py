"""American options on a spot with a continuous yield: values, greeks, boundaries, to a wish.

    outcome = price(inputs, Accuracy.STANDARD)       # inputs as the family "black_scholes" has them
    outcome.values, outcome.status, outcome.boundaries

Errors by the strike, held against the panels' boundary and published tables in the tests: ``FAST``
1e-6 root mean square, ``STANDARD`` 1e-6 at most, ``ACCURATE`` 1e-9 at most. Options whose numbers
are hard on the fast method take a finer one, up to the panels of ``american_panels``. Every input
has a defined answer:

* a call is a put with spot and strike, rate and yield exchanged (McDonald and Schroder, A Parity
  Result for American Options, 1998);
* a put with ``rate <= 0`` and ``yield >= rate`` is never exercised early: European;
* ``yield < rate < 0`` has two boundaries, until they meet;
* with no volatility left, the best moment of the known path counts;
* a spot or a strike of zero is allowed here.

Greeks are those of the value: delta and gamma under the integral, theta by the model's equation,
vega and rho by central differences of values under one scheme. They are zero where an option is
exercised at once, but for a delta of +1 or -1.

Sources: Andersen, Lake and Offengenden, High Performance American Option Pricing (2015); Kim, The
Analytic Valuation of American Options (1990); for two boundaries Battauz, De Donno and Sbuelz, Real
Options and American Derivatives: The Double Continuation Region (2015), and Andersen and Lake, Fast
American Option Pricing: The Double-Boundary Case (2021).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import american_lanes as lanes
from tradecaptain.kernels.pricing import american_precise as precise
from tradecaptain.kernels.pricing import validity
from tradecaptain.kernels.pricing.american_boundary import LANES, NODE_ROWS
from tradecaptain.kernels.pricing.american_lanes import (
    PUT_DELTA,
    PUT_DEVIATION,
    PUT_GAMMA,
    PUT_RATE,
    PUT_ROWS,
    PUT_SPOT,
    PUT_VALUE,
    PUT_YIELD,
)
from tradecaptain.kernels.pricing.american_scheme import EQUATION_B, Scheme, tables
from tradecaptain.kernels.pricing.columns import (
    DELTA,
    GAMMA,
    GREEK_ROWS,
    RATE,
    RHO,
    RIGHT,
    SPOT,
    STRIKE,
    THETA,
    TIME,
    VALUE,
    VEGA,
    VOLATILITY,
    YIELD,
)
from tradecaptain.kernels.pricing.lognormal_block import lognormal_greeks, lognormal_values
from tradecaptain.kernels.pricing.status import GREEKS_UNDEFINED, NOT_CONVERGED, OK, RULES

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

INPUT_ROWS: Final = YIELD + 1


class Accuracy(enum.Enum):
    """How far off a value may be, as a share of the strike."""

    FAST = "fast"  # 1e-6 root mean square
    STANDARD = "standard"  # 1e-6 at most
    ACCURATE = "accurate"  # 1e-9 at most


@dataclass(frozen=True, slots=True)
class AmericanOutcome:
    """``values`` by row and option, status, and the prices between which exercise is best now.

    ``boundaries`` is (2, options), low and high; NaN where it is never worth exercising today, 0
    or infinity where there is no bound on a side.
    """

    values: FloatArray
    status: IntArray
    boundaries: FloatArray


# Up to this pull of rate, yield or their difference by the deviation, and this deviation, system A
# converges fast; up to the next ones system B does; beyond, and in accurate form, panels.
_EASY_PULL: Final = 0.7
_EASY_DEVIATION: Final = 1.5
_HARD_PULL: Final = 10.0
# Below these the boundary lies so deep that the start of the iteration needs more steps to find it,
# and then panels, if the value is to be right to nine digits.
_SLIGHT_PULL: Final = 1e-3
_FAINT_PULL: Final = 1e-6

_FAST_EASY: Final = Scheme(8, 3, 7, 24)
_STANDARD_EASY: Final = Scheme(12, 4, 9, 32)
_FAST_HARD: Final = Scheme(12, 6, 10, 32, EQUATION_B)
_STANDARD_HARD: Final = Scheme(24, 8, 14, 40, EQUATION_B)
_ACCURATE_EASY: Final = Scheme(64, 14, 32, 96, start_steps=10)

# Below these an option has no volatility, or no rate worth exercising for. The second is the span
# of prices, by the strike, in which volatility bears on early exercise: its square by the rate.
_DEVIATION_MIN: Final = 1e-9
_SPAN_MIN: Final = 1e-10
_RATE_TIME_MIN: Final = 1e-13
# Over the life of the option such a rate moves its price by less than rounding does.
_RATE_TRACE: Final = 1e-14
# An option that is worth less, by the strike, is worth nothing.
_VALUE_MIN: Final = 1e-100
# Step of the differences for vega and rho, by the deviation.
_BUMP: Final = 1e-4
# Greeks near the boundary need more points than values do.
_GREEK_VALUE_POINTS: Final = 96


def solve_puts(puts: FloatArray, scheme: Scheme) -> tuple[FloatArray, FloatArray]:
    """Value, delta and gamma by one scheme, and the boundaries now, in units of strike and expiry.

    ``puts`` (4, options) as ``american_lanes`` has them, with one boundary and some volatility.
    """
    plan = tables(scheme)
    count = puts.shape[1]
    work = np.empty((NODE_ROWS + 2 * scheme.nodes, LANES))
    curves, outputs = np.empty((scheme.nodes, count)), np.empty((3, count))
    settings = np.array([scheme.steps, scheme.start_steps, scheme.equation])
    lanes.american_put_boundaries(
        puts, plan.nodes, plan.integral, plan.integral_rows, settings, work, curves
    )
    lanes.american_put_values(puts, curves, plan.value, plan.value_rows, work, outputs)
    rate, dividend_yield = puts[PUT_RATE], puts[PUT_YIELD]
    limit = np.ones(count)
    np.divide(rate, dividend_yield, out=limit, where=dividend_yield > rate)
    boundaries = np.zeros((2, count))
    boundaries[precise.UPPER] = limit * np.exp(-np.sqrt(np.maximum(curves[-1], 0.0)))
    return outputs, boundaries


def solve_puts_precisely(
    puts: FloatArray, curves: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """As ``solve_puts``, by panels; NaN where a boundary isn't found.

    ``curves``, if given, holds those of the last put afterwards.
    """
    count = puts.shape[1]
    outputs, boundaries = np.empty((precise.PRECISE_ROWS, count)), np.empty((2, count))
    precise.precise_put_values(
        puts,
        precise.panel_tables(),
        precise.empty_curves() if curves is None else curves,
        precise.empty_work(),
        outputs,
        boundaries,
    )
    return outputs, boundaries


def _solve_by(scheme: Scheme | None, puts: FloatArray) -> tuple[FloatArray, FloatArray]:
    return solve_puts_precisely(puts) if scheme is None else solve_puts(puts, scheme)


def as_puts(inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Every option as a put in units of strike and expiry, and the strikes of those puts."""
    is_call = inputs[RIGHT] > 0.0
    strike = np.where(is_call, inputs[SPOT], inputs[STRIKE])
    puts = np.empty((PUT_ROWS, inputs.shape[1]))
    puts[PUT_SPOT] = np.where(is_call, inputs[STRIKE], inputs[SPOT]) / strike
    puts[PUT_RATE] = np.where(is_call, inputs[YIELD], inputs[RATE]) * inputs[TIME]
    puts[PUT_YIELD] = np.where(is_call, inputs[RATE], inputs[YIELD]) * inputs[TIME]
    puts[PUT_DEVIATION] = inputs[VOLATILITY] * np.sqrt(inputs[TIME])
    return puts, strike


def _routes(puts: FloatArray, accuracy: Accuracy) -> list[tuple[Scheme | None, BoolArray]]:
    """Which scheme, or panels (None), each put takes."""
    rate, dividend_yield, deviation = puts[PUT_RATE], puts[PUT_YIELD], puts[PUT_DEVIATION]
    pull = np.maximum(
        np.abs(rate), np.maximum(np.abs(dividend_yield), np.abs(rate - dividend_yield))
    )
    pull = pull / deviation
    is_single = (rate >= 0.0) & (deviation < _EASY_DEVIATION)
    is_easy = is_single & (pull < _EASY_PULL)
    is_hard = is_single & ~is_easy & (pull < _HARD_PULL)
    if accuracy is Accuracy.ACCURATE:
        is_plain = is_easy & (pull >= _FAINT_PULL)
        return [(_ACCURATE_EASY, is_plain), (None, ~is_plain)]
    is_fast = accuracy is Accuracy.FAST
    easy = _FAST_EASY if is_fast else _STANDARD_EASY
    hard = _FAST_HARD if is_fast else _STANDARD_HARD
    is_slight = is_easy & (pull < _SLIGHT_PULL)
    return [
        (easy, is_easy & ~is_slight),
        (_ACCURATE_EASY, is_slight),
        (hard, is_hard),
        (None, ~is_easy & ~is_hard),
    ]


def check(inputs: FloatArray) -> IntArray:
    """Status of each option's inputs: as for European ones, but for spots and strikes of zero."""
    status = np.empty(inputs.shape[1], dtype=np.int64)
    prices = inputs[[SPOT, STRIKE]]
    if (prices == 0.0).any():
        inputs = inputs.copy()
        inputs[[SPOT, STRIKE]] = np.where(prices == 0.0, 1.0, prices)
    validity.check_lognormal(inputs, status)
    status[status == GREEKS_UNDEFINED] = OK
    return status


def _certain_path(inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value without volatility, and the moment of exercise that gives it."""
    right, time = inputs[RIGHT], inputs[TIME]
    rate, dividend_yield = inputs[RATE], inputs[YIELD]
    with np.errstate(all="ignore"):
        ratio = rate * inputs[STRIKE] / (dividend_yield * inputs[SPOT])
        best = np.log(ratio) / (rate - dividend_yield)
    moments = np.stack(
        [np.zeros_like(time), time, np.where(np.isfinite(best), np.clip(best, 0.0, time), 0.0)]
    )
    worth = right * (
        inputs[SPOT] * np.exp(-dividend_yield * moments) - inputs[STRIKE] * np.exp(-rate * moments)
    )
    chosen = np.argmax(worth, axis=0)[np.newaxis]
    value = np.take_along_axis(worth, chosen, 0)[0]
    return np.maximum(value, 0.0), np.take_along_axis(moments, chosen, 0)[0]


def _lacks_greeks(inputs: FloatArray, value: FloatArray) -> BoolArray:
    """Where an option whose path is known is worth nothing here, and something beside.

    So it is at the strike, if the option is best exercised now, and where the forward is at the
    strike, if it is best kept to expiry: as for European options, delta jumps there.
    """
    status = np.empty(inputs.shape[1], dtype=np.int64)
    validity.check_lognormal(inputs, status)
    worth_now = inputs[RIGHT] * (inputs[SPOT] - inputs[STRIKE])
    is_at_forward = (status == GREEKS_UNDEFINED) & (worth_now <= 0.0)
    is_worthless = value < _VALUE_MIN * inputs[STRIKE]
    return np.asarray(is_at_forward | ((worth_now == 0.0) & is_worthless))


def _fill_certain(inputs: FloatArray, outputs: FloatArray) -> None:
    """Options whose path is known."""
    value, moment = _certain_path(inputs)
    outputs[VALUE] = value
    if outputs.shape[0] == 1:
        return
    right, is_alive = inputs[RIGHT], value > 0.0
    asset = right * np.exp(-inputs[YIELD] * moment) * is_alive
    cash = right * inputs[STRIKE] * np.exp(-inputs[RATE] * moment) * is_alive
    outputs[1:] = 0.0
    outputs[DELTA] = asset
    outputs[RHO] = moment * cash
    held = (moment >= inputs[TIME]) & (moment > 0.0)
    carried = inputs[YIELD] * inputs[SPOT] * asset - inputs[RATE] * cash
    outputs[THETA] = np.where(held, carried, 0.0)


def _fill_nearly_certain(inputs: FloatArray, outputs: FloatArray) -> None:
    """The better of exercise on the known path and of waiting for expiry."""
    _fill_certain(inputs, outputs)
    has_prices = (inputs[SPOT] > 0.0) & (inputs[STRIKE] > 0.0)
    if has_prices.any():
        waiting = np.empty((outputs.shape[0], int(has_prices.sum())))
        _fill_european(np.ascontiguousarray(inputs[:, has_prices]), waiting)
        own = outputs[:, has_prices]
        outputs[:, has_prices] = np.where(waiting[VALUE] > own[VALUE], waiting, own)


def _fill_european(inputs: FloatArray, outputs: FloatArray) -> None:
    form = lognormal_values if outputs.shape[0] == 1 else lognormal_greeks
    form(inputs, outputs, np.empty(inputs.shape[1], np.int64))


def _bumped(puts: FloatArray, row: IntArray, size: FloatArray) -> FloatArray:
    """A copy of the puts where each has one of its rows raised."""
    raised = puts.copy()
    raised[row, np.arange(puts.shape[1])] += size
    return raised


def _slopes(puts: FloatArray, row: IntArray, scheme: Scheme | None) -> FloatArray:
    """Derivative of each put's value by one of its rows, which must not change its regime."""
    size = _BUMP * puts[PUT_DEVIATION]
    held = np.abs(puts[row, np.arange(puts.shape[1])])
    is_rate = row == PUT_RATE
    below = np.where(is_rate, np.minimum(size, 0.5 * held), size)
    above = np.where(is_rate & (puts[PUT_RATE] < 0.0), below, size)
    count = puts.shape[1]
    both = np.ascontiguousarray(np.hstack([_bumped(puts, row, above), _bumped(puts, row, -below)]))
    values = _solve_by(scheme, both)[0][PUT_VALUE]
    return np.asarray((values[:count] - values[count:]) / (above + below))


def _fill_greeks(
    inputs: FloatArray,
    puts: FloatArray,
    strike: FloatArray,
    solved: FloatArray,
    outputs: FloatArray,
) -> None:
    """Delta, gamma and theta in the options' own units from those of their puts."""
    is_call = inputs[RIGHT] > 0.0
    value, spot = solved[PUT_VALUE], puts[PUT_SPOT]
    delta, gamma = solved[PUT_DELTA], solved[PUT_GAMMA]
    outputs[DELTA] = np.where(is_call, value - spot * delta, delta)
    outputs[GAMMA] = np.where(is_call, spot * spot * gamma, gamma) / strike
    variance = inputs[VOLATILITY] * inputs[VOLATILITY]
    carry = inputs[RATE] - inputs[YIELD]
    theta = (
        inputs[RATE] * outputs[VALUE]
        - carry * inputs[SPOT] * outputs[DELTA]
        - 0.5 * variance * inputs[SPOT] * inputs[SPOT] * outputs[GAMMA]
    )
    outputs[THETA] = np.where(gamma == 0.0, 0.0, theta)


def _price_alive(
    inputs: FloatArray, accuracy: Accuracy, scheme: Scheme | None, outputs: FloatArray
) -> FloatArray:
    """Fill outputs of options that may be exercised early; returns their puts' boundaries."""
    puts, strike = as_puts(inputs)
    boundaries = np.empty((2, puts.shape[1]))
    routes = _routes(puts, accuracy)
    if scheme is not None:
        routes = [(scheme, np.ones(puts.shape[1], dtype=bool))]
    for chosen, mask in routes:
        if not mask.any():
            continue
        some = np.ascontiguousarray(puts[:, mask])
        if chosen is not None and scheme is None and outputs.shape[0] > 1:
            chosen = replace(chosen, value_points=_GREEK_VALUE_POINTS)
        solved, boundaries[:, mask] = _solve_by(chosen, some)
        part = np.empty((outputs.shape[0], some.shape[1]))
        part[VALUE] = solved[PUT_VALUE] * strike[mask]
        if outputs.shape[0] > 1:
            own, time = inputs[:, mask], inputs[TIME, mask]
            _fill_greeks(own, some, strike[mask], solved, part)
            row = np.where(own[RIGHT] > 0.0, PUT_YIELD, PUT_RATE)
            part[VEGA] = _slopes(some, np.full_like(row, PUT_DEVIATION), chosen)
            part[VEGA] *= strike[mask] * np.sqrt(time)
            part[RHO] = _slopes(some, row, chosen) * strike[mask] * time
            part[VEGA:, solved[PUT_GAMMA] == 0.0] = 0.0
        outputs[:, mask] = part
    return boundaries


def price(
    inputs: FloatArray,
    accuracy: Accuracy = Accuracy.STANDARD,
    rows: int = 1,
    scheme: Scheme | None = None,
) -> AmericanOutcome:
    """Price a block of 7 rows of inputs; ``rows`` is 1 (values) or 6 (with greeks).

    A ``scheme`` replaces the choice by accuracy for options with one boundary: the dial of the
    paper. Raises ``ValueError`` if the block or ``rows`` have another shape.
    """
    if inputs.ndim != 2 or inputs.shape[0] != INPUT_ROWS:
        raise ValueError(f"american options take {INPUT_ROWS} rows of inputs")
    if rows not in (1, GREEK_ROWS):
        raise ValueError("rows must be 1 or 6")
    count = inputs.shape[1]
    outputs, boundaries = np.full((rows, count), math.nan), np.full((2, count), math.nan)
    status = check(inputs)
    valid = status == OK
    # What isn't valid has no meaning on its way to being left out.
    inputs = _without_traces(np.where(valid, inputs, 1.0))
    deviation = inputs[VOLATILITY] * np.sqrt(np.maximum(inputs[TIME], 0.0))
    is_call = inputs[RIGHT] > 0.0
    rate = np.where(is_call, inputs[YIELD], inputs[RATE])
    dividend_yield = np.where(is_call, inputs[RATE], inputs[YIELD])
    has_prices = (inputs[SPOT] > 0.0) & (inputs[STRIKE] > 0.0)
    pull = np.maximum(np.abs(rate), np.abs(dividend_yield)) * inputs[TIME]
    is_calm = (deviation < _DEVIATION_MIN) | (deviation * deviation < _SPAN_MIN * pull)
    is_certain = valid & (is_calm | ~has_prices)
    pays_nothing = (rate * inputs[TIME] <= _RATE_TIME_MIN) & (
        dividend_yield >= np.minimum(rate, 0.0)
    )
    is_european = valid & ~is_certain & pays_nothing
    is_alive = valid & ~is_certain & ~is_european
    for mask, fill in ((is_certain, _fill_nearly_certain), (is_european, _fill_european)):
        if mask.any():
            part = np.empty((rows, int(mask.sum())))
            fill(np.ascontiguousarray(inputs[:, mask]), part)
            outputs[:, mask] = part
    if is_alive.any():
        own = np.ascontiguousarray(inputs[:, is_alive])
        part = np.empty((rows, own.shape[1]))
        edges = _price_alive(own, accuracy, scheme, part)
        outputs[:, is_alive] = part
        boundaries[:, is_alive] = _own_boundaries(own, edges)
        failed = np.flatnonzero(is_alive)[np.isnan(part[VALUE])]
        status[failed] = NOT_CONVERGED
    lacking = np.zeros(count, dtype=bool)
    has_path = is_certain & has_prices
    lacking[has_path] = _lacks_greeks(
        np.ascontiguousarray(inputs[:, has_path]), outputs[VALUE, has_path]
    )
    outputs[1:, lacking] = math.nan
    # Nor can a greek be told where its differences overflow.
    outputs[~np.isfinite(outputs)] = math.nan
    status[(lacking | np.isnan(outputs).any(axis=0)) & (status == OK)] = GREEKS_UNDEFINED
    return AmericanOutcome(outputs, status, boundaries)


def _without_traces(inputs: FloatArray) -> FloatArray:
    """Inputs with rates of zero where they move no price: their quotients mean nothing."""
    flushed = inputs.copy()
    for row in (RATE, YIELD):
        is_trace = np.abs(inputs[row]) * np.maximum(inputs[TIME], 1.0) < _RATE_TRACE
        flushed[row] = np.where(is_trace, 0.0, inputs[row])
    return flushed


def _own_boundaries(inputs: FloatArray, edges: FloatArray) -> FloatArray:
    """Low and high prices of exercise from the puts' upper and lower boundaries."""
    upper, lower = edges[precise.UPPER], edges[precise.LOWER]
    strike = inputs[STRIKE]
    with np.errstate(divide="ignore"):
        call = np.stack([strike / upper, strike / lower])
    return np.where(inputs[RIGHT] > 0.0, call, np.stack([strike * lower, strike * upper]))


def exercise_boundary(
    right: float,
    strike: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
    times_years: FloatArray,
) -> FloatArray:
    """Prices (2, times) between which exercise is best, at times to expiry; NaN where never.

    Solved by panels. Raises ``ValueError`` for inputs outside the domain, or
    if no boundary was found to the panels' accuracy.
    """
    longest = float(np.max(times_years))
    inputs = np.array(
        [[right], [strike], [strike], [longest], [volatility], [rate], [dividend_yield]]
    )
    if check(inputs)[0] != OK or not float(np.min(times_years)) > 0.0:
        raise ValueError("the boundary's inputs lie outside the domain")
    puts, _ = as_puts(inputs)
    own_rate, own_yield = puts[PUT_RATE, 0], puts[PUT_YIELD, 0]
    is_never = own_rate <= _RATE_TIME_MIN and own_yield >= min(own_rate, 0.0)
    if is_never or puts[PUT_DEVIATION, 0] < _DEVIATION_MIN:
        return np.full((2, times_years.size), math.nan)
    curves = precise.empty_curves()
    solved, _ = solve_puts_precisely(puts, curves)
    if math.isnan(solved[PUT_VALUE, 0]):
        raise ValueError(RULES[NOT_CONVERGED][1])
    ratio = own_rate / own_yield if own_yield != 0.0 else 0.0
    limits = np.array([1.0, ratio]) if own_rate < 0.0 else np.array([1.0, 0.0])
    if own_rate >= 0.0 and own_yield > own_rate:
        limits[0] = ratio
    edges = precise.curve_values(curves, solved[:, 0], limits, times_years / longest)
    return _own_boundaries(np.repeat(inputs, times_years.size, axis=1), edges)
