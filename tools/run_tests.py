"""Runs every test in three phases and sums them up; `./tc test` calls it.

1. ``fast``: unit, property, vectors and house tests, on all cores.
2. ``jit-off``: the suites that compare kernels with their slow twins, once more as plain Python, in
   one process beside the fast phase; what it says is printed behind what that says.
3. ``alone``: end-to-end tests, benchmarks in smoke mode, and tests that need the whole machine.

Kernels are compiled once beforehand; otherwise each worker would compile all of them again. Those
of the benchmarks, which the alone phase needs, follow beside the fast phase.
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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
FAST_FOLDERS = ("unit", "property", "vectors", "simulation", "house")
NO_TESTS_COLLECTED = 5
# A test that hangs is shown where it hangs, and its phase ends some time after.
HANGING_SECONDS = 300
PHASE_SECONDS_MAX = 1800
FULL_PHASE_SECONDS_MAX = 3600
SLOWEST = 15


@dataclass(frozen=True)
class Phase:
    """One run of pytest."""

    name: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    seconds_max: int = PHASE_SECONDS_MAX


def existing(*folders: str) -> tuple[str, ...]:
    """Those folders of tests/ that hold a test."""
    return tuple(
        f"tests/{name}" for name in folders if any((ROOT / "tests" / name).rglob("test_*.py"))
    )


def phases(full: bool) -> list[Phase]:
    """The phases in the order in which they are told of."""
    extra = ("--full",) if full else ()
    workers = ("-n", str(os.cpu_count() or 1), "--dist", "loadfile")
    fast = existing(*FAST_FOLDERS)
    every = (*fast, *existing("e2e", "perf", "soak"))
    long_profile = (("TRADECAPTAIN_TEST_PROFILE", "full"),) if full else ()
    seconds_max = FULL_PHASE_SECONDS_MAX if full else PHASE_SECONDS_MAX
    jit_off = (("NUMBA_DISABLE_JIT", "1"), ("TRADECAPTAIN_TEST_PROFILE", "jit_off"))
    serial_or_elsewhere = "serial or e2e or perf or soak"
    return [
        Phase("fast", (*fast, *workers, "-m", "not serial", *extra), long_profile, seconds_max),
        Phase("jit-off", (*fast, "-m", "twin and not serial", *extra), jit_off, seconds_max),
        Phase("alone", (*every, "-m", serial_or_elsewhere, *extra), long_profile, seconds_max),
    ]


def compile_kernels() -> int:
    """Fill the kernel cache, telling progress; returns the exit status."""
    print("== kernels: compiling once", flush=True)
    command = [sys.executable, "-m", "tradecaptain.cli.main", "compile"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


class Run:
    """A phase under way; with ``output`` what it says goes there until it has ended."""

    def __init__(self, phase: Phase, folder: Path, output: IO[bytes] | None = None) -> None:
        self.phase = phase
        self.report = folder / f"{phase.name}.xml"
        self._output = output
        if output is None:
            self._announce()
        options = ("-q", "-o", f"faulthandler_timeout={HANGING_SECONDS}", f"--durations={SLOWEST}")
        command = [sys.executable, "-m", "pytest", *options, f"--junitxml={self.report}"]
        self._process = subprocess.Popen(
            [*command, *phase.arguments],
            cwd=ROOT,
            env={**os.environ, **dict(phase.environment)},
            stdout=output,
            stderr=output,
            process_group=0,
        )

    def end(self) -> int:
        """Wait for its end; its status, where no test collected is no failure."""
        early = False
        try:
            status = self._process.wait(self.phase.seconds_max)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait()
            early = True
        if self._output is not None:
            self._announce()
            self._output.seek(0)
            print(self._output.read().decode(errors="replace"), flush=True)
        if early:
            print(f"== {self.phase.name}: ended early", flush=True)
            return 1
        return 0 if status == NO_TESTS_COLLECTED else status

    def _announce(self) -> None:
        print(f"\n== {self.phase.name}: pytest {' '.join(self.phase.arguments)}", flush=True)


def run_phases(chosen: list[Phase], folder: Path) -> Iterator[tuple[int, Path]]:
    """Run the phases; yields the status and the report of each as it has ended."""
    by_name = {phase.name: phase for phase in chosen}
    benchmarks = None
    if "alone" in by_name:
        command = ["nice", "-n", "19", sys.executable, "-m", "perf", "--compile"]
        benchmarks = subprocess.Popen(command, cwd=ROOT)
    with tempfile.TemporaryFile() as output:
        aside = Run(by_name["jit-off"], folder, output) if "jit-off" in by_name else None
        if "fast" in by_name:
            fast = Run(by_name["fast"], folder)
            yield fast.end(), fast.report
        if aside is not None:
            yield aside.end(), aside.report
    if benchmarks is not None:
        benchmarks.wait()
        alone = Run(by_name["alone"], folder)
        yield alone.end(), alone.report


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
    chosen = [
        phase for phase in phases(options.full) if not options.phase or phase.name in options.phase
    ]
    with tempfile.TemporaryDirectory(prefix="tradecaptain-tests-") as folder:
        for ended, report in run_phases(chosen, Path(folder)):
            status = ended or status
            tally(report, counts, seconds)
    print("\n== minutes of test time per folder")
    for name, spent in seconds.most_common():
        print(f"{spent / 60:8.2f}  {name}")
    print(f"{(time.monotonic() - started) / 60:8.2f}  minutes in all")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return status or int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
