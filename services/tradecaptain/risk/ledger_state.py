"""Memory of the ledger: what each account holds and has working, by instrument.

The tables are those of the risk gate (open addressing, first word is the key), so that the compiled
update can keep pace with the book.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.kernels.risk_gate.layout import TABLE_DTYPE, offset_of

PAIR_DTYPE = np.dtype(
    [
        ("key", "i8"),
        ("position", "i8"),
        ("bought", "i8"),
        ("sold", "i8"),
        ("working_buy", "i8"),
        ("working_sell", "i8"),
        ("open_order_count", "i8"),
        ("cost", "i8"),  # price units x signed quantity units of what is still open
        ("realised", "i8"),  # price units x quantity units
        ("flags", "i8"),
    ]
)
ORDER_DTYPE = np.dtype([("key", "i8"), ("leaves", "i8"), ("pair", "i8"), ("side", "i8")])
ACCOUNT_DTYPE = np.dtype(
    [("key", "i8"), ("last_sequence", "i8"), ("flags", "i8"), ("reserved", "i8")]
)
INSTRUMENT_DTYPE = np.dtype([("key", "i8"), ("last_price", "i8")])
HEADER_DTYPE = np.dtype(
    [
        ("pairs", TABLE_DTYPE),
        ("orders", TABLE_DTYPE),
        ("accounts", TABLE_DTYPE),
        ("instruments", TABLE_DTYPE),
        ("epoch", "i8"),
        ("last_sequence", "i8"),
        ("event_count", "i8"),
        ("lost_event_count", "i8"),
        ("overflow_count", "i8"),
        ("reserved", "i8", 3),
    ]
)

FLAG_DIRTY = 1
"""The row changed since it was last written to the store."""
FLAG_VALUE_LOST = 2
"""Cost and profit of the pair no longer fit, or a position was set from outside."""
FLAG_INCOMPLETE = 2
"""Events of the account were lost: its positions can't be trusted."""

HEADER_PAIRS = offset_of(HEADER_DTYPE, "pairs")
HEADER_ORDERS = offset_of(HEADER_DTYPE, "orders")
HEADER_ACCOUNTS = offset_of(HEADER_DTYPE, "accounts")
HEADER_INSTRUMENTS = offset_of(HEADER_DTYPE, "instruments")
HEADER_EPOCH = offset_of(HEADER_DTYPE, "epoch")
HEADER_LAST_SEQUENCE = offset_of(HEADER_DTYPE, "last_sequence")
HEADER_EVENT_COUNT = offset_of(HEADER_DTYPE, "event_count")
HEADER_OVERFLOW_COUNT = offset_of(HEADER_DTYPE, "overflow_count")

PAIR_POSITION = offset_of(PAIR_DTYPE, "position")
PAIR_BOUGHT = offset_of(PAIR_DTYPE, "bought")
PAIR_SOLD = offset_of(PAIR_DTYPE, "sold")
PAIR_WORKING_BUY = offset_of(PAIR_DTYPE, "working_buy")
PAIR_WORKING_SELL = offset_of(PAIR_DTYPE, "working_sell")
PAIR_OPEN_ORDER_COUNT = offset_of(PAIR_DTYPE, "open_order_count")
PAIR_COST = offset_of(PAIR_DTYPE, "cost")
PAIR_REALISED = offset_of(PAIR_DTYPE, "realised")
PAIR_FLAGS = offset_of(PAIR_DTYPE, "flags")
ORDER_LEAVES = offset_of(ORDER_DTYPE, "leaves")
ORDER_PAIR = offset_of(ORDER_DTYPE, "pair")
ORDER_SIDE = offset_of(ORDER_DTYPE, "side")
ACCOUNT_LAST_SEQUENCE = offset_of(ACCOUNT_DTYPE, "last_sequence")
ACCOUNT_FLAGS = offset_of(ACCOUNT_DTYPE, "flags")
INSTRUMENT_LAST_PRICE = offset_of(INSTRUMENT_DTYPE, "last_price")

PAIR_BYTES = PAIR_DTYPE.itemsize
ORDER_BYTES = ORDER_DTYPE.itemsize
ACCOUNT_BYTES = ACCOUNT_DTYPE.itemsize
INSTRUMENT_BYTES = INSTRUMENT_DTYPE.itemsize


def allocate_table(
    header: np.ndarray[Any, Any], name: str, capacity: int, dtype: np.dtype[Any]
) -> np.ndarray[Any, Any]:
    """Rows of one table, three quarters of them usable, entered in the header."""
    bucket_count = capacity * 4 // 3 + 2
    rows = aligned_zeros(bucket_count, dtype)
    table = header[0][name]
    table["rows"] = address_of(rows)
    table["bucket_count"] = bucket_count
    table["capacity"] = capacity
    return rows
