"""Restrictions, groups, cash, throttles and overrides, with the real gate behind the service."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.risk_world import STORE_FILE, RiskWorld, risk_world
from support.venue_driver import ALPHA
from tradecaptain.api.common.v1.common_pb2 import SCOPE_ACCOUNT, SCOPE_FIRM, SCOPE_GROUP
from tradecaptain.api.risk.v1 import administration_pb2 as admin
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.kernels.risk_gate.layout import RESTRICTION_SHIFT
from tradecaptain.risk.store import RiskStore

OPERATOR = (("authorization", "Bearer operator"),)
ACCOUNT = risk_pb2.RiskTarget(scope=SCOPE_ACCOUNT, account="alpha")
GROUP = risk_pb2.RiskTarget(scope=SCOPE_GROUP, group_id=30)
TRADING, MARKET = (
    admin.RESTRICTION_TRADING,
    admin.RESTRICTION_MARKET_ORDERS,
)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[RiskWorld, Any]]:
    async with risk_world(tmp_path) as world, world.served() as limits:
        world.limits = limits
        yield world, world.administration


def account_row(world: RiskWorld) -> Any:
    rows = world.venue.core.gate.accounts
    return rows[rows["limits"]["key"] == ALPHA][0]


async def restrict(stub: Any, target: Any, *restrictions: int) -> list[int]:
    request = admin.RestrictRequest(target=target, restrictions=restrictions, comment="why")
    answer = await stub.Restrict(request, metadata=OPERATOR)
    return list(answer.restrictions)


async def test_restrictions_reach_the_gate_and_are_listed_until_permitted(served: Any) -> None:
    world, stub = served
    assert await restrict(stub, ACCOUNT, TRADING) == [TRADING]
    assert await restrict(stub, ACCOUNT, MARKET) == [TRADING, MARKET]
    assert account_row(world)["limits"]["flags"] >> RESTRICTION_SHIFT == 1 | 128
    listed = await stub.ListRestrictions(admin.ListRestrictionsRequest(), metadata=OPERATOR)
    assert [(level.target, list(level.restrictions)) for level in listed.levels] == [
        (ACCOUNT, [TRADING, MARKET])
    ]
    permit = admin.PermitRequest(target=ACCOUNT, restrictions=[TRADING, MARKET])
    assert not (await stub.Permit(permit, metadata=OPERATOR)).restrictions
    assert account_row(world)["limits"]["flags"] >> RESTRICTION_SHIFT == 0
    listed = await stub.ListRestrictions(admin.ListRestrictionsRequest(), metadata=OPERATOR)
    assert not listed.levels


async def test_group_and_cash_reach_the_gate(served: Any) -> None:
    world, stub = served
    group = admin.SetAccountGroupRequest(account="alpha", group_id=30)
    await stub.SetAccountGroup(group, metadata=OPERATOR)
    cash = admin.SetCashRequest(account="alpha", cash="-12.5")
    await stub.SetCash(cash, metadata=OPERATOR)
    row = account_row(world)
    assert (row["group_id"], row["cash"]) == (30, -12_500_000)
    limit = risk_pb2.SetLimitRequest(target=GROUP, kind=risk_pb2.LIMIT_KIND_CREDIT, value="5")
    await world.limits.SetLimit(limit, metadata=OPERATOR)
    held = await world.limits.GetLimits(
        risk_pb2.GetLimitsRequest(account="alpha"), metadata=OPERATOR
    )
    credit = [item for item in held.limits if item.kind == risk_pb2.LIMIT_KIND_CREDIT]
    assert [(item.target, item.value) for item in credit] == [(GROUP, "5.000000")]


async def test_an_override_holds_until_its_time(served: Any) -> None:
    world, stub = served
    kind = risk_pb2.LIMIT_KIND_OPEN_ORDERS
    before = int(account_row(world)["limits"]["open_orders"])
    grant = admin.GrantOverrideRequest(
        target=ACCOUNT, kind=kind, value="7", duration_seconds=3600, comment="a busy day"
    )
    answer = await stub.GrantOverride(grant, metadata=OPERATOR)
    assert (answer.limit.value, answer.limit.author) == ("7", "operator")
    assert int(account_row(world)["limits"]["open_orders"]) == 7
    world.venue.now_ns = answer.expire_time_ns
    # Any record that the gate is shown after that time ends it.
    await stub.ResetThrottle(admin.ResetThrottleRequest(account="alpha"), metadata=OPERATOR)
    assert int(account_row(world)["limits"]["open_orders"]) == before


async def test_the_audit_tells_who_and_why(served: Any) -> None:
    _, stub = served
    await restrict(stub, ACCOUNT, TRADING)
    listed = await stub.ListAudit(admin.ListAuditRequest(page_size=1), metadata=OPERATOR)
    (entry,) = listed.entries
    assert (entry.action, entry.author, entry.comment) == ("restrict", "operator", "why")
    assert (entry.target, entry.before, entry.after) == (ACCOUNT, 0, 1)
    assert entry.sequence > 0


async def test_a_new_gate_is_told_everything_again(tmp_path: Path) -> None:
    async with risk_world(tmp_path) as world:
        async with world.served():
            stub = world.administration
            venue = risk_pb2.RiskTarget(scope=SCOPE_FIRM)
            await restrict(stub, venue, MARKET)
            group = admin.SetAccountGroupRequest(account="alpha", group_id=30)
            await stub.SetAccountGroup(group, metadata=OPERATOR)
            grant = admin.GrantOverrideRequest(
                target=ACCOUNT,
                kind=risk_pb2.LIMIT_KIND_OPEN_ORDERS,
                value="7",
                duration_seconds=3600,
                comment="a busy day",
            )
            await stub.GrantOverride(grant, metadata=OPERATOR)
        world.stop_venue()
        world.start_venue()
        await world.synchronised()
        row = account_row(world)
        assert (row["group_id"], row["limits"]["open_orders"]) == (30, 7)
        flags = world.venue.core.gate.header[0]["venue"]["flags"]
        assert flags >> RESTRICTION_SHIFT == 128


def test_a_store_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / STORE_FILE
    RiskStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "DROP TABLE settings; ALTER TABLE audit DROP COLUMN expire_time_ns;"
            " PRAGMA user_version = 1;"
        )
    with RiskStore(path) as store:
        assert store.settings(1) == []
