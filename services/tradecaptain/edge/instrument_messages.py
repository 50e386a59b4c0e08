"""Instruments as the contract tells them."""

from __future__ import annotations

from typing import Final

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2
from tradecaptain.base.instruments import Allocation, Instrument, InstrumentType, TickTable
from tradecaptain.base.reference import Reference

TYPES: Final = {
    InstrumentType.EQUITY: instruments_pb2.INSTRUMENT_TYPE_EQUITY,
    InstrumentType.INDEX: instruments_pb2.INSTRUMENT_TYPE_INDEX,
    InstrumentType.FX: instruments_pb2.INSTRUMENT_TYPE_CURRENCY_PAIR,
    InstrumentType.CRYPTO: instruments_pb2.INSTRUMENT_TYPE_CRYPTO_PAIR,
    InstrumentType.FUTURE: instruments_pb2.INSTRUMENT_TYPE_FUTURE,
    InstrumentType.OPTION: instruments_pb2.INSTRUMENT_TYPE_OPTION,
}
_RIGHTS: Final = {
    "call": instruments_pb2.OPTION_RIGHT_CALL,
    "put": instruments_pb2.OPTION_RIGHT_PUT,
}
_STYLES: Final = {
    "european": instruments_pb2.EXERCISE_STYLE_EUROPEAN,
    "american": instruments_pb2.EXERCISE_STYLE_AMERICAN,
}
_ALLOCATIONS: Final = {
    Allocation.PRICE_TIME: instruments_pb2.ALLOCATION_PRICE_TIME,
    Allocation.PRO_RATA: instruments_pb2.ALLOCATION_PRO_RATA,
    Allocation.PRO_RATA_TOP: instruments_pb2.ALLOCATION_PRO_RATA_TOP,
    Allocation.BATCH_AUCTION: instruments_pb2.ALLOCATION_BATCH_AUCTION,
    Allocation.FILTER_AND_UNCROSS: instruments_pb2.ALLOCATION_FILTER_AND_UNCROSS,
}


def instrument_message(reference: Reference, instrument: Instrument) -> instruments_pb2.Instrument:
    """An instrument as the contract tells it."""
    price, quantity = instrument.price_unit, instrument.quantity_unit
    message = instruments_pb2.Instrument(
        instrument_id=instrument.instrument_id,
        name=instrument.key,
        symbol=instrument.symbol,
        mic=instrument.mic,
        type=TYPES[instrument.type],
        status=instruments_pb2.INSTRUMENT_STATUS_ACTIVE,
        description=instrument.name,
        price_unit=common_pb2.Rational(numerator=price.numerator, denominator=price.denominator),
        quantity_unit=common_pb2.Rational(
            numerator=quantity.numerator, denominator=quantity.denominator
        ),
        multiplier=common_pb2.Rational(numerator=instrument.multiplier, denominator=1),
        quote_currency=instrument.currency,
        settlement_currency=instrument.settlement_currency,
        order_increments=[_increments(instrument, table) for table in instrument.tick_tables],
        tradable=instrument.is_tradable,
        zero_price_allowed=instrument.minimum_price_units <= 0,
        negative_price_allowed=instrument.minimum_price_units < 0,
        minimum_price=instrument.price.format(instrument.minimum_price_units),
        maximum_price=instrument.price.format(instrument.maximum_price_units),
        calendar=instrument.calendar.name,
        allocation=_ALLOCATIONS[instrument.allocation],
        batch_interval_ns=instrument.batch_interval_ms * 1_000_000,
        indication_interval_ns=instrument.indication_interval_ms * 1_000_000,
    )
    if instrument.minimum_share_units:
        message.minimum_share = instrument.quantity.format(instrument.minimum_share_units)
    if instrument.isin:
        message.isin = instrument.isin
    if instrument.figi:
        message.figi = instrument.figi
    if instrument.mirror_of:
        message.source_instrument = reference.instrument(instrument.mirror_of).key
    if instrument.underlying_id:
        message.derivative.CopyFrom(_derivative(reference, instrument))
    return message


def _derivative(reference: Reference, instrument: Instrument) -> instruments_pb2.DerivativeTerms:
    terms = instruments_pb2.DerivativeTerms(
        underlying=reference.instrument(instrument.underlying_id).key,
        expiry_time_ns=instrument.expiry_ns,
        right=_RIGHTS.get(instrument.right, instruments_pb2.OPTION_RIGHT_UNSPECIFIED),
        exercise_style=_STYLES.get(
            instrument.exercise_style, instruments_pb2.EXERCISE_STYLE_UNSPECIFIED
        ),
        settlement_type=instruments_pb2.SETTLEMENT_TYPE_CASH,
    )
    if instrument.right:
        terms.strike = instrument.price.format(instrument.strike_units)
    return terms


def _increments(instrument: Instrument, table: TickTable) -> instruments_pb2.OrderIncrements:
    bands = []
    for position, band in enumerate(table.bands):
        message = instruments_pb2.PriceBand(increment=instrument.price.format(band.increment_units))
        if position > 0:
            message.lower_price = instrument.price.format(band.from_price_units)
        bands.append(message)
    return instruments_pb2.OrderIncrements(
        effective_time_ns=table.effective_from_ns,
        price_bands=bands,
        lot=instrument.quantity.format(instrument.lot_units),
        minimum_quantity=instrument.quantity.format(instrument.minimum_order_units),
        maximum_quantity=instrument.quantity.format(instrument.maximum_order_units),
    )
