"""A venue that is made from a log: engine, gate and sequencer without streams.

It is what a restart begins with, what `tradecaptain journal replay` runs, and what a standby keeps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of, aligned_zeros, load_u32
from tradecaptain.kernels.matching import engine_state_hash
from tradecaptain.mesh.history import history_publish
from tradecaptain.mesh.journal import (
    FRAME_HEADER_BYTES,
    frame_bytes,
    frame_length,
    frame_stored_checksum,
)
from tradecaptain.mesh.journal_files import JournalDamaged
from tradecaptain.mesh.layout import METADATA_LENGTH, PUBLICATION
from tradecaptain.orderbook.duty_cycle import replay_agent
from tradecaptain.orderbook.instrument_rules import VenueInstrument
from tradecaptain.orderbook.past_events import load_history
from tradecaptain.orderbook.replaying import (
    AT_EPOCH,
    AT_INSTRUMENT,
    AT_LIMIT,
    AT_REST,
    DIVERGED,
    REPLAY,
    REPLAYED_ALL,
)
from tradecaptain.orderbook.snapshot import Snapshot, restore_snapshot
from tradecaptain.orderbook.venue_core import VenueCore, VenueSettings, allocate_core
from tradecaptain.wire import control, instrument_definition, reason

EVERYTHING: Final = (1 << 63) - 1
_SILENT_TERM_BYTES: Final = 1 << 30
_COUNTED: Final = (
    "orders_sequenced",
    "replayed_sequenced",
    "controls_sequenced",
    "refused_by_risk",
    "refused_by_rules",
    "refused_by_journal",
    "execution_events",
    "book_events",
    "unheard_executions",
    "unheard_books",
    "unheard_controls",
)


class SilentPublications:
    """Publications that nobody listens to, for a sequencer whose events only come about."""

    def __init__(self) -> None:
        self._metadata = aligned_zeros(METADATA_LENGTH, np.uint8)
        self._limit = aligned_zeros(1, np.int64)
        self.states = [self._state() for _ in range(3)]

    def _state(self) -> npt.NDArray[Any]:
        state = aligned_zeros(1, PUBLICATION)
        record = state[0]
        record["metadata_address"] = address_of(self._metadata)
        record["limit_address"] = address_of(self._limit)
        record["term_length"] = _SILENT_TERM_BYTES
        record["term_shift"] = _SILENT_TERM_BYTES.bit_length() - 1
        record["max_payload_length"] = _SILENT_TERM_BYTES
        record["max_position"] = EVERYTHING
        record["is_open"] = 1
        return state


class Replica:
    """A venue core to which the frames of a log are applied in order."""

    def __init__(
        self,
        settings: VenueSettings,
        epoch: int,
        history_path: Path,
        *,
        checks_events: bool = True,
    ) -> None:
        """``epoch`` is that of the log's end; of what it holds, a log tells the epoch itself.
        ``history_path`` is where the ring of newest events is made, as the venue's own."""
        self.core: VenueCore = allocate_core(settings, [], epoch, history_path, is_shown=False)
        self._silent = SilentPublications()
        header = self.core.header[0]
        names = ("execution_publication", "book_publication", "control_publication")
        for name, state in zip(names, self._silent.states, strict=True):
            header[name] = address_of(state)
        header["is_replaying"] = 1
        self._replay = aligned_zeros(1, REPLAY)
        self._replay["checks_events"] = int(checks_events)
        self._agent = replay_agent(self.core.header, self._replay)
        self._has_begun = False
        self.seconds = 0.0
        """Time spent in :meth:`apply`."""
        self.taken_bytes = 0
        """How much of its frames the last :meth:`apply` took."""
        self.go_until()
        self.rest_behind(EVERYTHING)

    def restore(self, snapshot: Snapshot) -> None:
        """Become what a snapshot says, before anything was applied; replay goes on at its place.

        Raises TradeCaptainError if the capacities don't suffice; the replica is of no use then.
        """
        restore_snapshot(self.core, snapshot)
        self._has_begun = True
        self._replay["frame_checksum"] = snapshot.place.checksum

    def hold_events(self, *, is_held: bool) -> None:
        """Whether the history gets the events that come about from here on; at first it does.

        Of a long log it holds the newest alone, so the others needn't be copied.
        """
        header = self.core.header[0]
        if is_held == bool(header["history"]):
            return
        header["history"] = self.core.history.address if is_held else 0
        self.core.history.begin_behind(int(self.core.engine.header[0]["execution_sequence"]))

    def rest_behind(self, sequence: int) -> None:
        """Stop at the first place where the sequence has come so far and every event is logged."""
        self._replay["rest_sequence"] = sequence

    def go_until(self, sequence: int = EVERYTHING, time_ns: int = EVERYTHING) -> None:
        """Stop before the first command beyond a place."""
        self._replay["until_sequence"] = sequence
        self._replay["until_time_ns"] = time_ns

    @property
    def sequence(self) -> int:
        """Sequence of the newest command or control that was carried out."""
        return int(self.core.header[0]["sequence"])

    @property
    def command_count(self) -> int:
        """Commands and controls carried out."""
        return int(self._replay[0]["command_count"])

    @property
    def is_at_rest(self) -> bool:
        """Whether it stopped where it was asked to rest."""
        return int(self._replay[0]["verdict"]) == AT_REST

    @property
    def unlogged_count(self) -> int:
        """Events of commands whose turn was cut off before they were logged."""
        return self.event_count - int(self._replay[0]["logged_events"])

    @property
    def event_count(self) -> int:
        """Execution events that came of them."""
        return int(self.core.header[0]["replayed_events"])

    @property
    def has_reached_limit(self) -> bool:
        """Whether there is more in the log than it was asked to replay."""
        return int(self._replay[0]["verdict"]) == AT_LIMIT

    def state_hash(self) -> int:
        """Hash of the logical state of the books."""
        return int(engine_state_hash(self.core.engine.address))

    def apply(self, frames: npt.NDArray[np.uint8]) -> bool:
        """Carry out checked frames; False once the limit or a place to rest is reached.

        Raises :class:`JournalDamaged` with the sequence at which what comes about differs from what
        the log has.
        """
        began_ns = SYSTEM_CLOCK.monotonic_ns()
        try:
            return self._apply(address_of(frames), len(frames))
        finally:
            self.seconds += (SYSTEM_CLOCK.monotonic_ns() - began_ns) / 1e9

    def _apply(self, address: int, length: int) -> bool:
        taken = 0
        if length and not self._has_begun:
            # Wherever the log has come to since, it began in the epoch of its first record.
            epoch = load_u32(address + FRAME_HEADER_BYTES + control.OFFSET_EPOCH)
            self.core.begin_in(epoch, epoch)
            self._has_begun = True
        while True:
            self._replay["frames"] = address + taken
            self._replay["frame_bytes"] = length - taken
            verdict = self._agent.do_work(0)
            taken += int(self._replay[0]["consumed"])
            self.taken_bytes = taken
            if verdict == AT_INSTRUMENT:
                self._apply_instrument(address + taken + FRAME_HEADER_BYTES)
                self._replay["frame_checksum"] = frame_stored_checksum(address + taken)
                taken += frame_bytes(frame_length(address + taken))
            elif verdict == AT_EPOCH:
                self.core.continue_in(control.get_epoch(address + taken + FRAME_HEADER_BYTES))
            elif verdict == REPLAYED_ALL:
                return True
            elif verdict in (AT_LIMIT, AT_REST):
                return False
            else:
                self._refuse(verdict)

    def show_past(self, frames: npt.NDArray[np.uint8]) -> None:
        """Take the events of frames before a snapshot's place into the history."""
        load_history(self.core.history.address, address_of(frames), len(frames))

    def _refuse(self, verdict: int) -> None:
        if verdict == DIVERGED:
            raise JournalDamaged(
                f"replay departs from the log at or before command {self.sequence + 1}: another"
                " version of the venue or another configuration wrote it",
                self.sequence + 1,
            )
        raise TradeCaptainError(
            reason.REASON_UNRECOGNISED_FILE,
            f"the log has a record behind command {self.sequence} that this version doesn't know",
        )

    def _apply_instrument(self, record: int) -> None:
        if instrument_definition.get_sequence(record) != self.sequence + 1:
            self._refuse(DIVERGED)
        header = self.core.header[0]
        header["sequence"] += 1
        header["time_ns"] = max(int(header["time_ns"]), instrument_definition.get_time_ns(record))
        self.core.define(VenueInstrument.from_record(record))

    def show_events(self) -> None:
        """Let readers of the history see the events so far."""
        history_publish(self.core.history.address)

    def close(self) -> None:
        """Give up a replica that never became a venue."""
        self.core.history.discard()

    def finish(self) -> VenueCore:
        """Turn the replica into the core of a live venue: its counts begin anew."""
        header = self.core.header[0]
        self.show_events()
        header["is_replaying"] = 0
        header["journal_refusal"] = 0
        for name in _COUNTED:
            header[name] = 0
        for name in ("execution_publication", "book_publication", "control_publication"):
            header[name] = 0
        return self.core
