"""Whether the venue has a standby, and how that follows it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from tradecaptain.base.config import ServiceConfig


class StandbyConfig(ServiceConfig):
    """The second process of the venue."""

    section: ClassVar[str] = "standby"

    enabled: bool = False
    """Whether `up` starts a standby beside the venue."""
    channel: str = Field(default="aeron:ipc", pattern="^aeron:(ipc|udp\\?endpoint=.+)")
    """Aeron channel of the journal stream: `aeron:ipc`, or
    `aeron:udp?endpoint=127.0.0.1:40123`."""
