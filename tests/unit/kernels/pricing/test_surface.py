"""The surface: known parameters come back, wrong quotes don't matter, arbitrage is found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tradecaptain.kernels.pricing import registry, surface_fit
from tradecaptain.kernels.pricing.surface import (
    Ssvi,
    Surface,
    SviSlice,
    fit_ssvi,
    fit_svi,
    implied_parity,
)
from tradecaptain.kernels.pricing.surface_arbitrage import (
    butterfly_violations,
    calendar_violations,
)
from twins.pricing import surface_fit as twin

CLEAN = SviSlice(0.5, 0.01, 0.1, -0.4, 0.05, 0.2)
# The example of arbitrage of Gatheral and Jacquier, after Axel Vogt.
VOGT = SviSlice(1.0, -0.0410, 0.1331, 0.3060, 0.3586, 0.4153)
MONEYNESS = np.linspace(-0.6, 0.6, 25)


def test_parity_gives_back_forward_and_discount_whatever_a_few_quotes_say() -> None:
    strikes = np.linspace(60.0, 150.0, 19)
    block = registry.stack(np.ones(19), 100.0, strikes, 0.75, 0.3, 0.04, 0.01)
    calls, puts = registry.evaluate_pairs("black_scholes", block)
    call_prices, put_prices = calls.outputs[0].copy(), puts.outputs[0].copy()
    call_prices[[2, 9]] += 7.0
    put_prices[15] -= 3.0
    found = implied_parity(strikes, call_prices, put_prices)
    assert found.discount == pytest.approx(math.exp(-0.03), rel=1e-9)
    assert found.forward == pytest.approx(100 * math.exp(0.0225), rel=1e-9)


def test_parity_refuses_what_has_no_answer() -> None:
    with pytest.raises(ValueError, match="two strikes"):
        implied_parity(np.array([100.0]), np.array([5.0]), np.array([5.0]))
    with pytest.raises(ValueError, match="above zero"):
        implied_parity(np.array([90.0, 110.0]), np.array([5.0, 9.0]), np.array([5.0, 2.0]))


def test_fit_finds_known_parameters() -> None:
    found = fit_svi(0.5, MONEYNESS, CLEAN.total_variance(MONEYNESS))
    for name in ("a", "b", "rho", "m", "sigma"):
        assert getattr(found, name) == pytest.approx(getattr(CLEAN, name), abs=1e-5), name


def test_fit_takes_quotes_at_different_strikes() -> None:
    with pytest.raises(ValueError, match="five points"):
        fit_svi(0.5, MONEYNESS[:4], MONEYNESS[:4])
    with pytest.raises(ValueError, match="different strikes"):
        fit_svi(0.5, np.zeros(6), np.full(6, 0.04))


@pytest.mark.twin
@pytest.mark.parametrize("seed", range(12))
def test_the_linear_part_of_a_fit_is_the_twins(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(5, 40))
    moneyness = np.sort(random.uniform(-1, 1, count))
    variance = random.uniform(0.01, 0.2) + random.uniform(-0.1, 0.2) * moneyness**2
    variance += 0.1 * random.standard_normal() * moneyness
    weights = random.uniform(0.0, 1.0, count)
    m, sigma = random.uniform(-0.5, 0.5), math.exp(random.uniform(-4, 1))
    points = np.stack([moneyness, variance, np.sqrt(weights)])
    work, found = np.empty((surface_fit.WORK_ROWS, count)), np.empty(surface_fit.BEST_NUMBERS)
    error = surface_fit.svi_fit_linear(points, m, sigma, work, found)
    *due, due_error = twin.svi_fit_linear(moneyness, variance, weights, m, sigma)
    assert error == pytest.approx(due_error, rel=1e-6, abs=1e-14)
    assert found[: surface_fit.BEST_M].tolist() == pytest.approx(due, rel=1e-5, abs=1e-7)
    assert found[surface_fit.BEST_M :].tolist() == [m, sigma, error]


@pytest.mark.twin
def test_no_neighbour_of_an_ssvi_fit_is_better_by_the_twin() -> None:
    thetas, limits = [0.02, 0.05], np.array([[-0.999, 0.999], [1e-4, 1.0], [0.0, 0.5]])
    grid = np.linspace(-0.4, 0.4, 5)
    random = np.random.default_rng(8)
    variances = [
        Ssvi(-0.3, 1.0, 0.35).slice_at(1.0, theta).total_variance(grid)
        * (1 + 0.02 * random.standard_normal(5))
        for theta in thetas
    ]
    weights = random.uniform(0.5, 1.0, (2, 5))
    points = np.stack([np.tile(grid, 2), np.concatenate(variances), np.sqrt(weights.ravel())])
    centre = limits.mean(axis=1)
    error = surface_fit.ssvi_search(points, np.array([0, 5, 10]), np.array(thetas), limits, centre)

    def twin_error(numbers: np.ndarray) -> float:
        return twin.ssvi_error([grid, grid], variances, weights, thetas, *numbers.tolist())

    assert error == pytest.approx(twin_error(centre), rel=1e-9)
    for row in range(3):
        for step in (-1e-3, 1e-3):
            moved = centre.copy()
            moved[row] = np.clip(moved[row] + step, *limits[row])
            assert twin_error(moved) >= error * (1 - 1e-9)


def test_fit_stays_near_the_truth_with_noise_and_wrong_quotes() -> None:
    random = np.random.default_rng(3)
    variance = CLEAN.total_variance(MONEYNESS) * (1 + 0.002 * random.standard_normal(25))
    variance[[4, 17]] *= 1.6
    found = fit_svi(0.5, MONEYNESS, variance)
    np.testing.assert_allclose(found.volatility(MONEYNESS), CLEAN.volatility(MONEYNESS), atol=0.003)


def test_density_of_a_clean_slice_is_nowhere_negative_and_of_the_known_bad_one_is() -> None:
    assert len(butterfly_violations(CLEAN)) == 0
    found = butterfly_violations(VOGT)
    assert len(found) > 0
    assert found.min() > 0.5


def test_butterfly_is_the_second_derivative_of_the_call_by_strike() -> None:
    strike, step = 1.1, 1e-3
    strikes = np.array([strike - step, strike, strike + step])
    moneyness = np.log(strikes)
    block = registry.stack(1.0, 1.0, strikes, 0.5, CLEAN.volatility(moneyness), 0.0)
    low, middle, high = registry.accurate_values("black76", block).outputs[0]
    variance = float(CLEAN.total_variance(moneyness)[1])
    d2 = -math.log(strike) / math.sqrt(variance) - math.sqrt(variance) / 2
    density = math.exp(-d2 * d2 / 2) / math.sqrt(2 * math.pi * variance) / strike
    due = float(CLEAN.butterfly(moneyness)[1]) * density
    assert (low - 2 * middle + high) / step**2 == pytest.approx(due, rel=1e-4)


def test_falling_total_variance_is_found() -> None:
    later = SviSlice(1.0, 0.03, 0.1, -0.4, 0.05, 0.2)
    assert calendar_violations([CLEAN, later]) == []
    crossing = SviSlice(1.0, 0.03, 0.05, -0.4, 0.05, 0.2)
    (found,) = calendar_violations([CLEAN, crossing])
    assert found[0] == 1


@pytest.mark.parametrize(
    ("item", "beyond"),
    [
        (SviSlice(1.0, 4.0, 2.05, 0.0, 0.0, 0.1), 0.0),  # negative from 26 on
        (SviSlice(1.0, 4.0, 2.0001, 0.0, 0.0, 0.1), 100.0),
        (SviSlice(1.0, 400.0, 1.5, 0.4, 0.0, 0.1), 100.0),  # the right wing alone
        (SviSlice(1.0, -1e-6, 0.1, -1.0, 0.0, 0.1), 100.0),  # variance falls below zero far out
    ],
)
def test_wings_that_are_too_steep_are_found_however_far(item: SviSlice, beyond: float) -> None:
    found = butterfly_violations(item)
    assert found.size
    assert np.abs(found).min() > beyond
    assert ((item.butterfly(found) < 0.0) | (item.total_variance(found) <= 0.0)).all()


@pytest.mark.parametrize("rho", [-1.0, -0.999999, 0.0, 0.7, 1.0])
@pytest.mark.parametrize("sigma", [1e-3, 0.1, 3.0])
def test_slices_of_moderate_slope_have_no_butterflies(rho: float, sigma: float) -> None:
    slope = 1.9 / (1.0 + abs(rho))
    assert not butterfly_violations(SviSlice(1.0, 4.0, slope, rho, 0.0, sigma)).size
    assert not butterfly_violations(SviSlice(1.0, 0.04, 0.01, rho, 0.0, sigma)).size


def test_cancelling_wings_keep_their_digits() -> None:
    item = SviSlice(1.0, 0.0, 0.1, -1.0, 0.0, 0.2)
    places = np.array([1e2, 1e5])
    np.testing.assert_allclose(item.total_variance(places), 0.1 * 0.2**2 / (2 * places), rtol=1e-5)
    assert (item.butterfly(places) > 0.0).all()


FLAT = {"rho": 0.0, "m": 0.0, "sigma": 0.1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SviSlice(1.0, 0.04, 0.1, **FLAT), SviSlice(2.0, 0.08, 0.09, **FLAT)),
        (SviSlice(1.0, 0.04, 0.1, **FLAT), SviSlice(2.0, 40.0, 0.09999, **FLAT)),
        # Steeper to the left, flatter to the right.
        (SviSlice(1.0, 0.04, 0.1, 0.0, 0.0, 0.1), SviSlice(2.0, 0.5, 0.1, -0.001, 0.0, 0.1)),
        # A dip far narrower than any grid, at the middle of a slice without roundness.
        (SviSlice(1.0, 0.04, 0.0, **FLAT), SviSlice(2.0, 0.03999, 0.9, 0.0, 0.777, 1e-7)),
        # Lines of one slope, the later one lower, whose middles lie apart.
        (SviSlice(1.0, 0.04, 0.1, 0.0, 0.0, 0.1), SviSlice(2.0, 0.04, 0.1, 0.0, 0.5, 0.1)),
    ],
)
def test_falling_total_variance_is_found_however_far(before: SviSlice, after: SviSlice) -> None:
    ((index, place),) = calendar_violations([before, after])
    assert index == 1
    there = np.array([place])
    assert after.total_variance(there)[0] < before.total_variance(there)[0]


def test_slices_that_only_touch_or_run_side_by_side_have_no_calendar_arbitrage() -> None:
    assert calendar_violations([CLEAN, CLEAN, CLEAN]) == []
    higher = SviSlice(1.0, CLEAN.a + 1e-9, CLEAN.b, CLEAN.rho, CLEAN.m, CLEAN.sigma)
    assert calendar_violations([CLEAN, higher]) == []
    rising = [Ssvi(-0.7, 1.1, 0.5).slice_at(time, 0.04 * time) for time in (0.01, 0.02, 5.0, 30.0)]
    assert calendar_violations(rising) == []


@pytest.mark.parametrize("seed", range(40))
def test_crossings_are_found_wherever_a_fine_grid_finds_them(seed: int) -> None:
    random = np.random.default_rng(seed)
    pair = [
        SviSlice(
            time,
            float(random.uniform(0.0, 0.1)),
            float(random.uniform(0.0, 0.4)),
            float(random.uniform(-1.0, 1.0)),
            float(random.uniform(-0.5, 0.5)),
            float(np.exp(random.uniform(-9.0, 0.0))),
        )
        for time in (1.0, 2.0)
    ]
    fine = np.concatenate([np.linspace(-2.0, 2.0, 400_001), [-99.0, -20.0, 20.0, 99.0]])
    gap = pair[1].total_variance(fine) - pair[0].total_variance(fine)
    found = calendar_violations(pair)
    if (gap < -1e-12).any():
        assert [index for index, _ in found] == [1]
    for _, place in found:
        there = np.array([place])
        assert pair[1].total_variance(there)[0] < pair[0].total_variance(there)[0]


def test_between_slices_total_variance_is_linear_in_time() -> None:
    later = SviSlice(1.0, 0.03, 0.1, -0.4, 0.05, 0.2)
    surface = Surface((CLEAN, later))
    middle = surface.volatility(0.75, MONEYNESS) ** 2 * 0.75
    due = (CLEAN.total_variance(MONEYNESS) + later.total_variance(MONEYNESS)) / 2
    np.testing.assert_allclose(middle, due, rtol=1e-14)
    np.testing.assert_allclose(surface.volatility(0.1, MONEYNESS), CLEAN.volatility(MONEYNESS))
    np.testing.assert_allclose(surface.volatility(3.0, MONEYNESS), later.volatility(MONEYNESS))


def test_ssvi_slice_has_its_variance_at_the_money_and_no_arbitrage() -> None:
    model = Ssvi(-0.5, 1.2, 0.4)
    assert model.is_free_of_butterflies
    slices = [model.slice_at(time, 0.04 * time) for time in (0.1, 0.5, 1.0, 3.0)]
    for item in slices:
        at_the_money = float(item.total_variance(np.zeros(1))[0])
        assert at_the_money == pytest.approx(0.04 * item.time, rel=1e-13)
        assert len(butterfly_violations(item)) == 0
    assert calendar_violations(slices) == []
    assert not Ssvi(-0.5, 1.4, 0.4).is_free_of_butterflies


def test_ssvi_fit_finds_known_parameters_despite_a_wrong_quote() -> None:
    due = Ssvi(-0.35, 0.9, 0.3)
    thetas = [0.01, 0.04, 0.1]
    grids = [np.linspace(-0.5, 0.5, 9)] * 3
    variances = [
        due.slice_at(1.0, theta).total_variance(k) for theta, k in zip(thetas, grids, strict=True)
    ]
    variances[1][2] *= 1.5
    found = fit_ssvi(thetas, grids, variances)
    assert found.rho == pytest.approx(due.rho, abs=1e-3)
    assert found.eta == pytest.approx(due.eta, abs=1e-3)
    assert found.gamma == pytest.approx(due.gamma, abs=1e-3)
    assert found.is_free_of_butterflies
