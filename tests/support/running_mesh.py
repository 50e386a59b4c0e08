"""A whole mesh for end-to-end tests, started by the command that people use."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import grpc
import orjson
from support.ports import free_port_base, port_holders
from support.wait import wait_until
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths
from tradecaptain.edge.tokens import token_of
from tradecaptain.launch.processes import start_ticks
from tradecaptain.launch.run_state import read_state

# Kernels may have to be compiled first, where nobody ran `tradecaptain compile` before.
START_SECONDS = 420
CALL_SECONDS = 10
STOP_SECONDS = 40
COMMAND_SECONDS = 120
PARTS = ("driver", "envoy", "orderbook", "collector", "risk", "gateway", "pricing")


class RunningMesh:
    """One ``tradecaptain up``; use :func:`running_mesh`."""

    def __init__(
        self,
        folder: Path,
        arguments: tuple[str, ...],
        extra: Mapping[str, str],
        configuration: str = "",
    ) -> None:
        self.run = RunPaths(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if not self.run.config.exists():
            self.run.config.write_text(f"[ports]\nbase = {free_port_base()}\n{configuration}")
        self.environment = {**os.environ, RUN_VARIABLE: str(folder), **extra}
        self.output = folder / "output.txt"
        self._arguments = arguments
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self.output.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "tradecaptain.cli.main", "up", *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                pass_fds=port_holders(),
            )

    def said(self) -> str:
        """Everything that `up` printed so far."""
        return self.output.read_text(errors="replace")

    def state(self) -> dict[str, Any]:
        """What this supervisor last wrote; empty before it wrote anything."""
        state = read_state(self.run) or {}
        return state if state.get("supervisor_pid") == self.process.pid else {}

    def part(self, name: str) -> dict[str, Any]:
        """How one part is."""
        found = self.state().get("parts", {}).get(name, {})
        assert isinstance(found, dict)
        return found

    def pid(self, part: str) -> int:
        """Process id of a part; zero while it has none."""
        return int(self.part(part).get("pid", 0))

    def is_ready(self) -> bool:
        """Whether every part is ready; fails at once if `up` has ended."""
        assert self.process.poll() is None, f"up ended early:\n{self.said()}{self._last_logs()}"
        return bool(self.state().get("ready"))

    def wait_until_ready(self, timeout_s: float = START_SECONDS) -> None:
        """Wait until every part is ready."""
        wait_until(self.is_ready, timeout_s=timeout_s, what="the mesh to be ready")

    def kill(self, part: str) -> int:
        """Kill a part's process the hard way; returns the process id that it had."""
        pid = self.pid(part)
        assert pid, f"{part} has no process"
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_everything(self) -> None:
        """Kill every process the hard way, the supervisor first, so that it brings none back."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait_until(
            lambda: all(start_ticks(pid) is None for pid in pids[1:]),
            what="every process to be gone",
        )

    def start_again(self, timeout_s: float = START_SECONDS) -> None:
        """Run `up` once more after everything was killed."""
        self.process = self._start()
        self.wait_until_ready(timeout_s)

    def wait_until_back(self, part: str, old_pid: int, timeout_s: float = 60) -> None:
        """Wait until a killed part runs as another process and the whole mesh is ready."""

        def is_back() -> bool:
            return self.is_ready() and self.pid(part) not in (0, old_pid)

        wait_until(is_back, timeout_s=timeout_s, what=f"{part} to be back")

    @property
    def address(self) -> str:
        """Where Envoy listens."""
        return f"127.0.0.1:{self.run.ports.envoy}"

    def metadata(self, principal: str = "alpha") -> tuple[tuple[str, str], ...]:
        """Metadata of a call as a principal."""
        return (("authorization", f"Bearer {token_of(self.run.tokens, principal)}"),)

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """A channel through Envoy."""
        with grpc.insecure_channel(self.address) as channel:
            yield channel

    def best_bid(self, symbol: str = "ACME") -> Fraction | None:
        """Our own venue's best bid; none while its book is empty."""
        request = orderbook_pb2.GetBookRequest(
            instrument=f"{symbol}@TCAP", level=records_pb2.DEPTH_LEVEL_L1, level_limit=1
        )
        with self.channel() as channel:
            stub = orderbook_pb2_grpc.OrderBookServiceStub(channel)
            answer = stub.GetBook(request, metadata=self.metadata(), timeout=CALL_SECONDS)
        unit = Fraction(answer.units.price_unit.numerator, answer.units.price_unit.denominator)
        return answer.book.bids[0].price_units * unit if answer.book.bids else None

    def passive_price(self, symbol: str = "ACME") -> str:
        """A price in whole cents about three per cent below our own venue's best bid."""
        # The flow enters a moment after all parts are ready.
        bid = wait_until(lambda: self.best_bid(symbol), what=f"a bid for {symbol}")
        assert bid is not None
        cents = int(bid * 97)
        return f"{cents // 100}.{cents % 100:02d}"

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `tradecaptain` command against this mesh."""
        return subprocess.run(
            [sys.executable, "-m", "tradecaptain.cli.main", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    @contextmanager
    def background(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A `tradecaptain` command that runs beside the block, its results in a pipe."""
        command = [sys.executable, "-m", "tradecaptain.cli.main", *arguments]
        with subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command with ``--json`` and return its one object."""
        answer = self.command(*arguments, "--json")
        assert answer.stdout, f"{arguments} printed nothing:\n{answer.stderr}"
        found = orjson.loads(answer.stdout)
        assert isinstance(found, dict)
        return found

    def pids(self) -> list[int]:
        """Process ids of the supervisor and all its parts."""
        parts = self.state().get("parts", {}).values()
        return [self.process.pid, *(part["pid"] for part in parts if part["pid"])]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop the mesh and check that nothing of it is left."""
        pids = self.pids()
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(STOP_SECONDS)
        left = [pid for pid in pids if start_ticks(pid) is not None]
        assert left == [], f"processes {left} are left"
        assert not self.run.shared_memory.exists(), "shared memory is left"

    def _last_logs(self) -> str:
        logs = sorted(self.run.logs.glob("*.log"))
        return "".join(f"\n--- {log.name}\n" + log.read_text()[-1500:] for log in logs)


@contextmanager
def running_mesh(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    configuration: str = "",
) -> Iterator[RunningMesh]:
    """Start a mesh, wait until it is ready, and stop it after the block.

    ``configuration`` is more of config.toml than the ports.
    """
    mesh = RunningMesh(folder, arguments, environment or {}, configuration)
    try:
        mesh.wait_until_ready()
        yield mesh
        mesh.stop()
    finally:
        if mesh.process.poll() is None:
            mesh.process.terminate()
            try:
                mesh.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                mesh.process.kill()
                mesh.process.wait()
        # A mesh that was killed leaves it, for the next start.
        mesh.run.journal_ring.unlink(missing_ok=True)
