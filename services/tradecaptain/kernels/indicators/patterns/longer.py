"""Patterns of four and five candles, and those that wait for a confirmation.

Each predicate gives 100 (bullish), -100 (bearish) or 0. A threshold named ``short_3`` is for the
candle three bars back.

Prices are in the quotes' units; ``o``, ``h``, ``lo``, ``c`` are series, ``i`` the bar. Sources and
errors: as the package says.
"""

from __future__ import annotations

from typing import Any, Final

from tradecaptain.base.jit import inline
from tradecaptain.kernels.indicators.node import (
    block,
    column,
    integer,
    real,
    set_state,
    set_state_integer,
    state,
    state_integer,
)
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

CONFIRMATION_BARS: Final = 3


@inline
def three_black_crows(
    o: Any, h: Any, lo: Any, c: Any, i: int, tiny_2: Any, tiny_1: Any, tiny: Any
) -> int:
    """Three black candles that close near their lows, each opening within the one before."""
    found = (
        is_white(o, c, i - 3)
        and is_black(o, c, i - 2)
        and lower_shadow(o, lo, c, i - 2) < tiny_2[i - 2]
        and is_black(o, c, i - 1)
        and lower_shadow(o, lo, c, i - 1) < tiny_1[i - 1]
        and is_black(o, c, i)
        and lower_shadow(o, lo, c, i) < tiny[i]
        and o[i - 1] < o[i - 2]
        and o[i - 1] > c[i - 2]
        and o[i] < o[i - 1]
        and o[i] > c[i - 1]
        and h[i - 3] > c[i - 2]
        and c[i - 2] > c[i - 1]
        and c[i - 1] > c[i]
    )
    return -100 if found else 0


@inline
def three_line_strike(o: Any, c: Any, i: int, near_3: Any, near_2: Any) -> int:
    """Three candles in a row, then one that takes all of it back."""
    direction = colour(o, c, i - 1)
    if not (
        colour(o, c, i - 3) == direction
        and colour(o, c, i - 2) == direction
        and colour(o, c, i) == -direction
        and bottom(o, c, i - 3) - near_3[i - 3] <= o[i - 2] <= top(o, c, i - 3) + near_3[i - 3]
        and bottom(o, c, i - 2) - near_2[i - 2] <= o[i - 1] <= top(o, c, i - 2) + near_2[i - 2]
    ):
        return 0
    rose = c[i - 3] < c[i - 2] < c[i - 1] < o[i] and c[i] < o[i - 3]
    fell = c[i - 3] > c[i - 2] > c[i - 1] > o[i] and c[i] > o[i - 3]
    return direction * 100 if (direction > 0 and rose) or (direction < 0 and fell) else 0


@inline
def concealing_baby_swallow(
    o: Any, h: Any, lo: Any, c: Any, i: int, tiny_3: Any, tiny_2: Any, tiny_1: Any
) -> int:
    """Two black marubozu, a black candle that reaches back into them, and one that covers it."""
    found = (
        is_black(o, c, i - 3)
        and is_black(o, c, i - 2)
        and is_black(o, c, i - 1)
        and is_black(o, c, i)
        and lower_shadow(o, lo, c, i - 3) < tiny_3[i - 3]
        and upper_shadow(o, h, c, i - 3) < tiny_3[i - 3]
        and lower_shadow(o, lo, c, i - 2) < tiny_2[i - 2]
        and upper_shadow(o, h, c, i - 2) < tiny_2[i - 2]
        and body_gaps_down(o, c, i - 1, i - 2)
        and upper_shadow(o, h, c, i - 1) > tiny_1[i - 1]
        and h[i - 1] > c[i - 2]
        and h[i] > h[i - 1]
        and lo[i] < lo[i - 1]
    )
    return 100 if found else 0


