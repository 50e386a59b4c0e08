"""American options against trees, and against the integral that they must satisfy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import QuantLib as ql  # noqa: N813
from tradecaptain.kernels.pricing import american, columns, registry, status
from tradecaptain.kernels.pricing.american import Accuracy
from tradecaptain.kernels.pricing.american_scheme import (
    EQUATION_A,
    EQUATION_B,
    POINTS_PAPER,
    Scheme,
)
from twins.pricing import american as twin

LIMITS = {Accuracy.STANDARD: 1e-6, Accuracy.ACCURATE: 1e-9}


def block(*rows: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return registry.stack(*rows)


def one(*inputs: float, accuracy: Accuracy = Accuracy.ACCURATE) -> float:
    outcome = american.price(block(*inputs), accuracy)
    assert outcome.status[0] == status.OK
    return float(outcome.values[0, 0])


def paper_grid(stride: int = 1) -> npt.NDArray[np.float64]:
    """The grid of Andersen, Lake and Offengenden: puts of 6,000 kinds."""
    axes = (
        np.array([30, 91, 182, 273, 365]) / 365,
        np.array([0.02, 0.04, 0.06, 0.08, 0.10]),
        np.array([0, 0.04, 0.08, 0.12]),
        np.array([25.0, 50, 80, 90, 100, 110, 120, 150, 175, 200]),
        np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    )
    time, rate, dividend_yield, spot, volatility = (
        axis.ravel()[::stride] for axis in np.meshgrid(*axes, indexing="ij")
    )
    return block(-1.0, spot, 100.0, time, volatility, rate, dividend_yield)


def wide_block(count: int, seed: int) -> npt.NDArray[np.float64]:
    """Calls and puts of all sign regimes, volatilities 1e-4 … 5, times 1e-6 … 50."""
    random = np.random.default_rng(seed)
    volatility = np.exp(random.uniform(math.log(1e-4), math.log(5), count))
    time = np.exp(random.uniform(math.log(1e-6), math.log(50), count))
    rate, dividend_yield = random.uniform(-0.1, 0.5, (2, count))
    kind = random.random(count)
    dividend_yield[kind < 0.1] = 0.0
    rate[(kind > 0.1) & (kind < 0.15)] = 0.0
    equal = (kind > 0.15) & (kind < 0.2)
    rate[equal] = dividend_yield[equal]
    below = kind > 0.8
    rate[below], dividend_yield[below] = random.uniform(-0.1, 0.0, (2, int(below.sum())))
    width = np.where(random.random(count) < 0.8, volatility * np.sqrt(time), 3.0)
    distance = random.choice([-1, 1], count) * np.minimum(random.exponential(1, count) * width, 10)
    right = random.choice([-1.0, 1.0], count)
    return block(right, 100 * np.exp(distance), 100.0, time, volatility, rate, dividend_yield)


def strikes_of_puts(inputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What errors are shares of: the strike of an option's put."""
    return np.where(inputs[columns.RIGHT] > 0, inputs[columns.SPOT], inputs[columns.STRIKE])


