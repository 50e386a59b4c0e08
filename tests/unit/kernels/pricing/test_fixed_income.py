"""Kernels of fixed income against their slow twins."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import numpy.typing as npt
import pytest
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.kernels.pricing import bond, civil_date, day_count, discount_curve
from tradecaptain.kernels.pricing import credit_default_swap as credit
from twins.pricing import fixed_income as twin

pytestmark = pytest.mark.twin

FloatArray = npt.NDArray[np.float64]
EPOCH = date(1970, 1, 1).toordinal()
SIZE = 3 if JIT_DISABLED else 300


def number(day: date) -> int:
    return day.toordinal() - EPOCH


def random_dates(seed: int, count: int) -> list[tuple[date, date]]:
    """Pairs of dates in order, many of them at ends of months."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        pair = []
        for _ in range(2):
            day = date.fromordinal(int(random.integers(date(1960, 1, 1).toordinal(), 740_000)))
            if random.random() < 0.4:
                day = date(day.year + (day.month == 12), day.month % 12 + 1, 1) - twin.ONE_DAY
            pair.append(day)
        found.append((min(pair), max(pair)))
    return found


# ---- dates


def test_days_are_numbered_as_datetime_numbers_them() -> None:
    step = 97 if JIT_DISABLED else 3
    for ordinal in range(date(1899, 12, 1).toordinal(), date(2151, 2, 1).toordinal(), step):
        day = date.fromordinal(ordinal)
        assert civil_date.day_number(day.year, day.month, day.day) == number(day)
        assert civil_date.civil_date(number(day)) == (day.year, day.month, day.day)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 3, 31), -1, date(2024, 2, 29)),
        (date(2024, 1, 15), -13, date(2022, 12, 15)),
        (date(2023, 12, 31), 6, date(2024, 6, 30)),
    ],
)
def test_months_are_added_and_clipped(start: date, months: int, end: date) -> None:
    assert civil_date.add_months(number(start), months) == number(end)


# ---- day counts

THIRTY = {
    day_count.THIRTY_360_US: "US",
    day_count.THIRTY_360_BOND_BASIS: "bond basis",
    day_count.THIRTY_E_360: "E",
    day_count.THIRTY_E_360_ISDA: "ISDA",
    day_count.THIRTY_360_GERMAN: "German",
    day_count.THIRTY_E_PLUS_360: "30E+",
    day_count.THIRTY_365: "E",
}


@pytest.mark.parametrize("convention", sorted(THIRTY))
def test_months_of_thirty_days(convention: int) -> None:
    for start, end in random_dates(convention, SIZE):
        for termination in (start, end):
            due = twin.thirty_360(THIRTY[convention], start, end, termination)
            found = day_count.thirty_360_days(
                convention, number(start), number(end), number(termination)
            )
            assert found == due, (start, end, termination)


EXACT = {
    day_count.ACT_ACT_ISDA: twin.act_act_isda,
    day_count.NL_365: twin.no_leap_365,
    day_count.ACT_ACT_AFB: twin.act_act_afb,
}


