"""An instrument as the venue's log defines it: the engine's rules and the gate's notional ratio."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from tradecaptain.base.instruments import Allocation, Instrument
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import InstrumentRules
from tradecaptain.kernels.risk_gate import notional_ratio
from tradecaptain.wire import common, execution_event, instrument_definition

_ALLOCATIONS = {
    Allocation.PRICE_TIME: common.ALLOCATION_PRICE_TIME,
    Allocation.PRO_RATA: common.ALLOCATION_PRO_RATA,
    Allocation.PRO_RATA_TOP: common.ALLOCATION_PRO_RATA_TOP,
    Allocation.BATCH_AUCTION: common.ALLOCATION_BATCH_AUCTION,
    Allocation.FILTER_AND_UNCROSS: common.ALLOCATION_FILTER_AND_UNCROSS,
}
_RULES = fields(InstrumentRules)
"""Fields of the definition have the names of the engine's rules."""


@dataclass(frozen=True, slots=True)
class VenueInstrument:
    """What orders in an instrument are held against; prices and sizes in its own units."""

    rules: InstrumentRules
    notional_numerator: int
    notional_denominator: int
    durability: int = execution_event.DURABILITY_NONE

    @classmethod
    def from_reference(
        cls, instrument: Instrument, durability: int = execution_event.DURABILITY_NONE
    ) -> Self:
        """From reference data, and the level of durability that its events are given."""
        rules = InstrumentRules(
            instrument_id=instrument.instrument_id,
            minimum_price_units=instrument.minimum_price_units,
            maximum_price_units=instrument.maximum_price_units,
            maximum_quantity_units=instrument.maximum_order_units,
            lot_units=instrument.lot_units,
            tick_units=instrument.slide_units,
            allocation=_ALLOCATIONS[instrument.allocation],
            minimum_share_units=instrument.minimum_share_units,
            batch_interval_ns=instrument.batch_interval_ms * 1_000_000,
            indication_interval_ns=instrument.indication_interval_ms * 1_000_000,
        )
        ratio = notional_ratio(
            instrument.price_unit, instrument.quantity_unit, instrument.multiplier
        )
        return cls(rules, *ratio, durability)

    @classmethod
    def from_record(cls, record: int) -> Self:
        """From an `InstrumentDefinition` at an address."""
        message = np.frombuffer(
            (ctypes.c_char * instrument_definition.RECORD_BYTES).from_address(record),
            instrument_definition.DTYPE,
        )[0]
        rules = InstrumentRules(**{item.name: int(message[item.name]) for item in _RULES})
        return cls(
            rules,
            int(message["notional_numerator"]),
            int(message["notional_denominator"]),
            int(message["durability"]),
        )

    @classmethod
    def from_tables(cls, book: Any, gate_row: Any, durability: int) -> Self:
        """From an engine's book and a gate's row of the instrument."""
        rules = InstrumentRules(**{item.name: int(book[item.name]) for item in _RULES})
        ratio = int(gate_row["notional_numerator"]), int(gate_row["notional_denominator"])
        return cls(rules, *ratio, durability)

    def record(self, epoch: int, sequence: int, time_ns: int) -> npt.NDArray[Any]:
        """As an `InstrumentDefinition` with the sequencer's stamp."""
        message = np.zeros(1, instrument_definition.DTYPE)
        instrument_definition.initialise(address_of(message))
        row = message[0]
        row["epoch"] = epoch
        row["sequence"] = sequence
        row["time_ns"] = time_ns
        for item in _RULES:
            row[item.name] = getattr(self.rules, item.name)
        row["notional_numerator"] = self.notional_numerator
        row["notional_denominator"] = self.notional_denominator
        row["durability"] = self.durability
        return message
