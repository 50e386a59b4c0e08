"""``tradecaptain order …``: send, cancel, replace and list orders by hand."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Any

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.cli.arguments import PRINCIPAL_OF_ACCOUNT
from tradecaptain.cli.connection import CALL_SECONDS, Connection, connect
from tradecaptain.cli.output import RESULTS, emit_json, show

_ACCOUNT = typer.Option("alpha", "--account", help="Account to trade for.")
_JSON = typer.Option(False, "--json", help="Answer with one JSON object.")


class Side(StrEnum):
    """Side of an order."""

    BUY = "buy"
    SELL = "sell"


class Type(StrEnum):
    """Type of an order."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"
    STOP_LIMIT = "stop-limit"
    TRAILING_STOP = "trailing-stop"
    PEGGED = "pegged"


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"
    AT_OPEN = "at-open"
    AT_CLOSE = "at-close"


class Peg(StrEnum):
    """Which price a pegged order follows."""

    SAME_SIDE = "same-side"
    OTHER_SIDE = "other-side"
    MIDPOINT = "midpoint"


class SelfTrade(StrEnum):
    """What happens when an order would trade with one of its own group."""

    NEWEST = "newest"
    OLDEST = "oldest"
    BOTH = "both"
    DECREMENT = "decrement"


class Short(StrEnum):
    """Mark of a short sale, and whether its shares are located."""

    LOCATED = "located"
    UNLOCATED = "unlocated"
    EXEMPT = "exempt"


class GroupRole(StrEnum):
    """Part of an order in its group."""

    OCO = "oco"
    ENTRY = "entry"
    EXIT = "exit"


_SIDES = {Side.BUY: common_pb2.SIDE_BUY, Side.SELL: common_pb2.SIDE_SELL}
_TYPES = {
    Type.LIMIT: records_pb2.ORDER_TYPE_LIMIT,
    Type.MARKET: records_pb2.ORDER_TYPE_MARKET,
    Type.STOP: records_pb2.ORDER_TYPE_STOP,
    Type.STOP_LIMIT: records_pb2.ORDER_TYPE_STOP_LIMIT,
    Type.TRAILING_STOP: records_pb2.ORDER_TYPE_TRAILING_STOP,
    Type.PEGGED: records_pb2.ORDER_TYPE_PEGGED,
}
_TIMES_IN_FORCE = {
    TimeInForce.DAY: records_pb2.TIME_IN_FORCE_DAY,
    TimeInForce.GTC: records_pb2.TIME_IN_FORCE_GOOD_TILL_CANCEL,
    TimeInForce.IOC: records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
    TimeInForce.FOK: records_pb2.TIME_IN_FORCE_FILL_OR_KILL,
    TimeInForce.GTD: records_pb2.TIME_IN_FORCE_GOOD_TILL_DATE,
    TimeInForce.AT_OPEN: records_pb2.TIME_IN_FORCE_AT_OPEN,
    TimeInForce.AT_CLOSE: records_pb2.TIME_IN_FORCE_AT_CLOSE,
}
_PEGS = {
    Peg.SAME_SIDE: records_pb2.PEG_REFERENCE_SAME_SIDE,
    Peg.OTHER_SIDE: records_pb2.PEG_REFERENCE_OTHER_SIDE,
    Peg.MIDPOINT: records_pb2.PEG_REFERENCE_MIDPOINT,
}
_SELF_TRADES = {
    SelfTrade.NEWEST: records_pb2.SELF_TRADE_PREVENTION_CANCEL_NEWEST,
    SelfTrade.OLDEST: records_pb2.SELF_TRADE_PREVENTION_CANCEL_OLDEST,
    SelfTrade.BOTH: records_pb2.SELF_TRADE_PREVENTION_CANCEL_BOTH,
    SelfTrade.DECREMENT: records_pb2.SELF_TRADE_PREVENTION_DECREMENT,
}
_GROUP_ROLES = {
    GroupRole.OCO: records_pb2.GROUP_ROLE_ONE_CANCELS_OTHER,
    GroupRole.ENTRY: records_pb2.GROUP_ROLE_BRACKET_ENTRY,
    GroupRole.EXIT: records_pb2.GROUP_ROLE_BRACKET_EXIT,
}


def side_of(side: Side) -> common_pb2.Side.ValueType:
    """The contract's value of a side."""
    return _SIDES[side]


