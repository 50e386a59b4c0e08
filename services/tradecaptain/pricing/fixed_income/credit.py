"""Credit default swaps as the market quotes them: par spread, running coupon and upfront.

A contract has coupons on the 20th of March, June, September and December, moved to the next
business day, and ends on such a 20th. The buyer pays the full first coupon and gets back at
settlement what had accrued before; the upfront here is clean, without that rebate.
Amounts are fractions of the notional, positive when the buyer pays them.

Source: ISDA, CDS Standard Model and Standard North American / European Corporate conventions
(2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import credit_default_swap as kernels
from tradecaptain.kernels.pricing.discount_curve import LOG_LINEAR_DISCOUNT
from tradecaptain.pricing.fixed_income.calendars import (
    BusinessDayConvention,
    Calendar,
    calendar,
)
from tradecaptain.pricing.fixed_income.curves import DAYS_A_YEAR, Curve
from tradecaptain.pricing.fixed_income.dates import day_text, refuse
from tradecaptain.pricing.fixed_income.schedules import DateRule, Period, ScheduleTerms, build

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SETTLEMENT_DAYS: Final = 3
_DAYS_A_YEAR_MONEY: Final = 360.0


@dataclass(frozen=True, slots=True)
class CreditContract:
    """A standard contract traded on a day; ``coupon`` is a fraction a year (0.01 is 100 bp)."""

    trade: int
    maturity: int
    coupon: float
    recovery: float
    calendar: Calendar


@dataclass(frozen=True, slots=True)
class CreditValue:
    """Quotes of a contract.

    ``upfront`` is clean and paid at settlement; ``accrued`` is the rebate, also paid then;
    ``par_spread`` is the conventional spread, ``hazard_rate`` the flat rate behind all three.
    ``risky_annuity`` is the value of one a year at the trade date, ``protection`` that of the
    protection leg. ``spread_dv01`` is the change of upfront for a spread higher by a basis point.
    """

    upfront: float
    accrued: float
    par_spread: float
    hazard_rate: float
    risky_annuity: float
    protection: float
    spread_dv01: float


def weekends() -> Calendar:
    """The calendar of standard contracts, which knows weekends alone."""
    return calendar("WEEKENDS")


class _Model:
    """A contract's coupons and the curve's nodes, in days after the trade."""

    def __init__(self, contract: CreditContract, curve: Curve) -> None:
        _check(contract, curve)
        self.contract = contract
        trade = contract.trade
        terms = ScheduleTerms(
            start=trade,
            end=contract.maturity,
            period_months=3,
            calendar=contract.calendar,
            convention=BusinessDayConvention.FOLLOWING,
            rule=DateRule.CREDIT_DEFAULT_SWAP,
        )
        self.periods = build(terms)
        starts = [period.start - trade for period in self.periods]
        ends = [period.end - trade for period in self.periods]
        payments = [
            contract.calendar.adjust(period.end, BusinessDayConvention.FOLLOWING) - trade
            for period in self.periods
        ]
        # The last period counts its last day too.
        ends[-1] += 1
        self.coupon_days: IntArray = np.array([starts, ends, payments], dtype=np.int64)
        self.node_days: IntArray = np.rint(curve.times * DAYS_A_YEAR).astype(np.int64)
        self.node_logs = curve.log_discounts
        settlement = contract.calendar.add_business_days(trade, SETTLEMENT_DAYS)
        self.settlement_discount = curve.discount(settlement)

    @property
    def accrued_years(self) -> float:
        """Years of premium accrued up to and including the trade date."""
        stepped = self.contract.trade + 1
        period: Period | None = next(
            (item for item in self.periods if item.start <= stepped < item.end), None
        )
        return 0.0 if period is None else (stepped - period.start) / _DAYS_A_YEAR_MONEY

    def legs(self, hazard: float) -> tuple[float, float]:
        """Protection of one and premium of one a year."""
        outputs = np.empty(2)
        kernels.credit_legs(hazard, self.coupon_days, self.node_days, self.node_logs, outputs)
        return float(outputs[0]), float(outputs[1])

    def hazard(self, premium: float, upfront: float, field: str) -> float:
        """The flat hazard rate at which a premium and a clean upfront are fair."""
        discount = self.settlement_discount
        rebate = premium * self.accrued_years * discount
        contract = np.array(
            [1.0 - self.contract.recovery, premium, rebate, upfront * discount], dtype=np.float64
        )
        outputs = np.empty(3)
        status = kernels.hazard_of(
            contract,
            self.coupon_days,
            self.node_days,
            self.node_logs,
            outputs,
        )
        if status != kernels.OK:
            observed = upfront if field == "upfront" else premium
            raise refuse(field, "no hazard rate from 0 to 1,000 gives this quote", repr(observed))
        return float(outputs[0])

    def upfront(self, hazard: float) -> float:
        """Clean upfront of the contract's own coupon at a hazard rate."""
        protection, annuity = self.legs(hazard)
        coupon = self.contract.coupon
        value = (1.0 - self.contract.recovery) * protection - coupon * annuity
        return value / self.settlement_discount + coupon * self.accrued_years

    def par_spread(self, hazard: float) -> float:
        """The running premium that needs no upfront."""
        protection, annuity = self.legs(hazard)
        clean = annuity - self.accrued_years * self.settlement_discount
        return (1.0 - self.contract.recovery) * protection / clean


