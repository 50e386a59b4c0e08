"""What takes the short way, and the unit values that it goes by."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from support.gate_cases import level_of, prepare
from support.gate_driver import GateDriver
from tradecaptain.kernels import risk_gate
from tradecaptain.kernels.risk_gate.rows import find_instrument
from tradecaptain.kernels.risk_gate.valuation import search_unit_value, unit_value_at
from tradecaptain.wire import control
from twins.risk_gate.terms import Order, Verdict

ACCOUNT, INSTRUMENT = 100, 7
UNIT_VALUE_MAX = 1 << 62
INT64_MAX = 2**63 - 1
PRICES = (0, 1, -1, 7, 99_999, -123_456_789, 10**12, 2**53 + 1, 2**62, INT64_MAX, -INT64_MAX)
INSTRUMENTS = {
    "a share": (Fraction(1, 100), Fraction(1), 1),
    "a coin": (Fraction(1, 100), Fraction(1, 10**8), 1),
    "a future in 256ths": (Fraction(1, 256), Fraction(1), 1_000),
    "thirds": (Fraction(1, 3), Fraction(1, 7), 11),
}


@pytest.mark.twin
@pytest.mark.parametrize("name", INSTRUMENTS)
@pytest.mark.parametrize("billionths", [10**9, 1_084_731_905, 1, 6_713_000_001])
def test_unit_values_are_exact_or_held_at_the_largest(name: str, billionths: int) -> None:
    driver = GateDriver()
    numerator, denominator = risk_gate.notional_ratio(*INSTRUMENTS[name])
    driver.add_instrument(INSTRUMENT, numerator, denominator)
    assert driver.set_conversion(INSTRUMENT, billionths) == 0
    row = find_instrument(driver.gate.address, INSTRUMENT)
    one = Fraction(numerator, denominator) * Fraction(billionths, 10**9) * 2**20
    for price in PRICES:
        exact = min(math.ceil(abs(price) * one), UNIT_VALUE_MAX)
        assert unit_value_at(row, price) == exact, price
        assert search_unit_value(row, price) == exact, price


@pytest.mark.twin
def test_a_first_order_and_a_replace_that_grows_take_the_short_way() -> None:
    driver = GateDriver()
    prepare(driver)
    assert driver.set_limit(level_of("account:100"), control.LIMIT_KIND_GROSS_EXPOSURE, 10**17) == 0

    def short_ways() -> int:
        return int(driver.gate.header[0]["passed_fast_count"])

    assert driver.check_new(Order(quantity=10)) == Verdict()
    assert short_ways() == 1
    assert driver.gate.position(ACCOUNT, INSTRUMENT) == (0, 10, 0)
    assert driver.check_replace(Order(quantity=25, price=1_010), 6, 1_000, 4) == Verdict()
    assert short_ways() == 2
    assert driver.gate.position(ACCOUNT, INSTRUMENT) == (0, 25, 0)
    assert driver.gate.open_order_count(ACCOUNT) == 1
    # One that shrinks goes the long way.
    assert driver.check_replace(Order(quantity=20, price=1_010), 25, 1_010, 0) == Verdict()
    assert short_ways() == 2
    assert driver.gate.position(ACCOUNT, INSTRUMENT) == (0, 20, 0)


def test_scenarios_of_an_old_log_come_into_the_unit_of_today() -> None:
    driver = GateDriver()
    driver.add_instrument(INSTRUMENT, 1, 1)
    old = [4_096 * number - 1 for number in range(-8, 8)]
    assert driver.set_scenarios(INSTRUMENT, 5, old, version=5) == 0
    rows = driver.gate.scenario_rows
    (row,) = rows[rows["key"] == INSTRUMENT]
    # What isn't a whole number of units is rounded towards a loss.
    assert row["changes"].tolist() == [number - 1 for number in range(-8, 8)]
