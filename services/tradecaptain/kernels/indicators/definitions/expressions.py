"""Blocks as expressions: what definitions are written in.

Each function adds a node, or takes one that is there already, and gives its column. They know how
far a block looks back and when its first value comes.

Columns are float64 of the program's length, ``bars`` and ``lag`` whole numbers from 1 on, results
in the units of the inputs unless a function says otherwise. Nothing is computed here, and nothing
is raised: formulas and their sources are those of the block that a function adds.
"""

from __future__ import annotations

from tradecaptain.kernels.indicators.blocks import (
    changes,
    elementwise,
    order,
    recursive,
    selection,
    windows,
)
from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.node import Block

TINY = 1e-14
"""A divisor smaller than this counts as 0 where sums of differences are divided."""


def from_bar(column: Column, begin: int) -> Column:
    """The same column, taken from a later bar on."""
    return Column(column.number, max(column.begin, begin))


def delayed(column: Column, bars: int) -> Column:
    """The same column without its first values."""
    return Column(column.number, column.begin + bars)


def claimed(column: Column, begin: int) -> Column:
    """The same column for a block that doesn't read what is before its beginning."""
    return Column(column.number, begin)


def copy(graph: Graph, x: Column) -> Column:
    """x itself, in a column of its own."""
    return graph.node(selection.copied, [x])


def arithmetic(graph: Graph, kind: int, x: Column, y: Column) -> Column:
    """x and y added, subtracted, multiplied or divided."""
    return graph.node(elementwise.arithmetic, [x, y], integers=[kind])


def difference(graph: Graph, x: Column, y: Column) -> Column:
    """x - y."""
    return arithmetic(graph, elementwise.SUBTRACT, x, y)


def product(graph: Graph, x: Column, y: Column) -> Column:
    """x * y."""
    return arithmetic(graph, elementwise.MULTIPLY, x, y)


def total(graph: Graph, x: Column, y: Column) -> Column:
    """x + y."""
    return arithmetic(graph, elementwise.ADD, x, y)


def combination(graph: Graph, *terms: tuple[float, Column]) -> Column:
    """Weighted sum of up to four columns."""
    return graph.node(
        elementwise.combination,
        [column for _, column in terms],
        integers=[len(terms)],
        reals=[weight for weight, _ in terms],
    )


def mean_price(graph: Graph, *prices: Column) -> Column:
    """Mean of two to four prices."""
    return graph.node(elementwise.mean_price, prices, integers=[len(prices)])


def ratio(
    graph: Graph,
    x: Column,
    y: Column,
    scale: float = 1.0,
    fallback: float = 0.0,
    tiny: float = 0.0,
) -> Column:
    """scale * x / y, the fallback where y is 0 or below ``tiny``."""
    return graph.node(elementwise.ratio, [x, y], reals=[scale, fallback, tiny])


def share(graph: Graph, x: Column, y: Column, fallback: float = 0.0, tiny: float = 0.0) -> Column:
    """100 x / (x + y)."""
    return graph.node(elementwise.share_of_sum, [x, y], reals=[100.0, fallback, tiny])


def balance(graph: Graph, x: Column, y: Column, tiny: float = 0.0) -> Column:
    """100 (x - y) / (x + y), 0 where the sum is."""
    return graph.node(elementwise.balance, [x, y], integers=[0], reals=[tiny])


def looking_back(
    graph: Graph, block: Block, inputs: list[Column], lag: int, integers: list[int] | None = None
) -> Column:
    """A node that begins ``lag`` bars after its inputs because it looks back so far."""
    begin = max(column.begin for column in inputs) + lag
    return graph.node(block, inputs, integers=integers or [], begin=begin, look_back=lag)


def pair_looking_back(
    graph: Graph, block: Block, inputs: list[Column], lag: int
) -> tuple[Column, Column]:
    """The same for a block with two results."""
    begin = max(column.begin for column in inputs) + lag
    one, two = graph.nodes_of(block, inputs, 2, begin=begin, look_back=lag)
    return one, two


