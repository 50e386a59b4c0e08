"""A gateway whose own memory is lost knows everything again from the venue's log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.logged_venue import LoggedVenue, log_paths, opened
from support.venue_driver import ALPHA, BETA, INSTRUMENT
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.base.reference_file import default_reference
from tradecaptain.gateway.agent import OrderDesk
from tradecaptain.gateway.layout import OUTCOME_DONE, OUTCOME_REFUSED
from tradecaptain.gateway.log_recovery import LogRecovery
from tradecaptain.gateway.store import Capacity, Store
from tradecaptain.gateway.written_mark import WrittenMark
from tradecaptain.mesh.journal_files import list_segments
from tradecaptain.wire import control, execution_event, order_command

REFERENCE = default_reference()
CLIENTS = [account for account in REFERENCE.accounts if account.account_id >= 100]
NOW_NS = 1_750_000_000_000_000_000
EVENTS = 4_096
ORDER = [
    "order_id",
    "status",
    "price_units",
    "quantity_units",
    "leaves_quantity_units",
    "cumulative_quantity_units",
    "side",
    "instrument_id",
    "sequence",
    "epoch",
    "update_time_ns",
]


class Gateway:
    """Enters commands into a logged venue as the gateway does, and follows its events."""

    def __init__(self, venue: LoggedVenue, folder: Path) -> None:
        self.venue = venue
        self.store = store_at(folder)
        self.desk = OrderDesk(self.store, venue.orders, venue.folder / "history", _Frozen(), 5.0)
        self.desk.catch_up()

    def enter(self, key: str, account_id: int = ALPHA, session_id: int = 0, **fields: int) -> int:
        """Enter a command and let the venue carry it out; its code."""
        known = {
            "action": order_command.COMMAND_ACTION_NEW_ORDER,
            "account_id": account_id,
            "firm_id": 10 if account_id == ALPHA else 11,
            "instrument_id": INSTRUMENT,
            "side": 1,
            "order_type": 1,
            "time_in_force": 1,
            "price_units": 10_000,
            "quantity_units": 10,
        } | fields
        slot = -1
        if known["action"] != order_command.COMMAND_ACTION_NEW_ORDER:
            (found,) = np.flatnonzero(self.store.requests["order_id"] == known["order_id"])
            slot = int(found)
        row = self.store.staging[:1]
        row.view(np.uint8)[:] = 0
        order_command.initialise(address_of(row))
        for name, value in known.items():
            row[name] = value
        words = np.frombuffer(key.encode().ljust(32, b"\0"), np.int64)
        for index, word in enumerate(words.tolist()):
            row[f"client_order_id{index}"] = word
        self.store.slots[0] = slot
        self.desk.publish(1, session_id, _Told())
        self.venue.crank()
        self.desk.catch_up()
        return int(self.store.codes[0])


class _Told:
    """An answer that nobody waits for."""

    def done(self) -> bool:
        return False

    def set_result(self, result: None, /) -> None:
        pass

    def set_exception(self, error: TradeCaptainError, /) -> None:
        raise error


class _Frozen:
    def now_ns(self) -> int:
        return NOW_NS

    def monotonic_ns(self) -> int:
        return NOW_NS


def store_at(folder: Path) -> Store:
    return Store(
        folder / "orders.state", Capacity(1_024, EVENTS), CLIENTS, REFERENCE.instruments, NOW_NS
    )


def known_requests(store: Store) -> dict[tuple[int, bytes], tuple[Any, ...]]:
    """What the store knows of each client's command, by account and key."""
    found = {}
    for row in store.requests[: int(store.file["request_count"][0])]:
        key = np.array([row[f"key_{word}"] for word in range(4)], np.int64).tobytes()
        order = store.requests[int(row["slot"])]
        found[int(row["account_id"]), key] = (
            int(row["outcome"]),
            int(row["reason"]),
            int(row["action"]),
            *(int(order[name]) for name in ORDER),
        )
    return found


