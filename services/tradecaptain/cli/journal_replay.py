"""``tradecaptain journal replay``: the session again, and what would have differed."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.base.reference import Reference
from tradecaptain.base.reference_file import default_reference, load_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.journal_records import list_frames
from tradecaptain.cli.journal_source import VenueLog, open_source
from tradecaptain.cli.output import emit_json, show
from tradecaptain.cli.risk_limits_file import FileProblem, read_limits
from tradecaptain.kernels.risk_gate import RiskGate, gate_apply_control
from tradecaptain.mesh.history import HistoryReader
from tradecaptain.mesh.journal import FLAG_RESULT, FRAME_HEADER_BYTES
from tradecaptain.mesh.journal_scan import Place
from tradecaptain.orderbook.config import OrderBookConfig
from tradecaptain.orderbook.replica import EVERYTHING, Replica
from tradecaptain.orderbook.settings import venue_settings
from tradecaptain.orderbook.snapshot import Snapshot, take_snapshot
from tradecaptain.orderbook.snapshot_files import read_snapshot
from tradecaptain.risk.levels import Level, parse_value
from tradecaptain.wire import control, execution_event, reason

_NS: Final = 1_000_000_000
_SHOWN_MAX: Final = 50
type LimitKey = tuple[int, int, int, int]
"""Scope, scope id, instrument id and kind of a limit, as controls have them."""


def read_changes(path: Path, reference: Reference) -> dict[LimitKey, int]:
    """Limits as they should have been, from a file as `tradecaptain risk export` writes it."""
    limits, problems = read_limits(path)
    if problems:
        raise CommandError(
            problems[0].text(path), next_step="see `tradecaptain risk export` for the form"
        )
    changes: dict[LimitKey, int] = {}
    for limit in limits:
        kind = int(limit.request.kind)
        try:
            level = _level_of(limit.request.target, reference)
            value = parse_value(limit.request.value, level, kind, reference)
        except TradeCaptainError as error:
            problem = FileProblem(f"{limit.table}.{limit.key}", limit.line, error.message)
            raise CommandError(
                problem.text(path), next_step="see `tradecaptain risk export` for the form"
            ) from error
        changes[level.scope, level.scope_id, level.instrument_id, kind] = value
    if not changes:
        raise CommandError(f"{path} has no limit", next_step="see `tradecaptain risk export`")
    return changes


def _level_of(target: risk_pb2.RiskTarget, reference: Reference) -> Level:
    instrument_id = 0
    if target.instrument:
        instrument_id = reference.named(target.instrument).instrument_id
    if target.account:
        by_id = target.account.isascii() and target.account.isdigit()
        account = (
            reference.account(int(target.account))
            if by_id
            else reference.account_by_name(target.account)
        )
        return Level(int(target.scope), account.account_id, instrument_id)
    # Of these three a target has one, and the others are zero.
    scope_id = target.firm_id or target.group_id or target.strategy_id
    return Level(int(target.scope), scope_id, instrument_id)


def apply_changes(
    frames: npt.NDArray[np.uint8], changes: dict[LimitKey, int], met: set[LimitKey]
) -> int:
    """Give logged limits their new values in place, and add them to ``met``; how many differed."""
    entries = np.zeros((len(frames) // FRAME_HEADER_BYTES + 1, 4), np.int64)
    count = int(list_frames(address_of(frames), len(frames), address_of(entries)))
    changed = 0
    for address, _, kind, flags in entries[:count].tolist():
        if kind != control.KIND or flags & FLAG_RESULT:
            continue
        offset = address - address_of(frames) + FRAME_HEADER_BYTES
        row = frames[offset : offset + control.RECORD_BYTES].view(control.DTYPE)[0]
        if row["action"] != control.CONTROL_ACTION_SET_LIMIT:
            continue
        key = (
            int(row["scope"]),
            int(row["scope_id"]),
            int(row["instrument_id"]),
            int(row["limit_kind"]),
        )
        if key in changes:
            met.add(key)
            changed += int(row["value"]) != changes[key]
            row["value"] = changes[key]
    return changed


def change_gate(gate: RiskGate, changes: dict[LimitKey, int]) -> set[LimitKey]:
    """Set limits of a restored gate; which of them it took."""
    record = np.zeros(1, control.DTYPE)
    address = address_of(record)
    changed = set()
    for (scope, scope_id, instrument_id, kind), value in changes.items():
        control.initialise(address)
        control.set_action(address, control.CONTROL_ACTION_SET_LIMIT)
        control.set_scope(address, scope)
        control.set_scope_id(address, scope_id)
        control.set_instrument_id(address, instrument_id)
        control.set_limit_kind(address, kind)
        control.set_value(address, value)
        if gate_apply_control(gate.address, address) == 0:
            changed.add((scope, scope_id, instrument_id, kind))
    return changed


class Outcomes:
    """First answer to every command, from a replica's history of events."""

    def __init__(self, history: Path, first_sequence: int = 1) -> None:
        self._reader = HistoryReader.open(history)
        self._next = first_sequence
        self.answers: dict[int, tuple[int, int]] = {}
        self.traded_units = 0

    def take(self) -> None:
        """Read the events since the last call; there are fewer than the history holds."""
        while True:
            events = self._reader.read_array(self._next, 4_096, execution_event.DTYPE)
            if len(events) == 0:
                return
            self._next += len(events)
            is_trade = events["execution_type"] == execution_event.EXECUTION_TYPE_TRADE
            self.traded_units += int(events["last_quantity_units"][is_trade].sum()) // 2
            columns = (events["command_sequence"], events["execution_type"], events["reason"])
            for sequence, kind, why in zip(*(column.tolist() for column in columns), strict=True):
                self.answers.setdefault(sequence, (kind, why))

    def close(self) -> None:
        """Unmap the history."""
        self._reader.close()


