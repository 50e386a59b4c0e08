"""Threads for heavy calls, so that they don't delay light ones; bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason as reasons


class WorkerPool:
    """Runs functions on a few threads; what exceeds the queue is refused at once."""

    def __init__(self, workers: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="pricing")
        self._queue = queue
        self._count = 0

    async def run[Request, Answer](
        self, answer: Callable[[Request], Answer], request: Request
    ) -> Answer:
        """Answer a request on a thread; ``REASON_OVERLOADED`` when too many wait already."""
        if self._count >= self._queue:
            raise TradeCaptainError(
                reasons.REASON_OVERLOADED,
                f"{self._count} large batches wait already; try again or send smaller ones",
                limit=self._queue,
            )
        self._count += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, answer, request)
        finally:
            self._count -= 1

    def close(self) -> None:
        """Stop the threads after what they are doing."""
        self._executor.shutdown(wait=True, cancel_futures=True)
