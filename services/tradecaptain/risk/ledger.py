"""Positions, working orders and profit of every account, followed from the execution events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.risk.ledger_kernels import ledger_apply_events, ledger_find_row
from tradecaptain.risk.ledger_state import (
    ACCOUNT_DTYPE,
    FLAG_DIRTY,
    FLAG_INCOMPLETE,
    FLAG_VALUE_LOST,
    HEADER_DTYPE,
    INSTRUMENT_DTYPE,
    ORDER_DTYPE,
    PAIR_DTYPE,
    allocate_table,
)
from tradecaptain.wire import execution_event

type Records = np.ndarray[Any, Any]
type History = Callable[[int, int], Records]
"""Reads events of the current epoch by (sequence, count): from there on, or from the oldest that is
still held; an empty array if there are none."""


@dataclass(frozen=True, slots=True)
class PairState:
    """What one account holds and has working in one instrument, in the instrument's units."""

    account_id: int
    instrument_id: int
    position: int
    bought: int = 0
    sold: int = 0
    working_buy: int = 0
    working_sell: int = 0
    open_order_count: int = 0
    cost: int = 0
    realised: int = 0
    is_value_known: bool = True


@dataclass(frozen=True, slots=True)
class AccountState:
    """How far an account's events were followed, and whether all of them were seen."""

    account_id: int
    last_sequence: int
    is_complete: bool


@dataclass(frozen=True, slots=True)
class LedgerCapacities:
    """How many rows each table can hold; what finds no room makes its account incomplete."""

    pairs: int = 65_536
    orders: int = 262_144
    accounts: int = 16_384
    instruments: int = 4_096


