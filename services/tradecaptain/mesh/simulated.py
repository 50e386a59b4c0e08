"""The transport without a driver: the same state records over ordinary memory, cranked by hand.

``SimulatedMesh.crank`` does what the media driver does: it moves limits, delivers frames into the
log of each reader, wipes what everybody has passed, notices readers that lag, and announces images.
Between two cranks nothing moves, and every choice comes from a seed, so a run can be repeated.
Faults can be injected: streams held back, frames lost, readers slowed, drivers restarted.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.layout import TERM_LENGTH_MINIMUM
from tradecaptain.mesh.simulated_driver import LOSS_SCALE, NO_LIMIT
from tradecaptain.mesh.simulated_link import (
    SimulatedLink,
    SimulatedPublication,
    SimulatedSubscription,
)
from tradecaptain.mesh.transport import (
    DEFAULT_IMAGE_CAPACITY,
    IPC_CHANNEL,
    check_pace,
    check_stream,
)

LAPPED_REST_CRANKS = 8
"""Cranks for which a reader that was lapped stays away."""
KILLED_KNOWN_CRANKS = 32
"""Cranks for which the driver takes a process that was killed for alive; Aeron does for seconds."""


@dataclass(slots=True)
class SimulatedFaults:
    """What goes wrong during the following cranks; probabilities are per link and crank."""

    loss_probability: float = 0.0
    """Chance of each frame to become padding, like a lost datagram of an unreliable stream."""
    lossy_streams: set[int] | None = None
    """Streams that lose frames; all of them if absent."""
    delay_probability: float = 0.0
    """Chance that a link delivers nothing in a crank, which reorders streams against each other."""
    frames_per_crank_max: int | None = None
    """Most frames that a link delivers in one crank."""
    held_streams: set[int] = field(default_factory=set)
    """Streams whose writers' limits stand still, so that they meet back-pressure."""
    disconnected_streams: set[int] = field(default_factory=set)
    """Streams whose readers are cut off as if they had gone."""


