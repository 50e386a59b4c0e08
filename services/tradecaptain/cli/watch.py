"""``tradecaptain watch …``: follow quotes, a book, an option chain or an account's executions.

A stream whose process dies is opened again once that process is back; executions go on behind the
last one that was seen.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import grpc
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc, records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc
from tradecaptain.api.orders.v1 import records_pb2 as order_records_pb2
from tradecaptain.api.pricing.v1 import pricing_pb2, pricing_pb2_grpc
from tradecaptain.base.units import UnitScale
from tradecaptain.cli.arguments import PRINCIPAL_OF_ACCOUNT
from tradecaptain.cli.connection import Connection, connect
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, say, show
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.wire import reason as reasons

_PRINCIPAL = typer.Option("alpha", "--as", "--account", help="Principal whose token is used.")
_COUNT = typer.Option(0, "--count", "-n", min=0, help="Stop after so many lines; 0 for no end.")
_JSON = typer.Option(False, "--json", help="With --count: answer with one JSON object.")
_PASSING = (
    reasons.REASON_UNAVAILABLE,
    reasons.REASON_DRAINING,
    reasons.REASON_SLOW_CONSUMER,
)
_PAUSE_SECONDS_MAX = 2.0
Item = tuple[str, dict[str, Any]]
"""What happened, as a line for a person and as an object."""


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(
        help="Follow quotes, a book, an option chain or executions.", no_args_is_help=True
    )
    group.command("quotes")(quotes)
    group.command("book")(book)
    group.command("chain")(chain)
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


def open_again(call: Callable[[Any], Any], request: Any) -> Iterator[Any]:
    """Responses of a stream that is opened anew, with growing pauses, while its process is away.

    That it is away is told once. The caller moves ``request`` on where the stream can resume.
    """
    failures = 0
    told = None
    while True:
        stream = call(request)
        try:
            for response in stream:
                failures, told = 0, None
                yield response
            return
        except grpc.RpcError as error:
            why = from_rpc_error(error)
            if why.reason not in _PASSING:
                raise why from error
        finally:
            stream.cancel()
        failures += 1
        if why.reason != told:
            told = why.reason
            say(f"the stream isn't there ({why.name}); it is opened as soon as it is")
        threading.Event().wait(min(0.1 * 2**failures, _PAUSE_SECONDS_MAX))


def _tell(what: str, items: Iterable[Item], count: int, *, json: bool) -> None:
    """Show items as they come, or collect ``count`` of them into one object."""
    if json and not count:
        raise CommandError("--json answers once", next_step="say with --count when it is complete")
    told: list[dict[str, Any]] = []
    for number, (line, found) in enumerate(items, 1):
        if json:
            told.append(found)
        else:
            show(line)
        if number == count:
            break
    if json:
        emit_json({what: told})


def _caller(connection: Connection, method: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda request: method(request, metadata=connection.metadata)


def _as_dict(message: Message, name: str) -> dict[str, Any]:
    return {"instrument": name, **MessageToDict(message, preserving_proto_field_name=True)}


def quotes(
    instruments: list[str] = typer.Argument(
        help="One or more markets that are collected, such as ACME@XSIM."
    ),
    principal: str = _PRINCIPAL,
    count: int = _COUNT,
    json: bool = _JSON,
) -> None:
    """Follow the best bid and ask of instruments."""
    request = marketdata_pb2.StreamQuotesRequest(instruments=instruments)
    units = Units()
    with connect(principal) as connection:
        stub = marketdata_pb2_grpc.MarketDataServiceStub(connection.channel)

        def items() -> Iterable[Item]:
            for response in open_again(_caller(connection, stub.StreamQuotes), request):
                units.learn(response.header.units)
                for quote in response.quotes:
                    name = units.name(quote.instrument_id)
                    yield _quote_line(quote, units), _as_dict(quote, name)

        _tell("quotes", items(), count, json=json)


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
    principal: str = _PRINCIPAL,
    count: int = _COUNT,
    json: bool = _JSON,
) -> None:
    """Follow the price levels of our own venue's book."""
    name = instrument if "@" in instrument else f"{instrument}@TCAP"
    request = orderbook_pb2.StreamBookRequest(
        instrument=name, level=records_pb2.DEPTH_LEVEL_L2, level_limit=levels
    )
    units = Units()
    sides: dict[int, dict[int, int]] = {common_pb2.SIDE_BUY: {}, common_pb2.SIDE_SELL: {}}
    with connect(principal) as connection:
        stub = orderbook_pb2_grpc.OrderBookServiceStub(connection.channel)

        def items() -> Iterable[Item]:
            for response in open_again(_caller(connection, stub.StreamBook), request):
                units.learn(response.header.units)
                for update in response.updates:
                    _apply(update, sides)
                    yield (
                        _book_line(update.instrument_id, sides, units, levels),
                        _book_object(update.instrument_id, sides, units, levels),
                    )

        _tell("books", items(), count, json=json)


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


