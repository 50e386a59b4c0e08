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
from tradecaptain.kernels.pricing.elementary import (
    INVERSE_ROOT_TWO_PI,
    LOG2_E,
    log_of_parts,
    log_parts,
    log_ratio,
    mills_parts,
    multiply_add,
)
from tradecaptain.kernels.pricing.implied_volatility import (
    bachelier_implied_volatility,
    black_implied_volatility,
    price_status,
)
from tradecaptain.kernels.pricing.lognormal_block import input_rows, is_unusual
from tradecaptain.kernels.pricing.status import INVALID_YIELD, OK
from tradecaptain.kernels.pricing.validity import (
    PRICE_MAX,
    is_rate,
    lognormal_status,
    normal_status,
)
from tradecaptain.kernels.pricing.vector import (
    fast_exp2,
    fast_expm1,
    fast_log_of_parts,
    fast_log_parts,
)

CHUNK: Final = 256
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
ROOT_TWO_PI: Final = 2.5066282746310002
PASS_TYPE: Final = numba.void(numba.int64, numba.int64, numba.int64, numba.float64)
# Kinds of options in a chunk.
NEAR: Final = 0
WING: Final = 1
BODY: Final = 2
KINDS: Final = 3
# Near means x below the first and q below the second less the third times x; t is below 1/2 there.
NEAR_MONEYNESS: Final = 1.0
NEAR_SHARE: Final = 0.25
NEAR_SLOPE: Final = 0.15
# Below this share the logarithm of its quotient by a power would be that of a subnormal number.
SHARE_MIN: Final = 1e-290
MONEYNESS_MAX: Final = 700.0
TIME_MIN: Final = 1e-12


@inline_always
def work_column(work: int, column: int) -> Any:
    """A column of the work area at an address."""
    return floats_at(work + ROW_BYTES * SCRATCH * column, SCRATCH)


@inline_always
def short_mills_parts(distance: float) -> tuple[float, float]:
    """Numerator and denominator of ``Y``, to 3e-8."""
    top = multiply_add(distance, 0.005189046491414861, 0.04755484708328173)
    top = multiply_add(distance, top, 0.20324757914632596)
    top = multiply_add(distance, top, 0.4644406637722362)
    top = multiply_add(distance, top, 0.5000000130853122)
    bottom = multiply_add(distance, 0.013007001315326042, 0.11920337346858917)
    bottom = multiply_add(distance, bottom, 0.5224305610202028)
    bottom = multiply_add(distance, bottom, 1.2842392119891264)
    bottom = multiply_add(distance, bottom, 1.7267675669522813)
    bottom = multiply_add(distance, bottom, 1.0)
    return top, bottom


@inline_always
def short_mills_slope(distance: float) -> float:
    """``-Y'`` to 9e-7."""
    top = multiply_add(distance, 0.00951979972157126, 0.06918046568363535)
    top = multiply_add(distance, top, 0.2394346987237026)
    top = multiply_add(distance, top, 0.3989426116424806)
    bottom = multiply_add(distance, 0.02386338236954231, 0.17334959523648258)
    bottom = multiply_add(distance, bottom, 0.6734660218954227)
    bottom = multiply_add(distance, bottom, 1.4960648617301866)
    bottom = multiply_add(distance, bottom, 1.853533478832471)
    bottom = multiply_add(distance, bottom, 1.0)
    return top / bottom


@inline_always
def mills_slope(distance: float) -> float:
    """``-Y'(t) = n(0) - t Y(t)``, to 1.4e-16 of 1 + t^2 of it."""
    top = multiply_add(distance, 1.896466927997509e-06, 4.8303359364249114e-05)
    top = multiply_add(distance, top, 0.0006048829412591153)
    top = multiply_add(distance, top, 0.004791370440483081)
    top = multiply_add(distance, top, 0.02610766543513116)
    top = multiply_add(distance, top, 0.10024104840097642)
    top = multiply_add(distance, top, 0.26658985126570517)
    top = multiply_add(distance, top, 0.4558446027166707)
    top = multiply_add(distance, top, 0.39894228040143265)
    bottom = multiply_add(distance, 4.753737619902469e-06, 0.00012107856695902357)
    bottom = multiply_add(distance, bottom, 0.0015304778506216444)
    bottom = multiply_add(distance, bottom, 0.012373422335572742)
    bottom = multiply_add(distance, bottom, 0.06996227992579726)
    bottom = multiply_add(distance, bottom, 0.2865724218754242)
    bottom = multiply_add(distance, bottom, 0.8556496173457602)
    bottom = multiply_add(distance, bottom, 1.8297245038425833)
    bottom = multiply_add(distance, bottom, 2.6711160407814325)
    bottom = multiply_add(distance, bottom, 2.395947107323013)
    bottom = multiply_add(distance, bottom, 1.0)
    return top / bottom


