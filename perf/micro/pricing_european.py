"""European options: values, greeks and implied volatilities of blocks in the second-level cache.

Every input is checked; what is timed is the compiled call on arrays that are there already. Peers
get the same options as arrays (QuantLib one by one, as its Python binding does).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import fast_vollib
import numba
import numpy as np
import numpy.typing as npt
import pyvolr
import QuantLib as ql  # noqa: N813
from tradecaptain.base.jit import kernel
from tradecaptain.kernels.pricing import (
    accurate,
    columns,
    implied_block,
    implied_normal_block,
    lognormal_block,
    registry,
)
from tradecaptain.kernels.pricing.black_scholes import black_scholes_greeks
from tradecaptain.kernels.pricing.revaluation import revalue, scenario_grid

from perf.support.kernel_timing import seconds_per_call
from perf.support.result import Result

FloatArray = npt.NDArray[np.float64]

# Not a multiple of 512: rows at such a distance would share the sets of the first-level cache.
OPTIONS = 4_000
VALUES_GOAL = 240e6
GREEKS_GOAL = 180e6
IMPLIED_GOAL_NS = 15.0
SCALAR_GOAL_NS = 100.0
REVALUATION_GOAL_SECONDS = 0.2
FIRST_CALL_GOAL_SECONDS = 2.0
SCALAR_CALLS = 1_000
PORTFOLIO = 10_000
FIRST_CALLS = 5
FIRST_CALL = """
import time
start = time.perf_counter()
from tradecaptain.kernels.pricing import registry
registry.evaluate("black_scholes", registry.stack(1.0, 100.0, 105.0, 0.5, 0.2, 0.03, 0.01))
print(time.perf_counter() - start)
"""


def aligned(rows: int, count: int) -> FloatArray:
    """A block that begins on a cache line."""
    raw = np.empty(rows * count + 8)
    skipped = (-raw.ctypes.data % 64) // 8
    return raw[skipped : skipped + rows * count].reshape(rows, count)


def option_block(count: int, seed: int = 1) -> FloatArray:
    """Calls and puts within two deviations of the money, weeks to years from expiry."""
    random = np.random.default_rng(seed)
    spot = np.exp(random.uniform(3.0, 6.0, count))
    time = random.uniform(0.02, 3.0, count)
    volatility = random.uniform(0.05, 0.8, count)
    moneyness = random.uniform(-2.0, 2.0, count) * volatility * np.sqrt(time)
    block = aligned(columns.YIELD + 1, count)
    block[:] = registry.stack(
        random.choice([-1.0, 1.0], count),
        spot,
        spot * np.exp(moneyness),
        time,
        volatility,
        random.uniform(0.0, 0.08, count),
        random.uniform(0.0, 0.05, count),
    )
    return block


def priced_block(count: int, seed: int = 2) -> FloatArray:
    """Futures options over the whole domain, with their exact prices in place of volatilities.

    Deviations 1e-4 … 10, half of them up to 20 deviations out of the money (or in it), half with
    moneyness up to e^3; what a float64 can't tell from the intrinsic value or the maximum is left
    out.
    """
    random = np.random.default_rng(seed)
    size = 4 * count
    deviation = 10.0 ** random.uniform(-4.0, 1.0, size)
    distance = np.where(
        random.random(size) < 0.5,
        np.clip(20.0 * random.uniform(-1.0, 1.0, size) * deviation, -10.0, 10.0),
        np.clip(random.uniform(-3.0, 3.0, size), -20.0 * deviation, 20.0 * deviation),
    )
    time = 10.0 ** random.uniform(-3.0, 1.0, size)
    volatility = deviation / np.sqrt(time)
    right = np.where(random.random(size) < 0.8, np.sign(distance), -np.sign(distance))
    block = registry.stack(right, 100.0, 100.0 * np.exp(distance), time, volatility, 0.02)
    outcome = registry.accurate_values("black76", block)
    vega = registry.evaluate("black76", block).outputs[columns.VEGA]
    determined = np.spacing(outcome.outputs[0]) < 1e-12 * vega * volatility
    usable = (outcome.status == 0) & (outcome.outputs[0] > 0.0) & determined
    chosen = np.flatnonzero(usable)[:count]
    prices = aligned(columns.RATE + 1, len(chosen))
    prices[:] = block[:, chosen]
    prices[columns.VOLATILITY] = outcome.outputs[0, chosen]
    return prices


@kernel(numba.float64(numba.int64, numba.float64))
def scalar_greeks(count: int, strike: float) -> float:
    """Greeks one after the other, each with a spot that depends on the one before."""
    spot = 100.0
    for _ in range(count):
        greeks = black_scholes_greeks(1.0, spot, strike, 0.5, 0.2, 0.03, 0.01)
        spot = 100.0 + 1e-9 * (greeks[0] + greeks[1] + greeks[2] + greeks[3] + greeks[5])
    return spot


def _quantlib_seconds(block: FloatArray, smoke: bool) -> float:
    """Seconds an option of QuantLib's formula, from Python."""
    count = 200
    rows = block[:, :count]
    right, spot, strike, time, volatility, rate, dividend_yield = rows
    forward = (spot * np.exp((rate - dividend_yield) * time)).tolist()
    discount = np.exp(-rate * time).tolist()
    deviation = (volatility * np.sqrt(time)).tolist()
    kinds = [ql.Option.Call if sign > 0 else ql.Option.Put for sign in right.tolist()]
    options = list(zip(kinds, strike.tolist(), forward, deviation, discount, strict=True))

    def price() -> None:
        for option in options:
            ql.blackFormula(*option)

    return seconds_per_call(price, smoke=smoke) / count


