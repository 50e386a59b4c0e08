"""Conversion, margin, scenarios, days, totals, dry runs and imports, with the real gate behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.risk_world import RiskWorld, risk_world
from support.venue_driver import ALPHA, BETA
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.api.risk.v1 import administration_pb2 as admin
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.edge.errors import from_rpc_error
from tradecaptain.wire import control, execution_event, reason

OPERATOR = (("authorization", "Bearer operator"),)
OWNER = (("authorization", "Bearer alpha"),)
ACME = "ACME@TCAP"
ACME_ID = 1001
ACCOUNT = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account="alpha")
GROUP = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_GROUP, group_id=30)
PRICE = 10_000


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


async def set_limit(
    world: RiskWorld, target: risk_pb2.RiskTarget, name: str, value: str
) -> risk_pb2.Limit:
    kind = risk_pb2.LimitKind.Value(f"LIMIT_KIND_{name}")
    request = risk_pb2.SetLimitRequest(target=target, kind=kind, value=value)
    return (await world.limits.SetLimit(request, metadata=OPERATOR)).limit


async def check(world: RiskWorld, **terms: Any) -> risk_pb2.CheckOrderResponse:
    order = records_pb2.NewOrder(
        **{
            "account": "alpha",
            "instrument": ACME,
            "client_order_id": "ask",
            "side": common_pb2.SIDE_BUY,
            "type": records_pb2.ORDER_TYPE_LIMIT,
            "quantity": "10",
            "price": "100.00",
        }
        | terms
    )
    request = risk_pb2.CheckOrderRequest(order=order)
    return await world.limits.CheckOrder(request, metadata=OWNER)


async def refused(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return from_rpc_error(caught.value)


def account_row(world: RiskWorld, account_id: int = ALPHA) -> Any:
    rows = world.venue.core.gate.accounts
    return rows[rows["limits"]["key"] == account_id][0]


def instrument_row(world: RiskWorld) -> Any:
    rows = world.venue.core.gate.instruments
    return rows[rows["limits"]["key"] == ACME_ID][0]


async def test_a_dry_run_tells_what_the_gate_would_say_and_changes_nothing(
    world: RiskWorld,
) -> None:
    passed = await check(world)
    assert passed.passes
    assert passed.sequence > 0
    answer = await check(world, price="200.00")
    detail = answer.refusal
    assert not answer.passes
    assert detail.reason == reason.REASON_PRICE_COLLAR
    assert detail.clause == "RTS 6 art. 15(1)(a)"
    assert detail.reference_source == common_pb2.REFERENCE_PRICE_SOURCE_OUTSIDE_MARKET
    assert (detail.field, detail.observed) == ("order.price", "10000")
    assert answer.sequence > passed.sequence
    assert world.venue.core.gate.open_order_count(ALPHA) == 0
    assert world.last_sequence() == 0


@pytest.mark.parametrize(
    ("terms", "why", "field", "words"),
    [
        ({"quantity": "100000000"}, "INVALID_QUANTITY", "order.quantity", "is above the maximum"),
        ({"price": "10000000"}, "PRICE_OUT_OF_RANGE", "order.price", "lies outside"),
    ],
)
async def test_a_dry_run_has_the_words_of_a_refused_order(
    world: RiskWorld, terms: dict[str, str], why: str, field: str, words: str
) -> None:
    answer = await check(world, **terms)
    detail = answer.refusal
    assert not answer.passes
    assert (detail.reason, detail.field) == (getattr(reason, f"REASON_{why}"), field)
    assert words in detail.message
    assert detail.observed in detail.message
    assert detail.limit in detail.message
    assert (detail.level, detail.client_order_id) == (common_pb2.SCOPE_INSTRUMENT, "ask")


async def test_a_dry_run_of_another_account_is_refused(world: RiskWorld) -> None:
    error = await refused(check(world, account="beta"))
    assert error.reason == reason.REASON_PERMISSION_DENIED


async def test_changes_tell_from_which_command_on_they_hold(world: RiskWorld) -> None:
    limit = await set_limit(world, ACCOUNT, "OPEN_ORDERS", "7")
    clear = risk_pb2.ClearLimitRequest(target=ACCOUNT, kind=risk_pb2.LIMIT_KIND_OPEN_ORDERS)
    cleared = await world.limits.ClearLimit(clear, metadata=OPERATOR)
    assert 0 < limit.sequence < cleared.sequence
    answer = await check(world)
    assert answer.refusal.reason == reason.REASON_LIMIT_UNSET
    assert answer.sequence == cleared.sequence + 1


async def test_margin_and_credit_bound_what_an_account_may_buy(world: RiskWorld) -> None:
    margin = admin.SetMarginRequest(instrument=ACME, margin_basis_points=2_500)
    done = await world.administration.SetMargin(margin, metadata=OPERATOR)
    cash = admin.SetCashRequest(account="alpha", cash="250")
    assert (await world.administration.SetCash(cash, metadata=OPERATOR)).sequence > done.sequence
    await set_limit(world, ACCOUNT, "CREDIT", "0")
    assert (await check(world, quantity="10")).passes
    answer = await check(world, quantity="11")
    assert answer.refusal.reason == reason.REASON_CREDIT_LIMIT
    assert (answer.refusal.limit, answer.refusal.observed) == ("250.000000", "275.000000")


async def test_a_rate_converts_and_none_refuses(world: RiskWorld) -> None:
    await set_limit(world, ACCOUNT, "GROSS_EXPOSURE", "1500")
    rate = admin.SetConversionRequest(currency="USD", rate="2")
    answer = await world.administration.SetConversion(rate, metadata=OPERATOR)
    assert answer.instrument_count > 0
    gross = (await check(world)).refusal
    assert (gross.reason, gross.observed) == (reason.REASON_GROSS_EXPOSURE_LIMIT, "2000.000000")
    rate = admin.SetConversionRequest(currency="USD", rate="0")
    await world.administration.SetConversion(rate, metadata=OPERATOR)
    missing = (await check(world)).refusal
    assert missing.reason == reason.REASON_CONVERSION_RATE_MISSING
    assert (missing.field, missing.retryable) == ("order.instrument", False)
    assert missing.message.endswith("(the limit is gross exposure, at the level of the account)")
    rate = admin.SetConversionRequest(currency="XAU", rate="1")
    error = await refused(world.administration.SetConversion(rate, metadata=OPERATOR))
    assert error.field == "currency"


async def test_totals_of_a_desk_bind_all_its_accounts(world: RiskWorld) -> None:
    for account in ("alpha", "beta"):
        group = admin.SetAccountGroupRequest(account=account, group_id=30)
        await world.administration.SetAccountGroup(group, metadata=OPERATOR)
    await set_limit(world, GROUP, "TOTAL_GROSS_EXPOSURE", "2500")
    world.venue.order(account_id=BETA, price_units=PRICE, quantity_units=20)
    await world.reached(1)
    answer = await check(world)
    detail = answer.refusal
    assert detail.reason == reason.REASON_TOTAL_GROSS_EXPOSURE_LIMIT
    assert (detail.level, detail.limit, detail.observed) == (
        common_pb2.SCOPE_GROUP,
        "2500.000000",
        "3000.000000",
    )
    values = risk_pb2.GetValuesRequest(target=GROUP)
    held = await world.limits.GetValues(values, metadata=OPERATOR)
    assert held.gross_exposure == "2000.000000"
    error = await refused(world.limits.GetValues(values, metadata=OWNER))
    assert error.reason == reason.REASON_PERMISSION_DENIED
    in_acme = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_GROUP, group_id=30, instrument=ACME)
    limit = await set_limit(world, in_acme, "TOTAL_POSITION_LONG", "25")
    assert limit.target == in_acme
    await set_limit(world, GROUP, "TOTAL_GROSS_EXPOSURE", "unlimited")
    assert (await check(world, quantity="5")).passes
    detail = (await check(world, quantity="6")).refusal
    assert detail.reason == reason.REASON_TOTAL_POSITION_LIMIT_LONG
    assert (detail.limit, detail.observed) == ("25", "26")
    error = await refused(set_limit(world, GROUP, "TOTAL_POSITION_LONG", "25"))
    assert error.field == "target.instrument"


async def test_scenarios_give_a_margin_in_which_a_hedge_counts(world: RiskWorld) -> None:
    request = admin.SetScenariosRequest(
        instrument=ACME, risk_group_id=5, delta="1", price_range="30"
    )
    await world.administration.SetScenarios(request, metadata=OPERATOR)
    await set_limit(world, ACCOUNT, "CREDIT", "300")
    # A move by the whole range of 30 costs 300 on 10.
    assert (await check(world, quantity="10")).passes
    detail = (await check(world, quantity="11")).refusal
    assert (detail.reason, detail.observed) == (reason.REASON_CREDIT_LIMIT, "330.000000")
    wrong = admin.SetScenariosRequest(instrument=ACME, risk_group_id=5, changes=["1"] * 15)
    error = await refused(world.administration.SetScenarios(wrong, metadata=OPERATOR))
    assert error.field == "changes"
    out = admin.SetScenariosRequest(instrument=ACME)
    await world.administration.SetScenarios(out, metadata=OPERATOR)
    detail = (await check(world, quantity="10")).refusal
    assert detail.observed == "1000.000000"


async def test_a_new_gate_is_told_terms_again(tmp_path: Path) -> None:
    async with risk_world(tmp_path) as world:
        async with world.served():
            stub = world.administration
            scenarios = admin.SetScenariosRequest(
                instrument=ACME, risk_group_id=5, changes=[str(place) for place in range(16)]
            )
            await stub.SetScenarios(scenarios, metadata=OPERATOR)
            rate = admin.SetConversionRequest(currency="USD", rate="1.5")
            await stub.SetConversion(rate, metadata=OPERATOR)
            margin = admin.SetMarginRequest(instrument=ACME, margin_basis_points=0)
            await stub.SetMargin(margin, metadata=OPERATOR)
            close = admin.SetReferencePriceRequest(
                instrument=ACME, price="99.50", source=common_pb2.REFERENCE_PRICE_SOURCE_CLOSE
            )
            await stub.SetReferencePrice(close, metadata=OPERATOR)
            before = instrument_row(world).copy()
        world.stop_venue()
        world.start_venue()
        await world.synchronised()
        after = instrument_row(world)
        for name in ("margin_bps", "close_price", "reference_flags"):
            assert after[name] == before[name]
        assert before["close_price"] == 9_950
        changes = world.venue.core.gate.scenario_rows
        (row,) = changes[changes["key"] == ACME_ID]
        assert row["changes"].tolist() == [place * (1 << 20) * 10**6 for place in range(16)]
        assert account_row(world)["firm_id"] == 10


async def test_a_dry_run_asks_the_venues_own_rules_where_it_can(world: RiskWorld) -> None:
    plain = await check(world)
    assert (plain.passes, plain.venue_rules) == (True, True)
    never_rests = records_pb2.TIME_IN_FORCE_GOOD_TILL_CANCEL
    of_market = {"type": records_pb2.ORDER_TYPE_MARKET, "price": None}
    market = await check(world, **of_market, time_in_force=never_rests)
    assert market.venue_rules
    assert market.refusal.reason == reason.REASON_INVALID_TIME_IN_FORCE
    assert market.refusal.level == 0
    shown = await check(world, display_quantity="1")
    assert (shown.passes, shown.venue_rules) == (True, False)


async def test_a_day_begins_at_no_profit(world: RiskWorld) -> None:
    await set_limit(world, ACCOUNT, "DAILY_LOSS", "1000")
    position = {"scope": control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT, "instrument_id": ACME_ID}
    action = control.CONTROL_ACTION_SET_POSITION
    world.venue.control(action=action, scope_id=ALPHA, value=10, **position)
    world.venue.control(
        action=control.CONTROL_ACTION_REFERENCE_PRICE,
        scope=control.CONTROL_SCOPE_INSTRUMENT,
        instrument_id=ACME_ID,
        value=PRICE + 100,
        flags=8,
    )
    values = risk_pb2.GetValuesRequest(target=ACCOUNT)
    await world.administration.Revalue(admin.RevalueRequest(), metadata=OPERATOR)
    held = await world.limits.GetValues(values, metadata=OWNER)
    assert held.profit_of_day == "10.000000"
    await world.administration.StartDay(admin.StartDayRequest(comment="open"), metadata=OPERATOR)
    held = await world.limits.GetValues(values, metadata=OWNER)
    assert (held.profit_of_day, held.profit) == ("0.000000", "10.000000")


async def test_an_import_is_looked_at_as_a_whole(world: RiskWorld) -> None:
    def limit(target: risk_pb2.RiskTarget, name: str, value: str) -> risk_pb2.SetLimitRequest:
        kind = risk_pb2.LimitKind.Value(f"LIMIT_KIND_{name}")
        return risk_pb2.SetLimitRequest(target=target, kind=kind, value=value)

    good = [limit(ACCOUNT, "OPEN_ORDERS", "7"), limit(GROUP, "TOTAL_CREDIT", "1.5")]
    bad = [*good, limit(GROUP, "ORDER_QUANTITY", "5"), limit(ACCOUNT, "OPEN_ORDERS", "8")]
    request = admin.ImportLimitsRequest(limits=bad)
    answer = await world.administration.ImportLimits(request, metadata=OPERATOR)
    assert [(item.index, item.field) for item in answer.problems] == [
        (2, "target.scope"),
        (3, "kind"),
    ]
    assert answer.set_count == 0
    assert account_row(world)["limits"]["open_orders"] != 7
    request = admin.ImportLimitsRequest(limits=good)
    answer = await world.administration.ImportLimits(request, metadata=OPERATOR)
    assert (answer.set_count, answer.equal_count) == (2, 0)
    assert account_row(world)["limits"]["open_orders"] == 7
    answer = await world.administration.ImportLimits(request, metadata=OPERATOR)
    assert (answer.set_count, answer.equal_count, answer.sequence) == (0, 2, 0)


async def test_one_order_and_a_whole_desk_are_killed(world: RiskWorld) -> None:
    for account_id in (ALPHA, ALPHA, BETA):
        world.venue.order(account_id=account_id, price_units=PRICE, quantity_units=10)
    await world.reached(3)
    accepted = world.venue.read("execution")
    order_id = accepted[0]["order_id"]
    target = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ORDER, order_id=order_id)
    kill = risk_pb2.KillRequest(target=target, comment="fat finger")
    answer = await world.limits.Kill(kill, metadata=OPERATOR)
    assert (answer.cancelled_count, answer.kill_switch.target) == (1, target)
    error = await refused(world.limits.Kill(kill, metadata=OPERATOR))
    assert error.reason == reason.REASON_UNKNOWN_ORDER
    group = admin.SetAccountGroupRequest(account="alpha", group_id=30)
    await world.administration.SetAccountGroup(group, metadata=OPERATOR)
    kill = risk_pb2.KillRequest(target=GROUP, cancel_working_orders=True)
    answer = await world.limits.Kill(kill, metadata=OPERATOR)
    assert answer.cancelled_count == 1
    assert world.venue.core.gate.open_order_count(ALPHA) == 0
    assert world.venue.core.gate.open_order_count(BETA) == 1
    assert (await check(world)).refusal.reason == reason.REASON_KILL_SWITCH
    cancelled = [
        event
        for event in world.venue.read("execution")
        if event["execution_type"] == execution_event.EXECUTION_TYPE_CANCELLED
    ]
    assert [event["order_id"] for event in cancelled] == [order_id, accepted[1]["order_id"]]


async def test_only_kill_switches_know_a_single_order(world: RiskWorld) -> None:
    target = risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ORDER, order_id=1)
    error = await refused(set_limit(world, target, "OPEN_ORDERS", "7"))
    assert error.field == "target.scope"
