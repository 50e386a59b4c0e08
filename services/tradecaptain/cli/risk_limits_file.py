"""Limits as a TOML file: what ``tradecaptain risk export`` writes and ``import`` reads.

One table a level, one key a limit::

    ["account:alpha"]
    open-orders = "1000"

    ["alpha/AMZN@TCAP"]
    order-quantity = "500"
    price-collar = "unlimited"

    ["group:30"]
    total-gross-exposure = "2500000"

    ["group:30/AMZN@TCAP"]
    total-position-long = "10000"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.bounded_file import read_bounded
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.risk_targets import kind_name, kind_of, target_of, target_text


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong in a file, and where: the table and key, and the line where it can be told."""

    place: str
    line: int
    message: str

    def text(self, path: Path) -> str:
        """As a compiler would say it."""
        line = f":{self.line}" if self.line else ""
        return f"{path}{line}: {self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class FileLimit:
    """One limit of a file."""

    table: str
    key: str
    line: int
    request: risk_pb2.SetLimitRequest


def limits_toml(limits: Iterable[risk_pb2.Limit]) -> str:
    """Limits as the text of a file, by level in the order in which they come."""
    tables: dict[str, list[str]] = {}
    for limit in limits:
        lines = tables.setdefault(target_text(limit.target), [])
        lines.append(f'{kind_name(limit.kind)} = "{limit.value}"')
    return "\n".join(
        "\n".join([f'["{table}"]', *sorted(lines), ""]) for table, lines in tables.items()
    )


def read_limits(path: Path) -> tuple[list[FileLimit], list[FileProblem]]:
    """The limits of a file and what is wrong with it; raises CommandError if it can't be read."""
    try:
        text = read_bounded(path).decode()
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} can't be read: {error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CommandError(f"{path} isn't TOML: {error}") from error
    return _Reader(text).read(tables)


class _Reader:
    """Reads the tables of a file and notes what is wrong with them."""

    def __init__(self, text: str) -> None:
        self._lines = lines_of(text)
        self._limits: list[FileLimit] = []
        self._problems: list[FileProblem] = []
        self._line_of_limit: dict[tuple[bytes, int], int] = {}

    def read(self, tables: dict[str, Any]) -> tuple[list[FileLimit], list[FileProblem]]:
        """The limits and the problems."""
        for table, values in tables.items():
            self._read_table(table, values)
        return self._limits, self._problems

    def _note(self, table: str, key: str, message: str) -> None:
        place = ".".join(part for part in (table, key) if part)
        self._problems.append(FileProblem(place, self._lines.get((table, key), 0), message))

    def _read_table(self, table: str, values: Any) -> None:
        if not isinstance(values, dict):
            self._note("", table, "a limit stands in a table that names its level")
            return
        try:
            target = target_of(table)
        except CommandError as error:
            self._note(table, "", str(error))
            return
        for key, value in values.items():
            self._read_limit(table, target, key, value)

    def _read_limit(self, table: str, target: risk_pb2.RiskTarget, key: str, value: Any) -> None:
        if not isinstance(value, str) or not value:
            self._note(table, key, 'a value is decimal text in quotes, or "unlimited"')
            return
        try:
            kind = cast("risk_pb2.LimitKind.ValueType", kind_of(key))
        except CommandError as error:
            self._note(table, key, str(error))
            return
        line = self._lines.get((table, key), 0)
        first = self._line_of_limit.setdefault((target.SerializeToString(), kind), line)
        if first != line:
            self._note(table, key, f"the same limit as in line {first}")
            return
        request = risk_pb2.SetLimitRequest(target=target, kind=kind, value=value)
        self._limits.append(FileLimit(table, key, line, request))


def lines_of(text: str) -> dict[tuple[str, str], int]:
    """Lines of tables' heads (with an empty key) and of their keys, where they are plain text.

    Keys before the first table belong to the table of no name.
    """
    found: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip()
        if plain.startswith("["):
            table = plain.partition("]")[0].strip("[ ").strip("\"'")
            found.setdefault((table, ""), number)
        elif "=" in plain:
            key = plain.partition("=")[0].strip().strip("\"'")
            found.setdefault((table, key), number)
    return found
