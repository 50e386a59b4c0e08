"""Words as bits: what compiled code does is what Python does, at the edges as well."""

from __future__ import annotations

import itertools

import pytest
from numba import types
from tradecaptain.base import bits
from tradecaptain.base.jit import kernel

SMALLEST, LARGEST = -(2**63), 2**63 - 1
WORDS = [SMALLEST, SMALLEST + 1, -(1 << 40) - 1, -2, -1, 0, 1, 2, 5 << 20, (1 << 40) + 7, LARGEST]
PAIRS = list(itertools.product(WORDS, WORDS))
_I64 = types.int64


@kernel(_I64(_I64, _I64))
def rotated_right(word: int, places: int) -> int:
    return bits.rotated_right(word, places)


@kernel(types.boolean(_I64, _I64))
def is_below(word: int, limit: int) -> bool:
    return bits.is_below(word, limit)


@kernel(types.boolean(_I64, _I64))
def fit_together(one: int, other: int) -> bool:
    return bits.fit_together(one, other)


@pytest.mark.parametrize("places", [1, 20, 40, 63])
def test_bits_that_leave_a_word_below_come_in_above(places: int) -> None:
    for word in WORDS:
        text = format(word % 2**64, "064b")
        expected = int(text[-places:] + text[:-places], 2)
        for rotate in (bits.rotated_right, rotated_right):
            assert rotate(word, places) % 2**64 == expected
            assert SMALLEST <= rotate(word, places) <= LARGEST


def test_a_word_is_below_a_limit_if_it_lies_between_zero_and_that() -> None:
    for word, limit in PAIRS:
        if limit >= 0:
            expected = 0 <= word < limit
            assert bits.is_below(word, limit) == is_below(word, limit) == expected


def test_words_fit_together_if_their_sum_is_one() -> None:
    for one, other in PAIRS:
        expected = SMALLEST <= one + other <= LARGEST
        assert bits.fit_together(one, other) == fit_together(one, other) == expected