def kept_events(store: Store) -> list[tuple[int, int, int]]:
    """Events that the store holds: epoch, account and account sequence."""
    count = int(store.file["event_count"][0])
    records = store.records[:count].view(execution_event.DTYPE)
    return [
        (int(row["epoch"]), int(row["account_id"]), int(row["account_sequence"])) for row in records
    ]


def trade(gateway: Gateway, seed: int) -> None:
    chance = np.random.default_rng(seed)
    working: list[tuple[int, int]] = []
    for number in range(40):
        account_id = int(chance.choice([ALPHA, BETA]))
        fields: dict[str, int] = {"quantity_units": 10 * int(chance.integers(1, 9))}
        if working and chance.random() < 0.3:
            account_id, order_id = working.pop(int(chance.integers(len(working))))
            is_cancel = chance.random() < 0.5
            fields |= {
                "order_id": order_id,
                "action": order_command.COMMAND_ACTION_CANCEL_ORDER
                if is_cancel
                else order_command.COMMAND_ACTION_REPLACE_ORDER,
            }
        else:
            fields["price_units"] = 10_000 + 100 * int(chance.integers(-3, 4))
            fields["side"] = int(chance.integers(1, 3))
        gateway.enter(f"s{seed}-{number}", account_id, **fields)
        requests = gateway.store.requests[: int(gateway.store.file["request_count"][0])]
        working = [
            (int(row["account_id"]), int(row["order_id"]))
            for row in requests[(requests["status"] < 3) & (requests["order_id"] != 0)]
        ]


