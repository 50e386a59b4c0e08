"""Parts of the mesh are killed under load, and no acknowledged order may be lost or doubled.

An independent client keeps more than five hundred orders unacknowledged in flight through Envoy and
writes every acknowledgement to a ledger of its own, synced to disk. Each round kills one part, or
all at once, at a random moment; then the client settles what was open, and its ledger is held
against the venue's reports, orders and positions. In a short run most rounds come in threes, that
their parts start again side by side: the second and the third kill fall while what was killed
before is coming back. In the end the venue's state must be the one that replaying its log comes to.

Another test kills the book twice while the driver still knows its first reader, as it does for four
seconds: a venue that began where the slowest reader stands would carry out again what the one
between had carried out. There the driver remembers for longer, so that a book may take its time to
be back on a busy machine.

``--rounds N`` sets how many kills there are (a tenth as many of the book twice), in as many meshes
as keep each one's memory small; ``--rounds-seed S`` draws other moments and orders.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.order_load import IN_FLIGHT_LEAST, Burst, Desk, Ledger, open_desk
from support.running_mesh import RunningMesh, running_mesh

TOGETHER = (
    ("orderbook", "gateway", "risk"),
    ("orderbook", "risk", "gateway"),
    ("gateway", "orderbook", "risk"),
    ("gateway", "risk", "orderbook"),
)
"""Without book or gateway no order has an answer, so that enough are in flight at each kill."""
TARGETS = ("orderbook", "gateway", "risk", "driver", "everything")
ROUNDS, ROUNDS_FULL = 12, 50
TWENTY = 20
SERIES_ROUNDS = 100
"""Kills of one mesh; a longer run goes on in another one."""
TWICE = (("orderbook", "orderbook"), ("driver",))
"""A new driver knows none of the killed readers, at which writers would wait in the next round."""
TWICE_ROUNDS, TWICE_ROUNDS_FULL = 2, 10
TWICE_PART = 10
ROUND_SECONDS_MOST = 60
"""For each kill, on average over a mesh's: many times what it takes where nothing else runs."""
LOAD_SECONDS = (0.05, 0.6)
AGAIN_SECONDS = (0.0, 0.5)
"""After a kill, the next of the same three; a part takes longer to be back."""
BACK_SECONDS = 120
ORDERS_BETWEEN = 2 * IN_FLIGHT_LEAST
"""Acknowledged before a part that has come back is killed again: some of them were sent to it."""
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
account_requests_max = {room}
events_max = {room}
"""
ORDERS_A_ROUND_MOST = 1 << 16
"""What the gateway is to remember of a round: how large its file is decides how fast it is back."""
KNOWN_SECONDS = 60
KILLED_ARE_KNOWN = f"""
[driver]
client_liveness_seconds = {KNOWN_SECONDS}
"""


def schedule(rounds: int, seed_first: int) -> list[tuple[str, ...]]:
    """What is killed together: in the long form one part at a time, or all at once, in turn.

    In a shorter one book, gateway and risk come back side by side, and all at once, which takes as
    long as five of the others, is the last of each twenty rounds.
    """
    if rounds >= ROUNDS_FULL:
        return [(TARGETS[number % len(TARGETS)],) for number in range(rounds)]
    draw = random.Random(seed_first)
    kills: list[tuple[str, ...]] = []
    for begun in range(0, rounds, TWENTY):
        left = min(TWENTY, rounds - begun) - 1
        while left:
            for several in (draw.choice(TOGETHER), ("driver",)):
                kills.append(several[:left])
                left -= len(kills[-1])
        kills.append(("everything",))
    return [several for several in kills if several]


async def kill_under_load(
    mesh: RunningMesh, desk: Desk, targets: tuple[str, ...], seed: int
) -> tuple[list[int], int]:
    """Kill parts one after the other: how many orders were in flight at each, and how many batches
    were sent again. A part that is killed again has come back, and carried out orders, before."""
    draw = random.Random(seed)
    burst = await Burst.begin(desk, seed)
    in_flight, old, killed_at = [], {}, []
    now = asyncio.get_running_loop().time
    for number, target in enumerate(targets):
        if target in old:
            await asyncio.to_thread(mesh.wait_until_back, target, old[target], BACK_SECONDS)
            await burst.acknowledged(ORDERS_BETWEEN)
        await asyncio.sleep(draw.uniform(*(AGAIN_SECONDS if number else LOAD_SECONDS)))
        in_flight.append(await burst.enough_in_flight())
        killed_at.append(now())
        if target != "everything":
            old[target] = mesh.kill(target)
    # From here on only what is open is sent, again and again until it has an answer.
    burst.stop()
    if not old:
        await asyncio.to_thread(mesh.kill_everything)
        await asyncio.to_thread(mesh.start_again)
    for target, pid in old.items():
        await asyncio.to_thread(mesh.wait_until_back, target, pid, BACK_SECONDS)
    if len(set(targets)) < len(targets):
        known = now() - killed_at[0]
        assert known < KNOWN_SECONDS, f"the driver forgot the first reader before {known:.0f} s"
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


async def run_rounds(
    folder: Path,
    kills: list[tuple[str, ...]],
    seed_first: int,
    tell: Callable[[str], None],
    configuration: str = "",
) -> None:
    """Kill what is scheduled in a mesh of its own, round by round, and compare."""
    folder.mkdir()
    rounds = sum(map(len, kills))
    ledger = Ledger(folder / "ledger")
    configuration += CONFIGURATION.format(room=rounds * ORDERS_A_ROUND_MOST)
    with running_mesh(folder / "run", configuration=configuration) as mesh:
        async with asyncio.timeout(rounds * ROUND_SECONDS_MOST), open_desk(mesh, ledger) as desk:
            done = 0
            for targets in kills:
                seed = seed_first + done
                began = asyncio.get_running_loop().time()
                in_flight, resent = await kill_under_load(mesh, desk, targets, seed)
                await desk.compare()
                seconds = asyncio.get_running_loop().time() - began
                done += len(targets)
                counts = " and ".join(map(str, in_flight))
                tell(
                    f"round {done} of {rounds} (seed {seed}): killed {', '.join(targets)} with"
                    f" {counts} orders in flight; {ledger.count} of {len(desk.sent)} acknowledged,"
                    f" {resent} batches sent again, none lost or doubled; {seconds:.1f} s"
                )
    # What comes now reads the files of a mesh that has ended.
    checked = mesh.json("journal", "verify")
    assert checked["torn_bytes"] == 0
    check_replay(mesh, standings(mesh, "venue closed")[-1])
    check_replay(mesh, standings(mesh, "venue open")[-1])


async def run_in_series(
    folder: Path,
    kills: list[tuple[str, ...]],
    seed_first: int,
    tell: Callable[[str], None],
    configuration: str = "",
) -> None:
    """Kill what is scheduled, in one mesh after the other."""
    while kills:
        series, kills = split_off(kills, SERIES_ROUNDS)
        mesh_folder = folder / f"from-{seed_first}"
        await run_rounds(mesh_folder, series, seed_first, tell, configuration)
        seed_first += sum(map(len, series))
        # The logs of a long run would fill the disk.
        shutil.rmtree(mesh_folder)


def split_off(
    kills: list[tuple[str, ...]], rounds: int
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The first of some kills, of at most so many rounds, and the others."""
    count = 0
    for number, targets in enumerate(kills):
        count += len(targets)
        if count > rounds:
            return kills[:number], kills[number:]
    return kills, []


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints a line that is seen also when the test passes."""

    def print_past_capture(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    print_past_capture("")
    return print_past_capture


@pytest.fixture
def kill_rounds(request: pytest.FixtureRequest) -> int:
    asked = int(request.config.getoption("--rounds"))
    return asked or (ROUNDS_FULL if request.config.getoption("--full") else ROUNDS)


@pytest.fixture
def twice_rounds(request: pytest.FixtureRequest) -> int:
    asked = int(request.config.getoption("--rounds"))
    usual = TWICE_ROUNDS_FULL if request.config.getoption("--full") else TWICE_ROUNDS
    return -(-asked // TWICE_PART) or usual


@pytest.fixture
def seed_first(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--rounds-seed")) or SEED


async def test_no_acknowledged_order_is_lost_or_doubled(
    tmp_path: Path, kill_rounds: int, seed_first: int, tell: Callable[[str], None]
) -> None:
    kills = schedule(kill_rounds, seed_first)
    assert sum(map(len, kills)) == kill_rounds
    await run_in_series(tmp_path, kills, seed_first, tell)


async def test_a_book_that_is_killed_twice_carries_out_nothing_again(
    tmp_path: Path, twice_rounds: int, seed_first: int, tell: Callable[[str], None]
) -> None:
    kills = [*TWICE] * twice_rounds
    await run_in_series(tmp_path, kills, seed_first, tell, KILLED_ARE_KNOWN)
