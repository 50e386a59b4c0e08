"""A process of the mesh in simulation: it is started, turned and killed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy.typing as npt
from tradecaptain.mesh.agent import Agent
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.mesh.simulated_link import SimulatedPublication, SimulatedSubscription
from tradecaptain.mesh.transport import DEFAULT_IMAGE_CAPACITY, IPC_CHANNEL
from tradecaptain.simulation.settings import TERM_BYTES_MAX
from tradecaptain.simulation.surroundings import Surroundings
from tradecaptain.simulation.time import SimulatedLoop
from tradecaptain.simulation.witness import Violation


class SimulatedProcess(ABC):
    """One process; what it keeps on disk and in shared memory outlives it."""

    name: ClassVar[str]

    def __init__(self, world: Surroundings) -> None:
        self.world = world
        self.is_up = False
        self.starts_at_step = 0
        """When it comes back after a kill."""
        self.kill_count = 0
        self.mesh = ProcessMesh(world.mesh)

    @abstractmethod
    def start(self) -> None:
        """Begin, as the process's own main function does, but for its threads and its server."""

    @abstractmethod
    def turn(self) -> int:
        """Let its agents work once; how much they did."""

    @abstractmethod
    def drop(self) -> None:
        """End without a word: give back what the operating system would give back."""

    def up(self) -> None:
        """Start it."""
        self.start()
        self.is_up = True

    def kill(self) -> None:
        """Kill it; the supervisor starts it again some steps later."""
        self.is_up = False
        self.kill_count += 1
        self.drop()
        self.mesh.kill()
        self.starts_at_step = self.world.step + 1 + self.world.random.randrange(12)


class LoopProcess(SimulatedProcess):
    """A process with an event loop, which dies with it."""

    def __init__(self, world: Surroundings) -> None:
        super().__init__(world)
        self.loop: SimulatedLoop

    def up(self) -> None:
        """Start it."""
        self.loop = SimulatedLoop(self.world.clock)
        super().up()

    def turn_loop(self, passes: int) -> None:
        """Run what is due in the loop; raises :class:`Violation` for what no task caught."""
        self.loop.turn(passes)
        if self.loop.failures:
            raise Violation(f"{self.name}: {self.loop.failures[0]}")

    def kill(self) -> None:
        """Kill it; nothing that waited in the loop ever runs."""
        super().kill()
        self.loop.forget()


class ProcessMesh:
    """The mesh as one process opens it; a kill closes whatever the process had opened.

    Terms are shorter than in production, for a simulated driver makes a log for every reader.
    """

    def __init__(self, mesh: SimulatedMesh) -> None:
        self._mesh = mesh
        self._opened: list[SimulatedPublication | SimulatedSubscription] = []

    def add_publication(
        self,
        stream_id: int,
        *,
        channel: str = IPC_CHANNEL,
        term_bytes: int = TERM_BYTES_MAX,
        outruns_readers: bool = False,
    ) -> SimulatedPublication:
        """Open an exclusive publication."""
        publication = self._mesh.add_publication(
            stream_id,
            channel=channel,
            term_bytes=min(term_bytes, TERM_BYTES_MAX),
            outruns_readers=outruns_readers,
        )
        self._opened.append(publication)
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
        """Open a subscription."""
        subscription = self._mesh.add_subscription(
            stream_id,
            channel=channel,
            tether=tether,
            image_capacity=image_capacity,
            images=images,
            takes_over=takes_over,
        )
        self._opened.append(subscription)
        return subscription

    def kill(self) -> None:
        """What the driver does of a process that ended without a word."""
        self._mesh.kill(self._opened)
        self._opened.clear()

    def close(self) -> None:
        """What the driver does for a process that ends in order."""
        for resource in self._opened:
            resource.close()
        self._opened.clear()


def turn_agents(agents: Iterable[Agent] | Sequence[Agent], now_ns: int) -> int:
    """What a runner's loop does in one turn, with the look at resources that its watcher does."""
    work = 0
    for agent in agents:
        agent.refresh()
        work += agent.do_work(now_ns)
    return work
