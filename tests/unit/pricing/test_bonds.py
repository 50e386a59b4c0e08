"""Bonds and curves against QuantLib over grids of terms, and what a desk expects of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import QuantLib
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing import bond as kernels
from tradecaptain.kernels.pricing import day_count, discount_curve
from tradecaptain.kernels.pricing.civil_date import add_months
from tradecaptain.pricing.fixed_income.bonds import (
    Bond,
    BondTerms,
    ExCoupon,
    YieldConvention,
    from_clean_price,
    from_yield,
)
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, calendar
from tradecaptain.pricing.fixed_income.curve_analytics import (
    key_rate_durations,
    value_on_curve,
    z_spread,
)
from tradecaptain.pricing.fixed_income.curves import (
    BondQuote,
    Curve,
    Deposit,
    FixedLeg,
    FloatingLeg,
    Future,
    Quote,
    Swap,
    bootstrap,
    flat_curve,
    futures_convexity,
)
from tradecaptain.pricing.fixed_income.dates import day_text, parse_day
from tradecaptain.pricing.fixed_income.schedules import DateRule, ScheduleTerms

NONE = calendar("NONE")
TARGET = calendar("TARGET")


def day(text: str) -> int:
    return parse_day(text, "date")


def ql_date(text: str) -> Any:
    year, month, day_of_month = (int(part) for part in text.split("-"))
    return QuantLib.Date(day_of_month, month, year)


DAY_COUNTS: dict[int, Callable[[Any], Any]] = {
    day_count.ACT_ACT_ICMA: lambda s: QuantLib.ActualActual(QuantLib.ActualActual.ISMA, s),
    day_count.ACT_ACT_ISDA: lambda s: QuantLib.ActualActual(QuantLib.ActualActual.ISDA),
    day_count.ACT_ACT_AFB: lambda s: QuantLib.ActualActual(QuantLib.ActualActual.Euro),
    day_count.ACT_360: lambda s: QuantLib.Actual360(),
    day_count.ACT_365_FIXED: lambda s: QuantLib.Actual365Fixed(),
    day_count.NL_365: lambda s: QuantLib.Actual365Fixed(QuantLib.Actual365Fixed.NoLeap),
    day_count.THIRTY_360_US: lambda s: QuantLib.Thirty360(QuantLib.Thirty360.USA),
    day_count.THIRTY_360_BOND_BASIS: lambda s: QuantLib.Thirty360(QuantLib.Thirty360.BondBasis),
    day_count.THIRTY_E_360: lambda s: QuantLib.Thirty360(QuantLib.Thirty360.EurobondBasis),
    day_count.THIRTY_360_GERMAN: lambda s: QuantLib.Thirty360(QuantLib.Thirty360.German),
}


@pytest.mark.parametrize("convention", sorted(DAY_COUNTS))
def test_prices_and_sensitivities_are_quantlibs(convention: int) -> None:
    seeded = random.Random(convention)
    for _ in range(40):
        start_text = f"{seeded.randint(2005, 2022)}-{seeded.randint(1, 12):02d}-15"
        months, years = seeded.choice([1, 3, 6, 12]), seeded.randint(1, 30)
        stub_days = seeded.choice([0, seeded.randint(1, 300)])
        start = ql_date(start_text)
        end = start + QuantLib.Period(12 * years, QuantLib.Months) + stub_days
        backward = seeded.random() < 0.5
        plain, following = QuantLib.Unadjusted, QuantLib.Following
        rules = QuantLib.DateGeneration
        schedule = QuantLib.Schedule(
            start,
            end,
            QuantLib.Period(months, QuantLib.Months),
            QuantLib.TARGET(),
            plain,
            plain,
            rules.Backward if backward else rules.Forward,
            False,
        )
        coupon, rate = seeded.uniform(0, 0.1), seeded.uniform(-0.01, 0.15)
        counter = DAY_COUNTS[convention](schedule)
        theirs = QuantLib.FixedRateBond(
            0, 100.0, schedule, [coupon], counter, following, 100.0, start, QuantLib.TARGET()
        )
        settle = start + seeded.randint(1, int((end - start) * 0.95))
        QuantLib.Settings.instance().evaluationDate = settle
        compounding, kind = seeded.choice(
            [(QuantLib.Compounded, kernels.COMPOUNDED), (QuantLib.Continuous, kernels.CONTINUOUS)]
        )
        quote = QuantLib.InterestRate(rate, counter, compounding, 12 // months)
        functions = QuantLib.BondFunctions
        ours = Bond(
            BondTerms(
                ScheduleTerms(
                    day(start.ISO()),
                    day(end.ISO()),
                    months,
                    TARGET,
                    rule=DateRule.BACKWARD if backward else DateRule.FORWARD,
                ),
                (coupon,),
                convention,
                payment_convention=BusinessDayConvention.FOLLOWING,
            )
        )
        yields = YieldConvention(kind, 12 // months)
        # QuantLib's ICMA count ends with the schedule, before a payment that a holiday has moved.
        if convention == day_count.ACT_ACT_ICMA and ours.maturity != day(end.ISO()):
            continue
        found = from_yield(ours, day(settle.ISO()), rate, yields)
        modified = functions.duration(theirs, quote, QuantLib.Duration.Modified, settle)
        assert found.accrued == pytest.approx(functions.accruedAmount(theirs, settle), abs=1e-12)
        assert found.clean == pytest.approx(functions.cleanPrice(theirs, quote, settle), rel=1e-11)
        assert found.modified == pytest.approx(modified, rel=1e-10)
        convexity = functions.convexity(theirs, quote, settle)
        assert found.convexity == pytest.approx(convexity, rel=1e-10)
        again = from_clean_price(ours, day(settle.ISO()), found.clean, yields)
        assert again.yield_ == pytest.approx(rate, rel=1e-10, abs=1e-13)


def plain_bond(**options: Any) -> Bond:
    fields: dict[str, Any] = {
        "schedule": ScheduleTerms(day("2024-02-15"), day("2034-02-15"), 6, NONE),
        "rates": (0.04,),
        "day_count": day_count.ACT_ACT_ICMA,
    }
    return Bond(BondTerms(**(fields | options)))


def test_a_bond_at_its_coupon_is_worth_par_on_coupon_dates() -> None:
    found = from_yield(plain_bond(), day("2025-08-15"), 0.04)
    assert found.clean == pytest.approx(100.0, abs=1e-12)
    assert found.accrued == 0.0


def test_the_street_counts_the_last_period_simply() -> None:
    settlement = day("2033-11-15")
    street = YieldConvention(kernels.STREET, 2)
    found = from_yield(plain_bond(), settlement, 0.05, street)
    years = 92 / 184 / 2
    assert found.dirty == pytest.approx(102.0 / (1 + 0.05 * years), rel=1e-14)
    compounded = from_yield(plain_bond(), settlement, 0.05, YieldConvention(kernels.COMPOUNDED, 2))
    assert compounded.dirty == pytest.approx(102.0 * 1.025 ** (-2 * years), rel=1e-14)
    # With two payments left there is no difference.
    earlier = day("2033-08-01")
    longer = [
        from_yield(plain_bond(), earlier, 0.05, item).dirty for item in (street, YieldConvention())
    ]
    assert longer[0] == longer[1]


def test_the_treasury_counts_a_broken_first_period_simply() -> None:
    found = from_yield(plain_bond(), day("2033-05-15"), 0.05, YieldConvention(kernels.TREASURY, 2))
    first = 92 / 181 / 2
    due = (2.0 + 102.0 / 1.025) / (1 + 0.05 * first)
    assert found.dirty == pytest.approx(due, rel=1e-14)


def test_a_zero_coupon_bond_has_its_years_for_a_duration() -> None:
    bond = plain_bond(rates=(), day_count=day_count.ACT_365_FIXED)
    found = from_yield(bond, day("2024-02-15"), 0.03, YieldConvention(kernels.CONTINUOUS, 1))
    years = (day("2034-02-15") - day("2024-02-15")) / 365
    assert found.accrued == 0.0
    assert found.macaulay == found.modified == pytest.approx(years, rel=1e-15)
    assert found.clean == pytest.approx(100 * np.exp(-0.03 * years), rel=1e-15)


def test_a_zero_coupon_bond_counts_notional_coupon_periods() -> None:
    bond = plain_bond(rates=())
    found = from_yield(bond, day("2024-08-15"), 0.05, YieldConvention(kernels.COMPOUNDED, 2))
    assert found.clean == pytest.approx(100 * 1.025**-19, rel=1e-14)
    broken = from_yield(bond, day("2033-11-15"), 0.05)
    assert broken.clean == pytest.approx(100 * 1.05 ** (-92 / 184 / 2), rel=1e-14)


def test_step_coupons_repeat_the_last_one() -> None:
    bond = plain_bond(rates=(0.01, 0.02, 0.03))
    amounts = bond.payments(day("2024-02-15")).amounts
    assert amounts[:4].tolist() == [0.5, 1.0, 1.5, 1.5]
    assert amounts[-1] == 101.5


def test_accrued_interest_rises_to_the_coupon_and_falls_below_zero_ex_coupon() -> None:
    bond = plain_bond(ex_coupon=ExCoupon(7))
    accrued = [
        bond.accrued(day(text)) for text in ("2024-02-15", "2024-08-07", "2024-08-08", "2024-08-15")
    ]
    assert accrued[0] == 0.0
    assert accrued[1] == pytest.approx(2.0 * 174 / 182, rel=1e-14)
    assert accrued[2] == pytest.approx(-2.0 * 7 / 182, rel=1e-14)
    assert accrued[3] == 0.0
    assert day_text(int(bond.payments(day("2024-08-08")).days[0])) == "2025-02-15"


@pytest.mark.parametrize(
    ("settlement", "field"), [("2024-02-14", "settlement"), ("2034-02-15", "settlement")]
)
def test_a_settlement_outside_the_bonds_life_is_refused(settlement: str, field: str) -> None:
    with pytest.raises(TradeCaptainError) as caught:
        from_yield(plain_bond(), day(settlement), 0.03)
    assert caught.value.field == field


# ---- curves

EVALUATION = "2025-01-15"
DEPOSITS = (("1M", 1, 0.0285), ("3M", 3, 0.0275), ("6M", 6, 0.0262))
SWAPS = ((1, 0.0245), (2, 0.0232), (3, 0.0229), (5, 0.0232), (10, 0.0245), (30, 0.0240))
MODIFIED = BusinessDayConvention.MODIFIED_FOLLOWING


def quotes() -> list[Quote]:
    spot = TARGET.add_business_days(day(EVALUATION), 2)
    found: list[Quote] = [
        Deposit(spot, TARGET.add_months(spot, months, MODIFIED, end_of_month=True), rate)
        for _, months, rate in DEPOSITS
    ]
    for years, rate in SWAPS:
        end = add_months(spot, 12 * years)
        found.append(Swap(spot, end, rate, TARGET, FixedLeg(), FloatingLeg()))
    return found


def helpers(discounting: Any = None) -> list[Any]:
    modified, target = QuantLib.ModifiedFollowing, QuantLib.TARGET()
    found = [
        QuantLib.DepositRateHelper(
            rate, QuantLib.Period(tenor), 2, target, modified, True, QuantLib.Actual360()
        )
        for tenor, _, rate in DEPOSITS
    ]
    thirty, index = QuantLib.Thirty360(QuantLib.Thirty360.BondBasis), QuantLib.Euribor6M()
    for years, rate in SWAPS:
        terms = (rate, QuantLib.Period(years, QuantLib.Years), target, QuantLib.Annual, modified)
        extra = () if discounting is None else (
            QuantLib.QuoteHandle(), QuantLib.Period(0, QuantLib.Days), discounting
        )  # fmt: skip
        found.append(QuantLib.SwapRateHelper(*terms, thirty, index, *extra))
    return found


CURVES = {
    discount_curve.LOG_LINEAR_DISCOUNT: QuantLib.PiecewiseLogLinearDiscount,
    discount_curve.LINEAR_ZERO: QuantLib.PiecewiseLinearZero,
    discount_curve.CUBIC_LOG_DISCOUNT: QuantLib.PiecewiseNaturalLogCubicDiscount,
}


@pytest.mark.parametrize("method", sorted(CURVES))
def test_a_bootstrapped_curve_is_quantlibs(method: int) -> None:
    QuantLib.Settings.instance().evaluationDate = ql_date(EVALUATION)
    theirs = CURVES[method](ql_date(EVALUATION), helpers(), QuantLib.Actual365Fixed())
    ours = bootstrap(day(EVALUATION), quotes(), method)
    for days in range(1, 10_950, 173):
        due = theirs.discount(ql_date(EVALUATION) + days)
        assert ours.discount(day(EVALUATION) + days) == pytest.approx(due, rel=1e-10)


def test_a_projecting_curve_under_another_discount_curve_is_quantlibs() -> None:
    QuantLib.Settings.instance().evaluationDate = ql_date(EVALUATION)
    flat = QuantLib.FlatForward(ql_date(EVALUATION), 0.02, QuantLib.Actual365Fixed())
    theirs = QuantLib.PiecewiseLogLinearDiscount(
        ql_date(EVALUATION),
        helpers(QuantLib.YieldTermStructureHandle(flat)),
        QuantLib.Actual365Fixed(),
    )
    discounting = flat_curve(day(EVALUATION), 0.02)
    ours = bootstrap(day(EVALUATION), quotes(), discounting=discounting)
    for date in theirs.dates()[1:]:
        assert ours.discount(day(date.ISO())) == pytest.approx(theirs.discount(date), rel=1e-10)


def test_every_quote_is_reproduced_whatever_their_order() -> None:
    shuffled = quotes()
    random.Random(5).shuffle(shuffled)
    assert bootstrap(day(EVALUATION), shuffled).times.tolist() == pytest.approx(
        bootstrap(day(EVALUATION), quotes()).times.tolist()
    )
    curve = bootstrap(day(EVALUATION), shuffled)
    for quote in quotes()[:3]:
        assert isinstance(quote, Deposit)
        growth = curve.discount(quote.start) / curve.discount(quote.end)
        assert growth == pytest.approx(1 + quote.rate * (quote.end - quote.start) / 360, rel=1e-13)


def test_futures_give_forward_rates_less_their_convexity() -> None:
    start, end = day("2025-06-18"), day("2025-09-17")
    adjustment = futures_convexity(0.012, 0.42, 0.67)
    future = Future(start, end, 97.4, adjustment)
    curve = bootstrap(day(EVALUATION), [Deposit(day(EVALUATION), start, 0.027), future])
    forward = (curve.discount(start) / curve.discount(end) - 1) * 360 / (end - start)
    assert forward == pytest.approx(0.026 - adjustment, rel=1e-12)


def test_bonds_price_back_on_the_curve_that_they_made() -> None:
    settlement = day("2025-01-15")
    maturities = ("2026-01-15", "2028-01-15", "2035-01-15")
    bonds = [
        plain_bond(schedule=ScheduleTerms(day("2023-01-15"), day(end), 6, NONE))
        for end in maturities
    ]
    prices = (100.5, 99.0, 97.0)
    made: list[Quote] = [
        BondQuote(bond, settlement, price) for bond, price in zip(bonds, prices, strict=True)
    ]
    curve = bootstrap(settlement, made, discount_curve.CUBIC_ZERO)
    for bond, price in zip(bonds, prices, strict=True):
        assert value_on_curve(bond, settlement, curve).dirty == pytest.approx(price, rel=1e-13)


@pytest.fixture
def curve() -> Curve:
    return bootstrap(day(EVALUATION), quotes())


@pytest.mark.parametrize("compounding", [kernels.CONTINUOUS, kernels.COMPOUNDED])
def test_a_z_spread_is_quantlibs(curve: Curve, compounding: int) -> None:
    QuantLib.Settings.instance().evaluationDate = ql_date(EVALUATION)
    theirs_curve = QuantLib.PiecewiseLogLinearDiscount(
        ql_date(EVALUATION), helpers(), QuantLib.Actual365Fixed()
    )
    schedule = QuantLib.Schedule(
        ql_date("2024-02-15"),
        ql_date("2034-02-15"),
        QuantLib.Period(6, QuantLib.Months),
        QuantLib.NullCalendar(),
        QuantLib.Unadjusted,
        QuantLib.Unadjusted,
        QuantLib.DateGeneration.Backward,
        False,
    )
    counter = QuantLib.ActualActual(QuantLib.ActualActual.ISMA, schedule)
    theirs = QuantLib.FixedRateBond(0, 100.0, schedule, [0.04], counter)
    ways = {kernels.CONTINUOUS: QuantLib.Continuous, kernels.COMPOUNDED: QuantLib.Compounded}
    due = QuantLib.BondFunctions.zSpread(
        theirs,
        QuantLib.BondPrice(108.0, QuantLib.BondPrice.Clean),
        theirs_curve,
        QuantLib.Actual365Fixed(),
        ways[compounding],
        QuantLib.Semiannual,
        ql_date(EVALUATION),
    )
    found = z_spread(plain_bond(), day(EVALUATION), 108.0, curve, compounding=compounding)
    assert found == pytest.approx(due, abs=1e-9)


def test_the_last_days_of_a_bond_have_a_compounded_z_spread(curve: Curve) -> None:
    """A rounding of its price is then more than one of the spread; the steps end all the same."""
    settlement = day(EVALUATION)
    for days in range(2, 90):
        bond = plain_bond(schedule=ScheduleTerms(settlement - 200, settlement + days, 6, NONE))
        clean = value_on_curve(bond, settlement, curve).clean
        for change in (0.0, 0.01, -0.5):
            compounded, continuous = (
                z_spread(bond, settlement, clean + change, curve, compounding=compounding)
                for compounding in (kernels.COMPOUNDED, kernels.CONTINUOUS)
            )
            assert compounded == pytest.approx(continuous, rel=0.4, abs=1e-12)


def test_key_rates_add_up_to_all_rates_together(curve: Curve) -> None:
    bond, settlement = plain_bond(), day("2025-03-03")
    keys = (0.5, 1, 2, 3, 5, 7, 10, 20)
    durations = key_rate_durations(bond, settlement, curve, keys)
    shift = 1e-5
    value = value_on_curve(bond, settlement, curve).dirty
    raised = Curve(curve.reference, curve.times, curve.log_discounts - shift * curve.times)
    moved = value_on_curve(bond, settlement, raised).dirty
    assert durations.sum() == pytest.approx((value - moved) / value / shift, rel=1e-4)
    assert durations[-1] == 0.0
    assert durations[6] > durations[5] > durations[4] > 0


@pytest.mark.parametrize("keys", [(), (2, 1), (0, 1), (1, 1)])
def test_key_tenors_must_rise(curve: Curve, keys: tuple[float, ...]) -> None:
    with pytest.raises(TradeCaptainError) as caught:
        key_rate_durations(plain_bond(), day("2025-03-03"), curve, keys)
    assert caught.value.field == "key_years"
