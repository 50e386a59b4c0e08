"""Patterns of two candles.

Each predicate gives 100 (bullish), -100 (bearish) or 0; where a body just touches the other's end
some give 80 instead. A threshold named ``long_1`` is for the candle one bar back.

Prices are in the quotes' units; ``o``, ``h``, ``lo``, ``c`` are series, ``i`` the bar. Sources and
errors: as the package says.
"""

from __future__ import annotations

from typing import Any, Final

from tradecaptain.base.jit import inline
from tradecaptain.kernels.indicators.node import block, column, integer, real
from tradecaptain.kernels.indicators.patterns.candle import (
    body,
    body_gaps_down,
    body_gaps_up,
    bottom,
    colour,
    is_black,
    is_near,
    is_white,
    lower_shadow,
    top,
    upper_shadow,
)


@inline
def counterattack(o: Any, c: Any, i: int, long_1: Any, long: Any, equal: Any) -> int:
    """Two long candles of opposite colour that close at the same price."""
    found = (
        colour(o, c, i - 1) == -colour(o, c, i)
        and body(o, c, i - 1) > long_1[i - 1]
        and body(o, c, i) > long[i]
        and is_near(c[i], c[i - 1], equal[i - 1])
    )
    return colour(o, c, i) * 100 if found else 0


@inline
def dark_cloud_cover(o: Any, h: Any, c: Any, i: int, long: Any, penetration: float) -> int:
    """Opens above a long white candle and closes well within it."""
    found = (
        is_white(o, c, i - 1)
        and body(o, c, i - 1) > long[i - 1]
        and is_black(o, c, i)
        and o[i] > h[i - 1]
        and c[i] > o[i - 1]
        and c[i] < c[i - 1] - body(o, c, i - 1) * penetration
    )
    return -100 if found else 0


@inline
def doji_star(o: Any, c: Any, i: int, long: Any, none: Any) -> int:
    """Doji that gaps away from a long candle in its direction."""
    gaps = (is_white(o, c, i - 1) and body_gaps_up(o, c, i, i - 1)) or (
        is_black(o, c, i - 1) and body_gaps_down(o, c, i, i - 1)
    )
    found = body(o, c, i - 1) > long[i - 1] and body(o, c, i) <= none[i] and gaps
    return -colour(o, c, i - 1) * 100 if found else 0


@inline
def engulfing(o: Any, c: Any, i: int) -> int:
    """Body that covers the body before, of the other colour; 80 if one of its ends is shared."""
    bullish = (
        is_white(o, c, i)
        and is_black(o, c, i - 1)
        and ((c[i] >= o[i - 1] and o[i] < c[i - 1]) or (c[i] > o[i - 1] and o[i] <= c[i - 1]))
    )
    bearish = (
        is_black(o, c, i)
        and is_white(o, c, i - 1)
        and ((o[i] >= c[i - 1] and c[i] < o[i - 1]) or (o[i] > c[i - 1] and c[i] <= o[i - 1]))
    )
    if not (bullish or bearish):
        return 0
    strength = 100 if o[i] != c[i - 1] and c[i] != o[i - 1] else 80
    return colour(o, c, i) * strength


@inline
def harami(o: Any, c: Any, i: int, long: Any, small: Any) -> int:
    """Small body within the long one before; 80 if one of its ends is shared."""
    if not (body(o, c, i - 1) > long[i - 1] and body(o, c, i) <= small[i]):
        return 0
    if top(o, c, i) < top(o, c, i - 1) and bottom(o, c, i) > bottom(o, c, i - 1):
        return -colour(o, c, i - 1) * 100
    if top(o, c, i) <= top(o, c, i - 1) and bottom(o, c, i) >= bottom(o, c, i - 1):
        return -colour(o, c, i - 1) * 80
    return 0


@inline
def homing_pigeon(o: Any, c: Any, i: int, long: Any, short: Any) -> int:
    """Short black body within a long black one."""
    found = (
        is_black(o, c, i - 1)
        and is_black(o, c, i)
        and body(o, c, i - 1) > long[i - 1]
        and body(o, c, i) <= short[i]
        and o[i] < o[i - 1]
        and c[i] > c[i - 1]
    )
    return 100 if found else 0


@inline
def opens_below_long_black(o: Any, lo: Any, c: Any, i: int, long: Any) -> bool:
    """White candle that opens below the low of a long black one."""
    return (
        is_black(o, c, i - 1)
        and body(o, c, i - 1) > long[i - 1]
        and is_white(o, c, i)
        and o[i] < lo[i - 1]
    )


@inline
def in_neck(o: Any, lo: Any, c: Any, i: int, long: Any, equal: Any) -> int:
    """Closes at or barely above the close before."""
    found = (
        opens_below_long_black(o, lo, c, i, long)
        and c[i] <= c[i - 1] + equal[i - 1]
        and c[i] >= c[i - 1]
    )
    return -100 if found else 0


@inline
def on_neck(o: Any, lo: Any, c: Any, i: int, long: Any, equal: Any) -> int:
    """Closes at the low before."""
    found = opens_below_long_black(o, lo, c, i, long) and is_near(c[i], lo[i - 1], equal[i - 1])
    return -100 if found else 0


