"""From the command to the first quote, and what an idle mesh takes of memory.

``tradecaptain up`` is started in an empty run folder, as a person would; the clock stops when a
client gets a quote with both sides through Envoy. Cold means an empty kernel cache. Memory is the
proportional set size of every process, read a few seconds after all are ready.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from tradecaptain.api.marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc
from tradecaptain.base.compile_cache import ROOT_VARIABLE
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths
from tradecaptain.edge.tokens import token_of
from tradecaptain.launch.run_state import read_state

from perf.support.result import Result

PLACEMENT = "all parts as `up` ships them, on every core of the machine"
INSTRUMENT = "ACME@XSIM"
WARM_STARTS = 3
_GOAL_WARM_SECONDS = 15.0
_GOAL_COLD_SECONDS = 120.0
_GOAL_PSS_MB = 1500.0
_START_SECONDS_MAX = 400.0
_STOP_SECONDS_MAX = 60.0
_SETTLE_SECONDS = 5.0
_STEP_SECONDS = 0.02
_PORT_BASE = 26_000


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took."""

    seconds: float
    pss_mb: float


@contextmanager
def mesh_process(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `up` in a folder, and stop it cleanly."""
    folder.mkdir()
    (folder / "config.toml").write_text(f"[ports]\nbase = {_PORT_BASE}\n")
    command = [sys.executable, "-m", "tradecaptain.cli.main", "up"]
    variables = {**os.environ, **environment, RUN_VARIABLE: str(folder)}
    log = (folder / "up.txt").open("wb")
    with log, subprocess.Popen(command, stdout=log, stderr=log, env=variables) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_SECONDS_MAX)


def wait_for_quote(run: RunPaths, process: subprocess.Popen[bytes]) -> None:
    """Return when a client gets a quote with both sides through Envoy, and check it."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    request = marketdata_pb2.GetQuoteRequest(instrument=INSTRUMENT)
    with grpc.insecure_channel(f"127.0.0.1:{_PORT_BASE}") as channel:
        stub = marketdata_pb2_grpc.MarketDataServiceStub(channel)
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"up ended: {(run.folder / 'up.txt').read_text()[-2000:]}")
            if run.tokens.exists():
                metadata = (("authorization", f"Bearer {token_of(run.tokens, 'alpha')}"),)
                try:
                    quote = stub.GetQuote(request, metadata=metadata, timeout=1.0)
                except grpc.RpcError:
                    time.sleep(_STEP_SECONDS)
                    continue
                if quote.bid_price and quote.ask_price:
                    if not 0 < float(quote.bid_price) < float(quote.ask_price):
                        raise RuntimeError(f"the first quote makes no sense: {quote}")
                    return
            time.sleep(_STEP_SECONDS)
    raise RuntimeError(f"no quote after {_START_SECONDS_MAX} s")


def wait_until_ready(run: RunPaths) -> dict[str, int]:
    """Wait until every part is ready; returns their process ids by name."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline:
        state = read_state(run)
        if state and state["ready"]:
            return {name: part["pid"] for name, part in state["parts"].items()}
        time.sleep(_STEP_SECONDS)
    raise RuntimeError("the mesh was never ready")


def pss_mb(pid: int) -> float:
    """Proportional set size of a process in megabytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} tells no proportional set size")


def measure_start(parent: Path, name: str, cache: Path | None, *, settle: bool) -> Start:
    """Start a mesh once and measure it."""
    environment = {} if cache is None else {ROOT_VARIABLE: str(cache)}
    for variable in ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        # The mesh finds its cache by itself, not by what this process was told.
        os.environ.pop(variable, None)
    run = RunPaths(parent / name)
    started = time.monotonic()
    with mesh_process(run.folder, environment) as process:
        wait_for_quote(run, process)
        seconds = time.monotonic() - started
        memory = 0.0
        if settle:
            pids = wait_until_ready(run)
            time.sleep(_SETTLE_SECONDS)
            shares = {"supervisor": pss_mb(process.pid)}
            shares |= {part: pss_mb(pid) for part, pid in pids.items()}
            said = ", ".join(f"{part} {share:.0f}" for part, share in shares.items())
            print(f"{name}: {seconds:.1f} s; PSS in MB: {said}", file=sys.stderr)
            memory = sum(shares.values())
    return Start(seconds, memory)


def run(smoke: bool) -> list[Result]:
    """Measure one cold start (not in smoke mode) and several warm ones."""
    with tempfile.TemporaryDirectory(prefix="tradecaptain-start-") as folder:
        parent = Path(folder)
        cold = None
        if not smoke:
            cold = measure_start(parent, "cold", parent / "cache", settle=False)
        # The kernels may not be compiled yet where nobody ran `up` or the tests before.
        command = [sys.executable, "-m", "tradecaptain.cli.main", "compile"]
        subprocess.run(command, stdout=sys.stderr, check=True)
        count = 1 if smoke else WARM_STARTS
        warm = [measure_start(parent, f"warm{n}", None, settle=True) for n in range(count)]
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
    ]
