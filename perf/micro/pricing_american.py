"""American options: values a second by accuracy, on the grid of the method's own paper.

6,000 puts (Andersen, Lake and Offengenden, High Performance American Option Pricing, 2015), priced
through the checked array form. Errors are shares of the strike and are measured in the same run
against the accurate form, which holds to 1e-9; so are those of QuantLib's engine of the same
method, which is called from Python one option at a time, quotes changed and value asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import QuantLib as ql  # noqa: N813
from tradecaptain.kernels.pricing import american, columns, registry
from tradecaptain.kernels.pricing.american import Accuracy

from perf.support.kernel_timing import seconds_per_call
from perf.support.result import Result

FloatArray = npt.NDArray[np.float64]

RATE_GOAL = 250e3
MAXIMUM_RATE_GOAL = 100e3
ERROR_GOAL = 1e-6
STRIKE = 100.0
DAYS = np.array([30.0, 91, 182, 273, 365])
PEER_STRIDE = 61
SMOKE_STRIDE = 29


def paper_grid() -> FloatArray:
    """The puts of the paper's grid as a block of inputs."""
    axes = (
        DAYS / 365,
        np.array([0.02, 0.04, 0.06, 0.08, 0.10]),
        np.array([0.0, 0.04, 0.08, 0.12]),
        np.array([25.0, 50, 80, 90, 100, 110, 120, 150, 175, 200]),
        np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    )
    time, rate, dividend_yield, spot, volatility = (
        axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")
    )
    return registry.stack(-1.0, spot, STRIKE, time, volatility, rate, dividend_yield)


class QuantLibPut:
    """One put of QuantLib whose quotes can be changed."""

    def __init__(self, scheme: object) -> None:
        self._today = ql.Date(1, 1, 2025)
        ql.Settings.instance().evaluationDate = self._today
        self._quotes = {
            row: ql.SimpleQuote(0.1)
            for row in (columns.SPOT, columns.RATE, columns.YIELD, columns.VOLATILITY)
        }
        handles = {row: ql.QuoteHandle(quote) for row, quote in self._quotes.items()}
        day_count, calendar = ql.Actual365Fixed(), ql.NullCalendar()
        dividends, rates = (
            ql.YieldTermStructureHandle(ql.FlatForward(0, calendar, handles[row], day_count))
            for row in (columns.YIELD, columns.RATE)
        )
        volatility = ql.BlackConstantVol(0, calendar, handles[columns.VOLATILITY], day_count)
        process = ql.BlackScholesMertonProcess(
            handles[columns.SPOT], dividends, rates, ql.BlackVolTermStructureHandle(volatility)
        )
        engine = ql.QdFpAmericanEngine(process, scheme)
        self._options = {}
        for days in DAYS.astype(int).tolist():
            exercise = ql.AmericanExercise(self._today, self._today + days)
            option = ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Put, STRIKE), exercise)
            option.setPricingEngine(engine)
            self._options[days] = option

    def value(self, inputs: FloatArray) -> float:
        """Value of one column of a block."""
        for row, quote in self._quotes.items():
            quote.setValue(float(inputs[row]))
        return float(self._options[round(inputs[columns.TIME] * 365)].NPV())


def _errors(values: FloatArray, due: FloatArray) -> tuple[float, float]:
    """Root mean square and maximum by the strike."""
    shares = np.abs(values - due) / STRIKE
    return float(np.sqrt(np.mean(shares**2))), float(shares.max())


def _rate(call: Callable[[], object], count: int, *, smoke: bool) -> float:
    return count / seconds_per_call(call, smoke=smoke)


def _peer(name: str, scheme: object, block: FloatArray, due: FloatArray, *, smoke: bool) -> float:
    some = slice(None, None, PEER_STRIDE)
    put = QuantLibPut(scheme)
    options = [block[:, index] for index in range(block.shape[1])][some]
    values = np.array([put.value(inputs) for inputs in options])
    rate = _rate(lambda: [put.value(inputs) for inputs in options], len(options), smoke=smoke)
    square, maximum = _errors(values, due[some])
    print(
        f"american: QuantLib QdFp {name} {rate:,.0f}/s, error {square:.1e} root mean square, "
        f"{maximum:.1e} at most",
        file=sys.stderr,
    )
    return rate


def measure(smoke: bool) -> list[Result]:
    """Options a second at two accuracies, their errors, and QuantLib's rates."""
    block = paper_grid()
    if smoke:
        block = np.ascontiguousarray(block[:, ::SMOKE_STRIDE])
    count = block.shape[1]
    due = american.price(block, Accuracy.ACCURATE).values[columns.VALUE]
    schemes = ql.QdFpAmericanEngine
    peers = {
        Accuracy.FAST: _peer("fast", schemes.fastScheme(), block, due, smoke=smoke),
        Accuracy.STANDARD: _peer("accurate", schemes.accurateScheme(), block, due, smoke=smoke),
    }
    results = []
    for accuracy, metric, goal, which in (
        (Accuracy.FAST, "american", RATE_GOAL, 0),
        (Accuracy.STANDARD, "american_maximum", MAXIMUM_RATE_GOAL, 1),
    ):
        rate = _rate(lambda accuracy=accuracy: american.price(block, accuracy), count, smoke=smoke)
        errors = _errors(american.price(block, accuracy).values[0], due)
        print(
            f"american: {accuracy.value} {rate:,.0f}/s, error {errors[0]:.1e} root mean square, "
            f"{errors[1]:.1e} at most",
            file=sys.stderr,
        )
        peer = peers[accuracy]
        results.append(
            Result(
                f"pricing.{metric}_per_second",
                rate,
                "1/s",
                goal,
                higher_is_better=True,
                peer="QuantLib QdFp",
                peer_value=peer,
                ratio=rate / peer,
            )
        )
        results.append(Result(f"pricing.{metric}_error", errors[which], "strike", ERROR_GOAL))
    greeks = _rate(
        lambda: american.price(block, Accuracy.FAST, columns.GREEK_ROWS), count, smoke=smoke
    )
    results.append(
        Result("pricing.american_greeks_per_second", greeks, "1/s", higher_is_better=True)
    )
    return results
