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
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.edge.limit_texts import reference_source
from tradecaptain.risk.follower import ExecutionHistory, Records
from tradecaptain.wire import common, execution_event

BATCH_EVENTS: Final = 256
"""Events of one message: what else the service does, a kill above all, waits for one to be made."""
_LOOK_SECONDS: Final = 0.02
"""How long an event may lie in the history before a client is sent it."""
_FLAG_LAST: Final = 1
_KEY: Final = "S32"
# Fields of a report that are those of the event, as they are.
_PLAIN: Final = (
    *("epoch", "time_ns", "execution_id", "original_execution_id", "match_id", "execution_type"),
    *("order_status", "order_id", "session_id", "firm_id", "account_id", "trader_id"),
    *("strategy_id", "instrument_id", "side", "order_type", "time_in_force", "self_trade_group"),
    *("quantity_units", "last_quantity_units", "leaves_quantity_units", "liquidity"),
    *("cumulative_quantity_units", "fee_units", "trade_date", "reason", "durability"),
    "command_sequence",
)
_OTHER: Final = (
    *("account_sequence", "flags", "price_units", "last_price_units"),
    *("limit_level", "limit_value", "observed_value"),
)


def client_order_ids(records: Records) -> list[str]:
    """Client order ids of execution events, which lie in four words one after the other."""
    place, steps = execution_event.OFFSET_CLIENT_ORDER_ID0, records.strides
    keys: Any = np.ndarray(len(records), _KEY, records, place, steps)
    # A text of numpy's ends before its zeros.
    return [key.decode("ascii", "replace") for key in keys.tolist()]


def reports_of(records: Records) -> list[records_pb2.ExecutionReport]:
    """Execution events (records that lie one after the other) as reports.

    Columns become Python numbers at once: field by field each costs as much as the whole report.
    """
    if len(records) == 0:
        return []
    columns = {name: records[name].tolist() for name in (*_PLAIN, *_OTHER)}
    columns["client_order_id"] = client_order_ids(records)
    rows = zip(*columns.values(), strict=True)
    return [_report(dict(zip(columns, row, strict=True))) for row in rows]


def _report(values: dict[str, Any]) -> records_pb2.ExecutionReport:
    account_sequence, flags, price, last_price, level, limit, observed = (
        values.pop(name) for name in _OTHER
    )
    kind = values["execution_type"]
    report = records_pb2.ExecutionReport(
        **values,
        sequence=account_sequence,
        reference_source=reference_source(flags),  # type: ignore[arg-type]
        last_of_command=flags & _FLAG_LAST != 0,
    )
    if values["order_type"] not in (common.ORDER_TYPE_UNSET, common.ORDER_TYPE_MARKET):
        report.price_units = price
    if kind == execution_event.EXECUTION_TYPE_TRADE:
        report.last_price_units = last_price
    if kind == execution_event.EXECUTION_TYPE_MASS_CANCEL_DONE:
        report.affected_count = observed
    elif level:
        report.limit_level = level
        report.limit_value = limit
        report.observed_value = observed
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
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """``account_ids`` are those that the client may see, None for all; firm 0 is any."""
        self._history = history
        self._clock = clock
        self._firm_id = firm_id
        self._accounts = None if account_ids is None else np.array(sorted(account_ids))
        self._previous: dict[int, int] = {}
        self._epoch = history.epoch()
        self._sequence = history.last_sequence(self._epoch)
        if resume_from is not None and resume_from.epoch == self._epoch:
            self._sequence = min(resume_from.sequence, self._sequence)
        elif resume_from is not None and history.goes_on_from(resume_from.epoch):
            self._sequence = min(resume_from.sequence, self._sequence)
            if history.epoch_of(self._epoch, self._sequence) != resume_from.epoch:
                # Some of what it was told is gone: it is told all that is known instead.
                self._sequence = 0
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
            begun_ns = self._clock.monotonic_ns()
            response = self._next()
            spent_seconds = (self._clock.monotonic_ns() - begun_ns) / 1e9
            if response is not None and (response.reports or response.lost_count):
                yield response
            # In a flood others have as much of the service's time as each copy has.
            await asyncio.sleep(_LOOK_SECONDS if response is None else spent_seconds)

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
            reports=self._reports(self._chosen(records)),
            lost_count=lost_count,
        )
        response.position.CopyFrom(self.position)
        return response

    def _look_for_epoch(self) -> None:
        """A venue that lost its log began an epoch: everything of that one is new."""
        if self._history.last_sequence(self._epoch) == 0:
            epoch = self._history.epoch()
            if epoch > self._epoch:
                is_known = self._history.goes_on_from(self._epoch) and (
                    self._history.epoch_of(epoch, self._sequence) == self._epoch
                )
                self._epoch, self._sequence = epoch, self._sequence if is_known else 0
                self._previous.clear()

    def _chosen(self, records: Records) -> Records:
        wanted = np.ones(len(records), dtype=bool)
        if self._firm_id:
            wanted &= records["firm_id"] == self._firm_id
        if self._accounts is not None:
            wanted &= np.isin(records["account_id"], self._accounts)
        return records[wanted]

    def _reports(self, records: Records) -> list[records_pb2.ExecutionReport]:
        reports = reports_of(records)
        for report in reports:
            report.previous_sequence = self._previous.get(report.account_id, 0)
            self._previous[report.account_id] = report.sequence
        return reports
