"""``tradecaptain price …``: options, exotic ones, volatilities and portfolios, by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import (
    option_families_pb2,
    options_pb2,
    options_pb2_grpc,
    pricing_pb2,
    pricing_pb2_grpc,
    simulation_pb2,
)
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.arguments import TAKES_NEGATIVES
from tradecaptain.cli.connection import Connection, connect
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.output import emit_json, show

CALL_SECONDS = 120.0
"""Longer than of other commands: some calls are heavy."""
_TRUE = ("1", "true", "yes")
_FALSE = ("0", "false", "no")
_COUNT_MAX = 2**32 - 1
_PRINCIPAL = typer.Option("alpha", "--as", "--account", help="Principal whose token is used.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")
_RIGHT = typer.Argument(help="call or put.")
_SPOT = typer.Argument(help="Price of the underlying.")
_STRIKE = typer.Argument(help="Strike.")
_YEARS = typer.Argument(help="Time to expiry, years.")
_RATE = typer.Option(
    0.0, "--rate", help="Continuous interest rate a year; taken for 0 if left out."
)
_YIELD = typer.Option(
    0.0, "--yield", help="Continuous dividend yield a year; taken for 0 if left out."
)
_TERMS = typer.Argument(help="Terms as name=value, such as spot=100 right=call.")


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(help="Price options and portfolios by hand.", no_args_is_help=True)
    group.command("option", context_settings=TAKES_NEGATIVES)(option)
    group.command("implied", context_settings=TAKES_NEGATIVES)(implied)
    group.command("families")(families)
    group.command("exotic", context_settings=TAKES_NEGATIVES)(exotic)
    group.command("simulate", context_settings=TAKES_NEGATIVES)(simulate)
    group.command("portfolio")(portfolio)
    app.add_typer(group, name="price")


def option(
    right: str = _RIGHT,
    spot: float = _SPOT,
    strike: float = _STRIKE,
    years: float = _YEARS,
    volatility: float = typer.Argument(help="Annual volatility, 0.2 for 20 %."),
    rate: float = _RATE,
    dividend_yield: float = _YIELD,
    american: bool = typer.Option(False, "--american", help="May be exercised at any time."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Value and greeks of a European or American option."""
    inputs = pricing_pb2.OptionInputs(
        right=_right(right),
        spot=spot,
        strike=strike,
        time_years=years,
        volatility=volatility,
        interest_rate=rate,
        dividend_yield=dividend_yield,
    )
    with connect(principal) as connection:
        if american:
            request = options_pb2.PriceAmericanOptionRequest(option=inputs)
            found: Any = _options(connection).PriceAmericanOption(request, **_settings(connection))
        else:
            stub = pricing_pb2_grpc.PricingServiceStub(connection.channel)
            found = stub.PriceOption(
                pricing_pb2.PriceOptionRequest(option=inputs), **_settings(connection)
            )
    if json:
        emit_json(_plain(found))
        return
    _show_value(found.value)
    if american and (found.exercise.HasField("low") or found.exercise.HasField("high")):
        low = f"{found.exercise.low:.6g}" if found.exercise.HasField("low") else "0"
        high = f"{found.exercise.high:.6g}" if found.exercise.HasField("high") else "∞"
        show(f"exercise best from {low} to {high}")


