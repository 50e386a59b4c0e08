"""Telling others that something changed."""

from __future__ import annotations

from collections.abc import Callable


class Announcer:
    """Something that others listen to for changes."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back, from any thread, when the driver announces a change."""
        self._listeners.append(callback)

    def announce(self) -> None:
        """Tell everybody who listens."""
        for callback in self._listeners:
            callback()
