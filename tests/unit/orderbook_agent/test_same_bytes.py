"""The engine by itself writes the bytes that the venue publishes for the same commands.

What programs link is made of the engine's kernels: see tests/unit/matching/test_library.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from support.matching_driver import EngineDriver
from support.venue_driver import (
    ALPHA,
    ALPHA_FIRM,
    BETA,
    BETA_FIRM,
    INSTRUMENT,
    VenueDriver,
    read_records,
)
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.wire import book_event, execution_event, order_command

COUNT = 120
FIRMS = {ALPHA: ALPHA_FIRM, BETA: BETA_FIRM}
KINDS: tuple[dict[str, int], ...] = (
    {},
    {},
    {"order_type": 2, "time_in_force": 3, "price_units": 0},
    {"time_in_force": 4},
    {"order_type": 3, "stop_price_units": 10_003, "price_units": 0},
    {"order_type": 4, "stop_price_units": 9_998},
    {"order_type": 5, "offset_units": 2, "price_units": 0},
    {"order_type": 6, "peg_reference": 1, "offset_units": -1, "price_units": 0},
    {"instructions": 4},
    {"instructions": 8},
    {"instructions": 33},
    {"display_quantity_units": 2, "quantity_units": 9},
    {"group_id": 4, "group_role": 1},
    {"self_trade_prevention": 4},
    {"instructions": 256},
)


def flow(random: np.random.Generator) -> list[dict[str, int]]:
    """Orders of every kind, cancels, replaces and mass cancels."""
    commands: list[dict[str, int]] = []
    for index in range(COUNT):
        account = int(random.choice([ALPHA, BETA]))
        known = {"account_id": account, "firm_id": FIRMS[account], "tag": index + 1}
        known |= {"order_type": 1, "time_in_force": 2, "instrument_id": INSTRUMENT}
        choice = int(random.integers(0, 10))
        if choice < 7:
            known |= {
                "action": order_command.COMMAND_ACTION_NEW_ORDER,
                "side": int(random.integers(1, 3)),
                "price_units": 10_000 + int(random.integers(-4, 5)),
                "quantity_units": int(random.integers(1, 9)),
                "client_order_id0": 77 + index,
            }
            known |= KINDS[int(random.integers(len(KINDS)))]
        else:
            action = 2 + (choice == 8)
            known |= {
                "action": action if index % 40 else order_command.COMMAND_ACTION_MASS_CANCEL,
                "order_id": (1 << 40) + int(random.integers(1, index + 2)),
                "price_units": 10_000,
                "quantity_units": int(random.integers(0, 5)),
                "side": 0,
            }
        commands.append(known)
    return commands


def taken(venue: VenueDriver, name: str, module: Any) -> np.ndarray[Any, Any]:
    """Everything that the venue has published on a stream."""
    target = np.zeros(8_192, module.DTYPE)
    images = venue.readers[name].images
    count = read_records(images, address_of(target), module.RECORD_BYTES, len(target))
    return target[:count]


def test_the_same_commands_give_the_same_bytes(tmp_path: Path) -> None:
    venue = VenueDriver(tmp_path, epoch=1)
    venue.open_all()
    executions: list[Any] = []
    books: list[Any] = []
    commands = flow(np.random.default_rng(3))
    for command in commands:
        venue.order(**command)
        venue.crank()
        executions.append(taken(venue, "execution", execution_event))
        books.append(taken(venue, "book", book_event))
    venue.close()
    assert sum(map(len, executions)) > COUNT
    assert {int(e["execution_type"]) for part in executions for e in part} >= set(range(1, 9))
    engine = EngineDriver(
        [InstrumentRules(INSTRUMENT, 1, 1_000_000, 1_000_000)],
        MatchingCapacity(
            orders=256,
            levels=256,
            instruments=1,
            instrument_ids=2_000,
            account_ids=256,
            step_limit=4,
        ),
    )
    for command, ours, shown in zip(commands, executions, books, strict=True):
        row = np.zeros(1, order_command.DTYPE)
        order_command.initialise(address_of(row))
        for name, value in command.items():
            row[0][name] = value
        # What the sequencer has stamped.
        row["send_time_ns"] = ours[0]["send_time_ns"] if len(ours) else 0
        for event in ours[:1]:
            row["sequence"], row["time_ns"] = event["command_sequence"], event["time_ns"]
        parts = list(engine.raw_events(row))
        assert b"".join(part for part, _ in parts) == ours.tobytes()
        assert b"".join(part for _, part in parts) == shown.tobytes()
