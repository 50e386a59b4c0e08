"""Values of Stock.Indicators, where that library means what a function of ours means: to 1e-6."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from tradecaptain.cli.verify.indicator_sources.comparison import (
    Quotes,
    column_of,
    expect_close,
)
from tradecaptain.cli.verify_case import MalformedError, NotApplicableError
from tradecaptain.kernels.indicators.program import compute, warm_up
from tradecaptain.kernels.indicators.registry import INDICATORS, IndicatorError

RELATIVE: Final = 1e-6
ABSOLUTE: Final = 1e-9
_CALL: Final = re.compile(r"Bars\.To(\w+)\(([^()]*)\)")


@dataclass(frozen=True)
class Meaning:
    """One published column as an output of ours: which parameters its call's arguments are."""

    column: str
    name: str
    output: str = "real"
    arguments: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)


def _one(column: str, name: str, *arguments: str) -> tuple[Meaning, ...]:
    return (Meaning(column, name, arguments=arguments),)


_PERIOD: Final = "timeperiod"
_BANDS: Final = (_PERIOD, "nbdevup")
_STOCH: Final = ("fastk_period", "slowd_period", "slowk_period")
_SIMPLE: Final = {"slowk_matype": 0.0, "slowd_matype": 0.0}
_STOCH_RSI: Final = (_PERIOD, "fastk_period", "fastd_period")
# An argument that changes nothing of what is graded, such as the period of a signal line.
_UNUSED: Final = ""

MEANINGS: Final[dict[str, tuple[Meaning, ...]]] = {
    "Adl": _one("adl", "AD"),
    "Atr": (
        Meaning("tr", "TRANGE", arguments=(_UNUSED,)),
        Meaning("atr", "ATR", arguments=(_PERIOD,)),
        Meaning("atrp", "NATR", arguments=(_PERIOD,)),
    ),
    "Tr": _one("tr", "TRANGE"),
    "Awesome": _one("oscillator", "AO", "fastperiod", "slowperiod"),
    "BollingerBands": (
        Meaning("upperBand", "BBANDS", "upperband", _BANDS),
        Meaning("sma", "BBANDS", "middleband", _BANDS),
        Meaning("lowerBand", "BBANDS", "lowerband", (_PERIOD, "nbdevdn")),
    ),
    "Cci": _one("cci", "CCI", _PERIOD),
    "Cmf": _one("cmf", "CMF", _PERIOD),
    "Cmo": _one("cmo", "CMOU", _PERIOD),
    "ElderRay": (
        Meaning("ema", "EMA", arguments=(_PERIOD,)),
        Meaning("bullPower", "ERI", "bullpower", (_PERIOD,)),
        Meaning("bearPower", "ERI", "bearpower", (_PERIOD,)),
    ),
    "Ema": _one("ema", "EMA", _PERIOD),
    "Epma": _one("epma", "LINEARREG", _PERIOD),
    "ForceIndex": _one("forceIndex", "EFI", _PERIOD),
    "HeikinAshi": tuple(
        Meaning(name, "HA", f"ha{name}") for name in ("open", "high", "low", "close")
    ),
    "Hma": _one("hma", "HMA", _PERIOD),
    "Kama": (
        Meaning("er", "ER", arguments=(_PERIOD, _UNUSED, _UNUSED)),
        Meaning("kama", "KAMA", arguments=(_PERIOD, _UNUSED, _UNUSED)),
    ),
    "Mfi": _one("mfi", "MFI", _PERIOD),
    "Pvo": _one("pvo", "PVO", "fastperiod", "slowperiod", _UNUSED),
    "Roc": (
        Meaning("momentum", "MOM", arguments=(_PERIOD,)),
        Meaning("roc", "ROC", arguments=(_PERIOD,)),
    ),
    "Rsi": _one("rsi", "RSI", _PERIOD),
    "Slope": _one("slope", "LINEARREG_SLOPE", _PERIOD),
    "Sma": _one("sma", "SMA", _PERIOD),
    "SmaAnalysis": (
        Meaning("sma", "SMA", arguments=(_PERIOD,)),
        Meaning("mad", "AVGDEV", arguments=(_PERIOD,)),
        Meaning("mse", "VAR", arguments=(_PERIOD,)),
    ),
    "Smma": _one("smma", "RMA", _PERIOD),
    "StdDev": (
        Meaning("stdDev", "STDDEV", arguments=(_PERIOD,)),
        Meaning("mean", "SMA", arguments=(_PERIOD,)),
    ),
    "Stoch": (
        Meaning("oscillator", "KDJ", "k", _STOCH, _SIMPLE),
        Meaning("signal", "KDJ", "d", _STOCH, _SIMPLE),
        Meaning("percentJ", "KDJ", "j", _STOCH, _SIMPLE),
    ),
    "StochRsi": (
        Meaning("stochRsi", "STOCHRSI", "fastk", _STOCH_RSI),
        Meaning("signal", "STOCHRSI", "fastd", _STOCH_RSI),
    ),
    "SuperTrend": (Meaning("superTrend", "SUPERTREND", "supertrend", (_PERIOD, "multiplier")),),
    "Tsi": _one("tsi", "TSI", "firstperiod", "secondperiod", _UNUSED),
    "Ultimate": _one("ultimate", "ULTOSC", "timeperiod1", "timeperiod2", "timeperiod3"),
    "Vortex": (
        Meaning("pvi", "VORTEX", "plusvi", (_PERIOD,)),
        Meaning("nvi", "VORTEX", "minusvi", (_PERIOD,)),
    ),
    "Vwap": _one("vwap", "VWAP"),
    "Vwma": _one("vwma", "VWMA", _PERIOD),
    "WilliamsR": _one("williamsR", "WILLR", _PERIOD),
    "Wma": _one("wma", "WMA", _PERIOD),
}
"""Calls whose definition is that of a function of ours, seeds included."""

