"""``tradecaptain venue …``: open instruments, change phases, halt, set bands and fees, by hand."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from typing import Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.api.orderbook.v1 import administration_pb2 as pb
from tradecaptain.api.orderbook.v1.administration_pb2_grpc import VenueAdministrationServiceStub
from tradecaptain.base.instruments import OWN_VENUE_MIC
from tradecaptain.cli.arguments import TAKES_NEGATIVES
from tradecaptain.cli.connection import CALL_SECONDS, Connection, connect
from tradecaptain.cli.output import emit_json, show

_PRINCIPAL = typer.Option("venue", "--as", help="Principal whose token is used.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")
_INSTRUMENT = typer.Argument(help="AMZN, or AMZN@TCAP.")
_SECOND_NS = 1_000_000_000
_MILLISECOND_NS = 1_000_000


class Phase(StrEnum):
    """Trading phase of an instrument."""

    CONTINUOUS = "continuous"
    CLOSED = "closed"
    HALTED = "halted"
    OPENING_AUCTION = "opening-auction"
    CLOSING_AUCTION = "closing-auction"
    VOLATILITY_AUCTION = "volatility-auction"
    INTRADAY_AUCTION = "intraday-auction"


class Kind(StrEnum):
    """What kind of thing an instrument is."""

    EQUITY = "equity"
    INDEX = "index"
    CURRENCY_PAIR = "currency-pair"
    CRYPTO_PAIR = "crypto-pair"
    FUTURE = "future"
    OPTION = "option"


class Sharing(StrEnum):
    """How an incoming order is shared out over resting ones."""

    PRICE_TIME = "price-time"
    PRO_RATA = "pro-rata"
    PRO_RATA_TOP = "pro-rata-top"
    BATCH_AUCTION = "batch-auction"
    FILTER_AND_UNCROSS = "filter-and-uncross"


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(
        help="Instruments, phases, halts, bands and fees of our own venue.", no_args_is_help=True
    )
    group.command("create")(create)
    group.command("phase")(set_phase)
    group.command("halt")(halt)
    group.command("resume")(resume)
    group.command("bands")(set_bands)
    group.command("fee-tier", context_settings=TAKES_NEGATIVES)(set_fee_tier)
    group.command("assign-tier")(assign_fee_tier)
    app.add_typer(group, name="venue")


def create(
    symbol: str = typer.Argument(help="Symbol of the new instrument: NEWCO, or NEWCO@TCAP."),
    like: str = typer.Option("", "--like", help="Instrument whose terms it takes over."),
    description: str = typer.Option("", "--description", help="A line for a person to read."),
    kind: Kind = typer.Option(None, "--kind", help="What kind of thing it is."),
    price_unit: str = typer.Option("", "--price-unit", help="Such as 0.01 or 1/256."),
    quantity_unit: str = typer.Option("", "--quantity-unit", help="Such as 1 or 0.0001."),
    increment: list[str] = typer.Option(
        [], "--increment", help="Price increment: 0.01, or from a price on 200:0.05; repeatable."
    ),
    lot: str = typer.Option("", "--lot", help="Quantities are multiples of it."),
    minimum: str = typer.Option("", "--minimum", help="Smallest quantity of an order."),
    maximum: str = typer.Option("", "--maximum", help="Largest quantity of an order."),
    lowest: str = typer.Option("", "--lowest-price", help="Lowest price of the book."),
    highest: str = typer.Option("", "--highest-price", help="Highest price of the book."),
    currency: str = typer.Option("", "--currency", help="Currency of its prices."),
    calendar: str = typer.Option("", "--calendar", help="Session calendar by name."),
    multiplier: int = typer.Option(0, "--multiplier", help="Underlying units of a contract."),
    allocation: Sharing = typer.Option(None, "--allocation", help="How orders are shared out."),
    minimum_share: str = typer.Option("", "--minimum-share", help="Smallest pro-rata share."),
    interval_ms: int = typer.Option(0, "--interval-ms", help="Interval of batch auctions."),
    indication_ms: int = typer.Option(
        0, "--indication-interval-ms", help="Least time between indications of an auction."
    ),
    strike: str = typer.Option("", "--strike", help="Strike of an option, if --like is one."),
    reference: str = typer.Option("", "--reference", help="Price limits are held against it."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Open a new instrument, now and for every later start."""
    request = pb.CreateInstrumentRequest(
        symbol=symbol.removesuffix(f"@{OWN_VENUE_MIC}"),
        like=like,
        description=description,
        type=_enum("INSTRUMENT_TYPE", kind, instruments_pb2.InstrumentType),
        price_bands=[_band(text) for text in increment],
        lot=lot,
        minimum_quantity=minimum,
        maximum_quantity=maximum,
        minimum_price=lowest,
        maximum_price=highest,
        quote_currency=currency,
        calendar=calendar,
        multiplier=multiplier,
        allocation=_enum("ALLOCATION", allocation, instruments_pb2.Allocation),
        minimum_share=minimum_share,
        batch_interval_ns=interval_ms * _MILLISECOND_NS,
        indication_interval_ns=indication_ms * _MILLISECOND_NS,
    )
    for name, text in (("price_unit", price_unit), ("quantity_unit", quantity_unit)):
        if text:
            getattr(request, name).CopyFrom(_rational(text))
    if strike:
        request.derivative.strike = strike
    if reference:
        request.reference_price = reference
    with connect(principal) as connection:
        response = _call(connection, "CreateInstrument", request)
    instrument = response.instrument
    state = "was there already" if response.duplicate else "is open"
    said = f"{instrument.name} {state}, id {instrument.instrument_id}"
    if not reference:
        said += (
            f"\naccounts with a price collar trade once there is a reference: a first trade, or"
            f" `tradecaptain venue phase {instrument.name} continuous --reference PRICE`"
        )
    _answer(response, said, json=json)


