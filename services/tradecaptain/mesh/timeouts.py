"""Every time-out and interval of the mesh, together, because they depend on each other.

A client is declared dead after ``client_liveness_ns`` without a keepalive, so the keepalive must be
several times shorter; the time-outs themselves must survive a machine that stands still for
seconds. A driver whose process is gone is noticed at ``lookaround_interval_ns``;
``driver_timeout_ns`` is for one that hangs. The driver insists that ``publication_unblock_ns``
exceeds ``client_liveness_ns``. A counter must not be reused before every reader has noticed that
its image is gone, so ``counter_reuse_ns`` is far longer than ``lookaround_interval_ns``, after
which at the latest an agent looks at its images. It is told of them at once, and a lapped reader
that isn't must still notice within ``untethered_linger_ns``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MILLISECOND_NS: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All in nanoseconds."""

    driver_timeout_ns: int = 5 * SECOND_NS
    """A driver that was silent for this long is dead."""
    keepalive_interval_ns: int = 200 * MILLISECOND_NS
    """How often a client tells the driver that it lives."""
    client_liveness_ns: int = 4 * SECOND_NS
    """A client that was silent for this long loses its resources."""
    image_liveness_ns: int = 2 * SECOND_NS
    """A UDP image without traffic for this long goes away."""
    publication_unblock_ns: int = 5 * SECOND_NS
    """A shared publication whose writer died in the middle of a frame is freed after this."""
    publication_connection_ns: int = 2 * SECOND_NS
    """A UDP publication without status messages for this long is not connected."""
    publication_linger_ns: int = 1 * SECOND_NS
    """How long a closed publication serves late retransmissions."""
    untethered_window_limit_ns: int = 20 * MILLISECOND_NS
    """An untethered reader that lags by most of the window for this long no longer holds it."""
    untethered_linger_ns: int = 200 * MILLISECOND_NS
    """Time a lapped reader has to notice before it may join again."""
    untethered_resting_ns: int = 300 * MILLISECOND_NS
    """Time between noticing and joining again."""
    counter_reuse_ns: int = 2 * SECOND_NS
    """A freed counter is not given to anybody else for this long."""
    driver_timer_interval_ns: int = 10 * MILLISECOND_NS
    """How often the driver looks at time-outs; bounds the window limit's precision."""
    conductor_sleep_ns: int = 4 * MILLISECOND_NS
    """Idle sleep of the client's conductor thread."""
    resource_linger_ns: int = 500 * MILLISECOND_NS
    """How long a client keeps a closed image mapped."""
    watch_interval_ns: int = 10 * MILLISECOND_NS
    """After an agent was told that an image came or went: how soon it is checked again."""
    lookaround_interval_ns: int = 180 * MILLISECOND_NS
    """How often an agent is checked though it was told nothing. A look is Python out of a cold
    cache: where all cores spin, what is on the way waits for it."""
    reconnect_interval_ns: int = 100 * MILLISECOND_NS
    """How often a client whose driver is gone looks for a new one."""
    open_timeout_ns: int = 5 * SECOND_NS
    """Longest wait for the driver to answer a request to open something."""
    close_timeout_ns: int = 5 * SECOND_NS
    """Longest wait for an agent's thread to finish its turn."""


TIMEOUTS: Final = Timeouts()
"""The values the product runs with."""
