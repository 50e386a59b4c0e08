"""Order entry against a bare echo: what the gateway costs on top of gRPC itself.

Calls a second from submit to the book's acknowledgement, unary, in batches of a hundred and over a
session, directly and through Envoy, each against a bare grpc.aio server on the same machine that
answers the same requests with messages of the same types and size (``perf.support.echo_server``),
measured in turn by the same client, which parses and checks every answer of both. The mesh is the
one that `up` ships, with its simulated market running; orders are immediate-or-cancel, so that the
book stays as it is, and each causes two events. What the gateway and the log keep of an order comes
out of memory that the host of a virtual machine has lent before (``perf.support.warm_memory``).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import grpc
import orjson
import uvloop
from tradecaptain.api.orderbook.v1 import orderbook_pb2, orderbook_pb2_grpc
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.base.reference_file import load_reference
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths
from tradecaptain.edge.tokens import token_of
from tradecaptain.launch.envoy_config import (
    EnvoyConfig,
    FrontDoor,
    descriptor_set,
    envoy_binary,
    render,
)

from perf.support.echo_server import BATCH_FILE, ORDER_FILE, SESSION_FILE
from perf.support.ports import free_port_base
from perf.support.result import Result
from perf.support.warm_memory import warmed_memory

PLACEMENT = "all parts as `up` ships them and one client process, on every core of the machine"
GOAL: Final = 0.7
PAIRS: Final = 9
SECONDS: Final = 1.0
_KEPT_BYTES: Final = 3 << 30
"""What the orders of one measurement leave behind in the gateway's file and the log."""
_BATCH: Final = 100
_IN_FLIGHT: Final = 64
_BATCHES_IN_FLIGHT: Final = 8
_WINDOW: Final = 64
_INSTRUMENT: Final = "ACME@TCAP"
_ECHO_PORT_OFFSET: Final = 20
"""Where the echo's ports begin among the mesh's."""
_START_SECONDS_MAX: Final = 300.0
_EXPIRED: Final = records_pb2.ORDER_STATUS_EXPIRED
_FILLED: Final = records_pb2.ORDER_STATUS_FILLED
_ENDED: Final = frozenset({_EXPIRED, _FILLED})
_CONFIG: Final = f"""\
[gateway]
requests_max = {1 << 23}
account_requests_max = {1 << 23}
"""


@dataclass(slots=True)
class Orders:
    """Makes orders that nothing trades with, each under a key of its own."""

    prefix: str
    price: str
    price_units: int
    instrument_id: int
    count: int = 0

    def keys(self, count: int) -> list[str]:
        """The next keys."""
        first = self.count
        self.count += count
        return [f"{self.prefix}-{number}" for number in range(first, first + count)]

    def row(self) -> records_pb2.NewOrder:
        """One order."""
        return records_pb2.NewOrder(
            instrument=_INSTRUMENT,
            client_order_id=self.keys(1)[0],
            side=1,
            type=records_pb2.ORDER_TYPE_LIMIT,
            time_in_force=records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL,
            quantity="1",
            price=self.price,
        )

    def columns(self) -> records_pb2.NewOrderColumns:
        """A batch of orders."""
        return records_pb2.NewOrderColumns(
            client_order_ids=self.keys(_BATCH),
            instrument_ids=[self.instrument_id] * _BATCH,
            sides=[1] * _BATCH,
            prices_units=[self.price_units] * _BATCH,
            quantities_units=[1] * _BATCH,
            times_in_force=[records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL] * _BATCH,
        )