def set_phase(
    instrument: str = _INSTRUMENT,
    phase: Phase = typer.Argument(help="The phase."),
    seconds: float = typer.Option(0.0, "--for", help="Seconds after which an auction ends."),
    reference: str = typer.Option("", "--reference", help="Counts as the last price from here on."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Change the trading phase of an instrument."""
    request = pb.SetPhaseRequest(
        instrument=_named(instrument),
        phase=_enum("TRADING_PHASE", phase, records_pb2.TradingPhase),
        duration_ns=round(seconds * _SECOND_NS),
    )
    if reference:
        request.reference_price = reference
    with connect(principal) as connection:
        response = _call(connection, "SetPhase", request)
    _answer(response, f"{request.instrument} is {phase.value}", json=json)


def halt(instrument: str = _INSTRUMENT, principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """Stop an instrument at once; only cancels are taken."""
    request = pb.HaltInstrumentRequest(instrument=_named(instrument))
    with connect(principal) as connection:
        response = _call(connection, "HaltInstrument", request)
    _answer(response, f"{request.instrument} is halted", json=json)


def resume(instrument: str = _INSTRUMENT, principal: str = _PRINCIPAL, json: bool = _JSON) -> None:
    """Let an instrument trade again; its book is uncrossed first."""
    request = pb.ResumeInstrumentRequest(instrument=_named(instrument))
    with connect(principal) as connection:
        response = _call(connection, "ResumeInstrument", request)
    _answer(response, f"{request.instrument} trades", json=json)


def set_bands(
    instrument: str = _INSTRUMENT,
    low: str = typer.Option("", "--low", help="Lowest limit price that is taken."),
    high: str = typer.Option("", "--high", help="Highest limit price that is taken."),
    dynamic: str = typer.Option("", "--dynamic", help="Distance of a trade from the last price."),
    pause: float = typer.Option(0.0, "--pause", help="Seconds of the volatility auction."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Set the price bands of an instrument; what isn't given is open."""
    request = pb.SetBandsRequest(instrument=_named(instrument), pause_ns=round(pause * _SECOND_NS))
    for name, text in (("low", low), ("high", high), ("dynamic_distance", dynamic)):
        if text:
            setattr(request, name, text)
    with connect(principal) as connection:
        response = _call(connection, "SetBands", request)
    _answer(response, f"bands of {request.instrument} are set", json=json)


def set_fee_tier(
    tier: int = typer.Argument(help="0 to 15."),
    maker: int = typer.Argument(help="Millionths of price times quantity; negative is a rebate."),
    taker: int = typer.Argument(help="The same for incoming orders."),
    auction: int = typer.Option(0, "--auction", help="The same for both sides of an auction."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Set the rates of a fee tier."""
    request = pb.SetFeeTierRequest(
        tier=tier, maker_rate=maker, taker_rate=taker, auction_rate=auction
    )
    with connect(principal) as connection:
        response = _call(connection, "SetFeeTier", request)
    _answer(response, f"rates of tier {tier} are set", json=json)


def assign_fee_tier(
    account: str = typer.Argument(help="Account by name or number."),
    tier: int = typer.Argument(help="0 to 15."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Put an account into a fee tier."""
    request = pb.AssignFeeTierRequest(account=account, tier=tier)
    with connect(principal) as connection:
        response = _call(connection, "AssignFeeTier", request)
    _answer(response, f"{account} is in tier {tier}", json=json)


def _enum(prefix: str, choice: StrEnum | None, numbers: Any) -> Any:
    """Number of a choice in a contract's enum; zero for none."""
    if choice is None:
        return 0
    return numbers.Value(f"{prefix}_{choice.value.upper().replace('-', '_')}")


def _band(text: str) -> instruments_pb2.PriceBand:
    start, _, increment = text.rpartition(":")
    if not start:
        return instruments_pb2.PriceBand(increment=increment)
    return instruments_pb2.PriceBand(lower_price=start, increment=increment)


def _rational(text: str) -> common_pb2.Rational:
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise typer.BadParameter(f"{text!r} is no unit; write 0.01 or 1/256") from error
    return common_pb2.Rational(numerator=value.numerator, denominator=value.denominator)


def _named(text: str) -> str:
    return text if "@" in text or text.isdigit() else f"{text}@TCAP"


def _call(connection: Connection, method: str, request: Message) -> Any:
    stub = VenueAdministrationServiceStub(connection.channel)
    return getattr(stub, method)(request, metadata=connection.metadata, timeout=CALL_SECONDS)


def _answer(message: Message, text: str, *, json: bool) -> None:
    if json:
        emit_json(MessageToDict(message, preserving_proto_field_name=True))
    else:
        show(text)
