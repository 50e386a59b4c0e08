"""European options: values and greeks of a block that lies in the second-level cache."""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import columns, registry

from perf.support.kernel_timing import seconds_per_call
from perf.support.result import Result

OPTIONS = 4_000
VALUES_GOAL = 240e6
GREEKS_GOAL = 180e6


def option_block(count: int, seed: int = 1) -> npt.NDArray[np.float64]:
    """Calls and puts within two deviations of the money, weeks to years from expiry."""
    random = np.random.default_rng(seed)
    spot = np.exp(random.uniform(3.0, 6.0, count))
    time = random.uniform(0.02, 3.0, count)
    volatility = random.uniform(0.05, 0.8, count)
    moneyness = random.uniform(-2.0, 2.0, count) * volatility * np.sqrt(time)
    return registry.stack(
        random.choice([-1.0, 1.0], count),
        spot,
        spot * np.exp(moneyness),
        time,
        volatility,
        random.uniform(0.0, 0.08, count),
        random.uniform(0.0, 0.05, count),
    )


def measure(smoke: bool) -> list[Result]:
    """Options a second through the checked array form, as ``registry.evaluate`` gives it."""
    block = option_block(OPTIONS)
    print(
        f"european: fast array form with every input checked, blocks of {OPTIONS:,} options",
        file=sys.stderr,
    )
    results = []
    for metric, rows, goal in (
        ("pricing.european_per_second", 1, VALUES_GOAL),
        ("pricing.european_greeks_per_second", columns.GREEK_ROWS, GREEKS_GOAL),
    ):
        seconds = seconds_per_call(
            lambda rows=rows: registry.evaluate("black_scholes", block, rows), smoke=smoke
        )
        results.append(Result(metric, OPTIONS / seconds, "1/s", goal, higher_is_better=True))
    return results