def _reference() -> Reference:
    """Names and units: of the run folder, or the packaged ones."""
    run = RunPaths.from_environment()
    return load_reference(run.reference) if run.reference.exists() else default_reference()


def replay_log(
    folder: Path | None, ring: Path | None, until: str, what_if: Path | None, *, json: bool
) -> None:
    """Carry out the log again and show what came out; with ``what_if``, what would have differed.

    Raises what names the first event or snapshot that doesn't come out as it was logged.
    """
    changes = {} if what_if is None else read_changes(what_if, _reference())
    sequence, time_ns = read_until(until)
    began_ns = SYSTEM_CLOCK.monotonic_ns()
    with (
        open_source(folder, ring) as source,
        tempfile.TemporaryDirectory(prefix="tradecaptain-replay-") as scratch,
    ):
        until_place = (sequence, time_ns)
        run = Rerun(source, Path(scratch) / "as-it-was", until_place)
        replica, outcomes = run.replica, run.outcomes
        if replica.has_reached_limit and replica.sequence == run.first_sequence:
            raise CommandError(
                f"--until {until} lies before the beginning of the log, which is sequence"
                f" {run.first_sequence + 1}",
                next_step="`tradecaptain journal info` tells where the log begins",
            )
        result: dict[str, Any] = {
            "epoch": source.epoch,
            "sequence": replica.sequence,
            "commands": replica.command_count,
            "events": replica.event_count,
            "orders_working": int(replica.core.engine.header[0]["order_count"]),
            "state_hash": f"{replica.state_hash():016x}",
            "stopped_at_limit": replica.has_reached_limit,
            "began_behind": run.first_sequence,
            "snapshots_compared": run.compared,
        }
        if changes:
            other = Rerun(source, Path(scratch) / "what-if", until_place, changes)
            result["what_if"] = compare(outcomes, other.outcomes) | {
                "limits_changed": other.changed,
                "limits_not_in_log": len(changes) - len(other.met),
                "state_hash": f"{other.replica.state_hash():016x}",
            }
            if not other.met:
                raise CommandError(
                    f"the log sets no limit that {what_if} names",
                    next_step="see `tradecaptain journal cat --kind control`",
                )
    result["seconds"] = round((SYSTEM_CLOCK.monotonic_ns() - began_ns) / _NS, 3)
    if json:
        emit_json(result)
        return
    for name, value in result.items():
        if name != "what_if":
            show(f"{name.replace('_', ' ')}: {value}")
    told = result.get("what_if", {})
    differences = told.pop("first_differences", [])
    for name, value in told.items():
        show(f"what if, {name.replace('_', ' ')}: {value}")
    for row in differences:
        show(f"  command {row['sequence']}: {row['was']} → {row['becomes']}")


