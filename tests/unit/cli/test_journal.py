"""``tradecaptain journal`` over a log that a venue wrote."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.logged_venue import JOURNAL, LoggedVenue, opened, trade_for_a_while
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.main import build, main
from tradecaptain.mesh.journal_files import SEGMENT_HEADER_BYTES, JournalDamaged, list_segments
from tradecaptain.orderbook.snapshot_files import list_snapshots, read_snapshot, write_snapshot
from tradecaptain.wire import reason
from typer.testing import CliRunner

CONFIG = """
[orderbook]
orders = 256
levels = 256
step_limit = 4
gate_accounts = 64
gate_pairs = 256
gate_overrides = 64
"""

LOWER_LIMIT = '["account:alpha"]\norder-notional = "1"\n'


@pytest.fixture
def venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoggedVenue:
    made = opened(tmp_path / "venue")
    trade_for_a_while(made, 21, 80)
    made.sync()
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.toml").write_text(CONFIG)
    monkeypatch.setenv("TRADECAPTAIN_RUN", str(run))
    return made


def call(venue: LoggedVenue, *words: str, ring: bool = False) -> Any:
    """Run a verb with --json over the venue's files; its answer, or the error it raised."""
    options = ["--folder", str(venue.folder / "segments"), "--json"]
    if ring:
        options += ["--ring", str(venue.folder / "ring")]
    done = CliRunner().invoke(build(["journal"]), ["journal", *words, *options])
    if done.exception is not None:
        raise done.exception
    return orjson.loads(done.stdout)


def test_info_and_verify_tell_files_and_ring(venue: LoggedVenue) -> None:
    synced = int(venue.log.agent.place.sequence)
    trade_for_a_while(venue, 22, 10)
    told = call(venue, "info", ring=True)
    assert told["ring"]["unsynced_bytes"] > 0
    assert told["ring"]["refuses_new_orders"] == "no"
    assert told["segments"][0]["first_sequence"] == 1
    checked = call(venue, "verify", ring=True)
    assert checked["records"] - checked["records_in_ring"] == synced
    assert checked["last_sequence"] == checked["records"]
    venue.stop()
    assert call(venue, "info")["ring"] is None
    assert call(venue, "verify")["records"] == checked["records"]


