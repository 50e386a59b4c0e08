"""Slow and obvious twin of the European kernels: the textbook value in 50 digits.

Greeks are numerical derivatives of the value, so that a wrong formula can't be wrong here as well.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath

Value = Callable[..., mpmath.mpf]

# Derivative orders by (right, price, strike, time, volatility, rate), and the sign of the greek.
ORDERS: dict[str, tuple[tuple[int, ...], int]] = {
    "delta": ((0, 1, 0, 0, 0, 0), 1),
    "gamma": ((0, 2, 0, 0, 0, 0), 1),
    "vega": ((0, 0, 0, 0, 1, 0), 1),
    "theta": ((0, 0, 0, 1, 0, 0), -1),
    "rho": ((0, 0, 0, 0, 0, 1), 1),
    "vanna": ((0, 1, 0, 0, 1, 0), 1),
    "volga": ((0, 0, 0, 0, 2, 0), 1),
    "charm": ((0, 1, 0, 1, 0, 0), -1),
    "speed": ((0, 3, 0, 0, 0, 0), 1),
    "color": ((0, 2, 0, 1, 0, 0), -1),
    "dual_delta": ((0, 0, 1, 0, 0, 0), 1),
}


def deviates(
    spot: mpmath.mpf,
    strike: mpmath.mpf,
    time: mpmath.mpf,
    volatility: mpmath.mpf,
    carry: mpmath.mpf,
) -> tuple[mpmath.mpf, mpmath.mpf]:
    deviation = volatility * mpmath.sqrt(time)
    d1 = (mpmath.log(spot / strike) + (carry + volatility**2 / 2) * time) / deviation
    return d1, d1 - deviation


def black_scholes(right, spot, strike, time, volatility, rate, dividend_yield):
    d1, d2 = deviates(spot, strike, time, volatility, rate - dividend_yield)
    return right * (
        spot * mpmath.exp(-dividend_yield * time) * mpmath.ncdf(right * d1)
        - strike * mpmath.exp(-rate * time) * mpmath.ncdf(right * d2)
    )


def black76(right, forward, strike, time, volatility, rate):
    d1, d2 = deviates(forward, strike, time, volatility, 0)
    return (
        right
        * mpmath.exp(-rate * time)
        * (forward * mpmath.ncdf(right * d1) - strike * mpmath.ncdf(right * d2))
    )


def bachelier(right, forward, strike, time, volatility, rate):
    deviation = volatility * mpmath.sqrt(time)
    deviate = (forward - strike) / deviation
    return mpmath.exp(-rate * time) * (
        right * (forward - strike) * mpmath.ncdf(right * deviate) + deviation * mpmath.npdf(deviate)
    )


def cash_or_nothing(right, spot, strike, time, volatility, rate, dividend_yield, amount):
    _, d2 = deviates(spot, strike, time, volatility, rate - dividend_yield)
    return amount * mpmath.exp(-rate * time) * mpmath.ncdf(right * d2)


def asset_or_nothing(right, spot, strike, time, volatility, rate, dividend_yield, amount):
    d1, _ = deviates(spot, strike, time, volatility, rate - dividend_yield)
    return spot * mpmath.exp(-dividend_yield * time) * mpmath.ncdf(right * d1)


def gap(right, spot, strike, time, volatility, rate, dividend_yield, amount):
    inputs = (right, spot, strike, time, volatility, rate, dividend_yield)
    asset = asset_or_nothing(*inputs, 0)
    return right * (asset - cash_or_nothing(*inputs, amount))


FAMILIES: dict[str, Value] = {
    "black_scholes": black_scholes,
    "black76": black76,
    "bachelier": bachelier,
    "cash_or_nothing": cash_or_nothing,
    "asset_or_nothing": asset_or_nothing,
    "gap": gap,
}


def value(family: str, inputs: tuple[float, ...]) -> mpmath.mpf:
    """The value, in 50 digits."""
    with mpmath.workdps(50):
        return FAMILIES[family](*map(mpmath.mpf, inputs))


def greek(family: str, name: str, inputs: tuple[float, ...]) -> mpmath.mpf:
    """A derivative of the value, taken numerically in 50 digits."""
    orders, sign = ORDERS[name]
    with mpmath.workdps(50):
        point = tuple(map(mpmath.mpf, inputs))
        padded = orders + (0,) * (len(point) - len(orders))
        return sign * mpmath.diff(FAMILIES[family], point, padded)