class Side:
    """One server under load, ours or the echo; the client does the same for both."""

    def __init__(self, channel: Any, orders: Orders, metadata: Any) -> None:
        self._orders = orders
        self._metadata = metadata
        path = "/tradecaptain.api.orders.v1.OrderService/"
        self._submit = channel.unary_unary(path + "SubmitOrder")
        self._batch = channel.unary_unary(path + "SubmitBatch")
        self._session = channel.stream_stream(path + "OrderSession")

    async def submit_order(self) -> bytes:
        """Send an order and check its answer."""
        request = orders_pb2.SubmitOrderRequest(order=self._orders.row())
        data: bytes = await self._submit(request.SerializeToString(), metadata=self._metadata)
        check(orders_pb2.SubmitOrderResponse.FromString(data).order.status)
        return data

    async def submit_batch(self) -> bytes:
        """Send a batch and check its answer."""
        request = orders_pb2.SubmitBatchRequest(columns=self._orders.columns())
        data: bytes = await self._batch(request.SerializeToString(), metadata=self._metadata)
        statuses = orders_pb2.SubmitBatchResponse.FromString(data).columns.statuses
        if len(statuses) != _BATCH:
            raise RuntimeError(f"{len(statuses)} results of {_BATCH} orders")
        check(*statuses)
        return data

    async def unary(self, seconds: float) -> float:
        """Calls a second with many in flight."""

        async def call() -> int:
            await self.submit_order()
            return 1

        return await closed_loop(call, _IN_FLIGHT, seconds)

    async def batch(self, seconds: float) -> float:
        """Orders a second in batches."""

        async def call() -> int:
            await self.submit_batch()
            return _BATCH

        return await closed_loop(call, _BATCHES_IN_FLIGHT, seconds)

    async def open_session(self) -> Any:
        """A session that tells results only."""
        call = self._session(metadata=self._metadata)
        options = orders_pb2.SessionOptions(without_reports=True)
        await call.write(orders_pb2.OrderSessionRequest(open=options).SerializeToString())
        await call.read()
        return call

    def command(self, request_id: int) -> bytes:
        """One order of a session."""
        command = orders_pb2.SessionCommand(request_id=request_id, submit=self._orders.row())
        return orders_pb2.OrderSessionRequest(commands=[command]).SerializeToString()

    async def stream(self, seconds: float) -> float:
        """Orders a second over one session, a bounded number of them without an answer."""
        call = await self.open_session()
        room = asyncio.Semaphore(_WINDOW)
        answered = 0
        deadline = time.perf_counter() + seconds

        async def write() -> int:
            sent = 0
            while time.perf_counter() < deadline:
                await room.acquire()
                sent += 1
                await call.write(self.command(sent))
            await call.done_writing()
            return sent

        started = time.perf_counter()
        writing = asyncio.create_task(write())
        while (data := await call.read()) is not grpc.aio.EOF:
            for result in orders_pb2.OrderSessionResponse.FromString(data).results:
                answered += 1
                check(result.status)
                if result.request_id != answered:
                    raise RuntimeError("results are out of order")
                room.release()
        elapsed = time.perf_counter() - started
        if answered != await writing:
            raise RuntimeError("an order has no result")
        return answered / elapsed

    async def keep_answers(self, folder: Path) -> None:
        """Write an answer of each kind into files, for the echo to repeat."""
        (folder / ORDER_FILE).write_bytes(await self.submit_order())
        (folder / BATCH_FILE).write_bytes(await self.submit_batch())
        call = await self.open_session()
        await call.write(self.command(1))
        (folder / SESSION_FILE).write_bytes(await call.read())
        await call.done_writing()
        await call.read()


def check(*statuses: int) -> None:
    """Fail unless each order reached the book and ended there."""
    if not _ENDED.issuperset(statuses):
        raise RuntimeError(f"orders didn't reach the book: {sorted(set(statuses))}")


async def closed_loop(call: Callable[[], Awaitable[int]], in_flight: int, seconds: float) -> float:
    """Units of work a second with a fixed number of calls in flight."""
    started = time.perf_counter()
    deadline = started + seconds

    async def worker() -> int:
        done = 0
        while time.perf_counter() < deadline:
            done += await call()
        return done

    counts = await asyncio.gather(*(worker() for _ in range(in_flight)))
    return sum(counts) / (time.perf_counter() - started)