@inline_always
def tail_guess(share: float, root_mills: float, sign: float, coefficients: Any) -> float:
    """``m`` in the wing (within 1 %) or the body (2 %), with x given by ``Y(sqrt(2 x))``."""
    distance = np.sqrt(max(-2.0 * log_ratio(share, 0.5 - sign * root_mills), 0.0))
    weight = 2.0 * root_mills
    n0, n1, n2, d1, d2 = coefficients
    return parabola_to_line(
        distance,
        multiply_add(weight, multiply_add(weight, n0[2], n0[1]), n0[0]),
        multiply_add(weight, multiply_add(weight, n1[2], n1[1]), n1[0]),
        multiply_add(weight, multiply_add(weight, n2[2], n2[1]), n2[0]),
        multiply_add(weight, multiply_add(weight, d1[2], d1[1]), d1[0]),
        multiply_add(weight, multiply_add(weight, d2[2], d2[1]), d2[0]),
    )


@inline_always
def parabola_to_line(
    distance: float, n0: float, n1: float, n2: float, d1: float, d2: float
) -> float:
    """A rational function that begins as ``n0 y^2`` and goes over into ``y``."""
    top = multiply_add(distance, multiply_add(distance, n2, n1), n0)
    bottom = multiply_add(distance, multiply_add(distance, multiply_add(distance, n2, d2), d1), 1.0)
    return distance * distance * top / bottom


@inline_always
def householder(newton: float, second: float, third: float) -> float:
    """Step of third order from Newton's and the ratios of the second and third to the first."""
    top = multiply_add(0.5 * newton, second, 1.0)
    bottom = multiply_add(newton, multiply_add(newton * third, 1.0 / 6.0, second), 1.0)
    return newton * top / bottom


@inline_always
def log_and_inverse(top: float, bottom: float, factor: float) -> tuple[float, float]:
    """``log(top / bottom)`` and ``1 / factor`` with one division."""
    difference, total, exponent = log_parts(top, bottom)
    both = 1.0 / (total * factor)
    return log_of_parts(difference * (factor * both), exponent), total * both


@inline_always
def tail_step(
    unknown: float, hypotenuse: float, share: float, top: float, bottom: float, sign: float
) -> float:
    """Householder's step in ``m`` for wing (sign +1) and body (-1).

    ``top / bottom`` is Y(m) - sign Y(p).
    """
    # The first derivative is -slope / level.
    slope = INVERSE_ROOT_TWO_PI * (hypotenuse - sign * unknown) * bottom
    level = hypotenuse * top
    logarithm, inverse_both = log_and_inverse(top, bottom * share, slope * level)
    error = logarithm - 0.5 * unknown * unknown
    first = -slope * slope * inverse_both
    inverse = slope * top * inverse_both
    square = inverse * inverse
    sum_part = (hypotenuse + sign * unknown) * square
    second = -unknown - sign * sum_part
    third = second * second - 1.0 - (sign * unknown * inverse + 1.0) * square
    third += 2.0 * sign * sum_part * unknown * square
    return householder(
        error * (level * level * inverse_both),
        second - first,
        third - first * (3.0 * second - 2.0 * first),
    )


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
    """The last step of ``m``, and ``s`` in its place."""
    moneynesses, unknowns = work_column(work, MONEYNESS), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    shares, hypotenuses = work_column(work, SHARE), work_column(work, HYPOTENUSE)
    for index in range(first, end):
        unknown, hypotenuse = unknowns[index], hypotenuses[index]
        step = tail_step(unknown, hypotenuse, shares[index], tops[index], bottoms[index], sign)
        # The step is so small that the hypotenuse p follows it by step * m / p.
        total = hypotenuse + unknown
        both = 1.0 / (hypotenuse * total)
        change = step * (total * both)
        wing = 2.0 * moneynesses[index] * (hypotenuse * both) * (1.0 - change)
        unknowns[index] = wing if sign > 0.0 else multiply_add(change, total, total)


