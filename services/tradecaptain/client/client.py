"""A client of a running mesh, through Envoy or straight to a service."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import grpc
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2_grpc
from tradecaptain.api.marketdata.v1 import marketdata_pb2_grpc
from tradecaptain.api.orderbook.v1 import orderbook_pb2_grpc
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.api.pricing.v1 import (
    bonds_pb2_grpc,
    indicators_pb2_grpc,
    option_families_pb2,
    options_pb2,
    options_pb2_grpc,
    pricing_pb2_grpc,
    surface_pb2_grpc,
)
from tradecaptain.api.risk.v1 import risk_pb2_grpc
from tradecaptain.base.columns import (
    OPTION_INPUT_COLUMNS,
    OPTION_VALUE_COLUMNS,
    build_block,
    view_block,
)
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.client.decimals import Units
from tradecaptain.client.service import Service
from tradecaptain.wire import reason as reasons

_UNSETTLED: Final = (reasons.REASON_OUTCOME_UNKNOWN, reasons.REASON_UNAVAILABLE)
_RECONNECTING: Final = (
    reasons.REASON_UNAVAILABLE,
    reasons.REASON_DRAINING,
    reasons.REASON_SLOW_CONSUMER,
)
AMERICAN_OPTIONS_A_SECOND: Final = 10_000
"""What a slow machine prices with greeks, beside other work."""
_OPTIONS: Final = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]


class Client:
    """Typed access to every service, with the token of one principal.

    ``orders``, ``market_data``, ``instruments``, ``books``, ``pricing``, ``options``, ``surfaces``,
    ``bonds``, ``indicators`` and ``risk`` offer the methods of the contract. :meth:`submit` and
    :meth:`executions` add what a client of an order gateway has to get right: idempotent retries,
    and streams that resume without a gap; :meth:`price_columns` prices arrays.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        timeout_seconds: float = 5.0,
        attempts: int = 4,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """``address`` is host:port; without ``credentials`` the connection isn't encrypted."""
        self.units = Units()
        self._attempts = attempts
        self._timeout_seconds = timeout_seconds
        self._channel = (
            grpc.aio.insecure_channel(address, options=_OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
        )
        metadata = (("authorization", f"Bearer {token}"),)

        def service(stub: object) -> Service:
            return Service(stub, metadata, timeout_seconds)

        self.orders = service(orders_pb2_grpc.OrderServiceStub(self._channel))
        self.market_data = service(marketdata_pb2_grpc.MarketDataServiceStub(self._channel))
        self.instruments = service(instruments_pb2_grpc.InstrumentServiceStub(self._channel))
        self.books = service(orderbook_pb2_grpc.OrderBookServiceStub(self._channel))
        self.bonds = service(bonds_pb2_grpc.BondServiceStub(self._channel))
        self.indicators = service(indicators_pb2_grpc.IndicatorServiceStub(self._channel))
        self.options = service(options_pb2_grpc.OptionServiceStub(self._channel))
        self.surfaces = service(surface_pb2_grpc.SurfaceServiceStub(self._channel))
        self.pricing = service(pricing_pb2_grpc.PricingServiceStub(self._channel))
        self.risk = service(risk_pb2_grpc.RiskServiceStub(self._channel))

    async def close(self) -> None:
        """Close the connection; streams end."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def submit(
        self,
        instrument: str,
        side: str,
        *,
        quantity: Decimal | int | str,
        price: Decimal | int | str | None = None,
        client_order_id: str | None = None,
        account: str = "",
        time_in_force: str | None = None,
    ) -> records_pb2.Order:
        """Submit a limit order, or a market order without a price; returns its state afterwards.

        ``side`` is buy or sell, ``time_in_force`` day, good_till_cancel, immediate_or_cancel or
        fill_or_kill. When the outcome is unknown, the same request is sent again under the same
        client order id, which can't do it twice. Raises the venue's refusal.
        """
        order = records_pb2.NewOrder(
            account=account,
            instrument=instrument,
            client_order_id=client_order_id or new_client_order_id(),
            side=_enum(common_pb2.Side, "SIDE_", side),
            type=records_pb2.ORDER_TYPE_MARKET if price is None else records_pb2.ORDER_TYPE_LIMIT,
            quantity=decimal_text(quantity),
        )
        if price is not None:
            order.price = decimal_text(price)
        if time_in_force is not None:
            order.time_in_force = _enum(records_pb2.TimeInForce, "TIME_IN_FORCE_", time_in_force)
        request = orders_pb2.SubmitOrderRequest(order=order)
        response = await self._settled(self.orders.SubmitOrder, request)
        self.units.learn([response.units])
        return response.order

    async def cancel(
        self, order_id: int, *, account: str = "", client_order_id: str | None = None
    ) -> records_pb2.Order:
        """Cancel an order; returns its state afterwards. Sent again when the outcome is unknown."""
        cancel = records_pb2.OrderCancel(
            account=account,
            order_id=order_id,
            client_order_id=client_order_id or new_client_order_id(),
        )
        request = orders_pb2.CancelOrderRequest(cancel=cancel)
        response = await self._settled(self.orders.CancelOrder, request)
        return response.order

    async def executions(
        self,
        *,
        account: str = "",
        instrument: str = "",
        resume_from: common_pb2.StreamPosition | None = None,
    ) -> AsyncIterator[records_pb2.ExecutionReport]:
        """Execution reports of an account, from now on or after ``resume_from``, without a gap.

        A lost connection is made anew, and the stream goes on behind the last report. Raises
        REASON_RESUME_POSITION_UNKNOWN if what lies between is held no more.
        """
        position = resume_from
        failures = 0
        while True:
            request = orders_pb2.StreamExecutionsRequest(
                account=account, instrument=instrument, resume_from=position
            )
            try:
                async for response in self.orders.StreamExecutions(request):
                    failures = 0
                    self.units.learn(response.header.units)
                    if position is None and response.HasField("position"):
                        position = response.position
                    for report in response.reports:
                        position = common_pb2.StreamPosition(
                            epoch=report.epoch, sequence=report.sequence
                        )
                        yield report
                return
            except TradeCaptainError as error:
                if error.reason not in _RECONNECTING:
                    raise
                failures += 1
                await asyncio.sleep(min(0.05 * 2**failures, 2.0))

    async def price_columns(
        self,
        columns: Mapping[str, ArrayLike],
        *,
        model: str = "black_scholes",
        depth: str = "greeks",
        timeout: float | None = None,
    ) -> Mapping[str, NDArray[Any]]:
        """Values, greeks and statuses of up to 200,000 options as arrays, in one call.

        ``columns`` are right (1 call, 2 put), spot, strike, time_years, volatility, interest_rate
        and, but for black76 and bachelier, dividend_yield; a single number stands for all options.
        ``model`` is black_scholes, black76, bachelier or american, ``depth`` value, greeks or
        all_greeks. The result has read-only arrays by name: ``status`` (numbers of OptionStatus),
        ``value``, ``delta`` …; what can't be priced, and a greek that doesn't exist, is NaN.
        American options take about as long as they are many: ``timeout``, in seconds, is by
        default the client's and, for them, one more for each 10,000. Raises ``ValueError`` for
        columns that don't fit.
        """
        arrays = np.broadcast_arrays(*(np.atleast_1d(column) for column in columns.values()))
        named = dict(zip(columns, arrays, strict=True))
        request = options_pb2.PriceOptionBlockRequest(
            block=build_block(OPTION_INPUT_COLUMNS, {}, named),
            model=_enum(options_pb2.OptionModel, "OPTION_MODEL_", model),
            depth=_enum(option_families_pb2.OptionDepth, "OPTION_DEPTH_", depth),
        )
        if timeout is None and model == "american":
            timeout = self._timeout_seconds + arrays[0].size / AMERICAN_OPTIONS_A_SECOND
        answer = await self.options.PriceOptionBlock(request, timeout=timeout)
        return view_block(OPTION_VALUE_COLUMNS, answer.block).columns

    async def _settled(self, call: Callable[[Any], Awaitable[Any]], request: Any) -> Any:
        """The answer to an idempotent request, sent again while its outcome is unknown."""
        for attempt in range(self._attempts):
            try:
                return await call(request)
            except TradeCaptainError as error:
                if error.reason not in _UNSETTLED or attempt == self._attempts - 1:
                    raise
                await asyncio.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")


def new_client_order_id() -> str:
    """A random client order id of 24 characters."""
    return secrets.token_hex(12)


def decimal_text(value: Decimal | int | str) -> str:
    """A number as plain decimal text; floats are refused, because they aren't exact."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"prices and quantities are Decimal, int or text, not {type(value)}")
    return str(value)


def _enum(enum: Any, prefix: str, name: str) -> Any:
    known = {text.removeprefix(prefix).lower(): number for text, number in enum.items()}
    if name not in known or known[name] == 0:
        choices = ", ".join(text for text, number in known.items() if number)
        raise ValueError(f"{name!r} isn't one of {choices}")
    return known[name]
