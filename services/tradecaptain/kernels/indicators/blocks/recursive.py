"""Blocks whose result depends on their own result of the bar before."""

from __future__ import annotations

import math

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
)


@inline_always
def smoothed_once(node: int, i: int) -> None:
    """One bar of ``smoothed``: what it does for ranges, without loops."""
    decay, gain = real(node, 0), real(node, 1)
    x, result = column(node, 0), column(node, 1)
    since_seed, base = seen(node) - integer(node, 0), state(node, 0)
    if since_seed < 0:
        base += x[i]
        if since_seed == -1:
            base *= real(node, 2)
            result[i] = base
        set_state(node, 0, base)
        return
    place = since_seed & 3
    gained = gain * x[i]
    part = gained if place == 0 else state(node, 1) * decay + gained
    power = decay if place == 0 else state(node, 2) * decay
    value = base * power + part
    set_state(node, 1, part)
    set_state(node, 2, power)
    if place == 3:
        set_state(node, 0, value)
    result[i] = value


@block
def smoothed(node: int, first: int, end: int) -> None:
    """First-order average: result = decay * result before + gain * x.

    Real 0 is the decay, real 1 the gain. The first result, at bar number integer 0 (counted from
    1), is the sum of the values so far times real 2. Exponential averages, Wilder's averages and
    Wilder's sums are all of this kind. Like running sums, it is kept as the result at the start of
    a group of four bars and what came since.
    """
    if end - first == 1:
        smoothed_once(node, first)
        return
    seed_bars, decay, gain, seed_scale = (
        integer(node, 0),
        real(node, 0),
        real(node, 1),
        real(node, 2),
    )
    x, result = column(node, 0), column(node, 1)
    count, base, part, power = seen(node), state(node, 0), state(node, 1), state(node, 2)
    i = first
    while i < end and count < seed_bars:
        base += x[i]
        count += 1
        if count == seed_bars:
            base *= seed_scale
            result[i] = base
        i += 1
    decay_2 = decay * decay
    decay_3 = decay_2 * decay
    decay_4 = decay_3 * decay
    while i < end:
        place = (count - seed_bars) & 3
        if place == 0:
            groups = (end - i) >> 2
            for _ in range(groups):
                one = gain * x[i]
                two = one * decay + gain * x[i + 1]
                three = two * decay + gain * x[i + 2]
                four = three * decay + gain * x[i + 3]
                result[i] = base * decay + one
                result[i + 1] = base * decay_2 + two
                result[i + 2] = base * decay_3 + three
                base = base * decay_4 + four
                result[i + 3] = base
                i += 4
            count += groups << 2
            if i == end:
                break
            part = gain * x[i]
            power = decay
        else:
            part = part * decay + gain * x[i]
            power *= decay
        value = base * power + part
        result[i] = value
        if place == 3:
            base = value
        count += 1
        i += 1
    set_state(node, 0, base)
    set_state(node, 1, part)
    set_state(node, 2, power)


@block
def running_total(node: int, first: int, end: int) -> None:
    """Sum of all values so far; real 0 is added at the first bar."""
    x, result = column(node, 0), column(node, 1)
    total = state(node, 0) if seen(node) > 0 else real(node, 0)
    for i in range(first, end):
        total += x[i]
        result[i] = total
    set_state(node, 0, total)


@block
def running_total_after_first(node: int, first: int, end: int) -> None:
    """Sum of all values since the first bar, where it is real 0 or, if integer 0 is set, y.

    Columns x, y. x isn't looked at in the first bar.
    """
    begins_with_y = integer(node, 0)
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    count, total = seen(node), state(node, 0)
    i = first
    if count == 0 and i < end:
        total = y[i] if begins_with_y != 0 else real(node, 0)
        result[i] = total
        i += 1
    while i < end:
        total += x[i]
        result[i] = total
        i += 1
    set_state(node, 0, total)


