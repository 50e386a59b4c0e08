"""Points of Sobol's sequence, scrambled from a seed.

A point is a row of 32-bit fractions. Blocks of a power of two are built by doubling: the points
with bit b set are those without it, each exclusive-or a direction number. Scrambling is Owen's,
nested over the bits of each coordinate, by a hash that only carries from high bits to low ones:
every seed gives an equally even set of points and unbiased means.

Sources: Sobol (1967); Joe and Kuo, Constructing Sobol Sequences with Better Two-Dimensional
Projections (2008); Owen, Randomly Permuted (t,m,s)-Nets and (t,s)-Sequences (1995); Laine and
Karras, Stratified Sampling for Stochastic Transparency (2011), for the hash.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint32]

BITS: Final = 32
DIMENSIONS_MAX: Final = 1024
_HASH_FACTORS: Final = (0x6C50B47C, 0xB82F1E52, 0xC7AFE638, 0x8D22F6E6)
_LONG_WORD: Final = (1 << 64) - 1


@lru_cache(maxsize=1)
def _parameters() -> tuple[tuple[int, ...], ...]:
    """Degree, coefficients and initial numbers of dimensions 2 and up."""
    source = resources.files("tradecaptain.base") / "data/joe_kuo_directions.txt"
    lines = source.read_text(encoding="ascii").splitlines()
    return tuple(tuple(map(int, line.split())) for line in lines if not line.startswith("#"))


def _directions_of(degree: int, coefficients: int, initial: tuple[int, ...]) -> list[int]:
    """Direction numbers by the recurrence of the polynomial, the first bit in the highest place."""
    numbers = [value << (BITS - 1 - place) for place, value in enumerate(initial)]
    for place in range(degree, BITS):
        number = numbers[place - degree] ^ (numbers[place - degree] >> degree)
        for back in range(1, degree):
            if (coefficients >> (degree - 1 - back)) & 1:
                number ^= numbers[place - back]
        numbers.append(number)
    return numbers


@lru_cache(maxsize=16)
def direction_numbers(dimensions: int) -> Bits:
    """Direction numbers (32, dimensions); raises ``ValueError`` beyond 1,024 dimensions."""
    if not 1 <= dimensions <= DIMENSIONS_MAX:
        raise ValueError(f"there are 1 to {DIMENSIONS_MAX} dimensions")
    columns = [[1 << (BITS - 1 - place) for place in range(BITS)]]
    columns += [
        _directions_of(degree, coefficients, tuple(initial))
        for degree, coefficients, *initial in _parameters()[: dimensions - 1]
    ]
    return np.ascontiguousarray(np.array(columns, dtype=np.uint32).T)


def sobol_block(dimensions: int, start: int, count: int) -> Bits:
    """Points ``start`` to ``start + count``; count is a power of two that divides start.

    Raises ``ValueError`` otherwise.
    """
    is_block = count >= 1 and not count & (count - 1) and start >= 0 and start % count == 0
    if not is_block or start + count > 1 << BITS:
        raise ValueError("count must be a power of two that divides start")
    directions = direction_numbers(dimensions)
    points: Bits = np.zeros((count, dimensions), dtype=np.uint32)
    for bit in range(BITS):
        if (start >> bit) & 1:
            points[0] ^= directions[bit]
    filled = 1
    for bit in range(count.bit_length() - 1):
        points[filled : 2 * filled] = points[:filled] ^ directions[bit]
        filled *= 2
    return points


def _reverse_bits(words: Bits) -> Bits:
    for shift, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        half = np.uint32(mask)
        words = ((words >> np.uint32(shift)) & half) | ((words & half) << np.uint32(shift))
    return (words >> np.uint32(16)) | (words << np.uint32(16))


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Well-mixed words of numbers (the finaliser of SplitMix64), modulo 2**64."""
    words = numbers + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(words ^ (words >> np.uint64(31)))


def scramble(points: Bits, seed: int, replicate: int = 0) -> Bits:
    """Owen's scrambling of a block; every dimension and every replicate of a seed has its own."""
    base = _mixed(np.array([seed & _LONG_WORD], dtype=np.uint64)) ^ np.uint64(replicate)
    dimensions = np.arange(points.shape[1], dtype=np.uint64) << np.uint64(BITS)
    seeds = _mixed(_mixed(base) ^ dimensions).astype(np.uint32)
    words = _reverse_bits(points) + seeds
    for factor in _HASH_FACTORS:
        words ^= words * np.uint32(factor)
    return _reverse_bits(words)
