"""The quoted approximations give what their authors printed, and no more than that."""

from __future__ import annotations

import pytest
from tradecaptain.kernels.pricing import american, registry
from tradecaptain.kernels.pricing.american import Accuracy
from tradecaptain.kernels.pricing.american_approximations import (
    barone_adesi_whaley,
    bjerksund_stensland,
    ju_zhong,
    quadratic_plus,
)
from tradecaptain.kernels.pricing.contract import Contract, contract_block

METHODS = (barone_adesi_whaley, bjerksund_stensland, ju_zhong, quadratic_plus)


def contract(right: float, *numbers: float) -> Contract:
    spot, strike, time, volatility, rate, dividend_yield = numbers
    return Contract(right, spot, strike, time, volatility, rate, dividend_yield, is_american=True)


def test_the_authors_examples() -> None:
    haug = contract(1.0, 42.0, 40.0, 0.75, 0.35, 0.04, 0.08)
    assert bjerksund_stensland(haug) == pytest.approx(5.2704, abs=5e-5)
    put = contract(-1.0, 36.0, 40.0, 1.0, 0.2, 0.06, 0.0)
    assert bjerksund_stensland(put) == pytest.approx(4.4531, abs=5e-5)
    whaley = contract(1.0, 100.0, 100.0, 0.5, 0.25, 0.1, 0.1)
    assert barone_adesi_whaley(whaley) == pytest.approx(6.8015, abs=3e-4)
    # Ju and Zhong, exhibit 3: short-dated puts.
    for spot, time, due in ((40.0, 0.0833, 0.851), (40.0, 0.5833, 1.984), (45.0, 0.3333, 0.0)):
        strike = 40.0 if due else 45.0
        found = ju_zhong(contract(-1.0, spot if due else 40.0, strike, time, 0.2, 0.0488, 0.0))
        assert found == pytest.approx(due or 5.084, abs=1e-3)
    # The QD+ value of a standard put, ten years long, as QuantLib's tests have it.
    long_put = contract(-1.0, 100.0, 120.0, 10.0, 0.25, 0.10, 0.03)
    assert quadratic_plus(long_put) == pytest.approx(22.97383256003585, abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("right", [1.0, -1.0])
def test_they_are_near_the_exact_value(method: object, right: float) -> None:
    assert callable(method)
    for rate, dividend_yield in ((0.05, 0.02), (0.02, 0.07), (0.04, 0.04), (0.0, 0.03)):
        for spot in (85.0, 100.0, 115.0):
            some = contract(right, spot, 100.0, 0.75, 0.25, rate, dividend_yield)
            exact = american.price(contract_block(some), Accuracy.ACCURATE).values[0, 0]
            assert method(some) == pytest.approx(exact, abs=0.12)


@pytest.mark.parametrize("method", METHODS)
def test_without_early_exercise_they_are_european(method: object) -> None:
    assert callable(method)
    for some in (
        contract(1.0, 100.0, 95.0, 1.0, 0.3, 0.05, 0.0),
        contract(-1.0, 100.0, 105.0, 1.0, 0.3, -0.01, 0.02),
    ):
        due = registry.evaluate("black_scholes", contract_block(some), 1).outputs[0, 0]
        assert method(some) == pytest.approx(due, abs=1e-10)


def test_what_they_were_not_made_for_is_refused() -> None:
    for method in METHODS[:3]:
        with pytest.raises(ValueError, match="two exercise boundaries"):
            method(contract(-1.0, 100.0, 100.0, 1.0, 0.2, -0.01, -0.03))
        with pytest.raises(ValueError, match="volatility must lie"):
            method(contract(-1.0, 100.0, 100.0, 1.0, -0.2, 0.01, 0.03))
        with pytest.raises(ValueError, match="some time and volatility"):
            method(contract(-1.0, 100.0, 100.0, 0.0, 0.2, 0.01, 0.03))
