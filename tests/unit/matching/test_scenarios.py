"""What the venue does, order by order; the same scenarios for the engine and the naive venue."""

from __future__ import annotations

from typing import Any

import pytest
from support.matching_driver import EngineDriver, without_zeros
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.wire import reason
from twins.matching.naive_venue import Book, NaiveVenue

ACCEPTED, REJECTED, TRADE, CANCELLED, REPLACED, EXPIRED = 1, 2, 3, 4, 5, 6
CANCEL_REJECTED, REPLACE_REJECTED = 7, 8
ADD, REDUCE, REMOVE, BOOK_TRADE = 1, 2, 3, 4
BUY, SELL = 1, 2
DAY, GTC, IOC, FOK = 1, 2, 3, 4
LARGEST, SMALLEST = 2**63 - 1, -(2**63)
BASE = 1 << 40


class Scenario:
    """Sends commands to one of the two venues."""

    def __init__(self, venue: Any) -> None:
        self.venue = venue
        self.sequence = 0
        self.executions: list[dict[str, int]] = []
        self.books: list[dict[str, int]] = []

    def send(self, **fields: int) -> list[int]:
        """Submit; returns the kinds of the execution events."""
        self.sequence += 1
        known = {"sequence": self.sequence, "time_ns": 10**18, "instrument_id": 1, "account_id": 7}
        executions, books = self.venue.submit(known | fields)
        self.executions = [without_zeros(event) for event in executions]
        self.books = [without_zeros(event) for event in books]
        return [event["execution_type"] for event in self.executions]

    def new(self, side: int, price: int, quantity: int, **fields: int) -> list[int]:
        known = {"action": 1, "side": side, "price_units": price, "quantity_units": quantity}
        return self.send(**(known | {"order_type": 1, "time_in_force": DAY} | fields))

    def cancel(self, number: int, **fields: int) -> list[int]:
        return self.send(**({"action": 2, "order_id": BASE + number} | fields))

    def replace(self, number: int, price: int, total: int, **fields: int) -> list[int]:
        known = {"action": 3, "order_id": BASE + number, "price_units": price}
        return self.send(**(known | {"quantity_units": total} | fields))

    def makers(self) -> list[int]:
        """Numbers of the orders that traded passively, in order."""
        return [e["order_id"] - BASE for e in self.executions if e.get("liquidity") == 1]

    def reason(self) -> int:
        return self.executions[-1].get("reason", 0)


def make_engine(rules: InstrumentRules, orders: int, levels: int) -> Any:
    capacity = MatchingCapacity(
        orders=orders, levels=levels, instruments=2, instrument_ids=4, account_ids=64, step_limit=3
    )
    return EngineDriver([rules], capacity)


def make_naive(rules: InstrumentRules, orders: int, levels: int) -> Any:
    book = Book(
        rules.instrument_id,
        rules.minimum_price_units,
        rules.maximum_price_units,
        rules.maximum_quantity_units,
        rules.lot_units,
    )
    return NaiveVenue([book], order_capacity=orders, level_capacity=levels, account_ids=64)


@pytest.fixture(params=[make_engine, make_naive], ids=["engine", "naive"])
def make(request: pytest.FixtureRequest) -> Any:
    def build(
        rules: InstrumentRules | None = None, orders: int = 4_096, levels: int = 4_096
    ) -> Scenario:
        return Scenario(request.param(rules or InstrumentRules(1), orders, levels))

    return build


def test_better_price_first_then_time(make: Any) -> None:
    venue = make()
    for price in (102, 101, 101, 100):
        venue.new(SELL, price, 1)
    venue.new(BUY, 102, 4)
    assert venue.makers() == [4, 2, 3, 1]
    assert [e["price_units"] for e in venue.books] == [100, 101, 101, 102]