@pytest.mark.twin
def test_a_lost_order_file_is_made_again_from_the_log(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    gateway = Gateway(venue, tmp_path / "gateway")
    trade(gateway, 1)
    known, events = known_requests(gateway.store), kept_events(gateway.store)
    outcomes = {row[0] for row in known.values()}
    assert outcomes == {OUTCOME_DONE, OUTCOME_REFUSED} or outcomes == {OUTCOME_DONE}
    venue.sync()
    paths = log_paths(tmp_path)
    again = store_at(tmp_path / "again")
    assert LogRecovery(paths.segments, paths.ring).rebuild(again) == len(known)
    assert known_requests(again) == known
    assert kept_events(again) == events
    assert (again.epoch, again.last_sequence) == (gateway.store.epoch, gateway.store.last_sequence)
    venue.stop()


@pytest.mark.twin
def test_a_command_that_is_sent_again_gets_its_first_result(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    gateway = Gateway(venue, tmp_path / "gateway")
    assert gateway.enter("once", quantity_units=70, price_units=9_000) == 0
    before = known_requests(gateway.store)
    paths = log_paths(tmp_path)
    again = Gateway.__new__(Gateway)
    again.venue = venue
    again.store = store_at(tmp_path / "again")
    LogRecovery(paths.segments, paths.ring).rebuild(again.store)
    again.desk = OrderDesk(again.store, venue.orders, tmp_path / "history", _Frozen(), 5.0)
    orders = int(venue.core.engine.header[0]["last_order_number"])
    assert again.enter("once", quantity_units=70, price_units=9_000) == 1
    assert int(venue.core.engine.header[0]["last_order_number"]) == orders
    assert known_requests(again.store) == before
    # Another body under the same key is refused, and a new key is a new order.
    assert again.enter("once", quantity_units=80, price_units=9_000) > 1
    assert again.enter("twice", quantity_units=70, price_units=9_000) == 0
    assert int(venue.core.engine.header[0]["last_order_number"]) == orders + 1
    # What was resting before is followed on: it fills under its old request.
    again.enter("against", BETA, side=2, quantity_units=10, price_units=9_000)
    key = (ALPHA, b"once".ljust(32, b"\0"))
    names = dict(zip(ORDER, known_requests(again.store)[key][3:], strict=True))
    assert names["status"] == execution_event.ORDER_STATUS_PARTIALLY_FILLED
    assert names["cumulative_quantity_units"] == 10
    venue.stop()


def test_sessions_that_were_open_are_known_again(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    for number in (1, 2, 3):
        venue.control(
            action=control.CONTROL_ACTION_SESSION_OPEN,
            scope=control.CONTROL_SCOPE_SESSION,
            scope_id=number,
            flags=2,
        )
    venue.control(
        action=control.CONTROL_ACTION_SESSION_CLOSE,
        scope=control.CONTROL_SCOPE_SESSION,
        scope_id=2,
    )
    venue.crank()
    paths = log_paths(tmp_path)
    store = store_at(tmp_path / "gateway")
    LogRecovery(paths.segments, paths.ring).rebuild(store)
    held = store.sessions["session_id"]
    assert sorted(held[held != 0].tolist()) == [1, 3]
    assert store.new_session_id() == 4
    venue.stop()


def test_events_that_the_history_no_longer_has_come_from_the_log(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    paths = log_paths(tmp_path)
    gateway = Gateway(venue, tmp_path / "gateway")
    gateway.enter("first", price_units=9_000)
    lost: list[int] = []
    desk = OrderDesk(
        gateway.store,
        venue.orders,
        tmp_path / "history",
        _Frozen(),
        5.0,
        log=LogRecovery(paths.segments, paths.ring),
    )
    desk.on_lost_events.append(lambda: lost.append(1))
    # More events than the history holds, while the gateway is away.
    for number in range(560):
        venue.order(account_id=BETA, price_units=9_100 + 100 * (number % 3), time_in_force=3)
        if number % 16 == 15:
            venue.events(1)
    venue.events()
    assert venue.core.history.last_sequence > 1_100
    desk.catch_up()
    assert gateway.store.last_sequence == venue.core.history.last_sequence
    assert lost == []
    venue.stop()


@pytest.mark.parametrize("knows_more", [False, True])
def test_a_gateway_goes_on_where_the_venue_goes_on_in_a_new_epoch(
    tmp_path: Path, knows_more: bool
) -> None:
    """The ring of a killed venue was lost: what the gateway knows beyond the files can't be."""
    venue = opened(tmp_path)
    gateway = Gateway(venue, tmp_path / "gateway")
    gateway.enter("first", price_units=9_000)
    venue.sync()
    if knows_more:
        gateway.enter("second", price_units=9_100)
    venue.kill()
    (tmp_path / "ring").unlink()
    again = LoggedVenue(tmp_path)
    store, desk = gateway.store, gateway.desk
    desk.catch_up()
    assert desk.is_departed == knows_more
    paths = log_paths(tmp_path)
    if knows_more:
        assert store.epoch == 1
        store = store_at(tmp_path / "made_again")
        LogRecovery(paths.segments, paths.ring).rebuild(store)
        desk = OrderDesk(store, again.orders, tmp_path / "history", _Frozen(), 5.0)
        desk.catch_up()
    again.order(account_id=ALPHA, price_units=9_000)
    again.events()
    desk.catch_up()
    assert (store.epoch, store.last_sequence) == (2, again.core.history.last_sequence)
    orders = store.requests[store.requests["order_id"] != 0]
    working = execution_event.ORDER_STATUS_WORKING
    assert orders[["status", "epoch"]].tolist() == [(working, 1), (working, 2)]
    again.stop()


def test_a_file_is_trusted_while_the_machine_runs_or_once_it_was_written_out(
    tmp_path: Path,
) -> None:
    boot, file = tmp_path / "boot", tmp_path / "orders.state"
    boot.write_text("one\n")
    mark = WrittenMark(file, boot)
    assert not mark.is_good
    file.write_bytes(b"orders")
    mark.begin()
    assert WrittenMark(file, boot).is_good
    boot.write_text("two\n")
    assert not WrittenMark(file, boot).is_good
    mark.finish()
    assert WrittenMark(file, boot).is_good
    WrittenMark(file, boot).put_aside()
    assert not file.exists()
    assert (tmp_path / "orders.state.doubtful").read_bytes() == b"orders"


def test_without_a_log_there_is_nothing_to_recover_from(tmp_path: Path) -> None:
    assert not LogRecovery(tmp_path, tmp_path / "ring").is_there
    venue = opened(tmp_path)
    paths = log_paths(tmp_path)
    assert LogRecovery(paths.segments, paths.ring).is_there
    venue.stop()
    assert list_segments(paths.segments)
    assert LogRecovery(paths.segments, paths.ring).is_there
