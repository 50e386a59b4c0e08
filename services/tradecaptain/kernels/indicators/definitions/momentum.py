"""Momentum indicators: rates of change and oscillators.

Conventions, units and errors: as the package says. Sources: TA-Lib 0.8.1's functions of the
registered names, which also settle seeds and ties; the inventors' texts as the functions name them.
"""

from __future__ import annotations

from tradecaptain.kernels.indicators.blocks import (
    changes,
    elementwise,
    order,
    windows,
)
from tradecaptain.kernels.indicators.definitions import averages
from tradecaptain.kernels.indicators.definitions.expressions import (
    TINY,
    balance,
    change,
    combination,
    difference,
    exact_sum,
    highest,
    line_fit,
    looking_back,
    lowest,
    mean_price,
    pair_looking_back,
    ratio,
    running_total_from,
    share,
    total,
    true_range,
)
from tradecaptain.kernels.indicators.definitions.overlap import average_type
from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.registry import indicator, period

GROUP = "Momentum Indicators"
CLOSE = ("close",)
HIGH_LOW = ("high", "low")
HIGH_LOW_CLOSE = ("high", "low", "close")
MACD_OUTPUTS = ("macd", "macdsignal", "macdhist")

for _name, _form, _summary in (
    ("MOM", changes.DIFFERENCE, "Momentum: change over a number of bars."),
    ("ROC", changes.PERCENT, "Rate of change, per cent."),
    ("ROCP", changes.FRACTION, "Rate of change as a fraction."),
    ("ROCR", changes.RATIO, "Rate of change as a ratio."),
    ("ROCR100", changes.RATIO_PERCENT, "Rate of change as a ratio, times 100."),
):

    def _rate(graph: Graph, close: Column, *, timeperiod: int, form: int = _form) -> list[Column]:
        return [change(graph, close, timeperiod, form)]

    _rate.__doc__ = _summary
    indicator(_name, GROUP, CLOSE, [period("timeperiod", 10, 1)])(_rate)


def price_oscillator(
    graph: Graph, x: Column, fast: int, slow: int, kind: int
) -> tuple[Column, Column]:
    """A faster and a slower average.

    Both by one kind of average, in the units of x, first values at the same bar.
    """
    fast, slow = min(fast, slow), max(fast, slow)
    return averages.average(graph, x, fast, kind), averages.average(graph, x, slow, kind)


@indicator(
    "APO",
    GROUP,
    CLOSE,
    [period("fastperiod", 12), period("slowperiod", 26), average_type("matype", 1)],
)
def absolute_oscillator(
    graph: Graph, close: Column, *, fastperiod: int, slowperiod: int, matype: int
) -> list[Column]:
    """Absolute price oscillator: difference of two averages.

    Source: Appel, The Moving Average Convergence Divergence Method (1979), without its signal.
    """
    return [difference(graph, *price_oscillator(graph, close, fastperiod, slowperiod, matype))]


def percentage_oscillator(graph: Graph, x: Column, fast: int, slow: int, kind: int) -> list[Column]:
    """Difference of two averages, per cent of the slower.

    100 (fast - slow) / slow, 0 where the slower is 0.
    """
    pair = price_oscillator(graph, x, fast, slow, kind)
    return [graph.node(elementwise.percent_difference, pair)]


@indicator(
    "PPO",
    GROUP,
    CLOSE,
    [period("fastperiod", 12), period("slowperiod", 26), average_type("matype", 1)],
)
def price_percentage(
    graph: Graph, close: Column, *, fastperiod: int, slowperiod: int, matype: int
) -> list[Column]:
    """Percentage price oscillator."""
    return percentage_oscillator(graph, close, fastperiod, slowperiod, matype)


def signal_and_histogram(graph: Graph, macd: Column, signal: Column) -> list[Column]:
    """The three lines of a MACD."""
    return [macd, signal, difference(graph, macd, signal)]