@inline
def breakaway(o: Any, h: Any, lo: Any, c: Any, i: int, long_4: Any) -> int:
    """Gap that runs on for two candles and is taken back into."""
    direction = colour(o, c, i - 4)
    if not (
        body(o, c, i - 4) > long_4[i - 4]
        and colour(o, c, i - 3) == direction
        and colour(o, c, i - 1) == direction
        and colour(o, c, i) == -direction
    ):
        return 0
    if direction < 0:
        found = (
            body_gaps_down(o, c, i - 3, i - 4)
            and h[i - 1] < h[i - 2] < h[i - 3]
            and lo[i - 1] < lo[i - 2] < lo[i - 3]
            and o[i - 3] < c[i] < c[i - 4]
        )
    else:
        found = (
            body_gaps_up(o, c, i - 3, i - 4)
            and h[i - 1] > h[i - 2] > h[i - 3]
            and lo[i - 1] > lo[i - 2] > lo[i - 3]
            and o[i - 3] > c[i] > c[i - 4]
        )
    return colour(o, c, i) * 100 if found else 0


@inline
def ladder_bottom(o: Any, h: Any, c: Any, i: int, tiny_1: Any) -> int:
    """Three falling black candles, a black one with an upper shadow, then a white one above."""
    found = (
        is_black(o, c, i - 4)
        and is_black(o, c, i - 3)
        and is_black(o, c, i - 2)
        and o[i - 4] > o[i - 3] > o[i - 2]
        and c[i - 4] > c[i - 3] > c[i - 2]
        and is_black(o, c, i - 1)
        and upper_shadow(o, h, c, i - 1) > tiny_1[i - 1]
        and is_white(o, c, i)
        and o[i] > o[i - 1]
        and c[i] > h[i - 1]
    )
    return 100 if found else 0


@inline
def mat_hold(
    o: Any,
    h: Any,
    c: Any,
    i: int,
    long_4: Any,
    short_3: Any,
    short_2: Any,
    short_1: Any,
    penetration: float,
) -> int:
    """Long white candle, three short ones that fall back into it a little, a new high."""
    floor = c[i - 4] - body(o, c, i - 4) * penetration
    found = (
        body(o, c, i - 4) > long_4[i - 4]
        and body(o, c, i - 3) < short_3[i - 3]
        and body(o, c, i - 2) < short_2[i - 2]
        and body(o, c, i - 1) < short_1[i - 1]
        and is_white(o, c, i - 4)
        and is_black(o, c, i - 3)
        and is_white(o, c, i)
        and body_gaps_up(o, c, i - 3, i - 4)
        and floor < bottom(o, c, i - 2) < c[i - 4]
        and floor < bottom(o, c, i - 1) < c[i - 4]
        and top(o, c, i - 2) < o[i - 3]
        and top(o, c, i - 1) < top(o, c, i - 2)
        and o[i] > c[i - 1]
        and c[i] > max(max(h[i - 3], h[i - 2]), h[i - 1])
    )
    return 100 if found else 0


@inline
def lies_within(o: Any, h: Any, lo: Any, c: Any, i: int, outer: int) -> bool:
    """Whether a body overlaps the range of an earlier candle."""
    return bottom(o, c, i) < h[outer] and top(o, c, i) > lo[outer]


@inline
def three_methods(
    o: Any,
    h: Any,
    lo: Any,
    c: Any,
    i: int,
    long_4: Any,
    short_3: Any,
    short_2: Any,
    short_1: Any,
    long: Any,
) -> int:
    """Long candle, three short ones against it within its range, a long one that goes on."""
    direction = colour(o, c, i - 4)
    found = (
        body(o, c, i - 4) > long_4[i - 4]
        and body(o, c, i - 3) < short_3[i - 3]
        and body(o, c, i - 2) < short_2[i - 2]
        and body(o, c, i - 1) < short_1[i - 1]
        and body(o, c, i) > long[i]
        and colour(o, c, i - 3) == -direction
        and colour(o, c, i - 2) == -direction
        and colour(o, c, i - 1) == -direction
        and colour(o, c, i) == direction
        and lies_within(o, h, lo, c, i - 3, i - 4)
        and lies_within(o, h, lo, c, i - 2, i - 4)
        and lies_within(o, h, lo, c, i - 1, i - 4)
        and c[i - 2] * direction < c[i - 3] * direction
        and c[i - 1] * direction < c[i - 2] * direction
        and o[i] * direction > c[i - 1] * direction
        and c[i] * direction > c[i - 4] * direction
    )
    return direction * 100 if found else 0


