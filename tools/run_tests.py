"""Runs every test in three phases and sums them up; `./tc test` calls it.

1. ``fast``: unit, property, vectors and house tests, on all cores.
2. ``alone``: end-to-end tests, benchmarks in smoke mode, and tests that need the whole machine.
3. ``jit-off``: the suites that compare kernels with their slow twins, once more as plain Python.

Kernels are compiled once beforehand; otherwise each worker would compile all of them again.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAST_FOLDERS = ("unit", "property", "vectors", "simulation", "house")
NO_TESTS_COLLECTED = 5
# A test that hangs is shown where it hangs, and its phase ends some time after.
HANGING_SECONDS = 300
PHASE_SECONDS_MAX = 1800


@dataclass(frozen=True)
class Phase:
    """One run of pytest."""

    name: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


def existing(*folders: str) -> tuple[str, ...]:
    """Those folders of tests/ that hold a test."""
    return tuple(
        f"tests/{name}" for name in folders if any((ROOT / "tests" / name).rglob("test_*.py"))
    )


def phases(full: bool) -> list[Phase]:
    """The phases in the order in which they run."""
    extra = ("--full",) if full else ()
    workers = ("-n", str(os.cpu_count() or 1), "--dist", "loadfile")
    fast = existing(*FAST_FOLDERS)
    every = (*fast, *existing("e2e", "perf", "soak"))
    long_profile = (("TRADECAPTAIN_TEST_PROFILE", "full"),) if full else ()
    jit_off = (("NUMBA_DISABLE_JIT", "1"), ("TRADECAPTAIN_TEST_PROFILE", "jit_off"))
    serial_or_elsewhere = "serial or e2e or perf or soak"
    return [
        Phase("fast", (*fast, *workers, "-m", "not serial", *extra), long_profile),
        Phase("alone", (*every, "-m", serial_or_elsewhere, *extra), long_profile),
        Phase("jit-off", (*fast, "-m", "twin and not serial", *extra), jit_off),
    ]


def compile_kernels() -> int:
    """Fill the kernel cache, telling progress; returns the exit status."""
    print("== kernels: compiling once", flush=True)
    command = [sys.executable, "-m", "tradecaptain.cli.main", "compile"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def run_phase(phase: Phase, report: Path) -> int:
    """Run pytest for one phase; no test collected is no failure."""
    print(f"\n== {phase.name}: pytest {' '.join(phase.arguments)}", flush=True)
    options = ("-q", "-o", f"faulthandler_timeout={HANGING_SECONDS}", f"--junitxml={report}")
    command = [sys.executable, "-m", "pytest", *options, *phase.arguments]
    environment = {**os.environ, **dict(phase.environment)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, process_group=0) as process:
        try:
            status = process.wait(PHASE_SECONDS_MAX)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            print(f"== {phase.name}: ended early", flush=True)
            os.killpg(process.pid, signal.SIGTERM)
            status = 1
    return 0 if status == NO_TESTS_COLLECTED else status


def tally(report: Path, counts: Counter[str], seconds: Counter[str]) -> None:
    """Add the outcomes and the seconds per folder of one JUnit report."""
    if not report.exists():
        counts["failed"] += 1
        return
    for case in ElementTree.parse(report).iter("testcase"):
        parts = case.get("classname", "").split(".")
        folder = "/".join(parts[:3]) if len(parts) > 3 else "/".join(parts[:2])
        seconds[folder] += float(case.get("time", "0"))
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            counts["failed"] += 1
        elif "skipped" in kinds:
            counts["skipped"] += 1
        else:
            counts["passed"] += 1


def main() -> int:
    """Run the chosen phases; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="also run the tests marked full")
    parser.add_argument("--phase", action="append", choices=("fast", "alone", "jit-off"))
    options = parser.parse_args()
    started = time.monotonic()
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    status = compile_kernels()
    with tempfile.TemporaryDirectory(prefix="tradecaptain-tests-") as folder:
        for phase in phases(options.full):
            if options.phase and phase.name not in options.phase:
                continue
            report = Path(folder) / f"{phase.name}.xml"
            status = run_phase(phase, report) or status
            tally(report, counts, seconds)
    print("\n== minutes of test time per folder")
    for name, spent in seconds.most_common():
        print(f"{spent / 60:8.2f}  {name}")
    print(f"{(time.monotonic() - started) / 60:8.2f}  minutes in all")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return status or int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
