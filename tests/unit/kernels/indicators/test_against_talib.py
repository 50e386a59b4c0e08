"""Every indicator equals TA-Lib: values to 1e-9, positions of NaN exactly."""

import random

import numpy as np
import pytest
import talib
from support import bars, talib_reference
from talib import _ta_lib, abstract
from tradecaptain.kernels.indicators.graph import CANDLE_SETTINGS, CandleSetting, Settings
from tradecaptain.kernels.indicators.program import compute, warm_up
from tradecaptain.kernels.indicators.registry import INDICATORS, IndicatorError

NAMES = sorted(INDICATORS)
PERIODS = (1, 2, 3, 4, 5, 7, 10, 14, 21, 33, 50)
CHOICES = {
    "percentile": (0.0, 10.0, 33.0, 50.0, 100.0),
    "fastlimit": (0.01, 0.1, 0.5, 0.9),
    "slowlimit": (0.01, 0.1, 0.5),
    "startvalue": (0.0, 10.0, -200.0, 105.0),
    "vfactor": (0.0, 0.3, 1.0),
    "penetration": (0.0, 0.1, 0.5, 0.9),
    "offsetonreverse": (0.0, 0.01, 0.1),
}
STEPS = (0.0, 0.01, 0.05, 0.3)
KINDS = {"walk": bars.walk, "coarse": bars.coarse, "constant": bars.constant, "stairs": bars.stairs}
CANDLE_TYPES = {
    "body_long": "BodyLong",
    "body_short": "BodyShort",
    "body_doji": "BodyDoji",
    "shadow_short": "ShadowShort",
    "near": "Near",
}


def parameter_sets(name, count):
    """The defaults, then so many random sets, always the same ones."""
    dice = random.Random(name)
    sets = [{}]
    for _ in range(count if INDICATORS[name].parameters else 0):
        values = {}
        for parameter in INDICATORS[name].parameters:
            if parameter.name.endswith("matype"):
                choices = range(14)
            elif parameter.is_integer:
                choices = [value for value in PERIODS if value >= parameter.lowest]
            elif parameter.name.startswith("acceleration") or parameter.name == "maximum":
                choices = STEPS
            else:
                choices = CHOICES.get(parameter.name, (0.0, 0.5, 1.0, 2.5))
            values[parameter.name] = dice.choice(list(choices))
        if values.get("minperiod", 0) > values.get("maxperiod", 0):
            values["minperiod"], values["maxperiod"] = values["maxperiod"], values["minperiod"]
        sets.append(values)
    return sets


def expect_equal(name, columns, parameters=None, settings=None):
    columns = {"periods": np.resize([2.0, 9.0, 40.0, 5.5], len(columns["close"])), **columns}
    inputs = [columns[column] for column in INDICATORS[name].inputs]
    found = compute(name, inputs, parameters or {}, settings)
    due = talib_reference.compute(name, inputs, parameters or {})
    assert len(found) == len(due)
    for output, ours, theirs in zip(INDICATORS[name].outputs, found, due, strict=True):
        wrong = talib_reference.difference(ours, theirs)
        assert not wrong, f"{name} {parameters} {output}: {wrong}"


def test_registry_has_what_talib_has():
    assert set(NAMES) == set(talib.get_functions())
    assert len(talib.get_function_groups()["Pattern Recognition"]) == 61


@pytest.mark.parametrize("name", NAMES)
def test_inputs_parameters_and_outputs_are_talibs(name):
    ours, theirs = INDICATORS[name], abstract.Function(name)
    assert ours.inputs == talib_reference.input_names(name)
    assert list(ours.outputs) == list(theirs.output_names)
    defaults = {parameter.name: parameter.default for parameter in ours.parameters}
    assert defaults == dict(theirs.info["parameters"])
    assert ours.group == theirs.info["group"]
    assert warm_up(name) == theirs.lookback


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_defaults(name, kind):
    expect_equal(name, KINDS[kind](400, 3))


