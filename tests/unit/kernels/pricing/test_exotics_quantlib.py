"""Exotic families against QuantLib, on markets of random numbers and whole days."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813
from tradecaptain.kernels.pricing import columns, double_barrier, registry

TODAY = ql.Date(15, 6, 2026)
DAYS = ql.Actual365Fixed()
SEEDS = [1, 2, 3, 4, 5]
RIGHTS = {1.0: ql.Option.Call, -1.0: ql.Option.Put}
BARRIERS = {
    columns.DOWN_IN: ql.Barrier.DownIn,
    columns.DOWN_OUT: ql.Barrier.DownOut,
    columns.UP_IN: ql.Barrier.UpIn,
    columns.UP_OUT: ql.Barrier.UpOut,
}


def value(family: str, *inputs: float) -> float:
    outcome = registry.evaluate(family, registry.stack(*inputs), 1)
    assert outcome.invalid_count == 0, outcome.status
    return float(outcome.outputs[0, 0])


def flat(rate: float) -> Any:
    return ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, DAYS))


def flat_volatility(volatility: float) -> Any:
    surface = ql.BlackConstantVol(TODAY, ql.NullCalendar(), volatility, DAYS)
    return ql.BlackVolTermStructureHandle(surface)


class Market:
    """A random market on both sides."""

    def __init__(self, seed: int) -> None:
        ql.Settings.instance().evaluationDate = TODAY
        random = np.random.default_rng(seed)
        self.days = int(random.integers(60, 500))
        self.time = self.days / 365
        self.spot, self.strike = random.uniform(80, 120, 2).tolist()
        self.volatility = float(random.uniform(0.1, 0.5))
        self.rate, self.dividend_yield = random.uniform(-0.01, 0.1, 2).tolist()
        self.correlation = float(random.uniform(-0.9, 0.9))
        self.process = self.process_of(self.spot, self.dividend_yield, self.volatility)
        self.exercise = ql.EuropeanExercise(TODAY + self.days)

    def process_of(self, spot: float, dividend_yield: float, volatility: float) -> Any:
        return ql.BlackScholesMertonProcess(
            ql.QuoteHandle(ql.SimpleQuote(spot)),
            flat(dividend_yield),
            flat(self.rate),
            flat_volatility(volatility),
        )

    def inputs(self, right: float) -> tuple[float, ...]:
        market = (self.time, self.volatility, self.rate, self.dividend_yield)
        return (right, self.spot, self.strike, *market)

    def payoff(self, right: float) -> Any:
        return ql.PlainVanillaPayoff(RIGHTS[right], self.strike)


def priced(option: Any, engine: Any) -> float:
    option.setPricingEngine(engine)
    return float(option.NPV())


@pytest.mark.parametrize("right", list(RIGHTS))
@pytest.mark.parametrize("seed", SEEDS)
def test_lookbacks(seed: int, right: float) -> None:
    market = Market(seed)
    window_days = market.days // 3
    window = window_days / 365
    extreme = market.spot * (0.95 if right > 0 else 1.06)
    other_extreme = market.spot * (1.06 if right > 0 else 0.95)
    fraction = 1.1 if right > 0 else 0.92
    floating = ql.FloatingTypePayoff(RIGHTS[right])
    date = TODAY + window_days
    cases = [
        (
            ("floating_lookback", extreme),
            ql.ContinuousFloatingLookbackOption(extreme, floating, market.exercise),
            ql.AnalyticContinuousFloatingLookbackEngine(market.process),
        ),
        (
            ("fixed_lookback", other_extreme),
            ql.ContinuousFixedLookbackOption(other_extreme, market.payoff(right), market.exercise),
            ql.AnalyticContinuousFixedLookbackEngine(market.process),
        ),
        (
            ("partial_floating_lookback", extreme, window, fraction),
            ql.ContinuousPartialFloatingLookbackOption(
                extreme, fraction, date, floating, market.exercise
            ),
            ql.AnalyticContinuousPartialFloatingLookbackEngine(market.process),
        ),
        (
            ("partial_fixed_lookback", 1.0, window),
            ql.ContinuousPartialFixedLookbackOption(date, market.payoff(right), market.exercise),
            ql.AnalyticContinuousPartialFixedLookbackEngine(market.process),
        ),
    ]
    for (family, *more), option, engine in cases:
        found = value(family, *market.inputs(right), *more)
        # QuantLib's joint normal distribution is good to about 1e-7 here.
        assert found == pytest.approx(priced(option, engine), abs=2e-5), family


@pytest.mark.parametrize("seed", SEEDS)
def test_soft_barriers(seed: int) -> None:
    market = Market(seed)
    low, high = 0.8 * min(market.spot, market.strike), 0.97 * min(market.spot, market.strike)
    option = ql.SoftBarrierOption(
        ql.Barrier.DownOut, low, high, market.payoff(1.0), market.exercise
    )
    due = priced(option, ql.AnalyticSoftBarrierEngine(market.process))
    inputs = (*market.inputs(1.0), 0.0, low, columns.DOWN_OUT, high)
    assert value("soft_barrier", *inputs) == pytest.approx(due, abs=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_cash_for_touching_one_of_two_barriers(seed: int) -> None:
    market = Market(seed)
    band = (0.8 * market.spot, 1.3 * market.spot)
    kinds = {
        double_barrier.KNOCK_IN: ql.DoubleBarrier.KnockIn,
        double_barrier.KNOCK_OUT: ql.DoubleBarrier.KnockOut,
        double_barrier.LOW_FIRST: ql.DoubleBarrier.KIKO,
        double_barrier.HIGH_FIRST: ql.DoubleBarrier.KOKI,
    }
    for kind, name in kinds.items():
        first = kind in (double_barrier.LOW_FIRST, double_barrier.HIGH_FIRST)
        option = ql.DoubleBarrierOption(
            name,
            *band,
            0.0,
            ql.CashOrNothingPayoff(ql.Option.Call, 0.0, 7.0),
            ql.AmericanExercise(TODAY, TODAY + market.days) if first else market.exercise,
        )
        due = priced(option, ql.AnalyticDoubleBarrierBinaryEngine(market.process))
        found = value("double_binary", *market.inputs(1.0), 7.0, *band, kind, 0.0)
        # QuantLib ends its series at a relative 1e-8.
        assert found == pytest.approx(due, abs=1e-6)


@pytest.mark.parametrize("right", list(RIGHTS))
@pytest.mark.parametrize("seed", SEEDS)
def test_geometric_and_matched_averages(seed: int, right: float) -> None:
    market = Market(seed)
    payoff = market.payoff(right)
    continuous = ql.ContinuousAveragingAsianOption(ql.Average.Geometric, payoff, market.exercise)
    due = priced(continuous, ql.AnalyticContinuousGeometricAveragePriceAsianEngine(market.process))
    found = value("geometric_asian", *market.inputs(right), 0.0, 0.0, 0.0)
    assert found == pytest.approx(due, abs=1e-11)
    step, count = market.days // 7, 6
    first = market.days - step * (count - 1)
    dates = [TODAY + first + step * number for number in range(count)]
    fixings = (*market.inputs(right), first / 365, count, 0.0)
    geometric = ql.DiscreteAveragingAsianOption(
        ql.Average.Geometric, 1.0, 0, dates, payoff, market.exercise
    )
    engine = ql.AnalyticDiscreteGeometricAveragePriceAsianEngine(market.process)
    assert value("geometric_asian", *fixings) == pytest.approx(priced(geometric, engine), abs=1e-11)
    arithmetic = ql.DiscreteAveragingAsianOption(
        ql.Average.Arithmetic, 0.0, 0, dates, payoff, market.exercise
    )
    due = priced(arithmetic, ql.TurnbullWakemanAsianEngine(market.process))
    assert value("turnbull_wakeman_asian", *fixings) == pytest.approx(due, abs=1e-11)
    average = ql.QuoteHandle(ql.SimpleQuote(101.0))
    whole = ql.ContinuousAveragingAsianOption(ql.Average.Arithmetic, payoff, market.exercise)
    engine = ql.ContinuousArithmeticAsianLevyEngine(market.process, average, TODAY - 40)
    found = value("levy_asian", *market.inputs(right), 101.0, 40 / 365)
    assert found == pytest.approx(priced(whole, engine), abs=1e-9)


@pytest.mark.parametrize("right", list(RIGHTS))
@pytest.mark.parametrize("seed", SEEDS)
def test_forward_start_and_quanto(seed: int, right: float) -> None:
    market = Market(seed)
    start_days = market.days // 2
    later = ql.ForwardVanillaOption(
        1.07, TODAY + start_days, ql.PlainVanillaPayoff(RIGHTS[right], 0.0), market.exercise
    )
    due = priced(later, ql.ForwardEuropeanEngine(market.process))
    found = value("forward_start", *market.inputs(right), start_days / 365, 1.07)
    assert found == pytest.approx(due, abs=1e-11)
    quanto = ql.QuantoVanillaOption(market.payoff(right), market.exercise)
    engine = ql.QuantoEuropeanEngine(
        market.process,
        flat(0.035),
        flat_volatility(0.12),
        ql.QuoteHandle(ql.SimpleQuote(market.correlation)),
    )
    exchange = (2.0, 0.035, 0.12, market.correlation)
    found = value("quanto", *market.inputs(right), *exchange)
    assert found == pytest.approx(2.0 * priced(quanto, engine), abs=1e-11)


@pytest.mark.parametrize("kind", list(BARRIERS))
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_barriers_watched_more_often_near_the_continuous_ones(seed: int, kind: float) -> None:
    market = Market(seed)
    is_down = kind in (columns.DOWN_IN, columns.DOWN_OUT)
    barrier = market.spot * (0.85 if is_down else 1.18)
    inputs = (*market.inputs(1.0), 0.0, barrier, kind)
    continuous = value("barrier_option", *inputs)
    assert value("monitored_barrier", *inputs, 0.0) == pytest.approx(continuous, abs=1e-12)
    watched = [value("monitored_barrier", *inputs, count) for count in (12.0, 52.0, 1000.0)]
    is_out = kind in (columns.DOWN_OUT, columns.UP_OUT)
    # Looking less often lets more options live.
    assert (watched == sorted(watched, reverse=is_out)) or watched[0] == pytest.approx(watched[2])
    assert abs(watched[2] - continuous) < abs(watched[0] - continuous) + 1e-12


def test_barriers_watched_at_intervals_by_simulation() -> None:
    spot, strike, time, volatility, rate, count = 100.0, 100.0, 0.2, 0.3, 0.1, 50
    random = np.random.default_rng(3)
    step = time / count
    moves = random.standard_normal((100_000, count))
    moves = np.concatenate([moves, -moves])
    drift = (rate - volatility**2 / 2) * step
    logs = np.cumsum(drift + volatility * np.sqrt(step) * moves, axis=1)
    lowest, last = spot * np.exp(logs.min(axis=1)), spot * np.exp(logs[:, -1])
    for barrier in (91.0, 95.0):
        gains = np.exp(-rate * time) * np.maximum(last - strike, 0) * (lowest > barrier)
        inputs = (1.0, spot, strike, time, volatility, rate, 0.0, 0.0, barrier, columns.DOWN_OUT)
        found = value("monitored_barrier", *inputs, count)
        error = gains.std() / np.sqrt(len(gains))
        assert abs(found - gains.mean()) < 4 * error + 2e-3
    highest = spot * np.exp(logs.max(axis=1))
    alive = (lowest > 90.0) & (highest < 125.0)
    gains = np.exp(-rate * time) * np.maximum(last - strike, 0) * alive
    inputs = (1.0, spot, strike, time, volatility, rate, 0.0, 0.0, 90.0, 125.0)
    found = value("double_barrier", *inputs, double_barrier.KNOCK_OUT, count)
    assert abs(found - gains.mean()) < 4 * gains.std() / np.sqrt(len(gains)) + 2e-3