@inline_always
def solve_tail(work: int, first: int, end: int, sign: float) -> None:
    """Deviations of the options in the wing (sign +1) or in the body (-1)."""
    tail_guess_pass(work, first, end, sign)
    tail_short_pass(work, first, end, sign)
    tail_step_pass(work, first, end, sign)
    tail_full_pass(work, first, end, sign)
    tail_end_pass(work, first, end, sign)


@inline_always
def normal_distance_parts(logarithm: float) -> tuple[float, float]:
    """Numerator and denominator of ``h`` of the normal model by the log of 1 + x / value."""
    root = np.sqrt(logarithm)
    top = multiply_add(root, multiply_add(root, 0.01912752, 0.034938706), 0.0074202396)
    top = multiply_add(root, top, 0.39879251)
    bottom = multiply_add(root, multiply_add(root, 0.013576135, 0.023104642), 0.10962688)
    bottom = multiply_add(root, multiply_add(root, bottom, 0.01190687), 1.0)
    return logarithm * top, bottom


@inline_always
def near_guess(value: float, moneyness: float) -> float:
    """``s`` of an option near the money from the normal model, with its first correction."""
    stretch = multiply_add(moneyness * moneyness, 1.0 / 24.0, 1.0)
    gap = max(moneyness * stretch, 1e-8 * value)
    top, bottom = normal_distance_parts(log_ratio(gap + value, value))
    normal = gap * bottom / top
    return normal * multiply_add(normal * normal - moneyness * moneyness, 1.0 / 24.0, 1.0)


@inline_always
def near_term(
    term: float, before: float, distance_square: float, half_square: float, order: float
) -> float:
    """The next term of the odd Taylor series of ``Y(h - t) - Y(h + t)`` over ``2 t``."""
    grown = multiply_add(distance_square + (2.0 * order + 1.0), term, -half_square * before)
    return half_square * (1.0 / ((order + 1.0) * (order + 2.0))) * grown


@inline_always
def near_series(slope: float, distance: float, half: float, is_short: bool) -> float:
    """``(Y(h - t) - Y(h + t)) / 2 t``, by 4 or by 10 terms, for t up to 1/2."""
    distance_square, half_square = distance * distance, half * half
    first = multiply_add(distance_square + 3.0, slope, -INVERSE_ROOT_TWO_PI)
    a1 = half_square * (1.0 / 6.0) * first
    a2 = near_term(a1, slope, distance_square, half_square, 3.0)
    a3 = near_term(a2, a1, distance_square, half_square, 5.0)
    if is_short:
        return slope + (a1 + (a2 + a3))
    a4 = near_term(a3, a2, distance_square, half_square, 7.0)
    a5 = near_term(a4, a3, distance_square, half_square, 9.0)
    a6 = near_term(a5, a4, distance_square, half_square, 11.0)
    a7 = near_term(a6, a5, distance_square, half_square, 13.0)
    a8 = near_term(a7, a6, distance_square, half_square, 15.0)
    a9 = near_term(a8, a7, distance_square, half_square, 17.0)
    return slope + (a1 + (a2 + (a3 + (a4 + (a5 + (a6 + (a7 + (a8 + a9))))))))


@inline_always
def near_step(
    deviation: float, value: float, moneyness: float, inverse: float, series: float
) -> float:
    """Householder's step in ``s``; ``inverse`` is 1 / s."""
    distance, half = moneyness * inverse, 0.5 * deviation
    exponent = 0.5 * multiply_add(distance, distance, half * half)
    level = deviation * series
    logarithm, inverse_level = log_and_inverse(level, value, level)
    first = INVERSE_ROOT_TWO_PI * inverse_level
    ratio = distance * inverse
    second = multiply_add(ratio, distance, -0.25 * deviation)
    third = second * second - 3.0 * ratio * ratio - 0.25
    return householder(
        (exponent - logarithm) * level * ROOT_TWO_PI,
        second - first,
        third - first * (3.0 * second - 2.0 * first),
    )


@kernel(PASS_TYPE)
def near_guess_pass(work: int, first: int, end: int, sign: float) -> None:
    """Values over sqrt(F K) in place of the shares, and guesses of ``s``."""
    moneynesses, shares = work_column(work, MONEYNESS), work_column(work, SHARE)
    unknowns = work_column(work, UNKNOWN)
    for index in range(first, end):
        shares[index] *= fast_exp2(moneynesses[index] * (-0.5 * LOG2_E), first)
    for index in range(first, end):
        unknowns[index] = near_guess(shares[index], moneynesses[index])


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


