"""Patterns of three candles.

Each predicate gives 100 (bullish), -100 (bearish) or 0. A threshold named ``near_2`` is for the
candle two bars back.

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
def two_crows(o: Any, c: Any, i: int, long_2: Any) -> int:
    """Black candle that opens within the gapping black one before and closes in the white."""
    found = (
        is_white(o, c, i - 2)
        and body(o, c, i - 2) > long_2[i - 2]
        and is_black(o, c, i - 1)
        and body_gaps_up(o, c, i - 1, i - 2)
        and is_black(o, c, i)
        and o[i] < o[i - 1]
        and o[i] > c[i - 1]
        and c[i] > o[i - 2]
        and c[i] < c[i - 2]
    )
    return -100 if found else 0


@inline
def three_inside(o: Any, c: Any, i: int, long_2: Any, short_1: Any) -> int:
    """Short body within a long one, then a candle that closes beyond the long one's open."""
    if not (
        body(o, c, i - 2) > long_2[i - 2]
        and body(o, c, i - 1) <= short_1[i - 1]
        and top(o, c, i - 1) < top(o, c, i - 2)
        and bottom(o, c, i - 1) > bottom(o, c, i - 2)
    ):
        return 0
    falls = is_white(o, c, i - 2) and is_black(o, c, i) and c[i] < o[i - 2]
    rises = is_black(o, c, i - 2) and is_white(o, c, i) and c[i] > o[i - 2]
    return -colour(o, c, i - 2) * 100 if falls or rises else 0


@inline
def three_outside(o: Any, c: Any, i: int) -> int:
    """Engulfing pair, then a close further on."""
    rises = (
        is_white(o, c, i - 1)
        and is_black(o, c, i - 2)
        and c[i - 1] > o[i - 2]
        and o[i - 1] < c[i - 2]
        and c[i] > c[i - 1]
    )
    falls = (
        is_black(o, c, i - 1)
        and is_white(o, c, i - 2)
        and o[i - 1] > c[i - 2]
        and c[i - 1] < o[i - 2]
        and c[i] < c[i - 1]
    )
    return colour(o, c, i - 1) * 100 if rises or falls else 0


@inline
def three_stars_in_the_south(
    o: Any,
    h: Any,
    lo: Any,
    c: Any,
    i: int,
    long_2: Any,
    shadow_2: Any,
    tiny_1: Any,
    tiny: Any,
    short: Any,
) -> int:
    """Three black candles that shrink inside one another."""
    found = (
        is_black(o, c, i - 2)
        and is_black(o, c, i - 1)
        and is_black(o, c, i)
        and body(o, c, i - 2) > long_2[i - 2]
        and lower_shadow(o, lo, c, i - 2) > shadow_2[i - 2]
        and body(o, c, i - 1) < body(o, c, i - 2)
        and o[i - 1] > c[i - 2]
        and o[i - 1] <= h[i - 2]
        and lo[i - 1] < c[i - 2]
        and lo[i - 1] >= lo[i - 2]
        and lower_shadow(o, lo, c, i - 1) > tiny_1[i - 1]
        and body(o, c, i) < short[i]
        and lower_shadow(o, lo, c, i) < tiny[i]
        and upper_shadow(o, h, c, i) < tiny[i]
        and lo[i] > lo[i - 1]
        and h[i] < h[i - 1]
    )
    return 100 if found else 0


@inline
def are_white_and_rise(o: Any, c: Any, i: int) -> bool:
    """Three white candles with rising closes."""
    return (
        is_white(o, c, i - 2)
        and is_white(o, c, i - 1)
        and is_white(o, c, i)
        and c[i] > c[i - 1]
        and c[i - 1] > c[i - 2]
    )


@inline
def opens_within_or_near(o: Any, c: Any, i: int, near: Any) -> bool:
    """Whether a candle opens within the white body before or barely above it."""
    return o[i] > o[i - 1] and o[i] <= c[i - 1] + near[i - 1]


@inline
def three_white_soldiers(
    o: Any,
    h: Any,
    c: Any,
    i: int,
    tiny_2: Any,
    tiny_1: Any,
    tiny: Any,
    near_2: Any,
    near_1: Any,
    far_2: Any,
    far_1: Any,
    short: Any,
) -> int:
    """Three white candles that rise evenly and close near their highs."""
    found = (
        are_white_and_rise(o, c, i)
        and upper_shadow(o, h, c, i - 2) < tiny_2[i - 2]
        and upper_shadow(o, h, c, i - 1) < tiny_1[i - 1]
        and upper_shadow(o, h, c, i) < tiny[i]
        and opens_within_or_near(o, c, i - 1, near_2)
        and opens_within_or_near(o, c, i, near_1)
        and body(o, c, i - 1) > body(o, c, i - 2) - far_2[i - 2]
        and body(o, c, i) > body(o, c, i - 1) - far_1[i - 1]
        and body(o, c, i) > short[i]
    )
    return 100 if found else 0


