"""Configuration of the gateway."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from tradecaptain.base.config import ServiceConfig


class GatewayConfig(ServiceConfig):
    """Capacities and limits of order entry; read once, at start."""

    section: ClassVar[str] = "gateway"

    requests_max: int = Field(default=1 << 20, ge=1 << 10, le=1 << 28)
    """Commands that can be remembered in one trading day; more are refused."""
    account_requests_max: int | None = Field(default=None, ge=1 << 4, le=1 << 28)
    """How many of them one account may use up, the last eighth for cancels alone; if absent an
    equal share, and a quarter where there are more than four accounts."""
    events_max: int = Field(default=1 << 20, ge=1 << 10, le=1 << 28)
    """Execution events that streams can resume from; older ones are dropped."""
    reader_capacity: int = Field(default=1 << 14, ge=1 << 8, le=1 << 22)
    """Events between the mesh and the service's loop before the venue's history has to help."""
    answer_timeout_seconds: float = Field(default=5.0, gt=0, le=600)
    """How long a command may stay unanswered before its outcome is reported as unknown."""
    lost_after_seconds: float = Field(default=3.0, gt=0, le=600)
    """After a restart: when a command that the venue never mentions counts as never sent."""
    disk_patience_seconds: float = Field(default=5.0, ge=0, le=600)
    """How long a start that makes the order file again waits for the log to be on disk."""
    sessions_max: int = Field(default=256, ge=1, le=65_536)
    stream_batch: int = Field(default=256, ge=1, le=4096)
    """Execution reports in one message of a stream."""
    unary_calls_max: int = Field(default=4096, ge=1)
    streams_max: int = Field(default=512, ge=1)
    idle: str = Field(default="backoff", pattern="^(spin|yield|backoff|sleep)$")
    """How the thread that reads the mesh waits."""
    core: int | None = None
    """The core of that thread; any if absent."""
