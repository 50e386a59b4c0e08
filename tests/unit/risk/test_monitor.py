"""Drop copy and alerts, with the real venue behind the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.risk_world import RiskWorld, risk_world
from support.venue_driver import ALPHA, BETA
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.api.risk.v1 import monitor_pb2, risk_pb2
from tradecaptain.wire import common, control, reason

OPERATOR = (("authorization", "Bearer operator"),)
OWNER = (("authorization", "Bearer alpha"),)
ACME_ID = 1001
ACCOUNT = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account="alpha")
PRICE = 10_000
SECONDS = 5.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RiskWorld]:
    async with risk_world(tmp_path) as made, made.served() as limits:
        made.limits = limits
        made.venue.control(
            action=control.CONTROL_ACTION_REFERENCE_PRICE,
            scope=control.CONTROL_SCOPE_INSTRUMENT,
            instrument_id=ACME_ID,
            value=PRICE,
            flags=8,
        )
        await made.reached()
        yield made


async def next_of(stream: Any) -> Any:
    return await asyncio.wait_for(stream.read(), SECONDS)


async def reports_until(stream: Any, count: int) -> list[records_pb2.ExecutionReport]:
    reports: list[records_pb2.ExecutionReport] = []
    while len(reports) < count:
        reports += (await next_of(stream)).reports
    return reports


async def alert_of(stream: Any, kind: int) -> monitor_pb2.Alert:
    while True:
        for alert in (await next_of(stream)).alerts:
            if alert.kind == kind:
                return alert


async def test_the_drop_copy_has_every_event_in_the_venues_order(world: RiskWorld) -> None:
    everything = world.monitor.StreamDropCopy(
        monitor_pb2.StreamDropCopyRequest(), metadata=OPERATOR
    )
    first = await next_of(everything)
    assert {unit.instrument for unit in first.header.units} >= {"ACME@TCAP"}
    own = world.monitor.StreamDropCopy(monitor_pb2.StreamDropCopyRequest(), metadata=OWNER)
    await next_of(own)
    world.venue.order(account_id=BETA, side=common.SIDE_SELL, price_units=PRICE)
    world.venue.order(account_id=ALPHA, side=common.SIDE_BUY, price_units=PRICE)
    world.venue.order(account_id=ALPHA, price_units=3 * PRICE)
    reports = await reports_until(everything, 5)
    assert [(report.account_id, report.execution_type) for report in reports] == [
        (BETA, records_pb2.EXECUTION_TYPE_ACCEPTED),
        (ALPHA, records_pb2.EXECUTION_TYPE_ACCEPTED),
        *[(report.account_id, records_pb2.EXECUTION_TYPE_TRADE) for report in reports[2:4]],
        (ALPHA, records_pb2.EXECUTION_TYPE_REJECTED),
    ]
    assert {report.account_id for report in reports[2:4]} == {ALPHA, BETA}
    assert reports[4].reason == reason.REASON_PRICE_COLLAR
    assert reports[2].match_id == reports[3].match_id > 0
    mine = await reports_until(own, 3)
    assert {report.account_id for report in mine} == {ALPHA}
    assert [report.previous_sequence for report in mine] == [0, 1, 2]
    everything.cancel()
    own.cancel()


async def test_a_drop_copy_goes_on_where_it_was_left(world: RiskWorld) -> None:
    for _ in range(3):
        world.venue.order(account_id=ALPHA, price_units=PRICE)
    await world.reached(3)
    place = common_pb2.StreamPosition(epoch=world.epoch, sequence=1)
    request = monitor_pb2.StreamDropCopyRequest(resume_from=place)
    stream = world.monitor.StreamDropCopy(request, metadata=OPERATOR)
    assert (await next_of(stream)).position.sequence == 1
    answer = await next_of(stream)
    assert [report.sequence for report in answer.reports] == [2, 3]
    assert answer.position == common_pb2.StreamPosition(epoch=world.epoch, sequence=3)
    stream.cancel()


async def test_refusals_and_kills_are_told(world: RiskWorld) -> None:
    stream = world.monitor.StreamAlerts(monitor_pb2.StreamAlertsRequest(), metadata=OPERATOR)
    await next_of(stream)
    world.venue.order(account_id=ALPHA, price_units=3 * PRICE)
    alert = await alert_of(stream, monitor_pb2.ALERT_KIND_REFUSAL)
    assert (alert.account, alert.instrument) == ("alpha", "ACME@TCAP")
    assert alert.reason == reason.REASON_PRICE_COLLAR
    assert (alert.clause, alert.observed) == ("RTS 6 art. 15(1)(a)", "20000")
    kill = risk_pb2.KillRequest(target=ACCOUNT, comment="why")
    answer = await world.limits.Kill(kill, metadata=OPERATOR)
    alert = await alert_of(stream, monitor_pb2.ALERT_KIND_KILL)
    assert (alert.target, alert.command_sequence) == (ACCOUNT, answer.kill_switch.sequence)
    stream.cancel()


async def test_a_flood_of_refusals_is_told_in_few_alerts_that_count_them_all(
    world: RiskWorld,
) -> None:
    stream = world.monitor.StreamAlerts(monitor_pb2.StreamAlertsRequest(), metadata=OPERATOR)
    await next_of(stream)
    for _ in range(200):
        world.venue.order(account_id=ALPHA, price_units=3 * PRICE)
    world.venue.order(account_id=BETA, price_units=3 * PRICE)
    told: dict[str, list[int]] = {"alpha": [], "beta": []}
    while sum(told["alpha"]) < 200 or not told["beta"]:
        for alert in (await next_of(stream)).alerts:
            if alert.kind == monitor_pb2.ALERT_KIND_REFUSAL:
                told[alert.account].append(alert.refusal_count)
    assert sum(told["alpha"]) == 200
    assert told["alpha"].count(1) == len(told["alpha"]) - 1 < 50
    assert told["beta"] == [1]
    stream.cancel()


async def test_a_limit_that_fills_up_is_told_and_its_recovery_too(world: RiskWorld) -> None:
    request = risk_pb2.SetLimitRequest(
        target=ACCOUNT, kind=risk_pb2.LIMIT_KIND_OPEN_ORDERS, value="5"
    )
    await world.limits.SetLimit(request, metadata=OPERATOR)
    chosen = monitor_pb2.StreamAlertsRequest(
        kinds=[
            monitor_pb2.ALERT_KIND_NEAR_BREACH,
            monitor_pb2.ALERT_KIND_BREACH,
            monitor_pb2.ALERT_KIND_RECOVERED,
        ]
    )
    stream = world.monitor.StreamAlerts(chosen, metadata=OWNER)
    await next_of(stream)
    for _ in range(4):
        world.venue.order(account_id=ALPHA, price_units=PRICE)
    alert = await alert_of(stream, monitor_pb2.ALERT_KIND_NEAR_BREACH)
    assert alert.limit_kind == risk_pb2.LIMIT_KIND_OPEN_ORDERS
    assert (alert.limit, alert.observed, alert.used_basis_points) == ("5", "4", 8_000)
    request.value = "3"
    await world.limits.SetLimit(request, metadata=OPERATOR)
    alert = await alert_of(stream, monitor_pb2.ALERT_KIND_BREACH)
    assert (alert.limit, alert.observed) == ("3", "4")
    request.value = "1000"
    await world.limits.SetLimit(request, metadata=OPERATOR)
    alert = await alert_of(stream, monitor_pb2.ALERT_KIND_RECOVERED)
    assert alert.account == "alpha"
    stream.cancel()


async def test_what_is_worth_money_is_told_by_the_gates_own_sums(world: RiskWorld) -> None:
    request = risk_pb2.SetLimitRequest(
        target=ACCOUNT, kind=risk_pb2.LIMIT_KIND_GROSS_EXPOSURE, value="1000"
    )
    await world.limits.SetLimit(request, metadata=OPERATOR)
    stream = world.monitor.StreamAlerts(monitor_pb2.StreamAlertsRequest(), metadata=OPERATOR)
    await next_of(stream)
    world.venue.order(account_id=ALPHA, price_units=PRICE, quantity_units=9)
    alert = await alert_of(stream, monitor_pb2.ALERT_KIND_NEAR_BREACH)
    assert alert.limit_kind == risk_pb2.LIMIT_KIND_GROSS_EXPOSURE
    assert (alert.limit, alert.observed) == ("1000.000000", "900.000000")
    stream.cancel()
