"""Which signals stop a mesh."""

import asyncio
import os
import signal

import pytest
from support.ports import free_port_base
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.mesh import run_mesh, stop_signals
from tradecaptain.launch.prepare import Options
from tradecaptain.launch.run_state import RunState


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_each_of_them_is_a_wish_to_stop(number: signal.Signals) -> None:
    with stop_signals() as stopping:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stopping.wait(), 10)


async def test_what_nohup_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals() as stopping:
            waiting = asyncio.create_task(stopping.wait())
            os.kill(os.getpid(), signal.SIGHUP)
            done, _ = await asyncio.wait({waiting}, timeout=0.1)
            assert not done
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(waiting, 10)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


async def test_one_that_comes_while_the_run_is_prepared_leaves_nothing(run: RunPaths) -> None:
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    (run.shared_memory / "aeron").mkdir(parents=True, exist_ok=True)
    said = []

    def stop_at_once(text: str) -> None:
        said.append(text)
        os.kill(os.getpid(), signal.SIGTERM)

    changes: list[RunState] = []
    await asyncio.wait_for(
        run_mesh(run, Options(), say=stop_at_once, on_change=changes.append), timeout=120
    )
    assert len(said) == 1
    assert changes == []
    assert not run.shared_memory.exists()
    assert not run.state.exists()
