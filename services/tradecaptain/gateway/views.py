"""What clients see of the store: orders as decimal text, refusals with their typed detail."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.base.errors import TradeCaptainError, reason_info
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.memory import address_of
from tradecaptain.edge.errors import DetailedError
from tradecaptain.edge.limit_texts import fill_limit, reference_source
from tradecaptain.gateway.commands import MAY_HAVE_PRICE, NEEDS_STOP_PRICE
from tradecaptain.gateway.frame import AT_PLAN
from tradecaptain.gateway.layout import OUTCOME_PENDING, REQUEST
from tradecaptain.gateway.reports import (
    CURSOR,
    LAPPED,
    REPORT_BYTES_MAX,
    encode_command_reports,
    encode_reports,
    make_plan,
)
from tradecaptain.gateway.store import Store
from tradecaptain.wire import execution_event
from tradecaptain.wire import reason as reasons

_AVERAGE_DIGITS: Final = Context(prec=12)
_PLACE: Final = {name: place for place, name in enumerate(REQUEST.names or ())}
_OUT_BYTES: Final = 256 * 1024


class ReportWriter:
    """Encodes execution reports of a store; one buffer, used between two awaits only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.frame.set(AT_PLAN, make_plan())
        self._out = np.zeros(_OUT_BYTES, dtype=np.uint8)
        self._view = memoryview(self._out)
        self._command_cursor = self.cursor(0, 0, 0)
        self._command_address = address_of(self._command_cursor)

    def cursor(self, account_id: int, place: int, tag: int, instrument_id: int = 0) -> Any:
        """A reader's place; ``tag`` is the number of the reports' field in their message."""
        cursor = np.zeros(1, dtype=CURSOR)
        cursor["account_id"] = account_id
        cursor["place"] = place
        cursor["tag"] = tag << 3 | 2
        cursor["instrument_id"] = instrument_id
        cursor["out_address"] = address_of(self._out)
        cursor["out_capacity"] = _OUT_BYTES - REPORT_BYTES_MAX
        return cursor

    def next_reports(self, cursor: Any, limit: int) -> bytes:
        """The next reports of a reader, encoded; empty if there are none yet.

        Raises REASON_SLOW_CONSUMER if the reader's place is held no more.
        """
        written = encode_reports(self._store.frame.address, address_of(cursor), limit)
        if written == LAPPED:
            raise TradeCaptainError(
                reasons.REASON_SLOW_CONSUMER, "the next reports are held no more; resume anew"
            )
        return bytes(self._view[:written])

    def reports_of(self, request: int, tag: int) -> bytes:
        """The reports that a request's own command caused for its account."""
        written = encode_command_reports(
            self._store.frame.address, self._command_address, request << 8 | tag << 3 | 2
        )
        if written < 0:
            return b""
        return bytes(self._view[:written])


def event_record(store: Store, index: int) -> Any:
    """One execution event that is still held, by its index."""
    place = index & (store.events.shape[0] - 1)
    return store.records[place : place + 1].view(execution_event.DTYPE)[0]


def key_text(row: tuple[Any, ...]) -> str:
    """The client order id of a request."""
    first = _PLACE["key_0"]
    words = row[first : first + 4]
    data = b"".join(int(word).to_bytes(8, "little", signed=True) for word in words)
    return data.rstrip(b"\0").decode("ascii")


def order_view(store: Store, slot: int, instrument: Instrument) -> records_pb2.Order:
    """The state of an order."""
    row = store.requests[slot].item()
    status = row[_PLACE["status"]]
    current = row[_PLACE["current_request"]]
    own_key = key_text(row)
    newest_key = own_key if current == slot else key_text(store.requests[current].item())
    price, quantity = instrument.price, instrument.quantity
    order = records_pb2.Order(
        order_id=row[_PLACE["order_id"]],
        client_order_id=newest_key,
        original_client_order_id=own_key if current != slot else "",
        account_id=row[_PLACE["account_id"]],
        instrument_id=instrument.instrument_id,
        instrument=instrument.key,
        side=row[_PLACE["side"]],
        type=row[_PLACE["order_type"]],
        time_in_force=row[_PLACE["time_in_force"]],
        status=status,
        quantity=quantity.format(row[_PLACE["quantity_units"]]),
        leaves_quantity=quantity.format(row[_PLACE["leaves_quantity_units"]]),
        cumulative_quantity=quantity.format(row[_PLACE["cumulative_quantity_units"]]),
        reason=row[_PLACE["status_reason"]],
        session_id=row[_PLACE["session_id"]],
        strategy_id=row[_PLACE["strategy_id"]],
        epoch=row[_PLACE["epoch"]],
        sequence=row[_PLACE["sequence"]],
        create_time_ns=row[_PLACE["create_time_ns"]],
        update_time_ns=row[_PLACE["update_time_ns"]],
        pending=row[_PLACE["outcome"]] == OUTCOME_PENDING,
    )
    body = store.commands[slot]
    order_type = row[_PLACE["order_type"]]
    if order_type in MAY_HAVE_PRICE:
        order.price = price.format(row[_PLACE["price_units"]])
    if order_type in NEEDS_STOP_PRICE:
        order.stop_price = price.format(_stop_price_units(store, slot))
    if body["display_quantity_units"]:
        order.display_quantity = quantity.format(int(body["display_quantity_units"]))
    if row[_PLACE["cumulative_quantity_units"]] > 0:
        average = average_price(store, slot, instrument)
        if average:
            order.average_price = average
    return order


