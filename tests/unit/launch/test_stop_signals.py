"""Which signals stop a mesh."""

import asyncio
import os
import signal

import pytest
from tradecaptain.launch.mesh import stop_signals


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
