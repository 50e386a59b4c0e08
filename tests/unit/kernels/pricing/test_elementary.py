"""The elementary functions against 50-digit arithmetic, compiled and as plain Python."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import numba
import numpy as np
import pytest
from tradecaptain.kernels.pricing import elementary

pytestmark = pytest.mark.twin


@numba.njit
def exponential(power: float) -> float:
    return elementary.exponential(power)


@numba.njit
def log_ratio(numerator: float, denominator: float) -> float:
    return elementary.log_ratio(numerator, denominator)


@numba.njit
def mills_ratio(distance: float) -> float:
    return elementary.mills_ratio(distance)


@numba.njit
def normal_distribution(deviate: float) -> float:
    return elementary.normal_distribution(deviate)


@numba.njit
def normal_density(deviate: float) -> float:
    return elementary.normal_density(deviate)


def exact_mills_ratio(distance: mpmath.mpf) -> mpmath.mpf:
    return mpmath.erfc(distance / mpmath.sqrt(2)) / 2 * mpmath.exp(distance**2 / 2)


def worst_relative_error(
    function: Callable[..., float], exact: Callable[..., mpmath.mpf], points: np.ndarray
) -> float:
    worst = 0.0
    with mpmath.workdps(50):
        for point in points.tolist():
            due = exact(*map(mpmath.mpf, point))
            worst = max(worst, float(abs(function(*point) - due) / abs(due)))
    return worst


RANDOM = np.random.default_rng(20260101)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-30.0, 30.0), (-707.9, 708.9)])
def test_exponential(low: float, high: float) -> None:
    points = RANDOM.uniform(low, high, (500, 1))
    assert worst_relative_error(exponential, mpmath.exp, points) < 2.3e-16


def test_exponential_is_clamped_and_exact_at_zero() -> None:
    assert exponential(0.0) == 1.0
    assert exponential(-1e300) == exponential(-708.0) > 0.0
    assert exponential(1e300) == exponential(709.0)


@pytest.mark.parametrize(
    ("numerators", "denominators"),
    [
        (RANDOM.uniform(50, 150, 500), RANDOM.uniform(50, 150, 500)),
        (10.0 ** RANDOM.uniform(-50, 50, 500), 10.0 ** RANDOM.uniform(-50, 50, 500)),
        (100.0 + RANDOM.uniform(-1e-9, 1e-9, 500), np.full(500, 100.0)),
    ],
)
def test_log_ratio(numerators: np.ndarray, denominators: np.ndarray) -> None:
    points = np.column_stack([numerators, denominators])
    points = points[points[:, 0] != points[:, 1]]
    assert worst_relative_error(log_ratio, lambda a, b: mpmath.log(a / b), points) < 4e-16


def test_log_ratio_of_equals_is_zero() -> None:
    assert log_ratio(123.456, 123.456) == 0.0
    assert log_ratio(1e-50, 1e-50) == 0.0


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 8.0), (8.0, 38.0)])
def test_mills_ratio(low: float, high: float) -> None:
    points = RANDOM.uniform(low, high, (400, 1))
    assert worst_relative_error(mills_ratio, exact_mills_ratio, points) < 1e-15


def test_normal_distribution_is_accurate_in_its_tail() -> None:
    points = RANDOM.uniform(-37.0, 8.0, (500, 1))
    assert worst_relative_error(normal_distribution, mpmath.ncdf, points) < 1.2e-15


def test_normal_density() -> None:
    points = RANDOM.uniform(-37.0, 37.0, (500, 1))
    assert worst_relative_error(normal_density, mpmath.npdf, points) < 6e-16


def test_tails_end_in_zero() -> None:
    assert normal_distribution(-40.0) == 0.0
    assert normal_distribution(40.0) == 1.0
    assert normal_density(-1e300) == 0.0


def test_plain_python_gives_the_same_bits() -> None:
    for number in RANDOM.uniform(-20, 20, 100).tolist():
        assert elementary.exponential(number) == exponential(number)
        assert elementary.normal_distribution(number) == normal_distribution(number)
    for first, second in RANDOM.uniform(1, 1000, (100, 2)).tolist():
        assert elementary.log_ratio(first, second) == log_ratio(first, second)