def _stop_price_units(store: Store, slot: int) -> int:
    """The stop price that the newest replace gave which the venue carried out, or else the order
    itself; a replace that is held no more counts for nothing."""
    for place in _places_of_order(store, slot):
        request = int(store.events[place]["request"])
        record = store.records[place : place + 1].view(execution_event.DTYPE)[0]
        if request != slot and record["execution_type"] == execution_event.EXECUTION_TYPE_REPLACED:
            stop_price_units = int(store.commands[request]["stop_price_units"])
            if stop_price_units:
                return stop_price_units
    return int(store.commands[slot]["stop_price_units"])


def events_of_order(store: Store, slot: int) -> Iterator[Any]:
    """The events of an order that are still held, newest first."""
    for place in _places_of_order(store, slot):
        yield store.records[place : place + 1].view(execution_event.DTYPE)[0]


def _places_of_order(store: Store, slot: int) -> Iterator[int]:
    """Where the events of an order lie that are still held, newest first."""
    oldest = int(store.file["event_count"][0]) - store.events.shape[0]
    link = int(store.requests[slot]["newest_event"])
    while link > 0 and link - 1 >= oldest:
        place = (link - 1) & (store.events.shape[0] - 1)
        yield place
        link = int(store.events[place]["previous_of_order"])


def average_price(store: Store, slot: int, instrument: Instrument) -> str:
    """Average price of an order's fills to 12 digits; empty if a fill is held no more."""
    filled = value = 0
    for record in events_of_order(store, slot):
        if record["execution_type"] == execution_event.EXECUTION_TYPE_TRADE:
            filled += int(record["last_quantity_units"])
            value += int(record["last_price_units"]) * int(record["last_quantity_units"])
    if filled == 0 or filled != int(store.requests[slot]["cumulative_quantity_units"]):
        return ""
    average = Fraction(value, filled) * instrument.price_unit
    rounded = _AVERAGE_DIGITS.divide(Decimal(average.numerator), Decimal(average.denominator))
    return f"{rounded.normalize():f}"


def refusal(store: Store, request: int, instrument: Instrument) -> DetailedError:
    """The error of a request that the venue refused, from the event that says so."""
    row = store.requests[request]
    reason = int(row["reason"])
    detail = errors_pb2.ErrorDetail(
        reason=reason,  # type: ignore[arg-type]
        message=f"the venue refused it: {reason_info(reason).rule}",
        client_order_id=key_text(row.item()),
    )
    if row["last_event"] != 0:
        _fill_from_event(detail, event_record(store, int(row["last_event"]) - 1), instrument)
    return DetailedError(detail)


def _fill_from_event(detail: errors_pb2.ErrorDetail, record: Any, instrument: Instrument) -> None:
    detail.order_id = int(record["order_id"])
    fill_limit(
        detail,
        int(record["limit_level"]),
        int(record["limit_value"]),
        int(record["observed_value"]),
        reference_source(int(record["flags"])),
        instrument,
    )


def units_of(instrument: Instrument) -> common_pb2.InstrumentUnits:
    """The units of an instrument, for messages that carry integers."""
    return common_pb2.InstrumentUnits(
        instrument_id=instrument.instrument_id,
        instrument=instrument.key,
        price_unit=_rational(instrument.price_unit),
        quantity_unit=_rational(instrument.quantity_unit),
    )


def _rational(value: Fraction) -> common_pb2.Rational:
    return common_pb2.Rational(numerator=value.numerator, denominator=value.denominator)