def order_type_of(order_type: Type) -> records_pb2.OrderType.ValueType:
    """The contract's value of an order type."""
    return _TYPES[order_type]


def mark_short(order: records_pb2.NewOrder, short: Short | None) -> None:
    """Mark an order as a short sale, if it is to be one."""
    if short is None:
        return
    is_exempt = short is Short.EXEMPT
    marks = records_pb2.SHORT_SALE_SHORT, records_pb2.SHORT_SALE_SHORT_EXEMPT
    order.short_sale = marks[is_exempt]
    order.located = short is Short.LOCATED


def register(app: typer.Typer) -> None:
    """Add the verb and the verbs below it."""
    group = typer.Typer(help="Send, cancel, replace and list orders by hand.", no_args_is_help=True)
    group.command("submit")(submit)
    group.command("cancel")(cancel)
    group.command("replace")(replace)
    group.command("mass-cancel")(mass_cancel)
    group.command("list")(list_orders)
    app.add_typer(group, name="order")


def submit(
    instrument: str = typer.Argument(help="AMZN, or AMZN@TCAP."),
    side: Side = typer.Argument(help="buy or sell."),
    quantity: str = typer.Argument(help="Exact decimal quantity."),
    price: str = typer.Option("", "--price", help="Exact decimal limit price."),
    order_type: Type = typer.Option(
        None, "--type", help="By itself: stop with a stop price, limit with a price, else market."
    ),
    time_in_force: TimeInForce = typer.Option(None, "--tif", help="By itself: day."),
    client_order_id: str = typer.Option("", "--id", help="Your own id; made up if empty."),
    post_only: bool = typer.Option(False, "--post-only", help="Never take liquidity."),
    slide: bool = typer.Option(False, "--slide", help="With --post-only: move, don't refuse."),
    stop: str = typer.Option("", "--stop", help="Stop price."),
    trail: str = typer.Option("", "--trail", help="Trailing distance in price terms, or as 1.5%."),
    peg: Peg = typer.Option(None, "--peg", help="The price that a pegged order follows."),
    peg_offset: str = typer.Option("", "--peg-offset", help="Added to that price."),
    display: str = typer.Option("", "--display", help="Visible part of an iceberg."),
    minimum: str = typer.Option("", "--minimum", help="Smallest quantity that may trade at once."),
    hidden: bool = typer.Option(False, "--hidden", help="Don't show it in the book."),
    all_or_none: bool = typer.Option(False, "--all-or-none", help="All of it at once, or nothing."),
    expires: datetime.datetime = typer.Option(None, "--expires", help="Its end (UTC), for gtd."),
    self_trade: SelfTrade = typer.Option(None, "--self-trade", help="Self-trade prevention."),
    group: int = typer.Option(0, "--group", help="Your number of its group of orders."),
    role: GroupRole = typer.Option(None, "--role", help="Its part in the group."),
    least: str = typer.Option("", "--minimum-visible", help="Iceberg: refill below this."),
    reduce_only: bool = typer.Option(False, "--reduce-only", help="Only close a position."),
    strategy: int = typer.Option(0, "--strategy", help="Your number of its strategy."),
    short: Short = typer.Option(None, "--short", help="Mark it as a short sale."),
    account: str = _ACCOUNT,
    principal: str = PRINCIPAL_OF_ACCOUNT,
    json: bool = _JSON,
) -> None:
    """Send a new order and show what became of it at once."""
    kind = order_type or _kind_of(price=price, stop=stop, trail=trail, peg=peg)
    lifetime = time_in_force or _lifetime_by_itself(kind is Type.MARKET)
    order = records_pb2.NewOrder(
        account=account,
        instrument=instrument if "@" in instrument else f"{instrument}@TCAP",
        client_order_id=client_order_id or _new_id(),
        side=_SIDES[side],
        type=_TYPES[kind],
        time_in_force=_TIMES_IN_FORCE[lifetime],
        quantity=quantity,
        post_only=post_only,
        slide=slide,
        hidden=hidden,
        all_or_none=all_or_none,
        reduce_only=reduce_only,
        strategy_id=strategy,
        group_id=group,
    )
    texts = {
        "price": price,
        "stop_price": stop,
        "peg_offset": peg_offset,
        "display_quantity": display,
        "minimum_quantity": minimum,
        "minimum_visible": least,
    }
    for name, text in texts.items():
        if text:
            setattr(order, name, text)
    mark_short(order, short)
    _add_rules(order, trail=trail, peg=peg, self_trade=self_trade, role=role, expires=expires)
    with connect(principal or account) as connection:
        request = orders_pb2.SubmitOrderRequest(order=order)
        call = _orders(connection).SubmitOrder
        response = call(request, metadata=connection.metadata, timeout=CALL_SECONDS)
    _answer(response, json=json)


