"""Order entry before a toy venue: answers, refusals, idempotency, batches."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from support.gateway_desk import ALPHA, BETA, GatewayDesk, new_order
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.gateway.store import equal_share
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.journal import OFFSET_REFUSAL, JournalRing
from tradecaptain.wire import common, reason

WORKING, PARTLY, FILLED, CANCELLED, REJECTED, EXPIRED = range(1, 7)


@pytest.fixture
def gateway(tmp_path: Path) -> GatewayDesk:
    return GatewayDesk(tmp_path)


async def refused(call: Any) -> TradeCaptainError:
    with pytest.raises(TradeCaptainError) as error:
        await call
    return error.value


async def test_a_submit_returns_after_the_venues_event(gateway: GatewayDesk) -> None:
    order, duplicate = await gateway.submit(new_order())
    assert not duplicate
    assert (order.status, order.order_id) == (WORKING, 1 << 40 | 1)
    assert (order.quantity, order.price, order.leaves_quantity) == ("10", "100.00", "10")
    assert not order.pending


async def test_fills_come_with_their_average_price(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order("a", side=2, quantity="4", price="99.98"), BETA)
    await gateway.submit(new_order("b", side=2, quantity="3", price="99.99"), BETA)
    order, _ = await gateway.submit(new_order("c"))
    assert (order.status, order.cumulative_quantity, order.leaves_quantity) == (PARTLY, "7", "3")
    assert order.average_price == "99.9842857143"
    assert gateway.find("a", BETA).status == FILLED


async def test_market_and_ioc_orders_end_when_nothing_is_left(gateway: GatewayDesk) -> None:
    market = new_order("m", type=2)
    market.ClearField("price")
    order, _ = await gateway.submit(market)
    assert (order.status, order.reason) == (EXPIRED, reason.REASON_NO_LIQUIDITY)
    assert not order.HasField("price")
    assert order.time_in_force == common.TIME_IN_FORCE_DAY
    order, _ = await gateway.submit(new_order("i", time_in_force=3))
    assert order.status == EXPIRED


async def test_an_equal_request_returns_the_first_result(gateway: GatewayDesk) -> None:
    first, _ = await gateway.submit(new_order())
    sent = gateway.venue.commands
    again, duplicate = await gateway.submit(new_order())
    assert duplicate and again == first
    assert gateway.venue.commands == sent


async def test_another_body_under_the_same_key_is_refused(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order())
    for changes in ({"quantity": "11"}, {"price": "100.01"}, {"side": 2}, {"post_only": True}):
        error = await refused(gateway.submit(new_order(**changes)))
        assert error.reason == reason.REASON_DUPLICATE_CLIENT_ORDER_ID


async def test_keys_belong_to_an_account(gateway: GatewayDesk) -> None:
    first, _ = await gateway.submit(new_order(), ALPHA)
    second, duplicate = await gateway.submit(new_order(), BETA)
    assert not duplicate and second.order_id != first.order_id


async def test_a_duplicate_waits_for_the_first_answer(gateway: GatewayDesk) -> None:
    import asyncio

    first = asyncio.create_task(gateway.requests.submit(new_order(), ALPHA, 0))
    second = asyncio.create_task(gateway.requests.submit(new_order(), ALPHA, 0))
    await asyncio.sleep(0)
    gateway.deliver()
    (number, fresh, _), (same, duplicate, _) = await asyncio.gather(first, second)
    assert number == same and not fresh and duplicate


async def test_keys_are_free_again_on_another_day_unless_the_order_works(
    gateway: GatewayDesk,
) -> None:
    await gateway.submit(new_order("ended", time_in_force=3))
    await gateway.submit(new_order("working"))
    gateway.clock.advance(86_400 * 1_000_000_000)
    gateway.store.set_day(gateway.clock.now_ns())
    _, duplicate = await gateway.submit(new_order("ended", time_in_force=3, price="99.00"))
    assert not duplicate
    error = await refused(gateway.submit(new_order("working", price="99.00")))
    assert error.reason == reason.REASON_DUPLICATE_CLIENT_ORDER_ID


async def test_a_refusal_of_the_venue_is_a_typed_error(gateway: GatewayDesk) -> None:
    gateway.venue.refuse[1001] = reason.REASON_KILL_SWITCH
    error = await refused(gateway.submit(new_order()))
    assert error.reason == reason.REASON_KILL_SWITCH
    order = gateway.find("c-1")
    assert (order.status, order.reason) == (REJECTED, reason.REASON_KILL_SWITCH)
    again = await refused(gateway.submit(new_order()))
    assert again.reason == reason.REASON_KILL_SWITCH


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"price": "100.005"}, reason.REASON_INVALID_PRICE),
        ({"price": "1e2"}, reason.REASON_INVALID_PRICE),
        ({"price": "-1.00"}, reason.REASON_PRICE_OUT_OF_RANGE),
        ({"price": "99999999.00"}, reason.REASON_PRICE_OUT_OF_RANGE),
        ({"price": "9" * 30}, reason.REASON_NUMBER_OUT_OF_RANGE),
        ({"quantity": "0"}, reason.REASON_INVALID_QUANTITY),
        ({"quantity": "-5"}, reason.REASON_INVALID_QUANTITY),
        ({"quantity": "1.5"}, reason.REASON_INVALID_QUANTITY),
        ({"quantity": "99999999"}, reason.REASON_INVALID_QUANTITY),
        ({"instrument": "NOPE@TCAP"}, reason.REASON_UNKNOWN_INSTRUMENT),
        ({"instrument": "ACME@XSIM"}, reason.REASON_UNKNOWN_INSTRUMENT),
        ({"side": 0}, reason.REASON_INVALID_SIDE),
        ({"stop_price": "1.00"}, reason.REASON_INVALID_STOP_PRICE),
        ({"type": 2}, reason.REASON_INVALID_PRICE),
    ],
)
async def test_bad_orders_never_reach_the_venue(
    gateway: GatewayDesk, changes: dict[str, Any], why: int
) -> None:
    error = await refused(gateway.submit(new_order(**changes)))
    assert error.reason == why
    assert gateway.venue.commands == 0


async def test_a_limit_order_needs_a_price(gateway: GatewayDesk) -> None:
    order = new_order()
    order.ClearField("price")
    assert (await refused(gateway.submit(order))).reason == reason.REASON_INVALID_PRICE


async def test_cancel_ends_the_order_and_reduces_it(gateway: GatewayDesk) -> None:
    placed, _ = await gateway.submit(new_order())
    target = {"order_id": placed.order_id}
    reduced = await gateway.cancel(records_pb2.OrderCancel(quantity="4", **target))
    assert (reduced.status, reduced.quantity, reduced.leaves_quantity) == (WORKING, "6", "6")
    ended = await gateway.cancel(records_pb2.OrderCancel(**target))
    assert (ended.status, ended.reason) == (CANCELLED, reason.REASON_CANCELLED_BY_OWNER)
    gone = await refused(gateway.cancel(records_pb2.OrderCancel(**target)))
    assert gone.reason == reason.REASON_UNKNOWN_ORDER


async def test_cancels_and_replaces_have_keys_of_their_own(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order())
    replace = records_pb2.OrderReplace(
        target_client_order_id="c-1", client_order_id="r-1", price="99.00"
    )
    replaced = await gateway.replace(replace)
    assert (replaced.client_order_id, replaced.original_client_order_id) == ("r-1", "c-1")
    assert (replaced.price, replaced.quantity) == ("99.00", "10")
    sent = gateway.venue.commands
    assert await gateway.replace(replace) == replaced
    assert gateway.venue.commands == sent
    replace.price = "98.00"
    error = await refused(gateway.replace(replace))
    assert error.reason == reason.REASON_DUPLICATE_CLIENT_ORDER_ID
    cancel = records_pb2.OrderCancel(target_client_order_id="r-1", client_order_id="x-1")
    ended = await gateway.cancel(cancel)
    assert ended.status == CANCELLED
    assert await gateway.cancel(cancel) == ended
    assert gateway.venue.commands == sent + 1


@pytest.mark.parametrize("key", ["c-1", "r-1", "r-2"])
async def test_an_order_is_found_by_any_id_of_a_request_about_it(
    gateway: GatewayDesk, key: str
) -> None:
    await gateway.submit(new_order())
    for number in (1, 2):
        await gateway.replace(
            records_pb2.OrderReplace(
                target_client_order_id="c-1", client_order_id=f"r-{number}", price=f"9{number}.00"
            )
        )
    assert gateway.find(key).client_order_id == "r-2"
    assert gateway.find(key).price == "92.00"


async def test_orders_of_other_accounts_are_neither_seen_nor_touched(gateway: GatewayDesk) -> None:
    placed, _ = await gateway.submit(new_order(), ALPHA)
    sent = gateway.venue.commands
    for target in ({"order_id": placed.order_id}, {"target_client_order_id": "c-1"}):
        error = await refused(gateway.cancel(records_pb2.OrderCancel(**target), BETA))
        assert error.reason == reason.REASON_UNKNOWN_ORDER
    with pytest.raises(TradeCaptainError):
        gateway.requests.find(BETA, placed.order_id, "")
    assert gateway.venue.commands == sent
    assert gateway.reports(BETA) == []


async def test_a_cancel_waits_until_its_order_has_an_id(gateway: GatewayDesk) -> None:
    import asyncio

    submit = asyncio.create_task(gateway.requests.submit(new_order(), ALPHA, 0))
    await asyncio.sleep(0)
    ended = await gateway.cancel(records_pb2.OrderCancel(target_client_order_id="c-1"))
    await submit
    assert ended.status == CANCELLED


async def test_a_batch_of_columns_answers_each_order(gateway: GatewayDesk) -> None:
    await gateway.submit(new_order("old", price="90.01"))
    columns = gateway.columns(["a", "old", "b", "b", "c", "d" * 32])
    columns.prices_units[4] = 0
    columns.quantities_units[2] = columns.quantities_units[3]
    columns.prices_units[2] = columns.prices_units[3]
    result = await gateway.answered(gateway.requests.submit_columns(columns, ALPHA, 0))
    assert list(result.reasons) == [
        0,
        # The single order came as an agency order with the same body: a duplicate.
        0,
        0,
        0,
        reason.REASON_PRICE_OUT_OF_RANGE,
        0,
    ]
    assert list(result.statuses) == [WORKING] * 4 + [0, WORKING]
    assert result.order_ids[2] == result.order_ids[3]
    assert len(set(result.order_ids)) == 5
    assert gateway.venue.commands == 4


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"client_order_ids": ["a", "x" * 33]}, reason.REASON_INVALID_CLIENT_ORDER_ID),
        ({"client_order_ids": ["a", "é"]}, reason.REASON_INVALID_CLIENT_ORDER_ID),
        ({"sides": [1]}, reason.REASON_INVALID_REQUEST),
        ({"instrument_ids": [1001, 1001, 1001]}, reason.REASON_INVALID_REQUEST),
        ({"types": [1]}, reason.REASON_INVALID_REQUEST),
        ({"types": [1, 70_000]}, reason.REASON_INVALID_REQUEST),
    ],
)
async def test_a_malformed_batch_is_refused_as_a_whole(
    gateway: GatewayDesk, changes: dict[str, Any], why: int
) -> None:
    columns = gateway.columns(["a", "b"], **changes)
    error = await refused(gateway.requests.submit_columns(columns, ALPHA, 0))
    assert error.reason == why
    assert gateway.deliver() == 0


@pytest.mark.parametrize("key", ["", "\x01", "a\x7f", "a\nb"])
async def test_a_bad_key_in_a_batch_is_refused_alone(gateway: GatewayDesk, key: str) -> None:
    columns = gateway.columns(["good", key])
    result = await gateway.answered(gateway.requests.submit_columns(columns, ALPHA, 0))
    assert list(result.reasons) == [0, reason.REASON_INVALID_CLIENT_ORDER_ID]


async def test_rows_answer_each_order_with_its_error(gateway: GatewayDesk) -> None:
    orders = [new_order("a"), new_order("b", price="x"), new_order("c", quantity="0")]
    results = await gateway.answered(
        gateway.requests.submit_rows([(order, ALPHA, 0) for order in orders])
    )
    assert [result.client_order_id for result in results] == ["a", "b", "c"]
    assert [result.error.reason for result in results] == [
        0,
        reason.REASON_INVALID_PRICE,
        reason.REASON_INVALID_QUANTITY,
    ]
    assert results[0].status == WORKING


async def test_no_venue_and_a_full_stream_are_told_apart(gateway: GatewayDesk) -> None:
    gateway.subscription.close()
    gateway.mesh.crank()
    gateway.publication.refresh()
    error = await refused(gateway.requests.submit(new_order(), ALPHA, 0))
    assert error.reason == reason.REASON_UNAVAILABLE and error.retryable


async def test_what_the_venue_was_told_before_is_answered_without_it(gateway: GatewayDesk) -> None:
    first, _ = await gateway.submit(new_order("known"))
    cancel = records_pb2.OrderCancel(order_id=first.order_id, client_order_id="cancel")
    cancelled = await gateway.cancel(cancel)
    gateway.publication.close()
    assert await gateway.submit(new_order("known")) == (cancelled, True)
    assert await gateway.cancel(cancel) == cancelled
    other = await refused(gateway.submit(new_order("known", quantity="20")))
    assert other.reason == reason.REASON_DUPLICATE_CLIENT_ORDER_ID
    unknown = await refused(gateway.submit(new_order("unknown")))
    assert unknown.reason == reason.REASON_UNAVAILABLE
    with pytest.raises(TradeCaptainError):
        gateway.find("unknown")


async def test_batch_is_answered_without_the_venue_if_it_was_told_all_of_it(
    gateway: GatewayDesk,
) -> None:
    columns = gateway.columns(["a", "b"])
    told = await gateway.answered(gateway.requests.submit_columns(columns, ALPHA, 0))
    gateway.publication.close()
    again = await gateway.answered(gateway.requests.submit_columns(columns, ALPHA, 0))
    assert again == told
    more = gateway.columns(["a", "b", "c"])
    unknown = await refused(gateway.requests.submit_columns(more, ALPHA, 0))
    assert unknown.reason == reason.REASON_UNAVAILABLE
    with pytest.raises(TradeCaptainError):
        gateway.find("c")


async def test_while_the_log_takes_no_new_risk_only_cancels_go_to_the_venue(
    gateway: GatewayDesk, tmp_path: Path
) -> None:
    """A venue whose log is full can't even tell a refusal, so it isn't asked."""
    ring = JournalRing.create(tmp_path / "ring", capacity=1 << 16, epoch=1)
    durable = DurablePlace(tmp_path / "ring")
    durable.tell_refusal(gateway.store.work)
    order, _ = await gateway.submit(new_order("a"))
    sent = gateway.venue.commands
    ring.store(OFFSET_REFUSAL, reason.REASON_JOURNAL_UNAVAILABLE)
    error = await refused(gateway.submit(new_order("b")))
    assert error.reason == reason.REASON_JOURNAL_UNAVAILABLE
    again, duplicate = await gateway.submit(new_order("a"))
    assert duplicate and again == order
    assert gateway.venue.commands == sent
    cancel = records_pb2.OrderCancel(target_client_order_id="a", client_order_id="c")
    assert (await gateway.cancel(cancel)).status == CANCELLED
    ring.store(OFFSET_REFUSAL, 0)
    order, duplicate = await gateway.submit(new_order("b"))
    assert (order.status, duplicate) == (WORKING, False)
    ring.close()


async def test_back_pressure_is_a_typed_refusal_that_leaves_no_trace(tmp_path: Path) -> None:
    gateway = GatewayDesk(tmp_path, requests=1 << 14)
    entered = 0

    def enter() -> None:
        nonlocal entered
        keys = [f"{entered}-{row}" for row in range(100)]
        gateway.requests.enter_columns(gateway.columns(keys), ALPHA, 0)
        entered += 1

    # Nobody reads, so the stream is full after half a term.
    with pytest.raises(TradeCaptainError) as refused:
        for _ in range(100):
            enter()
    assert refused.value.reason == reason.REASON_OVERLOADED and refused.value.retryable
    assert 10 < entered < 100
    with pytest.raises(TradeCaptainError):
        gateway.find(f"{entered}-0")
    assert gateway.deliver() == entered * 100
    gateway.mesh.crank()
    enter()
    assert gateway.deliver() == 100


async def test_the_days_room_is_bounded(tmp_path: Path) -> None:
    gateway = GatewayDesk(tmp_path, requests=16)
    for number in range(16):
        await gateway.submit(new_order(f"k-{number}"))
    error = await refused(gateway.submit(new_order("one-more")))
    assert error.reason == reason.REASON_CAPACITY_EXHAUSTED
    assert (await gateway.submit(new_order("k-3")))[1]


async def test_an_account_that_floods_uses_up_its_share_and_no_more(tmp_path: Path) -> None:
    gateway = GatewayDesk(tmp_path, requests=64, account_requests=16)
    # An eighth of the share, two of sixteen, is for cancels alone.
    keys = [f"k-{number}" for number in range(20)]
    result = await gateway.answered(
        gateway.requests.submit_columns(gateway.columns(keys), ALPHA, 0)
    )
    exhausted = reason.REASON_ACCOUNT_SHARE_EXHAUSTED
    assert list(result.reasons) == [0] * 14 + [exhausted] * 6
    error = await refused(gateway.submit(new_order("more")))
    assert error.reason == exhausted and not error.retryable
    assert "16" in error.message and "cancels" in error.message
    assert (await gateway.submit(new_order(price="90.00", key="k-0")))[1]
    assert (await gateway.submit(new_order("others"), BETA))[0].status == WORKING
    replace = records_pb2.OrderReplace(target_client_order_id="k-1", client_order_id="r", price="1")
    assert (await refused(gateway.replace(replace))).reason == exhausted


async def test_cancels_pass_beyond_the_share_of_orders_also_after_a_restart(
    tmp_path: Path,
) -> None:
    gateway = GatewayDesk(tmp_path, requests=64, account_requests=16)
    for number in range(14):
        await gateway.submit(new_order(f"k-{number}"))
    cancels = [records_pb2.OrderCancel(target_client_order_id=f"k-{number}") for number in range(3)]
    assert (await gateway.cancel(cancels[0])).status == CANCELLED
    gateway.start()
    error = await refused(gateway.submit(new_order("more")))
    assert error.reason == reason.REASON_ACCOUNT_SHARE_EXHAUSTED
    assert (await gateway.cancel(cancels[1])).status == CANCELLED
    error = await refused(gateway.cancel(cancels[2]))
    assert error.reason == reason.REASON_ACCOUNT_SHARE_EXHAUSTED
    assert "mass cancels" in error.message and "are for cancels" not in error.message


@pytest.mark.parametrize(
    ("accounts", "share"), [(0, 1024), (1, 1024), (2, 512), (3, 341), (4, 256), (1000, 256)]
)
def test_the_share_is_an_equal_part_and_never_less_than_a_quarter(
    accounts: int, share: int
) -> None:
    assert equal_share(1024, accounts) == share


async def test_an_answer_that_does_not_come_is_an_unknown_outcome(gateway: GatewayDesk) -> None:
    import asyncio

    submit = asyncio.create_task(gateway.requests.submit(new_order(), ALPHA, 0))
    await asyncio.sleep(0)
    gateway.clock.advance(6_000_000_000)
    gateway.desk.expire()
    assert (await refused(submit)).reason == reason.REASON_OUTCOME_UNKNOWN
    assert gateway.find("c-1").pending
    gateway.deliver()
    assert gateway.find("c-1").status == WORKING
    assert (await gateway.submit(new_order()))[1]


async def test_a_full_disk_refuses_commands_and_keeps_what_was_acknowledged(
    gateway: GatewayDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.submit(new_order("first"))

    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "posix_fallocate", full)
        # As if the blocks that were reserved were used up.
        gateway.store.work["request_limit"] = 1
        error = await refused(gateway.submit(new_order("second")))
        assert error.reason == reason.REASON_CAPACITY_EXHAUSTED
        assert "disk" in error.message
        assert (await gateway.submit(new_order("first")))[1]
        with pytest.raises(ConfigurationError, match="no room"):
            gateway.start()
    gateway.start()
    assert not (await gateway.submit(new_order("second")))[1]
    assert gateway.find("first").status == WORKING
