"""Whoever reads the log far behind its ring, while the segment that it reads still grows."""

from __future__ import annotations

from pathlib import Path

from support.journal_driver import JournalWriter, record_bytes
from tradecaptain.mesh.journal_agent import DurabilityAgent, JournalSettings
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.mesh.journal_tail import LogTail

SETTINGS = JournalSettings(segment_bytes=1 << 18, compress=False, huge_pages=False)
COUNT = 700


def test_open_segment_is_read_on_as_it_grows(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "ring")
    folder = tmp_path / "segments"
    agent = DurabilityAgent(writer.ring, folder, SETTINGS, Place(), epoch=3)
    tail = LogTail(folder, writer.ring, Place())

    def grow(first: int) -> None:
        for number in range(first, first + COUNT):
            while writer.append(record_bytes(number)) == 0:
                assert agent.step(force=True) > 0
        while writer.ring.tail > agent.place.position:
            agent.step(force=True)

    grow(1)
    tail.take(tail.peek(1 << 12))
    assert 0 < tail.place.position < writer.ring.first_position()
    grow(1 + COUNT)
    while len(frames := tail.peek(1 << 12)):
        tail.take(frames)
    assert tail.place == agent.place
    assert tail.place.sequence == 2 * COUNT
    agent.close()
    writer.close()
