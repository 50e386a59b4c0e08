"""How the supervisor starts, restarts and stops the parts."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from tradecaptain.base.config import ServiceConfig


class SupervisorConfig(ServiceConfig):
    """Settings of ``tradecaptain up``."""

    section: ClassVar[str] = "supervisor"

    start_timeout_seconds: float = Field(default=120.0, gt=0, le=3600)
    """A part that isn't ready after this long is stopped and started again."""
    stop_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """A part that hasn't ended this long after SIGTERM is killed."""
    unresponsive_seconds: float = Field(default=30.0, gt=0, le=3600)
    """A part that was ready and doesn't answer for this long is started again."""
    backoff_seconds_first: float = Field(default=0.25, gt=0, le=60)
    backoff_seconds_max: float = Field(default=30.0, gt=0, le=3600)
    """Waits between restarts double from the first to the longest."""
    steady_seconds: float = Field(default=60.0, gt=0, le=3600)
    """A part that ran this long starts again with the first wait."""
    first_start_attempts: int = Field(default=3, ge=1, le=100)
    """A part that was never ready after so many attempts ends the start of the mesh."""
    log_bytes_max: int = Field(default=64 << 20, ge=4096)
    """A log that grew beyond this is kept once as .1 and begun anew."""