def cancel(
    order: str = typer.Argument(help="Venue order id, or your own id with --by-client-id."),
    by_client_id: bool = typer.Option(False, "--by-client-id", help="ORDER is your own id."),
    account: str = _ACCOUNT,
    principal: str = PRINCIPAL_OF_ACCOUNT,
    json: bool = _JSON,
) -> None:
    """Cancel a working order."""
    target = records_pb2.OrderCancel(account=account, client_order_id=_new_id())
    _name_target(target, order, by_client_id=by_client_id)
    with connect(principal or account) as connection:
        response = _orders(connection).CancelOrder(
            orders_pb2.CancelOrderRequest(cancel=target),
            metadata=connection.metadata,
            timeout=CALL_SECONDS,
        )
    _answer(response, json=json)


def replace(
    order: str = typer.Argument(help="Venue order id, or your own id with --by-client-id."),
    quantity: str = typer.Option("", "--quantity", help="New total quantity."),
    price: str = typer.Option("", "--price", help="New limit price."),
    stop: str = typer.Option("", "--stop", help="New stop price of a stop that still waits."),
    by_client_id: bool = typer.Option(False, "--by-client-id", help="ORDER is your own id."),
    account: str = _ACCOUNT,
    principal: str = PRINCIPAL_OF_ACCOUNT,
    json: bool = _JSON,
) -> None:
    """Change price, quantity or stop price of a working order."""
    if not (quantity or price or stop):
        raise typer.BadParameter("give --quantity, --price or --stop")
    change = records_pb2.OrderReplace(account=account, client_order_id=_new_id())
    _name_target(change, order, by_client_id=by_client_id)
    if quantity:
        change.quantity = quantity
    if price:
        change.price = price
    if stop:
        change.stop_price = stop
    with connect(principal or account) as connection:
        response = _orders(connection).ReplaceOrder(
            orders_pb2.ReplaceOrderRequest(replace=change),
            metadata=connection.metadata,
            timeout=CALL_SECONDS,
        )
    _answer(response, json=json)


def mass_cancel(
    instrument: str = typer.Option("", "--instrument", help="Only this instrument's."),
    side: Side = typer.Option(None, "--side", help="Only this side."),
    strategy: int = typer.Option(0, "--strategy", help="Only orders with this strategy number."),
    account: str = _ACCOUNT,
    principal: str = PRINCIPAL_OF_ACCOUNT,
    json: bool = _JSON,
) -> None:
    """Cancel all working orders of the account that match."""
    wanted = records_pb2.MassCancel(account=account, strategy_id=strategy)
    if instrument:
        wanted.instrument = instrument if "@" in instrument else f"{instrument}@TCAP"
    if side:
        wanted.side = _SIDES[side]
    with connect(principal or account) as connection:
        response = _orders(connection).MassCancel(
            orders_pb2.MassCancelRequest(mass_cancel=wanted),
            metadata=connection.metadata,
            timeout=CALL_SECONDS,
        )
    if json:
        emit_json(_as_dict(response) | {"affected_count": response.affected_count})
    else:
        show(f"{response.affected_count} orders cancelled")


def list_orders(
    instrument: str = typer.Option("", "--instrument", help="Only this instrument's."),
    every: bool = typer.Option(False, "--all", help="Also orders that are done."),
    account: str = _ACCOUNT,
    principal: str = PRINCIPAL_OF_ACCOUNT,
    json: bool = _JSON,
) -> None:
    """List the account's orders of today."""
    request = orders_pb2.ListOrdersRequest(
        account=account, instrument=instrument, working_only=not every
    )
    found: list[records_pb2.Order] = []
    with connect(principal or account) as connection:
        stub = _orders(connection)
        while True:
            page = stub.ListOrders(request, metadata=connection.metadata, timeout=CALL_SECONDS)
            found.extend(page.orders)
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    if json:
        emit_json({"orders": [_as_dict(item) for item in found]})
        return
    for item in found:
        show(_order_line(item))
    if not found:
        show("no orders" if every else "no working orders")


