"""The venue's two processes: one follows the other's log over Aeron, and takes its place."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

import grpc
import orjson
import pytest
from support.orderbook_process import (
    Author,
    address,
    driver_process,
    orderbook_process,
    prepare_run,
)
from support.wait import wait_until, wait_until_async
from tradecaptain.api.orderbook.v1 import standby_pb2, standby_pb2_grpc
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge.tokens import token_of
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.history import HistoryReader
from tradecaptain.mesh.runner import AgentRunner
from tradecaptain.mesh.stream_reader import EVENT_RECORD, StreamReader
from tradecaptain.orderbook.log_reading import HISTORY_FILE
from tradecaptain.wire import execution_event, streams

PROMOTION_SECONDS = 5.0
"""A second is what it may take where nothing else runs; tests share their machine."""
CALL_SECONDS = 20


class Listener:
    """Hears execution events as a gateway does: what it heard is acknowledged."""

    def __init__(self, connection: AeronMesh) -> None:
        self._reader = StreamReader(
            connection, streams.EXECUTION_EVENTS, execution_event.DTYPE, capacity=1 << 14
        )
        self._runner = AgentRunner([self._reader.agent])
        self._runner.start()
        self.events: list[Any] = []

    def take(self) -> int:
        """Take what came; how many events that is by now."""
        while len(batch := self._reader.handover.drain()):
            self.events += list(batch["record"][batch["event"] == EVENT_RECORD])
        return len(self.events)

    def close(self) -> None:
        self._runner.close()
        self._reader.close()


class Administrator:
    """The venue's administrator, at the standby's own port."""

    def __init__(self, run: RunPaths) -> None:
        self._channel = grpc.insecure_channel(address(run, "standby"))
        self._stub = standby_pb2_grpc.StandbyServiceStub(self._channel)
        self._metadata = (("authorization", f"Bearer {token_of(run.tokens, 'venue')}"),)

    def standby(self) -> standby_pb2.GetStandbyResponse:
        request = standby_pb2.GetStandbyRequest()
        return self._stub.GetStandby(request, metadata=self._metadata, timeout=CALL_SECONDS)

    def promote(self) -> standby_pb2.PromoteResponse:
        request = standby_pb2.PromoteRequest()
        return self._stub.Promote(request, metadata=self._metadata, timeout=CALL_SECONDS)

    def close(self) -> None:
        self._channel.close()


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def closed_standing(run: RunPaths, name: str) -> dict[str, Any]:
    """What a venue said of its state at its end."""
    lines = [orjson.loads(line) for line in run.log_of(name).read_bytes().splitlines()]
    return [line for line in lines if line["event"] == "venue closed"][-1]


def history_of(run: RunPaths) -> Any:
    with HistoryReader.open(run.shared_memory / HISTORY_FILE) as history:
        return history.read_array(1, 1 << 18, execution_event.DTYPE)


@pytest.mark.parametrize(("channel", "is_stopped"), [("ipc", True), ("udp", False)])
async def test_a_promoted_standby_has_everything_and_the_old_venue_is_fenced(
    run: RunPaths, channel: str, is_stopped: bool
) -> None:
    uri = "aeron:ipc" if channel == "ipc" else f"aeron:udp?endpoint=127.0.0.1:{free_udp_port()}"
    prepare_run(run, f'[standby]\nenabled = true\nchannel = "{uri}"\n')
    with ExitStack() as stack:
        stack.enter_context(driver_process(run))
        connection = stack.enter_context(AeronMesh(run.aeron, "test"))
        old = stack.enter_context(orderbook_process(run))
        new = stack.enter_context(orderbook_process(run, "standby", "standby"))
        administrator = Administrator(run)
        stack.callback(administrator.close)
        listener = Listener(connection)
        stack.callback(listener.close)
        author = Author(connection, 5)
        await author.open_gate()
        await author.trade(200)
        await wait_until_async(lambda: listener.take() >= 200)
        await wait_until_async(lambda: administrator.standby().sequence >= 200)
        assert administrator.standby().batch_count > 0, "it came over the stream"
        # More than five hundred orders under way, of which some are answered and some aren't.
        await author.trade(800)
        if is_stopped:
            # A venue that hangs is fenced as well: it never wakes up again.
            old.send_signal(signal.SIGSTOP)
        promoted = administrator.promote()
        assert old.wait(0) == -signal.SIGKILL
        assert promoted.duration_ns < PROMOTION_SECONDS * 1e9, run.log_of("standby").read_text()
        heard = listener.take()
        kept = history_of(run)
        sequences = kept["sequence"].tolist()
        assert sequences == list(range(1, len(sequences) + 1))
        for event in listener.events[:heard]:
            assert kept[int(event["sequence"]) - 1].tobytes() == event.tobytes()
        # The one that was fenced comes back, stands by, and follows the one that took its place.
        stack.enter_context(orderbook_process(run, "orderbook", "standby"))
        await wait_until_async(lambda: administrator.standby().process == "orderbook")
        await author.trade(100)
        await wait_until_async(lambda: listener.take() >= heard + 100)
        wait_until(lambda: administrator.standby().log_position == administrator.standby().position)
        standby = administrator.standby()
        assert standby.term == promoted.term == 1
        new.send_signal(signal.SIGTERM)
        assert new.wait(CALL_SECONDS) == 0
    closed = closed_standing(run, "standby")
    assert (closed["sequence"], closed["state_hash"]) == (standby.sequence, standby.state_hash)
    print(
        f"promoted over {channel} in {promoted.duration_ns / 1e6:.0f} ms behind command"
        f" {promoted.sequence}; {heard} events acknowledged before, none lost"
    )


async def test_a_standby_cannot_begin_without_a_venue(run: RunPaths) -> None:
    prepare_run(run, "[standby]\nenabled = true\n")
    with driver_process(run):
        ended = subprocess.run(
            [sys.executable, "-m", "tradecaptain.orderbook", "standby"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert ended.returncode == 1
    assert "log" in ended.stderr
