"""The ring that compact reports go into: one writer, the engine, and one reader on any thread.

The ring is memory of the caller: two counters, each on a line of its own, then a power of two of
reports. The writer publishes with a release store and the reader gives room back with one, so the
reader needs no lock; its own function is `ring_drain`.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import (
    copy_bytes,
    load_acquire_i64,
    load_i64,
    store_i64,
    store_release_i64,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.layout import EXTRA_EVENTS, REPORT_BYTES
from tradecaptain.kernels.matching.reports import report_count, reports_wire

WRITTEN = 0
READ = 64
CAPACITY = 128
FIRST_REPORT = 192
LARGEST_RING = 1 << 32


@inline
def attach_ring(engine: int, ring: int, capacity: int) -> bool:
    """Let an engine of compact reports write them into a ring of ``capacity``; False if that can't
    be.

    The capacity is a power of two, and at least what one bounded step may report.
    """
    if reports_wire(engine):
        return False
    least = 2 * load_i64(engine + at.HEADER_STEP_LIMIT) + EXTRA_EVENTS
    if capacity < least or capacity > LARGEST_RING or capacity & (capacity - 1) != 0:
        return False
    store_i64(ring + WRITTEN, 0)
    store_i64(ring + READ, 0)
    store_i64(ring + CAPACITY, capacity)
    store_i64(engine + at.HEADER_REPORT_RING, ring)
    store_i64(engine + at.HEADER_REPORT_ADDRESS, ring + FIRST_REPORT)
    store_i64(engine + at.HEADER_REPORT_MASK, capacity - 1)
    store_i64(engine + at.HEADER_REPORT_LAG, load_i64(engine + at.HEADER_EXECUTION_SEQUENCE))
    store_i64(engine + at.HEADER_REPORT_LIMIT, capacity - least)
    return True


@inline
def steps_with_room(engine: int) -> int:
    """How many bounded steps' reports the ring is known to have room for; at least 1 where
    `ring_has_room` said so."""
    room = 2 * load_i64(engine + at.HEADER_STEP_LIMIT) + EXTRA_EVENTS
    return 1 + (load_i64(engine + at.HEADER_REPORT_LIMIT) - report_count(engine)) // room


@inline
def ring_has_room(engine: int) -> bool:
    """Whether a bounded step's reports fit behind those that wait to be read."""
    count = report_count(engine)
    limit = load_i64(engine + at.HEADER_REPORT_LIMIT)
    return count <= limit or has_more_room(engine, count, 0, 0) != 0


@apart
def has_more_room(engine: int, count: int, _third: int, _fourth: int) -> int:
    """Look how far the reader is by now: 1 if that makes room, else 0."""
    ring = load_i64(engine + at.HEADER_REPORT_RING)
    if ring == 0:
        return 0
    room = 2 * load_i64(engine + at.HEADER_STEP_LIMIT) + EXTRA_EVENTS
    read = load_acquire_i64(ring + READ)
    limit = read + load_i64(engine + at.HEADER_REPORT_MASK) + 1 - room
    store_i64(engine + at.HEADER_REPORT_LIMIT, limit)
    return 1 if count <= limit else 0


@inline
def publish_ring(engine: int) -> None:
    """Show the reader of the ring, if there is one, everything that was reported so far."""
    ring = load_i64(engine + at.HEADER_REPORT_RING)
    if ring != 0:
        store_release_i64(ring + WRITTEN, report_count(engine))


@inline
def ring_drain(ring: int, target: int, limit: int) -> int:
    """Take up to ``limit`` reports out of a ring, oldest first; returns how many."""
    read = load_i64(ring + READ)
    capacity = load_i64(ring + CAPACITY)
    count = min(load_acquire_i64(ring + WRITTEN) - read, limit)
    for index in range(count):
        report = ring + FIRST_REPORT + ((read + index) & (capacity - 1)) * REPORT_BYTES
        copy_bytes(target + index * REPORT_BYTES, report, REPORT_BYTES)
    store_release_i64(ring + READ, read + count)
    return count
