"""Golden column blocks: our bytes, and what the stock compiler makes of them in both directions.

`<name>.json` says what is in `<name>.bin`. A file once committed stays: it stands for blocks that
clients have stored.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tradecaptain.base.columns import (
    CANDLE_COLUMNS,
    DEPTH_COLUMNS,
    OPTION_INPUT_COLUMNS,
    OPTION_VALUE_COLUMNS,
    build_block,
    view_block,
)

HERE = Path(__file__).parent
SCHEMAS = HERE.parents[2] / "schemas/flatbuffers"
FLATC = Path(sys.executable).parent / "flatc"
CASES = {
    "candle_columns_v1": (CANDLE_COLUMNS, SCHEMAS / "candle_columns.fbs"),
    "depth_columns_v1": (DEPTH_COLUMNS, SCHEMAS / "depth_columns.fbs"),
    "option_input_columns_v1": (OPTION_INPUT_COLUMNS, SCHEMAS / "option_input_columns.fbs"),
    "option_value_columns_v1": (OPTION_VALUE_COLUMNS, SCHEMAS / "option_value_columns.fbs"),
}
NAMES = sorted(CASES)


def told(name: str) -> dict:
    return json.loads((HERE / f"{name}.json").read_text())


def seen(name: str, data: bytes) -> dict:
    block = view_block(CASES[name][0], data)
    columns = {column: values.tolist() for column, values in block.columns.items()}
    return dict(block.scalars) | columns


@pytest.mark.parametrize("name", NAMES)
def test_we_write_the_golden_bytes(name: str) -> None:
    content = told(name)
    columns = {key: np.array(value) for key, value in content.items() if isinstance(value, list)}
    scalars = {key: value for key, value in content.items() if not isinstance(value, list)}
    written = build_block(CASES[name][0], scalars, columns)
    assert written == (HERE / f"{name}.bin").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_we_read_the_golden_bytes(name: str) -> None:
    assert seen(name, (HERE / f"{name}.bin").read_bytes()) == told(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_stock_compiler_reads_the_golden_bytes(name: str, tmp_path: Path) -> None:
    options = ["--json", "--strict-json", "--raw-binary", "-o", str(tmp_path)]
    command = [FLATC, *options, CASES[name][1], "--", HERE / f"{name}.bin"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert json.loads((tmp_path / f"{name}.json").read_text()) == told(name)


@pytest.mark.parametrize("name", NAMES)
def test_we_read_what_the_stock_compiler_writes(name: str, tmp_path: Path) -> None:
    command = [FLATC, "--binary", "-o", tmp_path, CASES[name][1], HERE / f"{name}.json"]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert seen(name, (tmp_path / f"{name}.bin").read_bytes()) == told(name)
