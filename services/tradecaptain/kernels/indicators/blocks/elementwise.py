"""Blocks whose result at a bar depends on that bar alone.

Columns are the inputs in the order named, then the results. With the JIT off the same code runs in
Python, bar by bar.

Sources: TA-Lib 0.8.1, for what a quotient without a divisor is; the definitions that use a block.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from tradecaptain.kernels.indicators.node import block, column, integer, real

FUNCTIONS: Final = (
    "ACOS",
    "ASIN",
    "ATAN",
    "CEIL",
    "COS",
    "COSH",
    "EXP",
    "FLOOR",
    "LN",
    "LOG10",
    "SIN",
    "SINH",
    "SQRT",
    "TAN",
    "TANH",
)
"""Names of the functions that ``function_of`` knows, by number."""

ADD: Final = 0
SUBTRACT: Final = 1
MULTIPLY: Final = 2
DIVIDE: Final = 3


@block
def function_of(node: int, first: int, end: int) -> None:
    """An elementary function of x; integer 0 is its place in ``FUNCTIONS``."""
    kind = integer(node, 0)
    x, result = column(node, 0), column(node, 1)
    for i in range(first, end):
        value = x[i]
        if kind == 0:
            result[i] = np.arccos(value)
        elif kind == 1:
            result[i] = np.arcsin(value)
        elif kind == 2:
            result[i] = np.arctan(value)
        elif kind == 4:
            result[i] = np.cos(value)
        elif kind == 5:
            result[i] = np.cosh(value)
        elif kind == 6:
            result[i] = np.exp(value)
        elif kind == 8:
            result[i] = np.log(value)
        elif kind == 9:
            result[i] = np.log10(value)
        elif kind == 10:
            result[i] = np.sin(value)
        elif kind == 11:
            result[i] = np.sinh(value)
        elif kind == 13:
            result[i] = np.tan(value)
        elif kind == 14:
            result[i] = np.tanh(value)


@block
def rounding_of(node: int, first: int, end: int) -> None:
    """Ceiling, floor or square root of x, which are single instructions."""
    kind = integer(node, 0)
    x, result = column(node, 0), column(node, 1)
    if kind == 3:
        for i in range(first, end):
            result[i] = np.ceil(x[i])
    elif kind == 7:
        for i in range(first, end):
            result[i] = np.floor(x[i])
    else:
        for i in range(first, end):
            result[i] = np.sqrt(x[i])


@block
def arithmetic(node: int, first: int, end: int) -> None:
    """x and y added, subtracted, multiplied or divided, as integer 0 says."""
    kind = integer(node, 0)
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    if kind == ADD:
        for i in range(first, end):
            result[i] = x[i] + y[i]
    elif kind == SUBTRACT:
        for i in range(first, end):
            result[i] = x[i] - y[i]
    elif kind == MULTIPLY:
        for i in range(first, end):
            result[i] = x[i] * y[i]
    else:
        for i in range(first, end):
            result[i] = x[i] / y[i]


@block
def combination(node: int, first: int, end: int) -> None:
    """Sum of up to four columns, weighted by the reals; integer 0 is their number."""
    count = integer(node, 0)
    a, b, c, d = real(node, 0), real(node, 1), real(node, 2), real(node, 3)
    w, x, result = column(node, 0), column(node, 1), column(node, count)
    if count == 1:
        for i in range(first, end):
            result[i] = a * w[i]
    elif count == 2:
        for i in range(first, end):
            result[i] = a * w[i] + b * x[i]
    elif count == 3:
        y = column(node, 2)
        for i in range(first, end):
            result[i] = a * w[i] + b * x[i] + c * y[i]
    else:
        y, z = column(node, 2), column(node, 3)
        for i in range(first, end):
            result[i] = a * w[i] + b * x[i] + c * y[i] + d * z[i]


@block
def scaled(node: int, first: int, end: int) -> None:
    """Real 0 times x plus real 1."""
    factor, offset = real(node, 0), real(node, 1)
    x, result = column(node, 0), column(node, 1)
    for i in range(first, end):
        result[i] = factor * x[i] + offset


@block
def mean_price(node: int, first: int, end: int) -> None:
    """Mean of two, three or four prices; integer 0 is their number."""
    count = integer(node, 0)
    w, x, result = column(node, 0), column(node, 1), column(node, count)
    if count == 2:
        for i in range(first, end):
            result[i] = (w[i] + x[i]) / 2.0
    elif count == 3:
        y = column(node, 2)
        for i in range(first, end):
            result[i] = (w[i] + x[i] + y[i]) / 3.0
    else:
        y, z = column(node, 2), column(node, 3)
        for i in range(first, end):
            result[i] = (w[i] + x[i] + y[i] + z[i]) / 4.0


@block
def ratio(node: int, first: int, end: int) -> None:
    """Real 0 times x / y; real 1 where y is 0 or its size is below real 2."""
    scale, fallback, tiny = real(node, 0), real(node, 1), real(node, 2)
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        divisor = y[i]
        usable = (abs(divisor) >= tiny) & (divisor != 0.0)
        result[i] = scale * (x[i] / (divisor if usable else 1.0)) if usable else fallback


@block
def share_of_sum(node: int, first: int, end: int) -> None:
    """Real 0 times x / (x + y); real 1 where the sum's size is below real 2 or 0."""
    scale, fallback, tiny = real(node, 0), real(node, 1), real(node, 2)
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        divisor = x[i] + y[i]
        usable = (abs(divisor) >= tiny) & (divisor != 0.0)
        result[i] = scale * (x[i] / (divisor if usable else 1.0)) if usable else fallback


