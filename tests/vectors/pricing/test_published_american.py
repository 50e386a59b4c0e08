"""American families that other files have: each is judged, and a changed answer fails."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest
from tradecaptain.cli.verify import options

FAMILIES: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("published_american.json").read_text()
)
RANDOM = Path(__file__).with_name("published_american_random.json.xz")
MODEL = {"vol": 0.25, "q": 0.05}
PUT = {"type": "put", "spot": 100.0, "strike": 100.0, **MODEL}
BARRIER = {
    "barrier_type": "up_out", "barrier": 105.0, "rebate": 0.0, "type": "call",
    "exercise": "american", "strike": 100.0, "spot": 100.0, "q": 0.04, "r": 0.08, "t": 0.5,
    "vol": 0.25, "value": 3.3993, "tol": 0.011, "true_value": 3.92159, "true_tol": 0.002,
}  # fmt: skip
JU = {
    "type": "put", "spot": 40.0, "strike": 40.0, "q": 0.0, "r": 0.0488, "t": 0.5833, "vol": 0.2,
    "value": 1.984, "t_effective": 0.5833, "true_value": 1.9904,
}  # fmt: skip
BAW = {
    "type": "put", "spot": 110.0, "strike": 100.0, "q": 0.1, "r": 0.1, "t": 0.5, "vol": 0.25,
    "value": 3.3226, "t_effective": 0.5, "true_value": 3.29842205,
}  # fmt: skip
STENSLAND = {
    "type": "call", "spot": 42.0, "strike": 40.0, "q": 0.08, "r": 0.04, "t": 0.75, "vol": 0.35,
    "value": 5.2704, "t_effective": 0.75, "true_value": 5.309057766,
}  # fmt: skip
# Family: a case, and what each of its answers may be off by before it must fail.
CASES: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "american_grid": (
        {**PUT, "r": 0.05, "days": 365, "t": 1.0, "value": 9.569445, "fd_cross_check": 9.5694},
        {"value": 2e-3},
    ),
    "american_andersen_lake": (
        {"l": 65, "m": 8, "n": 32, "r": 0.05, "premium_fp_a": 0.1069527028247546,
         "premium_fp_b": 0.1069526779971959, "tol": 1e-11},
        {"premium_fp_a": 2e-11, "premium_fp_b": 2e-11},
    ),
    "american_high_precision_edges": (
        {**PUT, "r": 0.05, "maturity_days": 365, "value": 9.56944530, "tol": 1e-7},
        {"value": 1e-6},
    ),
    "american_ju_approx_and_true": (JU, {"value": 2e-3, "true_value": 2e-4}),
    "american_baw": (BAW, {"value": 6e-3, "true_value": 2e-4}),
    "american_bjerksund_stensland": (STENSLAND, {"value": 2e-4, "true_value": 2e-4}),
    "barrier_american": (BARRIER, {"true_value": 5e-3}),
}  # fmt: skip


def judge(folder: Path, family: str, case: dict[str, Any]) -> options.VerifyResult:
    path = folder / "american.json"
    path.write_text(json.dumps({family: {"cases": [case]}}))
    return options.judge([path])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_published_value_is_met(family: str, tmp_path: Path) -> None:
    path = tmp_path / "american.json"
    path.write_text(json.dumps({family: FAMILIES[family]}))
    result = options.judge([path])
    assert list(result.failures) == []
    # QuantLib takes an option at the very moment of its expiry for gone.
    gone = 1 if family == "american_high_precision_edges" else 0
    assert sum(result.not_applicable.values()) == gone
    assert result.passed == len(FAMILIES[family]["cases"]) - gone


@pytest.mark.full
def test_random_options_have_the_values_of_finite_differences(tmp_path: Path) -> None:
    path = tmp_path / "random.json"
    path.write_bytes(lzma.decompress(RANDOM.read_bytes()))
    result = options.judge([path])
    assert (result.passed, list(result.failures), result.not_applicable) == (482, [], {})


@pytest.mark.parametrize("family", list(CASES))
def test_a_case_passes_and_fails_when_an_answer_is_changed(family: str, tmp_path: Path) -> None:
    case, answers = CASES[family]
    result = judge(tmp_path, family, case)
    assert (result.passed, list(result.failures)) == (1, [])
    for name, change in answers.items():
        for sign in (1, -1):
            changed = judge(tmp_path, family, {**case, name: case[name] + sign * change})
            assert (changed.passed, changed.failed_count) == (0, 1), name


def test_edges_are_exact_or_those_of_the_source_and_say_so(tmp_path: Path) -> None:
    family = "american_high_precision_edges"
    case = {"type": "put", "spot": 100.0, "strike": 120.0, "maturity_days": 3650, "vol": 0.25,
            "r": 0.10, "q": 0.03, "tol": 1e-8}  # fmt: skip
    assert judge(tmp_path, family, {**case, "value": 22.97383256003585}).passed == 1
    assert judge(tmp_path, family, {**case, "value": 23.00030538, "tol": 1e-6}).passed == 1
    assert judge(tmp_path, family, {**case, "value": 22.99}).failed_count == 1
    relative = {**case, "value": 22.95, "tol": -1}
    assert judge(tmp_path, family, relative).passed == 1
    assert judge(tmp_path, family, {**relative, "value": 22.5}).failed_count == 1
    gone = judge(tmp_path, family, {**case, "maturity_days": 0, "value": 0.0})
    assert "taken for gone" in next(iter(gone.not_applicable))
    # Another option's approximation is not its value.
    other = {**case, "strike": 119.0}
    assert judge(tmp_path, family, {**other, "value": 22.6060, "tol": 1e-3}).passed == 0
    refused = judge(tmp_path, family, {**case, "vol": -0.25, "value": 1.0})
    assert "volatility must lie" in refused.failures[0].why
