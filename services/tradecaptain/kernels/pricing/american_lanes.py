"""Array kernels of American puts: boundaries, and values with delta and gamma from them.

    premium = integral of r K e^{-r t} N(-d2) - q S e^{-q t} N(-d1) over the time left,

where d1 and d2 are those of an option struck at the boundary of the time that remains then (Kim,
The Analytic Valuation of American Options, 1990). Options are taken in blocks of ``LANES``.

Source: also Andersen, Lake and Offengenden, High Performance American Option Pricing (2015). Inputs
and boundaries are in units of strike and expiry, as ``american_boundary`` has them.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing import american_boundary as lanes
from tradecaptain.kernels.pricing.american_boundary import (
    CARRY,
    DEVIATION,
    INVERSE_DEVIATION,
    LANES,
    LIMIT,
    LOG_LIMIT,
    NODE_ROWS,
    PLACE,
    clamped,
    interpolate,
    iterate,
    lower_tails,
    start_nodes,
)
from tradecaptain.kernels.pricing.columns import BLOCK_TYPE
from tradecaptain.kernels.pricing.elementary import INVERSE_ROOT_TWO_PI, exponential, log_ratio

# Rows of the puts' inputs, in units of strike and expiry.
PUT_SPOT: Final = 0  # spot by strike
PUT_RATE: Final = 1  # rate times time
PUT_YIELD: Final = 2  # yield times time
PUT_DEVIATION: Final = 3  # volatility times root of time
PUT_ROWS: Final = 4

# Rows of the puts' outputs, in units of the strike.
PUT_VALUE: Final = 0
PUT_DELTA: Final = 1
PUT_GAMMA: Final = 2

# Rows of the settings.
STEPS: Final = 0
START_STEPS: Final = 1
IS_SYSTEM_B: Final = 2

# Rows of work that the value needs, in place of those that the boundary needed.
_SPOT: Final = lanes.NUMERATOR
_PREMIUM: Final = lanes.DENOMINATOR
_DELTA: Final = lanes.ROOT
_GAMMA: Final = lanes.BOUNDARY

SETTINGS_TYPE = numba.int64[::1]
TABLE_TYPE = numba.float64[::1]
ROWS_TYPE = numba.float64[:, :, ::1]


@inline
def _load(work: Any, puts: Any, start: int, width: int) -> None:
    for lane in range(width):
        rate, dividend_yield = puts[PUT_RATE, start + lane], puts[PUT_YIELD, start + lane]
        deviation = puts[PUT_DEVIATION, start + lane]
        # Above its yield, or with none, a put is worth exercising just before expiry at any loss.
        limit = rate / dividend_yield if dividend_yield > rate else 1.0
        work[lanes.RATE, lane] = rate
        work[lanes.YIELD, lane] = dividend_yield
        work[DEVIATION, lane] = deviation
        work[INVERSE_DEVIATION, lane] = 1.0 / deviation
        work[CARRY, lane] = rate - dividend_yield
        work[LIMIT, lane] = limit
        work[LOG_LIMIT, lane] = log_ratio(limit, 1.0)


@kernel(
    numba.void(BLOCK_TYPE, TABLE_TYPE, BLOCK_TYPE, ROWS_TYPE, SETTINGS_TYPE, BLOCK_TYPE, BLOCK_TYPE)
)
def american_put_boundaries(
    puts: Any, nodes: Any, integral: Any, rows: Any, settings: Any, work: Any, boundaries: Any
) -> None:
    """Fill ``boundaries`` (nodes, options) with h for the ``puts`` (4, options).

    ``work`` has ``NODE_ROWS`` rows and two for each node, of ``LANES`` numbers.
    """
    count = puts.shape[1]
    is_system_b = settings[IS_SYSTEM_B]
    for start in range(0, count, LANES):
        width = min(LANES, count - start)
        _load(work, puts, start, width)
        start_nodes(work, width, nodes, settings[START_STEPS])
        for step in range(settings[STEPS]):
            iterate(work, width, nodes, integral, rows, 1 if step == 0 else 0, is_system_b)
        for node in range(nodes.shape[0]):
            for lane in range(width):
                boundaries[node, start + lane] = work[NODE_ROWS + node, lane]


@inline
def _add_value_point(work: Any, width: int, point: Any) -> None:
    """Add one point of the premium's integral and of its derivatives by the spot."""
    elapsed, root_elapsed, weight, root_weight = point
    for lane in range(width):
        root = math.sqrt(max(work[PLACE, lane], 0.0))
        distance = work[_SPOT, lane] - work[LOG_LIMIT, lane] + root
        inverse_spread = work[INVERSE_DEVIATION, lane] * (1.0 / root_elapsed)
        spread = work[DEVIATION, lane] * root_elapsed
        middle = (distance + work[CARRY, lane] * elapsed) * inverse_spread
        upper, lower = clamped(middle + 0.5 * spread), clamped(middle - 0.5 * spread)
        upper_gauss = exponential(-0.5 * upper * upper)
        lower_gauss = exponential(-0.5 * lower * lower)
        upper_tail, lower_tail = lower_tails(-upper, upper_gauss, -lower, lower_gauss)
        rate, dividend_yield = work[lanes.RATE, lane], work[lanes.YIELD, lane]
        rate_discount = exponential(-rate * elapsed)
        yield_discount = exponential(-dividend_yield * elapsed)
        spot = exponential(work[_SPOT, lane])
        inverse_boundary = exponential(root - work[LOG_LIMIT, lane])
        density = INVERSE_ROOT_TWO_PI * upper_gauss * yield_discount
        pull = dividend_yield - rate * inverse_boundary
        per_root = root_weight * work[INVERSE_DEVIATION, lane]
        work[_PREMIUM, lane] += weight * (
            rate * rate_discount * lower_tail - dividend_yield * spot * yield_discount * upper_tail
        )
        work[_DELTA, lane] += (
            per_root * density * pull - weight * dividend_yield * yield_discount * upper_tail
        )
        work[_GAMMA, lane] += (
            per_root * density * (dividend_yield - pull * upper * inverse_spread) / spot
        )


