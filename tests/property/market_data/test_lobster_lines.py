"""Both parsers of LOBSTER lines against ``split``: the quick one is right, or it says nothing."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tradecaptain.base.jit import kernel
from tradecaptain.kernels.market_data.layout import FEED_MESSAGE_DTYPE, FEED_MESSAGES
from tradecaptain.kernels.market_data.lobster import (
    LOBSTER_DTYPE,
    LOBSTER_HEADER,
    find_deepest_level,
    line_content_end,
    write_message_line,
)
from tradecaptain.kernels.market_data.lobster_line import (
    LINE_BYTES_MAX,
    UNUSUAL,
    read_deepest_level,
    read_message_line,
)
from twins.market_data.naive_lobster_line import deepest_level_of, message_of

pytestmark = pytest.mark.twin

BEHIND = "\n" + "34200.5,1,2,3,4,1\n" * 4
BEFORE = "1234567,100,1234566,200\n" * 4


@kernel(numba.int64(LOBSTER_HEADER, FEED_MESSAGES, numba.int64, numba.int64))
def quick_message(header: Any, messages: Any, start: int, end: int) -> int:
    """Length of the line that was parsed quickly, or ``UNUSUAL``."""
    line_end = read_message_line(header, start, end, messages[0])
    return line_end - start if line_end != UNUSUAL else UNUSUAL


@kernel(numba.int64(LOBSTER_HEADER, FEED_MESSAGES, numba.int64, numba.int64))
def slow_message(header: Any, messages: Any, start: int, end: int) -> int:
    """Zero, or why the line can't be parsed."""
    return write_message_line(header, start, line_content_end(start, end), messages[0])


@kernel(numba.int64(numba.int64, numba.int64, numba.int64, numba.int64, numba.int64[::1]))
def quick_level(start: int, end: int, floor: int, limit: int, result: Any) -> int:
    """The last four fields by the quick parser go to ``result``; one or ``UNUSUAL``."""
    result[0], result[1], result[2], result[3], outcome = read_deepest_level(
        start, end, floor, limit
    )
    return outcome


@kernel(numba.int64(numba.int64, numba.int64, numba.int64[::1]))
def slow_level(start: int, end: int, result: Any) -> int:
    """The last four fields by the slow parser go to ``result``; one or a negative reason."""
    result[0], result[1], result[2], result[3], outcome = find_deepest_level(start, end)
    return outcome


def found(message: Any) -> tuple[int, ...]:
    direction = 1 if message["side"] == 1 else -1
    names = ("event_time_ns", "message_type", "reference_id", "quantity_units", "price_units")
    return (*(int(message[name]) for name in names), direction)


def parsed_messages(line: str, behind: str = BEHIND) -> tuple[Any, Any]:
    """What the quick and the slow parser make of a line; none for what they don't take."""
    data = np.frombuffer((line + behind).encode("latin-1"), dtype=np.uint8).copy()
    start = int(data.ctypes.data)
    header = np.zeros(1, LOBSTER_DTYPE)
    quick, slow = np.zeros(1, FEED_MESSAGE_DTYPE), np.zeros(1, FEED_MESSAGE_DTYPE)
    length = int(quick_message(header, quick, start, start + len(data)))
    problem = int(slow_message(header, slow, start, start + len(line)))
    assert length in (UNUSUAL, len(line))
    return (
        found(quick[0]) if length != UNUSUAL else None,
        found(slow[0]) if problem == 0 else None,
    )


def digits(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=least, max_size=most)


USUAL = st.tuples(
    st.tuples(digits(1, 8), digits(1, 12)).map(".".join),
    st.sampled_from("1234567"),
    digits(1, 10),
    digits(1, 6),
    digits(1, 7),
    st.sampled_from(["1", "-1", "1\r", "-1\r"]),
).map(",".join)


@given(line=USUAL)
@example("34200.017459617,5,0,1,2238200,-1")
@example("0.1,1,1,1,1,1")
@example("99999999.999999999999,7,9999999999,999999,9999999,-1\r")
def test_a_usual_message_is_parsed_quickly(line: str) -> None:
    quick, slow = parsed_messages(line)
    assert slow == message_of(line)
    assert quick == (slow if len(line) <= LINE_BYTES_MAX else None)


CHARACTERS = st.one_of(st.sampled_from("0123456789,.-\r \t:/"), st.characters(max_codepoint=255))


@given(line=USUAL, place=st.floats(0, 0.999), other=CHARACTERS, kind=st.integers(0, 2))
@example("34200.5,1,11885113,21,2238100,1", 0.2, ",", 0)
@example("34200.5,1,11885113,21,2238100,1", 0.99, "0", 1)
def test_a_spoiled_message_is_right_or_refused(
    line: str, place: float, other: str, kind: int
) -> None:
    at = int(place * len(line))
    middle = (other, other + line[at], "")[kind]
    spoiled = line[:at] + middle + line[at + 1 :]
    if "\n" in spoiled or spoiled in ("", "\r"):
        return
    quick, slow = parsed_messages(spoiled)
    assert slow == message_of(spoiled)
    assert quick in (None, slow)


@given(line=USUAL, behind=st.integers(0, 64))
def test_nothing_is_read_beyond_the_text(line: str, behind: int) -> None:
    # Too near the end the quick parser says nothing, whatever may follow in memory.
    quick, _ = parsed_messages(line, ("\n" + "9" * 64)[:behind])
    if len(line) + behind < 64:
        assert quick is None


FIELDS = st.lists(st.one_of(digits(1, 8), digits(9, 12), st.just("-9999999999")), max_size=9)


@given(fields=FIELDS, spoil=st.one_of(st.none(), CHARACTERS), place=st.floats(0, 0.999))
@example(["2239500", "100", "2238100", "21"], None, 0.0)
@example(["1", "2", "3"], None, 0.0)
@example(["1"], None, 0.0)
def test_the_deepest_level_is_right_or_left_to_the_slow_parser(
    fields: list[str], spoil: str | None, place: float
) -> None:
    line = ",".join(fields)
    if spoil is not None:
        at = int(place * (len(line) + 1))
        line = line[:at] + spoil + line[at + 1 :]
    if "\n" in line:
        return
    data = np.frombuffer((BEFORE + line + BEHIND).encode("latin-1"), dtype=np.uint8).copy()
    floor = int(data.ctypes.data)
    start, end = floor + len(BEFORE), floor + len(BEFORE) + len(line.removesuffix("\r"))
    quick, slow = np.zeros(4, np.int64), np.zeros(4, np.int64)
    outcome = int(quick_level(start, end, floor, floor + len(data), quick))
    expected = deepest_level_of(line)
    if int(slow_level(start, end, slow)) > 0 and expected is not None:
        assert tuple(map(int, slow)) == expected
    if outcome != UNUSUAL:
        assert tuple(map(int, quick)) == expected
    elif spoil is None and len(fields) >= 4:
        assert any(len(field) > 8 for field in fields[-4:])
