"""Blocks that hand values on.

Source of ``chosen``: TA-Lib 0.8.1's MAVP.
"""

from __future__ import annotations

from tradecaptain.kernels.indicators.node import block, column, integer


@block
def copied(node: int, first: int, end: int) -> None:
    """x itself."""
    x, result = column(node, 0), column(node, 1)
    for i in range(first, end):
        result[i] = x[i]


@block
def chosen(node: int, first: int, end: int) -> None:
    """Takes x where the wanted period is integer 0, and what was chosen so far elsewhere.

    Periods are cut off to whole numbers and held within integer 1 … integer 2. Columns wanted
    period, x, chosen so far.
    """
    period, lowest, highest = integer(node, 0), integer(node, 1), integer(node, 2)
    wanted, x, before, result = column(node, 0), column(node, 1), column(node, 2), column(node, 3)
    for i in range(first, end):
        asked = min(max(int(wanted[i]), lowest), highest)
        result[i] = x[i] if asked == period else before[i]
