"""Binance captures, whole and mutated: the kernels and the twin count the same."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.binance_day import BinanceDay
from tradecaptain.collector.verification.session import verify_files
from twins.market_data.naive_binance import check_capture

pytestmark = pytest.mark.twin


def verify(day: BinanceDay, lines: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        return verify_files([day.write(Path(folder) / "day.gz", lines)])


@given(seed=st.integers(0, 2**32), updates=st.integers(1, 80), futures=st.booleans())
def test_a_right_capture_is_consistent(seed: int, updates: int, futures: bool) -> None:
    day = BinanceDay(seed, updates, futures=futures)
    outcome = verify(day, day.lines)
    assert outcome.failed == 0
    assert outcome.passed == day.compared == check_capture("\n".join(day.lines))[0]


@given(
    seed=st.integers(0, 2**32),
    futures=st.booleans(),
    place=st.floats(0, 0.999),
    kind=st.sampled_from(["drop", "digit"]),
    digit=st.integers(0, 9),
    nth=st.integers(0, 30),
)
def test_a_mutated_capture_counts_as_in_the_twin(
    seed: int, futures: bool, place: float, kind: str, digit: int, nth: int
) -> None:
    day = BinanceDay(seed, 40, futures=futures)
    lines = list(day.lines)
    row = int(place * len(lines))
    if kind == "drop":
        del lines[row]
    else:
        # One digit of one decimal text: a price or a quantity.
        numbers = list(re.finditer(r'"\d+\.\d{8}"', lines[row]))
        if not numbers:
            return
        found = numbers[nth % len(numbers)]
        at = found.start() + 1 + nth % (len(found[0]) - 11)
        lines[row] = f"{lines[row][:at]}{digit}{lines[row][at + 1 :]}"
    outcome = verify(day, lines)
    checked, failed = check_capture("\n".join(lines))
    assert (outcome.passed + outcome.failed, outcome.failed) == (checked, failed)
