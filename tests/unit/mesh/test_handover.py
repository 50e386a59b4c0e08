"""The ring between compiled code and asyncio, compared with a plain queue."""

import asyncio
import os
import threading
from collections import deque
from typing import Any

import numpy as np
import pytest
from numba import types
from support.wait import wait_until_async
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import store_i64
from tradecaptain.base.records import records_at
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.handover import (
    HANDOVER_TYPE,
    Handover,
    handover_claim,
    handover_commit,
    handover_signal,
    handover_waiting,
)

pytestmark = pytest.mark.twin

SLOT = np.dtype([("number", "<i8"), ("square", "<i8")])


@kernel(types.int64(HANDOVER_TYPE, types.int64, types.int64))
def produce(state: Any, first: int, count: int) -> int:
    """Hand over numbers until the ring is full; how many."""
    done = 0
    while done < count:
        slot = handover_claim(state)
        if slot == 0:
            break
        store_i64(slot, first + done)
        store_i64(slot + 8, (first + done) * (first + done))
        handover_commit(state)
        done += 1
    handover_signal(state)
    return done


@pytest.mark.parametrize("capacity", [0, 1, 3, 1000])
def test_a_capacity_that_is_no_power_of_two_is_refused(capacity: int) -> None:
    with pytest.raises(MeshError, match="capacity"):
        Handover(SLOT, capacity)


def test_it_behaves_as_a_bounded_queue() -> None:
    twin: deque[int] = deque()
    written = refused = 0
    with Handover(SLOT, 8) as ring:
        for step in range(300):
            want = step * 7 % 11
            took = produce(ring.state, written, want)
            assert took == min(want, 8 - len(twin))
            refused += took < want
            twin.extend(range(written, written + took))
            written += took
            batch = ring.drain(step * 5 % 7 + 1)
            expected = [twin.popleft() for _ in range(min(step * 5 % 7 + 1, len(twin)))]
            assert batch["number"].tolist() == expected
            assert batch["square"].tolist() == [number * number for number in expected]
        assert ring.full_count == refused > 0


def test_only_a_sleeping_consumer_is_woken() -> None:
    with Handover(SLOT, 8) as ring:
        descriptor = int(ring.state[0]["descriptor"])
        produce(ring.state, 0, 2)
        with pytest.raises(BlockingIOError):
            os.eventfd_read(descriptor)
        assert len(ring.drain()) == 2
        assert len(ring.drain()) == 0
        produce(ring.state, 2, 1)
        produce(ring.state, 3, 1)
        assert os.eventfd_read(descriptor) == 1
        assert ring.drain()["number"].tolist() == [2, 3]


async def test_the_loop_gets_everything_from_another_thread_in_order() -> None:
    total = 20_000
    got: list[int] = []
    with Handover(SLOT, 64) as ring:
        ring.attach(asyncio.get_running_loop(), lambda batch: got.extend(batch["number"].tolist()))

        def run() -> None:
            written = 0
            while written < total:
                written += produce(ring.state, written, min(37, total - written))

        thread = threading.Thread(target=run)
        thread.start()
        await wait_until_async(lambda: len(got) == total)
        thread.join()
    assert got == list(range(total))


async def test_after_detaching_nothing_is_called() -> None:
    got: list[int] = []
    with Handover(SLOT, 8) as ring:
        ring.attach(asyncio.get_running_loop(), lambda batch: got.extend(batch["number"].tolist()))
        await asyncio.sleep(0)
        ring.detach()
        produce(ring.state, 0, 3)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert got == []
        assert ring.drain()["number"].tolist() == [0, 1, 2]


async def test_with_a_pause_a_steady_flow_comes_in_few_batches() -> None:
    loop = asyncio.get_running_loop()
    batches: list[list[int]] = []
    with Handover(SLOT, 4096) as ring:
        ring.attach(loop, lambda batch: batches.append(batch["number"].tolist()), pause_seconds=0.2)
        await asyncio.sleep(0)
        produce(ring.state, 0, 1)
        await wait_until_async(lambda: batches == [[0]])
        for number in range(1, 51):
            produce(ring.state, number, 1)
            await asyncio.sleep(0)
        await wait_until_async(lambda: sum(map(len, batches)) == 51)
        assert len(batches) <= 10
        assert [number for batch in batches for number in batch] == list(range(51))
        produce(ring.state, 51, 1)
        await wait_until_async(lambda: batches[-1][-1] == 51)


async def test_while_it_is_urgent_there_is_no_pause() -> None:
    loop = asyncio.get_running_loop()
    got: list[int] = []
    with Handover(SLOT, 64) as ring:
        ring.attach(
            loop,
            lambda batch: got.extend(batch["number"].tolist()),
            pause_seconds=3600,
            is_urgent=lambda: len(got) < 3,
        )
        for number in range(3):
            produce(ring.state, number, 1)
            await wait_until_async(lambda number=number: got == list(range(number + 1)))


async def test_catching_up_ends_a_pause() -> None:
    loop = asyncio.get_running_loop()
    batches: list[list[int]] = []
    with Handover(SLOT, 4096) as ring:
        ring.attach(
            loop, lambda batch: batches.append(batch["number"].tolist()), pause_seconds=3600
        )
        produce(ring.state, 0, 1)
        await wait_until_async(lambda: batches == [[0]])
        produce(ring.state, 1, 1500)
        await asyncio.sleep(0)
        assert batches == [[0]]
        ring.catch_up()
        assert batches[1:] == [list(range(1, 1025)), list(range(1025, 1501))]
        produce(ring.state, 1501, 1)
        await wait_until_async(lambda: batches[-1] == [1501])


def test_catching_up_without_a_loop_takes_nothing() -> None:
    with Handover(SLOT, 8) as ring:
        produce(ring.state, 0, 2)
        ring.catch_up()
        assert len(ring.drain()) == 2


def test_the_producer_sees_what_the_consumer_has_still_to_take() -> None:
    with Handover(SLOT, 8) as ring:
        produce(ring.state, 0, 5)
        assert handover_waiting(ring.state) == 5
        ring.drain(2)
        assert handover_waiting(ring.state) == 3


async def test_in_place_a_pause_and_its_end_are_the_same() -> None:
    loop = asyncio.get_running_loop()
    batches: list[list[int]] = []

    def on_slots(address: int, count: int) -> None:
        batches.append(records_at(address, count, SLOT)["number"].tolist())

    with Handover(SLOT, 4096) as ring:
        ring.attach_in_place(loop, on_slots, pause_seconds=3600)
        produce(ring.state, 0, 1)
        await wait_until_async(lambda: batches == [[0]])
        produce(ring.state, 1, 1500)
        # Nobody asked to be woken before the pause is over.
        assert int(ring.state[0]["signal_count"]) == 0
        await asyncio.sleep(0)
        assert batches == [[0]]
        ring.catch_up()
        assert batches[1:] == [list(range(1, 1025)), list(range(1025, 1501))]
        produce(ring.state, 1501, 1)
        await wait_until_async(lambda: batches[-1] == [1501])
