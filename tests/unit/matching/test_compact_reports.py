"""An engine with compact reports, and its short way, do what one with wire events does."""

from __future__ import annotations

import random

import numpy as np
import pytest
from support.matching_driver import EngineDriver
from support.matching_flow import BASE, random_commands
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.kernels.matching import (
    MORE,
    InstrumentRules,
    MatchingCapacity,
    engine_state_hash,
    library,
)
from tradecaptain.kernels.matching.engine import submit_compact
from tradecaptain.kernels.matching.layout import (
    COMPACT_COMMAND,
    COMPACT_FIRST_BYTE,
    ORDER_IDS_CLIENT,
    REPLACES_OPEN,
    REPORT,
    REPORT_FORM_COMPACT,
)
from tradecaptain.kernels.matching.plain_compact import begin_run
from tradecaptain.kernels.matching.reports import report_count
from tradecaptain.kernels.matching.rings import FIRST_REPORT, attach_ring, ring_has_room
from tradecaptain.kernels.matching.standalone import (
    engine_resume,
    engine_submit,
)
from tradecaptain.wire import execution_event, order_command, order_snapshot, reason

pytestmark = pytest.mark.twin

RULES = [
    InstrumentRules(1),
    InstrumentRules(2, minimum_price_units=-6, maximum_price_units=9, maximum_quantity_units=90),
    InstrumentRules(3, lot_units=5),
]
CAPACITY = MatchingCapacity(
    orders=400, levels=40, instruments=4, instrument_ids=8, account_ids=16, step_limit=3
)
REPORTS = 64
MAKER = execution_event.LIQUIDITY_MAKER


class CompactDriver:
    """An engine with a report ring that is emptied after each command."""

    def __init__(self, rules: list[InstrumentRules] = RULES, **settings: int) -> None:
        self.driver = EngineDriver(rules, CAPACITY, report_form=REPORT_FORM_COMPACT, **settings)
        self.engine = self.driver.engine.address
        self.ring = aligned_zeros(FIRST_REPORT + REPORTS * REPORT.itemsize, np.uint8)
        assert attach_ring(self.engine, address_of(self.ring), REPORTS)
        self.taken = 0

    def submit(self, command: dict[str, int]) -> list[dict[str, int]]:
        record = np.zeros(1, order_command.DTYPE)
        for name, value in command.items():
            record[0][name] = value
        reports: list[dict[str, int]] = []
        answer = engine_submit(self.engine, address_of(record))
        reports += self._take()
        while answer == MORE:
            answer = engine_resume(self.engine)
            reports += self._take()
        return reports

    def submit_compact(self, command: dict[str, int]) -> list[dict[str, int]]:
        """The same in two parts: what a compact command says, and a record that says the rest."""
        lines = np.zeros(1, COMPACT_COMMAND)
        rest = np.zeros(1, order_command.DTYPE)
        # What the rest says of a compact command's own fields doesn't count.
        for name in COMPACT_COMMAND.names or ():
            rest[0][name] = 9
        for name, value in command.items():
            (lines if name in lines.dtype.names else rest)[0][name] = value
        record = address_of(rest)
        said = begin_run(self.engine, record)
        answer = submit_compact(self.engine, address_of(lines), record, said)
        reports = self._take()
        while answer == MORE:
            answer = engine_resume(self.engine)
            reports += self._take()
        return reports

    def drain(self) -> list[bytes]:
        """Take what is in the ring out of it, as a reader does."""
        target = np.zeros(REPORTS, REPORT)
        count = library.tc_ring_drain(address_of(self.ring), address_of(target), REPORTS)
        return [row.tobytes() for row in target[:count]]

    def _take(self) -> list[dict[str, int]]:
        count = report_count(self.engine)
        assert count - self.taken <= CAPACITY.execution_room
        rows = self.ring[FIRST_REPORT:].view(REPORT)
        fresh = [rows[index % REPORTS] for index in range(self.taken, count)]
        self.taken = count
        return [{name: int(row[name]) for name in REPORT.names or ()} for row in fresh]


