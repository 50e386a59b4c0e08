"""Slow and obvious twins of the exotic kernels: expectations integrated from their definitions.

Market is spot, time, volatility, rate and yield. The log of the spot
is a Brownian motion with drift ``rate - yield - volatility^2 / 2``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import mpmath
from scipy import integrate, special

REACH = 10  # deviations that integrals over a normal variable cover


def density(deviate: float) -> float:
    """Density of the standard normal distribution."""
    return math.exp(-deviate * deviate / 2) / math.sqrt(2 * math.pi)


def integral(function: Callable[[float], float], marks: list[float]) -> float:
    """Integral from the first to the last of the marks, piece by piece."""
    return sum(
        integrate.quad(function, low, high, epsabs=1e-13, epsrel=1e-13)[0]
        for low, high in pairwise(marks)
    )


def expectation(function: Callable[[float], float], kinks: list[float] | None = None) -> float:
    """Mean of a function of a standard normal variable, smooth between the kinks."""
    marks = [-REACH, -4, -1.5, 1.5, 4, REACH, *(kinks or [])]
    inside = sorted({float(mark) for mark in marks if -REACH <= mark <= REACH})
    return integral(lambda z: function(z) * density(z), inside)


def european(right, spot, strike, time, volatility, rate, dividend_yield) -> float:
    """Black-Scholes-Merton."""
    deviation = volatility * math.sqrt(time)
    carry = rate - dividend_yield
    d1 = (math.log(spot / strike) + carry * time) / deviation + deviation / 2
    asset = spot * math.exp(-dividend_yield * time) * special.ndtr(right * d1)
    cash = strike * math.exp(-rate * time) * special.ndtr(right * (d1 - deviation))
    return right * (asset - cash)


def joint_chance(first, second, correlation) -> mpmath.mpf:
    """Chance that two correlated normal variables stay below two numbers."""
    other = mpmath.sqrt(1 - correlation**2)
    marks = sorted({-REACH, min(max(second / correlation, -REACH), first), first})
    return mpmath.quad(
        lambda z: mpmath.npdf(z) * mpmath.ncdf((second - correlation * z) / other), marks
    )


def _chance_that_maximum_exceeds(level, spot, time, volatility, drift) -> float:
    """Chance that the path's highest price lies above a level that is above the spot."""
    height, deviation = math.log(level / spot), volatility * math.sqrt(time)
    direct = special.ndtr((drift * time - height) / deviation)
    image = special.ndtr((-drift * time - height) / deviation)
    return direct + math.exp(2 * drift * height / volatility**2) * image


def expected_extreme(right, extreme, spot, time, volatility, carry) -> float:
    """Mean of the lowest (right 1) or highest (right -1) price, the one so far included."""
    drift = carry - volatility**2 / 2
    deviation = volatility * math.sqrt(time)
    ends = [math.exp(step * deviation) for step in (0, 0.5, 1, 2, 4, 8)]
    if right < 0:
        marks = [extreme * end for end in ends]
        gain = integral(
            lambda level: _chance_that_maximum_exceeds(level, spot, time, volatility, drift), marks
        )
        return extreme + gain
    # The lowest price of a path is the highest one of the path upside down.
    marks = sorted(extreme / end for end in ends)
    loss = integral(
        lambda level: _chance_that_maximum_exceeds(1 / level, 1 / spot, time, volatility, -drift),
        marks,
    )
    return extreme - loss


def floating_lookback(right, extreme, market) -> float:
    """Spot less its minimum, or maximum less spot."""
    spot, time, volatility, rate, dividend_yield = market
    mean = expected_extreme(right, extreme, spot, time, volatility, rate - dividend_yield)
    carried = spot * math.exp(-dividend_yield * time)
    return right * (carried - math.exp(-rate * time) * mean)


def fixed_lookback(right, strike, extreme, market) -> float:
    """Maximum less strike, or strike less minimum, where positive."""
    spot, time, volatility, rate, dividend_yield = market
    level = max(extreme, strike) if right > 0 else min(extreme, strike)
    mean = expected_extreme(-right, level, spot, time, volatility, rate - dividend_yield)
    return right * math.exp(-rate * time) * (mean - strike)


def later_spot(z, spot, time, volatility, carry) -> float:
    """The spot after some time, from a standard normal variable."""
    return spot * math.exp((carry - volatility**2 / 2) * time + volatility * math.sqrt(time) * z)


def compound(right, strike, time, daughter, market) -> float:
    """What the right to buy or sell an option is worth, option by option."""
    spot, volatility, rate, dividend_yield = market
    inner, inner_strike, inner_time = daughter
    rest = inner_time - time

    def gain(z):
        there = later_spot(z, spot, time, volatility, rate - dividend_yield)
        worth = european(inner, there, inner_strike, rest, volatility, rate, dividend_yield)
        return right * (worth - strike)

    kinks = _sign_changes(gain)
    return math.exp(-rate * time) * expectation(lambda z: max(gain(z), 0), kinks)


