"""From the command to the first quote, and what an idle mesh takes of memory and processor.

``tradecaptain up`` is started in an empty run folder, as a person would; the clock stops when a
client's stream through Envoy brings the first quote with both sides. Cold means an empty kernel
cache. Memory is the proportional set size of every process of the mesh at the first status line
after the one that says that all parts are ready, five seconds later; processor time is that of the
fifteen seconds from there on, with the simulated market running and no client.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from tradecaptain.api.marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc, records_pb2
from tradecaptain.base.compile_cache import ROOT_VARIABLE
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths
from tradecaptain.edge.tokens import token_of
from tradecaptain.launch.run_state import read_state

from perf.support.ports import free_port_base
from perf.support.result import Result

PLACEMENT = "all parts as `up` ships them, on every core of the machine"
INSTRUMENT = "ACME@XSIM"
WARM_STARTS = 3
_GOAL_WARM_SECONDS = 15.0
_GOAL_COLD_SECONDS = 120.0
_GOAL_PSS_MB = 1500.0
_GOAL_IDLE_CORE_PERCENT = 40.0
_IDLE_LINES = 3
_START_SECONDS_MAX = 400.0
_STOP_SECONDS_MAX = 60.0
_ALL_READY = r"(\d+)/\1 ready\b"
# Envoy refuses calls for a moment after a part is ready, until it has seen that.
_RETRY = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took."""

    seconds: float
    pss_mb: float = 0.0
    idle_core_percent: float = 0.0


@dataclass(slots=True)
class Mesh:
    """A mesh that was started, and what `up` says about it, line by line."""

    run: RunPaths
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def read_until(self, *patterns: str) -> None:
        """Read what `up` says until a line for each pattern has come, in whatever order."""
        assert self.process.stdout is not None
        missing = set(patterns)
        for line in self.process.stdout:
            self.said.append(line)
            missing -= {pattern for pattern in missing if re.search(pattern, line)}
            if not missing:
                return
        raise RuntimeError(f"up ended: {''.join(self.said[-20:])}")


@contextmanager
def mesh_process(folder: Path, environment: dict[str, str]) -> Iterator[Mesh]:
    """Run `up` in a folder, and stop it cleanly; one that says nothing for too long is ended."""
    folder.mkdir()
    (folder / "config.toml").write_text(f"[ports]\nbase = {free_port_base()}\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "tradecaptain.cli.main", "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment, RUN_VARIABLE: str(folder)},
    )
    deadline = threading.Timer(_START_SECONDS_MAX, process.terminate)
    deadline.start()
    try:
        with process:
            try:
                yield Mesh(RunPaths(folder), process)
            finally:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=_STOP_SECONDS_MAX)
    finally:
        deadline.cancel()
        # One that is ended while it starts may leave its log's ring to a successor, and has none.
        RunPaths(folder).journal_ring.unlink(missing_ok=True)


def first_quote(run: RunPaths) -> records_pb2.Quote:
    """The first quote with both sides that a client's stream through Envoy brings."""
    metadata = (("authorization", f"Bearer {token_of(run.tokens, 'alpha')}"),)
    options = [("grpc.service_config", json.dumps(_RETRY))]
    request = marketdata_pb2.StreamQuotesRequest(instruments=[INSTRUMENT])
    with grpc.insecure_channel(f"127.0.0.1:{run.ports.envoy}", options=options) as channel:
        stream = marketdata_pb2_grpc.MarketDataServiceStub(channel).StreamQuotes(
            request, metadata=metadata, timeout=_START_SECONDS_MAX, wait_for_ready=True
        )
        for response in stream:
            for quote in response.quotes:
                if quote.HasField("bid_price_units") and quote.HasField("ask_price_units"):
                    stream.cancel()
                    return quote
    raise RuntimeError("the stream of quotes ended without a quote")