def as_report(event: dict[str, int], maker: dict[str, int] | None) -> dict[str, int]:
    """What a compact report says of a wire event (of a trade: of both)."""
    is_trade = event["execution_type"] == execution_event.EXECUTION_TYPE_TRADE
    return {
        "sequence": event["sequence"],
        "command_sequence": event["command_sequence"],
        "order_id": event.get("order_id", 0),
        "contra_order_id": maker["order_id"] if maker else 0,
        "price_units": event.get("last_price_units" if is_trade else "price_units", 0),
        "quantity_units": event.get("last_quantity_units" if is_trade else "quantity_units", 0),
        "execution_type": event["execution_type"],
        "side": event.get("side", 0),
        "reason": event.get("reason", 0),
        "order_status": event.get("order_status", 0),
    }


def expected(events: list[dict[str, int]]) -> list[dict[str, int]]:
    reports = []
    for index, event in enumerate(events):
        if event.get("liquidity", 0) == MAKER:
            continue
        is_taker = event["execution_type"] == execution_event.EXECUTION_TYPE_TRADE
        reports.append(as_report(event, events[index + 1] if is_taker else None))
    return reports


@pytest.mark.parametrize("seed", range(5))
def test_both_forms_of_reports_tell_the_same_story(seed: int) -> None:
    wire = EngineDriver(RULES, CAPACITY)
    compact = CompactDriver()
    for command in random_commands(seed, 500, instruments=3):
        events, _books = wire.submit(command)
        reports = compact.submit(command)
        leaves = [report.pop("leaves_units") for report in reports]
        assert reports == expected(events)
        assert all(units >= 0 for units in leaves)
        assert compact.driver.state_hash() == wire.state_hash()


@pytest.mark.parametrize("seed", range(2))
def test_compact_commands_do_what_whole_ones_do(seed: int) -> None:
    whole = CompactDriver()
    parts = CompactDriver()
    for command in random_commands(seed, 300, instruments=3):
        assert parts.submit_compact(command) == whole.submit(command)
        assert parts.driver.state_hash() == whole.driver.state_hash()


def test_a_compact_command_lies_as_in_its_record() -> None:
    for name, (kind, offset) in (COMPACT_COMMAND.fields or {}).items():
        place = (order_command.DTYPE.fields or {})[name]
        assert (place[0], place[1] - COMPACT_FIRST_BYTE) == (kind, offset)
    assert COMPACT_COMMAND.itemsize == 64


NAMES = (
    {},
    {"firm_id": 3},
    {"client_order_id1": 7, "session_id": 2, "strategy_id": 5, "tag": 9},
    {"client_order_id3": 2, "trader_id": 1, "tag": 9},
)


def orders_of(driver: EngineDriver) -> bytes:
    """All that a snapshot says of an engine's orders, which come last in it."""
    orders = int(driver.engine.header[0]["order_count"])
    words = orders * order_snapshot.RECORD_BYTES // 8
    return driver.snapshot()[-words:].tobytes() if words else b""


@pytest.mark.parametrize("seed", range(3))
def test_slots_that_are_used_again_tell_the_names_of_their_own_orders(seed: int) -> None:
    wire = EngineDriver(RULES, CAPACITY)
    compact = CompactDriver()
    chance = random.Random(seed)
    for command in random_commands(seed, 500, instruments=3):
        named = command | {"firm_id": 0, "tag": 0} | chance.choice(NAMES)
        if command.get("time_in_force") == 1 and command["action"] == 1:
            named["time_in_force"] = chance.choice((1, 2))
        wire.submit(named)
        chance.choice((compact.submit, compact.submit_compact))(named)
        assert orders_of(compact.driver) == orders_of(wire)


def filled_units(driver: CompactDriver, order_id: int) -> int:
    """What a working order has traded; 0 if no such order works."""
    order = np.zeros(6, np.int64)
    library.tc_engine_find_order(driver.engine, order_id, address_of(order))
    return int(order[2] - order[3])


