"""A snapshot of the venue: engine, gate and sequencer at a place of the execution log.

A file is a `SnapshotHeader` message, then the parts. The first part lists the others by name and
length; the engine's is a run of its own records (`kernels.matching.snapshot`), the instruments' one
of `InstrumentDefinition` messages, all others are arrays in numpy's format, which tells names and
types of their columns. What is restored and written again comes out as the same bytes, whatever the
capacities of the venue are.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of, load_u32
from tradecaptain.kernels.matching import engine_state_hash
from tradecaptain.kernels.matching.restore import LARGEST_RECORD_BYTES, engine_restore_snapshot
from tradecaptain.kernels.matching.snapshot import engine_snapshot_bytes, engine_write_snapshot
from tradecaptain.kernels.risk_gate.snapshot import gate_tables, restore_gate
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.orderbook.instrument_rules import VenueInstrument
from tradecaptain.orderbook.venue_core import VenueCore
from tradecaptain.wire import instrument_definition, reason, snapshot_header

ENGINE_PART: Final = "engine"
INSTRUMENTS_PART: Final = "instruments"
SESSIONS_PART: Final = "sessions"
EPOCHS_PART: Final = "epochs"
GATE_PREFIX: Final = "gate."
_CONTENTS: Final = np.dtype([("name", "S32"), ("bytes", "<i8")])
_SEGMENT_TABLE_BYTES: Final = 8
_HASH_WORDS: Final = ("hash0", "hash1", "hash2", "hash3")


class SnapshotUnusable(TradeCaptainError):  # noqa: N818
    """A snapshot that is damaged, or of another log, version or capacity."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            reason.REASON_MALFORMED_FILE, f"{name} can't be used: {why}", observed=name
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot says: up to which command it goes, where the log goes on, and its parts."""

    epoch: int
    sequence: int
    time_ns: int
    place: Place
    execution_sequence: int
    state_hash: int
    parts: dict[str, bytes]


def take_snapshot(core: VenueCore, place: Place) -> Snapshot:
    """Snapshot of a venue between two commands, all of whose events are in the log by ``place``."""
    engine = core.engine.address
    size = int(engine_snapshot_bytes(engine))
    if size < 0:
        raise TradeCaptainError(-size, "a command is under way in the engine")
    records = np.zeros(size, np.uint8)
    engine_write_snapshot(engine, address_of(records))
    header = core.header[0]
    core.remember_created()
    parts = {ENGINE_PART: records.tobytes()}
    parts[INSTRUMENTS_PART] = b"".join(
        core.instruments[key].record(core.epoch, 0, 0).tobytes() for key in sorted(core.instruments)
    )
    parts[SESSIONS_PART] = _array_bytes(core.sessions())
    parts[EPOCHS_PART] = _array_bytes(np.array([core.history.began], np.int64))
    for name, table in gate_tables(core.gate).items():
        parts[GATE_PREFIX + name] = _array_bytes(table)
    return Snapshot(
        core.epoch,
        int(header["sequence"]),
        int(header["time_ns"]),
        place,
        int(core.engine.header[0]["execution_sequence"]),
        int(engine_state_hash(engine)),
        parts,
    )


def _array_bytes(array: npt.NDArray[Any]) -> bytes:
    target = io.BytesIO()
    np.lib.format.write_array(target, np.ascontiguousarray(array), allow_pickle=False)
    return target.getvalue()


def _read_array(data: bytes) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    return array


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """The file's content; equal states at equal places give equal bytes."""
    contents = np.array(
        [(name.encode(), len(data)) for name, data in snapshot.parts.items()], _CONTENTS
    )
    body = b"".join([_array_bytes(contents), *snapshot.parts.values()])
    head = np.zeros(1, snapshot_header.DTYPE)
    snapshot_header.initialise(address_of(head))
    row = head[0]
    row["epoch"] = snapshot.epoch
    row["sequence"] = snapshot.sequence
    row["time_ns"] = snapshot.time_ns
    row["journal_position"] = snapshot.place.position
    row["journal_sequence"] = snapshot.place.sequence
    row["journal_checksum"] = snapshot.place.checksum
    row["part_count"] = len(snapshot.parts)
    row["body_bytes"] = len(body)
    row["execution_sequence"] = snapshot.execution_sequence
    row["state_hash"] = snapshot.state_hash
    for name, word in zip(_HASH_WORDS, _hash_of(head.tobytes(), body), strict=True):
        row[name] = word
    return head.tobytes() + body


