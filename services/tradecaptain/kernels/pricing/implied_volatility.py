"""Implied volatility of Black-Scholes-Merton, Black-76 and Bachelier, for every price there is.

The price is turned into that of the out-of-the-money option and divided by its scale, which leaves
one equation in the deviation s = volatility * sqrt(time). With x = -|log(F / K)|, h = -x / s, the
scaled Black value is

    b(s) = exp(-x^2 / (2 s^2) - s^2 / 8) (Y(h - s/2) - Y(h + s/2)),  Y(t) = exp(t^2 / 2) N(-t)

which is evaluated without cancellation: by the odd Taylor terms of Y about h for a small s, by Y
for a larger one, and by its complement e^(x/2) - b near the maximum. Newton's method is applied to
what is nearly a straight line: log b against 1 / s^2 below the inflection s = sqrt(2 |x|), b
against s (by Halley's) above it, log of the complement against s^2 near the maximum. A bracket
guards each.

Results: a volatility with ``OK``; NaN with what is wrong (below the intrinsic value, at or above
the maximum, an input outside its domain); zero with ``PRICE_CARRIES_NO_VOLATILITY`` for a price of
exactly the intrinsic value. Time must be above zero. Accuracy: a few units in the last place of
what the price determines.

These are the scalar forms, with a bracket around every root; ``implied_block`` has the array forms
and comes here for what is out of the ordinary.

Sources: Jäckel, Let's Be Rational (2013) and Implied Normal Volatility (2017), for the scaling and
the choice of objectives.
"""

from __future__ import annotations

import math

from tradecaptain.base.jit import inline
from tradecaptain.kernels.pricing.elementary import (
    INVERSE_ROOT_TWO_PI,
    exponential,
    gaussian,
    log_ratio,
    mills_ratio,
    normal_distribution_from,
)
from tradecaptain.kernels.pricing.status import (
    INVALID_PRICE,
    INVALID_TIME,
    OK,
    PRICE_ABOVE_MAXIMUM,
    PRICE_BELOW_INTRINSIC,
    PRICE_CARRIES_NO_VOLATILITY,
)
from tradecaptain.kernels.pricing.validity import (
    PRICE_MAX,
)

STEPS_MAX = 80
TAIL_END = 37.5
# Where the Taylor series in s / 2 is better than a difference of two tails.
SERIES_END = 0.21
UPPER_START = 0.9
# Values below this share of the distance to the strike are far out of the money.
FAR_SHARE = 0.08
# A step this small is the last one: the error after it is about its square.
RELATIVE_STEP_END = 1e-9
ROOT_TWO_PI = 2.5066282746310002
TIME_MIN = 1e-12
# What a price may be off by, of the larger leg: so far below the intrinsic value it is that value.
PRICE_ROUNDING = 2e-15


@inline
def _odd_series(distance: float, half: float) -> float:
    """``Y(distance - half) - Y(distance + half)`` by Taylor's series; half below 0.21."""
    # Derivatives of Y obey y[n + 1] = distance * y[n] + n * y[n - 1].
    before = mills_ratio(distance)
    derivative = distance * before - INVERSE_ROOT_TWO_PI
    factor = half
    total = derivative * factor
    for order in range(1, 15, 2):
        before, derivative = derivative, distance * derivative + order * before
        before, derivative = derivative, distance * derivative + (order + 1) * before
        factor *= half * half / ((order + 1) * (order + 2))
        total += derivative * factor
    return -2.0 * total


@inline
def scaled_black(moneyness: float, deviation: float) -> float:
    """``b``: the out-of-the-money value over sqrt(F K); moneyness is -|log(F / K)|."""
    distance = -moneyness / deviation
    half = 0.5 * deviation
    if distance > TAIL_END:
        return 0.0
    if half < SERIES_END:
        return gaussian(distance) * exponential(-0.5 * half * half) * _odd_series(distance, half)
    if distance > half:
        difference = mills_ratio(distance - half) - mills_ratio(min(distance + half, TAIL_END))
        return gaussian(distance) * exponential(-0.5 * half * half) * difference
    d1 = half - distance
    d2 = -half - distance
    root = exponential(0.5 * moneyness)
    return (
        root * normal_distribution_from(d1, gaussian(d1))
        - normal_distribution_from(d2, gaussian(d2)) / root
    )


@inline
def scaled_black_complement(moneyness: float, deviation: float) -> float:
    """``e^(x/2) - b``: how far the scaled value is from its maximum."""
    distance = -moneyness / deviation
    half = 0.5 * deviation
    d1 = half - distance
    d2 = -half - distance
    root = exponential(0.5 * moneyness)
    return (
        root * normal_distribution_from(-d1, gaussian(d1))
        + normal_distribution_from(d2, gaussian(d2)) / root
    )


