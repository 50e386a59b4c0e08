"""Overlap studies: averages and bands on the scale of the price.

Conventions, units and errors: as the package says. Sources: TA-Lib 0.8.1's functions of the
registered names, which also settle seeds and ties; the inventors' texts as the functions name them.
"""

from __future__ import annotations

from collections.abc import Callable

from tradecaptain.kernels.indicators.blocks import (
    cycle,
    elementwise,
    recursive,
    selection,
    windows,
)
from tradecaptain.kernels.indicators.definitions import averages
from tradecaptain.kernels.indicators.definitions.expressions import (
    delayed,
    deviation,
    exact_sum,
    from_bar,
    highest,
    lowest,
    mean_price,
    product,
    true_range,
)
from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.registry import (
    IndicatorError,
    Parameter,
    indicator,
    period,
    real,
)

GROUP = "Overlap Studies"
VARIABLE_PERIODS_MAX = 500
"""So many averages are kept side by side at most, one a period."""
HIGH_LOW = ("high", "low")
HIGH_LOW_CLOSE = ("high", "low", "close")
BANDS = ("upperband", "middleband", "lowerband")
CLOSE = ("close",)


def average_type(name: str, default: int) -> Parameter:
    """The parameter that chooses a moving average."""
    return Parameter(
        name,
        default,
        0,
        len(averages.KINDS) - 1,
        is_integer=True,
        stands_for_default=averages.DEFAULT,
    )


