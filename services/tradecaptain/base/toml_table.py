"""Reads typed values out of TOML tables; every refusal names the key and the rule.

Also writes the small subset of TOML that the run folder's files need.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from tradecaptain.base.bounded_file import read_bounded
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.units import parse_rational

_MISSING = object()
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; raises ConfigurationError for one that is missing or can't be read."""
    try:
        return tomllib.loads(read_bounded(path).decode())
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: there is no such file") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: isn't TOML: {error}") from error


class TableReader:
    """Takes values from one TOML table and refuses what it wasn't asked for.

    ``where`` is the table's place, such as ``reference.toml: instrument[3]``.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = dict(values)
        self.where = where

    def fail(self, key: str, rule: str) -> ConfigurationError:
        """Build the error for a key that breaks a rule; the caller raises it."""
        return ConfigurationError(f"{self.where}.{key} {rule}", field=key)

    def has(self, key: str) -> bool:
        """Whether the table still holds a key that wasn't taken."""
        return key in self._values

    def take(self, key: str, default: Any = _MISSING) -> Any:
        """Take a value of any type; without a default the key must be there."""
        value = self._values.pop(key, default)
        if value is _MISSING:
            raise self.fail(key, "must be set")
        return value

    def text(self, key: str, default: Any = _MISSING, *, pattern: str = r".*") -> str:
        """Take a string that matches a pattern as a whole."""
        value = self.take(key, default)
        if not isinstance(value, str):
            raise self.fail(key, f"must be text, not {value!r}")
        if not re.fullmatch(pattern, value):
            raise self.fail(key, f"must match {pattern}, and {value!r} doesn't")
        return value

    def choice(self, key: str, allowed: Sequence[str], default: Any = _MISSING) -> str:
        """Take one of a few strings."""
        value = self.take(key, default)
        if value not in allowed:
            raise self.fail(
                key, f"must be one of {', '.join(filter(None, allowed))}, not {value!r}"
            )
        return str(value)

    def integer(self, key: str, default: Any = _MISSING, *, minimum: int, maximum: int) -> int:
        """Take a whole number within bounds."""
        value = self.take(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(key, f"must be a whole number, not {value!r}")
        if not minimum <= value <= maximum:
            raise self.fail(key, f"must lie in {minimum} to {maximum}, and {value} doesn't")
        return value

    def number(self, key: str, default: Any = _MISSING, *, minimum: float, maximum: float) -> float:
        """Take a model value, which may be a float, within bounds."""
        value = self.take(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.fail(key, f"must be a number, not {value!r}")
        if not minimum <= value <= maximum:
            raise self.fail(key, f"must lie in {minimum} to {maximum}, and {value} doesn't")
        return float(value)

    def rational(self, key: str, default: Any = _MISSING) -> Fraction:
        """Take an exact number written as text, ``"0.01"`` or ``"1/256"``."""
        value = self.take(key, default)
        if not isinstance(value, str):
            raise self.fail(key, f'must be exact and in quotes, such as "0.01", not {value!r}')
        try:
            return parse_rational(value)
        except ValueError as error:
            raise self.fail(key, f"must be an exact number: {error}") from error

    def date(self, key: str, default: Any = _MISSING) -> datetime.date:
        """Take a calendar day, as a TOML date or as ISO text."""
        return self._as_date(key, self.take(key, default))

    def dates(self, key: str) -> list[datetime.date]:
        """Take a list of calendar days."""
        return [self._as_date(key, value) for value in self.items(key, [])]

    def _as_date(self, key: str, value: Any) -> datetime.date:
        if isinstance(value, str):
            try:
                return datetime.date.fromisoformat(value)
            except ValueError as error:
                raise self.fail(key, f"must be a date such as 2030-01-31, not {value!r}") from error
        if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value
        raise self.fail(key, f"must be a date such as 2030-01-31, not {value!r}")

    def time(self, key: str, default: Any = _MISSING) -> datetime.time:
        """Take a local time of day, as a TOML time or as ISO text."""
        value = self.take(key, default)
        if isinstance(value, datetime.time):
            return value
        try:
            return datetime.time.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise self.fail(key, f"must be a time such as 09:30, not {value!r}") from error

    def items(self, key: str, default: Any = _MISSING) -> list[Any]:
        """Take a list."""
        value = self.take(key, default)
        if not isinstance(value, list):
            raise self.fail(key, f"must be a list, not {value!r}")
        return value

    def table(self, key: str, default: Any = _MISSING) -> TableReader:
        """Take a table inside this one."""
        value = self.take(key, default)
        if not isinstance(value, dict):
            raise self.fail(key, f"must be a table, not {value!r}")
        return TableReader(value, f"{self.where}.{key}")

    def tables(self, key: str) -> list[TableReader]:
        """Take a list of tables, which may be missing."""
        readers = []
        for index, value in enumerate(self.items(key, [])):
            if not isinstance(value, dict):
                raise self.fail(f"{key}[{index}]", f"must be a table, not {value!r}")
            readers.append(TableReader(value, f"{self.where}.{key}[{index}]"))
        return readers

    def take_all(self) -> dict[str, Any]:
        """Take everything that wasn't taken yet, unchecked."""
        values, self._values = self._values, {}
        return values

    def finish(self) -> None:
        """Refuse whatever was not taken: a key that nobody knows is most often a typing error."""
        if self._values:
            raise self.fail(next(iter(self._values)), "is not a known key")


def toml_value(value: Any) -> str:
    """Write one value as TOML: text, numbers, dates, lists and inline tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        escaped = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\u{ord(match[0]):04x}", escaped)
        return f'"{escaped}"'
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        inside = ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    raise TypeError(f"TOML has no form for {value!r}")


def toml_key(key: str) -> str:
    """Write a key, in quotes where it needs them."""
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def toml_table(header: str, values: Mapping[str, Any]) -> str:
    """Write a table under a header such as ``[ports]`` or ``[[account]]``."""
    lines = [header, *(f"{toml_key(key)} = {toml_value(item)}" for key, item in values.items())]
    return "\n".join(lines) + "\n"
