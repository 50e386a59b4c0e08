"""Published values of exotic options, in the schema of the files that are judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tradecaptain.cli.verify import options
from tradecaptain.cli.verify.option_families import asian
from tradecaptain.kernels.pricing import monte_carlo
from tradecaptain.kernels.pricing.contract import Contract

FILE = Path(__file__).with_name("published_options.json")
FAMILIES: dict[str, dict[str, Any]] = json.loads(FILE.read_text())
GREEKS = ("delta", "gamma", "vega", "theta", "delta1", "delta2", "gamma1", "gamma2", "rho_greek")


def judge(folder: Path, family: str, *cases: dict[str, Any]) -> Any:
    path = folder / "cases.json"
    path.write_text(json.dumps({family: {**FAMILIES[family], "cases": cases}}))
    return options.judge([path])


def tolerance(family: str, case: dict[str, Any]) -> float:
    return float(case.get("tol", FAMILIES[family]["tolerance"]))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_published_value_is_met(family: str, tmp_path: Path) -> None:
    cases = FAMILIES[family]["cases"]
    result = judge(tmp_path, family, *cases)
    assert list(result.failures) == []
    errata = 13 if family == "asian_discrete_arithmetic_price" else 0
    assert sum(result.not_applicable.values()) == errata
    assert result.passed == len(cases) - errata


LEVY = "asian_discrete_arithmetic_price"


def levys_entries() -> list[dict[str, Any]]:
    """The entries of the table that nothing is graded by."""
    entries = FAMILIES[LEVY]["cases"]
    return [case for case in entries if (case["first"], case["fixings"]) in asian.SIMULATED]


def test_entries_of_levys_table_that_are_not_graded_are_wrong_and_nothing_else_passes_for_one(
    tmp_path: Path,
) -> None:
    """Simulated here to a twentieth of the tolerance: the exact grid is right, the table isn't."""
    family = FAMILIES[LEVY]
    printed = levys_entries()
    assert len(printed) == len(asian.SIMULATED)
    for case in printed[:8]:
        times = case["first"] + np.linspace(0.0, case["length"], case["fixings"])
        contract = Contract(
            *(-1.0, case["spot"], case["strike"], float(times[-1])),
            *(case["vol"], case["r"], case["q"]),
            is_american=False,
        )
        found = monte_carlo.arithmetic_asian(contract, times, monte_carlo.Plan(points=4096))
        error = found.standard_error
        assert error < family["tolerance"] / 20
        assert abs(found.value - case["value"]) > 20 * error
        value, exact = asian.SIMULATED[case["first"], case["fixings"]]
        assert value == case["value"]
        assert abs(found.value - exact) < 5 * error
        assert judge(tmp_path, LEVY, {**case, "value": found.value, "tol": 5 * error}).passed == 1
        # Another value of the same option is graded, and so is another option.
        assert judge(tmp_path, LEVY, {**case, "value": found.value + 0.003}).failed_count == 1
        assert judge(tmp_path, LEVY, {**case, "strike": case["strike"] + 1.0}).failed_count == 1