def _peer_seconds(block: FloatArray, smoke: bool) -> dict[str, float]:
    """Seconds an option of each peer's values."""
    right, spot, strike, time, volatility, rate, dividend_yield = block
    flags = np.where(right > 0, "c", "p")

    def pyvolr_price() -> Any:
        return pyvolr.bs.price(flags, spot, strike, time, rate, volatility, dividend_yield)

    def vollib_price() -> Any:
        return fast_vollib.fast_black_scholes_merton(
            flags, spot, strike, time, rate, volatility, dividend_yield, return_as="numpy"
        )

    calls: dict[str, Callable[[], Any]] = {"pyvolr": pyvolr_price, "fast-vollib": vollib_price}
    count = block.shape[1]
    seconds = {name: seconds_per_call(call, smoke=smoke) / count for name, call in calls.items()}
    return {**seconds, "QuantLib": _quantlib_seconds(block, smoke)}


def _rates(smoke: bool) -> list[Result]:
    block = option_block(OPTIONS)
    outputs, status = aligned(columns.GREEK_ROWS, OPTIONS), np.empty(OPTIONS, np.int64)
    peers = _peer_seconds(block, smoke)
    for name, seconds in peers.items():
        print(f"european: {name} {1 / seconds:,.0f} values a second", file=sys.stderr)
    fastest = min(peers, key=lambda name: peers[name])
    results = []
    for metric, form, goal in (
        ("pricing.european_per_second", lognormal_block.lognormal_values, VALUES_GOAL),
        ("pricing.european_greeks_per_second", lognormal_block.lognormal_greeks, GREEKS_GOAL),
        ("pricing.european_accurate_per_second", accurate.lognormal_accurate_values, None),
    ):
        seconds = seconds_per_call(lambda form=form: form(block, outputs, status), smoke=smoke)
        rate = OPTIONS / seconds
        compared = {}
        if form is lognormal_block.lognormal_values:
            rival = 1.0 / peers[fastest]
            compared = {"peer": fastest, "peer_value": rival, "ratio": rate / rival}
        results.append(Result(metric, rate, "1/s", goal, higher_is_better=True, **compared))
    return results


def _implied(smoke: bool) -> list[Result]:
    prices = priced_block(OPTIONS)
    count = prices.shape[1]
    outputs, status = aligned(1, count), np.empty(count, np.int64)
    seconds = seconds_per_call(
        lambda: implied_block.black_implied_volatilities(prices, status, outputs), smoke=smoke
    )
    assert not status.any(), "a price of the benchmark has no volatility"
    ours_ns = seconds * 1e9 / count
    right, forward, strike, time, price, rate = prices
    flags = np.where(right > 0, "c", "p")
    peer_seconds = seconds_per_call(
        lambda: pyvolr.black76.implied_vol(
            price, flags, forward, strike, time, rate, on_error="ignore"
        ),
        smoke=smoke,
    )
    peer_ns = peer_seconds * 1e9 / count
    normal_seconds = seconds_per_call(
        lambda: implied_normal_block.bachelier_implied_volatilities(prices, status, outputs),
        smoke=smoke,
    )
    return [
        Result(
            "pricing.implied_volatility_ns",
            ours_ns,
            "ns",
            IMPLIED_GOAL_NS,
            peer="pyvolr",
            peer_value=peer_ns,
            ratio=peer_ns / ours_ns,
        ),
        Result("pricing.implied_normal_volatility_ns", normal_seconds * 1e9 / count, "ns"),
    ]


def _revaluation(smoke: bool) -> Result:
    block = option_block(PORTFOLIO)
    quantities = np.random.default_rng(4).uniform(-10, 10, PORTFOLIO)
    grid = scenario_grid(
        np.linspace(0.7, 1.3, 10), np.linspace(-0.04, 0.2, 10), np.linspace(0.0, 0.2, 10)
    )
    seconds = seconds_per_call(
        lambda: revalue("black_scholes", block, quantities, grid), smoke=smoke
    )
    return Result("pricing.revaluation_seconds", seconds, "s", REVALUATION_GOAL_SECONDS)


def _first_call(smoke: bool) -> Result:
    """Import and first call in a new process, with everything compiled, bytecode included.

    A run that isn't counted writes the bytecode that Python keeps of every module, which some
    environments forbid.
    """
    runs = 1 if smoke else FIRST_CALLS
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        seconds = [
            float(
                subprocess.run(
                    [sys.executable, "-c", FIRST_CALL],
                    capture_output=True,
                    text=True,
                    check=True,
                    env=environment,
                ).stdout
            )
            for _ in range(runs + 1)
        ]
    return Result(
        "pricing.first_call_seconds", statistics.median(seconds[1:]), "s", FIRST_CALL_GOAL_SECONDS
    )


def measure(smoke: bool) -> list[Result]:
    """Fast array form unless the metric says otherwise."""
    print(
        f"european: fast array form (error 2e-15 of the larger leg), every input checked, blocks"
        f" of {OPTIONS:,}; european_accurate: 1e-12 of the value; implied: 4 units in the last"
        " place beyond the price's own rounding, deviations 1e-4 to 10",
        file=sys.stderr,
    )
    scalar = seconds_per_call(lambda: scalar_greeks(SCALAR_CALLS, 105.0), smoke=smoke)
    return [
        *_rates(smoke),
        *_implied(smoke),
        Result("pricing.scalar_greeks_ns", scalar * 1e9 / SCALAR_CALLS, "ns", SCALAR_GOAL_NS),
        _revaluation(smoke),
        _first_call(smoke),
    ]
