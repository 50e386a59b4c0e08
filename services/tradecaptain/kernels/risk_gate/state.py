"""The gate's memory: one header and six open-addressing tables, allocated once and never moved.

A gate is handed to kernels as the address of its header, which holds the addresses of the tables.
Rows are at most 64 bytes (an instrument has two such lines), so a check touches few cache lines.
Account-instrument pairs are 32 bytes and exist only after their first accepted order.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from tradecaptain.base.accounts import NOTIONAL_UNIT, UNLIMITED_UNITS
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.wire import control

INT64_MAX = 2**63 - 1
UNLIMITED = UNLIMITED_UNITS
"""An explicit "no limit": unlike an unset limit it lets orders pass."""
NO_PRICE = -(2**63)
"""Stands for an empty side in :func:`gate_apply_quote`."""
MAXIMUM_ID = 2**31 - 1
"""Largest account, instrument, firm and strategy id; with it a pair's key is a positive int64."""

LIMIT_KIND_COUNT = 6
FIRST_LIMIT_KIND = control.LIMIT_KIND_ORDER_QUANTITY
LAST_LIMIT_KIND = control.LIMIT_KIND_OPEN_ORDERS

TABLE_DTYPE = np.dtype(
    [("rows", "i8"), ("bucket_count", "i8"), ("used_count", "i8"), ("capacity", "i8")]
)

LIMIT_ROW_DTYPE = np.dtype(
    [
        ("key", "i8"),
        ("order_quantity", "i8"),
        ("order_notional", "i8"),
        ("price_collar_bps", "i8"),
        ("position_long", "i8"),
        ("position_short", "i8"),
        ("open_orders", "i8"),
        ("set_mask", "u2"),  # bit k: the limit of kind k is set
        ("flags", "u2"),
        ("open_order_count", "i4"),  # used in account rows only
    ]
)

INSTRUMENT_ROW_DTYPE = np.dtype(
    [
        ("limits", LIMIT_ROW_DTYPE),
        ("notional_numerator", "i8"),
        ("notional_denominator", "i8"),
        ("last_price", "i8"),
        ("mid_price", "i8"),
        ("outside_price", "i8"),
        ("reference_flags", "i8"),  # which of the three prices are known: the REFERENCE_* bits
        ("reserved", "i8", 2),
    ]
)

PAIR_ROW_DTYPE = np.dtype(
    [("key", "i8"), ("position", "i8"), ("working_buy", "i8"), ("working_sell", "i8")]
)

STRATEGY_ROW_DTYPE = np.dtype([("key", "i8"), ("flags", "i8")])

HEADER_DTYPE = np.dtype(
    [
        ("accounts", TABLE_DTYPE),
        ("pairs", TABLE_DTYPE),
        ("instruments", TABLE_DTYPE),
        ("firms", TABLE_DTYPE),
        ("overrides", TABLE_DTYPE),
        ("strategies", TABLE_DTYPE),
        ("venue", LIMIT_ROW_DTYPE),
        ("absent", LIMIT_ROW_DTYPE),  # stands for a level that has no row: nothing set, nothing on
        ("reject_limit_value", "i8"),
        ("reject_observed_value", "i8"),
        ("reject_level", "i8"),
        ("reject_flags", "i8"),
        ("killed_strategy_count", "i8"),
        ("passed_count", "i8"),
        ("refused_count", "i8"),
        ("accounting_error_count", "i8"),
    ]
)

FLAG_KILLED = 1
FLAG_HAS_OVERRIDES = 2

# The bits of ExecutionEvent.flags that name the reference price which a refusal used.
REFERENCE_LAST = 4
REFERENCE_MID = 8
REFERENCE_OUTSIDE = 16

PAIR_ROW_BYTES = PAIR_ROW_DTYPE.itemsize
LIMIT_ROW_BYTES = LIMIT_ROW_DTYPE.itemsize
INSTRUMENT_ROW_BYTES = INSTRUMENT_ROW_DTYPE.itemsize
STRATEGY_ROW_BYTES = STRATEGY_ROW_DTYPE.itemsize

# A table holds at most three quarters of its buckets: probes stay short (2.5 on average when it is
# full) and a pair in use costs 43 bytes.
_BUCKETS_PER_CAPACITY = Fraction(4, 3)


