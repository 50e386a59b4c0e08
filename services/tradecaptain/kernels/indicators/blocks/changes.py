"""Blocks that compare a bar with one before it.

The node begins at least as many bars late as it looks back.

Sources: TA-Lib 0.8.1; Wilder, New Concepts in Technical Trading Systems (1978), for true range and
directional movement.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.base.jit import inline_always
from tradecaptain.kernels.indicators.node import block, column, integer, real

DIFFERENCE: Final = 0
PERCENT: Final = 1
FRACTION: Final = 2
RATIO: Final = 3
RATIO_PERCENT: Final = 4
SIZE: Final = 5


@block
def change(node: int, first: int, end: int) -> None:
    """Change of x over integer 0 bars, in the form that integer 1 says.

    A ratio to a base of 0 is 0.
    """
    lag, form = integer(node, 0), integer(node, 1)
    x, result = column(node, 0), column(node, 1)
    if form == DIFFERENCE:
        for i in range(first, end):
            result[i] = x[i] - x[i - lag]
    elif form == SIZE:
        for i in range(first, end):
            result[i] = abs(x[i] - x[i - lag])
    elif form == PERCENT:
        for i in range(first, end):
            base = x[i - lag]
            usable = base != 0.0
            result[i] = (x[i] / (base if usable else 1.0) - 1.0) * 100.0 if usable else 0.0
    elif form == FRACTION:
        for i in range(first, end):
            base = x[i - lag]
            usable = base != 0.0
            result[i] = (x[i] - base) / (base if usable else 1.0) if usable else 0.0
    else:
        scale = 100.0 if form == RATIO_PERCENT else 1.0
        for i in range(first, end):
            base = x[i - lag]
            usable = base != 0.0
            result[i] = x[i] / (base if usable else 1.0) * scale if usable else 0.0


@block
def lagged_combination(node: int, first: int, end: int) -> None:
    """2 x less x of integer 0 bars before, the series of a zero-lag average."""
    lag = integer(node, 0)
    x, result = column(node, 0), column(node, 1)
    for i in range(first, end):
        result[i] = 2.0 * x[i] - x[i - lag]


@block
def lagged_difference(node: int, first: int, end: int) -> None:
    """x of integer 0 bars before, less y now."""
    lag = integer(node, 0)
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        result[i] = x[i - lag] - y[i]


@block
def lagged_mean(node: int, first: int, end: int) -> None:
    """Mean of x now and integer 0 bars before."""
    lag = integer(node, 0)
    x, result = column(node, 0), column(node, 1)
    for i in range(first, end):
        result[i] = (x[i] + x[i - lag]) / 2.0


@block
def forecast_error(node: int, first: int, end: int) -> None:
    """By how many per cent x differs from the forecast of one bar before; 0 where x is 0."""
    x, forecast, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        usable = x[i] != 0.0
        top = 100.0 * (x[i] - forecast[i - 1])
        result[i] = top / (x[i] if usable else 1.0) if usable else 0.0


@block
def relative_to_before(node: int, first: int, end: int) -> None:
    """x divided by the average y of one bar before."""
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        result[i] = x[i] / y[i - 1]


@block
def gains_and_losses(node: int, first: int, end: int) -> None:
    """The change of x if it rose, and its size if it fell. Columns x, gain, loss."""
    x, gain, loss = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        step = x[i] - x[i - 1]
        gain[i] = step if step > 0.0 else 0.0
        loss[i] = -step if step < 0.0 else 0.0


@block
def gains_and_losses_within(node: int, first: int, end: int) -> None:
    """close - open if the bar rose, and its size if it fell. Columns open, close, gain, loss."""
    opens, close, gain, loss = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        step = close[i] - opens[i]
        gain[i] = step if step > 0.0 else 0.0
        loss[i] = -step if step < 0.0 else 0.0


@block
def route_by_direction(node: int, first: int, end: int) -> None:
    """y where x rose, and y where it fell; 0 elsewhere. Columns x, y, up, down.

    A step that is smaller than real 0 times the values it lies between counts as none.
    """
    dead = real(node, 0)
    x, y, up, down = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        step = x[i] - x[i - 1]
        limit = dead * (abs(x[i]) + abs(x[i - 1]))
        up[i] = y[i] if (step > 0.0) & (step >= limit) else 0.0
        down[i] = y[i] if (step < 0.0) & (-step >= limit) else 0.0


@block
def signed_by_direction(node: int, first: int, end: int) -> None:
    """y, negative where x fell and 0 where it stood. Columns x, y."""
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        step = x[i] - x[i - 1]
        result[i] = y[i] if step > 0.0 else (-y[i] if step < 0.0 else 0.0)


@block
def change_times(node: int, first: int, end: int) -> None:
    """(Change of x by one bar) times y; as a fraction of x before if integer 0 is set, 0 of 0."""
    is_fraction = integer(node, 0)
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        base = x[i - 1]
        step = x[i] - base
        usable = (is_fraction == 0) | (base != 0.0)
        divisor = base if (is_fraction != 0) & (base != 0.0) else 1.0
        result[i] = y[i] * step / divisor if usable else 0.0


@inline_always
def range_with(high: float, low: float, before: float) -> float:
    """True range: the widest of the bar's range and its distances from the close before."""
    return max(max(high - low, abs(before - high)), abs(before - low))


@block
def true_range(node: int, first: int, end: int) -> None:
    """True range. Columns high, low, close.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    high, low, close, result = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        result[i] = range_with(high[i], low[i], close[i - 1])


@block
def directional_movement(node: int, first: int, end: int) -> None:
    """Wilder's movement up and down: the larger step beyond the bar before, if any.

    Columns high, low, up, down.
    """
    high, low, up, down = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        rise = high[i] - high[i - 1]
        fall = low[i - 1] - low[i]
        up[i] = rise if (rise > 0.0) & (rise > fall) else 0.0
        down[i] = fall if (fall > 0.0) & (fall > rise) else 0.0


@block
def vortex_movement(node: int, first: int, end: int) -> None:
    """Distances high to low before and low to high before. Columns high, low, up, down."""
    high, low, up, down = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        up[i] = abs(high[i] - low[i - 1])
        down[i] = abs(low[i] - high[i - 1])


@block
def accumulation_step(node: int, first: int, end: int) -> None:
    """Williams' step: from the true low if the close rose, from the true high if it fell.

    Columns high, low, close.
    """
    high, low, close, result = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        before = close[i - 1]
        up = close[i] - min(before, low[i])
        down = close[i] - max(before, high[i])
        result[i] = up if close[i] > before else (down if close[i] < before else 0.0)


@block
def buying_pressure(node: int, first: int, end: int) -> None:
    """Close above the true low, and the true range. Columns high, low, close, pressure, range."""
    high, low, close = column(node, 0), column(node, 1), column(node, 2)
    pressure, width = column(node, 3), column(node, 4)
    for i in range(first, end):
        before = close[i - 1]
        pressure[i] = close[i] - min(low[i], before)
        width[i] = range_with(high[i], low[i], before)
