"""A restored engine is the engine that the snapshot was taken of, in all that it will ever say."""

from __future__ import annotations

import numpy as np
import pytest
from support.matching_driver import EngineDriver
from support.matching_flow import random_commands
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.wire import (
    account_snapshot,
    engine_snapshot,
    instrument_snapshot,
    order_snapshot,
    reason,
)

RULES = [InstrumentRules(1), InstrumentRules(2, minimum_price_units=-50, lot_units=1)]
SMALL = MatchingCapacity(orders=512, levels=256, instruments=4, instrument_ids=8, account_ids=16)
LARGE = MatchingCapacity(orders=9_000, levels=700, instruments=9, instrument_ids=80, account_ids=64)

pytestmark = pytest.mark.twin


def take(driver: EngineDriver) -> np.ndarray:
    return driver.snapshot()


def restore(snapshot: np.ndarray, capacity: MatchingCapacity = LARGE) -> tuple[int, EngineDriver]:
    driver = EngineDriver([], capacity)
    return driver.restore(snapshot), driver


def played(seed: int, count: int = 400) -> EngineDriver:
    driver = EngineDriver(RULES, SMALL)
    for command in random_commands(seed, count):
        driver.submit(command)
    return driver


@pytest.mark.parametrize("seed", range(4))
def test_a_restored_engine_goes_on_as_the_first_would(seed: int) -> None:
    first = played(seed)
    result, second = restore(take(first))
    assert result == 0
    assert second.state_hash() == first.state_hash()
    for instrument_id in (1, 2):
        for side in (1, 2):
            assert second.depth(instrument_id, side) == first.depth(instrument_id, side)
    for command in list(random_commands(seed, 700))[400:]:
        assert second.submit(command) == first.submit(command)
    assert second.state_hash() == first.state_hash()
    assert np.array_equal(take(second), take(first))


def test_an_empty_engine_has_a_snapshot_too() -> None:
    first = EngineDriver(RULES, SMALL)
    result, second = restore(take(first))
    assert (result, second.state_hash()) == (0, first.state_hash())


def test_a_snapshot_that_is_cut_short_or_damaged_is_refused() -> None:
    snapshot = take(played(1))
    for size in (0, 1, 16, len(snapshot) // 2, len(snapshot) - 1):
        assert restore(snapshot[:size].copy())[0] == -reason.REASON_MALFORMED_RECORD
    assert restore(np.append(snapshot, 0))[0] == -reason.REASON_MALFORMED_RECORD
    chance = np.random.default_rng(5)
    for _ in range(60):
        damaged = snapshot.copy()
        damaged[chance.integers(len(damaged))] ^= np.int64(1 << int(chance.integers(63)))
        # Some fields aren't part of the state (a tag, who entered it); the rest must be noticed.
        result, driver = restore(damaged)
        assert result < 0 or driver.state_hash() == played(1).state_hash()


def test_what_does_not_fit_the_new_capacities_is_refused_with_its_reason() -> None:
    snapshot = take(played(2))
    few = MatchingCapacity(orders=5, levels=256, instruments=4, instrument_ids=8, account_ids=16)
    assert restore(snapshot, few)[0] == -reason.REASON_CAPACITY_EXHAUSTED
    narrow = MatchingCapacity(
        orders=512, levels=256, instruments=4, instrument_ids=8, account_ids=2
    )
    assert restore(snapshot, narrow)[0] == -reason.REASON_UNKNOWN_ACCOUNT
    one = MatchingCapacity(orders=512, levels=256, instruments=1, instrument_ids=8, account_ids=16)
    assert restore(snapshot, one)[0] == -reason.REASON_CAPACITY_EXHAUSTED


def test_an_engine_without_a_free_level_is_restored() -> None:
    full = MatchingCapacity(orders=64, levels=4, instruments=4, instrument_ids=8, account_ids=16)
    first = EngineDriver(RULES, full)
    for place, price_units in enumerate((10, 11, 12, 13, 13, 10)):
        order = next(iter(random_commands(1, 1))) | {"sequence": 1 + place}
        kind = {"action": 1, "order_type": 1, "side": 2, "time_in_force": 1}
        first.submit(order | kind | {"instrument_id": 1, "price_units": price_units})
    assert len(first.depth(1, 2)) == 4
    result, second = restore(take(first), full)
    assert (result, second.depth(1, 2)) == (0, first.depth(1, 2))


def test_only_a_new_engine_is_restored() -> None:
    snapshot = take(played(3))
    assert EngineDriver(RULES, SMALL).restore(snapshot) == -reason.REASON_INVALID_REQUEST


def test_the_records_are_framed_messages_in_the_promised_order() -> None:
    driver = played(1)
    data = take(driver).tobytes()
    kinds = []
    while data:
        length = 8 + 8 * int.from_bytes(data[4:8], "little")
        kinds.append(int.from_bytes(data[16:18], "little"))
        data = data[length:]
    assert kinds[0] == engine_snapshot.KIND
    assert kinds.count(instrument_snapshot.KIND) == 2
    assert kinds.count(account_snapshot.KIND) == 5
    orders = kinds.count(order_snapshot.KIND)
    assert orders == driver.engine.header[0]["order_count"] > 10
    assert kinds == sorted(kinds)
