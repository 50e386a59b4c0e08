"""Implied volatility of Black-Scholes-Merton and Black-76 on blocks, by two vector steps each.

With x = |log(F / K)| and the out-of-the-money price as a share ``q`` of its maximum, the deviation
``s`` solves one equation in one unknown. Let Y(t) = exp(t^2 / 2) N(-t), h = x / s and t = s / 2:

    wing       h > t            q     = exp(-m^2 / 2) (Y(m) - Y(p)),  m = h - t, s = p - m
    body       h < t            1 - q = exp(-m^2 / 2) (Y(m) + Y(p)),  m = t - h, s = p + m
    near       small x and q    q exp(-x / 2) = exp(-(h^2 + t^2) / 2) (Y(h - t) - Y(h + t))

where p^2 = m^2 + 2 x. The logarithms of the first two are nearly parabolas in the unknown m, and
nothing cancels unless both x and q are small. What is left is near the money and
near expiry: there the difference of Y is its odd Taylor series about h, and s the unknown. Each
option gets a guess within 2 % (the near ones from the normal model, 0.3 %), a step of the third
Householder order with short functions, and one with full ones: together better than the last digit.

Options are sorted by these three kinds inside a chunk, so that every loop is vector code. Whatever
isn't ordinary (an input outside its domain, a price that has no volatility, a share below 1e-290)
is left to the scalar form, ``implied_volatility``.

Sources: Jäckel, Let's Be Rational (2013), for the reduction to one equation and Householder's
method on its logarithm; the coordinates m and p and the guesses are our own.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numba
import numpy as np
from tradecaptain.base.floats import floats_address, floats_at, stack_floats
from tradecaptain.base.jit import inline_always, kernel
from tradecaptain.kernels.pricing.columns import (
    BLOCK_TYPE,
    RATE,
    RIGHT,
    SPOT,
    STATUS_TYPE,
    STRIKE,
    TIME,
    VALUE,
    YIELD,
)
from tradecaptain.kernels.pricing.columns import VOLATILITY as PRICE
from tradecaptain.kernels.pricing.elementary import mills_parts, multiply_add
from tradecaptain.kernels.pricing.implied_steps import (
    mills_slope,
    near_guess,
    near_series,
    near_step,
    root_of_quotient,
    short_mills_parts,
    short_mills_slope,
    tail_end,
    tail_guess,
    tail_step,
)
from tradecaptain.kernels.pricing.implied_volatility import (
    black_implied_volatility,
    price_status,
)
from tradecaptain.kernels.pricing.lognormal_block import (
    input_rows,
    is_unusual,
    telling_bits,
)
from tradecaptain.kernels.pricing.status import INVALID_YIELD, OK
from tradecaptain.kernels.pricing.validity import (
    PRICE_MAX,
    is_rate,
    lognormal_status,
)
from tradecaptain.kernels.pricing.vector import (
    fast_expm1,
    fast_log_of_parts,
    fast_log_parts,
)

CHUNK: Final = 512
SCRATCH: Final = CHUNK + 24
ROW_BYTES: Final = 8
LANES: Final = 8
# Columns of the work area, each of SCRATCH numbers; the unknown is ``m``, near the money ``s``.
MONEYNESS: Final = 0
SHARE: Final = 1
MILLS: Final = 2
UNKNOWN: Final = 3
TOP: Final = 4
BOTTOM: Final = 5
PLACE: Final = 6
HYPOTENUSE: Final = 7
COLUMNS: Final = 8
WORK_AREA: Final = COLUMNS * SCRATCH
# Coefficients of the guesses in powers of ``2 Y(sqrt(2 x))``.
WING_GUESS: Final = (
    (0.612368, -0.60543, 0.0586842),
    (0.488099, -0.545979, -0.180313),
    (-0.0131462, 0.0393351, 0.121918),
    (0.635329, 0.0321423, 0.00707117),
    (0.486721, -0.557615, -0.151345),
)
BODY_GUESS: Final = (
    (0.696299, -0.435873, 1.9561),
    (0.974429, 5.02824, -8.63602),
    (1.16793, -5.17872, 6.5838),
    (2.19105, -3.40302, 3.67233),
    (1.12442, 3.98011, -6.91703),
)
PASS_TYPE: Final = numba.void(numba.int64, numba.int64, numba.int64, numba.float64)
# Kinds of options in a chunk.
NEAR: Final = 0
WING: Final = 1
BODY: Final = 2
KINDS: Final = 3
# Near means x below the first and q below the second less the third times x; t is below 1/2 there.
NEAR_MONEYNESS: Final = 1.0
NEAR_SHARE: Final = 0.33
NEAR_SLOPE: Final = 0.23
# Below this share the logarithm of its quotient by a power would be that of a subnormal number.
SHARE_MIN: Final = 1e-290
MONEYNESS_MAX: Final = 700.0
TIME_MIN: Final = 1e-12


@inline_always
def work_column(work: int, column: int) -> Any:
    """A column of the work area at an address."""
    return floats_at(work + ROW_BYTES * SCRATCH * column, SCRATCH)


@kernel(PASS_TYPE)
def tail_guess_pass(work: int, first: int, end: int, sign: float) -> None:
    """Guesses of ``m`` in the wing (sign +1) or the body (-1)."""
    shares, mills = work_column(work, SHARE), work_column(work, MILLS)
    unknowns = work_column(work, UNKNOWN)
    if sign > 0.0:
        for index in range(first, end):
            unknowns[index] = tail_guess(shares[index], mills[index], 1.0, WING_GUESS)
    else:
        for index in range(first, end):
            unknowns[index] = tail_guess(shares[index], mills[index], -1.0, BODY_GUESS)


@kernel(PASS_TYPE)
def tail_short_pass(work: int, first: int, end: int, sign: float) -> None:
    """Y(m) - sign Y(p), by the short functions."""
    moneynesses, unknowns = work_column(work, MONEYNESS), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    hypotenuses = work_column(work, HYPOTENUSE)
    for index in range(first, end):
        unknown = unknowns[index]
        hypotenuse = np.sqrt(multiply_add(unknown, unknown, 2.0 * moneynesses[index]))
        hypotenuses[index] = hypotenuse
        top1, bottom1 = short_mills_parts(unknown)
        top2, bottom2 = short_mills_parts(hypotenuse)
        tops[index] = top1 * bottom2 - sign * (top2 * bottom1)
        bottoms[index] = bottom1 * bottom2


@kernel(PASS_TYPE)
def tail_full_pass(work: int, first: int, end: int, sign: float) -> None:
    """Y(m) - sign Y(p), to the last digits."""
    moneynesses, unknowns = work_column(work, MONEYNESS), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    hypotenuses = work_column(work, HYPOTENUSE)
    for index in range(first, end):
        unknown = unknowns[index]
        hypotenuse = np.sqrt(multiply_add(unknown, unknown, 2.0 * moneynesses[index]))
        hypotenuses[index] = hypotenuse
        top1, bottom1 = mills_parts(unknown)
        top2, bottom2 = mills_parts(hypotenuse)
        tops[index] = top1 * bottom2 - sign * (top2 * bottom1)
        bottoms[index] = bottom1 * bottom2


@kernel(PASS_TYPE)
def tail_step_pass(work: int, first: int, end: int, sign: float) -> None:
    """One step of ``m`` with what the pass before left."""
    hypotenuses, unknowns = work_column(work, HYPOTENUSE), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    shares = work_column(work, SHARE)
    for index in range(first, end):
        unknown = unknowns[index]
        hypotenuse = hypotenuses[index]
        step = tail_step(unknown, hypotenuse, shares[index], tops[index], bottoms[index], sign)
        unknowns[index] = max(unknown + step, 0.0)


@kernel(PASS_TYPE)
def tail_end_pass(work: int, first: int, end: int, sign: float) -> None:
    """``s`` in the place of ``m``, by the last step."""
    moneynesses, unknowns = work_column(work, MONEYNESS), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    shares, hypotenuses = work_column(work, SHARE), work_column(work, HYPOTENUSE)
    if sign > 0.0:
        for index in range(first, end):
            unknowns[index] = tail_end(
                unknowns[index],
                hypotenuses[index],
                moneynesses[index],
                shares[index],
                tops[index],
                bottoms[index],
                1.0,
            )
    else:
        for index in range(first, end):
            unknowns[index] = tail_end(
                unknowns[index],
                hypotenuses[index],
                moneynesses[index],
                shares[index],
                tops[index],
                bottoms[index],
                -1.0,
            )


@inline_always
def solve_tail(work: int, first: int, end: int, sign: float) -> None:
    """Deviations of the options in the wing (sign +1) or in the body (-1)."""
    tail_guess_pass(work, first, end, sign)
    tail_short_pass(work, first, end, sign)
    tail_step_pass(work, first, end, sign)
    tail_full_pass(work, first, end, sign)
    tail_end_pass(work, first, end, sign)


@kernel(PASS_TYPE)
def near_guess_pass(work: int, first: int, end: int, sign: float) -> None:
    """Values over sqrt(F K) in place of the shares, and guesses of ``s``."""
    moneynesses, shares = work_column(work, MONEYNESS), work_column(work, SHARE)
    unknowns = work_column(work, UNKNOWN)
    for index in range(first, end):
        value = shares[index] * root_of_quotient(moneynesses[index])
        shares[index] = value
        unknowns[index] = near_guess(value, moneynesses[index])


@kernel(PASS_TYPE)
def near_short_pass(work: int, first: int, end: int, sign: float) -> None:
    """The series by the short functions."""
    moneynesses, unknowns = work_column(work, MONEYNESS), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    for index in range(first, end):
        inverse = 1.0 / unknowns[index]
        distance = moneynesses[index] * inverse
        slope = short_mills_slope(distance)
        tops[index] = near_series(slope, distance, 0.5 * unknowns[index], True)
        bottoms[index] = inverse


@kernel(PASS_TYPE)
def near_full_pass(work: int, first: int, end: int, sign: float) -> None:
    """The series to the last digits."""
    moneynesses, unknowns = work_column(work, MONEYNESS), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    for index in range(first, end):
        inverse = 1.0 / unknowns[index]
        distance = moneynesses[index] * inverse
        slope = mills_slope(distance)
        tops[index] = near_series(slope, distance, 0.5 * unknowns[index], False)
        bottoms[index] = inverse


@inline_always
def near_steps(work: int, end: int, is_short: bool) -> None:
    """One step of ``s`` with what the pass before left."""
    moneynesses, unknowns = work_column(work, MONEYNESS), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    shares = work_column(work, SHARE)
    for index in range(end):
        unknowns[index] += near_step(
            unknowns[index],
            shares[index],
            moneynesses[index],
            bottoms[index],
            tops[index],
            is_short,
        )


@kernel(PASS_TYPE)
def near_step_pass(work: int, first: int, end: int, sign: float) -> None:
    """The first step."""
    near_steps(work, end, True)


@kernel(PASS_TYPE)
def near_end_pass(work: int, first: int, end: int, sign: float) -> None:
    """The last step."""
    near_steps(work, end, False)


@inline_always
def solve_near(work: int, end: int) -> None:
    """Deviations of the options near the money."""
    near_guess_pass(work, 0, end, 0.0)
    near_short_pass(work, 0, end, 0.0)
    near_step_pass(work, 0, end, 0.0)
    near_full_pass(work, 0, end, 0.0)
    near_end_pass(work, 0, end, 0.0)


@inline_always
def excess_pass(rows: Any, scratch: Any, is_future: bool, count: int, anchor: int) -> bool:
    """What the price exceeds its intrinsic value by, and the most that it could; root of the time.

    Of a future both legs are discounted alike. Returns whether any input is unusual, but for the
    prices, which are told by their results.
    """
    right, spot, strike, time, price, rate, dividend_yield = rows
    _, excesses, maxima, _, roots = scratch
    windows = rates = rights = 0
    for index in range(count):
        years = time[index]
        bits = telling_bits(
            right[index],
            spot[index],
            strike[index],
            years,
            years,
            rate[index],
            dividend_yield[index],
        )
        windows, rates, rights = windows | bits[0], rates | bits[1], rights | bits[2]
        roots[index] = np.sqrt(max(years, TIME_MIN))
        rate_change = fast_expm1(-rate[index] * years, anchor)
        yield_change = rate_change
        if not is_future:
            yield_change = fast_expm1(-dividend_yield[index] * years, anchor)
        spot_change, strike_change = spot[index] * yield_change, strike[index] * rate_change
        # The difference of the discounted prices without the rounding of either.
        intrinsic = (spot[index] - strike[index]) + (spot_change - strike_change)
        # What no price can be fails every comparison from here on.
        usable = price[index] if price[index] < PRICE_MAX else math.nan
        excesses[index] = usable - max(right[index] * intrinsic, 0.0)
        maxima[index] = min(spot[index] + spot_change, strike[index] + strike_change)
    return is_unusual(windows, rates, rights)


@inline_always
def share_pass(rows: Any, scratch: Any, count: int, anchor: int) -> None:
    """Moneyness, share of the maximum, and what is left to it, in place of excess and maximum."""
    _, spot, strike, time, _, rate, dividend_yield = rows
    moneynesses, shares, rests, _, _ = scratch
    for index in range(count):
        excess, maximum = shares[index], rests[index]
        difference, total, exponent = fast_log_parts(spot[index], strike[index])
        both = 1.0 / (total * maximum)
        logarithm = fast_log_of_parts(difference * (maximum * both), exponent, anchor)
        carry = rate[index] - dividend_yield[index]
        moneynesses[index] = abs(multiply_add(carry, time[index], logarithm))
        inverse = total * both
        shares[index] = excess * inverse
        rests[index] = (maximum - excess) * inverse


@inline_always
def kind_pass(scratch: Any, count: int) -> int:
    """Kind, ``Y(sqrt(2 x))``, and the share that the kind asks for; what isn't ordinary has none.

    Returns how many options aren't ordinary. Kinds take the place of what is left to the maximum.
    """
    moneynesses, shares, kinds, mills, _ = scratch
    other_count = 0
    for index in range(count):
        moneyness, share, rest = moneynesses[index], shares[index], kinds[index]
        top, bottom = short_mills_parts(np.sqrt(2.0 * moneyness))
        root_mills = top / bottom
        is_ordinary = share > SHARE_MIN and rest > 0.0 and moneyness < MONEYNESS_MAX
        other_count += 0 if is_ordinary else 1
        is_near = moneyness < NEAR_MONEYNESS and share < NEAR_SHARE - NEAR_SLOPE * moneyness
        is_wing = share < 0.5 - root_mills
        kind = float(NEAR) if is_near else (float(WING) if is_wing else float(BODY))
        mills[index] = root_mills
        kept = share if is_near or is_wing else rest
        shares[index] = kept if is_ordinary else math.nan
        kinds[index] = kind if is_ordinary else float(BODY)
    return other_count


@inline_always
def in_lanes(count: int) -> int:
    """The count, rounded up to whole vectors: what lies beyond is computed and never read."""
    return (count + LANES - 1) // LANES * LANES


@inline_always
def sort_pass(scratch: Any, work: int, count: int) -> tuple[int, int, int]:
    """Bring options of a kind together; returns how many there are of each."""
    moneynesses, shares, kinds, mills, _ = scratch
    ordered_moneynesses, ordered_shares = work_column(work, MONEYNESS), work_column(work, SHARE)
    ordered_mills, places = work_column(work, MILLS), work_column(work, PLACE)
    near_count = wing_count = 0
    for index in range(count):
        near_count += 1 if kinds[index] == float(NEAR) else 0
        wing_count += 1 if kinds[index] == float(WING) else 0
    next_near, next_wing = 0, in_lanes(near_count)
    next_body = next_wing + in_lanes(wing_count)
    for index in range(count):
        is_near, is_wing = kinds[index] == float(NEAR), kinds[index] == float(WING)
        place = next_near if is_near else (next_wing if is_wing else next_body)
        next_near += 1 if is_near else 0
        next_wing += 1 if is_wing else 0
        next_body += 0 if is_near or is_wing else 1
        ordered_moneynesses[place] = moneynesses[index]
        ordered_shares[place] = shares[index]
        ordered_mills[place] = mills[index]
        places[index] = float(place)
    return near_count, wing_count, count - near_count - wing_count


@kernel(numba.void(BLOCK_TYPE, STATUS_TYPE, BLOCK_TYPE, numba.int64, numba.int64))
def settle_black_chunk(inputs: Any, status: Any, outputs: Any, start: int, count: int) -> None:
    """Status of some options, and the volatility of those that aren't ordinary."""
    has_yield = inputs.shape[0] > YIELD
    for index in range(start, start + count):
        right, spot, strike = inputs[RIGHT, index], inputs[SPOT, index], inputs[STRIKE, index]
        time, price, rate = inputs[TIME, index], inputs[PRICE, index], inputs[RATE, index]
        dividend_yield = inputs[YIELD, index] if has_yield else rate
        result = lognormal_status(right, spot, strike, time, 0.0, rate)
        if result == OK:
            result = price_status(price, time)
        if result == OK and not is_rate(dividend_yield, time):
            result = INVALID_YIELD
        if result != OK:
            outputs[VALUE, index] = math.nan
        elif not outputs[VALUE, index] >= 0.0:
            volatility, result = black_implied_volatility(
                right, spot, strike, time, price, rate, dividend_yield
            )
            outputs[VALUE, index] = volatility
        status[index] = result


