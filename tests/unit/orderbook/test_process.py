"""The orderbook's process between start and drain, over the simulated transport."""

from __future__ import annotations

import asyncio

import pytest
from tradecaptain.base.reference_file import ReferenceFile, default_reference, dump_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.orderbook.__main__ import BookProcess
from tradecaptain.orderbook.config import JournalConfig, OrderBookConfig
from tradecaptain.orderbook.settings import venue_settings
from tradecaptain.orderbook.standby_config import StandbyConfig

LONGER_THAN_A_LOOK_SECONDS = 0.5


@pytest.fixture
def process(run: RunPaths) -> BookProcess:
    run.create()
    # The simulated logs are small: a bounded step must fit into a claim.
    config = OrderBookConfig(step_limit=1)
    journal = JournalConfig(ring_bytes=1 << 20, segment_bytes=1 << 20)
    dump_reference(default_reference(), run.reference)
    return BookProcess(
        SimulatedMesh(), run, ReferenceFile(run.reference), config, journal, StandbyConfig()
    )


def test_the_gate_is_as_large_as_configured(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    run.config.write_text("[orderbook]\ngate_accounts = 32\ngate_overrides = 70000\n")
    monkeypatch.setenv("TRADECAPTAIN_ORDERBOOK__GATE_PAIRS", "1000")
    gate = venue_settings(OrderBookConfig.load(run)).gate
    assert (gate.accounts, gate.pairs, gate.overrides) == (32, 1000, 70_000)


@pytest.mark.parametrize(
    ("cores", "text", "spin_us"),
    [
        (1, "", 20),
        (3, "", 20),
        (4, "", 100),
        (2, "core = 1", 100),
        (2, "spin_us = 7", 7),
        (8, "core = 1\nspin_us = 0", 0),
    ],
)
def test_the_venue_spins_shortly_where_cores_are_few(
    cores: int, text: str, spin_us: int, run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(cores)))
    run.config.write_text(f"[orderbook]\n{text}\n")
    assert venue_settings(OrderBookConfig.load(run)).placement.spin_ns == 1_000 * spin_us


async def test_a_drain_is_no_death(process: BookProcess) -> None:
    process.start()
    watching = asyncio.create_task(process.watch())
    await process.close()
    done, _ = await asyncio.wait({watching}, timeout=LONGER_THAN_A_LOOK_SECONDS)
    assert not done
    watching.cancel()


async def test_a_dead_thread_ends_the_watch(process: BookProcess) -> None:
    process.start()
    watching = asyncio.create_task(process.watch())
    process.venue.stop()
    await asyncio.wait_for(watching, 10)
    await process.close()
