"""Black-Scholes-Merton and Black-76 on blocks of columns, at the speed of the vector units.

A block is worked on in chunks that stay in the first-level cache, each in four short passes over
scratch on the stack: discounting, deviates, density, results. A pass fits into the registers, and
its turns don't depend on each other; one long loop spills and waits. The first one
looks at the inputs by their bits on the way, and only where something is unusual each option of the
chunk is asked for its status (``validity``). The benchmark ``pricing`` shows what that gains.

With 7 rows of inputs the underlying is a spot with a row of yields; with 6 it is a forward, which
is a spot whose yield is the rate, but for rho. Error of a value: below 2e-15 of the larger of the
two discounted legs. Status and NaN as ``status`` says.

Source: as ``black_scholes``; one exponential serves both tails, since
``K e^(-r T) n(d2) = S e^(-q T) n(d1)``.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from tradecaptain.base.floats import floats_at, in_register, stack_floats
from tradecaptain.base.jit import inline_always, kernel
from tradecaptain.kernels.pricing.black_scholes import black_scholes_higher_greeks
from tradecaptain.kernels.pricing.columns import (
    BLOCK_TYPE,
    CHARM,
    COLOR,
    DELTA,
    DUAL_DELTA,
    GAMMA,
    RATE,
    RHO,
    RIGHT,
    SPEED,
    SPOT,
    STATUS_TYPE,
    STRIKE,
    THETA,
    TIME,
    VALUE,
    VANNA,
    VEGA,
    VOLATILITY,
    VOLGA,
    YIELD,
)
from tradecaptain.kernels.pricing.elementary import (
    EXPONENT_SHIFT,
    INVERSE_ROOT_TWO_PI,
    LOG2_E,
    ONE_BITS,
    bits_float,
    float_bits,
    multiply_add,
)
from tradecaptain.kernels.pricing.validity import DEVIATION_MIN, settle_chunk
from tradecaptain.kernels.pricing.vector import (
    MAGNITUDE,
    SIGN_BIT,
    fast_exp2,
    fast_log_of_parts,
    fast_log_parts,
    fast_mills_parts,
)

CHUNK: Final = 384
# Columns at a distance that isn't near a power of two share no sets of the cache.
SCRATCH: Final = CHUNK + 24
ROW_BYTES: Final = 8
# exp(-26 ** 2 / 2) is 1e-147; further out products would become subnormal, which is slow.
DEVIATE_END: Final = 26.0
GAUSS_POWER: Final = -0.5 * LOG2_E
# What is looked at no more closely: prices from 2^-32 to 2^32, times up to 2^7, volatilities up to
# 2^6 (these two from below 1e-17 on), and rates within 2, so that no power of a discount factor
# exceeds 2^8. Each window spans 64 powers of two, which the top six bits of a float64 less its
# lower end tell.
WINDOW_MASK: Final = -(1 << (EXPONENT_SHIFT + 6))
PRICE_WINDOW: Final = float_bits(2.0**-32)
TIME_WINDOW: Final = float_bits(2.0**-57)
VOLATILITY_WINDOW: Final = float_bits(2.0**-58)
# This bit of a float64 is set from 2 on, and for NaN.
RATE_MASK: Final = 1 << 62


@inline_always
def telling_bits(
    right: float,
    spot: float,
    strike: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
) -> tuple[int, int, int]:
    """Bits that an ordinary option leaves clear under the masks of ``is_unusual``."""
    windows = (float_bits(spot) - PRICE_WINDOW) | (float_bits(strike) - PRICE_WINDOW)
    windows |= float_bits(time) - TIME_WINDOW
    windows |= float_bits(volatility) - VOLATILITY_WINDOW
    return windows, float_bits(rate) | float_bits(dividend_yield), float_bits(right) ^ ONE_BITS


@inline_always
def is_unusual(windows: int, rates: int, rights: int) -> bool:
    """Whether any option that these bits were collected from may be outside the domain.

    Or without time or volatility, or merely very large or small: each must then be looked at.
    """
    return ((windows & WINDOW_MASK) | (rates & RATE_MASK) | (rights & MAGNITUDE)) != 0


@inline_always
def discount_pass(rows: Any, scratch: Any, keeps_roots: bool, count: int, anchor: int) -> bool:
    """Root of time, deviation, and both prices discounted; returns whether any option is unusual.

    The bits are collected here because this pass brings the inputs into the first-level cache, and
    has work to do meanwhile.
    """
    right, spot, strike, time, volatility, rate, dividend_yield = rows
    deviations, spot_legs, strike_legs, _, _, roots = scratch
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
        root = np.sqrt(time[index])
        if keeps_roots:
            roots[index] = root
        deviations[index] = max(volatility[index] * root, DEVIATION_MIN)
        binary_time = time[index] * in_register(-LOG2_E, anchor)
        spot_legs[index] = spot[index] * fast_exp2(dividend_yield[index] * binary_time, anchor)
        strike_legs[index] = strike[index] * fast_exp2(rate[index] * binary_time, anchor)
    return is_unusual(windows, rates, rights)


@inline_always
def deviate_pass(
    spot: Any,
    strike: Any,
    time: Any,
    rate: Any,
    dividend_yield: Any,
    scratch: Any,
    count: int,
    anchor: int,
) -> None:
    """``d1``; one division serves the logarithm and the deviation."""
    deviations, _, _, first_deviates, _, _ = scratch
    for index in range(count):
        deviation = deviations[index]
        difference, total, exponent = fast_log_parts(spot[index], strike[index])
        inverse = 1.0 / (total * deviation)
        logarithm = fast_log_of_parts(difference * (deviation * inverse), exponent, anchor)
        carry = rate[index] - dividend_yield[index]
        moneyness = multiply_add(carry, time[index], logarithm)
        first_deviates[index] = multiply_add(moneyness, inverse * total, 0.5 * deviation)


@inline_always
def density_pass(scratch: Any, count: int, anchor: int) -> None:
    """``S e^(-q T) exp(-d1 ** 2 / 2)``."""
    _, spot_legs, _, first_deviates, densities, _ = scratch
    for index in range(count):
        distance = min(abs(first_deviates[index]), in_register(DEVIATE_END, anchor))
        power = (distance * in_register(GAUSS_POWER, anchor)) * distance
        densities[index] = spot_legs[index] * fast_exp2(power, anchor)


@inline_always
def legs_of(
    right_bits: int,
    first_deviate: float,
    deviation: float,
    spot_leg: float,
    strike_leg: float,
    density: float,
    anchor: int,
) -> tuple[float, float]:
    """``S e^(-q T) N(w d1)`` and ``K e^(-r T) N(w d2)``; of the right only the sign bit counts."""
    second_deviate = first_deviate - deviation
    top1, bottom1 = fast_mills_parts(abs(first_deviate), anchor)
    top2, bottom2 = fast_mills_parts(abs(second_deviate), anchor)
    spot_tail = density * top1 / bottom1
    strike_tail = density * top2 / bottom2
    is_spot_tail = (right_bits ^ float_bits(first_deviate)) < 0
    is_strike_tail = (right_bits ^ float_bits(second_deviate)) < 0
    return (
        spot_tail if is_spot_tail else spot_leg - spot_tail,
        strike_tail if is_strike_tail else strike_leg - strike_tail,
    )


@inline_always
def with_sign(number: float, right_bits: int) -> float:
    """The number, or its negative for a put."""
    return bits_float(float_bits(number) ^ (right_bits & SIGN_BIT))


@inline_always
def value_of(
    right_bits: int,
    first_deviate: float,
    deviation: float,
    spot_leg: float,
    strike_leg: float,
    density: float,
    anchor: int,
) -> float:
    """The value alone: what both tails take from the legs that count in full, by one division.

    Put and call differ in the legs that count, and not in the tails.
    """
    second_deviate = first_deviate - deviation
    first_bits, second_bits = float_bits(first_deviate), float_bits(second_deviate)
    # Nothing is left of a tail beyond the end, and the powers of its deviate would overflow.
    end = in_register(DEVIATE_END, anchor)
    top1, bottom1 = fast_mills_parts(min(abs(first_deviate), end), anchor)
    top2, bottom2 = fast_mills_parts(min(abs(second_deviate), end), anchor)
    spot_part = spot_leg if (right_bits ^ first_bits) >= 0 else 0.0
    strike_part = strike_leg if (right_bits ^ second_bits) >= 0 else 0.0
    # Each tail has the sign of its deviate.
    spot_top = with_sign(top1, first_bits) * bottom2
    tails = multiply_add(with_sign(-top2, second_bits), bottom1, spot_top)
    quotient = tails / (bottom1 * bottom2)
    value = multiply_add(-density, quotient, with_sign(spot_part - strike_part, right_bits))
    return max(value, 0.0)


@inline_always
def value_pass(right: Any, scratch: Any, value: Any, status: Any, count: int, anchor: int) -> None:
    """Values. Status ``OK``, which is the bits of 0.0, is written on the way, where it is free."""
    deviations, spot_legs, strike_legs, first_deviates, densities, _ = scratch
    for index in range(count):
        status[index] = 0.0
        value[index] = value_of(
            float_bits(right[index]),
            first_deviates[index],
            deviations[index],
            spot_legs[index],
            strike_legs[index],
            densities[index],
            anchor,
        )


@inline_always
def greeks_of(
    right_bits: int,
    spot: float,
    time: float,
    volatility: float,
    rate: float,
    dividend_yield: float,
    scratch: Any,
    index: int,
    anchor: int,
) -> tuple[float, float, float, float, float, float]:
    """Value, delta, gamma, vega, theta and rho of one option of the chunk."""
    deviations, spot_legs, strike_legs, first_deviates, densities, roots = scratch
    deviation = deviations[index]
    spot_part, strike_part = legs_of(
        right_bits,
        first_deviates[index],
        deviation,
        spot_legs[index],
        strike_legs[index],
        densities[index],
        anchor,
    )
    spot_part = with_sign(spot_part, right_bits)
    strike_part = with_sign(strike_part, right_bits)
    inverse = 1.0 / (spot * deviation)
    inverse_spot = inverse * deviation
    density = densities[index] * INVERSE_ROOT_TWO_PI if deviation > DEVIATION_MIN else 0.0
    gamma_part = density * inverse
    # volatility / sqrt(time) is volatility^2 / deviation.
    decay = ((0.5 * volatility) * volatility) * (gamma_part * spot)
    carried = multiply_add(dividend_yield, spot_part, multiply_add(-rate, strike_part, -decay))
    return (
        max(spot_part - strike_part, 0.0),
        spot_part * inverse_spot,
        gamma_part * inverse_spot,
        density * roots[index],
        carried,
        time * strike_part,
    )


@inline_always
def store_row(rows: Any, index: int, greeks: Any) -> None:
    """Write six numbers of one option."""
    value, delta, gamma, vega, theta, rho = rows
    value[index], delta[index], gamma[index] = greeks[0], greeks[1], greeks[2]
    vega[index], theta[index], rho[index] = greeks[3], greeks[4], greeks[5]


@inline_always
def greek_rows(outputs: Any, start: int, count: int) -> Any:
    """The first six rows of a block, from one option on."""
    row = ROW_BYTES * outputs.shape[1]
    first = outputs.ctypes.data + ROW_BYTES * start
    return (
        floats_at(first + VALUE * row, count),
        floats_at(first + DELTA * row, count),
        floats_at(first + GAMMA * row, count),
        floats_at(first + VEGA * row, count),
        floats_at(first + THETA * row, count),
        floats_at(first + RHO * row, count),
    )


@inline_always
def input_rows(inputs: Any, start: int, count: int) -> Any:
    """The seven rows of inputs from one option on; without yields the rate takes their place."""
    row = ROW_BYTES * inputs.shape[1]
    first = inputs.ctypes.data + ROW_BYTES * start
    yield_row = YIELD if inputs.shape[0] > YIELD else RATE
    return (
        floats_at(first + RIGHT * row, count),
        floats_at(first + SPOT * row, count),
        floats_at(first + STRIKE * row, count),
        floats_at(first + TIME * row, count),
        floats_at(first + VOLATILITY * row, count),
        floats_at(first + RATE * row, count),
        floats_at(first + yield_row * row, count),
    )


@inline_always
def greek_pass(rows: Any, scratch: Any, outputs: Any, count: int, anchor: int) -> None:
    """Values and five greeks."""
    right, spot, _, time, volatility, rate, dividend_yield = rows
    for index in range(count):
        greeks = greeks_of(
            float_bits(right[index]),
            spot[index],
            time[index],
            volatility[index],
            rate[index],
            dividend_yield[index],
            scratch,
            index,
            anchor,
        )
        store_row(outputs, index, greeks)


@inline_always
def pair_pass(rows: Any, scratch: Any, calls: Any, puts: Any, count: int, anchor: int) -> None:
    """Values and five greeks of the call and the put; what both need is computed once."""
    _, spot, _, time, volatility, rate, dividend_yield = rows
    for index in range(count):
        inputs = (
            spot[index],
            time[index],
            volatility[index],
            rate[index],
            dividend_yield[index],
        )
        call_greeks = greeks_of(
            0, inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], scratch, index, anchor
        )
        put_greeks = greeks_of(
            SIGN_BIT, inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], scratch, index, anchor
        )
        store_row(calls, index, call_greeks)
        store_row(puts, index, put_greeks)


@inline_always
def prepare_chunk(rows: Any, start: int, count: int, scratch: Any, keeps_roots: bool) -> bool:
    """All passes before the last; returns whether any option is unusual."""
    _, spot, strike, time, _, rate, dividend_yield = rows
    unusual = discount_pass(rows, scratch, keeps_roots, count, 4 * start)
    deviate_pass(spot, strike, time, rate, dividend_yield, scratch, count, 4 * start + 1)
    density_pass(scratch, count, 4 * start + 2)
    return unusual


@inline_always
def settle_forward_rho(inputs: Any, outputs: Any, start: int, count: int) -> None:
    """Rho on a forward, which doesn't move with the rate; other blocks are left alone."""
    if inputs.shape[0] <= YIELD:
        for index in range(start, start + count):
            outputs[RHO, index] = -inputs[TIME, index] * outputs[VALUE, index]