@kernel(PASS_TYPE)
def near_step_pass(work: int, first: int, end: int, sign: float) -> None:
    """One step of ``s`` with what the pass before left."""
    moneynesses, unknowns = work_column(work, MONEYNESS), work_column(work, UNKNOWN)
    tops, bottoms = work_column(work, TOP), work_column(work, BOTTOM)
    shares = work_column(work, SHARE)
    for index in range(first, end):
        unknowns[index] += near_step(
            unknowns[index], shares[index], moneynesses[index], bottoms[index], tops[index]
        )


@inline_always
def solve_near(work: int, end: int) -> None:
    """Deviations of the options near the money."""
    near_guess_pass(work, 0, end, 0.0)
    near_short_pass(work, 0, end, 0.0)
    near_step_pass(work, 0, end, 0.0)
    near_full_pass(work, 0, end, 0.0)
    near_step_pass(work, 0, end, 0.0)


@inline_always
def excess_pass(rows: Any, scratch: Any, count: int, anchor: int) -> None:
    """What the price exceeds its intrinsic value by, and the most that it could."""
    right, spot, strike, time, price, rate, dividend_yield = rows
    _, excesses, maxima, _ = scratch
    for index in range(count):
        years = time[index]
        spot_change = spot[index] * fast_expm1(-dividend_yield[index] * years, anchor)
        strike_change = strike[index] * fast_expm1(-rate[index] * years, anchor)
        # The difference of the discounted prices without the rounding of either.
        intrinsic = (spot[index] - strike[index]) + (spot_change - strike_change)
        excesses[index] = price[index] - max(right[index] * intrinsic, 0.0)
        maxima[index] = min(spot[index] + spot_change, strike[index] + strike_change)


@inline_always
def share_pass(rows: Any, scratch: Any, count: int, anchor: int) -> int:
    """Moneyness, share, kind and ``Y(sqrt(2 x))``; what isn't ordinary has no share.

    Returns how many options aren't ordinary. Shares and kinds take the places of what the pass
    before left.
    """
    _, spot, strike, time, price, rate, dividend_yield = rows
    moneynesses, shares, kinds, mills = scratch
    other_count = 0
    for index in range(count):
        excess, maximum = shares[index], kinds[index]
        difference, total, exponent = fast_log_parts(spot[index], strike[index])
        both = 1.0 / (total * maximum)
        logarithm = fast_log_of_parts(difference * (maximum * both), exponent, anchor)
        carry = rate[index] - dividend_yield[index]
        moneyness = abs(multiply_add(carry, time[index], logarithm))
        top, bottom = short_mills_parts(np.sqrt(2.0 * moneyness))
        root_mills = top / bottom
        share = excess * (total * both)
        is_priced = excess < maximum and price[index] < PRICE_MAX
        is_ordinary = share > SHARE_MIN and is_priced and moneyness < MONEYNESS_MAX
        other_count += 0 if is_ordinary else 1
        is_near = moneyness < NEAR_MONEYNESS and share < NEAR_SHARE - NEAR_SLOPE * moneyness
        is_wing = share < 0.5 - root_mills
        kind = float(NEAR) if is_near else (float(WING) if is_wing else float(BODY))
        kept = share if is_near or is_wing else (maximum - excess) * (total * both)
        moneynesses[index] = moneyness
        mills[index] = root_mills
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
    moneynesses, shares, kinds, mills = scratch
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
    )
    area = stack_floats(WORK_AREA)
    work = floats_address(area)
    for index in range(WORK_AREA):
        # What fills up the lanes is computed as well, so it must be numbers.
        area[index] = 0.25
    solved, places = work_column(work, UNKNOWN), work_column(work, PLACE)
    status[:] = 0
    for start in range(0, inputs.shape[1], CHUNK):
        count = min(CHUNK, inputs.shape[1] - start)
        rows = input_rows(inputs, start, count)
        # The row of prices is checked by its results, so the time stands in for the volatility.
        unusual = is_unusual(rows[0], rows[1], rows[2], rows[3], rows[3], rows[5], rows[6], count)
        excess_pass(rows, scratch, count, 2 * start)
        other_count = share_pass(rows, scratch, count, 2 * start + 1)
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
        for index in range(count):
            volatilities[index] = volatilities[index] / np.sqrt(rows[3][index])
        if unusual or other_count > 0:
            settle_black_chunk(inputs, status, outputs, start, count)


