"""Commands of earlier days make room at a start, and nothing that is needed goes with them."""

from pathlib import Path

import pytest
from support.gateway_desk import ALPHA, BETA, GatewayDesk, new_order
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason

DAY_NS = 86_400_000_000_000
IOC = records_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
WORKING = records_pb2.ORDER_STATUS_WORKING
FILLED = records_pb2.ORDER_STATUS_FILLED


@pytest.fixture
def gateway(tmp_path: Path) -> GatewayDesk:
    return GatewayDesk(tmp_path, requests=16, events=16)


async def use_up(gateway: GatewayDesk) -> None:
    """A resting order that was replaced, and so many that ended that no room is left."""
    await gateway.submit(new_order("rests"))
    change = records_pb2.OrderReplace(
        target_client_order_id="rests", client_order_id="moved", price="99.00"
    )
    await gateway.replace(change)
    for number in range(14):
        await gateway.submit(new_order(f"k-{number}", time_in_force=IOC, price="98.00"))


def held_reports(gateway: GatewayDesk) -> list[object]:
    """The reports that are still held."""
    oldest = int(gateway.store.file["event_count"][0]) - gateway.store.events.shape[0]
    return gateway.reports(ALPHA, -(oldest + 1))


async def test_a_start_on_the_next_day_makes_room(gateway: GatewayDesk) -> None:
    await use_up(gateway)
    with pytest.raises(TradeCaptainError) as full:
        await gateway.submit(new_order("one-more"))
    assert full.value.reason == reason.REASON_CAPACITY_EXHAUSTED
    reports = held_reports(gateway)
    rests = gateway.find("moved")
    gateway.clock.advance(DAY_NS)
    gateway.start()
    assert int(gateway.store.file["request_count"][0]) < 12
    assert held_reports(gateway) == reports
    assert gateway.find("moved") == rests
    assert gateway.find("rests") == rests
    assert not (await gateway.submit(new_order("k-0", time_in_force=IOC, price="98.00")))[1]


async def test_a_used_up_share_makes_room_on_the_next_day_too(tmp_path: Path) -> None:
    gateway = GatewayDesk(tmp_path, requests=1024, events=16, account_requests=16)
    for number in range(14):
        await gateway.submit(new_order(f"k-{number}", time_in_force=IOC, price="98.00"))
    with pytest.raises(TradeCaptainError) as full:
        await gateway.submit(new_order("more"))
    assert full.value.reason == reason.REASON_ACCOUNT_SHARE_EXHAUSTED
    for number in range(20):
        await gateway.submit(
            new_order(f"k-{number}", time_in_force=IOC, price="98.00"), BETA + number // 10
        )
    gateway.clock.advance(DAY_NS)
    gateway.start()
    assert not (await gateway.submit(new_order("more")))[1]


async def test_an_open_order_trades_and_ends_under_its_new_number(gateway: GatewayDesk) -> None:
    await use_up(gateway)
    gateway.clock.advance(DAY_NS)
    gateway.start()
    place = int(gateway.store.accounts[ALPHA]["last_event"])
    sell = new_order("sells", side=2, quantity="4", price="99.00")
    await gateway.submit(sell, BETA)
    assert gateway.find("moved").leaves_quantity == "6"
    await gateway.submit(new_order("rest", side=2, quantity="6", price="99.00"), BETA)
    assert gateway.find("moved").status == FILLED
    assert gateway.reports(ALPHA, place)[-1].client_order_id == "moved"


async def test_commands_of_the_day_are_kept(gateway: GatewayDesk) -> None:
    await use_up(gateway)
    gateway.start()
    assert int(gateway.store.file["request_count"][0]) == 16
    assert (await gateway.submit(new_order("k-3", time_in_force=IOC, price="98.00")))[1]


async def test_nothing_is_dropped_while_an_answer_is_due(gateway: GatewayDesk) -> None:
    await use_up(gateway)
    # As a kill between entry and answer leaves it.
    gateway.store.requests[15]["outcome"] = 0
    gateway.clock.advance(DAY_NS)
    gateway.start()
    assert int(gateway.store.file["request_count"][0]) == 16
