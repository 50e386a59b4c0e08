"""Curves of discount factors, bootstrapped from market quotes.

Quotes are deposits, futures (or forward rate agreements), swaps and bonds. A single curve both
discounts and projects; with a discount curve given (overnight index swaps, say), the curve that is
built projects the rates of its swaps and the given one discounts them. Dates are day numbers; the
time of a date is its actual days over 365 from the curve's reference date.

Sources: Hull, Options, Futures, and Other Derivatives, chapters 4, 6 and 7; 2006 ISDA Definitions;
Ametrano and Bianchetti (2013) for two curves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import day_count, discount_curve
from tradecaptain.kernels.pricing.discount_curve import CurveError, Equations
from tradecaptain.pricing.fixed_income.accrual import DayCounter
from tradecaptain.pricing.fixed_income.bonds import Bond
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, Calendar
from tradecaptain.pricing.fixed_income.dates import refuse
from tradecaptain.pricing.fixed_income.schedules import DateRule, Period, ScheduleTerms, build

FloatArray = npt.NDArray[np.float64]
DAYS_A_YEAR: Final = 365.0
QUOTES_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Curve:
    """Log discount factors at times, and how to get from one to the next.

    ``reference`` is the day of time 0; node times are in years of 365 days.
    """

    reference: int
    times: FloatArray
    log_discounts: FloatArray
    interpolation: int = discount_curve.LOG_LINEAR_DISCOUNT

    def log_discounts_at(self, times: FloatArray) -> FloatArray:
        """Logarithms of discount factors at times from the reference date on."""
        weights = discount_curve.interpolation_weights(self.interpolation, self.times, times)
        return weights @ self.log_discounts

    def discounts(self, days: Sequence[int] | npt.NDArray[np.int64]) -> FloatArray:
        """Discount factors of dates."""
        times = (np.asarray(days, dtype=np.float64) - self.reference) / DAYS_A_YEAR
        result: FloatArray = np.exp(self.log_discounts_at(times))
        return result

    def discount(self, day: int) -> float:
        """Discount factor of one date."""
        return float(self.discounts([day])[0])

    def zero_rate(self, day: int) -> float:
        """Continuous zero rate to a date after the reference date."""
        return -float(np.log(self.discount(day))) * DAYS_A_YEAR / (day - self.reference)

    @property
    def zero_rates(self) -> FloatArray:
        """Continuous zero rates at the nodes."""
        return -self.log_discounts / self.times


def flat_curve(reference: int, rate: float) -> Curve:
    """One continuous rate (a year of 365 days) for all dates."""
    return Curve(reference, np.array([1.0]), np.array([-rate]))


@dataclass(frozen=True, slots=True)
class Deposit:
    """Simple interest from ``start`` to ``end``; also a forward rate agreement."""

    start: int
    end: int
    rate: float
    day_count: int = day_count.ACT_360


@dataclass(frozen=True, slots=True)
class Future:
    """A rate future: 100 less its price is the rate, less a convexity adjustment."""

    start: int
    end: int
    price: float
    convexity_adjustment: float = 0.0
    day_count: int = day_count.ACT_360

    @property
    def deposit(self) -> Deposit:
        """The forward rate that it stands for."""
        rate = (100.0 - self.price) / 100.0 - self.convexity_adjustment
        return Deposit(self.start, self.end, rate, self.day_count)


@dataclass(frozen=True, slots=True)
class FixedLeg:
    """Dates and day count of the fixed side of a swap."""

    period_months: int = 12
    day_count: int = day_count.THIRTY_360_BOND_BASIS
    convention: BusinessDayConvention = BusinessDayConvention.MODIFIED_FOLLOWING


@dataclass(frozen=True, slots=True)
class FloatingLeg:
    """Dates and day count of the floating side."""

    period_months: int = 6
    day_count: int = day_count.ACT_360
    convention: BusinessDayConvention = BusinessDayConvention.MODIFIED_FOLLOWING


@dataclass(frozen=True, slots=True)
class Swap:
    """A par swap: fixed rate against floating. Payments are moved as the floating side's dates."""

    start: int
    end: int
    rate: float
    calendar: Calendar
    fixed: FixedLeg = FixedLeg()
    floating: FloatingLeg = FloatingLeg()


@dataclass(frozen=True, slots=True)
class BondQuote:
    """A bond and its dirty price at settlement."""

    bond: Bond
    settlement: int
    dirty: float


Quote = Deposit | Future | Swap | BondQuote


def futures_convexity(volatility: float, start_years: float, end_years: float) -> float:
    """How far a future's continuous rate lies above the forward rate: half of ``σ² t1 t2``.

    Source: Hull, Convexity Adjustments to Eurodollar Futures (Ho-Lee); ``volatility`` is the
    standard deviation of the short rate's change in a year.
    """
    return 0.5 * volatility * volatility * start_years * end_years


@dataclass(slots=True)
class _Term:
    """``amount`` times the factor of ``day``, or times its quotient by that of ``over``."""

    owner: int
    amount: float
    day: int
    over: int | None = None


