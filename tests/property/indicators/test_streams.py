"""Taking bars one at a time gives the same bits as whole arrays, and peeking changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import bars
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.kernels.indicators.program import compute
from tradecaptain.kernels.indicators.registry import INDICATORS
from tradecaptain.kernels.indicators.stream import Stream

NAMES = sorted(INDICATORS)
MAKERS = st.sampled_from([bars.walk, bars.coarse, bars.stairs])


def columns_of(name, columns):
    periods = {"periods": np.resize([2.0, 9.0, 40.0], len(columns["close"]))}
    return [{**periods, **columns}[column] for column in INDICATORS[name].inputs]


def some_parameters(name, draw):
    values = {}
    for parameter in INDICATORS[name].parameters:
        if "matype" in parameter.name:
            values[parameter.name] = draw(st.integers(0, 13))
        elif parameter.is_integer:
            values[parameter.name] = draw(st.integers(int(parameter.lowest), 25))
    if values.get("minperiod", 0) > values.get("maxperiod", 0):
        values["minperiod"], values["maxperiod"] = values["maxperiod"], values["minperiod"]
    return values


def expect_same(name, parameters, inputs):
    stream = Stream.of(name, parameters)
    block = np.ascontiguousarray(np.stack(inputs))
    outputs = np.empty((len(INDICATORS[name].outputs), block.shape[1]))
    stream.push_block(block, outputs)
    for found, due in zip(outputs, compute(name, inputs, parameters), strict=True):
        start = stream.program.warm_up
        assert np.isnan(found[:start]).all()
        np.testing.assert_array_equal(found[start:], due[start:])


@pytest.mark.parametrize("name", NAMES)
def test_pushed_bars_give_the_bits_of_arrays(name):
    expect_same(name, {}, columns_of(name, bars.walk(180, 3)))
    expect_same(name, {}, columns_of(name, bars.coarse(180, 3)))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), MAKERS, st.integers(1, 260), st.integers(0, 1000), st.data())
def test_any_parameters_and_lengths(name, make, count, seed, data):
    inputs = columns_of(name, make(count, seed))
    expect_same(name, some_parameters(name, data.draw), inputs)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.integers(1, 120), st.integers(0, 1000), st.data())
def test_peeking_tells_what_pushing_would_and_leaves_no_trace(name, count, seed, data):
    inputs = columns_of(name, bars.walk(count, seed))
    watched, alone = Stream.of(name), Stream.of(name)
    for bar in zip(*inputs, strict=True):
        for factor in data.draw(st.lists(st.sampled_from([0.9, 1.0, 1.1]), max_size=2)):
            watched.peek([value * factor for value in bar])
        forming = watched.peek(bar)
        complete = alone.push(bar)
        np.testing.assert_array_equal(forming, complete)
        np.testing.assert_array_equal(watched.push(bar), complete)


@pytest.mark.parametrize("name", ["SMA", "MACD", "HT_SINE", "MAX", "CDLHIKKAKE"])
def test_pieces_of_an_array_join_without_a_seam(name):
    inputs = columns_of(name, bars.walk(3_000, 1))
    expect_same(name, {}, inputs)


def expect_same_when_fused(name, inputs):
    block = np.ascontiguousarray(np.stack(inputs))
    plain, fused = Stream.of(name), Stream.of(name)
    fused.fuse()
    due = np.empty((len(INDICATORS[name].outputs), block.shape[1]))
    found = np.empty_like(due)
    plain.push_block(block, due)
    # In pieces: its own code begins inside one, and goes on in the middle of the rings.
    for part in (slice(0, 37), slice(37, 301), slice(301, 302), slice(302, None)):
        piece = np.empty_like(np.ascontiguousarray(found[:, part]))
        fused.push_block(np.ascontiguousarray(block[:, part]), piece)
        found[:, part] = piece
    np.testing.assert_array_equal(found, due)
    bar = [column[0] for column in inputs]
    np.testing.assert_array_equal(fused.peek(bar), plain.peek(bar))
    np.testing.assert_array_equal(fused.push(bar), plain.push(bar))


# One of each kind of block; the rest takes half a minute of machine code.
FUSED = ("EMA", "SMA", "MACDEXT", "T3", "ADX", "MAMA", "HT_TRENDMODE", "STOCH", "SAR", "BETA")
FUSED += ("VAR", "LINEARREG", "MFI", "AROON", "CDLADVANCEBLOCK", "CDLHIKKAKE", "HA", "VWAP")


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is fused with the JIT off")
@pytest.mark.parametrize(
    "name",
    [name if name in FUSED else pytest.param(name, marks=pytest.mark.full) for name in NAMES],
)
def test_code_of_its_own_gives_a_stream_the_same_bits(name):
    expect_same_when_fused(name, columns_of(name, bars.walk(400, 3)))


@pytest.mark.skipif(not JIT_DISABLED, reason="the JIT is on")
def test_fusing_changes_nothing_with_the_jit_off():
    expect_same_when_fused("MACD", columns_of("MACD", bars.walk(100, 3)))


@pytest.mark.parametrize("name", ["SMA", "OBV", "CDLDOJI"])
def test_leading_bars_without_a_value_are_not_counted(name):
    inputs = columns_of(name, bars.walk(60))
    stream = Stream.of(name)
    missing = [np.nan] * len(inputs)
    for _ in range(5):
        assert np.isnan(stream.push(missing)).all()
    assert stream.bar_count == 0
    values = [stream.push(bar)[0] for bar in zip(*inputs, strict=True)]
    due = compute(name, inputs)[0]
    start = stream.program.warm_up
    np.testing.assert_array_equal(values[start:], due[start:])
    assert stream.is_warm
