"""Whatever bytes a file holds, the answer is a result or a typed error, never a crash."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.binance_day import BinanceDay
from support.lobster_day import LobsterDay
from tradecaptain.collector.verification.session import verify_files

LOBSTER = LobsterDay(1, 3, 60)
SPOT = BinanceDay(1, 40)
FUTURES = BinanceDay(2, 40, futures=True)

EDITS = st.lists(
    st.tuples(
        st.floats(0, 0.9999),
        st.sampled_from(["flip", "cut", "insert", "delete", "double"]),
        st.binary(min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=6,
)


def edited(data: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    for place, kind, extra in edits:
        at = int(place * len(data))
        if kind == "flip":
            data = data[:at] + extra + data[at + len(extra) :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + extra + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(extra) :]
        else:
            data = data[:at] + data[at : at + 40] + data[at:]
    return data


def judge(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, data in files.items():
            paths.append(Path(folder) / name)
            paths[-1].write_bytes(data)
        outcome = verify_files(paths)
    assert outcome.failed == 0 or outcome.failures
    assert outcome.failed >= outcome.inconsistent_rows
    for _, why in outcome.failures:
        assert why.startswith("REASON_") or "REASON_" not in why


@given(edits=EDITS)
def test_lobster_text(edits: list[tuple[float, str, bytes]]) -> None:
    messages = "\n".join(LOBSTER.messages).encode() + b"\n"
    book = "\n".join(LOBSTER.lines).encode() + b"\n"
    judge({"messages": edited(messages, edits), "book": book})
    judge({"messages": messages, "book": edited(book, edits)})


@given(edits=EDITS, futures=st.booleans())
def test_binance_text(edits: list[tuple[float, str, bytes]], futures: bool) -> None:
    day = FUTURES if futures else SPOT
    judge({"capture": edited("\n".join(day.lines).encode() + b"\n", edits)})


@given(edits=EDITS)
def test_archives(edits: list[tuple[float, str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = LOBSTER.write_zip(Path(folder) / "day.zip").read_bytes()
        capture = SPOT.write(Path(folder) / "day.gz").read_bytes()
    judge({"day.zip": edited(archive, edits)})
    judge({"day.gz": edited(capture, edits)})


@given(data=st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    judge({"file": data})
