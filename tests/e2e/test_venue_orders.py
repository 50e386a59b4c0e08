"""Every kind of order and phase as a trader and an administrator use them, in a running mesh.

Each test opens an instrument of its own, so that nobody else's orders are in its book.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import grpc
import pytest
from support.running_mesh import CALL_SECONDS, RunningMesh, running_mesh
from support.venue_client import (
    AT_CLOSE,
    AT_OPEN,
    CANCELLED,
    CLOSING,
    CONTINUOUS,
    DAY,
    EXPIRED,
    FILLED,
    GTC,
    GTD,
    INTRADAY,
    LIMIT,
    NAMES,
    OPENING,
    PARTLY,
    PEGGED,
    STOP,
    STOP_LIMIT,
    TRAILING,
    VOLATILITY,
    WORKING,
    Venue,
)
from support.wait import wait_until
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.instruments.v1 import instruments_pb2, instruments_pb2_grpc
from tradecaptain.api.orderbook.v1 import administration_pb2 as administration
from tradecaptain.api.orderbook.v1.administration_pb2_grpc import VenueAdministrationServiceStub
from tradecaptain.api.orders.v1 import orders_pb2, orders_pb2_grpc, records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.tokens import token_of
from tradecaptain.wire import reason

SECOND_NS = 1_000_000_000
TRADE = records_pb2.EXECUTION_TYPE_TRADE


@pytest.fixture(scope="module")
def venue_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    with running_mesh(tmp_path_factory.mktemp("venue") / "run") as started:
        yield started


@pytest.fixture
def venue(venue_mesh: RunningMesh) -> Iterator[Venue]:
    with venue_mesh.channel() as channel:
        yield Venue(venue_mesh, channel)


@pytest.fixture
def traded(venue: Venue) -> Venue:
    """An instrument whose last price is 100."""
    venue.create(reference_price="100.00")
    venue.submit("beta", "sell", 1, price="100.00")
    venue.submit("alpha", "buy", 1, price="100.00")
    return venue


def refused(call: Callable[[], Any]) -> int:
    with pytest.raises(TradeCaptainError) as error:
        call()
    return error.value.reason


def test_a_new_instrument_is_known_everywhere(venue: Venue) -> None:
    instrument = venue.create(lot="10", minimum_quantity="10")
    stub = instruments_pb2_grpc.InstrumentServiceStub
    request = instruments_pb2.GetInstrumentRequest(instrument=venue.name)
    assert venue.call(stub, "GetInstrument", request, "alpha").instrument == instrument
    assert venue.book() == ([], [])
    assert venue.try_order("alpha", "buy", 15, price="1.00") == reason.REASON_INVALID_QUANTITY
    placed = venue.submit("alpha", "buy", 20, price="1.00")
    assert (placed.instrument, placed.status) == (venue.name, WORKING)
    venue.shows([(100, 20)], [])
    again = venue.admin(
        "CreateInstrument",
        symbol=venue.symbol,
        like="ACME@TCAP",
        lot="10",
        minimum_quantity="10",
    )
    assert again.duplicate
    with pytest.raises(grpc.RpcError):
        VenueAdministrationServiceStub(venue.channel).CreateInstrument(
            administration.CreateInstrumentRequest(symbol="NOT", like="ACME@TCAP"),
            metadata=venue.mesh.metadata("alpha"),
            timeout=CALL_SECONDS,
        )


def test_stop_and_stop_limit(traded: Venue) -> None:
    stop = traded.submit("alpha", "buy", 5, type=STOP, stop_price="101.00")
    limited = traded.submit("alpha", "buy", 5, type=STOP_LIMIT, stop_price="102.00", price="102.50")
    assert (stop.status, limited.status) == (WORKING, WORKING)
    assert (stop.stop_price, stop.HasField("price")) == ("101.00", False)
    assert (limited.stop_price, limited.price) == ("102.00", "102.50")
    moved = traded.replace(limited.order_id, stop_price="101.50")
    assert (moved.status, moved.stop_price) == (WORKING, "101.50")
    traded.submit("beta", "sell", 6, price="101.00")
    traded.submit("beta", "sell", 1, price="101.60")
    traded.submit("alpha", "buy", 1, price="101.00")
    assert Decimal(traded.soon(stop.order_id, status=FILLED).average_price) == Decimal("101")
    assert traded.order(limited.order_id).status == WORKING
    traded.submit("alpha", "buy", 1, price="101.60")
    assert traded.soon(limited.order_id, status=WORKING).leaves_quantity == "5"
    traded.shows([(10_250, 5)], [])


def test_trailing_stops_follow_and_are_elected(traded: Venue) -> None:
    absolute = traded.submit("alpha", "sell", 2, type=TRAILING, trailing_distance="1.00")
    relative = traded.submit("alpha", "sell", 3, type=TRAILING, trailing_basis_points=500)
    traded.submit("beta", "buy", 10, price="100.50", time_in_force=GTC)
    for price in ("103.00", "101.99"):
        traded.submit("beta", "sell", 1, price=price)
        traded.submit("alpha", "buy", 1, price=price)
    assert Decimal(traded.soon(absolute.order_id, status=FILLED).average_price) == Decimal("100.5")
    assert traded.order(relative.order_id).status == WORKING


def test_pegs_follow_the_best_price(traded: Venue) -> None:
    best = traded.submit("beta", "buy", 1, price="99.00")
    ask = traded.submit("beta", "sell", 1, price="101.00")
    own = traded.submit(
        "alpha", "buy", 7, type=PEGGED, peg_reference=1, peg_offset="-0.10", price="99.60"
    )
    middle = traded.submit("alpha", "buy", 9, type=PEGGED, peg_reference=3, hidden=True)
    traded.shows([(9_900, 1), (9_890, 7)], [(10_100, 1)])
    traded.submit("beta", "buy", 2, price="99.50")
    traded.shows([(9_950, 2), (9_940, 7), (9_900, 1)], [(10_100, 1)])
    assert Decimal(traded.order(own.order_id).price) == Decimal("99.4")
    assert Decimal(traded.order(middle.order_id).price) == Decimal("100.25")
    traded.mass_cancel("beta")
    traded.shows([], [])
    assert traded.order(own.order_id).status == WORKING
    assert best.order_id < ask.order_id


def test_icebergs_show_a_part_and_refill_behind(venue: Venue) -> None:
    venue.create()
    ice = venue.submit(
        "alpha", "sell", 50, price="10.00", display_quantity="10", minimum_visible="5"
    )
    venue.submit("beta", "sell", 3, price="10.00")
    venue.shows([], [(1_000, 13)])
    venue.submit("beta", "buy", 6, price="10.00", self_trade_group=77)
    venue.shows([], [(1_000, 13)])
    assert venue.order(ice.order_id).leaves_quantity == "44"


def test_hidden_orders_trade_unseen_and_behind(venue: Venue) -> None:
    venue.create()
    hidden = venue.submit("alpha", "sell", 5, price="10.00", hidden=True)
    shown = venue.submit("alpha", "sell", 5, price="10.00")
    venue.shows([], [(1_000, 5)])
    venue.submit("beta", "buy", 6, price="10.00", self_trade_group=77)
    assert venue.order(shown.order_id).status == FILLED
    assert venue.order(hidden.order_id).cumulative_quantity == "1"
    venue.shows([], [])


def test_post_only_is_refused_or_slides(venue: Venue) -> None:
    venue.create()
    venue.submit("beta", "sell", 5, price="10.00")
    terms = {"price": "10.05", "post_only": True}
    assert venue.try_order("alpha", "buy", 1, **terms) == reason.REASON_POST_ONLY_WOULD_TRADE
    slid = venue.submit("alpha", "buy", 1, slide=True, **terms)
    assert (Decimal(slid.price), slid.status) == (Decimal("9.99"), WORKING)


def test_all_or_none_and_minimum_quantity(venue: Venue) -> None:
    venue.create()
    whole = venue.submit("alpha", "sell", 10, price="10.00", all_or_none=True)
    least = venue.submit("alpha", "sell", 10, price="10.01", minimum_quantity="4")
    passed = venue.submit("beta", "buy", 5, price="10.01")
    assert Decimal(passed.average_price) == Decimal("10.01")
    assert venue.order(least.order_id).cumulative_quantity == "5"
    assert venue.order(whole.order_id).cumulative_quantity == "0"
    venue.submit("beta", "buy", 10, price="10.00")
    assert Decimal(venue.soon(whole.order_id, status=FILLED).average_price) == Decimal("10")


def test_one_cancels_the_other(traded: Venue) -> None:
    group = {"group_id": 5, "group_role": 1}
    target = traded.submit("alpha", "sell", 5, price="105.00", **group)
    stop = traded.submit("alpha", "sell", 5, type=STOP, stop_price="95.00", **group)
    traded.submit("beta", "buy", 1, price="105.00")
    assert traded.soon(stop.order_id, status=CANCELLED).reason == reason.REASON_CANCELLED_BY_GROUP
    assert traded.order(target.order_id).status == PARTLY


def test_a_bracket_wakes_its_exits(traded: Venue) -> None:
    entry = traded.submit("alpha", "buy", 5, price="99.00", group_id=6, group_role=2)
    exit_terms = {"group_id": 6, "group_role": 3}
    target = traded.submit("alpha", "sell", 5, price="103.00", **exit_terms)
    loss = traded.submit("alpha", "sell", 5, type=STOP, stop_price="95.00", **exit_terms)
    traded.shows([(9_900, 5)], [])
    traded.submit("beta", "sell", 5, price="99.00")
    traded.shows([], [(10_300, 5)])
    assert traded.order(entry.order_id).status == FILLED
    traded.submit("beta", "buy", 5, price="103.00")
    assert traded.soon(target.order_id, status=FILLED)
    assert traded.soon(loss.order_id, status=CANCELLED)


def test_good_till_date_ends_by_the_clock(venue: Venue) -> None:
    venue.create()
    expires_ns = time.time_ns() + SECOND_NS // 2
    order = venue.submit(
        "alpha", "buy", 1, price="9.00", time_in_force=GTD, expire_time_ns=expires_ns
    )
    assert venue.soon(order.order_id, status=EXPIRED).reason == reason.REASON_EXPIRE_TIME_REACHED


def test_an_amendment_keeps_or_loses_the_place(venue: Venue) -> None:
    venue.create()
    first = venue.submit("alpha", "sell", 10, price="10.00")
    second = venue.submit("alpha", "sell", 10, price="10.00")
    assert venue.replace(first.order_id, quantity="6").leaves_quantity == "6"
    venue.submit("beta", "buy", 6, price="10.00")
    assert venue.order(first.order_id).status == FILLED
    third = venue.submit("alpha", "sell", 10, price="10.00")
    assert venue.replace(second.order_id, quantity="12").leaves_quantity == "12"
    venue.submit("beta", "buy", 10, price="10.00")
    assert venue.order(third.order_id).status == FILLED
    assert venue.cancel(second.order_id, quantity="5").leaves_quantity == "7"
    venue.shows([], [(1_000, 7)])


def test_mass_cancel_by_instrument_side_and_tag(venue: Venue) -> None:
    venue.create()
    for side, price in (("buy", "9.00"), ("sell", "11.00")):
        for strategy in (0, 8, 8):
            venue.submit("alpha", side, 1, price=price, strategy_id=strategy)
    stop = venue.submit("alpha", "buy", 1, type=STOP, stop_price="12.00", strategy_id=8)
    other = venue.submit("beta", "buy", 1, price="8.00")
    assert venue.mass_cancel(strategy_id=8, side=common_pb2.SIDE_BUY) == 3
    assert venue.order(stop.order_id).status == CANCELLED
    assert venue.mass_cancel(side=common_pb2.SIDE_SELL) == 3
    assert venue.mass_cancel() == 1
    venue.shows([(800, 1)], [])
    assert venue.mass_cancel("beta", instrument="") >= 1
    assert venue.order(other.order_id, "beta").status == CANCELLED


def test_self_trade_prevention(venue: Venue) -> None:
    venue.create()
    resting = venue.submit("alpha", "sell", 5, price="10.00")
    newest = venue.submit("alpha", "buy", 3, price="10.00", self_trade_prevention=1)
    assert (newest.status, newest.reason) == (EXPIRED, reason.REASON_SELF_TRADE_PREVENTED)
    reduced = venue.submit("alpha", "buy", 3, price="10.00", self_trade_prevention=4)
    assert reduced.status == EXPIRED
    assert venue.order(resting.order_id).leaves_quantity == "2"
    oldest = venue.submit("alpha", "buy", 3, price="10.00", self_trade_prevention=2)
    assert oldest.status == WORKING
    assert venue.order(resting.order_id).status == CANCELLED


@pytest.mark.parametrize(
    ("phase", "force"), [(OPENING, AT_OPEN), (CLOSING, AT_CLOSE), (VOLATILITY, 0), (INTRADAY, 0)]
)
def test_auctions_indicate_and_uncross(venue: Venue, phase: int, force: int) -> None:
    venue.create()
    early = None
    if force:
        early = venue.submit("alpha", "buy", 4, price="10.10", time_in_force=force)
        assert early.status == WORKING
        venue.shows([], [])
    updates = venue.updates()
    next(updates)
    venue.phase(phase)
    venue.submit("alpha", "buy", 6, price="10.10")
    at_any_price = venue.submit("beta", "sell", 8, time_in_force=DAY)
    indications: list[tuple[int, int]] = []
    for update in updates:
        indications += [(told.price_units, told.quantity_units) for told in update.indications]
        if indications and indications[-1][1] == (8 if force else 6):
            break
    assert indications[-1][0] == 1_010
    assert at_any_price.status == WORKING
    venue.phase(CONTINUOUS)
    sold = venue.soon(at_any_price.order_id, "beta", leaves_quantity="0")
    assert sold.status == (FILLED if force else EXPIRED)
    if early is not None:
        assert Decimal(venue.soon(early.order_id, status=FILLED).average_price) == Decimal("10.1")
    venue.shows([(1_010, 2)] if force else [], [])


def test_an_auction_ends_by_itself(venue: Venue) -> None:
    venue.create()
    venue.phase(INTRADAY, duration_ns=SECOND_NS // 4)
    order = venue.submit("alpha", "buy", 5, price="10.00")
    venue.submit("beta", "sell", 5, price="9.90")
    assert venue.soon(order.order_id, status=FILLED)


def test_batch_auctions_and_pro_rata_instruments(venue: Venue) -> None:
    venue.create(
        allocation=instruments_pb2.ALLOCATION_BATCH_AUCTION, batch_interval_ns=SECOND_NS // 5
    )
    order = venue.submit("alpha", "buy", 5, price="10.00")
    assert order.status == WORKING
    venue.submit("beta", "sell", 5, price="9.90")
    assert venue.soon(order.order_id, status=FILLED)
    venue.create(allocation=instruments_pb2.ALLOCATION_PRO_RATA, minimum_share="2")
    resting = [venue.submit("alpha", "sell", size, price="10.00") for size in (10, 30, 60, 1)]
    venue.submit("beta", "buy", 50, price="10.00")
    filled = [venue.order(order.order_id).cumulative_quantity for order in resting]
    assert filled == ["7", "14", "29", "0"]


def test_halt_and_resume(venue: Venue) -> None:
    venue.create()
    order = venue.submit("alpha", "buy", 5, price="10.00")
    venue.admin("HaltInstrument", instrument=venue.name)
    assert venue.try_order("beta", "sell", 1, price="10.00") == reason.REASON_PHASE_REFUSES
    assert refused(lambda: venue.replace(order.order_id, quantity="6")) == (
        reason.REASON_PHASE_REFUSES
    )
    venue.admin("ResumeInstrument", instrument=venue.name)
    assert venue.submit("beta", "sell", 5, price="10.00").status == FILLED


def test_bands(traded: Venue) -> None:
    traded.admin(
        "SetBands",
        instrument=traded.name,
        low="90.00",
        high="110.00",
        dynamic_distance="2.00",
        pause_ns=SECOND_NS // 4,
    )
    assert traded.try_order("alpha", "buy", 1, price="110.01") == reason.REASON_PRICE_BAND
    traded.submit("beta", "sell", 5, price="103.00")
    taker = traded.submit("alpha", "buy", 5, price="103.00")
    assert taker.status == WORKING
    assert Decimal(traded.soon(taker.order_id, status=FILLED).average_price) == Decimal("103")


def test_fees_by_tier(traded: Venue) -> None:
    traded.admin("SetFeeTier", tier=3, maker_rate=-100, taker_rate=300)
    traded.admin("AssignFeeTier", account="beta", tier=3)
    request = orders_pb2.StreamExecutionsRequest(account="beta", instrument=traded.name)
    reports = orders_pb2_grpc.OrderServiceStub(traded.channel).StreamExecutions(
        request, metadata=traded.mesh.metadata("beta"), timeout=4 * CALL_SECONDS
    )
    next(reports)
    traded.submit("beta", "sell", 10, price="100.00")
    traded.submit("alpha", "buy", 10, price="100.00")
    for response in reports:
        fees = [r.fee_units for r in response.reports if r.execution_type == TRADE]
        if fees:
            break
    # Ten thousand cents times ten, less a hundred millionths.
    assert fees == [-10]
    traded.admin("AssignFeeTier", account="beta", tier=0)


def test_a_batch_in_columns_says_all_that_an_order_may(traded: Venue) -> None:
    columns = records_pb2.NewOrderColumns(
        client_order_ids=[f"{traded.symbol}-column-{index}" for index in range(4)],
        instrument_ids=[traded.number] * 4,
        sides=[common_pb2.SIDE_SELL] * 4,
        prices_units=[0, 10_500, 10_600, 0],
        quantities_units=[1, 50, 5, 1],
        types=[STOP, LIMIT, LIMIT, TRAILING],
        times_in_force=[GTC] * 4,
        stop_prices_units=[9_500, 0, 0, 0],
        display_quantities_units=[0, 10, 0, 0],
        instructions=[0, 0, 4, 0],
        offsets_units=[0, 0, 0, 50],
        group_ids=[9, 0, 0, 0],
        group_roles=[1, 0, 0, 0],
    )
    request = orders_pb2.SubmitBatchRequest(columns=columns)
    stub = orders_pb2_grpc.OrderServiceStub
    answer = traded.call(stub, "SubmitBatch", request, "alpha").columns
    assert list(answer.statuses) == [WORKING] * 4
    traded.shows([], [(10_500, 10)])


def rest(venue: Venue, path: str, body: dict[str, Any], who: str) -> tuple[int, dict[str, Any]]:
    call = urllib.request.Request(
        f"http://{venue.mesh.address}{path}",
        json.dumps(body).encode(),
        {
            "Authorization": f"Bearer {token_of(venue.mesh.run.tokens, who)}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(call, timeout=CALL_SECONDS) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_same_by_rest(venue: Venue) -> None:
    venue.create()
    status, answer = rest(
        venue,
        "/v1/venue/instruments",
        {"symbol": f"{venue.symbol}R", "like": "ACME@TCAP"},
        "venue",
    )
    assert (status, answer["instrument"]["name"]) == (200, f"{venue.symbol}R@TCAP")
    bad = {"symbol": "lower case", "like": "ACME@TCAP"}
    assert rest(venue, "/v1/venue/instruments", bad, "venue")[0] == 400
    assert rest(venue, "/v1/venue/instruments", {"symbol": "X1"}, "alpha")[0] == 403
    order = {
        "instrument": venue.name,
        "client_order_id": f"{venue.symbol}-rest",
        "side": "SIDE_SELL",
        "type": "ORDER_TYPE_STOP_LIMIT",
        "quantity": "5",
        "stop_price": "9.00",
        "price": "8.90",
        "display_quantity": "2",
    }
    status, answer = rest(venue, "/v1/orders", {"order": order}, "alpha")
    assert (status, answer["order"]["status"]) == (200, "ORDER_STATUS_WORKING")
    path = f"/v1/venue/instruments/{venue.name}"
    assert rest(venue, f"{path}:setPhase", {"phase": "TRADING_PHASE_HALTED"}, "venue")[0] == 200
    order |= {"client_order_id": f"{venue.symbol}-rest2"}
    status, answer = rest(venue, "/v1/orders", {"order": order}, "alpha")
    assert status == 400
    assert "REASON_PHASE_REFUSES" in json.dumps(answer)


def test_the_same_by_the_command_line(venue: Venue) -> None:
    mesh, symbol = venue.mesh, next(NAMES)
    name = f"{symbol}@TCAP"
    created = mesh.json(
        "venue", "create", name, "--like", "ACME", "--increment", "0.05", "--reference", "9.50"
    )
    assert created["instrument"]["name"] == name
    venue.symbol = symbol
    venue.open_accounts()
    ice = mesh.json("order", "submit", symbol, "sell", "50", "--price", "10.00", "--display", "5")[
        "order"
    ]
    stop = mesh.json("order", "submit", symbol, "sell", "1", "--stop", "9.00")["order"]
    moved = mesh.json("order", "replace", stop["order_id"], "--stop", "9.50")["order"]
    assert (ice["status"], moved["status"]) == ("ORDER_STATUS_WORKING",) * 2
    assert (ice["display_quantity"], moved["stop_price"]) == ("5", "9.50")
    listed = mesh.command("order", "list").stdout
    assert "50 @ 10.00 showing 5 ·" in listed
    assert "1 stop 9.50 ·" in listed
    assert mesh.command("venue", "halt", symbol).returncode == 0
    told = mesh.command("order", "submit", symbol, "buy", "1", "--price", "10.00")
    assert told.returncode != 0
    assert "REASON_PHASE_REFUSES" in told.stderr + told.stdout
    for words in (
        ("phase", symbol, "opening-auction", "--reference", "10.00"),
        ("resume", symbol),
        ("bands", symbol, "--low", "5.00"),
        ("fee-tier", "4", "10", "20"),
        ("assign-tier", "alpha", "0"),
    ):
        assert mesh.command("venue", *words).returncode == 0, words
    assert mesh.json("order", "mass-cancel", "--instrument", symbol)["affected_count"] == 2


def test_what_was_opened_and_waits_is_there_after_a_restart(venue: Venue) -> None:
    venue.create()
    stop = venue.submit("alpha", "sell", 5, type=STOP, stop_price="9.00", time_in_force=GTC)
    bid = venue.submit("alpha", "buy", 5, price="8.00", time_in_force=GTC)
    for part in ("orderbook", "gateway", "risk", "collector"):
        old = venue.mesh.kill(part)
        venue.mesh.wait_until_back(part, old)
    wait_until(lambda: venue.is_open_for("beta"), timeout_s=20, what="limits")
    venue.shows([(800, 5)], [])
    for order in (stop, bid):
        assert venue.order(order.order_id).status == WORKING
    venue.submit("beta", "sell", 5, price="8.00")
    assert venue.soon(bid.order_id, status=FILLED)
    assert venue.soon(stop.order_id, status=EXPIRED)
