"""Last quotes of the underlyings, taken from market ticks by a compiled duty cycle.

The agent keeps one row for each underlying of an option chain. What changed is handed to the
asyncio loop by value, each underlying at most once in the conflation interval and never more than
the ring has room for: what the loop doesn't take is overwritten by what is newer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import address_of, aligned_zeros, copy_bytes
from tradecaptain.mesh.agent import Agent, duty_cycle, frame_array
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.handover import (
    HANDOVER,
    HANDOVER_TYPE,
    Handover,
    handover_claim,
    handover_commit,
    handover_room,
    handover_signal,
)
from tradecaptain.mesh.image import image_intact, image_length, image_next, image_release
from tradecaptain.mesh.layout import IMAGE, IMAGE_TYPE
from tradecaptain.mesh.transport import Mesh
from tradecaptain.wire import market_tick, streams

TICKS_PER_TURN: Final = 512
_RING_CAPACITY_MIN: Final = 16

FEED: Final = np.dtype(
    [
        ("tick_count", "<i8"),
        ("malformed_count", "<i8"),
        ("lapped_count", "<i8"),
        ("handed_over_count", "<i8"),
        ("pending_count", "<i8"),
        ("conflation_ns", "<i8"),
        ("scratch_address", "<i8"),
    ],
    align=True,
)
"""Settings and counters of the agent."""
FEED_TYPE: Final[Any] = numba.from_dtype(FEED)[::1]

SLOT: Final = np.dtype([("row", "<i8")], align=True)
"""Row of an instrument in the table of quotes, by instrument id; -1 for none."""
SLOT_TYPE: Final[Any] = numba.from_dtype(SLOT)[::1]

QUOTE: Final = np.dtype(
    [
        ("instrument_id", "<i8"),
        ("epoch", "<i8"),
        ("sequence", "<i8"),
        ("event_time_ns", "<i8"),
        ("receive_time_ns", "<i8"),
        ("bid_price_units", "<i8"),
        ("bid_quantity_units", "<i8"),
        ("ask_price_units", "<i8"),
        ("ask_quantity_units", "<i8"),
        ("last_price_units", "<i8"),
        ("last_quantity_units", "<i8"),
        ("is_pending", "<i8"),
        ("next_handover_ns", "<i8"),
        ("row_address", "<i8"),
    ],
    align=True,
)
"""What is known of one underlying; ``sequence`` is its tick's instrument sequence."""
QUOTE_TYPE: Final[Any] = numba.from_dtype(QUOTE)[::1]


@inline
def _apply_tick(quotes: Any, row: int, tick: int, now_ns: int) -> int:
    """Take over what a tick says; 1 if it changed a quote or a last price."""
    tick_type = market_tick.get_tick_type(tick)
    if tick_type == market_tick.TICK_TYPE_QUOTE:
        quotes[row]["bid_price_units"] = market_tick.get_bid_price_units(tick)
        quotes[row]["bid_quantity_units"] = market_tick.get_bid_quantity_units(tick)
        quotes[row]["ask_price_units"] = market_tick.get_ask_price_units(tick)
        quotes[row]["ask_quantity_units"] = market_tick.get_ask_quantity_units(tick)
    elif tick_type == market_tick.TICK_TYPE_TRADE:
        quotes[row]["last_price_units"] = market_tick.get_price_units(tick)
        quotes[row]["last_quantity_units"] = market_tick.get_quantity_units(tick)
    elif tick_type == market_tick.TICK_TYPE_CLEAR:
        quotes[row]["bid_quantity_units"] = 0
        quotes[row]["ask_quantity_units"] = 0
    else:
        return 0
    quotes[row]["epoch"] = market_tick.get_epoch(tick)
    quotes[row]["sequence"] = market_tick.get_instrument_sequence(tick)
    quotes[row]["event_time_ns"] = market_tick.get_event_time_ns(tick)
    quotes[row]["receive_time_ns"] = now_ns
    return 1


@inline
def _take_tick(feed: Any, images: Any, index: int, address: int, scratch: int) -> int:
    """Address of a private, checked copy of one tick, 0 if it isn't one, -1 if it was lapped."""
    length = image_length(images, index)
    private = scratch + market_tick.RECORD_BYTES
    # The writer may overwrite an untethered reader's record at any time: copy first, then judge.
    copied = min(length, market_tick.RECORD_BYTES)
    copy_bytes(private, address, copied)
    if image_intact(images, index) == 0:
        images[index]["is_open"] = 0
        feed[0]["lapped_count"] += 1
        return -1
    tick = market_tick.normalise(private, copied, scratch)
    if tick < 0:
        feed[0]["malformed_count"] += 1
        return 0
    feed[0]["tick_count"] += 1
    return tick