class _System:
    """The equations of a list of quotes, by dates."""

    def __init__(self, discounting: Curve | None) -> None:
        self.discounting = discounting
        self.terms: list[_Term] = []
        self.constants: list[float] = []
        self.pillars: list[int] = []

    def add(self, quote: Quote) -> None:
        """Take a quote's equation."""
        if isinstance(quote, Future):
            quote = quote.deposit
        owner = len(self.constants)
        self.constants.append(0.0)
        if isinstance(quote, Deposit):
            self._add_deposit(owner, quote)
        elif isinstance(quote, Swap):
            self._add_swap(owner, quote)
        else:
            self._add_bond(owner, quote)

    def _add_deposit(self, owner: int, quote: Deposit) -> None:
        years = day_count.year_fraction(quote.day_count, quote.start, quote.end, 0, 0, 1, 0)
        self.terms.append(_Term(owner, 1.0, quote.start, quote.end))
        self.constants[owner] = -(1.0 + quote.rate * years)
        self.pillars.append(quote.end)

    def _add_bond(self, owner: int, quote: BondQuote) -> None:
        payments = quote.bond.payments(quote.settlement)
        for amount, day in zip(payments.amounts.tolist(), payments.days.tolist(), strict=True):
            self.terms.append(_Term(owner, amount / 100.0, day))
        self.terms.append(_Term(owner, -quote.dirty / 100.0, quote.settlement))
        self.pillars.append(int(payments.days[-1]))

    def _add_swap(self, owner: int, quote: Swap) -> None:
        floating = _leg_periods(quote, quote.floating.period_months, quote.floating.convention)
        fixed = _leg_periods(quote, quote.fixed.period_months, quote.fixed.convention)
        payments = [
            quote.calendar.adjust(period.end, quote.floating.convention) for period in fixed
        ]
        counter = DayCounter(quote.fixed.day_count, quote.fixed.period_months, quote.end)
        coupons = [quote.rate * counter.years(period.start, period.end, period) for period in fixed]
        self.pillars.append(max(payments[-1], floating[-1].end))
        if self.discounting is None:
            # Floating payments are worth what is lent at the start, less what is due at the end.
            self.terms.append(_Term(owner, 1.0, floating[0].start))
            self.terms.append(_Term(owner, -1.0, floating[-1].end))
            for coupon, day in zip(coupons, payments, strict=True):
                self.terms.append(_Term(owner, -coupon, day))
            return
        fixed_factors = self.discounting.discounts(payments)
        constant = -float(np.array(coupons) @ fixed_factors)
        factors = self.discounting.discounts([period.end for period in floating])
        for period, factor in zip(floating, factors.tolist(), strict=True):
            self.terms.append(_Term(owner, factor, period.start, period.end))
            constant -= factor
        self.constants[owner] = constant

    def equations(self, reference: int, nodes: FloatArray, method: int) -> Equations:
        """The same equations by node logarithms."""

        def weights(days: list[int]) -> FloatArray:
            times = (np.array(days, dtype=np.float64) - reference) / DAYS_A_YEAR
            return discount_curve.interpolation_weights(method, nodes, times)

        rows = weights([term.day for term in self.terms])
        quotients = [index for index, term in enumerate(self.terms) if term.over is not None]
        rows[quotients] -= weights([self.terms[index].over or 0 for index in quotients])
        return Equations(
            rows,
            np.array([term.amount for term in self.terms]),
            np.array([term.owner for term in self.terms], dtype=np.int64),
            np.array(self.constants),
        )


def _leg_periods(swap: Swap, period_months: int, convention: BusinessDayConvention) -> list[Period]:
    return build(
        ScheduleTerms(
            start=swap.start,
            end=swap.end,
            period_months=period_months,
            calendar=swap.calendar,
            convention=convention,
            end_convention=convention,
            rule=DateRule.BACKWARD,
        )
    )


def bootstrap(
    reference: int,
    quotes: Sequence[Quote],
    interpolation: int = discount_curve.LOG_LINEAR_DISCOUNT,
    discounting: Curve | None = None,
) -> Curve:
    """The curve that reproduces every quote, with a node at the last date of each.

    Raises ``REASON_MODEL_DOMAIN`` naming ``quotes`` if two end on the same date, one lies in the
    past, or no curve fits.
    """
    if not 1 <= len(quotes) <= QUOTES_MAX:
        raise refuse("quotes", f"a curve takes 1 to {QUOTES_MAX} quotes", len(quotes))
    system = _System(discounting)
    for quote in quotes:
        system.add(quote)
    pillars = np.array(system.pillars, dtype=np.int64)
    order = np.argsort(pillars, kind="stable")
    for index in order[1:][np.diff(pillars[order]) == 0]:
        raise refuse(f"quotes[{index}]", "no two quotes may end on the same date")
    for index, term in enumerate(system.terms):
        if term.day < reference or pillars[term.owner] <= reference:
            field = f"quotes[{system.terms[index].owner}]"
            raise refuse(field, "a quote must not lie before the curve's reference date")
    nodes = (pillars[order] - reference) / DAYS_A_YEAR
    equations = system.equations(reference, nodes, interpolation)
    try:
        logs = discount_curve.solve(equations, -0.03 * nodes)
    except CurveError as error:
        raise refuse("quotes", str(error)) from error
    return Curve(reference, nodes, logs, interpolation)
