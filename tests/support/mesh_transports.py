"""Both transports behind one face, for the suite that both must pass."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from support.mesh_kernels import read_numbers
from support.wait import wait_until
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.driver import MediaDriver
from tradecaptain.mesh.simulated import SimulatedMesh

SMALL_TERM = 64 * 1024


class TransportUnderTest:
    """A mesh, and the way to let its driver work."""

    def __init__(self, mesh: Any, crank: Callable[[], object]) -> None:
        self.mesh = mesh
        self._crank = crank

    def pair(
        self,
        stream_id: int,
        *,
        tether: bool = True,
        outruns_readers: bool = False,
        **options: Any,
    ) -> tuple[Any, Any]:
        """A publication and a subscription that see each other."""
        publication = self.mesh.add_publication(
            stream_id, term_bytes=SMALL_TERM, outruns_readers=outruns_readers
        )
        subscription = self.mesh.add_subscription(stream_id, tether=tether, **options)
        self.until(lambda: subscription.image_count == 1 and publication.is_connected, subscription)
        return publication, subscription

    def until(self, condition: Callable[[], Any], *resources: Any) -> Any:
        """Let the driver work and refresh the resources until the condition holds."""

        def attempt() -> Any:
            self._crank()
            for resource in resources:
                resource.refresh()
            return condition()

        return wait_until(attempt)

    def read(self, subscription: Any, index: int = 0, limit: int = 4096) -> list[int]:
        """Numbers that are there now."""
        self._crank()
        numbers = np.zeros(limit, np.int64)
        lengths = np.zeros(limit, np.int64)
        count = read_numbers(subscription.images, index, numbers, lengths)
        return [int(number) for number in numbers[:count]]

    def read_until(self, subscription: Any, count: int, index: int = 0) -> list[int]:
        """The next ``count`` numbers."""
        found: list[int] = []
        self.until(lambda: len(found.__iadd__(self.read(subscription, index))) >= count)
        return found


def shared_memory_folder() -> Path:
    """A private folder name on the memory file system that no other test has."""
    return Path("/dev/shm") / f"tradecaptain-test-{os.getpid()}-{uuid4().hex[:8]}"


@contextmanager
def aeron_driver() -> Iterator[MediaDriver]:
    """A media driver of the test's own in this process."""
    folder = shared_memory_folder()
    try:
        with MediaDriver(folder / "aeron") as driver:
            yield driver
    finally:
        folder.rmdir()


@contextmanager
def aeron_transport() -> Iterator[TransportUnderTest]:
    """Real Aeron with a driver of its own."""
    with aeron_driver() as driver, AeronMesh(driver.directory, "test") as mesh:
        yield TransportUnderTest(mesh, lambda: None)


@contextmanager
def simulated_transport() -> Iterator[TransportUnderTest]:
    """The simulated transport, cranked at each look."""
    with SimulatedMesh(seed=7) as mesh:
        yield TransportUnderTest(mesh, mesh.crank)