class Ledger:
    """The compiled ledger and its reading side. Not safe for several threads."""

    def __init__(self, capacities: LedgerCapacities | None = None) -> None:
        sizes = capacities or LedgerCapacities()
        self._header = aligned_zeros(1, HEADER_DTYPE)
        self._positions_set = 0
        self._taken = (0, 0, 0)
        self._pairs = allocate_table(self._header, "pairs", sizes.pairs, PAIR_DTYPE)
        self._orders = allocate_table(self._header, "orders", sizes.orders, ORDER_DTYPE)
        self._accounts = allocate_table(self._header, "accounts", sizes.accounts, ACCOUNT_DTYPE)
        self._instruments = allocate_table(
            self._header, "instruments", sizes.instruments, INSTRUMENT_DTYPE
        )

    @property
    def epoch(self) -> int:
        """Epoch of the events applied; 0 before the first."""
        return int(self._header[0]["epoch"])

    @property
    def last_sequence(self) -> int:
        """Sequence of the newest event applied."""
        return int(self._header[0]["last_sequence"])

    @property
    def lost_event_count(self) -> int:
        """Events that could be had neither from the stream nor from the history."""
        return int(self._header[0]["lost_event_count"])

    def counters(self) -> dict[str, int]:
        """Numbers for the log."""
        names = ("event_count", "lost_event_count", "overflow_count")
        return {name: int(self._header[0][name]) for name in names}

    def start_epoch(self, epoch: int) -> None:
        """Begin an epoch: nothing is working, sequences begin anew, positions stay.

        An account of which events were lost stays incomplete, since its positions stay wrong.
        """
        self._header[0]["epoch"] = epoch
        self._header[0]["last_sequence"] = 0
        self.clear_orders()
        self._accounts["last_sequence"] = 0
        used = self._pairs["key"] != 0
        self._pairs["bought"][used] = 0
        self._pairs["sold"][used] = 0

    def go_on_in(self, epoch: int) -> None:
        """Enter an epoch that goes on from the one before: nothing ends, sequences go on."""
        self._header[0]["epoch"] = epoch

    def clear_orders(self) -> None:
        """Forget what is working; a status request then tells it again."""
        if self._header[0]["orders"]["used_count"]:
            self._orders[:] = 0
            self._header[0]["orders"]["used_count"] = 0
        used = self._pairs["key"] != 0
        for name in ("working_buy", "working_sell", "open_order_count"):
            self._pairs[name][used] = 0

    def apply(self, records: Records, history: History) -> bool:
        """Apply events of the current epoch, which may lie apart, filling gaps from ``history``.

        Stops before the first event of a newer epoch (see :attr:`epoch`). Returns False if events
        were lost for good: then their accounts are incomplete and what is working is unknown. What
        ``history`` raises ends it before the gap.
        """
        is_whole = True
        index = 0
        while index < len(records):
            index += self._apply(records[index:])
            if index == len(records) or int(records["epoch"][index]) != self.epoch:
                break
            is_whole &= self._fill_gap(int(records["sequence"][index]), history)
        return is_whole

    def _fill_gap(self, until: int, history: History) -> bool:
        """Apply what lies between the last event and ``until``; False if some of it is lost."""
        is_whole = True
        while self.last_sequence + 1 < until:
            found = history(self.last_sequence + 1, min(until - self.last_sequence - 1, 65_536))
            first = int(found["sequence"][0]) if len(found) else until
            is_whole &= self._skip_to(min(first, until))
            if len(found):
                self._apply(found)
        return is_whole

    def _apply(self, records: Records) -> int:
        return int(
            ledger_apply_events(
                address_of(self._header), address_of(records), len(records), records.strides[0]
            )
        )

    def _skip_to(self, sequence: int) -> bool:
        """Count what lies before an event as lost; True if nothing does."""
        lost = sequence - 1 - self.last_sequence
        if lost > 0:
            self._header[0]["lost_event_count"] += lost
            self._header[0]["last_sequence"] = sequence - 1
        return lost <= 0

    def catch_up(self, history: History, last_sequence: int) -> bool:
        """Apply events up to ``last_sequence`` from the history; False if some are lost."""
        return self._fill_gap(last_sequence + 1, history)

    # Reading

    def _pair_states(self, rows: Records) -> list[PairState]:
        rows = rows[np.argsort(rows["key"])]
        return [
            PairState(
                account_id=int(row["key"]) >> 32,
                instrument_id=int(row["key"]) & 0xFFFFFFFF,
                position=int(row["position"]),
                bought=int(row["bought"]),
                sold=int(row["sold"]),
                working_buy=int(row["working_buy"]),
                working_sell=int(row["working_sell"]),
                open_order_count=int(row["open_order_count"]),
                cost=int(row["cost"]),
                realised=int(row["realised"]),
                is_value_known=not int(row["flags"]) & FLAG_VALUE_LOST,
            )
            for row in rows
        ]

    def pairs_of(self, account_id: int) -> list[PairState]:
        """Every instrument that an account has touched, by ascending instrument id."""
        keys = self._pairs["key"]
        return self._pair_states(self._pairs[(keys >> 32 == account_id) & (keys != 0)])

    def all_pairs(self) -> list[PairState]:
        """Every pair, by account and instrument."""
        return self._pair_states(self._pairs[self._pairs["key"] != 0])

    def pairs_in(self, instrument_id: int) -> list[PairState]:
        """Every account that has touched an instrument, by ascending account id."""
        keys = self._pairs["key"]
        return self._pair_states(self._pairs[((keys & 0xFFFFFFFF) == instrument_id) & (keys != 0)])

    def account_ids(self) -> list[int]:
        """Every account that has touched an instrument."""
        keys = self._pairs["key"]
        return [int(account_id) for account_id in np.unique(keys[keys != 0] >> 32)]

    def is_complete(self, account_id: int) -> bool:
        """Whether every event of the account was seen."""
        rows = self._accounts[self._accounts["key"] == account_id]
        return not bool((rows["flags"] & FLAG_INCOMPLETE).any())

    def last_price(self, instrument_id: int) -> int | None:
        """Price of the last trade seen, in price units."""
        rows = self._instruments[self._instruments["key"] == instrument_id]
        return int(rows["last_price"][0]) if len(rows) else None

    # The store

    def take_dirty(self) -> tuple[list[PairState], list[AccountState]]:
        """What changed since the last call."""
        reached = self.epoch, self.last_sequence, self._positions_set
        if reached == self._taken:
            return [], []
        self._taken = reached
        pairs = np.flatnonzero(self._pairs["flags"] & FLAG_DIRTY)
        accounts = np.flatnonzero(self._accounts["flags"] & FLAG_DIRTY)
        states = (
            self._pair_states(self._pairs[pairs]),
            [
                AccountState(
                    int(row["key"]),
                    int(row["last_sequence"]),
                    not int(row["flags"]) & FLAG_INCOMPLETE,
                )
                for row in self._accounts[accounts]
            ],
        )
        self._pairs["flags"][pairs] &= ~FLAG_DIRTY
        self._accounts["flags"][accounts] &= ~FLAG_DIRTY
        return states

    def load(
        self,
        pairs: Iterable[PairState],
        accounts: Iterable[AccountState],
        epoch: int,
        last_sequence: int,
    ) -> None:
        """Go on from what a store kept. What is working isn't kept; a status request tells it."""
        self._header[0]["epoch"] = epoch
        self._header[0]["last_sequence"] = last_sequence
        for state in pairs:
            row = self._row(self._pairs, "pairs", (state.account_id << 32) | state.instrument_id)
            for name in ("position", "bought", "sold", "cost", "realised"):
                row[name] = getattr(state, name)
            row["flags"] = 0 if state.is_value_known else FLAG_VALUE_LOST
        for account in accounts:
            row = self._row(self._accounts, "accounts", account.account_id)
            row["last_sequence"] = account.last_sequence
            row["flags"] = 0 if account.is_complete else FLAG_INCOMPLETE

    def set_position(self, account_id: int, instrument_id: int, position: int) -> None:
        """Take over a position that was set in the gate; its cost is unknown unless it is equal."""
        row = self._row(self._pairs, "pairs", (account_id << 32) | instrument_id)
        if int(row["position"]) != position:
            self._positions_set += 1
            row["position"] = position
            row["flags"] |= FLAG_DIRTY | FLAG_VALUE_LOST

    def _row(self, rows: Records, name: str, key: int) -> Any:
        table = self._header[0][name]
        address = ledger_find_row(address_of(self._header[name]), key, rows.dtype.itemsize)
        index = (address - address_of(rows)) // rows.dtype.itemsize
        if not rows[index]["key"]:
            if table["used_count"] >= table["capacity"]:
                raise OverflowError(f"the ledger has no room for another row of {name}")
            rows[index]["key"] = key
            table["used_count"] += 1
        return rows[index]


def empty_history(sequence: int, count: int) -> Records:
    """A history that holds nothing."""
    return np.empty(0, execution_event.DTYPE)