def test_no_answer_has_a_say_in_which_of_levys_entries_are_graded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is the printed value is as little graded by it as the exact one."""
    for case in levys_entries():
        exact = asian.SIMULATED[case["first"], case["fixings"]][1]
        for answer, failed in ((exact, 0), (case["value"], 1), (exact + 0.003, 1)):
            with monkeypatch.context() as patch:
                patch.setattr(asian, "value", lambda *_, answer=answer: answer)
                result = judge(tmp_path, LEVY, case)
            assert (result.passed, result.failed_count) == (0, failed)
        # A file that tolerates the table's error is graded by it.
        assert judge(tmp_path, LEVY, {**case, "tol": 0.02}).passed == 1


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_changed_value_fails(family: str, tmp_path: Path) -> None:
    case = dict(FAMILIES[family]["cases"][0])
    case["value"] += 3 * tolerance(family, case)
    result = judge(tmp_path, family, case)
    assert (result.passed, result.failed_count) == (0, 1)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_each_missing_or_mistyped_field_is_named_or_not_needed(family: str, tmp_path: Path) -> None:
    for case in FAMILIES[family]["cases"][:2]:
        for name in case:
            without = {key: value for key, value in case.items() if key != name}
            for changed in (without, {**case, name: {}}):
                result = judge(tmp_path, family, changed)
                assert len(result.failures) + sum(result.not_applicable.values()) <= 1
                for failure in result.failures:
                    assert failure.why.startswith("malformed case: field ")
                    assert name in failure.why


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_field_that_nobody_knows_makes_the_case_not_applicable(
    family: str, tmp_path: Path
) -> None:
    case = {**FAMILIES[family]["cases"][0], "jump_intensity": 0.1}
    result = judge(tmp_path, family, case)
    assert (result.passed, result.failed_count) == (0, 0)
    assert [*result.not_applicable] == [f"{family}: fields without a meaning here: jump_intensity"]


@pytest.mark.parametrize("family", ["compound", "margrabe_european"])
def test_a_changed_greek_fails_and_is_named(family: str, tmp_path: Path) -> None:
    case = FAMILIES[family]["cases"][0]
    for name in GREEKS:
        if name not in case:
            continue
        result = judge(tmp_path, family, {**case, name: case[name] + 3 * case["tol"]})
        assert result.passed == 0
        assert result.failures[0].why.startswith(f"{name}:")


def test_early_exercise_of_two_barriers_is_not_applicable(tmp_path: Path) -> None:
    case = {**FAMILIES["double_barrier_haug"]["cases"][0], "exercise": "american"}
    result = judge(tmp_path, "double_barrier_haug", case)
    assert (result.passed, result.failed_count) == (0, 0)


@pytest.mark.parametrize(
    ("family", "field", "spelling"),
    [
        ("double_binary_haug", "barrier_type", {"KIKO": "kiko", "KOKI": "k_o_k_i"}),
        ("double_binary_haug", "barrier_type", {"KIKO": "KnockInKnockOut"}),
        ("double_barrier_haug", "barrier_type", {"knock_out": "KnockOut", "knock_in": "in"}),
        ("two_asset_min_max_spread", "basket_type", {"MinBasket": "min", "SpreadBasket": "Spread"}),
        ("asian_turnbull_wakeman", "slope", {"flat": 0.0, "up": 0.005, "down": "decreasing"}),
        ("asian_geometric", "style", {"discrete_average_price": "average price"}),
    ],
)
def test_other_spellings_mean_the_same(
    family: str, field: str, spelling: dict[str, Any], tmp_path: Path
) -> None:
    cases = [case for case in FAMILIES[family]["cases"] if case[field] in spelling]
    assert cases
    result = judge(tmp_path, family, *({**case, field: spelling[case[field]]} for case in cases))
    assert (result.passed, list(result.failures)) == (len(cases), [])


def test_expiries_of_a_chooser_may_be_counted_as_quantlib_counts_them(tmp_path: Path) -> None:
    (case,) = (case for case in FAMILIES["chooser"]["cases"] if case["kind"] == "complex")
    choice = case["choose_t"]
    later = {**case, "call_t": case["call_t"] + choice, "put_t": case["put_t"] + choice}
    assert judge(tmp_path, "chooser", later).passed == 1
    assert judge(tmp_path, "chooser", {**later, "value": case["value"] + 0.001}).passed == 0


def test_values_outside_a_domain_fail_with_the_rule(tmp_path: Path) -> None:
    case = {**FAMILIES["two_asset_min_max_spread"]["cases"][0], "rho": 1.5}
    result = judge(tmp_path, "two_asset_min_max_spread", case)
    assert result.failures[0].why == "refused: correlation: correlation must lie from -1 to 1"


@pytest.mark.parametrize(
    ("moment", "amount"), [("t", "amount"), ("time_years", "cash"), ("years", "dividend")]
)
def test_dividends_may_be_named(moment: str, amount: str, tmp_path: Path) -> None:
    case = dict(FAMILIES["european_discrete_dividends"]["cases"][0])
    case["dividends"] = [{amount: cash, moment: time} for time, cash in case["dividends"]]
    assert judge(tmp_path, "european_discrete_dividends", case).passed == 1


@pytest.mark.parametrize(
    "dividends", [{"t": 0.2}, [0.5], [[0.2]], [["0.2", 0.5]], [{"t": 0.2}], [[0.2, True]]]
)
def test_dividends_of_another_shape_are_malformed(dividends: Any, tmp_path: Path) -> None:
    case = {**FAMILIES["european_discrete_dividends"]["cases"][0], "dividends": dividends}
    result = judge(tmp_path, "european_discrete_dividends", case)
    assert result.failures[0].why.startswith("malformed case: field dividends")
