"""What the stream says doesn't depend on how many messages share a commit."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.lobster_day import LobsterDay
from support.market_world import MarketWorld
from tradecaptain.collector.market import LAST_VALUE_FILE
from tradecaptain.collector.state import LAST_VALUE_DTYPE
from tradecaptain.collector.tick_writer import CLAIM_MESSAGES, TICK_STRIDE
from tradecaptain.mesh.last_value_cache import LastValueCache
from tradecaptain.mesh.layout import FRAME_HEADER_LENGTH
from tradecaptain.mesh.stream_reader import EVENT_RECORD
from tradecaptain.wire import market_tick

SPOILT_RECORDS = 4096
# Whatever depends on the moment of publishing.
CLOCK_FIELDS = ("time_ns",)


def spoil(publication: Any) -> None:
    """Leave in the log, where records will lie, what an earlier use might have left there."""
    stride = TICK_STRIDE * SPOILT_RECORDS
    memory = (ctypes.c_uint8 * stride).from_address(int(publication["log_address"][0]))
    slots = np.frombuffer(memory, dtype=np.uint8).reshape(SPOILT_RECORDS, TICK_STRIDE)
    slots[:, FRAME_HEADER_LENGTH : FRAME_HEADER_LENGTH + market_tick.RECORD_BYTES] = 0xEE


def published(folder: Path, day: LobsterDay, batch: int) -> tuple[npt.NDArray[Any], Any]:
    """All ticks of a day that is played so many messages a turn, and the last value."""
    folder.mkdir()
    world = MarketWorld(folder, [day.write_zip(folder / "day.zip", symbol="AMZN")])
    spoil(world.market.ticks.state)
    kept: list[npt.NDArray[Any]] = []
    track = world.market.memory.tracks[0]
    for _ in range(10_000):
        world.market.memory.header["batch_messages"] = batch
        world.market.feeder.fill_once()
        for agent in (world.market.agent, world.reader.agent):
            world.clock.advance(1_000)
            agent.refresh()
            agent.do_work(world.clock.now_ns())
            world.mesh.crank()
        taken = world.reader.handover.drain()
        kept.append(taken["record"][taken["event"] == EVENT_RECORD].copy())
        count = sum(map(len, kept))
        done = world.market.feeder.is_exhausted() and track["ring_head"] == track["ring_tail"]
        if done and count == world.market.memory.header[0]["sequence"]:
            break
    cache = LastValueCache.open(folder / "caches" / LAST_VALUE_FILE, LAST_VALUE_DTYPE)
    value = cache.read(0)
    cache.close()
    world.close()
    return np.concatenate(kept), value


@pytest.mark.parametrize("depth", [1, 5])
def test_every_batch_tells_the_same_ticks(tmp_path: Path, depth: int) -> None:
    day = LobsterDay(7, depth, 500)
    single, value = published(tmp_path / "single", day, 1)
    assert len(single) > 500
    assert (np.diff(single["instrument_sequence"]) == 1).all()
    for batch in (3, CLAIM_MESSAGES, CLAIM_MESSAGES + 1, 256):
        ticks, last = published(tmp_path / f"{batch}", day, batch)
        for name in market_tick.DTYPE.names or ():
            if name not in (*CLOCK_FIELDS, "epoch"):
                assert (ticks[name] == single[name]).all(), name
        for name in ("bid_price_units", "ask_price_units", "instrument_sequence"):
            assert last[name] == value[name]


def test_every_word_of_a_tick_is_written(tmp_path: Path) -> None:
    # The log is reused: what a record leaves out would show what lay there before.
    ticks, _ = published(tmp_path / "day", LobsterDay(7, 5, 300), 64)
    assert len(ticks) < SPOILT_RECORDS
    kinds = ticks["tick_type"]
    assert set(kinds) == {
        market_tick.TICK_TYPE_TRADE,
        market_tick.TICK_TYPE_QUOTE,
        market_tick.TICK_TYPE_LEVEL,
        market_tick.TICK_TYPE_CLEAR,
    }
    assert (ticks["segment_table"] == market_tick.SEGMENT_TABLE).all()
    assert (ticks["root_pointer"] == market_tick.ROOT_POINTER).all()
    assert (ticks["kind"] == market_tick.KIND).all()
    assert (ticks["schema_version"] == market_tick.SCHEMA_VERSION).all()
    quotes = kinds == market_tick.TICK_TYPE_QUOTE
    for name in ("bid_price_units", "ask_quantity_units"):
        assert not ticks[name][~quotes].any()
    for name in ("price_units", "quantity_units", "order_count", "vendor_id", "side"):
        assert not ticks[name][quotes].any()
