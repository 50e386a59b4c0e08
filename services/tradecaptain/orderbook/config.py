"""Configuration of the orderbook process: the venue's capacities, the views', the edge's bounds."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from tradecaptain.base.config import ServiceConfig
from tradecaptain.mesh.journal_limits import LARGEST_GROUP_BYTES

_IDLE = "^(spin|yield|backoff|sleep)$"


class OrderBookConfig(ServiceConfig):
    """Read once, at start; every capacity is allocated then."""

    section: ClassVar[str] = "orderbook"

    orders: int = Field(default=1 << 16, ge=1 << 8, le=1 << 26)
    """Working orders of all instruments together; one more is refused."""
    levels: int = Field(default=1 << 16, ge=1 << 8, le=1 << 24)
    """Price levels of all instruments together."""
    pegs: int = Field(default=1 << 12, ge=1, le=1 << 26)
    """Pegged orders of one instrument: all that follow a price are looked at when it moves."""
    hidden: int = Field(default=1 << 12, ge=1, le=1 << 26)
    """Hidden orders of one instrument: a look for the best displayed price passes their levels."""
    step_limit: int = Field(default=16, ge=1, le=1 << 12)
    """Orders that one bounded step of a sweep may touch."""
    sessions: int = Field(default=1 << 12, ge=1, le=1 << 20)
    """Order sessions that may be open."""
    history_events: int = Field(default=1 << 18, ge=1 << 10, le=1 << 26)
    """Execution events that followers can read again; rounded up to a power of two."""
    gate_accounts: int = Field(default=1 << 14, ge=1 << 4, le=1 << 24)
    """Accounts that the risk gate can hold; orders of one more are refused."""
    gate_pairs: int = Field(default=1 << 18, ge=1 << 8, le=1 << 24)
    """Account-instrument pairs that may have a position or working orders."""
    gate_overrides: int = Field(default=1 << 12, ge=1 << 4, le=1 << 24)
    """Account-instrument pairs with limits of their own; the risk service sets some for each."""
    gate_huge_pages: bool = True
    """Whether the gate's tables are all in memory from the start, on huge pages where the system
    gives them; without, they take ordinary pages as they are used."""
    core: int | None = Field(default=None, ge=0)
    """Core of the venue's thread; any if absent."""
    idle: str = Field(default="backoff", pattern=_IDLE)
    """How the venue's thread waits."""
    spin_us: int | None = Field(default=None, ge=0, le=1_000_000)
    """How long ``backoff`` spins after the last command before it sleeps: in a steady flow of tens
    of thousands of orders a second the thread never does. If absent 100, and 20 without
    a core of its own where there are fewer than four."""

    view_changes: int = Field(default=1 << 16, ge=1 << 8, le=1 << 24)
    """Changes that a stream of books can be resumed from; rounded up to a power of two."""
    view_reader_capacity: int = Field(default=1 << 15, ge=1 << 8, le=1 << 22)
    """Book events between the mesh and the views; rounded up to a power of two."""
    view_core: int | None = Field(default=None, ge=0)
    """Core of the thread that reads book events; any if absent."""
    view_interval_ms: int = Field(default=2, ge=1, le=10)
    """How long that thread sleeps when it finds nothing. A busy stream is then taken in batches,
    which costs the loop far less than to be woken for every event; it must stay below the window
    after which the log drops a reader (`mesh.timeouts`)."""

    stream_queue: int = Field(default=1 << 10, ge=1, le=1 << 16)
    """Messages that a client may leave unread before its stream ends."""
    unary_calls_max: int = Field(default=1024, ge=1)
    streams_max: int = Field(default=512, ge=1)


class JournalConfig(ServiceConfig):
    """The execution log: its sizes, its times, and how durable an acknowledgement is."""

    section: ClassVar[str] = "journal"

    ring_bytes: int = Field(default=1 << 26, ge=1 << 20, le=1 << 34)
    """Shared memory for the newest part of the log; rounded up to a power of two. New orders are
    refused when three quarters of it wait for the disk."""
    segment_bytes: int = Field(default=1 << 26, ge=1 << 20, le=1 << 34)
    """Length of a segment file, reserved when it is begun."""
    group_bytes: int = Field(default=1 << 22, ge=1 << 12, le=LARGEST_GROUP_BYTES)
    """So much is synced at once without waiting any longer."""
    group_interval_us: int = Field(default=0, ge=0, le=1_000_000)
    """How long a group gathers at the level `group`; 0 syncs as soon as the sync before is done."""
    lazy_interval_ms: int = Field(default=20, ge=1, le=60_000)
    """How often is synced when no instrument has the level `group`: what a loss of power costs."""
    compress: bool = True
    """Whether closed segments are compressed, once it is quiet."""
    keep_bytes: int = Field(default=1 << 34, ge=1 << 20)
    """Segments beyond this are dropped, the oldest first, unless a restore needs them."""
    keep_days: int = Field(default=7, ge=1)
    """Segments older than this are dropped, unless a restore needs them."""
    snapshot_bytes: int = Field(default=1 << 28, ge=1 << 16)
    """A snapshot is taken when the log has grown by so much since the last one."""
    snapshot_interval_s: int = Field(default=600, ge=1)
    """And when the last one is older than this, if anything came since."""
    huge_pages: bool = True
    """Whether the ring asks for huge pages, where the kernel has any for shared memory."""
    levels: dict[str, Literal["process", "group", "async"]] = Field(default_factory=dict)
    """Level of durability by symbol or key of an instrument; `default` for all others."""
