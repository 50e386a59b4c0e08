"""Recovery of a killed venue, for the benchmark of the execution log."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.kernels.matching import engine_state_hash
from tradecaptain.mesh.journal import FRAME_HEADER_BYTES, frame_bytes
from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.mesh.journal_files import check_chain
from tradecaptain.orderbook.duty_cycle import replay_agent
from tradecaptain.orderbook.execution_log import Recovery, open_log
from tradecaptain.orderbook.log_reading import LogPaths
from tradecaptain.orderbook.replaying import REPLAY
from tradecaptain.orderbook.replica import EVERYTHING, Replica, SilentPublications
from tradecaptain.orderbook.snapshot_files import list_snapshots
from tradecaptain.orderbook.venue_core import VenueSettings
from tradecaptain.wire import control, order_command

from perf.support.result import Result
from perf.topology.order_flow import (
    FIRST_ACCOUNT_ID,
    FIRST_INSTRUMENT_ID,
    MID_UNITS,
    FlowSettings,
    record_tape,
)
from perf.topology.order_path_rig import _LIMITS, REFERENCE_FROM_OUTSIDE, benchmark_instruments

COMMANDS = 1_000_000
SMOKE_COMMANDS = 20_000
COMMANDS_A_PIECE = 20_000
_TIME_NS = 1_750_000_000_000_000_000


def as_frames(records: npt.NDArray[Any], first_sequence: int) -> npt.NDArray[np.uint8]:
    """Records as frames of a log, sequenced from ``first_sequence`` on; checksums are not set."""
    records["sequence"] = np.arange(first_sequence, first_sequence + len(records))
    records["time_ns"] = _TIME_NS + records["sequence"] * 1_000
    length = records.dtype.itemsize
    frames = np.zeros((len(records), frame_bytes(length)), np.uint8)
    frames[:, :4] = np.frombuffer(length.to_bytes(4, "little"), np.uint8)
    frames[:, FRAME_HEADER_BYTES : FRAME_HEADER_BYTES + length] = records.view(np.uint8).reshape(
        len(records), length
    )
    return frames.reshape(-1)


def limits(flow: FlowSettings) -> npt.NDArray[Any]:
    """Controls that give every instrument a reference price and every account its limits."""
    rows: list[dict[str, int]] = [
        {
            "action": control.CONTROL_ACTION_REFERENCE_PRICE,
            "instrument_id": FIRST_INSTRUMENT_ID + index,
            "value": MID_UNITS,
            "flags": REFERENCE_FROM_OUTSIDE,
        }
        for index in range(flow.instruments)
    ]
    rows += [
        {
            "action": control.CONTROL_ACTION_SET_LIMIT,
            "scope": control.CONTROL_SCOPE_ACCOUNT,
            "scope_id": FIRST_ACCOUNT_ID + index,
            "limit_kind": kind,
            "value": value,
        }
        for index in range(flow.accounts)
        for kind, value in _LIMITS.items()
    ]
    pattern = np.zeros(1, control.DTYPE)
    control.initialise(address_of(pattern))
    records = np.repeat(pattern, len(rows))
    for name in ("action", "scope", "scope_id", "limit_kind", "instrument_id", "value", "flags"):
        records[name] = [row.get(name, 0) for row in rows]
    return records


def write_log(
    paths: LogPaths, settings: VenueSettings, journal: JournalSettings, flow: FlowSettings
) -> tuple[int, int]:
    """Log what the order path would, put it on disk, take the snapshots that a running venue would
    have taken, and kill the venue. Hash of the books, and bytes of the log."""
    core, log = open_log(paths, settings, benchmark_instruments(flow.instruments), journal)
    silent = SilentPublications()
    header = core.header[0]
    names = ("execution_publication", "book_publication", "control_publication")
    for name, state in zip(names, silent.states, strict=True):
        header[name] = address_of(state)
    # The sequencer carries out what it is given as frames, and logs it like its own.
    header["is_replaying"] = 1
    replay = aligned_zeros(1, REPLAY)
    agent = replay_agent(core.header, replay)
    for name in ("until_sequence", "until_time_ns", "rest_sequence"):
        replay[name] = EVERYTHING
    tape = record_tape(flow)
    orders = np.frombuffer(tape.commands, np.uint8).view(order_command.DTYPE).copy().reshape(-1)
    pieces = range(0, flow.commands, COMMANDS_A_PIECE)
    for records in (limits(flow), *(orders[at : at + COMMANDS_A_PIECE] for at in pieces)):
        frames = as_frames(records, int(header["sequence"]) + 1)
        replay["frames"], replay["frame_bytes"] = address_of(frames), len(frames)
        agent.do_work(0)
        if int(replay[0]["consumed"]) != len(frames):
            raise RuntimeError(f"the log was not written: {replay[0]}")
        while log.ring.tail > log.agent.place.position:
            log.agent.step(force=True)
        while log.keeper.step():
            pass
    log.keeper.close()
    state, size = int(engine_state_hash(core.engine.address)), log.ring.tail
    log.ring.close()
    core.history.close()
    return state, size


def carry_out(paths: LogPaths, settings: VenueSettings, state: int) -> float:
    """Commands a second of a log that was read and checked before."""
    checked: list[npt.NDArray[np.uint8]] = []
    check_chain(paths.segments, on_segment=lambda segment: checked.append(segment.frames))
    replica = Replica(settings, 1, paths.history.with_name("carried_out"))
    for frames in checked:
        replica.apply(frames)
    if replica.state_hash() != state:
        raise RuntimeError("the log leads to another state")
    rate = replica.command_count / replica.seconds
    replica.close()
    return rate


def measure_recovery(shared: Path, disk: Path, *, smoke: bool) -> list[Result]:
    """Write a log, kill its venue, and carry the log out: by itself, as a start does which reads
    and checks it meanwhile, and from the newest snapshot."""
    commands = SMOKE_COMMANDS if smoke else COMMANDS
    flow = FlowSettings(commands, 1_000, 100, 1_000)
    journal = JournalSettings(**({"snapshot_bytes": 1 << 21} if smoke else {}))
    paths = LogPaths(shared / "ring", disk / "recovery", shared / "history", disk / "epoch")
    settings = VenueSettings()
    state, size = write_log(paths, settings, journal, flow)
    aside = disk / "snapshots"
    aside.mkdir()
    snapshots = list_snapshots(paths.segments)
    for path in snapshots:
        path.rename(aside / path.name)
    rate = statistics.median(carry_out(paths, settings, state) for _ in range(1 if smoke else 3))
    whole, _ = start_again(paths, settings, journal, flow, state)
    for path in snapshots:
        (aside / path.name).rename(path)
    rest, seconds = start_again(paths, settings, journal, flow, state)
    if rest.snapshot_sequence == 0:
        raise RuntimeError("no snapshot was used")
    print(
        f"journal: {whole.command_count:,} commands, {whole.event_count:,} events, {size:,} bytes"
        f" carried out at {rate:,.0f} commands a second, by a start in {whole.replay_seconds:.3f} s"
        f" while it unpacks and checks what follows ({whole.seconds:.3f} s in all); behind"
        f" the newest snapshot {rest.command_count:,} commands, there again in {seconds:.3f} s",
        file=sys.stderr,
    )
    return [
        Result(
            "journal.restore_commands_per_second",
            rate,
            "1/s",
            goal=3_000_000,
            higher_is_better=True,
        ),
        Result("journal.whole_log_again_seconds", whole.seconds, "s"),
        Result("journal.serve_again_seconds", seconds, "s", goal=None if smoke else 1.0),
    ]


def start_again(
    paths: LogPaths,
    settings: VenueSettings,
    journal: JournalSettings,
    flow: FlowSettings,
    state: int,
) -> tuple[Recovery, float]:
    """Start a venue from its log and kill it; what it found, and how long it took."""
    began_ns = time.monotonic_ns()
    core, log = open_log(paths, settings, benchmark_instruments(flow.instruments), journal)
    seconds = (time.monotonic_ns() - began_ns) / 1e9
    if int(engine_state_hash(core.engine.address)) != state:
        raise RuntimeError("the recovered state differs")
    log.keeper.close()
    log.ring.close()
    core.history.close()
    return log.recovery, seconds
