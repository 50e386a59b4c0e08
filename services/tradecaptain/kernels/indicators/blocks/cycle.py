"""Blocks of Ehlers' cycle measurement by the Hilbert transform.

Source: Ehlers, Rocket Science for Traders (2001); MESA and Trading Market Cycles (2002). The
transform is a filter of seven taps on every second bar, scaled by the period measured before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline_always
from tradecaptain.kernels.indicators.node import (
    block,
    column,
    real,
    seen,
    set_state,
    set_state_integer,
    state,
    state_integer,
    state_series,
)

DEGREES: Final = 180.0 / math.pi
PERIOD_MIN: Final = 6.0
PERIOD_MAX: Final = 50.0
RING: Final = 8
"""Length of each history in the state; a power of two above the longest delay, 6."""
HILBERT_STATE: Final = 7 + 4 * RING
TURN_MAX: Final = 64
"""Beyond the longest cycle, in bars."""


def _turns(function: Callable[[float], float]) -> npt.NDArray[np.float64]:
    """A function over one turn of so many steps, by number of steps and step."""
    return np.array(
        [
            [function(step * (8.0 * math.atan(1.0)) / max(steps, 1)) for step in range(TURN_MAX)]
            for steps in range(TURN_MAX)
        ]
    )


SINES: Final = _turns(math.sin)
COSINES: Final = _turns(math.cos)


@block
def four_bar_average(node: int, first: int, end: int) -> None:
    """Weighted average of four bars, the newest weighing 4; its sums are carried on."""
    x, result = column(node, 0), column(node, 1)
    count, weighted, total = seen(node), state(node, 0), state(node, 1)
    for i in range(first, end):
        count += 1
        total += x[i]
        if count < 4:
            weighted += count * x[i]
            continue
        if count > 4:
            total -= x[i - 4]
        weighted += 4.0 * x[i]
        result[i] = weighted * 0.1
        weighted -= total
    set_state(node, 0, weighted)
    set_state(node, 1, total)


@inline_always
def quadrature_of(ring: Any, count: int) -> float:
    """The transform of the value at ``count`` before it is scaled."""
    mask = RING - 1
    ends = ring[count & mask] - ring[(count - 6) & mask]
    inner = ring[(count - 2) & mask] - ring[(count - 4) & mask]
    return 0.0962 * ends + 0.5769 * inner


@inline_always
def next_period(period: float, real_part: float, imaginary: float) -> float:
    """Period from the angle between two bars' phasors, kept near the one before and in bounds."""
    measured = period
    if imaginary != 0.0 and real_part != 0.0:
        measured = 360.0 / (math.atan(imaginary / real_part) * DEGREES)
    measured = min(measured, 1.5 * period)
    measured = max(measured, 0.67 * period)
    measured = min(max(measured, PERIOD_MIN), PERIOD_MAX)
    return 0.2 * measured + 0.8 * period


@block
def hilbert_cycle(node: int, first: int, end: int) -> None:
    """Phasor and dominant period.

    Columns smooth price, in phase, quadrature, period, smooth period.
    Whatever came before the node's first bar counts as 0.
    """
    smooth, in_phase, quadrature = column(node, 0), column(node, 1), column(node, 2)
    raw_period, smooth_period = column(node, 3), column(node, 4)
    prices, detrended = state_series(node, 7), state_series(node, 7 + RING)
    quadratures, in_phases = state_series(node, 7 + 2 * RING), state_series(node, 7 + 3 * RING)
    count = seen(node)
    period, slow_period = state(node, 0), state(node, 1)
    i2, q2, re, im = state(node, 2), state(node, 3), state(node, 4), state(node, 5)
    mask = RING - 1
    for i in range(first, end):
        scale = 0.075 * period + 0.54
        place = count & mask
        prices[place] = smooth[i]
        detrended[place] = quadrature_of(prices, count) * scale
        quadratures[place] = quadrature_of(detrended, count) * scale
        phase_part = detrended[(count - 3) & mask]
        in_phases[place] = phase_part
        lead_i = quadrature_of(in_phases, count) * scale
        lead_q = quadrature_of(quadratures, count) * scale
        q2_before, i2_before = q2, i2
        q2 = 0.2 * (quadratures[place] + lead_i) + 0.8 * q2
        i2 = 0.2 * (phase_part - lead_q) + 0.8 * i2
        re = 0.2 * (i2 * i2_before + q2 * q2_before) + 0.8 * re
        im = 0.2 * (i2 * q2_before - q2 * i2_before) + 0.8 * im
        period = next_period(period, re, im)
        slow_period = 0.33 * period + 0.67 * slow_period
        in_phase[i] = phase_part
        quadrature[i] = quadratures[place]
        raw_period[i] = period
        smooth_period[i] = slow_period
        count += 1
    set_state(node, 0, period)
    set_state(node, 1, slow_period)
    set_state(node, 2, i2)
    set_state(node, 3, q2)
    set_state(node, 4, re)
    set_state(node, 5, im)


