"""The driver's process as its clients see it: whether it still runs, at the price of one call."""

from __future__ import annotations

import os
import select

from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.driver import owner_lives, owner_of


class DriverProcess(Closing):
    """The process that a CnC file's header names, held by a descriptor that tells its end.

    A client looks several times a second, beside threads that spin. A look at its status in /proc
    takes a core for longer than an order takes, and orders on the way would wait for it.
    """

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._descriptor = -1
        self._ends = select.poll()
        # An interpreter that was built for old systems can't ask for one; /proc is always there.
        if not hasattr(os, "pidfd_open"):
            return
        try:
            self._descriptor = os.pidfd_open(owner_of(header))
        except (OSError, OverflowError):
            # There is no such process, or the system gives no such descriptors.
            return
        self._ends.register(self._descriptor, select.POLLIN)

    def lives(self) -> bool:
        """Whether it runs; false from its end on, also before it is reaped."""
        if self._descriptor < 0:
            return owner_lives(self._header)
        return not self._ends.poll(0)

    def close(self) -> None:
        """Let go of the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
