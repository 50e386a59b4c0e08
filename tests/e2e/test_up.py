"""One command starts a mesh that trades, keeps it alive, and leaves nothing behind."""

import datetime
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import orjson
import pytest
from support.ports import free_port_base
from support.running_mesh import PARTS, START_SECONDS, RunningMesh, running_mesh
from support.wait import wait_until
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import marketdata_pb2, marketdata_pb2_grpc
from tradecaptain.base.compile_cache import ROOT_VARIABLE, prepare_cache
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths
from tradecaptain.launch.processes import start_ticks
from tradecaptain.launch.run_state import read_state

RESTART_SECONDS = 90


def command(run: RunPaths, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tradecaptain.cli.main", *arguments],
        env={**os.environ, RUN_VARIABLE: str(run.folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def free_run(run: RunPaths) -> RunPaths:
    """A run folder whose ports nobody else uses."""
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    # What an earlier run would leave behind; these tests begin without.
    shutil.rmtree(run.shared_memory)
    return run


def test_every_part_is_ready_and_the_status_says_so(mesh: RunningMesh) -> None:
    status = mesh.json("status")
    assert status["running"]
    assert status["ready"]
    assert set(status["parts"]) == set(PARTS)
    assert {part["state"] for part in status["parts"].values()} == {"ready"}
    assert "7/7 ready" in mesh.said()


def test_no_service_compiles_a_kernel(mesh: RunningMesh) -> None:
    first = orjson.loads(mesh.run.log_of("supervisor").read_bytes().splitlines()[0])
    assert first["event"] == "mesh is starting"
    started = datetime.datetime.fromisoformat(first["timestamp"]).timestamp()
    # A service that has to compile a kernel adds it to the cache.
    added = [
        path.name for path in prepare_cache().rglob("*.nb[ic]") if path.stat().st_mtime > started
    ]
    assert added == []


def test_market_data_flows(mesh: RunningMesh) -> None:
    answer = mesh.command("watch", "quotes", "ACME@XSIM", "--count", "3")
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("ACME@XSIM  bid ") for line in lines)


def test_our_own_venue_is_market_data_too(mesh: RunningMesh) -> None:
    found = mesh.json("watch", "quotes", "ACME", "--count", "3")["quotes"]
    assert [quote["instrument"] for quote in found] == ["ACME@TCAP"] * 3
    with mesh.channel() as channel:
        market_data = marketdata_pb2_grpc.MarketDataServiceStub(channel)
        request = marketdata_pb2.StreamTradesRequest(instruments=["ACME@TCAP"])
        trades = market_data.StreamTrades(request, metadata=mesh.metadata(), timeout=60)
        # The header: nothing after it is missed.
        next(trades)
        filled_ns = int(mesh.json("order", "submit", "ACME", "buy", "7")["order"]["update_time_ns"])
        told_units = 0
        for response in trades:
            for trade in response.trades:
                if trade.stamp.event_time_ns == filled_ns:
                    assert trade.aggressor_side == common_pb2.SIDE_BUY
                    told_units += trade.quantity_units
            if told_units == 7:
                break
        asked = marketdata_pb2.GetCandlesRequest(instrument="ACME@TCAP", interval_seconds=60)
        candles = market_data.GetCandles(asked, metadata=mesh.metadata()).candles
    assert sum(candle.volume_quantity_units for candle in candles) >= 7


def test_a_hand_trade_rests_is_listed_replaced_and_cancelled(mesh: RunningMesh) -> None:
    price = mesh.passive_price()
    submitted = mesh.json("order", "submit", "ACME", "buy", "100", "--price", price)
    order = submitted["order"]
    assert order["status"] == "ORDER_STATUS_WORKING"
    listed = mesh.json("order", "list")["orders"]
    assert order["order_id"] in [item["order_id"] for item in listed]
    lower = mesh.passive_price()
    replaced = mesh.json("order", "replace", order["order_id"], "--price", lower)
    assert replaced["order"]["price"] == lower
    cancelled = mesh.json("order", "cancel", order["order_id"])
    assert cancelled["order"]["status"] == "ORDER_STATUS_CANCELLED"


def test_an_aggressive_order_fills_against_the_market(mesh: RunningMesh) -> None:
    answer = mesh.json("order", "submit", "ACME", "buy", "1", "--type", "market")
    assert answer["order"]["status"] == "ORDER_STATUS_FILLED"
    assert answer["order"]["cumulative_quantity"] == "1"


def test_a_refused_order_says_why_and_exits_1(mesh: RunningMesh) -> None:
    off_grid = mesh.command("order", "submit", "ACME", "buy", "1", "--price", "95.001")
    assert off_grid.returncode == 1
    assert off_grid.stdout == ""
    assert "REASON_INVALID_PRICE" in off_grid.stderr
    too_large = mesh.command(
        "order", "submit", "ACME", "buy", "20000", "--price", mesh.passive_price()
    )
    assert too_large.returncode == 1
    assert "REASON_ORDER_QUANTITY_LIMIT" in too_large.stderr


def test_a_second_up_on_the_same_folder_says_so(mesh: RunningMesh) -> None:
    second = mesh.command("up")
    assert second.returncode == 1
    assert f"already running in {mesh.run.folder}" in second.stderr
    assert "tradecaptain down" in second.stderr


def test_detached_up_and_down_leave_nothing(free_run: RunPaths) -> None:
    started = command(free_run, "up", "--detach", "--json")
    try:
        assert started.returncode == 0, started.stderr
        answer = orjson.loads(started.stdout)
        assert answer["address"] == f"127.0.0.1:{free_run.ports.envoy}"
        state = orjson.loads(free_run.state.read_bytes())
        pids = [answer["supervisor_pid"], *(part["pid"] for part in state["parts"].values())]
        assert all(start_ticks(pid) is not None for pid in pids)
    finally:
        stopped = command(free_run, "down", "--json")
    assert stopped.returncode == 0, stopped.stderr
    assert orjson.loads(stopped.stdout)["stopped"] is True
    assert [pid for pid in pids if start_ticks(pid) is not None] == []
    assert not free_run.shared_memory.exists()
    assert not list(free_run.pids.iterdir())


def session_members(session: int) -> dict[int, str]:
    """Command lines of the living processes of a session."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(state[3]) == session and state[0] not in "ZX":
            found[int(folder.name)] = line
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_up_that_ends_while_it_compiles_leaves_no_process(
    free_run: RunPaths, tmp_path: Path, number: signal.Signals
) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    environment = {**kept, ROOT_VARIABLE: str(tmp_path), RUN_VARIABLE: str(free_run.folder)}
    with subprocess.Popen(
        [sys.executable, "-m", "tradecaptain.cli.main", "up"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:

        def compiles() -> bool:
            return "_serve_compilations" in " ".join(session_members(process.pid).values())

        wait_until(compiles, timeout_s=60, what="the compilers")
        process.send_signal(number)
    wait_until(lambda: not session_members(process.pid), what="the session to end")
    assert process.returncode == (-number if number == signal.SIGKILL else 0)


def test_a_closed_terminal_stops_everything(free_run: RunPaths) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, RUN_VARIABLE: str(free_run.folder), "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "tradecaptain.cli.main", "up"]
        os.execve(sys.executable, command, environment)
    drawn = b""
    try:

        def is_ready() -> bool:
            nonlocal drawn
            if select.select([terminal], [], [], 0)[0]:
                drawn += os.read(terminal, 1 << 16)
            return bool((read_state(free_run) or {}).get("ready"))

        wait_until(is_ready, timeout_s=START_SECONDS, what="the mesh in the terminal")
        state = read_state(free_run) or {}
        pids = [part["pid"] for part in state["parts"].values()]
        assert b"Ctrl-C stops everything" in drawn
    finally:
        os.close(terminal)
        wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, timeout_s=60, what="the end")
    assert [pid for pid in pids if start_ticks(pid) is not None] == []
    assert not free_run.shared_memory.exists()


def test_a_busy_port_is_named_before_anything_starts(free_run: RunPaths) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_run.ports.gateway))
        listener.listen()
        answer = command(free_run, "up")
        detached = command(free_run, "up", "--detach", "--json")
    assert answer.returncode == detached.returncode == 1
    busy = f"port {free_run.ports.gateway} of gateway is in use by process"
    assert busy in answer.stderr
    assert busy in orjson.loads(detached.stdout)["error"]["message"]
    assert detached.stderr.count(busy) == 1
    assert not list(free_run.pids.iterdir())


@pytest.fixture(scope="module")
def sturdy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """A mesh whose parts are killed."""
    with running_mesh(tmp_path_factory.mktemp("sturdy") / "run") as started:
        yield started


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_and_the_mesh_trades_again(sturdy: RunningMesh, part: str) -> None:
    old_pid = sturdy.kill(part)
    sturdy.wait_until_back(part, old_pid, RESTART_SECONDS)

    def trades() -> bool:
        try:
            price = sturdy.passive_price()
        except grpc.RpcError:
            # The part that serves books isn't back yet.
            return False
        answer = sturdy.command("order", "submit", "ACME", "buy", "1", "--price", price)
        return answer.returncode == 0

    wait_until(trades, timeout_s=RESTART_SECONDS, what=f"trading after {part} was killed")
    quote = sturdy.command("watch", "quotes", "ACME@XSIM", "--count", "1")
    assert quote.returncode == 0, quote.stderr
    # The book is read again through the door, which may come back later than what lies behind it.
    wait_until(
        lambda: sturdy.command("watch", "quotes", "ACME", "--count", "1").returncode == 0,
        timeout_s=RESTART_SECONDS,
        what=f"a quote of our own venue after {part} was killed",
    )
    log = [orjson.loads(line) for line in sturdy.run.log_of("supervisor").read_bytes().splitlines()]
    died = [entry for entry in log if entry["event"] == "part died" and entry["died"] == part]
    assert "SIGKILL" in died[-1]["why"]


def test_a_watch_goes_on_behind_the_last_execution_when_the_gateway_died(
    sturdy: RunningMesh,
) -> None:
    def submit(client_order_id: str) -> None:
        price = sturdy.passive_price()
        sturdy.json(
            "order", "submit", "ACME", "buy", "1", "--price", price, "--id", client_order_id
        )

    with sturdy.background("watch", "executions", "--count", "3") as watch:
        assert watch.stdout is not None
        before = 0

        def is_followed() -> bool:
            nonlocal before
            before += 1
            submit(f"before-{before}")
            return bool(select.select([watch.stdout], [], [], 1.0)[0])

        wait_until(is_followed, timeout_s=30, what="the watch to follow")
        first = watch.stdout.readline()
        old_pid = sturdy.kill("gateway")
        sturdy.wait_until_back("gateway", old_pid, RESTART_SECONDS)
        for number in range(2):
            submit(f"after-{number}")
        lines = [first, *watch.stdout.readlines()]
        assert watch.wait(30) == 0
    sequences = [int(line.split()[0]) for line in lines]
    assert sequences == list(range(sequences[0], sequences[0] + 3))


def test_watch_with_json_answers_with_one_object(mesh: RunningMesh) -> None:
    found = mesh.json("watch", "quotes", "ACME@XSIM", "--count", "2")["quotes"]
    assert [quote["instrument"] for quote in found] == ["ACME@XSIM"] * 2
    assert int(found[0]["stamp"]["sequence"]) < int(found[1]["stamp"]["sequence"])
    book = mesh.json("watch", "book", "ACME", "--count", "1", "--levels", "2")["books"][0]
    assert [len(book["bids"]), len(book["asks"])] == [2, 2]


def test_a_killed_supervisor_takes_its_parts_along_and_the_next_up_cleans_up(
    free_run: RunPaths,
) -> None:
    first = RunningMesh(free_run.folder, (), {})
    try:
        first.wait_until_ready()
        pids = first.pids()
        assert "cleaned up" not in first.said()
    finally:
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    wait_until(
        lambda: not [pid for pid in pids if start_ticks(pid) is not None],
        timeout_s=30,
        what="the orphans to end",
    )
    # That a mesh is ready again after such an end is what the rounds of killing show.
    second = RunningMesh(free_run.folder, (), {})
    try:
        wait_until(
            lambda: "cleaned up after an earlier run" in second.said(),
            timeout_s=30,
            what="the next start to clean up",
        )
    finally:
        second.stop()


def test_a_start_from_an_empty_folder_makes_private_files(mesh: RunningMesh) -> None:
    folder = mesh.run.folder
    assert Path(mesh.run.tokens).stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0
    assert mesh.run.shared_memory.stat().st_mode & 0o077 == 0
