"""A seeded flow of plain order commands over a few instruments, as dicts of fields."""

from __future__ import annotations

import random
from collections.abc import Iterator

BASE = 1 << 40
START_NS = 1_750_000_000_000_000_000


def random_commands(
    seed: int, count: int, *, instruments: int = 2, accounts: int = 5, spread: int = 12
) -> Iterator[dict[str, int]]:
    """New orders of all plain kinds, cancels and replaces; some name orders that are gone."""
    chance = random.Random(seed)
    new_orders = 0
    for index in range(count):
        fields = {
            "sequence": index + 1,
            "time_ns": START_NS + 1_000 * index,
            "instrument_id": 1 + chance.randrange(instruments),
            "account_id": 1 + chance.randrange(accounts),
            "firm_id": 3,
            "client_order_id0": 1_000 + index,
            "tag": index & 0xFFFF,
        }
        kind = chance.random()
        if kind < 0.62 or new_orders < 10:
            new_orders += 1
            side = chance.choice((1, 2))
            distance = chance.randrange(-2, spread)
            fields |= {
                "action": 1,
                "side": side,
                "order_type": 2 if chance.random() < 0.04 else 1,
                "time_in_force": chance.choice((1, 1, 1, 1, 3, 4)),
                "price_units": -distance if side == 1 else distance,
                "quantity_units": chance.randrange(1, 100),
                "self_trade_group": chance.choice((0, 0, 0, 1)),
            }
        else:
            number = chance.randrange(max(1, new_orders - 60), new_orders + 2)
            fields |= {"order_id": BASE + number}
            if kind < 0.9:
                fields |= {"action": 2, "quantity_units": chance.choice((0, 0, 0, 5))}
            else:
                fields |= {
                    "action": 3,
                    "order_type": 1,
                    "time_in_force": 1,
                    "price_units": chance.randrange(-spread, spread),
                    "quantity_units": chance.randrange(1, 120),
                }
        yield fields
