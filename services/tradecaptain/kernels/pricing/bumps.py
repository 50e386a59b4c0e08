"""Greeks of any family by differences of its values, for those without a closed form.

    outcome = bumped_greeks("soft_barrier", inputs)   # value, delta, gamma, vega, theta, rho

Each derivative takes four more values, at one and two steps to either side, so its error falls with
the fourth power of the step: spot and rate move by hundredths of the standard deviation at expiry,
volatility and time by hundredths of themselves. Against closed forms the error is below 1e-6 of a
greek's usual size (delta 1, gamma 1 / (S v sqrt T), vega S sqrt T, theta S v / sqrt T, rho S T),
which the tests hold.

At some spots a value bends: at a barrier (one that is looked at now and then: where the formula
moves it to), at the extreme of a lookback, at the strike of a fixed one whose extreme is below it.
Steps of the spot never cross such a level. Where there is no room for two steps, five to the other
side are taken, by weights of the same order. A spot on a barrier has touched it, so its greeks are
those of what is left; one on an extreme has the greeks of the extreme's usual side.

Two-asset families: by the first asset. Where a step leaves a family's domain, where steps of
another input move a barrier across the spot, or where barriers leave no room for steps of a
fortieth of the usual ones, the derivative is NaN and the status ``GREEKS_UNDEFINED``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import registry
from tradecaptain.kernels.pricing.columns import (
    DELTA,
    DOWN_IN,
    DOWN_OUT,
    GAMMA,
    GREEK_ROWS,
    RATE,
    RHO,
    RIGHT,
    SPOT,
    STRIKE,
    THETA,
    TIME,
    VALUE,
    VEGA,
    VOLATILITY,
)
from tradecaptain.kernels.pricing.family import Outcome
from tradecaptain.kernels.pricing.normal import CONTINUITY_SHIFT
from tradecaptain.kernels.pricing.status import GREEKS_UNDEFINED, OK

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

STEP: Final = 0.02  # of a deviation
RELATIVE_STEP: Final = 0.01  # of volatility and time
# Of the usual step: that of one-sided differences, the least of central ones, the least of any.
ONE_SIDED_SHARE: Final = 0.5
CENTRAL_SHARE_MIN: Final = 0.25
SHARE_MIN: Final = 0.025


@dataclass(frozen=True)
class Stencil:
    """Weights of a slope and a curvature at offsets in steps, and those of the place itself."""

    offsets: tuple[float, ...]
    slope: tuple[float, ...]
    curve: tuple[float, ...]
    slope_here: float
    curve_here: float
    reach: float
    """Steps that must lie before a level, with some room for rounding."""


CENTRAL: Final = Stencil(
    (-2.0, -1.0, 1.0, 2.0),
    (1.0 / 12.0, -8.0 / 12.0, 8.0 / 12.0, -1.0 / 12.0),
    (-1.0 / 12.0, 16.0 / 12.0, 16.0 / 12.0, -1.0 / 12.0),
    0.0,
    -30.0 / 12.0,
    2.5,
)
ONE_SIDED: Final = Stencil(
    (1.0, 2.0, 3.0, 4.0, 5.0),
    (5.0, -5.0, 10.0 / 3.0, -5.0 / 4.0, 1.0 / 5.0),
    (-77.0 / 6.0, 107.0 / 6.0, -13.0, 61.0 / 12.0, -5.0 / 6.0),
    -137.0 / 60.0,
    15.0 / 4.0,
    5.5,
)

# Families by what their values bend at.
_ONE_BARRIER: Final = (
    "barrier_option",
    "barrier_cash",
    "barrier_asset",
    "touch_cash",
    "soft_barrier",
    "monitored_barrier",
)
_TWO_BARRIERS: Final = ("double_barrier", "double_binary")
_FLOATING: Final = ("floating_lookback", "partial_floating_lookback")


def _levels(family_name: str, inputs: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Levels that the spot's steps must not cross, and the side (+1 above) of a spot on each."""
    rows = dict(zip(registry.FAMILIES[family_name].inputs, inputs, strict=True))
    right = inputs[RIGHT]
    if family_name in _FLOATING:
        return [(rows["extreme"], right)]
    if family_name == "fixed_lookback":
        extreme, strike = rows["extreme"], inputs[STRIKE]
        level = np.where(right > 0.0, np.maximum(extreme, strike), np.minimum(extreme, strike))
        return [(level, -right)]
    if family_name == "partial_fixed_lookback":
        # The extreme counts at once if the window has begun.
        return [(np.where(rows["earlier_time_years"] <= 0.0, inputs[STRIKE], np.nan), -right)]
    if family_name not in _ONE_BARRIER + _TWO_BARRIERS:
        return []
    above = np.ones_like(right)
    shift = _shift(rows.get("monitoring_count"), inputs)
    if family_name in _TWO_BARRIERS:
        return [(rows["barrier"] / shift, -above), (rows["high_barrier"] * shift, above)]
    is_down = (rows["barrier_kind"] == DOWN_IN) | (rows["barrier_kind"] == DOWN_OUT)
    beyond = np.where(is_down, -above, above)
    shifted = np.where(is_down, rows["barrier"] / shift, rows["barrier"] * shift)
    bands = [rows["high_barrier"]] if family_name == "soft_barrier" else []
    return [(level, beyond) for level in (shifted, *bands)]


def _shift(count: FloatArray | None, inputs: FloatArray) -> FloatArray:
    """Factor by which barriers that are looked at now and then move away from the spot."""
    if count is None:
        return np.ones(inputs.shape[1])
    with np.errstate(all="ignore"):
        deviation = inputs[VOLATILITY] * np.sqrt(inputs[TIME] / count)
        return np.where(count > 0.0, np.exp(CONTINUITY_SHIFT * deviation), 1.0)


