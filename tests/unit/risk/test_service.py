"""RiskService on a real server: texts, errors, roles, hierarchy, pages; the real gate behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.risk_world import RiskWorld, risk_world
from support.venue_driver import BETA
from support.wait import wait_until_async
from tradecaptain.api.common.v1.common_pb2 import (
    SCOPE_ACCOUNT,
    SCOPE_ACCOUNT_INSTRUMENT,
    SCOPE_FIRM,
    SCOPE_GROUP,
    SCOPE_INSTRUMENT,
    SCOPE_STRATEGY,
)
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.risk.ledger import AccountState
from tradecaptain.wire import common, control, reason

OPERATOR = (("authorization", "Bearer operator"),)
ALPHA = (("authorization", "Bearer alpha"),)
ACME = "ACME@TCAP"
ACME_ID = 1001
QUANTITY = risk_pb2.LIMIT_KIND_ORDER_QUANTITY
NOTIONAL = risk_pb2.LIMIT_KIND_ORDER_NOTIONAL
OPEN_ORDERS = risk_pb2.LIMIT_KIND_OPEN_ORDERS


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[RiskWorld, Any]]:
    async with risk_world(folder) as world, world.served() as stub:
        yield world, stub


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[RiskWorld, Any]]:
    async with serving(tmp_path) as pair:
        yield pair


def pair_target(account: str = "alpha", instrument: str = ACME) -> risk_pb2.RiskTarget:
    return risk_pb2.RiskTarget(
        scope=SCOPE_ACCOUNT_INSTRUMENT, account=account, instrument=instrument
    )


async def refused(call: Any) -> TradeCaptainError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


async def test_limit_is_set_in_exact_text_and_told_back(served: Any) -> None:
    _, stub = served
    request = risk_pb2.SetLimitRequest(target=pair_target(), kind=NOTIONAL, value="12345.678901")
    limit = (await stub.SetLimit(request, metadata=OPERATOR)).limit
    assert limit.value == "12345.678901"
    assert limit.author == "operator"
    assert limit.sequence > 0
    assert limit.target == pair_target()
    asked = risk_pb2.GetLimitsRequest(account="alpha", instrument=ACME)
    answer = await stub.GetLimits(asked, metadata=ALPHA)
    assert {item.kind: item.value for item in answer.limits}[NOTIONAL] == "12345.678901"
    assert not answer.missing


@pytest.mark.parametrize(
    ("target", "kind", "value", "expected", "field"),
    [
        (pair_target(), QUANTITY, "-1", reason.REASON_NUMBER_OUT_OF_RANGE, "value"),
        (pair_target(), QUANTITY, "1.5", reason.REASON_INVALID_REQUEST, "value"),
        (pair_target(), QUANTITY, "ten", reason.REASON_INVALID_REQUEST, "value"),
        (pair_target(), QUANTITY, "9" * 30, reason.REASON_NUMBER_OUT_OF_RANGE, "value"),
        (pair_target(), QUANTITY, str(2**63 - 1), reason.REASON_NUMBER_OUT_OF_RANGE, "value"),
        (pair_target(), OPEN_ORDERS, "5", reason.REASON_INVALID_REQUEST, "target.scope"),
        (pair_target(account=""), QUANTITY, "5", reason.REASON_INVALID_REQUEST, "target.account"),
        (
            pair_target(instrument=""),
            QUANTITY,
            "5",
            reason.REASON_INVALID_REQUEST,
            "target.instrument",
        ),
        (
            pair_target(instrument="ACME@XSIM"),
            QUANTITY,
            "5",
            reason.REASON_UNKNOWN_INSTRUMENT,
            "target.instrument",
        ),
        (
            pair_target(account="nobody"),
            QUANTITY,
            "5",
            reason.REASON_UNKNOWN_ACCOUNT,
            "target.account",
        ),
        (
            risk_pb2.RiskTarget(scope=SCOPE_ACCOUNT, account="alpha"),
            QUANTITY,
            "5",
            reason.REASON_INVALID_REQUEST,
            "target.scope",
        ),
        (
            risk_pb2.RiskTarget(scope=SCOPE_STRATEGY, strategy_id=5),
            QUANTITY,
            "5",
            reason.REASON_INVALID_REQUEST,
            "target.scope",
        ),
        (
            pair_target(),
            risk_pb2.LIMIT_KIND_DAILY_LOSS,
            "5",
            reason.REASON_INVALID_REQUEST,
            "target.scope",
        ),
        (
            risk_pb2.RiskTarget(scope=SCOPE_GROUP),
            NOTIONAL,
            "5",
            reason.REASON_INVALID_REQUEST,
            "target.group_id",
        ),
        (
            risk_pb2.RiskTarget(scope=SCOPE_STRATEGY),
            NOTIONAL,
            "5",
            reason.REASON_INVALID_REQUEST,
            "target.strategy_id",
        ),
        (
            risk_pb2.RiskTarget(scope=SCOPE_FIRM, firm_id=99),
            NOTIONAL,
            "5",
            reason.REASON_INVALID_REQUEST,
            "target.firm_id",
        ),
    ],
)
async def test_bad_limit_names_field_and_reason(
    served: Any, target: Any, kind: int, value: str, expected: int, field: str
) -> None:
    _, stub = served
    request = risk_pb2.SetLimitRequest(target=target, kind=kind, value=value)
    error = await refused(stub.SetLimit(request, metadata=OPERATOR))
    assert (error.reason, error.field) == (expected, field)


async def test_only_operators_change_limits_and_kill(served: Any) -> None:
    _, stub = served
    target = pair_target()
    calls = [
        stub.SetLimit(
            risk_pb2.SetLimitRequest(target=target, kind=QUANTITY, value="5"), metadata=ALPHA
        ),
        stub.ClearLimit(risk_pb2.ClearLimitRequest(target=target, kind=QUANTITY), metadata=ALPHA),
        stub.Kill(risk_pb2.KillRequest(target=target), metadata=ALPHA),
        stub.Unkill(risk_pb2.UnkillRequest(target=target), metadata=ALPHA),
        stub.ListLimits(risk_pb2.ListLimitsRequest(), metadata=ALPHA),
        stub.ListKillSwitches(risk_pb2.ListKillSwitchesRequest(), metadata=ALPHA),
        stub.GetPositions(risk_pb2.GetPositionsRequest(account="beta"), metadata=ALPHA),
        stub.GetLimits(risk_pb2.GetLimitsRequest(account="beta"), metadata=ALPHA),
        stub.GetExposure(risk_pb2.GetExposureRequest(account="beta"), metadata=ALPHA),
    ]
    for call in calls:
        assert (await refused(call)).reason == reason.REASON_PERMISSION_DENIED
    anonymous = stub.GetLimits(risk_pb2.GetLimitsRequest(account="alpha"))
    assert (await refused(anonymous)).reason == reason.REASON_UNAUTHENTICATED


async def test_limits_are_the_tightest_of_the_hierarchy_and_the_missing_are_named(
    served: Any,
) -> None:
    _, stub = served

    async def set_limit(target: risk_pb2.RiskTarget, kind: Any, value: str) -> None:
        request = risk_pb2.SetLimitRequest(target=target, kind=kind, value=value)
        await stub.SetLimit(request, metadata=OPERATOR)

    await set_limit(risk_pb2.RiskTarget(scope=SCOPE_FIRM, firm_id=10), NOTIONAL, "100")
    await set_limit(risk_pb2.RiskTarget(scope=SCOPE_FIRM), NOTIONAL, "200")
    here = risk_pb2.RiskTarget(scope=SCOPE_INSTRUMENT, instrument=ACME)
    await set_limit(here, QUANTITY, "3")
    clear = risk_pb2.ClearLimitRequest(target=pair_target(), kind=QUANTITY)
    assert (await stub.ClearLimit(clear, metadata=OPERATOR)).was_set
    asked = risk_pb2.GetLimitsRequest(account="alpha", instrument=ACME)
    answer = await stub.GetLimits(asked, metadata=OPERATOR)
    found = {limit.kind: limit for limit in answer.limits}
    assert found[NOTIONAL].value == "100.000000"
    assert found[NOTIONAL].target.firm_id == 10
    assert found[QUANTITY].target.scope == SCOPE_INSTRUMENT
    assert list(answer.missing) == [QUANTITY]
    other_firm = await stub.GetLimits(
        risk_pb2.GetLimitsRequest(account="beta", instrument=ACME), metadata=OPERATOR
    )
    assert {limit.kind: limit.value for limit in other_firm.limits}[NOTIONAL] == "200.000000"


async def test_kill_switches_are_listed_with_their_author_until_they_are_off(served: Any) -> None:
    _, stub = served
    target = risk_pb2.RiskTarget(scope=SCOPE_ACCOUNT, account="alpha")
    kill = risk_pb2.KillRequest(target=target, comment="fat finger")
    answer = await stub.Kill(kill, metadata=OPERATOR)
    assert answer.kill_switch.comment == "fat finger"
    listed = await stub.ListKillSwitches(risk_pb2.ListKillSwitchesRequest(), metadata=OPERATOR)
    assert list(listed.kill_switches) == [answer.kill_switch]
    unkill = risk_pb2.UnkillRequest(target=target)
    assert (await stub.Unkill(unkill, metadata=OPERATOR)).was_on
    assert not (await stub.Unkill(unkill, metadata=OPERATOR)).was_on
    listed = await stub.ListKillSwitches(risk_pb2.ListKillSwitchesRequest(), metadata=OPERATOR)
    assert not listed.kill_switches


async def test_pages_hold_every_limit_once(served: Any) -> None:
    world, stub = served
    seen = []
    token = ""
    while True:
        request = risk_pb2.ListLimitsRequest(page_size=7, page_token=token)
        page = await stub.ListLimits(request, metadata=OPERATOR)
        assert len(page.limits) <= 7
        seen += [(str(limit.target), limit.kind) for limit in page.limits]
        token = page.next_page_token
        if not token:
            break
    assert len(seen) == len(set(seen)) == len(world.store.limits())
    bad = stub.ListLimits(risk_pb2.ListLimitsRequest(page_token="1.2.x.4"), metadata=OPERATOR)
    assert (await refused(bad)).field == "page_token"


async def test_filters_of_the_list_all_hold(served: Any) -> None:
    _, stub = served
    request = risk_pb2.ListLimitsRequest(
        scope=SCOPE_ACCOUNT_INSTRUMENT, account="beta", instrument=ACME, page_size=1000
    )
    page = await stub.ListLimits(request, metadata=OPERATOR)
    assert page.limits
    assert all(limit.target == pair_target("beta") for limit in page.limits)


async def test_positions_and_exposure_are_exact(served: Any) -> None:
    world, stub = served
    world.venue.control(
        action=control.CONTROL_ACTION_REFERENCE_PRICE,
        scope=control.CONTROL_SCOPE_INSTRUMENT,
        instrument_id=ACME_ID,
        value=10_000,
    )
    for price, quantity in ((10_001, 10), (10_004, 20)):
        world.venue.order(
            price_units=price, quantity_units=quantity, side=2, account_id=BETA, firm_id=11
        )
        world.venue.order(price_units=price, quantity_units=quantity)
    world.venue.order(price_units=9_990, quantity_units=7, side=common.SIDE_BUY)
    world.venue.order(price_units=10_010, quantity_units=5, side=common.SIDE_SELL)
    await wait_until_async(
        lambda: world.agent.ledger.last_sequence >= 10, what="the events of the orders"
    )
    positions = await stub.GetPositions(
        risk_pb2.GetPositionsRequest(account="alpha"), metadata=ALPHA
    )
    (position,) = positions.positions
    assert (position.quantity, position.bought_quantity, position.sold_quantity) == (
        "30",
        "30",
        "0",
    )
    assert position.average_price == "100.03"
    assert position.realised_profit == "0.00"
    assert positions.position.epoch == world.epoch
    exposure = await stub.GetExposure(risk_pb2.GetExposureRequest(account="alpha"), metadata=ALPHA)
    (line,) = exposure.exposures
    assert (line.position, line.working_buy_quantity, line.working_sell_quantity) == (
        "30",
        "7",
        "5",
    )
    assert exposure.open_order_count == line.open_order_count == 2
    assert line.mark_price == "100.04"
    assert line.net_notional == "3001.20"
    assert line.worst_case_notional == "3701.48"
    assert line.currency == "USD"
    other = await stub.GetExposure(
        risk_pb2.GetExposureRequest(account="alpha", instrument="GLOBX@TCAP"), metadata=ALPHA
    )
    assert not other.exposures
    assert other.open_order_count == 2


async def test_deadline_of_the_caller_is_honoured(served: Any) -> None:
    world, stub = served
    world.is_venue_up = False
    request = risk_pb2.SetLimitRequest(target=pair_target(), kind=QUANTITY, value="5")
    error = await refused(stub.SetLimit(request, metadata=OPERATOR, timeout=0.3))
    assert error.reason == reason.REASON_OUTCOME_UNKNOWN
    world.is_venue_up = True
    await wait_until_async(
        lambda: any(record.author == "operator" for record in world.store.limits()),
        what="the late outcome to be recorded",
    )


async def test_positions_of_an_account_with_lost_events_are_refused(served: Any) -> None:
    world, stub = served
    ledger = world.agent.ledger
    lost = [AccountState(100, last_sequence=40, is_complete=False)]
    ledger.load([], lost, ledger.epoch, ledger.last_sequence)
    error = await refused(
        stub.GetPositions(risk_pb2.GetPositionsRequest(account="alpha"), metadata=ALPHA)
    )
    assert error.reason == reason.REASON_UNAVAILABLE
    assert error.field == "account"