def chooser(choice_time, call, put, market) -> float:
    """The better of a call and a put at the time of choice."""
    spot, volatility, rate, dividend_yield = market

    def worth(z, right, contract):
        there = later_spot(z, spot, choice_time, volatility, rate - dividend_yield)
        strike, time = contract
        return european(right, there, strike, time - choice_time, volatility, rate, dividend_yield)

    kinks = _sign_changes(lambda z: worth(z, 1, call) - worth(z, -1, put))
    best = expectation(lambda z: max(worth(z, 1, call), worth(z, -1, put)), kinks)
    return math.exp(-rate * choice_time) * best


def _sign_changes(function: Callable[[float], float]) -> list[float]:
    """Where a monotone function crosses zero, by bisection."""
    low, high = -float(REACH), float(REACH)
    if (function(low) > 0) == (function(high) > 0):
        return []
    for _ in range(60):
        middle = (low + high) / 2
        if (function(middle) > 0) == (function(low) > 0):
            low = middle
        else:
            high = middle
    return [low]


def between_barriers(payoff, kinks, barriers, market) -> float:
    """Value of a payoff at expiry if neither barrier was touched, by the density's images."""
    spot, time, volatility, rate, dividend_yield = market
    low, high = (math.log(barrier / spot) for barrier in barriers)
    width = high - low
    drift = rate - dividend_yield - volatility**2 / 2
    deviation = volatility * math.sqrt(time)

    def surviving(y):
        total = 0.0
        for turn in range(-8, 9):
            shift = 2 * turn * width
            total += density((y - shift) / deviation)
            total -= density((y - 2 * low - shift) / deviation)
        tilt = drift * y / volatility**2 - drift**2 * time / (2 * volatility**2)
        return math.exp(tilt) * total / deviation

    marks = sorted({low, high, *(mark for k in kinks if low < (mark := math.log(k / spot)) < high)})
    steps = [a + (b - a) * part / 4 for a, b in pairwise(marks) for part in range(4)]
    value = integral(lambda y: payoff(spot * math.exp(y)) * surviving(y), [*steps, marks[-1]])
    return math.exp(-rate * time) * value


def two_assets(payoff, correlation, time, rate, first, second, kink) -> float:
    """Value of the mean over asset 1, given asset 2, of a payoff; assets: spot, vol, yield.

    ``payoff(forward, deviation, other)`` is that mean for asset 1's forward and deviation then; it
    has a kink where asset 2 is worth ``kink``.
    """
    spot1, volatility1, yield1 = first
    spot2, volatility2, yield2 = second
    common = correlation * volatility1
    own = volatility1 * math.sqrt((1 - correlation**2) * time)

    def given(z):
        forward = spot1 * math.exp((rate - yield1) * time)
        forward *= math.exp(common * math.sqrt(time) * z - common**2 * time / 2)
        return payoff(forward, own, later_spot(z, spot2, time, volatility2, rate - yield2))

    drift = (rate - yield2 - volatility2**2 / 2) * time
    place = (math.log(kink / spot2) - drift) / (volatility2 * math.sqrt(time))
    return math.exp(-rate * time) * expectation(given, [place])


def knocked_by_another(right, strike, barrier, correlation, time, rate, first, second) -> float:
    """Option on asset 1 that dies when asset 2 touches a barrier, given where asset 2 ends."""
    spot1, volatility1, yield1 = first
    spot2, volatility2, yield2 = second
    height = math.log(barrier / spot2)
    deviation = volatility2 * math.sqrt(time)
    drift = (rate - yield2 - volatility2**2 / 2) * time
    weight = math.exp(2 * drift * height / deviation**2)

    def given(y):
        direct = density((y - drift) / deviation)
        surviving = (direct - weight * density((y - 2 * height - drift) / deviation)) / deviation
        own = volatility1**2 * (1 - correlation**2) * time
        log_mean = (rate - yield1 - volatility1**2 / 2) * time
        log_mean += correlation * volatility1 * (y - drift) / volatility2
        forward = spot1 * math.exp(log_mean + own / 2)
        return surviving * black(right, forward, strike, math.sqrt(own))

    ends = [drift + part * deviation for part in (-REACH, -3, -1, 0, 1, 3, REACH)]
    inside = [end for end in ends if (end > height) == (height < 0)]
    return math.exp(-rate * time) * integral(given, sorted([height, *inside]))


def black(right, forward, strike, deviation) -> float:
    """Undiscounted option on a lognormal variable."""
    if strike <= 0:
        return max(right * (forward - strike), 0.0)
    return european(right, forward, strike, 1, deviation, 0, 0)


def capped(forward, cap, deviation) -> float:
    """Mean of the smaller of a lognormal variable and a number."""
    return forward - black(1, forward, cap, deviation)


def two_fixings(right, strike, first, market) -> float:
    """Average price of two fixings, the second at expiry, given the first."""
    spot, time, volatility, rate, dividend_yield = market
    carry, rest = rate - dividend_yield, time - first

    def given(z):
        there = later_spot(z, spot, first, volatility, carry)
        forward = there * math.exp(carry * rest)
        return black(right, forward, 2 * strike - there, volatility * math.sqrt(rest)) / 2

    kink = math.log(2 * strike / spot) - (carry - volatility**2 / 2) * first
    kinks = [kink / (volatility * math.sqrt(first))]
    return math.exp(-rate * time) * expectation(given, kinks)
