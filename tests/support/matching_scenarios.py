"""Scenarios as text: what is sent to a venue, and what it answers, line by line.

A file holds scenarios, each under a title in brackets. A line is a command; the lines behind it
that begin with ``>`` are what comes of it. Orders are numbered from 1 in the order of entry.

    [a title, and after a bar the rules of the instrument | allocation=2 minimum_share_units=2]
    alpha buy 10 @ 100 gtc show=2     a limit order; without @ a market order
    alpha buy 10 stop=101             a stop; with @ a stop-limit order
    beta sell 5 trail=3               a trailing stop; trail=2% follows in basis points
    beta buy 5 peg=middle+1           a pegged order: same, other or middle; with @ it has a bound
    cancel 3    cancel 3 by 2         all of an order, or a part
    replace 3 @ 101 of 8 stop=99      price, total and stop price
    phase opening for 5 last 100      a trading phase, its length in seconds, the last price
    bands 90 110 dynamic=5 pause=2
    wait 3                            seconds pass
    mass-cancel alpha
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.matching_driver import EngineDriver, without_zeros
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.wire import reason
from twins.matching.naive_records import INTRADAY, Book
from twins.matching.naive_venue import NaiveVenue

ACCOUNTS = {"alpha": 5, "beta": 6, "gamma": 7}
SIDES = {"buy": 1, "sell": 2}
FORCES = {"day": 1, "gtc": 2, "ioc": 3, "fok": 4, "gtd": 5, "at-open": 6, "at-close": 7}
BITS = {"post-only": 1, "hidden": 4, "all-or-none": 8, "slide": 33, "top": 64}
PREVENTIONS = {"newest": 1, "oldest": 2, "both": 3, "decrement": 4}
PEGS = {"same": 1, "other": 2, "middle": 3}
ROLES = {"oco": 1, "entry": 2, "exit": 3}
PHASES = {
    name: number
    for number, name in enumerate(
        ("continuous", "closed", "halted", "opening", "closing", "volatility", "intraday"), 1
    )
}
NUMBERS = {
    "show": "display_quantity_units",
    "least": "minimum_visible_units",
    "minimum": "minimum_quantity_units",
    "group": "self_trade_group",
}
KINDS = {
    1: "accepted",
    2: "rejected",
    4: "cancelled",
    5: "replaced",
    6: "expired",
    7: "cancel rejected",
    8: "replace rejected",
    12: "mass cancel done",
    13: "restated",
    14: "triggered",
}
SECOND_NS = 10**9
START_NS = 1_750_000_000 * SECOND_NS
BASE = 1 << 40
SET_PHASE, SET_BANDS, TIMER, VALUE_IS_REFERENCE = 13, 14, 17, 16
SMALLEST, LARGEST = -(2**63), 2**63 - 1


@dataclass
class Scenario:
    """A title, the rules of its instrument, and (command, expected lines) in order."""

    file: str
    title: str
    rules: dict[str, int]
    steps: list[tuple[str, list[str]]] = field(default_factory=list)


def read_scenarios(path: Path) -> Iterator[Scenario]:
    """The scenarios of a file."""
    scenario: Scenario | None = None
    for line in path.read_text().splitlines():
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("["):
            if scenario:
                yield scenario
            title, _, rules = text.strip("[]").partition("|")
            told = dict(pair.split("=") for pair in rules.split())
            scenario = Scenario(path.stem, title.strip(), {k: int(v) for k, v in told.items()})
        elif text.startswith(">"):
            assert scenario and scenario.steps, f"{path}: {text} answers nothing"
            scenario.steps[-1][1].append(text[1:].strip())
        else:
            assert scenario, f"{path}: {text} has no title"
            scenario.steps.append((text, []))
    if scenario:
        yield scenario


def order_fields(words: list[str]) -> dict[str, int]:
    """A new order from the words that describe it."""
    account, side, quantity, *terms = words
    fields = {
        "action": 1,
        "account_id": ACCOUNTS[account],
        "side": SIDES[side],
        "quantity_units": int(quantity),
        "order_type": 2,
        "time_in_force": 0,
        "instructions": 0,
    }
    while terms:
        word = terms.pop(0)
        name, _, value = word.partition("=")
        if word == "@":
            fields |= {"price_units": int(terms.pop(0)), "order_type": 1}
        elif word in FORCES:
            fields["time_in_force"] = FORCES[word]
        elif word in BITS:
            fields["instructions"] |= BITS[word]
        elif name == "stop":
            fields |= {
                "stop_price_units": int(value),
                "order_type": 3 + (fields["order_type"] == 1),
            }
        elif name == "trail":
            unit = "offset_basis_points" if value.endswith("%") else "offset_units"
            scale = 100 if value.endswith("%") else 1
            fields |= {unit: int(value.rstrip("%")) * scale, "order_type": 5}
        elif name == "peg":
            reference, offset = re.fullmatch(r"(\w+)([+-]\d+)?", value).groups()  # type: ignore[union-attr]
            bound = 128 if fields["order_type"] == 1 else 0
            fields |= {"order_type": 6, "peg_reference": PEGS[reference]}
            fields |= {"offset_units": int(offset or 0)}
            fields["instructions"] |= bound
        elif name == "expires":
            fields |= {"time_in_force": 5, "expire_time_ns": START_NS + int(value) * SECOND_NS}
        elif name == "prevent":
            fields["self_trade_prevention"] = PREVENTIONS[value]
        elif name in ROLES:
            fields |= {"group_role": ROLES[name], "group_id": int(value)}
        else:
            fields[NUMBERS[name]] = int(value)
    rests = fields["order_type"] != 2
    fields["time_in_force"] = fields["time_in_force"] or (2 if rests else 3)
    return fields


class Player:
    """Sends the commands of a scenario to the engine or to the naive venue."""

    def __init__(self, kind: str, rules: dict[str, int], step_limit: int = 3) -> None:
        self.is_naive = kind == "naive"
        known = InstrumentRules(1, **rules)
        if self.is_naive:
            book = Book(
                1,
                tick=known.tick_units,
                lot=known.lot_units,
                allocation=known.allocation,
                minimum_share=known.minimum_share_units,
                batch_interval_ns=known.batch_interval_ns,
                indication_interval_ns=known.indication_interval_ns,
            )
            if known.allocation == 4:
                book.phase, book.auction_end_ns = INTRADAY, 1
            self.venue: Any = NaiveVenue([book], account_ids=64)
        else:
            capacity = MatchingCapacity(
                orders=1_024,
                levels=1_024,
                instruments=2,
                instrument_ids=4,
                account_ids=64,
                step_limit=step_limit,
            )
            self.venue = EngineDriver([known], capacity)
        self.owners: dict[int, int] = {}
        self.seconds = 0
        self.sequence = 0

    def restart(self) -> None:
        """Go on with an engine that is made from a snapshot of the one so far."""
        before = self.venue
        self.venue = EngineDriver([], before.capacity)
        assert self.venue.restore(before.snapshot()) == 0
        assert self.venue.state_hash() == before.state_hash()

    def stamps(self) -> dict[str, int]:
        self.sequence += 1
        return {"sequence": self.sequence, "time_ns": START_NS + self.seconds * SECOND_NS}

    def play(self, line: str) -> list[str]:
        """Carry a command out; what came of it, as text."""
        executions, books = self.carry_out(line.split())[:2]
        told = [self.tell(without_zeros(event)) for event in executions]
        told += [tell_market(event) for event in books if event["action"] in (6, 7)]
        return [text for text in told if text]

    def carry_out(self, words: list[str]) -> Any:
        verb = words[0]
        if verb == "wait":
            self.seconds += int(words[1])
            return self.pass_time()
        if verb == "phase":
            return self.set_phase(words[1], dict(zip(words[2::2], words[3::2], strict=True)))
        if verb == "bands":
            told = dict(word.split("=") for word in words if "=" in word)
            return self.set_bands(int(words[1]), int(words[2]), told)
        return self.venue.submit(self.command(words) | self.stamps() | {"instrument_id": 1})

    def command(self, words: list[str]) -> dict[str, int]:
        verb = words[0]
        if verb == "mass-cancel":
            return {"action": 4, "account_id": ACCOUNTS[words[1]]}
        if verb not in ("cancel", "replace"):
            return order_fields(words)
        order_id = BASE + int(words[1])
        target = {"order_id": order_id, "account_id": self.owners.get(order_id, 0)}
        told = dict(zip(words[2::2], words[3::2], strict=False))
        stop = [word for word in words if word.startswith("stop=")]
        if verb == "cancel":
            return target | {"action": 2, "quantity_units": int(told.get("by", 0))}
        return target | {
            "action": 3,
            "price_units": int(told.get("@", 0)),
            "quantity_units": int(told["of"]),
            "stop_price_units": int(stop[0][5:]) if stop else 0,
        }

    def pass_time(self) -> Any:
        if self.is_naive:
            return self.venue.advance_time(self.stamps())
        return self.venue.control({"action": TIMER} | self.stamps())

    def set_phase(self, name: str, told: dict[str, str]) -> Any:
        stamps, phase = self.stamps(), PHASES[name]
        last = int(told["last"]) if "last" in told else None
        duration_ns = int(told.get("for", 0)) * SECOND_NS
        if self.is_naive:
            end_ns = stamps["time_ns"] + duration_ns if duration_ns else 0
            return self.venue.set_instrument_phase(stamps, 1, phase, end_ns, last)
        fields = {"action": SET_PHASE, "instrument_id": 1, "phase": phase}
        if last is not None:
            fields |= {"flags": VALUE_IS_REFERENCE, "value": last}
        return self.venue.control(fields | {"duration_ns": duration_ns} | stamps)

    def set_bands(self, low: int, high: int, told: dict[str, str]) -> Any:
        dynamic = int(told.get("dynamic", 0))
        pause_ns = int(told.get("pause", 0)) * SECOND_NS
        if self.is_naive:
            self.venue.set_bands(1, low, high, dynamic, pause_ns)
            return [], []
        bands = {"low_units": low, "high_units": high, "value": dynamic, "duration_ns": pause_ns}
        return self.venue.control({"action": SET_BANDS, "instrument_id": 1} | bands | self.stamps())

    def tell(self, event: dict[str, int]) -> str:
        """An execution event in words; of a trade the taker's or the buyer's alone."""
        number = event.get("order_id", 0) - BASE
        kind = event["execution_type"]
        if kind == 1:
            self.owners[event["order_id"]] = event["account_id"]
        why = reason.NAMES[event["reason"]].removeprefix("REASON_") if "reason" in event else ""
        if kind == 3:
            if event["liquidity"] == 1 or (event["liquidity"] == 3 and event["side"] == 2):
                return f"with {number}"
            return (
                f"trade {number}: {event['last_quantity_units']} @"
                f" {event.get('last_price_units', 0)}"
            )
        text = KINDS[kind] if number < 0 else f"{KINDS[kind]} {number}"
        if kind in (5, 13):
            open_units = event.get("leaves_quantity_units", 0)
            text += f": {open_units} @ {event.get('price_units', 0)}"
        if kind == 12:
            text += f": {event.get('observed_value', 0)}"
        return f"{text} {why}".strip()


def tell_market(event: dict[str, int]) -> str:
    """A change of phase, or what an auction would do, in words."""
    quantity = event.get("quantity_units", 0)
    if event["action"] == 7:
        return f"phase {list(PHASES)[quantity - 1]}"
    surplus = event.get("level_quantity_units", 0)
    side = {0: "", 1: " buy", 2: " sell"}[event.get("side", 0)]
    return f"indication {quantity} @ {event.get('price_units', 0)}, {surplus}{side} left"
