"""The pricing process over the real driver: ticks in by the mesh, a live chain out by gRPC."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.market_ticks import TickWriter, quote
from support.ports import free_port_base
from support.wait import wait_until, wait_until_async
from tradecaptain.api.pricing.v1 import pricing_pb2, pricing_pb2_grpc
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference_file import default_reference, dump_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.edge.tokens import default_entries, token_of, write_tokens
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.driver import MediaDriver
from tradecaptain.mesh.table_readers import CounterReader
from tradecaptain.pricing.chain import YEAR_NS
from tradecaptain.wire import reason as reasons
from twins.pricing import european as twin

REFERENCE = default_reference()
ACME = REFERENCE.by_symbol("ACME@XSIM")
START_SECONDS = 240


@contextmanager
def pricing_process(run: RunPaths) -> Iterator[subprocess.Popen[bytes]]:
    """The process as the supervisor starts it, once it serves."""
    with run.log_of("pricing").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "tradecaptain.pricing"], stderr=log)
    try:
        wait_until(lambda: serves(run, process), timeout_s=START_SECONDS, what="pricing to serve")
        yield process
    finally:
        process.kill()
        process.wait()


def serves(run: RunPaths, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, run.log_of("pricing").read_text()
    with grpc.insecure_channel(f"127.0.0.1:{run.ports.pricing}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=1
            )
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@pytest.fixture
def mesh(run: RunPaths) -> Iterator[AeronMesh]:
    """A media driver, and a connection to it as the other parts have one."""
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    dump_reference(REFERENCE, run.reference)
    write_tokens(run.tokens, default_entries({"alpha": 100}))
    with MediaDriver(run.aeron), AeronMesh(run.aeron, "test") as connection:
        yield connection


def metadata(run: RunPaths, principal: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token_of(run.tokens, principal)}"),)


async def values_at(stream: Any, sequence: int) -> pricing_pb2.ChainValues:
    """Read until the values of a tick."""
    while True:
        response = await asyncio.wait_for(stream.read(), 20)
        assert response is not grpc.aio.EOF
        if response.values.sequence == sequence:
            values: pricing_pb2.ChainValues = response.values
            return values


async def end_of(stream: Any) -> TradeCaptainError:
    """Read what is left of a stream, and return the error that ends it."""
    with pytest.raises(grpc.RpcError) as caught:
        while True:
            assert await asyncio.wait_for(stream.read(), 20) is not grpc.aio.EOF
    return from_rpc_error(caught.value)


async def test_a_chain_follows_ticks_and_volatilities_over_a_restart(
    run: RunPaths, mesh: AeronMesh
) -> None:
    writer = TickWriter(mesh, term_bytes=1 << 20)
    for turn in (1, 2):
        with pricing_process(run) as process:
            address = f"127.0.0.1:{run.ports.pricing}"
            async with grpc.aio.insecure_channel(address) as channel:
                stub = pricing_pb2_grpc.PricingServiceStub(channel)
                request = pricing_pb2.StreamOptionChainRequest(underlying="ACME@XSIM")
                stream = stub.StreamOptionChain(request, metadata=metadata(run, "alpha"))
                first = await asyncio.wait_for(stream.read(), 20)
                assert len(first.contracts) == len(REFERENCE.options_on(ACME.instrument_id))
                # The writer learns of its reader a little later.
                message = quote(ACME.instrument_id, 1, 9_990, 10_010)
                await wait_until_async(lambda: writer.write(message) > 0, what="a reader")  # noqa: B023
                for sequence in range(2, 500):
                    tick = quote(ACME.instrument_id, sequence, 9_990 + sequence, 10_010 + sequence)
                    await wait_until_async(lambda: writer.write(tick) > 0, what="room")  # noqa: B023
                values = await values_at(stream, 499)
                spot = float(10_499 * ACME.price_unit)
                assert values.underlying_price == pytest.approx(spot)
                check_values(first, values)
                if turn == 1:
                    change = pricing_pb2.SetVolatilityRequest(
                        instrument="ACME@XSIM", volatility=0.61
                    )
                    await stub.SetVolatility(change, metadata=metadata(run, "operator"))
                    values = await values_at(stream, 499)
                # Set in the first turn, kept over the restart in the second.
                assert set(values.volatility) == {0.61}
                check_values(first, values)
                with CounterReader.open(run.counters / "pricing.counters") as counters:
                    wait_until(
                        lambda: counters.values()["tick_count"] >= 499,
                        what="the counters",
                    )
                process.send_signal(signal.SIGTERM)
                assert (await end_of(stream)).reason == reasons.REASON_DRAINING
            assert process.wait(30) == 0


def check_values(
    first: pricing_pb2.StreamOptionChainResponse, values: pricing_pb2.ChainValues
) -> None:
    """Hold every value of a message against the twin."""
    for index, contract in enumerate(first.contracts):
        option = REFERENCE.instrument(contract.instrument_id)
        time = (contract.expiry_time_ns - values.publish_time_ns) / YEAR_NS
        inputs = (
            1.0 if option.right == "call" else -1.0,
            values.underlying_price,
            float(contract.strike),
            time,
            values.volatility[index],
            option.rate,
            option.dividend_yield,
        )
        due = float(twin.value("black_scholes", inputs))
        assert values.values.value[index] == pytest.approx(due, abs=1e-11)


def test_without_a_driver_it_says_so_and_ends(run: RunPaths) -> None:
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    dump_reference(REFERENCE, run.reference)
    write_tokens(run.tokens, default_entries({"alpha": 100}))
    outcome = subprocess.run(
        [sys.executable, "-m", "tradecaptain.pricing"],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert outcome.returncode == 1
    assert outcome.stderr.strip().splitlines()[-1].startswith("can't start: ")