@inline
def advance_block(
    o: Any,
    h: Any,
    c: Any,
    i: int,
    near_2: Any,
    near_1: Any,
    far_2: Any,
    far_1: Any,
    long_2: Any,
    shadow_2: Any,
    shadow_1: Any,
    shadow: Any,
    long_shadow: Any,
) -> int:
    """Three white candles whose rise weakens."""
    if not (
        are_white_and_rise(o, c, i)
        and opens_within_or_near(o, c, i - 1, near_2)
        and opens_within_or_near(o, c, i, near_1)
        and body(o, c, i - 2) > long_2[i - 2]
        and upper_shadow(o, h, c, i - 2) < shadow_2[i - 2]
    ):
        return 0
    first, second, third = body(o, c, i - 2), body(o, c, i - 1), body(o, c, i)
    weakens = (
        (second < first - far_2[i - 2] and third < second + near_1[i - 1])
        or third < second - far_1[i - 1]
        or (
            third < second
            and second < first
            and (
                upper_shadow(o, h, c, i) > shadow[i]
                or upper_shadow(o, h, c, i - 1) > shadow_1[i - 1]
            )
        )
        or (third < second and upper_shadow(o, h, c, i) > long_shadow[i])
    )
    return -100 if weakens else 0


@inline
def stalled_pattern(
    o: Any,
    h: Any,
    c: Any,
    i: int,
    long_2: Any,
    long_1: Any,
    tiny_1: Any,
    near_2: Any,
    near_1: Any,
    short: Any,
) -> int:
    """Two long white candles and a short one that rides on the second's shoulder."""
    found = (
        are_white_and_rise(o, c, i)
        and body(o, c, i - 2) > long_2[i - 2]
        and body(o, c, i - 1) > long_1[i - 1]
        and upper_shadow(o, h, c, i - 1) < tiny_1[i - 1]
        and opens_within_or_near(o, c, i - 1, near_2)
        and body(o, c, i) < short[i]
        and o[i] >= c[i - 1] - body(o, c, i) - near_1[i - 1]
    )
    return -100 if found else 0


@inline
def abandoned_baby(
    o: Any,
    h: Any,
    lo: Any,
    c: Any,
    i: int,
    long_2: Any,
    none_1: Any,
    short: Any,
    penetration: float,
) -> int:
    """Doji with gaps on both sides, shadows included."""
    if not (
        body(o, c, i - 2) > long_2[i - 2]
        and body(o, c, i - 1) <= none_1[i - 1]
        and body(o, c, i) > short[i]
    ):
        return 0
    reach = body(o, c, i - 2) * penetration
    falls = (
        is_white(o, c, i - 2)
        and is_black(o, c, i)
        and c[i] < c[i - 2] - reach
        and lo[i - 1] > h[i - 2]
        and h[i] < lo[i - 1]
    )
    rises = (
        is_black(o, c, i - 2)
        and is_white(o, c, i)
        and c[i] > c[i - 2] + reach
        and h[i - 1] < lo[i - 2]
        and lo[i] > h[i - 1]
    )
    return colour(o, c, i) * 100 if falls or rises else 0


@inline
def evening_star(
    o: Any, c: Any, i: int, long_2: Any, small_1: Any, short: Any, penetration: float
) -> int:
    """Small body that gaps above a long white one, then a fall into it."""
    found = (
        body(o, c, i - 2) > long_2[i - 2]
        and is_white(o, c, i - 2)
        and body(o, c, i - 1) <= small_1[i - 1]
        and body_gaps_up(o, c, i - 1, i - 2)
        and body(o, c, i) > short[i]
        and is_black(o, c, i)
        and c[i] < c[i - 2] - body(o, c, i - 2) * penetration
    )
    return -100 if found else 0


@inline
def morning_star(
    o: Any, c: Any, i: int, long_2: Any, small_1: Any, short: Any, penetration: float
) -> int:
    """Small body that gaps below a long black one, then a rise into it."""
    found = (
        body(o, c, i - 2) > long_2[i - 2]
        and is_black(o, c, i - 2)
        and body(o, c, i - 1) <= small_1[i - 1]
        and body_gaps_down(o, c, i - 1, i - 2)
        and body(o, c, i) > short[i]
        and is_white(o, c, i)
        and c[i] > c[i - 2] + body(o, c, i - 2) * penetration
    )
    return 100 if found else 0


