"""One option chain: its contracts, the underlying's last quote, and the values that follow.

Values are computed once for each change, however many clients follow the chain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.instruments import Instrument
from tradecaptain.kernels.pricing import columns
from tradecaptain.kernels.pricing.lognormal_block import lognormal_greeks
from tradecaptain.pricing.volatility import VolatilityBook

YEAR_NS: Final = 365 * 24 * 3600 * 1_000_000_000
"""Time to expiry is counted in years of 365 days."""

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Underlying:
    """The quote that values are computed from."""

    price: float
    epoch: int
    sequence: int
    event_time_ns: int
    receive_time_ns: int


@dataclass(frozen=True, slots=True)
class ChainSnapshot:
    """Values of all contracts at one moment; rows of ``outputs`` as in ``kernels.pricing``."""

    underlying: Underlying
    calculation_time_ns: int
    volatility: FloatArray
    outputs: FloatArray


def underlying_price(instrument: Instrument, quote: Any) -> float | None:
    """Middle of a two-sided quote, else the last trade, else nothing; quote currency."""
    if quote["bid_quantity_units"] > 0 and quote["ask_quantity_units"] > 0:
        doubled = int(quote["bid_price_units"]) + int(quote["ask_price_units"])
        return float(Fraction(doubled, 2) * instrument.price_unit)
    if quote["last_quantity_units"] > 0:
        return float(int(quote["last_price_units"]) * instrument.price_unit)
    return None


class OptionChain:
    """The European options on one underlying, with what their values need; loop thread only."""

    def __init__(
        self, underlying: Instrument, options: Sequence[Instrument], book: VolatilityBook
    ) -> None:
        self.underlying = underlying
        self.options = tuple(
            sorted(options, key=lambda item: (item.expiry_ns, item.strike_units, item.right))
        )
        self._book = book
        self._quote: Underlying | None = None
        self._snapshot: ChainSnapshot | None = None
        self._changed = asyncio.Event()
        self.version = 0
        """Grows with every quote and every change of a volatility."""
        self._inputs = np.empty((columns.YIELD + 1, len(self.options)))
        self._inputs[columns.RIGHT] = [1.0 if o.right == "call" else -1.0 for o in self.options]
        self._inputs[columns.STRIKE] = [float(o.strike_units * o.price_unit) for o in self.options]
        self._expiry_ns = np.array([o.expiry_ns for o in self.options], dtype=np.int64)
        self._take_volatilities()

    def _take_volatilities(self) -> None:
        settings = [self._book.resolve(option).setting for option in self.options]
        self._inputs[columns.VOLATILITY] = [setting.volatility for setting in settings]
        self._inputs[columns.RATE] = [setting.interest_rate for setting in settings]
        self._inputs[columns.YIELD] = [setting.dividend_yield for setting in settings]

    @property
    def quote(self) -> Underlying | None:
        """The last usable quote of the underlying."""
        return self._quote

    def on_quote(self, quote: Any) -> None:
        """Take a row of the quote feed; one without a positive price changes nothing."""
        price = underlying_price(self.underlying, quote)
        if price is None or price <= 0.0:
            return
        self._quote = Underlying(
            price,
            int(quote["epoch"]),
            int(quote["sequence"]),
            int(quote["event_time_ns"]),
            int(quote["receive_time_ns"]),
        )
        self._advance()

    def on_volatility(self) -> None:
        """Look the settings up again."""
        self._take_volatilities()
        self._advance()

    def _advance(self) -> None:
        self.version += 1
        self._snapshot = None
        # Everyone who waits holds the old event; those who come later wait for the next change.
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_beyond(self, version: int, timeout_seconds: float) -> bool:
        """Wait until ``self.version`` exceeds ``version``; false when the time is over first."""
        if self.version > version:
            return True
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def snapshot(self, now_ns: int) -> ChainSnapshot | None:
        """Values at the last quote, computed at most once for each version."""
        if self._quote is None:
            return None
        if self._snapshot is None:
            self._inputs[columns.SPOT] = self._quote.price
            self._inputs[columns.TIME] = np.maximum(self._expiry_ns - now_ns, 0) / YEAR_NS
            outputs = np.empty((columns.GREEK_ROWS, len(self.options)))
            lognormal_greeks(self._inputs, outputs, np.empty(len(self.options), np.int64))
            volatility = self._inputs[columns.VOLATILITY].copy()
            self._snapshot = ChainSnapshot(self._quote, now_ns, volatility, outputs)
        return self._snapshot
