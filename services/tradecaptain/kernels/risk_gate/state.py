"""The gate's memory: one header and its tables, allocated once and never moved.

A gate is handed to kernels as the address of its header, which holds the addresses of the tables.
Account-instrument pairs are 48 bytes and exist only after their first accepted order.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from tradecaptain.base.accounts import NOTIONAL_UNIT
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.huge_pages import Arena, ArenaSize, HugeArena
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.kernels.risk_gate import control, special_pairs
from tradecaptain.kernels.risk_gate.far_calls import FAR_ENTRIES
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_ROW_DTYPE,
    DUPLICATE_MARK_DTYPE,
    DUPLICATE_ROW_DTYPE,
    DUPLICATE_WAYS,
    FAR_COUNT,
    HEADER_DTYPE,
    INSTRUMENT_ROW_DTYPE,
    INT64_MAX,
    LIMIT_NAMES,
    LIMIT_ROW_DTYPE,
    MAXIMUM_ID,
    PAIR_ROW_DTYPE,
    RISK_GROUP_ROW_DTYPE,
    SCAN_ROW_DTYPE,
    SCENARIO_ROW_DTYPE,
    TEMPORARY_ROW_DTYPE,
    TOTAL_ROW_DTYPE,
    UNLIMITED,
    lead_of,
)
from tradecaptain.wire import order_command

PRICE_MOVE_WINDOW_NS = 60_000_000_000
"""Length of the window at whose start the price-move collar takes its price."""

assert control and special_pairs and len(FAR_ENTRIES) == FAR_COUNT

# A table fills at most four fifths of its buckets: probes stay short (3 on average when it's full).
_BUCKETS_PER_CAPACITY = Fraction(5, 4)
# Of pairs five sixths, so that one costs 62 bytes with its place in their order.
_PAIR_BUCKETS_PER_CAPACITY = Fraction(6, 5)


@dataclass(frozen=True, slots=True)
class GateCapacities:
    """How many rows each table can hold; a full table refuses with REASON_CAPACITY_EXHAUSTED."""

    accounts: int = 16_384
    instruments: int = 2_048
    pairs: int = 262_144
    overrides: int = 16_384
    strategies: int = 1_024
    firms: int = 256
    groups: int = 1_024
    duplicates: int = 65_536
    """Orders whose terms are remembered; a multiple of four."""
    temporary: int = 256
    """Limits that hold until a time."""
    totals: int = 1_024
    """Groups and firms with limits on totals, and instruments in which their positions are."""
    risk_groups: int = 1_024
    scans: int = 16_384
    """Accounts in risk groups: margins by scenarios."""


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


def clear_limits(row: Any) -> None:
    """Make every limit of a row, or of many, the neutral value of a minimum; none counts as set."""
    for name in LIMIT_NAMES:
        row[name] = UNLIMITED


class RiskGate:
    """Owns the memory of one gate. Keep it alive as long as a kernel may use its ``address``."""

    def __init__(self, capacities: GateCapacities, arena: Arena | None = None) -> None:
        """With an ``arena`` its tables lie there, else in ordinary memory."""
        self.capacities = capacities
        self.arena = arena
        self.header = aligned_zeros(1, HEADER_DTYPE)
        self.accounts = self._table("accounts", capacities.accounts, ACCOUNT_ROW_DTYPE)
        self.pairs = self._table(
            "pairs", capacities.pairs, PAIR_ROW_DTYPE, _PAIR_BUCKETS_PER_CAPACITY
        )
        self.pair_order = self._zeros(capacities.pairs, np.dtype("u4"))
        self.instruments = self._table("instruments", capacities.instruments, INSTRUMENT_ROW_DTYPE)
        self.firms = self._table("firms", capacities.firms, LIMIT_ROW_DTYPE)
        self.groups = self._table("groups", capacities.groups, LIMIT_ROW_DTYPE)
        self.overrides = self._table("overrides", capacities.overrides, LIMIT_ROW_DTYPE)
        self.strategies = self._table("strategies", capacities.strategies, LIMIT_ROW_DTYPE)
        self.temporary = self._table("temporary", capacities.temporary, TEMPORARY_ROW_DTYPE)
        self.totals = self._table("totals", capacities.totals, TOTAL_ROW_DTYPE)
        self.risk_groups = self._table("risk_groups", capacities.risk_groups, RISK_GROUP_ROW_DTYPE)
        self.scenario_rows = self._table(
            "scenario_rows", capacities.instruments, SCENARIO_ROW_DTYPE
        )
        self.scans = self._table("scans", capacities.scans, SCAN_ROW_DTYPE)
        self.scratch_command = aligned_zeros(1, order_command.DTYPE)
        self.duplicate_marks, self.duplicates = self._duplicates(capacities.duplicates)
        header = self.header[0]
        clear_limits(header["venue"])
        clear_limits(header["absent"]["limits"])
        header["next_override_end_ns"] = INT64_MAX
        header["price_move_window_ns"] = PRICE_MOVE_WINDOW_NS
        header["limits_version"] = 1
        for number, far in FAR_ENTRIES.items():
            header["far_calls"][number] = far.address
        header["scratch_command"] = address_of(self.scratch_command)
        header["pair_order"] = address_of(self.pair_order)

    @property
    def address(self) -> int:
        """Address of the header: the ``gate`` argument of every kernel."""
        return address_of(self.header)

    def _zeros(self, count: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        return aligned_zeros(count, dtype) if self.arena is None else self.arena.zeros(count, dtype)

    def _table(
        self,
        name: str,
        capacity: int,
        dtype: np.dtype[Any],
        buckets_per_capacity: Fraction = _BUCKETS_PER_CAPACITY,
    ) -> np.ndarray[Any, Any]:
        if capacity < 1 or capacity >= MAXIMUM_ID // 2:
            raise ConfigurationError(
                f"capacity of {name} is {capacity}; it must lie in 1 to {MAXIMUM_ID // 2 - 1}",
                field=name,
            )
        bucket_count = int(capacity * buckets_per_capacity) + 1
        # One more than is used: looking ahead may read behind the last.
        rows = self._zeros(bucket_count + 1, dtype)[:bucket_count]
        table = self.header[0][name]
        table["rows"] = address_of(rows) + lead_of(dtype)
        table["bucket_count"] = bucket_count
        table["capacity"] = capacity
        return rows

    def _duplicates(self, capacity: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Marks and terms of the orders that are remembered, in sets."""
        if capacity < DUPLICATE_WAYS or capacity % DUPLICATE_WAYS:
            raise ConfigurationError(
                f"capacity of duplicates is {capacity}; it must be a multiple of {DUPLICATE_WAYS}",
                field="duplicates",
            )
        marks = self._zeros(capacity, DUPLICATE_MARK_DTYPE)
        rows = self._zeros(capacity, DUPLICATE_ROW_DTYPE)
        self.header[0]["duplicate_marks"] = address_of(marks)
        self.header[0]["duplicates"] = address_of(rows)
        self.header[0]["duplicate_sets"] = capacity // DUPLICATE_WAYS
        return marks, rows

    def position(self, account_id: int, instrument_id: int) -> tuple[int, int, int]:
        """Position, working buys and working sells of a pair in quantity units."""
        key = (account_id << 32) | instrument_id
        for row in self.pairs[self.pairs["key"] == key]:
            return int(row["position"]), int(row["working_buy"]), int(row["working_sell"])
        return 0, 0, 0

    def pairs_in_order(self) -> np.ndarray[Any, Any]:
        """Copies of the rows of all pairs, in the order of their first use."""
        return self.pairs[self.pair_order[: int(self.header[0]["pairs"]["used_count"])]]

    def open_order_count(self, account_id: int) -> int:
        """Working orders of an account."""
        return int(
            self.accounts["open_order_count"][self.accounts["limits"]["key"] == account_id].sum()
        )

    def huge_bytes(self) -> int:
        """How much of its tables lies on huge pages at the moment."""
        return self.arena.huge_bytes() if isinstance(self.arena, HugeArena) else 0

    def table_bytes(self) -> int:
        """Memory of all tables that huge pages were asked for."""
        return 0 if self.arena is None else self.arena.used_bytes

    def pair_bytes(self) -> int:
        """Memory of the account-instrument pairs and of their order."""
        return int(self.pairs.nbytes + self.pair_order.nbytes)


def allocate_gate(
    capacities: GateCapacities | None = None, *, huge_pages: bool = False
) -> RiskGate:
    """Make an empty gate: no limits, hence every order is refused until limits are set.

    With ``huge_pages`` its tables are all in memory at once, on huge pages where there are any.
    """
    wanted = capacities or GateCapacities()
    if not huge_pages:
        return RiskGate(wanted)
    size = ArenaSize()
    RiskGate(wanted, size)
    return RiskGate(wanted, HugeArena(size.used_bytes))
