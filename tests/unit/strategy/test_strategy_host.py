"""A strategy beside the real sequencer: what its handlers are told, in what order, and what they
send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.venue_driver import ALPHA, ALPHA_FIRM, BETA, BETA_FIRM, INSTRUMENT, VenueDriver
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.memory import address_of
from tradecaptain.base.records import records_at
from tradecaptain.mesh.history import HistoryReader
from tradecaptain.strategy.agent import StrategyHost
from tradecaptain.strategy.contract import Strategy, handler
from tradecaptain.strategy.desk import (
    COMMANDS_MAX,
    Owner,
    digits_text,
    digits_value,
    now_ns,
    order_number,
    place_order,
    placed,
    set_timer,
)
from tradecaptain.strategy.example import quoter
from tradecaptain.wire import common, execution_event, market_tick, reason, streams

SOURCE = 1
OWNER = Owner(ALPHA, ALPHA_FIRM, 7)
MARKET, EXECUTION, TIMER = 1, 2, 3
DIARY = np.dtype(
    [("count", "<i8"), ("wanted", "<i8"), ("returned", "<i8"), ("timer_ns", "<i8"),
     ("what", "<i8", (256,)), ("when", "<i8", (256,)), ("detail", "<i8", (256,))],
    align=True,
)  # fmt: skip


@handler
def note_market(state: int, tick: int, desk: int) -> int:
    row = records_at(state, 1, DIARY)[0]
    row["what"][row["count"]] = MARKET
    row["when"][row["count"]] = now_ns(desk)
    row["detail"][row["count"]] = market_tick.get_sequence(tick)
    row["count"] += 1
    if row["timer_ns"] != 0:
        set_timer(desk, row["timer_ns"])
        row["timer_ns"] = 0
    for _ in range(row["wanted"]):
        place_order(desk, INSTRUMENT, common.SIDE_BUY, 9_000, 10, common.TIME_IN_FORCE_DAY)
    row["wanted"] = 0
    return row["returned"] if row["returned"] != 0 else placed(desk)


@handler
def note_execution(state: int, event: int, desk: int) -> int:
    row = records_at(state, 1, DIARY)[0]
    row["what"][row["count"]] = EXECUTION
    row["when"][row["count"]] = execution_event.get_execution_type(event)
    row["detail"][row["count"]] = order_number(desk, event)
    row["count"] += 1
    return 0


@handler
def note_timer(state: int, time_ns: int, desk: int) -> int:
    row = records_at(state, 1, DIARY)[0]
    row["what"][row["count"]] = TIMER
    row["when"][row["count"]] = time_ns
    row["count"] += 1
    return 0


DIARIST = Strategy("diarist", DIARY, note_market, note_execution, note_timer)


class Bench:
    """A venue, a market that is written by hand, and a strategy."""

    def __init__(self, folder: Path, strategy: Strategy = DIARIST) -> None:
        self.venue = VenueDriver(folder)
        self.venue.open_all()
        self.history = folder / "history"
        self.clock = ManualClock(self.venue.now_ns)
        self.ticks = self.venue.mesh.add_publication(streams.MARKET_TICKS, term_bytes=1 << 16)
        self.venue.resources.append(self.ticks)
        self.tick_count = 0
        self.start(strategy)

    def start(self, strategy: Strategy) -> None:
        self.host = StrategyHost(
            self.venue.mesh, strategy, OWNER, self.history, self.clock, term_bytes=1 << 16
        )
        self.host.agent.on_start()
        self.turn()

    def tick(self, time_ns: int = 0, bid: int = 9_998, ask: int = 10_002) -> None:
        self.tick_count += 1
        fields = {
            "sequence": self.tick_count,
            "time_ns": time_ns or self.venue.now_ns,
            "instrument_id": SOURCE,
            "bid_price_units": bid,
            "ask_price_units": ask,
            "bid_quantity_units": 5,
            "ask_quantity_units": 5,
        }
        assert self.venue.send(self.ticks, self.venue.record(market_tick, fields)) > 0

    def turn(self, turns: int = 4) -> None:
        for _ in range(turns):
            self.venue.mesh.crank()
            self.host.agent.refresh()
            self.host.agent.do_work(self.venue.now_ns)
            self.venue.crank(1)

    def diary(self) -> list[tuple[int, int, int]]:
        row = self.host.state[0]
        return [
            (int(row["what"][at]), int(row["when"][at]), int(row["detail"][at]))
            for at in range(int(row["count"]))
        ]

    def kinds(self) -> list[int]:
        return [what for what, _, _ in self.diary()]

    def close(self) -> None:
        self.host.close()
        self.venue.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_ticks_come_in_order_and_orders_go_to_the_venue(bench: Bench) -> None:
    bench.host.state["wanted"] = 2
    bench.tick()
    bench.tick()
    bench.turn()
    accepted = [e for e in bench.venue.read("execution") if e["account_id"] == ALPHA]
    assert [e["strategy_id"] for e in accepted] == [7, 7]
    assert [e["execution_type"] for e in accepted] == [1, 1]
    assert [(what, detail) for what, _, detail in bench.diary()] == [
        (MARKET, 1), (MARKET, 2), (EXECUTION, 1), (EXECUTION, 2),
    ]  # fmt: skip


def test_only_as_many_commands_are_sent_as_the_handler_returns(bench: Bench) -> None:
    bench.host.state["wanted"], bench.host.state["returned"] = 3, 1
    bench.tick()
    bench.turn()
    assert bench.host.counts()["commands_sent"] == 1
    assert [kind for kind in bench.kinds() if kind == EXECUTION] == [EXECUTION]


def test_desk_takes_so_many_commands_and_no_more(bench: Bench) -> None:
    bench.host.state["wanted"] = COMMANDS_MAX + 5
    bench.tick()
    bench.turn(8)
    assert bench.host.counts()["commands_sent"] == COMMANDS_MAX
    assert int(bench.host.desk.record[0]["refused_count"]) == 5


def test_timer_that_is_due_comes_before_what_is_stamped_later(bench: Bench) -> None:
    start_ns = bench.venue.now_ns
    bench.host.state["timer_ns"] = start_ns + 50
    bench.tick(start_ns)
    bench.tick(start_ns + 100)
    bench.turn()
    assert bench.diary()[:3] == [
        (MARKET, start_ns, 1), (TIMER, start_ns + 50, 0), (MARKET, start_ns + 100, 2),
    ]  # fmt: skip


def test_time_at_the_desk_never_goes_back(bench: Bench) -> None:
    start_ns = bench.venue.now_ns
    bench.tick(start_ns + 1_000)
    bench.tick(start_ns)
    bench.turn()
    assert [when for _, when, _ in bench.diary()] == [start_ns + 1_000, start_ns + 1_000]


def test_timer_waits_for_the_clock(bench: Bench) -> None:
    bench.host.state["timer_ns"] = bench.venue.now_ns + 1_000_000
    bench.tick()
    bench.turn()
    assert bench.kinds() == [MARKET]
    bench.venue.now_ns += 1_000_000
    bench.turn()
    assert bench.kinds() == [MARKET, TIMER]


def test_events_of_others_are_not_told(bench: Bench) -> None:
    bench.venue.order(account_id=BETA, firm_id=BETA_FIRM)
    bench.venue.order()
    bench.turn()
    assert bench.kinds() == []
    assert bench.host.header[0]["execution_sequence"] == 2


def test_executions_that_the_stream_lost_come_from_the_history_in_order(bench: Bench) -> None:
    bench.host.state["wanted"] = 8
    bench.venue.mesh.faults.loss_probability = 1.0
    bench.venue.mesh.faults.lossy_streams = {streams.EXECUTION_EVENTS}
    bench.tick()
    bench.turn()
    assert bench.kinds() == [MARKET]
    bench.venue.mesh.faults.loss_probability = 0.0
    bench.venue.order(account_id=BETA, firm_id=BETA_FIRM)
    bench.turn()
    assert [detail for what, _, detail in bench.diary() if what == EXECUTION] == list(range(1, 9))
    assert bench.host.counts()["lost_executions"] == 0


def test_history_is_caught_up_with_although_the_venue_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.host.state["wanted"] = 3
    bench.venue.mesh.faults.loss_probability = 1.0
    bench.venue.mesh.faults.lossy_streams = {streams.EXECUTION_EVENTS}
    bench.tick()
    bench.turn()
    bench.venue.mesh.faults.loss_probability = 0.0
    bench.host.header["needs_history"] = 1
    read, orders = HistoryReader.read, iter(range(3))

    def read_while_the_venue_works(
        reader: HistoryReader, first: int, limit: int
    ) -> tuple[int, bytes]:
        found = read(reader, first, limit)
        for _ in orders:
            bench.venue.order(account_id=BETA, firm_id=BETA_FIRM)
            bench.venue.crank()
            break
        return found

    monkeypatch.setattr(HistoryReader, "read", read_while_the_venue_works)
    bench.host.catch_up()
    assert not bench.host.needs_history
    assert next(orders, None) is None
    assert bench.host.header[0]["execution_sequence"] == 6


def test_strategy_that_starts_again_is_told_its_past_with_the_desk_closed(bench: Bench) -> None:
    bench.host.state["wanted"] = 3
    bench.tick()
    bench.turn()
    bench.host.close()
    bench.clock.advance(1_000_000)
    bench.start(DIARIST)
    # Orders of an earlier life have no number in this one.
    assert [(what, detail) for what, _, detail in bench.diary()] == [(EXECUTION, 0)] * 3


def test_nothing_is_sent_late_where_no_venue_listens(bench: Bench) -> None:
    bench.venue.mesh.faults.disconnected_streams = {streams.ORDER_COMMANDS}
    bench.turn()
    bench.host.state["wanted"] = 2
    bench.tick()
    bench.turn()
    rejected = execution_event.EXECUTION_TYPE_REJECTED
    assert bench.diary()[1:] == [(EXECUTION, rejected, 1), (EXECUTION, rejected, 2)]
    event = records_at(int(bench.host.header[0]["refusal_record"]), 1, execution_event.DTYPE)[0]
    assert event["reason"] == reason.REASON_UNAVAILABLE
    assert event["sequence"] == 0
    bench.venue.mesh.faults.disconnected_streams = set()
    bench.turn()
    assert bench.host.counts()["commands_sent"] == 0


def test_back_pressure_holds_events_back_until_commands_are_out(bench: Bench) -> None:
    bench.venue.mesh.faults.held_streams = {streams.ORDER_COMMANDS}
    bench.turn()
    for _ in range(200):
        bench.host.state["wanted"] = 1
        bench.tick()
        bench.turn(1)
        if bench.host.counts()["blocked_turns"]:
            break
    taken = bench.kinds().count(MARKET)
    bench.tick()
    bench.turn()
    assert bench.host.counts()["blocked_turns"] > 1
    assert bench.kinds().count(MARKET) == taken
    bench.venue.mesh.faults.held_streams = set()
    bench.turn(12)
    assert bench.kinds().count(MARKET) == bench.tick_count


def test_quoter_quotes_both_sides_and_counts_its_position(tmp_path: Path) -> None:
    strategy = quoter(
        SOURCE, INSTRUMENT, half_spread_units=2, quantity_units=5, position_max_units=5,
        interval_ns=10_000,
    )  # fmt: skip
    bench = Bench(tmp_path, strategy)
    bench.tick()
    bench.turn(8)
    state: Any = bench.host.state[0]
    assert [int(state[side]["price_units"]) for side in ("bid", "ask")] == [9_998, 10_002]
    assert state["bid"]["order_id"] and state["ask"]["order_id"]
    bench.venue.order(
        account_id=BETA, firm_id=BETA_FIRM, side=2, price_units=9_998, quantity_units=5
    )
    bench.turn(40)
    assert int(state["position_units"]) == 5
    assert bench.venue.core.gate.position(ALPHA, INSTRUMENT)[0] == 5
    # Long as far as it may be: it no longer bids.
    assert (int(state["bid"]["order_id"]), int(state["bid"]["number"])) == (0, 0)
    bench.tick(bid=9_990, ask=9_994)
    bench.turn(60)
    assert int(state["ask"]["price_units"]) == 9_994
    bench.close()


def test_same_events_give_the_same_commands_live_and_from_the_history(tmp_path: Path) -> None:
    strategy = quoter(
        SOURCE, INSTRUMENT, half_spread_units=2, quantity_units=5, position_max_units=50,
        interval_ns=10_000,
    )  # fmt: skip
    bench = Bench(tmp_path, strategy)
    bench.tick()
    bench.turn(8)
    bench.venue.order(
        account_id=BETA, firm_id=BETA_FIRM, side=2, price_units=9_998, quantity_units=3
    )
    bench.turn(8)
    position = int(bench.host.state[0]["position_units"])
    bench.host.close()
    bench.start(strategy)
    assert int(bench.host.state[0]["position_units"]) == position == 3
    bench.close()


@pytest.mark.parametrize("number", [0, 1, 15, 0xDEADBEEF, 0xFFFFFFFF])
def test_numbers_are_eight_printable_digits(number: int) -> None:
    text = digits_text(number)
    assert text.to_bytes(8, "little") == f"{number:08x}".encode()
    assert digits_value(text) == number


def test_what_is_no_number_is_none() -> None:
    assert digits_value(int.from_bytes(b"0000000G", "little")) == -1


def test_strategy_refuses_what_no_kernel_could_run() -> None:
    with pytest.raises(ConfigurationError, match="on_timer"):
        Strategy("raw", DIARY, on_timer=lambda state, event, desk: 0)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="align"):
        Strategy("packed", np.dtype([("a", "<i4"), ("b", "<i8")]))


def test_history_of_another_epoch_starts_the_strategy_over(bench: Bench, tmp_path: Path) -> None:
    bench.host.state["wanted"] = 1
    bench.tick()
    bench.turn()
    assert bench.kinds() == [MARKET, EXECUTION]
    bench.venue.core.history.close()
    other = VenueDriver(tmp_path, epoch=9, seed=4)
    other.open_all()
    bench.host.header["needs_history"] = 1
    bench.host.catch_up()
    with HistoryReader.open(bench.history) as reader:
        assert reader.epoch == 9
    assert bench.kinds() == []
    assert int(bench.host.header[0]["epoch"]) == 9
    assert address_of(bench.host.state) == int(bench.host.header[0]["state"])
    other.close()


def test_handler_of_other_parameters_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="lonely must take state, event and desk"):

        @handler  # type: ignore[arg-type]
        def lonely(state: int, desk: int) -> int:
            return 0


def test_handler_that_raises_or_asserts_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="alarmed must not raise"):

        @handler
        def alarmed(state: int, event: int, desk: int) -> int:
            if event == 0:
                raise ValueError("no event")
            return 0

    with pytest.raises(ConfigurationError, match="certain must not raise"):

        @handler
        def certain(state: int, event: int, desk: int) -> int:
            assert event != 0
            return 0
