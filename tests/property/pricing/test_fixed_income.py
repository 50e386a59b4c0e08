"""What holds for every bond, day count and credit default swap, over wide domains."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tradecaptain.kernels.pricing import bond, day_count
from tradecaptain.kernels.pricing.civil_date import add_months, day_number
from tradecaptain.pricing.fixed_income.bonds import (
    Bond,
    BondTerms,
    YieldConvention,
    from_clean_price,
    from_yield,
)
from tradecaptain.pricing.fixed_income.calendars import BusinessDayConvention, calendar
from tradecaptain.pricing.fixed_income.credit import (
    CreditContract,
    from_spread,
    from_upfront,
    weekends,
)
from tradecaptain.pricing.fixed_income.curves import flat_curve
from tradecaptain.pricing.fixed_income.schedules import (
    DateRule,
    ScheduleTerms,
    Stub,
    build,
    credit_maturity,
)

days = st.integers(day_number(1960, 1, 1), day_number(2100, 12, 31))
compoundings = st.sampled_from(range(bond.SIMPLE, bond.TREASURY + 1))
frequencies = st.sampled_from([1.0, 2.0, 4.0, 12.0])
ADDITIVE = (
    day_count.ACT_360,
    day_count.ACT_364,
    day_count.ACT_365_FIXED,
    day_count.ACT_365_25,
    day_count.ACT_366,
    day_count.NL_365,
    day_count.ACT_ACT_ISDA,
)
ALL = range(day_count.ACT_360, day_count.ONE_ONE)


@st.composite
def payments(draw: st.DrawFn) -> tuple[Any, Any]:
    """Times that rise and amounts of which one at least is paid."""
    count = draw(st.integers(1, 12))
    steps = draw(st.lists(st.floats(0.01, 3.0), min_size=count, max_size=count))
    amounts = draw(st.lists(st.floats(0.0, 20.0), min_size=count, max_size=count))
    amounts[-1] += 100.0
    return np.cumsum(steps), np.array(amounts)


@pytest.mark.twin
@given(payments(), compoundings, frequencies, st.floats(-0.02, 2.0))
def test_a_yield_comes_back_from_its_price(
    flows: tuple[Any, Any], compounding: int, frequency: float, rate: float
) -> None:
    times, amounts = flows
    outputs = np.empty(3)
    assume(rate * times[-1] > -0.9)
    assert bond.value_by_yield(compounding, frequency, rate, times, amounts, outputs) == bond.OK
    price, slope = float(outputs[0]), float(outputs[1])
    assert bond.yield_of_price(compounding, frequency, price, times, amounts, outputs) == bond.OK
    # What a few units in the last place of the price mean.
    allowed = 64 * math.ulp(price) / abs(slope) + 1e-14 * (1 + abs(rate))
    assert abs(outputs[0] - rate) <= allowed


@pytest.mark.twin
@given(payments(), compoundings, frequencies, st.floats(-0.02, 1.0), st.floats(1e-4, 0.5))
def test_prices_fall_and_bend_upwards_with_the_yield(
    flows: tuple[Any, Any], compounding: int, frequency: float, rate: float, step: float
) -> None:
    times, amounts = flows
    assume(rate * times[-1] > -0.9)
    outputs = np.empty(3)
    prices = []
    for shift in (0.0, step, 2 * step):
        bond.value_by_yield(compounding, frequency, rate + shift, times, amounts, outputs)
        prices.append(float(outputs[0]))
        assert outputs[1] < 0.0 < outputs[2]
    low, middle, high = prices
    assert low > middle > high > 0.0
    assert low + high >= 2 * middle * (1 - 1e-14)


@pytest.mark.twin
@given(payments(), st.floats(-0.3, 3.0))
def test_lanes_and_the_bracketed_solver_agree(flows: tuple[Any, Any], rate: float) -> None:
    times, amounts = flows
    assume(abs(rate) * times[-1] < 100.0)
    offsets, sums = np.array([0, times.size]), np.empty((3, 1))
    scratch, rates = bond.scratch_for(offsets), np.empty(1)
    statuses, outputs = np.empty(1, dtype=np.int64), np.empty(3)
    bond.continuous_sums(np.array([rate]), offsets, times, amounts, scratch, sums)
    bond.continuous_yields(sums[0].copy(), offsets, times, amounts, scratch, rates, statuses)
    assert statuses[0] == bond.OK
    macaulay = sums[1, 0] / sums[0, 0]
    assert abs(rates[0] - rate) <= 1e-14 / macaulay + 4e-15 * abs(rate)
    price = float(sums[0, 0])
    assert bond.yield_of_price(bond.CONTINUOUS, 1.0, price, times, amounts, outputs) == bond.OK
    assert abs(outputs[0] - rates[0]) <= 1e-13 / macaulay + 1e-14 * abs(rate)


@pytest.mark.twin
@given(st.sampled_from(ADDITIVE), days, days, days)
def test_actual_day_counts_add_up(convention: int, one: int, two: int, three: int) -> None:
    first, middle, last = sorted((one, two, three))

    def years(start: int, end: int) -> float:
        return float(day_count.year_fraction(convention, start, end, 0, 0, 1, 0))

    assert years(first, middle) + years(middle, last) == pytest.approx(
        years(first, last), rel=1e-14, abs=1e-14
    )


@pytest.mark.twin
@given(st.sampled_from(ALL), days, st.integers(1, 20_000))
def test_day_counts_are_antisymmetric_and_near_the_calendar(
    convention: int, start: int, length: int
) -> None:
    end = start + length
    reference = (start, add_months(start, 12))
    forward = day_count.year_fraction(convention, start, end, *reference, 1, end)
    backward = day_count.year_fraction(convention, end, start, *reference, 1, end)
    assert forward == -backward
    # A month of thirty days and a year of 360 are the farthest from the calendar.
    assert abs(forward - length / 365.25) <= 3.0 / 360.0 + 0.016 * length / 365.25


@st.composite
def bonds(draw: st.DrawFn) -> tuple[Bond, int]:
    """A bond of any schedule, and a settlement in its life."""
    start = draw(st.integers(day_number(1990, 1, 1), day_number(2030, 12, 31)))
    length = draw(st.integers(40, 15_000))
    centre = calendar(draw(st.sampled_from(["NONE", "TARGET", "UNITED_KINGDOM"])))
    conventions = st.sampled_from(
        [BusinessDayConvention.UNADJUSTED, BusinessDayConvention.MODIFIED_FOLLOWING]
    )
    convention = draw(conventions)
    terms = ScheduleTerms(
        start,
        start + length,
        draw(st.sampled_from([1, 3, 6, 12])),
        centre,
        convention,
        convention,
        draw(st.sampled_from([DateRule.BACKWARD, DateRule.FORWARD])),
        draw(st.sampled_from(list(Stub))),
        draw(st.booleans()),
    )
    counter = draw(st.sampled_from([day_count.ACT_ACT_ICMA, day_count.THIRTY_E_360, 1, 4]))
    rates = draw(st.sampled_from([(), (0.0,), (0.035,), (0.01, 0.09)]))
    made = Bond(BondTerms(terms, rates, counter, payment_convention=draw(conventions)))
    return made, start + draw(st.integers(0, length - 10))


@given(bonds())
def test_periods_touch_and_cover_the_bonds_life(drawn: tuple[Bond, int]) -> None:
    made, _ = drawn
    terms = made.terms.schedule
    periods = build(terms)
    assert periods[0].start == terms.calendar.adjust(terms.start, terms.convention)
    assert periods[-1].end == terms.calendar.adjust(terms.end, terms.convention)
    for before, after in pairwise(periods):
        assert before.end == after.start
    for period in periods:
        first, last = period.reference
        assert first < last
        assert period.start < period.end


@given(bonds(), st.floats(-0.01, 0.3))
def test_bonds_go_from_yield_to_price_and_back(drawn: tuple[Bond, int], rate: float) -> None:
    made, settlement = drawn
    convention = YieldConvention(bond.COMPOUNDED, 2)
    assume(made.payments(settlement).times[0] > 0.0)
    there = from_yield(made, settlement, rate, convention)
    back = from_clean_price(made, settlement, there.clean, convention)
    assert back.yield_ == pytest.approx(rate, rel=1e-9, abs=1e-11 / max(there.modified, 1e-3))
    assert there.dirty == pytest.approx(there.clean + there.accrued, rel=1e-15)
    assert there.macaulay == pytest.approx(there.modified * (1 + rate / 2), rel=1e-12)
    assert there.convexity > 0.0


@given(
    st.integers(day_number(2016, 1, 1), day_number(2030, 1, 1)),
    st.sampled_from([6, 12, 60, 120]),
    st.floats(1e-4, 0.3),
    st.floats(0.0, 0.8),
    st.sampled_from([0.01, 0.05]),
    st.floats(-0.01, 0.1),
)
def test_credit_spreads_and_upfronts_go_both_ways(
    trade: int, months: int, spread: float, recovery: float, coupon: float, rate: float
) -> None:
    contract = CreditContract(trade, credit_maturity(trade, months), coupon, recovery, weekends())
    curve = flat_curve(trade, rate)
    there = from_spread(contract, spread, curve)
    assert (there.upfront > 0.0) == (spread > coupon) or abs(there.upfront) < 1e-12
    assert there.par_spread == pytest.approx(spread, rel=1e-11)
    assert there.spread_dv01 > 0.0
    back = from_upfront(contract, there.upfront, curve)
    assert back.par_spread == pytest.approx(spread, rel=1e-9)
    higher = from_spread(contract, spread * 1.1, curve)
    assert higher.upfront > there.upfront
