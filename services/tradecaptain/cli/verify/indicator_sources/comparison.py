"""What the judges of all three libraries share: quotes, columns, and how values compare."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.bounded_file import read_bounded
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.verify_case import MalformedError, WrongError
from tradecaptain.wire import reason as reasons

FloatArray = npt.NDArray[np.float64]
Quotes = Mapping[str, FloatArray]

QUOTE_COLUMNS: Final = ("open", "high", "low", "close", "volume")


def read_quotes(path: Path) -> Quotes:
    """Columns of a CSV file with a header that names open, high, low, close and volume."""
    try:
        text = read_bounded(path).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TradeCaptainError(
            reasons.REASON_UNRECOGNISED_FILE, f"quotes {path}: {error}", field="quotes"
        ) from error
    columns: dict[str, FloatArray] = {}
    for name in QUOTE_COLUMNS:
        try:
            columns[name] = np.array([float(row[name]) for row in rows])
        except (KeyError, TypeError, ValueError) as error:
            raise TradeCaptainError(
                reasons.REASON_MALFORMED_FILE,
                f"quotes {path}: column {name} is missing or not of numbers",
                field=f"quotes.{name}",
            ) from error
    return columns


def quotes_beside(document: Mapping[str, Any], path: Path, given: Path | None) -> Quotes:
    """The quotes that a file speaks of: those given, or the file that it names, beside it."""
    if given is not None:
        return read_quotes(given)
    named = document.get("quotes")
    if not isinstance(named, str) or not named.split():
        raise TradeCaptainError(
            reasons.REASON_MALFORMED_FILE, f"{path} names no quotes", field="quotes"
        )
    return read_quotes(path.parent / Path(named.split()[0]).name)


def column_of(values: Any, name: str) -> FloatArray:
    """A published column; null is NaN."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise MalformedError(f"{name} is not a list")
    try:
        return np.array([np.nan if value is None else float(value) for value in values])
    except (TypeError, ValueError) as error:
        raise MalformedError(f"{name} holds something that isn't a number") from error


def number_of(value: Any, name: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise MalformedError(f"{name} is not a number")
    return float(value)


def expect_close(name: str, found: FloatArray, due: FloatArray, tolerance: FloatArray) -> None:
    """Refuse the first value that is farther off than its tolerance, or NaN on one side only."""
    wrong = np.isnan(found) != np.isnan(due)
    with np.errstate(invalid="ignore"):
        wrong |= np.abs(found - due) > tolerance
    if wrong.any():
        index = int(np.argmax(wrong))
        raise WrongError(
            f"{name}[{index}] is {found[index]:.15g}, not {due[index]:.15g}"
            f" ({int(wrong.sum())} of {len(due)} are off)"
        )