@pytest.mark.parametrize("seed", range(4))
def test_a_replace_may_say_what_is_to_be_open(seed: int) -> None:
    """The same flow twice: replaces say the new total, or what is left of it to be open."""
    total = CompactDriver()
    opened = CompactDriver(replaces=REPLACES_OPEN)
    submit = opened.submit if seed % 2 == 0 else opened.submit_compact
    partly_filled = 0
    for fields in random_commands(seed, 900, instruments=1):
        command = fields | {"account_id": 7, "self_trade_group": 0}
        own = dict(command)
        if command["action"] == order_command.COMMAND_ACTION_REPLACE_ORDER:
            own["quantity_units"] -= filled_units(total, command["order_id"])
            partly_filled += own["quantity_units"] != command["quantity_units"]
        reports = submit(own)
        for report in reports:
            if report["execution_type"] == execution_event.EXECUTION_TYPE_REPLACE_REJECTED:
                assert report["quantity_units"] == own["quantity_units"]
                report["quantity_units"] = command["quantity_units"]
        assert reports == total.submit(command)
        assert opened.driver.state_hash() == total.driver.state_hash()
    assert partly_filled > 0


def test_an_open_quantity_whose_total_is_no_order_s_is_refused() -> None:
    rules = [InstrumentRules(1)]
    largest = (1 << 63) - 1
    opened = CompactDriver(rules, replaces=REPLACES_OPEN)
    order = {"action": 1, "order_type": 1, "time_in_force": 1, "instrument_id": 1, "account_id": 7}
    maker = order | {"side": 1, "price_units": 5, "quantity_units": 9}
    assert opened.submit(maker)[0]["order_id"] == BASE + 1
    opened.submit(order | {"side": 2, "price_units": 5, "quantity_units": 4})
    replace = {"action": 3, "order_id": BASE + 1, "instrument_id": 1, "account_id": 7}
    greatest = opened.submit(replace | {"price_units": 5, "quantity_units": largest - 4})[0]
    assert (greatest["quantity_units"], greatest["leaves_units"]) == (largest, largest - 4)
    for quantity_units in (0, -1, -5, largest - 3, largest):
        refused = opened.submit(replace | {"price_units": 5, "quantity_units": quantity_units})[0]
        assert refused["execution_type"] == execution_event.EXECUTION_TYPE_REPLACE_REJECTED
        assert refused["quantity_units"] == quantity_units
    for side in (1, 2):
        assert len(opened.driver.depth(1, side)) == 2 - side


@pytest.mark.parametrize("seed", range(3))
def test_orders_named_by_their_clients_trade_like_others(seed: int) -> None:
    wire = EngineDriver(RULES, CAPACITY)
    named = CompactDriver(order_ids=ORDER_IDS_CLIENT)
    names: dict[int, int] = {}
    for command in random_commands(seed, 300, instruments=1):
        own = dict(command)
        if command["action"] == 1:
            names[BASE + len(names) + 1] = command["client_order_id0"]
        else:
            own["order_id"] = names.get(command["order_id"], 5)
        if command["action"] == 3:
            own["client_order_id0"] = own["order_id"]
        events, _books = wire.submit(command)
        if events[0]["execution_type"] == execution_event.EXECUTION_TYPE_REJECTED:
            names.popitem()
        reports = named.submit(own)
        for event, report in zip(expected(events), reports, strict=True):
            assert report["execution_type"] == event["execution_type"]
            assert report["price_units"] == event["price_units"]
            assert report["quantity_units"] == event["quantity_units"]
    for side in (1, 2):
        assert named.driver.depth(1, side) == wire.depth(1, side)


def test_an_id_that_works_already_is_refused() -> None:
    named = CompactDriver(order_ids=ORDER_IDS_CLIENT)
    order = {
        "action": 1,
        "side": 1,
        "order_type": 1,
        "time_in_force": 1,
        "instrument_id": 1,
        "account_id": 7,
        "price_units": 5,
        "quantity_units": 2,
        "client_order_id0": 77,
    }
    assert named.submit(order)[0]["order_id"] == 77
    assert named.submit(order)[0]["reason"] == reason.REASON_DUPLICATE_CLIENT_ORDER_ID
    nameless = named.submit(order | {"client_order_id0": 0})
    assert nameless[0]["reason"] == reason.REASON_DUPLICATE_CLIENT_ORDER_ID
    cancel = {"action": 2, "order_id": 77, "instrument_id": 1, "account_id": 7}
    assert named.submit(cancel)[0]["leaves_units"] == 2
    assert named.submit(order)[0]["order_status"] == execution_event.ORDER_STATUS_WORKING


