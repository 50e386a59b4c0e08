"""LOBSTER sessions, whole and mutated: the kernels and the twin find the same rows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lobster_day import LobsterDay
from tradecaptain.collector.verification.session import verify_files
from twins.market_data.naive_lobster import check_session

pytestmark = pytest.mark.twin

DEPTHS = st.sampled_from([1, 2, 5, 10])


def verify(day: LobsterDay, messages: list[str] | None = None):
    with tempfile.TemporaryDirectory() as folder:
        return verify_files([day.write_zip(Path(folder) / "day.zip", messages)])


def failed_rows(outcome) -> list[int]:
    return [int(identifier.rpartition(":")[2]) for identifier, _ in outcome.failures]


@given(seed=st.integers(0, 2**32), depth=DEPTHS, rows=st.integers(2, 300))
def test_a_right_session_is_consistent_in_every_row(seed: int, depth: int, rows: int) -> None:
    day = LobsterDay(seed, depth, rows)
    outcome = verify(day)
    checked, failed, revealed = check_session("\n".join(day.messages), "\n".join(day.lines))
    assert failed == []
    assert (outcome.rows, outcome.inconsistent_rows, outcome.failed) == (checked, 0, 0)
    assert outcome.revealed_levels == revealed


def mutate(line: str, field: int, delta: int) -> str:
    fields = line.split(",")
    if field == 1:
        fields[1] = str(1 + (int(fields[1]) - 1 + 1 + delta % 4) % 5)
    elif field == 5:
        fields[5] = str(-int(fields[5]))
    else:
        fields[field] = str(abs(int(fields[field]) + delta))
    return ",".join(fields)


@given(
    seed=st.integers(0, 2**32),
    depth=DEPTHS,
    place=st.floats(0, 0.999),
    field=st.sampled_from([1, 2, 3, 4, 5]),
    delta=st.sampled_from([1, 3, 50, 100, -1, -100]),
)
def test_a_mutated_message_fails_in_the_same_rows_as_in_the_twin(
    seed: int, depth: int, place: float, field: int, delta: int
) -> None:
    day = LobsterDay(seed, depth, 120)
    messages = list(day.messages)
    row = 1 + int(place * (len(messages) - 1))
    messages[row] = mutate(messages[row], field, delta)
    outcome = verify(day, messages)
    _, failed, _ = check_session("\n".join(messages), "\n".join(day.lines))
    assert failed_rows(outcome) == failed[:50]
    assert outcome.inconsistent_rows == len(failed)


@given(seed=st.integers(0, 2**32), depth=DEPTHS, place=st.floats(0, 0.999))
def test_a_wrong_price_size_or_side_is_reported_at_its_row(
    seed: int, depth: int, place: float
) -> None:
    day = LobsterDay(seed, depth, 120)
    visible = [
        row for row in range(1, len(day.messages)) if day.messages[row].split(",")[1] in "1234"
    ]
    row = visible[int(place * len(visible))]
    for field, delta in ((3, 1), (4, 100), (5, 0)):
        messages = list(day.messages)
        messages[row] = mutate(messages[row], field, delta)
        rows = failed_rows(verify(day, messages))
        assert rows, messages[row]
        assert rows[0] == row + 1