@indicator(
    "MACD",
    GROUP,
    CLOSE,
    [period("fastperiod", 12), period("slowperiod", 26), period("signalperiod", 9, 1)],
    MACD_OUTPUTS,
    unstable=["EMA"],
)
def convergence(
    graph: Graph, close: Column, *, fastperiod: int, slowperiod: int, signalperiod: int
) -> list[Column]:
    """Moving average convergence/divergence.

    EMA(fast) less EMA(slow), its EMA as signal, and their difference. Source: Appel (1979).
    """
    kind = averages.EXPONENTIAL
    fast, slow = averages.aligned_pair(
        graph, close, min(fastperiod, slowperiod), kind, max(fastperiod, slowperiod), kind
    )
    macd = difference(graph, fast, slow)
    return signal_and_histogram(graph, macd, averages.exponential(graph, macd, signalperiod))


@indicator("MACDFIX", GROUP, CLOSE, [period("signalperiod", 9, 1)], MACD_OUTPUTS, unstable=["EMA"])
def convergence_fixed(graph: Graph, close: Column, *, signalperiod: int) -> list[Column]:
    """Moving average convergence/divergence of 12 and 26 bars with gains of 0.15 and 0.075.

    Source: Appel (1979).
    """
    late = Column(close.number, close.begin + 26 - 12)
    fast = averages.exponential_with(graph, late, 12, 0.15)
    slow = averages.exponential_with(graph, close, 26, 0.075)
    macd = difference(graph, fast, slow)
    return signal_and_histogram(graph, macd, averages.exponential(graph, macd, signalperiod))


@indicator(
    "MACDEXT",
    GROUP,
    CLOSE,
    [
        period("fastperiod", 12),
        average_type("fastmatype", 0),
        period("slowperiod", 26),
        average_type("slowmatype", 0),
        period("signalperiod", 9, 1),
        average_type("signalmatype", 0),
    ],
    MACD_OUTPUTS,
)
def convergence_extended(
    graph: Graph,
    close: Column,
    *,
    fastperiod: int,
    fastmatype: int,
    slowperiod: int,
    slowmatype: int,
    signalperiod: int,
    signalmatype: int,
) -> list[Column]:
    """Moving average convergence/divergence with averages of choice."""
    if slowperiod < fastperiod:
        fastperiod, slowperiod = slowperiod, fastperiod
        fastmatype, slowmatype = slowmatype, fastmatype
    pair = averages.aligned_pair(graph, close, fastperiod, fastmatype, slowperiod, slowmatype)
    macd = difference(graph, *pair)
    return signal_and_histogram(
        graph, macd, averages.average(graph, macd, signalperiod, signalmatype)
    )


def strength(graph: Graph, x: Column, bars: int, name: str) -> tuple[Column, Column]:
    """Wilder's averages of gains and losses."""
    gain, loss = pair_looking_back(graph, changes.gains_and_losses, [x], 1)
    return averages.wilder(graph, gain, bars, name), averages.wilder(graph, loss, bars, name)


def relative_strength(graph: Graph, x: Column, bars: int, name: str = "RSI") -> Column:
    """Share of gains in gains and losses, or their balance for CMO."""
    form = share if name == "RSI" else balance
    gain, loss = strength(graph, x, bars, name)
    return form(graph, gain, loss, tiny=TINY)


