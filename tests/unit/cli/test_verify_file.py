"""Files of published cases as they come: packed, cut, and with numbers that JSON doesn't have."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.cli.verify import options
from tradecaptain.cli.verify_file import read_object

CASE = {
    "type": "call", "strike": 65.0, "spot": 60.0, "q": 0.0, "r": 0.08, "t": 0.25, "vol": 0.3,
    "value": 2.1334, "tol": 0.0001,
}  # fmt: skip


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_what_a_file_is_packed_with_is_told_by_its_content(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "cases.json"
    path.write_bytes(pack(b'{"a": [1]}'))
    assert read_object(path) == {"a": [1]}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("kept", [0, 7, 40])
def test_a_cut_file_is_refused_by_name(
    pack: Callable[[bytes], bytes], kept: int, tmp_path: Path
) -> None:
    path = tmp_path / "cases.json"
    path.write_bytes(pack(json.dumps({"cases": [*range(100)]}).encode())[:kept])
    with pytest.raises(TradeCaptainError, match=r"cases\.json") as refused:
        read_object(path)
    assert refused.value.name == "REASON_UNRECOGNISED_FILE"


def judge(folder: Path, family: str, *cases: Any) -> Any:
    path = folder / "cases.json"
    path.write_text(json.dumps({family: {"tolerance": "per case", "cases": cases}}))
    return options.judge([path])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, "60", None, [60]])
def test_a_case_with_what_is_no_number_fails_alone(value: Any, tmp_path: Path) -> None:
    result = judge(tmp_path, "european_haug", CASE, {**CASE, "spot": value}, CASE)
    assert (result.passed, result.failed_count) == (2, 1)
    assert result.failures[0].id == "european_haug[1]"
    assert result.failures[0].why.startswith("malformed case: field spot ")


def test_a_case_that_is_no_object_fails_alone(tmp_path: Path) -> None:
    result = judge(tmp_path, "european_haug", CASE, 3, CASE)
    assert (result.passed, result.failed_count) == (2, 1)
    assert result.failures[0].why == "malformed case: not an object"


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 100.0])
def test_whatever_a_price_is_there_may_be_no_volatility(price: float, tmp_path: Path) -> None:
    case = {"type": "call", "forward": 100.0, "strike": 100.0, "t": 1.0, "why": "no such price"}
    result = judge(tmp_path, "implied_vol_no_solution", {**case, "undiscounted_price": price})
    assert result.passed == 1
