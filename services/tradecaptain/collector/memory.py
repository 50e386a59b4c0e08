"""All memory of the collector's agent, allocated once at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.collector.state import (
    COLLECTOR_DTYPE,
    PUBLISHED_DTYPE,
    TRACK_DTYPE,
)
from tradecaptain.kernels.market_data.flow_layout import (
    FLOW_BUCKET_DTYPE,
    FLOW_COMMAND_DTYPE,
    FLOW_DTYPE,
    FLOW_LEVEL_DTYPE,
    FLOW_ORDER_DTYPE,
    RINGS_DTYPE,
    SETTLEMENT_DTYPE,
)
from tradecaptain.kernels.market_data.layout import FEED_MESSAGE_DTYPE
from tradecaptain.wire import execution_event

COMMAND_RING = 16384
SETTLEMENT_RING = 16384
FLOW_ORDER_CAPACITY = 1 << 15
FLOW_LEVEL_CAPACITY = 1 << 14
FLOW_BUCKETS = 1 << 15
TRACK_RING = 1 << 16
BATCH_MESSAGES = 256
REFERENCE_INTERVAL_NS = 100_000_000
REPLAY_ACCOUNT_ID = 1


@dataclass(frozen=True, slots=True)
class MirrorSpec:
    """One mirrored instrument."""

    instrument_id: int
    source: int
    """TickSource of its ticks."""
    shape: BookShape
    own_venue_id: int = 0
    """Our own venue's instrument that takes its flow; zero for none."""


class CollectorMemory:
    """The arrays of the agent, in the order in which its duty cycle expects them."""

    def __init__(
        self,
        mirrors: Sequence[MirrorSpec],
        track_speeds: Sequence[Fraction | None],
        *,
        epoch: int,
        replay_firm_id: int = 1,
    ) -> None:
        self.mirrors = tuple(mirrors)
        self.header = aligned_zeros(1, COLLECTOR_DTYPE)
        self.header["epoch"] = epoch
        self.header["batch_messages"] = BATCH_MESSAGES
        self.header["reference_interval_ns"] = REFERENCE_INTERVAL_NS
        self.header["replay_account_id"] = REPLAY_ACCOUNT_ID
        self.header["replay_firm_id"] = replay_firm_id
        self._scratch = aligned_zeros(1, execution_event.DTYPE)
        self.header["scratch_address"] = address_of(self._scratch)
        self._allocate_market(track_speeds)
        self._allocate_flows()

    def _allocate_market(self, track_speeds: Sequence[Fraction | None]) -> None:
        count = len(self.mirrors)
        self.books = MirrorBooks([mirror.shape for mirror in self.mirrors])
        self.published = aligned_zeros(max(count, 1), PUBLISHED_DTYPE)
        for record, mirror in zip(self.published, self.mirrors, strict=False):
            record["instrument_id"] = mirror.instrument_id
            record["source"] = mirror.source
        self.tracks = aligned_zeros(max(len(track_speeds), 1), TRACK_DTYPE)
        self.header["track_count"] = len(track_speeds)
        self.messages = aligned_zeros(max(len(track_speeds), 1) * TRACK_RING, FEED_MESSAGE_DTYPE)
        base = address_of(self.tracks)
        fields = TRACK_DTYPE.fields
        assert fields is not None
        for index, speed in enumerate(track_speeds):
            track = self.tracks[index]
            track["ring_offset"] = index * TRACK_RING
            track["ring_capacity"] = TRACK_RING
            address = base + index * TRACK_DTYPE.itemsize
            track["head_address"] = address + fields["ring_head"][1]
            track["tail_address"] = address + fields["ring_tail"][1]
            track["speed_numerator"] = speed.numerator if speed else 0
            track["speed_denominator"] = speed.denominator if speed else 1

    def _allocate_flows(self) -> None:
        count = max(len(self.mirrors), 1)
        self.flows = aligned_zeros(count, FLOW_DTYPE)
        # Index 0 of both pools means "none".
        self.flow_orders = aligned_zeros(count * FLOW_ORDER_CAPACITY + 1, FLOW_ORDER_DTYPE)
        self.flow_levels = aligned_zeros(count * FLOW_LEVEL_CAPACITY + 1, FLOW_LEVEL_DTYPE)
        self.buckets = aligned_zeros(count * 2 * FLOW_BUCKETS, FLOW_BUCKET_DTYPE)
        self.rings = aligned_zeros(1, RINGS_DTYPE)
        self.commands = aligned_zeros(COMMAND_RING, FLOW_COMMAND_DTYPE)
        self.settlements = aligned_zeros(SETTLEMENT_RING, SETTLEMENT_DTYPE)
        self.rings["command_capacity"] = COMMAND_RING
        self.rings["settlement_capacity"] = SETTLEMENT_RING
        self.rings["flow_count"] = count
        for index, mirror in enumerate(self.mirrors):
            flow = self.flows[index]
            flow["instrument_id"] = mirror.own_venue_id
            flow["order_offset"] = 1 + index * FLOW_ORDER_CAPACITY
            flow["order_capacity"] = FLOW_ORDER_CAPACITY
            flow["level_offset"] = 1 + index * FLOW_LEVEL_CAPACITY
            flow["level_capacity"] = FLOW_LEVEL_CAPACITY
            flow["order_bucket_offset"] = 2 * index * FLOW_BUCKETS
            flow["level_bucket_offset"] = (2 * index + 1) * FLOW_BUCKETS
            flow["bucket_mask"] = FLOW_BUCKETS - 1

    def arrays(
        self,
        ticks: np.ndarray[Any, Any],
        cache: np.ndarray[Any, Any],
        commands: np.ndarray[Any, Any],
        controls: np.ndarray[Any, Any],
        reports: np.ndarray[Any, Any],
    ) -> list[np.ndarray[Any, Any]]:
        """What the agent's frame lists, with the mesh's state records in their places."""
        return [
            self.header,
            self.tracks,
            self.messages,
            self.books.books,
            self.books.levels,
            self.books.orders,
            self.published,
            ticks,
            cache,
            self.flows,
            self.flow_orders,
            self.flow_levels,
            self.buckets,
            self.rings,
            self.commands,
            self.settlements,
            commands,
            controls,
            reports,
        ]
