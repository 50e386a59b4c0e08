"""Price transforms, cycle indicators, statistics and elementary functions.

Conventions, units and errors: as the package says. Statistics are those of the population, over a
window of whole bars.

Sources: TA-Lib 0.8.1's functions of the registered names; Ehlers, Rocket Science for Traders
(2001), for the cycle; for running statistics those of the blocks.
"""

from __future__ import annotations

import math

from tradecaptain.kernels.indicators.blocks import (
    changes,
    cycle,
    elementwise,
    order,
    recursive,
    windows,
)
from tradecaptain.kernels.indicators.definitions import averages
from tradecaptain.kernels.indicators.definitions.expressions import (
    arithmetic,
    change,
    combination,
    delayed,
    deviation,
    extreme_bar,
    highest,
    line_fit,
    looking_back,
    lowest,
    mean_price,
    rolling_sum,
    running_total,
    variance,
)
from tradecaptain.kernels.indicators.definitions.overlap import cycle_trend_line
from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.registry import indicator, period, real

PRICE = "Price Transform"
CYCLE = "Cycle Indicators"
STATISTICS = "Statistic Functions"
TRANSFORM = "Math Transform"
OPERATORS = "Math Operators"
CLOSE = ("close",)
HIGH_LOW = ("high", "low")
BAR = ("open", "high", "low", "close")
CYCLE_BEGIN = 32
PHASE_BEGIN = 63


@indicator("AVGPRICE", PRICE, BAR)
def average_price(
    graph: Graph, opens: Column, high: Column, low: Column, close: Column
) -> list[Column]:
    """Mean of open, high, low and close."""
    return [mean_price(graph, high, low, close, opens)]


@indicator("MEDPRICE", PRICE, HIGH_LOW)
def median_price(graph: Graph, high: Column, low: Column) -> list[Column]:
    """Middle of high and low."""
    return [mean_price(graph, high, low)]


@indicator("TYPPRICE", PRICE, ["high", "low", "close"])
def typical_price(graph: Graph, high: Column, low: Column, close: Column) -> list[Column]:
    """Mean of high, low and close."""
    return [mean_price(graph, high, low, close)]


@indicator("WCLPRICE", PRICE, ["high", "low", "close"])
def weighted_close(graph: Graph, high: Column, low: Column, close: Column) -> list[Column]:
    """Mean of high, low and twice the close."""
    return [combination(graph, (0.25, high), (0.25, low), (0.5, close))]


