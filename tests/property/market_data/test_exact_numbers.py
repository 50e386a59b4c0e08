"""Decimal text to integers: equal to exact arithmetic, or a named refusal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.kernels.market_data.layout import (
    PARSE_INEXACT,
    PARSE_MALFORMED,
    PARSE_OVERFLOW,
)
from tradecaptain.kernels.market_data.text import find_line_end, parse_decimal

pytestmark = pytest.mark.twin


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64[::1]))
def parse(address: int, end: int, decimals: int, result: Any) -> int:
    """Parse a decimal; the value goes to ``result``, the bytes used or the reason come back."""
    value, cursor = parse_decimal(address, end, decimals)
    result[0] = value
    return cursor - address if cursor >= 0 else cursor


@kernel(types.int64(types.int64, types.int64))
def line_length(address: int, end: int) -> int:
    """Bytes before the next line end."""
    return find_line_end(address, end) - address


def parsed(text: bytes, decimals: int) -> tuple[int, int]:
    data = np.frombuffer(text + b"\0", dtype=np.uint8).copy()
    result = np.zeros(1, np.int64)
    start = int(data.ctypes.data)
    return int(parse(start, start + len(text), decimals, result)), int(result[0])


NUMBERS = st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,20})?", fullmatch=True)


@given(text=NUMBERS, decimals=st.integers(0, 12))
@example("9223372036854775807", 0)
@example("-0.000", 2)
@example("1.10", 1)
@example("99999999999999999.9", 1)
def test_a_number_is_exact_or_refused(text: str, decimals: int) -> None:
    outcome, value = parsed(text.encode(), decimals)
    exact = Decimal(text).scaleb(decimals)
    if outcome > 0:
        assert outcome == len(text)
        assert Decimal(value) == exact
    elif outcome == PARSE_INEXACT:
        assert exact != exact.to_integral_value()
    else:
        assert outcome == PARSE_OVERFLOW
        assert abs(exact) >= 10**17 or len(text.lstrip("-").partition(".")[0]) > 18


@given(text=st.binary(max_size=12), decimals=st.integers(0, 8))
def test_other_bytes_are_never_more_than_a_prefix(text: bytes, decimals: int) -> None:
    outcome, _ = parsed(text, decimals)
    assert outcome in (PARSE_MALFORMED, PARSE_OVERFLOW, PARSE_INEXACT) or (
        0 < outcome <= len(text) and text[outcome - 1 : outcome].isdigit()
    )


@given(data=st.binary(max_size=200), at=st.integers(0, 200))
def test_the_next_line_end_is_found(data: bytes, at: int) -> None:
    data = data[:at] + b"\n" + data[at:]
    buffer = np.frombuffer(data, dtype=np.uint8).copy()
    start = int(buffer.ctypes.data)
    assert int(line_length(start, start + len(data))) == data.index(b"\n")
    cut = data[: data.index(b"\n")]
    assert int(line_length(start, start + len(cut))) == len(cut)