def boundaries_at(
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
    moments: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Low and high boundary of a put struck at 1, from one solution up to ``time``."""
    model = (volatility, rate, dividend_yield)
    asked = np.append(np.maximum(moments, 1e-15 * time), time)
    return american.exercise_boundary(-1.0, 1.0, *model, asked)[:, :-1]


def upper_boundary(
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
    moments: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    return boundaries_at(time, volatility, rate, dividend_yield, moments)[1]


@pytest.mark.twin
def test_values_are_those_of_a_tree_in_all_sign_regimes() -> None:
    cases = [
        (-1.0, 95.0, 100.0, 1.0, 0.3, 0.06, 0.02),
        (1.0, 105.0, 100.0, 0.5, 0.2, 0.03, 0.08),
    ]
    for case in cases:
        assert one(*case, accuracy=Accuracy.FAST) == pytest.approx(
            twin.tree_value(*case, steps=400), abs=6e-3
        )


@pytest.mark.parametrize(
    ("rate", "dividend_yield"),
    [(0.05, -0.03), (0.0, -0.04), (-0.01, -0.05), (-0.02, 0.01), (0.03, 0.0), (0.02, 0.09)],
)
@pytest.mark.parametrize("right", [1.0, -1.0])
def test_every_sign_regime_has_the_value_of_a_tree(
    right: float, rate: float, dividend_yield: float
) -> None:
    if right > 0:
        rate, dividend_yield = dividend_yield, rate
    for spot in (70.0, 100.0, 130.0):
        case = (right, spot, 100.0, 1.5, 0.15, rate, dividend_yield)
        assert one(*case) == pytest.approx(twin.tree_value(*case, steps=1000), abs=4e-3)


@pytest.mark.parametrize(
    ("rate", "dividend_yield", "volatility", "time"),
    [
        (0.05, 0.05, 0.25, 1.0),
        (0.1, 0.0, 0.1, 1.0),
        (0.02, 0.08, 0.3, 3.0),
        (0.04, -0.05, 0.2, 0.25),
        (0.001, 0.0, 0.5, 2.0),
        (0.3, 0.28, 0.05, 10.0),
    ],
)
def test_the_boundary_matches_exercise_and_the_value_is_its_integral(
    rate: float, dividend_yield: float, volatility: float, time: float
) -> None:
    """To 1e-9 of the strike, with nothing of ours in the reference but the boundary itself."""
    model = (volatility, rate, dividend_yield)

    def boundary(moments: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return upper_boundary(time, *model, moments)

    for share in (0.05, 0.4, 1.0):
        moment = share * time
        edge = float(boundary(np.array([moment]))[0])
        european = twin.european_put(edge, 1.0, moment, *model)
        earned = twin.exercise_value(edge, 1.0, moment, *model, boundary)
        assert european + earned == pytest.approx(1.0 - edge, abs=1e-9)
    for spot in (1.02 * edge, 1.0, 1.3):
        due = twin.european_put(spot, 1.0, time, *model)
        due += twin.exercise_value(spot, 1.0, time, *model, boundary)
        assert one(-1.0, spot, 1.0, time, *model) == pytest.approx(due, abs=1e-9)


def test_two_boundaries_match_exercise_on_both_sides() -> None:
    time, model = 2.0, (0.1, -0.01, -0.05)
    low, high = american.exercise_boundary(-1.0, 1.0, *model, np.array([time]))[:, 0]
    assert 0.2 < low < high < 1.0

    for spot in (low, high):
        value = twin.european_put(spot, 1.0, time, *model)
        for side, sign in ((1, 1), (0, -1)):
            value += sign * twin.exercise_value(
                spot,
                1.0,
                time,
                *model,
                lambda moments, side=side: boundaries_at(time, *model, moments)[side],
            )
        assert value == pytest.approx(1.0 - spot, abs=1e-9)
    assert one(-1.0, (low + high) / 2, 1.0, time, *model) == 1 - (low + high) / 2
    assert one(-1.0, low * 0.9, 1.0, time, *model) > 1 - low * 0.9


def test_where_the_two_boundaries_have_met_nothing_is_exercised_today() -> None:
    times = np.array([0.1, 0.5, 1.0, 5.0, 20.0])
    low, high = american.exercise_boundary(-1.0, 1.0, 0.3, -0.04, -0.06, times)
    alive = np.isfinite(low)
    assert alive[0]
    assert not alive[-1]
    assert np.array_equal(alive, np.isfinite(high))
    assert (np.diff(low[alive]) > 0).all()
    assert (np.diff(high[alive]) < 0).all()
    case = (-1.0, 80.0, 100.0, 20.0, 0.3, -0.04, -0.06)
    assert one(*case) == pytest.approx(twin.tree_value(*case, steps=1500), abs=2e-2)


# Premiums over the European put, in units of a strike of 100, as printed in the paper and by
# QuantLib's implementation of its two systems.
PUBLISHED = [
    (24, 3, 9, 0.05, 0.1069528125898476, 0.1069524359360852),
    (5, 1, 4, 0.05, 0.1070237787625299, 0.1070042740171235),
    (11, 2, 5, 0.05, 0.106938750864602, 0.1069479057531648),
    (35, 8, 16, 0.05, 0.1069527032381714, 0.106952558361499),
    (65, 8, 32, 0.05, 0.1069527028247546, 0.1069526779971959),
    (65, 8, 32, 0.075, 0.3671112309062572, 0.3671111267813689),
]


@pytest.mark.parametrize(("points", "steps", "nodes", "rate", "system_a", "system_b"), PUBLISHED)
def test_the_dial_gives_the_published_premiums_of_both_systems(
    points: int, steps: int, nodes: int, rate: float, system_a: float, system_b: float
) -> None:
    inputs = block(-1.0, 100.0, 100.0, 1.0, 0.25, rate, 0.05)
    european = float(registry.evaluate("black_scholes", inputs, 1).outputs[0, 0])
    for equation, due in ((EQUATION_A, system_a), (EQUATION_B, system_b)):
        scheme = Scheme(points, steps, nodes, 128, equation, POINTS_PAPER, start_steps=10)
        premium = american.price(inputs, scheme=scheme).values[0, 0] - european
        # The coarse ones carry the tolerance of QuantLib's own start and quadrature.
        assert premium == pytest.approx(due, abs=1e-11 if nodes > 5 else 2e-10)


def quantlib_values(inputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """QuantLib's engine of highest precision, good to 2e-7 of the strike."""
    today = ql.Date(1, 1, 2025)
    ql.Settings.instance().evaluationDate = today
    day_count, calendar = ql.Actual365Fixed(), ql.NullCalendar()
    values = []
    for right, spot, strike, time, volatility, rate, dividend_yield in inputs.T.tolist():
        quotes = [
            ql.YieldTermStructureHandle(ql.FlatForward(today, level, day_count))
            for level in (dividend_yield, rate)
        ]
        process = ql.BlackScholesMertonProcess(
            ql.QuoteHandle(ql.SimpleQuote(spot)),
            *quotes,
            ql.BlackVolTermStructureHandle(
                ql.BlackConstantVol(today, calendar, volatility, day_count)
            ),
        )
        kind = ql.Option.Call if right > 0 else ql.Option.Put
        option = ql.VanillaOption(
            ql.PlainVanillaPayoff(kind, strike),
            ql.AmericanExercise(today, today + round(time * 365)),
        )
        option.setPricingEngine(
            ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.highPrecisionScheme())
        )
        values.append(option.NPV())
    return np.array(values)


