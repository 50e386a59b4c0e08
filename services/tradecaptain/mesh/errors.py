"""What can go wrong when the mesh is set up."""

from __future__ import annotations

from pathlib import Path

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason


class MeshError(TradeCaptainError):
    """Aeron refused something; the message carries Aeron's own words."""

    def __init__(self, message: str) -> None:
        super().__init__(reason.REASON_UNAVAILABLE, message)


class DriverAbsentError(MeshError):
    """No media driver answers in the folder."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"no media driver is running in {directory}; start the mesh with `tradecaptain up`"
        )
        self.directory = directory


class LibraryError(MeshError):
    """The Aeron library is missing, or is not the one whose interface is declared here."""
