"""Snapshots of the venue: what is restored is what was taken, and runs on like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.logged_venue import JOURNAL, LoggedVenue, log_paths, opened, trade_for_a_while
from support.venue_driver import ALPHA, SETTINGS
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.mesh.history import HistoryReader
from tradecaptain.mesh.journal_files import JournalDamaged, list_segments
from tradecaptain.orderbook.log_reading import read_log
from tradecaptain.orderbook.replica import Replica
from tradecaptain.orderbook.snapshot import (
    Snapshot,
    SnapshotUnusable,
    decode_snapshot,
    encode_snapshot,
    take_snapshot,
)
from tradecaptain.orderbook.snapshot_files import (
    list_snapshots,
    needed_from,
    read_snapshot,
    write_snapshot,
)
from tradecaptain.orderbook.snapshot_keeper import SnapshotKeeper
from tradecaptain.wire import control, execution_event, reason

LARGER = replace(
    SETTINGS,
    orders=512,
    levels=1_024,
    sessions=9,
    history_events=2_048,
    gate_accounts=100,
    gate_pairs=999,
    gate_overrides=77,
)


def busy(folder: Path, seed: int) -> LoggedVenue:
    """A venue with orders, positions, sessions and limits of several kinds and durations."""
    venue = opened(folder)
    for number in (7, 3, 9):
        venue.control(
            action=control.CONTROL_ACTION_SESSION_OPEN,
            scope=control.CONTROL_SCOPE_SESSION,
            scope_id=number,
            flags=2,
        )
    for kind, value in ((13, 5_000), (11, 1_000), (12, 500), (16, 1 << 50), (9, 9_000)):
        venue.control(
            action=control.CONTROL_ACTION_SET_LIMIT,
            scope=control.CONTROL_SCOPE_ACCOUNT,
            scope_id=ALPHA,
            limit_kind=kind,
            value=value,
        )
    venue.crank()
    trade_for_a_while(venue, seed)
    return venue


def files_of(venue: LoggedVenue) -> list[Path]:
    return list_snapshots(log_paths(venue.folder).segments)


def keeper_of(venue: LoggedVenue, **journal: int) -> SnapshotKeeper:
    return SnapshotKeeper(
        SETTINGS,
        replace(JOURNAL, **{"snapshot_bytes": 1 << 12, **journal}),  # type: ignore[arg-type]
        venue.log.ring,
        log_paths(venue.folder).segments,
        venue.folder / "scratch",
    )


def keep_up(keeper: SnapshotKeeper) -> None:
    while keeper.step():
        pass


def restored(folder: Path, snapshot: Snapshot, settings: Any = SETTINGS) -> Replica:
    replica = Replica(settings, snapshot.epoch, folder / "restored_history")
    replica.restore(snapshot)
    return replica


@pytest.mark.twin
@pytest.mark.parametrize("settings", [SETTINGS, LARGER], ids=["as it was", "larger"])
def test_what_is_restored_gives_the_same_bytes(tmp_path: Path, settings: Any) -> None:
    venue = busy(tmp_path, 1)
    snapshot = take_snapshot(venue.core, venue.log.end)
    data = encode_snapshot(snapshot)
    replica = restored(tmp_path, decode_snapshot(data, "it"), settings)
    assert encode_snapshot(take_snapshot(replica.core, snapshot.place)) == data
    assert replica.state_hash() == venue.state_hash
    replica.close()
    venue.stop()


@pytest.mark.twin
def test_a_replica_that_follows_takes_the_same_snapshot_as_the_venue(tmp_path: Path) -> None:
    venue = busy(tmp_path, 2)
    venue.sync()
    keeper = keeper_of(venue)
    keep_up(keeper)
    (path,) = files_of(venue)
    assert read_snapshot(path) == take_snapshot(venue.core, venue.log.end)
    keeper.close()
    venue.stop()


@pytest.mark.twin
def test_a_venue_that_begins_with_a_snapshot_runs_on_like_one_that_replays_all(
    tmp_path: Path,
) -> None:
    one, other = busy(tmp_path / "one", 3), busy(tmp_path / "other", 3)
    one.sync()
    with keeper_of(one) as keeper:
        keep_up(keeper)
    for venue in (one, other):
        trade_for_a_while(venue, 4, 40)
        venue.kill()
    one, other = LoggedVenue(tmp_path / "one"), LoggedVenue(tmp_path / "other")
    assert one.log.recovery.snapshot_sequence > 0
    assert other.log.recovery.snapshot_sequence == 0
    assert 0 < one.log.recovery.command_count < other.log.recovery.command_count
    one.now_ns = other.now_ns
    assert trade_for_a_while(one, 5) == trade_for_a_while(other, 5)
    left, right = (take_snapshot(venue.core, venue.log.end) for venue in (one, other))
    assert left == right
    one.stop()
    other.stop()


def test_history_before_a_snapshot_is_held_again(tmp_path: Path) -> None:
    venue = busy(tmp_path, 6)
    last = venue.core.history.last_sequence
    venue.stop()
    assert len(files_of(venue)) == 1
    again = LoggedVenue(tmp_path)
    assert again.log.recovery.snapshot_sequence > 0
    assert again.log.recovery.command_count == 0
    with HistoryReader.open(tmp_path / "history") as reader:
        assert (reader.first_sequence(), reader.last_sequence()) == (1, last)
        events = reader.read_array(1, last, execution_event.DTYPE)
        assert events["sequence"].tolist() == list(range(1, last + 1))
    again.stop()


def test_a_damaged_snapshot_gives_way_to_the_one_before(tmp_path: Path) -> None:
    venue = busy(tmp_path, 7)
    venue.stop()
    again = LoggedVenue(tmp_path)
    trade_for_a_while(again, 8, 30)
    state = again.state_hash
    again.stop()
    older, newer = files_of(again)
    content = bytearray(newer.read_bytes())
    content[len(content) // 2] ^= 1
    newer.write_bytes(content)
    third = LoggedVenue(tmp_path)
    assert third.state_hash == state
    assert third.log.recovery.snapshot_sequence == read_snapshot(older).sequence
    (why,) = third.log.recovery.unusable_snapshots
    assert newer.name in why
    third.stop()


def test_without_a_good_snapshot_the_whole_log_is_carried_out(tmp_path: Path) -> None:
    venue = busy(tmp_path, 9)
    state = venue.state_hash
    venue.stop()
    (path,) = files_of(venue)
    path.write_bytes(b"")
    again = LoggedVenue(tmp_path)
    assert again.state_hash == state
    assert again.log.recovery.snapshot_sequence == 0
    again.stop()


def test_a_snapshot_of_another_log_is_not_used(tmp_path: Path) -> None:
    venue, stranger = busy(tmp_path / "one", 10), busy(tmp_path / "other", 11)
    foreign = take_snapshot(stranger.core, stranger.log.end)
    stranger.stop()
    trade_for_a_while(venue, 12, 100)
    venue.sync()
    assert foreign.place.position < venue.log.end.position
    state = venue.state_hash
    venue.kill()
    write_snapshot(log_paths(venue.folder).segments, foreign)
    again = LoggedVenue(tmp_path / "one")
    assert again.state_hash == state
    assert len(again.log.recovery.unusable_snapshots) == 1
    again.stop()


@pytest.mark.parametrize("left", ["segments", "no segment"])
def test_a_log_that_ends_before_a_good_snapshot_stops_the_start(tmp_path: Path, left: str) -> None:
    journal = replace(JOURNAL, segment_bytes=1 << 16)
    folder = log_paths(tmp_path).segments
    venue = LoggedVenue(tmp_path, journal)
    venue.open_all()
    while len(list_segments(folder)) < 3:
        trade_for_a_while(venue, 42, 20)
        venue.sync()
    venue.stop()
    state = venue.state_hash
    gone = list_segments(folder)[-1 if left == "segments" else 0 :]
    for segment in gone:
        segment.path.rename(tmp_path / segment.path.name)
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(JournalDamaged, match="is missing") as damaged:
        LoggedVenue(tmp_path, journal)
    assert damaged.value.sequence == gone[0].start.sequence + 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == kept
    for segment in gone:
        (tmp_path / segment.path.name).rename(segment.path)
    again = LoggedVenue(tmp_path, journal)
    assert again.state_hash == state
    again.stop()


def test_every_changed_or_missing_byte_of_a_snapshot_is_found(tmp_path: Path) -> None:
    venue = busy(tmp_path, 13)
    data = encode_snapshot(take_snapshot(venue.core, venue.log.end))
    assert decode_snapshot(data, "it").sequence > 0
    chance = np.random.default_rng(14)
    for place in chance.integers(0, 8 * len(data), 400).tolist():
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << (place % 8)
        with pytest.raises(SnapshotUnusable):
            decode_snapshot(bytes(damaged), "it")
    for length in (0, 7, 119, 120, 200, len(data) - 1):
        with pytest.raises(SnapshotUnusable, match="it can't be used"):
            decode_snapshot(data[:length], "it")
    venue.stop()


def test_capacities_that_are_too_small_are_told(tmp_path: Path) -> None:
    venue = busy(tmp_path, 15)
    snapshot = take_snapshot(venue.core, venue.log.end)
    for change in ({"orders": 2}, {"gate_accounts": 2}, {"gate_pairs": 1}, {"sessions": 1}):
        replica = Replica(replace(SETTINGS, **change), snapshot.epoch, tmp_path / "small")
        with pytest.raises(TradeCaptainError):
            replica.restore(snapshot)
        replica.close()
    venue.stop()


def test_the_keeper_takes_snapshots_as_the_log_grows(tmp_path: Path) -> None:
    venue = busy(tmp_path, 16)
    keeper = keeper_of(venue, snapshot_bytes=1 << 13)
    found = set()
    for seed in range(17, 25):
        trade_for_a_while(venue, seed, 30)
        venue.sync()
        keep_up(keeper)
        found |= {path.name for path in files_of(venue)}
        assert len(files_of(venue)) <= 3
    assert len(found) > 3
    # What isn't on disk isn't in a snapshot either.
    newest = read_snapshot(files_of(venue)[-1])
    trade_for_a_while(venue, 25, 30)
    keep_up(keeper)
    assert read_snapshot(files_of(venue)[-1]) == newest
    keeper.close()
    venue.stop()


def test_a_missing_segment_has_a_snapshot_taken_behind_it(tmp_path: Path) -> None:
    journal = replace(JOURNAL, segment_bytes=1 << 16)
    venue = LoggedVenue(tmp_path, journal)
    venue.open_all()
    folder = log_paths(tmp_path).segments
    trade_for_a_while(venue, 26, 400)
    venue.sync()
    agent = venue.log.agent
    keep_up(venue.log.keeper)
    assert list_snapshots(folder) == []
    list_segments(folder)[1].path.unlink()
    agent.look_for_segments()
    assert agent.missing
    venue.order(price_units=9_000)
    (refused,) = venue.events()
    assert refused["reason"] == reason.REASON_JOURNAL_UNAVAILABLE
    # The replica had followed before; a start reads the log behind what it leaves.
    venue.sync()
    keep_up(venue.log.keeper)
    assert not agent.missing
    venue.order(price_units=9_000)
    (accepted,) = venue.events()
    assert accepted["execution_type"] == execution_event.EXECUTION_TYPE_ACCEPTED
    state = venue.state_hash
    venue.log.keeper.close()
    venue.kill()
    again = LoggedVenue(tmp_path, journal)
    assert again.state_hash == state
    again.stop()


def test_segments_that_a_restore_needs_stay_and_others_go(tmp_path: Path) -> None:
    journal = replace(
        JOURNAL, segment_bytes=1 << 16, compress=True, keep_bytes=1, ring_bytes=1 << 20
    )
    venue = LoggedVenue(tmp_path, journal)
    venue.open_all()
    folder = log_paths(tmp_path).segments
    keeper = keeper_of(venue, snapshot_bytes=1 << 16)
    for seed in range(30, 40):
        trade_for_a_while(venue, seed, 120)
        venue.sync()
        assert len(list_snapshots(folder)) > 1 or list_segments(folder)[0].start.sequence == 0
        keep_up(keeper)
    venue.log.agent.tidy()
    segments = list_segments(folder)
    oldest = read_snapshot(list_snapshots(folder)[0])
    assert needed_from(folder) == oldest.place.sequence
    assert 0 < segments[0].start.sequence <= oldest.place.sequence
    state = venue.state_hash
    keeper.close()
    venue.kill()
    again = LoggedVenue(tmp_path, journal)
    assert again.state_hash == state
    again.kill()
    # The oldest snapshot still does; without any the start tells what is missing.
    for path in list_snapshots(folder)[1:]:
        path.unlink()
    again = LoggedVenue(tmp_path, journal)
    assert again.state_hash == state
    again.kill()
    for path in list_snapshots(folder):
        path.unlink()
    with pytest.raises(JournalDamaged, match="records 1 to"):
        LoggedVenue(tmp_path, journal)


@pytest.mark.twin
def test_events_that_a_cut_off_turn_didn_t_log_are_logged_by_the_next_start(tmp_path: Path) -> None:
    venue = busy(tmp_path, 41)
    venue.order(price_units=9_000)
    venue.events()
    venue.sync()
    venue.stop()
    for path in files_of(venue):
        path.unlink()
    segment = list_segments(log_paths(tmp_path).segments)[-1]
    content = segment.path.read_bytes()
    # As if power went when the command was on disk and its event wasn't.
    segment.path.write_bytes(content[: -(16 + execution_event.RECORD_BYTES)])
    segment.index_path.unlink()
    again = LoggedVenue(tmp_path)
    again.sync()
    with keeper_of(again) as keeper:
        keep_up(keeper)
    # There is a place at which everything is logged.
    assert len(files_of(again)) == 1
    found = read_log(log_paths(tmp_path), lambda epoch: Replica(SETTINGS, epoch, tmp_path / "h"))
    assert found.replica is not None
    assert found.replica.unlogged_count == 0
    found.replica.close()
    assert found.ring is not None
    found.ring.close()
    again.stop()
