"""One option chain: its contracts, the underlying's last quote, and the values that follow.

Values are computed once for each change, however many clients follow the chain: European ones at
once, American ones, which take a hundred times as long, on the threads of the pool.
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
from tradecaptain.pricing.batch import erase_undefined
from tradecaptain.pricing.volatility import VolatilityBook
from tradecaptain.pricing.worker_pool import Steps, WorkerPool

YEAR_NS: Final = 365 * 24 * 3600 * 1_000_000_000
"""Time to expiry is counted in years of 365 days."""
AMERICAN: Final = "american"
STYLES: Final = ("european", AMERICAN)
_AMERICAN_PIECE: Final = 128

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


def _values_of(request: tuple[FloatArray, npt.NDArray[np.int64]]) -> Steps[FloatArray]:
    """Value and five greeks of a block, of which some options, by their places, are American."""
    # Their kernels are loaded with the first chain that has such options.
    from tradecaptain.kernels.pricing import american

    inputs, places = request
    outputs = np.empty((columns.GREEK_ROWS, inputs.shape[1]))
    statuses = np.empty(inputs.shape[1], np.int64)
    lognormal_greeks(inputs, outputs, statuses)
    erase_undefined(outputs, statuses)
    for start in range(0, len(places), _AMERICAN_PIECE):
        part = places[start : start + _AMERICAN_PIECE]
        block = np.ascontiguousarray(inputs[:, part])
        found = american.price(block, american.Accuracy.STANDARD, rows=columns.GREEK_ROWS)
        outputs[:, part] = found.values
        yield
    return outputs


class OptionChain:
    """The options on one underlying, with what their values need; loop thread only."""

    def __init__(
        self,
        underlying: Instrument,
        options: Sequence[Instrument],
        book: VolatilityBook,
        pool: WorkerPool,
    ) -> None:
        self.underlying = underlying
        self.options = tuple(
            sorted(options, key=lambda item: (item.expiry_ns, item.strike_units, item.right))
        )
        self._book = book
        self._pool = pool
        styles = [option.exercise_style for option in self.options]
        self._american = np.flatnonzero(np.array(styles) == AMERICAN)
        self._computing = asyncio.Lock()
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

    async def snapshot(self, now_ns: int) -> ChainSnapshot | None:
        """Values at the last quote, computed at most once for each version."""
        if self._quote is None:
            return None
        if self._snapshot is None and not len(self._american):
            outputs = np.empty((columns.GREEK_ROWS, len(self.options)))
            inputs = self._inputs_at(now_ns)
            statuses = np.empty(len(self.options), np.int64)
            lognormal_greeks(inputs, outputs, statuses)
            erase_undefined(outputs, statuses)
            volatility = inputs[columns.VOLATILITY].copy()
            self._snapshot = ChainSnapshot(self._quote, now_ns, volatility, outputs)
        if self._snapshot is not None:
            return self._snapshot
        async with self._computing:
            return self._snapshot or await self._beside_the_loop(now_ns)

    def _inputs_at(self, now_ns: int) -> FloatArray:
        assert self._quote is not None
        self._inputs[columns.SPOT] = self._quote.price
        self._inputs[columns.TIME] = np.maximum(self._expiry_ns - now_ns, 0) / YEAR_NS
        return self._inputs

    async def _beside_the_loop(self, now_ns: int) -> ChainSnapshot:
        """Values of a chain with American options; what ticks meanwhile is for the next ones."""
        assert self._quote is not None
        version, quote, inputs = self.version, self._quote, self._inputs_at(now_ns).copy()
        outputs: FloatArray = await self._pool.run(_values_of, (inputs, self._american))
        snapshot = ChainSnapshot(quote, now_ns, inputs[columns.VOLATILITY], outputs)
        if version == self.version:
            self._snapshot = snapshot
        return snapshot
