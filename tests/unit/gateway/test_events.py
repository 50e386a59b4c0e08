"""What the venue reports: streams, gaps, restarts of the venue and of the gateway."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gateway_desk import ALPHA, BETA, GatewayDesk, new_order
from support.toy_venue import BATCH
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.gateway.store import Capacity, Store
from tradecaptain.gateway.streams import ReportStream, newest_position
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.stream_reader import EVENT_LAPPED
from tradecaptain.wire import reason

WORKING, FILLED, CANCELLED = 1, 3, 4
REPORTS = 2


@pytest.fixture
def gateway(tmp_path: Path) -> GatewayDesk:
    return GatewayDesk(tmp_path)


def stream(gateway: GatewayDesk, account_id: int, resume: Any = None, **more: Any) -> ReportStream:
    return ReportStream(gateway.desk, gateway.writer, account_id, resume, REPORTS, **more)


def parsed(data: bytes) -> list[Any]:
    from tradecaptain.api.orders.v1 import orders_pb2

    return list(orders_pb2.StreamExecutionsResponse.FromString(data).reports)


async def trade(gateway: GatewayDesk, count: int = 3) -> None:
    for number in range(count):
        await gateway.submit(new_order(f"a-{number}"), ALPHA)
        await gateway.submit(new_order(f"b-{number}", side=2), BETA)


async def test_reports_are_contiguous_per_account(gateway: GatewayDesk) -> None:
    await trade(gateway)
    for account_id in (ALPHA, BETA):
        reports = gateway.reports(account_id)
        assert [report.sequence for report in reports] == list(range(1, len(reports) + 1))
        assert [report.previous_sequence for report in reports] == list(range(len(reports)))
        assert {report.account_id for report in reports} == {account_id}
        assert not any(report.gap for report in reports)


async def test_a_stream_resumes_from_any_report_and_from_before_the_first(
    gateway: GatewayDesk,
) -> None:
    await trade(gateway)
    everything = gateway.reports(ALPHA)
    for seen in range(len(everything) + 1):
        position = common_pb2.StreamPosition(epoch=1, sequence=seen)
        rest = parsed(stream(gateway, ALPHA, position).next_reports(100))
        assert rest == everything[seen:]
    assert stream(gateway, ALPHA).next_reports(100) == b""


@pytest.mark.parametrize("position", [(1, 99), (2, 1), (1, 1 << 63)])
async def test_a_position_that_never_was_is_refused(
    gateway: GatewayDesk, position: tuple[int, int]
) -> None:
    await trade(gateway, 1)
    resume = common_pb2.StreamPosition(epoch=position[0], sequence=position[1])
    with pytest.raises(TradeCaptainError) as refused:
        stream(gateway, ALPHA, resume)
    assert refused.value.reason == reason.REASON_RESUME_POSITION_UNKNOWN


async def test_a_stream_goes_on_in_an_epoch_that_goes_on_from_the_log(
    gateway: GatewayDesk,
) -> None:
    await trade(gateway)
    kept = gateway.reports(ALPHA)
    # As a gateway that was made again from the log of a venue that had lost power.
    gateway.store.file["epoch"] = 2
    gateway.venue.epoch = 2
    await gateway.submit(new_order("later"), ALPHA)
    everything = gateway.reports(ALPHA)
    new = everything[len(kept) :]
    assert [(report.epoch, report.previous_sequence, report.gap) for report in new] == [
        (2, 0, False)
    ]
    assert [report.sequence for report in new] == [len(kept) + 1]

    def resumed(epoch: int, sequence: int) -> list[Any]:
        position = common_pb2.StreamPosition(epoch=epoch, sequence=sequence)
        return parsed(stream(gateway, ALPHA, position).next_reports(100))

    assert resumed(1, len(kept)) == new
    assert resumed(1, len(kept) - 1) == everything[len(kept) - 1 :]
    with pytest.raises(TradeCaptainError, match=f"behind report {len(kept)} is lost") as refused:
        resumed(1, len(kept) + 3)
    assert refused.value.reason == reason.REASON_RESUME_POSITION_UNKNOWN
    assert refused.value.limit == str(len(kept))


async def test_a_filtered_stream_leaves_no_false_gaps(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order("1"))
    await gateway.submit(new_order("2", instrument="GLOBX@TCAP"))
    await gateway.submit(new_order("3"))
    resume = common_pb2.StreamPosition(epoch=1, sequence=0)
    only = parsed(stream(gateway, ALPHA, resume, instrument_id=1001).next_reports(100))
    assert [(report.sequence, report.previous_sequence) for report in only] == [(1, 0), (3, 1)]


async def test_a_reader_that_falls_behind_is_told_and_others_are_not(tmp_path: Path) -> None:
    gateway = GatewayDesk(tmp_path, requests=1024, events=64)
    slow, quick = stream(gateway, ALPHA), stream(gateway, ALPHA)
    received = []
    for number in range(100):
        await gateway.submit(new_order(f"k-{number}", time_in_force=3))
        received += parsed(quick.next_reports(100))
    assert [report.sequence for report in received] == list(range(1, 201))
    with pytest.raises(TradeCaptainError) as refused:
        slow.next_reports(100)
    assert refused.value.reason == reason.REASON_SLOW_CONSUMER
    held = stream(gateway, ALPHA, common_pb2.StreamPosition(epoch=1, sequence=0))
    assert [report.sequence for report in parsed(held.next_reports(100))] == list(range(137, 201))
    with pytest.raises(TradeCaptainError):
        stream(gateway, ALPHA, common_pb2.StreamPosition(epoch=1, sequence=5))


async def test_streams_wake_when_their_account_has_news(gateway: GatewayDesk) -> None:
    batches = stream(gateway, ALPHA).batches(10)
    waiting = asyncio.create_task(anext(batches))
    await gateway.submit(new_order("b"), BETA)
    assert not waiting.done()
    await gateway.submit(new_order("a"), ALPHA)
    assert [report.client_order_id for report in parsed(await waiting)] == ["a"]
    await batches.aclose()


async def test_missing_events_are_fetched_from_the_history(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order("1"))
    lost = asyncio.create_task(gateway.requests.submit(new_order("2"), ALPHA, 0))
    await asyncio.sleep(0)
    gateway.venue.work()
    await gateway.submit(new_order("3"))
    await lost
    assert [report.client_order_id for report in gateway.reports()] == ["1", "2", "3"]


async def test_word_of_a_lapped_reader_is_enough(gateway: GatewayDesk) -> None:
    lost = asyncio.create_task(gateway.requests.submit(new_order("1"), ALPHA, 0))
    await asyncio.sleep(0)
    gateway.venue.work()
    batch = np.zeros(1, dtype=BATCH)
    batch["event"] = EVENT_LAPPED
    gateway.desk.on_batch(batch)
    await lost
    assert gateway.find("1").status == WORKING


async def test_events_that_come_twice_count_once(gateway: GatewayDesk) -> None:
    submit = asyncio.create_task(gateway.requests.submit(new_order(), ALPHA, 0))
    await asyncio.sleep(0)
    batch = gateway.venue.work()
    for _ in range(3):
        gateway.desk.on_batch(batch)
    await submit
    assert len(gateway.reports()) == 1


async def test_lost_events_are_told_as_a_gap(gateway: GatewayDesk) -> None:
    lost_calls: list[None] = []
    gateway.desk.on_lost_events.append(lambda: lost_calls.append(None))
    await gateway.submit(new_order("1"))
    (gateway.folder / "history").unlink()
    gateway.desk._history = None
    lost = asyncio.create_task(gateway.requests.submit(new_order("2"), ALPHA, 0))
    await asyncio.sleep(0)
    gateway.venue.work()
    await gateway.submit(new_order("3"))
    lost.cancel()
    reports = gateway.reports()
    assert [(report.sequence, report.gap) for report in reports] == [(1, False), (3, True)]
    assert len(lost_calls) == 1


async def test_an_order_entered_elsewhere_is_taken_in(gateway: GatewayDesk) -> None:
    with pytest.raises(TradeCaptainError):
        gateway.find("direct")
    other = GatewayDesk(gateway.folder / "other")
    other.venue = gateway.venue
    gateway.venue.mesh, gateway.venue.subscription = other.mesh, other.subscription
    submit = asyncio.create_task(other.requests.submit(new_order("direct"), ALPHA, 0))
    await asyncio.sleep(0)
    gateway.deliver()
    submit.cancel()
    assert gateway.find("direct").status == WORKING
    assert [report.client_order_id for report in gateway.reports()] == ["direct"]


async def test_a_restarted_gateway_knows_everything(gateway: GatewayDesk) -> None:
    await trade(gateway)
    placed, _ = await gateway.submit(new_order("open"))
    replaced = await gateway.replace(
        records_pb2.OrderReplace(order_id=placed.order_id, client_order_id="open-2", price="99.00")
    )
    before = {account_id: gateway.reports(account_id) for account_id in (ALPHA, BETA)}
    # No close, no flush: what a kill leaves is what the mapping holds.
    gateway.start()
    assert {account_id: gateway.reports(account_id) for account_id in before} == before
    assert gateway.find("open") == gateway.find("open-2") == replaced
    again, duplicate = await gateway.submit(new_order("open"))
    assert duplicate and again == replaced
    ended = await gateway.cancel(records_pb2.OrderCancel(order_id=placed.order_id))
    assert ended.status == CANCELLED
    assert gateway.reports()[-1].previous_sequence == len(before[ALPHA])


async def test_what_happened_while_the_gateway_was_away_is_taken_in(gateway: GatewayDesk) -> None:
    submit = asyncio.create_task(gateway.requests.submit(new_order("1"), ALPHA, 0))
    await asyncio.sleep(0)
    gateway.venue.work()
    submit.cancel()
    gateway.start()
    order = gateway.find("1")
    assert (order.status, order.pending) == (WORKING, False)
    assert gateway.desk.settle_unmentioned() == 0


async def test_a_command_that_was_never_published_can_be_sent_again(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order("seen"))
    submit = asyncio.create_task(gateway.requests.submit(new_order("lost"), ALPHA, 0))
    await asyncio.sleep(0)
    submit.cancel()
    # The command is taken out of the stream, as if the process had died before the commit.
    gateway.venue.work = lambda: np.zeros(0, dtype=BATCH)  # type: ignore[method-assign]
    gateway.start()
    assert gateway.find("lost").pending
    assert gateway.desk.settle_unmentioned() == 1
    with pytest.raises(TradeCaptainError) as unknown:
        gateway.find("lost")
    assert unknown.value.reason == reason.REASON_UNKNOWN_ORDER
    assert gateway.find("seen").status == WORKING


async def test_what_a_lost_log_of_commands_held_is_refused_and_can_be_sent_again(
    gateway: GatewayDesk,
) -> None:
    submit = asyncio.create_task(gateway.requests.submit(new_order("lost"), ALPHA, 0))
    await asyncio.sleep(0)
    work, gateway.venue.work = gateway.venue.work, lambda: np.zeros(0, dtype=BATCH)  # type: ignore[method-assign]
    interrupted = []
    gateway.desk.on_interrupted.append(lambda: interrupted.append(True))
    gateway.desk.note_interruption("commands go to another log")
    # The command went with the old log.
    gateway.subscription.refresh()
    for index in range(gateway.subscription.images.shape[0]):
        while image_next(gateway.subscription.images, index) > 0:
            image_release(gateway.subscription.images, index)
    assert interrupted == [True]
    assert gateway.desk.settle_unmentioned() == 1
    with pytest.raises(TradeCaptainError) as refused:
        await submit
    assert refused.value.reason == reason.REASON_UNAVAILABLE
    gateway.venue.work = work  # type: ignore[method-assign]
    again, duplicate = await gateway.submit(new_order("lost"))
    assert (again.status, duplicate) == (WORKING, False)


async def test_an_order_that_the_venue_mentioned_is_never_settled_as_lost(
    gateway: GatewayDesk,
) -> None:
    await gateway.submit(new_order("maker", side=2), BETA)
    submit = asyncio.create_task(gateway.requests.submit(new_order("taker"), ALPHA, 0))
    await asyncio.sleep(0)
    # Of the events of the command only the first ones came, and nobody knows the last of them.
    gateway.desk.on_batch(gateway.venue.work()[:-1])
    gateway.desk.note_interruption("the venue came back from its log")
    assert gateway.desk.settle_unmentioned() == 0
    await submit
    order = gateway.find("taker")
    assert (order.status, order.pending, order.reason) == (FILLED, False, 0)


async def test_a_restarted_venue_cancels_every_working_order(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order("1"))
    await gateway.submit(new_order("done", time_in_force=3))
    await gateway.submit(new_order("2"))
    gateway.restart_venue()
    gateway.desk.catch_up()
    for key in ("1", "2"):
        order = gateway.find(key)
        assert (order.status, order.reason) == (
            CANCELLED,
            reason.REASON_CANCELLED_BY_VENUE_RESTART,
        )
    ends = gateway.reports()[-2:]
    assert [(end.epoch, end.sequence, end.client_order_id) for end in ends] == [
        (1, 5, "1"),
        (1, 6, "2"),
    ]
    fresh, _ = await gateway.submit(new_order("3"))
    assert (fresh.status, fresh.epoch, fresh.sequence) == (WORKING, 2, 1)
    position = common_pb2.StreamPosition(epoch=1, sequence=5)
    rest = parsed(stream(gateway, ALPHA, position).next_reports(10))
    assert [(report.epoch, report.sequence, report.previous_sequence) for report in rest] == [
        (1, 6, 5),
        (2, 1, 0),
    ]
    assert newest_position(gateway.desk, ALPHA) == common_pb2.StreamPosition(epoch=2, sequence=1)


async def test_a_command_under_way_during_a_restart_is_settled(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order("1"))
    submit = asyncio.create_task(gateway.requests.submit(new_order("under-way"), ALPHA, 0))
    await asyncio.sleep(0)
    gateway.venue.work = lambda: np.zeros(0, dtype=BATCH)  # type: ignore[method-assign]
    gateway.restart_venue()
    gateway.venue.work = lambda: np.zeros(0, dtype=BATCH)  # type: ignore[method-assign]
    gateway.desk.catch_up()
    await asyncio.sleep(0)
    assert not submit.done()
    assert gateway.desk.settle_unmentioned() == 1
    with pytest.raises(TradeCaptainError) as refused:
        await submit
    assert refused.value.reason == reason.REASON_CANCELLED_BY_VENUE_RESTART


def test_a_file_of_another_size_is_refused_by_name(gateway: GatewayDesk) -> None:
    with pytest.raises(ConfigurationError, match="requests_max"):
        Store(gateway.folder / "orders.state", Capacity(1024, 256), [], [], 0)


def test_a_file_that_is_no_order_file_is_refused(gateway: GatewayDesk) -> None:
    path = gateway.folder / "orders.state"
    size = path.stat().st_size
    path.write_bytes(b"x" * size)
    with pytest.raises(ConfigurationError, match="isn't an order file"):
        Store(path, gateway.capacity, [], [], 0)
