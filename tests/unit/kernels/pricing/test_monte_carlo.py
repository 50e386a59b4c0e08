"""Sobol points, Brownian bridges, and values by simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from scipy.stats import norm, qmc
from tradecaptain.kernels.pricing import brownian_paths, monte_carlo, registry
from tradecaptain.kernels.pricing.contract import Contract, contract_block
from tradecaptain.kernels.pricing.monte_carlo import Control, Market, Plan, simulate
from tradecaptain.kernels.pricing.sobol import scramble, sobol_block

MARKET = Market(100.0, 0.3, 0.05, 0.02)
OPTION = Contract(1.0, 100.0, 103.0, 1.0, 0.3, 0.05, 0.02, is_american=False)


@pytest.mark.parametrize("dimensions", [1, 2, 7, 100, 1024])
def test_points_are_those_of_joe_and_kuo(dimensions: int) -> None:
    """SciPy walks the same sequence by Gray code: point n is our point n ^ (n >> 1)."""
    count = 256
    ours = sobol_block(dimensions, 0, count).astype(np.float64) * 2.0**-32
    order = np.arange(count)
    theirs = qmc.Sobol(dimensions, scramble=False, bits=32).random(count)
    assert np.array_equal(ours[order ^ (order >> 1)], theirs)


def test_blocks_continue_each_other() -> None:
    whole = sobol_block(5, 0, 64)
    parts = [sobol_block(5, start, 16) for start in range(0, 64, 16)]
    assert np.array_equal(np.vstack(parts), whole)
    for start, count in ((0, 48), (8, 16), (-16, 16), (0, 0)):
        with pytest.raises(ValueError, match="power of two"):
            sobol_block(5, start, count)
    with pytest.raises(ValueError, match="1 to 1024"):
        sobol_block(1025, 0, 2)


def test_scrambled_points_stay_evenly_spread_in_every_dimension() -> None:
    points = sobol_block(40, 0, 1024)
    scrambled = scramble(points, seed=3)
    # Each of 1,024 equal intervals holds exactly one point.
    intervals = np.sort(scrambled >> np.uint32(22), axis=0)
    assert (intervals == np.arange(1024, dtype=np.uint32)[:, np.newaxis]).all()
    assert np.array_equal(scrambled, scramble(points, seed=3))
    assert not np.array_equal(scrambled, scramble(points, seed=4))
    assert not np.array_equal(scrambled, scramble(points, seed=3, replicate=1))


@pytest.mark.twin
def test_the_inverse_normal_is_exact_to_its_last_digits() -> None:
    chances = np.concatenate([10.0 ** -np.arange(1, 300, 7.0), np.linspace(0.01, 0.99, 25)])
    with mpmath.workdps(60):
        for chance in chances.tolist():
            found = brownian_paths.inverse_normal(chance)
            back = mpmath.ncdf(mpmath.mpf(found)) - mpmath.mpf(chance)
            slope = mpmath.npdf(mpmath.mpf(found))
            assert abs(back / slope) <= 1e-15 * max(abs(found), 1e-2)
    assert brownian_paths.inverse_normal(0.5) == 0.0


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 13])
def test_a_bridge_fills_every_place_once_with_the_covariance_of_brownian_motion(
    steps: int,
) -> None:
    times = np.cumsum(np.random.default_rng(steps).uniform(0.1, 1.0, steps))
    bridge = brownian_paths.build_bridge(times)
    assert sorted(bridge.places[0].tolist()) == list(range(steps))
    # Each path value as a combination of the independent deviates.
    factors = np.zeros((steps, steps))
    for step in range(steps):
        at, left, right = bridge.places[:, step].tolist()
        if left >= 0:
            factors[at] += bridge.weights[0, step] * factors[left]
        if right >= 0:
            factors[at] += bridge.weights[1, step] * factors[right]
        factors[at, step] += bridge.weights[2, step]
    assert factors @ factors.T == pytest.approx(np.minimum.outer(times, times), abs=1e-13)


def test_paths_are_the_bridge_of_inverted_points() -> None:
    times = np.array([0.25, 0.5, 1.0])
    bridge = brownian_paths.build_bridge(times)
    points = scramble(sobol_block(3, 0, 8), seed=1)
    paths = np.empty((8, 3))
    brownian_paths.fill_paths(points, bridge.places, bridge.weights, 1.0, paths)
    deviates = norm.ppf((points + 0.5) * 2.0**-32)
    assert paths[:, 2] == pytest.approx(deviates[:, 0])
    mirrored = np.empty((8, 3))
    brownian_paths.fill_paths(points, bridge.places, bridge.weights, -1.0, mirrored)
    assert mirrored == pytest.approx(-paths)


def call_payoff(spots: np.ndarray) -> np.ndarray:
    return np.maximum(spots[:, -1] - 103.0, 0.0)


def european() -> float:
    return float(registry.evaluate("black_scholes", contract_block(OPTION), 1).outputs[0, 0])


def test_a_european_option_is_found_within_its_error_which_falls_with_the_points() -> None:
    errors = []
    for points in (256, 4096):
        found = simulate(MARKET, np.array([1.0]), call_payoff, Plan(points=points))
        assert abs(found.value - european()) <= 4 * found.standard_error + 1e-9
        assert found.paths == points * 32
        errors.append(found.standard_error)
    # Scrambled points converge faster than the root of their number.
    assert errors[1] < errors[0] / 8


def test_standard_errors_tell_how_far_off_values_are() -> None:
    plan = Plan(points=64, replicates=8)
    times = np.array([0.5, 1.0])
    found = [
        simulate(MARKET, times, call_payoff, replace(plan, seed=seed, mirrored=seed % 2 == 0))
        for seed in range(60)
    ]
    scores = [(item.value - european()) / item.standard_error for item in found]
    assert abs(float(np.mean(scores))) < 0.6
    assert 0.6 < float(np.std(scores)) < 1.7


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    times = np.linspace(0.1, 1.0, 10)
    first, again, other = (
        simulate(MARKET, times, call_payoff, Plan(points=128, seed=seed)) for seed in (5, 5, 6)
    )
    assert first == again
    assert first.value != other.value


def test_long_paths_are_priced_fewer_at_a_time() -> None:
    """Between two pauses of a simulation lie some milliseconds, however many fixings it has."""
    sizes = []

    def payoff(spots: np.ndarray) -> np.ndarray:
        sizes.append(spots.size)
        return call_payoff(spots)

    simulate(MARKET, np.linspace(0.001, 1.0, 1000), payoff, Plan(points=128, replicates=2))
    assert max(sizes) <= 1 << 16
    assert sum(sizes) == 1000 * 128 * 2 * 2


def test_a_control_that_is_the_payoff_itself_leaves_no_error() -> None:
    undiscounted = european() * math.exp(0.05)
    control = Control(call_payoff, undiscounted)
    found = simulate(MARKET, np.array([1.0]), call_payoff, Plan(points=64), control)
    assert found.value == pytest.approx(european(), rel=1e-12)
    assert found.control_weight == pytest.approx(1.0)


@pytest.mark.parametrize("is_average_strike", [False, True])
@pytest.mark.parametrize("right", [1.0, -1.0])
def test_arithmetic_asians_agree_with_the_grid_and_gain_from_their_control(
    right: float, is_average_strike: bool
) -> None:
    contract = replace(OPTION, right=right, strike=100.0)
    times = np.linspace(0.0, 1.0, 13)[1:]
    plan = Plan(points=1024)
    found = monte_carlo.arithmetic_asian(contract, times, plan, is_average_strike=is_average_strike)
    inputs = contract_block(contract)[:, 0].tolist()
    grid = registry.evaluate(
        "arithmetic_asian",
        registry.stack(*inputs, float(times[0]), 12.0, float(is_average_strike)),
        1,
    )
    assert found.value == pytest.approx(
        float(grid.outputs[0, 0]), abs=4 * found.standard_error + 1e-3
    )
    assert found.standard_error < 1e-3
    assert found.control_weight == pytest.approx(1.0, abs=0.2)


def test_an_asian_of_one_fixing_at_expiry_is_european() -> None:
    found = monte_carlo.arithmetic_asian(OPTION, np.array([1.0]), Plan(points=64))
    assert found.value == pytest.approx(european(), rel=1e-12)


def test_a_fixing_today_counts_with_todays_spot() -> None:
    found = monte_carlo.arithmetic_asian(OPTION, np.array([0.0]), Plan(points=16))
    assert found.value == 0.0
    cheap = replace(OPTION, strike=90.0)
    found = monte_carlo.arithmetic_asian(cheap, np.array([0.0]), Plan(points=16))
    assert found.value == pytest.approx(10 * math.exp(-0.05), rel=1e-12)


def test_inputs_out_of_range_are_named() -> None:
    for changes, message in (
        ({"points": 100}, "power of two"),
        ({"points": 0}, "power of two"),
        ({"replicates": 1}, "replicates"),
    ):
        with pytest.raises(ValueError, match=message):
            Plan(**changes)
    times = np.array([1.0])
    for market, message in (
        (replace(MARKET, spot=-1.0), "spot"),
        (replace(MARKET, volatility=math.nan), "volatility"),
        (replace(MARKET, interest_rate=200.0), "interest_rate"),
    ):
        with pytest.raises(ValueError, match=message):
            simulate(market, times, call_payoff, Plan(points=2))
    for bad in (np.array([0.0, 1.0]), np.array([1.0, 0.5]), np.array([])):
        with pytest.raises(ValueError, match="times"):
            simulate(MARKET, bad, call_payoff, Plan(points=2))
    with pytest.raises(ValueError, match="fixing_times"):
        monte_carlo.arithmetic_asian(OPTION, np.array([2.0]), Plan(points=2))
    with pytest.raises(ValueError, match="early exercise"):
        monte_carlo.arithmetic_asian(replace(OPTION, is_american=True), times, Plan(points=2))
