"""Threads for heavy calls, so that they don't delay light ones: bounded, shared, cancellable.

A heavy call is a generator function: it yields between pieces of a few milliseconds and returns its
answer. A thread goes on with the job that has had the fewest pieces so far, so a short call waits
for one piece of a long one and never for its end. Between two pieces a job is dropped if nobody
waits for it any more: a call whose deadline passed, or whose client left, costs no more than the
piece that it is in. Kernels hold no lock of the interpreter while they run.

A plain function is a job of one piece.
"""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason as reasons

type Steps[Answer] = Generator[None, None, Answer]
"""A job in pieces."""


def at_once[Answer](steps: Steps[Answer]) -> Answer:
    """Do a job to its end here and now."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


class _Job:
    """A call in progress, and who waits for it."""

    def __init__(self, start: Callable[[], Any], number: int) -> None:
        self.start = start
        self.steps: Steps[Any] | None = None
        self.number = number
        self.piece_count = 0
        self.is_abandoned = False
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self.loop.create_future()

    def __lt__(self, other: _Job) -> bool:
        return (self.piece_count, self.number) < (other.piece_count, other.number)

    def go_on(self) -> Callable[[], None] | None:
        """Do one piece; once the job is done, what tells its outcome to who waits."""
        try:
            if self.steps is None:
                found = self.start()
                if not isinstance(found, Generator):
                    return partial(self._tell, self._set_answer, found)
                self.steps = found
            next(self.steps)
        except StopIteration as end:
            return partial(self._tell, self._set_answer, end.value)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who waits for it
            return partial(self._tell, self._set_error, error)
        return None

    def refuse(self, error: TradeCaptainError) -> None:
        """End the job without an answer."""
        self._tell(self._set_error, error)

    def _tell(self, setter: Callable[[Any], None], what: Any) -> None:
        # Who has left may have taken the loop along.
        if not self.is_abandoned:
            self.loop.call_soon_threadsafe(setter, what)

    def _set_answer(self, answer: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def _set_error(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class WorkerPool:
    """Runs jobs on a few threads, the least served first; what exceeds the queue is refused."""

    def __init__(self, workers: int, queue: int) -> None:
        self._queue = queue
        self._work = threading.Condition()
        self._waiting: list[_Job] = []
        self._job_count = 0
        self._next_number = 0
        self._is_closing = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"pricing-{index}", daemon=True)
            for index in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def job_count(self) -> int:
        """Jobs that wait or run."""
        with self._work:
            return self._job_count

    @property
    def is_closing(self) -> bool:
        """Whether the pool takes no piece any more."""
        with self._work:
            return self._is_closing

    async def run[Request, Answer](
        self,
        answer: Callable[[Request], Answer] | Callable[[Request], Steps[Answer]],
        request: Request,
    ) -> Answer:
        """Answer a request on a thread; ``REASON_OVERLOADED`` when too many wait already.

        A cancelled call leaves its place at once if it waits, else after the piece it is in.
        """
        job = self._enter(lambda: answer(request))
        try:
            found: Answer = await job.answer
        except asyncio.CancelledError:
            self._abandon(job)
            raise
        return found

    def close(self) -> None:
        """Refuse what waits, and stop the threads after the pieces that they are in."""
        with self._work:
            self._is_closing = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join()

    def _enter(self, start: Callable[[], Any]) -> _Job:
        with self._work:
            if self._is_closing:
                raise _draining()
            if self._job_count >= self._queue:
                raise TradeCaptainError(
                    reasons.REASON_OVERLOADED,
                    f"{self._job_count} heavy calls wait already; try again or send smaller ones",
                    limit=self._queue,
                )
            job = _Job(start, self._next_number)
            self._next_number += 1
            self._job_count += 1
            heapq.heappush(self._waiting, job)
            self._work.notify()
        return job

    def _abandon(self, job: _Job) -> None:
        with self._work:
            job.is_abandoned = True
            if job in self._waiting:
                self._waiting.remove(job)
                heapq.heapify(self._waiting)
                self._leave(job)

    def _leave(self, job: _Job) -> None:
        """Give a job's place to another; the lock is held."""
        self._job_count -= 1
        if job.steps is not None:
            job.steps.close()

    def _serve(self) -> None:
        """What each thread does."""
        while (job := self._take()) is not None:
            tell = None if job.is_abandoned else job.go_on()
            with self._work:
                if tell is not None or job.is_abandoned:
                    self._leave(job)
                else:
                    job.piece_count += 1
                    heapq.heappush(self._waiting, job)
                    self._work.notify()
            # Who has an answer may call again at once, and finds the place free.
            if tell is not None:
                tell()

    def _take(self) -> _Job | None:
        """The job to go on with; none once the pool closes, when those that wait are refused."""
        with self._work:
            self._work.wait_for(lambda: self._waiting or self._is_closing)
            if not self._is_closing:
                return heapq.heappop(self._waiting)
            for job in self._waiting:
                job.refuse(_draining())
                self._leave(job)
            self._waiting.clear()
            return None


def _draining() -> TradeCaptainError:
    return TradeCaptainError(reasons.REASON_DRAINING, "the service is shutting down; reconnect")