@contextmanager
def process(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[Any]:
    """A child process, ended when the block ends."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **environment}
        ) as child,
    ):
        try:
            yield child
        finally:
            child.terminate()
            child.wait(60)


@dataclass(frozen=True, slots=True)
class EchoPorts:
    """Where the echo and the front door before it listen."""

    echo: int
    envoy: int
    envoy_admin: int

    @classmethod
    def beside(cls, run: RunPaths) -> EchoPorts:
        """Ports among those that were found free for the mesh."""
        first = run.ports.envoy + _ECHO_PORT_OFFSET
        return cls(first, first + 1, first + 2)


def echo_envoy_config(folder: Path, ports: EchoPorts) -> Path:
    """The front door that `up` ships, leading to the echo."""
    descriptors = folder / "descriptors.binpb"
    descriptors.write_bytes(descriptor_set())
    parts = ("collector", "gateway", "orderbook", "pricing", "risk")
    door = FrontDoor(
        config=EnvoyConfig.load(RunPaths(folder)),
        port=ports.envoy,
        admin_port=ports.envoy_admin,
        upstream_ports=dict.fromkeys(parts, ports.echo),
        descriptors=descriptor_set(),
        descriptors_path=descriptors,
        access_log_path=folder / "access.log",
    )
    path = folder / "echo-envoy.json"
    path.write_bytes(orjson.dumps(render(door)))
    return path


async def until_answered(call: Callable[[], Awaitable[Any]], what: str) -> Any:
    """The first answer of a call that fails until a server is there."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    while True:
        try:
            return await call()
        except grpc.RpcError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{what} never answered") from error
            await asyncio.sleep(0.2)


async def make_orders(channel: Any, run: RunPaths, metadata: Any) -> Orders:
    """Orders to buy three percent below the market, once there is one."""
    stub: Any = orderbook_pb2_grpc.OrderBookServiceStub(channel)
    instrument = load_reference(run.reference).by_symbol(_INSTRUMENT)
    deadline = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < deadline:
        request = orderbook_pb2.GetBookRequest(instrument=_INSTRUMENT)
        answer = await until_answered(
            lambda request=request: stub.GetBook(request, metadata=metadata, timeout=2),  # type: ignore[misc]
            "the book",
        )
        if answer.book.bids:
            best = answer.book.bids[0].price_units
            units = int(best * Fraction(97, 100))
            increment = instrument.increment_at(units, time.time_ns())
            units -= units % increment
            prefix = f"p{time.time_ns() % 10**9}"
            return Orders(prefix, instrument.price.format(units), units, instrument.instrument_id)
        await asyncio.sleep(0.2)
    raise RuntimeError("the book stayed empty")


async def ratios(
    ours: Side, peer: Side, kind: str, pairs: int, seconds: float
) -> tuple[float, float, float]:
    """Medians of our rate, the peer's, and their quotient over interleaved pairs."""
    measured = []
    for _ in range(pairs + 1):
        own = await getattr(ours, kind)(seconds)
        measured.append((own, await getattr(peer, kind)(seconds)))
    measured = measured[1:]
    return (
        statistics.median(own for own, _ in measured),
        statistics.median(other for _, other in measured),
        statistics.median(own / other for own, other in measured),
    )


async def connect(run: RunPaths, stack: contextlib.AsyncExitStack) -> tuple[Orders, Any, Any]:
    """Orders for the market that runs, the caller's credentials, and a channel to the front door,
    once the gateway answers there."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    while not run.tokens.exists() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    metadata = (("authorization", f"Bearer {token_of(run.tokens, 'alpha')}"),)
    address = f"127.0.0.1:{run.ports.envoy}"
    front = await stack.enter_async_context(grpc.aio.insecure_channel(address))
    orders = await make_orders(front, run, metadata)
    stub: Any = orders_pb2_grpc.OrderServiceStub(front)
    await until_answered(
        lambda: stub.SubmitOrder(
            orders_pb2.SubmitOrderRequest(order=orders.row()), metadata=metadata, timeout=2
        ),
        "the gateway",
    )
    return orders, metadata, front


async def compare(run: RunPaths, folder: Path, smoke: bool) -> list[Result]:
    """All comparisons against a mesh that runs."""
    pairs, seconds = (1, 0.2) if smoke else (PAIRS, SECONDS)
    ports = EchoPorts.beside(run)
    results = []
    async with contextlib.AsyncExitStack() as stack:

        async def channel(port: int) -> Any:
            return await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))

        orders, metadata, front = await connect(run, stack)
        await Side(front, orders, metadata).keep_answers(folder)
        echo = [sys.executable, "-m", "perf.support.echo_server", "--port", str(ports.echo)]
        stack.enter_context(process([*echo, "--answers", str(folder)], folder / "echo.txt", {}))
        ends = {
            "": (await channel(run.ports.gateway), await channel(ports.echo)),
            "_envoy": (front, await channel(ports.envoy)),
        }
        for suffix, (own_end, peer_end) in ends.items():
            stack.enter_context(warmed_memory(0 if smoke else _KEPT_BYTES // len(ends)))
            ours = Side(own_end, orders, metadata)
            peer = Side(peer_end, orders, metadata)
            await until_answered(lambda peer=peer: peer.unary(0.01), "the echo")  # type: ignore[misc]
            for kind in ("unary", "batch", "stream"):
                own_rate, peer_rate, ratio = await ratios(ours, peer, kind, pairs, seconds)
                print(
                    f"{kind}{suffix}: {own_rate:,.0f}/s against {peer_rate:,.0f}/s", file=sys.stderr
                )
                results += to_results(f"edge.{kind}", suffix, own_rate, peer_rate, ratio)
    return results


def to_results(
    name: str, suffix: str, own_rate: float, peer_rate: float, ratio: float
) -> list[Result]:
    """The ratio with its goal, and the rate behind it."""
    peer = "bare grpc.aio echo" + (" through Envoy" if suffix else "")
    return [
        Result(
            f"{name}_ratio{suffix}",
            ratio,
            "of the echo's rate",
            GOAL,
            higher_is_better=True,
            peer=peer,
            peer_value=peer_rate,
            ratio=ratio,
        ),
        Result(
            f"{name}_orders_per_second{suffix}",
            own_rate,
            "orders/s",
            peer=peer,
            peer_value=peer_rate,
            ratio=ratio,
        ),
    ]


async def _run(smoke: bool) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="tradecaptain-edge-") as name:
        folder = Path(name)
        run = RunPaths(folder / "run")
        run.folder.mkdir()
        run.config.write_text(f"[ports]\nbase = {free_port_base()}\n{_CONFIG}")
        up = [sys.executable, "-m", "tradecaptain.cli.main", "up"]
        door = [
            str(envoy_binary()),
            "-c",
            str(echo_envoy_config(folder, EchoPorts.beside(run))),
            "--concurrency",
            "1",
        ]
        with (
            process([*door, "--disable-hot-restart"], folder / "envoy.txt", {}),
            process(up, folder / "up.txt", {RUN_VARIABLE: str(run.folder)}),
        ):
            return await compare(run, folder, smoke)


def run(smoke: bool) -> list[Result]:
    """Measure unary, batch and stream, directly and through Envoy."""
    return uvloop.run(_run(smoke))