@pytest.mark.parametrize("distance", [1 << 10, 1 << 32])
def test_ids_of_one_bucket_are_told_apart(distance: int) -> None:
    """Ids that the table puts into the same place, beside a set of those that work."""
    named = CompactDriver(order_ids=ORDER_IDS_CLIENT)
    order = {"action": 1, "order_type": 1, "time_in_force": 1, "side": 1, "quantity_units": 2}
    parties = {"instrument_id": 1, "account_id": 7}
    working: set[int] = set()
    chance = random.Random(distance)
    for _ in range(400):
        name = 5 + distance * chance.randrange(12)
        if chance.random() < 0.6:
            price = {"price_units": chance.randrange(9), "client_order_id0": name}
            report = named.submit(order | parties | price)[0]
            is_known = report["reason"] == reason.REASON_DUPLICATE_CLIENT_ORDER_ID
            assert is_known == (name in working)
            assert is_known or report["order_status"] == execution_event.ORDER_STATUS_WORKING
            working.add(name)
        else:
            report = named.submit({"action": 2, "order_id": name} | parties)[0]
            is_cancelled = report["execution_type"] == execution_event.EXECUTION_TYPE_CANCELLED
            assert is_cancelled == (name in working)
            working.discard(name)
    assert int(named.driver.engine.header[0]["order_count"]) == len(working)


def test_a_full_ring_has_no_room_until_it_is_read() -> None:
    compact = CompactDriver()
    assert ring_has_room(compact.engine)
    for number in range(REPORTS):
        compact.submit({"action": 2, "order_id": BASE + number, "account_id": 7})
    assert not ring_has_room(compact.engine)
    compact.ring[64:72].view(np.int64)[0] = compact.taken
    assert ring_has_room(compact.engine)
    assert not attach_ring(compact.engine, address_of(compact.ring), 3)


@pytest.mark.parametrize("seed", range(2))
def test_commands_by_themselves_do_what_a_run_of_them_does(seed: int) -> None:
    names = COMPACT_COMMAND.names or ()
    commands = list(random_commands(seed, 300, instruments=3))
    lines = np.zeros(len(commands), COMPACT_COMMAND)
    for line, command in zip(lines, commands, strict=True):
        for name in names:
            line[name] = command.get(name, 0)
    rest = np.zeros(1, order_command.DTYPE)
    one, run = CompactDriver(), CompactDriver()
    reports: list[list[bytes]] = [[], []]
    for driver, taken, step in ((one, reports[0], 1), (run, reports[1], len(lines))):
        done = 0
        while done < len(lines) or library.tc_engine_is_idle(driver.engine) == 0:
            # With nothing left to take, what is under way goes on.
            count = min(step, len(lines) - done)
            place = address_of(lines) + done * COMPACT_COMMAND.itemsize
            said = 0 if step == 1 else address_of(rest)
            done += library.tc_engine_submit_compact(driver.engine, place, count, said, 0)
            taken += driver.drain()
    assert reports[0] == reports[1]
    assert len(reports[0]) > len(lines)
    assert engine_state_hash(one.engine) == engine_state_hash(run.engine)


def test_an_engine_of_wire_events_takes_no_ring_and_one_without_a_ring_no_command() -> None:
    # Their memory is theirs only while they live.
    wire = EngineDriver(RULES, CAPACITY)
    ring = aligned_zeros(FIRST_REPORT + REPORTS * REPORT.itemsize, np.uint8)
    refused = -reason.REASON_INVALID_REQUEST
    assert library.tc_engine_attach_ring(wire.engine.address, address_of(ring), REPORTS) == refused
    ringless = EngineDriver(RULES, CAPACITY, report_form=REPORT_FORM_COMPACT)
    line = np.zeros(1, COMPACT_COMMAND)
    assert library.tc_engine_submit_compact(ringless.engine.address, address_of(line), 1, 0, 0) == 0
