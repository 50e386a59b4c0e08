"""Options on stocks that pay cash: against trees, QuantLib, parity, and the closed forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import QuantLib as ql  # noqa: N813
from tradecaptain.kernels.pricing import american, registry, status
from tradecaptain.kernels.pricing.american import Accuracy
from tradecaptain.kernels.pricing.american_dividends import (
    CashDividend,
    DividendModel,
    price,
    vega_and_rho,
)
from tradecaptain.kernels.pricing.contract import Contract, contract_block
from twins.pricing import american as twin

DIVIDENDS = (CashDividend(73 / 365, 3.0), CashDividend(292 / 365, 4.0))
PUT = Contract(-1.0, 100.0, 102.0, 1.0, 0.3, 0.06, 0.0, is_american=True)


def quantlib_value(
    contract: Contract, dividends: Sequence[CashDividend], model: DividendModel
) -> float:
    """QuantLib's finite differences with the same model of dividends."""
    today = ql.Date(1, 1, 2025)
    ql.Settings.instance().evaluationDate = today
    day_count = ql.Actual365Fixed()
    rates = [
        ql.YieldTermStructureHandle(ql.FlatForward(today, level, day_count))
        for level in (contract.dividend_yield, contract.interest_rate)
    ]
    volatility = ql.BlackConstantVol(today, ql.NullCalendar(), contract.volatility, day_count)
    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(contract.spot)),
        *rates,
        ql.BlackVolTermStructureHandle(volatility),
    )
    expiry = today + round(contract.time_years * 365)
    kind = ql.Option.Call if contract.right > 0 else ql.Option.Put
    exercise = (
        ql.AmericanExercise(today, expiry) if contract.is_american else ql.EuropeanExercise(expiry)
    )
    option = ql.VanillaOption(ql.PlainVanillaPayoff(kind, contract.strike), exercise)
    schedule = ql.DividendVector(
        [today + round(item.time_years * 365) for item in dividends],
        [item.amount for item in dividends],
    )
    names = {
        DividendModel.SPOT: ql.FdBlackScholesVanillaEngine.Spot,
        DividendModel.ESCROWED: ql.FdBlackScholesVanillaEngine.Escrowed,
    }
    option.setPricingEngine(
        ql.FdBlackScholesVanillaEngine(
            process,
            schedule,
            600,
            600,
            0,
            ql.FdmSchemeDesc.Douglas(),
            False,
            -ql.nullDouble(),
            names[model],
        )
    )
    return float(option.NPV())


@pytest.mark.parametrize("model", list(DividendModel))
@pytest.mark.parametrize("is_american", [True, False])
@pytest.mark.parametrize("right", [1.0, -1.0])
def test_values_agree_with_quantlib(right: float, is_american: bool, model: DividendModel) -> None:
    contract = replace(PUT, right=right, is_american=is_american)
    found = price(contract, DIVIDENDS, model)
    assert found.status == status.OK
    assert found.value == pytest.approx(quantlib_value(contract, DIVIDENDS, model), abs=2e-3)


@pytest.mark.parametrize(
    "contract",
    [
        replace(PUT, strike=100.0, dividend_yield=0.02),
        replace(PUT, right=1.0, interest_rate=0.02, dividend_yield=0.06, volatility=0.2),
        replace(PUT, interest_rate=-0.01, dividend_yield=-0.05, volatility=0.15, time_years=2.0),
        replace(PUT, time_years=0.05, spot=101.0),
    ],
)
def test_grids_without_dividends_converge_to_the_boundary_method_within_their_error(
    contract: Contract,
) -> None:
    due = float(american.price(contract_block(contract), Accuracy.ACCURATE).values[0, 0])
    errors = []
    for nodes in (201, 401, 801):
        found = price(contract, (), nodes=nodes)
        assert abs(found.value - due) <= found.error + 1e-6
        errors.append(found.error)
    assert errors[2] < 0.2 * errors[0]
    assert price(contract, (), nodes=801).value == pytest.approx(due, abs=2e-5)


def test_european_values_keep_parity_with_the_dividends() -> None:
    call = price(replace(PUT, right=1.0, is_american=False), DIVIDENDS)
    put = price(replace(PUT, is_american=False), DIVIDENDS)
    paid = sum(item.amount * math.exp(-0.06 * item.time_years) for item in DIVIDENDS)
    assert call.value - put.value == pytest.approx(100 - paid - 102 * math.exp(-0.06), abs=2e-5)


