"""Vectors of Tulip Indicators, where that library means what TA-Lib means: to 1e-3.

Outputs are aligned at their ends; those that one library has and the other hasn't lie in the
warm-up, which differs for some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
from tradecaptain.kernels.indicators.program import compute, warm_up
from tradecaptain.kernels.indicators.registry import INDICATORS, IndicatorError

# Printed to three decimals, computed in float32 in places.
TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class Meaning:
    """One of Tulip's indicators as one of ours.

    ``options`` names the parameter of each option, several by one that stands for both. ``outputs``
    are our outputs in Tulip's order; all in ours if empty.
    """

    name: str
    options: tuple[tuple[str, ...], ...] = ()
    outputs: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)


def _period(name: str) -> Meaning:
    return Meaning(name, (("timeperiod",),))


_FUNCTIONS: Final = [
    "acos",
    "asin",
    "atan",
    "ceil",
    "cos",
    "cosh",
    "exp",
    "floor",
    "ln",
    "log10",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "add",
    "sub",
    "div",
    "ad",
    "avgprice",
    "bop",
    "marketfi",
    "medprice",
    "nvi",
    "pvi",
    "tr",
    "typprice",
    "wad",
    "wcprice",
]
_WINDOWS: Final = [
    "aroonosc",
    "cci",
    "cmf",
    "dpo",
    "fosc",
    "hma",
    "kama",
    "max",
    "mfi",
    "min",
    "mom",
    "qstick",
    "rocr",
    "rsi",
    "sma",
    "stddev",
    "sum",
    "trima",
    "tsf",
    "var",
    "vhf",
    "vwma",
    "willr",
    "wma",
]
_NAMES: Final = {"tr": "TRANGE", "wcprice": "WCLPRICE"}

MEANINGS: Final[dict[str, Meaning]] = {
    **{name: Meaning(_NAMES.get(name, name.upper())) for name in _FUNCTIONS},
    **{name: _period(name.upper()) for name in _WINDOWS},
    "mul": Meaning("MULT"),
    "adosc": Meaning("ADOSC", (("fastperiod",), ("slowperiod",))),
    "ao": Meaning("AO"),
    "aroon": Meaning("AROON", (("timeperiod",),)),
    "bbands": Meaning(
        "BBANDS",
        (("timeperiod",), ("nbdevup", "nbdevdn")),
        ("lowerband", "middleband", "upperband"),
    ),
    "cmo": _period("CMOU"),
    "linreg": _period("LINEARREG"),
    "linregintercept": _period("LINEARREG_INTERCEPT"),
    "linregslope": _period("LINEARREG_SLOPE"),
    "md": _period("AVGDEV"),
    "roc": _period("ROCP"),
    "stoch": Meaning("STOCH", (("fastk_period",), ("slowk_period",), ("slowd_period",))),
    "ultosc": Meaning("ULTOSC", (("timeperiod1",), ("timeperiod2",), ("timeperiod3",))),
    "vosc": Meaning("PVO", (("fastperiod",), ("slowperiod",)), fixed={"matype": 0.0}),
    "wilders": _period("RMA"),
}
"""Indicators whose definition is TA-Lib's."""

_EXPONENTIAL: Final = "seeds its exponential averages with one value, TA-Lib with their mean"
OTHERWISE: Final[dict[str, str]] = {
    **dict.fromkeys(
        ["apo", "cvi", "dema", "ema", "macd", "mass", "ppo", "tema", "trix", "zlema"], _EXPONENTIAL
    ),
    **dict.fromkeys(["atr", "natr"], "counts the first bar's range, TA-Lib doesn't"),
    **dict.fromkeys(
        ["adx", "adxr", "di", "dm", "dx"],
        "smooths movement otherwise than TA-Lib",
    ),
    "obv": "starts at 0, TA-Lib at the first volume",
    "psar": "finds its first direction otherwise than TA-Lib",
    "stochrsi": "is a fraction of one window, TA-Lib's two percentages",
}
"""Indicators that TA-Lib has with another definition, and why."""


def is_ours(document: Mapping[str, Any]) -> bool:
    """Whether a file has this shape."""
    return isinstance(document.get("vectors"), list)


def cases(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and content of every case."""
    for index, vector in enumerate(document["vectors"]):
        name = vector.get("name") if isinstance(vector, dict) else None
        yield f"{name}[{index}]", vector


def judge(name: str, case: Any, quotes: Quotes) -> None:
    """Judge one vector; raises unless every output is right."""
    del quotes
    if not isinstance(case, dict):
        raise MalformedError("not an object")
    kind = str(case.get("name"))
    if kind not in MEANINGS:
        why = OTHERWISE.get(kind, "isn't a function of TA-Lib")
        raise NotApplicableError(f"{kind} {why}")
    meaning = MEANINGS[kind]
    parameters = dict(meaning.fixed)
    options = _list(case, "options")
    if len(options) != len(meaning.options):
        raise NotApplicableError(f"{kind} with {len(options)} options isn't known")
    for names, value in zip(meaning.options, options, strict=True):
        parameters.update(dict.fromkeys(names, number_of(value, f"options of {name}")))
    try:
        found = compute(meaning.name, _inputs(case, meaning), parameters)
        begin = warm_up(meaning.name, parameters)
    except IndicatorError as error:
        raise NotApplicableError(f"{kind}: {error}") from error
    known = INDICATORS[meaning.name].outputs
    due = [column_of(values, "outputs") for values in _list(case, "outputs")]
    ordered = meaning.outputs or known
    if len(due) != len(ordered):
        raise MalformedError(f"{len(due)} outputs, not {len(ordered)}")
    for output, column in zip(ordered, due, strict=True):
        _compare(output, found[known.index(output)][begin:], column)


def _list(case: Mapping[str, Any], name: str) -> list[Any]:
    values = case.get(name)
    if not isinstance(values, list):
        raise MalformedError(f"{name} is not a list")
    return values


def _inputs(case: Mapping[str, Any], meaning: Meaning) -> list[FloatArray]:
    columns = [column_of(values, "inputs") for values in _list(case, "inputs")]
    names = _list(case, "input_names")
    wanted = INDICATORS[meaning.name].inputs
    if len(columns) != len(wanted) or len(names) != len(columns):
        raise NotApplicableError(f"{case['name']} takes other inputs than {meaning.name}")
    if set(names) == set(wanted):
        return [columns[names.index(name)] for name in wanted]
    return columns


def _compare(output: str, found: FloatArray, due: FloatArray) -> None:
    """Hold the values after our warm-up against as many published ones, from the last one on."""
    count = min(len(found), len(due))
    if count == 0 and (found.size or due.size):
        raise WrongError(f"{output} has {len(found)} values, not {len(due)}")
    tolerance = np.full(count, TOLERANCE)
    expect_close(output, found[len(found) - count :], due[len(due) - count :], tolerance)
