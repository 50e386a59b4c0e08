"""What a process or a client of the simulation sees of the world around it."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge.principals import Call
from tradecaptain.gateway.service import OrderService
from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.orderbook.agent import Venue
from tradecaptain.simulation.time import SimulatedClock
from tradecaptain.simulation.weather import Weather
from tradecaptain.simulation.witness import Witness

type MakeCall = Callable[[OrderService], Coroutine[Any, Any, Any]]


class ConnectionLost(Exception):  # noqa: N818
    """The gateway ended before it answered."""


class Neighbour(Protocol):
    """Another process."""

    @property
    def is_up(self) -> bool:
        """Whether it runs."""

    def kill(self) -> None:
        """Kill it; it comes back some steps later."""


class VenueNeighbour(Neighbour, Protocol):
    """The orderbook's process."""

    @property
    def venue(self) -> Venue:
        """The venue in it, if it runs."""


class GatewayNeighbour(Neighbour, Protocol):
    """The process that serves order entry."""

    def call(self, call: Call, make: MakeCall, done: Callable[[Any], None]) -> None:
        """Serve a call as gRPC does; ``done`` is given the answer, the error, or
        :class:`ConnectionLost`."""


class Surroundings(Protocol):
    """One run of one seed, as those see it who live in it."""

    seed: int
    step: int
    random: random.Random
    clock: SimulatedClock
    mesh: SimulatedMesh
    weather: Weather
    journal: JournalSettings
    paths: RunPaths
    witness: Witness
    power_losses: int

    @property
    def venue(self) -> VenueNeighbour:
        """The venue's process."""

    @property
    def gateway(self) -> GatewayNeighbour:
        """The gateway's process."""

    @property
    def views(self) -> Neighbour:
        """The process that follows the books."""

    def fail(self, why: str) -> None:
        """Note a failure from inside a callback; the step ends with it."""

    def judge(self, check: Callable[[], None]) -> None:
        """Run a check inside a callback."""

    def trace(self, *numbers: int) -> None:
        """Take numbers into the digest by which two runs of a seed are compared."""

    def durable_command(self) -> int:
        """The last command that is on disk, as the log's ring tells."""
