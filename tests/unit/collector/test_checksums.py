"""Checksums and books of crypto captures, on the vendors' published examples and small feeds."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from tradecaptain.collector.verification.crypto import (
    RACE,
    TextBook,
    kraken_checksum,
    okx_checksum,
)
from tradecaptain.collector.verification.session import verify_files

ASKS = ["05005", "05010", "05015", "05020", "05025", "05030", "05035", "05040", "05045", "05050"]
BIDS = ["05000", "04995", "04990", "04980", "04975", "04970", "04965", "04960", "04955", "04950"]
SIZE = "0.00000500"
KRAKEN_EXAMPLE = 974947235


def kraken_book() -> TextBook:
    book = TextBook()
    for prices, is_bid in ((ASKS, False), (BIDS, True)):
        for price in prices:
            book.set(is_bid, f"0.{price}", SIZE)
    return book


def test_kraken_checksum_of_the_documented_example() -> None:
    assert kraken_checksum(kraken_book()) == KRAKEN_EXAMPLE


def write_capture(path: Path, venue: str, messages: list[object]) -> Path:
    lines = [f"wss://{venue} <-> 1618677816.84", f'wss://{venue} <- 1618677817.02: {{"s":1}}']
    lines += [
        f"{1618677818 + number}.5: {json.dumps(message)}" for number, message in enumerate(messages)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("checksum", "failed"), [(KRAKEN_EXAMPLE, 0), (KRAKEN_EXAMPLE + 1, 1)])
def test_a_kraken_capture_is_checked(tmp_path: Path, checksum: int, failed: int) -> None:
    snapshot = {
        "as": [[f"0.{price}", SIZE, "1"] for price in ASKS[1:]] + [["0.9", SIZE, "1"]],
        "bs": [[f"0.{price}", SIZE, "1"] for price in BIDS],
    }
    update = {"a": [["0.05005", SIZE, "2"], ["0.90000", "0.00000000", "2"]], "c": str(checksum)}
    messages = [
        {"event": "systemStatus"},
        [336, snapshot, "book-10", "XBT/USD"],
        [336, update, "book-10", "XBT/USD"],
    ]
    outcome = verify_files([write_capture(tmp_path / "k", "ws.kraken.com", messages)])
    assert (outcome.passed + outcome.failed, outcome.failed) == (1, failed)


def test_okx_joins_what_one_side_lacks() -> None:
    book = TextBook()
    book.set(True, "3366.1", "7")
    book.set(False, "3366.8", "9")
    book.set(False, "3368", "8")
    unsigned = zlib.crc32(b"3366.1:7:3366.8:9:3368:8")
    assert okx_checksum(book) == unsigned - (1 << 32)
    assert okx_checksum(book) < 0


def test_a_coinbase_ticker_ahead_of_its_level_is_a_race_and_a_wrong_one_fails(
    tmp_path: Path,
) -> None:
    def ticker(bid: str, ask: str) -> dict[str, str]:
        time = "2030-01-01T00:00:00.000000Z"
        return {
            "type": "ticker", "product_id": "A-B", "best_bid": bid, "best_ask": ask, "time": time,
        }  # fmt: skip

    snapshot = {
        "type": "snapshot", "product_id": "A-B", "bids": [["9", "1"]], "asks": [["11", "1"]],
    }  # fmt: skip
    update = {"type": "l2update", "product_id": "A-B", "changes": [["buy", "10", "1"]]}
    messages = [snapshot, ticker("9", "11"), ticker("10", "11"), update, ticker("10", "12")]
    outcome = verify_files([write_capture(tmp_path / "c", "ws-feed.coinbase.com", messages)])
    assert (outcome.passed, outcome.failed) == (1, 1)
    assert outcome.not_applicable[RACE] == 1
