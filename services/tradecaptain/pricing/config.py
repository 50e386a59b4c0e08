"""Configuration of the pricing process."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from tradecaptain.base.config import ServiceConfig

_IDLE = "^(spin|yield|backoff|sleep)$"


class PricingConfig(ServiceConfig):
    """Read once, at start."""

    section: ClassVar[str] = "pricing"

    core: int | None = Field(default=None, ge=0)
    """Core of the thread that reads market ticks; any if absent."""
    idle: str = Field(default="sleep", pattern=_IDLE)
    """How that thread waits; at most as long as quotes are conflated."""
    conflation_us: int = Field(default=2_000, ge=0, le=1_000_000)
    """An underlying's quote is handed on at most once in so many microseconds."""
    stale_after_ms: int = Field(default=5_000, ge=10, le=3_600_000)
    """A chain whose underlying hasn't ticked for so long is marked stale."""
    inline_options: int = Field(default=2_048, ge=1, le=100_000)
    """Larger batches are priced beside the loop, so that they don't delay others."""
    batch_workers: int = Field(default=2, ge=1, le=64)
    """Threads for heavy calls."""
    batch_queue: int = Field(default=16, ge=1, le=1_024)
    """Heavy calls that may wait or run; one more is refused."""
    unary_calls_max: int = Field(default=1_024, ge=1)
    streams_max: int = Field(default=512, ge=1)
