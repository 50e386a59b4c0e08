"""The venue's log: what a venue that starts anew finds in it."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from support.logged_venue import INSTRUMENTS, JOURNAL, LoggedVenue, opened, trade_for_a_while
from support.venue_driver import INSTRUMENT
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import InstrumentRules
from tradecaptain.mesh.boot_mark import BootMark
from tradecaptain.mesh.history import HistoryReader
from tradecaptain.mesh.journal import (
    FLAG_RESULT,
    FRAME_HEADER_BYTES,
    OFFSET_BOOT,
    JournalRing,
    frame_bytes,
    frame_flags,
    frame_length,
)
from tradecaptain.mesh.journal_files import (
    SEGMENT_HEADER_BYTES,
    JournalDamaged,
    check_segment,
    list_segments,
)
from tradecaptain.mesh.table_readers import CounterReader
from tradecaptain.orderbook.instrument_rules import VenueInstrument
from tradecaptain.orderbook.log_counters import LogCounters
from tradecaptain.orderbook.snapshot import take_snapshot
from tradecaptain.wire import control, execution_event, order_command, reason


def order_counts(venue: LoggedVenue) -> list[tuple[int, int]]:
    orders = venue.core.engine.header[0]
    return [(int(orders["order_count"]), int(orders["last_order_number"]))]


@pytest.mark.twin
@pytest.mark.parametrize("synced", ["nothing", "some", "everything"])
def test_a_killed_venue_goes_on_where_it_ended(tmp_path: Path, synced: str) -> None:
    venue = opened(tmp_path)
    trade_for_a_while(venue, 1)
    if synced != "nothing":
        venue.sync()
    if synced == "some":
        trade_for_a_while(venue, 2, 40)
    before = (venue.state_hash, venue.gate_rows(), order_counts(venue))
    sequence, epoch = int(venue.core.header[0]["sequence"]), venue.core.epoch
    assert before[2][0][0] > 0
    venue.kill()
    is_lost = synced == "everything"
    if is_lost:
        # As after a loss of power.
        (tmp_path / "ring").unlink()
    again = LoggedVenue(tmp_path)
    assert again.core.epoch == epoch + is_lost
    assert (again.state_hash, again.gate_rows(), order_counts(again)) == before
    # The epoch's start is told again, once somebody listens; that of a new one is logged at once.
    assert int(again.core.header[0]["sequence"]) == sequence + 1 + is_lost
    assert again.log.recovery.command_count > 0
    assert (again.log.recovery.from_ring_bytes == 0) == (synced == "everything")
    again.stop()


def told_places(events: list[dict[str, int]]) -> set[tuple[int, int]]:
    return {(event["epoch"], event["sequence"]) for event in events}


def accepted_ids(events: list[dict[str, int]]) -> set[int]:
    accepted = execution_event.EXECUTION_TYPE_ACCEPTED
    return {event["order_id"] for event in events if event["execution_type"] == accepted}


@pytest.mark.twin
def test_what_a_loss_of_power_took_gives_no_number_to_anything_else(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    kept = trade_for_a_while(venue, 21, 60)
    venue.sync()
    lost = trade_for_a_while(venue, 22, 60)
    venue.kill()
    (tmp_path / "ring").unlink()
    again = LoggedVenue(tmp_path)
    new = trade_for_a_while(again, 23, 60)
    assert {event["epoch"] for event in kept + lost} == {1}
    assert {event["epoch"] for event in new} == {2}
    assert [event["sequence"] for event in kept + new] == list(range(1, len(kept + new) + 1))
    assert not told_places(new) & told_places(kept + lost)
    assert accepted_ids(lost)
    assert accepted_ids(new)
    assert not accepted_ids(new) & accepted_ids(kept + lost)
    with HistoryReader.open(tmp_path / "history") as reader:
        assert (reader.epoch, reader.goes_on_from(1), reader.goes_on_from(0)) == (2, True, False)
        assert (reader.epoch_of(len(kept)), reader.epoch_of(len(kept) + 1)) == (1, 2)
    # The epoch stays when nothing is lost: after a kill, and after a stop that leaves no ring.
    again.kill()
    for end in (LoggedVenue.stop, LoggedVenue.kill):
        again = LoggedVenue(tmp_path)
        assert (again.core.epoch, again.core.history.began) == (2, 1)
        state = again.state_hash
        end(again)
    # Over the border of both epochs as well, where no snapshot begins behind it.
    for path in (tmp_path / "segments").glob("*.snapshot"):
        path.unlink()
    again = LoggedVenue(tmp_path)
    assert (again.core.epoch, again.core.history.began, again.state_hash) == (2, 1, state)
    again.stop()


def test_a_ring_of_another_boot_is_put_aside(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    trade_for_a_while(venue, 24, 20)
    venue.sync()
    state = venue.state_hash
    venue.log.ring.store(OFFSET_BOOT, venue.log.ring.boot + 1)
    venue.kill()
    again = LoggedVenue(tmp_path)
    assert (again.core.epoch, again.state_hash) == (2, state)
    assert (tmp_path / "ring.doubtful").exists()
    again.stop()


def test_a_start_that_was_cut_off_logs_its_epoch_the_next_time(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    trade_for_a_while(venue, 25, 20)
    venue.sync()
    end = venue.log.end
    venue.kill()
    (tmp_path / "ring").unlink()
    place = {"position": end.position, "sequence": end.sequence, "checksum": end.checksum}
    JournalRing.create(tmp_path / "ring", capacity=JOURNAL.ring_bytes, epoch=2, **place).close()
    again = LoggedVenue(tmp_path)
    assert again.core.epoch == 2
    again.kill()
    assert LoggedVenue(tmp_path).core.epoch == 2


def test_without_room_for_its_mark_the_ring_is_still_taken_for_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot, mark = tmp_path / "boot", BootMark(tmp_path / "mark", tmp_path / "boot")
    boot.write_text("1b4e28ba-2fa1-11d2-883f-0016d3cca427\n")
    mark.finish()
    assert mark.is_written_out

    def fail(self: BootMark, text: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(BootMark, "_write", fail)
        mark.begin()
    assert not mark.is_written_out
    mark.begin()
    assert mark.is_of_this_boot
    boot.write_text("2b4e28ba-2fa1-11d2-883f-0016d3cca427\n")
    assert not mark.is_of_this_boot
    assert not mark.is_written_out


def test_a_start_waits_for_a_folder_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark says that all was written out: a cancel that is told now, and lost with the power,
    would be missed by nobody."""
    venue = opened(tmp_path)
    trade_for_a_while(venue, 26, 20)
    state, epoch = venue.state_hash, venue.core.epoch
    venue.stop()

    def fail(self: BootMark) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(BootMark, "begin", fail)
        for _ in range(2):
            with pytest.raises(TradeCaptainError, match="Read-only") as raised:
                LoggedVenue(tmp_path)
            assert raised.value.reason == reason.REASON_JOURNAL_UNAVAILABLE
    again = LoggedVenue(tmp_path)
    assert (again.state_hash, again.core.epoch) == (state, epoch)
    again.stop()