@block
def volume_index(node: int, first: int, end: int) -> None:
    """Index of 1000 that moves with the close on bars whose volume fell, or rose (integer 0 set).

    Columns close, volume. Source: Fosback, Stock Market Logic (1976).
    """
    on_rise = integer(node, 0)
    close, volume, result = column(node, 0), column(node, 1), column(node, 2)
    count, index = seen(node), state(node, 0)
    i = first
    if count == 0 and i < end:
        index = 1000.0
        result[i] = index
        i += 1
    while i < end:
        step = volume[i] - volume[i - 1]
        counts = step > 0.0 if on_rise != 0 else step < 0.0
        before = close[i - 1]
        if counts and before != 0.0:
            moved = index + (close[i] - before) / before * index
            if math.isfinite(moved):
                index = moved
        result[i] = index
        i += 1
    set_state(node, 0, index)


@block
def volume_weighted_mean(node: int, first: int, end: int) -> None:
    """Mean price of all volume so far; bars that can't be weighted repeat the value before.

    Columns price, volume. Before any volume it is 0.
    """
    price, volume, result = column(node, 0), column(node, 1), column(node, 2)
    money, shares, mean = state(node, 0), state(node, 1), state(node, 2)
    for i in range(first, end):
        worth = price[i] * volume[i]
        if math.isfinite(worth) and math.isfinite(volume[i]):
            money += worth
            shares += volume[i]
            if shares != 0.0:
                mean = money / shares
        result[i] = mean
    set_state(node, 0, money)
    set_state(node, 1, shares)
    set_state(node, 2, mean)


@block
def adaptive_average(node: int, first: int, end: int) -> None:
    """Kaufman's average of x, faster the more efficient x moves. Columns x, efficiency.

    Source: Kaufman, Smarter Trading (1995).
    """
    x, efficiency, result = column(node, 0), column(node, 1), column(node, 2)
    fastest, slowest = 2.0 / 3.0, 2.0 / 31.0
    average = state(node, 0)
    if seen(node) == 0 and first < end:
        average = x[first - 1]
    for i in range(first, end):
        root = efficiency[i] * (fastest - slowest) + slowest
        average += root * root * (x[i] - average)
        result[i] = average
    set_state(node, 0, average)


@block
def heikin_ashi(node: int, first: int, end: int) -> None:
    """Heikin-Ashi candles. Columns open, high, low, close, then the same of the result."""
    opens, high, low, close = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    new_open, new_high = column(node, 4), column(node, 5)
    new_low, new_close = column(node, 6), column(node, 7)
    count, middle = seen(node), state(node, 0)
    if count == 0 and first < end:
        middle = (opens[first] + close[first]) / 2.0
    for i in range(first, end):
        mean = (opens[i] + high[i] + low[i] + close[i]) / 4.0
        new_open[i] = middle
        new_close[i] = mean
        new_high[i] = max(max(high[i], middle), mean)
        new_low[i] = min(min(low[i], middle), mean)
        middle = (middle + mean) / 2.0
    set_state(node, 0, middle)


@block
def super_trend(node: int, first: int, end: int) -> None:
    """Bands about the middle price that follow a trend; the lower shows in a rise.

    Real 0 is how many average ranges they are away. Columns high, low, close, average range,
    line, trend (1 or -1).
    """
    factor = real(node, 0)
    high, low, close = column(node, 0), column(node, 1), column(node, 2)
    width, line, trend = column(node, 3), column(node, 4), column(node, 5)
    upper, lower, rises = state(node, 0), state(node, 1), state_integer(node, 2)
    count = seen(node)
    for i in range(first, end):
        middle = (high[i] + low[i]) / 2.0
        distance = factor * width[i]
        high_band, low_band = middle + distance, middle - distance
        if count == 0:
            upper, lower, rises = high_band, low_band, 1
        else:
            if high_band < upper or close[i - 1] > upper:
                upper = high_band
            if low_band > lower or close[i - 1] < lower:
                lower = low_band
            if rises != 0:
                rises = 0 if close[i] < lower else 1
            else:
                rises = 1 if close[i] > upper else 0
        count += 1
        line[i] = lower if rises != 0 else upper
        trend[i] = 1.0 if rises != 0 else -1.0
    set_state(node, 0, upper)
    set_state(node, 1, lower)
    set_state_integer(node, 2, rises)