@inline_always
def normal_step(deviation: float, value: float, gap: float, slope: float) -> float:
    """Householder's step in ``s`` of the normal model; slope is ``-Y'`` at gap / s."""
    inverse = 1.0 / deviation
    distance = gap * inverse
    level = deviation * slope
    logarithm, inverse_level = log_and_inverse(level, value, level)
    first = INVERSE_ROOT_TWO_PI * inverse_level
    ratio = distance * inverse
    second = ratio * distance
    third = second * second - 3.0 * ratio * ratio
    return householder(
        (0.5 * distance * distance - logarithm) * level * ROOT_TWO_PI,
        second - first,
        third - first * (3.0 * second - 2.0 * first),
    )


@inline_always
def normal_deviation(value: float, gap: float) -> float:
    """``s`` of the out-of-the-money value of the normal model; gap is |F - K|."""
    floor = max(gap, 1e-8 * value)
    logarithm = log_ratio(floor + value, value)
    top, bottom = normal_distance_parts(logarithm)
    deviation = floor * bottom / top
    deviation += normal_step(deviation, value, gap, short_mills_slope(gap / deviation))
    return deviation + normal_step(deviation, value, gap, mills_slope(gap / deviation))


@inline_always
def normal_pass(rows: Any, volatilities: Any, count: int, anchor: int) -> int:
    """Volatilities of the normal model; returns how many options aren't ordinary."""
    right, forward, strike, time, price, rate, _ = rows
    other_count = 0
    for index in range(count):
        gap = right[index] * (forward[index] - strike[index])
        # The change of the price first: at no rate it is left as it is.
        growth = price[index] * fast_expm1(rate[index] * time[index], anchor)
        value = price[index] + growth - max(gap, 0.0)
        share = value / (abs(gap) + value)
        size = abs(forward[index]) + abs(strike[index]) + abs(price[index])
        is_ordinary = share > SHARE_MIN and value > SHARE_MIN and size < PRICE_MAX
        other_count += 0 if is_ordinary else 1
        solved = normal_deviation(value, abs(gap)) / np.sqrt(time[index])
        volatilities[index] = solved if is_ordinary else math.nan
    return other_count


@kernel(numba.void(BLOCK_TYPE, STATUS_TYPE, BLOCK_TYPE, numba.int64, numba.int64))
def settle_normal_chunk(inputs: Any, status: Any, outputs: Any, start: int, count: int) -> None:
    """As ``settle_black_chunk``, of the normal model."""
    for index in range(start, start + count):
        right, forward, strike = inputs[RIGHT, index], inputs[SPOT, index], inputs[STRIKE, index]
        time, price, rate = inputs[TIME, index], inputs[PRICE, index], inputs[RATE, index]
        result = normal_status(right, forward, strike, time, 0.0, rate)
        if result == OK:
            result = price_status(price, time)
        if result != OK:
            outputs[VALUE, index] = math.nan
        elif not outputs[VALUE, index] >= 0.0:
            volatility, result = bachelier_implied_volatility(
                right, forward, strike, time, price, rate
            )
            outputs[VALUE, index] = volatility
        status[index] = result


@kernel(numba.void(BLOCK_TYPE, STATUS_TYPE, BLOCK_TYPE))
def bachelier_implied_volatilities(inputs: Any, status: Any, outputs: Any) -> None:
    """As ``black_implied_volatilities``, of the normal model (6 rows of inputs)."""
    status[:] = 0
    for start in range(0, inputs.shape[1], CHUNK):
        count = min(CHUNK, inputs.shape[1] - start)
        rows = input_rows(inputs, start, count)
        place = outputs.ctypes.data + ROW_BYTES * (VALUE * outputs.shape[1] + start)
        # Prices here may be zero or negative: only what all models share is looked at.
        unusual = is_unusual(rows[0], rows[3], rows[3], rows[3], rows[3], rows[5], rows[5], count)
        if normal_pass(rows, floats_at(place, count), count, start) > 0 or unusual:
            settle_normal_chunk(inputs, status, outputs, start, count)
