"""A cancel-heavy flow around a moving middle: 15 % immediate or cancel, 95 % of what rests is
cancelled, 20 % is modified first; lifetimes are exponential, depths a power law.

Cancels and modifies are sent whether or not the order has traded meanwhile, as clients do.
"""

from __future__ import annotations

import heapq
import math
import random

import numpy as np
import numpy.typing as npt
from tradecaptain.wire import common, order_command

MID_UNITS = 100_000
ACCOUNT_ID = 2
"""Not the account of the replayed flow, whose orders are found by names of their own."""
EPOCH_BASE = 1 << 40
LIFETIME_COMMANDS = 2_000.0
SWING_COMMANDS = 100_000
NEW, CANCEL, REPLACE = (
    order_command.COMMAND_ACTION_NEW_ORDER,
    order_command.COMMAND_ACTION_CANCEL_ORDER,
    order_command.COMMAND_ACTION_REPLACE_ORDER,
)
MOVES = ("drift", "swing", "crash")


def _middle(move: str, index: int, count: int, chance: random.Random, before: float) -> float:
    """Middle price of a command: a walk, a wide sine, or a fall by 60,000 units and back."""
    if move == "drift":
        return before + chance.gauss(0.0, 0.5)
    if move == "swing":
        return MID_UNITS * (1 + 0.2 * math.sin(2 * math.pi * index / SWING_COMMANDS))
    depth = 1 - abs(2 * index / count - 1)
    return MID_UNITS * (1 - 0.6 * depth)


def moving_commands(move: str, count: int, seed: int = 7) -> npt.NDArray[np.void]:
    """Wire commands of one instrument; equal arguments give equal commands."""
    chance = random.Random(seed)
    records = np.zeros(count, order_command.DTYPE)
    due: list[tuple[int, int, int, int, int, int]] = []
    middle = float(MID_UNITS)
    number = 0
    rows = []
    for index in range(count):
        middle = _middle(move, index, count, chance, middle)
        if due and due[0][0] <= index:
            _when, kind, order, side, price, quantity = heapq.heappop(due)
            price += chance.choice((-1, 0, 1))
            rows.append((kind, side, 1, 1, price, quantity + 1, EPOCH_BASE + order))
            continue
        number += 1
        side = chance.choice((common.SIDE_BUY, common.SIDE_SELL))
        away = min(int(chance.paretovariate(1.23)), 5_000) if chance.random() > 0.05 else -2
        price = round(middle) + (away if side == common.SIDE_SELL else -away)
        quantity = chance.randint(1, 100)
        immediate = chance.random() < 0.15
        force = common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL if immediate else common.TIME_IN_FORCE_DAY
        rows.append((NEW, side, 1, force, price, quantity, 0))
        if not immediate and chance.random() < 0.95:
            end = index + 1 + int(chance.expovariate(1 / LIFETIME_COMMANDS))
            heapq.heappush(due, (end, CANCEL, number, side, price, quantity))
            if chance.random() < 0.2:
                change = index + 1 + (end - index) // 2
                heapq.heappush(due, (change, REPLACE, number, side, price, quantity))
    names = ("action", "side", "order_type", "time_in_force", "price_units", "quantity_units")
    columns = np.array(rows, np.int64)
    for column, name in enumerate((*names, "order_id")):
        records[name] = columns[:, column]
    records["quantity_units"][records["action"] == CANCEL] = 0
    records["sequence"] = np.arange(1, count + 1)
    records["instrument_id"] = 1
    records["account_id"] = ACCOUNT_ID
    return records