def _register_average(
    name: str,
    summary: str,
    function: Callable[[Graph, Column, int], Column],
    bars: int,
    lowest: int,
) -> None:
    def definition(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
        return [function(graph, close, timeperiod)]

    definition.__doc__ = summary
    unstable = {
        "EMA": ("EMA",),
        "DEMA": ("EMA",),
        "TEMA": ("EMA",),
        "ZLEMA": ("EMA",),
        "KAMA": ("KAMA",),
        "RMA": ("RMA",),
    }.get(name, ())
    indicator(name, GROUP, CLOSE, [period("timeperiod", bars, lowest)], unstable=unstable)(
        definition
    )


for _name, _summary, _function, _bars in (
    ("SMA", "Simple moving average.", averages.simple, 30),
    ("EMA", "Exponential moving average.", averages.exponential, 30),
    ("WMA", "Weighted moving average.", averages.weighted, 30),
    ("DEMA", "Double exponential moving average.", averages.double_exponential, 30),
    ("TEMA", "Triple exponential moving average.", averages.triple_exponential, 30),
    ("TRIMA", "Triangular moving average.", averages.triangular, 30),
    ("KAMA", "Kaufman's adaptive moving average.", averages.adaptive, 30),
    ("HMA", "Hull moving average.", averages.hull, 20),
    ("ZLEMA", "Zero-lag exponential moving average.", averages.zero_lag, 30),
    ("RMA", "Wilder's moving average.", averages.wilder, 30),
):
    _register_average(_name, _summary, _function, _bars, 1)


@indicator("MA", GROUP, CLOSE, [period("timeperiod", 30, 1), average_type("matype", 0)])
def moving_average(graph: Graph, close: Column, *, timeperiod: int, matype: int) -> list[Column]:
    """Moving average of a kind of choice."""
    return [averages.average(graph, close, timeperiod, matype)]


@indicator(
    "T3",
    GROUP,
    CLOSE,
    [period("timeperiod", 5, 1), real("vfactor", 0.7, 0.0, 1.0)],
    unstable=["T3"],
)
def tillson(graph: Graph, close: Column, *, timeperiod: int, vfactor: float) -> list[Column]:
    """Tillson's T3 moving average.

    Source: Tillson, Smoothing Techniques for More Accurate Signals (1998).
    """
    return [averages.tillson(graph, close, timeperiod, vfactor)]


@indicator(
    "MAMA",
    GROUP,
    CLOSE,
    [real("fastlimit", 0.5, 0.01, 0.99), real("slowlimit", 0.05, 0.01, 0.99)],
    ["mama", "fama"],
    unstable=["MAMA"],
)
def mesa(graph: Graph, close: Column, *, fastlimit: float, slowlimit: float) -> list[Column]:
    """MESA adaptive moving average.

    Source: Ehlers, Rocket Science for Traders (2001).
    """
    return list(averages.mesa(graph, close, fastlimit, slowlimit))


@indicator(
    "MAVP",
    GROUP,
    ["close", "periods"],
    [period("minperiod", 2, 1), period("maxperiod", 30, 1), average_type("matype", 0)],
)
def variable_average(
    graph: Graph, close: Column, periods: Column, *, minperiod: int, maxperiod: int, matype: int
) -> list[Column]:
    """Moving average whose period is given bar by bar.

    Periods are cut off to whole numbers and held within the two bounds.
    """
    if not 0 <= maxperiod - minperiod < VARIABLE_PERIODS_MAX:
        raise IndicatorError(
            "parameters.maxperiod",
            f"maxperiod must lie in minperiod … minperiod + {VARIABLE_PERIODS_MAX - 1}",
            maxperiod,
        )
    both = averages.warm_up(graph, maxperiod, matype)
    column = close
    for bars in range(minperiod, maxperiod + 1):
        late = from_bar(close, both - averages.warm_up(graph, bars, matype))
        averaged = averages.average(graph, late, bars, matype)
        column = graph.node(
            selection.chosen,
            [periods, from_bar(averaged, both), column],
            integers=[bars, minperiod, maxperiod],
        )
    return [column]


@indicator(
    "BBANDS",
    GROUP,
    CLOSE,
    [
        period("timeperiod", 20),
        real("nbdevup", 2.0),
        real("nbdevdn", 2.0),
        average_type("matype", 0),
    ],
    BANDS,
)
def bollinger_bands(
    graph: Graph, close: Column, *, timeperiod: int, nbdevup: float, nbdevdn: float, matype: int
) -> list[Column]:
    """Bollinger bands.

    Average plus and minus numbers of population deviations. Source: Bollinger, Bollinger on
    Bollinger Bands (2001).
    """
    middle = averages.average(graph, close, timeperiod, matype)
    width = deviation(graph, close, timeperiod)
    upper, lower = graph.nodes_of(elementwise.band, [middle, width], 2, reals=[nbdevup, nbdevdn])
    return [upper, middle, lower]


@indicator("ACCBANDS", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 20)], BANDS)
def acceleration_bands(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Acceleration bands.

    Averages of high (1 + 4 (high - low) / (high + low)), of low likewise, and of the close. Source:
    Headley, Big Trends in Trading (2002).
    """
    upper, lower = graph.nodes_of(elementwise.acceleration_bands, [high, low], 2)
    return [averages.simple(graph, column, timeperiod) for column in (upper, close, lower)]


@indicator("DONCHIAN", GROUP, HIGH_LOW, [period("timeperiod", 20)], BANDS)
def donchian(graph: Graph, high: Column, low: Column, *, timeperiod: int) -> list[Column]:
    """Donchian channel.

    Highest high, lowest low and their middle, the bar itself included. Source: Donchian, High
    Finance in Copper (1960).
    """
    upper, lower = highest(graph, high, timeperiod), lowest(graph, low, timeperiod)
    return [upper, mean_price(graph, upper, lower), lower]


def average_true_range(
    graph: Graph, high: Column, low: Column, close: Column, bars: int, name: str = "ATR"
) -> Column:
    """Wilder's average of the true range.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    return averages.wilder(graph, true_range(graph, high, low, close), bars, name)


@indicator(
    "KC",
    GROUP,
    HIGH_LOW_CLOSE,
    [period("timeperiod", 20), period("atrperiod", 10, 1), real("nbdev", 2.0)],
    BANDS,
    unstable=["EMA", "ATR"],
)
def keltner_channels(
    graph: Graph,
    high: Column,
    low: Column,
    close: Column,
    *,
    timeperiod: int,
    atrperiod: int,
    nbdev: float,
) -> list[Column]:
    """Keltner channels.

    Source: Keltner, How to Make Money in Commodities (1960).
    """
    typical = mean_price(graph, high, low, close)
    centre_bars = timeperiod - 1 + graph.settings.unstable_bars("EMA")
    width_bars = atrperiod + graph.settings.unstable_bars("ATR")
    both = max(centre_bars, width_bars)
    middle = averages.exponential(graph, from_bar(typical, both - centre_bars), timeperiod)
    late = both - width_bars
    width = average_true_range(
        graph, from_bar(high, late), from_bar(low, late), from_bar(close, late), atrperiod
    )
    upper, lower = graph.nodes_of(elementwise.band, [middle, width], 2, reals=[nbdev, nbdev])
    return [upper, middle, lower]


@indicator(
    "SUPERTREND",
    GROUP,
    HIGH_LOW_CLOSE,
    [period("timeperiod", 10), real("multiplier", 3.0, 0.0)],
    ["supertrend", "trend"],
    whole=["trend"],
    unstable=["ATR"],
)
def super_trend(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int, multiplier: float
) -> list[Column]:
    """SuperTrend: a band that follows the trend.

    Middle price plus or minus a number of average true ranges, 1 or -1 for the trend. Source:
    Seban (2008).
    """
    width = average_true_range(graph, high, low, close, timeperiod)
    return list(
        graph.nodes_of(
            recursive.super_trend,
            [high, low, close, width],
            2,
            reals=[multiplier],
            look_back=1,
            state_words=3,
        )
    )


@indicator("HT_TRENDLINE", GROUP, CLOSE, unstable=["HT_TRENDLINE"])
def trend_line(graph: Graph, close: Column) -> list[Column]:
    """Hilbert transform: instantaneous trend line.

    Source: Ehlers, Rocket Science for Traders (2001).
    """
    return [delayed(cycle_trend_line(graph, close), graph.settings.unstable_bars("HT_TRENDLINE"))]


def cycle_trend_line(graph: Graph, close: Column) -> Column:
    """The trend line, from bar 63 on.

    Source: Ehlers, Rocket Science for Traders (2001).
    """
    _, _, _, _, smooth_period = averages.hilbert(graph, close, 37)
    line = graph.node(
        cycle.instantaneous_trend, [close, smooth_period], look_back=64, state_words=5
    )
    return Column(line.number, 63)


@indicator("MIDPOINT", GROUP, CLOSE, [period("timeperiod", 14)])
def midpoint(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Middle of the highest and lowest value of a window."""
    top, bottom = highest(graph, close, timeperiod), lowest(graph, close, timeperiod)
    return [mean_price(graph, top, bottom)]


@indicator("MIDPRICE", GROUP, HIGH_LOW, [period("timeperiod", 14)])
def middle_price(graph: Graph, high: Column, low: Column, *, timeperiod: int) -> list[Column]:
    """Middle of the highest high and the lowest low of a window."""
    top, bottom = highest(graph, high, timeperiod), lowest(graph, low, timeperiod)
    return [mean_price(graph, top, bottom)]


@indicator("VWMA", GROUP, ["close", "volume"], [period("timeperiod", 30, 1)])
def volume_weighted(
    graph: Graph, close: Column, volume: Column, *, timeperiod: int
) -> list[Column]:
    """Volume-weighted moving average.

    Sum of price times volume over the sum of volume.
    """
    if timeperiod == 1:
        return [close]
    money = exact_sum(graph, product(graph, close, volume), timeperiod)
    shares = exact_sum(graph, volume, timeperiod)
    return [graph.node(windows.volume_weighted, [money, shares])]


def _stop(graph: Graph, high: Column, low: Column, sign: int, *reals: float) -> list[Column]:
    return [
        graph.node(
            recursive.stop_and_reverse,
            [high, low],
            integers=[sign],
            reals=reals,
            begin=1,
            look_back=1,
            state_words=4,
        )
    ]


@indicator("SAR", GROUP, HIGH_LOW, [real("acceleration", 0.02, 0.0), real("maximum", 0.2, 0.0)])
def stop_and_reverse(
    graph: Graph, high: Column, low: Column, *, acceleration: float, maximum: float
) -> list[Column]:
    """Parabolic stop and reverse.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    step = min(acceleration, maximum)
    return _stop(graph, high, low, 0, 0.0, 0.0, step, step, maximum, step, step, maximum)


@indicator(
    "SAREXT",
    GROUP,
    HIGH_LOW,
    [
        real("startvalue", 0.0),
        real("offsetonreverse", 0.0, 0.0),
        real("accelerationinitlong", 0.02, 0.0),
        real("accelerationlong", 0.02, 0.0),
        real("accelerationmaxlong", 0.2, 0.0),
        real("accelerationinitshort", 0.02, 0.0),
        real("accelerationshort", 0.02, 0.0),
        real("accelerationmaxshort", 0.2, 0.0),
    ],
)
def stop_and_reverse_extended(
    graph: Graph,
    high: Column,
    low: Column,
    *,
    startvalue: float,
    offsetonreverse: float,
    accelerationinitlong: float,
    accelerationlong: float,
    accelerationmaxlong: float,
    accelerationinitshort: float,
    accelerationshort: float,
    accelerationmaxshort: float,
) -> list[Column]:
    """Parabolic stop and reverse with a start, an offset and steps of its own a side.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    return _stop(
        graph,
        high,
        low,
        1,
        startvalue,
        offsetonreverse,
        min(accelerationinitlong, accelerationmaxlong),
        min(accelerationlong, accelerationmaxlong),
        accelerationmaxlong,
        min(accelerationinitshort, accelerationmaxshort),
        min(accelerationshort, accelerationmaxshort),
        accelerationmaxshort,
    )