@indicator("RSI", GROUP, CLOSE, [period("timeperiod", 14)], unstable=["RSI"])
def rsi(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Relative strength index.

    100 g / (g + l) of the averages of gains and losses, 0 to 100. Source: Wilder, New Concepts in
    Technical Trading Systems (1978).
    """
    return [relative_strength(graph, close, timeperiod)]


@indicator("CMO", GROUP, CLOSE, [period("timeperiod", 14)], unstable=["CMO"])
def chande_momentum(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Chande momentum oscillator, smoothed as Wilder does.

    100 (g - l) / (g + l), -100 to 100. Source: Chande and Kroll, The New Technical Trader (1994).
    """
    return [relative_strength(graph, close, timeperiod, "CMO")]


@indicator("CMOU", GROUP, CLOSE, [period("timeperiod", 14)])
def chande_momentum_sums(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Chande momentum oscillator of plain sums.

    100 (g - l) / (g + l), -100 to 100. Source: Chande and Kroll (1994).
    """
    gain, loss = pair_looking_back(graph, changes.gains_and_losses, [close], 1)
    return [balance(graph, exact_sum(graph, gain, timeperiod), exact_sum(graph, loss, timeperiod))]


@indicator("IMI", GROUP, ["open", "close"], [period("timeperiod", 14)])
def intraday_momentum(
    graph: Graph, opens: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Intraday momentum index.

    100 g / (g + l) of the sums of close less open, 0 to 100. Source: Chande and Kroll (1994).
    """
    gain, loss = graph.nodes_of(changes.gains_and_losses_within, [opens, close], 2)
    sums = exact_sum(graph, gain, timeperiod), exact_sum(graph, loss, timeperiod)
    return [share(graph, *sums, fallback=50.0)]


@indicator("MFI", GROUP, ["high", "low", "close", "volume"], [period("timeperiod", 14)])
def money_flow(
    graph: Graph, high: Column, low: Column, close: Column, volume: Column, *, timeperiod: int
) -> list[Column]:
    """Money flow index.

    100 p / (p + n) of typical price times volume on rises and falls, 0 to 100. Source: Quong and
    Soudack, Volume-Weighted RSI: Money Flow (1989).
    """
    typical = mean_price(graph, high, low, close)
    money = graph.node(elementwise.arithmetic, [typical, volume], integers=[elementwise.MULTIPLY])
    up, down = graph.nodes_of(
        changes.route_by_direction, [typical, money], 2, reals=[TINY], begin=1, look_back=1
    )
    sums = exact_sum(graph, up, timeperiod), exact_sum(graph, down, timeperiod)
    return [share(graph, *sums)]


@indicator("BOP", GROUP, ["open", "high", "low", "close"])
def balance_of_power(
    graph: Graph, opens: Column, high: Column, low: Column, close: Column
) -> list[Column]:
    """Balance of power.

    (close - open) / (high - low), -1 to 1. Source: Livshin, Balance of Market Power (2001).
    """
    return [graph.node(elementwise.balance_of_power, [opens, high, low, close])]


@indicator("CCI", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14)])
def commodity_channel(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Commodity channel index.

    (typical price - its mean) / (0.015 mean deviation), no bounds. Source: Lambert, Commodity
    Channel Index (1980).
    """
    typical = mean_price(graph, high, low, close)
    mean = averages.simple(graph, typical, timeperiod)
    return [
        graph.node(
            order.commodity_channel,
            [typical, mean],
            integers=[timeperiod],
            look_back=timeperiod,
            state_words=1,
        )
    ]


@indicator("WILLR", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14)])
def williams_range(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Williams' %R.

    -100 (highest high - close) / (highest high - lowest low), -100 to 0. Source: Williams, How I
    Made One Million Dollars (1973).
    """
    top, bottom = highest(graph, high, timeperiod), lowest(graph, low, timeperiod)
    return [
        graph.node(
            elementwise.place_in_range, [close, top, bottom], integers=[1], reals=[100.0, TINY]
        )
    ]


@indicator("TRIX", GROUP, CLOSE, [period("timeperiod", 30, 1)], unstable=["EMA"])
def triple_smooth(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Rate of change of a triple exponential average, per cent.

    Source: Hutson, Good TRIX (1983).
    """
    column = close
    for _ in range(3):
        column = averages.exponential(graph, column, timeperiod)
    return [change(graph, column, 1, changes.PERCENT)]


@indicator(
    "TSI",
    GROUP,
    CLOSE,
    [period("firstperiod", 25), period("secondperiod", 13)],
    unstable=["EMA"],
)
def true_strength(
    graph: Graph, close: Column, *, firstperiod: int, secondperiod: int
) -> list[Column]:
    """True strength index.

    100 times the twice smoothed change over its twice smoothed size, -100 to 100. Source: Blau,
    Momentum, Direction and Divergence (1995).
    """
    signed, size = (
        averages.exponential(
            graph,
            averages.exponential(graph, change(graph, close, 1, form), firstperiod),
            secondperiod,
        )
        for form in (changes.DIFFERENCE, changes.SIZE)
    )
    return [ratio(graph, signed, size, scale=100.0)]


@indicator(
    "ULTOSC",
    GROUP,
    HIGH_LOW_CLOSE,
    [period("timeperiod1", 7, 1), period("timeperiod2", 14, 1), period("timeperiod3", 28, 1)],
)
def ultimate_oscillator(
    graph: Graph,
    high: Column,
    low: Column,
    close: Column,
    *,
    timeperiod1: int,
    timeperiod2: int,
    timeperiod3: int,
) -> list[Column]:
    """Ultimate oscillator of three periods.

    100 (4 a + 2 b + c) / 7 of buying pressure over true range, 0 to 100. Source: Williams, The
    Ultimate Oscillator (1985).
    """
    pressure, width = pair_looking_back(graph, changes.buying_pressure, [high, low, close], 1)
    terms = []
    for weight, bars in zip(
        (4.0, 2.0, 1.0), sorted((timeperiod1, timeperiod2, timeperiod3)), strict=True
    ):
        sums = exact_sum(graph, pressure, bars), exact_sum(graph, width, bars)
        terms.append((100.0 * weight / 7.0, ratio(graph, *sums, tiny=TINY)))
    return [combination(graph, *terms)]


@indicator("VHF", GROUP, CLOSE, [period("timeperiod", 28)])
def vertical_horizontal(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Vertical horizontal filter: range of a window over the path through it.

    Source: White, The Vertical Horizontal Filter (1991).
    """
    width = difference(graph, highest(graph, close, timeperiod), lowest(graph, close, timeperiod))
    path = exact_sum(graph, change(graph, close, 1, changes.SIZE), timeperiod)
    return [ratio(graph, width, path)]


@indicator("VORTEX", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14, 1)], ["plusvi", "minusvi"])
def vortex(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Vortex indicator.

    Movement up and down over the sum of true ranges, both about 1. Source: Botes and Siepman, The
    Vortex Indicator (2010).
    """
    pair = pair_looking_back(graph, changes.vortex_movement, [high, low], 1)
    width = exact_sum(graph, true_range(graph, high, low, close), timeperiod)
    return [ratio(graph, exact_sum(graph, column, timeperiod), width) for column in pair]


@indicator("ER", GROUP, CLOSE, [period("timeperiod", 10)])
def efficiency_ratio(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Kaufman's efficiency ratio.

    0 to 1. Source: Kaufman, Smarter Trading (1995).
    """
    return [averages.efficiency(graph, close, timeperiod)]


@indicator(
    "ERI",
    GROUP,
    HIGH_LOW_CLOSE,
    [period("timeperiod", 13, 1)],
    ["bullpower", "bearpower"],
    unstable=["EMA"],
)
def elder_ray(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Elder ray: high and low less an exponential average of the close.

    Source: Elder, Trading for a Living (1993).
    """
    mean = averages.exponential(graph, close, timeperiod)
    return [difference(graph, high, mean), difference(graph, low, mean)]


@indicator("FOSC", GROUP, CLOSE, [period("timeperiod", 5)])
def forecast_oscillator(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Forecast oscillator: how far the value is from the forecast of the bar before, per cent.

    Source: Chande and Kroll, The New Technical Trader (1994).
    """
    forecast = line_fit(graph, close, timeperiod, windows.LINE_NEXT)
    return [looking_back(graph, changes.forecast_error, [close, forecast], 1)]


@indicator(
    "FRACTAL",
    GROUP,
    HIGH_LOW,
    [period("leftbars", 2, 1), period("rightbars", 2, 1)],
    ["swinghigh", "swinglow"],
    whole=["swinghigh", "swinglow"],
)
def fractal(
    graph: Graph, high: Column, low: Column, *, leftbars: int, rightbars: int
) -> list[Column]:
    """Williams' fractal: swing highs and lows, told when they are confirmed.

    100 or 0. Source: Williams, Trading Chaos (1995).
    """
    both = leftbars + rightbars
    return [
        graph.node(
            order.swing,
            [column],
            integers=[leftbars, rightbars],
            reals=[sign],
            begin=both,
            look_back=both,
        )
        for column, sign in ((high, 1.0), (low, -1.0))
    ]


@indicator("QSTICK", GROUP, ["open", "close"], [period("timeperiod", 10, 1)])
def qstick(graph: Graph, opens: Column, close: Column, *, timeperiod: int) -> list[Column]:
    """Mean of close less open.

    Source: Chande and Kroll, The New Technical Trader (1994).
    """
    return [averages.simple(graph, difference(graph, close, opens), timeperiod)]


@indicator("DPO", GROUP, CLOSE, [period("timeperiod", 20)])
def detrended(graph: Graph, close: Column, *, timeperiod: int) -> list[Column]:
    """Detrended price oscillator."""
    lag = timeperiod // 2 + 1
    mean = averages.simple(graph, close, timeperiod)
    begin = max(mean.begin, lag)
    return [
        graph.node(
            changes.lagged_difference, [close, mean], integers=[lag], begin=begin, look_back=lag
        )
    ]


@indicator(
    "COPPOCK",
    GROUP,
    CLOSE,
    [period("wmaperiod", 10, 1), period("roc1period", 11, 1), period("roc2period", 14, 1)],
)
def coppock(
    graph: Graph, close: Column, *, wmaperiod: int, roc1period: int, roc2period: int
) -> list[Column]:
    """Coppock curve.

    Weighted average of the sum of two rates of change, per cent. Source: Coppock (1962).
    """
    rates = [change(graph, close, lag, changes.PERCENT) for lag in (roc1period, roc2period)]
    return [averages.weighted(graph, total(graph, *rates), wmaperiod)]


def awesome(graph: Graph, high: Column, low: Column, fast: int, slow: int) -> Column:
    """Awesome oscillator."""
    middle = mean_price(graph, high, low)
    return difference(
        graph, averages.simple(graph, middle, fast), averages.simple(graph, middle, slow)
    )


@indicator("AO", GROUP, HIGH_LOW, [period("fastperiod", 5), period("slowperiod", 34)])
def awesome_oscillator(
    graph: Graph, high: Column, low: Column, *, fastperiod: int, slowperiod: int
) -> list[Column]:
    """Awesome oscillator.

    Fast less slow simple average of the median price. Source: Williams, New Trading Dimensions
    (1998).
    """
    return [awesome(graph, high, low, fastperiod, slowperiod)]


@indicator(
    "AC",
    GROUP,
    HIGH_LOW,
    [period("fastperiod", 5), period("slowperiod", 34), period("signalperiod", 5)],
)
def accelerator(
    graph: Graph, high: Column, low: Column, *, fastperiod: int, slowperiod: int, signalperiod: int
) -> list[Column]:
    """Accelerator oscillator: the awesome oscillator less its average.

    Source: Williams, New Trading Dimensions (1998).
    """
    oscillator = awesome(graph, high, low, fastperiod, slowperiod)
    return [difference(graph, oscillator, averages.simple(graph, oscillator, signalperiod))]


@indicator("WAD", GROUP, HIGH_LOW_CLOSE)
def williams_accumulation(graph: Graph, high: Column, low: Column, close: Column) -> list[Column]:
    """Williams' accumulation/distribution.

    Source: Williams, How I Made One Million Dollars (1973).
    """
    step = looking_back(graph, changes.accumulation_step, [high, low, close], 1)
    return [running_total_from(graph, step, 0.0)]
