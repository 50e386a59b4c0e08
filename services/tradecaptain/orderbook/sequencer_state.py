"""State of the sequencer: one header record, scratch records, and the table of sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import address_of, aligned_zeros, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import TOLD
from tradecaptain.wire import execution_event

SEQUENCER: Final = np.dtype(
    [
        # Addresses of what the sequencer drives, in this process.
        ("engine", "<i8"),
        ("gate", "<i8"),
        ("history", "<i8"),
        ("sessions", "<i8"),
        ("session_mask", "<i8"),
        # State records of the streams; ``image_count`` places for writers each.
        ("own_address", "<i8"),
        ("image_count", "<i8"),
        ("control_images", "<i8"),
        ("order_images", "<i8"),
        ("replay_images", "<i8"),
        ("execution_publication", "<i8"),
        ("book_publication", "<i8"),
        ("control_publication", "<i8"),
        # Scratch: a record as it came, its normalised and stamped copy, the control at work, and
        # room for the events of one step where nobody listens.
        ("raw_record", "<i8"),
        ("spare_record", "<i8"),
        ("control_record", "<i8"),
        ("execution_scratch", "<i8"),
        ("book_scratch", "<i8"),
        ("execution_room", "<i8"),
        ("book_room", "<i8"),
        # The claim that the commands of a turn share: where it begins, how many records it has room
        # for, how many are written, and whether it lies in the log or in scratch.
        ("is_claimed", "<i8"),
        ("execution_batch", "<i8"),
        ("execution_base", "<i8"),
        ("execution_used", "<i8"),
        ("execution_in_log", "<i8"),
        ("book_batch", "<i8"),
        ("book_base", "<i8"),
        ("book_used", "<i8"),
        ("book_in_log", "<i8"),
        # Stamps.
        ("epoch", "<i8"),
        ("sequence", "<i8"),
        ("time_ns", "<i8"),
        # What waits for room: a command that was taken but not sequenced, and a control's stage.
        ("pending_command", "<i8"),
        ("control_stage", "<i8"),
        ("control_reason", "<i8"),
        ("control_outcome", "<i8"),
        ("control_affected", "<i8"),
        ("epoch_announced", "<i8"),
        ("session_count", "<i8"),
        ("next_image", "<i8"),
        # Counts since the start.
        ("orders_sequenced", "<i8"),
        ("replayed_sequenced", "<i8"),
        ("controls_sequenced", "<i8"),
        ("malformed", "<i8"),
        ("refused_by_risk", "<i8"),
        ("refused_by_rules", "<i8"),
        ("execution_events", "<i8"),
        ("book_events", "<i8"),
        ("blocked_turns", "<i8"),
        ("unheard_executions", "<i8"),
        ("unheard_books", "<i8"),
        ("unheard_controls", "<i8"),
        ("accounting_errors", "<i8"),
        # Every so many turns the first command of a turn is timed, from being taken to the end of
        # the turn; the result is the turn's time for one command.
        ("timing_countdown", "<i8"),
        ("timing_start_ns", "<i8"),
        ("service_time_ns", "<i8"),
        # Whether the counters in shared memory are behind, and when they may next be brought up to
        # date.
        ("is_unreported", "<i8"),
        ("next_report_ns", "<i8"),
        ("counters", "<i8"),
        ("counter_count", "<i8"),
        # Books that have a counter of their own.
        ("counted_books", "<i8"),
        ("histograms", "<i8"),
        # The execution log: its writer's state, or 0 if there is none; why new risk must be refused
        # in this turn, and whether replay carries on a command that was refused so.
        ("journal", "<i8"),
        ("journal_refusal", "<i8"),
        ("refused_by_journal", "<i8"),
        # Levels of durability by instrument id (one byte each), that of instruments created while
        # the venue runs, and the checksum and number of events while a log is replayed.
        ("durability", "<i8"),
        ("instrument_id_limit", "<i8"),
        # One byte for each account id: who belongs to the group that a control names.
        ("account_map", "<i8"),
        ("account_id_limit", "<i8"),
        ("default_durability", "<i8"),
        ("is_replaying", "<i8"),
        ("replayed_events", "<i8"),
        ("replayed_checksum", "<i8"),
        # The image whose records are being taken, or 0.
        ("image_at_work", "<i8"),
        # Ends that a mass cancel has told and whose orders haven't left: how many the engine knows,
        # how many lie in the open claim; and whether the step at hand takes such orders out.
        ("told_count", "<i8"),
        ("told_used", "<i8"),
        ("is_ending", "<i8"),
        # Instrument whose best prices the gate has yet to be shown; 0 for none.
        ("unquoted_id", "<i8"),
    ],
    align=True,
)
"""Header record of the sequencer."""

TOLD_CAPACITY: Final = 16_384
"""Orders whose end a mass cancel tells before it takes them out of the book; their events must find
room in the window of their stream."""
LARGEST_RECORD_BYTES: Final = 1_024
"""Records longer than this are refused as malformed, whatever version they claim."""


@dataclass(frozen=True)
class SequencerMemory:
    """The header and everything it points to; keep it as long as the addresses are used."""

    header: npt.NDArray[Any]
    sessions: npt.NDArray[np.int64]
    durability: npt.NDArray[np.uint8]
    owned: tuple[npt.NDArray[Any], ...]


def allocate_sequencer(
    *,
    engine: int,
    gate: int,
    history: int,
    epoch: int,
    shared_events: int,
    execution_room: int,
    execution_stride: int,
    book_room: int,
    book_stride: int,
    session_capacity: int,
    instrument_id_limit: int,
    account_id_limit: int,
) -> SequencerMemory:
    """Allocate a sequencer over an engine, a gate and a history, given by their addresses."""
    slots = 1 << max(1, 2 * session_capacity - 1).bit_length()
    header = aligned_zeros(1, SEQUENCER)
    sessions = aligned_zeros(slots, np.int64)
    raw = aligned_zeros(LARGEST_RECORD_BYTES, np.uint8)
    spare = aligned_zeros(LARGEST_RECORD_BYTES, np.uint8)
    control = aligned_zeros(LARGEST_RECORD_BYTES, np.uint8)
    executions = aligned_zeros((execution_room + shared_events) * execution_stride, np.uint8)
    books = aligned_zeros((book_room + shared_events) * book_stride, np.uint8)
    account_map = aligned_zeros(account_id_limit, np.uint8)
    durability = aligned_zeros(instrument_id_limit, np.uint8)
    told = aligned_zeros(TOLD_CAPACITY, TOLD)
    store_i64(engine + at.HEADER_TOLD_TABLE, address_of(told))
    store_i64(engine + at.HEADER_TOLD_CAPACITY, TOLD_CAPACITY)
    store_i64(engine + at.HEADER_JUDGE, gate)
    record = header[0]
    record["own_address"] = address_of(header)
    record["engine"] = engine
    record["gate"] = gate
    record["history"] = history
    record["sessions"] = address_of(sessions)
    record["session_mask"] = slots - 1
    record["raw_record"] = address_of(raw)
    record["spare_record"] = address_of(spare)
    record["control_record"] = address_of(control)
    record["execution_scratch"] = address_of(executions)
    record["book_scratch"] = address_of(books)
    record["execution_room"] = execution_room
    record["book_room"] = book_room
    record["epoch"] = epoch
    record["durability"] = address_of(durability)
    record["default_durability"] = execution_event.DURABILITY_NONE
    record["instrument_id_limit"] = instrument_id_limit
    record["account_map"] = address_of(account_map)
    record["account_id_limit"] = account_id_limit
    owned = (raw, spare, control, executions, books, account_map, told)
    return SequencerMemory(header, sessions, durability, owned)
