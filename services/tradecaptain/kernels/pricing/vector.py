"""Elementary functions for loops over columns, at the least work that the fast form's error allows.

They differ from ``elementary`` in what they leave out (clamping, the last bits) and in that their
coefficients stay in registers: ``anchor`` is any integer that is constant in the loop and differs
from one run of the loop to the next (see ``base.floats.in_register``).

Sources: as ``elementary``; the coefficients are our own minimax fits, with the errors that the
functions state.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.base.floats import in_register
from tradecaptain.base.jit import inline_always
from tradecaptain.kernels.pricing.elementary import (
    EXPONENT_SHIFT,
    HALF_EXPONENT,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    ONE_BITS,
    ROUNDING,
    bits_float,
    float_bits,
    multiply_add,
)

EXPONENT_MASK: Final = -(1 << EXPONENT_SHIFT)
SIGN_BIT: Final = -(1 << 63)
MAGNITUDE: Final = (1 << 63) - 1
LN2_OF_BITS: Final = LN2_HIGH * 2.0**-EXPONENT_SHIFT


@inline_always
def fast_exp2(power: float, anchor: int) -> float:
    """``2 ** power`` for powers within 1000, to 3e-16 relative."""
    shifted = power + in_register(ROUNDING, anchor)
    rest = power - (shifted - in_register(ROUNDING, anchor))
    # Minimax polynomial of degree 10 for |rest| <= 1/2, to 2.1e-16 relative. Odd and even powers
    # don't wait for each other, which a loop that waits on latencies repays.
    square = rest * rest
    odd = multiply_add(
        square,
        in_register(1.0208537999476753e-07, anchor),
        in_register(1.5252658116463275e-05, anchor),
    )
    even = multiply_add(
        square,
        in_register(7.037284880221032e-09, anchor),
        in_register(1.3215662807839593e-06, anchor),
    )
    odd = multiply_add(square, odd, in_register(0.00133335582285605, anchor))
    even = multiply_add(square, even, in_register(0.00015403529961163112, anchor))
    odd = multiply_add(square, odd, in_register(0.05550410866445885, anchor))
    even = multiply_add(square, even, in_register(0.00961812910803459, anchor))
    odd = multiply_add(square, odd, in_register(0.6931471805599497, anchor))
    even = multiply_add(square, even, in_register(0.24022650695908768, anchor))
    total = multiply_add(rest, multiply_add(rest, even, odd), in_register(1.0, anchor))
    return bits_float(float_bits(total) + (float_bits(shifted) << EXPONENT_SHIFT))


@inline_always
def fast_expm1(power: float, anchor: int) -> float:
    """``e ** power - 1`` for powers within 700, to 4e-16 relative where it is small as well."""
    shifted = multiply_add(power, in_register(LOG2_E, anchor), in_register(ROUNDING, anchor))
    whole = shifted - in_register(ROUNDING, anchor)
    rest = multiply_add(whole, in_register(-LN2_HIGH, anchor), power)
    rest = multiply_add(whole, in_register(-LN2_LOW, anchor), rest)
    # The polynomial of ``elementary.exponential`` without its first term.
    total = multiply_add(
        rest,
        in_register(2.5108197935528483e-08, anchor),
        in_register(2.7632466451808633e-07, anchor),
    )
    total = multiply_add(rest, total, in_register(2.7557247770521985e-06, anchor))
    total = multiply_add(rest, total, in_register(2.4801487880506528e-05, anchor))
    total = multiply_add(rest, total, in_register(0.00019841269881089183, anchor))
    total = multiply_add(rest, total, in_register(0.0013888888947260704, anchor))
    total = multiply_add(rest, total, in_register(0.008333333333324408, anchor))
    total = multiply_add(rest, total, in_register(0.04166666666652422, anchor))
    total = multiply_add(rest, total, in_register(0.1666666666666667, anchor))
    total = multiply_add(rest, total, in_register(0.5, anchor))
    total = multiply_add(rest * rest, total, rest)
    scale = bits_float(ONE_BITS + (float_bits(shifted) << EXPONENT_SHIFT))
    return multiply_add(scale, total, scale - 1.0)


@inline_always
def fast_log_parts(numerator: float, denominator: float) -> tuple[float, float, float]:
    """As ``elementary.log_parts``, with the exponent times 2^52, which saves two shifts."""
    distance = float_bits(numerator) - float_bits(denominator)
    exponent = (distance + HALF_EXPONENT) & EXPONENT_MASK
    scaled = bits_float(float_bits(denominator) + exponent)
    return numerator - scaled, numerator + scaled, float(exponent)


@inline_always
def fast_log_of_parts(ratio: float, exponent: float, anchor: int) -> float:
    """Log of the quotient whose parts ``fast_log_parts`` gave; ratio is difference to sum."""
    square = ratio * ratio
    # The polynomial of ``elementary.log_of_parts``.
    total = multiply_add(
        square,
        in_register(0.07695505790799866, anchor),
        in_register(0.07624112665206964, anchor),
    )
    total = multiply_add(square, total, in_register(0.09093193081838193, anchor))
    total = multiply_add(square, total, in_register(0.11111070062740748, anchor))
    total = multiply_add(square, total, in_register(0.1428571466681055, anchor))
    total = multiply_add(square, total, in_register(0.19999999998425638, anchor))
    total = multiply_add(square, total, in_register(0.33333333333335236, anchor))
    double = ratio + ratio
    series = multiply_add(double * square, total, double)
    return multiply_add(exponent, in_register(LN2_OF_BITS, anchor), series)


@inline_always
def fast_mills_parts(distance: float, anchor: int) -> tuple[float, float]:
    """Numerator and denominator of ``Y(t) = exp(t^2 / 2) N(-t)`` for t >= 0.

    Degrees 6 and 7, positive coefficients; minimax on [0, 8.5] for the error of
    ``exp(-t^2 / 2) Y(t)``, 2.1e-17, which makes the relative error of Y 1e-5 in the far tail. The
    coefficients of the denominator stay in memory: both sets don't fit into the registers.
    """
    top = multiply_add(
        distance,
        in_register(8.006729602646157e-05, anchor),
        in_register(0.0015902932035359398, anchor),
    )
    top = multiply_add(distance, top, in_register(0.014472733074888559, anchor))
    top = multiply_add(distance, top, in_register(0.07700254964430067, anchor))
    top = multiply_add(distance, top, in_register(0.2544869627132433, anchor))
    top = multiply_add(distance, top, in_register(0.5022865597861713, anchor))
    top = multiply_add(distance, top, in_register(0.5, anchor))
    bottom = multiply_add(distance, 0.00020069526229468817, 0.003986426420037708)
    bottom = multiply_add(distance, bottom, 0.03647535873689635)
    bottom = multiply_add(distance, bottom, 0.19704432772479474)
    bottom = multiply_add(distance, bottom, 0.6733781341049534)
    bottom = multiply_add(distance, bottom, 1.447127080098002)
    bottom = multiply_add(distance, bottom, 1.8024576803752184)
    bottom = multiply_add(distance, bottom, 1.0)
    return top, bottom
