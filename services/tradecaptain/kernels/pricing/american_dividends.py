"""European and American options on a stock that pays cash at known times.

Two models, by name:

* ``SPOT``: the spot moves lognormally and falls by each dividend on its day; where it stands below
  the dividend it falls to (nearly) zero, the rest isn't paid. Solved on a grid.
* ``ESCROWED``: the spot less the present value of the dividends to come moves lognormally.
  European options have the closed form of that asset; American ones are solved on a grid of it,
  exercise bringing the escrowed cash as well. Textbooks and trees use it.

A dividend at time 0 is still to be paid, one at expiry is paid before the option is. An American
option may be exercised just before each dividend.

Grid values are extrapolated from two grids, each with half the spacing of the other; ``error`` is
what the extrapolation changed, a bound in practice: it falls by four for twice the nodes.

Sources: Black, Fact and Fantasy in the Use of Options (1975), for escrowed dividends; Haug, Haug
and Lewis, Back to Basics: a New Approach to the Discrete Dividend Problem (2003).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import finite_difference as grid
from tradecaptain.kernels.pricing import validity
from tradecaptain.kernels.pricing.columns import GREEK_ROWS
from tradecaptain.kernels.pricing.contract import Contract, contract_block, contract_status
from tradecaptain.kernels.pricing.lognormal_block import lognormal_greeks
from tradecaptain.kernels.pricing.status import (
    INVALID_DIVIDEND,
    INVALID_LATTICE,
    INVALID_VOLATILITY,
    OK,
)

FloatArray = npt.NDArray[np.float64]

NODES_MIN: Final = 21
NODES_MAX: Final = 20_001
# Half the width of the grid in deviations of the log spot, and its least.
_DEVIATIONS: Final = 6.0
_WIDTH_MIN: Final = 0.05
_DEVIATION_MIN: Final = 1e-4
# Steps of the differences for vega, by the volatility, and for rho.
_VEGA_STEP: Final = 0.01
_RHO_STEP: Final = 1e-3
# A spot that a dividend took away altogether.
_RUIN: Final = 1e-8


class DividendModel(enum.Enum):
    """What moves lognormally."""

    SPOT = "spot"
    ESCROWED = "escrowed"


@dataclass(frozen=True, slots=True)
class CashDividend:
    """An amount per share, paid to who holds the stock just before ``time_years`` from now."""

    time_years: float
    amount: float


@dataclass(frozen=True, slots=True)
class DividendOutcome:
    """Value, greeks by the spot and by time that passes, the grid's error, and the status."""

    value: float
    delta: float
    gamma: float
    theta: float
    error: float
    status: int


def _refused(status: int) -> DividendOutcome:
    return DividendOutcome(*(5 * (math.nan,)), status=status)


def check(contract: Contract, dividends: Sequence[CashDividend]) -> int:
    """Status of the inputs."""
    status = contract_status(contract)
    if status != OK:
        return status
    times = [dividend.time_years for dividend in dividends]
    in_order = all(0.0 <= time <= contract.time_years for time in times) and times == sorted(times)
    if not in_order or not all(0.0 < item.amount <= validity.PRICE_MAX for item in dividends):
        return INVALID_DIVIDEND
    return OK


def present_value(
    contract: Contract, dividends: Sequence[CashDividend], now_years: float = 0.0
) -> float:
    """Worth at a moment of the dividends that are still to come then, at the carry of the stock.

    A dividend of so much cash is worth what has to be held in stock to pay it, so yields count.
    """
    carry = contract.interest_rate - contract.dividend_yield
    return math.fsum(
        item.amount * math.exp(-carry * (item.time_years - now_years))
        for item in dividends
        if item.time_years >= now_years
    )


