"""Bounded queues: a slow client loses its own queue, and nobody else's."""

import asyncio

import pytest
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import ClientQueue, StreamHub
from tradecaptain.wire import reason


async def test_items_come_in_order_and_end_with_the_queue() -> None:
    queue: ClientQueue[int] = ClientQueue(4)
    assert all(queue.put(item) for item in (1, 2, 3))
    queue.close()
    assert [item async for item in queue] == [1, 2, 3]
    assert not queue.put(4)


async def test_a_full_queue_is_closed_with_slow_consumer() -> None:
    queue: ClientQueue[int] = ClientQueue(2)
    assert queue.put(1) and queue.put(2)
    assert not queue.put(3)
    assert queue.closed and len(queue) == 0
    with pytest.raises(TradeCaptainError) as refused:
        await anext(queue)
    assert refused.value.reason == reason.REASON_SLOW_CONSUMER
    assert refused.value.retryable


async def test_a_slow_client_does_not_touch_the_others() -> None:
    hub: StreamHub[int] = StreamHub()
    with hub.subscribe(["x"], capacity=1) as slow, hub.subscribe(["x", "y"]) as quick:
        for item in range(3):
            hub.publish("x", item)
        hub.publish("y", 9)
        hub.close()
        assert slow.closed
        assert [item async for item in quick] == [0, 1, 2, 9]
    assert not hub.has_subscribers("x") and not hub.has_subscribers("y")


async def test_batches_take_what_is_there_up_to_their_limit() -> None:
    queue: ClientQueue[int] = ClientQueue(10)
    for item in range(5):
        queue.put(item)
    queue.close()
    assert [batch async for batch in queue.batches(limit=2)] == [[0, 1], [2, 3], [4]]


async def test_a_waiting_reader_is_woken() -> None:
    queue: ClientQueue[int] = ClientQueue()
    reader = asyncio.create_task(anext(queue))
    await asyncio.sleep(0)
    queue.put(7)
    assert await reader == 7


async def test_an_error_reaches_the_reader_after_what_was_queued() -> None:
    hub: StreamHub[int] = StreamHub()
    with hub.subscribe([1]) as queue:
        hub.publish(1, 5)
        hub.close(TradeCaptainError(reason.REASON_DRAINING, "going"))
        assert await anext(queue) == 5
        with pytest.raises(TradeCaptainError) as ended:
            await anext(queue)
    assert ended.value.reason == reason.REASON_DRAINING