@indicator("AVGDEV", PRICE, CLOSE, [period("timeperiod", 14)])
def average_deviation(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Mean absolute deviation.

    From the mean of the window.
    """
    mean = averages.simple(graph, close, timeperiod)
    return [
        graph.node(order.mean_deviation, [close, mean], integers=[timeperiod], look_back=timeperiod)
    ]


@indicator("HA", PRICE, BAR, (), ["haopen", "hahigh", "halow", "haclose"], unstable=["HA"])
def heikin_ashi(
    graph: Graph, opens: Column, high: Column, low: Column, close: Column
) -> list[Column]:
    """Heikin-Ashi candles.

    Source: Valcu, Using the Heikin-Ashi Technique (2004).
    """
    columns = graph.nodes_of(recursive.heikin_ashi, [opens, high, low, close], 4, state_words=1)
    return [delayed(column, graph.settings.unstable_bars("HA")) for column in columns]


@indicator("HT_DCPERIOD", CYCLE, CLOSE, unstable=["HT_DCPERIOD"])
def cycle_period(graph: Graph, close: Column) -> list[Column]:
    """Hilbert transform: dominant cycle period.

    In bars, held from 6 to 50 before it is smoothed. Source: Ehlers, Rocket Science for Traders
    (2001).
    """
    smooth_period = averages.hilbert(graph, close, 12)[4]
    unstable = graph.settings.unstable_bars("HT_DCPERIOD")
    return [Column(smooth_period.number, CYCLE_BEGIN + unstable)]


@indicator("HT_PHASOR", CYCLE, CLOSE, (), ["inphase", "quadrature"], unstable=["HT_PHASOR"])
def phasor(graph: Graph, close: Column) -> list[Column]:
    """Hilbert transform: phasor components.

    Source: Ehlers, Rocket Science for Traders (2001).
    """
    begin = CYCLE_BEGIN + graph.settings.unstable_bars("HT_PHASOR")
    _, in_phase, quadrature, _, _ = averages.hilbert(graph, close, 12)
    return [Column(in_phase.number, begin), Column(quadrature.number, begin)]


def cycle_phase(graph: Graph, close: Column) -> Column:
    """Phase of the dominant cycle, from where its measurement starts."""
    smooth, _, _, _, smooth_period = averages.hilbert(graph, close, 37)
    return graph.node(cycle.dominant_phase, [smooth, smooth_period], look_back=64, state_words=1)


@indicator("HT_DCPHASE", CYCLE, CLOSE, unstable=["HT_DCPHASE"])
def dominant_phase(graph: Graph, close: Column) -> list[Column]:
    """Hilbert transform: dominant cycle phase, degrees.

    Source: Ehlers, Rocket Science for Traders (2001).
    """
    begin = PHASE_BEGIN + graph.settings.unstable_bars("HT_DCPHASE")
    return [Column(cycle_phase(graph, close).number, begin)]


@indicator("HT_SINE", CYCLE, CLOSE, (), ["sine", "leadsine"], unstable=["HT_SINE"])
def sine_wave(graph: Graph, close: Column) -> list[Column]:
    """Hilbert transform: sine wave and lead sine.

    -1 to 1; the lead is 45 degrees ahead. Source: Ehlers, Rocket Science for Traders (2001).
    """
    begin = PHASE_BEGIN + graph.settings.unstable_bars("HT_SINE")
    pair = graph.nodes_of(elementwise.sines_of_phase, [cycle_phase(graph, close)], 2)
    return [Column(column.number, begin) for column in pair]


@indicator("HT_TRENDMODE", CYCLE, CLOSE, (), ["integer"], ["integer"], unstable=["HT_TRENDMODE"])
def trend_mode(graph: Graph, close: Column) -> list[Column]:
    """Hilbert transform: 1 in a trend, 0 in a cycle.

    Source: Ehlers, Rocket Science for Traders (2001).
    """
    smooth, _, _, _, smooth_period = averages.hilbert(graph, close, 37)
    phase = cycle_phase(graph, close)
    sine, lead = graph.nodes_of(elementwise.sines_of_phase, [phase], 2)
    line = cycle_trend_line(graph, close)
    line = Column(line.number, phase.begin)
    mode = graph.node(
        cycle.trend_mode, [smooth, smooth_period, phase, sine, lead, line], state_words=4
    )
    return [Column(mode.number, PHASE_BEGIN + graph.settings.unstable_bars("HT_TRENDMODE"))]


def _joint(graph: Graph, x: Column, y: Column, bars: int, form: int, far: float) -> list[Column]:
    return [
        graph.node(
            windows.joint_spread,
            [x, y],
            integers=[bars, form],
            reals=[far],
            warm_up=bars - 1,
            look_back=bars,
            state_words=8,
        )
    ]


@indicator("BETA", STATISTICS, HIGH_LOW, [period("timeperiod", 5, 1)])
def beta(graph: Graph, x: Column, y: Column, *, timeperiod: int) -> list[Column]:
    """Beta: slope of the second series' returns on the first's."""
    x_return = change(graph, x, 1, changes.FRACTION)
    y_return = change(graph, y, 1, changes.FRACTION)
    return _joint(graph, x_return, y_return, timeperiod, windows.SLOPE, 1e3)


@indicator("CORREL", STATISTICS, HIGH_LOW, [period("timeperiod", 30, 1)])
def correlation(graph: Graph, x: Column, y: Column, *, timeperiod: int) -> list[Column]:
    """Pearson's correlation coefficient.

    -1 to 1; 0 where a series has no spread.
    """
    return _joint(graph, x, y, timeperiod, windows.CORRELATION, 1e6)


for _name, _form, _summary in (
    ("LINEARREG", windows.LINE_END, "Linear regression: value at the newest bar."),
    ("LINEARREG_SLOPE", windows.LINE_SLOPE, "Linear regression: slope a bar."),
    ("LINEARREG_INTERCEPT", windows.LINE_START, "Linear regression: value at the oldest bar."),
    ("TSF", windows.LINE_NEXT, "Time series forecast: regression one bar on."),
):

    def _line(graph: Graph, close: Column, *, timeperiod: int, form: int = _form) -> list[Column]:
        return [line_fit(graph, close, timeperiod, form)]

    _line.__doc__ = _summary
    indicator(_name, STATISTICS, CLOSE, [period("timeperiod", 14)])(_line)


@indicator("LINEARREG_ANGLE", STATISTICS, CLOSE, [period("timeperiod", 14)])
def line_angle(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Linear regression: angle of the slope, degrees."""
    slope = line_fit(graph, close, timeperiod, windows.LINE_SLOPE)
    return [graph.node(elementwise.angle_of_slope, [slope])]


@indicator("VAR", STATISTICS, CLOSE, [period("timeperiod", 5, 1), real("nbdev", 1.0)])
def variance_of(graph: Graph, close: Column, *, timeperiod: int, nbdev: float) -> list[Column]:
    """Population variance; the number of deviations changes nothing."""
    del nbdev
    return [variance(graph, close, timeperiod)]


@indicator("STDDEV", STATISTICS, CLOSE, [period("timeperiod", 5), real("nbdev", 1.0)])
def standard_deviation(
    graph: Graph, close: Column, *, timeperiod: int, nbdev: float
) -> list[Column]:
    """Population standard deviation, times a number."""
    return [deviation(graph, close, timeperiod, nbdev)]


@indicator(
    "PERCENTILE",
    STATISTICS,
    CLOSE,
    [period("timeperiod", 30, 2, 10_000), real("percentile", 50.0, 0.0, 100.0)],
)
def percentile(graph: Graph, close: Column, *, timeperiod: int, percentile: float) -> list[Column]:
    """Percentile of a window by nearest rank."""
    rank = min(max(math.ceil(percentile * timeperiod / 100.0), 1), timeperiod) - 1
    return [
        graph.node(
            order.percentile,
            [close],
            integers=[timeperiod, rank],
            warm_up=timeperiod - 1,
            look_back=timeperiod,
            state_words=timeperiod,
        )
    ]


@indicator("PERCENTRANK", STATISTICS, CLOSE, [period("timeperiod", 100, 2, 10_000)])
def percent_rank(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Share of the values before that the value exceeds, per cent."""
    return [looking_back(graph, order.percent_rank, [close], timeperiod, [timeperiod])]


def _register_function(name: str) -> None:
    kind = elementwise.FUNCTIONS.index(name)
    block = (
        elementwise.rounding_of if name in ("CEIL", "FLOOR", "SQRT") else elementwise.function_of
    )

    def definition(graph: Graph, x: Column) -> list[Column]:
        return [graph.node(block, [x], integers=[kind])]

    definition.__doc__ = f"{name} of each value."
    indicator(name, TRANSFORM, CLOSE)(definition)


for _name in elementwise.FUNCTIONS:
    _register_function(_name)


def _register_operator(name: str, kind: int, summary: str) -> None:
    def definition(graph: Graph, x: Column, y: Column) -> list[Column]:
        return [arithmetic(graph, kind, x, y)]

    definition.__doc__ = summary
    indicator(name, OPERATORS, HIGH_LOW)(definition)


_register_operator("ADD", elementwise.ADD, "Sum of two series.")
_register_operator("SUB", elementwise.SUBTRACT, "Difference of two series.")
_register_operator("MULT", elementwise.MULTIPLY, "Product of two series.")
_register_operator("DIV", elementwise.DIVIDE, "Quotient of two series.")


@indicator("CUMSUM", OPERATORS, CLOSE)
def cumulative_sum(graph: Graph, x: Column) -> list[Column]:
    """Sum of all values so far."""
    return [running_total(graph, x)]


@indicator("SUM", OPERATORS, CLOSE, [period("timeperiod", 30)])
def window_sum(graph: Graph, x: Column, *, timeperiod: int) -> list[Column]:
    """Sum of a window."""
    return [rolling_sum(graph, x, timeperiod)]


@indicator("MAX", OPERATORS, CLOSE, [period("timeperiod", 30)])
def window_highest(graph: Graph, x: Column, *, timeperiod: int) -> list[Column]:
    """Highest value of a window."""
    return [highest(graph, x, timeperiod)]


@indicator("MIN", OPERATORS, CLOSE, [period("timeperiod", 30)])
def window_lowest(graph: Graph, x: Column, *, timeperiod: int) -> list[Column]:
    """Lowest value of a window."""
    return [lowest(graph, x, timeperiod)]


@indicator("MINMAX", OPERATORS, CLOSE, [period("timeperiod", 30)], ["min", "max"])
def window_extremes(graph: Graph, x: Column, *, timeperiod: int) -> list[Column]:
    """Lowest and highest value of a window."""
    return [lowest(graph, x, timeperiod), highest(graph, x, timeperiod)]


@indicator("MAXINDEX", OPERATORS, CLOSE, [period("timeperiod", 30)], ["integer"], ["integer"])
def highest_bar(graph: Graph, x: Column, *, timeperiod: int) -> list[Column]:
    """Number of the bar of the highest value of a window."""
    return [extreme_bar(graph, x, timeperiod, 1.0)]


@indicator("MININDEX", OPERATORS, CLOSE, [period("timeperiod", 30)], ["integer"], ["integer"])
def lowest_bar(graph: Graph, x: Column, *, timeperiod: int) -> list[Column]:
    """Number of the bar of the lowest value of a window."""
    return [extreme_bar(graph, x, timeperiod, -1.0)]


@indicator(
    "MINMAXINDEX",
    OPERATORS,
    CLOSE,
    [period("timeperiod", 30)],
    ["minidx", "maxidx"],
    ["minidx", "maxidx"],
)
def extreme_bars(graph: Graph, x: Column, *, timeperiod: int) -> list[Column]:
    """Numbers of the bars of the lowest and highest value of a window."""
    return [extreme_bar(graph, x, timeperiod, -1.0), extreme_bar(graph, x, timeperiod, 1.0)]
