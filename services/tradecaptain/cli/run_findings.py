"""What ``doctor`` looks at in a run folder, and of the mesh that runs in it."""

from __future__ import annotations

import os
import shutil
from typing import Any

from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.config import ENVIRONMENT_PREFIX
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference_file import load_reference
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths
from tradecaptain.base.toml_table import read_toml
from tradecaptain.cli.config import SECTIONS, config_class
from tradecaptain.cli.finding import BAD, GOOD, HINT, Finding, can_write
from tradecaptain.edge.tokens import load_entries
from tradecaptain.launch.leftovers import leftover_processes
from tradecaptain.launch.prepare import busy_ports, existing_parent
from tradecaptain.launch.run_state import SILENT_SECONDS, read_state, running_supervisor
from tradecaptain.mesh.driver import driver_settings

_DISK_BYTES_MIN = 1 << 30
_STATE_BYTES = 64 << 10
"""More than the supervisor's state takes."""
_NANOSECONDS = 1_000_000_000


def run_folder(run: RunPaths) -> list[Finding]:
    """Room for configuration, logs and state."""
    remedy = f"free some space, or set {RUN_VARIABLE} to another folder"
    folder = existing_parent(run.folder)
    if not folder.is_dir():
        remedy = f"set {RUN_VARIABLE} to another folder"
        return [Finding("run folder", BAD, f"{run.folder}: {folder} isn't a folder", remedy)]
    if not can_write(folder):
        return [Finding("run folder", BAD, f"{run.folder}: {folder} can't be written", remedy)]
    free = shutil.disk_usage(folder).free
    found = f"{run.folder}, {free >> 20} MiB free"
    if free < _DISK_BYTES_MIN:
        found = f"{found} of the {_DISK_BYTES_MIN >> 20} that there should be"
        return [Finding("run folder", BAD, found, remedy)]
    return [Finding("run folder", GOOD, found)]


def configuration(run: RunPaths) -> list[Finding]:
    """Every part's settings, as the part itself would read them."""
    remedy = f"mend it in {run.config}, or in the environment"
    try:
        written = read_toml(run.config) if run.config.exists() else {}
    except TradeCaptainError as error:
        return [Finding("configuration", BAD, error.message, f"mend {run.config}")]
    findings = []
    for section, module in SECTIONS.items():
        try:
            config_class(section, module).load(run)
        except TradeCaptainError as error:
            findings.append(Finding("configuration", BAD, error.message, remedy))
    try:
        driver_settings(run)
    except TradeCaptainError as error:
        findings.append(Finding("configuration", BAD, error.message, remedy))
    known = {"ports", "driver", *SECTIONS}
    findings += [
        Finding(
            "configuration",
            HINT,
            f"[{name}] is no part's table",
            f"{run.config} may have {', '.join(sorted(known))}",
        )
        for name in sorted(written.keys() - known)
    ]
    findings += [
        Finding(
            "configuration",
            HINT,
            f"{name} is no part's setting",
            f"variables begin with {ENVIRONMENT_PREFIX} and one of {', '.join(sorted(known))}",
        )
        for name in sorted(os.environ)
        if "__" in name
        and name.upper().startswith(ENVIRONMENT_PREFIX)
        and name.upper().removeprefix(ENVIRONMENT_PREFIX).partition("__")[0].lower() not in known
    ]
    return findings or [Finding("configuration", GOOD, "is what the parts can read")]


def reference(run: RunPaths) -> list[Finding]:
    """Instruments and accounts that earlier starts wrote down."""
    if not run.reference.exists():
        return [Finding("reference data", GOOD, "none yet; `up` writes it")]
    try:
        found = load_reference(run.reference)
    except TradeCaptainError as error:
        remedy = f"move {run.reference} away; the next `up` writes a new one"
        return [Finding("reference data", BAD, error.message, remedy)]
    said = f"{len(found.instruments)} instruments, {len(found.accounts)} accounts"
    return [Finding("reference data", GOOD, said)]


def tokens(run: RunPaths) -> list[Finding]:
    """Who may call."""
    if not run.tokens.exists():
        return [Finding("tokens", GOOD, "none yet; `up` writes them")]
    try:
        count = len(load_entries(run.tokens))
    except TradeCaptainError as error:
        remedy = "mend it, or move it away: the next `up` writes a new one, with other tokens"
        return [Finding("tokens", BAD, error.message, remedy)]
    return [Finding("tokens", GOOD, f"{count} principals in {run.tokens}")]


def ports(run: RunPaths) -> list[Finding]:
    """Ports that must be free, or are the running mesh's."""
    try:
        numbers = run.ports
    except TradeCaptainError as error:
        return [Finding("ports", BAD, error.message, f"mend {run.config}")]
    owner = running_supervisor(run)
    if owner is not None:
        return [Finding("ports", GOOD, f"used by the running mesh (process {owner.pid})")]
    busy = busy_ports(run)
    if not busy:
        return [Finding("ports", GOOD, f"all free, from {min(numbers.as_dict().values())} on")]
    remedy = f"end that process, or set [ports] base in {run.config}"
    return [
        Finding(f"port {port} ({part})", BAD, f"in use by {who}", remedy)
        for part, port, who in busy
    ]


def mesh(run: RunPaths) -> list[Finding]:
    """How the mesh is that runs, or what one left behind."""
    owner = running_supervisor(run)
    if owner is None:
        left = leftover_processes(run)
        if left or run.shared_memory.exists():
            names = ", ".join(left) or str(run.shared_memory)
            found = f"left behind by an earlier run: {names}"
            return [Finding("mesh", HINT, found, "tradecaptain down")]
        return [Finding("mesh", GOOD, "is not running, and left nothing behind")]
    state = read_state(run)
    if state is None:
        return [Finding("mesh", GOOD, f"is about to start (process {owner.pid})")]
    silent_ns = SYSTEM_CLOCK.now_ns() - int(state["updated_ns"])
    if silent_ns > SILENT_SECONDS * _NANOSECONDS:
        found = f"its supervisor has said nothing for {silent_ns // _NANOSECONDS} s"
        if shutil.disk_usage(run.folder).free < _STATE_BYTES:
            # It goes on without; what was written last stands.
            found = f"{found}: {run.folder} has no room for what it says"
            return [Finding("mesh", BAD, found, "free some space; the mesh goes on meanwhile")]
        remedy = f"kill -9 {owner.pid}, then `tradecaptain down`, then `tradecaptain up`"
        return [Finding("mesh", BAD, found, remedy)]
    return _parts(state) or [Finding("mesh", GOOD, f"is running, all {len(state['parts'])} parts")]


def _parts(state: dict[str, Any]) -> list[Finding]:
    """Parts of a running mesh that aren't ready."""
    findings = []
    for name, part in state["parts"].items():
        if part["state"] == "ready":
            continue
        why = f" ({part['why']})" if part["why"] else ""
        is_starting = part["state"] in ("starting", "waiting")
        remedy = (
            "it should be ready in a moment"
            if is_starting and not why
            else f"`tradecaptain logs {name}` shows what it said"
        )
        level = HINT if is_starting and not why else BAD
        findings.append(Finding(f"{name} of the mesh", level, part["state"] + why, remedy))
    return findings
