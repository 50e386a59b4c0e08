"""Directional movement and Aroon: momentum indicators that tell the direction of a trend.

Conventions, units and errors: as the package says. Indices run from 0 to 100, Aroon's oscillator
from -100 to 100.

Sources: Wilder, New Concepts in Technical Trading Systems (1978), for directional movement; Chande,
A Time Price Oscillator (1995), for Aroon; TA-Lib 0.8.1's functions of the registered names.
"""

from __future__ import annotations

from tradecaptain.kernels.indicators.blocks import changes, elementwise, recursive
from tradecaptain.kernels.indicators.definitions import averages
from tradecaptain.kernels.indicators.definitions.expressions import (
    combination,
    delayed,
    extreme_age,
    looking_back,
    pair_looking_back,
    ratio,
    true_range,
)
from tradecaptain.kernels.indicators.definitions.momentum import GROUP, HIGH_LOW, HIGH_LOW_CLOSE
from tradecaptain.kernels.indicators.graph import Column, Graph
from tradecaptain.kernels.indicators.registry import indicator, period


def movement(graph: Graph, high: Column, low: Column, bars: int) -> tuple[Column, Column]:
    """Directional movement up and down, as Wilder's sums; of one bar as it is."""
    pair = pair_looking_back(graph, changes.directional_movement, [high, low], 1)
    if bars == 1:
        return pair
    return averages.wilder_sum(graph, pair[0], bars), averages.wilder_sum(graph, pair[1], bars)


def directional_parts(
    graph: Graph, high: Column, low: Column, close: Column, bars: int
) -> tuple[Column, Column, Column]:
    """Movement up, movement down and true range as sums, from the bar after the first sums on."""
    up, down = movement(graph, high, low, bars)
    width = true_range(graph, high, low, close)
    if bars == 1:
        return up, down, width
    width = averages.wilder_sum(graph, width, bars)
    return delayed(up, 1), delayed(down, 1), delayed(width, 1)


def directional_index(graph: Graph, high: Column, low: Column, close: Column, bars: int) -> Column:
    """Wilder's index, NaN where there is none.

    100 |up - down| / (up + down) of the summed movements.
    """
    return graph.node(
        elementwise.directional_index, directional_parts(graph, high, low, close, bars)
    )


for _name, _part, _summary in (
    ("PLUS_DM", 0, "Movement up, Wilder's sum."),
    ("MINUS_DM", 1, "Movement down, Wilder's sum."),
):

    def _movement(
        graph: Graph,
        high: Column,
        low: Column,
        *,
        timeperiod: int,
        name: str = _name,
        part: int = _part,
    ) -> list[Column]:
        unstable = graph.settings.unstable_bars(name) if timeperiod > 1 else 0
        return [delayed(movement(graph, high, low, timeperiod)[part], unstable)]

    _movement.__doc__ = _summary
    indicator(_name, GROUP, HIGH_LOW, [period("timeperiod", 14, 1)], unstable=[_name])(_movement)

for _name, _part, _summary in (
    ("PLUS_DI", 0, "Movement up, per cent of the true range."),
    ("MINUS_DI", 1, "Movement down, per cent of the true range."),
):

    def _direction(
        graph: Graph,
        high: Column,
        low: Column,
        close: Column,
        *,
        timeperiod: int,
        name: str = _name,
        part: int = _part,
    ) -> list[Column]:
        parts = directional_parts(graph, high, low, close, timeperiod)
        if timeperiod == 1:
            return [ratio(graph, parts[part], parts[2], 1.0)]
        unstable = graph.settings.unstable_bars(name)
        return [delayed(ratio(graph, parts[part], parts[2], 100.0), unstable)]

    _direction.__doc__ = _summary
    indicator(_name, GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14, 1)], unstable=[_name])(
        _direction
    )


@indicator("DX", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14)], unstable=["DX"])
def movement_index(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Directional movement index.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    index = directional_index(graph, high, low, close, timeperiod)
    held = graph.node(recursive.last_defined, [index], state_words=1)
    return [delayed(held, graph.settings.unstable_bars("DX"))]


def average_index(graph: Graph, high: Column, low: Column, close: Column, bars: int) -> Column:
    """Wilder's average of the directional movement index.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    index = directional_index(graph, high, low, close, bars)
    averaged = graph.node(
        recursive.smoothed_where_defined, [index], integers=[bars], warm_up=bars - 1, state_words=1
    )
    return delayed(averaged, graph.settings.unstable_bars("ADX"))


@indicator("ADX", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14)], unstable=["ADX"])
def average_movement_index(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Average directional movement index.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    return [average_index(graph, high, low, close, timeperiod)]


@indicator("ADXR", GROUP, HIGH_LOW_CLOSE, [period("timeperiod", 14)], unstable=["ADX"])
def average_movement_rating(
    graph: Graph, high: Column, low: Column, close: Column, *, timeperiod: int
) -> list[Column]:
    """Average directional movement rating: mean of the index now and a period before.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    index = average_index(graph, high, low, close, timeperiod)
    lag = timeperiod - 1
    return [looking_back(graph, changes.lagged_mean, [index], lag, [lag])]


@indicator("AROON", GROUP, HIGH_LOW, [period("timeperiod", 14)], ["aroondown", "aroonup"])
def aroon(graph: Graph, high: Column, low: Column, *, timeperiod: int) -> list[Column]:
    """Aroon: how recent the lowest low and the highest high are, 0 … 100.

    100 (bars - age) / bars, the newer of equal extremes. Source: Chande (1995).
    """
    factor = -100.0 / timeperiod
    return [
        graph.node(
            elementwise.scaled,
            [extreme_age(graph, column, timeperiod + 1, sign)],
            reals=[factor, 100.0],
        )
        for column, sign in ((low, -1.0), (high, 1.0))
    ]


@indicator("AROONOSC", GROUP, HIGH_LOW, [period("timeperiod", 14)])
def aroon_oscillator(graph: Graph, high: Column, low: Column, *, timeperiod: int) -> list[Column]:
    """Aroon oscillator: Aroon up less Aroon down.

    Source: Chande (1995).
    """
    factor = 100.0 / timeperiod
    age_low = extreme_age(graph, low, timeperiod + 1, -1.0)
    age_high = extreme_age(graph, high, timeperiod + 1, 1.0)
    return [combination(graph, (factor, age_low), (-factor, age_high))]