@inline
def gap_side_by_side_white(o: Any, c: Any, i: int, near_1: Any, equal_1: Any) -> int:
    """Two like white candles beyond a gap."""
    rises = body_gaps_up(o, c, i - 1, i - 2) and body_gaps_up(o, c, i, i - 2)
    falls = body_gaps_down(o, c, i - 1, i - 2) and body_gaps_down(o, c, i, i - 2)
    found = (
        (rises or falls)
        and is_white(o, c, i - 1)
        and is_white(o, c, i)
        and is_near(body(o, c, i), body(o, c, i - 1), near_1[i - 1])
        and is_near(o[i], o[i - 1], equal_1[i - 1])
    )
    if not found:
        return 0
    return 100 if rises else -100


@inline
def identical_three_crows(
    o: Any,
    lo: Any,
    c: Any,
    i: int,
    tiny_2: Any,
    tiny_1: Any,
    tiny: Any,
    equal_2: Any,
    equal_1: Any,
) -> int:
    """Three black candles, each opening at the close before."""
    found = (
        is_black(o, c, i - 2)
        and lower_shadow(o, lo, c, i - 2) < tiny_2[i - 2]
        and is_black(o, c, i - 1)
        and lower_shadow(o, lo, c, i - 1) < tiny_1[i - 1]
        and is_black(o, c, i)
        and lower_shadow(o, lo, c, i) < tiny[i]
        and c[i - 2] > c[i - 1]
        and c[i - 1] > c[i]
        and is_near(o[i - 1], c[i - 2], equal_2[i - 2])
        and is_near(o[i], c[i - 1], equal_1[i - 1])
    )
    return -100 if found else 0


@inline
def stick_sandwich(o: Any, lo: Any, c: Any, i: int, equal_2: Any) -> int:
    """White candle between two black ones that close at the same price."""
    found = (
        is_black(o, c, i - 2)
        and is_white(o, c, i - 1)
        and is_black(o, c, i)
        and lo[i - 1] > c[i - 2]
        and is_near(c[i], c[i - 2], equal_2[i - 2])
    )
    return 100 if found else 0


@inline
def tasuki_gap(o: Any, c: Any, i: int, near_1: Any) -> int:
    """Candle that goes back into a gap without closing it."""
    alike = abs(body(o, c, i - 1) - body(o, c, i)) < near_1[i - 1]
    rises = (
        body_gaps_up(o, c, i - 1, i - 2)
        and is_white(o, c, i - 1)
        and is_black(o, c, i)
        and o[i] < c[i - 1]
        and o[i] > o[i - 1]
        and c[i] < o[i - 1]
        and c[i] > top(o, c, i - 2)
        and alike
    )
    falls = (
        body_gaps_down(o, c, i - 1, i - 2)
        and is_black(o, c, i - 1)
        and is_white(o, c, i)
        and o[i] < o[i - 1]
        and o[i] > c[i - 1]
        and c[i] > o[i - 1]
        and c[i] < bottom(o, c, i - 2)
        and alike
    )
    return colour(o, c, i - 1) * 100 if rises or falls else 0


@inline
def tristar(o: Any, c: Any, i: int, none_2: Any) -> int:
    """Three doji, the middle one beyond a gap; one measure holds for all three."""
    limit = none_2[i - 2]
    if not (body(o, c, i - 2) <= limit and body(o, c, i - 1) <= limit and body(o, c, i) <= limit):
        return 0
    found = 0
    if body_gaps_up(o, c, i - 1, i - 2) and top(o, c, i) < top(o, c, i - 1):
        found = -100
    if body_gaps_down(o, c, i - 1, i - 2) and bottom(o, c, i) > bottom(o, c, i - 1):
        found = 100
    return found


@inline
def unique_three_river(o: Any, lo: Any, c: Any, i: int, long_2: Any, short: Any) -> int:
    """Long black candle, a black one within with a lower low, a short white one above that low."""
    found = (
        body(o, c, i - 2) > long_2[i - 2]
        and is_black(o, c, i - 2)
        and is_black(o, c, i - 1)
        and c[i - 1] > c[i - 2]
        and o[i - 1] <= o[i - 2]
        and lo[i - 1] < lo[i - 2]
        and body(o, c, i) < short[i]
        and is_white(o, c, i)
        and o[i] > lo[i - 1]
    )
    return 100 if found else 0


