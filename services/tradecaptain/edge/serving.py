"""Serving for as long as what stands behind the service lives."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.server import EdgeServer
from tradecaptain.wire.reason import REASON_UNAVAILABLE


async def serve_while(server: EdgeServer, watch: Coroutine[Any, Any, str]) -> None:
    """Serve until a signal, then drain; or until ``watch`` returns, with what has died.

    Then the process must end, to be started anew: raises REASON_UNAVAILABLE. ``watch`` must not
    return because of the drain.
    """
    # What stands by now stays: looking through it again for garbage stops every thread for a tenth
    # of a second, again and again, also those that acknowledgements wait for.
    gc.freeze()
    serving = asyncio.create_task(server.run_until_signal())
    watching = asyncio.create_task(watch)
    done, _ = await asyncio.wait({serving, watching}, return_when=asyncio.FIRST_COMPLETED)
    if serving in done:
        watching.cancel()
        await serving
        return
    serving.cancel()
    await server.stop(0)
    raise TradeCaptainError(REASON_UNAVAILABLE, await watching)