def pss_mb(pid: int) -> float:
    """Proportional set size of a process in megabytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} tells no proportional set size")


def process_tree(pid: int) -> Iterator[int]:
    """A process and everything that it started, however indirectly."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from process_tree(int(child))


def memory_mb(mesh: Mesh) -> float:
    """Memory of all processes of a mesh; says on standard error whose it is."""
    state = read_state(mesh.run) or {}
    parts = {part["pid"]: name for name, part in state.get("parts", {}).items()}
    shares = {pid: pss_mb(pid) for pid in process_tree(mesh.process.pid)}
    said = ", ".join(f"{parts.get(pid, 'supervisor')} {mb:.0f}" for pid, mb in shares.items())
    print(f"{mesh.run.folder.name}: PSS in MB: {said}", file=sys.stderr)
    return sum(shares.values())


def processor_seconds(pid: int) -> float:
    """Time that a process has had of the processors, in user and in system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_core_percent(mesh: Mesh, lines: int) -> float:
    """What a mesh takes while nobody asks for anything, in per cent of one core.

    Measured over ``lines`` status lines, five seconds each.
    """
    pids = list(process_tree(mesh.process.pid))
    begun, before = time.monotonic(), sum(map(processor_seconds, pids))
    for _ in range(lines):
        mesh.read_until(_ALL_READY)
    taken = sum(map(processor_seconds, pids)) - before
    return 100 * taken / (time.monotonic() - begun)


def measure_start(parent: Path, name: str, cache: Path | None, *, idle_lines: int) -> Start:
    """Start a mesh once and measure it, and over so many status lines what it takes idle."""
    environment = {} if cache is None else {ROOT_VARIABLE: str(cache)}
    for variable in ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        # The mesh finds its cache by itself, not by what this process was told.
        os.environ.pop(variable, None)
    started = time.monotonic()
    with mesh_process(parent / name, environment) as mesh:
        mesh.read_until("^envoy ready", "^collector ready")
        quote = first_quote(mesh.run)
        seconds = time.monotonic() - started
        print(f"{name}: {seconds:.1f} s to the first quote", file=sys.stderr)
        if not 0 < quote.bid_price_units < quote.ask_price_units:
            raise RuntimeError(f"the first quote makes no sense: {quote}")
        if idle_lines == 0:
            return Start(seconds)
        mesh.read_until(_ALL_READY)
        mesh.read_until(_ALL_READY)
        return Start(seconds, memory_mb(mesh), idle_core_percent(mesh, idle_lines))


def run(smoke: bool) -> list[Result]:
    """Measure one cold start (not in smoke mode) and several warm ones."""
    with tempfile.TemporaryDirectory(prefix="tradecaptain-start-") as folder:
        parent = Path(folder)
        cold = None
        if not smoke:
            cold = measure_start(parent, "cold", parent / "cache", idle_lines=0)
        # The kernels may not be compiled yet where nobody ran `up` or the tests before.
        command = [sys.executable, "-m", "tradecaptain.cli.main", "compile"]
        subprocess.run(command, stdout=sys.stderr, check=True)
        count, lines = (1, 1) if smoke else (WARM_STARTS, _IDLE_LINES)
        warm = [measure_start(parent, f"warm{n}", None, idle_lines=lines) for n in range(count)]
    why = "not measured in smoke mode" if smoke else None
    return [
        Result(
            "start.warm_seconds",
            statistics.median(start.seconds for start in warm),
            "s",
            _GOAL_WARM_SECONDS,
        ),
        Result(
            "start.cold_seconds",
            None if cold is None else cold.seconds,
            "s",
            _GOAL_COLD_SECONDS,
            why_missing=why,
        ),
        Result(
            "start.idle_pss_mb",
            statistics.median(start.pss_mb for start in warm),
            "MB",
            _GOAL_PSS_MB,
        ),
        Result(
            "start.idle_core_percent",
            statistics.median(start.idle_core_percent for start in warm),
            "%",
            _GOAL_IDLE_CORE_PERCENT,
        ),
    ]
