"""Golden messages of the edge: what our stubs write, and what the stock tool makes of it.

`<type>.json` says what is in `<type>.binpb`. A file once committed stays: it stands for messages
that clients have stored.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.marketdata.v1 import records_pb2 as market_records
from tradecaptain.api.orders.v1 import records_pb2 as order_records

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BUF = Path(sys.executable).parent / "buf"
TYPES: dict[str, type[Message]] = {
    "new_order": order_records.NewOrder,
    "execution_report": order_records.ExecutionReport,
    "depth_update": market_records.DepthUpdate,
    "error_detail": errors_pb2.ErrorDetail,
}
NAMES = sorted(TYPES)


def told(name: str) -> dict:
    return json.loads((HERE / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_we_write_the_golden_bytes(name: str) -> None:
    message = json_format.ParseDict(told(name), TYPES[name]())
    written = message.SerializeToString(deterministic=True)
    assert written == (HERE / f"{name}.binpb").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_we_read_the_golden_bytes_and_know_every_field(name: str) -> None:
    message = TYPES[name].FromString((HERE / f"{name}.binpb").read_bytes())
    assert json_format.MessageToDict(message) == told(name)
    known = TYPES[name].FromString((HERE / f"{name}.binpb").read_bytes())
    known.DiscardUnknownFields()
    assert known == message
    assert known.ByteSize() == message.ByteSize()


@pytest.mark.parametrize("name", NAMES)
def test_the_stock_tool_reads_the_same_from_the_released_image(name: str) -> None:
    command = [BUF, "convert", "proto/image.binpb", "--type", TYPES[name].DESCRIPTOR.full_name]
    command += ["--from", str(HERE / f"{name}.binpb"), "--to", "-#format=json"]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert json.loads(result.stdout) == told(name)