def _sides(family_name: str, inputs: FloatArray) -> list[FloatArray]:
    """On which side (+1 above) of each level the spot lies."""
    spot = inputs[SPOT]
    return [
        np.where(spot == level, held, np.sign(spot - level))
        for level, held in _levels(family_name, inputs)
    ]


def _room(family_name: str, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far the spot may fall and rise before it crosses a level."""
    spot = inputs[SPOT]
    fall, rise = spot.copy(), np.full_like(spot, np.inf)
    levels = _levels(family_name, inputs)
    for (level, _), side in zip(levels, _sides(family_name, inputs), strict=True):
        distance = np.abs(spot - level)
        fall = np.where((side > 0.0) & (distance < fall), distance, fall)
        rise = np.where((side < 0.0) & (distance < rise), distance, rise)
    return fall, rise


def _time_steps(time_rows: tuple[int, ...], inputs: FloatArray) -> FloatArray:
    """Steps of time, small against the shortest time that isn't over."""
    times = inputs[list(time_rows)]
    shortest = np.where(times > 0.0, times, np.inf).min(axis=0)
    return np.asarray(RELATIVE_STEP * shortest, np.float64)


def _differences(
    family_name: str,
    inputs: FloatArray,
    value: FloatArray,
    rows: tuple[int, ...],
    steps: FloatArray,
    stencil: Stencil,
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Slope and curvature by some rows moved together, and where a step was not to be taken."""
    slope, curve = stencil.slope_here * value, stencil.curve_here * value
    lost = np.zeros(inputs.shape[1], dtype=bool)
    sides = _sides(family_name, inputs)
    is_time = TIME in rows
    for offset, weight, curve_weight in zip(
        stencil.offsets, stencil.slope, stencil.curve, strict=True
    ):
        moved = inputs.copy()
        for row in rows:
            # A time that is over stays over.
            moved[row] += (
                np.where(inputs[row] > 0.0, offset * steps, 0.0) if is_time else (offset * steps)
            )
        outcome = registry.evaluate(family_name, moved, 1)
        lost |= (outcome.status != OK) & (outcome.status != GREEKS_UNDEFINED)
        for before, after in zip(sides, _sides(family_name, moved), strict=True):
            lost |= after * before < 0.0
        slope += weight * outcome.outputs[VALUE]
        curve += curve_weight * outcome.outputs[VALUE]
    with np.errstate(all="ignore"):
        return slope / steps, curve / (steps * steps), lost


def _by_spot(
    family_name: str, inputs: FloatArray, value: FloatArray, deviation: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Delta and gamma, and where there is no room for either."""
    usual = inputs[SPOT] * np.minimum(STEP * deviation, RELATIVE_STEP)
    fall, rise = _room(family_name, inputs)
    central = np.minimum(usual, np.minimum(fall, rise) / CENTRAL.reach)
    one_sided = np.minimum(ONE_SIDED_SHARE * usual, np.maximum(fall, rise) / ONE_SIDED.reach)
    is_central = central >= CENTRAL_SHARE_MIN * usual
    steps = np.where(is_central, central, np.where(rise >= fall, one_sided, -one_sided))
    slope, curve = np.empty((2, inputs.shape[1]))
    lost = np.abs(steps) < SHARE_MIN * usual
    for stencil, mask in ((CENTRAL, is_central), (ONE_SIDED, ~is_central)):
        if mask.any():
            own = np.ascontiguousarray(inputs[:, mask])
            slope[mask], curve[mask], outside = _differences(
                family_name, own, value[mask], (SPOT,), steps[mask], stencil
            )
            lost[mask] |= outside
    return slope, curve, lost


def bumped_greeks(family_name: str, inputs: FloatArray) -> Outcome:
    """Six rows of outputs for a block of a family of ``registry``; raises as ``evaluate`` does."""
    base = registry.evaluate(family_name, inputs, 1)
    family = registry.FAMILIES[family_name]
    valid = np.flatnonzero((base.status == OK) | (base.status == GREEKS_UNDEFINED))
    outputs = np.full((GREEK_ROWS, inputs.shape[1]), np.nan)
    status = base.status.copy()
    # What isn't valid is left out: its numbers may be anything.
    own = np.ascontiguousarray(inputs[:, valid])
    value = base.outputs[VALUE, valid]
    root_time = np.sqrt(np.maximum(own[TIME], 1e-12))
    deviation = np.maximum(own[VOLATILITY] * root_time, 1e-12)
    longest = np.maximum(own[list(family.time_rows)].max(axis=0), 1e-12)
    part = np.empty((GREEK_ROWS, valid.size))
    part[VALUE] = value
    part[DELTA], part[GAMMA], lost = _by_spot(family_name, own, value, deviation)
    part[DELTA:VEGA, lost] = np.nan
    moves = (
        ((VOLATILITY,), RELATIVE_STEP * own[VOLATILITY], VEGA),
        (family.time_rows, _time_steps(family.time_rows, own), THETA),
        ((RATE,), STEP * deviation / longest, RHO),
    )
    for rows, steps, output_row in moves:
        part[output_row], _, outside = _differences(family_name, own, value, rows, steps, CENTRAL)
        part[output_row, outside] = np.nan
        lost |= outside
    part[THETA] = -part[THETA]
    outputs[:, valid] = part
    status[valid[lost & (status[valid] == OK)]] = GREEKS_UNDEFINED
    return Outcome(outputs, status, base.invalid_count)
