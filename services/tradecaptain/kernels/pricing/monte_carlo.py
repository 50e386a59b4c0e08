"""Values by simulation: scrambled Sobol points, Brownian bridge, mirrored paths, control variates.

    plan = Plan(points=1 << 14, replicates=16, seed=7)
    estimate = simulate(market, times, payoff, plan)
    estimate.value, estimate.standard_error

A payoff is a function of the spots at the times, (paths, times) to (paths,). Each replicate is one
scrambling of the same points, so replicates are independent and their spread tells the error of
their mean. The same seed gives the same bits.

A control is a payoff whose mean is known; what the simulation gets wrong about it corrects the
value, by the weight that makes the paths' spread smallest.

Sources: Glasserman, Monte Carlo Methods in Financial Engineering (2003), chapters 4 and 5; Kemna
and Vorst, A Pricing Method for Options Based on Average Asset Values (1990), for the control.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import validity
from tradecaptain.kernels.pricing.brownian_paths import Bridge, build_bridge, fill_paths
from tradecaptain.kernels.pricing.contract import Contract
from tradecaptain.kernels.pricing.sobol import DIMENSIONS_MAX, scramble, sobol_block

FloatArray = npt.NDArray[np.float64]
Payoff = Callable[[FloatArray], FloatArray]

POINTS_MAX: Final = 1 << 24
REPLICATES_MAX: Final = 1024
# Beyond this deviation at the last time a sample says nothing of the mean.
DEVIATION_MAX: Final = 8.0
# Points that are worked on together, at most, and prices of their paths: some milliseconds.
_CHUNK: Final = 1 << 12
_PRICES_AT_ONCE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to simulate: points a replicate (a power of two), replicates, and the seed.

    ``mirrored`` prices every path together with its mirror image. Raises ``ValueError`` for
    numbers out of range.
    """

    points: int = 1 << 12
    replicates: int = 16
    seed: int = 1
    mirrored: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.points <= POINTS_MAX or self.points & (self.points - 1):
            raise ValueError(f"points must be a power of two up to {POINTS_MAX}")
        if not 2 <= self.replicates <= REPLICATES_MAX:
            raise ValueError(f"replicates must lie from 2 to {REPLICATES_MAX}")


@dataclass(frozen=True, slots=True)
class Market:
    """A lognormal spot with a yield; rates are continuous, a year."""

    spot: float
    volatility: float
    interest_rate: float
    dividend_yield: float


@dataclass(frozen=True, slots=True)
class Control:
    """A payoff and its mean, undiscounted."""

    payoff: Payoff
    mean: float


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be valued: a payoff along the spots at some times, and its control if any."""

    market: Market
    times: FloatArray
    payoff: Payoff
    control: Control | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Value, its standard error over replicates, paths simulated, and the control's weight."""

    value: float
    standard_error: float
    paths: int
    control_weight: float


def check(market: Market, times: FloatArray) -> None:
    """Raise ``ValueError`` for what can't be simulated, naming the input first."""
    for name, number, low, high in (
        ("spot", market.spot, validity.PRICE_MIN, validity.PRICE_MAX),
        ("volatility", market.volatility, 0.0, validity.VOLATILITY_MAX),
        ("interest_rate", market.interest_rate, -validity.RATE_MAX, validity.RATE_MAX),
        ("dividend_yield", market.dividend_yield, -validity.RATE_MAX, validity.RATE_MAX),
    ):
        if not low <= number <= high:
            raise ValueError(f"{name} must lie from {low:g} to {high:g}")
    if times.ndim != 1 or not 1 <= times.size <= DIMENSIONS_MAX:
        raise ValueError(f"there must be 1 to {DIMENSIONS_MAX} times")
    if not (times[0] > 0.0 and (np.diff(times) > 0.0).all() and times[-1] <= validity.TIME_MAX):
        raise ValueError(f"times must rise from above 0 to at most {validity.TIME_MAX:g} years")
    longest = float(times[-1])
    if market.volatility * math.sqrt(longest) > DEVIATION_MAX:
        raise ValueError(f"volatility times the root of time must be at most {DEVIATION_MAX:g}")
    for name, rate in (
        ("interest_rate", market.interest_rate),
        ("dividend_yield", market.dividend_yield),
    ):
        if abs(rate) * longest > validity.DISCOUNT_POWER_MAX:
            raise ValueError(f"{name} times time must lie within {validity.DISCOUNT_POWER_MAX:g}")


