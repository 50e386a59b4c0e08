"""Volatility indicators.

Conventions, units and errors: as the package says. Sources: TA-Lib 0.8.1's functions of the
registered names, which also settle seeds and ties; the inventors' texts as the functions name them.
"""

from __future__ import annotations

from tradecaptain.kernels.indicators.blocks import changes
from tradecaptain.kernels.indicators.definitions import averages
from tradecaptain.kernels.indicators.definitions.expressions import (
    change,
    deviation,
    difference,
    ratio,
    rolling_sum,
    share,
    true_range,
)
from tradecaptain.kernels.indicators.definitions.overlap import average_true_range
from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.registry import indicator, period

GROUP = "Volatility Indicators"
HIGH_LOW = ("high", "low")
HIGH_LOW_CLOSE = ("high", "low", "close")


@indicator("TRANGE", GROUP, HIGH_LOW_CLOSE)
def range_true(graph: Graph, high: Column, low: Column, close: Column) -> list[Column]:
    """True range.

    Largest of high less low and the distances of both from the close before. Source: Wilder, New
    Concepts in Technical Trading Systems (1978).
    """
    return [true_range(graph, high, low, close)]


@indicator("ATR", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14, 1)], unstable=["ATR"])
def average_range(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Average true range.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    return [average_true_range(graph, high, low, close, timeperiod)]


@indicator("NATR", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14, 1)], unstable=["NATR"])
def normalised_range(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Average true range, per cent of the close.

    Source: Forman, Cross-Market Evaluations with Normalized Average True Range (2006).
    """
    width = average_true_range(graph, high, low, close, timeperiod, "NATR")
    return [width if timeperiod == 1 else ratio(graph, width, close, 100.0)]


@indicator("ADR", GROUP, HIGH_LOW, [period("timeperiod", 14, 1)])
def average_daily_range(
    graph: Graph, high: Column, low: Column, *, timeperiod: int
) -> list[Column]:
    """Average of high less low."""
    return [averages.simple(graph, difference(graph, high, low), timeperiod)]


@indicator(
    "CVI",
    GROUP,
    HIGH_LOW,
    [period("timeperiod", 10), period("rocperiod", 10, 1)],
    unstable=["EMA"],
)
def chaikin_volatility(
    graph: Graph, high: Column, low: Column, *, timeperiod: int, rocperiod: int
) -> list[Column]:
    """Chaikin's volatility: change of the smoothed range, per cent.

    100 times the change of the averaged range over its value some bars before. Source: Chaikin, as
    in Achelis, Technical Analysis from A to Z (2000).
    """
    smooth = averages.exponential(graph, difference(graph, high, low), timeperiod)
    return [change(graph, smooth, rocperiod, changes.PERCENT)]


@indicator(
    "MASSI",
    GROUP,
    HIGH_LOW,
    [period("fastperiod", 9), period("slowperiod", 25)],
    unstable=["EMA"],
)
def mass_index(
    graph: Graph, high: Column, low: Column, *, fastperiod: int, slowperiod: int
) -> list[Column]:
    """Mass index: sum of the range's average over the average of that.

    Source: Dorsey, The Mass Index (1992).
    """
    single = averages.exponential(graph, difference(graph, high, low), fastperiod)
    double = averages.exponential(graph, single, fastperiod)
    return [rolling_sum(graph, ratio(graph, single, double, fallback=1.0), slowperiod)]


@indicator(
    "RVI",
    GROUP,
    ["close"],
    [period("timeperiod", 14, 1), period("stddevperiod", 10)],
    unstable=["RVI"],
)
def relative_volatility(
    graph: Graph, close: Column, *, timeperiod: int, stddevperiod: int
) -> list[Column]:
    """Relative volatility index.

    0 to 100. Source: Dorsey, The Relative Volatility Index (1993).
    """
    spread = deviation(graph, close, stddevperiod)
    # The spread begins no sooner than the first change: it needs two bars at least.
    up, down = graph.nodes_of(changes.route_by_direction, [close, spread], 2, begin=1, look_back=1)
    smooth_up = averages.wilder(graph, up, timeperiod, "RVI")
    smooth_down = averages.wilder(graph, down, timeperiod, "RVI")
    return [share(graph, smooth_up, smooth_down, fallback=50.0)]