def offset_of(dtype: np.dtype[Any], *path: str) -> int:
    """Byte offset of a field, through nested records."""
    total = 0
    for name in path:
        assert dtype.fields is not None
        dtype, offset = dtype.fields[name][:2]
        total += offset
    return total


HEADER_ACCOUNTS = offset_of(HEADER_DTYPE, "accounts")
HEADER_PAIRS = offset_of(HEADER_DTYPE, "pairs")
HEADER_INSTRUMENTS = offset_of(HEADER_DTYPE, "instruments")
HEADER_FIRMS = offset_of(HEADER_DTYPE, "firms")
HEADER_OVERRIDES = offset_of(HEADER_DTYPE, "overrides")
HEADER_STRATEGIES = offset_of(HEADER_DTYPE, "strategies")
HEADER_VENUE = offset_of(HEADER_DTYPE, "venue")
HEADER_ABSENT = offset_of(HEADER_DTYPE, "absent")
HEADER_REJECT_LIMIT_VALUE = offset_of(HEADER_DTYPE, "reject_limit_value")
HEADER_REJECT_OBSERVED_VALUE = offset_of(HEADER_DTYPE, "reject_observed_value")
HEADER_REJECT_LEVEL = offset_of(HEADER_DTYPE, "reject_level")
HEADER_REJECT_FLAGS = offset_of(HEADER_DTYPE, "reject_flags")
HEADER_KILLED_STRATEGY_COUNT = offset_of(HEADER_DTYPE, "killed_strategy_count")
HEADER_PASSED_COUNT = offset_of(HEADER_DTYPE, "passed_count")
HEADER_REFUSED_COUNT = offset_of(HEADER_DTYPE, "refused_count")
HEADER_ACCOUNTING_ERROR_COUNT = offset_of(HEADER_DTYPE, "accounting_error_count")

TABLE_ROWS = offset_of(TABLE_DTYPE, "rows")
TABLE_BUCKET_COUNT = offset_of(TABLE_DTYPE, "bucket_count")
TABLE_USED_COUNT = offset_of(TABLE_DTYPE, "used_count")
TABLE_CAPACITY = offset_of(TABLE_DTYPE, "capacity")

LIMIT_ORDER_QUANTITY = offset_of(LIMIT_ROW_DTYPE, "order_quantity")
LIMIT_ORDER_NOTIONAL = offset_of(LIMIT_ROW_DTYPE, "order_notional")
LIMIT_PRICE_COLLAR = offset_of(LIMIT_ROW_DTYPE, "price_collar_bps")
LIMIT_POSITION_LONG = offset_of(LIMIT_ROW_DTYPE, "position_long")
LIMIT_POSITION_SHORT = offset_of(LIMIT_ROW_DTYPE, "position_short")
LIMIT_OPEN_ORDERS = offset_of(LIMIT_ROW_DTYPE, "open_orders")
LIMIT_SET_MASK = offset_of(LIMIT_ROW_DTYPE, "set_mask")
LIMIT_FLAGS = offset_of(LIMIT_ROW_DTYPE, "flags")
LIMIT_OPEN_ORDER_COUNT = offset_of(LIMIT_ROW_DTYPE, "open_order_count")

INSTRUMENT_NUMERATOR = offset_of(INSTRUMENT_ROW_DTYPE, "notional_numerator")
INSTRUMENT_DENOMINATOR = offset_of(INSTRUMENT_ROW_DTYPE, "notional_denominator")
INSTRUMENT_LAST_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "last_price")
INSTRUMENT_MID_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "mid_price")
INSTRUMENT_OUTSIDE_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "outside_price")
INSTRUMENT_REFERENCE_FLAGS = offset_of(INSTRUMENT_ROW_DTYPE, "reference_flags")

PAIR_POSITION = offset_of(PAIR_ROW_DTYPE, "position")
PAIR_WORKING_BUY = offset_of(PAIR_ROW_DTYPE, "working_buy")
PAIR_WORKING_SELL = offset_of(PAIR_ROW_DTYPE, "working_sell")

STRATEGY_FLAGS = offset_of(STRATEGY_ROW_DTYPE, "flags")

