"""Positions in listed options: their inputs as they stand at this moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.pricing.v1 import options_pb2
from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.pricing.chain import YEAR_NS, OptionChain
from tradecaptain.pricing.market_names import named
from tradecaptain.pricing.refusals import invalid
from tradecaptain.pricing.volatility import VolatilityBook
from tradecaptain.wire import reason as reasons

_FAMILY_OF_STYLE: Final = {"european": "black_scholes", "american": "american"}


@dataclass(frozen=True)
class Holdings:
    """Positions that are priced by one family: its block of inputs, and the units of each."""

    family: str
    inputs: npt.NDArray[np.float64]
    quantities: npt.NDArray[np.float64]


class ListedOptions:
    """Looks up contracts, quotes and volatilities; loop thread only."""

    def __init__(
        self,
        reference: Reference,
        book: VolatilityBook,
        chains: Mapping[int, OptionChain],
        clock: Clock,
    ) -> None:
        self._reference = reference
        self._book = book
        self._chains = chains
        self._clock = clock

    def holdings_of(self, positions: Iterable[options_pb2.ListedPosition]) -> list[Holdings]:
        """The positions by the family that prices them; refuses what can't be priced, by place."""
        columns: dict[str, list[list[float]]] = {}
        quantities: dict[str, list[float]] = {}
        now_ns = self._clock.now_ns()
        for index, position in enumerate(positions):
            option = self._option(position.instrument, f"listed[{index}].instrument")
            family = _FAMILY_OF_STYLE[option.exercise_style]
            columns.setdefault(family, []).append(self._inputs(option, now_ns))
            quantities.setdefault(family, []).append(position.quantity)
        return [
            Holdings(family, np.ascontiguousarray(np.array(rows).T), np.array(quantities[family]))
            for family, rows in columns.items()
        ]

    def _option(self, name: str, field: str) -> Instrument:
        option = named(self._reference, name, field)
        if option.exercise_style not in _FAMILY_OF_STYLE:
            raise invalid(field, f"{option.key} is no European or American option", observed=name)
        chain = self._chains.get(option.underlying_id)
        if chain is None or chain.quote is None:
            underlying: Any = self._reference.instrument(option.underlying_id)
            raise TradeCaptainError(
                reasons.REASON_UNAVAILABLE,
                f"{underlying.key} has no quote to price {option.key} with",
                field=field,
                observed=name,
            )
        return option

    def _inputs(self, option: Instrument, now_ns: int) -> list[float]:
        quote = self._chains[option.underlying_id].quote
        assert quote is not None
        setting = self._book.resolve(option).setting
        return [
            1.0 if option.right == "call" else -1.0,
            quote.price,
            float(option.strike_units * option.price_unit),
            max(option.expiry_ns - now_ns, 0) / YEAR_NS,
            setting.volatility,
            setting.interest_rate,
            setting.dividend_yield,
        ]