@block
def dominant_phase(node: int, first: int, end: int) -> None:
    """Phase, in degrees, of the dominant cycle. Columns smooth price, smooth period, phase.

    The last cycle's prices are multiplied by one turn of a sine and a cosine, from tables. Smooth
    prices before the node's own beginning count as 0.
    """
    smooth, smooth_period, phase = column(node, 0), column(node, 1), column(node, 2)
    count, angle = seen(node), state(node, 0)
    for i in range(first, end):
        count += 1
        length = int(smooth_period[i] + 0.5)
        length = min(max(length, 0), TURN_MAX - 1)
        real_part = imaginary = 0.0
        for back in range(min(length, count)):
            price = smooth[i - back]
            real_part += SINES[length, back] * price
            imaginary += COSINES[length, back] * price
        if abs(imaginary) > 0.0:
            angle = math.atan(real_part / imaginary) * DEGREES
        elif real_part < 0.0:
            angle -= 90.0
        elif real_part > 0.0:
            angle += 90.0
        angle += 90.0
        angle += 360.0 / smooth_period[i]
        if imaginary < 0.0:
            angle += 180.0
        if angle > 315.0:
            angle -= 360.0
        phase[i] = angle
    set_state(node, 0, angle)


@block
def instantaneous_trend(node: int, first: int, end: int) -> None:
    """Mean of x over the dominant cycle, then a four-bar average. Columns x, smooth period.

    The sum is carried on, and grows and shrinks with the cycle. Source: Ehlers (2001).
    """
    x, smooth_period, result = column(node, 0), column(node, 1), column(node, 2)
    total, length = state(node, 0), state_integer(node, 1)
    one, two, three = state(node, 2), state(node, 3), state(node, 4)
    for i in range(first, end):
        wanted = int(smooth_period[i] + 0.5)
        total += x[i]
        length += 1
        while length > wanted:
            length -= 1
            total -= x[i - length]
        while length < wanted:
            total += x[i - length]
            length += 1
        mean = total / wanted if wanted > 0 else total
        result[i] = (4.0 * mean + 3.0 * one + 2.0 * two + three) / 10.0
        three, two, one = two, one, mean
    set_state(node, 0, total)
    set_state_integer(node, 1, length)
    set_state(node, 2, one)
    set_state(node, 3, two)
    set_state(node, 4, three)


@block
def trend_mode(node: int, first: int, end: int) -> None:
    """1 in a trend, 0 in a cycle.

    Columns smooth price, smooth period, phase, sine, lead sine, trend line. Source: Ehlers (2001).
    """
    smooth, smooth_period, phase = column(node, 0), column(node, 1), column(node, 2)
    sine, lead, line, result = column(node, 3), column(node, 4), column(node, 5), column(node, 6)
    days, phase_before = state_integer(node, 0), state(node, 1)
    sine_before, lead_before = state(node, 2), state(node, 3)
    for i in range(first, end):
        trend = 1.0
        rises = sine[i] > lead[i] and sine_before <= lead_before
        falls = sine[i] < lead[i] and sine_before >= lead_before
        if rises or falls:
            days = 0
            trend = 0.0
        days += 1
        if days < 0.5 * smooth_period[i]:
            trend = 0.0
        turn = phase[i] - phase_before
        steady = 360.0 / smooth_period[i] if smooth_period[i] != 0.0 else 0.0
        if steady != 0.0 and turn > 0.67 * steady and turn < 1.5 * steady:
            trend = 0.0
        if line[i] != 0.0 and abs((smooth[i] - line[i]) / line[i]) >= 0.015:
            trend = 1.0
        result[i] = trend
        phase_before, sine_before, lead_before = phase[i], sine[i], lead[i]
    set_state_integer(node, 0, days)
    set_state(node, 1, phase_before)
    set_state(node, 2, sine_before)
    set_state(node, 3, lead_before)


@block
def mesa_average(node: int, first: int, end: int) -> None:
    """MESA adaptive average and its follower. Columns x, in phase, quadrature, average, follower.

    Reals: fastest and slowest share of a new bar. Source: Ehlers (2001).
    """
    fastest, slowest = real(node, 0), real(node, 1)
    x, in_phase, quadrature = column(node, 0), column(node, 1), column(node, 2)
    average, follower = column(node, 3), column(node, 4)
    mama, fama, phase_before = state(node, 0), state(node, 1), state(node, 2)
    for i in range(first, end):
        phase = math.atan(quadrature[i] / in_phase[i]) * DEGREES if in_phase[i] != 0.0 else 0.0
        turn = max(phase_before - phase, 1.0)
        share = max(fastest / turn, slowest) if turn > 1.0 else fastest
        mama = share * x[i] + (1.0 - share) * mama
        fama = 0.5 * share * mama + (1.0 - 0.5 * share) * fama
        average[i] = mama
        follower[i] = fama
        phase_before = phase
    set_state(node, 0, mama)
    set_state(node, 1, fama)
    set_state(node, 2, phase_before)
