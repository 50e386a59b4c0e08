"""Volume indicators.

Conventions, units and errors: as the package says. Volume is zero or more.

Sources: TA-Lib 0.8.1's functions of the registered names, which also settle seeds and ties; the
inventors' texts as the functions name them.
"""

from __future__ import annotations

from tradecaptain.kernels.indicators.blocks import changes, elementwise, recursive
from tradecaptain.kernels.indicators.definitions import averages
from tradecaptain.kernels.indicators.definitions.expressions import (
    difference,
    exact_sum,
    looking_back,
    mean_price,
    ratio,
    running_total,
    running_total_from,
)
from tradecaptain.kernels.indicators.definitions.momentum import percentage_oscillator
from tradecaptain.kernels.indicators.definitions.overlap import average_type
from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.registry import indicator, period

GROUP = "Volume Indicators"
BAR = ("high", "low", "close", "volume")
CLOSE_VOLUME = ("close", "volume")
VOLUME = ("volume",)


def money_flow_volume(
    graph: Graph, high: Column, low: Column, close: Column, volume: Column
) -> Column:
    """Volume times the place of the close in its range.

    Volume times (2 close - high - low) / (high - low), in units of volume.
    """
    return graph.node(elementwise.money_flow_volume, [high, low, close, volume])


@indicator("AD", GROUP, BAR)
def accumulation_distribution(
    graph: Graph, high: Column, low: Column, close: Column, volume: Column
) -> list[Column]:
    """Chaikin's accumulation/distribution line.

    Running sum of ``money_flow_volume``. Source: Chaikin, as in Achelis, Technical Analysis from A
    to Z (2000).
    """
    return [running_total(graph, money_flow_volume(graph, high, low, close, volume))]


@indicator(
    "ADOSC",
    GROUP,
    BAR,
    [period("fastperiod", 3), period("slowperiod", 10)],
    unstable=["EMA"],
)
def accumulation_oscillator(
    graph: Graph,
    high: Column,
    low: Column,
    close: Column,
    volume: Column,
    *,
    fastperiod: int,
    slowperiod: int,
) -> list[Column]:
    """Chaikin's oscillator: two exponential averages of the accumulation/distribution line.

    Source: Chaikin, as in Achelis (2000).
    """
    line = running_total(graph, money_flow_volume(graph, high, low, close, volume))
    both = []
    for bars in (fastperiod, slowperiod):
        gain = 2.0 / (bars + 1.0)
        both.append(averages.smoothed(graph, line, 1, 1.0 - gain, gain, 1.0))
    result = difference(graph, *both)
    slowest = max(fastperiod, slowperiod) - 1 + graph.settings.unstable_bars("EMA")
    return [Column(result.number, slowest)]


@indicator("CMF", GROUP, BAR, [period("timeperiod", 20)])
def money_flow(
    graph: Graph, high: Column, low: Column, close: Column, volume: Column, *, timeperiod: int
) -> list[Column]:
    """Chaikin's money flow.

    Sum of ``money_flow_volume`` over the sum of volume, -1 to 1. Source: Chaikin, as in Achelis
    (2000).
    """
    flow = money_flow_volume(graph, high, low, close, volume)
    shares = exact_sum(graph, volume, timeperiod)
    return [ratio(graph, exact_sum(graph, flow, timeperiod), shares)]


@indicator("EFI", GROUP, CLOSE_VOLUME, [period("timeperiod", 13, 1)], unstable=["EMA"])
def force_index(graph: Graph, close: Column, volume: Column, *, timeperiod: int) -> list[Column]:
    """Elder's force index.

    Average of volume times the change of the close. Source: Elder, Trading for a Living (1993).
    """
    force = looking_back(graph, changes.change_times, [close, volume], 1, [0])
    return [averages.exponential(graph, force, timeperiod)]


@indicator("MARKETFI", GROUP, ["high", "low", "volume"])
def facilitation(graph: Graph, high: Column, low: Column, volume: Column) -> list[Column]:
    """Market facilitation index: range a unit of volume.

    (high - low) / volume. Source: Williams, Trading Chaos (1995).
    """
    return [ratio(graph, difference(graph, high, low), volume)]


def _volume_index(graph: Graph, close: Column, volume: Column, on_rise: int) -> list[Column]:
    return [
        graph.node(
            recursive.volume_index,
            [close, volume],
            integers=[on_rise],
            look_back=1,
            state_words=1,
        )
    ]


@indicator("NVI", GROUP, CLOSE_VOLUME)
def negative_volume(graph: Graph, close: Column, volume: Column) -> list[Column]:
    """Negative volume index.

    Begins at 1000. Source: Fosback, Stock Market Logic (1976).
    """
    return _volume_index(graph, close, volume, 0)


@indicator("PVI", GROUP, CLOSE_VOLUME)
def positive_volume(graph: Graph, close: Column, volume: Column) -> list[Column]:
    """Positive volume index.

    Begins at 1000. Source: Fosback, Stock Market Logic (1976).
    """
    return _volume_index(graph, close, volume, 1)


@indicator("OBV", GROUP, CLOSE_VOLUME)
def on_balance(graph: Graph, close: Column, volume: Column) -> list[Column]:
    """On-balance volume.

    Running sum of volume, added on rises of the close and taken off on falls, from the first volume
    on. Source: Granville, New Key to Stock Market Profits (1963).
    """
    signed = looking_back(graph, changes.signed_by_direction, [close, volume], 1)
    return [running_total_from(graph, signed, volume)]


@indicator("PVT", GROUP, CLOSE_VOLUME)
def price_volume_trend(graph: Graph, close: Column, volume: Column) -> list[Column]:
    """Price volume trend.

    Running sum of volume times the relative change of the close.
    """
    step = looking_back(graph, changes.change_times, [close, volume], 1, [1])
    return [running_total_from(graph, step, 0.0)]


@indicator(
    "PVO",
    GROUP,
    VOLUME,
    [period("fastperiod", 12), period("slowperiod", 26), average_type("matype", 1)],
)
def percentage_volume(
    graph: Graph, volume: Column, *, fastperiod: int, slowperiod: int, matype: int
) -> list[Column]:
    """Percentage volume oscillator.

    100 (fast - slow) / slow of exponential averages.
    """
    return percentage_oscillator(graph, volume, fastperiod, slowperiod, matype)


@indicator("RVOL", GROUP, VOLUME, [period("timeperiod", 20, 1)])
def relative_volume(graph: Graph, volume: Column, *, timeperiod: int) -> list[Column]:
    """Relative volume: volume over its mean before."""
    mean = exact_sum(graph, volume, timeperiod, 1.0 / timeperiod)
    return [looking_back(graph, changes.relative_to_before, [volume, mean], 1)]


@indicator("VWAP", GROUP, BAR)
def volume_weighted_price(
    graph: Graph, high: Column, low: Column, close: Column, volume: Column
) -> list[Column]:
    """Volume-weighted average price since the first bar.

    Sum of typical price times volume over the sum of volume.
    """
    typical = mean_price(graph, high, low, close)
    return [graph.node(recursive.volume_weighted_mean, [typical, volume], state_words=3)]
