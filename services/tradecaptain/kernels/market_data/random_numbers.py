"""Pseudo-random numbers that are equal in compiled code and in plain Python.

The combined generator of L'Ecuyer (1988), whose products stay within 64 bits: compiled signed
arithmetic must not overflow. Its two states of 31 bits share one word, ``random_state``. Good
enough to simulate a market, never to keep a secret.
"""

from __future__ import annotations

import math
from typing import Any

from tradecaptain.base.jit import inline

_FIRST_MODULUS = 2147483563
_SECOND_MODULUS = 2147483399
_STATE_BITS = 31
_STATE_MASK = (1 << _STATE_BITS) - 1


def seeded_state(seed: int, stream: int) -> int:
    """A starting state for one of many streams of a seed."""
    mixed = (seed * 0x9E3779B97F4A7C15 + stream * 0xBF58476D1CE4E5B9) & ((1 << 64) - 1)
    mixed = ((mixed ^ (mixed >> 31)) * 0x94D049BB133111EB) & ((1 << 64) - 1)
    first = 1 + (mixed >> 33) % (_FIRST_MODULUS - 1)
    second = 1 + (mixed & _STATE_MASK) % (_SECOND_MODULUS - 1)
    return (first << _STATE_BITS) | second


@inline
def next_uniform(record: Any) -> float:
    """A number in (0, 1); moves the record's ``random_state``."""
    first = (record["random_state"] >> _STATE_BITS) * 40014 % _FIRST_MODULUS
    second = (record["random_state"] & _STATE_MASK) * 40692 % _SECOND_MODULUS
    record["random_state"] = (first << _STATE_BITS) | second
    difference = first - second
    if difference < 1:
        difference += _FIRST_MODULUS - 1
    return difference / _FIRST_MODULUS


@inline
def next_below(record: Any, bound: int) -> int:
    """An integer from 0 to ``bound`` - 1."""
    return int(next_uniform(record) * bound)


@inline
def next_exponential(record: Any) -> float:
    """An exponentially distributed number of mean 1."""
    return -math.log(1.0 - next_uniform(record))


@inline
def next_symmetric(record: Any) -> float:
    """A bell-shaped number of mean 0 and variance 1: the sum of twelve uniform ones, less six."""
    total = -6.0
    for _ in range(12):
        total += next_uniform(record)
    return total
