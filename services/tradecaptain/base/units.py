"""Exact decimal text to integer units, and back.

A price is an int64 count of its instrument's price unit and a quantity an int64 count of its
quantity unit. Units are rationals, so 1/256 and 0.00000001 are exact. Text that isn't a plain
decimal number, or isn't a whole count of units, is refused; nothing is ever rounded.
"""

from __future__ import annotations

import re
from fractions import Fraction

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason as reasons

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
TEXT_LENGTH_MAX = 40


def parse_rational(text: str) -> Fraction:
    """Read ``"0.01"`` or ``"1/256"`` as an exact rational; a ``ValueError`` says what is wrong."""
    numerator, slash, denominator = text.partition("/")
    if slash:
        if not (_is_digits(numerator) and _is_digits(denominator)):
            raise ValueError(f"{text!r} isn't a quotient of two whole numbers")
        if int(denominator) == 0:
            raise ValueError(f"{text!r} divides by zero")
        return Fraction(int(numerator), int(denominator))
    problem = _grammar_problem(text)
    if problem:
        raise ValueError(f"{text!r} {problem}")
    return Fraction(text)


def _is_digits(text: str) -> bool:
    # str.isdigit accepts digits of other scripts, hence the ASCII check.
    return text.isascii() and text.isdigit()


def _grammar_problem(text: str) -> str:
    """Say what keeps text from being a plain decimal number; empty if nothing does."""
    if not text:
        return "is empty"
    if len(text) > TEXT_LENGTH_MAX:
        return f"is longer than {TEXT_LENGTH_MAX} characters"
    if text[0] == "+":
        return "has a plus sign"
    if any(character.isspace() for character in text):
        return "contains white space"
    if not text.isascii():
        return "contains characters that aren't ASCII"
    whole, point, fraction = text.removeprefix("-").partition(".")
    if whole.isdigit() and (fraction.isdigit() or not point):
        return ""
    if re.fullmatch(r"-?[0-9]*\.?[0-9]*[eE][+-]?[0-9]+", text):
        return "has an exponent"
    return "isn't a plain decimal number such as 12.50"


def _power_of_ten(unit: Fraction) -> int:
    """Return k if the unit is 10 to the minus k with k from 0 to 18, or -1."""
    if unit.numerator != 1:
        return -1
    digits = str(unit.denominator)
    if digits.rstrip("0") != "1" or len(digits) > 19:
        return -1
    return len(digits) - 1


def _finite_decimals(unit: Fraction) -> int:
    """Return how many decimals the unit needs; a ``ValueError`` if no number suffices."""
    remaining = unit.denominator
    twos = fives = 0
    while remaining % 2 == 0:
        remaining //= 2
        twos += 1
    while remaining % 5 == 0:
        remaining //= 5
        fives += 1
    if remaining != 1:
        raise ValueError(f"{unit} has no finite decimal expansion")
    return max(twos, fives)


class UnitScale:
    """Converts between decimal text and a count of one unit.

    ``reason`` and ``field`` are what a refusal carries; a count beyond int64 is always
    ``REASON_NUMBER_OUT_OF_RANGE``.
    """

    __slots__ = ("_power", "_ten_power", "decimals", "field", "reason", "unit")

    def __init__(self, unit: Fraction, reason: int, field: str) -> None:
        """Prepare the conversion; a ``ValueError`` if the unit isn't positive and finite."""
        if unit <= 0:
            raise ValueError(f"unit must be positive, not {unit}")
        self.unit = unit
        self.reason = reason
        self.field = field
        self.decimals = _finite_decimals(unit)
        self._power = _power_of_ten(unit)
        self._ten_power = 10**self._power if self._power >= 0 else 0

    def parse(self, text: str) -> int:
        """Return the whole number of units that decimal text stands for.

        The grammar is an optional minus sign, digits, and optionally a point with digits.
        """
        whole, point, fraction = text.partition(".")
        # The common case: plain ASCII digits and a unit of 10 to the minus k.
        power = self._power
        if (
            0 <= power >= len(fraction)
            and len(text) <= 19
            and text.isascii()
            and (whole.isdigit() or (whole[:1] == "-" and whole[1:].isdigit()))
            and (fraction.isdigit() or not point)
        ):
            units = int(whole + fraction) * 10 ** (power - len(fraction))
        else:
            units = self._parse_any(text)
        if INT64_MIN <= units <= INT64_MAX:
            return units
        raise TradeCaptainError(
            reasons.REASON_NUMBER_OUT_OF_RANGE,
            f"{self.field} {text} doesn't fit a signed 64-bit count of {self.unit}",
            field=self.field,
            observed=text,
        )

    def _parse_any(self, text: str) -> int:
        problem = _grammar_problem(text)
        if problem:
            shown = text if len(text) <= TEXT_LENGTH_MAX else text[:TEXT_LENGTH_MAX] + "…"
            raise TradeCaptainError(
                self.reason, f"{self.field} {shown!r} {problem}", field=self.field, observed=shown
            )
        count = Fraction(text) / self.unit
        if count.denominator != 1:
            raise TradeCaptainError(
                self.reason,
                f"{self.field} {text} isn't a whole count of the unit {self.unit}",
                field=self.field,
                limit=str(self.unit),
                observed=text,
            )
        return count.numerator

    def format(self, units: int) -> str:
        """Write a count of units as exact decimal text with the unit's number of decimals."""
        if self._power == 0:
            return str(units)
        if self._power > 0:
            scaled = abs(units)
            divisor = self._ten_power
        else:
            # Exact: the unit's denominator divides a power of ten by construction.
            divisor = 10**self.decimals
            scaled = abs(units) * self.unit.numerator * (divisor // self.unit.denominator)
        sign = "-" if units < 0 else ""
        if self.decimals == 0:
            return f"{sign}{scaled}"
        whole, rest = divmod(scaled, divisor)
        return f"{sign}{whole}.{rest:0{self.decimals}d}"

    def to_float(self, units: int) -> float:
        """Return the nearest float, for displays and models only; never convert it back."""
        return units * self.unit.numerator / self.unit.denominator