LONGER: Final = (
    "CDL3BLACKCROWS",
    "CDL3LINESTRIKE",
    "CDLCONCEALBABYSWALL",
    "CDLBREAKAWAY",
    "CDLLADDERBOTTOM",
    "CDLMATHOLD",
    "CDLRISEFALL3METHODS",
)
"""Patterns of ``longer`` by number."""


@block
def longer(node: int, first: int, end: int) -> None:
    """Patterns of four and five candles; columns OHLC, then the thresholds."""
    kind, penetration = integer(node, 0), real(node, 0)
    o, h, lo, c = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    v, w, x = column(node, 4), column(node, 5), column(node, 6)
    y, z = column(node, 7), column(node, 8)
    result = column(node, integer(node, 1))
    for i in range(first, end):
        if kind == 0:
            found = three_black_crows(o, h, lo, c, i, v, w, x)
        elif kind == 1:
            found = three_line_strike(o, c, i, v, w)
        elif kind == 2:
            found = concealing_baby_swallow(o, h, lo, c, i, v, w, x)
        elif kind == 3:
            found = breakaway(o, h, lo, c, i, v)
        elif kind == 4:
            found = ladder_bottom(o, h, c, i, v)
        elif kind == 5:
            found = mat_hold(o, h, c, i, v, w, x, y, penetration)
        else:
            found = three_methods(o, h, lo, c, i, v, w, x, y, z)
        result[i] = found


@inline
def hikkake(h: Any, lo: Any, i: int) -> int:
    """Inside bar, then a bar whose high and low both move away from it."""
    if not (h[i - 1] < h[i - 2] and lo[i - 1] > lo[i - 2]):
        return 0
    if h[i] < h[i - 1] and lo[i] < lo[i - 1]:
        return 100
    return -100 if h[i] > h[i - 1] and lo[i] > lo[i - 1] else 0


@inline
def modified_hikkake(h: Any, lo: Any, c: Any, i: int, near_2: Any) -> int:
    """Hikkake whose first inside bar closes near an end, within another inside bar."""
    if not (h[i - 2] < h[i - 3] and lo[i - 2] > lo[i - 3]):
        return 0
    found = hikkake(h, lo, i)
    if found > 0:
        return found if c[i - 2] <= lo[i - 2] + near_2[i - 2] else 0
    return found if c[i - 2] >= h[i - 2] - near_2[i - 2] else 0


@block
def confirmed_trap(node: int, first: int, end: int) -> None:
    """Hikkake, or its modified form if integer 0 is set: 100 or -100 where it is seen.

    A close beyond the inside bar within three bars confirms it, once: 200 or -200. Columns high,
    low, close, threshold of near.
    """
    is_modified = integer(node, 0)
    h, lo, c, near = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    result = column(node, 4)
    bars_left, found = state_integer(node, 0), state_integer(node, 1)
    ceiling, floor = state(node, 2), state(node, 3)
    for i in range(first, end):
        seen_now = modified_hikkake(h, lo, c, i, near) if is_modified != 0 else hikkake(h, lo, i)
        told = 0
        if seen_now != 0:
            found, bars_left = seen_now, CONFIRMATION_BARS
            ceiling, floor = h[i - 1], lo[i - 1]
            told = found
        elif bars_left > 0:
            bars_left -= 1
            if (found > 0 and c[i] > ceiling) or (found < 0 and c[i] < floor):
                told = 2 * found
                bars_left = 0
        result[i] = told
    set_state_integer(node, 0, bars_left)
    set_state_integer(node, 1, found)
    set_state(node, 2, ceiling)
    set_state(node, 3, floor)