@inline
def _slope(moneyness: float, deviation: float) -> float:
    """Derivative of ``b`` by the deviation."""
    half = 0.5 * deviation
    scale = INVERSE_ROOT_TWO_PI * exponential(-0.5 * half * half)
    return scale * gaussian(moneyness / deviation)


@inline
def _bounded(candidate: float, low: float, high: float) -> float:
    """The candidate if it lies inside the bracket, else the middle of the bracket."""
    return candidate if low < candidate < high else 0.5 * (low + high)


@inline
def _bounded_ratio(candidate: float, low: float, high: float) -> float:
    """As ``_bounded``, with the middle by ratio: the ends may lie many powers of ten apart."""
    return candidate if low < candidate < high else math.sqrt(low) * math.sqrt(high)


@inline
def _lower_deviation(moneyness: float, target: float, inflection: float) -> float:
    """Solve below the inflection: log b is nearly linear in 1 / s^2, or b in s near the money."""
    log_target = math.log(target)
    # Nearer the money than this there is no price that a float64 could hold.
    low, high = -moneyness / TAIL_END, inflection
    far = target < FAR_SHARE * -moneyness or moneyness < -1.0
    near_guess = min(ROOT_TWO_PI * (target - 0.5 * moneyness), inflection)
    guess = -moneyness / math.sqrt(max(-2.0 * log_target, 1e-3))
    deviation = _bounded_ratio(guess, low, high) if far else near_guess
    for _ in range(STEPS_MAX):
        value = scaled_black(moneyness, deviation)
        if value <= 0.0:
            low = deviation
            deviation = math.sqrt(low) * math.sqrt(high)
            continue
        error = log_target - math.log(value)
        if error > 0.0:
            low = deviation
        else:
            high = deviation
        # d log b / d (s^-2) = b' / b * (-s^3 / 2); growth is that of s^-2.
        ratio = error * value / _slope(moneyness, deviation)
        growth = 1.0 - 2.0 * ratio / deviation
        candidate = deviation / math.sqrt(growth) if growth > 0.0 else high
        if not far:
            candidate = deviation + (target - value) / _slope(moneyness, deviation)
        if abs(candidate - deviation) <= RELATIVE_STEP_END * deviation:
            return candidate
        deviation = _bounded_ratio(candidate, low, high)
    return deviation


@inline
def _middle_deviation(moneyness: float, target: float, inflection: float) -> float:
    """Solve above the inflection, where b is concave: Halley's method on b."""
    low, high = inflection, 80.0
    deviation = inflection + ROOT_TWO_PI * target if inflection == 0.0 else inflection
    for _ in range(STEPS_MAX):
        error = scaled_black(moneyness, deviation) - target
        if error < 0.0:
            low = deviation
        else:
            high = deviation
        ratio = error / _slope(moneyness, deviation)
        distance = moneyness / deviation
        curvature = distance * distance / deviation - 0.25 * deviation
        candidate = deviation - ratio / max(1.0 - 0.5 * ratio * curvature, 0.1)
        if abs(candidate - deviation) <= RELATIVE_STEP_END * deviation:
            return candidate
        deviation = _bounded(candidate, low, high)
    return deviation


@inline
def _upper_deviation(moneyness: float, complement: float, start: float) -> float:
    """Solve near the maximum: the log of the complement is nearly linear in s^2."""
    log_target = math.log(complement)
    low, high = start, 80.0
    deviation = _bounded(math.sqrt(max(-8.0 * log_target, 1.0)), low, high)
    for _ in range(STEPS_MAX):
        value = scaled_black_complement(moneyness, deviation)
        if value <= 0.0:
            high = deviation
            deviation = 0.5 * (low + high)
            continue
        error = math.log(value) - log_target
        if error > 0.0:
            low = deviation
        else:
            high = deviation
        # d log(complement) / d (s^2) = -b' / complement / (2 s)
        square = deviation * deviation + 2.0 * deviation * error * value / _slope(
            moneyness, deviation
        )
        candidate = math.sqrt(max(square, 0.0))
        if abs(candidate - deviation) <= RELATIVE_STEP_END * deviation:
            return candidate
        deviation = _bounded(candidate, low, high)
    return deviation