DEFAULTS: Final[dict[str, tuple[float, ...]]] = {
    "Atr": (14,),
    "Awesome": (5, 34),
    "BollingerBands": (20, 2),
    "Cci": (20,),
    "Cmf": (20,),
    "ElderRay": (13,),
    "Epma": (10,),
    "ForceIndex": (2,),
    "Hma": (14,),
    "Kama": (10, 2, 30),
    "Mfi": (14,),
    "Pvo": (12, 26, 9),
    "Roc": (14,),
    "Rsi": (14,),
    "Slope": (14,),
    "StdDev": (14,),
    "Stoch": (14, 3, 3),
    "StochRsi": (14, 14, 3, 1),
    "SuperTrend": (10, 3),
    "Tsi": (25, 13, 7),
    "Ultimate": (7, 14, 28),
    "Vortex": (14,),
    "WilliamsR": (14,),
}
"""Arguments that a call leaves to that library; others have none and must be given."""

OTHERWISE: Final[dict[str, str]] = {
    "Adx": "seeds its sums one bar later than TA-Lib",
    "Aroon": "takes the older of equal extremes, TA-Lib the newer",
    "Bop": "averages the balance of power, TA-Lib doesn't",
    "Dema": "seeds its exponential averages otherwise than TA-Lib",
    "Donchian": "leaves the bar itself out of the channel, TA-Lib doesn't",
    "HtTrendline": "finds the period of its cycle otherwise than TA-Lib",
    "ChaikinOsc": "seeds its exponential averages with a mean, TA-Lib with the first value",
    "Keltner": "centres on an average of the close, TA-Lib's KC on one of the typical price",
    "Macd": "begins its fast average with its own period, TA-Lib both with the slow one's",
    "Mama": "finds the period of its cycle otherwise than TA-Lib",
    "Obv": "starts at 0, TA-Lib at the first volume",
    "ParabolicSar": "takes its first direction otherwise than TA-Lib",
    "T3": "seeds its exponential averages otherwise than TA-Lib",
    "Tema": "seeds its exponential averages otherwise than TA-Lib",
    "Trix": "seeds its exponential averages otherwise than TA-Lib",
}
"""Calls that TA-Lib has under the same name with another definition, and why."""


def is_ours(document: Mapping[str, Any]) -> bool:
    """Whether a file has this shape."""
    return isinstance(document.get("indicators"), dict)


def cases(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and content of every case."""
    yield from document["indicators"].items()


def judge(name: str, case: Any, quotes: Quotes) -> None:
    """Judge one indicator; raises unless every column that TA-Lib has is right."""
    if not isinstance(case, dict) or not isinstance(case.get("columns"), dict):
        raise MalformedError("no object with columns")
    call = _CALL.fullmatch(str(case.get("call", "")).strip())
    if call is None:
        raise NotApplicableError(f"{name}: call {case.get('call')!r} isn't one on bars alone")
    kind, arguments = call[1], [part.strip() for part in call[2].split(",") if part.strip()]
    if kind not in MEANINGS:
        why = OTHERWISE.get(kind, "is no function of TA-Lib")
        raise NotApplicableError(f"{name}: {kind} {why}")
    numbers = _numbers(name, kind, arguments)
    for meaning in MEANINGS[kind]:
        if meaning.column not in case["columns"]:
            raise NotApplicableError(f"{name}: no column {meaning.column!r}")
        _judge_column(meaning, numbers, case["columns"][meaning.column], quotes)


def _numbers(name: str, kind: str, arguments: list[str]) -> list[float]:
    try:
        numbers = [float(argument) for argument in arguments]
    except ValueError:
        raise NotApplicableError(f"{name}: an argument of {kind} isn't a number") from None
    numbers += DEFAULTS.get(kind, ())[len(numbers) :]
    if kind == "StochRsi" and numbers.pop() != 1:
        raise NotApplicableError(f"{name}: StochRsi smooths, TA-Lib's STOCHRSI doesn't")
    if kind == "Kama" and numbers[1:] != [2, 30]:
        raise NotApplicableError(f"{name}: TA-Lib's KAMA goes between periods of 2 and 30")
    if len(numbers) != max(len(meaning.arguments) for meaning in MEANINGS[kind]):
        raise NotApplicableError(f"{name}: {kind} with {len(numbers)} arguments isn't known")
    return numbers


def _judge_column(meaning: Meaning, numbers: list[float], values: Any, quotes: Quotes) -> None:
    parameters = {
        parameter: number
        for parameter, number in zip(meaning.arguments, numbers, strict=False)
        if parameter
    }
    due = column_of(values, meaning.column)
    if len(due) != len(quotes["close"]):
        raise MalformedError(f"{meaning.column} has {len(due)} values, not one a quote")
    try:
        parameters |= meaning.fixed
        outputs = compute(meaning.name, quotes, parameters)
    except IndicatorError as error:
        raise NotApplicableError(f"{meaning.name}: {error}") from error
    found = outputs[INDICATORS[meaning.name].outputs.index(meaning.output)]
    # TA-Lib begins all outputs of a function together, the other library each when it can: what it
    # has in our documented warm-up isn't graded.
    due[: warm_up(meaning.name, parameters)] = np.nan
    expect_close(meaning.column, found, due, RELATIVE * np.abs(due) + ABSOLUTE)