def test_an_american_option_is_worth_more_than_a_european_one_and_than_exercise() -> None:
    for right in (1.0, -1.0):
        for model in DividendModel:
            for spot in (80.0, 100.0, 125.0):
                contract = replace(PUT, right=right, spot=spot)
                found = price(contract, DIVIDENDS, model)
                european = price(replace(contract, is_american=False), DIVIDENDS, model)
                assert found.value >= european.value - 1e-4
                assert found.value >= right * (spot - 102.0)


def test_a_call_is_exercised_just_before_its_dividend() -> None:
    """Deep in the money, one large dividend: intrinsic value the day before, discounted."""
    contract = replace(PUT, right=1.0, spot=150.0, strike=50.0, volatility=0.1)
    due = 150.0 - 50.0 * math.exp(-0.06 * 0.5)
    found = price(contract, (CashDividend(0.5, 20.0),))
    assert found.value == pytest.approx(due, abs=1e-3)
    assert price(contract, (CashDividend(0.0, 20.0),)).value == 100.0


def test_a_call_that_a_dividend_makes_worthless_is_worth_nothing() -> None:
    european = replace(PUT, right=1.0, is_american=False)
    assert price(european, (CashDividend(0.5, 500.0),)).value == 0.0


def test_a_dividend_today_lowers_the_spot_and_one_at_expiry_raises_the_strike() -> None:
    european = replace(PUT, right=1.0, is_american=False)
    for model in DividendModel:
        today = price(european, (CashDividend(0.0, 10.0),), model).value
        lower = registry.evaluate("black_scholes", contract_block(replace(european, spot=90.0)), 1)
        assert today == pytest.approx(float(lower.outputs[0, 0]), abs=1e-4)
    late = price(european, (CashDividend(1.0, 10.0),)).value
    higher = registry.evaluate("black_scholes", contract_block(replace(european, strike=112.0)), 1)
    assert late == pytest.approx(float(higher.outputs[0, 0]), abs=1e-3)


def test_a_dividend_above_the_spot_leaves_a_put_its_strike() -> None:
    found = price(replace(PUT, spot=10.0, is_american=False), (CashDividend(0.5, 50.0),))
    assert found.value == pytest.approx(102 * math.exp(-0.06), rel=1e-6)


def test_greeks_are_the_derivatives_of_the_value() -> None:
    for model in DividendModel:
        found = price(PUT, DIVIDENDS, model)

        def moved(model: DividendModel = model, **changes: float) -> float:
            return price(replace(PUT, **changes), DIVIDENDS, model).value

        high, low = moved(spot=101.0), moved(spot=99.0)
        assert found.delta == pytest.approx((high - low) / 2, abs=2e-4)
        assert found.gamma == pytest.approx(high + low - 2 * found.value, rel=5e-3)
        day = 1e-3
        later = tuple(CashDividend(item.time_years - day, item.amount) for item in DIVIDENDS)
        passed = price(replace(PUT, time_years=1.0 - day), later, model).value
        assert found.theta == pytest.approx((passed - found.value) / day, rel=2e-2)
        vega, rho = vega_and_rho(PUT, DIVIDENDS, model)
        assert vega == pytest.approx(
            (moved(volatility=0.31) - moved(volatility=0.29)) / 0.02, rel=1e-3
        )
        assert rho == pytest.approx(
            (moved(interest_rate=0.062) - moved(interest_rate=0.058)) / 0.004, rel=1e-2
        )


@pytest.mark.twin
def test_a_small_grid_is_near_the_tree() -> None:
    case = (-1.0, 100.0, 102.0, 1.0, 0.3, 0.06, 0.0)
    found = price(PUT, (), nodes=41)
    assert found.value == pytest.approx(twin.tree_value(*case, steps=400), abs=0.05)


@pytest.mark.parametrize(
    ("dividends", "changes", "due"),
    [
        ((CashDividend(0.5, -1.0),), {}, status.INVALID_DIVIDEND),
        ((CashDividend(1.5, 1.0),), {}, status.INVALID_DIVIDEND),
        ((CashDividend(0.5, 1.0), CashDividend(0.4, 1.0)), {}, status.INVALID_DIVIDEND),
        ((CashDividend(math.nan, 1.0),), {}, status.INVALID_DIVIDEND),
        ((), {"spot": -1.0}, status.INVALID_SPOT),
        ((), {"volatility": 0.0}, status.INVALID_VOLATILITY),
        ((), {"right": 0.0}, status.INVALID_RIGHT),
    ],
)
def test_inputs_outside_the_domain_have_a_status(
    dividends: Sequence[CashDividend], changes: dict[str, float], due: int
) -> None:
    found = price(replace(PUT, **changes), dividends)
    assert found.status == due
    assert math.isnan(found.value)
    escrowed = price(replace(PUT, **changes), (CashDividend(0.5, 200.0),), DividendModel.ESCROWED)
    assert escrowed.status != status.OK
