"""Guesses and Householder's steps of implied volatility, as ``implied_block`` describes them.

Every function is branch-free and takes one option, so that a loop over it becomes vector code.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from tradecaptain.base.jit import inline_always
from tradecaptain.kernels.pricing.elementary import (
    INVERSE_ROOT_TWO_PI,
    log_of_parts,
    log_parts,
    log_ratio,
    multiply_add,
)

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
