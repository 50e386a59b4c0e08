"""Carrying a log out again: what comes about is held against what was logged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from support.logged_venue import JOURNAL, LoggedVenue, log_paths, opened, trade_for_a_while
from support.venue_driver import SETTINGS
from tradecaptain.base.memory import address_of, load_i64
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FLAG_RESULT,
    FRAME_HEADER_BYTES,
    frame_bytes,
    frame_flags,
    frame_length,
)
from tradecaptain.mesh.journal_files import JournalDamaged, check_chain
from tradecaptain.orderbook.log_reading import read_log
from tradecaptain.orderbook.replica import Replica
from tradecaptain.wire import execution_event
from twins.mesh.journal import JournalTwin

type Logged = list[tuple[bytes, int]]
"""Records of a log, each with its flags."""


def logged_day(folder: Path) -> Logged:
    """What a venue logged while it traded for a while."""
    venue = opened(folder)
    trade_for_a_while(venue, 11, 60)
    venue.sync()
    venue.kill()
    records: Logged = []

    def take(frames: npt.NDArray[np.uint8]) -> None:
        offset = 0
        while offset < len(frames):
            frame = address_of(frames) + offset
            flags, size = frame_flags(frame), frame_length(frame)
            if flags & FLAG_PADDING == 0:
                start = offset + FRAME_HEADER_BYTES
                records.append((frames[start : start + size].tobytes(), flags))
            offset += frame_bytes(size)

    check_chain(folder / "segments", on_segment=lambda checked: take(checked.frames))
    return records


def carried_out(folder: Path, records: Logged) -> Replica:
    """A replica that was given records as a log of good checksums."""
    twin = JournalTwin(1 << 24)
    for data, flags in records:
        twin.append(data, flags)
    replica = Replica(SETTINGS, 1, folder / "replayed")
    replica.apply(np.frombuffer(twin.data, np.uint8).copy())
    return replica


def is_event(record: tuple[bytes, int]) -> bool:
    data, flags = record
    return flags == FLAG_RESULT and len(data) == execution_event.RECORD_BYTES


def changed(records: Logged, index: int) -> Logged:
    """With another quantity told by one event."""
    data, flags = records[index]
    event = np.frombuffer(data, execution_event.DTYPE).copy()
    event["leaves_quantity_units"] += 1
    return [*records[:index], (event.tobytes(), flags), *records[index + 1 :]]


def repeated(records: Logged, index: int) -> Logged:
    """With one event logged twice."""
    return [*records[: index + 1], *records[index:]]


@pytest.mark.twin
def test_a_log_leads_to_what_was_logged(tmp_path: Path) -> None:
    records = logged_day(tmp_path)
    replica = carried_out(tmp_path, records)
    assert replica.event_count == sum(map(is_event, records)) > 50
    assert replica.unlogged_count == 0
    replica.close()


@pytest.mark.twin
@pytest.mark.parametrize("change", [changed, repeated])
def test_a_log_with_other_events_than_come_about_is_refused(
    tmp_path: Path, change: Callable[[Logged, int], Logged]
) -> None:
    records = logged_day(tmp_path)
    events = [index for index, record in enumerate(records) if is_event(record)]
    for index in (events[0], events[len(events) // 2], events[-1]):
        with pytest.raises(JournalDamaged, match="departs from the log"):
            carried_out(tmp_path, change(records, index))


def test_a_long_log_leaves_its_newest_events_in_the_history(tmp_path: Path) -> None:
    journal = replace(JOURNAL, segment_bytes=1 << 16)
    venue = LoggedVenue(tmp_path, journal)
    venue.open_all()
    trade_for_a_while(venue, 12, 400)
    last = int(venue.core.engine.header[0]["execution_sequence"])
    venue.sync()
    newest = [bytes(_event(venue.core.history.held(last - back))) for back in range(32)]
    venue.kill()
    (tmp_path / "ring").unlink()
    settings = replace(SETTINGS, history_events=64)
    found = read_log(log_paths(tmp_path), lambda epoch: Replica(settings, epoch, tmp_path / "held"))
    assert found.replica is not None
    history = found.replica.core.history
    assert history.last_sequence == last > 4 * history.capacity
    assert [bytes(_event(history.held(last - back))) for back in range(32)] == newest
    found.replica.close()


def _event(address: int) -> npt.NDArray[np.uint8]:
    copy = np.zeros(execution_event.RECORD_BYTES, np.uint8)
    for offset in range(0, len(copy), 8):
        copy[offset : offset + 8].view(np.int64)[0] = load_i64(address + offset)
    return copy
