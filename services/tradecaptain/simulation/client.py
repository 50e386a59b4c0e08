"""A client of the gateway, and its own ledger of what it was told.

It sends orders, cancels and replaces, repeats under the same client order id whatever it wasn't
answered, follows its stream of reports over every break, and holds each answer against what the
venue said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.principals import AccountDirectory, Call, Principal, Role
from tradecaptain.gateway.service import OrderService
from tradecaptain.simulation import settings
from tradecaptain.simulation.surroundings import ConnectionLost, MakeCall, Surroundings
from tradecaptain.simulation.witness import Violation, key_from_text, require
from tradecaptain.wire import execution_event
from tradecaptain.wire import reason as reasons

_NOT_NOW: Final = frozenset(
    {
        reasons.REASON_UNAVAILABLE,
        reasons.REASON_OVERLOADED,
        reasons.REASON_OUTCOME_UNKNOWN,
        reasons.REASON_CAPACITY_EXHAUSTED,
    }
)
"""Refusals after which the same request is sent again."""
_TERMS: Final = (
    (records_pb2.ORDER_TYPE_LIMIT, records_pb2.TIME_IN_FORCE_DAY),
    (records_pb2.ORDER_TYPE_LIMIT, records_pb2.TIME_IN_FORCE_DAY),
    (records_pb2.ORDER_TYPE_LIMIT, records_pb2.TIME_IN_FORCE_GOOD_TILL_DATE),
    (records_pb2.ORDER_TYPE_LIMIT, records_pb2.TIME_IN_FORCE_GOOD_TILL_DATE),
    (records_pb2.ORDER_TYPE_LIMIT, records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL),
    (records_pb2.ORDER_TYPE_LIMIT, records_pb2.TIME_IN_FORCE_FILL_OR_KILL),
    (records_pb2.ORDER_TYPE_MARKET, records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL),
)
_PRICE: Final = 10_000
_RETRY_STEPS: Final = 8


@dataclass(slots=True)
class Request:
    """Something that the client asked for, until it knows what became of it."""

    key: str
    make: MakeCall
    on_answer: Callable[[Any], None]
    is_open: bool = True
    is_flying: bool = False
    retry_step: int = 0
    refusal: int = 0
    told_absent: bool = False
    is_uncertain: bool = False
    """Whether an earlier attempt ended without an answer, so that it may have been carried out."""


@dataclass(slots=True)
class Told:
    """The reports that the stream has told, by account sequence, and the epoch of the newest."""

    epoch: int = 0
    sequence: int = 0
    reports: list[tuple[int, int, int, int]] = field(default_factory=list)


class Client:
    """One account's trader."""

    def __init__(self, world: Surroundings, name: str) -> None:
        self.world = world
        self.name = name
        reference = settings.reference()
        self.account_id = reference.account_by_name(name).account_id
        principal = Principal(
            name, frozenset({self.account_id}), False, frozenset({Role.TRADE, Role.READ})
        )
        directory = AccountDirectory({name: self.account_id})
        self.call = Call(principal, "simulation", None, directory)
        self.requests: list[Request] = []
        self.acknowledged: dict[str, int] = {}
        """Venue order id by client order id of every order that it was told of."""
        self.told = Told()
        self.unanswered_views = 0
        self._has_stream = False
        self._stream_step = 0
        self._may_lose_reports = False
        self._number = 0

    # Acting ---------------------------------------------------------------------------------

    def act(self, probability: float) -> None:
        """Open the stream, repeat what is due, and maybe ask for something new."""
        gateway = self.world.gateway
        if not gateway.is_up:
            return
        if not self._has_stream and self._stream_step <= self.world.step:
            self._follow()
        for request in self.requests:
            if request.is_open and not request.is_flying and request.retry_step <= self.world.step:
                self._send(request)
        if self.world.random.random() < probability:
            self._begin()

    def _begin(self) -> None:
        kind = self.world.random.random()
        working = [key for key in self.acknowledged if self._is_working(key)]
        if kind < 0.6 or not working:
            self.submit()
        elif kind < 0.85:
            self.cancel(self.world.random.choice(working))
        elif kind < 0.97:
            self.replace(self.world.random.choice(working))
        else:
            self.mass_cancel()

    def _is_working(self, key: str) -> bool:
        order = self.world.witness.by_key.get(key_from_text(self.account_id, key))
        return order is not None and order.is_open

    def _next_key(self, letter: str) -> str:
        self._number += 1
        return f"{self.name}-{letter}{self._number}"

    def submit(self, *, price_units: int | None = None) -> Request:
        """Ask for a new order."""
        source = self.world.random
        key = self._next_key("n")
        order_type, time_in_force = source.choice(_TERMS)
        order = records_pb2.NewOrder(
            instrument=settings.INSTRUMENT,
            client_order_id=key,
            side=source.choice((common_pb2.SIDE_BUY, common_pb2.SIDE_SELL)),
            type=order_type,
            time_in_force=time_in_force,
            quantity=str(source.randrange(1, 60)),
        )
        if order_type == records_pb2.ORDER_TYPE_LIMIT:
            units = price_units or _PRICE + source.randrange(-8, 9)
            order.price = f"{units // 100}.{units % 100:02d}"
        if time_in_force == records_pb2.TIME_IN_FORCE_GOOD_TILL_DATE:
            order.expire_time_ns = self.world.clock.now_ns() + source.randrange(1, 20) * 500_000
            self.world.witness.expire_times[key_from_text(self.account_id, key)] = (
                order.expire_time_ns
            )
        data = orders_pb2.SubmitOrderRequest(order=order).SerializeToString()

        async def call(service: OrderService) -> Any:
            return await service.SubmitOrder(data, None)

        return self._request(key, call, lambda answer: self._on_submitted(key, answer))

    def cancel(self, target: str) -> Request:
        """Ask for the end of an order."""
        key = self._next_key("c")
        request = orders_pb2.CancelOrderRequest(
            cancel=records_pb2.OrderCancel(target_client_order_id=target, client_order_id=key)
        )

        async def call(service: OrderService) -> Any:
            return await service.CancelOrder(request, None)

        return self._request(key, call, lambda answer: self._on_cancelled(target))

    def replace(self, target: str) -> Request:
        """Ask for another price and size of an order."""
        source = self.world.random
        key = self._next_key("r")
        units = _PRICE + source.randrange(-8, 9)
        request = orders_pb2.ReplaceOrderRequest(
            replace=records_pb2.OrderReplace(
                target_client_order_id=target,
                client_order_id=key,
                quantity=str(source.randrange(1, 60)),
                price=f"{units // 100}.{units % 100:02d}",
            )
        )

        async def call(service: OrderService) -> Any:
            return await service.ReplaceOrder(request, None)

        return self._request(key, call, lambda answer: None)

    def mass_cancel(self) -> Request:
        """Ask for the end of all orders."""
        request = orders_pb2.MassCancelRequest(mass_cancel=records_pb2.MassCancel())

        async def call(service: OrderService) -> Any:
            return await service.MassCancel(request, None)

        return self._request(self._next_key("m"), call, lambda answer: None)

    def _request(self, key: str, make: MakeCall, on_answer: Callable[[Any], None]) -> Request:
        request = Request(key, make, on_answer)
        self.requests.append(request)
        self._send(request)
        return request

    def _send(self, request: Request) -> None:
        request.is_flying = True
        self.world.gateway.call(self.call, request.make, lambda answer: self._end(request, answer))

    # Answers --------------------------------------------------------------------------------

    def _end(self, request: Request, answer: Any) -> None:
        request.is_flying = False
        if isinstance(answer, ConnectionLost):
            request.is_uncertain = True
            self._retry(request)
        elif isinstance(answer, TradeCaptainError):
            self._on_refused(request, answer)
        elif isinstance(answer, BaseException):
            self.world.fail(f"{self.name}: {request.key} ended with {answer!r}")
        else:
            request.is_open = False
            self.world.judge(lambda: request.on_answer(answer))

    def _retry(self, request: Request) -> None:
        request.retry_step = self.world.step + self.world.random.randrange(1, _RETRY_STEPS)

    def _on_refused(self, request: Request, error: TradeCaptainError) -> None:
        if error.reason not in _NOT_NOW:
            request.is_open = False
            request.refusal = error.reason
            return
        gives_up = self.world.random.random() < 0.2
        if error.reason == reasons.REASON_OUTCOME_UNKNOWN:
            request.is_uncertain = True
        elif not request.is_uncertain and gives_up:
            # Those reasons promise that the venue never took it.
            request.is_open = False
            request.told_absent = True
            return
        self._retry(request)

    def _on_submitted(self, key: str, data: bytes) -> None:
        order = orders_pb2.SubmitOrderResponse.FromString(data).order
        seen = self.world.witness.by_key.get(key_from_text(self.account_id, key))
        self.acknowledged[key] = order.order_id
        if seen is None and not self.world.venue.is_up:
            # The venue was killed as soon as it had said so; what it comes back with is compared
            # with this ledger in the end.
            return
        if seen is None or seen.order_id != order.order_id:
            raise Violation(
                f"{key} is acknowledged as order {order.order_id}, which the venue never accepted"
            )
        self._check_durable(seen.durability, seen.command_sequence, key)

    def _check_durable(self, durability: int, command_sequence: int, what: str) -> None:
        if durability == execution_event.DURABILITY_GROUP:
            require(
                self.world.durable_command() >= command_sequence,
                f"{what} is acknowledged before its group is on disk",
            )

    def _on_cancelled(self, target: str) -> None:
        order = self.world.witness.by_key.get(key_from_text(self.account_id, target))
        if not self.world.venue.is_up:
            return
        require(
            order is not None and not order.is_open,
            f"the cancel of {target} is acknowledged, and it still works",
        )

    def lose_power(self, durable_command: int, *, waits_for_disk: bool) -> None:
        """Forget what a loss of power may take back: nothing, where answers waited for the disk."""
        if waits_for_disk:
            return
        by_key = self.world.witness.by_key
        kept = {}
        for name, order_id in self.acknowledged.items():
            seen = by_key.get(key_from_text(self.account_id, name))
            if seen is not None and seen.command_sequence <= durable_command:
                kept[name] = order_id
        self.acknowledged = kept
        self._may_lose_reports = True

    # The stream -----------------------------------------------------------------------------

    def _follow(self) -> None:
        self._has_stream = True
        request = orders_pb2.StreamExecutionsRequest()
        if self.told.epoch:
            request.resume_from.CopyFrom(
                common_pb2.StreamPosition(epoch=self.told.epoch, sequence=self.told.sequence)
            )

        async def follow(service: OrderService) -> None:
            async for message in service.StreamExecutions(request, None):
                self.world.judge(partial(self._on_message, message))

        self.world.gateway.call(self.call, follow, self._on_stream_end)

    def _on_stream_end(self, answer: Any) -> None:
        self._has_stream = False
        self._stream_step = self.world.step + 2
        if (
            self._may_lose_reports
            and isinstance(answer, TradeCaptainError)
            and answer.reason == reasons.REASON_RESUME_POSITION_UNKNOWN
        ):
            self._forget_reports(int(answer.limit or 0))
        elif not isinstance(answer, ConnectionLost):
            self.world.fail(f"{self.name}: the stream of reports ended with {answer!r}")

    def _forget_reports(self, kept: int) -> None:
        """A loss of power took the reports behind one; the refusal tells which."""
        require(
            kept < self.told.sequence,
            f"{self.name}: report {self.told.sequence} is unknown though {kept} is held",
        )
        del self.told.reports[kept:]
        self.told.sequence = kept
        self._may_lose_reports = False

    def _on_message(self, message: Any) -> None:
        if not isinstance(message, bytes):
            if not self.told.epoch:
                self.told.epoch = message.position.epoch
                self.told.sequence = message.position.sequence
            return
        for report in orders_pb2.StreamExecutionsResponse.FromString(message).reports:
            self._on_report(report)

    def _on_report(self, report: records_pb2.ExecutionReport) -> None:
        told = self.told
        if report.epoch != told.epoch:
            require(
                report.epoch > told.epoch and (self.world.power_losses or told.sequence == 0),
                f"{self.name}: reports of epoch {report.epoch} follow those of {told.epoch}",
            )
            told.epoch = report.epoch
        require(
            report.sequence == told.sequence + 1
            and report.previous_sequence in (told.sequence, 0)
            and not report.gap,
            f"{self.name}: report {report.sequence} follows report {told.sequence}",
        )
        told.sequence = report.sequence
        told.reports.append(
            (
                report.execution_type,
                report.order_id,
                report.last_quantity_units,
                report.leaves_quantity_units,
            )
        )
        self._check_durable(
            report.durability, report.command_sequence, f"report {report.sequence} of {self.name}"
        )

    # The end --------------------------------------------------------------------------------

    def check_end(self) -> None:
        """Whether all that it was told is what happened; raises :class:`Violation`."""
        witness = self.world.witness
        for request in self.requests:
            key = key_from_text(self.account_id, request.key)
            if (request.refusal or request.told_absent) and key in witness.by_key:
                raise Violation(f"{request.key} was refused, and the venue has accepted it")
        for name, order_id in self.acknowledged.items():
            seen = witness.by_key.get(key_from_text(self.account_id, name))
            require(seen is not None and seen.order_id == order_id, f"order {name} is lost")
        events = witness.events()
        own = events[events["account_id"] == self.account_id]
        names = ("execution_type", "order_id", "last_quantity_units", "leaves_quantity_units")
        happened = list(zip(*(own[name].tolist() for name in names), strict=True))
        require(
            happened == self.told.reports,
            f"{self.name} was told {len(self.told.reports)} reports of {len(happened)}",
        )

    def ask_for_views(self) -> None:
        """Ask the gateway for every acknowledged order; each answer is held against the events."""
        self.unanswered_views = len(self.acknowledged)
        for key in self.acknowledged:
            self._ask(key)

    def _ask(self, key: str) -> None:
        request = orders_pb2.GetOrderRequest(client_order_id=key)

        async def call(service: OrderService) -> Any:
            return await service.GetOrder(request, None)

        def compare(answer: Any) -> None:
            self.unanswered_views -= 1
            if isinstance(answer, BaseException):
                self.world.fail(f"{key} can't be asked for: {answer!r}")
                return
            seen = self.world.witness.by_key[key_from_text(self.account_id, key)]
            order = answer.order
            shown = int(order.leaves_quantity or 0), int(order.cumulative_quantity or 0)
            self.world.judge(
                lambda: require(
                    shown == (seen.leaves_units, seen.cumulative_units),
                    f"the gateway shows {key} with {shown} open and done, not"
                    f" {(seen.leaves_units, seen.cumulative_units)}",
                )
            )

        self.world.gateway.call(self.call, call, compare)
