"""American options with a single barrier that is watched continuously, on a grid that ends there.

A knock-out may be exercised up to the moment at which it dies, so at the barrier it is worth the
larger of rebate and exercise. A knock-in is nothing but its rebate at expiry until the barrier is
touched; then it is an American option. A barrier already touched at the start counts as touched: a
knock-out pays its rebate, a knock-in is alive.

Values are extrapolated from two grids, ``error`` is what the extrapolation changed.

Sources: Crank and Nicolson (1947) and Brennan and Schwartz, The Valuation of American Put Options
(1977), for the grid and its exercise (``finite_difference``); Richardson (1911), for the
extrapolation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import american, validity
from tradecaptain.kernels.pricing import finite_difference as grid
from tradecaptain.kernels.pricing.columns import DOWN_IN, DOWN_OUT, UP_IN, VALUE
from tradecaptain.kernels.pricing.contract import Contract, contract_block, contract_status
from tradecaptain.kernels.pricing.status import INVALID_AMOUNT, INVALID_VOLATILITY, OK

FloatArray = npt.NDArray[np.float64]

_NODES: Final = 601
_DEVIATIONS: Final = 6.0
_DEVIATION_MIN: Final = 1e-3
# Step of the differences for delta and gamma, by the spacing of the finer grid.
_STEP: Final = 2.0


@dataclass(frozen=True, slots=True)
class BarrierOutcome:
    """Value, delta and gamma, the grid's error, and the status."""

    value: float
    delta: float
    gamma: float
    error: float
    status: int


def _check(contract: Contract, barrier: float, kind: float, rebate: float) -> int:
    status = contract_status(contract)
    if status == OK:
        status = validity.barrier_status(barrier, kind, contract.time_years, contract.volatility)
    if status == OK and not 0.0 <= rebate <= validity.PRICE_MAX:
        return INVALID_AMOUNT
    if status == OK and contract.volatility * math.sqrt(contract.time_years) < _DEVIATION_MIN:
        return INVALID_VOLATILITY
    return status


def price(contract: Contract, barrier: float, kind: float, rebate: float) -> BarrierOutcome:
    """Value of an American option with a barrier; ``kind`` as ``columns`` has them.

    Inputs outside the domain get a status and NaN.

    The barrier and the rebate are prices; statuses are ``INVALID_BARRIER``,
    ``INVALID_BARRIER_KIND``, ``INVALID_AMOUNT`` and those of the contract. Raises nothing.
    """
    status = _check(contract, barrier, kind, rebate)
    if status != OK:
        return BarrierOutcome(math.nan, math.nan, math.nan, math.nan, status)
    is_down, is_in = kind in (DOWN_IN, DOWN_OUT), kind in (DOWN_IN, UP_IN)
    is_touched = contract.spot <= barrier if is_down else contract.spot >= barrier
    if is_touched and not is_in:
        return BarrierOutcome(rebate, 0.0, 0.0, 0.0, OK)
    if is_touched:
        alive = american.price(contract_block(contract), american.Accuracy.ACCURATE, 6)
        value, delta, gamma = alive.values[:3, 0].tolist()
        return BarrierOutcome(value, delta, gamma, 0.0, int(alive.status[0]))
    coarse = _on_grid(contract, barrier, is_in=is_in, rebate=rebate, nodes=_NODES)
    fine = _on_grid(contract, barrier, is_in=is_in, rebate=rebate, nodes=2 * _NODES - 1)
    value, delta, gamma = (fine + (fine - coarse) / 3.0).tolist()
    error = abs(float(fine[0] - coarse[0])) / 3.0
    if not is_in:
        value = max(value, contract.right * (contract.spot - contract.strike))
    return BarrierOutcome(value, delta, gamma, error, OK)


def _values_at_barrier(
    contract: Contract, barrier: float, times: FloatArray, *, is_in: bool, rebate: float
) -> FloatArray:
    """What a touch brings, with so much time to expiry left."""
    exercise = contract.right * (barrier - contract.strike)
    if not is_in:
        return np.full(times.size, max(rebate, exercise))
    block = np.repeat(contract_block(contract, barrier), times.size, axis=1)
    block[3] = times
    return np.asarray(american.price(block).values[VALUE])


def _on_grid(
    contract: Contract, barrier: float, *, is_in: bool, rebate: float, nodes: int
) -> FloatArray:
    """Value, delta and gamma on one grid that begins or ends at the barrier."""
    deviation = contract.volatility * math.sqrt(contract.time_years)
    drift = contract.interest_rate - contract.dividend_yield - 0.5 * contract.volatility**2
    reach = abs(math.log(contract.strike / contract.spot)) + abs(drift) * contract.time_years
    width = _DEVIATIONS * deviation + min(reach, 3.0) + abs(math.log(barrier / contract.spot))
    is_down = barrier < contract.spot
    spots = (
        grid.log_grid(barrier, barrier * math.exp(width), nodes)
        if is_down
        else grid.log_grid(barrier * math.exp(-width), barrier, nodes)
    )
    moments = np.full((grid.MOMENT_ROWS, nodes // 2 + 1), math.nan)
    moments[grid.TIME] = grid.spaced_moments(0.0, contract.time_years, nodes // 2)
    moments[grid.CASH] = 0.0
    at_barrier = _values_at_barrier(
        contract, barrier, moments[grid.TIME], is_in=is_in, rebate=rebate
    )
    moments[grid.LOW_VALUE if is_down else grid.HIGH_VALUE] = at_barrier
    payoff = grid.average_payoff(spots, contract.right, contract.strike)
    values = np.full(nodes, rebate) if is_in else payoff
    values[0 if is_down else -1] = at_barrier[0]
    market = grid.market_of(contract, is_american=not is_in)
    grid.roll_back(values, spots, market, moments, np.empty((grid.WORK_ROWS, nodes)))
    step = _STEP * width / (2 * _NODES)
    places = contract.spot * np.exp(step * np.array([-1.0, 0.0, 1.0]))
    low, value, high = grid.interpolate(values, spots, places).tolist()
    by_log = (high - low) / (2.0 * step)
    twice = (high - 2.0 * value + low) / (step * step)
    spot = contract.spot
    return np.array([value, by_log / spot, (twice - by_log) / (spot * spot)])