class SimulatedMesh(Closing):
    """Publications and subscriptions of one simulated driver."""

    def __init__(self, seed: int = 0, *, max_payload_length: int = 8160) -> None:
        self.faults = SimulatedFaults()
        self._random = random.Random(seed)
        self._max_payload_length = max_payload_length
        self._driver_generation = 1
        self._publications: list[SimulatedPublication] = []
        self._subscriptions: list[SimulatedSubscription] = []
        self._links: list[SimulatedLink] = []
        self._resting: dict[tuple[SimulatedPublication, SimulatedSubscription], int] = {}
        self._killed: dict[SimulatedPublication | SimulatedSubscription, int] = {}

    def add_publication(
        self,
        stream_id: int,
        *,
        channel: str = IPC_CHANNEL,
        term_bytes: int = TERM_LENGTH_MINIMUM,
        outruns_readers: bool = False,
        initial_term_id: int | None = None,
    ) -> SimulatedPublication:
        """Open an exclusive publication; by default of small terms, so that rotation is met."""
        check_stream(stream_id, term_bytes)
        check_pace(channel, outruns_readers)
        publication = SimulatedPublication(
            stream_id,
            channel,
            term_bytes,
            session_id=self._random.randrange(-(2**31), 2**31),
            initial_term_id=(
                self._random.randrange(-(2**31), 2**31)
                if initial_term_id is None
                else initial_term_id
            ),
            max_payload_length=self._max_payload_length,
            driver_generation=self._driver_generation,
            outruns_readers=outruns_readers,
        )
        self._publications.append(publication)
        return publication

    def add_subscription(
        self,
        stream_id: int,
        *,
        channel: str = IPC_CHANNEL,
        tether: bool = False,
        image_capacity: int = DEFAULT_IMAGE_CAPACITY,
        images: npt.NDArray[Any] | None = None,
        takes_over: bool = False,
    ) -> SimulatedSubscription:
        """Open a subscription; its images appear after a crank and a refresh, and begin where the
        slowest reader is, or, if it ``takes_over``, the furthest, also one that was killed."""
        check_stream(stream_id)
        subscription = SimulatedSubscription(
            stream_id, channel, tether, image_capacity, images, takes_over
        )
        self._subscriptions.append(subscription)
        return subscription

    def kill(self, resources: Iterable[SimulatedPublication | SimulatedSubscription]) -> None:
        """Let the process that opened these be killed. Until the driver notices, its readers hold
        their writers back, and others may still join and read what its writers wrote."""
        for resource in resources:
            if not resource.is_closed:
                self._killed[resource] = KILLED_KNOWN_CRANKS

    def crank(self) -> int:
        """Let the driver work once; returns how many frames it delivered."""
        faults = self.faults
        self._link()
        loses = faults.loss_probability > 0
        for link in self._links:
            is_delivering = self._random.random() >= faults.delay_probability
            link.allow(is_delivering, self._random.getrandbits(31) if loses else 0)
        frames_max = NO_LIMIT
        if faults.frames_per_crank_max is not None:
            frames_max = faults.frames_per_crank_max
        delivered = 0
        for publication in self._publications:
            is_held = publication.stream_id in faults.held_streams
            loss = self._loss_of(publication) if loses else 0
            delivered += publication.drive(frames_max, loss, is_held=is_held)
        for link in self._links:
            if link.is_lapped:
                link.log.wipe()
                link.close()
                self._resting[link.publication, link.subscription] = LAPPED_REST_CRANKS
        return delivered

    def _loss_of(self, publication: SimulatedPublication) -> int:
        lossy = self.faults.lossy_streams
        is_lossy = lossy is None or publication.stream_id in lossy
        return int(self.faults.loss_probability * LOSS_SCALE) if is_lossy else 0

    def _link(self) -> None:
        """Let links come and go with writers, readers and faults."""
        for resource in [killed for killed, left in self._killed.items() if left == 0]:
            resource.close()
            del self._killed[resource]
        self._killed = {killed: left - 1 for killed, left in self._killed.items()}
        self._publications = [item for item in self._publications if not item.is_drained]
        self._subscriptions = [item for item in self._subscriptions if not item.is_closed]
        disconnected = self.faults.disconnected_streams
        for link in self._links:
            if link.is_obsolete or link.subscription.stream_id in disconnected:
                link.close()
        before = self._links
        self._links = [link for link in before if not link.is_closed]
        self._resting = {pair: left - 1 for pair, left in self._resting.items() if left > 1}
        linked = {(link.publication, link.subscription) for link in self._links}
        readers: dict[tuple[int, str], list[SimulatedSubscription]] = {}
        for subscription in self._subscriptions:
            key = subscription.stream_id, subscription.channel
            readers.setdefault(key, []).append(subscription)
        for publication in self._publications:
            if publication.is_closed or publication.needs_refresh():
                continue
            for subscription in readers.get((publication.stream_id, publication.channel), ()):
                pair = (publication, subscription)
                if (
                    pair not in linked
                    and pair not in self._resting
                    and publication.stream_id not in disconnected
                ):
                    self._links.append(SimulatedLink(publication, subscription))
        if self._links != before:
            for publication in self._publications:
                publication.follow([it for it in self._links if it.publication is publication])

    def restart_driver(self) -> None:
        """Lose every log; publications and images are closed until they are refreshed. A new
        driver knows none of those that were killed."""
        self._driver_generation += 1
        for resource in self._killed:
            resource.close()
        self._killed.clear()
        for link in self._links:
            link.close()
        self._links.clear()
        for publication in self._publications:
            publication.follow(())
            publication.lose(self._driver_generation)

    def close(self) -> None:
        """Close everything that was opened from here."""
        resources: list[Closing] = [*self._publications, *self._subscriptions]
        for resource in resources:
            resource.close()
