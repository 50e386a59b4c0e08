"""Wide comparisons in compiled code against Python's own exact integers."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.kernels import fixed_point

pytestmark = pytest.mark.twin

MAXIMUM, MINIMUM = 2**63 - 1, -(2**63)
near_powers = st.builds(lambda e, d: min(2**e + d, MAXIMUM), st.integers(0, 63), st.integers(-2, 2))
positive = st.one_of(st.integers(0, 20), near_powers.map(abs), st.integers(0, MAXIMUM))
signed = st.one_of(positive, positive.map(lambda value: -value), st.just(MINIMUM))
INTEGER = types.int64


@kernel(INTEGER(INTEGER, INTEGER))
def compiled_add(left: int, right: int) -> int:
    return fixed_point.add_saturating(left, right)


@kernel(INTEGER(INTEGER, INTEGER))
def compiled_subtract(left: int, right: int) -> int:
    return fixed_point.subtract_saturating(left, right)


@kernel(INTEGER(INTEGER, INTEGER, INTEGER, INTEGER, INTEGER))
def compiled_product(first: int, second: int, third: int, left: int, right: int) -> int:
    return 1 if fixed_point.product_exceeds(first, second, third, left, right) else 0


@kernel(INTEGER(*[INTEGER] * 7))
def compiled_product4(a: int, b: int, c: int, d: int, x: int, y: int, z: int) -> int:
    return 1 if fixed_point.product4_exceeds(a, b, c, d, x, y, z) else 0


@kernel(INTEGER(INTEGER, INTEGER, INTEGER, INTEGER))
def compiled_distance(value: int, reference: int, scale: int, limit: int) -> int:
    return 1 if fixed_point.distance_exceeds(value, reference, scale, limit) else 0


@given(signed, signed)
@example(MAXIMUM, 1)
@example(MINIMUM, -1)
@example(0, MINIMUM)
def test_sums_and_differences_stop_at_the_edges(left: int, right: int) -> None:
    assert compiled_add(left, right) == max(MINIMUM, min(MAXIMUM, left + right))
    assert compiled_subtract(left, right) == max(MINIMUM, min(MAXIMUM, left - right))


@given(signed, positive, positive, positive, positive)
@example(MINIMUM, MAXIMUM, MAXIMUM, MAXIMUM, MAXIMUM)
@example(MINIMUM, 2, 1, 2**62, 4)
def test_product_is_compared_exactly(a: int, b: int, c: int, x: int, y: int) -> None:
    assert compiled_product(a, b, c, x, y) == int(abs(a) * b * c > x * y)


@given(signed, positive)
def test_product_is_compared_exactly_at_equality(a: int, b: int) -> None:
    magnitude = min(abs(a), MAXIMUM)
    assert compiled_product(magnitude, b, 3, b, magnitude) == int(magnitude * b > 0)
    assert compiled_product(-magnitude, b, 1, b, magnitude) == 0


@given(signed, positive, positive, positive, positive, positive, positive)
@example(MINIMUM, MAXIMUM, MAXIMUM, MAXIMUM, MAXIMUM, MAXIMUM, MAXIMUM)
@example(MAXIMUM, 7, 3, 1, MAXIMUM, 7, 3)
def test_long_product_is_compared_exactly(
    a: int, b: int, c: int, d: int, x: int, y: int, z: int
) -> None:
    assert compiled_product4(a, b, c, d, x, y, z) == int(abs(a) * b * c * d > x * y * z)


@given(signed, signed, positive, positive)
@example(MINIMUM, MAXIMUM, MAXIMUM, MAXIMUM)
@example(1050, 1000, 10_000, 500)
@example(0, 0, 10_000, 0)
def test_distance_is_compared_exactly(a: int, b: int, scale: int, limit: int) -> None:
    assert compiled_distance(a, b, scale, limit) == int(abs(a - b) * scale > limit * abs(b))
