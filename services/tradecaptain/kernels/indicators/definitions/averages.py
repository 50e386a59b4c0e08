"""Moving averages, alone and as the choice that other indicators offer (``matype``).

Conventions, units and errors: as the package says. Averages take a whole number of bars from 1 on,
in the units of x.

Sources: Wilder, New Concepts in Technical Trading Systems (1978); Kaufman, Smarter Trading (1995);
Ehlers, Rocket Science for Traders (2001); Mulloy, Smoothing Data with Faster Moving Averages
(1994); Tillson, Smoothing Techniques for More Accurate Signals (1998); Hull, How to Reduce Lag in a
Moving Average (2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from tradecaptain.kernels.indicators.blocks import changes, cycle, recursive, windows
from tradecaptain.kernels.indicators.definitions.expressions import (
    change,
    combination,
    delayed,
    exact_sum,
    from_bar,
    looking_back,
    rolling_sum,
)
from tradecaptain.kernels.indicators.graph import Column, Graph

SIMPLE: Final = 0
EXPONENTIAL: Final = 1
DEFAULT: Final = 11
"""Whichever kind an indicator has by default."""
WILDER: Final = 13
KINDS: Final = (
    "SMA",
    "EMA",
    "WMA",
    "DEMA",
    "TEMA",
    "TRIMA",
    "KAMA",
    "MAMA",
    "T3",
    "HMA",
    "DISABLED",
    "DEFAULT",
    "ZLEMA",
    "RMA",
)
"""Names of the kinds by number."""


def smoothed(
    graph: Graph, x: Column, seed_bars: int, decay: float, gain: float, seed_scale: float
) -> Column:
    """First-order average whose first value is made of ``seed_bars`` values."""
    return graph.node(
        recursive.smoothed,
        [x],
        integers=[seed_bars],
        reals=[decay, gain, seed_scale],
        warm_up=seed_bars - 1,
        state_words=3,
    )


def exponential_with(graph: Graph, x: Column, bars: int, gain: float) -> Column:
    """Exponential average with a gain of its own; see ``exponential``."""
    unstable = graph.settings.unstable_bars("EMA")
    return delayed(smoothed(graph, x, bars, 1.0 - gain, gain, 1.0 / bars), unstable)


def exponential(graph: Graph, x: Column, bars: int) -> Column:
    """Exponential average; the first value is the mean of the first ``bars`` values.

    result = before + 2 / (bars + 1) * (x - before); NaN up to the unstable period of EMA.
    """
    if bars == 1:
        return delayed(x, graph.settings.unstable_bars("EMA"))
    return exponential_with(graph, x, bars, 2.0 / (bars + 1.0))


def wilder(graph: Graph, x: Column, bars: int, name: str = "RMA") -> Column:
    """Wilder's average; ``name`` is whose unstable period holds.

    result = before + (x - before) / bars, begun with the mean of the first bars. Source: Wilder,
    New Concepts in Technical Trading Systems (1978).
    """
    unstable = graph.settings.unstable_bars(name)
    if bars == 1:
        return delayed(x, unstable)
    gain = 1.0 / bars
    return delayed(smoothed(graph, x, bars, 1.0 - gain, gain, gain), unstable)


def wilder_sum(graph: Graph, x: Column, bars: int) -> Column:
    """Wilder's running sum: a share of 1/bars leaves at each bar; begins with bars - 1 values.

    result = before - before / bars + x. Source: Wilder, New Concepts in Technical Trading Systems
    (1978).
    """
    return smoothed(graph, x, bars - 1, 1.0 - 1.0 / bars, 1.0, 1.0)


def simple(graph: Graph, x: Column, bars: int) -> Column:
    """Mean of the last bars."""
    return x if bars == 1 else rolling_sum(graph, x, bars, 1.0 / bars)


def weighted(graph: Graph, x: Column, bars: int) -> Column:
    """Mean with weights that grow to the newest bar.

    Weights 1 to ``bars``, over their sum.
    """
    if bars == 1:
        return x
    return graph.node(
        windows.weighted_average,
        [x],
        integers=[bars],
        warm_up=bars - 1,
        look_back=bars,
        state_words=2,
    )


def double_exponential(graph: Graph, x: Column, bars: int) -> Column:
    """Twice the exponential average less the average of the average. Source: Mulloy (1994)."""
    if bars == 1:
        return delayed(x, 2 * graph.settings.unstable_bars("EMA"))
    one = exponential(graph, x, bars)
    two = exponential(graph, one, bars)
    return combination(graph, (2.0, one), (-1.0, two))


def triple_exponential(graph: Graph, x: Column, bars: int) -> Column:
    """Three times the exponential average, less three times its own, plus the third's.

    Source: Mulloy (1994).
    """
    if bars == 1:
        return delayed(x, 3 * graph.settings.unstable_bars("EMA"))
    one = exponential(graph, x, bars)
    two = exponential(graph, one, bars)
    three = exponential(graph, two, bars)
    return combination(graph, (3.0, one), (-3.0, two), (1.0, three))


def triangular(graph: Graph, x: Column, bars: int) -> Column:
    """Mean of means: weights rise to the middle of the window and fall again.

    Two simple averages in a row, of the two halves of the window.
    """
    half = (bars + 1) // 2
    return simple(graph, simple(graph, x, half), bars + 1 - half)


def adaptive(graph: Graph, x: Column, bars: int) -> Column:
    """Kaufman's adaptive average.

    result = before + c (x - before) with c the square of efficiency * (2/3 - 2/31) + 2/31. Source:
    Kaufman (1995).
    """
    unstable = graph.settings.unstable_bars("KAMA")
    if bars == 1:
        return delayed(x, unstable)
    averaged = graph.node(
        recursive.adaptive_average,
        [x, efficiency(graph, x, bars)],
        look_back=1,
        state_words=1,
    )
    return delayed(averaged, unstable)


def efficiency(graph: Graph, x: Column, bars: int) -> Column:
    """Kaufman's efficiency ratio.

    Net change over the window by the path through it, 0 to 1. Source: Kaufman (1995).
    """
    path = exact_sum(graph, change(graph, x, 1, changes.SIZE), bars)
    return graph.node(
        windows.efficiency, [x, path], integers=[bars], begin=x.begin + bars, look_back=bars
    )


def hilbert(graph: Graph, x: Column, start: int) -> tuple[Column, ...]:
    """Smooth price, in phase, quadrature, period and smooth period, from bar ``start`` on.

    Periods are in bars, held from 6 to 50 before they are smoothed. Source: Ehlers (2001).
    """
    smooth = graph.node(cycle.four_bar_average, [x], warm_up=3, look_back=4, state_words=2)
    results = graph.nodes_of(
        cycle.hilbert_cycle,
        [smooth],
        4,
        begin=x.begin + start,
        state_words=cycle.HILBERT_STATE,
    )
    return smooth, *results


def mesa(graph: Graph, x: Column, fast: float, slow: float) -> tuple[Column, Column]:
    """MESA adaptive average and its follower.

    ``fast`` and ``slow`` are the largest and smallest share of a new bar, 0.01 to 0.99. Source:
    Ehlers (2001).
    """
    _, in_phase, quadrature, _, _ = hilbert(graph, x, 12)
    unstable = graph.settings.unstable_bars("MAMA")
    average, follower = graph.nodes_of(
        cycle.mesa_average,
        [x, in_phase, quadrature],
        2,
        reals=[fast, slow],
        state_words=3,
    )
    begin = x.begin + 32 + unstable
    return Column(average.number, begin), Column(follower.number, begin)


def tillson(graph: Graph, x: Column, bars: int, factor: float = 0.7) -> Column:
    """Tillson's T3: six exponential averages in a row, combined. Source: Tillson (1998)."""
    unstable = graph.settings.unstable_bars("T3")
    if bars == 1:
        return delayed(x, unstable)
    gain = 2.0 / (bars + 1.0)
    averages = [x]
    for _ in range(6):
        averages.append(smoothed(graph, averages[-1], bars, 1.0 - gain, gain, 1.0 / bars))
    square, cube = factor * factor, factor * factor * factor
    combined = combination(
        graph,
        (-cube, averages[6]),
        (3.0 * (square + cube), averages[5]),
        (-6.0 * square - 3.0 * (factor + cube), averages[4]),
        (1.0 + 3.0 * factor + cube + 3.0 * square, averages[3]),
    )
    return delayed(combined, unstable)


