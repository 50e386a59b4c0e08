"""The contract that real Aeron and the simulated transport both fulfil."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy.typing as npt
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.layout import TERM_LENGTH_MAXIMUM, TERM_LENGTH_MINIMUM

IPC_CHANNEL: Final = "aeron:ipc"
DEFAULT_TERM_BYTES: Final = 16 * 1024 * 1024
DEFAULT_IMAGE_CAPACITY: Final = 8


class Resource(Protocol):
    """What an agent's thread keeps up to date."""

    def needs_refresh(self) -> bool:
        """Whether something changed outside; cheap, from any thread."""
        ...

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back, from any thread, when :meth:`needs_refresh` may have become true.

        Not everything that makes it true is told, the loss of the driver for one.
        """
        ...

    def refresh(self) -> bool:
        """Take the change over, on the thread that runs the kernels; true if anything changed."""
        ...

    def close(self) -> None:
        """Give everything back; kernels see a closed state from then on."""
        ...


class Publication(Resource, Protocol):
    """An exclusive publication: one writer's log of a stream."""

    stream_id: int
    channel: str

    @property
    def state(self) -> npt.NDArray[Any]:
        """Record array of length one for the functions of :mod:`tradecaptain.mesh.publication`."""
        ...

    @property
    def is_connected(self) -> bool:
        """Whether a subscriber is attached."""
        ...

    @property
    def position(self) -> int:
        """Position of the next record."""
        ...

    @property
    def generation(self) -> int:
        """Grows each time a driver gives this publication a new log."""
        ...


class Subscription(Resource, Protocol):
    """A subscription with one image for each writer."""

    stream_id: int
    channel: str

    @property
    def images(self) -> npt.NDArray[Any]:
        """Record array for the functions of :mod:`tradecaptain.mesh.image`."""
        ...

    @property
    def image_count(self) -> int:
        """How many writers are attached."""
        ...


class Mesh(Protocol):
    """A connection to the mesh, from which everything else is opened."""

    def add_publication(
        self,
        stream_id: int,
        *,
        channel: str = IPC_CHANNEL,
        term_bytes: int = DEFAULT_TERM_BYTES,
        outruns_readers: bool = False,
    ) -> Publication:
        """Open an exclusive publication.

        One that ``outruns_readers`` has a reader of its own that always follows. It is connected,
        also without others, and an untethered one that lags is passed over, also the last: without
        it a writer waits for the furthest of its readers. For IPC only.
        """
        ...

    def add_subscription(
        self,
        stream_id: int,
        *,
        channel: str = IPC_CHANNEL,
        tether: bool = False,
        image_capacity: int = DEFAULT_IMAGE_CAPACITY,
        images: npt.NDArray[Any] | None = None,
        takes_over: bool = False,
    ) -> Subscription:
        """Open a subscription; ``images`` is a slice of a caller's own image records.

        One that ``takes_over`` is the only reader of its stream beside those that have ended: it
        begins where the furthest of them had come to.
        """
        ...

    def close(self) -> None:
        """Close everything that was opened from here."""
        ...


def check_stream(stream_id: int, term_bytes: int = TERM_LENGTH_MINIMUM) -> None:
    """Refuse what no transport can open; :class:`MeshError` names the field and the rule."""
    if not 0 < stream_id < 2**31:
        raise MeshError(f"stream_id {stream_id} must be from 1 to 2147483647")
    is_power_of_two = term_bytes > 0 and term_bytes & (term_bytes - 1) == 0
    if not is_power_of_two or not TERM_LENGTH_MINIMUM <= term_bytes <= TERM_LENGTH_MAXIMUM:
        raise MeshError(
            f"term_bytes {term_bytes} must be a power of two "
            f"from {TERM_LENGTH_MINIMUM} to {TERM_LENGTH_MAXIMUM}"
        )


def check_pace(channel: str, outruns_readers: bool) -> None:
    """Refuse a reader of the writer's own where time-outs, not its pace, decide who is dropped."""
    if outruns_readers and channel.partition("?")[0] != IPC_CHANNEL:
        raise MeshError(f"outruns_readers is for {IPC_CHANNEL} only, the channel is {channel}")


def with_parameter(channel: str, name: str, value: str) -> str:
    """Add a parameter to a channel URI, unless the URI sets it already."""
    scheme, separator, parameters = channel.partition("?")
    given = parameters.split("|") if separator else []
    if any(item.partition("=")[0] == name for item in given):
        return channel
    return f"{scheme}?{'|'.join([*given, f'{name}={value}'])}"


def logbuffer_candidates(directory: Path, registration_id: int) -> tuple[Path, Path]:
    """Where the driver keeps the log of a publication, and that of a received image."""
    name = f"{registration_id}.logbuffer"
    return directory / "publications" / name, directory / "images" / name
