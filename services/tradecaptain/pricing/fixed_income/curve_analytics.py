"""Bonds against a curve: value, z-spread, and durations by key rate.

Times of payments are the curve's, actual days over 365 from settlement, and so are durations here.
Source: Ho, Key Rate Durations: Measures of Interest Rate Risks (1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import bond as bond_kernels
from tradecaptain.kernels.pricing.bond import COMPOUNDED, CONTINUOUS
from tradecaptain.pricing.fixed_income.bonds import Bond
from tradecaptain.pricing.fixed_income.curves import DAYS_A_YEAR, Curve
from tradecaptain.pricing.fixed_income.dates import day_text, refuse

FloatArray = npt.NDArray[np.float64]
_TURNS_MAX = 60


@dataclass(frozen=True, slots=True)
class CurveValue:
    """Value of a bond at settlement on a curve, per 100 of face."""

    clean: float
    accrued: float
    dirty: float


@dataclass(frozen=True, slots=True)
class _Discounted:
    """Payments at their worth on a curve, seen from settlement."""

    times: FloatArray
    amounts: FloatArray
    discounts: FloatArray

    @property
    def values(self) -> FloatArray:
        return self.amounts * self.discounts


def _discounted(bond: Bond, settlement: int, curve: Curve) -> _Discounted:
    bond.check_settlement(settlement)
    if settlement < curve.reference:
        message = f"settlement must not lie before the curve, {day_text(curve.reference)}"
        raise refuse("settlement", message, day_text(settlement))
    payments = bond.payments(settlement)
    discounts = curve.discounts(payments.days) / curve.discount(settlement)
    return _Discounted((payments.days - settlement) / DAYS_A_YEAR, payments.amounts, discounts)


def value_on_curve(bond: Bond, settlement: int, curve: Curve) -> CurveValue:
    """What the curve says that a bond is worth at settlement."""
    dirty = float(_discounted(bond, settlement, curve).values.sum())
    accrued = bond.accrued(settlement)
    return CurveValue(dirty - accrued, accrued, dirty)


def z_spread(
    bond: Bond,
    settlement: int,
    clean: float,
    curve: Curve,
    *,
    compounding: int = CONTINUOUS,
    frequency: int = 2,
) -> float:
    """The constant that, added to every zero rate from settlement on, gives the clean price.

    Zero rates are continuous, or compounded ``frequency`` times a year. Raises
    ``REASON_MODEL_DOMAIN`` naming ``settlement``, ``compounding`` or ``price``.
    """
    if compounding not in (CONTINUOUS, COMPOUNDED):
        raise refuse("compounding", "a z-spread is continuous or compounded", compounding)
    flows = _discounted(bond, settlement, curve)
    dirty = clean + bond.accrued(settlement)
    offsets = np.array([0, flows.times.size], dtype=np.int64)
    rates, statuses = np.empty(1), np.empty(1, dtype=np.int64)
    # A continuous spread is the yield of payments that the curve has discounted before.
    bond_kernels.continuous_yields(
        np.array([dirty]),
        offsets,
        flows.times,
        flows.values,
        bond_kernels.scratch_for(offsets),
        rates,
        statuses,
    )
    if statuses[0] != bond_kernels.OK:
        field, rule = bond_kernels.RULES[int(statuses[0])]
        raise refuse(field, rule, repr(clean))
    if compounding == CONTINUOUS:
        return float(rates[0])
    return _compounded_spread(flows, dirty, float(frequency), float(rates[0]))


def _compounded_spread(flows: _Discounted, dirty: float, frequency: float, guess: float) -> float:
    """Newton's method on compounded zero rates, from the continuous spread."""
    later = flows.times > 0.0
    times, amounts = flows.times[later], flows.amounts[later]
    now = float(flows.amounts[~later].sum())
    growth = np.exp(-np.log(flows.discounts[later]) / (frequency * times))
    spread = guess
    for _ in range(_TURNS_MAX):
        base = growth + spread / frequency
        if (base <= 0.0).any():
            break
        values = amounts * base ** (-frequency * times)
        slope = float((values * times / base).sum())
        step = (float(values.sum()) + now - dirty) / slope
        spread += step
        # The next step would be of the square of this one; roundings of the price stay below.
        if abs(step) * slope <= 1e-13 * dirty:
            return spread
    raise refuse("price", "no compounded spread gives this price", repr(dirty))


def key_rate_durations(
    bond: Bond, settlement: int, curve: Curve, key_years: Sequence[float], spread: float = 0.0
) -> FloatArray:
    """Relative fall of value for a rise of the zero rate at each key tenor, per 1.00.

    The rise is a triangle: whole at the key, nothing at its neighbours; before the first key and
    after the last it is whole. So the durations add up to that of a parallel shift. ``key_years``
    must rise; ``spread`` is a continuous z-spread.
    """
    keys = np.asarray(key_years, dtype=np.float64)
    if keys.size == 0 or (np.diff(keys) <= 0.0).any() or keys[0] <= 0.0:
        raise refuse("key_years", "key tenors must be positive and rise", list(key_years))
    flows = _discounted(bond, settlement, curve)
    values = flows.values * np.exp(-spread * flows.times)
    shares = np.array([np.interp(flows.times, keys, unit) for unit in np.eye(keys.size)])
    result: FloatArray = shares @ (values * flows.times) / values.sum()
    return result
