"""Instruments by the names of requests: one rule for every call.

A name is ``SYMBOL@MIC`` or a numeric id; a plain symbol is our own venue's. Prices to value with
come from the market: for an instrument of our venue that takes its flow from another one, that
other one stands. So ``ACME``, ``ACME@TCAP`` and ``ACME@XSIM`` mean the same to chains, volatilities
and indicators.
"""

from __future__ import annotations

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference


def named(reference: Reference, name: str, field: str) -> Instrument:
    """The instrument itself; a refusal names the field."""
    try:
        return reference.named(name)
    except TradeCaptainError as error:
        raise TradeCaptainError(error.reason, error.message, field=field, observed=name) from error


def on_market(reference: Reference, name: str, field: str) -> Instrument:
    """The instrument whose market data speaks of it: another one for a mirror of our own venue."""
    instrument = named(reference, name, field)
    return reference.instrument(instrument.mirror_of) if instrument.mirror_of else instrument


def with_options(reference: Reference, name: str, field: str) -> Instrument:
    """An option, or the instrument that the options of a name are on."""
    instrument = named(reference, name, field)
    if instrument.underlying_id or reference.options_on(instrument.instrument_id):
        return instrument
    return on_market(reference, name, field)
