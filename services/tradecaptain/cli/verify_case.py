"""Published cases in families: one JSON object of families, each with ``cases`` and a tolerance.

A judge reads what it needs of a ``Case`` by name and type, computes, and raises unless the answer
is right. The case remembers what was read: a field that nobody looked at could change the answer,
so a case with one is not applicable rather than passed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.verify_file import read_object
from tradecaptain.cli.verify_result import Failure, VerifyResult, unreadable
from tradecaptain.wire import reason as reasons

# Fields that say something about a case and nothing about its answer.
REMARKS: Final = ("note", "name", "source", "computed", "verified", "literature")

# Stands for a family that is no object.
NO_CASES: Final[Mapping[str, Any]] = {"cases": None}


class NotApplicableError(Exception):
    """The case can't be judged; the text says why."""


class WrongError(Exception):
    """The answer is wrong; the text says how."""


class MalformedError(Exception):
    """A field is missing or of another type; the text names it."""


class Case:
    """One case of a family: typed fields by name."""

    def __init__(self, fields: Mapping[str, Any], family: Mapping[str, Any]) -> None:
        self.family = family
        self._fields = fields
        self._read: set[str] = set(REMARKS)

    def __contains__(self, name: str) -> bool:
        """Whether the case has the field, with anything but null in it."""
        return self._fields.get(name) is not None

    def raw(self, name: str) -> Any:
        """A field as the file has it; raises ``MalformedError`` if there is none."""
        if name not in self:
            raise MalformedError(f"field {name} is missing")
        self._read.add(name)
        return self._fields[name]

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number; the default, if given, stands for a field that isn't there."""
        if default is not None and name not in self:
            self._read.add(name)
            return default
        value = self.any_number(name)
        if not math.isfinite(value):
            raise MalformedError(f"field {name} must be a finite number, not {value!r}")
        return value

    def any_number(self, name: str) -> float:
        """A number that may be infinite or none at all (NaN)."""
        value = self.raw(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MalformedError(f"field {name} must be a finite number, not {value!r}")
        try:
            return float(value)
        except OverflowError:
            # A whole number of more than 308 digits.
            return math.inf if value > 0 else -math.inf

    def numbers(self, *names: str) -> tuple[float, ...]:
        """Several numbers in this order."""
        return tuple(self.number(name) for name in names)

    def integer(self, name: str) -> int:
        """A whole number."""
        value = self.number(name)
        if value != int(value):
            raise MalformedError(f"field {name} must be a whole number, not {value!r}")
        return int(value)

    def text(self, name: str) -> str:
        """A text."""
        value = self.raw(name)
        if not isinstance(value, str):
            raise MalformedError(f"field {name} must be a text, not {value!r}")
        return value

    def choice[Chosen](
        self, name: str, choices: Mapping[str, Chosen], *, fold: bool = False
    ) -> Chosen:
        """What a text stands for; one that stands for nothing here is not applicable.

        ``fold`` makes MinBasket and min_basket the same.
        """
        text = self.text(name)
        if fold:
            text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower()
        if text not in choices:
            raise NotApplicableError(f"{name} {text!r} is none of {', '.join(choices)}")
        return choices[text]

    def ignore(self, *names: str) -> None:
        """Say that fields may be there and don't change the answer."""
        self._read.update(names)

    def right(self, name: str = "type") -> float:
        """+1 for a call, -1 for a put."""
        return self.choice(name, {"call": 1.0, "put": -1.0})

    def tolerance(self, published: float | None = None) -> float:
        """How far off an answer may be: by the case, its family, or what was published for it."""
        if "tol" in self:
            return self.number("tol")
        stated = self.family.get("tolerance")
        if isinstance(stated, int | float) and not isinstance(stated, bool):
            return float(stated)
        if isinstance(stated, str):
            try:
                return float(stated)
            except ValueError:
                pass
        if published is None:
            raise NotApplicableError("neither the case nor its family states a tolerance")
        return published

    def expect(self, found: float, published_tolerance: float | None = None) -> None:
        """Hold an answer against the field ``value``."""
        expect(found, self.number("value"), self.tolerance(published_tolerance))

    def expect_one(self, found: Sequence[float]) -> None:
        """Hold answers by several definitions against the field ``value``; one must be right."""
        tolerance, due = self.tolerance(), self.number("value")
        if all(abs(answer - due) > tolerance for answer in found):
            expect(found[0], due, tolerance)

    def unread(self) -> list[str]:
        """Names of fields that nobody looked at."""
        return sorted(name for name in self._fields if name not in self._read)


Judge = Callable[[Case], None]


def expect(found: float, due: float, tolerance: float) -> None:
    """Raise unless an answer is within the tolerance."""
    if not abs(found - due) <= tolerance:
        raise WrongError(f"{found!r} is not within {tolerance:g} of {due!r}")


def merge_families(groups: Iterable[Mapping[str, Judge]]) -> dict[str, Judge]:
    """Judges of all groups by family; a family has one judge."""
    merged: dict[str, Judge] = {}
    for group in groups:
        twice = merged.keys() & group.keys()
        if twice:
            raise ValueError(f"families with two judges: {', '.join(sorted(twice))}")
        merged.update(group)
    return merged


def read_families(path: Path) -> dict[str, Mapping[str, Any]]:
    """Families by name; raises ``TradeCaptainError`` if the file is of another shape.

    A family without a list of cases is kept, so that it is told of; texts are remarks.
    """
    families = {
        name: family if isinstance(family, dict) else NO_CASES
        for name, family in read_object(path).items()
        if not isinstance(family, str)
    }
    if not are_cases(families):
        raise TradeCaptainError(
            reasons.REASON_UNRECOGNISED_FILE,
            f"{path} is not an object of families with cases",
            field=str(path),
        )
    return families


def are_cases(families: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether some family has a list of cases, which are objects if there are any."""
    lists = [family["cases"] for family in families.values() if _has_cases(family)]
    listed = [case for cases in lists for case in cases]
    return bool(lists) and (not listed or any(isinstance(case, dict) for case in listed))


def _has_cases(family: Mapping[str, Any]) -> bool:
    return isinstance(family.get("cases"), list)


def _judge_case(judge: Judge, fields: object, family: Mapping[str, Any]) -> None:
    if not isinstance(fields, dict):
        raise MalformedError("not an object")
    case = Case(fields, family)
    judge(case)
    unread = case.unread()
    if unread:
        raise NotApplicableError(f"fields without a meaning here: {', '.join(unread)}")


def judge_families(
    files: list[Path],
    judges: Mapping[str, Judge],
    priced: str,
    *,
    read: Callable[[Path], Mapping[str, Mapping[str, Any]]] = read_families,
) -> VerifyResult:
    """Judge every case of the files; ``priced`` says what is missing for an unknown family.

    ``read`` makes families of a file whose cases don't stand in lists of their own.
    """
    passed = 0
    failures: list[Failure] = []
    not_applicable: Counter[str] = Counter()
    for path in files:
        try:
            families = read(path)
        except TradeCaptainError as error:
            failures.append(unreadable(path, error))
            continue
        for name, family in families.items():
            judge = judges.get(name)
            if not _has_cases(family):
                if judge is None and "cases" not in family:
                    not_applicable[f"{name} has no cases, and {priced}"] += 1
                else:
                    failures.append(Failure(name, "malformed family: cases is not a list"))
                continue
            if judge is None:
                not_applicable[f"family {name} {priced}"] += len(family["cases"])
                continue
            for index, fields in enumerate(family["cases"]):
                try:
                    _judge_case(judge, fields, family)
                except NotApplicableError as error:
                    not_applicable[f"{name}: {error}"] += 1
                except WrongError as error:
                    failures.append(Failure(f"{name}[{index}]", str(error)))
                except MalformedError as error:
                    failures.append(Failure(f"{name}[{index}]", f"malformed case: {error}"))
                except TradeCaptainError as error:
                    why = f"{error.name}: {error.field}: {error.message}"
                    failures.append(Failure(f"{name}[{index}]", why))
                else:
                    passed += 1
    return VerifyResult(passed, failures, dict(not_applicable))


def missing(what: str) -> NotApplicableError:
    """The error for a case of a known family whose question isn't answered here."""
    return NotApplicableError(f"{what} isn't computed")
