"""Published matching cases, and that the judge fails a case whose expectation is wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from support.truth import truth_path
from tradecaptain.cli.verify.matching import judge

STEPS = {
    "setups": {
        "book": [
            {
                "op": "new",
                "id": 1,
                "side": "sell",
                "type": "limit",
                "tif": "GTC",
                "qty": 5,
                "price": 10,
                "owner": "A",
            }
        ]
    },
    "cases": [
        {
            "id": "take",
            "setup": "book",
            "steps": [
                {
                    "op": "new",
                    "id": 2,
                    "side": "buy",
                    "type": "limit",
                    "tif": "IOC",
                    "qty": 7,
                    "price": 10.5,
                    "owner": "B",
                }
            ],
            "expect": {
                "trades": [{"maker": 1, "taker": 2, "price": 10, "qty": 5}],
                "bids": [],
                "asks": [],
                "expired": [[2, 2]],
                "fills": {"1": 5, "2": 5},
                "traded_qty": 5,
                "trade_sizes": [5],
                "resting": {},
            },
        }
    ],
}


def judged(tmp_path: Path, document: Any) -> Any:
    path = tmp_path / "cases.json"
    path.write_text(json.dumps(document))
    return judge([path])


@pytest.mark.parametrize(
    ("name", "passed", "not_applicable"),
    [("matching_vectors.json", 33, 7), ("cointossx_vectors.json", 28, 0)],
)
def test_published_cases_pass(name: str, passed: int, not_applicable: int) -> None:
    result = judge([truth_path(f"matching/{name}")])
    assert list(result.failures) == []
    assert result.passed == passed
    assert sum(result.not_applicable.values()) == not_applicable


@pytest.mark.parametrize(
    ("name", "count"), [("venue_rules.json", 25), ("johannesburg_rules.json", 9)]
)
def test_cases_written_from_published_rules_pass(name: str, count: int) -> None:
    result = judge([Path(__file__).parent / name])
    assert list(result.failures) == []
    assert (result.passed, sum(result.not_applicable.values())) == (count, 0)


def changed(value: Any) -> Any:
    """The same shape with another number or name in it."""
    if isinstance(value, bool) or value is None:
        return 1
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return [*value, value[-1] if value else 1]
    return {"999": 1, **value}


RULES = json.loads((Path(__file__).parent / "venue_rules.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("case", "key"),
    [
        (case, key)
        for case in RULES["cases"]
        for key in case["expect"]
        if key not in ("algorithm", "resting", "aggressing", "initial_last_price")
    ],
    ids=lambda value: value["id"] if isinstance(value, dict) else value,
)
def test_every_expectation_is_read(tmp_path: Path, case: dict[str, Any], key: str) -> None:
    wrong = copy.deepcopy(case)
    wrong["expect"][key] = changed(wrong["expect"][key])
    result = judged(tmp_path, {"cases": [wrong]})
    assert (result.passed, result.failed_count) == (0, 1)


def test_right_case_passes(tmp_path: Path) -> None:
    result = judged(tmp_path, STEPS)
    assert (result.passed, result.failed_count) == (1, 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trades", []),
        ("trades", [{"maker": 1, "taker": 2, "price": 10, "qty": 4}]),
        ("bids", [[10, 1]]),
        ("expired", []),
        ("fills", {"1": 5, "2": 4}),
        ("traded_qty", 6),
        ("trade_sizes", [4, 1]),
        ("resting", {"2": 2}),
        ("rejected", [0]),
    ],
)
def test_wrong_expectation_fails(tmp_path: Path, key: str, value: Any) -> None:
    document = copy.deepcopy(STEPS)
    document["cases"][0]["expect"][key] = value  # type: ignore[index]
    result = judged(tmp_path, document)
    assert (result.passed, result.failed_count) == (0, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"note": "policy case: something"},
        {"phase": 1},
        {"steps": [], "expect": {"resting": {"a": 1}, "aggressing": 1}},
    ],
)
def test_what_is_not_offered_never_passes(tmp_path: Path, change: dict[str, Any]) -> None:
    document = copy.deepcopy(STEPS)
    document["cases"][0] |= change  # type: ignore[index]
    result = judged(tmp_path, document)
    assert (result.passed, result.failed_count) == (0, 0)
    assert sum(result.not_applicable.values()) == 1


@pytest.mark.parametrize(
    "step", [{"type": "pegged"}, {"tif": "GFA"}, {"budget": 5}, {"stp": "xx"}, {"op": "halt"}]
)
def test_step_that_is_not_offered_never_passes(tmp_path: Path, step: dict[str, Any]) -> None:
    document = copy.deepcopy(STEPS)
    document["cases"][0]["steps"][0] |= step  # type: ignore[index]
    result = judged(tmp_path, document)
    assert (result.passed, result.failed_count) == (0, 0)


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({"type": "iceberg"}, "peak"),
        ({"type": "stop"}, "stop"),
        ({"type": "limit", "price": None}, "price"),
        ({"qty": "many"}, "ConversionSyntax"),
        ({"side": 3}, "side"),
    ],
)
def test_malformed_step_fails_with_its_field(
    tmp_path: Path, step: dict[str, Any], field: str
) -> None:
    document = copy.deepcopy(STEPS)
    document["cases"][0]["steps"][0] |= step  # type: ignore[index]
    result = judged(tmp_path, document)
    assert result.passed == 0
    whys = [failure.why for failure in result.failures] + list(result.not_applicable)
    assert any(field in why for why in whys)


def test_malformed_case_fails_by_name(tmp_path: Path) -> None:
    document = copy.deepcopy(STEPS)
    del document["cases"][0]["steps"][0]["qty"]  # type: ignore[index]
    result = judged(tmp_path, document)
    assert [failure.id for failure in result.failures] == ["take"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cases": 3}', "\x00"])
def test_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cases.json"
    path.write_text(text)
    result = judge([path])
    assert (result.passed, result.failed_count) == (0, 1)
    assert str(path) in result.failures[0].id


def test_self_trade_prevention_cancels_the_newest(tmp_path: Path) -> None:
    document = copy.deepcopy(STEPS)
    step = document["cases"][0]["steps"][0]  # type: ignore[index]
    step |= {"owner": "A", "stp": "cn"}
    document["cases"][0]["expect"] = {  # type: ignore[index]
        "trades": [],
        "bids": [],
        "asks": [[10, 5, 1]],
        "cancelled": [[2, 7]],
    }
    assert judged(tmp_path, document).passed == 1
