"""Bugs to plant: each is one part of the mesh with one thing wrong, put in that part's place.

They stand for what a change of the product might break. None of them is a switch in the product.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.gateway.process import Gateway
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.mesh import journal_files
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FLAG_RESULT,
    FLAGS_SHIFT,
    FRAME_HEADER_BYTES,
    LENGTH_MASK,
    OFFSET_DURABLE_COMMAND,
    OFFSET_TAIL,
    frame_bytes,
)
from tradecaptain.mesh.journal_scan import END, FULL, Place, Scan
from tradecaptain.mesh.layout import DATA_WORD, FRAME_HEADER_LENGTH, PADDING_WORD
from tradecaptain.mesh.simulated_link import SimulatedSubscription
from tradecaptain.orderbook import log_reading, snapshot_keeper
from tradecaptain.orderbook.agent import Venue
from tradecaptain.orderbook.snapshot import GATE_PREFIX, Snapshot, take_snapshot
from tradecaptain.orderbook.venue_core import VenueCore
from tradecaptain.simulation.process import turn_agents
from tradecaptain.simulation.services import GatewayProcess
from tradecaptain.simulation.venue import VenueProcess
from tradecaptain.wire import order_command

FAR_NS = (1 << 63) - 1


class AcknowledgesBeforeAppend(VenueProcess):
    """Publishes what came of a turn, and lets the log's tail follow only with the next turn."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._appended = 0

    def start(self) -> None:
        self._appended = 0
        super().start()

    def _append(self) -> None:
        ring = self._log().ring
        if self._appended > ring.tail:
            ring.store(OFFSET_TAIL, self._appended)

    def turn(self) -> int:
        self._append()
        self.sync()
        ring = self._log().ring
        before = ring.tail
        work = turn_agents([self.venue.agent], self.world.clock.now_ns())
        self.hear()
        self._appended = ring.tail
        ring.store(OFFSET_TAIL, before)
        return work

    @property
    def is_at_rest(self) -> bool:
        self._append()
        return super().is_at_rest


class AcknowledgesBeforeSync(VenueProcess):
    """Says of commands that they are on disk as soon as they are logged."""

    def turn(self) -> int:
        work = super().turn()
        self._log().ring.store(OFFSET_DURABLE_COMMAND, int(self.venue.core.header[0]["sequence"]))
        return work


class TrustingScan(Scan):
    """Follows the lengths of frames and looks at no checksum."""

    def take(self, frames: npt.NDArray[np.uint8]) -> int:
        row = self._record[0]
        words = frames[: len(frames) // 8 * 8].view(np.int64)
        consumed = 0
        verdict = FULL
        while consumed < len(frames):
            word = int(words[consumed // 8])
            length, flags = word & LENGTH_MASK, (word >> FLAGS_SHIFT) & 0xFF
            total = frame_bytes(length)
            if length == 0 or consumed + total > len(frames):
                verdict = END
                break
            if flags & FLAG_PADDING == 0:
                row["sequence"] = words[consumed // 8 + 1]
                row["checksum"] = (word >> 32) & 0xFFFF_FFFF
                row["frames"] += 1
                record = (consumed + FRAME_HEADER_BYTES) // 8
                row["last_time_ns"] = words[record + 4]
                if flags & FLAG_RESULT == 0:
                    row["last_command"] = words[record + 3]
            consumed += total
        row["consumed"] += consumed
        row["verdict"] = verdict
        return consumed


class SkipsChecksums(VenueProcess):
    """Recovers from whatever bytes the log has."""

    def make_venue(self) -> Venue:
        with (
            patch.object(journal_files, "Scan", TrustingScan),
            patch.object(log_reading, "Scan", TrustingScan),
        ):
            return super().make_venue()


class LosesDuplicateTable(GatewayProcess):
    """Comes back without knowing which client order ids it has seen."""

    def make_gateway(self) -> Gateway:
        gateway = super().make_gateway()
        keys = gateway.store.buckets.shape[0] // 2
        gateway.store.buckets[:keys] = 0
        return gateway


class LosesCancels(VenueProcess):
    """Passes over a cancel now and then."""

    def turn(self) -> int:
        for image in self.venue.streams.orders.images:
            if image["is_open"] and self.world.random.random() < 0.3:
                self._lose_cancel(image)
        return super().turn()

    def _lose_cancel(self, image: Any) -> None:
        offset = int(image["position"] - image["term_begin_position"])
        while offset < int(image["term_length"]):
            frame = int(image["term_address"]) + offset
            word = load_i64(frame)
            length = word & 0xFFFF_FFFF
            if length == 0 or length > 0x7FFF_FFFF:
                return
            command = frame + FRAME_HEADER_LENGTH
            if word == length | DATA_WORD and (
                order_command.get_action(command) == order_command.COMMAND_ACTION_CANCEL_ORDER
            ):
                store_i64(frame, length | PADDING_WORD)
                return
            offset += (length + 31) & -32


class ReadsCommandsAgain(VenueProcess):
    """Begins to read where the slowest reader stands, also one that was killed long before."""

    def make_venue(self) -> Venue:
        opened = self.mesh.add_subscription

        def joined(stream_id: int, **options: Any) -> SimulatedSubscription:
            return opened(stream_id, **(options | {"takes_over": False}))

        with patch.object(self.mesh, "add_subscription", joined):
            return super().make_venue()


class KeepsStaleSnapshots(VenueProcess):
    """Writes into each snapshot the risk gate of the first one."""

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        self._first_gate: dict[str, bytes] = {}

    def sync(self) -> None:
        with patch.object(snapshot_keeper, "take_snapshot", self._take):
            super().sync()

    def _take(self, core: VenueCore, place: Place) -> Snapshot:
        snapshot = take_snapshot(core, place)
        if not self._first_gate:
            self._first_gate = {
                name: data for name, data in snapshot.parts.items() if name.startswith(GATE_PREFIX)
            }
        return replace(snapshot, parts=snapshot.parts | self._first_gate)


class ReordersTimers(VenueProcess):
    """Carries out what is due by the clock after the orders of its turn, not before."""

    def turn(self) -> int:
        place = self.engine + at.HEADER_NEXT_TIMER_NS
        due_ns = load_i64(place)
        store_i64(place, FAR_NS)
        work = super().turn()
        store_i64(place, min(due_ns, load_i64(place)))
        turn_agents([self.venue.agent], self.world.clock.now_ns())
        self.hear()
        return work