def _points_at_once(fixings: int) -> int:
    """How many points make a chunk: a power of two, fewer of longer paths."""
    return min(_CHUNK, 1 << (max(_PRICES_AT_ONCE // fixings, 1).bit_length() - 1))


def _chunk_sums(
    market: Market,
    times: FloatArray,
    bridge: Bridge,
    payoffs: list[Payoff],
    bits: npt.NDArray[np.uint32],
    signs: tuple[float, ...],
) -> FloatArray:
    """Sums over a chunk of points, mirror images averaged.

    Of the payoff; with a control also of the control, its square, and the product of both.
    """
    drift = market.interest_rate - market.dividend_yield - 0.5 * market.volatility**2
    paths = np.empty((bits.shape[0], times.size))
    results = np.zeros((len(payoffs), bits.shape[0]))
    for sign in signs:
        fill_paths(bits, bridge.places, bridge.weights, sign, paths)
        spots = market.spot * np.exp(drift * times + market.volatility * paths)
        for row, payoff in enumerate(payoffs):
            results[row] += payoff(spots)
    results /= len(signs)
    if len(payoffs) == 1:
        return results.sum(axis=1)
    values, controls = results
    return np.array([values.sum(), controls.sum(), controls @ controls, controls @ values])


def simulate(
    market: Market,
    times: FloatArray,
    payoff: Payoff,
    plan: Plan,
    control: Control | None = None,
) -> Estimate:
    """Discounted mean of a payoff that is paid at the last of the times.

    Raises ``ValueError`` naming the input that is out of range.
    """
    steps = simulation_steps(Problem(market, times, payoff, control), plan)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            estimate: Estimate = end.value
            return estimate


def simulation_steps(problem: Problem, plan: Plan) -> Generator[None, None, Estimate]:
    """As ``simulate``, with a pause after every few thousand prices.

    Raises ``ValueError``, at its first step, naming the input that is out of range.
    """
    market, times, control = problem.market, problem.times, problem.control
    check(market, times)
    payoffs = [problem.payoff] if control is None else [problem.payoff, control.payoff]
    bridge = build_bridge(times)
    signs = (1.0, -1.0) if plan.mirrored else (1.0,)
    means = np.zeros((plan.replicates, 1 if control is None else 4))
    chunk = min(_points_at_once(times.size), plan.points)
    for start in range(0, plan.points, chunk):
        block = sobol_block(times.size, start, chunk)
        for replicate in range(plan.replicates):
            bits = scramble(block, plan.seed, replicate)
            means[replicate] += _chunk_sums(market, times, bridge, payoffs, bits, signs)
            yield
    means /= plan.points
    values, weight = means[:, 0], 0.0
    if control is not None:
        value, mean, square, product = means.mean(axis=0).tolist()
        variance = square - mean * mean
        weight = (product - value * mean) / variance if variance > 0.0 else 0.0
        values = values - weight * (means[:, 1] - control.mean)
    discount = math.exp(-market.interest_rate * float(times[-1]))
    error = float(values.std(ddof=1)) / math.sqrt(plan.replicates)
    paths = plan.points * plan.replicates * len(signs)
    return Estimate(discount * float(values.mean()), discount * error, paths, weight)


def _normal(deviate: float) -> float:
    return 0.5 * math.erfc(-deviate / math.sqrt(2.0))


def exchange_mean(right: float, first: float, second: float, deviation: float) -> float:
    """Mean of ``max(right * (X - Y), 0)`` for lognormal X and Y by their means.

    ``deviation`` is that of the log of X / Y; a constant is lognormal with none.
    """
    if deviation <= 0.0 or second <= 0.0:
        return max(right * (first - second), 0.0)
    upper = math.log(first / second) / deviation + 0.5 * deviation
    lower = upper - deviation
    return right * (first * _normal(right * upper) - second * _normal(right * lower))


def arithmetic_asian(
    contract: Contract,
    fixing_times: FloatArray,
    plan: Plan,
    *,
    is_average_strike: bool = False,
) -> Estimate:
    """European option on the arithmetic mean of fixings, paid at ``contract.time_years``.

    The mean stands for the price (``max(w (A - K), 0)``) or for the strike (``max(w (S - A), 0)``).
    Fixing times rise from 0 or later to at most expiry. The same option on the geometric mean is
    the control. Raises ``ValueError`` naming the input that is out of range.
    """
    problem = arithmetic_asian_problem(contract, fixing_times, is_average_strike=is_average_strike)
    return simulate(problem.market, problem.times, problem.payoff, plan, problem.control)


def arithmetic_asian_problem(
    contract: Contract, fixing_times: FloatArray, *, is_average_strike: bool = False
) -> Problem:
    """What ``arithmetic_asian`` simulates; raises as it does."""
    if contract.is_american:
        raise ValueError("early exercise of Asian options isn't simulated")
    times = np.asarray(fixing_times, dtype=np.float64)
    if times.size == 0 or times[0] < 0.0 or times[-1] > contract.time_years:
        raise ValueError("fixing_times must lie from 0 to expiry")
    market = Market(
        contract.spot, contract.volatility, contract.interest_rate, contract.dividend_yield
    )
    is_fixed = times[0] == 0.0
    later = times[1:] if is_fixed else times
    ends = later.size > 0 and later[-1] == contract.time_years
    grid = later if ends else np.append(later, contract.time_years)
    right, strike, fixings = contract.right, contract.strike, later.size

    def arithmetic(spots: FloatArray) -> FloatArray:
        total = spots[:, :fixings].sum(axis=1) + (contract.spot if is_fixed else 0.0)
        return np.asarray(total / times.size)

    def geometric(spots: FloatArray) -> FloatArray:
        total = np.log(spots[:, :fixings]).sum(axis=1)
        total += math.log(contract.spot) if is_fixed else 0.0
        return np.asarray(np.exp(total / times.size))

    def option(mean: Payoff) -> Payoff:
        if is_average_strike:
            return lambda spots: np.maximum(right * (spots[:, -1] - mean(spots)), 0.0)
        return lambda spots: np.maximum(right * (mean(spots) - strike), 0.0)

    mean = _geometric_control_mean(contract, times, is_average_strike=is_average_strike)
    control = Control(option(geometric), mean)
    return Problem(market, grid, option(arithmetic), control)


def _geometric_control_mean(
    contract: Contract, times: FloatArray, *, is_average_strike: bool
) -> float:
    """Mean of the control: the geometric mean of the fixings is lognormal, as the spot is."""
    variance, carry = contract.volatility**2, contract.interest_rate - contract.dividend_yield
    count = times.size
    # Of the log's Brownian part: its variance, and its covariance with the end of the path.
    remaining = 2.0 * np.arange(count, 0, -1) - 1.0
    own = variance * float(remaining @ times) / (count * count)
    shared = variance * float(times.mean())
    drift = (carry - 0.5 * variance) * float(times.mean())
    average = contract.spot * math.exp(drift + 0.5 * own)
    if not is_average_strike:
        return exchange_mean(contract.right, average, contract.strike, math.sqrt(own))
    end = contract.spot * math.exp(carry * contract.time_years)
    total = variance * contract.time_years + own - 2.0 * shared
    return exchange_mean(contract.right, end, average, math.sqrt(max(total, 0.0)))
