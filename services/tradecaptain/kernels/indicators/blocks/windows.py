"""Blocks over a window of the last bars that take O(1) a bar: running sums and their kin.

A running sum is kept as the sum at the start of a group of four bars and what came since. Alone a
bar costs one addition more; over an array the four chains of a group don't wait for each other, and
both ways give the same bits.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from tradecaptain.base.jit import inline, inline_always
from tradecaptain.kernels.indicators.node import (
    block,
    column,
    integer,
    real,
    seen,
    set_state,
    set_state_integer,
    state,
    state_integer,
)

LINE_END: Final = 0
LINE_SLOPE: Final = 1
LINE_START: Final = 2
LINE_NEXT: Final = 3
CORRELATION: Final = 0
SLOPE: Final = 1

_REBUILD_WINDOWS: Final = 32
"""Sums that lose digits are made anew at the latest after so many windows."""
_LOST_DIGITS: Final = 1e-6
_NO_SPREAD: Final = 1e-12


@inline_always
def rolling_sum_once(node: int, i: int) -> None:
    """One bar of ``rolling_sum``: what it does for ranges, without loops."""
    count, period, scale = seen(node), integer(node, 0), real(node, 0)
    x, result, base = column(node, 0), column(node, 1), state(node, 0)
    if count < period:
        base += x[i]
        set_state(node, 0, base)
        if count + 1 == period:
            result[i] = base * scale
        return
    place = (count - period) & 3
    step = x[i] - x[i - period]
    part = step if place == 0 else state(node, 1) + step
    total = base + part
    set_state(node, 1, part)
    if place == 3:
        set_state(node, 0, total)
    result[i] = total * scale


@block
def rolling_sum(node: int, first: int, end: int) -> None:
    """Real 0 times the sum of the last integer 0 values of x."""
    if end - first == 1:
        rolling_sum_once(node, first)
        return
    period, scale = integer(node, 0), real(node, 0)
    x, result = column(node, 0), column(node, 1)
    count, base, part = seen(node), state(node, 0), state(node, 1)
    i = first
    while i < end and count < period:
        base += x[i]
        count += 1
        i += 1
        if count == period:
            result[i - 1] = base * scale
    while i < end:
        place = (count - period) & 3
        if place == 0:
            groups = (end - i) >> 2
            for _ in range(groups):
                one = x[i] - x[i - period]
                two = one + (x[i + 1] - x[i + 1 - period])
                three = two + (x[i + 2] - x[i + 2 - period])
                four = three + (x[i + 3] - x[i + 3 - period])
                result[i] = (base + one) * scale
                result[i + 1] = (base + two) * scale
                result[i + 2] = (base + three) * scale
                base += four
                result[i + 3] = base * scale
                i += 4
            count += groups << 2
            if i == end:
                break
        step = x[i] - x[i - period]
        part = step if place == 0 else part + step
        total = base + part
        result[i] = total * scale
        if place == 3:
            base = total
        count += 1
        i += 1
    set_state(node, 0, base)
    set_state(node, 1, part)


@block
def rolling_sum_of_few(node: int, first: int, end: int) -> None:
    """``rolling_sum`` that is exactly 0 over a window of zeros, whatever came before it."""
    period, scale = integer(node, 0), real(node, 0)
    x, result = column(node, 0), column(node, 1)
    count, total, zeros = seen(node), state(node, 0), state_integer(node, 1)
    for i in range(first, end):
        value = x[i]
        zeros = zeros + 1 if value == 0.0 else 0
        count += 1
        if count <= period:
            total += value
        else:
            total += value - x[i - period]
        if zeros >= period:
            total = 0.0
        if count >= period:
            result[i] = total * scale
    set_state(node, 0, total)
    set_state_integer(node, 1, zeros)


@block
def weighted_average(node: int, first: int, end: int) -> None:
    """Average of the last integer 0 values with weights 1 … n, the newest weighing most."""
    period = integer(node, 0)
    scale = 2.0 / (period * (period + 1.0))
    x, result = column(node, 0), column(node, 1)
    count, weighted, total = seen(node), state(node, 0), state(node, 1)
    i = first
    while i < end and count < period:
        count += 1
        weighted += x[i] * count
        total += x[i]
        if count == period:
            result[i] = weighted * scale
        i += 1
    while i < end:
        weighted += x[i] * period - total
        total += x[i] - x[i - period]
        result[i] = weighted * scale
        i += 1
    set_state(node, 0, weighted)
    set_state(node, 1, total)


@block
def line_fit(node: int, first: int, end: int) -> None:
    """Least-squares line through the last integer 0 values, in the form that integer 1 says.

    Its value at the newest bar, its slope a bar, its value at the oldest bar, or its value one bar
    on. Sums of y and of x y are carried on; every 32 windows they are made anew. The sums lose
    digits in between, and TA-Lib does the same in this order, so that both lose the same ones.
    """
    period, form = integer(node, 0), integer(node, 1)
    values, result = column(node, 0), column(node, 1)
    count, total, products = seen(node), state(node, 0), state(node, 1)
    since = state_integer(node, 2)
    # A bar stands at its age: the newest of the window at 0, the oldest at n - 1.
    last = period - 1.0
    ages = period * last * 0.5
    divisor = ages * ages - period * (period * last * (2.0 * period - 1.0) / 6.0)
    reach = 0.0
    if form == LINE_END:
        reach = last
    elif form == LINE_NEXT:
        reach = float(period)
    for i in range(first, end):
        value = values[i]
        if count < period:
            products += (last - count) * value
            total += value
        else:
            old = values[i - period]
            products = products + total - period * old
            total = total - old + value
            since += 1
        count += 1
        if count < period:
            continue
        if since >= _REBUILD_WINDOWS * period:
            since = 0
            total = 0.0
            products = 0.0
            for k in range(period):
                total += values[i - period + 1 + k]
                products += (last - k) * values[i - period + 1 + k]
        slope = (period * products - ages * total) / divisor
        start = (total - slope * ages) / period
        result[i] = slope if form == LINE_SLOPE else start + slope * reach
    set_state(node, 0, total)
    set_state(node, 1, products)
    set_state_integer(node, 2, since)


@block
def variance(node: int, first: int, end: int) -> None:
    """Population variance of the last integer 0 values; its root times real 0 if integer 1 is set.

    Sums of deviations from a value near the window, and of their squares. When they have lost too
    many digits (the variance is a small part of the mean square, or a far value has just left), or
    after 32 windows, they are made anew about the window's mean.

    Source: Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance (1983).
    """
    period, is_root, factor = integer(node, 0), integer(node, 1), real(node, 0)
    x, result = column(node, 0), column(node, 1)
    inverse = 1.0 / period
    count, shift, total, squares = seen(node), state(node, 0), state(node, 1), state(node, 2)
    since = state_integer(node, 3)
    for i in range(first, end):
        if count == 0:
            shift = x[i]
        deviation = x[i] - shift
        total += deviation
        squares += deviation * deviation
        count += 1
        if count < period:
            continue
        since += 1
        mean = total * inverse
        spread = squares * inverse - mean * mean
        oldest = x[i - period + 1] - shift
        squares_left = squares - oldest * oldest
        if (
            (spread < _LOST_DIGITS * (squares * inverse))
            or (oldest * oldest > squares_left / _LOST_DIGITS)
            or (since >= _REBUILD_WINDOWS * period)
        ):
            since = 0
            total = 0.0
            for k in range(i - period + 1, i + 1):
                total += x[k]
            shift = total * inverse
            total = 0.0
            squares = 0.0
            for k in range(i - period + 1, i + 1):
                deviation = x[k] - shift
                total += deviation
                squares += deviation * deviation
            mean = total * inverse
            spread = squares * inverse - mean * mean
            if spread < _NO_SPREAD * (squares * inverse):
                spread = 0.0
            oldest = x[i - period + 1] - shift
            squares_left = squares - oldest * oldest
        total -= oldest
        squares = squares_left
        result[i] = math.sqrt(spread) * factor if is_root != 0 else spread
    set_state(node, 0, shift)
    set_state(node, 1, total)
    set_state(node, 2, squares)
    set_state_integer(node, 3, since)


@inline
def mean_of(x: Any, last: int, period: int) -> float:
    """Mean of the values of a window that ends at a bar."""
    total = 0.0
    for k in range(last - period + 1, last + 1):
        total += x[k]
    return total / period


@inline
def sums_about(
    x: Any, y: Any, x_shift: float, y_shift: float, last: int, period: int
) -> tuple[float, float, float, float, float]:
    """Sums of x, y, x x, y y and x y over a window, measured from two values."""
    x_sum = y_sum = xx = yy = xy = 0.0
    for k in range(last - period + 1, last + 1):
        a, b = x[k] - x_shift, y[k] - y_shift
        x_sum += a
        y_sum += b
        xx += a * a
        yy += b * b
        xy += a * b
    return x_sum, y_sum, xx, yy, xy


@block
def joint_spread(node: int, first: int, end: int) -> None:
    """Correlation of the last integer 0 values of x and y, or slope of y on x (integer 1).

    0 where a spread that it divides by is none. Sums about values near the window, made anew as
    those of ``variance`` are; a value that leaves counts as far if its square exceeds real 0 times
    what remains.
    """
    period, form, far_share = integer(node, 0), integer(node, 1), real(node, 0)
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    count, since = seen(node), state_integer(node, 7)
    x_shift, y_shift = state(node, 0), state(node, 1)
    x_sum, y_sum, xx = state(node, 2), state(node, 3), state(node, 4)
    yy, xy = state(node, 5), state(node, 6)
    inverse = 1.0 / period
    for i in range(first, end):
        far = False
        if count == 0:
            x_shift, y_shift = x[i], y[i]
        if count >= period:
            p, q = x[i - period] - x_shift, y[i - period] - y_shift
            x_sum -= p
            y_sum -= q
            xx -= p * p
            yy -= q * q
            xy -= p * q
            far = (p * p > far_share * xx) or (q * q > far_share * yy)
        a, b = x[i] - x_shift, y[i] - y_shift
        x_sum += a
        y_sum += b
        xx += a * a
        yy += b * b
        xy += a * b
        count += 1
        if count < period:
            continue
        since += 1
        x_spread = xx - x_sum * x_sum * inverse
        y_spread = yy - y_sum * y_sum * inverse
        if (
            far
            or (x_spread < _LOST_DIGITS * xx)
            or (y_spread < _LOST_DIGITS * yy)
            or (since >= _REBUILD_WINDOWS * period)
        ):
            since = 0
            x_shift, y_shift = mean_of(x, i, period), mean_of(y, i, period)
            x_sum, y_sum, xx, yy, xy = sums_about(x, y, x_shift, y_shift, i, period)
            x_spread = xx - x_sum * x_sum * inverse
            y_spread = yy - y_sum * y_sum * inverse
        has_spread = (x_spread > _NO_SPREAD * xx) and (form == SLOPE or y_spread > _NO_SPREAD * yy)
        top = xy - x_sum * y_sum * inverse
        if not has_spread:
            result[i] = 0.0
        elif form == SLOPE:
            result[i] = top / x_spread
        else:
            result[i] = top / math.sqrt(x_spread * y_spread)
    set_state(node, 0, x_shift)
    set_state(node, 1, y_shift)
    set_state(node, 2, x_sum)
    set_state(node, 3, y_sum)
    set_state(node, 4, xx)
    set_state(node, 5, yy)
    set_state(node, 6, xy)
    set_state_integer(node, 7, since)


@block
def efficiency(node: int, first: int, end: int) -> None:
    """Kaufman's efficiency: net change over integer 0 bars / path, at most 1; 1 without a path.

    Columns x, sum of the sizes of its changes.
    """
    period = integer(node, 0)
    x, path, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        net = abs(x[i] - x[i - period])
        usable = path[i] > net
        result[i] = net / (path[i] if usable else 1.0) if usable else 1.0


@block
def volume_weighted(node: int, first: int, end: int) -> None:
    """Sum of x / sum of y, NaN or infinite where that is 0. Columns are the two sums."""
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        result[i] = x[i] / y[i] if y[i] != 0.0 else np.nan
