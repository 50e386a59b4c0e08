"""Blocks that rank the values of a window: extremes, percentiles, deviations.

An extreme is kept with its place. A new bar only has to be compared with it; when it leaves the
window, the window is looked through again, several values at a time. Mean deviations and ranks
depend on every value of the window in a way that no sum follows, so they look through it at each
bar.
"""

from __future__ import annotations

from typing import Any, Final

from tradecaptain.base.jit import inline_always
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
    state_series,
)

AT_BAR: Final = 0
AGE: Final = 1


@inline_always
def highest_of(x: Any, sign: float, start: int, end: int) -> float:
    """The largest of ``sign * x`` from ``start`` to before ``end``, in four lanes."""
    one = two = three = four = sign * x[start]
    k = start + 1
    while k + 4 <= end:
        one = max(one, sign * x[k])
        two = max(two, sign * x[k + 1])
        three = max(three, sign * x[k + 2])
        four = max(four, sign * x[k + 3])
        k += 4
    while k < end:
        one = max(one, sign * x[k])
        k += 1
    return max(max(one, two), max(three, four))


@block
def extreme(node: int, first: int, end: int) -> None:
    """Largest of the last integer 0 values, or the smallest if real 0 is -1 and not 1."""
    period, sign = integer(node, 0), real(node, 0)
    x, result = column(node, 0), column(node, 1)
    count, best, age = seen(node), state(node, 0), state_integer(node, 1)
    if count == 0 and first < end:
        best = sign * x[first]
        age = -1
    i = first
    while i < end and count < period - 1:
        value = sign * x[i]
        age += 1
        count += 1
        if value >= best:
            best = value
            age = 0
        i += 1
    while i < end:
        value = sign * x[i]
        age += 1
        if value >= best:
            best = value
            age = 0
        elif age >= period:
            best = highest_of(x, sign, i - period + 1, i + 1)
            age = 0
            # NaN equals nothing: the search ends at the window's edge.
            while age < period - 1 and sign * x[i - age] != best:
                age += 1
        result[i] = sign * best
        i += 1
    set_state(node, 0, best)
    set_state_integer(node, 1, age)


@block
def extreme_place(node: int, first: int, end: int) -> None:
    """Where the largest (real 0 is 1) or smallest (-1) of the last integer 0 values lies.

    Integer 1 says how: as the bar's number, counted from integer 2, or as its age. Of equal values
    found when the window is looked through, integer 3 chooses the older (0) or newer (1); a new bar
    that equals the extreme always takes its place.
    """
    period, sign = integer(node, 0), real(node, 0)
    form, origin, prefers_newer = integer(node, 1), integer(node, 2), integer(node, 3)
    x, result = column(node, 0), column(node, 1)
    count, best, age = seen(node), state(node, 0), state_integer(node, 1)
    for i in range(first, end):
        value = sign * x[i]
        count += 1
        age += 1
        if count < period:
            continue
        if count == period or age >= period:
            age = period - 1
            best = sign * x[i - age]
            for back in range(period - 2, -1, -1):
                other = sign * x[i - back]
                if other > best or (prefers_newer != 0 and other == best):
                    best = other
                    age = back
        elif value >= best:
            best = value
            age = 0
        result[i] = age if form == AGE else origin + count - 1 - age
    set_state(node, 0, best)
    set_state_integer(node, 1, age)


@block
def swing(node: int, first: int, end: int) -> None:
    """100 where the bar integer 1 bars back exceeds all others of its window, else 0.

    The window is integer 0 bars before it and integer 1 after; real 0 is 1 for highs, -1 for lows.
    """
    left, right, sign = integer(node, 0), integer(node, 1), real(node, 0)
    x, result = column(node, 0), column(node, 1)
    for i in range(first, end):
        pivot = sign * x[i - right]
        is_swing = True
        k = i
        while is_swing and k > i - right:
            is_swing = pivot > sign * x[k]
            k -= 1
        k = i - right - 1
        while is_swing and k >= i - right - left:
            is_swing = pivot > sign * x[k]
            k -= 1
        result[i] = 100.0 if is_swing else 0.0


@inline_always
def mean_deviation_of(x: Any, mean: float, start: int, end: int) -> float:
    """Sum of the distances from a mean, in four lanes."""
    one = two = three = four = 0.0
    k = start
    while k + 4 <= end:
        one += abs(x[k] - mean)
        two += abs(x[k + 1] - mean)
        three += abs(x[k + 2] - mean)
        four += abs(x[k + 3] - mean)
        k += 4
    while k < end:
        one += abs(x[k] - mean)
        k += 1
    return (one + two) + (three + four)


@block
def mean_deviation(node: int, first: int, end: int) -> None:
    """Mean distance of the last integer 0 values from their mean. Columns x, mean."""
    period = integer(node, 0)
    x, mean, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        result[i] = mean_deviation_of(x, mean[i], i - period + 1, i + 1) / period


@block
def commodity_channel(node: int, first: int, end: int) -> None:
    """(x - mean) / (0.015 mean deviation) over integer 0 bars; 0 if all values are equal.

    Columns x, mean. Source: Lambert, Commodity Channel Index (1980).
    """
    period = integer(node, 0)
    x, mean, result = column(node, 0), column(node, 1), column(node, 2)
    equal = state_integer(node, 0)
    if seen(node) == 0 and first < end:
        while equal < period - 2 and x[first - 1 - equal] == x[first - 2 - equal]:
            equal += 1
    for i in range(first, end):
        equal = equal + 1 if x[i] == x[i - 1] else 0
        deviation = mean_deviation_of(x, mean[i], i - period + 1, i + 1) / period
        usable = (deviation > 1e-14 * abs(mean[i])) & (equal < period - 1)
        divisor = 0.015 * deviation if usable else 1.0
        result[i] = (x[i] - mean[i]) / divisor if usable else 0.0
    set_state_integer(node, 0, equal)


@block
def percent_rank(node: int, first: int, end: int) -> None:
    """Per cent of the integer 0 values before x that lie strictly below it."""
    period = integer(node, 0)
    x, result = column(node, 0), column(node, 1)
    for i in range(first, end):
        value = x[i]
        below = 0
        for k in range(i - period, i):
            below += 1 if x[k] < value else 0
        result[i] = below / period * 100.0


@inline_always
def place_of(window: Any, count: int, value: float) -> int:
    """First place in a sorted window whose value isn't below ``value``."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if window[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@block
def percentile(node: int, first: int, end: int) -> None:
    """The value of rank integer 1 (0 the smallest) among the last integer 0 values.

    The state is the window, sorted: one value leaves and one enters, and those between move.
    """
    period, rank = integer(node, 0), integer(node, 1)
    x, result = column(node, 0), column(node, 1)
    window = state_series(node, 0)
    count = seen(node)
    for i in range(first, end):
        value = x[i]
        if count < period:
            k = count
            while k > 0 and window[k - 1] > value:
                window[k] = window[k - 1]
                k -= 1
        else:
            k = place_of(window, period, x[i - period])
            while k + 1 < period and window[k + 1] < value:
                window[k] = window[k + 1]
                k += 1
            while k > 0 and window[k - 1] > value:
                window[k] = window[k - 1]
                k -= 1
        window[k] = value
        count += 1
        if count >= period:
            result[i] = window[rank]
