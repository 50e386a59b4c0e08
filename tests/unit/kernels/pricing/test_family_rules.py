"""Refusals: the rule that is told is one that the input breaks, in every family."""

from __future__ import annotations

import math
import re

import pytest
from tradecaptain.kernels.pricing import registry, status
from tradecaptain.kernels.pricing.family_rules import rule_of

# A good option of each family, by the names of its inputs.
GOOD = {
    "right": 1.0,
    "spot": 100.0,
    "forward": 100.0,
    "strike": 100.0,
    "time_years": 1.0,
    "volatility": 0.2,
    "interest_rate": 0.05,
    "dividend_yield": 0.02,
    "amount": 0.0,
    "barrier": 80.0,
    "high_barrier": 130.0,
    "barrier_kind": 1.0,
    "kind": 0.0,
    "monitoring_count": 0.0,
    "extreme": 100.0,
    "earlier_time_years": 0.5,
    "later_time_years": 2.0,
    "fixing_count": 10.0,
    "fraction": 1.0,
    "is_average_strike": 0.0,
    "volatility_slope": 0.0,
    "average": 100.0,
    "elapsed_years": 0.0,
    "other_spot": 90.0,
    "other_volatility": 0.3,
    "other_yield": 0.01,
    "other_rate": 0.01,
    "correlation": 0.5,
    "quantity": 1.0,
    "other_quantity": 1.0,
    "other_right": 1.0,
    "other_strike": 100.0,
    "exchange_rate": 1.0,
}
TIMES = [0.0, 1e-10, 1e-9, 0.4, 0.5, 1.0, 1.9, 2.1, 500.0, 1000.0, 1001.0]
VOLATILITIES = [0.0, 1e-5, 1e-4, 1.0, 2.9, 3.1, 7.9, 8.1, 99.0, 101.0, 1e50, 1e51]
PRICES = [-1.0, 0.0, 1e-51, 1e-50, 1.0, 1e50, 1e51]
NUMBER = r"(-?[\d.]+(?:e-?\d+)?)"


def keeps(rule: str, value: float, time: float) -> bool:
    """Whether a number keeps a rule as it is worded."""
    if (found := re.search(rf"from {NUMBER} to {NUMBER}", rule)) is not None:
        low, high = map(float, found.groups())
        kept = low <= value <= high or ("be 0 or" in rule and value == 0.0)
    else:
        found = re.search(rf"lie within {NUMBER}", rule)
        assert found is not None, rule
        kept = abs(value) <= float(found[1])
    if (found := re.search(rf"root of (?:every )?time within {NUMBER}", rule)) is not None:
        kept = kept and value * math.sqrt(time) <= float(found[1])
    return kept


LIMITS = (
    ("time_years", TIMES, status.INVALID_TIME),
    ("volatility", VOLATILITIES, status.INVALID_VOLATILITY),
    ("spot", PRICES, status.INVALID_SPOT),
    ("strike", PRICES, status.INVALID_STRIKE),
    ("elapsed_years", TIMES, status.INVALID_EARLIER_TIME),
    ("volatility_slope", [-1.1, -1.0, 1.0, 1.1], status.INVALID_FRACTION),
)


@pytest.mark.parametrize("family", registry.FAMILIES)
def test_the_rule_that_is_told_is_the_one_that_is_broken(family: str) -> None:
    names = registry.FAMILIES[family].inputs
    longest = "later_time_years" if "later_time_years" in names else "time_years"
    for name, values, number in LIMITS:
        row = "forward" if name == "spot" and "forward" in names else name
        if row not in names:
            continue
        block = registry.stack(*(values if item == row else GOOD[item] for item in names))
        found = registry.evaluate(family, block, 1).status
        told, rule = rule_of(family, number)
        assert told == name
        # A strike that isn't used may be anything.
        is_used = name != "strike" or number in found
        for value, result in zip(values, found.tolist(), strict=True):
            if result == number:
                assert not keeps(rule, value, GOOD[longest]), (value, rule)
            elif is_used and result in (status.OK, status.GREEKS_UNDEFINED):
                assert keeps(rule, value, GOOD[longest]), (value, rule)


def test_an_order_of_times_or_barriers_is_told() -> None:
    assert "less than" in rule_of("chooser", status.INVALID_EARLIER_TIME)[1]
    assert "above" in rule_of("double_barrier", status.INVALID_HIGH_BARRIER)[1]
    assert "not lie below" in rule_of("soft_barrier", status.INVALID_HIGH_BARRIER)[1]
    assert "1e-3" in rule_of("american_barrier", status.INVALID_VOLATILITY)[1]