def hull(graph: Graph, x: Column, bars: int) -> Column:
    """Hull's average: twice the weighted average of half the bars, less that of all, smoothed.

    Weighted over the square root of the bars at last. Source: Hull (2005).
    """
    if bars == 1:
        return x
    half = weighted(graph, x, max(bars // 2, 1))
    whole = weighted(graph, x, bars)
    return weighted(graph, combination(graph, (2.0, half), (-1.0, whole)), math.isqrt(bars))


def zero_lag(graph: Graph, x: Column, bars: int) -> Column:
    """Exponential average of a series without the average's own lag.

    Of 2 x less x of (bars - 1) / 2 bars before. Source: Ehlers and Way, Zero Lag (2010).
    """
    lag = (bars - 1) // 2
    if bars == 1:
        return exponential(graph, x, 1)
    return exponential(
        graph, looking_back(graph, changes.lagged_combination, [x], lag, [lag]), bars
    )


_BY_KIND: Final[tuple[Callable[[Graph, Column, int], Column], ...]] = (
    simple,
    exponential,
    weighted,
    double_exponential,
    triple_exponential,
    triangular,
    adaptive,
    lambda graph, x, bars: x if bars == 1 else mesa(graph, x, 0.5, 0.05)[0],
    tillson,
    hull,
    lambda graph, x, bars: x,
    simple,
    zero_lag,
    wilder,
)


def average(graph: Graph, x: Column, bars: int, kind: int) -> Column:
    """Moving average of the kind with this number.

    ``kind`` is a number of ``matype``, which the registry has checked.
    """
    return _BY_KIND[kind](graph, x, bars)


def warm_up(graph: Graph, bars: int, kind: int) -> int:
    """How many bars an average of this kind needs before its first value."""
    trial = Graph(graph.settings)
    return average(trial, trial.input("x"), bars, kind).begin


def aligned_pair(
    graph: Graph, x: Column, fast: int, fast_kind: int, slow: int, slow_kind: int
) -> tuple[Column, Column]:
    """Two averages whose first values are at the same bar.

    The one that needs fewer bars starts later, so that the first bars count in neither.
    """
    fast_bars, slow_bars = warm_up(graph, fast, fast_kind), warm_up(graph, slow, slow_kind)
    both = max(fast_bars, slow_bars)
    return (
        average(graph, from_bar(x, x.begin + both - fast_bars), fast, fast_kind),
        average(graph, from_bar(x, x.begin + both - slow_bars), slow, slow_kind),
    )