@inline
def _finish_value(work: Any, width: int, start: int, puts: Any, outputs: Any) -> None:
    for lane in range(width):
        spot = puts[PUT_SPOT, start + lane]
        rate, dividend_yield = work[lanes.RATE, lane], work[lanes.YIELD, lane]
        spread, inverse_spread = work[DEVIATION, lane], work[INVERSE_DEVIATION, lane]
        middle = (work[_SPOT, lane] + work[CARRY, lane]) * inverse_spread
        upper, lower = clamped(middle + 0.5 * spread), clamped(middle - 0.5 * spread)
        upper_gauss = exponential(-0.5 * upper * upper)
        lower_gauss = exponential(-0.5 * lower * lower)
        upper_tail, lower_tail = lower_tails(-upper, upper_gauss, -lower, lower_gauss)
        carried = exponential(-dividend_yield)
        european = exponential(-rate) * lower_tail - spot * carried * upper_tail
        gamma = carried * INVERSE_ROOT_TWO_PI * upper_gauss * inverse_spread / spot
        intrinsic = 1.0 - spot
        # The last node is the boundary with all of the time left.
        is_exercised = work[_SPOT, lane] <= work[LOG_LIMIT, lane] - math.sqrt(
            max(work[PLACE, lane], 0.0)
        )
        value = max(european, 0.0) + max(work[_PREMIUM, lane], 0.0)
        outputs[PUT_VALUE, start + lane] = intrinsic if is_exercised else max(value, intrinsic)
        outputs[PUT_DELTA, start + lane] = (
            -1.0 if is_exercised else work[_DELTA, lane] - carried * upper_tail
        )
        outputs[PUT_GAMMA, start + lane] = 0.0 if is_exercised else work[_GAMMA, lane] + gamma


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE, BLOCK_TYPE, ROWS_TYPE, BLOCK_TYPE, BLOCK_TYPE))
def american_put_values(
    puts: Any, boundaries: Any, integral: Any, rows: Any, work: Any, outputs: Any
) -> None:
    """Fill value, delta and gamma of the ``puts`` from their boundaries (nodes, options)."""
    count, nodes = puts.shape[1], boundaries.shape[0]
    for start in range(0, count, LANES):
        width = min(LANES, count - start)
        _load(work, puts, start, width)
        for node in range(nodes):
            for lane in range(width):
                work[NODE_ROWS + node, lane] = boundaries[node, start + lane]
        for lane in range(width):
            work[_SPOT, lane] = log_ratio(puts[PUT_SPOT, start + lane], 1.0)
            work[_PREMIUM, lane] = 0.0
            work[_DELTA, lane] = 0.0
            work[_GAMMA, lane] = 0.0
        for index in range(integral.shape[1]):
            point = (integral[0, index], integral[1, index], integral[2, index], integral[3, index])
            interpolate(work, width, rows[0, index])
            _add_value_point(work, width, point)
        for lane in range(width):
            work[PLACE, lane] = work[NODE_ROWS + nodes - 1, lane]
        _finish_value(work, width, start, puts, outputs)
