"""Every published option value that this version can compute."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.truth import truth_path
from tradecaptain.cli.verify import options
from tradecaptain.cli.verify.option_families import american

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