def escrowed_european(contract: Contract, dividends: Sequence[CashDividend]) -> DividendOutcome:
    """Closed form of a European option where the spot less its dividends moves lognormally."""
    status = check(contract, dividends)
    if status != OK:
        return _refused(status)
    free_spot = contract.spot - present_value(contract, dividends)
    if free_spot < validity.PRICE_MIN:
        return _refused(INVALID_DIVIDEND)
    outputs = np.empty((GREEK_ROWS, 1))
    lognormal_greeks(contract_block(contract, free_spot), outputs, np.empty(1, np.int64))
    value, delta, gamma, _, theta, _ = outputs[:, 0].tolist()
    # As time passes the escrowed cash grows at its carry, at the cost of the free spot.
    carry = contract.interest_rate - contract.dividend_yield
    theta -= delta * carry * (contract.spot - free_spot)
    return DividendOutcome(value, delta, gamma, theta, 0.0, OK)


def price(
    contract: Contract,
    dividends: Sequence[CashDividend],
    model: DividendModel = DividendModel.SPOT,
    nodes: int = 801,
) -> DividendOutcome:
    """Value of an option whose stock pays dividends, by the closed form or on grids of ``nodes``.

    Inputs outside the domain get a status and NaN; a grid needs some volatility and from 21 to
    20,001 nodes.
    """
    if model is DividendModel.ESCROWED and not contract.is_american:
        return escrowed_european(contract, dividends)
    status = check(contract, dividends)
    if status == OK and not NODES_MIN <= nodes <= NODES_MAX:
        status = INVALID_LATTICE
    deviation = contract.volatility * math.sqrt(contract.time_years)
    if status == OK and deviation < _DEVIATION_MIN:
        status = INVALID_VOLATILITY
    escrow = present_value(contract, dividends) if model is DividendModel.ESCROWED else 0.0
    if status == OK and contract.spot - escrow < validity.PRICE_MIN:
        status = INVALID_DIVIDEND
    if status != OK:
        return _refused(status)
    half = (nodes // 2) | 1
    coarse, fine = (_on_grid(contract, dividends, model, count) for count in (half, 2 * half - 1))
    best = [after + (after - before) / 3.0 for before, after in zip(coarse, fine, strict=True)]
    # Interpolation across a dividend can leave a worthless option a rounding below nothing.
    value, delta, gamma = max(best[0], 0.0), best[1], best[2]
    error = abs(fine[0] - coarse[0]) / 3.0
    intrinsic = contract.right * (contract.spot - contract.strike)
    if contract.is_american:
        value = max(value, intrinsic)
    theta = _theta(contract, dividends, model, best)
    if contract.is_american and value <= intrinsic:
        return DividendOutcome(intrinsic, contract.right, 0.0, 0.0, error, OK)
    return DividendOutcome(value, delta, gamma, theta, error, OK)


def vega_and_rho(
    contract: Contract,
    dividends: Sequence[CashDividend],
    model: DividendModel = DividendModel.SPOT,
    nodes: int = 801,
) -> tuple[float, float]:
    """Derivatives by volatility and by rate: central differences; NaN where ``price`` refuses."""
    step = _VEGA_STEP * contract.volatility

    def slope(high: Contract, low: Contract, width: float) -> float:
        above, below = (price(moved, dividends, model, nodes).value for moved in (high, low))
        return (above - below) / width if width > 0.0 else math.nan

    vega = slope(
        replace(contract, volatility=contract.volatility + step),
        replace(contract, volatility=contract.volatility - step),
        2.0 * step,
    )
    rho = slope(
        replace(contract, interest_rate=contract.interest_rate + _RHO_STEP),
        replace(contract, interest_rate=contract.interest_rate - _RHO_STEP),
        2.0 * _RHO_STEP,
    )
    return vega, rho


def _theta(
    contract: Contract, dividends: Sequence[CashDividend], model: DividendModel, best: list[float]
) -> float:
    """Change of the value by time that passes, from the model's equation."""
    value, delta, gamma = best
    carry = contract.interest_rate - contract.dividend_yield
    moving = contract.spot
    if model is DividendModel.ESCROWED:
        moving -= present_value(contract, dividends)
    variance = contract.volatility * contract.volatility
    diffused = 0.5 * variance * moving * moving * gamma
    return contract.interest_rate * value - carry * contract.spot * delta - diffused


def _grid_spots(contract: Contract, spot: float, total: float, nodes: int) -> FloatArray:
    """Log spots around today's, which is the middle one, wide enough for strike and dividends."""
    time, deviation = contract.time_years, contract.volatility * math.sqrt(contract.time_years)
    drift = contract.interest_rate - contract.dividend_yield - 0.5 * contract.volatility**2
    reach = abs(math.log(spot / contract.strike)) + abs(drift) * time
    # What dividends take off the log spot, if little else does.
    fall = -math.log(max(1.0 - total / spot, 0.1)) if total > 0.0 else 0.0
    width = max(_DEVIATIONS * deviation + min(reach, 3.0) + fall, _WIDTH_MIN)
    return grid.log_grid(spot * math.exp(-width), spot * math.exp(width), nodes)


def _on_grid(
    contract: Contract, dividends: Sequence[CashDividend], model: DividendModel, nodes: int
) -> list[float]:
    """Value, delta and gamma on one grid."""
    is_spot = model is DividendModel.SPOT
    escrow = 0.0 if is_spot else present_value(contract, dividends)
    total = math.fsum(item.amount for item in dividends) if is_spot else 0.0
    spots = _grid_spots(contract, contract.spot - escrow, total, nodes)
    values = grid.average_payoff(spots, contract.right, contract.strike)
    market = grid.market_of(contract, is_american=contract.is_american)
    work = np.empty((grid.WORK_ROWS, nodes))
    falls = [(contract.time_years - item.time_years, item.amount) for item in dividends][::-1]
    stops = [moment for moment, _ in falls] + [contract.time_years]
    amounts = [amount for _, amount in falls] + [0.0]
    start, held = 0.0, 0.0
    for stop, amount in zip(stops, amounts, strict=True):
        if stop > start:
            steps = max(int(nodes * (stop - start) / contract.time_years) // 2, 8)
            held = _roll(contract, values, spots, market, work, (start, stop, held), steps)
        start = stop
        if amount > 0.0 and is_spot:
            values = _before_dividend(values, spots, amount)
            if contract.is_american:
                exercise = contract.right * (spots - contract.strike)
                values = np.maximum(values, exercise)
        elif amount > 0.0:
            # Going back in time the dividend comes into escrow.
            held += amount
    return _at_middle(values, spots)


def _roll(
    contract: Contract,
    values: FloatArray,
    spots: FloatArray,
    market: FloatArray,
    work: FloatArray,
    span: tuple[float, float, float],
    steps: int,
) -> float:
    """Carry values over a span of time to expiry and its escrowed cash; returns that cash."""
    start, stop, held = span
    moments = np.full((grid.MOMENT_ROWS, steps + 1), math.nan)
    moments[grid.TIME] = grid.spaced_moments(start, stop, steps)
    carry = contract.interest_rate - contract.dividend_yield
    moments[grid.CASH] = held * np.exp(-carry * (moments[grid.TIME] - start))
    grid.roll_back(values, spots, market, moments, work)
    return float(moments[grid.CASH, -1])


def _before_dividend(values: FloatArray, spots: FloatArray, amount: float) -> FloatArray:
    """Values just before a dividend from those after it: cubic in the log of the spot."""
    after = np.maximum(spots - amount, _RUIN * spots)
    result = grid.interpolate(values, spots, after)
    # Below the grid, and there alone, the value is linear in the spot.
    slope = (values[1] - values[0]) / (spots[1] - spots[0])
    below = values[0] + slope * (after - spots[0])
    return np.where(after < spots[0], below, result)


def _at_middle(values: FloatArray, spots: FloatArray) -> list[float]:
    """Value, delta and gamma at the middle node."""
    middle = spots.size // 2
    width = math.log(spots[1] / spots[0])
    low, value, high = values[middle - 1 : middle + 2].tolist()
    by_log = (high - low) / (2.0 * width)
    twice = (high - 2.0 * value + low) / (width * width)
    spot = float(spots[middle])
    return [value, by_log / spot, (twice - by_log) / (spot * spot)]
