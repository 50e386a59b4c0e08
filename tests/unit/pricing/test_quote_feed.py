"""The compiled quote feed on the simulated transport, against a naive twin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.market_ticks import TickWriter, quote, tick, trade
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.pricing.agent import QuoteFeed
from tradecaptain.wire import market_tick
from twins.pricing.quotes import Quotes

pytestmark = pytest.mark.twin

ACME, GLOBX, STRANGER = 1, 5, 900
MILLISECOND_NS = 1_000_000
START_NS = 1_750_000_000_000_000_000


class World:
    """A feed, a writer, and time that is told."""

    def __init__(self, conflation_ns: int = 0) -> None:
        self.mesh = SimulatedMesh()
        self.feed = QuoteFeed(self.mesh, [ACME, GLOBX], conflation_ns)
        self.writer = TickWriter(self.mesh)
        self.now_ns = START_NS
        self.turn()

    def turn(self, times: int = 1) -> int:
        """Let driver and agent work; how much the agent did."""
        work = 0
        for _ in range(times):
            self.mesh.crank()
            self.feed.agent.refresh()
            work += self.feed.agent.do_work(self.now_ns)
        return work

    def handed_over(self) -> list[Any]:
        return list(self.feed.handover.drain())

    def close(self) -> None:
        self.feed.close()
        self.mesh.close()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def test_quote_and_trade_are_handed_over_by_value(world: World) -> None:
    world.writer.write(quote(ACME, 1, 9_990, 10_010))
    world.turn()
    (first,) = world.handed_over()
    world.writer.write(trade(ACME, 2, 10_010))
    world.turn()
    (second,) = world.handed_over()
    assert first["instrument_id"] == second["instrument_id"] == ACME
    assert (first["bid_price_units"], first["ask_price_units"]) == (9_990, 10_010)
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert first["last_quantity_units"] == 0
    assert (second["last_price_units"], second["bid_price_units"]) == (10_010, 9_990)
    assert second["receive_time_ns"] == START_NS
    assert world.feed.counters["tick_count"] == 2


def test_ticks_of_other_instruments_and_kinds_change_nothing(world: World) -> None:
    world.writer.write(quote(STRANGER, 1, 1, 2))
    world.writer.write(quote(0xFFFFFFFF, 1, 1, 2))
    world.writer.write(tick(tick_type=market_tick.TICK_TYPE_LEVEL, instrument_id=ACME))
    world.writer.write(tick(tick_type=0xFFFF, instrument_id=ACME))
    assert world.turn() == 4
    assert world.handed_over() == []
    assert world.feed.counters["tick_count"] == 4


def test_malformed_records_are_counted_and_skipped(world: World) -> None:
    wrong_kind = quote(ACME, 1, 1, 2)
    wrong_kind["kind"] = 9
    far_pointer = quote(ACME, 2, 1, 2)
    far_pointer["root_pointer"] |= 2
    world.writer.write(wrong_kind)
    world.writer.write(far_pointer)
    world.writer.write(quote(ACME, 3, 1, 2), length=24)
    world.writer.write(quote(ACME, 4, 5, 7))
    world.turn()
    (only,) = world.handed_over()
    assert only["sequence"] == 4
    assert world.feed.counters["malformed_count"] == 3


def test_clear_empties_both_sides(world: World) -> None:
    world.writer.write(quote(ACME, 1, 10, 12))
    world.writer.write(
        tick(tick_type=market_tick.TICK_TYPE_CLEAR, instrument_id=ACME, instrument_sequence=2)
    )
    world.turn()
    (only,) = world.handed_over()
    assert (only["bid_quantity_units"], only["ask_quantity_units"]) == (0, 0)
    assert only["sequence"] == 2


def test_ticks_within_the_interval_are_conflated_to_the_last() -> None:
    world = World(conflation_ns=MILLISECOND_NS)
    for sequence in range(1, 6):
        world.writer.write(quote(ACME, sequence, sequence, sequence + 2))
        world.turn()
    assert [item["sequence"] for item in world.handed_over()] == [1]
    world.now_ns += MILLISECOND_NS
    world.turn()
    assert [item["sequence"] for item in world.handed_over()] == [5]
    world.now_ns += MILLISECOND_NS
    assert world.turn() == 0
    assert world.handed_over() == []
    world.close()


def test_a_loop_that_does_not_read_gets_the_newest_when_it_does(world: World) -> None:
    for sequence in range(1, 101):
        world.writer.write(quote(ACME, sequence, sequence, sequence + 2))
        world.writer.write(quote(GLOBX, sequence, 2 * sequence, 2 * sequence + 2))
        world.turn()
    taken = world.handed_over()
    assert 2 <= len(taken) <= 16
    world.turn()
    newest = {int(item["instrument_id"]): int(item["sequence"]) for item in world.handed_over()}
    assert newest == {ACME: 100, GLOBX: 100}


def test_a_writer_that_restarts_is_followed_on() -> None:
    world = World()
    world.writer.write(quote(ACME, 1, 1, 3))
    world.turn()
    world.mesh.restart_driver()
    world.writer.refresh()
    world.turn(3)
    world.writer.write(quote(ACME, 1, 5, 7))
    world.turn(3)
    assert [item["bid_price_units"] for item in world.handed_over()] == [1, 5]
    world.close()


def test_a_reader_left_far_behind_goes_on_with_the_newest() -> None:
    world = World()
    # Far more than the smallest log holds, without a turn of the reader.
    for sequence in range(1, 6_000):
        world.writer.write(quote(ACME, sequence, sequence, sequence + 2))
        world.mesh.crank()
    for sequence in range(6_000, 6_040):
        world.turn()
        world.writer.write(quote(ACME, sequence, sequence, sequence + 2))
        world.handed_over()
    world.turn()
    (last,) = world.handed_over()
    assert last["sequence"] == 6_039
    world.close()


ticks = st.fixed_dictionaries(
    {
        "tick_type": st.integers(0, 6),
        "instrument_id": st.sampled_from([ACME, GLOBX, STRANGER, 0, 2, 0xFFFFFFFF]),
        "instrument_sequence": st.integers(0, 2**40),
        "epoch": st.integers(0, 2**32 - 1),
        "event_time_ns": st.integers(0, 2**62),
        "price_units": st.integers(-(2**40), 2**40),
        "quantity_units": st.integers(0, 2**40),
        "bid_price_units": st.integers(-(2**40), 2**40),
        "bid_quantity_units": st.integers(0, 2**40),
        "ask_price_units": st.integers(-(2**40), 2**40),
        "ask_quantity_units": st.integers(0, 2**40),
    }
)


@given(st.lists(ticks, max_size=40))
def test_any_ticks_leave_what_the_twin_says(written: list[dict[str, int]]) -> None:
    world = World()
    twin = Quotes([ACME, GLOBX])
    for fields in written:
        world.writer.write(tick(**fields))
        twin.take(fields)
    world.turn()
    for instrument_id, due in twin.by_id.items():
        row = world.feed.quote(instrument_id)
        assert (row["epoch"], row["sequence"], row["event_time_ns"]) == (
            due.epoch,
            due.sequence,
            due.event_time_ns,
        )
        assert (row["bid_price_units"], row["bid_quantity_units"]) == due.bid
        assert (row["ask_price_units"], row["ask_quantity_units"]) == due.ask
        assert (row["last_price_units"], row["last_quantity_units"]) == due.last
    world.close()
