"""History of one instrument as one block of columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.columns import CANDLE_COLUMNS, DEPTH_COLUMNS, build_block
from tradecaptain.base.instruments import Instrument

CANDLE_FIELDS = (
    "open_time_ns",
    "open_price_units",
    "high_price_units",
    "low_price_units",
    "close_price_units",
    "volume_quantity_units",
    "trade_count",
)
DEPTH_FIELDS = (
    "event_time_ns",
    "publish_time_ns",
    "sequence",
    "price_units",
    "quantity_units",
    "order_count",
)


def _unit_scalars(instrument: Instrument) -> dict[str, int]:
    return {
        "instrument_id": instrument.instrument_id,
        "price_unit_numerator": instrument.price_unit.numerator,
        "price_unit_denominator": instrument.price_unit.denominator,
        "quantity_unit_numerator": instrument.quantity_unit.numerator,
        "quantity_unit_denominator": instrument.quantity_unit.denominator,
    }


def candle_block(
    instrument: Instrument,
    candles: npt.NDArray[Any],
    interval_seconds: int,
    epoch: int,
    sequence: int,
) -> bytes:
    """Candles, oldest first."""
    scalars = {
        **_unit_scalars(instrument),
        "interval_seconds": interval_seconds,
        "epoch": epoch,
        "sequence": sequence,
    }
    return build_block(
        CANDLE_COLUMNS,
        scalars,
        {name: np.ascontiguousarray(candles[name]) for name in CANDLE_FIELDS},
    )


def depth_block(instrument: Instrument, rows: npt.NDArray[Any], epoch: int) -> bytes:
    """Depth changes, oldest first. A row of side zero says that the book was cleared."""
    columns: dict[str, npt.NDArray[Any]] = {
        name: np.ascontiguousarray(rows[name]) for name in DEPTH_FIELDS
    }
    columns["side"] = rows["side"].astype(np.uint8)
    columns["flags"] = (rows["flags"] & 0xF).astype(np.uint8)
    return build_block(DEPTH_COLUMNS, {**_unit_scalars(instrument), "epoch": epoch}, columns)
