"""Drop copy: every event of the venue in its own order, each client at its own place.

Events are read from the venue's history, so that nothing is queued for a client and a slow one
holds up nobody. A client behind what the history holds is told how many events it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from fractions import Fraction
from typing import Any, Final

import numpy as np
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.api.risk.v1 import monitor_pb2
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.edge.limit_texts import reference_source
from tradecaptain.risk.follower import ExecutionHistory, Records
from tradecaptain.wire import common, execution_event

BATCH_EVENTS: Final = 1_024
_LOOK_SECONDS: Final = 0.02
"""How long an event may lie in the history before a client is sent it."""
_FLAG_LAST: Final = 1
_KEY_WORDS: Final = tuple(f"client_order_id{word}" for word in range(4))
# Fields of a report that are those of the event, as they are.
_PLAIN: Final = (
    *("epoch", "time_ns", "execution_id", "original_execution_id", "match_id", "execution_type"),
    *("order_status", "order_id", "session_id", "firm_id", "account_id", "trader_id"),
    *("strategy_id", "instrument_id", "side", "order_type", "time_in_force", "self_trade_group"),
    *("quantity_units", "last_quantity_units", "leaves_quantity_units", "liquidity"),
    *("cumulative_quantity_units", "fee_units", "trade_date", "reason", "durability"),
    "command_sequence",
)


def report_of(record: Any) -> records_pb2.ExecutionReport:
    """An execution event (a record of its dtype) as a report."""
    values: dict[str, Any] = {name: int(record[name]) for name in _PLAIN}
    key = b"".join(int(record[word]).to_bytes(8, "little") for word in _KEY_WORDS)
    report = records_pb2.ExecutionReport(
        **values,
        sequence=int(record["account_sequence"]),
        client_order_id=key.rstrip(b"\0").decode("ascii", "replace"),
        reference_source=reference_source(int(record["flags"])),  # type: ignore[arg-type]
        last_of_command=int(record["flags"]) & _FLAG_LAST != 0,
    )
    kind = int(record["execution_type"])
    if int(record["order_type"]) not in (common.ORDER_TYPE_UNSET, common.ORDER_TYPE_MARKET):
        report.price_units = int(record["price_units"])
    if kind == execution_event.EXECUTION_TYPE_TRADE:
        report.last_price_units = int(record["last_price_units"])
    if kind == execution_event.EXECUTION_TYPE_MASS_CANCEL_DONE:
        report.affected_count = int(record["observed_value"])
    elif int(record["limit_level"]):
        report.limit_level = int(record["limit_level"])  # type: ignore[assignment]
        report.limit_value = int(record["limit_value"])
        report.observed_value = int(record["observed_value"])
    return report


def _rational(value: Fraction) -> common_pb2.Rational:
    return common_pb2.Rational(numerator=value.numerator, denominator=value.denominator)


def _units(instrument: Instrument) -> common_pb2.InstrumentUnits:
    return common_pb2.InstrumentUnits(
        instrument_id=instrument.instrument_id,
        instrument=instrument.key,
        price_unit=_rational(instrument.price_unit),
        quantity_unit=_rational(instrument.quantity_unit),
    )


def header_of(reference: Reference) -> common_pb2.StreamHeader:
    """Units of everything that is traded here."""
    return common_pb2.StreamHeader(units=[_units(item) for item in reference.own_venue()])


class DropCopy:
    """One client's place among the events of the venue."""

    def __init__(
        self,
        history: ExecutionHistory,
        resume_from: common_pb2.StreamPosition | None,
        *,
        firm_id: int,
        account_ids: frozenset[int] | None,
    ) -> None:
        """``account_ids`` are those that the client may see, None for all; firm 0 is any."""
        self._history = history
        self._firm_id = firm_id
        self._accounts = None if account_ids is None else np.array(sorted(account_ids))
        self._previous: dict[int, int] = {}
        self._epoch = history.epoch()
        self._sequence = history.last_sequence(self._epoch)
        if resume_from is not None and resume_from.epoch == self._epoch:
            self._sequence = min(resume_from.sequence, self._sequence)
        elif resume_from is not None:
            # What its epoch still had to tell is gone with it.
            self._sequence = 0

    @property
    def position(self) -> common_pb2.StreamPosition:
        """The event that was looked at last."""
        return common_pb2.StreamPosition(epoch=self._epoch, sequence=self._sequence)

    async def batches(self) -> AsyncIterator[monitor_pb2.StreamDropCopyResponse]:
        """Events from here on, as they come; a message tells of at most `BATCH_EVENTS`."""
        while True:
            response = self._next()
            if response is None:
                await asyncio.sleep(_LOOK_SECONDS)
            elif response.reports or response.lost_count:
                yield response

    def _next(self) -> monitor_pb2.StreamDropCopyResponse | None:
        """What comes next; None if nothing does yet, no reports if none is for this client."""
        last = self._history.last_sequence(self._epoch)
        if last <= self._sequence:
            self._look_for_epoch()
            return None
        records = self._history.read(self._epoch, self._sequence + 1, BATCH_EVENTS)
        first = int(records["sequence"][0]) if len(records) else last + 1
        lost_count = first - self._sequence - 1
        self._sequence = int(records["sequence"][-1]) if len(records) else last
        response = monitor_pb2.StreamDropCopyResponse(
            reports=[self._report(record) for record in self._chosen(records)],
            lost_count=lost_count,
        )
        response.position.CopyFrom(self.position)
        return response

    def _look_for_epoch(self) -> None:
        """A venue that lost its log began an epoch: everything of that one is new."""
        if self._history.last_sequence(self._epoch) == 0:
            epoch = self._history.epoch()
            if epoch > self._epoch:
                self._epoch, self._sequence = epoch, 0
                self._previous.clear()

    def _chosen(self, records: Records) -> Records:
        wanted = np.ones(len(records), dtype=bool)
        if self._firm_id:
            wanted &= records["firm_id"] == self._firm_id
        if self._accounts is not None:
            wanted &= np.isin(records["account_id"], self._accounts)
        return records[wanted]

    def _report(self, record: Any) -> records_pb2.ExecutionReport:
        report = report_of(record)
        report.previous_sequence = self._previous.get(report.account_id, 0)
        self._previous[report.account_id] = report.sequence
        return report