def test_values_agree_with_quantlib_to_its_own_precision() -> None:
    inputs = paper_grid(stride=151)
    outcome = american.price(inputs, Accuracy.ACCURATE)
    worst = np.abs(outcome.values[0] - quantlib_values(inputs)).max()
    assert worst <= 2.5e-7 * 100


@pytest.mark.parametrize("stride", [23, pytest.param(1, marks=pytest.mark.full)])
def test_accuracies_hold_on_the_paper_grid(stride: int) -> None:
    inputs = paper_grid(stride)
    due = american.solve_puts_precisely(american.as_puts(inputs)[0])[0][0]
    errors = {
        accuracy: np.abs(american.price(inputs, accuracy).values[0] / 100 - due)
        for accuracy in Accuracy
    }
    assert math.sqrt(np.mean(errors[Accuracy.FAST] ** 2)) <= 1e-6
    for accuracy, limit in LIMITS.items():
        assert errors[accuracy].max() <= limit


@pytest.mark.parametrize("count", [150, pytest.param(6_000, marks=pytest.mark.full)])
def test_accuracies_hold_and_nothing_fails_over_the_whole_domain(count: int) -> None:
    inputs = wide_block(count, seed=count)
    due = american.price(inputs, Accuracy.ACCURATE)
    assert (due.status == status.OK).all()
    for accuracy in (Accuracy.FAST, Accuracy.STANDARD):
        outcome = american.price(inputs, accuracy)
        errors = np.abs(outcome.values[0] - due.values[0]) / strikes_of_puts(inputs)
        assert math.sqrt(np.mean(errors**2)) <= 1e-6
        if accuracy is Accuracy.STANDARD:
            assert errors.max() <= 1e-6


@pytest.mark.parametrize("deviation", [0.003, 0.03, 0.14, 0.6, 1.4])
def test_accuracies_hold_where_rates_hardly_matter(deviation: float) -> None:
    """Exercise then pays only many deviations away from the strike."""
    distance = np.linspace(-3.0, 3.0, 13) * deviation
    spots, one = 100.0 * np.exp(distance), np.ones(distance.shape)
    for yield_time in (1e-8, 1e-7, 1e-6, 5e-6, 3e-5, 1e-4, 1e-3):
        for rate_share in (0.0, -0.01, 1.0, 3.0):
            rate, dividend_yield = abs(rate_share) * yield_time, yield_time
            if rate_share <= 0.0:
                dividend_yield = -yield_time
            inputs = block(
                -one, spots, 100.0, one, deviation * one, rate * one, dividend_yield * one
            )
            due = american.solve_puts_precisely(american.as_puts(inputs)[0])[0][0]
            for accuracy, limit in LIMITS.items():
                errors = np.abs(american.price(inputs, accuracy).values[0] / 100.0 - due)
                assert errors.max() <= limit, (accuracy, yield_time, rate_share)


