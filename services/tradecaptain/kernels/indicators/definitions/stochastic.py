"""Stochastic oscillators: momentum indicators that tell where a value lies in its range.

Conventions, units and errors: as the package says. Lines are per cent of the range, 0 to 100 unless
a function says otherwise.

Sources: Lane, Lane's Stochastics (1984); TA-Lib 0.8.1's functions of the registered names.
"""

from __future__ import annotations

from tradecaptain.kernels.indicators.blocks import elementwise
from tradecaptain.kernels.indicators.definitions import averages
from tradecaptain.kernels.indicators.definitions.expressions import (
    TINY,
    combination,
    difference,
    highest,
    lowest,
    ratio,
)
from tradecaptain.kernels.indicators.definitions.momentum import (
    CLOSE,
    GROUP,
    HIGH_LOW_CLOSE,
    relative_strength,
)
from tradecaptain.kernels.indicators.definitions.overlap import average_type
from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.registry import indicator, period


def raw_stochastic(
    graph: Graph, high: Column, low: Column, x: Column, bars: int, flat: float = TINY
) -> Column:
    """Where x lies between the lowest low and the highest high, per cent; 0 in a flat range."""
    top, bottom = highest(graph, high, bars), lowest(graph, low, bars)
    return graph.node(
        elementwise.place_in_range, [x, top, bottom], integers=[0], reals=[100.0, flat]
    )


@indicator(
    "STOCH",
    GROUP,
    HIGH_LOW_CLOSE,
    [
        period("fastk_period", 5, 1),
        period("slowk_period", 3, 1),
        average_type("slowk_matype", 0),
        period("slowd_period", 3, 1),
        average_type("slowd_matype", 0),
    ],
    ["slowk", "slowd"],
)
def stochastic(
    graph: Graph,
    high: Column,
    low: Column,
    close: Column,
    *,
    fastk_period: int,
    slowk_period: int,
    slowk_matype: int,
    slowd_period: int,
    slowd_matype: int,
) -> list[Column]:
    """Stochastic oscillator, slow.

    Source: Lane (1984).
    """
    raw = raw_stochastic(graph, high, low, close, fastk_period)
    slow_k = averages.average(graph, raw, slowk_period, slowk_matype)
    return [slow_k, averages.average(graph, slow_k, slowd_period, slowd_matype)]


@indicator(
    "KDJ",
    GROUP,
    HIGH_LOW_CLOSE,
    [
        period("fastk_period", 9, 1),
        period("slowk_period", 3, 1),
        average_type("slowk_matype", averages.WILDER),
        period("slowd_period", 3, 1),
        average_type("slowd_matype", averages.WILDER),
    ],
    ["k", "d", "j"],
    unstable=["RMA"],
)
def stochastic_with_divergence(
    graph: Graph,
    high: Column,
    low: Column,
    close: Column,
    *,
    fastk_period: int,
    slowk_period: int,
    slowk_matype: int,
    slowd_period: int,
    slowd_matype: int,
) -> list[Column]:
    """Stochastic oscillator with a third line, 3 K less 2 D.

    The third line has no bounds.
    """
    raw = raw_stochastic(graph, high, low, close, fastk_period)
    k = averages.average(graph, raw, slowk_period, slowk_matype)
    d = averages.average(graph, k, slowd_period, slowd_matype)
    return [k, d, combination(graph, (3.0, k), (-2.0, d))]


@indicator(
    "STOCHF",
    GROUP,
    HIGH_LOW_CLOSE,
    [
        period("fastk_period", 5, 1),
        period("fastd_period", 3, 1),
        average_type("fastd_matype", 0),
    ],
    ["fastk", "fastd"],
)
def stochastic_fast(
    graph: Graph,
    high: Column,
    low: Column,
    close: Column,
    *,
    fastk_period: int,
    fastd_period: int,
    fastd_matype: int,
) -> list[Column]:
    """Stochastic oscillator, fast.

    Source: Lane (1984).
    """
    raw = raw_stochastic(graph, high, low, close, fastk_period)
    return [raw, averages.average(graph, raw, fastd_period, fastd_matype)]


@indicator(
    "STOCHRSI",
    GROUP,
    CLOSE,
    [
        period("timeperiod", 14),
        period("fastk_period", 5, 1),
        period("fastd_period", 3, 1),
        average_type("fastd_matype", 0),
    ],
    ["fastk", "fastd"],
    unstable=["RSI"],
)
def stochastic_strength(
    graph: Graph,
    close: Column,
    *,
    timeperiod: int,
    fastk_period: int,
    fastd_period: int,
    fastd_matype: int,
) -> list[Column]:
    """Stochastic oscillator of the relative strength index.

    Source: Chande and Kroll, The New Technical Trader (1994).
    """
    index = relative_strength(graph, close, timeperiod)
    # The index carries rounding of its own, which must not pass for a range.
    raw = raw_stochastic(graph, index, index, index, fastk_period, 1e-12)
    return [raw, averages.average(graph, raw, fastd_period, fastd_matype)]


@indicator(
    "SMI",
    GROUP,
    HIGH_LOW_CLOSE,
    [
        period("timeperiod", 13),
        period("fastperiod", 2),
        period("slowperiod", 25),
        period("signalperiod", 9),
    ],
    ["smi", "smisignal"],
    unstable=["EMA"],
)
def stochastic_momentum(
    graph: Graph,
    high: Column,
    low: Column,
    close: Column,
    *,
    timeperiod: int,
    fastperiod: int,
    slowperiod: int,
    signalperiod: int,
) -> list[Column]:
    """Stochastic momentum index.

    -100 to 100. Source: Blau, Momentum, Direction and Divergence (1995).
    """
    top, bottom = highest(graph, high, timeperiod), lowest(graph, low, timeperiod)
    distance = combination(graph, (1.0, close), (-0.5, top), (-0.5, bottom))
    width = difference(graph, top, bottom)
    top_smooth, bottom_smooth = (
        averages.exponential(graph, averages.exponential(graph, column, slowperiod), fastperiod)
        for column in (distance, width)
    )
    index = ratio(graph, top_smooth, bottom_smooth, scale=200.0)
    return [index, averages.exponential(graph, index, signalperiod)]