@inline
def upside_gap_two_crows(o: Any, c: Any, i: int, long_2: Any, short_1: Any) -> int:
    """Two black candles above a gap, the second engulfing the first."""
    found = (
        is_white(o, c, i - 2)
        and body(o, c, i - 2) > long_2[i - 2]
        and is_black(o, c, i - 1)
        and body(o, c, i - 1) <= short_1[i - 1]
        and body_gaps_up(o, c, i - 1, i - 2)
        and is_black(o, c, i)
        and o[i] > o[i - 1]
        and c[i] < c[i - 1]
        and c[i] > c[i - 2]
    )
    return -100 if found else 0


@inline
def gap_three_methods(o: Any, c: Any, i: int) -> int:
    """Candle that fills the gap between two of the other colour."""
    gaps = (is_white(o, c, i - 2) and body_gaps_up(o, c, i - 1, i - 2)) or (
        is_black(o, c, i - 2) and body_gaps_down(o, c, i - 1, i - 2)
    )
    found = (
        colour(o, c, i - 2) == colour(o, c, i - 1)
        and colour(o, c, i - 1) == -colour(o, c, i)
        and o[i] < top(o, c, i - 1)
        and o[i] > bottom(o, c, i - 1)
        and c[i] < top(o, c, i - 2)
        and c[i] > bottom(o, c, i - 2)
        and gaps
    )
    return colour(o, c, i - 2) * 100 if found else 0


STARS: Final = (
    "CDL2CROWS",
    "CDL3INSIDE",
    "CDL3OUTSIDE",
    "CDLABANDONEDBABY",
    "CDLEVENINGDOJISTAR",
    "CDLEVENINGSTAR",
    "CDLMORNINGDOJISTAR",
    "CDLMORNINGSTAR",
    "CDLTRISTAR",
    "CDLUNIQUE3RIVER",
    "CDLUPSIDEGAP2CROWS",
)
"""Patterns of ``stars`` by number."""


@block
def stars(node: int, first: int, end: int) -> None:
    """Patterns that turn on a small middle candle or a gap; columns OHLC, then the thresholds."""
    kind, penetration = integer(node, 0), real(node, 0)
    o, h, lo, c = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    x, y, z = column(node, 4), column(node, 5), column(node, 6)
    result = column(node, integer(node, 1))
    for i in range(first, end):
        if kind == 0:
            found = two_crows(o, c, i, x)
        elif kind == 1:
            found = three_inside(o, c, i, x, y)
        elif kind == 2:
            found = three_outside(o, c, i)
        elif kind == 3:
            found = abandoned_baby(o, h, lo, c, i, x, y, z, penetration)
        elif kind <= 5:
            found = evening_star(o, c, i, x, y, z, penetration)
        elif kind <= 7:
            found = morning_star(o, c, i, x, y, z, penetration)
        elif kind == 8:
            found = tristar(o, c, i, x)
        elif kind == 9:
            found = unique_three_river(o, lo, c, i, x, y)
        else:
            found = upside_gap_two_crows(o, c, i, x, y)
        result[i] = found


SOLDIERS: Final = (
    "CDL3STARSINSOUTH",
    "CDL3WHITESOLDIERS",
    "CDLADVANCEBLOCK",
    "CDLSTALLEDPATTERN",
    "CDLIDENTICAL3CROWS",
    "CDLGAPSIDESIDEWHITE",
    "CDLSTICKSANDWICH",
    "CDLTASUKIGAP",
    "CDLXSIDEGAP3METHODS",
)
"""Patterns of ``soldiers`` by number."""


@block
def soldiers(node: int, first: int, end: int) -> None:
    """Patterns of three candles in a row; columns OHLC, then the thresholds."""
    kind = integer(node, 0)
    o, h, lo, c = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    p, q, r, s = column(node, 4), column(node, 5), column(node, 6), column(node, 7)
    t, u, v, w = column(node, 8), column(node, 9), column(node, 10), column(node, 11)
    x = column(node, 12)
    result = column(node, integer(node, 1))
    for i in range(first, end):
        if kind == 0:
            found = three_stars_in_the_south(o, h, lo, c, i, p, q, r, s, t)
        elif kind == 1:
            found = three_white_soldiers(o, h, c, i, p, q, r, s, t, u, v, w)
        elif kind == 2:
            found = advance_block(o, h, c, i, p, q, r, s, t, u, v, w, x)
        elif kind == 3:
            found = stalled_pattern(o, h, c, i, p, q, r, s, t, u)
        elif kind == 4:
            found = identical_three_crows(o, lo, c, i, p, q, r, s, t)
        elif kind == 5:
            found = gap_side_by_side_white(o, c, i, p, q)
        elif kind == 6:
            found = stick_sandwich(o, lo, c, i, p)
        elif kind == 7:
            found = tasuki_gap(o, c, i, p)
        else:
            found = gap_three_methods(o, c, i)
        result[i] = found
