"""Configuration of the risk service."""

from __future__ import annotations

import datetime
from typing import ClassVar

from pydantic import Field
from tradecaptain.base.config import ServiceConfig


class RiskConfig(ServiceConfig):
    """Table ``[risk]`` of config.toml, or ``TRADECAPTAIN_RISK__…`` in the environment."""

    section: ClassVar[str] = "risk"

    store_file: str = Field(default="risk.sqlite", min_length=1)
    """File of limits, kill switches, positions and the audit trail, in the run folder."""
    control_timeout_seconds: float = Field(default=5.0, ge=0.05, le=60.0)
    """Longest wait for the gate's answer when the caller set no earlier deadline."""
    save_interval_seconds: float = Field(default=0.5, ge=0.01, le=10.0)
    """How often changed positions are written to the store."""
    drain_seconds: float = Field(default=2.0, ge=0.0, le=30.0)
    """Longest wait for the last events of a venue that was restarted."""
    accounts_currency: str = Field(default="USD", min_length=1, max_length=16)
    """Currency of cash, exposure, margin and loss; others need a conversion rate."""
    alert_share_percent: int = Field(default=80, ge=1, le=100)
    """How much of a limit is used when an alert tells that it is nearly reached."""
    alert_interval_seconds: float = Field(default=0.25, ge=0.01, le=1.0)
    """How often limits are looked at for alerts."""
    revalue_interval_seconds: float = Field(default=1.0, ge=0.05, le=3600.0)
    """How often positions are brought to present prices while limits depend on them."""
    day_start: datetime.time = datetime.time()
    """Local time at which a trading day begins by itself."""
    day_timezone: str = Field(default="UTC", min_length=1)
    """Time zone of ``day_start``."""
    day_calendar: str = ""
    """A calendar of the reference data whose sessions begin the days instead, when they open."""
    retry_seconds: float = Field(default=0.5, ge=0.01, le=30.0)
    """Pause before limits are sent again after the venue didn't answer."""
    reader_capacity: int = Field(default=65_536, ge=1_024, le=1 << 22)
    """Events that may wait between the stream and the service; a power of two."""
    pairs_capacity: int = Field(default=65_536, ge=1_024, le=1 << 26)
    """Account-instrument pairs that the ledger can hold."""
    orders_capacity: int = Field(default=262_144, ge=1_024, le=1 << 26)
    """Working orders that the ledger can hold."""
    core: int | None = Field(default=None, ge=0)
    """Processor core of the reading thread; any if absent."""
    read_interval_ms: int = Field(default=10, ge=1, le=10)
    """How long the reading thread sleeps when it finds nothing. A busy stream then comes in
    batches, which costs far less than to be woken for every event; it must stay below the window
    after which the log drops a reader (`mesh.timeouts`)."""