@inline_always
def chunk_scratch() -> Any:
    """Six columns on the stack of the calling kernel."""
    return (
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
    )


@kernel(numba.int64(BLOCK_TYPE, BLOCK_TYPE, STATUS_TYPE))
def lognormal_values(inputs: Any, outputs: Any, status: Any) -> int:
    """Row ``VALUE`` of ``outputs`` and the status of every option; returns how many are invalid."""
    scratch = chunk_scratch()
    invalid_count = 0
    for start in range(0, inputs.shape[1], CHUNK):
        count = min(CHUNK, inputs.shape[1] - start)
        rows = input_rows(inputs, start, count)
        unusual = prepare_chunk(rows, start, count, scratch, False)
        place = outputs.ctypes.data + ROW_BYTES * (VALUE * outputs.shape[1] + start)
        statuses = floats_at(status.ctypes.data + ROW_BYTES * start, count)
        value_pass(rows[0], scratch, floats_at(place, count), statuses, count, 4 * start + 3)
        if unusual:
            invalid_count += settle_chunk(inputs, outputs, status, start, count)
    return invalid_count


@kernel(numba.int64(BLOCK_TYPE, BLOCK_TYPE, STATUS_TYPE))
def lognormal_greeks(inputs: Any, outputs: Any, status: Any) -> int:
    """The first six rows of ``outputs`` and the status; returns how many options are invalid."""
    scratch = chunk_scratch()
    status[:] = 0
    invalid_count = 0
    for start in range(0, inputs.shape[1], CHUNK):
        count = min(CHUNK, inputs.shape[1] - start)
        rows = input_rows(inputs, start, count)
        unusual = prepare_chunk(rows, start, count, scratch, True)
        greek_pass(rows, scratch, greek_rows(outputs, start, count), count, 4 * start + 3)
        settle_forward_rho(inputs, outputs, start, count)
        if unusual:
            invalid_count += settle_chunk(inputs, outputs, status, start, count)
    return invalid_count


