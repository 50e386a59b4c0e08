"""Counters, histograms, last values and errors in shared memory, read by another mapping."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import types
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import store_i64
from tradecaptain.mesh.counters import COUNTERS_TYPE, CounterTable, counter_add
from tradecaptain.mesh.error_log import OTHER_ERRORS, DistinctError, ErrorLog
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.histogram import HistogramTable
from tradecaptain.mesh.last_value_cache import (
    CACHE_TYPE,
    LastValueCache,
    cache_begin,
    cache_end,
)

pytestmark = pytest.mark.twin

PAIR = np.dtype([("number", "<i8"), ("copies", "<i8", 20)])


@kernel(types.void(COUNTERS_TYPE, types.int64, types.int64))
def add_often(counters: Any, index: int, times: int) -> None:
    for _ in range(times):
        counter_add(counters, index, 2)


@kernel(types.int64(CACHE_TYPE, types.int64, types.int64, types.int64))
def write_versions(cache: Any, index: int, first: int, count: int) -> int:
    """Write records whose 21 words are all equal."""
    for version in range(first, first + count):
        address = cache_begin(cache, index)
        if address == 0:
            return 0
        for word in range(21):
            store_i64(address + 8 * word, version)
        cache_end(cache, index)
    return 1


def test_counters_are_added_in_kernels_and_read_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    with CounterTable.create(path, ["first", "second"]) as table:
        add_often(table.state, 1, 500)
        add_often(table.state, 2, 500)
        add_often(table.state, -1, 500)
        table.add("first", 7)
        with CounterTable.open(path) as reader:
            assert reader.values() == {"first": 7, "second": 1000}
            table.set("first", 3)
            assert reader.values()["first"] == 3
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_recreated_table_starts_at_zero_and_leaves_old_readers_alone(tmp_path: Path) -> None:
    path = tmp_path / "counters"
    first = CounterTable.create(path, ["x"])
    first.add("x")
    old = CounterTable.open(path)
    CounterTable.create(path, ["x"])
    assert old.values() == {"x": 1}
    assert CounterTable.open(path).values() == {"x": 0}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("names", [[""], ["ä"], ["x" * 64], ["a", "a"]])
def test_bad_names_are_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(MeshError, match="name"):
        CounterTable.create(tmp_path / "counters", names)


@pytest.mark.parametrize("content", [b"x" * 10, b"\0" * 4096, b"tc-counters" + b"\xff" * 4096])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table"
    path.write_bytes(content)
    with pytest.raises(MeshError, match=str(path)):
        CounterTable.open(path)


def test_a_table_of_another_kind_is_refused(tmp_path: Path) -> None:
    CounterTable.create(tmp_path / "table", ["x"])
    with pytest.raises(MeshError, match="histograms"):
        HistogramTable.open(tmp_path / "table")


def test_a_truncated_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table"
    CounterTable.create(path, ["x", "y"])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MeshError, match="shorter"):
        CounterTable.open(path)


def test_a_histogram_tells_what_came_since(tmp_path: Path) -> None:
    with HistogramTable.create(tmp_path / "h", ["latency_ns"]) as table:
        for value in range(1, 101):
            table.record("latency_ns", value)
        before = table.snapshot("latency_ns")
        assert (before.percentile(50), before.percentile(100), before.mean) == (50, 100, 50.5)
        for _ in range(10):
            table.record("latency_ns", 1000)
        since = table.snapshot("latency_ns").difference(before)
        assert (since.count, since.mean, since.percentile(1)) == (10, 1000.0, 1000)
        assert since.difference(since).percentile(99) == 0
        with pytest.raises(MeshError, match="percent"):
            since.percentile(101)
        with pytest.raises(MeshError, match="nothing named"):
            table.snapshot("other")


def test_a_cache_gives_the_last_value(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    with LastValueCache.create(path, PAIR, 4) as cache, LastValueCache.open(path, PAIR) as reader:
        assert reader.read(2) is None
        write_versions(cache.state, 2, 1, 3)
        found = reader.read(2)
        assert found is not None
        assert found["number"].tolist() == [3]
        assert found["copies"].tolist() == [[3] * 20]
        found["number"] = 9
        cache.write(0, found)
        assert reader.read(0)["number"] == 9
        assert write_versions(cache.state, 4, 1, 1) == 0
        with pytest.raises(MeshError, match="index"):
            reader.read(4)


def test_a_record_left_half_written_is_reported(tmp_path: Path) -> None:
    with LastValueCache.create(tmp_path / "cache", PAIR, 1) as cache:
        cache_begin(cache.state, 0)
        with pytest.raises(MeshError, match="half written"):
            cache.read(0)
        write_versions(cache.state, 0, 5, 1)
        assert cache.read(0)["number"] == 5


def test_a_cache_of_another_layout_is_refused(tmp_path: Path) -> None:
    LastValueCache.create(tmp_path / "cache", PAIR, 1)
    with pytest.raises(MeshError, match="layout"):
        LastValueCache.open(tmp_path / "cache", np.dtype("<i8"))


def test_readers_never_see_a_mixture(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    with LastValueCache.create(path, PAIR, 1) as cache, LastValueCache.open(path, PAIR) as reader:
        write_versions(cache.state, 0, 1, 1)
        writer = threading.Thread(target=write_versions, args=(cache.state, 0, 2, 3_000))
        writer.start()
        seen = set()
        try:
            while writer.is_alive():
                record = reader.read(0)
                assert record is not None
                assert (record["copies"] == record["number"][0]).all()
                seen.add(int(record["number"][0]))
        finally:
            writer.join()
        assert seen <= set(range(1, 3_002))
        assert reader.read(0)["number"] == 3_001


def test_errors_are_kept_once_each_with_count_and_times(tmp_path: Path) -> None:
    path, clock = tmp_path / "errors", ManualClock(1_000)
    with ErrorLog.create(path, capacity=3, clock=clock) as log:
        log.record(-2, "BACK_PRESSURED")
        clock.advance(5)
        log.record(-2, "again")
        log.record(7, "seven")
        log.record(8, "eight finds the table full")
        log.record(9, "nine too")
        with ErrorLog.open(path) as reader:
            entries = reader.entries()
    assert entries[:2] == [
        DistinctError(-2, "BACK_PRESSURED", 2, 1_000, 1_005),
        DistinctError(7, "seven", 1, 1_005, 1_005),
    ]
    assert (entries[2].code, entries[2].count) == (OTHER_ERRORS, 2)
