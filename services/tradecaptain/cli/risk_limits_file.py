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
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"{path} isn't TOML: {error}") from error
    limits: list[FileLimit] = []
    problems: list[FileProblem] = []
    for table, values in tables.items():
        _read_table(text, table, values, limits, problems)
    return limits, problems


def _read_table(
    text: str, table: str, values: Any, limits: list[FileLimit], problems: list[FileProblem]
) -> None:
    if not isinstance(values, dict):
        message = "a limit stands in a table that names its level"
        problems.append(FileProblem(table, line_of(text, "", table), message))
        return
    try:
        target = target_of(table)
    except CommandError as error:
        problems.append(FileProblem(table, line_of(text, table, ""), str(error)))
        return
    for key, value in values.items():
        place = f"{table}.{key}"
        line = line_of(text, table, key)
        if not isinstance(value, str) or not value:
            message = 'a value is decimal text in quotes, or "unlimited"'
            problems.append(FileProblem(place, line, message))
            continue
        try:
            kind = cast("risk_pb2.LimitKind.ValueType", kind_of(key))
        except CommandError as error:
            problems.append(FileProblem(place, line, str(error)))
            continue
        request = risk_pb2.SetLimitRequest(target=target, kind=kind, value=value)
        limits.append(FileLimit(table, key, line, request))


def line_of(text: str, table: str, key: str) -> int:
    """Line of a key in its table, or of the table's head; 0 if it isn't found as plain text."""
    is_inside = not table
    for number, line in enumerate(text.splitlines(), start=1):
        plain = line.strip()
        if plain.startswith("["):
            is_inside = plain.strip("[] ").strip("\"'") == table
            if is_inside and not key:
                return number
        elif is_inside and key and plain.split("=")[0].strip().strip("\"'") == key:
            return number
    return 0
