"""The venue's counters and its service time, from its own memory to what other processes read."""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64
from tradecaptain.base.records import records_at
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.tables import book_at
from tradecaptain.mesh.counters import COUNTERS, counter_set
from tradecaptain.mesh.histogram import HISTOGRAMS, histogram_record

COUNTER_NAMES: tuple[str, ...] = (
    "commands_sequenced",
    "orders_sequenced",
    "replayed_sequenced",
    "controls_sequenced",
    "malformed",
    "refused_by_risk",
    "refused_by_rules",
    "execution_events",
    "book_events",
    "trades",
    "orders_accepted",
    "orders_working",
    "levels",
    "sessions",
    "blocked_turns",
    "unheard_executions",
    "unheard_books",
    "unheard_controls",
    "accounting_errors",
    "epoch",
    "gate_bytes",
    "gate_huge_bytes",
    "divergence",
)
"""Counters in the order of `report_counts`; one for each instrument's divergence follows them.

The gate's memory, and what of it lies on huge pages, is told once, at the start."""

HISTOGRAM_NAMES: tuple[str, ...] = ("command_ns",)
"""From the moment a command is taken to the end of its turn, with everything published."""

REPORT_INTERVAL_NS = 1_000_000
"""The counters are brought up to date at most once in so long."""


@inline
def report_counts(header: Any) -> None:
    """Bring the counters in shared memory up to date."""
    counters = records_at(header[0]["counters"], 1, COUNTERS)
    engine = header[0]["engine"]
    commands = header[0]["orders_sequenced"] + header[0]["replayed_sequenced"]
    counter_set(counters, 0, commands)
    counter_set(counters, 1, header[0]["orders_sequenced"])
    counter_set(counters, 2, header[0]["replayed_sequenced"])
    counter_set(counters, 3, header[0]["controls_sequenced"])
    counter_set(counters, 4, header[0]["malformed"])
    counter_set(counters, 5, header[0]["refused_by_risk"])
    counter_set(counters, 6, header[0]["refused_by_rules"])
    counter_set(counters, 7, header[0]["execution_events"])
    counter_set(counters, 8, header[0]["book_events"])
    counter_set(counters, 9, load_i64(engine + at.HEADER_LAST_MATCH_NUMBER))
    counter_set(counters, 10, load_i64(engine + at.HEADER_LAST_ORDER_NUMBER))
    counter_set(counters, 11, load_i64(engine + at.HEADER_ORDER_COUNT))
    counter_set(counters, 12, load_i64(engine + at.HEADER_LEVEL_COUNT))
    counter_set(counters, 13, header[0]["session_count"])
    counter_set(counters, 14, header[0]["blocked_turns"])
    counter_set(counters, 15, header[0]["unheard_executions"])
    counter_set(counters, 16, header[0]["unheard_books"])
    counter_set(counters, 17, header[0]["unheard_controls"])
    counter_set(counters, 18, header[0]["accounting_errors"])
    counter_set(counters, 19, header[0]["epoch"])
    report_divergence(counters, engine, header[0]["counter_count"], header[0]["counted_books"])


@inline
def report_divergence(counters: Any, engine: int, first_index: int, counted_books: int) -> None:
    """Divergence of the replayed flow: all of it, and that of each instrument with a counter.

    An instrument that was created while the venue runs gets its counter at the next start.
    """
    total = 0
    for book in range(1, load_i64(engine + at.HEADER_INSTRUMENT_COUNT) + 1):
        count = load_i64(book_at(engine, book) + at.BOOK_DIVERGENCE_COUNT)
        if book <= counted_books:
            counter_set(counters, first_index + book - 1, count)
        total += count
    counter_set(counters, first_index - 1, total)


@inline
def report(header: Any, work_count: int, now_ns: int) -> None:
    """Report after work, now and then: the counters of many books lie on many cache lines."""
    if header[0]["service_time_ns"] > 0:
        histograms = records_at(header[0]["histograms"], 1, HISTOGRAMS)
        histogram_record(histograms, 0, header[0]["service_time_ns"])
    if work_count > 0:
        header[0]["is_unreported"] = 1
    if header[0]["is_unreported"] == 0 or now_ns < header[0]["next_report_ns"]:
        return
    header[0]["is_unreported"] = 0
    header[0]["next_report_ns"] = now_ns + REPORT_INTERVAL_NS
    report_counts(header)