def test_greeks_are_the_derivatives_of_the_value() -> None:
    base = np.array([-1.0, 101.0, 100.0, 0.8, 0.3, 0.05, 0.02])
    for right in (1.0, -1.0):
        for rate, dividend_yield in ((0.05, 0.02), (0.02, 0.06), (-0.01, -0.04), (-0.04, -0.01)):
            inputs = base.copy()
            inputs[[0, 5, 6]] = right, rate, dividend_yield

            def value(row: int, change: float, inputs=inputs) -> float:
                moved = inputs.copy()
                moved[row] += change
                return one(*moved.tolist())

            outcome = american.price(inputs.reshape(-1, 1), Accuracy.ACCURATE, 6).values[:, 0]
            rows = (
                (columns.DELTA, columns.SPOT, 1e-3, 1),
                (columns.VEGA, columns.VOLATILITY, 1e-5, 1),
                (columns.THETA, columns.TIME, 1e-5, -1),
                (columns.RHO, columns.RATE, 1e-5, 1),
            )
            for greek, row, step, sign in rows:
                slope = sign * (value(row, step) - value(row, -step)) / (2 * step)
                assert outcome[greek] == pytest.approx(slope, rel=2e-5, abs=1e-5), greek
            bend = (value(1, 0.05) + value(1, -0.05) - 2 * value(1, 0.0)) / 0.05**2
            assert outcome[columns.GAMMA] == pytest.approx(bend, rel=1e-4)


def test_delta_and_gamma_hold_up_to_the_boundary() -> None:
    """Against panels; the kernel of gamma is steepest where the spot nears exercise."""
    inputs = paper_grid(stride=97)
    edges = american.price(inputs, Accuracy.ACCURATE).boundaries[1]
    inputs[columns.SPOT] = edges * np.resize([1.0005, 1.005, 1.03], edges.size)
    inputs = np.ascontiguousarray(inputs[:, np.isfinite(edges)])
    puts = american.as_puts(inputs)[0]
    due = american.solve_puts_precisely(puts)[0]
    for accuracy in (Accuracy.FAST, Accuracy.STANDARD):
        found = american.price(inputs, accuracy, 6).values
        assert np.abs(found[columns.DELTA] - due[1]).max() <= 2e-4
        scale = puts[0] * puts[3]
        assert np.abs((found[columns.GAMMA] * 100 - due[2]) * scale).max() <= 2e-3


def test_greeks_of_an_option_that_is_exercised_now() -> None:
    put = american.price(block(-1.0, 50.0, 100.0, 1.0, 0.2, 0.05, 0.0), rows=6)
    assert put.values[:, 0].tolist() == [50.0, -1.0, 0.0, 0.0, 0.0, 0.0]
    call = american.price(block(1.0, 200.0, 100.0, 1.0, 0.2, 0.0, 0.05), rows=6)
    assert call.values[:, 0] == pytest.approx([100.0, 1.0, 0.0, 0.0, 0.0, 0.0])


def test_edges_of_the_domain_have_defined_values() -> None:
    year = 1.0
    cases = [
        ((1.0, 100.0, 0.0, year, 0.25, 0.05, 0.01), 100.0),
        ((-1.0, 100.0, 0.0, year, 0.25, 0.02, 0.02), 0.0),
        ((-1.0, 0.0, 120.0, year, 0.25, -0.075, 0.05), 120 * math.exp(0.075)),
        ((-1.0, 0.0, 120.0, year, 0.25, 0.075, 0.05), 120.0),
        ((1.0, 0.0, 100.0, year, 0.0, 0.05, 0.025), 0.0),
        ((-1.0, 0.0, 0.0, year, 0.0, 0.0, 0.0), 0.0),
        ((-1.0, 100.0, 120.0, 0.0, 0.25, 0.05, 0.0), 20.0),
        ((-1.0, 100.0, 120.0, year, 0.0, 0.05, 0.01), 20.0),
        ((-1.0, 100.0, 120.0, 40.0, 0.0, 0.01, 0.5), 108.980904561184602),
        ((-1.0, 100.0, 120.0, 40.0, 1e-6, 0.01, 0.5), 108.980904561184602),
        ((1.0, 1e10, 100.0, year, 0.25, 0.01, 0.05), 1e10 - 100),
        ((1.0, 100.0, 1e10, year, 0.25, 0.01, 0.05), 0.0),
        ((1.0, 100.0, 100.0, year, 0.25, 0.05, 0.0), 12.335998930368724),
    ]
    for inputs, due in cases:
        assert one(*inputs) == pytest.approx(due, abs=1e-9 * max(inputs[1], inputs[2], 1.0))


