"""Prepares a run folder before the parts start: ports, reference data, tokens, kernels."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.base.reference_file import default_reference, dump_reference, load_reference
from tradecaptain.base.run_paths import SHARED_MEMORY_VARIABLE, RunPaths
from tradecaptain.collector.config import read_speed
from tradecaptain.edge.tokens import add_parts, default_entries, write_tokens
from tradecaptain.orderbook.standby_config import StandbyConfig

REPLAY_ACCOUNT = "replay"
OWN_VENUE_OFFSET = 1000
SHARED_MEMORY_BYTES_MIN = 512 << 20
"""The logs of all streams once they have gone round, the event history, and some air."""
_LISTENING = "0A"
_CONFIG_TEXT = """\
# Configuration of this mesh: one table a part. The environment goes over it:
# TRADECAPTAIN_<PART>__<KEY>=value. `tradecaptain config` shows what is in force.

# [ports]
# base = 10000        # moves all ports; single ones by name: envoy = 8080

# [collector]
# rate_per_second = 2000

# [supervisor]
# stop_timeout_seconds = 10
"""


@dataclass(frozen=True)
class Options:
    """What one start of a mesh is asked for."""

    replay: tuple[Path, ...] = ()
    speed: str = ""
    reference: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def busy_ports(run: RunPaths) -> list[tuple[str, int, str]]:
    """Ports of ours that something else has: part, port, and who listens where we may know.

    A standby's port is ours only if there is one.
    """
    busy = []
    ports = run.ports.as_dict()
    if not StandbyConfig.load(run).enabled:
        del ports["standby"]
    for part, port in ports.items():
        with socket.socket() as listener:
            # Connections of the last mesh that linger in the kernel don't keep a port busy.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except PermissionError:
                busy.append((part, port, "ports below 1024 need privileges"))
            except OSError:
                busy.append((part, port, listener_of(port)))
    return busy


def listener_of(port: int) -> str:
    """Say which process listens on a port, as far as this user may see it."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{columns[9]}]")
    for folder in Path("/proc").glob("[0-9]*"):
        if inodes & _open_files(folder):
            return f"process {folder.name} ({(folder / 'comm').read_text().strip()})"
    return "another process"


def _open_files(process: Path) -> set[str]:
    """What a process has open; empty for another user's process, or one that has just ended."""
    found = set()
    with suppress(OSError):
        for link in (process / "fd").iterdir():
            # A file may be closed while we look.
            with suppress(FileNotFoundError):
                found.add(str(link.readlink()))
    return found


def check_ports(run: RunPaths) -> None:
    """Refuse to start while a port is taken, naming it and its owner."""
    busy = busy_ports(run)
    if busy:
        said = "; ".join(f"port {port} of {part} is in use by {who}" for part, port, who in busy)
        raise ConfigurationError(
            f"{said}; free it or set [ports] in {run.config}", field=busy[0][0]
        )


def existing_parent(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists: where it would be made."""
    return next(place for place in (path, *path.parents) if place.exists())


def check_shared_memory(run: RunPaths) -> None:
    """Refuse to start where the streams' logs won't fit.

    They grow as they are used, and a process that touches a page for which there is no room left is
    killed.
    """
    folder = existing_parent(run.shared_memory_parent)
    free = shutil.disk_usage(folder).free
    if free < SHARED_MEMORY_BYTES_MIN:
        raise ConfigurationError(
            f"{folder} has {free >> 20} MiB free, and a mesh needs"
            f" {SHARED_MEMORY_BYTES_MIN >> 20}: mount it larger (docker run --shm-size=1g), or set"
            f" {SHARED_MEMORY_VARIABLE} to a folder on a memory file system"
        )


def write_run_folder(run: RunPaths, options: Options) -> Reference:
    """Write reference data, tokens and a configuration to begin with; returns the reference."""
    run.create()
    if not run.config.exists():
        run.config.write_text(_CONFIG_TEXT, encoding="utf-8")
    reference = effective_reference(run, options)
    dump_reference(reference, run.reference)
    clients = {
        account.name: account.account_id
        for account in reference.accounts
        if account.name != REPLAY_ACCOUNT
    }
    if run.tokens.exists():
        add_parts(run.tokens)
    else:
        write_tokens(run.tokens, default_entries(clients))
    return reference


def effective_reference(run: RunPaths, options: Options) -> Reference:
    """The reference data of this start.

    That is the packaged or a given file, what earlier starts of this run folder added (an id is
    never given to something else), and a pair of instruments for every unknown replayed symbol.
    """
    reference = default_reference()
    if options.reference is not None:
        reference = load_reference(options.reference)
    if run.reference.exists():
        earlier = load_reference(run.reference)
        ids = {item.instrument_id for item in reference.instruments}
        keys = {item.key for item in reference.instruments}
        added = [
            item
            for item in earlier.instruments
            if item.instrument_id not in ids and item.key not in keys
        ]
        reference = reference.with_instruments(added)
    return with_replayed_symbols(reference, options.replay)


def with_replayed_symbols(reference: Reference, files: Sequence[Path]) -> Reference:
    """Add a mirror and an own-venue instrument for each replayed symbol that isn't known."""
    if not files:
        return reference
    # Imported here because a simulated market needs none of the file readers.
    from tradecaptain.collector.replayed import replayed_instruments

    keys = {item.key for item in reference.instruments}
    for wanted in replayed_instruments(files):
        if wanted.key in keys:
            continue
        taken = {item.instrument_id for item in reference.instruments}
        free = (number for number in range(30, OWN_VENUE_OFFSET) if number not in taken)
        mirror_id = next(number for number in free if number + OWN_VENUE_OFFSET not in taken)
        reference = reference.with_instruments(_pair(reference, wanted, mirror_id))
        keys.add(wanted.key)
    return reference


def _pair(reference: Reference, wanted: Instrument, mirror_id: int) -> tuple[Instrument, ...]:
    mirror = replace(wanted, instrument_id=mirror_id)
    own = replace(
        mirror,
        instrument_id=mirror_id + OWN_VENUE_OFFSET,
        mic="TCAP",
        source="",
        initial_price_units=0,
        mirror_of=mirror_id,
    )
    return mirror, own


def part_environment(options: Options) -> dict[str, str]:
    """What the parts inherit beyond our own environment: the replay of this start."""
    environment = {**os.environ, **options.environment}
    if options.replay:
        files = [str(path.absolute()) for path in options.replay]
        environment["TRADECAPTAIN_COLLECTOR__REPLAY"] = orjson.dumps(files).decode()
    if options.speed:
        environment["TRADECAPTAIN_COLLECTOR__SPEED"] = options.speed
    return environment


def parse_speed(text: str) -> str:
    """Check a replay speed by the collector's rule: ``max`` or a positive multiple of real time."""
    try:
        read_speed(text)
    except ValueError as error:
        raise ConfigurationError(f"--speed {error}, not {text!r}", field="speed") from error
    return text