@inline
def _hand_over(feed: Any, quotes: Any, ring: Any, now_ns: int) -> int:
    """Pass on the quotes whose time has come, as far as there is room."""
    handed_over = 0
    for row in range(quotes.shape[0]):
        if quotes[row]["is_pending"] == 0 or now_ns < quotes[row]["next_handover_ns"]:
            continue
        if handover_room(ring) < 1:
            break
        slot = handover_claim(ring)
        copy_bytes(slot, quotes[row]["row_address"], quotes.itemsize)
        handover_commit(ring)
        quotes[row]["is_pending"] = 0
        quotes[row]["next_handover_ns"] = now_ns + feed[0]["conflation_ns"]
        handed_over += 1
    if handed_over > 0:
        feed[0]["pending_count"] -= handed_over
        feed[0]["handed_over_count"] += handed_over
        handover_signal(ring)
    return handed_over


@kernel(types.int64(FEED_TYPE, IMAGE_TYPE, SLOT_TYPE, QUOTE_TYPE, HANDOVER_TYPE, types.int64))
def quote_feed_take(feed: Any, images: Any, slots: Any, quotes: Any, ring: Any, now_ns: int) -> int:
    """Read up to ``TICKS_PER_TURN`` ticks of each writer and hand over what changed."""
    scratch = feed[0]["scratch_address"]
    work = 0
    for index in range(images.shape[0]):
        for _ in range(TICKS_PER_TURN):
            address = image_next(images, index)
            if address == 0:
                break
            work += 1
            tick = _take_tick(feed, images, index, address, scratch)
            if tick < 0:
                break
            if tick == 0:
                continue
            instrument_id = market_tick.get_instrument_id(tick)
            row = slots[instrument_id]["row"] if instrument_id < slots.shape[0] else -1
            if row < 0 or _apply_tick(quotes, row, tick, now_ns) == 0:
                continue
            if quotes[row]["is_pending"] == 0:
                quotes[row]["is_pending"] = 1
                feed[0]["pending_count"] += 1
        image_release(images, index)
    if feed[0]["pending_count"] > 0:
        work += _hand_over(feed, quotes, ring, now_ns)
    return work


@duty_cycle
def quote_feed_do_work(frame: int, now_ns: int) -> int:
    """One turn; the frame is feed, images, slots, quotes, ring."""
    return quote_feed_take(
        frame_array(frame, 0, FEED),
        frame_array(frame, 1, IMAGE),
        frame_array(frame, 2, SLOT),
        frame_array(frame, 3, QUOTE),
        frame_array(frame, 4, HANDOVER),
        now_ns,
    )


class QuoteFeed(Closing):
    """The agent with its state, its untethered subscription, and the ring to the loop."""

    def __init__(self, mesh: Mesh, instrument_ids: Iterable[int], conflation_ns: int) -> None:
        ids = sorted(set(instrument_ids))
        self._subscription = mesh.add_subscription(
            streams.MARKET_TICKS, tether=streams.STREAMS["market_ticks"].tether
        )
        self._slots = aligned_zeros(max(ids, default=0) + 1, SLOT)
        self._slots["row"] = -1
        self._quotes = aligned_zeros(len(ids), QUOTE)
        for row, instrument_id in enumerate(ids):
            self._slots[instrument_id]["row"] = row
            self._quotes[row]["instrument_id"] = instrument_id
            self._quotes[row]["row_address"] = address_of(self._quotes) + row * QUOTE.itemsize
        # Two records: one that normalise may write, one for the private copy.
        self._scratch = aligned_zeros(2, market_tick.DTYPE)
        self._feed = aligned_zeros(1, FEED)
        self._feed[0]["conflation_ns"] = conflation_ns
        self._feed[0]["scratch_address"] = address_of(self._scratch)
        capacity = max(_RING_CAPACITY_MIN, 1 << (2 * len(ids)).bit_length())
        self.handover = Handover(QUOTE, capacity)
        self.agent = Agent(
            "quote_feed",
            quote_feed_do_work,
            arrays=[
                self._feed,
                self._subscription.images,
                self._slots,
                self._quotes,
                self.handover.state,
            ],
            resources=[self._subscription],
        )

    @property
    def counters(self) -> dict[str, int]:
        """Ticks taken, refused, lost and handed over so far."""
        names = ("tick_count", "malformed_count", "lapped_count", "handed_over_count")
        return {name: int(self._feed[0][name]) for name in names}

    def quote(self, instrument_id: int) -> npt.NDArray[Any]:
        """A copy of the agent's row of an underlying; for use while the agent doesn't run."""
        row: npt.NDArray[Any] = self._quotes[self._slots[instrument_id]["row"]].copy()
        return row

    def close(self) -> None:
        """Leave the stream; the thread that runs the agent must have stopped."""
        self.handover.close()
        self._subscription.close()