# Every limit kind must be set for an account (or for the account in the instrument).
REQUIRED_MASK = sum(1 << kind for kind in range(FIRST_LIMIT_KIND, LAST_LIMIT_KIND + 1))


@dataclass(frozen=True, slots=True)
class GateCapacities:
    """How many rows each table can hold; a full table refuses with REASON_CAPACITY_EXHAUSTED."""

    accounts: int = 16_384
    instruments: int = 2_048
    pairs: int = 262_144
    overrides: int = 16_384
    strategies: int = 1_024
    firms: int = 256


def notional_ratio(
    price_unit: Fraction, quantity_unit: Fraction, multiplier: Fraction | int
) -> tuple[int, int]:
    """Numerator and denominator that turn price units x quantity units into notional units.

    Raises ConfigurationError if the exact ratio isn't a positive quotient of two int64.
    """
    ratio = price_unit * quantity_unit * multiplier / NOTIONAL_UNIT
    if ratio <= 0 or ratio.numerator > INT64_MAX or ratio.denominator > INT64_MAX:
        raise ConfigurationError(
            f"price unit {price_unit}, quantity unit {quantity_unit} and multiplier {multiplier}"
            " must give a positive notional ratio of two 64-bit integers",
            field="multiplier",
        )
    return ratio.numerator, ratio.denominator


def _clear_limits(row: Any) -> None:
    """Make every limit of a row the neutral value of a minimum; none counts as set."""
    for name in LIMIT_ROW_DTYPE.names[1 : 1 + LIMIT_KIND_COUNT]:  # type: ignore[index]
        row[name] = UNLIMITED


class RiskGate:
    """Owns the memory of one gate. Keep it alive as long as a kernel may use its ``address``."""

    def __init__(self, capacities: GateCapacities) -> None:
        self.capacities = capacities
        self.header = aligned_zeros(1, HEADER_DTYPE)
        self.accounts = self._table("accounts", capacities.accounts, LIMIT_ROW_DTYPE)
        self.pairs = self._table("pairs", capacities.pairs, PAIR_ROW_DTYPE)
        self.instruments = self._table("instruments", capacities.instruments, INSTRUMENT_ROW_DTYPE)
        self.firms = self._table("firms", capacities.firms, LIMIT_ROW_DTYPE)
        self.overrides = self._table("overrides", capacities.overrides, LIMIT_ROW_DTYPE)
        self.strategies = self._table("strategies", capacities.strategies, STRATEGY_ROW_DTYPE)
        _clear_limits(self.header[0]["venue"])
        _clear_limits(self.header[0]["absent"])

    @property
    def address(self) -> int:
        """Address of the header: the ``gate`` argument of every kernel."""
        return address_of(self.header)

    def _table(self, name: str, capacity: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        if capacity < 1 or capacity >= MAXIMUM_ID // 2:
            raise ConfigurationError(
                f"capacity of {name} is {capacity}; it must lie in 1 to {MAXIMUM_ID // 2 - 1}",
                field=name,
            )
        bucket_count = int(capacity * _BUCKETS_PER_CAPACITY) + 1
        rows = aligned_zeros(bucket_count, dtype)
        table = self.header[0][name]
        table["rows"] = address_of(rows)
        table["bucket_count"] = bucket_count
        table["capacity"] = capacity
        return rows

    def position(self, account_id: int, instrument_id: int) -> tuple[int, int, int]:
        """Position, working buys and working sells of a pair in quantity units."""
        key = (account_id << 32) | instrument_id
        for row in self.pairs[self.pairs["key"] == key]:
            return int(row["position"]), int(row["working_buy"]), int(row["working_sell"])
        return 0, 0, 0

    def open_order_count(self, account_id: int) -> int:
        """Working orders of an account."""
        return int(self.accounts["open_order_count"][self.accounts["key"] == account_id].sum())

    def pair_bytes(self) -> int:
        """Memory of the table of account-instrument pairs."""
        return int(self.pairs.nbytes)


def allocate_gate(capacities: GateCapacities | None = None) -> RiskGate:
    """Make an empty gate: no limits, hence every order is refused until limits are set."""
    return RiskGate(capacities or GateCapacities())
