"""The real transport: publications and subscriptions of Aeron, mapped for direct access.

Set-up goes through the C client; afterwards kernels touch only memory. The log and counter files
are mapped here a second time, so that a kernel never reads memory that the client has unmapped:
after the driver is gone it sees a log that stands still, until the next refresh marks it closed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
from tradecaptain.mesh.aeron_client import AeronClient
from tradecaptain.mesh.aeron_publication import AeronPublication
from tradecaptain.mesh.aeron_resource import AeronResource
from tradecaptain.mesh.aeron_shared_publication import AeronSharedPublication
from tradecaptain.mesh.aeron_subscription import AeronSubscription
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.timeouts import TIMEOUTS, Timeouts
from tradecaptain.mesh.transport import (
    DEFAULT_IMAGE_CAPACITY,
    DEFAULT_TERM_BYTES,
    IPC_CHANNEL,
    check_pace,
    check_stream,
)
from tradecaptain.mesh.waiting import wait_until


class AeronMesh(Closing):
    """A connection to the media driver, from which publications and subscriptions are opened."""

    def __init__(
        self,
        aeron_directory: Path,
        client_name: str,
        *,
        prefault: bool = False,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        """Connect; :class:`DriverAbsentError` when no driver runs in ``aeron_directory``.

        ``prefault`` touches all pages of every log when it is opened, which costs its full size in
        memory and spares the first writer and reader of each page a fault of a microsecond or two.
        """
        self.client = AeronClient(
            aeron_directory, client_name, prefault=prefault, timeouts=timeouts
        )
        self._opened: list[AeronResource] = []

    def add_publication(
        self,
        stream_id: int,
        *,
        channel: str = IPC_CHANNEL,
        term_bytes: int = DEFAULT_TERM_BYTES,
        outruns_readers: bool = False,
    ) -> AeronPublication:
        """Open an exclusive publication; :class:`MeshError` carries Aeron's reason."""
        check_stream(stream_id, term_bytes)
        check_pace(channel, outruns_readers)
        publication = AeronPublication(
            self.client, stream_id, channel, term_bytes, outruns_readers=outruns_readers
        )
        return self._opening(publication)

    def add_shared_publication(
        self, stream_id: int, *, channel: str = IPC_CHANNEL, term_bytes: int = DEFAULT_TERM_BYTES
    ) -> AeronSharedPublication:
        """Open a publication for many writers, through Aeron's C functions."""
        check_stream(stream_id, term_bytes)
        return self._opening(AeronSharedPublication(self.client, stream_id, channel, term_bytes))

    def add_subscription(
        self,
        stream_id: int,
        *,
        channel: str = IPC_CHANNEL,
        tether: bool = False,
        image_capacity: int = DEFAULT_IMAGE_CAPACITY,
        images: npt.NDArray[Any] | None = None,
        takes_over: bool = False,
    ) -> AeronSubscription:
        """Open a subscription; an untethered one is dropped, and told, when it lags too far."""
        check_stream(stream_id)
        subscription = AeronSubscription(
            self.client,
            stream_id,
            channel,
            tether,
            image_capacity,
            images,
            takes_over=takes_over,
        )
        return self._opening(subscription)

    def _opening[R: AeronResource](self, resource: R) -> R:
        def opened() -> bool:
            resource.refresh()
            return resource.is_open

        try:
            if not wait_until(opened, self.client.timeouts.open_timeout_ns):
                raise MeshError(
                    f"the driver did not open stream {resource.stream_id} "
                    f"on {resource.channel} in time"
                )
        except MeshError:
            resource.close()
            raise
        self._opened.append(resource)
        return resource

    @property
    def errors(self) -> tuple[str, ...]:
        """The last errors that the client's conductor reported, oldest first."""
        return tuple(self.client.errors)

    def close(self) -> None:
        """Close all publications and subscriptions and the client."""
        for resource in self._opened:
            resource.close()
        self._opened.clear()
        self.client.close()
