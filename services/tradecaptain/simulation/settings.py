"""How small the simulated mesh is: everything is as in production but the sizes and the times."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final

from tradecaptain.base.reference import Reference
from tradecaptain.base.reference_file import default_reference
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.gateway.config import GatewayConfig
from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.orderbook.venue_core import VenueSettings
from tradecaptain.risk.config import RiskConfig

MIRROR_ID: Final = 1
INSTRUMENT_ID: Final = 1001
INSTRUMENT: Final = "ACME@TCAP"
REPLAY_ID: Final = 1
CLIENTS: Final = ("alpha", "beta")
STRATEGY_ACCOUNT: Final = "gamma"
STRATEGY_ID: Final = 7
TERM_BYTES_MAX: Final = 1 << 19

VENUE: Final = VenueSettings(
    orders=2_048,
    levels=2_048,
    instruments=64,
    instrument_ids=2_048,
    account_ids=1_024,
    step_limit=4,
    sessions=64,
    history_events=4_096,
    writers=16,
    gate_accounts=64,
    gate_pairs=256,
    gate_overrides=64,
    term_bytes=1 << 18,
)
JOURNAL: Final = JournalSettings(
    ring_bytes=1 << 18,
    segment_bytes=1 << 16,
    group_bytes=1 << 14,
    lazy_interval_ms=2,
    compress=True,
    huge_pages=False,
    snapshot_bytes=1 << 16,
)
GATEWAY: Final = GatewayConfig(
    requests_max=1 << 11,
    events_max=1 << 12,
    reader_capacity=1 << 9,
    answer_timeout_seconds=0.2,
    lost_after_seconds=0.03,
    disk_patience_seconds=0.0,
)
RISK: Final = RiskConfig(
    control_timeout_seconds=0.2,
    save_interval_seconds=0.02,
    drain_seconds=0.01,
    retry_seconds=0.01,
    reader_capacity=1_024,
    pairs_capacity=1_024,
    orders_capacity=4_096,
)


def collector_config(seed: int) -> CollectorConfig:
    """A lively market of one instrument."""
    return CollectorConfig(seed=seed, rate_per_second=4_000, speed="1")


@cache
def reference() -> Reference:
    """One instrument of our own venue, the outside market that it mirrors, and all accounts."""
    whole = default_reference()
    return replace(
        whole,
        instruments=tuple(
            item for item in whole.instruments if item.instrument_id in (MIRROR_ID, INSTRUMENT_ID)
        ),
    )
