"""Every published option value that this version can compute."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import QuantLib
from support.truth import truth_path
from tradecaptain.cli.verify import options
from tradecaptain.cli.verify.option_families import american
from tradecaptain.kernels.pricing import registry

FILE = "pricing/option_pricing_vectors.json"
# Families that other files have.
ELSEWHERE = {
    "black76_values",
    "european_greeks_grid",
    "implied_vol_no_solution",
    # Judged one by one in a test of their own.
    *american.FAMILIES,
    *json.loads((Path(__file__).parent / "published_options.json").read_text()),
}
GIVEN = sorted(options.JUDGES.keys() - ELSEWHERE)


def test_all_given_cases_of_our_families_pass() -> None:
    path = truth_path(FILE)
    families = json.loads(path.read_text())
    result = options.judge([path])
    assert list(result.failures) == []
    assert result.passed == sum(len(family["cases"]) for family in families.values())
    assert not result.not_applicable


@pytest.mark.parametrize("family", GIVEN)
def test_a_changed_answer_fails(family: str, tmp_path: Path) -> None:
    families = json.loads(truth_path(FILE).read_text())
    case = families[family]["cases"][0]
    answer = "value" if "value" in case else "sigma"
    case[answer] += 3 * case.get("tol", 1e-6 * case[answer])
    path = tmp_path / "changed.json"
    path.write_text(json.dumps({family: {"cases": [case]}}))
    result = options.judge([path])
    assert (result.passed, result.failed_count) == (0, 1)
    assert result.failures[0].id == f"{family}[0]"


GRID = {
    "type": "call", "spot": 42.0, "strike": 40.0, "q": 0.0, "r": 0.1, "t": 0.5, "vol": 0.2,
    "price": 4.759422392871533, "delta": 0.779131290942669, "gamma": 0.04996267040591185,
    "vega": 8.813415059602852, "theta": -4.559092194592627, "rho": 13.982045913360281,
    "dividend_rho": -16.36175710979605,
}  # fmt: skip


@pytest.mark.parametrize("name", [None, "price", "delta", "vega", "rho", "dividend_rho"])
def test_a_grid_of_greeks_is_judged_to_nine_digits(name: str | None, tmp_path: Path) -> None:
    case = dict(GRID)
    if name is not None:
        case[name] *= 1 + 2e-9
    path = tmp_path / "grid.json"
    path.write_text(json.dumps({"european_greeks_grid": {"cases": [case]}}))
    result = options.judge([path])
    assert result.is_good == (name is None)
    assert name is None or result.failures[0].why.startswith(f"{name}:")


def test_other_families_of_the_schema(tmp_path: Path) -> None:
    cases = {
        "black76_values": [
            {"type": "call", "strike": 100.0, "forward": 100.0, "std_dev": 0.2, "discount": 0.5,
             "tol": 1e-12, "value": 50.0 * 0.0796556745540579}
        ],
        "implied_vol_no_solution": [
            {"type": "call", "forward": 100.0, "strike": 90.0, "t": 1.0,
             "undiscounted_price": 9.9, "why": "below intrinsic"},
            {"type": "call", "forward": 100.0, "strike": 90.0, "t": 1.0,
             "undiscounted_price": 100.0, "why": "at the maximum"},
            {"type": "call", "forward": 100.0, "strike": 90.0, "t": 1.0,
             "undiscounted_price": 15.0, "why": "this one has a volatility"},
        ],
        "cliquet": [{"value": 1.0}],
    }  # fmt: skip
    path = tmp_path / "more.json"
    path.write_text(json.dumps({name: {"cases": rows} for name, rows in cases.items()}))
    result = options.judge([path])
    assert result.passed == 3
    assert [failure.id for failure in result.failures] == ["implied_vol_no_solution[2]"]
    assert result.not_applicable == {"family cliquet isn't priced": 1}


EVALUATION = QuantLib.Date(1, 6, 2022)
ACT_365 = QuantLib.Actual365Fixed()


def quantlib_option(case: dict[str, Any], *, is_american: bool) -> QuantLib.VanillaOption:
    """The case's option with QuantLib's analytic, or its most accurate American engine."""
    QuantLib.Settings.instance().evaluationDate = EVALUATION
    end = EVALUATION + case["days"]
    curves = [
        QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(EVALUATION, case[name], ACT_365))
        for name in ("q", "r")
    ]
    volatility = QuantLib.BlackConstantVol(
        EVALUATION, QuantLib.NullCalendar(), case["vol"], ACT_365
    )
    process = QuantLib.BlackScholesMertonProcess(
        QuantLib.QuoteHandle(QuantLib.SimpleQuote(case["spot"])),
        *curves,
        QuantLib.BlackVolTermStructureHandle(volatility),
    )
    right = QuantLib.Option.Call if case["type"] == "call" else QuantLib.Option.Put
    payoff = QuantLib.PlainVanillaPayoff(right, case["strike"])
    if is_american:
        option = QuantLib.VanillaOption(payoff, QuantLib.AmericanExercise(EVALUATION, end))
        scheme = QuantLib.QdFpAmericanEngine.highPrecisionScheme()
        option.setPricingEngine(QuantLib.QdFpAmericanEngine(process, scheme))
    else:
        option = QuantLib.VanillaOption(payoff, QuantLib.EuropeanExercise(end))
        option.setPricingEngine(QuantLib.AnalyticEuropeanEngine(process))
    return option


def grid_cases() -> list[dict[str, Any]]:
    axes = product(
        ("call", "put"), (80.0, 100.0, 125.0), (0.0, 0.03), (0.01, 0.06), (30, 730), (0.1, 0.4)
    )
    names = ("type", "spot", "q", "r", "days", "vol")
    return [
        {**dict(zip(names, place, strict=True)), "strike": 100.0, "t": place[4] / 365.0}
        for place in axes
    ]


def test_grids_of_quantlibs_values_and_greeks_pass(tmp_path: Path) -> None:
    american, greeks = [], []
    for case in grid_cases():
        value = quantlib_option(case, is_american=True).NPV()
        american.append({**case, "value": value, "fd_cross_check": value})
        option = quantlib_option(case, is_american=False)
        answers = {
            "price": option.NPV(), "delta": option.delta(), "gamma": option.gamma(),
            "vega": option.vega(), "theta": option.theta(), "rho": option.rho(),
            "dividend_rho": option.dividendRho(),
        }  # fmt: skip
        greeks.append({**case, **answers})
    path = tmp_path / "grids.json"
    families = {
        "american_grid": {"tolerance": 1e-5, "cases": american},
        "european_greeks_grid": {"cases": greeks},
    }
    path.write_text(json.dumps(families))
    result = options.judge([path])
    assert (list(result.failures), result.not_applicable) == ([], {})
    assert result.passed == len(american) + len(greeks)


@pytest.mark.parametrize(
    ("price", "change"),
    [
        (9.9, {}),
        (10.0, {}),
        (100.0, {}),
        (1e6, {}),
        (-1.0, {}),
        (0.0, {"strike": 110.0}),
        (12.0, {"t": 0.0}),
        (90.0, {"type": "put"}),
        (-0.1, {"type": "put"}),
    ],
)
def test_prices_without_a_volatility_are_told_apart(
    price: float, change: dict[str, Any], tmp_path: Path
) -> None:
    case = {"type": "call", "forward": 100.0, "strike": 90.0, "t": 1.0, "why": "none"}
    path = tmp_path / "none.json"
    case = {**case, "undiscounted_price": price, **change}
    path.write_text(json.dumps({"implied_vol_no_solution": {"cases": [case]}}))
    assert options.judge([path]).passed == 1


def test_dividends_beside_a_yield_may_be_discounted_at_the_rate_or_at_the_carry(
    tmp_path: Path,
) -> None:
    case = {"type": "call", "spot": 100.0, "strike": 95.0, "r": 0.05, "q": 0.02, "vol": 0.3,
            "t": 1.0, "dividends": [[0.5, 4.0]], "tol": 1e-9}  # fmt: skip
    values = []
    for growth in (0.05, 0.03):
        spot = 100.0 - 4.0 * math.exp(-growth * 0.5)
        block = registry.stack(1.0, spot, 95.0, 1.0, 0.3, 0.05, 0.02)
        values.append(float(registry.evaluate("black_scholes", block, 1).outputs[0, 0]))
    cases = [{**case, "value": value} for value in (*values, sum(values) / 2)]
    path = tmp_path / "dividends.json"
    path.write_text(json.dumps({"european_discrete_dividends": {"cases": cases}}))
    result = options.judge([path])
    assert (result.passed, result.failed_count) == (2, 1)


def test_every_family_is_judged_by_some_case() -> None:
    """By a given one, by a published one here, or by one that a test of this folder makes."""
    given = json.loads(truth_path(FILE).read_text())
    here = [json.loads(path.read_text()) for path in Path(__file__).parent.glob("*.json")]
    made = {"american_grid", "european_greeks_grid", "black76_values", "implied_vol_no_solution"}
    assert options.JUDGES.keys() <= set(given).union(*here, made)


@pytest.mark.parametrize(
    ("text", "name", "why"),
    [
        ("not json", "", "REASON_UNRECOGNISED_FILE"),
        ("[]", "", "REASON_UNRECOGNISED_FILE"),
        ('{"european_haug": 1}', "", "REASON_UNRECOGNISED_FILE"),
        ('{"european_haug": {"cases": [1]}}', "", "REASON_UNRECOGNISED_FILE"),
        (
            '{"european_haug": {"cases": [{"type": "call"}]}}',
            "european_haug[0]",
            "malformed case: field spot is missing",
        ),
        (
            '{"european_haug": {"cases": [{"type": "call", "spot": "1"}]}}',
            "european_haug[0]",
            "malformed case: field spot must be a finite number, not '1'",
        ),
    ],
)
def test_a_file_that_is_none_and_a_broken_case_fail_by_themselves(
    text: str, name: str, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    result = options.judge([path])
    assert result.failed_count == 1
    assert result.failures[0].id == (name or str(path))
    assert result.failures[0].why.startswith(why)


def test_cases_that_cannot_be_judged_are_not_applicable(tmp_path: Path) -> None:
    haug = {"strike": 1, "spot": 1, "q": 0, "r": 0, "t": 1, "vol": 0.2, "value": 1}
    cases = [
        {**haug, "type": "straddle", "tol": 1},
        {**haug, "type": "call"},
        {**haug, "type": "call", "tol": 1, "dividends": [0.5]},
    ]
    path = tmp_path / "file.json"
    path.write_text(json.dumps({"european_haug": {"cases": cases}}))
    result = options.judge([path])
    assert (result.passed, result.failed_count) == (0, 0)
    assert list(result.not_applicable) == [
        "european_haug: type 'straddle' is none of call, put",
        "european_haug: neither the case nor its family states a tolerance",
        "european_haug: fields without a meaning here: dividends",
    ]


def test_a_malformed_family_fails_beside_good_ones(tmp_path: Path) -> None:
    good = json.loads(truth_path(FILE).read_text())["european_haug"]
    document = {
        "source": "a book",
        "european_haug": good,
        "american_baw": {"cases": {"0": {}}},
        "american_grid": {"rows": []},
        "compound": [1, 2],
        "weather": {"tolerance": 1},
    }
    path = tmp_path / "file.json"
    path.write_text(json.dumps(document))
    result = options.judge([path])
    assert result.passed == len(good["cases"])
    assert [(failure.id, failure.why) for failure in result.failures] == [
        (name, "malformed family: cases is not a list")
        for name in ("american_baw", "american_grid", "compound")
    ]
    assert dict(result.not_applicable) == {"weather has no cases, and isn't priced": 1}
