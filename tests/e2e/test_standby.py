"""A standby follows the venue over Aeron and takes over when told to; the old one is fenced."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from support.order_load import Burst, Ledger, open_desk
from support.running_mesh import CALL_SECONDS, RunningMesh, running_mesh
from support.wait import wait_until
from tradecaptain.api.orderbook.v1 import standby_pb2, standby_pb2_grpc
from tradecaptain.launch.processes import start_ticks

PROMOTION_SECONDS = 5.0
"""A second is what it may take where nothing else runs; tests share their machine."""
BACK_SECONDS = 120
SEED = 7
CONFIGURATION = """
[standby]
enabled = true

[supervisor]
backoff_seconds_first = 0.05

[collector]
rate_per_second = 200

[gateway]
lost_after_seconds = 1.0
"""


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """A mesh with a standby."""
    folder = tmp_path_factory.mktemp("paired") / "run"
    with running_mesh(folder, configuration=CONFIGURATION) as mesh:
        yield mesh


class Administrator:
    """Calls of the venue's administrator."""

    def __init__(self, mesh: RunningMesh, channel: grpc.Channel) -> None:
        self._stub = standby_pb2_grpc.StandbyServiceStub(channel)
        self._metadata = mesh.metadata("venue")

    def standby(self) -> standby_pb2.GetStandbyResponse:
        return self._stub.GetStandby(
            standby_pb2.GetStandbyRequest(), metadata=self._metadata, timeout=CALL_SECONDS
        )

    def standby_once_reached(self) -> standby_pb2.GetStandbyResponse | None:
        """The next standby; None while the front door hasn't found it yet."""
        try:
            return self.standby()
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return None

    def promote(self) -> standby_pb2.PromoteResponse:
        return self._stub.Promote(
            standby_pb2.PromoteRequest(), metadata=self._metadata, timeout=CALL_SECONDS
        )


def test_the_standby_follows_and_has_the_state_of_the_log(paired: RunningMesh) -> None:
    with paired.channel() as channel:
        administrator = Administrator(paired, channel)
        wait_until(
            administrator.standby_once_reached, timeout_s=BACK_SECONDS, what="the first standby"
        )
        wait_until(lambda: administrator.standby().batch_count, what="the first batch")
        standby = administrator.standby()
        assert standby.process == "standby"
        replayed = paired.json("journal", "replay", "--until", str(standby.sequence))
    assert replayed["sequence"] == standby.sequence
    assert replayed["state_hash"] == standby.state_hash


async def test_a_promotion_under_load_loses_and_doubles_nothing(
    paired: RunningMesh, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    with paired.channel() as channel:
        administrator = Administrator(paired, channel)
        async with open_desk(paired, ledger) as desk:
            # There and back: the one that was fenced stands by, and takes over in its turn.
            for number in range(2):
                before = administrator.standby()
                leader = "orderbook" if before.process == "standby" else "standby"
                old = paired.pid(leader)
                burst = await Burst.begin(desk, SEED + number)
                await asyncio.sleep(random.Random(number).uniform(0.1, 0.5))
                in_flight = await burst.enough_in_flight()
                answer = await asyncio.to_thread(administrator.promote)
                # The old venue's process is gone before the new one takes an order.
                assert start_ticks(old) is None
                assert answer.term == before.term + 1
                assert answer.sequence >= before.sequence
                assert answer.duration_ns < PROMOTION_SECONDS * 1e9
                resent = await burst.settle()
                await desk.compare()
                await asyncio.to_thread(paired.wait_until_back, leader, old, BACK_SECONDS)
                following = wait_until(
                    administrator.standby_once_reached,
                    timeout_s=BACK_SECONDS,
                    what="the next standby",
                )
                assert following.process == leader
                print(
                    f"promotion {answer.term}: {answer.duration_ns / 1e6:.0f} ms with {in_flight}"
                    f" orders in flight; {ledger.count} acknowledged, {resent} batches sent again,"
                    " none lost or doubled"
                )


def test_the_command_line_tells_and_promotes(paired: RunningMesh) -> None:
    with paired.channel() as channel:
        wait_until(
            Administrator(paired, channel).standby_once_reached,
            timeout_s=BACK_SECONDS,
            what="the standby",
        )
    told = paired.json("standby", "status")
    assert told["process"] == "standby"
    promoted = paired.json("standby", "promote")
    assert int(promoted["term"]) == int(told["term"]) + 1
    # The one that was fenced comes back as the next standby, and is asked then.
    with paired.channel() as channel:
        wait_until(
            Administrator(paired, channel).standby_once_reached,
            timeout_s=BACK_SECONDS,
            what="the next standby",
        )
    refused = paired.command("standby", "promote", "--as", "alpha")
    assert refused.returncode == 1
    assert "REASON_PERMISSION_DENIED" in refused.stderr
