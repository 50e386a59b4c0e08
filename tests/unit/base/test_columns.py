"""Column blocks: building, viewing without a copy, and refusing hostile bytes."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from tradecaptain.api.columns.v1.CandleColumns import CandleColumns
from tradecaptain.api.columns.v1.schemas import ColumnField
from tradecaptain.base.columns import (
    CANDLE_COLUMNS,
    DEPTH_COLUMNS,
    OPTION_VALUE_COLUMNS,
    build_block,
    schema_of,
    view_block,
)
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire.reason import REASON_MALFORMED_RECORD

SCALARS = {"instrument_id": 11, "price_unit_numerator": 1, "price_unit_denominator": 10_000}


def candle_columns(rows: int) -> dict[str, np.ndarray]:
    names = [field.name for field in CANDLE_COLUMNS.fields if field.is_vector]
    return {
        name: np.arange(rows, dtype=np.int64) * (place + 1) - 7 for place, name in enumerate(names)
    }


def candle_block(rows: int = 5) -> bytes:
    return build_block(CANDLE_COLUMNS, SCALARS, candle_columns(rows))


def addresses(array: np.ndarray) -> tuple[int, int]:
    start = array.__array_interface__["data"][0]
    return start, start + array.nbytes


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 1000])
def test_columns_come_back_as_views_of_the_block(rows: int) -> None:
    data = candle_block(rows)
    block = view_block(CANDLE_COLUMNS, data)
    start, end = addresses(np.frombuffer(data, np.uint8))
    assert block.row_count == rows
    for name, expected in candle_columns(rows).items():
        column = block.columns[name]
        np.testing.assert_array_equal(column, expected)
        assert column.dtype == np.int64
        if rows:
            assert start <= addresses(column)[0]
            assert addresses(column)[1] <= end
            assert addresses(column)[0] % 8 == 0
            assert not column.flags.writeable


def test_scalars_come_back_and_absent_ones_are_zero() -> None:
    block = view_block(CANDLE_COLUMNS, candle_block())
    assert {name: block.scalars[name] for name in SCALARS} == SCALARS
    assert block.scalars["sequence"] == 0


def test_small_elements_keep_their_type() -> None:
    columns = {field.name: np.array([1, 2, 3]) for field in DEPTH_COLUMNS.fields if field.is_vector}
    block = view_block(DEPTH_COLUMNS, build_block(DEPTH_COLUMNS, {"epoch": 2**32 - 1}, columns))
    assert block.columns["side"].dtype == np.uint8
    assert block.columns["side"].tolist() == [1, 2, 3]
    assert block.scalars["epoch"] == 2**32 - 1


def test_the_classes_of_flatc_read_the_same_block() -> None:
    table = CandleColumns.GetRootAs(candle_block(4))
    assert CandleColumns.CandleColumnsBufferHasIdentifier(candle_block(4), 0)
    assert table.InstrumentId() == 11
    assert table.TradeCountLength() == 4
    np.testing.assert_array_equal(table.TradeCountAsNumpy(), candle_columns(4)["trade_count"])


def test_extreme_integers_survive() -> None:
    columns = candle_columns(2) | {"low_price_units": np.array([-(2**63), 2**63 - 1])}
    block = view_block(CANDLE_COLUMNS, build_block(CANDLE_COLUMNS, {}, columns))
    assert block.columns["low_price_units"].tolist() == [-(2**63), 2**63 - 1]


@pytest.mark.parametrize(
    ("scalars", "changed"),
    [
        ({}, {"trade_count": np.arange(3)}),
        ({}, {"no_such_column": np.arange(5)}),
        ({"no_such_scalar": 1}, {}),
        ({"instrument_id": -1}, {}),
        ({"instrument_id": 2**32}, {}),
        ({}, {"trade_count": np.array([0.5] * 5)}),
        ({}, {"trade_count": np.array([2**63] * 5, dtype=np.uint64)}),
        ({}, {"trade_count": np.zeros((5, 1), dtype=np.int64)}),
    ],
)
def test_a_builder_that_is_given_nonsense_says_so(scalars: dict, changed: dict) -> None:
    with pytest.raises(ValueError, match=r"fit|differ|unknown"):
        build_block(CANDLE_COLUMNS, scalars, candle_columns(5) | changed)


def test_a_missing_required_column_is_refused_on_both_sides() -> None:
    columns = candle_columns(5)
    del columns["trade_count"]
    with pytest.raises(ValueError, match="trade_count"):
        build_block(CANDLE_COLUMNS, {}, columns)
    lenient = CANDLE_COLUMNS._replace(
        fields=tuple(field._replace(required=False) for field in CANDLE_COLUMNS.fields)
    )
    data = build_block(lenient, {}, columns)
    assert "trade_count" not in view_block(lenient, data).columns
    assert refusal(data) == "trade_count"


def test_older_and_newer_schemas_read_each_others_blocks() -> None:
    offset = CANDLE_COLUMNS.fields[-1].vtable_offset + 2
    added = ColumnField("turnover_units", offset, "<i8", True, False)
    newer = CANDLE_COLUMNS._replace(fields=(*CANDLE_COLUMNS.fields, added))
    old_data = candle_block()
    new_data = build_block(newer, SCALARS, candle_columns(5) | {"turnover_units": np.arange(5)})
    assert "turnover_units" not in view_block(newer, old_data).columns
    assert view_block(newer, new_data).columns["turnover_units"].tolist() == [0, 1, 2, 3, 4]
    assert view_block(CANDLE_COLUMNS, new_data).row_count == 5


def refusal(data: bytes | memoryview) -> str:
    with pytest.raises(TradeCaptainError) as caught:
        view_block(CANDLE_COLUMNS, data)
    assert caught.value.reason == REASON_MALFORMED_RECORD
    return caught.value.field


def test_every_truncation_is_refused() -> None:
    data = candle_block(3)
    for length in range(len(data)):
        refusal(data[:length])


def test_another_schema_is_refused() -> None:
    columns = {field.name: np.array([1]) for field in DEPTH_COLUMNS.fields if field.is_vector}
    refusal(build_block(DEPTH_COLUMNS, {}, columns))
    with pytest.raises(TradeCaptainError):
        schema_of("tradecaptain.api.columns.v1.NoSuchColumns")
    assert schema_of(CANDLE_COLUMNS.schema_id) is CANDLE_COLUMNS


def test_no_changed_byte_leads_outside_the_block() -> None:
    good = candle_block(3)
    refused = 0
    for place in range(len(good)):
        for value in (0x00, 0x01, 0x7F, 0x80, 0xFF):
            data = bytearray(good)
            data[place] = value
            hostile = bytes(data)
            start, end = addresses(np.frombuffer(hostile, np.uint8))
            try:
                block = view_block(CANDLE_COLUMNS, hostile)
            except TradeCaptainError as error:
                assert error.reason == REASON_MALFORMED_RECORD
                refused += 1
                continue
            for column in block.columns.values():
                assert len(column) == block.row_count
                assert not len(column) or start <= addresses(column)[0]
                assert not len(column) or addresses(column)[1] <= end
    assert refused > 100


@pytest.mark.parametrize("count", [4, 0x2000_0000, 0x2000_0001, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_count_beyond_the_block_is_refused(count: int) -> None:
    data = bytearray(candle_block(3))
    block = view_block(CANDLE_COLUMNS, bytes(data))
    # The count lies in the four bytes before the elements of a column.
    pattern = struct.pack("<I3q", 3, *block.columns["open_time_ns"].tolist())
    place = bytes(data).index(pattern)
    data[place : place + 4] = struct.pack("<I", count)
    assert refusal(bytes(data)) == "open_time_ns"


def test_a_block_at_an_odd_address_is_refused() -> None:
    data = candle_block(3)
    padded = memoryview(b"\0" + data)[1:]
    assert refusal(padded)
    assert view_block(CANDLE_COLUMNS, bytes(padded)).row_count == 3


def test_random_bytes_are_refused() -> None:
    random = np.random.default_rng(7)
    for length in range(0, 400, 7):
        noise = random.integers(0, 256, length, dtype=np.uint8).tobytes()
        refusal(noise)
        refusal(noise[:4] + CANDLE_COLUMNS.identifier + noise[8:])


def test_floats_keep_their_bits_whatever_they_are() -> None:
    values = np.array([math.nan, math.inf, -0.0, 5e-324])
    data = build_block(OPTION_VALUE_COLUMNS, {}, {"status": np.zeros(4, np.uint8), "value": values})
    found = view_block(OPTION_VALUE_COLUMNS, data).columns["value"]
    assert found.tobytes() == values.tobytes()
