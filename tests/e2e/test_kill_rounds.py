"""Parts of the mesh are killed under load, and no acknowledged order may be lost or doubled.

An independent client keeps more than five hundred orders unacknowledged in flight through Envoy and
writes every acknowledgement to a ledger of its own, synced to disk. Each round kills one part, or
all at once, at a random moment; then the client settles what was open, and its ledger is held
against the venue's reports, orders and positions. In the end the venue's state must be the one that
replaying its log comes to. ``--rounds N`` sets how many kills there are.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.order_load import Burst, Desk, Ledger, open_desk
from support.running_mesh import RunningMesh, running_mesh

TARGETS = ("orderbook", "gateway", "risk", "driver", "everything")
# A round takes six seconds, and the whole default run has twenty minutes.
ROUNDS, ROUNDS_FULL = 8, 50
LOAD_SECONDS = (0.05, 0.6)
BACK_SECONDS = 120
SEED = 20_251_125
CONFIGURATION = """
[supervisor]
backoff_seconds_first = 0.05
steady_seconds = 0.1

[collector]
rate_per_second = 200

[gateway]
lost_after_seconds = 1.0
requests_max = {room}
events_max = {room}
"""
ORDERS_A_ROUND_MOST = 1 << 16
"""What the gateway is to remember of a round: how large its file is decides how fast it is back."""


def target_of(number: int, rounds: int) -> str:
    """Whom a round kills: all targets in turn in the long form. In a shorter one all at once, which
    takes as long as five of the others, only in each tenth round and in the last."""
    if rounds >= ROUNDS_FULL:
        return TARGETS[number % len(TARGETS)]
    if number % 10 == 9 or number == rounds - 1:
        return TARGETS[-1]
    return TARGETS[number % (len(TARGETS) - 1)]


async def kill_under_load(mesh: RunningMesh, desk: Desk, target: str, seed: int) -> tuple[int, int]:
    """One kill: how many orders were in flight, and how many batches were sent again."""
    burst = await Burst.begin(desk, seed)
    await asyncio.sleep(random.Random(seed).uniform(*LOAD_SECONDS))
    in_flight = await burst.enough_in_flight()
    # From here on only what is open is sent, again and again until it has an answer.
    burst.stop()
    if target == "everything":
        await asyncio.to_thread(mesh.kill_everything)
        await asyncio.to_thread(mesh.start_again)
    else:
        old = mesh.kill(target)
        await asyncio.to_thread(mesh.wait_until_back, target, old, BACK_SECONDS)
    return in_flight, await burst.settle()


def standings(mesh: RunningMesh, event: str) -> list[dict[str, Any]]:
    """What the venue said of its state whenever it opened, or closed."""
    lines = mesh.run.log_of("orderbook").read_bytes().splitlines()
    said = [orjson.loads(line) for line in lines if line.startswith(b"{")]
    return [entry for entry in said if entry["event"] == event]


def check_replay(mesh: RunningMesh, standing: dict[str, Any]) -> None:
    """Replaying the log up to a sequence comes to the state that the venue had there."""
    replayed = mesh.json("journal", "replay", "--until", str(standing["sequence"]))
    found = replayed["sequence"], replayed["state_hash"]
    assert found == (standing["sequence"], standing["state_hash"])


@pytest.fixture
def kill_rounds(request: pytest.FixtureRequest) -> int:
    asked = int(request.config.getoption("--rounds"))
    return asked or (ROUNDS_FULL if request.config.getoption("--full") else ROUNDS)


async def test_no_acknowledged_order_is_lost_or_doubled(tmp_path: Path, kill_rounds: int) -> None:
    ledger = Ledger(tmp_path / "ledger")
    configuration = CONFIGURATION.format(room=kill_rounds * ORDERS_A_ROUND_MOST)
    with running_mesh(tmp_path / "run", configuration=configuration) as mesh:
        async with open_desk(mesh, ledger) as desk:
            for number in range(kill_rounds):
                target, seed = target_of(number, kill_rounds), SEED + number
                began = asyncio.get_running_loop().time()
                in_flight, resent = await kill_under_load(mesh, desk, target, seed)
                await desk.compare()
                seconds = asyncio.get_running_loop().time() - began
                print(
                    f"round {number + 1} (seed {seed}): killed {target} with {in_flight} orders in"
                    f" flight; {ledger.count} of {len(desk.sent)} acknowledged, {resent} batches"
                    f" sent again, none lost or doubled; {seconds:.1f} s"
                )
    # What comes now reads the files of a mesh that has ended.
    checked = mesh.json("journal", "verify")
    assert checked["torn_bytes"] == 0
    check_replay(mesh, standings(mesh, "venue closed")[-1])
    check_replay(mesh, standings(mesh, "venue open")[-1])
