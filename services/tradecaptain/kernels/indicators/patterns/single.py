"""Patterns of one candle, or of one that is told by where it stands to the candle before.

Each predicate gives 100 for a bullish candle, -100 for a bearish one, 0 for none.

Prices are in the quotes' units; ``o``, ``h``, ``lo``, ``c`` are series, ``i`` the bar. Sources and
errors: as the package says.
"""

from __future__ import annotations

from typing import Any, Final

from tradecaptain.base.jit import inline
from tradecaptain.kernels.indicators.node import block, column, integer
from tradecaptain.kernels.indicators.patterns.candle import (
    body,
    body_gaps_down,
    body_gaps_up,
    bottom,
    colour,
    is_black,
    is_white,
    lower_shadow,
    top,
    upper_shadow,
)


@inline
def belt_hold(o: Any, h: Any, lo: Any, c: Any, i: int, long: Any, tiny: Any) -> int:
    """Long body that opens at its extreme."""
    opens_at_low = is_white(o, c, i) and lower_shadow(o, lo, c, i) < tiny[i]
    opens_at_high = is_black(o, c, i) and upper_shadow(o, h, c, i) < tiny[i]
    found = body(o, c, i) > long[i] and (opens_at_low or opens_at_high)
    return colour(o, c, i) * 100 if found else 0


@inline
def closing_marubozu(o: Any, h: Any, lo: Any, c: Any, i: int, long: Any, tiny: Any) -> int:
    """Long body that closes at its extreme."""
    closes_at_high = is_white(o, c, i) and upper_shadow(o, h, c, i) < tiny[i]
    closes_at_low = is_black(o, c, i) and lower_shadow(o, lo, c, i) < tiny[i]
    found = body(o, c, i) > long[i] and (closes_at_high or closes_at_low)
    return colour(o, c, i) * 100 if found else 0


@inline
def marubozu(o: Any, h: Any, lo: Any, c: Any, i: int, long: Any, tiny: Any) -> int:
    """Long body with hardly a shadow; a long line asks for short shadows only."""
    found = (
        body(o, c, i) > long[i]
        and upper_shadow(o, h, c, i) < tiny[i]
        and lower_shadow(o, lo, c, i) < tiny[i]
    )
    return colour(o, c, i) * 100 if found else 0


@inline
def short_line(o: Any, h: Any, lo: Any, c: Any, i: int, short: Any, tiny: Any) -> int:
    """Short body with short shadows."""
    found = (
        body(o, c, i) < short[i]
        and upper_shadow(o, h, c, i) < tiny[i]
        and lower_shadow(o, lo, c, i) < tiny[i]
    )
    return colour(o, c, i) * 100 if found else 0


@inline
def doji(o: Any, c: Any, i: int, none: Any) -> int:
    """Open and close about equal."""
    return 100 if body(o, c, i) <= none[i] else 0


@inline
def dragonfly_doji(o: Any, h: Any, lo: Any, c: Any, i: int, none: Any, tiny: Any) -> int:
    """Doji at the high of its bar."""
    found = (
        body(o, c, i) <= none[i]
        and upper_shadow(o, h, c, i) < tiny[i]
        and lower_shadow(o, lo, c, i) > tiny[i]
    )
    return 100 if found else 0


@inline
def gravestone_doji(o: Any, h: Any, lo: Any, c: Any, i: int, none: Any, tiny: Any) -> int:
    """Doji at the low of its bar."""
    found = (
        body(o, c, i) <= none[i]
        and lower_shadow(o, lo, c, i) < tiny[i]
        and upper_shadow(o, h, c, i) > tiny[i]
    )
    return 100 if found else 0


@inline
def long_legged_doji(o: Any, h: Any, lo: Any, c: Any, i: int, none: Any, long: Any) -> int:
    """Doji with a long shadow."""
    found = body(o, c, i) <= none[i] and (
        lower_shadow(o, lo, c, i) > long[i] or upper_shadow(o, h, c, i) > long[i]
    )
    return 100 if found else 0


@inline
def rickshaw_man(o: Any, h: Any, lo: Any, c: Any, i: int, none: Any, long: Any, near: Any) -> int:
    """Doji with two long shadows, near the middle of its bar."""
    middle = lo[i] + (h[i] - lo[i]) / 2.0
    found = (
        body(o, c, i) <= none[i]
        and lower_shadow(o, lo, c, i) > long[i]
        and upper_shadow(o, h, c, i) > long[i]
        and bottom(o, c, i) <= middle + near[i]
        and top(o, c, i) >= middle - near[i]
    )
    return 100 if found else 0


@inline
def takuri(o: Any, h: Any, lo: Any, c: Any, i: int, none: Any, tiny: Any, very_long: Any) -> int:
    """Dragonfly doji with a very long lower shadow."""
    found = (
        body(o, c, i) <= none[i]
        and upper_shadow(o, h, c, i) < tiny[i]
        and lower_shadow(o, lo, c, i) > very_long[i]
    )
    return 100 if found else 0


