"""The vendors' own files: every row that they tell must equal our book."""

from __future__ import annotations

import gzip
import json
import lzma
import re
import zipfile
from pathlib import Path

import pytest
from support.truth import truth_path
from tradecaptain.cli.verify.replay import judge
from tradecaptain.collector.verification.session import verify_files

LOBSTER = "orderflow/lobster/LOBSTER_SampleFile_{}.zip"
BINANCE = "orderflow/binance/spot_btcusdt_20240808.gz"


def expected() -> dict:
    return json.loads(truth_path("orderflow/expected.json").read_text())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("AMZN_2012-06-21_5", "AMZN_5"),
        ("AMZN_2012-06-21_1", "AMZN_1"),
        ("AAPL_2012-06-21_1", "AAPL_1"),
    ],
)
def test_lobster_files_are_consistent_in_every_row(name: str, key: str) -> None:
    outcome = verify_files([truth_path(LOBSTER.format(name))])
    rows = expected()["lobster"][key]["rows"]
    assert outcome.rows == outcome.passed == rows - 1
    assert outcome.failed == outcome.inconsistent_rows == 0
    # Between 22 and 25 per cent of the transitions show a level that was out of depth before.
    assert 0.215 <= outcome.revealed_levels / outcome.rows <= 0.255


def test_binance_book_equals_every_ticker_of_the_same_update() -> None:
    outcome = verify_files([truth_path(BINANCE)])
    truth = expected()["binance"]["spot_btcusdt_20240808"]
    assert outcome.passed == truth["bookticker_equal_to_book"]
    assert outcome.failed == 0
    assert outcome.source_messages == truth["lines"]


def test_snapshots_in_a_file_of_their_own_join_the_stream() -> None:
    stream = truth_path("orderflow/crypto_ws/BINANCE.ws.1.0.txt.xz")
    snapshots = truth_path("orderflow/crypto_ws/BINANCE.http.0.0.txt.xz")
    outcome = verify_files([stream, snapshots])
    assert outcome.passed > 0
    assert outcome.failed == 0
    alone = verify_files([stream])
    assert alone.passed == alone.failed == 0
    assert all("no snapshot" in why for why in alone.not_applicable)


def test_several_files_are_one_session_and_the_result_has_every_figure() -> None:
    files = [
        truth_path(LOBSTER.format("AMZN_2012-06-21_1")),
        truth_path(BINANCE),
    ]
    result = judge(files)
    answer = result.as_dict(1.0)
    assert result.is_good
    assert answer["checked"] == answer["rows"] == 57514 + 564
    assert answer["inconsistent_rows"] == 0
    assert answer["ticks_per_second"] > 0


def _depth_lines(lines: list[bytes]) -> list[int]:
    return [number for number, line in enumerate(lines) if b'"depthUpdate"' in line]


@pytest.mark.parametrize("part", ["gap", "price"])
def test_a_changed_binance_update_is_found(tmp_path: Path, part: str) -> None:
    lines = gzip.decompress(truth_path(BINANCE).read_bytes()).splitlines()[:4000]
    row = _depth_lines(lines)[100]
    if part == "gap":
        del lines[row]
    else:
        # Give the best bid of a ticker that is compared another size.
        tickers = {
            int(re.search(rb'"u":(\d+)', line)[1]): number
            for number, line in enumerate(lines)
            if b"@bookTicker" in line
        }
        compared = [
            number
            for number in _depth_lines(lines)
            if int(re.search(rb'"u":(\d+)', lines[number])[1]) in tickers
        ]
        row = tickers[int(re.search(rb'"u":(\d+)', lines[compared[3]])[1])]
        lines[row] = re.sub(rb'"B":"\d+', b'"B":"77', lines[row])
    path = tmp_path / "capture.gz"
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    outcome = verify_files([path])
    assert outcome.failed >= 1
    first = int(outcome.failures[0][0].rpartition(":")[2])
    assert row < first <= row + 400 if part == "gap" else first == row + 1


