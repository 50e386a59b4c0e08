"""Candles of any length out of candles of one second."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SECOND_NS = 1_000_000_000


def join_candles(seconds: npt.NDArray[Any], interval_seconds: int) -> npt.NDArray[Any]:
    """Join candles of one second, oldest first, to candles of ``interval_seconds``.

    An interval begins at a multiple of its length since 1970, UTC. Intervals without a trade have
    no candle.
    """
    if interval_seconds == 1 or len(seconds) == 0:
        return seconds
    length_ns = interval_seconds * SECOND_NS
    opens = seconds["open_time_ns"] // length_ns * length_ns
    starts = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    ends = np.append(starts[1:], len(seconds)) - 1
    joined = np.empty(len(starts), dtype=seconds.dtype)
    joined["open_time_ns"] = opens[starts]
    joined["open_price_units"] = seconds["open_price_units"][starts]
    joined["close_price_units"] = seconds["close_price_units"][ends]
    joined["high_price_units"] = np.maximum.reduceat(seconds["high_price_units"], starts)
    joined["low_price_units"] = np.minimum.reduceat(seconds["low_price_units"], starts)
    for column in ("volume_quantity_units", "trade_count"):
        joined[column] = np.add.reduceat(seconds[column], starts)
    joined["sequence"] = seconds["sequence"][ends]
    return joined


def select_candles(
    candles: npt.NDArray[Any], start_time_ns: int | None, end_time_ns: int | None
) -> npt.NDArray[Any]:
    """Those whose interval begins at or after one moment and before another."""
    opens = candles["open_time_ns"]
    first = 0 if start_time_ns is None else int(np.searchsorted(opens, start_time_ns))
    last = len(candles) if end_time_ns is None else int(np.searchsorted(opens, end_time_ns))
    return candles[first:last]