def read_until(text: str) -> tuple[int, int]:
    """Sequence and time at which replay stops."""
    if not text:
        return EVERYTHING, EVERYTHING
    if text.isascii() and text.isdigit():
        return int(text), EVERYTHING
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(
            f"{text!r} is neither a sequence nor a time",
            next_step="write a number, or a time such as 2026-11-25T14:30:00+00:00",
        ) from None
    return EVERYTHING, int(moment.timestamp() * _NS)


class Rerun:
    """A session carried out again, with some limits changed or none; what came of it."""

    def __init__(
        self,
        source: VenueLog,
        history: Path,
        until: tuple[int, int],
        changes: dict[LimitKey, int] | None = None,
    ) -> None:
        run = source.run or RunPaths.from_environment()
        self._changes = changes or {}
        self.replica = Replica(
            venue_settings(OrderBookConfig.load(run)),
            source.epoch,
            history,
            checks_events=not changes,
        )
        self.changed = 0
        """Limits that got another value."""
        self.met: set[LimitKey] = set()
        """Limits of the changes that the log sets."""
        self.compared = 0
        """Snapshots that said what came out at their places."""
        self._snapshots = [read_snapshot(path) for path in source.snapshots]
        place = self._begin(source)
        self.first_sequence = self.replica.sequence
        self.replica.go_until(*until)
        self.replica.core.history.show()
        self.outcomes = Outcomes(history, self.replica.core.history.last_sequence + 1)
        for frames in source.frames_behind(place):
            if not self._take(frames):
                break
        self.outcomes.close()

    def _begin(self, source: VenueLog) -> Place:
        """The beginning of the log, or the oldest snapshot if that was dropped."""
        if source.first_sequence == 1:
            return Place()
        first = source.segments[0].start
        while self._snapshots and self._snapshots[0].place < first:
            del self._snapshots[0]
        if not self._snapshots:
            raise CommandError(
                f"the log begins with record {source.first_sequence}, and there is no snapshot of"
                " what was before",
                next_step="put back the segments or the snapshots that were taken away",
            )
        snapshot = self._snapshots.pop(0)
        self.replica.restore(snapshot)
        self.met = change_gate(self.replica.core.gate, self._changes)
        self.changed = len(self.met)
        return snapshot.place

    def _take(self, frames: npt.NDArray[np.uint8]) -> bool:
        """Carry out frames; False once the limit is reached."""
        if self._changes:
            frames = frames.copy()
            self.changed += apply_changes(frames, self._changes, self.met)
        while True:
            awaited = self._snapshots[0].sequence if self._snapshots else EVERYTHING
            self.replica.rest_behind(EVERYTHING if self._changes else awaited)
            goes_on = self.replica.apply(frames)
            self.replica.show_events()
            self.outcomes.take()
            if not self.replica.is_at_rest:
                return goes_on
            frames = frames[self.replica.taken_bytes :]
            self._compare(self._snapshots.pop(0))

    def _compare(self, snapshot: Snapshot) -> None:
        """Hold what came out against a snapshot."""
        if take_snapshot(self.replica.core, snapshot.place) != snapshot:
            raise CommandError(
                f"the snapshot at command {snapshot.sequence} says something else than the log",
                next_step="remove it: a start takes the one before it; and report this",
            )
        self.compared += 1


def compare(was: Outcomes, becomes: Outcomes) -> dict[str, Any]:
    """Commands whose first answer would have been another, and how much would have traded."""
    differing = [
        {
            "sequence": sequence,
            "was": _answer_text(answer),
            "becomes": _answer_text(becomes.answers.get(sequence, (0, 0))),
        }
        for sequence, answer in was.answers.items()
        if becomes.answers.get(sequence) != answer
    ]
    return {
        "answers_differ": len(differing),
        "first_differences": differing[:_SHOWN_MAX],
        "traded_units": becomes.traded_units,
        "traded_units_as_it_was": was.traded_units,
    }


_TYPES: Final = {
    value: name.removeprefix("EXECUTION_TYPE_").lower()
    for name, value in vars(execution_event).items()
    if name.startswith("EXECUTION_TYPE_")
}


def _answer_text(answer: tuple[int, int]) -> str:
    kind, why = answer
    return _TYPES[kind] + (f" ({reason.NAMES[why]})" if why else "")
