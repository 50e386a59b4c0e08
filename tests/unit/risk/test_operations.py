"""What operators rely on: overrides that end for good, exact targets, whole imports, the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.risk_world import RiskWorld, risk_world
from support.venue_driver import ALPHA
from support.wait import wait_until_async
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import administration_pb2 as admin
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.risk.levels import SCOPE_ACCOUNT, SCOPE_GROUP, SCOPE_INSTRUMENT, Level
from tradecaptain.risk.store import Stamp
from tradecaptain.risk.synchroniser import limit_requests
from tradecaptain.wire import control, reason

OPERATOR = (("authorization", "Bearer operator"),)
ACCOUNT = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account="alpha")
OPEN_ORDERS = risk_pb2.LIMIT_KIND_OPEN_ORDERS
ALPHA_LEVEL = Level(SCOPE_ACCOUNT, ALPHA)
ACME = "ACME@TCAP"
ACME_ID = 1001


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RiskWorld]:
    async with risk_world(tmp_path) as world, world.served() as limits:
        world.limits = limits
        yield world


def limits_row(world: RiskWorld) -> Any:
    rows = world.venue.core.gate.accounts["limits"]
    return rows[rows["key"] == ALPHA][0]


async def set_open_orders(world: RiskWorld, value: str) -> None:
    request = risk_pb2.SetLimitRequest(target=ACCOUNT, kind=OPEN_ORDERS, value=value)
    await world.limits.SetLimit(request, metadata=OPERATOR)


async def grant(world: RiskWorld, value: str) -> admin.GrantOverrideResponse:
    request = admin.GrantOverrideRequest(
        target=ACCOUNT, kind=OPEN_ORDERS, value=value, duration_seconds=3600, comment="busy"
    )
    answer = await world.administration.GrantOverride(request, metadata=OPERATOR)
    assert isinstance(answer, admin.GrantOverrideResponse)
    return answer


async def audit(world: RiskWorld, **fields: Any) -> admin.ListAuditResponse:
    answer = await world.administration.ListAudit(
        admin.ListAuditRequest(**fields), metadata=OPERATOR
    )
    assert isinstance(answer, admin.ListAuditResponse)
    return answer


async def test_an_override_that_a_limit_ended_does_not_come_back(world: RiskWorld) -> None:
    await grant(world, "70")
    await set_open_orders(world, "50")
    await world.agent.synchroniser.synchronise()
    assert limits_row(world)["open_orders"] == 50
    await grant(world, "70")
    clear = risk_pb2.ClearLimitRequest(target=ACCOUNT, kind=OPEN_ORDERS)
    await world.limits.ClearLimit(clear, metadata=OPERATOR)
    await world.agent.synchroniser.synchronise()
    assert not limits_row(world)["set_mask"] >> OPEN_ORDERS & 1


async def test_a_gate_is_told_an_override_right_behind_its_limit(world: RiskWorld) -> None:
    await grant(world, "70")
    requests = limit_requests(world.store, world.agent.controller.now_ns())
    of_limit = [(item.level, item.kind) == (ALPHA_LEVEL, OPEN_ORDERS) for item in requests]
    first = of_limit.index(True)
    limit, override = requests[first : first + 2]
    assert limit.action == control.CONTROL_ACTION_SET_LIMIT
    assert (override.action, override.value) == (control.CONTROL_ACTION_GRANT_OVERRIDE, 70)
    assert sum(of_limit) == 2


async def test_overrides_are_listed_and_govern_what_limits_are_told(world: RiskWorld) -> None:
    await set_open_orders(world, "50")
    answer = await grant(world, "70")
    listed = await world.administration.ListOverrides(
        admin.ListOverridesRequest(), metadata=OPERATOR
    )
    (held,) = listed.overrides
    assert (held.target, held.kind, held.value, held.author) == (
        *(ACCOUNT, OPEN_ORDERS, "70", "operator"),
    )
    assert (held.comment, held.expire_time_ns) == ("busy", answer.expire_time_ns)
    asked = risk_pb2.GetLimitsRequest(account="alpha")
    told = await world.limits.GetLimits(asked, metadata=OPERATOR)
    (limit,) = [item for item in told.limits if item.kind == OPEN_ORDERS]
    assert (limit.value, limit.expire_time_ns) == ("70", answer.expire_time_ns)
    # What is set stays what it was, so that an export doesn't make an override last.
    every = await world.limits.ListLimits(
        risk_pb2.ListLimitsRequest(account="alpha", scope=common_pb2.SCOPE_ACCOUNT),
        metadata=OPERATOR,
    )
    assert "50" in [item.value for item in every.limits if item.kind == OPEN_ORDERS]
    assert world.store.overrides(answer.expire_time_ns) == []
    entry = (await audit(world, page_size=1)).entries[0]
    assert (entry.before_text, entry.after_text) == ("50", "70")
    assert (entry.before, entry.expire_time_ns) == (50, answer.expire_time_ns)


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ({"scope": common_pb2.SCOPE_FIRM, "firm_id": 10, "instrument": "ACME@TCAP"}, "instrument"),
        (
            {"scope": common_pb2.SCOPE_ACCOUNT, "account": "alpha", "instrument": "ACME@TCAP"},
            "instrument",
        ),
        ({"scope": common_pb2.SCOPE_FIRM, "account": "alpha"}, "account"),
        ({"scope": common_pb2.SCOPE_STRATEGY, "strategy_id": 7, "group_id": 3}, "group_id"),
    ],
)
async def test_a_target_that_means_less_than_its_scope_is_refused(
    world: RiskWorld, target: dict[str, Any], field: str
) -> None:
    request = risk_pb2.UnkillRequest(target=risk_pb2.RiskTarget(**target))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.limits.Unkill(request, metadata=OPERATOR)
    error = from_rpc_error(caught.value)
    assert (error.reason, error.field) == (reason.REASON_INVALID_REQUEST, f"target.{field}")


async def test_what_is_set_in_instruments_is_missing_nowhere(world: RiskWorld) -> None:
    asked = risk_pb2.GetLimitsRequest(account="alpha")
    assert not (await world.limits.GetLimits(asked, metadata=OPERATOR)).missing
    clear = risk_pb2.ClearLimitRequest(target=ACCOUNT, kind=OPEN_ORDERS)
    await world.limits.ClearLimit(clear, metadata=OPERATOR)
    assert (await world.limits.GetLimits(asked, metadata=OPERATOR)).missing == [OPEN_ORDERS]


async def test_a_kill_is_audited_once_where_it_took_effect(world: RiskWorld) -> None:
    request = risk_pb2.KillRequest(target=ACCOUNT, comment="runaway")
    answer = await world.limits.Kill(request, metadata=OPERATOR)
    done, asked = (await audit(world, page_size=2)).entries
    assert (asked.action, asked.sequence, asked.before_text) == ("request_kill", 0, "off")
    assert (done.action, done.before_text, done.after_text) == ("kill", "off", "on")
    assert done.sequence == answer.kill_switch.sequence > 0


async def test_a_kill_of_a_service_that_died_gets_its_place_at_the_next_start(
    world: RiskWorld,
) -> None:
    world.store.request_kill(ALPHA_LEVEL, Stamp("operator", 5, comment="runaway"))
    await world.agent.synchroniser.synchronise()
    switch = world.store.kill_switch(ALPHA_LEVEL)
    assert switch is not None
    assert (switch.author, switch.comment, switch.sequence > 0) == ("operator", "runaway", True)
    (entry,) = (await audit(world, page_size=1)).entries
    assert (entry.action, entry.sequence) == ("kill", switch.sequence)


async def test_the_audit_is_read_by_pages_and_filters(world: RiskWorld) -> None:
    for value in ("1", "2", "3"):
        await set_open_orders(world, value)
    page = await audit(world, page_size=2, account="alpha", action="set_limit", author="operator")
    assert [item.after_text for item in page.entries] == ["3", "2"]
    rest = await audit(
        world,
        page_size=2,
        page_token=page.next_page_token,
        account="alpha",
        author="operator",
    )
    assert [item.after_text for item in rest.entries] == ["1"]
    assert rest.next_page_token == ""
    assert not (await audit(world, account="beta", author="operator")).entries


async def test_an_import_tells_every_unknown_account_by_its_place(world: RiskWorld) -> None:
    nobody = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account="nobody")
    limits = [
        risk_pb2.SetLimitRequest(target=target, kind=OPEN_ORDERS, value=value)
        for target, value in ((nobody, "5"), (ACCOUNT, "-1"))
    ]
    request = admin.ImportLimitsRequest(limits=limits)
    answer = await world.administration.ImportLimits(request, metadata=OPERATOR)
    assert [item.index for item in answer.problems] == [0, 1]


def group_limits(count: int) -> admin.ImportLimitsRequest:
    """More limits than are under way at once, if there are more than 512."""
    groups = [
        risk_pb2.RiskTarget(scope=common_pb2.SCOPE_GROUP, group_id=group)
        for group in range(1, count + 1)
    ]
    return admin.ImportLimitsRequest(
        limits=[
            risk_pb2.SetLimitRequest(target=target, kind=OPEN_ORDERS, value="9")
            for target in groups
        ]
    )


async def test_the_audit_has_the_comment_of_every_change(world: RiskWorld) -> None:
    desk, limits = world.administration, world.limits
    scenarios = {"risk_group_id": 3, "delta": "1", "price_range": "2"}
    close = common_pb2.REFERENCE_PRICE_SOURCE_CLOSE
    changes: list[tuple[str, Any, Any]] = [
        ("set_cash", desk.SetCash, admin.SetCashRequest(account="alpha", cash="5")),
        ("set_group", desk.SetAccountGroup, admin.SetAccountGroupRequest(account="alpha")),
        ("set_margin", desk.SetMargin, admin.SetMarginRequest(instrument=ACME)),
        (
            "set_conversion",
            desk.SetConversion,
            admin.SetConversionRequest(currency="USD", rate="1"),
        ),
        (
            "set_scenarios",
            desk.SetScenarios,
            admin.SetScenariosRequest(instrument=ACME, **scenarios),
        ),
        (
            "set_reference_price",
            desk.SetReferencePrice,
            admin.SetReferencePriceRequest(instrument=ACME, price="100", source=close),
        ),
        (
            "set_limit",
            limits.SetLimit,
            risk_pb2.SetLimitRequest(target=ACCOUNT, kind=OPEN_ORDERS, value="9"),
        ),
        (
            "clear_limit",
            limits.ClearLimit,
            risk_pb2.ClearLimitRequest(target=ACCOUNT, kind=OPEN_ORDERS),
        ),
        (
            "set_limit",
            desk.ImportLimits,
            admin.ImportLimitsRequest(
                limits=[
                    risk_pb2.SetLimitRequest(
                        target=ACCOUNT, kind=OPEN_ORDERS, value="8", comment="why import"
                    )
                ]
            ),
        ),
    ]
    for action, call, request in changes:
        if not isinstance(request, admin.ImportLimitsRequest):
            request.comment = f"why {action}"
        await call(request, metadata=OPERATOR)
        entry = (await audit(world, page_size=1)).entries[0]
        imported = isinstance(request, admin.ImportLimitsRequest)
        expected = "why import" if imported else f"why {action}"
        assert (entry.action, entry.comment) == (action, expected)


async def test_the_audit_tells_each_scenario_that_changed(world: RiskWorld) -> None:
    for delta, count in (("1", 10), ("1", 1), ("-0.5", 10)):
        request = admin.SetScenariosRequest(
            instrument=ACME, risk_group_id=3, delta=delta, price_range="2"
        )
        done = await world.administration.SetScenarios(request, metadata=OPERATOR)
        listed = await audit(world, action="set_scenarios", page_size=50)
        entries = [entry for entry in listed.entries if entry.sequence == done.sequence]
        assert len(entries) >= count
        assert entries[-1].after_text == "risk group 3"
        assert {entry.kind for entry in entries} == {0}
    (third,) = [entry for entry in entries if entry.after_text.startswith("scenario 3 ")]
    assert (third.before_text, third.after_text) == (
        "scenario 3 gains 0.666666",
        "scenario 3 gains -0.333334",
    )


async def test_cash_beyond_half_of_what_fits_is_refused(world: RiskWorld) -> None:
    for cash, passes in (("-4611686018427.387903", True), ("4611686018427.387904", False)):
        request = admin.SetCashRequest(account="alpha", cash=cash)
        if passes:
            await world.administration.SetCash(request, metadata=OPERATOR)
            continue
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await world.administration.SetCash(request, metadata=OPERATOR)
        error = from_rpc_error(caught.value)
        assert (error.reason, error.field) == (reason.REASON_NUMBER_OUT_OF_RANGE, "cash")


async def test_an_import_of_many_limits_is_one_change(world: RiskWorld) -> None:
    answer = await world.administration.ImportLimits(group_limits(600), metadata=OPERATOR)
    assert answer.set_count == 600
    groups = world.venue.core.gate.groups
    assert (groups["open_orders"][groups["key"] > 0] == 9).sum() == 600


async def test_an_import_ends_even_if_its_caller_gave_up(world: RiskWorld) -> None:
    world.is_venue_up = False
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.administration.ImportLimits(group_limits(600), metadata=OPERATOR, timeout=0.3)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    world.is_venue_up = True
    last = Level(SCOPE_GROUP, 600)
    await wait_until_async(
        lambda: world.store.limit(last, OPEN_ORDERS) == 9, what="the last limit to be recorded"
    )


async def test_an_import_that_the_gate_refuses_leaves_what_was(world: RiskWorld) -> None:
    kind = control.LIMIT_KIND_OPEN_ORDERS
    before = world.store.limit(ALPHA_LEVEL, kind)
    unknown = Level(SCOPE_INSTRUMENT, 0, 4_000)
    acme = Level(SCOPE_INSTRUMENT, 0, ACME_ID)
    limits = [(ALPHA_LEVEL, kind, 5), (unknown, kind, 6), (acme, kind, 7)]
    with pytest.raises(TradeCaptainError) as caught:
        await world.agent.controller.set_limits(limits, "operator", 2.0)
    assert (caught.value.reason, caught.value.field) == (
        reason.REASON_UNKNOWN_INSTRUMENT,
        "limits[1]",
    )
    assert world.store.limit(ALPHA_LEVEL, kind) == before
    assert world.store.limit(acme, kind) is None
    assert limits_row(world)["open_orders"] == before


async def test_a_kill_of_an_order_that_has_ended_says_so(world: RiskWorld) -> None:
    target = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ORDER, order_id=7)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.limits.Kill(risk_pb2.KillRequest(target=target), metadata=OPERATOR)
    error = from_rpc_error(caught.value)
    assert (error.reason, error.field) == (reason.REASON_UNKNOWN_ORDER, "target.order_id")
    assert "order 7 isn't working" in error.message
