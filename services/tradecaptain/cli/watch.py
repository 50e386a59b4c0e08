"""``tradecaptain watch …``: follow quotes, a book or an account's executions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

import typer
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc, records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc
from tradecaptain.api.orders.v1 import records_pb2 as order_records_pb2
from tradecaptain.base.units import UnitScale
from tradecaptain.cli.connection import connect
from tradecaptain.cli.output import show
from tradecaptain.wire import reason as reasons

_ACCOUNT = typer.Option("alpha", "--account", help="Whose token to use.")
_COUNT = typer.Option(0, "--count", "-n", min=0, help="Stop after so many lines; 0 for no end.")


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(help="Follow quotes, a book or executions.", no_args_is_help=True)
    group.command("quotes")(quotes)
    group.command("book")(book)
    group.command("executions")(executions)
    app.add_typer(group, name="watch")


class Units:
    """The units that a stream told, by instrument."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._prices: dict[int, UnitScale] = {}
        self._quantities: dict[int, UnitScale] = {}

    def learn(self, told: Iterable[common_pb2.InstrumentUnits]) -> None:
        """Take the units of a stream's header."""
        for units in told:
            key = units.instrument_id
            self._names[key] = units.instrument
            self._prices[key] = _scale(units.price_unit, reasons.REASON_INVALID_PRICE, "price")
            self._quantities[key] = _scale(
                units.quantity_unit, reasons.REASON_INVALID_QUANTITY, "quantity"
            )

    def name(self, instrument_id: int) -> str:
        """Symbol and venue of an instrument."""
        return self._names.get(instrument_id, str(instrument_id))

    def price(self, instrument_id: int, units: int) -> str:
        """A price as decimal text."""
        return self._prices[instrument_id].format(units)

    def quantity(self, instrument_id: int, units: int) -> str:
        """A quantity as decimal text."""
        return self._quantities[instrument_id].format(units)


def _scale(unit: common_pb2.Rational, reason: int, field: str) -> UnitScale:
    return UnitScale(Fraction(unit.numerator, unit.denominator), reason, field)


def _print_limited(lines: Iterable[str], count: int, stop: Callable[[], Any]) -> None:
    for number, line in enumerate(lines, 1):
        show(line)
        if number == count:
            stop()
            return


def quotes(
    instruments: list[str] = typer.Argument(help="One or more, such as ACME@XSIM or AMZN@TCAP."),
    account: str = _ACCOUNT,
    count: int = _COUNT,
) -> None:
    """Follow the best bid and ask of instruments."""
    request = marketdata_pb2.StreamQuotesRequest(instruments=instruments)
    units = Units()
    with connect(account) as connection:
        stub = marketdata_pb2_grpc.MarketDataServiceStub(connection.channel)
        call = stub.StreamQuotes(request, metadata=connection.metadata)

        def lines() -> Iterable[str]:
            for response in call:
                units.learn(response.header.units)
                for quote in response.quotes:
                    yield _quote_line(quote, units)

        _print_limited(lines(), count, call.cancel)


def _quote_line(quote: records_pb2.Quote, units: Units) -> str:
    key = quote.instrument_id

    def side(name: str) -> str:
        if not quote.HasField(f"{name}_price_units"):  # type: ignore[arg-type]
            return "—"
        price = units.price(key, getattr(quote, f"{name}_price_units"))
        quantity = units.quantity(key, getattr(quote, f"{name}_quantity_units"))
        return f"{quantity} @ {price}"

    return f"{units.name(key)}  bid {side('bid')}  ask {side('ask')}"


def book(
    instrument: str = typer.Argument(help="An instrument of our own venue, such as AMZN@TCAP."),
    levels: int = typer.Option(5, "--levels", min=1, max=1000, help="Levels of each side."),
    account: str = _ACCOUNT,
    count: int = _COUNT,
) -> None:
    """Follow the price levels of our own venue's book."""
    name = instrument if "@" in instrument else f"{instrument}@TCAP"
    request = orderbook_pb2.StreamBookRequest(
        instrument=name, level=records_pb2.DEPTH_LEVEL_L2, level_limit=levels
    )
    units = Units()
    sides: dict[int, dict[int, int]] = {common_pb2.SIDE_BUY: {}, common_pb2.SIDE_SELL: {}}
    with connect(account) as connection:
        stub = orderbook_pb2_grpc.OrderBookServiceStub(connection.channel)
        call = stub.StreamBook(request, metadata=connection.metadata)

        def lines() -> Iterable[str]:
            for response in call:
                units.learn(response.header.units)
                for update in response.updates:
                    _apply(update, sides)
                    yield _book_line(update.instrument_id, sides, units, levels)

        _print_limited(lines(), count, call.cancel)


def _apply(update: records_pb2.DepthUpdate, sides: dict[int, dict[int, int]]) -> None:
    if update.HasField("snapshot"):
        for side, levels in (
            (common_pb2.SIDE_BUY, update.snapshot.bids),
            (common_pb2.SIDE_SELL, update.snapshot.asks),
        ):
            sides[side] = {level.price_units: level.quantity_units for level in levels}
    for change in update.levels:
        level = change.level
        if level.quantity_units:
            sides[change.side][level.price_units] = level.quantity_units
        else:
            sides[change.side].pop(level.price_units, None)


def _book_line(key: int, sides: Mapping[int, Mapping[int, int]], units: Units, levels: int) -> str:
    def shown(side: int, *, descending: bool) -> str:
        prices = sorted(sides[side], reverse=descending)[:levels]
        parts = [f"{units.quantity(key, sides[side][p])}@{units.price(key, p)}" for p in prices]
        return " ".join(parts) or "—"

    bids = shown(common_pb2.SIDE_BUY, descending=True)
    asks = shown(common_pb2.SIDE_SELL, descending=False)
    return f"{units.name(key)}  bids {bids}  |  asks {asks}"


def executions(account: str = _ACCOUNT, count: int = _COUNT) -> None:
    """Follow what happens to an account's orders."""
    request = orders_pb2.StreamExecutionsRequest(account=account)
    units = Units()
    with connect(account) as connection:
        stub = orders_pb2_grpc.OrderServiceStub(connection.channel)
        call = stub.StreamExecutions(request, metadata=connection.metadata)

        def lines() -> Iterable[str]:
            for response in call:
                units.learn(response.header.units)
                for report in response.reports:
                    yield _report_line(report, units)

        _print_limited(lines(), count, call.cancel)


def _report_line(report: order_records_pb2.ExecutionReport, units: Units) -> str:
    key = report.instrument_id
    kind = order_records_pb2.ExecutionType.Name(report.execution_type)
    side = common_pb2.Side.Name(report.side).removeprefix("SIDE_").lower()
    line = (
        f"{report.sequence} {kind.removeprefix('EXECUTION_TYPE_').lower()} {units.name(key)}"
        f" {side} order {report.order_id} {report.client_order_id}"
    )
    if report.HasField("last_price_units"):
        quantity = units.quantity(key, report.last_quantity_units)
        line += f" traded {quantity} @ {units.price(key, report.last_price_units)}"
    if report.reason:
        line += f" ({reasons.NAMES.get(report.reason, report.reason)})"
    return line + f" open {units.quantity(key, report.leaves_quantity_units)}"
