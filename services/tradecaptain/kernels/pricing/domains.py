"""Which options of a block an exotic family can price: one check, driven by a table of rules.

A rule is a kind, the row that it judges, another row or a number that it needs, and the status of
an option that breaks it. The first broken rule of an option is its status.

Domain: prices 1e-50 to 1e50, times up to 1,000 years, volatilities 1e-4 to 100, rates within 100;
the bounds are our own, so that no formula of a family overflows or loses its stated error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
from tradecaptain.base.jit import inline, kernel
from tradecaptain.kernels.pricing.columns import (
    BLOCK_TYPE,
    RATE,
    RIGHT,
    SPOT,
    STATUS_TYPE,
    STRIKE,
    TIME,
    VOLATILITY,
    YIELD,
)
from tradecaptain.kernels.pricing.status import (
    INVALID_RATE,
    INVALID_RIGHT,
    INVALID_SPOT,
    INVALID_STRIKE,
    INVALID_TIME,
    INVALID_VOLATILITY,
    INVALID_YIELD,
    OK,
)
from tradecaptain.kernels.pricing.validity import (
    BARRIER_TIME_MIN,
    BARRIER_VOLATILITY_MIN,
    PRICE_MAX,
    TIME_MAX,
    VOLATILITY_MAX,
    is_positive_price,
    is_rate,
)

IS_RIGHT: Final = 0
IS_PRICE: Final = 1
IS_TIME_LEFT: Final = 2  # some time at least
IS_TIME: Final = 3  # zero or more
IS_VOLATILITY: Final = 4
IS_RATE: Final = 5  # over the time in the other row
IS_AMOUNT: Final = 6
IS_CORRELATION: Final = 7
IS_NOT_ABOVE: Final = 8  # the other row
IS_BELOW: Final = 9  # the other row
IS_CHOICE: Final = 10  # a whole number from 0 up to, not including, the other number
IS_COUNT: Final = 11  # a whole number from 0 up to the other number
IS_MODERATE: Final = 12  # volatility times the root of the time in the other row is at most 8

IS_CALM: Final = 13  # the same, at most 3

DEVIATION_MAX: Final = 8.0
CALM_DEVIATION_MAX: Final = 3.0

Rule = tuple[int, int, int, int]
RULES_TYPE = numba.int64[:, ::1]

RIGHT_RULE: Final[Rule] = (IS_RIGHT, RIGHT, 0, INVALID_RIGHT)
MARKET_RULES: Final[tuple[Rule, ...]] = (
    (IS_PRICE, SPOT, 0, INVALID_SPOT),
    (IS_TIME_LEFT, TIME, 0, INVALID_TIME),
    (IS_VOLATILITY, VOLATILITY, 0, INVALID_VOLATILITY),
    (IS_MODERATE, VOLATILITY, TIME, INVALID_VOLATILITY),
    (IS_RATE, RATE, TIME, INVALID_RATE),
    (IS_RATE, YIELD, TIME, INVALID_YIELD),
)
OPTION_RULES: Final[tuple[Rule, ...]] = (
    RIGHT_RULE,
    (IS_PRICE, STRIKE, 0, INVALID_STRIKE),
    *MARKET_RULES,
)


@inline
def _is_whole_number(value: float, high: int) -> bool:
    return 0.0 <= value <= high and value == math.floor(value)


@inline
def _holds(kind: int, value: float, other: float, number: int) -> bool:
    """Whether a value keeps a rule; false for NaN."""
    if kind == IS_RIGHT:
        return value == 1.0 or value == -1.0
    if kind == IS_PRICE:
        return is_positive_price(value)
    if kind == IS_TIME_LEFT:
        return BARRIER_TIME_MIN <= value <= TIME_MAX
    if kind == IS_TIME:
        return 0.0 <= value <= TIME_MAX
    if kind == IS_VOLATILITY:
        return BARRIER_VOLATILITY_MIN <= value <= VOLATILITY_MAX
    if kind == IS_RATE:
        return is_rate(value, other)
    if kind == IS_AMOUNT:
        return abs(value) <= PRICE_MAX
    if kind == IS_CORRELATION:
        return -1.0 <= value <= 1.0
    if kind == IS_NOT_ABOVE:
        return value <= other
    if kind == IS_BELOW:
        return value < other
    if kind == IS_CHOICE:
        return _is_whole_number(value, number - 1)
    if kind == IS_COUNT:
        return _is_whole_number(value, number)
    limit = CALM_DEVIATION_MAX if kind == IS_CALM else DEVIATION_MAX
    return value * value * other <= limit * limit


@kernel(numba.int64(RULES_TYPE, BLOCK_TYPE, STATUS_TYPE))
def check_rules(rules: Any, inputs: Any, status: Any) -> int:
    """Fill ``status``; returns how many options must not be priced.

    ``rules`` is (rules, 4) int64, ``inputs`` a block, ``status`` int64 of one element an option. An
    option that breaks several rules has the status of the first.
    """
    invalid_count = 0
    for index in range(inputs.shape[1]):
        result = OK
        for rule in range(rules.shape[0]):
            number = rules[rule, 2]
            other = inputs[number, index] if number < inputs.shape[0] else 0.0
            if not _holds(rules[rule, 0], inputs[rules[rule, 1], index], other, number):
                result = rules[rule, 3]
                break
        status[index] = result
        if result != OK:
            invalid_count += 1
    return invalid_count


def checker(*rules: Rule) -> Callable[[Any, Any], int]:
    """The check of a family as ``registry`` wants it: ``check(inputs, status)``.

    The result raises nothing; it gives how many options must not be priced.
    """
    table = np.array(rules, dtype=np.int64)

    def check(inputs: Any, status: Any) -> int:
        return int(check_rules(table, inputs, status))

    return check
