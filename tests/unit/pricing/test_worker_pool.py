"""The pool of heavy calls: fair between jobs, bounded, and free of jobs that nobody waits for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from support.wait import wait_until_async
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.pricing.worker_pool import Steps, WorkerPool, at_once
from tradecaptain.wire import reason as reasons

WAIT_SECONDS = 20


@contextmanager
def pool_of(workers: int = 1, queue: int = 8) -> Iterator[WorkerPool]:
    pool = WorkerPool(workers, queue)
    try:
        yield pool
    finally:
        pool.close()


class Held:
    """A job whose every piece waits until the test lets it go on."""

    def __init__(self, pieces: int) -> None:
        self.pieces = pieces
        self.done_count = 0
        self.is_closed = False
        self.has_begun = threading.Event()
        self.may_go_on = threading.Semaphore(0)

    def answer(self, request: str) -> Steps[str]:
        try:
            for _ in range(self.pieces):
                self.has_begun.set()
                assert self.may_go_on.acquire(timeout=WAIT_SECONDS)
                self.done_count += 1
                yield
            return request
        finally:
            self.is_closed = True

    async def begun(self) -> None:
        assert await asyncio.to_thread(self.has_begun.wait, WAIT_SECONDS)

    def let_go(self, pieces: int) -> None:
        self.may_go_on.release(pieces)


async def test_a_short_job_ends_before_a_long_one_that_came_first() -> None:
    order: list[str] = []

    def job(name_and_pieces: tuple[str, int]) -> Steps[str]:
        name, pieces = name_and_pieces
        for _ in range(pieces):
            yield
        order.append(name)
        return name

    with pool_of() as pool:
        first = Held(1)
        holder = asyncio.create_task(pool.run(first.answer, "held"))
        await first.begun()
        # Both wait while the only thread is held, so the order of their arrival is certain.
        jobs = [pool.run(job, ("long", 1_000)), pool.run(job, ("short", 3))]
        tasks = [asyncio.create_task(item) for item in jobs]
        await wait_until_async(lambda: pool.job_count == 3, what="both jobs")
        first.let_go(1)
        assert await asyncio.gather(holder, *tasks) == ["held", "long", "short"]
    assert order == ["short", "long"]


async def test_the_thread_takes_turns_and_a_plain_function_is_one_piece() -> None:
    turns: list[str] = []

    def job(name: str) -> Steps[None]:
        for _ in range(3):
            turns.append(name)
            yield

    with pool_of() as pool:
        first = Held(1)
        holder = asyncio.create_task(pool.run(first.answer, "held"))
        await first.begun()
        tasks = [asyncio.create_task(pool.run(job, name)) for name in "ab"]
        tasks.append(asyncio.create_task(pool.run(turns.append, "plain")))
        await wait_until_async(lambda: pool.job_count == 4, what="all jobs")
        first.let_go(1)
        await asyncio.gather(holder, *tasks)
    assert turns == ["a", "b", "plain", "a", "b", "a", "b"]


async def test_a_cancelled_job_ends_after_its_piece_and_keeps_its_place_until_then() -> None:
    with pool_of(queue=2) as pool:
        running, waiting = Held(100), Held(1)
        first = asyncio.create_task(pool.run(running.answer, "running"))
        await running.begun()
        second = asyncio.create_task(pool.run(waiting.answer, "waiting"))
        await wait_until_async(lambda: pool.job_count == 2, what="both jobs")
        with pytest.raises(TradeCaptainError) as caught:
            await pool.run(str, 1)
        assert caught.value.reason == reasons.REASON_OVERLOADED
        second.cancel()
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        # What waited is gone; what runs still has the thread, and its place.
        assert pool.job_count == 1
        assert not waiting.has_begun.is_set()
        running.let_go(1)
        await wait_until_async(lambda: pool.job_count == 0, what="the job to end")
        assert (running.done_count, running.is_closed) == (1, True)
        assert await pool.run(str, 1) == "1"


async def test_errors_reach_who_waits_and_nobody_else() -> None:
    def wrong(request: int) -> Steps[int]:
        yield
        raise ValueError(f"no {request}")

    with pool_of() as pool:
        outcomes = await asyncio.gather(
            pool.run(wrong, 1), pool.run(str, 2), return_exceptions=True
        )
        assert isinstance(outcomes[0], ValueError)
        assert outcomes[1] == "2"
        assert pool.job_count == 0


async def test_a_place_is_free_before_the_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    tell = loop.call_soon_threadsafe
    places_taken: list[int] = []

    def look_and_tell(callback: Callable[..., object], *arguments: object) -> asyncio.Handle:
        places_taken.append(pool.job_count)
        return tell(callback, *arguments)

    with pool_of(queue=1) as pool:
        monkeypatch.setattr(loop, "call_soon_threadsafe", look_and_tell)
        assert await pool.run(str, 1) == "1"
        # Who has an answer may call again at once.
        assert await pool.run(str, 2) == "2"
    assert places_taken == [0, 0]


async def test_closing_refuses_what_waits() -> None:
    pool = WorkerPool(1, 8)
    running, waiting = Held(5), Held(1)
    tasks = [asyncio.create_task(pool.run(running.answer, "running"))]
    await running.begun()
    tasks.append(asyncio.create_task(pool.run(waiting.answer, "waiting")))
    await wait_until_async(lambda: pool.job_count == 2, what="both jobs")
    closing = asyncio.create_task(asyncio.to_thread(pool.close))
    await wait_until_async(lambda: pool.is_closing, what="the pool to close")
    running.let_go(1)
    await closing
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [getattr(item, "reason", item) for item in outcomes] == [reasons.REASON_DRAINING] * 2
    assert running.done_count == 1


def test_a_job_can_be_done_at_once() -> None:
    def steps() -> Steps[int]:
        yield
        yield
        return 7

    assert at_once(steps()) == 7