def _shown(
    key: int, sides: Mapping[int, Mapping[int, int]], units: Units, levels: int
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Quantity and price of the best levels, of bids and of asks."""

    def best(side: int, *, descending: bool) -> list[tuple[str, str]]:
        prices = sorted(sides[side], reverse=descending)[:levels]
        return [(units.quantity(key, sides[side][p]), units.price(key, p)) for p in prices]

    bids = best(common_pb2.SIDE_BUY, descending=True)
    return bids, best(common_pb2.SIDE_SELL, descending=False)


def _book_line(key: int, sides: Mapping[int, Mapping[int, int]], units: Units, levels: int) -> str:
    bids, asks = (
        " ".join(f"{quantity}@{price}" for quantity, price in side) or "—"
        for side in _shown(key, sides, units, levels)
    )
    return f"{units.name(key)}  bids {bids}  |  asks {asks}"


def _book_object(
    key: int, sides: Mapping[int, Mapping[int, int]], units: Units, levels: int
) -> dict[str, Any]:
    bids, asks = (
        [{"price": price, "quantity": quantity} for quantity, price in side]
        for side in _shown(key, sides, units, levels)
    )
    return {"instrument": units.name(key), "bids": bids, "asks": asks}


def chain(
    underlying: str = typer.Argument(help="What the options are on, such as ACME@XSIM."),
    interval_ms: int = typer.Option(
        1000, "--interval-ms", min=0, max=60_000, help="At most one in so many."
    ),
    principal: str = _PRINCIPAL,
    count: int = _COUNT,
    json: bool = _JSON,
) -> None:
    """Follow values and greeks of the options on an underlying."""
    request = pricing_pb2.StreamOptionChainRequest(underlying=underlying, interval_ms=interval_ms)
    contracts: list[pricing_pb2.ChainContract] = []
    with connect(principal) as connection:
        stub = pricing_pb2_grpc.PricingServiceStub(connection.channel)

        def items() -> Iterable[Item]:
            for response in open_again(_caller(connection, stub.StreamOptionChain), request):
                if response.contracts:
                    contracts[:] = response.contracts
                if response.HasField("values"):
                    yield (
                        _chain_text(contracts, response.values),
                        _chain_object(contracts, response.values),
                    )

        _tell("chains", items(), count, json=json)


def _chain_text(
    contracts: Iterable[pricing_pb2.ChainContract], values: pricing_pb2.ChainValues
) -> str:
    lines = [f"underlying {values.underlying_price:g}{' (stale)' if values.stale else ''}"]
    columns = values.values
    for index, contract in enumerate(contracts):
        lines.append(
            f"{contract.instrument:28} {columns.value[index]:10.4f}"
            f"  delta {_greek(columns.delta[index], '+.4f'):>7}"
            f"  gamma {_greek(columns.gamma[index], '.5f'):>7}"
            f"  vega {_greek(columns.vega[index], '.4f'):>9}"
            f"  theta {_greek(columns.theta[index], '+.4f'):>10}"
        )
    return "\n".join(lines)


def _greek(number: float, form: str) -> str:
    """A greek, or a dash where there is none, as at the strike at expiry."""
    return "-" if math.isnan(number) else format(number, form)


def _chain_object(
    contracts: Iterable[pricing_pb2.ChainContract], values: pricing_pb2.ChainValues
) -> dict[str, Any]:
    names = ("value", "delta", "gamma", "vega", "theta", "rho")
    rows = [
        {"instrument": contract.instrument, "volatility": values.volatility[index]}
        | {name: getattr(values.values, name)[index] for name in names}
        for index, contract in enumerate(contracts)
    ]
    return {
        "underlying_price": values.underlying_price,
        "sequence": values.sequence,
        "stale": values.stale,
        "options": rows,
    }


def executions(
    account: str = typer.Option("alpha", "--account", help="Whose orders."),
    principal: str = PRINCIPAL_OF_ACCOUNT,
    count: int = _COUNT,
    json: bool = _JSON,
) -> None:
    """Follow what happens to an account's orders from now on."""
    request = orders_pb2.StreamExecutionsRequest(account=account)
    units = Units()
    with connect(principal or account) as connection:
        stub = orders_pb2_grpc.OrderServiceStub(connection.channel)

        def items() -> Iterable[Item]:
            for response in open_again(_caller(connection, stub.StreamExecutions), request):
                units.learn(response.header.units)
                if response.HasField("position"):
                    request.resume_from.CopyFrom(response.position)
                for report in response.reports:
                    request.resume_from.epoch = report.epoch
                    request.resume_from.sequence = report.sequence
                    name = units.name(report.instrument_id)
                    yield _report_line(report, units), _as_dict(report, name)

        _tell("executions", items(), count, json=json)


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