def _hash_of(head: bytes, body: bytes) -> list[int]:
    digest = hashlib.sha256(head)
    digest.update(body)
    return np.frombuffer(digest.digest(), np.int64).tolist()


def read_head(path: Path) -> Any:
    """First message of a snapshot file, as a row; its content is not checked.

    Raises SnapshotUnusable if it is none, or of a version that this one doesn't know.
    """
    with path.open("rb") as file:
        data = file.read(snapshot_header.RECORD_BYTES)
    return _decode_head(data, path.name)


def _decode_head(data: bytes, name: str) -> Any:
    if len(data) < snapshot_header.RECORD_BYTES:
        raise SnapshotUnusable(name, "it is cut short")
    row = np.frombuffer(data[: snapshot_header.RECORD_BYTES], snapshot_header.DTYPE)[0]
    if int(row["kind"]) != snapshot_header.KIND:
        raise SnapshotUnusable(name, "it isn't a snapshot")
    if int(row["schema_version"]) != snapshot_header.SCHEMA_VERSION:
        raise SnapshotUnusable(name, f"it has version {int(row['schema_version'])}")
    return row


def decode_snapshot(data: bytes, name: str) -> Snapshot:
    """Check a file's content and take it apart; raises SnapshotUnusable where it isn't whole."""
    row = _decode_head(data, name)
    head = np.frombuffer(data[: snapshot_header.RECORD_BYTES], snapshot_header.DTYPE).copy()
    body = data[snapshot_header.RECORD_BYTES :]
    for word in _HASH_WORDS:
        head[0][word] = 0
    stored = [int(row[word]) for word in _HASH_WORDS]
    if len(body) != int(row["body_bytes"]) or _hash_of(head.tobytes(), body) != stored:
        raise SnapshotUnusable(name, "its content doesn't fit its hash")
    source = io.BytesIO(body)
    contents = np.lib.format.read_array(source, allow_pickle=False)
    parts = {str(item["name"], "ascii"): source.read(int(item["bytes"])) for item in contents}
    return Snapshot(
        int(row["epoch"]),
        int(row["sequence"]),
        int(row["time_ns"]),
        Place(
            int(row["journal_position"]),
            int(row["journal_sequence"]),
            int(row["journal_checksum"]),
        ),
        int(row["execution_sequence"]),
        int(row["state_hash"]),
        parts,
    )


def restore_snapshot(core: VenueCore, snapshot: Snapshot) -> None:
    """Make a new core without instruments what a snapshot says.

    Raises TradeCaptainError if the core's capacities don't suffice; it is of no use then.
    """
    records = np.frombuffer(snapshot.parts[ENGINE_PART], np.uint8).copy()
    scratch = np.zeros(2 * LARGEST_RECORD_BYTES // 8, np.int64)
    outcome = int(
        engine_restore_snapshot(
            core.engine.address, address_of(records), len(records), address_of(scratch)
        )
    )
    if outcome < 0:
        raise TradeCaptainError(-outcome, "the engine can't take its part of a snapshot")
    tables = {
        name.removeprefix(GATE_PREFIX): _read_array(data)
        for name, data in snapshot.parts.items()
        if name.startswith(GATE_PREFIX)
    }
    restore_gate(core.gate, tables)
    _remember_instruments(core, snapshot.parts[INSTRUMENTS_PART])
    core.open_sessions(_read_array(snapshot.parts[SESSIONS_PART]))
    header = core.header[0]
    epochs = snapshot.parts.get(EPOCHS_PART)
    began = int(_read_array(epochs)[0]) if epochs is not None else snapshot.epoch
    core.begin_in(began, snapshot.epoch)
    header["sequence"] = snapshot.sequence
    header["time_ns"] = snapshot.time_ns
    core.history.begin_behind(snapshot.execution_sequence)


def _remember_instruments(core: VenueCore, data: bytes) -> None:
    """Note how instruments were defined, by messages of this version or another."""
    messages = np.frombuffer(data, np.uint8).copy()
    scratch = np.zeros(1, instrument_definition.DTYPE)
    start = 0
    while start < len(messages):
        address = address_of(messages) + start
        length = _SEGMENT_TABLE_BYTES + 8 * int(load_u32(address + 4))
        if start + length > len(messages):
            raise TradeCaptainError(reason.REASON_MALFORMED_RECORD, "an instrument is cut short")
        record = instrument_definition.normalise(address, length, address_of(scratch))
        if record < 0:
            raise TradeCaptainError(reason.REASON_MALFORMED_RECORD, "an instrument is malformed")
        core.remember(VenueInstrument.from_record(record))
        start += length
