"""Greeks of any family by differences of its values, for those without a closed form.

    outcome = bumped_greeks("soft_barrier", inputs)   # value, delta, gamma, vega, theta, rho

Each derivative takes four more values, at one and two steps to either side, so its error falls with
the fourth power of the step: spot and rate move by hundredths of the standard deviation at expiry,
volatility and time by hundredths of themselves. Against closed forms the error is below 1e-6 of a
greek's usual size (delta 1, gamma 1 / (S v sqrt T), vega S sqrt T, theta S v / sqrt T, rho S T),
which the tests hold. Steps of the spot don't cross a barrier or extreme that lies apart from it; on
one, the result is the mean of both sides.

Two-asset families: by the first asset. Where a step leaves a family's domain the derivative is NaN
and the status ``GREEKS_UNDEFINED``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import registry
from tradecaptain.kernels.pricing.columns import (
    DELTA,
    GAMMA,
    GREEK_ROWS,
    RATE,
    RHO,
    SPOT,
    THETA,
    TIME,
    VALUE,
    VEGA,
    VOLATILITY,
)
from tradecaptain.kernels.pricing.family import Outcome
from tradecaptain.kernels.pricing.status import GREEKS_UNDEFINED, OK

FloatArray = npt.NDArray[np.float64]

STEP: Final = 0.02  # of a deviation
RELATIVE_STEP: Final = 0.01  # of volatility and time
OFFSETS: Final = (-2.0, -1.0, 1.0, 2.0)
SLOPE_WEIGHTS: Final = (1.0 / 12.0, -8.0 / 12.0, 8.0 / 12.0, -1.0 / 12.0)
CURVE_WEIGHTS: Final = (-1.0 / 12.0, 16.0 / 12.0, 16.0 / 12.0, -1.0 / 12.0)
CURVE_CENTRE: Final = -30.0 / 12.0
# Rows that the spot's steps must not cross, by name.
LEVELS: Final = ("barrier", "high_barrier", "extreme")


def _spot_steps(names: tuple[str, ...], inputs: FloatArray, deviation: FloatArray) -> FloatArray:
    """Steps of the spot that stay on its side of every level, unless it stands on one."""
    spot = inputs[SPOT]
    steps = spot * np.minimum(STEP * deviation, RELATIVE_STEP)
    for name in LEVELS:
        if name in names:
            distance = np.abs(inputs[names.index(name)] - spot)
            steps = np.where(distance > 0.0, np.minimum(steps, distance / 2.5), steps)
    return np.asarray(steps, np.float64)


def _time_steps(time_rows: tuple[int, ...], inputs: FloatArray) -> FloatArray:
    """Steps of time, small against the shortest time that isn't over."""
    times = inputs[list(time_rows)]
    shortest = np.where(times > 0.0, times, np.inf).min(axis=0)
    return np.asarray(RELATIVE_STEP * shortest, np.float64)


def bumped_greeks(family_name: str, inputs: FloatArray) -> Outcome:
    """Six rows of outputs for a block of a family of ``registry``; raises as ``evaluate`` does."""
    base = registry.evaluate(family_name, inputs, 1)
    family = registry.FAMILIES[family_name]
    root_time = np.sqrt(np.maximum(inputs[TIME], 1e-12))
    deviation = np.maximum(inputs[VOLATILITY] * root_time, 1e-12)
    longest = np.maximum(inputs[list(family.time_rows)].max(axis=0), 1e-12)
    outputs = np.zeros((GREEK_ROWS, inputs.shape[1]))
    outputs[VALUE] = base.outputs[VALUE]
    status = base.status.copy()
    moves = (
        ((SPOT,), _spot_steps(family.inputs, inputs, deviation), DELTA),
        ((VOLATILITY,), RELATIVE_STEP * inputs[VOLATILITY], VEGA),
        (family.time_rows, _time_steps(family.time_rows, inputs), THETA),
        ((RATE,), STEP * deviation / longest, RHO),
    )
    for rows, steps, output_row in moves:
        slope, curve = np.zeros(inputs.shape[1]), CURVE_CENTRE * base.outputs[VALUE]
        lost = np.zeros(inputs.shape[1], dtype=bool)
        for offset, weight, curve_weight in zip(OFFSETS, SLOPE_WEIGHTS, CURVE_WEIGHTS, strict=True):
            moved = inputs.copy()
            for row in rows:
                # A time that is over stays over.
                moved[row] += (
                    np.where(inputs[row] > 0.0, offset * steps, 0.0)
                    if (output_row == THETA)
                    else offset * steps
                )
            outcome = registry.evaluate(family_name, moved, 1)
            lost |= (outcome.status != OK) & (outcome.status != GREEKS_UNDEFINED)
            slope += weight * outcome.outputs[VALUE]
            curve += curve_weight * outcome.outputs[VALUE]
        with np.errstate(all="ignore"):
            outputs[output_row] = np.where(lost, np.nan, slope / steps)
            if output_row == DELTA:
                outputs[GAMMA] = np.where(lost, np.nan, curve / (steps * steps))
        status[lost & (status == OK)] = GREEKS_UNDEFINED
    outputs[THETA] = -outputs[THETA]
    invalid = (base.status != OK) & (base.status != GREEKS_UNDEFINED)
    outputs[:, invalid] = np.nan
    return Outcome(outputs, status, base.invalid_count)