def test_a_changed_message_of_a_vendor_file_is_reported_at_its_row(tmp_path: Path) -> None:
    with zipfile.ZipFile(truth_path(LOBSTER.format("AMZN_2012-06-21_1"))) as archive:
        names = {("message" in name): name for name in archive.namelist() if name.endswith("csv")}
        messages = archive.read(names[True]).splitlines()
        book = archive.read(names[False])
    for row, field, value in ((1000, 4, b"2238300"), (20_001, 3, b"12345"), (50_002, 5, None)):
        while messages[row].split(b",")[1] not in (b"1", b"3"):
            row += 1
        fields = messages[row].split(b",")
        fields[field] = value or (b"1" if fields[5] == b"-1" else b"-1")
        changed = [*messages[:row], b",".join(fields), *messages[row + 1 :]]
        path = tmp_path / "changed.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
            target.writestr("a.csv", book)
            target.writestr("b.csv", b"\n".join(changed) + b"\n")
        outcome = verify_files([path])
        assert outcome.failures[0][0].endswith(f":{row + 1}")
        assert outcome.failed == 1


def test_okx_books_have_the_vendors_checksum_after_every_update() -> None:
    outcome = verify_files([truth_path("orderflow/crypto_ws/OKX.ws.1.0.txt.xz")])
    assert outcome.passed == expected()["crypto_ws"]["OKX.ws.1.0"]["match"]
    assert outcome.failed == 0


def test_coinbase_books_have_the_tickers_best_prices() -> None:
    outcome = verify_files([truth_path("orderflow/crypto_ws/COINBASE.ws.28.0.txt.xz")])
    tickers = expected()["crypto_ws"]["COINBASE.ws.28.0"]["ticker"]
    assert outcome.passed >= 0.9 * tickers
    assert outcome.failed == 0
    assert outcome.passed + sum(outcome.not_applicable.values()) == tickers


def test_databento_orders_make_the_vendors_ten_levels() -> None:
    orders = truth_path("orderflow/databento/ARL_2025-07-17_mbo.csv.xz")
    prices = truth_path("orderflow/databento/ARL_2025-07-17_mbp10_expected.csv.xz")
    truth = expected()["arl_mbo_to_mbp10"]
    outcome = verify_files([prices, orders])
    assert (outcome.passed, outcome.failed) == (truth["mbp_rows"], 0)
    alone = verify_files([orders])
    assert (alone.passed, alone.failed) == (truth["mbo_rows"], 0)
    assert alone.extra["final"] == outcome.extra["final"]


def test_itch_messages_have_the_fields_of_their_decoded_twin() -> None:
    folder = truth_path("orderflow/nasdaq_itch")
    outcome = verify_files(sorted(folder.iterdir()))
    assert (outcome.passed, outcome.failed) == (expected()["itch_RITCH"]["messages"], 0)


@pytest.mark.parametrize(
    ("name", "twin", "old", "new"),
    [
        ("crypto_ws/OKX.ws.1.0.txt.xz", "", b'["30249.5","50"', b'["30249.5","51"'),
        (
            "databento/ARL_2025-07-17_mbo.csv.xz",
            "databento/ARL_2025-07-17_mbp10_expected.csv.xz",
            b"21.330000000,100",
            b"21.330000000,101",
        ),
    ],
)
def test_one_changed_number_of_other_feeds_is_found(
    tmp_path: Path, name: str, twin: str, old: bytes, new: bytes
) -> None:
    text = lzma.decompress(truth_path(f"orderflow/{name}").read_bytes())
    assert old in text
    path = tmp_path / "changed"
    path.write_bytes(text.replace(old, new, 1))
    twins = [truth_path(f"orderflow/{twin}")] if twin else []
    assert verify_files([path, *twins]).failed > 0


def test_captures_that_nobody_can_judge_are_failures_with_a_reason() -> None:
    outcome = verify_files([truth_path("orderflow/crypto_ws/GEMINI.ws.1.0.txt.xz")])
    assert outcome.failed == 1
    assert outcome.failures[0][1].startswith("REASON_UNRECOGNISED_FILE")