@pytest.mark.parametrize("name", NAMES)
def test_other_parameters(name):
    walk, coarse = bars.walk(300, 5), bars.coarse(300, 5)
    for parameters in parameter_sets(name, 8):
        if name == "BETA" and parameters.get("timeperiod", 5) == 2:
            # Two returns that nearly agree have no slope to nine digits, neither here nor there.
            continue
        expect_equal(name, walk, parameters)
        if name != "STOCHRSI":
            # Where prices stand still the index's range is rounding, and no two roundings agree.
            expect_equal(name, coarse, parameters)


@pytest.mark.parametrize("name", NAMES)
def test_real_days(name):
    expect_equal(name, bars.real_days())


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_real_decades(name):
    expect_equal(name, bars.real_decades())


@pytest.mark.parametrize("name", NAMES)
def test_short_series(name):
    need = warm_up(name)
    for count in {1, 2, 3, max(need, 1), need + 1, need + 2}:
        expect_equal(name, bars.walk(count))


@pytest.mark.parametrize("name", NAMES)
def test_no_bars_at_all(name):
    empty = [np.empty(0)] * len(INDICATORS[name].inputs)
    for output in compute(name, empty):
        assert output.shape == (0,)


@pytest.mark.parametrize("name", ["SMA", "MACD", "STOCH", "CDLDOJI", "HT_SINE", "OBV", "MAXINDEX"])
def test_leading_missing_bars_are_passed_over(name):
    columns = bars.walk(200)
    for column in columns.values():
        column[:7] = np.nan
    columns["close"][7:9] = np.nan
    if name == "MAXINDEX":
        expected = compute(name, [columns["close"][9:]])[0]
        found = compute(name, [columns["close"]])[0]
        assert found[9 + 29 :].tolist() == expected[29:].tolist()
    else:
        expect_equal(name, columns)


@pytest.mark.parametrize("function", sorted({u for i in INDICATORS.values() for u in i.unstable}))
def test_unstable_periods(function):
    columns = bars.walk(300, 9)
    users = [name for name in NAMES if function in INDICATORS[name].unstable]
    talib.set_unstable_period(function, 7)
    try:
        settings = Settings(unstable={function: 7})
        for name in users:
            expect_equal(name, columns, {}, settings)
        for name in ("MA", "BBANDS", "MACDEXT", "STOCH", "APO"):
            parameter = next(p.name for p in INDICATORS[name].parameters if "matype" in p.name)
            for kind in (1, 3, 6, 7, 8, 12, 13):
                expect_equal(name, columns, {parameter: kind}, settings)
    finally:
        talib.set_unstable_period(function, 0)


def test_candle_settings():
    columns = bars.coarse(400, 2)
    changed = CandleSetting("range", 7, 0.4)
    for ours, theirs in CANDLE_TYPES.items():
        kind = getattr(_ta_lib.CandleSettingType, theirs)
        _ta_lib._ta_set_candle_settings(kind, _ta_lib.RangeType.HighLow, 7, 0.4)
        try:
            settings = Settings(candles={**CANDLE_SETTINGS, ours: changed})
            for name in NAMES:
                if name.startswith("CDL"):
                    expect_equal(name, columns, {}, settings)
        finally:
            _ta_lib._ta_restore_candle_default_settings(kind)


@pytest.mark.parametrize("name", NAMES)
def test_bounds_of_periods_are_talibs(name):
    columns = {**bars.walk(60), "periods": np.full(60, 3.0)}
    inputs = [columns[column] for column in INDICATORS[name].inputs]
    for parameter in INDICATORS[name].parameters:
        # A longest period of 1 is below the shortest by default.
        if not parameter.is_integer or "matype" in parameter.name or name == "MAVP":
            continue
        for value in (parameter.lowest - 1, parameter.lowest):
            given = {parameter.name: int(value)}
            refused = value < parameter.lowest
            try:
                talib_reference.compute(name, inputs, given)
                theirs = False
            except Exception as error:  # noqa: BLE001  TA-Lib raises nothing more exact.
                theirs = "Bad Parameter" in str(error)
            assert theirs == refused, f"{name} {given}"
            if refused:
                with pytest.raises(IndicatorError) as caught:
                    compute(name, inputs, given)
                assert caught.value.field == f"parameters.{parameter.name}"