@pytest.mark.twin
def test_a_recovered_venue_runs_on_like_one_that_never_ended(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "one"), opened(tmp_path / "other")
    for venue in (one, other):
        trade_for_a_while(venue, 3)
    one.kill()
    one = LoggedVenue(tmp_path / "one")
    one.read("control")
    one.now_ns = other.now_ns
    left, right = trade_for_a_while(one, 4), trade_for_a_while(other, 4)
    for event in (*left, *right):
        # The start was told again, which took a place in the log and some time.
        for name in ("time_ns", "command_sequence", "send_time_ns"):
            event.pop(name, None)
    assert left == right
    assert one.state_hash == other.state_hash
    one.stop()
    other.stop()


def test_a_stopped_venue_leaves_no_ring_and_comes_back_from_its_files(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    trade_for_a_while(venue, 5, 30)
    state, rows = venue.state_hash, venue.gate_rows()
    venue.stop()
    assert not (tmp_path / "ring").exists()
    again = LoggedVenue(tmp_path)
    assert (again.state_hash, again.gate_rows()) == (state, rows)
    again.stop()


def test_history_goes_on_in_the_same_epoch(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    events = trade_for_a_while(venue, 6, 40)
    with HistoryReader.open(tmp_path / "history") as reader:
        held = reader.read_array(1, len(events), execution_event.DTYPE).copy()
        assert len(held) == len(events)
        venue.kill()
        again = LoggedVenue(tmp_path)
        assert not reader.is_current()
        with HistoryReader.open(tmp_path / "history") as newer:
            assert newer.epoch == reader.epoch
            assert newer.last_sequence() == len(events)
            restored = newer.read_array(1, len(events), execution_event.DTYPE)
            np.testing.assert_array_equal(restored, held)
    again.stop()


def test_without_a_log_a_new_epoch_begins(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    epoch = venue.core.epoch
    venue.stop()
    shutil.rmtree(tmp_path / "segments")
    again = LoggedVenue(tmp_path)
    assert again.core.epoch == epoch + 1
    assert again.log.recovery.command_count == 0
    again.stop()


def test_every_command_is_logged_with_what_its_author_had_seen(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    venue.order(seen_execution_sequence=17, seen_price_sequence=23, tag=99)
    venue.crank()
    found = []
    address, end = venue.log.ring.frame_address(0), venue.log.ring.frame_address(0)
    end += venue.log.ring.tail
    while address < end:
        record = address + FRAME_HEADER_BYTES
        if order_command.get_kind(record) == order_command.KIND:
            found.append(
                (
                    order_command.get_tag(record),
                    order_command.get_seen_execution_sequence(record),
                    order_command.get_seen_price_sequence(record),
                    frame_flags(address),
                )
            )
        elif order_command.get_kind(record) == execution_event.KIND:
            assert frame_flags(address) == FLAG_RESULT
            assert execution_event.get_durability(record) == execution_event.DURABILITY_PROCESS
        address += frame_bytes(frame_length(address))
    assert found == [(99, 17, 23, 0)]
    venue.stop()


def test_damage_in_the_middle_stops_the_start_and_names_the_record(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    trade_for_a_while(venue, 7, 40)
    venue.stop()
    (segment,) = list_segments(tmp_path / "segments")
    content = bytearray(segment.path.read_bytes())
    content[len(content) // 2] ^= 4
    segment.path.write_bytes(content)
    with pytest.raises(JournalDamaged) as damaged:
        LoggedVenue(tmp_path)
    assert damaged.value.sequence > 10
    assert str(damaged.value.sequence) in damaged.value.message


def test_what_a_kill_kept_from_being_synced_is_synced_by_the_next_start(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    trade_for_a_while(venue, 8, 40)
    venue.sync()
    venue.kill()
    (segment,) = list_segments(tmp_path / "segments")
    # As by a kill after a group was written and before it was synced and indexed.
    blocks = segment.index_path.read_bytes()
    segment.index_path.write_bytes(blocks[: len(blocks) // 2])
    LoggedVenue(tmp_path).kill()
    assert check_segment(segment, is_last=False).block_count > 0
    synced_bytes = int((segment.blocks()["offset_bytes"] + segment.blocks()["length_bytes"]).max())
    content = bytearray(segment.path.read_bytes())
    content[SEGMENT_HEADER_BYTES + synced_bytes - 1] ^= 4
    segment.path.write_bytes(content)
    # The last record isn't torn but damaged: it was durable.
    with pytest.raises(JournalDamaged):
        LoggedVenue(tmp_path)


def test_a_full_log_refuses_new_orders_and_takes_cancels(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    venue.order(price_units=9_000)
    (accepted,) = venue.events()
    count = 0
    while True:
        venue.order(price_units=20_000 + 100 * count, side=2, quantity_units=10)
        (event,) = venue.events()
        count += 1
        if event["execution_type"] == execution_event.EXECUTION_TYPE_REJECTED:
            break
        venue.order(
            action=order_command.COMMAND_ACTION_CANCEL_ORDER,
            order_id=event["order_id"],
            quantity_units=0,
        )
        assert [item["execution_type"] for item in venue.events()] == [
            execution_event.EXECUTION_TYPE_CANCELLED
        ]
        assert count < 5_000
    assert event["reason"] == reason.REASON_JOURNAL_UNAVAILABLE
    venue.order(
        action=order_command.COMMAND_ACTION_CANCEL_ORDER,
        order_id=accepted["order_id"],
        quantity_units=0,
    )
    (cancelled,) = venue.events()
    assert cancelled["execution_type"] == execution_event.EXECUTION_TYPE_CANCELLED
    # Once the disk takes it, orders are taken again; and a restart refuses the same ones.
    venue.sync()
    venue.order(price_units=9_000)
    (event,) = venue.events()
    assert event["execution_type"] == execution_event.EXECUTION_TYPE_ACCEPTED
    state = venue.state_hash
    venue.kill()
    again = LoggedVenue(tmp_path)
    assert again.state_hash == state
    again.stop()


def test_another_ring_length_takes_effect_at_a_start(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    trade_for_a_while(venue, 8, 40)
    state = venue.state_hash
    venue.kill()
    again = LoggedVenue(tmp_path, replace(JOURNAL, ring_bytes=1 << 21))
    assert again.state_hash == state
    assert again.log.ring.capacity == 1 << 21
    again.stop()


def test_definitions_carry_every_rule_of_an_instrument() -> None:
    for instrument in INSTRUMENTS:
        wanted = VenueInstrument.from_reference(instrument)
        record = wanted.record(3, 5, 7)
        assert VenueInstrument.from_record(address_of(record)) == wanted
    names = set(record.dtype.names or ())
    assert {item.name for item in fields(InstrumentRules)} <= names


def test_changed_rules_are_logged_once(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    sequence = int(venue.core.header[0]["sequence"])
    changed = [
        replace(item, lot_units=item.lot_units * 2) if item.instrument_id == INSTRUMENT else item
        for item in INSTRUMENTS
    ]
    assert venue.log.define(venue.core, INSTRUMENTS, 0) == 0
    assert venue.log.define(venue.core, changed, 0) == 1
    assert int(venue.core.header[0]["sequence"]) == sequence + 1
    state = venue.state_hash
    venue.kill()
    again = LoggedVenue(tmp_path)
    # Reference data says the old rules again.
    assert again.state_hash == state
    assert int(again.core.header[0]["sequence"]) == sequence + 3
    again.stop()


def test_counters_tell_levels_and_how_far_the_disk_is(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    trade_for_a_while(venue, 9, 20)
    path = tmp_path / "journal.counters"
    with LogCounters(path, venue.log, venue.core, INSTRUMENTS) as counters:
        with CounterReader.open(path) as reader:
            told = dict(reader.values())
        assert told["instruments_process"] == len(INSTRUMENTS)
        assert told["instruments_group"] == told["instruments_async"] == 0
        assert told[f"durability {INSTRUMENTS[0].key}"] == execution_event.DURABILITY_PROCESS
        assert told["unsynced_bytes"] == venue.log.ring.tail > 0
        venue.sync()
        counters.update()
        with CounterReader.open(path) as reader:
            told = dict(reader.values())
        assert (told["unsynced_bytes"], told["durable_position"]) == (0, venue.log.ring.tail)
        assert told["sync_count"] > 0
    venue.stop()


def test_an_instrument_that_was_created_is_there_after_a_restart(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    venue.control(
        action=control.CONTROL_ACTION_CREATE_INSTRUMENT,
        scope=control.CONTROL_SCOPE_INSTRUMENT,
        instrument_id=5_000,
        low_units=1,
        high_units=1_000_000,
        maximum_quantity_units=10_000,
        lot_units=1,
        tick_units=1,
        notional_numerator=1,
        notional_denominator=1,
    )
    venue.order(instrument_id=5_000)
    (accepted,) = venue.events()
    assert accepted["durability"] == execution_event.DURABILITY_PROCESS
    before = venue.state_hash
    for _ in range(2):
        venue.kill()
        venue = LoggedVenue(tmp_path)
        assert venue.state_hash == before
        venue.core.remember_created()
        told = venue.core.instruments[5_000]
        assert (told.rules.lot_units, told.notional_numerator) == (1, 1)
        assert told.durability == execution_event.DURABILITY_PROCESS
    assert (
        take_snapshot(venue.core, venue.log.end)
        .parts["instruments"]
        .count((5_000).to_bytes(4, "little"))
    )
    venue.order(
        action=order_command.COMMAND_ACTION_CANCEL_ORDER,
        instrument_id=5_000,
        order_id=accepted["order_id"],
        quantity_units=0,
    )
    (cancelled,) = venue.events()
    assert cancelled["execution_type"] == execution_event.EXECUTION_TYPE_CANCELLED
    venue.stop()