def test_verify_names_a_damaged_record(venue: LoggedVenue) -> None:
    venue.stop()
    path = list_segments(venue.folder / "segments")[0].path
    content = bytearray(path.read_bytes())
    content[20_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(JournalDamaged) as damaged:
        call(venue, "verify")
    assert damaged.value.reason == reason.REASON_JOURNAL_DAMAGED


def test_a_missing_segment_is_named_by_every_command(venue: LoggedVenue, tmp_path: Path) -> None:
    while len(segments := list_segments(venue.folder / "segments")) < 3:
        trade_for_a_while(venue, 23, 80)
        venue.sync()
    segments[1].path.unlink()
    for words in (
        ("verify",),
        ("replay",),
        ("cat", "--to", "1000000"),
        ("export", str(tmp_path / "export"), "--format", "ndjson"),
    ):
        with pytest.raises(JournalDamaged) as damaged:
            call(venue, *words)
        assert damaged.value.sequence == segments[1].start.sequence + 1


def test_verify_misses_records_that_a_snapshot_was_taken_behind(venue: LoggedVenue) -> None:
    while len(segments := list_segments(venue.folder / "segments")) < 2:
        trade_for_a_while(venue, 24, 80)
        venue.sync()
    venue.stop()
    segments[-1].path.unlink()
    with pytest.raises(JournalDamaged) as damaged:
        call(venue, "verify")
    assert damaged.value.sequence == segments[-1].start.sequence + 1


def test_a_damaged_log_tells_what_to_do(
    venue: LoggedVenue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    segment = list_segments(venue.folder / "segments")[0]
    content = bytearray(segment.path.read_bytes())
    content[SEGMENT_HEADER_BYTES + 200] ^= 1
    segment.path.write_bytes(content)
    words = ["journal", "verify", "--folder", str(venue.folder / "segments")]
    monkeypatch.setattr("sys.argv", ["tradecaptain", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "REASON_JOURNAL_DAMAGED" in first
    assert "Runbook" in second


def test_replay_gives_the_state_hash_of_the_venue(venue: LoggedVenue) -> None:
    told = call(venue, "replay")
    assert int(told["state_hash"], 16) == venue.state_hash
    assert told["sequence"] == int(venue.core.header[0]["sequence"])
    assert told["events"] == int(venue.core.header[0]["execution_events"])
    early = call(venue, "replay", "--until", "30")
    assert early["sequence"] == 30
    assert early["stopped_at_limit"]
    assert early["state_hash"] != told["state_hash"]
    for before in ("0", "1999-12-31T23:59:59+00:00"):
        with pytest.raises(CommandError, match="before the beginning of the log"):
            call(venue, "replay", "--until", before)
    venue.stop()


def test_snapshots_are_told_checked_and_compared_with_what_comes_out(venue: LoggedVenue) -> None:
    venue.stop()
    (path,) = list_snapshots(venue.folder / "segments")
    (told,) = call(venue, "info")["snapshots"]
    assert (told["file"], told["unusable"]) == (path.name, "")
    assert told["sequence"] == int(venue.core.header[0]["sequence"])
    assert call(venue, "verify")["snapshots"] == 1
    assert call(venue, "replay")["snapshots_compared"] == 1
    # One that says something else than the log, with a hash that fits.
    snapshot = read_snapshot(path)
    write_snapshot(path.parent, replace(snapshot, time_ns=snapshot.time_ns + 1))
    with pytest.raises(CommandError, match="says something else"):
        call(venue, "replay")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CommandError, match="doesn't fit its hash"):
        call(venue, "verify")


def test_replay_begins_with_a_snapshot_where_the_log_s_beginning_was_dropped(
    venue: LoggedVenue, tmp_path: Path
) -> None:
    venue.stop()
    again = LoggedVenue(venue.folder, replace(JOURNAL, segment_bytes=1 << 16))
    trade_for_a_while(again, 23, 400)
    again.stop()
    folder = venue.folder / "segments"
    (first, *others), (snapshot, _) = list_segments(folder), list_snapshots(folder)
    assert others[0].start.sequence == read_snapshot(snapshot).place.sequence
    first.path.unlink()
    told = call(venue, "replay")
    assert int(told["state_hash"], 16) == again.state_hash
    assert told["began_behind"] == read_snapshot(snapshot).sequence
    assert told["snapshots_compared"] == 1
    limits = tmp_path / "limits.toml"
    limits.write_text(LOWER_LIMIT)
    what_if = call(venue, "replay", "--what-if", str(limits))["what_if"]
    assert what_if["limits_changed"] == 1
    assert what_if["answers_differ"] > 0
    for path in list_snapshots(folder):
        path.unlink()
    with pytest.raises(CommandError, match="there is no snapshot"):
        call(venue, "replay")


def test_what_if_tells_which_answers_differ(venue: LoggedVenue, tmp_path: Path) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text(LOWER_LIMIT)
    told = call(venue, "replay", "--what-if", str(limits))["what_if"]
    assert (told["limits_changed"], told["limits_not_in_log"]) == (1, 0)
    assert told["answers_differ"] > 0
    assert told["traded_units"] < told["traded_units_as_it_was"]
    becomes = {row["becomes"] for row in told["first_differences"]}
    assert "rejected (REASON_ORDER_NOTIONAL_LIMIT)" in becomes
    limits.write_text('["account:alpha"]\nspeed = "1"\n')
    with pytest.raises(CommandError, match=r"limits.toml:2: account:alpha.speed"):
        call(venue, "replay", "--what-if", str(limits))
    limits.write_text('["account:alpha"]\n\nopen-orders = "five"\n')
    with pytest.raises(CommandError, match=r"limits.toml:3: account:alpha.open-orders: .*'five'"):
        call(venue, "replay", "--what-if", str(limits))
    limits.write_text('["account:nobody"]\nopen-orders = "5"\n')
    with pytest.raises(CommandError, match=r"limits.toml:2: account:nobody.open-orders: .*nobody"):
        call(venue, "replay", "--what-if", str(limits))
    venue.stop()


def test_cat_and_export_have_every_record(venue: LoggedVenue, tmp_path: Path) -> None:
    rows = call(venue, "cat")["records"]
    assert [row["journal_sequence"] for row in rows] == list(range(1, len(rows) + 1))
    commands = [row for row in rows if row["record"] == "order_command"]
    assert any(row.get("seen_execution_sequence", 0) > 0 for row in commands)
    assert call(venue, "cat", "--from", "5", "--to", "7")["records"] == rows[4:7]
    files = call(venue, "export", str(tmp_path / "out"))["files"]
    assert sum(files.values()) == len(rows)
    lines = (tmp_path / "out" / "order_command.ndjson").read_bytes().splitlines()
    assert [orjson.loads(line) for line in lines] == commands
    # What an earlier export wrote is gone, also where this one has no such record.
    again = call(venue, "export", str(tmp_path / "out"), "--from", "1", "--to", "1")["files"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(again)
    for wrong in (("cat", "--kind", "nonsense"), ("cat", "--from", "9", "--to", "3")):
        with pytest.raises(SystemExit):
            call(venue, *wrong)
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="file is no folder"):
        call(venue, "export", str(tmp_path / "file"))
    parquet = pytest.importorskip("pyarrow.parquet")
    files = call(venue, "export", str(tmp_path / "out"), "--format", "parquet")["files"]
    table = parquet.read_table(tmp_path / "out" / "order_command.parquet")
    assert table.num_rows == files["order_command.parquet"] == len(commands)
    assert table["sequence"].to_pylist() == [row["sequence"] for row in commands]
    venue.stop()


def test_parquet_without_its_library_tells_how_to_get_it(
    venue: LoggedVenue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(CommandError, match="needs pyarrow") as refused:
        call(venue, "export", str(tmp_path / "out"), "--format", "parquet")
    assert "tradecaptain[export]" in refused.value.next_step
    venue.stop()


def test_repair_cuts_only_a_torn_record(venue: LoggedVenue) -> None:
    venue.stop()
    assert call(venue, "repair", "--dry-run")["torn_bytes"] == 0
    segment = list_segments(venue.folder / "segments")[-1]
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole + b"\x60\x00\x00\x00torn")
    told = call(venue, "repair", "--dry-run")
    assert told["torn_bytes"] == 8
    assert not told["done"]
    assert segment.path.stat().st_size == len(whole) + 8
    assert call(venue, "repair")["done"]
    assert segment.path.read_bytes() == whole
