"""The short way writes the events that the general way writes, to the byte."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pytest
from support.matching_driver import EngineDriver
from support.matching_flow import random_commands
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.kernels.matching.engine import submit_general
from tradecaptain.wire import control, order_command

pytestmark = pytest.mark.twin

RULES = [
    InstrumentRules(1),
    InstrumentRules(2, minimum_price_units=-6, maximum_price_units=9, maximum_quantity_units=90),
]
CAPACITY = MatchingCapacity(
    orders=300, levels=40, instruments=4, instrument_ids=8, account_ids=16, step_limit=3
)
FEES = {"value": -400_000, "low_units": 600_000}
START_NS = 1_750_000_000_000_000_000


class GeneralDriver(EngineDriver):
    """An engine that takes every command the general way."""

    def begin(self, command: int) -> int:
        return submit_general(self.engine.address, command, 0, 0)


def as_record(command: dict[str, int]) -> np.ndarray:
    record = np.zeros(1, order_command.DTYPE)
    order_command.initialise(record.ctypes.data)
    for name, value in command.items():
        record[0][name] = value
    return record


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_write_the_same_bytes(seed: int) -> None:
    general, short = GeneralDriver(RULES, CAPACITY), EngineDriver(RULES, CAPACITY)
    if seed > 1:
        for driver in (general, short):
            driver.control({"action": control.CONTROL_ACTION_SET_FEE, "time_ns": START_NS} | FEES)
    for command in random_commands(seed, 700, instruments=2):
        command |= {
            "send_time_ns": 7 * command["sequence"],
            "client_order_id3": 5,
            "session_id": 2,
            "trader_id": 4,
            "strategy_id": 6,
        }
        if seed % 2 == 0:
            command["self_trade_group"] = 0
        record = as_record(command)
        steps = zip_longest(general.raw_events(record), short.raw_events(record))
        assert all(one == other for one, other in steps)
        assert short.state_hash() == general.state_hash()