@kernel(numba.int64(BLOCK_TYPE, BLOCK_TYPE, BLOCK_TYPE, STATUS_TYPE))
def lognormal_pairs(inputs: Any, calls: Any, puts: Any, status: Any) -> int:
    """The first six rows for the call and for the put of every contract, whatever its right.

    Fills the status; returns how many contracts are invalid.
    """
    scratch = chunk_scratch()
    status[:] = 0
    invalid_count = 0
    for start in range(0, inputs.shape[1], CHUNK):
        count = min(CHUNK, inputs.shape[1] - start)
        rows = input_rows(inputs, start, count)
        unusual = prepare_chunk(rows, start, count, scratch, True)
        call_rows, put_rows = greek_rows(calls, start, count), greek_rows(puts, start, count)
        pair_pass(rows, scratch, call_rows, put_rows, count, 4 * start + 3)
        settle_forward_rho(inputs, calls, start, count)
        settle_forward_rho(inputs, puts, start, count)
        if unusual:
            invalid_count += settle_chunk(inputs, calls, status, start, count)
            settle_chunk(inputs, puts, status, start, count)
    return invalid_count


@kernel(numba.void(BLOCK_TYPE, BLOCK_TYPE))
def lognormal_higher_greeks(inputs: Any, outputs: Any) -> None:
    """Rows ``VANNA`` to ``DUAL_DELTA`` of ``outputs``; checks nothing."""
    yield_row = YIELD if inputs.shape[0] > YIELD else RATE
    for index in range(inputs.shape[1]):
        vanna, volga, charm, speed, color, dual_delta = black_scholes_higher_greeks(
            inputs[RIGHT, index],
            inputs[SPOT, index],
            inputs[STRIKE, index],
            inputs[TIME, index],
            inputs[VOLATILITY, index],
            inputs[RATE, index],
            inputs[yield_row, index],
        )
        outputs[VANNA, index] = vanna
        outputs[VOLGA, index] = volga
        outputs[CHARM, index] = charm
        outputs[SPEED, index] = speed
        outputs[COLOR, index] = color
        outputs[DUAL_DELTA, index] = dual_delta
