"""A portfolio of Black-Scholes-Merton or Black-76 options under many scenarios.

The options go through a chunk at a time, each chunk under every scenario, so that what is read
stays in the first-level cache. Values are those of ``lognormal_block``, bit for bit.

Scenarios are columns of three rows: factor of the spot, shift of the volatility, years that pass.
Source of the values: as ``black_scholes``.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
from tradecaptain.base.floats import floats_at, stack_floats
from tradecaptain.base.jit import inline, inline_always, kernel
from tradecaptain.kernels.pricing.columns import BLOCK_TYPE, STATUS_TYPE
from tradecaptain.kernels.pricing.lognormal_block import (
    SCRATCH,
    chunk_scratch,
    input_rows,
    is_unusual,
    prepare_chunk,
    telling_bits,
    value_pass,
)
from tradecaptain.kernels.pricing.status import OK
from tradecaptain.kernels.pricing.validity import is_rate, lognormal_status

# A power of two, which sums by halves ask for; the scratch of ``lognormal_block`` has more room.
CHUNK: Final = 256
# Rows of scenarios.
SPOT_FACTOR: Final = 0
VOLATILITY_SHIFT: Final = 1
YEARS: Final = 2
# Within these, whatever is ordinary stays in the domain.
FACTOR_MAX: Final = 2.0**32
SHIFT_MAX: Final = 32.0

PORTFOLIO_TYPE: Final = numba.float64[::1]


@inline_always
def shift_pass(rows: Any, scenarios: Any, scenario: int, shifted: Any, count: int) -> None:
    """Spots, times and volatilities of a chunk as they are in a scenario."""
    _, spot, _, time, volatility, _, _ = rows
    spots, times, volatilities = shifted
    factor, years = scenarios[SPOT_FACTOR, scenario], scenarios[YEARS, scenario]
    shift = scenarios[VOLATILITY_SHIFT, scenario]
    for index in range(count):
        spots[index] = spot[index] * factor
        # What is no number stays none, so that its status tells.
        left, moved = time[index] - years, volatility[index] + shift
        times[index] = 0.0 if left < 0.0 else left
        volatilities[index] = 0.0 if moved < 0.0 else moved


@inline_always
def is_ordinary_chunk(rows: Any, count: int) -> bool:
    """Whether every option of a chunk is far within the domain."""
    right, spot, strike, time, volatility, rate, dividend_yield = rows
    windows = rates = rights = 0
    for index in range(count):
        bits = telling_bits(
            right[index],
            spot[index],
            strike[index],
            time[index],
            volatility[index],
            rate[index],
            dividend_yield[index],
        )
        windows, rates, rights = windows | bits[0], rates | bits[1], rights | bits[2]
    return not is_unusual(windows, rates, rights)


@inline_always
def is_moderate(scenarios: Any, scenario: int) -> bool:
    """Whether a scenario keeps an ordinary option in the domain; false for NaN."""
    factor, shift = scenarios[SPOT_FACTOR, scenario], scenarios[VOLATILITY_SHIFT, scenario]
    is_near = 1.0 / FACTOR_MAX <= factor <= FACTOR_MAX and abs(shift) <= SHIFT_MAX
    return is_near and 0.0 <= scenarios[YEARS, scenario] < math.inf


@inline
def erase_chunk(rows: Any, values: Any, count: int) -> int:
    """Make the values of invalid options NaN; returns how many there are."""
    right, spot, strike, time, volatility, rate, dividend_yield = rows
    invalid_count = 0
    for index in range(count):
        result = lognormal_status(
            right[index], spot[index], strike[index], time[index], volatility[index], rate[index]
        )
        if result != OK or not is_rate(dividend_yield[index], time[index]):
            values[index] = math.nan
            invalid_count += 1
    return invalid_count


@inline_always
def weighted_sum(values: Any, quantities: Any, count: int) -> float:
    """Sum of values times quantities, in halves, so that it is vector code; spoils ``values``."""
    for index in range(count):
        values[index] *= quantities[index]
    for index in range(count, CHUNK):
        values[index] = 0.0
    width = CHUNK
    while width > 1:
        width //= 2
        for index in range(width):
            values[index] += values[index + width]
    return float(values[0])


@kernel(numba.void(BLOCK_TYPE, PORTFOLIO_TYPE, BLOCK_TYPE, PORTFOLIO_TYPE, STATUS_TYPE))
def lognormal_revaluation(
    inputs: Any, quantities: Any, scenarios: Any, totals: Any, invalid_counts: Any
) -> None:
    """Value of the portfolio in every scenario (3 rows), and how many options had none there.

    ``inputs`` is a block of 6 or 7 rows; an option without a value makes the total NaN.
    """
    scratch = chunk_scratch()
    shifted = stack_floats(SCRATCH), stack_floats(SCRATCH), stack_floats(SCRATCH)
    values = stack_floats(SCRATCH)
    totals[:] = 0.0
    invalid_counts[:] = 0
    for start in range(0, inputs.shape[1], CHUNK):
        count = min(CHUNK, inputs.shape[1] - start)
        rows = input_rows(inputs, start, count)
        weights = floats_at(quantities.ctypes.data + 8 * start, count)
        is_ordinary = is_ordinary_chunk(rows, count)
        moved = (rows[0], shifted[0], rows[2], shifted[1], shifted[2], rows[5], rows[6])
        for scenario in range(scenarios.shape[1]):
            shift_pass(rows, scenarios, scenario, shifted, count)
            prepare_chunk(moved, start + scenario, count, scratch, False)
            # Nobody asks for statuses here: they go where roots would, which have no use either.
            value_pass(rows[0], scratch, values, scratch[5], count, 4 * (start + scenario) + 3)
            if not (is_ordinary and is_moderate(scenarios, scenario)):
                invalid_counts[scenario] += erase_chunk(moved, values, count)
            totals[scenario] += weighted_sum(values, weights, count)
