"""Guesses and Householder's steps of implied volatility, as ``implied_block`` describes them.

Every function is branch-free and takes one option, so that a loop over it becomes vector code.

Arguments are dimensionless: moneyness x = |log(F / K)|, deviation s = volatility * sqrt(time),
shares from 0 to 1. Outside the ranges that ``implied_block`` sorts by, results mean nothing;
nothing is raised.

Sources: Jäckel, Let's Be Rational (2013); Householder, The Numerical Treatment of a Single
Nonlinear Equation (1970), for the steps; coefficients are our own fits.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from tradecaptain.base.jit import inline_always
from tradecaptain.kernels.pricing.elementary import (
    EXPONENT_SHIFT,
    INVERSE_ROOT_TWO_PI,
    log_of_parts,
    multiply_add,
)
from tradecaptain.kernels.pricing.vector import LN2_OF_BITS, fast_log_parts

ROOT_TWO_PI: Final = 2.5066282746310002


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
    distance = np.sqrt(max(-2.0 * short_log_ratio(share, 0.5 - sign * root_mills), 0.0))
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
def halley(newton: float, second: float) -> float:
    """Step of second order where Newton's is below 1e-5: its quotient is a series of one term."""
    return newton * multiply_add(-0.5 * newton, second, 1.0)


@inline_always
def short_log_of_parts(ratio: float, exponent: float) -> float:
    """As ``vector.fast_log_of_parts``, to 1e-8 of what isn't a power of two."""
    square = ratio * ratio
    total = multiply_add(square, 0.14979598367082414, 0.1998945505396116)
    total = multiply_add(square, total, 0.3333335686810068)
    double = ratio + ratio
    return multiply_add(exponent, LN2_OF_BITS, multiply_add(double * square, total, double))


@inline_always
def short_log_ratio(numerator: float, denominator: float) -> float:
    """``log(numerator / denominator)`` to 1e-8."""
    difference, total, exponent = fast_log_parts(numerator, denominator)
    return short_log_of_parts(difference / total, exponent)


@inline_always
def log_ratio_and_inverse(
    top: float, bottom: float, factor: float, is_short: bool
) -> tuple[float, float]:
    """``log(top / bottom)`` and ``1 / factor`` with one division."""
    difference, total, exponent = fast_log_parts(top, bottom)
    both = 1.0 / (total * factor)
    ratio = difference * (factor * both)
    if is_short:
        return short_log_of_parts(ratio, exponent), total * both
    return log_of_parts(ratio, exponent * 2.0**-EXPONENT_SHIFT), total * both


@inline_always
def tail_step(
    unknown: float, hypotenuse: float, share: float, top: float, bottom: float, sign: float
) -> float:
    """Householder's step in ``m`` for wing (sign +1) and body (-1), by the short logarithm.

    ``top / bottom`` is Y(m) - sign Y(p).
    """
    # The first derivative is -slope / level.
    slope = INVERSE_ROOT_TWO_PI * (hypotenuse - sign * unknown) * bottom
    level = hypotenuse * top
    logarithm, inverse_both = log_ratio_and_inverse(top, bottom * share, slope * level, True)
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


@inline_always
def tail_end(
    unknown: float,
    hypotenuse: float,
    moneyness: float,
    share: float,
    top: float,
    bottom: float,
    sign: float,
) -> float:
    """The deviation ``s`` by Halley's step in ``m``, which is so small that p follows linearly."""
    slope = INVERSE_ROOT_TWO_PI * (hypotenuse - sign * unknown) * bottom
    level, total = hypotenuse * top, hypotenuse + unknown
    product = slope * level
    # In the wing p - m is 2 x / (p + m), which loses no digits; one division serves that as well.
    factor = product * total if sign > 0.0 else product
    logarithm, inverse_factor = log_ratio_and_inverse(top, bottom * share, factor, False)
    inverse_both = inverse_factor * total if sign > 0.0 else inverse_factor
    error = multiply_add(-0.5 * unknown, unknown, logarithm)
    inverse = slope * top * inverse_both
    sum_part = (hypotenuse + sign * unknown) * (inverse * inverse)
    second = multiply_add(slope * slope, inverse_both, -unknown) - sign * sum_part
    # By step * m / p, so that p + m grows by the share step / p, and p - m shrinks by it.
    change = halley(error * (level * level * inverse_both), second) * inverse
    if sign > 0.0:
        return 2.0 * moneyness * (product * inverse_factor) * (1.0 - change)
    return multiply_add(change, total, total)


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
    top, bottom = normal_distance_parts(short_log_ratio(gap + value, value))
    normal = gap * bottom / top
    return normal * multiply_add(normal * normal - moneyness * moneyness, 1.0 / 24.0, 1.0)


