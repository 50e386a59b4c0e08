"""The gRPC edge of pricing: one option, many, a live chain, and the volatilities behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, override

import numpy.typing as npt
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.api.pricing.v1 import pricing_pb2, pricing_pb2_grpc
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.pricing.batch import (
    is_quick,
    price_columns,
    price_rows,
    value_columns,
    value_of,
)
from tradecaptain.pricing.chain import STYLES, ChainSnapshot, OptionChain
from tradecaptain.pricing.config import PricingConfig
from tradecaptain.pricing.market_names import with_options
from tradecaptain.pricing.options.listed import ListedOptions
from tradecaptain.pricing.volatility import Resolved, VolatilityBook
from tradecaptain.pricing.worker_pool import Steps, WorkerPool, at_once
from tradecaptain.wire import reason as reasons

_RIGHTS: Final = {
    "call": instruments_pb2.OPTION_RIGHT_CALL,
    "put": instruments_pb2.OPTION_RIGHT_PUT,
}
_STYLES: Final = {
    "european": instruments_pb2.EXERCISE_STYLE_EUROPEAN,
    "american": instruments_pb2.EXERCISE_STYLE_AMERICAN,
}
_MILLISECOND_NS: Final = 1_000_000


def _units(instrument: Instrument) -> common_pb2.InstrumentUnits:
    price, quantity = instrument.price_unit, instrument.quantity_unit
    return common_pb2.InstrumentUnits(
        instrument_id=instrument.instrument_id,
        instrument=instrument.key,
        price_unit=common_pb2.Rational(numerator=price.numerator, denominator=price.denominator),
        quantity_unit=common_pb2.Rational(
            numerator=quantity.numerator, denominator=quantity.denominator
        ),
    )


def _contract(option: Instrument) -> pricing_pb2.ChainContract:
    return pricing_pb2.ChainContract(
        instrument_id=option.instrument_id,
        instrument=option.key,
        right=_RIGHTS[option.right],
        strike=option.price.format(option.strike_units),
        expiry_time_ns=option.expiry_ns,
        exercise_style=_STYLES[option.exercise_style],
    )


def _reference_message(
    instrument: Instrument, resolved: Resolved
) -> pricing_pb2.VolatilityReference:
    setting = resolved.setting
    return pricing_pb2.VolatilityReference(
        instrument=instrument.key,
        volatility=setting.volatility,
        interest_rate=setting.interest_rate,
        dividend_yield=setting.dividend_yield,
        revision=setting.revision,
        update_time_ns=setting.update_time_ns,
        inherited=resolved.inherited,
    )


class Pricing(pricing_pb2_grpc.PricingServiceServicer):
    """Prices on request in the loop thread, large batches beside it, chains as they tick."""

    def __init__(
        self,
        reference: Reference,
        book: VolatilityBook,
        config: PricingConfig,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._reference = reference
        self._book = book
        self._clock = clock
        self._inline_options = config.inline_options
        self._has_kernels = False
        self._stale_after_ns = config.stale_after_ms * _MILLISECOND_NS
        self.pool = WorkerPool(config.batch_workers, config.batch_queue)
        """Where large batches run."""
        self.chains: dict[int, OptionChain] = {}
        """Every chain by the id of its underlying."""
        self.listed = ListedOptions(reference, book, self.chains, clock)
        """The listed options as they stand, for portfolios."""
        self.follower_count = 0
        """How many streams follow a chain."""
        self.catch_up: Callable[[], None] = lambda: None
        """Takes the quotes that wait; set by whoever reads the feed."""
        for underlying_id in sorted({item.underlying_id for item in reference.instruments} - {0}):
            options = reference.options_on(underlying_id)
            listed = [option for option in options if option.exercise_style in STYLES]
            if listed:
                underlying = reference.instrument(underlying_id)
                self.chains[underlying_id] = OptionChain(underlying, listed, book, self.pool)

    def on_quotes(self, batch: npt.NDArray[Any]) -> None:
        """Take quotes from the feed, in the loop thread."""
        for quote in batch:
            chain = self.chains.get(int(quote["instrument_id"]))
            if chain is not None:
                chain.on_quote(quote)

    def close(self) -> None:
        """Stop the batch threads after what they are doing."""
        self.pool.close()

    @override
    async def PriceOption(
        self, request: pricing_pb2.PriceOptionRequest, context: Any
    ) -> pricing_pb2.PriceOptionResponse:
        """Value and greeks of one option."""
        return await self._answer(_price_one, request, is_light=is_quick([request.option]))

    @override
    async def PriceOptions(
        self, request: pricing_pb2.PriceOptionsRequest, context: Any
    ) -> pricing_pb2.PriceOptionsResponse:
        """Values and greeks of many options, in the form of the request."""
        if request.HasField("columns"):
            is_light = len(request.columns.right) <= self._inline_options
            return await self._answer(_price_columns, request, is_light=is_light)
        is_light = len(request.options) <= self._inline_options and is_quick(request.options)
        return await self._answer(_price_rows, request, is_light=is_light)

    async def _answer(
        self, answer: Callable[[Any], Steps[Any]], request: Any, *, is_light: bool
    ) -> Any:
        """Answer here what is light, once its kernels are loaded; else beside the loop."""
        if is_light and self._has_kernels:
            return at_once(answer(request))
        found: Any = await self.pool.run(answer, request)
        self._has_kernels = self._has_kernels or is_light
        return found

    @override
    async def StreamOptionChain(
        self, request: pricing_pb2.StreamOptionChainRequest, context: Any
    ) -> AsyncIterator[pricing_pb2.StreamOptionChainResponse]:
        """Contracts first, then values at the pace of the client and the underlying."""
        chain = self._chain(request.underlying)
        interval_ns = request.interval_ms * _MILLISECOND_NS
        contracts = [_contract(option) for option in chain.options]
        header = common_pb2.StreamHeader(units=[_units(chain.underlying)])
        yield pricing_pb2.StreamOptionChainResponse(contracts=contracts, header=header)
        with self._followed():
            version, sequence, was_stale = 0, 0, False
            while True:
                changed = await chain.wait_beyond(version, self._stale_after_ns / 1e9)
                sent_ns = self._clock.monotonic_ns()
                version = chain.version
                snapshot = await chain.snapshot(self._clock.now_ns())
                stale = snapshot is not None and self._is_stale(snapshot)
                if snapshot is not None and (changed or stale != was_stale):
                    values = self._values(snapshot, sequence, stale=stale)
                    yield pricing_pb2.StreamOptionChainResponse(values=values)
                    sequence, was_stale = snapshot.underlying.sequence, stale
                # What ticks meanwhile is conflated: only the last state is sent.
                rest_ns = sent_ns + interval_ns - self._clock.monotonic_ns()
                if rest_ns > 0:
                    await asyncio.sleep(rest_ns / 1e9)

    @contextmanager
    def _followed(self) -> Iterator[None]:
        """While this is open, quotes are taken as they come, and not a few times a second."""
        self.follower_count += 1
        try:
            self.catch_up()
            yield
        finally:
            self.follower_count -= 1

    def _is_stale(self, snapshot: ChainSnapshot) -> bool:
        age_ns = self._clock.now_ns() - snapshot.underlying.receive_time_ns
        return age_ns >= self._stale_after_ns

    def _values(
        self, snapshot: ChainSnapshot, previous_sequence: int, *, stale: bool
    ) -> pricing_pb2.ChainValues:
        underlying = snapshot.underlying
        return pricing_pb2.ChainValues(
            underlying_price=underlying.price,
            epoch=underlying.epoch,
            sequence=underlying.sequence,
            previous_sequence=previous_sequence,
            event_time_ns=underlying.event_time_ns,
            publish_time_ns=snapshot.calculation_time_ns,
            volatility=snapshot.volatility.tolist(),
            values=value_columns(snapshot.outputs),
            stale=stale,
        )

    def _chain(self, name: str) -> OptionChain:
        """The chain on an instrument, or on the market whose flow it takes."""
        instrument = with_options(self._reference, name, "underlying")
        chain = self.chains.get(instrument.instrument_id)
        if chain is None:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_INSTRUMENT,
                f"there are no options on {instrument.key}",
                field="underlying",
                observed=name,
            )
        return chain

    @override
    async def SetVolatility(
        self, request: pricing_pb2.SetVolatilityRequest, context: Any
    ) -> pricing_pb2.SetVolatilityResponse:
        """Change volatility and rates; chains on them are valued anew at once."""
        instrument = with_options(self._reference, request.instrument, "instrument")
        resolved = self._book.set(
            instrument,
            request.volatility,
            request.interest_rate if request.HasField("interest_rate") else None,
            request.dividend_yield if request.HasField("dividend_yield") else None,
            self._clock.now_ns(),
        )
        underlying_id = instrument.underlying_id or instrument.instrument_id
        chain = self.chains.get(underlying_id)
        if chain is not None:
            chain.on_volatility()
        return pricing_pb2.SetVolatilityResponse(reference=_reference_message(instrument, resolved))

    @override
    async def GetVolatility(
        self, request: pricing_pb2.GetVolatilityRequest, context: Any
    ) -> pricing_pb2.GetVolatilityResponse:
        """The volatility and rates in use."""
        instrument = with_options(self._reference, request.instrument, "instrument")
        resolved = self._book.resolve(instrument)
        return pricing_pb2.GetVolatilityResponse(reference=_reference_message(instrument, resolved))


def _price_one(
    request: pricing_pb2.PriceOptionRequest,
) -> Steps[pricing_pb2.PriceOptionResponse]:
    outputs = yield from price_rows([request.option], "option")
    return pricing_pb2.PriceOptionResponse(value=value_of(outputs, 0))


def _price_rows(
    request: pricing_pb2.PriceOptionsRequest,
) -> Steps[pricing_pb2.PriceOptionsResponse]:
    outputs = yield from price_rows(request.options, "options[{}]")
    values = [value_of(outputs, index) for index in range(outputs.shape[1])]
    return pricing_pb2.PriceOptionsResponse(values=values)


def _price_columns(
    request: pricing_pb2.PriceOptionsRequest,
) -> Steps[pricing_pb2.PriceOptionsResponse]:
    outputs = price_columns(request.columns)
    yield
    return pricing_pb2.PriceOptionsResponse(columns=value_columns(outputs))
