"""What kernels need of instruments to read and write orders: names, unit scales, units.

Names are found through a small open hash table; an instrument is also known by its decimal id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import address_of, load_i64, load_u8
from tradecaptain.base.records import records_at
from tradecaptain.base.units import UnitScale

INSTRUMENT_TEXT: Final = np.dtype(
    [
        (name, "<i8")
        for name in (
            "is_known",
            "name_address",
            "name_length",
            "units_address",
            "units_length",
            "price_numerator",
            "price_denominator",
            "price_decimals",
            "price_multiplier",
            "quantity_numerator",
            "quantity_denominator",
            "quantity_decimals",
            "quantity_multiplier",
        )
    ],
    align=True,
)
"""An instrument, at the index that is its id. A unit is numerator over denominator; as text it has
so many decimals, and one unit is ``multiplier`` of the last one. ``units`` is its serialised
InstrumentUnits."""

TEXT_TABLE: Final = np.dtype(
    [
        (name, "<i8")
        for name in ("instruments_address", "instrument_count", "names_address", "name_mask")
    ],
    align=True,
)
"""Where the instruments lie, and the hash table of their names: ids, 0 for an empty place."""

_FNV_OFFSET: Final = 0x811C9DC5
_FNV_PRIME: Final = 0x01000193
_LOW_32_BITS: Final = 0xFFFFFFFF
_ID_DIGITS_MAX: Final = 9
_MULTIPLIER_MAX: Final = 1 << 40
"""Units that would need larger factors are left to exact arithmetic in Python."""


@inline
def _name_hash(address: int, length: int) -> int:
    value = _FNV_OFFSET
    for offset in range(length):
        value = ((value ^ load_u8(address + offset)) * _FNV_PRIME) & _LOW_32_BITS
    return value


@inline
def _id_of_digits(address: int, length: int) -> int:
    """The number that a text of digits without a leading zero stands for, or 0."""
    if length < 1 or length > _ID_DIGITS_MAX or load_u8(address) == 0x30:
        return 0
    value = 0
    for offset in range(length):
        digit = load_u8(address + offset) - 0x30
        if digit < 0 or digit > 9:
            return 0
        value = value * 10 + digit
    return value


@inline
def find_instrument(table: Any, address: int, length: int) -> int:
    """The id of the instrument that a text names, or 0."""
    instruments = records_at(
        table[0]["instruments_address"], table[0]["instrument_count"], INSTRUMENT_TEXT
    )
    mask = table[0]["name_mask"]
    place = _name_hash(address, length) & mask
    while True:
        found = load_i64(table[0]["names_address"] + place * 8)
        if found == 0:
            break
        if instruments[found]["name_length"] == length:
            name = instruments[found]["name_address"]
            same = True
            for offset in range(length):
                if load_u8(name + offset) != load_u8(address + offset):
                    same = False
            if same:
                return found
        place = (place + 1) & mask
    number = _id_of_digits(address, length)
    if number < table[0]["instrument_count"] and instruments[number]["is_known"] != 0:
        return number
    return 0


class InstrumentTexts:
    """The tables, made from the reference data; ``units`` has serialised InstrumentUnits.

    ``table`` stays where it is when the instruments become more.
    """

    def __init__(self, instruments: Iterable[Instrument], units: Mapping[int, bytes]) -> None:
        self.table: npt.NDArray[Any] = np.zeros(1, dtype=TEXT_TABLE)
        self.fill(instruments, units)

    def fill(self, instruments: Iterable[Instrument], units: Mapping[int, bytes]) -> None:
        """Make the tables anew; no kernel may be reading them."""
        known = list(instruments)
        highest = max((instrument.instrument_id for instrument in known), default=0)
        self._rows: npt.NDArray[Any] = np.zeros(highest + 1, dtype=INSTRUMENT_TEXT)
        places = 1 << (4 * len(known) + 4).bit_length()
        self._names = np.zeros(places, dtype=np.int64)
        self._blob = np.frombuffer(
            b"".join(
                instrument.key.encode() + units.get(instrument.instrument_id, b"")
                for instrument in known
            )
            or b"\0",
            dtype=np.uint8,
        )
        place = address_of(self._blob)
        for instrument in known:
            place = self._add(instrument, units.get(instrument.instrument_id, b""), place)
        self.table[0] = (
            address_of(self._rows),
            len(self._rows),
            address_of(self._names),
            places - 1,
        )

    def _add(self, instrument: Instrument, units: bytes, place: int) -> int:
        name = instrument.key.encode()
        row = self._rows[instrument.instrument_id]
        row["is_known"] = 1
        row["name_address"], row["name_length"] = place, len(name)
        row["units_address"], row["units_length"] = place + len(name), len(units)
        for prefix, scale in (("price", instrument.price), ("quantity", instrument.quantity)):
            for field, value in zip(
                ("numerator", "denominator", "decimals", "multiplier"), _factors(scale), strict=True
            ):
                row[f"{prefix}_{field}"] = value
        bucket = _name_hash(place, len(name)) & (len(self._names) - 1)
        while self._names[bucket]:
            bucket = (bucket + 1) & (len(self._names) - 1)
        self._names[bucket] = instrument.instrument_id
        return place + len(name) + len(units)


def _factors(scale: UnitScale) -> tuple[int, int, int, int]:
    """Numerator, denominator, decimals and multiplier of a unit; zeros if they are too large."""
    numerator, denominator = scale.unit.numerator, scale.unit.denominator
    multiplier = numerator * (10**scale.decimals // denominator)
    if max(numerator, denominator, multiplier, 10**scale.decimals) > _MULTIPLIER_MAX:
        return 0, 0, 0, 0
    return numerator, denominator, scale.decimals, multiplier