def test_trades_are_at_the_resting_price_and_the_rest_joins_the_book(make: Any) -> None:
    venue = make()
    venue.new(SELL, 100, 3)
    assert venue.new(BUY, 105, 5) == [ACCEPTED, TRADE, TRADE]
    assert {e["last_price_units"] for e in venue.executions[1:]} == {100}
    assert [e["action"] for e in venue.books] == [BOOK_TRADE, ADD]
    assert venue.books[-1]["quantity_units"] == 2


@pytest.mark.parametrize("force", [IOC, FOK])
def test_orders_that_may_not_rest_expire(make: Any, force: int) -> None:
    venue = make()
    venue.new(SELL, 100, 3)
    expected = {
        IOC: ([ACCEPTED, TRADE, TRADE, EXPIRED], reason.REASON_NO_LIQUIDITY),
        FOK: ([ACCEPTED, EXPIRED], reason.REASON_FILL_OR_KILL_UNFILLED),
    }[force]
    assert venue.new(BUY, 100, 5, time_in_force=force) == expected[0]
    assert venue.reason() == expected[1]
    assert venue.executions[-1].get("leaves_quantity_units", 0) == 0


def test_fill_or_kill_looks_over_many_levels_before_it_trades(make: Any) -> None:
    venue = make()
    for price in range(100, 150):
        venue.new(SELL, price, 2)
    assert venue.new(BUY, 149, 101, time_in_force=FOK) == [ACCEPTED, EXPIRED]
    assert venue.new(BUY, 148, 100, time_in_force=FOK) == [ACCEPTED, EXPIRED]
    assert venue.new(BUY, 149, 100, time_in_force=FOK) == [ACCEPTED] + [TRADE] * 100


def test_market_order_takes_any_price(make: Any) -> None:
    venue = make()
    venue.new(SELL, LARGEST, 1)
    venue.new(BUY, SMALLEST, 1)
    assert venue.new(BUY, 0, 2, order_type=2, time_in_force=IOC)[:3] == [ACCEPTED, TRADE, TRADE]
    assert venue.new(SELL, 0, 2, order_type=2, time_in_force=IOC)[:3] == [ACCEPTED, TRADE, TRADE]


@pytest.mark.parametrize("quantity", [3, 10])
def test_reduction_keeps_the_place_and_increase_loses_it(make: Any, quantity: int) -> None:
    venue = make()
    venue.new(SELL, 100, 5)
    venue.new(SELL, 100, 5)
    assert venue.replace(1, 100, quantity) == [REPLACED]
    assert [e["action"] for e in venue.books] == ([REDUCE] if quantity == 3 else [REMOVE, ADD])
    venue.new(BUY, 100, 1)
    assert venue.makers() == ([1] if quantity == 3 else [2])


def test_replace_into_the_other_side_trades_and_keeps_its_id(make: Any) -> None:
    venue = make()
    venue.new(BUY, 90, 5)
    venue.new(SELL, 100, 3)
    assert venue.replace(1, 100, 6, client_order_id0=9) == [REPLACED, TRADE, TRADE]
    assert {e["order_id"] for e in venue.executions[:2]} == {BASE + 1}
    assert venue.executions[0]["client_order_id0"] == 9
    assert venue.books[-1]["quantity_units"] == 3


def test_replace_below_what_was_filled_is_refused(make: Any) -> None:
    venue = make()
    venue.new(SELL, 100, 5)
    venue.new(BUY, 100, 3)
    assert venue.replace(1, 100, 3) == [REPLACE_REJECTED]
    assert venue.reason() == reason.REASON_REPLACE_BELOW_FILLED
    assert venue.replace(1, 100, 4) == [REPLACED]
    assert venue.executions[0]["leaves_quantity_units"] == 1


def test_partial_cancel_must_take_something(make: Any) -> None:
    venue = make()
    venue.new(SELL, 100, 5)
    assert venue.cancel(1, quantity_units=-1) == [CANCEL_REJECTED]
    assert venue.cancel(1, quantity_units=0, instructions=16) == [CANCEL_REJECTED]
    assert venue.reason() == reason.REASON_INVALID_QUANTITY
    assert venue.cancel(1, quantity_units=2, instructions=16) == [REPLACED]
    assert venue.cancel(1) == [CANCELLED]
    assert venue.cancel(1) == [CANCEL_REJECTED]