def change(graph: Graph, x: Column, lag: int, form: int) -> Column:
    """Change of x over ``lag`` bars."""
    return looking_back(graph, changes.change, [x], lag, [lag, form])


def true_range(graph: Graph, high: Column, low: Column, close: Column) -> Column:
    """True range, from the second bar on."""
    return looking_back(graph, changes.true_range, [high, low, close], 1)


def rolling_sum(graph: Graph, x: Column, bars: int, scale: float = 1.0) -> Column:
    """Sum of the last bars, scaled."""
    return graph.node(
        windows.rolling_sum,
        [x],
        integers=[bars],
        reals=[scale],
        warm_up=bars - 1,
        look_back=bars,
        state_words=2,
    )


def exact_sum(graph: Graph, x: Column, bars: int, scale: float = 1.0) -> Column:
    """Sum of the last bars that is exactly 0 if all are: for divisors."""
    return graph.node(
        windows.rolling_sum_of_few,
        [x],
        integers=[bars],
        reals=[scale],
        warm_up=bars - 1,
        look_back=bars,
        state_words=2,
    )


def extreme(graph: Graph, x: Column, bars: int, sign: float) -> Column:
    """Highest (1) or lowest (-1) value of the last bars."""
    return graph.node(
        order.extreme,
        [x],
        integers=[bars],
        reals=[sign],
        warm_up=bars - 1,
        look_back=bars,
        state_words=2,
    )


def highest(graph: Graph, x: Column, bars: int) -> Column:
    """Highest value of the last bars."""
    return extreme(graph, x, bars, 1.0)


def lowest(graph: Graph, x: Column, bars: int) -> Column:
    """Lowest value of the last bars."""
    return extreme(graph, x, bars, -1.0)


def extreme_age(graph: Graph, x: Column, bars: int, sign: float) -> Column:
    """How many bars ago the newest extreme of the last bars was."""
    return graph.node(
        order.extreme_place,
        [x],
        integers=[bars, order.AGE, 0, 1],
        reals=[sign],
        warm_up=bars - 1,
        look_back=bars,
        state_words=2,
    )


def extreme_bar(graph: Graph, x: Column, bars: int, sign: float) -> Column:
    """Number of the bar of the extreme of the last bars."""
    return graph.node(
        order.extreme_place,
        [x],
        integers=[bars, order.AT_BAR, x.begin, 0],
        reals=[sign],
        warm_up=bars - 1,
        look_back=bars,
        state_words=2,
    )


def variance(graph: Graph, x: Column, bars: int) -> Column:
    """Population variance of the last bars."""
    return graph.node(
        windows.variance,
        [x],
        integers=[bars, 0],
        reals=[1.0],
        warm_up=bars - 1,
        look_back=bars,
        state_words=4,
    )


def deviation(graph: Graph, x: Column, bars: int, factor: float = 1.0) -> Column:
    """Population standard deviation of the last bars, times a factor."""
    return graph.node(
        windows.variance,
        [x],
        integers=[bars, 1],
        reals=[factor],
        warm_up=bars - 1,
        look_back=bars,
        state_words=4,
    )


def line_fit(graph: Graph, x: Column, bars: int, form: int) -> Column:
    """Least-squares line through the last bars."""
    return graph.node(
        windows.line_fit,
        [x],
        integers=[bars, form],
        warm_up=bars - 1,
        look_back=bars,
        state_words=3,
    )


def running_total(graph: Graph, x: Column) -> Column:
    """Sum of all values so far."""
    return graph.node(recursive.running_total, [x], reals=[0.0], state_words=1)


def running_total_from(graph: Graph, x: Column, start: float | Column) -> Column:
    """Sum of all values of x, which begins one bar late: the first bar's value is ``start``."""
    y = start if isinstance(start, Column) else x
    first = 0.0 if isinstance(start, Column) else start
    begin = x.begin - 1
    return graph.node(
        recursive.running_total_after_first,
        [claimed(x, begin), claimed(y, begin)],
        integers=[int(isinstance(start, Column))],
        reals=[first],
        begin=begin,
        state_words=1,
    )