@inline
def high_wave(o: Any, h: Any, lo: Any, c: Any, i: int, short: Any, very_long: Any) -> int:
    """Short body between very long shadows."""
    found = (
        body(o, c, i) < short[i]
        and upper_shadow(o, h, c, i) > very_long[i]
        and lower_shadow(o, lo, c, i) > very_long[i]
    )
    return colour(o, c, i) * 100 if found else 0


@inline
def spinning_top(o: Any, h: Any, lo: Any, c: Any, i: int, short: Any) -> int:
    """Short body between shadows that are longer than it."""
    size = body(o, c, i)
    found = size < short[i] and upper_shadow(o, h, c, i) > size and lower_shadow(o, lo, c, i) > size
    return colour(o, c, i) * 100 if found else 0


@inline
def has_hammer_shape(
    o: Any, h: Any, lo: Any, c: Any, i: int, short: Any, long: Any, tiny: Any
) -> bool:
    """Short body at the top of a long lower shadow."""
    return (
        body(o, c, i) < short[i]
        and lower_shadow(o, lo, c, i) > long[i]
        and upper_shadow(o, h, c, i) < tiny[i]
    )


@inline
def has_star_shape(
    o: Any, h: Any, lo: Any, c: Any, i: int, short: Any, long: Any, tiny: Any
) -> bool:
    """Short body at the bottom of a long upper shadow."""
    return (
        body(o, c, i) < short[i]
        and upper_shadow(o, h, c, i) > long[i]
        and lower_shadow(o, lo, c, i) < tiny[i]
    )


ONE_CANDLE: Final = (
    "CDLBELTHOLD",
    "CDLCLOSINGMARUBOZU",
    "CDLMARUBOZU",
    "CDLLONGLINE",
    "CDLSHORTLINE",
    "CDLDOJI",
    "CDLDRAGONFLYDOJI",
    "CDLGRAVESTONEDOJI",
    "CDLLONGLEGGEDDOJI",
    "CDLRICKSHAWMAN",
    "CDLTAKURI",
    "CDLHIGHWAVE",
    "CDLSPINNINGTOP",
)
"""Patterns of ``one_candle`` by number."""


@block
def one_candle(node: int, first: int, end: int) -> None:
    """Patterns of one candle; columns open, high, low, close, then the thresholds."""
    kind = integer(node, 0)
    o, h, lo, c = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    x, y, z = column(node, 4), column(node, 5), column(node, 6)
    result = column(node, integer(node, 1))
    for i in range(first, end):
        if kind == 0:
            found = belt_hold(o, h, lo, c, i, x, y)
        elif kind == 1:
            found = closing_marubozu(o, h, lo, c, i, x, y)
        elif kind <= 3:
            found = marubozu(o, h, lo, c, i, x, y)
        elif kind == 4:
            found = short_line(o, h, lo, c, i, x, y)
        elif kind == 5:
            found = doji(o, c, i, x)
        elif kind == 6:
            found = dragonfly_doji(o, h, lo, c, i, x, y)
        elif kind == 7:
            found = gravestone_doji(o, h, lo, c, i, x, y)
        elif kind == 8:
            found = long_legged_doji(o, h, lo, c, i, x, y)
        elif kind == 9:
            found = rickshaw_man(o, h, lo, c, i, x, y, z)
        elif kind == 10:
            found = takuri(o, h, lo, c, i, x, y, z)
        elif kind == 11:
            found = high_wave(o, h, lo, c, i, x, y)
        else:
            found = spinning_top(o, h, lo, c, i, x)
        result[i] = found


PLACED: Final = ("CDLHAMMER", "CDLHANGINGMAN", "CDLINVERTEDHAMMER", "CDLSHOOTINGSTAR")
"""Patterns of ``placed_candle`` by number."""


@block
def placed_candle(node: int, first: int, end: int) -> None:
    """Hammers and stars, told apart by where they stand to the candle before."""
    kind = integer(node, 0)
    o, h, lo, c = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    short, long, tiny, near = column(node, 4), column(node, 5), column(node, 6), column(node, 7)
    result = column(node, integer(node, 1))
    for i in range(first, end):
        found = 0
        if kind == 0:
            if has_hammer_shape(o, h, lo, c, i, short, long, tiny):
                found = 100 if bottom(o, c, i) <= lo[i - 1] + near[i - 1] else 0
        elif kind == 1:
            if has_hammer_shape(o, h, lo, c, i, short, long, tiny):
                found = -100 if bottom(o, c, i) >= h[i - 1] - near[i - 1] else 0
        elif kind == 2:
            if has_star_shape(o, h, lo, c, i, short, long, tiny):
                found = 100 if body_gaps_down(o, c, i, i - 1) else 0
        elif has_star_shape(o, h, lo, c, i, short, long, tiny):
            found = -100 if body_gaps_up(o, c, i, i - 1) else 0
        result[i] = found