@pytest.mark.parametrize("convention", sorted(EXACT))
def test_days_of_years_of_their_own(convention: int) -> None:
    for start, end in random_dates(convention, SIZE // 3):
        due = float(EXACT[convention](start, end))
        found = day_count.year_fraction(convention, number(start), number(end), 0, 0, 1, 0)
        assert found == pytest.approx(due, rel=1e-15, abs=1e-15), (start, end)


BASES = {
    day_count.ACT_360: 360.0,
    day_count.ACT_364: 364.0,
    day_count.ACT_365_FIXED: 365.0,
    day_count.ACT_365_25: 365.25,
    day_count.ACT_366: 366.0,
}


def test_arrays_and_fixed_bases() -> None:
    pairs = random_dates(5, 50)
    starts = np.array([number(start) for start, _ in pairs])
    ends = np.array([number(end) for _, end in pairs])
    found = np.empty(starts.size)
    for convention, basis in BASES.items():
        day_count.year_fractions(convention, starts, ends, starts, ends, 1, 0, found)
        assert found == pytest.approx((ends - starts) / basis, rel=1e-15)
        day_count.year_fractions(convention, ends, starts, starts, ends, 1, 0, found)
        assert found == pytest.approx((starts - ends) / basis, rel=1e-15)


def test_coupon_periods_count_by_their_own_length() -> None:
    first, last = date(2024, 1, 31), date(2024, 7, 31)
    for middle in (date(2024, 2, 29), date(2024, 5, 1), last):
        arguments = (number(first), number(middle), number(first), number(last), 2, 0)
        found = day_count.year_fraction(day_count.ACT_ACT_ICMA, *arguments)
        assert found == pytest.approx(float(twin.icma(first, middle, first, last, 2)), rel=1e-15)


@pytest.mark.parametrize(
    ("frequency", "last", "basis"),
    [
        (1, date(2024, 3, 1), 366),
        (1, date(2024, 2, 28), 365),
        (2, date(2024, 2, 1), 366),
        (2, date(2025, 2, 1), 365),
    ],
)
def test_365l_looks_for_a_leap_day(frequency: int, last: date, basis: int) -> None:
    start = date(last.year - 1, last.month, last.day)
    arguments = (number(start), number(start) + 30, number(start), number(last), frequency, 0)
    assert day_count.year_fraction(day_count.ACT_365L, *arguments) == 30 / basis


def test_the_last_day_counts_and_one_is_one() -> None:
    assert day_count.year_fraction(day_count.ACT_360_INCLUSIVE, 0, 89, 0, 0, 1, 0) == 0.25
    assert day_count.year_fraction(day_count.ONE_ONE, 0, 5, 0, 0, 1, 0) == 1.0
    assert math.isnan(day_count.year_fraction(99, 0, 5, 0, 0, 1, 0))


# ---- bonds

KINDS = {
    bond.SIMPLE: "simple",
    bond.COMPOUNDED: "compounded",
    bond.CONTINUOUS: "continuous",
    bond.SIMPLE_THEN_COMPOUNDED: "simple then compounded",
    bond.COMPOUNDED_THEN_SIMPLE: "compounded then simple",
    bond.TREASURY: "treasury",
}
TIMES = np.array([0.2, 0.7, 1.2, 1.7, 2.2])
AMOUNTS = np.array([2.5, 2.5, 2.5, 2.5, 102.5])


@pytest.mark.parametrize("compounding", sorted(KINDS))
@pytest.mark.parametrize("rate", [-0.02, 0.0, 0.045, 0.8])
def test_a_price_and_its_derivatives_in_every_convention(compounding: int, rate: float) -> None:
    kind, outputs = KINDS[compounding], np.empty(3)
    status = bond.value_by_yield(compounding, 2.0, rate, TIMES, AMOUNTS, outputs)
    assert status == bond.OK
    arguments = (kind, 2, rate, TIMES.tolist(), AMOUNTS.tolist())
    first, second = twin.bond_derivatives(*arguments)
    assert outputs[0] == pytest.approx(float(twin.bond_price(*arguments)), rel=1e-15)
    assert outputs[1] == pytest.approx(float(first), rel=1e-13)
    assert outputs[2] == pytest.approx(float(second), rel=1e-13)


@pytest.mark.parametrize("compounding", sorted(KINDS))
@pytest.mark.parametrize("rate", [-0.2, -0.001, 0.03, 1.5])
def test_a_yield_gives_its_price_back(compounding: int, rate: float) -> None:
    outputs = np.empty(3)
    bond.value_by_yield(compounding, 2.0, rate, TIMES, AMOUNTS, outputs)
    price = float(outputs[0])
    assert bond.yield_of_price(compounding, 2.0, price, TIMES, AMOUNTS, outputs) == bond.OK
    assert outputs[0] == pytest.approx(rate, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("rate", [0.0, 1e-9, -0.005, 0.01])
def test_a_price_whose_roundings_exceed_those_of_its_yield_has_one(rate: float) -> None:
    """Near zero a yield has more digits than a price tells; steps never get that short."""
    outputs = np.empty(3)
    for count in range(1, 3 if JIT_DISABLED else 120):
        times = 0.25 / 3 + np.arange(count) / 12
        amounts = np.full(count, 0.05 / 12 * 100)
        amounts[-1] += 100.0
        for compounding in (bond.COMPOUNDED, bond.CONTINUOUS, bond.TREASURY):
            bond.value_by_yield(compounding, 12.0, rate, times, amounts, outputs)
            exact, slope, _ = outputs.tolist()
            for price in (exact, math.nextafter(exact, 0.0), math.nextafter(exact, 1e9)):
                found = bond.yield_of_price(compounding, 12.0, price, times, amounts, outputs)
                assert found == bond.OK
                assert abs(outputs[0] - rate) * -slope <= 2e-15 * price


def random_bonds(seed: int, count: int) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    random = np.random.default_rng(seed)
    periods = random.integers(1, 4 if JIT_DISABLED else 70, count)
    offsets = np.concatenate(([0], np.cumsum(periods)))
    times = np.concatenate([random.uniform(0.0, 0.5) + 0.5 * np.arange(n) for n in periods])
    amounts = random.uniform(0.0, 5.0, times.size)
    amounts[offsets[1:] - 1] += 100.0
    return offsets, times, amounts


def test_many_bonds_are_solved_together() -> None:
    # More than one group of lanes, the last one not full.
    count = 3 if JIT_DISABLED else 2 * bond.LANES + 5
    offsets, times, amounts = random_bonds(3, count)
    random = np.random.default_rng(4)
    prices = random.uniform(40.0, 160.0, count)
    rates, statuses = np.empty(count), np.empty(count, dtype=np.int64)
    scratch = bond.scratch_for(offsets)
    bond.continuous_yields(prices, offsets, times, amounts, scratch, rates, statuses)
    sums = np.empty((3, count))
    bond.continuous_sums(rates, offsets, times, amounts, scratch, sums)
    assert (statuses == bond.OK).all()
    for index in range(count):
        own = slice(offsets[index], offsets[index + 1])
        payments = (times[own].tolist(), amounts[own].tolist())
        due = twin.bond_yield(float(prices[index]), *payments, -3000.0, 3000.0)
        assert rates[index] == pytest.approx(due, rel=3e-13, abs=3e-15)
        rate = float(rates[index])
        price = twin.bond_price("continuous", 1, rate, *payments)
        assert sums[0, index] == pytest.approx(float(price), rel=1e-13)
        first, second = twin.bond_derivatives("continuous", 1, rate, *payments)
        assert sums[1, index] == pytest.approx(-float(first), rel=1e-12)
        assert sums[2, index] == pytest.approx(float(second), rel=1e-12)


@pytest.mark.parametrize(
    ("price", "time", "amount", "status"),
    [
        (0.0, 1.0, 100.0, bond.INVALID_PRICE),
        (-1.0, 1.0, 100.0, bond.INVALID_PRICE),
        (math.nan, 1.0, 100.0, bond.INVALID_PRICE),
        (math.inf, 1.0, 100.0, bond.INVALID_PRICE),
        (100.0, -1.0, 100.0, bond.INVALID_PAYMENTS),
        (100.0, math.nan, 100.0, bond.INVALID_PAYMENTS),
        (100.0, 1.0, -100.0, bond.INVALID_PAYMENTS),
        (100.0, 1.0, 0.0, bond.INVALID_PAYMENTS),
        (100.0, 0.0, 100.0, bond.INVALID_PAYMENTS),
        (100.0, 1.0, math.inf, bond.INVALID_PAYMENTS),
    ],
)
def test_bad_inputs_have_a_status_and_harm_no_neighbour(
    price: float, time: float, amount: float, status: int
) -> None:
    prices = np.array([95.0, price, 105.0])
    times, amounts = np.array([1.0, time, 1.0]), np.array([100.0, amount, 100.0])
    offsets = np.arange(4)
    rates, statuses = np.empty(3), np.empty(3, dtype=np.int64)
    scratch = bond.scratch_for(offsets)
    bond.continuous_yields(prices, offsets, times, amounts, scratch, rates, statuses)
    assert statuses.tolist() == [bond.OK, status, bond.OK]
    assert rates[[0, 2]] == pytest.approx(-np.log([0.95, 1.05]), rel=1e-14)
    assert math.isnan(rates[1])
    outputs = np.empty(3)
    own = slice(1, 2)
    assert bond.yield_of_price(1, 2.0, price, times[own], amounts[own], outputs) == status
    assert status in bond.RULES


def test_a_bond_without_payments_has_no_yield() -> None:
    offsets = np.array([0, 0])
    rates, statuses = np.empty(1), np.empty(1, dtype=np.int64)
    nothing, scratch = np.empty(0), bond.scratch_for(offsets)
    bond.continuous_yields(np.array([100.0]), offsets, nothing, nothing, scratch, rates, statuses)
    assert statuses[0] == bond.INVALID_PAYMENTS


def test_a_yield_below_what_discounts_is_refused() -> None:
    outputs = np.empty(3)
    for compounding, rate in ((bond.COMPOUNDED, -2.0), (bond.SIMPLE, -0.5), (bond.TREASURY, -5.0)):
        status = bond.value_by_yield(compounding, 2.0, rate, TIMES, AMOUNTS, outputs)
        assert status == bond.INVALID_YIELD
        assert np.isnan(outputs).all()


def test_yields_and_continuous_rates_go_both_ways() -> None:
    yields, frequency = np.array([-0.5, 0.0, 1e-9, 0.05, 3.0]), np.full(5, 2.0)
    rates = bond.to_continuous(yields, bond.COMPOUNDED, frequency)
    back = bond.from_continuous(rates, bond.COMPOUNDED, frequency)
    assert back == pytest.approx(yields, rel=1e-15, abs=1e-24)
    assert bond.to_continuous(yields, bond.CONTINUOUS, frequency) is yields


# ---- curves

NODES = np.array([0.25, 1.0, 2.0, 5.0, 10.0])
LOGS = np.array([-0.006, -0.021, -0.05, -0.14, -0.33])
METHODS = (
    discount_curve.LOG_LINEAR_DISCOUNT,
    discount_curve.LINEAR_ZERO,
    discount_curve.CUBIC_LOG_DISCOUNT,
    discount_curve.CUBIC_ZERO,
)


def at(method: int, times: FloatArray) -> FloatArray:
    return discount_curve.interpolation_weights(method, NODES, times) @ LOGS


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_goes_through_its_nodes_and_starts_at_one(method: int) -> None:
    assert at(method, NODES) == pytest.approx(LOGS, rel=1e-14)
    assert at(method, np.array([0.0])) == pytest.approx([0.0], abs=1e-17)


@pytest.mark.parametrize("method", METHODS)
def test_a_straight_curve_stays_straight(method: int) -> None:
    times = np.array([0.1, 0.25, 0.7, 3.3, 9.9, 10.0, 15.0, 40.0])
    weights = discount_curve.interpolation_weights(method, NODES, times)
    assert weights @ (-0.03 * NODES) == pytest.approx(-0.03 * times, rel=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_has_no_jumps(method: int) -> None:
    for time in (0.25, 2.0, 10.0):
        near = at(method, np.array([time - 1e-9, time, time + 1e-9]))
        assert np.diff(near) == pytest.approx([-3e-11] * 2, abs=3e-11)


def test_log_linear_and_linear_zero_by_hand() -> None:
    linear = discount_curve.LOG_LINEAR_DISCOUNT
    assert at(linear, np.array([3.5]))[0] == pytest.approx((-0.05 - 0.14) / 2, rel=1e-15)
    zero = discount_curve.LINEAR_ZERO
    due = -3.5 * (0.025 + 0.028) / 2
    assert at(zero, np.array([3.5]))[0] == pytest.approx(due, rel=1e-14)


def test_contradicting_equations_have_no_curve() -> None:
    weights = np.array([[1.0], [1.0]])
    owners = np.array([0, 1])
    equations = discount_curve.Equations(weights, np.ones(2), owners, np.array([-0.9, -0.8]))
    with pytest.raises(discount_curve.CurveError):
        discount_curve.solve(equations, np.zeros(1))
    never = discount_curve.Equations(weights[:1], np.ones(1), owners[:1], np.array([1.0]))
    with pytest.raises(discount_curve.CurveError):
        discount_curve.solve(never, np.zeros(1))


# ---- credit

COUPONS = ((-40, 51, 51), (51, 142, 142), (142, 235, 235), (235, 327, 326))
CURVE_DAYS = np.array([30, 100, 400], dtype=np.int64)
CURVE_LOGS = np.array([-0.001, -0.006, -0.03])


def log_discount(time: float) -> float:
    return float(np.interp(time, [0, *CURVE_DAYS], [0.0, *CURVE_LOGS]))


@pytest.mark.parametrize("hazard", [1e-9, 0.002, 0.09, 2.5])
def test_legs_are_their_integrals(hazard: float) -> None:
    days = np.array(COUPONS, dtype=np.int64).T.copy()
    legs = np.empty(2)
    credit.credit_legs(hazard, days, CURVE_DAYS, CURVE_LOGS, legs)
    protection, premium = twin.credit_legs(hazard, COUPONS, log_discount)
    assert legs[0] == pytest.approx(protection, rel=1e-10)
    assert legs[1] == pytest.approx(premium, rel=1e-10)


def test_a_hazard_rate_gives_its_upfront_back() -> None:
    days = np.array(COUPONS, dtype=np.int64).T.copy()
    legs, outputs = np.empty(2), np.empty(3)
    for hazard in (1e-6, 0.01, 0.7):
        credit.credit_legs(hazard, days, CURVE_DAYS, CURVE_LOGS, legs)
        upfront = 0.6 * legs[0] - 0.05 * legs[1] + 0.001
        contract = np.array([0.6, 0.05, 0.001, upfront])
        status = credit.hazard_of(contract, days, CURVE_DAYS, CURVE_LOGS, outputs)
        assert status == credit.OK
        assert outputs[0] == pytest.approx(hazard, rel=1e-9)


def test_an_upfront_that_no_hazard_gives_is_told() -> None:
    days = np.array(COUPONS, dtype=np.int64).T.copy()
    for upfront in (0.99, -0.5):
        contract = np.array([0.6, 0.05, 0.0, upfront])
        status = credit.hazard_of(contract, days, CURVE_DAYS, CURVE_LOGS, np.empty(3))
        assert status == credit.NO_HAZARD