def test_foreign_order_looks_as_if_it_did_not_exist(make: Any) -> None:
    venue = make()
    venue.new(SELL, 100, 5)
    assert venue.cancel(1, account_id=8) == [CANCEL_REJECTED]
    foreign = dict(venue.executions[0])
    assert venue.cancel(99, account_id=8) == [CANCEL_REJECTED]
    assert foreign["reason"] == venue.reason() == reason.REASON_UNKNOWN_ORDER


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"account_id": 0}, reason.REASON_UNKNOWN_ACCOUNT),
        ({"account_id": 64}, reason.REASON_UNKNOWN_ACCOUNT),
        ({"instrument_id": 2}, reason.REASON_UNKNOWN_INSTRUMENT),
        ({"instrument_id": 2**32 - 1}, reason.REASON_UNKNOWN_INSTRUMENT),
        ({"side": 0}, reason.REASON_INVALID_SIDE),
        ({"order_type": 7}, reason.REASON_INVALID_ORDER_TYPE),
        ({"time_in_force": 0}, reason.REASON_INVALID_TIME_IN_FORCE),
        ({"time_in_force": 8}, reason.REASON_INVALID_TIME_IN_FORCE),
        ({"order_type": 2, "time_in_force": GTC}, reason.REASON_INVALID_TIME_IN_FORCE),
        ({"expire_time_ns": 1}, reason.REASON_INVALID_EXPIRE_TIME),
        ({"quantity_units": 0}, reason.REASON_INVALID_QUANTITY),
        ({"quantity_units": 7}, reason.REASON_INVALID_QUANTITY),
        ({"quantity_units": 1_010}, reason.REASON_INVALID_QUANTITY),
        ({"price_units": -51}, reason.REASON_PRICE_OUT_OF_RANGE),
        ({"price_units": 51}, reason.REASON_PRICE_OUT_OF_RANGE),
        ({"instructions": 2}, reason.REASON_INVALID_INSTRUCTION),
        ({"instructions": 256}, reason.REASON_INVALID_INSTRUCTION),
        ({"instructions": 1, "time_in_force": IOC}, reason.REASON_INVALID_INSTRUCTION),
        ({"display_quantity_units": 1}, reason.REASON_INVALID_DISPLAY_QUANTITY),
        ({"action": 0}, reason.REASON_INVALID_REQUEST),
    ],
)
def test_each_rule_refuses_with_its_own_reason(make: Any, fields: dict[str, int], why: int) -> None:
    venue = make(InstrumentRules(1, -50, 50, 1_000, lot_units=10))
    known = {"action": 1, "side": BUY, "price_units": -50, "quantity_units": 10}
    assert venue.send(**(known | {"order_type": 1, "time_in_force": DAY} | fields)) == [REJECTED]
    assert venue.reason() == why
    assert venue.books == []
    assert venue.send(**(known | {"order_type": 1, "time_in_force": DAY})) == [ACCEPTED]


def test_a_short_sale_whose_shares_are_located_is_an_order_like_others(make: Any) -> None:
    venue = make()
    located = 1 << 15
    assert venue.new(SELL, 100, 5, instructions=located) == [ACCEPTED]
    assert venue.new(SELL, 100, 5, instructions=located | 1) == [ACCEPTED]
    assert venue.new(BUY, 100, 5)[:2] == [ACCEPTED, TRADE]


def test_post_only_is_refused_if_it_would_trade(make: Any) -> None:
    venue = make()
    venue.new(SELL, 100, 5)
    assert venue.new(BUY, 100, 5, instructions=1) == [REJECTED]
    assert venue.reason() == reason.REASON_POST_ONLY_WOULD_TRADE
    assert venue.new(BUY, 99, 5, instructions=1) == [ACCEPTED]