@block
def stop_and_reverse(node: int, first: int, end: int) -> None:
    """Wilder's parabolic stop. Columns high, low.

    Reals: start value (0 is found from the first bars, below 0 begins short), offset on reversal,
    then for long and for short each: first step, step, largest step. With integer 0 set, stops of
    short positions are shown negative.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    start, offset = real(node, 0), real(node, 1)
    high, low, result = column(node, 0), column(node, 1), column(node, 2)
    shows_sign = integer(node, 0)
    count, is_long = seen(node), state_integer(node, 3)
    stop, peak, speed = state(node, 0), state(node, 1), state(node, 2)
    for i in range(first, end):
        high_now, low_now = high[i], low[i]
        high_before, low_before = high[i - 1], low[i - 1]
        if count == 0:
            fall, rise = low_before - low_now, high_now - high_before
            is_long = 0 if fall > 0.0 and rise < fall else 1
            if start > 0.0:
                is_long = 1
            elif start < 0.0:
                is_long = 0
            peak = high_now if is_long != 0 else low_now
            stop = abs(start)
            if start == 0.0:
                stop = low_before if is_long != 0 else high_before
            speed = real(node, 2) if is_long != 0 else real(node, 5)
            high_before, low_before = high_now, low_now
        count += 1
        if is_long != 0:
            if low_now <= stop:
                is_long = 0
                stop = max(max(peak, high_before), high_now)
                stop += stop * offset
                result[i] = -stop if shows_sign != 0 else stop
                speed = real(node, 5)
                peak = low_now
                stop += speed * (peak - stop)
                stop = max(max(stop, high_before), high_now)
            else:
                result[i] = stop
                if high_now > peak:
                    peak = high_now
                    speed = min(speed + real(node, 3), real(node, 4))
                stop += speed * (peak - stop)
                stop = min(min(stop, low_before), low_now)
        elif high_now >= stop:
            is_long = 1
            stop = min(min(peak, low_before), low_now)
            stop -= stop * offset
            result[i] = stop
            speed = real(node, 2)
            peak = high_now
            stop += speed * (peak - stop)
            stop = min(min(stop, low_before), low_now)
        else:
            result[i] = -stop if shows_sign != 0 else stop
            if low_now < peak:
                peak = low_now
                speed = min(speed + real(node, 6), real(node, 7))
            stop += speed * (peak - stop)
            stop = max(max(stop, high_before), high_now)
    set_state(node, 0, stop)
    set_state(node, 1, peak)
    set_state(node, 2, speed)
    set_state_integer(node, 3, is_long)


@block
def smoothed_where_defined(node: int, first: int, end: int) -> None:
    """Wilder's average over integer 0 bars of x where x isn't NaN; it stands still elsewhere."""
    period = integer(node, 0)
    x, result = column(node, 0), column(node, 1)
    count, average = seen(node), state(node, 0)
    for i in range(first, end):
        value = x[i]
        count += 1
        if count <= period:
            average += value if value == value else 0.0
            if count == period:
                average /= period
        elif value == value:
            average = (average * (period - 1) + value) / period
        result[i] = average
    set_state(node, 0, average)


@block
def last_defined(node: int, first: int, end: int) -> None:
    """x, or its last value where it is NaN; 0 before there was any."""
    x, result = column(node, 0), column(node, 1)
    value = state(node, 0)
    for i in range(first, end):
        value = x[i] if x[i] == x[i] else value
        result[i] = value
    set_state(node, 0, value)