@inline
def black_deviation(moneyness: float, target: float, complement: float) -> float:
    """The deviation at which ``scaled_black`` is ``target``; e^(x/2) is target + complement."""
    inflection = math.sqrt(-2.0 * moneyness)
    if inflection > 0.0 and target < scaled_black(moneyness, inflection):
        return _lower_deviation(moneyness, target, inflection)
    if target < UPPER_START * (target + complement):
        return _middle_deviation(moneyness, target, inflection)
    return _upper_deviation(moneyness, complement, inflection)


@inline
def scaled_bachelier(gap: float, deviation: float) -> float:
    """Undiscounted out-of-the-money value of the normal model; gap is |F - K|."""
    distance = gap / deviation
    if distance > TAIL_END:
        return 0.0
    return deviation * gaussian(distance) * (INVERSE_ROOT_TWO_PI - distance * mills_ratio(distance))


@inline
def bachelier_deviation(gap: float, target: float) -> float:
    """The deviation at which ``scaled_bachelier`` is ``target``, which is above zero."""
    if gap == 0.0:
        return target * ROOT_TWO_PI
    log_target = math.log(target)
    # At most what it would be at the money for the price plus half the gap.
    low, high = gap / TAIL_END, (target + 0.5 * gap) * ROOT_TWO_PI
    far = target < FAR_SHARE * gap
    guess = gap / math.sqrt(max(2.0 * math.log(gap / target), 1.0))
    deviation = _bounded_ratio(guess if far else high * 0.999, low, high)
    for _ in range(STEPS_MAX):
        value = scaled_bachelier(gap, deviation)
        if value <= 0.0:
            low = deviation
            deviation = math.sqrt(low) * math.sqrt(high)
            continue
        if value < target:
            low = deviation
        else:
            high = deviation
        slope = INVERSE_ROOT_TWO_PI * gaussian(gap / deviation)
        if far:
            growth = 1.0 - 2.0 * (log_target - math.log(value)) * value / (slope * deviation)
            candidate = deviation / math.sqrt(growth) if growth > 0.0 else high
        else:
            candidate = deviation - (value - target) / slope
        if abs(candidate - deviation) <= RELATIVE_STEP_END * deviation:
            return candidate
        deviation = _bounded_ratio(candidate, low, high)
    return deviation


@inline
def black_implied_volatility(
    right: float,
    spot: float,
    strike: float,
    time: float,
    price: float,
    rate: float,
    dividend_yield: float,
) -> tuple[float, int]:
    """Volatility of a Black-Scholes-Merton price (present value), and the status."""
    moneyness = log_ratio(spot, strike) + (rate - dividend_yield) * time
    owed = strike * exponential(-rate * time)
    # The option of the other right is out of the money where this one is in it.
    in_the_money = right * moneyness > 0.0
    # The discounted difference, without the rounding of the two discounted prices.
    intrinsic = right * (
        (spot - strike)
        + (spot * math.expm1(-dividend_yield * time) - strike * math.expm1(-rate * time))
    )
    excess = price - intrinsic if in_the_money else price
    maximum = min(spot * exponential(-dividend_yield * time), owed)
    larger = max(spot * exponential(-dividend_yield * time), owed)
    if excess < (-PRICE_ROUNDING * larger if in_the_money else 0.0):
        return math.nan, PRICE_BELOW_INTRINSIC
    if excess <= 0.0:
        return 0.0, PRICE_CARRIES_NO_VOLATILITY
    if excess >= maximum:
        return math.nan, PRICE_ABOVE_MAXIMUM
    scale = owed * exponential(0.5 * moneyness)
    deviation = black_deviation(-abs(moneyness), excess / scale, (maximum - excess) / scale)
    return deviation / math.sqrt(time), OK


@inline
def bachelier_implied_volatility(
    right: float, forward: float, strike: float, time: float, price: float, rate: float
) -> tuple[float, int]:
    """Volatility of a normal-model price (present value), and the status."""
    distance = right * (forward - strike)
    excess = price * exponential(rate * time) - max(distance, 0.0)
    larger = max(abs(forward), abs(strike))
    if excess < (-PRICE_ROUNDING * larger if distance > 0.0 else 0.0):
        return math.nan, PRICE_BELOW_INTRINSIC
    if excess <= 0.0:
        return 0.0, PRICE_CARRIES_NO_VOLATILITY
    return bachelier_deviation(abs(distance), excess) / math.sqrt(time), OK


@inline
def price_status(price: float, time: float) -> int:
    """Status of what an implied volatility needs beyond the inputs of the model."""
    if not time >= TIME_MIN:
        return INVALID_TIME
    if not abs(price) <= PRICE_MAX:
        return INVALID_PRICE
    return OK
