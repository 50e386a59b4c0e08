"""The shared histogram against one that keeps every value."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.mesh.histogram import (
    HISTOGRAMS_TYPE,
    HistogramTable,
    bucket_of,
    histogram_record,
)
from tradecaptain.mesh.table_readers import bucket_maximum
from twins.mesh.histogram import ExactHistogram

pytestmark = pytest.mark.twin

near_powers = st.builds(
    lambda exponent, delta: max(0, min(2**62, 2**exponent + delta)),
    st.integers(0, 62),
    st.integers(-3, 3),
)
values = st.lists(st.one_of(near_powers, st.integers(0, 100_000)), min_size=1, max_size=200)


@kernel(types.void(HISTOGRAMS_TYPE, types.int64, types.int64[::1]))
def record_all(histograms: np.ndarray, index: int, numbers: np.ndarray) -> None:
    for position in range(numbers.shape[0]):
        histogram_record(histograms, index, numbers[position])


@given(values)
def test_percentiles_are_right_to_one_part_in_64(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int]
) -> None:
    path: Path = tmp_path_factory.mktemp("histogram") / "table"
    exact = ExactHistogram()
    with HistogramTable.create(path, ["first", "second"]) as table:
        record_all(table.state, 1, np.array(numbers, np.int64))
        for number in numbers:
            exact.record(number)
        found = table.snapshot("second")
        assert found.count == len(numbers)
        assert (found.minimum, found.maximum) == (min(numbers), max(numbers))
        if sum(numbers) < 2**63:
            assert found.total == sum(numbers)
        for percent in (0, 1, 50, 90, 99, 99.9, 100):
            wanted = exact.percentile(percent)
            assert wanted <= found.percentile(percent) <= wanted + wanted // 64
        assert table.snapshot("first").count == 0


@given(near_powers)
def test_buckets_hold_their_values_and_join_without_gaps(number: int) -> None:
    bucket = bucket_of(number)
    assert bucket_of(bucket_maximum(bucket)) == bucket
    assert bucket_maximum(bucket - 1) < number <= bucket_maximum(bucket) if bucket else number == 0
    assert bucket_of(bucket_maximum(bucket) + 1) == bucket + 1