def implied(
    right: str = _RIGHT,
    spot: float = _SPOT,
    strike: float = _STRIKE,
    years: float = _YEARS,
    price: float = typer.Argument(help="Price of the option."),
    rate: float = _RATE,
    dividend_yield: float = _YIELD,
    model: str = typer.Option("black_scholes", "--model", help="black_scholes, black76, bachelier"),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """The volatility that a price implies; exits 1 if there is none."""
    columns = options_pb2.OptionPriceColumns(
        right=[_right(right)],
        spot=[spot],
        strike=[strike],
        time_years=[years],
        price=[price],
        interest_rate=[rate],
    )
    number = _choice(options_pb2.OptionModel, "OPTION_MODEL_", model)
    # A forward has no yield: one that is given all the same is refused by name.
    if number == options_pb2.OPTION_MODEL_BLACK_SCHOLES or dividend_yield:
        columns.dividend_yield.append(dividend_yield)
    request = options_pb2.SolveImpliedVolatilitiesRequest(columns=columns, model=number)
    with connect(principal) as connection:
        found = _options(connection).SolveImpliedVolatilities(request, **_settings(connection))
    status = options_pb2.OptionStatus.Name(found.status[0]).removeprefix("OPTION_STATUS_")
    has_volatility = math.isfinite(found.volatility[0])
    if json:
        volatility = found.volatility[0] if has_volatility else None
        emit_json({"volatility": volatility, "status": status.lower()})
        if not has_volatility:
            raise typer.Exit(1)
    elif has_volatility:
        show(f"volatility {found.volatility[0]:.12g}  ({status.lower()})")
    else:
        raise CommandError(
            f"the price has no volatility: {status.lower().replace('_', ' ')}",
            next_step="check the price against the intrinsic value and the spot",
        )


def families(
    family: str = typer.Argument("", help="Only this one."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """The families of options, with the terms that each takes."""
    request = option_families_pb2.ListOptionFamiliesRequest()
    with connect(principal) as connection:
        told = _options(connection).ListOptionFamilies(request, **_settings(connection)).families
    if family:
        number = _choice(option_families_pb2.OptionFamily, "OPTION_FAMILY_", family)
        told = [item for item in told if item.family == number]
    if json:
        emit_json({"families": [_plain(item) for item in told]})
        return
    for item in told:
        name = option_families_pb2.OptionFamily.Name(item.family).removeprefix("OPTION_FAMILY_")
        show(name.lower())
        required = [entry.field for entry in item.inputs if entry.required]
        optional = [entry.field for entry in item.inputs if not entry.required]
        show(f"    {' '.join(required)}")
        if optional:
            show(f"    [{' '.join(optional)}]")
        variants = [option_families_pb2.OptionVariant.Name(number) for number in item.variants]
        if variants:
            names = [variant.removeprefix("OPTION_VARIANT_").lower() for variant in variants]
            show(f"    variant: {', '.join(names)}")


def exotic(
    family: str = typer.Argument(help="A family of `tradecaptain price families`."),
    terms: list[str] = _TERMS,
    value_only: bool = typer.Option(False, "--value", help="Leave the greeks out: faster."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Value and greeks of an option of any family."""
    told = option_families_pb2.ExoticOption(
        family=_choice(option_families_pb2.OptionFamily, "OPTION_FAMILY_", family)
    )
    _fill(told, terms)
    depth = (
        option_families_pb2.OPTION_DEPTH_VALUE
        if value_only
        else option_families_pb2.OPTION_DEPTH_GREEKS
    )
    request = option_families_pb2.PriceExoticOptionsRequest(options=[told], depth=depth)
    hint = f"`tradecaptain price families {family}` tells its terms; give them as name=value"
    with _told(hint), connect(principal) as connection:
        answer = _options(connection).PriceExoticOptions(request, **_settings(connection))
    if json:
        emit_json(_plain(answer.values[0]))
    elif value_only:
        show(f"value {answer.values[0].value.value:.12g}")
    else:
        _show_value(answer.values[0].value)


def simulate(
    payoff: str = typer.Argument(help="european, average_price, fixed_lookback, barrier …"),
    terms: list[str] = _TERMS,
    years: float = typer.Option(1.0, "--years", help="Time of the last fixing."),
    fixings: int = typer.Option(
        12, "--fixings", min=1, max=_COUNT_MAX, help="Fixings at equal intervals."
    ),
    points: int = typer.Option(
        0, "--points", min=0, max=_COUNT_MAX, help="Points a replicate, a power of two."
    ),
    seed: int = typer.Option(
        0, "--seed", min=0, max=_COUNT_MAX, help="Seed; the same gives the same value."
    ),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Value of an option by simulation, with its standard error."""
    number = _choice(simulation_pb2.PathPayoff, "PATH_PAYOFF_", payoff)
    request = simulation_pb2.SimulateOptionRequest(payoff=number)
    _fill(request, terms)
    schedule = request.schedule
    schedule.last_years, schedule.count = years, fixings
    if fixings > 1:
        schedule.first_years = years / fixings
    request.plan.points, request.plan.seed = points, seed
    hint = "give terms as name=value, such as interest_rate=0.03 dividend_yield=0"
    with _told(hint), connect(principal) as connection:
        found = _options(connection).SimulateOption(request, **_settings(connection))
    if json:
        emit_json(_plain(found))
    else:
        show(f"value {found.value:.8g} ± {found.standard_error:.2g}  ({found.path_count} paths)")


def portfolio(
    positions: list[str] = typer.Argument(help="Listed options as INSTRUMENT=QUANTITY."),
    spots: str = typer.Option("0.9,1,1.1", "--spots", help="Factors of the spot."),
    volatilities: str = typer.Option("0", "--volatilities", help="Shifts of the volatility."),
    years: str = typer.Option("0", "--years", help="Years that pass."),
    principal: str = _PRINCIPAL,
    json: bool = _JSON,
) -> None:
    """Value of listed options at the market, under every combination of spot, volatility, time."""
    request = options_pb2.RevaluePortfolioRequest(
        spot_factors=_numbers(spots),
        volatility_shifts=_numbers(volatilities),
        years=_numbers(years),
    )
    for position in positions:
        instrument, quantity = _pair(position)
        request.listed.add(instrument=instrument, quantity=_number(instrument, quantity))
    with connect(principal) as connection:
        found = _options(connection).RevaluePortfolio(request, **_settings(connection))
    if json:
        emit_json(_plain(found))
        return
    show(f"value {found.base_value:.10g}")
    values = iter(found.values)
    for spot in request.spot_factors:
        for shift in request.volatility_shifts:
            for passed in request.years:
                value = next(values)
                change = value - found.base_value
                show(f"spot x{spot:<6g} vol {shift:+g} years {passed:<6g} {value:.10g} {change:+g}")


@contextmanager
def _told(next_step: str) -> Iterator[None]:
    """Say how to go on where the service refuses a term."""
    try:
        yield
    except TradeCaptainError as error:
        if not error.field:
            raise
        raise CommandError(f"{error.message} ({error.name})", next_step=next_step) from error


def _options(connection: Connection) -> Any:
    return options_pb2_grpc.OptionServiceStub(connection.channel)


def _settings(connection: Connection) -> dict[str, Any]:
    return {"metadata": connection.metadata, "timeout": CALL_SECONDS}


def _plain(message: Message) -> dict[str, Any]:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _show_value(value: pricing_pb2.OptionValue) -> None:
    show(f"value {value.value:.12g}")
    for name in ("delta", "gamma", "vega", "theta", "rho"):
        if value.HasField(name):
            show(f"{name:6}{getattr(value, name):.12g}")


def _right(text: str) -> Any:
    return _choice(instruments_pb2.OptionRight, "OPTION_RIGHT_", text)


def _choice(enum: Any, prefix: str, text: str) -> Any:
    """The number of a choice by its name without the prefix."""
    known = {name.removeprefix(prefix).lower(): number for name, number in enum.items() if number}
    if text.lower() not in known:
        raise CommandError(f"{text!r} isn't known", next_step=f"one of {', '.join(known)}")
    return known[text.lower()]


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.rpartition("=")
    if not mark or not name or not value:
        raise CommandError(f"{text!r} isn't name=value", next_step="write it as spot=100")
    return name, value


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CommandError(f"{name}: {text!r} isn't a number", next_step="write it as 0.25")
    return number


def _numbers(text: str) -> list[float]:
    return [_number(text, part) for part in text.split(",") if part]


def _fill(message: Message, terms: Sequence[str]) -> None:
    """Set fields of a message from name=value; each may be given once."""
    fields: Any = message.DESCRIPTOR.fields_by_name
    plain = [name for name, field in fields.items() if field.message_type is None]
    given: set[str] = set()
    for term in terms:
        name, text = _pair(term)
        if name not in plain:
            raise CommandError(f"there is no term {name!r}", next_step=f"one of {', '.join(plain)}")
        if name in given:
            raise CommandError(f"{name} is given twice", next_step="give every term once")
        given.add(name)
        setattr(message, name, _value(fields[name], text))


def _value(field: FieldDescriptor, text: str) -> Any:
    if field.enum_type is not None:
        names = [value.name for value in field.enum_type.values]
        prefix = names[0].removesuffix("UNSPECIFIED")
        known = {name.removeprefix(prefix).lower(): name for name in names[1:]}
        if text.lower() not in known:
            raise CommandError(
                f"{field.name} can't be {text!r}", next_step=f"one of {', '.join(known)}"
            )
        return field.enum_type.values_by_name[known[text.lower()]].number
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _boolean(field.name, text)
    if field.type == FieldDescriptor.TYPE_UINT32:
        return _count(field.name, text)
    return _number(field.name, text)


def _boolean(name: str, text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise CommandError(
        f"{name}: {text!r} is neither true nor false", next_step="write it as true or false"
    )


def _count(name: str, text: str) -> int:
    number = _number(name, text)
    if not 0.0 <= number <= _COUNT_MAX or number != int(number):
        raise CommandError(
            f"{name}: {text!r} isn't a count", next_step=f"a whole number from 0 to {_COUNT_MAX}"
        )
    return int(number)