def _check(contract: CreditContract, curve: Curve) -> None:
    if contract.maturity <= contract.trade + 1:
        observed = day_text(contract.maturity)
        raise refuse("maturity", "the maturity must lie after the trade date", observed)
    if not 0.0 <= contract.recovery < 1.0:
        raise refuse("recovery_rate", "recovery must lie from 0 up to 1", contract.recovery)
    if not 0.0 <= contract.coupon <= 10.0:
        raise refuse("coupon", "the coupon must lie from 0 to 10", contract.coupon)
    if curve.interpolation != LOG_LINEAR_DISCOUNT:
        message = "the standard model's curve has flat forward rates: log-linear discount factors"
        raise refuse("curve.interpolation", message, curve.interpolation)
    if curve.reference != contract.trade:
        message = "the curve must start on the trade date"
        raise refuse("curve.reference_date", message, day_text(curve.reference))


def _value(model: _Model, hazard: float) -> CreditValue:
    protection, annuity = model.legs(hazard)
    spread = model.par_spread(hazard)
    bumped = model.hazard(spread + 1e-4, 0.0, "par_spread")
    upfront = model.upfront(hazard)
    return CreditValue(
        upfront=upfront,
        accrued=model.contract.coupon * model.accrued_years,
        par_spread=spread,
        hazard_rate=hazard,
        risky_annuity=annuity,
        protection=(1.0 - model.contract.recovery) * protection,
        spread_dv01=model.upfront(bumped) - upfront,
    )


def from_spread(contract: CreditContract, spread: float, curve: Curve) -> CreditValue:
    """Upfront of a contract at a conventional spread.

    Raises ``REASON_MODEL_DOMAIN`` naming the contract's field or ``par_spread``.
    """
    if not 0.0 < spread <= 10.0:
        raise refuse("par_spread", "the spread must be positive, at most 10", spread)
    model = _Model(contract, curve)
    return _value(model, model.hazard(spread, 0.0, "par_spread"))


def from_upfront(contract: CreditContract, upfront: float, curve: Curve) -> CreditValue:
    """Conventional spread of a contract at a clean upfront, a fraction of the notional."""
    if not -1.0 < upfront < 1.0:
        raise refuse("upfront", "the upfront must lie within the notional", upfront)
    model = _Model(contract, curve)
    return _value(model, model.hazard(contract.coupon, upfront, "upfront"))
