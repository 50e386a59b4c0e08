"""The orderbook process's configuration as its compiled parts take it.

Apart from `config.py`, so that settings are read and checked without what compiles the parts.
"""

from __future__ import annotations

from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.orderbook.config import JournalConfig, OrderBookConfig
from tradecaptain.orderbook.venue_core import VenueSettings
from tradecaptain.orderbook.view_layout import ViewCapacity


def power_of_two(number: int) -> int:
    """The smallest power of two that is not below ``number``."""
    return 1 << (number - 1).bit_length()


def view_capacity(config: OrderBookConfig) -> ViewCapacity:
    """Room for every book that the venue can hold."""
    return ViewCapacity(
        orders=config.orders,
        levels=config.levels,
        rows=power_of_two(config.view_changes),
        instrument_limit=VenueSettings().instrument_ids,
    )


def venue_settings(config: OrderBookConfig) -> VenueSettings:
    """Capacities of the venue as its kernels take them."""
    return VenueSettings(
        orders=config.orders,
        levels=config.levels,
        pegs=config.pegs,
        hidden=config.hidden,
        step_limit=config.step_limit,
        sessions=config.sessions,
        history_events=power_of_two(config.history_events),
        gate_accounts=config.gate_accounts,
        gate_pairs=config.gate_pairs,
        gate_overrides=config.gate_overrides,
        gate_huge_pages=config.gate_huge_pages,
        core=config.core,
        idle=config.idle,
        spin_us=config.spin_us,
    )


def journal_settings(config: JournalConfig) -> JournalSettings:
    """The log's sizes and times as the mesh takes them."""
    return JournalSettings(
        ring_bytes=power_of_two(config.ring_bytes),
        segment_bytes=config.segment_bytes,
        group_bytes=config.group_bytes,
        group_interval_us=config.group_interval_us,
        lazy_interval_ms=config.lazy_interval_ms,
        compress=config.compress,
        keep_bytes=config.keep_bytes,
        keep_days=config.keep_days,
        huge_pages=config.huge_pages,
        snapshot_bytes=config.snapshot_bytes,
        snapshot_interval_s=config.snapshot_interval_s,
    )