def test_self_trade_cancels_the_newest_after_it_traded_with_others(make: Any) -> None:
    venue = make()
    venue.new(SELL, 100, 2, account_id=9)
    venue.new(SELL, 101, 2, self_trade_group=5)
    venue.new(SELL, 102, 2, account_id=9)
    assert venue.new(BUY, 102, 6, self_trade_group=5) == [ACCEPTED, TRADE, TRADE, EXPIRED]
    assert venue.reason() == reason.REASON_SELF_TRADE_PREVENTED
    assert venue.new(BUY, 102, 4, self_trade_group=5, time_in_force=FOK) == [ACCEPTED, EXPIRED]


def test_full_tables_refuse_and_serve_again_when_there_is_room(make: Any) -> None:
    venue = make(orders=3, levels=2)
    venue.new(SELL, 100, 1)
    venue.new(SELL, 101, 1)
    assert venue.new(SELL, 102, 1) == [REJECTED]
    assert venue.reason() == reason.REASON_CAPACITY_EXHAUSTED
    assert venue.new(SELL, 101, 1) == [ACCEPTED]
    assert venue.new(BUY, 101, 1, time_in_force=IOC) == [REJECTED]
    assert venue.replace(1, 99, 1) == [REPLACE_REJECTED]
    venue.cancel(1)
    assert venue.new(SELL, 99, 1) == [ACCEPTED]


def test_level_whose_sum_would_not_fit_is_refused(make: Any) -> None:
    venue = make()
    venue.new(SELL, LARGEST, LARGEST)
    assert venue.new(SELL, LARGEST, 1) == [REJECTED]
    assert venue.reason() == reason.REASON_NUMBER_OUT_OF_RANGE
    assert venue.new(SELL, LARGEST - 1, LARGEST) == [ACCEPTED]
    assert venue.new(SELL, 0, 1) == [ACCEPTED]
    assert venue.replace(3, LARGEST, 1, side=SELL) == [REPLACE_REJECTED]
    assert venue.new(BUY, LARGEST, LARGEST) == [ACCEPTED, TRADE, TRADE, TRADE, TRADE]
    assert venue.executions[-1]["leaves_quantity_units"] == 1


def test_book_far_apart_and_around_zero_is_swept_in_order(make: Any) -> None:
    venue = make()
    prices = [SMALLEST, -(2**62), -4_097, -64, -1, 0, 1, 63, 64, 4_096, 2**40, 2**62, LARGEST]
    for price in reversed(prices):
        venue.new(SELL, price, 1)
    venue.new(BUY, LARGEST, len(prices))
    assert [e.get("price_units", 0) for e in venue.books] == prices


def test_crash_through_many_increments_leaves_nothing_behind() -> None:
    engine = make_engine(InstrumentRules(1), 64, 64)
    venue = Scenario(engine)
    for step in range(0, 100_000, 7):
        number = step // 7 + 1
        assert venue.new(SELL, 100_000 - step, 1) == [ACCEPTED]
        if number > 20:
            assert venue.cancel(number - 20) == [CANCELLED]
    header = engine.engine.header[0]
    assert header["used_levels"] <= 21
    assert header["used_nodes"] <= 21
    assert header["level_count"] == header["order_count"] == 20


def test_orders_that_set_a_condition_are_bounded(make: Any) -> None:
    venue = make()
    for _ in range(256):
        assert venue.new(SELL, 100, 5, instructions=8) == [ACCEPTED]
    assert venue.new(SELL, 100, 5, instructions=8) == [REJECTED]
    assert venue.reason() == reason.REASON_CAPACITY_EXHAUSTED
    assert venue.new(SELL, 100, 5, minimum_quantity_units=2) == [REJECTED]
    assert venue.new(SELL, 100, 5) == [ACCEPTED]
    assert venue.cancel(1) == [CANCELLED]
    assert venue.new(SELL, 100, 5, instructions=8) == [ACCEPTED]