@inline
def thrusting(o: Any, lo: Any, c: Any, i: int, long: Any, equal: Any) -> int:
    """Closes within the lower half of the body before."""
    found = (
        opens_below_long_black(o, lo, c, i, long)
        and c[i] > c[i - 1] + equal[i - 1]
        and c[i] <= c[i - 1] + body(o, c, i - 1) * 0.5
    )
    return -100 if found else 0


@inline
def piercing(o: Any, lo: Any, c: Any, i: int, long_1: Any, long: Any) -> int:
    """Long white candle that closes within the upper half of the body before."""
    found = (
        opens_below_long_black(o, lo, c, i, long_1)
        and body(o, c, i) > long[i]
        and c[i] < o[i - 1]
        and c[i] > c[i - 1] + body(o, c, i - 1) * 0.5
    )
    return 100 if found else 0


@inline
def is_marubozu(o: Any, h: Any, lo: Any, c: Any, i: int, long: Any, tiny: Any) -> bool:
    """Long body with hardly a shadow."""
    return (
        body(o, c, i) > long[i]
        and upper_shadow(o, h, c, i) < tiny[i]
        and lower_shadow(o, lo, c, i) < tiny[i]
    )


@inline
def is_kicking(
    o: Any, h: Any, lo: Any, c: Any, i: int, long_1: Any, long: Any, tiny_1: Any, tiny: Any
) -> bool:
    """Two marubozu of opposite colour with a gap away from the first."""
    return (
        colour(o, c, i - 1) == -colour(o, c, i)
        and is_marubozu(o, h, lo, c, i - 1, long_1, tiny_1)
        and is_marubozu(o, h, lo, c, i, long, tiny)
        and (
            (is_black(o, c, i - 1) and lo[i] > h[i - 1])
            or (is_white(o, c, i - 1) and h[i] < lo[i - 1])
        )
    )


@inline
def matching_low(o: Any, c: Any, i: int, equal: Any) -> int:
    """Two black candles with the same close."""
    found = is_black(o, c, i - 1) and is_black(o, c, i) and is_near(c[i], c[i - 1], equal[i - 1])
    return 100 if found else 0


@inline
def separating_lines(
    o: Any, h: Any, lo: Any, c: Any, i: int, long: Any, tiny: Any, equal: Any
) -> int:
    """Belt hold that opens where the candle before, of the other colour, opened."""
    found = (
        colour(o, c, i - 1) == -colour(o, c, i)
        and is_near(o[i], o[i - 1], equal[i - 1])
        and body(o, c, i) > long[i]
        and (
            (is_white(o, c, i) and lower_shadow(o, lo, c, i) < tiny[i])
            or (is_black(o, c, i) and upper_shadow(o, h, c, i) < tiny[i])
        )
    )
    return colour(o, c, i) * 100 if found else 0


TWO_CANDLES: Final = (
    "CDLCOUNTERATTACK",
    "CDLDARKCLOUDCOVER",
    "CDLDOJISTAR",
    "CDLENGULFING",
    "CDLHARAMI",
    "CDLHARAMICROSS",
    "CDLHOMINGPIGEON",
    "CDLINNECK",
    "CDLONNECK",
    "CDLTHRUSTING",
    "CDLPIERCING",
    "CDLKICKING",
    "CDLKICKINGBYLENGTH",
    "CDLMATCHINGLOW",
    "CDLSEPARATINGLINES",
)
"""Patterns of ``two_candles`` by number."""


@block
def two_candles(node: int, first: int, end: int) -> None:
    """Patterns of two candles; columns open, high, low, close, then the thresholds.

    A threshold that is asked for at two candles comes twice, the older candle's first.
    """
    kind, penetration = integer(node, 0), real(node, 0)
    o, h, lo, c = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    w, x = column(node, 4), column(node, 5)
    y, z = column(node, 6), column(node, 7)
    result = column(node, integer(node, 1))
    for i in range(first, end):
        found = 0
        if kind == 0:
            found = counterattack(o, c, i, w, x, y)
        elif kind == 1:
            found = dark_cloud_cover(o, h, c, i, w, penetration)
        elif kind == 2:
            found = doji_star(o, c, i, w, x)
        elif kind == 3:
            found = engulfing(o, c, i)
        elif kind <= 5:
            found = harami(o, c, i, w, x)
        elif kind == 6:
            found = homing_pigeon(o, c, i, w, x)
        elif kind == 7:
            found = in_neck(o, lo, c, i, w, x)
        elif kind == 8:
            found = on_neck(o, lo, c, i, w, x)
        elif kind == 9:
            found = thrusting(o, lo, c, i, w, x)
        elif kind == 10:
            found = piercing(o, lo, c, i, w, x)
        elif kind <= 12:
            if is_kicking(o, h, lo, c, i, w, x, y, z):
                longer = i if kind == 11 or body(o, c, i) > body(o, c, i - 1) else i - 1
                found = colour(o, c, longer) * 100
        elif kind == 13:
            found = matching_low(o, c, i, w)
        else:
            found = separating_lines(o, h, lo, c, i, w, x, y)
        result[i] = found
