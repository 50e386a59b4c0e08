"""Files that aren't what they claim, end too early, or expand without end."""

from __future__ import annotations

import gzip
import lzma
import zipfile
from pathlib import Path

import pytest
from support.binance_day import BinanceDay
from support.lobster_day import LobsterDay
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.collector.feeds.recognise import ContentKind, recognise
from tradecaptain.collector.feeds.sources import TextWindow, open_sources
from tradecaptain.collector.replayed import replayed_instruments
from tradecaptain.collector.verification.session import verify_files


def reasons(*paths: Path) -> list[str]:
    return [why.partition(":")[0] for _, why in verify_files(paths).failures]


def test_names_say_nothing_content_does(tmp_path: Path) -> None:
    day = LobsterDay(1, 5, 50)
    path = tmp_path / "holiday_photos.tar.bz2"
    day.write_zip(tmp_path / "x.zip").rename(path)
    assert verify_files([path]).passed == 49
    capture = tmp_path / "lobster_message_5.csv.zip"
    BinanceDay(1, 20).write(capture)
    assert verify_files([capture]).passed > 0


def test_level_count_comes_from_the_file(tmp_path: Path) -> None:
    day = LobsterDay(1, 3, 50)
    (tmp_path / "a_message_10.csv").write_text("\n".join(day.messages))
    (tmp_path / "a_orderbook_10.csv").write_text("\n".join(day.lines))
    outcome = verify_files([tmp_path / "a_orderbook_10.csv", tmp_path / "a_message_10.csv"])
    assert (outcome.passed, outcome.failed) == (49, 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "REASON_TRUNCATED_FILE"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "REASON_UNRECOGNISED_FILE"),
        (b"Dear customer,\nthese are not the files you look for.\n", "REASON_UNRECOGNISED_FILE"),
        (b"PK\x03\x04" + bytes(100), "REASON_TRUNCATED_FILE"),
        (gzip.compress(b"123 {}" * 20, mtime=0)[:14], "REASON_TRUNCATED_FILE"),
        (b"34200.1,1,5,100,1000000,1\n", "REASON_UNRECOGNISED_FILE"),
    ],
    ids=["empty", "picture", "letter", "zip cut short", "gzip cut short", "messages alone"],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert reasons(path) == [reason]


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    outcome = verify_files([tmp_path / "gone.zip"])
    assert outcome.failures[0][0].endswith("gone.zip")
    assert outcome.failed == 1


def test_fewer_messages_than_book_rows_is_a_truncated_file(tmp_path: Path) -> None:
    day = LobsterDay(1, 5, 50)
    path = day.write_zip(tmp_path / "x.zip", day.messages[:-3])
    outcome = verify_files([path])
    assert outcome.passed == 46
    assert outcome.failures[-1][1].startswith("REASON_TRUNCATED_FILE")


def test_a_file_of_a_pair_that_is_of_no_format_is_named(tmp_path: Path) -> None:
    day = LobsterDay(1, 5, 50)
    path = day.write_zip(tmp_path / "x.zip", [line.replace(",", ";") for line in day.messages])
    ((_, why),) = verify_files([path]).failures
    assert why.endswith("is of no supported format")
    assert "message" in why.partition(";")[2]


def test_a_row_that_cannot_be_parsed_is_named(tmp_path: Path) -> None:
    day = LobsterDay(1, 5, 50)
    messages = [*day.messages[:20], "34201,1,abc,5,6,1", *day.messages[21:]]
    outcome = verify_files([day.write_zip(tmp_path / "x.zip", messages)])
    assert outcome.failures[-1][1].startswith("REASON_MALFORMED_FILE")
    assert "row 21" in outcome.failures[-1][1]
    capture = BinanceDay(1, 30)
    lines = [*capture.lines[:12], capture.lines[12].replace('"', "", 1), *capture.lines[13:]]
    outcome = verify_files([capture.write(tmp_path / "x.gz", lines)])
    assert outcome.failures[-1][1].startswith("REASON_MALFORMED_FILE")
    assert "row 13" in outcome.failures[-1][1]


@pytest.mark.parametrize(
    "day", ["2012-02-30", "2012-13-01", "0000-01-01", "1969-12-31", "2262-01-01"]
)
def test_a_day_that_there_is_none_of_is_refused_by_name(tmp_path: Path, day: str) -> None:
    lobster = LobsterDay(1, 1, 5)
    messages = tmp_path / f"AMZN_{day}_34200000_57600000_message_1.csv"
    book = tmp_path / f"AMZN_{day}_34200000_57600000_orderbook_1.csv"
    messages.write_text("\n".join(lobster.messages))
    book.write_text("\n".join(lobster.lines))
    ((name, why),) = verify_files([messages, book]).failures
    assert name == str(messages)
    assert why.startswith("REASON_UNRECOGNISED_FILE")
    assert day in why
    with pytest.raises(TradeCaptainError, match=day):
        replayed_instruments([messages, book])


