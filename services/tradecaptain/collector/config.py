"""Configuration of the collector."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field, field_validator
from tradecaptain.base.config import ServiceConfig

SPEED_MAX: Final = 1_000_000
_SPEED_DENOMINATOR_MAX: Final = 1000
_SPEED_TEXT: Final = re.compile("[0-9./]{1,32}")
"""Without exponents: those of a few characters stand for numbers that fill the memory."""


def read_speed(text: str) -> Fraction | None:
    """The source seconds a second that a text means; None for ``max``, as fast as readers take it.

    Raises a ValueError with the rule for anything but ``max`` and a number from a thousandth to
    SPEED_MAX.
    """
    if text == "max":
        return None
    try:
        exact = Fraction(text) if _SPEED_TEXT.fullmatch(text) else Fraction()
        speed = exact.limit_denominator(_SPEED_DENOMINATOR_MAX)
    except (ValueError, ZeroDivisionError):
        speed = Fraction()
    if not 0 < speed <= SPEED_MAX:
        raise ValueError(f"must be max or a positive number such as 1 or 20, 0.001 to {SPEED_MAX}")
    return speed


class CollectorConfig(ServiceConfig):
    """What is collected, and how fast it is played."""

    section: ClassVar[str] = "collector"

    replay: list[Path] = Field(default_factory=list)
    """Vendor files to replay; the simulator runs when there are none."""
    speed: str = "1"
    """``max``, or how many seconds of the source pass in one second."""
    seed: int = Field(default=20_260_101, ge=0)
    """Seed of the simulator: the same seed gives the same market."""
    rate_per_second: int = Field(default=2000, ge=1, le=1_000_000)
    """Messages a second that the simulator makes, over all instruments."""
    level_capacity: int = Field(default=16_384, ge=64, le=262_144)
    """Levels a side of a book whose feed tells every level."""
    order_slots: int = Field(default=1 << 18, ge=1 << 10, le=1 << 24)
    """Slots for orders of a book whose feed names orders; a power of two."""
    core: int | None = None
    """Core to which the agent's thread is pinned."""
    idle: str | None = Field(default=None, pattern="^(spin|yield|backoff|sleep)$")
    """What the agent does when nothing is due: spin, yield, backoff or sleep, a millisecond each
    time. If absent it sleeps while it plays at a pace, and backs off at the greatest speed."""
    reader_capacity: int = Field(default=65_536, ge=1024)
    """Ticks that may wait for the service before its reader falls behind."""
    stream_queue: int = Field(default=4096, ge=16)
    """Items that may wait for one client before its stream ends as too slow."""
    candle_seconds_kept: int = Field(default=86_400, ge=60)
    """Candles of one second that are kept for each instrument."""
    depth_rows_kept: int = Field(default=100_000, ge=1000)
    """Depth changes that are kept for each instrument, for history and resumed streams."""
    unary_calls_max: int = Field(default=1024, ge=1)
    """Unary calls served at a time."""
    streams_max: int = Field(default=256, ge=1)
    """Streams served at a time."""

    @field_validator("speed")
    @classmethod
    def _check_speed(cls, text: str) -> str:
        read_speed(text)
        return text

    @field_validator("order_slots")
    @classmethod
    def _check_power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError("must be a power of two")
        return value

    @property
    def idle_strategy(self) -> str:
        """What the agent does when nothing is due."""
        return self.idle or ("backoff" if self.speed == "max" else "sleep")

    @property
    def playback_speed(self) -> Fraction | None:
        """Source seconds a second; None plays as fast as the readers take it."""
        return read_speed(self.speed)
