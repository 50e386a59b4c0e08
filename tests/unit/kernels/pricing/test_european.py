"""European families against the 50-digit twin, at the edges of their domain, in machine code."""

from __future__ import annotations

import math
import os
import re
from functools import cache

import numba
import numpy as np
import pytest
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.kernels.pricing import (
    columns,
    lognormal_block,
    registry,
    status,
)
from twins.pricing import european as twin

pytestmark = pytest.mark.twin

DEPTH = {
    "black_scholes": columns.ALL_GREEK_ROWS,
    "black76": columns.ALL_GREEK_ROWS,
    "bachelier": columns.ALL_GREEK_ROWS,
    "cash_or_nothing": columns.GREEK_ROWS,
    "asset_or_nothing": columns.GREEK_ROWS,
    "gap": columns.GREEK_ROWS,
}
CASE_COUNT = 40


@cache
def cases(family: str) -> np.ndarray:
    """A block of wide but diffusing options: total deviation 0.01 … 4, moneyness within 4 of it."""
    random = np.random.default_rng(sum(map(ord, family)))
    right = random.choice([-1.0, 1.0], CASE_COUNT)
    spot = np.exp(random.uniform(-3, 8, CASE_COUNT))
    time = 10.0 ** random.uniform(-3, 1.3, CASE_COUNT)
    deviation = 10.0 ** random.uniform(-2, 0.6, CASE_COUNT)
    distance = random.uniform(-4, 4, CASE_COUNT)
    rate = random.uniform(-0.05, 0.15, CASE_COUNT)
    dividend_yield = random.uniform(-0.05, 0.15, CASE_COUNT)
    if family == "bachelier":
        forward = random.uniform(-100, 100, CASE_COUNT)
        strike = forward + distance * deviation * 50
        volatility = deviation * 50 / np.sqrt(time)
        return registry.stack(right, forward, strike, time, volatility, rate)
    strike = spot * np.exp(distance * deviation)
    volatility = deviation / np.sqrt(time)
    rows = [right, spot, strike, time, volatility, rate, dividend_yield]
    if family == "black76":
        rows = rows[:6]
    if DEPTH[family] == columns.GREEK_ROWS:
        rows.append(random.uniform(-50, 150, CASE_COUNT))
    return registry.stack(*rows)


def scale(inputs: tuple[float, ...], family: str) -> float:
    """The larger leg of the value: what rounding is measured against."""
    _, price, strike, time, volatility, rate, *more = inputs
    discount = math.exp(-rate * time)
    if family == "bachelier":
        return discount * max(abs(price), abs(strike), volatility * math.sqrt(time))
    carried = price * math.exp(-(more[0] if more else rate) * time)
    amount = abs(more[1]) if len(more) > 1 else 0.0
    return max(carried, strike * discount, amount * discount)


@pytest.mark.parametrize("family", list(DEPTH))
def test_values_are_right_to_the_last_digits(family: str) -> None:
    block = cases(family)
    outcome = registry.evaluate(family, block, 1)
    assert outcome.invalid_count == 0
    for index in range(CASE_COUNT):
        inputs = tuple(block[:, index].tolist())
        error = abs(outcome.outputs[columns.VALUE, index] - twin.value(family, inputs))
        assert float(error) <= 2e-15 * scale(inputs, family), inputs


@pytest.mark.parametrize("family", list(DEPTH))
def test_greeks_are_the_derivatives_of_the_value(family: str) -> None:
    block = cases(family)
    outcome = registry.evaluate(family, block, DEPTH[family])
    for index in range(0, CASE_COUNT, 3):
        inputs = tuple(block[:, index].tolist())
        for row, name in enumerate(columns.OUTPUT_NAMES[: DEPTH[family]]):
            if row == columns.VALUE:
                continue
            due = float(twin.greek(family, name, inputs))
            found = outcome.outputs[row, index]
            # What a relative change of 1e-16 in an input does to a greek grows with the deviate.
            typical = typical_size(family, name, inputs)
            assert abs(found - due) <= 2e-13 * max(abs(due), typical), (name, inputs, found, due)


