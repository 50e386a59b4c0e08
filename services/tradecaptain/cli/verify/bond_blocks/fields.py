"""Fields of fixed income cases: dates, pairs, day counts, and what the conventions say in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.verify_case import Case, MalformedError, NotApplicableError, WrongError
from tradecaptain.kernels.pricing import day_count
from tradecaptain.pricing.fixed_income.dates import parse_day

_TINY: Final = 1e-12


def iso_day(value: object, name: str) -> int:
    """Day number of a value that must be an ISO date."""
    try:
        return parse_day(value if isinstance(value, str) else "", name)
    except TradeCaptainError as error:
        message = f"field {name} must be a date YYYY-MM-DD, not {value!r}"
        raise MalformedError(message) from error


def day(case: Case, name: str) -> int:
    """A field that must be an ISO date, as a day number."""
    return iso_day(case.raw(name), name)


def items(case: Case, name: str) -> list[Any]:
    """A field that must be a list."""
    value = case.raw(name)
    if not isinstance(value, list):
        raise MalformedError(f"field {name} must be a list, not {value!r}")
    return value


def row(value: object, name: str) -> Case:
    """An object within a case, whose fields are read like a case's."""
    if not isinstance(value, Mapping):
        raise MalformedError(f"field {name} must hold objects, not {value!r}")
    return Case(value, {})


def rows(case: Case, name: str) -> list[Case]:
    """A field that must be a list of objects."""
    return [row(value, name) for value in items(case, name)]


def numbers(case: Case, name: str) -> list[float]:
    """A field that must be a list of numbers."""
    return [Case({name: value}, {}).number(name) for value in items(case, name)]


def pairs(case: Case, name: str) -> list[tuple[object, float]]:
    """A field of quotes: pairs, objects of two fields each, or one object with a field a quote."""
    value = case.raw(name)
    entries = list(value.items()) if isinstance(value, Mapping) else items(case, name)
    found: list[tuple[object, float]] = []
    for entry in entries:
        pair = _named_pair(entry) if isinstance(entry, Mapping) else entry
        if not isinstance(pair, list | tuple) or len(pair) < 2:
            raise MalformedError(f"field {name} must hold pairs, not {entry!r}")
        found.append((pair[0], Case({name: pair[1]}, {}).number(name)))
    return found


def _named_pair(entry: Mapping[str, Any]) -> list[Any]:
    """What a quote is of, and the quote, whatever their order."""
    value = next((key for key in entry if re.search(r"rate|quote|value|price", key)), None)
    subject = next((key for key in entry if key != value), None)
    return [] if value is None or subject is None else [entry[subject], entry[value]]


def number_pairs(case: Case, name: str) -> list[tuple[float, float]]:
    """The same where both are numbers."""
    found = []
    for first, second in pairs(case, name):
        try:
            found.append((float(str(first)), second))
        except ValueError as error:
            message = f"field {name} must hold pairs of numbers, not {first!r}"
            raise MalformedError(message) from error
    return found


def conventions(case: Case) -> str:
    """What the family says about itself in words."""
    said = case.family.get("conventions")
    return said if isinstance(said, str) else ""


def said_day(words: str, pattern: str, name: str = "conventions") -> int:
    """A date that stands in a text after some words."""
    found = re.search(pattern + r"\D{0,12}(\d{4}-\d{2}-\d{2})", words)
    if found is None:
        raise MalformedError(f"field {name} must say the date of {pattern!r}")
    return iso_day(found[1], name)


def said_rate(words: str, name: str) -> float:
    """The first percentage in a text."""
    found = re.search(r"(\d+(?:\.\d+)?)\s*%", words)
    if found is None:
        raise MalformedError(f"field {name} must say a rate in percent, not {words!r}")
    return float(found[1]) / 100.0


def expect_near(found: float, due: float, tolerance: float, name: str) -> None:
    """Hold a value of several against the published one."""
    if not abs(found - due) <= tolerance:
        raise WrongError(f"{name}: {found!r} is not within {tolerance:g} of {due!r}")


def expect_relative(found: float, due: float, tolerance: float, name: str) -> None:
    """The same for a relative tolerance."""
    expect_near(found, due, tolerance * max(abs(due), _TINY), name)


def period_months(case: Case) -> int:
    """Months between coupons, from coupons a year."""
    frequency = case.integer("freq")
    if frequency not in (1, 2, 3, 4, 6, 12):
        raise MalformedError(f"field freq must be a number of coupons a year, not {frequency}")
    return 12 // frequency


_DAY_COUNTS: Final = (
    # The first pattern that a name matches says what it is.
    (r"bus|252", day_count.BUSINESS_252),
    (r"^(nl|nol|act/365nl)|noleap", day_count.NL_365),
    (r"365\.25", day_count.ACT_365_25),
    (r"act/?act.*(isma|icma|bond)", day_count.ACT_ACT_ICMA),
    (r"act/?act.*(afb|euro)", day_count.ACT_ACT_AFB),
    (r"act/?act", day_count.ACT_ACT_ISDA),
    (r"act/?365l", day_count.ACT_365L),
    (r"act/?360.*inc", day_count.ACT_360_INCLUSIVE),
    (r"act/?360", day_count.ACT_360),
    (r"act/?364", day_count.ACT_364),
    (r"act/?365", day_count.ACT_365_FIXED),
    (r"act/?366", day_count.ACT_366),
    (r"30e\+", day_count.THIRTY_E_PLUS_360),
    (r"30/?365", day_count.THIRTY_365),
    (r"30.*german", day_count.THIRTY_360_GERMAN),
    (r"30.*isda", day_count.THIRTY_E_360_ISDA),
    (r"30e|30.*(euro|isma|icma)", day_count.THIRTY_E_360),
    (r"30.*us", day_count.THIRTY_360_US),
    # NASD's end of a month, the first of the next one, is the thirty-first by another name.
    (r"30/?360|30a|30.*(bond|nasd)", day_count.THIRTY_360_BOND_BASIS),
    (r"^1/1$|^one", day_count.ONE_ONE),
)


# What would be taken for its better known sister.
_OTHER_DAY_COUNTS: Final = r"ital|canad"


def day_count_of(name: str) -> int:
    """The convention that a name means; names differ from source to source."""
    short = re.sub(r"[\s()_-]", "", name.lower())
    short = short.replace("actual", "act").replace("thirty", "30").replace("fixed", "f")
    for pattern, convention in _DAY_COUNTS:
        if re.search(pattern, short) and not re.search(_OTHER_DAY_COUNTS, short):
            return convention
    raise NotApplicableError(f"day count {name!r} isn't known")
