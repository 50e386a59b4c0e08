"""What patterns are told by: colour, body, shadows and gaps of a candle, and their averages.

Lengths are in the quotes' units, zero or more where high and low hold the body. Sources: as the
package says; TA-Lib 0.8.1 for what counts as a gap and as near.
"""

from __future__ import annotations

from typing import Any, Final

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.kernels.indicators.node import (
    block,
    column,
    integer,
    real,
    seen,
    set_state,
    state,
)

WHITE: Final = 1
BLACK: Final = -1

MEASURES: Final = ("body", "range", "shadows")
SHADOWS: Final = 2


@inline_always
def colour(opens: Any, close: Any, i: int) -> int:
    """White if the candle closed at or above its open, else black.

    1 or -1.
    """
    return WHITE if close[i] >= opens[i] else BLACK


@inline_always
def is_white(opens: Any, close: Any, i: int) -> bool:
    """Whether the candle closed at or above its open."""
    return bool(close[i] >= opens[i])


@inline_always
def is_black(opens: Any, close: Any, i: int) -> bool:
    """Whether the candle closed below its open."""
    return bool(close[i] < opens[i])


@inline_always
def body(opens: Any, close: Any, i: int) -> float:
    """Distance from open to close."""
    return abs(close[i] - opens[i])


@inline_always
def top(opens: Any, close: Any, i: int) -> float:
    """Upper end of the body."""
    return max(opens[i], close[i])


@inline_always
def bottom(opens: Any, close: Any, i: int) -> float:
    """Lower end of the body."""
    return min(opens[i], close[i])


@inline_always
def upper_shadow(opens: Any, high: Any, close: Any, i: int) -> float:
    """From the body up to the high."""
    return high[i] - top(opens, close, i)


@inline_always
def lower_shadow(opens: Any, low: Any, close: Any, i: int) -> float:
    """From the body down to the low."""
    return bottom(opens, close, i) - low[i]


@inline_always
def body_gaps_up(opens: Any, close: Any, i: int, before: int) -> bool:
    """Whether the body lies wholly above that of an earlier candle."""
    return bottom(opens, close, i) > top(opens, close, before)


@inline_always
def body_gaps_down(opens: Any, close: Any, i: int, before: int) -> bool:
    """Whether the body lies wholly below that of an earlier candle."""
    return top(opens, close, i) < bottom(opens, close, before)


@inline_always
def is_near(value: float, target: float, distance: float) -> bool:
    """Whether a value lies within a distance of another, bounds included."""
    return target - distance <= value <= target + distance


@inline
def measure_of(kind: int, opens: Any, high: Any, low: Any, close: Any, i: int) -> float:
    """Body, range, or both shadows of a candle.

    ``kind`` is one of the measures above, in the quotes' units.
    """
    if kind == 0:
        return body(opens, close, i)
    if kind == 1:
        return high[i] - low[i]
    return upper_shadow(opens, high, close, i) + lower_shadow(opens, low, close, i)


@block
def threshold(node: int, first: int, end: int) -> None:
    """What a measure of a candle is held against: real 0 times its mean over the bars before.

    Integer 0 is the measure, integer 1 how many bars; with none, the candle's own measure counts.
    Shadows count by half. The node begins that many bars late. Columns open, high, low, close.
    """
    kind, period, factor = integer(node, 0), integer(node, 1), real(node, 0)
    opens, high, low, close = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    result = column(node, 4)
    halves = 2.0 if kind == SHADOWS else 1.0
    total = state(node, 0)
    if seen(node) == 0 and first < end:
        for k in range(first - period, first):
            total += measure_of(kind, opens, high, low, close, k)
    for i in range(first, end):
        measure = measure_of(kind, opens, high, low, close, i)
        if period == 0:
            result[i] = factor * measure / halves
        else:
            result[i] = factor * (total / period) / halves
            total += measure - measure_of(kind, opens, high, low, close, i - period)
    set_state(node, 0, total)