def typical_size(family: str, name: str, inputs: tuple[float, ...]) -> float:
    """Order of magnitude of a greek at the money: the value's scale over the inputs' scales."""
    orders, _ = twin.ORDERS[name]
    _, price, strike, time, volatility, *_ = inputs
    deviation = volatility * math.sqrt(time)
    step = deviation if family == "bachelier" else price * min(deviation, 1.0)
    strike_step = deviation if family == "bachelier" else strike * min(deviation, 1.0)
    size = scale(inputs, family)
    size /= step ** orders[1] * strike_step ** orders[2]
    return size / (time ** orders[3] * volatility ** orders[4])


@pytest.mark.parametrize("family", list(DEPTH))
def test_values_and_greeks_agree_on_the_value(family: str) -> None:
    block = cases(family)
    values = registry.evaluate(family, block, 1).outputs[0]
    greeks = registry.evaluate(family, block).outputs[columns.VALUE]
    np.testing.assert_allclose(values, greeks, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("right", [1.0, -1.0])
@pytest.mark.parametrize("spot", [80.0, 125.0])
@pytest.mark.parametrize(("time", "volatility"), [(0.0, 0.2), (1.0, 0.0), (0.0, 0.0)])
def test_nothing_left_to_diffuse_gives_the_discounted_intrinsic_value(
    right: float, spot: float, time: float, volatility: float
) -> None:
    block = registry.stack(right, spot, 100.0, time, volatility, 0.05, 0.02)
    outcome = registry.evaluate("black_scholes", block, columns.ALL_GREEK_ROWS)
    carried, owed = spot * math.exp(-0.02 * time), 100.0 * math.exp(-0.05 * time)
    due = max(right * (carried - owed), 0.0)
    assert outcome.status[0] == status.OK
    assert outcome.outputs[columns.VALUE, 0] == pytest.approx(due, abs=1e-13)
    in_the_money = right * (carried - owed) > 0
    delta = right * math.exp(-0.02 * time) if in_the_money else 0.0
    assert outcome.outputs[columns.DELTA, 0] == pytest.approx(delta, abs=1e-15)
    for row in (columns.GAMMA, columns.VEGA, columns.VANNA, columns.VOLGA, columns.SPEED):
        assert outcome.outputs[row, 0] == 0.0
    assert np.isfinite(outcome.outputs).all()


@pytest.mark.parametrize("family", list(DEPTH))
def test_the_kink_has_a_value_and_says_that_greeks_are_undefined(family: str) -> None:
    rows = len(registry.FAMILIES[family].inputs)
    block = registry.stack(*[1.0, 100.0, 100.0, 0.0, 0.2, 0.05, 0.02, 10.0][:rows])
    outcome = registry.evaluate(family, block, DEPTH[family])
    assert outcome.status[0] == status.GREEKS_UNDEFINED
    assert outcome.invalid_count == 0
    assert np.isfinite(outcome.outputs).all()


BROKEN_INPUTS = [
    (columns.RIGHT, 0.0, status.INVALID_RIGHT),
    (columns.RIGHT, 2.0, status.INVALID_RIGHT),
    (columns.SPOT, 0.0, status.INVALID_SPOT),
    (columns.SPOT, -1.0, status.INVALID_SPOT),
    (columns.STRIKE, 0.0, status.INVALID_STRIKE),
    (columns.STRIKE, 1e60, status.INVALID_STRIKE),
    (columns.TIME, -1e-9, status.INVALID_TIME),
    (columns.TIME, 1001.0, status.INVALID_TIME),
    (columns.VOLATILITY, -0.1, status.INVALID_VOLATILITY),
    (columns.VOLATILITY, 101.0, status.INVALID_VOLATILITY),
    (columns.RATE, 101.0, status.INVALID_RATE),
    (columns.RATE, -101.0, status.INVALID_RATE),
    (columns.YIELD, 101.0, status.INVALID_YIELD),
    (columns.AMOUNT, 1e51, status.INVALID_AMOUNT),
]
STATUS_OF_ROW = {row: due for row, _, due in BROKEN_INPUTS}


@pytest.mark.parametrize(
    ("row", "wrong", "due"),
    BROKEN_INPUTS
    + [(row, wrong, due) for row, due in STATUS_OF_ROW.items() for wrong in (math.nan, math.inf)],
)
def test_an_input_outside_the_domain_is_named_and_its_neighbours_are_priced(
    row: int, wrong: float, due: int
) -> None:
    block = registry.stack(np.array([1.0, 1.0, 1.0]), 100.0, 90.0, 1.0, 0.2, 0.05, 0.02, 10.0)
    block[row, 1] = wrong
    outcome = registry.evaluate("gap", block)
    assert outcome.status.tolist() == [status.OK, due, status.OK]
    assert outcome.invalid_count == 1
    assert np.isnan(outcome.outputs[:, 1]).all()
    assert np.isfinite(outcome.outputs[:, [0, 2]]).all()
    assert due in status.RULES


def test_normal_model_takes_prices_below_zero_and_refuses_what_is_no_number() -> None:
    good = registry.stack(1.0, -5.0, -6.0, 1.0, 2.0, 0.01)
    assert registry.evaluate("bachelier", good).status[0] == status.OK
    for row, due in (
        (columns.SPOT, status.INVALID_SPOT),
        (columns.STRIKE, status.INVALID_STRIKE),
        (columns.VOLATILITY, status.INVALID_VOLATILITY),
    ):
        bad = good.copy()
        bad[row] = math.nan
        assert registry.evaluate("bachelier", bad).status[0] == due


def test_discount_factor_beyond_the_range_of_numbers_is_refused() -> None:
    block = registry.stack(1.0, 100.0, 100.0, 900.0, 0.2, 0.6, 0.0)
    assert registry.evaluate("black_scholes", block).status[0] == status.INVALID_RATE


def test_wrong_calls_are_refused() -> None:
    block = registry.stack(1.0, 100.0, 100.0, 1.0, 0.2, 0.05, 0.0)
    with pytest.raises(ValueError, match="no family 'black_shoals'"):
        registry.evaluate("black_shoals", block)
    with pytest.raises(ValueError, match="takes 6 rows"):
        registry.evaluate("black76", block)
    with pytest.raises(ValueError, match="1, 6 or 12"):
        registry.evaluate("black_scholes", block, 3)
    with pytest.raises(ValueError, match="has 6 rows of outputs, not 12"):
        registry.evaluate("gap", registry.stack(1, 1, 1, 1, 1, 1, 1, 1), columns.ALL_GREEK_ROWS)


def test_empty_block_gives_empty_outputs() -> None:
    outcome = registry.evaluate("black_scholes", np.empty((7, 0)))
    assert outcome.outputs.shape == (columns.GREEK_ROWS, 0)


@pytest.mark.parametrize("family", ["black_scholes", "black76", "bachelier"])
@pytest.mark.parametrize("rows", [columns.GREEK_ROWS, columns.ALL_GREEK_ROWS])
def test_a_pair_is_the_call_and_the_put(family: str, rows: int) -> None:
    block = cases(family)
    pair = registry.evaluate_pairs(family, block, rows)
    for right, outcome in zip((1.0, -1.0), pair, strict=True):
        one_sided = block.copy()
        one_sided[columns.RIGHT] = right
        due = registry.evaluate(family, one_sided, rows)
        np.testing.assert_allclose(outcome.outputs, due.outputs, rtol=1e-14, atol=1e-300)
        assert outcome.status.tolist() == due.status.tolist()


def test_a_pair_of_a_broken_contract_is_nan_on_both_sides() -> None:
    block = registry.stack(1.0, np.array([100.0, -1.0]), 100.0, 1.0, 0.2, 0.05)
    for outcome in registry.evaluate_pairs("black76", block):
        assert outcome.status.tolist() == [status.OK, status.INVALID_SPOT]
        assert np.isnan(outcome.outputs[:, 1]).all()
        assert np.isfinite(outcome.outputs[:, 0]).all()
    with pytest.raises(ValueError, match="no pairs of 'gap'"):
        registry.evaluate_pairs("gap", block)


@pytest.mark.parametrize("count", [1, 7, 255, 256, 257, 1000])
def test_an_option_is_priced_alike_wherever_it_stands(count: int) -> None:
    options = np.tile(cases("black_scholes"), (1, 25))[:, :count]
    outputs = registry.evaluate("black_scholes", np.ascontiguousarray(options)).outputs
    for index in range(0, count, 97):
        alone = registry.evaluate("black_scholes", np.ascontiguousarray(options[:, [index]]))
        np.testing.assert_allclose(outputs[:, index], alone.outputs[:, 0], rtol=4e-16, atol=1e-300)


def inner_loops(assembly: str) -> list[list[str]]:
    """Instructions of every loop of a listing without another label inside."""
    lines = assembly.splitlines()
    labels = {line.rstrip(":"): at for at, line in enumerate(lines) if line.endswith(":")}
    loops = []
    for at, line in enumerate(lines):
        jump = re.match(r"\s+j\w+\s+(\S+)", line)
        start = labels.get(jump.group(1)) if jump else None
        if start is not None and start < at:
            body = lines[start + 1 : at]
            if not any(text.endswith(":") for text in body):
                loops.append([text.strip() for text in body if text.startswith("\t")])
    return loops


def is_work(loop: list[str]) -> bool:
    return sum(text.startswith("vfmadd") for text in loop) >= 8


@pytest.mark.skipif(JIT_DISABLED, reason="there is no machine code with the JIT off")
@pytest.mark.parametrize(
    ("kernel", "passes"),
    [(lognormal_block.lognormal_values, 4), (lognormal_block.lognormal_greeks, 4)],
    ids=["values", "greeks"],
)
def test_hot_loops_are_vector_code_of_full_width(
    kernel: numba.core.dispatcher, passes: int
) -> None:
    if "avx512f" not in os.environ["NUMBA_CPU_FEATURES"].replace("-avx512f", ""):
        pytest.skip("this processor has no vectors of 512 bits")
    # A kernel from the cache has no listing, so it is compiled again.
    fresh = numba.njit(kernel.signatures[0], nogil=True, error_model="numpy")(kernel.py_func)
    loops = [loop for loop in inner_loops(fresh.inspect_asm(fresh.signatures[0])) if is_work(loop)]
    wide = [loop for loop in loops if all("zmm" in text for text in loop if "fmadd" in text)]
    assert len(wide) == passes, "a pass isn't vectorised"
    for loop in wide:
        text = "\n".join(loop)
        assert not re.search(r"call|gather|scatter", text)
    # What the passes load from memory in each turn: their data, and few constants.
    assert sum("to8}" in text or "vbroadcastsd" in text for loop in wide for text in loop) <= 24


@pytest.mark.parametrize("family", ["black_scholes", "black76", "bachelier"])
def test_accurate_values_have_twelve_digits_of_their_own(family: str) -> None:
    """Volatility 1e-4 … 5, time 1e-6 … 50, moneyness e^-10 … e^10, down to 1e-6 of the price."""
    random = np.random.default_rng(11)
    checked = 0
    for _ in range(30 if JIT_DISABLED else 300):
        volatility = float(10.0 ** random.uniform(-4, 0.7))
        time = float(10.0 ** random.uniform(-6, 1.7))
        deviation = volatility * math.sqrt(time)
        rate, dividend_yield = random.uniform(-0.05, 0.15, 2).tolist()
        right = float(random.choice([-1.0, 1.0]))
        distance = float(np.clip(random.uniform(-5, 5) * deviation, -10, 10))
        spot = float(np.exp(random.uniform(-2, 8)))
        inputs: tuple[float, ...]
        if family == "bachelier":
            inputs = (right, spot, spot * (1 + distance), time, volatility * spot, rate)
        else:
            carry = (rate - dividend_yield) * time if family == "black_scholes" else 0.0
            strike = spot * math.exp(distance + carry)
            inputs = (right, spot, strike, time, volatility, rate)
            inputs += (dividend_yield,) if family == "black_scholes" else ()
        due = twin.value(family, inputs)
        if due < 1e-6 * max(abs(inputs[1]), abs(inputs[2])):
            continue
        checked += 1
        outcome = registry.accurate_values(family, registry.stack(*inputs))
        assert outcome.invalid_count == 0
        assert abs(outcome.outputs[0, 0] / due - 1) <= 1e-12, inputs
    assert checked > (5 if JIT_DISABLED else 100)


def test_accurate_values_refuse_what_the_fast_ones_refuse() -> None:
    block = registry.stack(1.0, np.array([100.0, -1.0, 100.0]), 100.0, 0.0, 0.2, 0.05)
    outcome = registry.accurate_values("black76", block)
    assert outcome.status.tolist() == [
        status.GREEKS_UNDEFINED,
        status.INVALID_SPOT,
        status.GREEKS_UNDEFINED,
    ]
    assert outcome.outputs[0, 0] == 0.0
    assert math.isnan(outcome.outputs[0, 1])
    with pytest.raises(ValueError, match="no accurate form of 'gap'"):
        registry.accurate_values("gap", block)