@pytest.mark.parametrize(
    ("row", "bad", "due"),
    [
        (columns.RIGHT, 0.5, status.INVALID_RIGHT),
        (columns.SPOT, -1.0, status.INVALID_SPOT),
        (columns.STRIKE, math.nan, status.INVALID_STRIKE),
        (columns.TIME, -1.0, status.INVALID_TIME),
        (columns.VOLATILITY, math.inf, status.INVALID_VOLATILITY),
        (columns.RATE, 101.0, status.INVALID_RATE),
        (columns.YIELD, math.nan, status.INVALID_YIELD),
    ],
)
def test_inputs_outside_the_domain_have_a_status_and_nothing_else(
    row: int, bad: float, due: int
) -> None:
    inputs = block(-1.0, np.array([100.0, 100.0]), 100.0, 1.0, 0.2, 0.05, 0.01)
    inputs[row, 0] = bad
    outcome = american.price(inputs, rows=6)
    assert outcome.status.tolist() == [due, status.OK]
    assert np.isnan(outcome.values[:, 0]).all()
    assert np.isfinite(outcome.values[:, 1]).all()


@pytest.mark.parametrize(
    "inputs",
    [
        (1.0, 100.0, 100.0, 0.0, 0.2, 0.05, 0.0),
        (-1.0, 100.0, 100.0, 0.0, 0.2, 0.05, 0.0),
        (1.0, 100.0, 100.0, 1.0, 0.0, 0.05, 0.05),
        # Best exercised now, and best kept until the forward is at the strike.
        (-1.0, 100.0, 100.0, 1.0, 0.0, 0.05, 0.02),
        (1.0, 50.0, 100.0, 1.0, 0.0, math.log(2.0), 0.0),
    ],
)
def test_where_delta_jumps_there_are_no_greeks(inputs: tuple[float, ...]) -> None:
    right, spot, *more = inputs
    # At the place, and a millionth to either side of it.
    outcome = american.price(
        block(right, spot * np.array([1.0, 0.999999, 1.000001]), *more), rows=6
    )
    assert outcome.status.tolist() == [status.GREEKS_UNDEFINED, status.OK, status.OK]
    assert outcome.values[0, 0] == pytest.approx(0.0, abs=1e-13)
    assert np.isnan(outcome.values[1:, 0]).all()
    delta = outcome.values[columns.DELTA, 1:]
    assert abs(delta[0] - delta[1]) > 0.9
    assert registry.evaluate("american", block(*inputs)).invalid_count == 0


def test_greeks_exist_where_a_certain_option_is_worth_something() -> None:
    inputs = block(1.0, 100.0, [90.0, 100.0, 110.0], [0.0, 1.0, 0.0], 0.0, 0.05, 0.0)
    outcome = american.price(inputs, rows=6)
    assert not outcome.status.any()
    assert outcome.values[columns.DELTA].tolist() == [1.0, 1.0, 0.0]


def test_a_greek_that_overflows_has_a_status() -> None:
    outcome = american.price(block(1.0, 100.0, 100.0, 1000.0, 100.0, 0.1, 0.1), rows=6)
    assert outcome.status[0] == status.GREEKS_UNDEFINED
    assert np.isnan(outcome.values[columns.RHO, 0])
    assert np.isfinite(outcome.values[: columns.VEGA, 0]).all()


def test_blocks_of_another_shape_and_schemes_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="7 rows"):
        american.price(np.zeros((6, 1)))
    with pytest.raises(ValueError, match="rows must be"):
        american.price(np.zeros((7, 1)), rows=3)
    with pytest.raises(ValueError, match="nodes must lie"):
        Scheme(8, 2, 0, 8)
    with pytest.raises(ValueError, match="outside the domain"):
        american.exercise_boundary(-1.0, 100.0, 0.2, 0.05, 0.0, np.array([0.0]))


def test_a_block_gives_what_its_options_give_alone() -> None:
    inputs = wide_block(70, seed=3)
    together = american.price(inputs).values[0]
    alone = [one(*inputs[:, index].tolist(), accuracy=Accuracy.STANDARD) for index in range(70)]
    assert together == pytest.approx(alone, abs=1e-12, rel=1e-12)