@block
def balance(node: int, first: int, end: int) -> None:
    """100 (x - y) / (x + y), or its size if integer 0 is set; 0 where the sum is tiny (real 0)."""
    is_size, tiny = integer(node, 0), real(node, 0)
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        divisor = x[i] + y[i]
        usable = (abs(divisor) >= tiny) & (divisor != 0.0)
        difference = x[i] - y[i]
        top = abs(difference) if is_size != 0 else difference
        result[i] = 100.0 * (top / (divisor if usable else 1.0)) if usable else 0.0


@block
def percent_difference(node: int, first: int, end: int) -> None:
    """100 (x - y) / y; 0 where y is 0."""
    x, y, result = column(node, 0), column(node, 1), column(node, 2)
    for i in range(first, end):
        divisor = y[i]
        usable = divisor != 0.0
        result[i] = (x[i] - divisor) / (divisor if usable else 1.0) * 100.0 if usable else 0.0


@block
def place_in_range(node: int, first: int, end: int) -> None:
    """Where x lies between low and high: real 0 times (x - base) / (high - low).

    0 in a range narrower than real 1 times the values it lies between. The base is the low, or the
    high if integer 0 is set. Columns x, high, low.
    """
    from_high, scale, flat = integer(node, 0), real(node, 0), real(node, 1)
    x, high, low, result = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        width = high[i] - low[i]
        usable = (width != 0.0) & (abs(width) >= flat * (abs(high[i]) + abs(low[i])))
        base = high[i] if from_high != 0 else low[i]
        result[i] = scale * ((x[i] - base) / (width if usable else 1.0)) if usable else 0.0


@block
def band(node: int, first: int, end: int) -> None:
    """Centre plus real 0, and minus real 1, times width. Columns centre, width, upper, lower."""
    above, below = real(node, 0), real(node, 1)
    centre, width = column(node, 0), column(node, 1)
    upper, lower = column(node, 2), column(node, 3)
    for i in range(first, end):
        upper[i] = centre[i] + above * width[i]
        lower[i] = centre[i] - below * width[i]


@block
def balance_of_power(node: int, first: int, end: int) -> None:
    """(close - open) / (high - low), 0 where the range is below 1e-14. Columns in order OHLC."""
    opens, high, low, close = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    result = column(node, 4)
    for i in range(first, end):
        width = high[i] - low[i]
        usable = width >= 1e-14
        result[i] = (close[i] - opens[i]) / (width if usable else 1.0) if usable else 0.0


@block
def money_flow_volume(node: int, first: int, end: int) -> None:
    """Volume times the place of the close in its range, -1 … 1; 0 without a range.

    Columns high, low, close, volume.
    """
    high, low, close, volume = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    result = column(node, 4)
    for i in range(first, end):
        width = high[i] - low[i]
        usable = width > 0.0
        place = ((close[i] - low[i]) - (high[i] - close[i])) / (width if usable else 1.0)
        result[i] = place * volume[i] if usable else 0.0


@block
def acceleration_bands(node: int, first: int, end: int) -> None:
    """Price stretched by its range before it is averaged. Columns high, low, upper, lower."""
    high, low, upper, lower = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        total = high[i] + low[i]
        usable = total != 0.0
        stretch = 4.0 * (high[i] - low[i]) / (total if usable else 1.0) if usable else 0.0
        upper[i] = high[i] * (1.0 + stretch)
        lower[i] = low[i] * (1.0 - stretch)


@block
def sines_of_phase(node: int, first: int, end: int) -> None:
    """Sine of an angle in degrees, and of one 45 degrees further."""
    phase, sine, lead = column(node, 0), column(node, 1), column(node, 2)
    degree = np.pi / 180.0
    for i in range(first, end):
        sine[i] = np.sin(phase[i] * degree)
        lead[i] = np.sin((phase[i] + 45.0) * degree)


@block
def angle_of_slope(node: int, first: int, end: int) -> None:
    """Arc tangent in degrees."""
    slope, result = column(node, 0), column(node, 1)
    degrees = 180.0 / np.pi
    for i in range(first, end):
        result[i] = np.arctan(slope[i]) * degrees


@block
def directional_index(node: int, first: int, end: int) -> None:
    """Wilder's index, how far movement up and down differ, 0 … 100; NaN without any movement.

    Columns movement up, movement down, true range, all summed.
    """
    up, down, width, result = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        total = up[i] + down[i]
        usable = (width[i] != 0.0) & (total != 0.0)
        index = 100.0 * (abs(up[i] - down[i]) / (total if usable else 1.0))
        result[i] = index if usable else np.nan
