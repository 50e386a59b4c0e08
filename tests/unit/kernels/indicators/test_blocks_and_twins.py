"""Building blocks against their naive twins, through indicators that are nothing but a block."""

import numpy as np
import pytest
from support import bars
from tradecaptain.kernels.indicators.program import compute
from twins.indicators import naive_blocks

pytestmark = pytest.mark.twin

COUNT = 120
TWINS = {
    "SUM": naive_blocks.rolling_sum,
    "WMA": naive_blocks.weighted_average,
    "MAX": naive_blocks.highest,
    "MIN": naive_blocks.lowest,
    "VAR": naive_blocks.variance,
    "EMA": naive_blocks.exponential,
    "AVGDEV": naive_blocks.mean_deviation,
    "LINEARREG": lambda values, period: second(naive_blocks.line(values, period)),
    "PERCENTILE": lambda values, period: naive_blocks.percentile(values, period, (period - 1) // 2),
}


def second(pairs):
    return [pair if isinstance(pair, float) else pair[1] for pair in pairs]


def expect(found, due):
    np.testing.assert_allclose(found, due, rtol=1e-10, atol=1e-10, equal_nan=True)


@pytest.mark.parametrize("period", [2, 3, 5, 8, 30])
@pytest.mark.parametrize("make", [bars.walk, bars.coarse])
@pytest.mark.parametrize("name", TWINS)
def test_block(name, make, period):
    values = make(COUNT, 4)["close"]
    expect(compute(name, [values], {"timeperiod": period})[0], TWINS[name](values.tolist(), period))


@pytest.mark.parametrize("period", [3, 10])
def test_correlation(period):
    columns = bars.walk(COUNT, 8)
    found = compute("CORREL", [columns["high"], columns["low"]], {"timeperiod": period})[0]
    high, low = columns["high"].tolist(), columns["low"].tolist()
    expect(found, naive_blocks.correlation(high, low, period))


@pytest.mark.parametrize("period", [2, 14])
def test_age_of_the_newest_of_equal_highs(period):
    columns = bars.coarse(COUNT, 6)
    found = compute("AROON", [columns["high"], columns["low"]], {"timeperiod": period})[1]
    ages = np.array(naive_blocks.last_place_of_highest(columns["high"].tolist(), period + 1))
    expect(found, 100.0 * (period - ages) / period)


@pytest.mark.parametrize("jump", [1e6, 1e9])
def test_a_far_value_leaves_no_trace_in_a_variance(jump):
    values = bars.walk(COUNT, 2)["close"]
    values[40] = jump
    found = compute("VAR", [values], {"timeperiod": 5})[0]
    clean = naive_blocks.variance(values.tolist(), 5)
    np.testing.assert_allclose(found[46:], clean[46:], rtol=1e-8)


def test_sums_of_divisors_are_exactly_zero_over_flat_windows():
    close = np.concatenate([bars.walk(30)["close"], np.full(40, 101.3)])
    assert (compute("CMOU", [close], {"timeperiod": 7})[0][-20:] == 0.0).all()
    assert (compute("VHF", [close], {"timeperiod": 7})[0][-20:] == 0.0).all()
    assert (compute("ER", [close], {"timeperiod": 7})[0][-20:] == 1.0).all()
