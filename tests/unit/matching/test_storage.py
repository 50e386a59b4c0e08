"""What the tables of an engine do when they grow, and when prices go far."""

from __future__ import annotations

import random

import pytest
from support.matching_driver import EngineDriver
from support.matching_flow import BASE
from tradecaptain.base.memory import load_i64
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import (
    BOOK_BYTES,
    FIRST_ORDER_BUCKETS,
    ORDER_IDS_CLIENT,
    RECENT_PAGES,
    ROOMY_BUCKETS_PER_ORDER,
)
from tradecaptain.kernels.matching.levels import (
    SIDE_STRIDE,
    best_level,
    better_level,
    worse_level,
)
from tradecaptain.kernels.matching.tables import level_at, side_at
from tradecaptain.wire import execution_event, reason

ORDERS = 2 * FIRST_ORDER_BUCKETS // ROOMY_BUCKETS_PER_ORDER + 100
"""Enough for the table of order ids to double and to begin the next round."""
CAPACITY = MatchingCapacity(
    orders=4 * FIRST_ORDER_BUCKETS, levels=512, instruments=1, instrument_ids=2, account_ids=16
)
NEW = {
    "action": 1,
    "order_type": 1,
    "time_in_force": 1,
    "instrument_id": 1,
    "account_id": 7,
    "quantity_units": 3,
}
LARGEST, SMALLEST = 2**63 - 1, -(2**63)


def kinds(events: tuple[list[dict[str, int]], list[dict[str, int]]]) -> list[int]:
    return [event["execution_type"] for event in events[0]]


@pytest.mark.parametrize("distance", [1, 1 << 20, (1 << 40) + 1])
def test_orders_are_found_while_the_table_of_ids_grows(distance: int) -> None:
    driver = EngineDriver([InstrumentRules(1)], CAPACITY, order_ids=ORDER_IDS_CLIENT)
    names = [distance * (number + 1) for number in range(ORDERS)]
    for index, name in enumerate(names):
        price = index % 50
        order = NEW | {"side": 1, "price_units": price, "client_order_id0": name}
        assert kinds(driver.submit(order)) == [execution_event.EXECUTION_TYPE_ACCEPTED]
    header = driver.engine.header[0]
    assert header["order_bucket_mask"] == 4 * FIRST_ORDER_BUCKETS - 1
    assert header["order_buckets"] > 2 * FIRST_ORDER_BUCKETS + 200
    random.Random(1).shuffle(names)
    for name in names:
        cancel = {"action": 2, "order_id": name, "instrument_id": 1, "account_id": 7}
        assert kinds(driver.submit(cancel)) == [execution_event.EXECUTION_TYPE_CANCELLED]
    assert header["order_count"] == 0


def test_a_market_that_falls_through_a_hundred_thousand_increments_takes_no_room() -> None:
    capacity = MatchingCapacity(
        orders=64, levels=32, instruments=1, instrument_ids=2, account_ids=16
    )
    driver = EngineDriver([InstrumentRules(1)], capacity)
    live: list[int] = []
    for step in range(400):
        middle = 50_000 - 250 * step
        for side, price in ((1, middle - 1), (2, middle + 1)):
            number = int(driver.engine.header[0]["last_order_number"]) + 1
            assert kinds(driver.submit(NEW | {"side": side, "price_units": price}))[0] == 1
            live.append(number)
        while len(live) > 20:
            driver.submit({"action": 2, "order_id": BASE + live.pop(0), "account_id": 7})
        assert driver.depth(1, 1)[0][0] == middle - 1
    header = driver.engine.header[0]
    assert header["used_levels"] <= 32
    assert header["used_nodes"] < header["used_pages"] <= 32


def test_prices_at_the_edges_of_int64_rest_beside_each_other() -> None:
    driver = EngineDriver([InstrumentRules(1)], CAPACITY)
    bids = [SMALLEST, SMALLEST + 1, -1, 0]
    asks = [1, 2, LARGEST - 1, LARGEST]
    for price in bids:
        driver.submit(NEW | {"side": 1, "price_units": price})
    for price in asks:
        driver.submit(NEW | {"side": 2, "price_units": price})
    assert [level[0] for level in driver.depth(1, 1)] == sorted(bids, reverse=True)
    assert [level[0] for level in driver.depth(1, 2)] == asks


