"""Quotes of one expiry as log-moneyness and volatility, whatever form they came in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tradecaptain.api.pricing.v1 import surface_pb2
from tradecaptain.kernels.pricing import registry
from tradecaptain.kernels.pricing.status import OK
from tradecaptain.kernels.pricing.surface import Parity, implied_parity
from tradecaptain.pricing.refusals import outside_domain, unequal

FloatArray = npt.NDArray[np.float64]

POINTS_MIN = 5
"""A slice has five parameters."""
SPAN_MIN = 1e-4
"""Log-moneyness between the outermost strikes: nearer ones tell nothing of a smile."""


@dataclass(frozen=True, slots=True)
class Smile:
    """One expiry: log-moneyness and volatility of the quotes that have one."""

    time_years: float
    forward: float
    discount: float | None
    """None where volatilities were quoted."""
    moneyness: FloatArray
    volatility: FloatArray
    unused_count: int

    @property
    def variance(self) -> FloatArray:
        """Total variance."""
        variance: FloatArray = self.volatility**2 * self.time_years
        return variance


def parity_of(quotes: surface_pb2.ParityQuotes, place: str) -> Parity:
    """Forward and discount factor of an expiry."""
    strikes = np.array(quotes.strikes)
    for name in ("call_prices", "put_prices"):
        count = len(getattr(quotes, name))
        if count != strikes.size:
            raise unequal(f"{place}.{name}", count, strikes.size, "strikes")
    try:
        found = implied_parity(strikes, np.array(quotes.call_prices), np.array(quotes.put_prices))
    except ValueError as error:
        raise outside_domain(place, str(error)) from error
    if not 0.0 < found.forward < math.inf:
        raise outside_domain(place, "the quotes give a forward that isn't above zero")
    return found


def smile_of(expiry: surface_pb2.ExpiryQuotes, place: str) -> Smile:
    """The volatilities of one expiry; refuses fewer than a slice takes."""
    if expiry.HasField("smile"):
        smile, place = _quoted(expiry.smile, f"{place}.smile"), f"{place}.smile"
    else:
        smile, place = _from_prices(expiry.prices, f"{place}.prices"), f"{place}.prices"
    if np.unique(smile.moneyness).size < POINTS_MIN:
        raise outside_domain(
            f"{place}.strikes", f"a slice takes {POINTS_MIN} strikes with a volatility"
        )
    if float(np.ptp(smile.moneyness)) < SPAN_MIN:
        raise outside_domain(f"{place}.strikes", f"strikes must span {SPAN_MIN:g} of the forward")
    return smile


def log_moneyness(strikes: FloatArray, forwards: float | FloatArray, place: str) -> FloatArray:
    """``log(strike / forward)``; names the strike, as ``place[3]``, whose ratio is no number."""
    with np.errstate(all="ignore"):
        moneyness = np.log(strikes / forwards)
    wrong = np.flatnonzero(~np.isfinite(moneyness))
    if wrong.size:
        first = int(wrong[0])
        raise outside_domain(
            f"{place}[{first}]",
            "the ratio of strike and forward must be a number above zero",
            float(strikes[first]),
        )
    return np.asarray(moneyness)


def _quoted(quotes: surface_pb2.VolatilitySmile, place: str) -> Smile:
    strikes = np.array(quotes.strikes)
    if len(quotes.volatilities) != strikes.size:
        raise unequal(f"{place}.volatilities", len(quotes.volatilities), strikes.size, "strikes")
    moneyness = log_moneyness(strikes, quotes.forward, f"{place}.strikes")
    return Smile(
        quotes.time_years, quotes.forward, None, moneyness, np.array(quotes.volatilities), 0
    )


def _from_prices(quotes: surface_pb2.ParityQuotes, place: str) -> Smile:
    """Volatilities of the options that are out of the money on the forward of parity."""
    parity = parity_of(quotes, place)
    strikes = np.array(quotes.strikes)
    is_call = strikes >= parity.forward
    prices = np.where(is_call, quotes.call_prices, quotes.put_prices)
    rate = -math.log(parity.discount) / quotes.time_years
    block = registry.stack(
        np.where(is_call, 1.0, -1.0), parity.forward, strikes, quotes.time_years, prices, rate
    )
    found = registry.implied_volatilities("black76", block)
    good = found.status == OK
    moneyness = log_moneyness(strikes, parity.forward, f"{place}.strikes")
    return Smile(
        quotes.time_years,
        parity.forward,
        parity.discount,
        moneyness[good],
        found.outputs[0][good],
        int(np.count_nonzero(~good)),
    )