@inline_always
def near_term(term: float, before: float, distance_square: float, order: float) -> float:
    """The next coefficient, by t^2, of the odd Taylor series of ``Y(h - t) - Y(h + t)``."""
    share = 1.0 / ((order + 1.0) * (order + 2.0))
    factor = multiply_add(share, distance_square, share * (2.0 * order + 1.0))
    return multiply_add(factor, term, -share * before)


@inline_always
def near_series(slope: float, distance: float, half: float, is_short: bool) -> float:
    """``(Y(h - t) - Y(h + t)) / 2 t``, by 4 or by 10 terms, for t up to 1/2."""
    square, step = distance * distance, half * half
    first = multiply_add(square, slope, -INVERSE_ROOT_TWO_PI)
    c1 = multiply_add(0.5, slope, (1.0 / 6.0) * first)
    c2 = near_term(c1, slope, square, 3.0)
    c3 = near_term(c2, c1, square, 5.0)
    if is_short:
        return multiply_add(step, multiply_add(step, multiply_add(step, c3, c2), c1), slope)
    c4 = near_term(c3, c2, square, 7.0)
    c5 = near_term(c4, c3, square, 9.0)
    c6 = near_term(c5, c4, square, 11.0)
    c7 = near_term(c6, c5, square, 13.0)
    c8 = near_term(c7, c6, square, 15.0)
    c9 = near_term(c8, c7, square, 17.0)
    total = multiply_add(step, multiply_add(step, multiply_add(step, c9, c8), c7), c6)
    total = multiply_add(step, multiply_add(step, multiply_add(step, total, c5), c4), c3)
    return multiply_add(step, multiply_add(step, multiply_add(step, total, c2), c1), slope)


@inline_always
def root_of_quotient(moneyness: float) -> float:
    """``exp(-x / 2)`` for x of 0 … 1, to 1e-16: the powers of x - 1/2 need no reduction."""
    power = moneyness - 0.5
    total = multiply_add(power, 2.0985960413237536e-10, -4.198284991962349e-09)
    total = multiply_add(power, total, 7.545108645495816e-08)
    total = multiply_add(power, total, -1.2072168368305365e-06)
    total = multiply_add(power, total, 1.690105866787243e-05)
    total = multiply_add(power, total, -0.00020281270410411968)
    total = multiply_add(power, total, 0.0020281270392481167)
    total = multiply_add(power, total, -0.016225016313979598)
    total = multiply_add(power, total, 0.09735009788392561)
    total = multiply_add(power, total, -0.38940039153570255)
    return multiply_add(power, total, 0.7788007830714049)


@inline_always
def near_step(
    deviation: float, value: float, moneyness: float, inverse: float, series: float, is_short: bool
) -> float:
    """A step in ``s``, Householder's or, at the end, Halley's; ``inverse`` is 1 / s."""
    distance, half = moneyness * inverse, 0.5 * deviation
    exponent = 0.5 * multiply_add(distance, distance, half * half)
    level = deviation * series
    logarithm, inverse_level = log_ratio_and_inverse(level, value, level, is_short)
    first = INVERSE_ROOT_TWO_PI * inverse_level
    ratio = distance * inverse
    second = multiply_add(ratio, distance, -0.25 * deviation)
    newton = (exponent - logarithm) * level * ROOT_TWO_PI
    if not is_short:
        return halley(newton, second - first)
    third = second * second - 3.0 * ratio * ratio - 0.25
    return householder(newton, second - first, third - first * (3.0 * second - 2.0 * first))
