"""``tradecaptain journal info``, ``verify`` and ``repair``: how the execution log is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.journal_source import VenueLog, open_source
from tradecaptain.cli.output import emit_json, show
from tradecaptain.launch.run_state import running_supervisor
from tradecaptain.mesh.journal import (
    OFFSET_AGENT_NS,
    OFFSET_DURABLE_SEQUENCE,
    OFFSET_REFUSAL,
    OFFSET_SYNC_COUNT,
    OFFSET_SYNC_NS,
    JournalRing,
)
from tradecaptain.mesh.journal_files import Checked, check_chain
from tradecaptain.mesh.journal_scan import Scan
from tradecaptain.mesh.journal_sealing import seal_tail
from tradecaptain.orderbook.log_reading import check_place, check_reach
from tradecaptain.orderbook.snapshot import Snapshot, SnapshotUnusable, read_head
from tradecaptain.orderbook.snapshot_files import read_snapshot
from tradecaptain.wire import reason

_NS = 1_000_000_000


def tell_where_it_stands(folder: Path | None, ring: Path | None, *, json: bool) -> None:
    """Show segments, snapshots and ring, and what is on disk."""
    with open_source(folder, ring) as source:
        segments = [
            {
                "file": segment.path.name,
                "first_sequence": segment.start.sequence + 1,
                "position": segment.start.position,
                "epoch": segment.epoch,
                "begun": _time_text(segment.begun_ns),
                "bytes": segment.path.stat().st_size,
                "compressed": segment.is_compressed,
                "blocks": len(segment.blocks()),
            }
            for segment in source.segments
        ]
        result: dict[str, Any] = {"folder": str(source.folder), "segments": segments}
        result["snapshots"] = [_snapshot_info(path) for path in source.snapshots]
        result["ring"] = _ring_info(source.ring) if source.ring is not None else None
    if json:
        emit_json(result)
        return
    show(f"log in {result['folder']}")
    for row in segments:
        packed = "compressed" if row["compressed"] else "plain"
        show(
            f"  {row['file']}  epoch {row['epoch']}  from record {row['first_sequence']}"
            f"  {row['bytes']:,} bytes {packed}  {row['begun']}"
        )
    for row in result["snapshots"]:
        told = row["unusable"] or f"epoch {row['epoch']}  behind record {row['journal_sequence']}"
        show(f"  {row['file']}  {told}  {row['bytes']:,} bytes")
    if result["ring"] is None:
        show("no ring: the venue isn't running, and everything is in the files")
        return
    for name, value in result["ring"].items():
        show(f"  {name.replace('_', ' ')}: {value}")


def _snapshot_info(path: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"file": path.name, "bytes": path.stat().st_size, "unusable": ""}
    try:
        head = read_head(path)
    except SnapshotUnusable as error:
        return row | {"unusable": error.message}
    names = ("epoch", "sequence", "journal_sequence", "journal_position")
    return row | {name: int(head[name]) for name in names} | {"at": _time_text(head["time_ns"])}


def _ring_info(ring: JournalRing) -> dict[str, Any]:
    refusal = ring.load(OFFSET_REFUSAL)
    return {
        "ring": str(ring.path),
        "capacity_bytes": ring.capacity,
        "epoch": ring.epoch,
        "tail_position": ring.tail,
        "durable_position": ring.durable_position,
        "durable_sequence": ring.load(OFFSET_DURABLE_SEQUENCE),
        "unsynced_bytes": ring.tail - ring.durable_position,
        "sync_count": ring.load(OFFSET_SYNC_COUNT),
        "last_sync_us": ring.load(OFFSET_SYNC_NS) // 1_000,
        "last_sync": _time_text(ring.load(OFFSET_AGENT_NS)),
        "refuses_new_orders": reason.NAMES[refusal] if refusal else "no",
    }


def verify_log(folder: Path | None, ring: Path | None, *, json: bool) -> None:
    """Check records, blocks, snapshots and that nothing is missing; raises what names the first
    that is wrong."""
    began_ns = SYSTEM_CLOCK.monotonic_ns()
    with open_source(folder, ring) as source:
        counts = {"segments": 0, "blocks": 0, "records": 0, "torn_bytes": 0}
        snapshots = [_checked_snapshot(path) for path in source.snapshots]

        def take(checked: Checked) -> None:
            for snapshot in snapshots:
                check_place(checked, snapshot.place, f"the snapshot at {snapshot.sequence}")
            counts["segments"] += 1
            counts["blocks"] += checked.block_count
            counts["records"] += checked.frame_count
            counts["torn_bytes"] += checked.torn_bytes

        first = source.first_sequence
        place = check_chain(
            source.folder,
            from_sequence=first,
            durable_position=source.durable_position,
            on_segment=take,
        )
        scan = Scan(place)
        for frames in source.frames_behind(place):
            scan.take(frames)
    check_reach(snapshots, scan.place)
    counts["records"] += scan.frame_count
    seconds = (SYSTEM_CLOCK.monotonic_ns() - began_ns) / _NS
    counts["snapshots"] = len(snapshots)
    result = {
        **counts,
        "first_sequence": first,
        "last_sequence": scan.place.sequence,
        "records_in_ring": scan.frame_count,
        "seconds": round(seconds, 3),
    }
    if json:
        emit_json(result)
        return
    show(
        f"{counts['records']:,} records in {counts['segments']} segments are whole"
        f" ({scan.frame_count:,} of them in the ring), {first} to {scan.place.sequence},"
        f" and so are {counts['snapshots']} snapshots"
    )
    if counts["torn_bytes"]:
        show(f"a torn record of {counts['torn_bytes']} bytes follows; the next start cuts it off")


def _checked_snapshot(path: Path) -> Snapshot:
    try:
        return read_snapshot(path)
    except SnapshotUnusable as error:
        raise CommandError(
            error.message, next_step="remove it: a start takes the one before it"
        ) from None


def repair_log(folder: Path | None, ring: Path | None, *, dry_run: bool, json: bool) -> None:
    """Cut off a torn last record, or only say so; raises what names damage before it."""
    with open_source(folder, ring) as source:
        last: list[Checked] = []
        check_chain(
            source.folder,
            from_sequence=source.first_sequence,
            durable_position=source.durable_position,
            on_segment=lambda checked: last.__setitem__(slice(None), [checked]),
        )
        torn = last[0].torn_bytes if last else 0
        if torn and not dry_run:
            _refuse_while_running(source)
            seal_tail(last[0])
    result = {
        "torn_bytes": torn,
        "file": last[0].segment.path.name if last else "",
        "last_sequence": last[0].end.sequence if last else 0,
        "done": bool(torn) and not dry_run,
    }
    if json:
        emit_json(result)
    elif not torn:
        show("nothing to repair")
    else:
        done = "cut off" if result["done"] else "would be cut off"
        show(f"{torn} bytes behind record {result['last_sequence']} of {result['file']} {done}")


def _refuse_while_running(source: VenueLog) -> None:
    if source.run is not None and running_supervisor(source.run) is not None:
        raise CommandError(
            "the mesh runs and writes this log", next_step="stop it with `tradecaptain down`"
        )


def _time_text(time_ns: Any) -> str:
    if time_ns == 0:
        return "never"
    return datetime.fromtimestamp(int(time_ns) / _NS, UTC).isoformat(timespec="milliseconds")