@kernel(numba.void(BLOCK_TYPE, STATUS_TYPE, BLOCK_TYPE))
def black_implied_volatilities(inputs: Any, status: Any, outputs: Any) -> None:
    """Implied volatilities into row ``VALUE``; ``inputs`` has prices in the row of volatilities.

    With 6 rows of inputs the underlying is a future (Black-76), with 7 there is a row of yields.
    """
    scratch = (
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
        stack_floats(SCRATCH),
    )
    roots = scratch[4]
    area = stack_floats(WORK_AREA)
    work = floats_address(area)
    for index in range(WORK_AREA):
        # What fills up the lanes is computed as well, so it must be numbers.
        area[index] = 0.25
    solved, places = work_column(work, UNKNOWN), work_column(work, PLACE)
    for start in range(0, inputs.shape[1], CHUNK):
        count = min(CHUNK, inputs.shape[1] - start)
        rows = input_rows(inputs, start, count)
        if inputs.shape[0] > YIELD:
            unusual = excess_pass(rows, scratch, False, count, 2 * start)
        else:
            unusual = excess_pass(rows, scratch, True, count, 2 * start)
        share_pass(rows, scratch, count, 2 * start + 1)
        other_count = kind_pass(scratch, count)
        near_count, wing_count, body_count = sort_pass(scratch, work, count)
        wing = in_lanes(near_count)
        body = wing + in_lanes(wing_count)
        solve_near(work, wing)
        solve_tail(work, wing, body, 1.0)
        solve_tail(work, body, body + in_lanes(body_count), -1.0)
        place = outputs.ctypes.data + ROW_BYTES * (VALUE * outputs.shape[1] + start)
        volatilities = floats_at(place, count)
        for index in range(count):
            volatilities[index] = solved[int(places[index])]
        # Status OK has the bits of 0.0.
        statuses = floats_at(status.ctypes.data + ROW_BYTES * start, count)
        for index in range(count):
            volatilities[index] = volatilities[index] / roots[index]
            statuses[index] = 0.0
        if unusual or other_count > 0:
            settle_black_chunk(inputs, status, outputs, start, count)