@pytest.mark.parametrize("symbol", ["BTC/USDT", ".BTC", "BTC\\"])
def test_a_symbol_that_reference_data_cannot_hold_is_refused(tmp_path: Path, symbol: str) -> None:
    capture = BinanceDay(1, 10, symbol=symbol).write(tmp_path / "x.gz")
    with pytest.raises(TradeCaptainError, match="its symbol") as refused:
        replayed_instruments([capture])
    assert refused.value.name == "REASON_UNRECOGNISED_FILE"
    assert str(capture) in refused.value.message


def test_a_name_whose_symbol_is_too_long_is_refused(tmp_path: Path) -> None:
    lobster = LobsterDay(1, 1, 5)
    files = [
        tmp_path / f"{'A' * 33}_2012-06-21_1_2_{kind}_1.csv" for kind in ("message", "orderbook")
    ]
    for path, lines in zip(files, (lobster.messages, lobster.lines), strict=True):
        path.write_text("\n".join(lines))
    with pytest.raises(TradeCaptainError, match="its symbol"):
        replayed_instruments(files)


def test_a_snapshot_that_no_update_follows_is_told(tmp_path: Path) -> None:
    capture = BinanceDay(1, 30)
    snapshot = next(line for line in capture.lines if "lastUpdateId" in line)
    early = [
        line for line in capture.lines[: capture.lines.index(snapshot)] if "depthUpdate" in line
    ]
    outcome = verify_files([capture.write(tmp_path / "x.gz", [*early, snapshot])])
    assert (outcome.passed, outcome.failed) == (0, 0)
    ((why, count),) = outcome.not_applicable.items()
    assert why.endswith("no update follows its snapshot")
    assert count == 1


def test_a_truncated_archive_is_told_apart_from_a_damaged_one(tmp_path: Path) -> None:
    capture = BinanceDay(1, 200).write(tmp_path / "x.gz").read_bytes()
    (tmp_path / "cut.gz").write_bytes(capture[: len(capture) // 2])
    assert reasons(tmp_path / "cut.gz")[-1] == "REASON_TRUNCATED_FILE"
    damaged = bytearray(capture)
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "bad.gz").write_bytes(damaged)
    assert reasons(tmp_path / "bad.gz")[-1] == "REASON_MALFORMED_FILE"


def test_an_archive_bomb_is_bounded(tmp_path: Path) -> None:
    day = LobsterDay(1, 1, 5)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("m.csv", "\n".join(day.messages) + "\n")
        archive.writestr("b.csv", day.lines[0] + "\n" + "0" * (80 << 20))
    assert path.stat().st_size < 1 << 20
    assert reasons(path)[-1] == "REASON_MALFORMED_FILE"


def test_windows_slide_over_any_container(tmp_path: Path) -> None:
    text = b"".join(b"%d\n" % number for number in range(20_000))
    plain, packed = tmp_path / "a", tmp_path / "b"
    plain.write_bytes(text)
    packed.write_bytes(lzma.compress(text))
    for path in (plain, packed):
        window = TextWindow(open_sources(path)[0], window_bytes=4096)
        seen = b""
        while not window.is_final or window.address < window.end_address:
            window.fill()
            piece = window.text(1 << 20)
            seen += piece
            window.consume(window.address + len(piece))
        window.close()
        assert seen == text


def test_kinds_are_recognised() -> None:
    assert recognise(b"34200.01,5,0,1,2238200,-1\n") is ContentKind.LOBSTER_MESSAGES
    assert recognise(b"2239500,100,2231800,100\n") is ContentKind.LOBSTER_BOOK
    assert recognise(b"-1,0,x") is ContentKind.UNKNOWN
    line = BinanceDay(1, 1).lines[0].encode()
    assert recognise(line) is ContentKind.BINANCE


def test_replayed_instruments_are_named_with_exact_units(tmp_path: Path) -> None:
    lobster = LobsterDay(1, 5, 20).write_zip(tmp_path / "a.zip", symbol="MSFT")
    capture = BinanceDay(1, 20, futures=True, symbol="BTCUSD_PERP").write(tmp_path / "b.gz")
    found = {item.key: item for item in replayed_instruments([lobster, capture])}
    assert set(found) == {"MSFT@XNAS", "BTCUSD_PERP@BINANCE"}
    assert found["MSFT@XNAS"].price.decimals == 4
    assert found["BTCUSD_PERP@BINANCE"].price.decimals == 2
    assert found["BTCUSD_PERP@BINANCE"].type == "future"
    (tmp_path / "c").write_bytes(gzip.compress(b"hello world"))
    with pytest.raises(TradeCaptainError, match="can't be replayed"):
        replayed_instruments([tmp_path / "c"])


def test_a_price_unit_holds_the_prices_of_all_files_of_a_symbol(tmp_path: Path) -> None:
    day = BinanceDay(1, 20)
    finer = [line.replace("59999.99000000", "59999.99100000") for line in day.lines]
    assert finer != day.lines
    coarse = day.write(tmp_path / "coarse.gz")
    fine = day.write(tmp_path / "fine.gz", finer)
    for files in ([coarse, fine], [fine, coarse]):
        (found,) = replayed_instruments(files)
        assert found.price.decimals == 3
