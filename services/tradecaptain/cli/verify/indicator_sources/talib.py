"""Values of TA-Lib on given quotes: to 1e-9 of the value or of 1, the warm-up exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from tradecaptain.cli.verify.indicator_sources.comparison import (
    FloatArray,
    Quotes,
    column_of,
    expect_close,
    number_of,
)
from tradecaptain.cli.verify_case import MalformedError, NotApplicableError, WrongError
from tradecaptain.kernels.indicators.program import compute
from tradecaptain.kernels.indicators.registry import INDICATORS, IndicatorError

TOLERANCE: Final = 1e-9
FUNCTIONS: Final = "functions"
PATTERNS: Final = "candlestick_patterns_nonzero"


def is_ours(document: Mapping[str, Any]) -> bool:
    """Whether a file has this shape."""
    return isinstance(document.get(FUNCTIONS), dict) or isinstance(document.get(PATTERNS), dict)


def cases(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and content of every case; a part that is no object is a case by itself."""
    for part in (FUNCTIONS, PATTERNS):
        entries = document.get(part, {})
        if isinstance(entries, dict):
            yield from entries.items()
        else:
            yield part, entries


def judge(name: str, case: Any, quotes: Quotes) -> None:
    """Judge one function or pattern; raises unless every value is right."""
    if name in (FUNCTIONS, PATTERNS):
        raise MalformedError("not an object of cases")
    if name not in INDICATORS:
        raise NotApplicableError(f"{name} isn't a function of TA-Lib 0.8.1")
    if not isinstance(case, dict):
        raise MalformedError("not an object")
    if "outputs" in case:
        _judge_function(name, case, quotes)
    else:
        _judge_pattern(name, case, quotes)


def _columns(name: str, case: Mapping[str, Any], quotes: Quotes) -> list[FloatArray]:
    inputs = case.get("inputs")
    if not isinstance(inputs, dict):
        raise MalformedError("inputs is not an object")
    names: list[str] = []
    for value in inputs.values():
        names += value if isinstance(value, list) else [value]
    for column in names:
        if column not in quotes:
            raise NotApplicableError(f"{name} takes {column!r}, which the quotes don't have")
    return [quotes[column] for column in names]


def _judge_function(name: str, case: Mapping[str, Any], quotes: Quotes) -> None:
    given = case.get("parameters", {})
    outputs = case["outputs"]
    if not isinstance(given, dict) or not isinstance(outputs, dict):
        raise MalformedError("parameters or outputs is not an object")
    parameters = {key: number_of(value, f"parameters.{key}") for key, value in given.items()}
    try:
        found = compute(name, _columns(name, case, quotes), parameters)
    except IndicatorError as error:
        raise MalformedError(f"{error.field}: {error}") from error
    known = INDICATORS[name].outputs
    if set(outputs) != set(known):
        raise MalformedError(f"outputs are {sorted(outputs)}, not {sorted(known)}")
    for output, values in zip(known, found, strict=True):
        due = column_of(outputs[output], f"outputs.{output}")
        if len(due) != len(values):
            raise WrongError(f"{output} has {len(values)} values, not {len(due)}")
        if output in INDICATORS[name].whole_outputs:
            # A whole number can't be missing: TA-Lib has 0 in the warm-up.
            due = np.where(np.isnan(due), 0.0, due)
        expect_close(output, values, due, TOLERANCE * np.maximum(1.0, np.abs(due)))


def _judge_pattern(name: str, case: Mapping[str, Any], quotes: Quotes) -> None:
    inputs = [quotes[column] for column in INDICATORS[name].inputs]
    found = compute(name, inputs)[0]
    due = np.zeros(len(found))
    for index, value in case.items():
        if not index.isdecimal() or int(index) >= len(due):
            raise MalformedError(f"{index!r} is not the number of a bar")
        due[int(index)] = number_of(value, index)
    expect_close("pattern", found, due, np.zeros(len(due)))
