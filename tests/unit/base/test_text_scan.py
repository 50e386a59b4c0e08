"""Text taken a word or a cache line at a time: equal to looking at each character."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.base.text_scan import (
    digits_problem,
    digits_value,
    fraction_digits,
    integer_digits,
    matching_bytes,
)

pytestmark = pytest.mark.twin

DIGITS = st.text("0123456789", max_size=8)
# Neighbours of the digits, and bytes whose sums carry into the next one.
STRANGE = [0x00, 0x2F, 0x3A, 0x7F, 0x80, 0xB0, 0xBA, 0xFF]


@kernel(types.int64(types.int64, types.int64))
def matches(address: int, byte: int) -> int:
    """Compiled form of the function under test."""
    return matching_bytes(address, byte)


@kernel(types.int64(types.int64, types.int64, types.int64[::1]))
def number(address: int, count: int, problems: Any) -> int:
    """Value of an integer; whether it is one goes to ``problems``."""
    packed = integer_digits(address, count)
    problems[0] = digits_problem(packed)
    return digits_value(packed)


@kernel(types.int64(types.int64, types.int64, types.int64[::1]))
def fraction(address: int, count: int, problems: Any) -> int:
    """Value of a fraction in units of 1e-8; whether it is one goes to ``problems``."""
    packed = fraction_digits(address, count)
    problems[0] = digits_problem(packed)
    return digits_value(packed)


def placed(text: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(text, dtype=np.uint8).copy()


@given(text=st.binary(min_size=64, max_size=64), byte=st.integers(0, 255))
@example(b"," * 64, 44)
@example(b"\x00" * 63 + b"\n", 10)
def test_every_place_of_a_byte_is_found(text: bytes, byte: int) -> None:
    data = placed(text)
    bits = int(matches(data.ctypes.data, byte)) & (2**64 - 1)
    assert [place for place in range(64) if bits >> place & 1] == [
        place for place, found in enumerate(text) if found == byte
    ]


@given(text=DIGITS, behind=st.binary(min_size=8, max_size=8))
@example("99999999", b"99999999")
@example("", b"12345678")
def test_digits_become_their_number(text: str, behind: bytes) -> None:
    data = placed(text.encode() + behind)
    problems = np.ones(1, np.int64)
    assert int(number(data.ctypes.data, len(text), problems)) == int(text or "0")
    assert problems[0] == 0
    problems[0] = 1
    assert int(fraction(data.ctypes.data, len(text), problems)) == int(text.ljust(8, "0"))
    assert problems[0] == 0


@given(
    text=st.text("0123456789", min_size=1, max_size=8),
    place=st.integers(0, 7),
    byte=st.one_of(
        st.sampled_from(STRANGE), st.integers(0, 255).filter(lambda byte: not 48 <= byte <= 57)
    ),
)
@example("99999999", 0, 0xFF)
@example("0", 0, 0xBA)
def test_what_is_no_digit_shows(text: str, place: int, byte: int) -> None:
    spoiled = bytearray(text.encode())
    spoiled[place % len(text)] = byte
    data = placed(bytes(spoiled) + b"00000000")
    for parse in (number, fraction):
        problems = np.zeros(1, np.int64)
        parse(data.ctypes.data, len(text), problems)
        assert problems[0] != 0