def test_prices_that_share_a_place_in_what_is_remembered_are_told_apart() -> None:
    capacity = MatchingCapacity(
        orders=512, levels=256, instruments=2, instrument_ids=3, account_ids=16
    )
    driver = EngineDriver([InstrumentRules(number + 1) for number in range(2)], capacity)
    chance = random.Random(5)
    near = [100 + step for step in (0, 1, 63, 64)]
    # Whole tables further, and on the place of the same book's other side or of the other book's.
    table = 64 * RECENT_PAGES
    side, book = 64 * SIDE_STRIDE, 64 * SIDE_STRIDE * BOOK_BYTES // 16
    apart = (0, table, 2 * side, -book)
    prices = {1: [price + far for price in near for far in apart]}
    prices[2] = [price + book for price in prices[1]] + prices[1]
    levels: dict[tuple[int, int], list[int]] = {}
    for _ in range(1_500):
        instrument = chance.choice(list(prices))
        price = chance.choice(prices[instrument])
        queue = levels.setdefault((instrument, price), [])
        if queue and chance.random() < 0.55:
            cancel = {"action": 2, "order_id": queue.pop(), "account_id": 7}
            assert kinds(driver.submit(cancel)) == [execution_event.EXECUTION_TYPE_CANCELLED]
        else:
            queue.append(BASE + int(driver.engine.header[0]["last_order_number"]) + 1)
            order = NEW | {"instrument_id": instrument, "side": 1, "price_units": price}
            assert kinds(driver.submit(order)) == [execution_event.EXECUTION_TYPE_ACCEPTED]
        shown = {
            (number, price): count
            for number in prices
            for price, _, count in driver.depth(number, 1)
        }
        assert shown == {place: len(orders) for place, orders in levels.items() if orders}


@pytest.mark.parametrize(
    ("terms", "limit"),
    [
        ({"order_type": 6, "peg_reference": 1}, "pegs"),
        ({"instructions": 4, "price_units": 100}, "hidden"),
    ],
)
def test_an_instrument_is_full_of_orders_that_are_looked_at_one_by_one(
    terms: dict[str, int], limit: str
) -> None:
    places: dict[str, int] = {limit: 2}
    capacity = MatchingCapacity(
        orders=64, levels=32, instruments=2, instrument_ids=3, account_ids=16, **places
    )
    driver = EngineDriver([InstrumentRules(1), InstrumentRules(2)], capacity)
    order = NEW | {"side": 1} | terms
    ids = [driver.submit(order)[0][0]["order_id"] for _ in range(2)]
    refused = driver.submit(order)[0][0]
    assert refused["execution_type"] == execution_event.EXECUTION_TYPE_REJECTED
    assert refused["reason"] == reason.REASON_CAPACITY_EXHAUSTED
    assert kinds(driver.submit(order | {"instrument_id": 2}))[0] == 1
    driver.submit({"action": 2, "order_id": ids[0], "account_id": 7})
    assert kinds(driver.submit(order))[0] == execution_event.EXECUTION_TYPE_ACCEPTED
    assert driver.submit(order)[0][0]["reason"] == reason.REASON_CAPACITY_EXHAUSTED


def walk(driver: EngineDriver, side: int, *, up: bool) -> list[int]:
    """Prices of a side's levels from one to the next, from the best on or from the worst."""
    engine = driver.engine.address
    level = best_level(side_at(engine, 1, side))
    prices: list[int] = []
    following = worse_level
    if up:
        while level != 0 and worse_level(engine, level) != 0:
            level = worse_level(engine, level)
        following = better_level
    while level != 0:
        prices.append(load_i64(level_at(engine, level) + at.LEVEL_PRICE_UNITS))
        level = following(engine, level)
    return prices


@pytest.mark.parametrize("side", [1, 2])
def test_levels_are_found_from_both_ends_whichever_page_is_foremost(side: int) -> None:
    driver = EngineDriver([InstrumentRules(1)], CAPACITY)
    chance = random.Random(side)
    live: dict[int, int] = {}
    # The first and the last price of pages, near and far ones.
    prices = [64 * page + place for page in (-(1 << 40), -70, -1, 0, 1, 2, 90) for place in (0, 63)]
    for _ in range(300):
        price = chance.choice(prices)
        if price in live:
            driver.submit({"action": 2, "order_id": live.pop(price), "account_id": 7})
        elif len(live) < 6:
            number = int(driver.engine.header[0]["last_order_number"]) + 1
            driver.submit(NEW | {"side": side, "price_units": price})
            live[price] = BASE + number
        best_first = sorted(live, reverse=side == 1)
        assert walk(driver, side, up=False) == best_first
        assert walk(driver, side, up=True) == best_first[::-1]