def _orders(connection: Connection) -> orders_pb2_grpc.OrderServiceStub:
    return orders_pb2_grpc.OrderServiceStub(connection.channel)


def _add_rules(
    order: records_pb2.NewOrder,
    *,
    trail: str,
    peg: Peg | None,
    self_trade: SelfTrade | None,
    role: GroupRole | None,
    expires: datetime.datetime | None,
) -> None:
    """Write into an order what isn't a plain text of it."""
    if expires:
        order.expire_time_ns = int(expires.replace(tzinfo=datetime.UTC).timestamp()) * 10**9
    if trail.endswith("%"):
        try:
            order.trailing_basis_points = int(Decimal(trail[:-1]) * 100)
        except (ArithmeticError, ValueError) as error:
            raise typer.BadParameter(f"{trail!r} is no percentage") from error
    elif trail:
        order.trailing_distance = trail
    if peg:
        order.peg_reference = _PEGS[peg]
    if self_trade:
        order.self_trade_prevention = _SELF_TRADES[self_trade]
    if role:
        order.group_role = _GROUP_ROLES[role]


def _kind_of(*, price: str, stop: str, trail: str, peg: Peg | None) -> Type:
    """What an order is by the prices that it names."""
    if peg:
        return Type.PEGGED
    if trail:
        return Type.TRAILING_STOP
    if stop:
        return Type.STOP_LIMIT if price else Type.STOP
    return Type.LIMIT if price else Type.MARKET


def _new_id() -> str:
    return f"cli-{SYSTEM_CLOCK.now_ns():x}"


def _name_target(
    target: records_pb2.OrderCancel | records_pb2.OrderReplace, order: str, *, by_client_id: bool
) -> None:
    if by_client_id:
        target.target_client_order_id = order
    elif order.isascii() and order.isdigit():
        target.order_id = int(order)
    else:
        raise typer.BadParameter(f"{order!r} is no venue order id; did you mean --by-client-id?")


def _as_dict(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def _order_line(order: records_pb2.Order) -> str:
    side = common_pb2.Side.Name(order.side).removeprefix("SIDE_").lower()
    status = records_pb2.OrderStatus.Name(order.status).removeprefix("ORDER_STATUS_").lower()
    kind = records_pb2.OrderType.Name(order.type).removeprefix("ORDER_TYPE_").lower()
    terms = f" {kind.replace('_', ' ')}" if order.type != records_pb2.ORDER_TYPE_LIMIT else ""
    if order.HasField("stop_price"):
        terms += f" {order.stop_price}"
    if order.HasField("price"):
        terms += f" @ {order.price}"
    if order.HasField("display_quantity"):
        terms += f" showing {order.display_quantity}"
    by_itself = _lifetime_by_itself(order.type == records_pb2.ORDER_TYPE_MARKET)
    for lifetime, value in _TIMES_IN_FORCE.items():
        if value == order.time_in_force and lifetime is not by_itself:
            terms += f" {lifetime}"
    average = f" at {order.average_price}" if order.HasField("average_price") else ""
    return (
        f"{order.order_id} {order.client_order_id} {order.instrument} {side} {order.quantity}"
        f"{terms} · {status.replace('_', ' ')}, {order.cumulative_quantity} filled{average},"
        f" {order.leaves_quantity} open"
    )


def _lifetime_by_itself(is_market: bool) -> TimeInForce:
    return TimeInForce.IOC if is_market else TimeInForce.DAY


def _durability_text(reports: Iterable[records_pb2.ExecutionReport]) -> str:
    """Which level of durability the answer has, as its events tell."""
    names = records_pb2.Durability.Name
    levels = {names(report.durability).removeprefix("DURABILITY_").lower() for report in reports}
    return f" · durability {', '.join(sorted(levels))}" if levels else ""


def _answer(response: Any, *, json: bool) -> None:
    if json:
        emit_json(_as_dict(response))
        return
    show(_order_line(response.order) + _durability_text(getattr(response, "reports", ())))
    if response.duplicate:
        RESULTS.print("this is the first result of a request that was sent before", style="yellow")
