"""Reference prices of an instrument: which counts, how old it is, where the market came from."""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    HEADER_NOW_NS,
    HEADER_PRICE_MOVE_WINDOW_NS,
    INSTRUMENT_CLOSE_PRICE,
    INSTRUMENT_LAST_PRICE,
    INSTRUMENT_LAST_TIME_NS,
    INSTRUMENT_MID_PRICE,
    INSTRUMENT_MID_TIME_NS,
    INSTRUMENT_OUTSIDE_PRICE,
    INSTRUMENT_OUTSIDE_TIME_NS,
    INSTRUMENT_REFERENCE_FLAGS,
    INSTRUMENT_WINDOW_PRICE,
    INSTRUMENT_WINDOW_START_NS,
    REFERENCE_CLOSE,
    REFERENCE_LAST,
    REFERENCE_MID,
    REFERENCE_OUTSIDE,
)


@inline_always
def reference_source(instrument: int) -> int:
    """The best known reference: last own trade, else mid, outside market, close, else 0."""
    known = load_i64(instrument + INSTRUMENT_REFERENCE_FLAGS)
    if known & REFERENCE_LAST:
        return REFERENCE_LAST
    if known & REFERENCE_MID:
        return REFERENCE_MID
    if known & REFERENCE_OUTSIDE:
        return REFERENCE_OUTSIDE
    return known & REFERENCE_CLOSE


@inline_always
def reference_price(instrument: int, source: int) -> int:
    """The reference price of a source that :func:`reference_source` named."""
    if source == REFERENCE_LAST:
        return load_i64(instrument + INSTRUMENT_LAST_PRICE)
    if source == REFERENCE_MID:
        return load_i64(instrument + INSTRUMENT_MID_PRICE)
    if source == REFERENCE_OUTSIDE:
        return load_i64(instrument + INSTRUMENT_OUTSIDE_PRICE)
    return load_i64(instrument + INSTRUMENT_CLOSE_PRICE)


@inline_always
def reference_age_ns(gate: int, instrument: int, source: int) -> int:
    """Sequencer time since a source was last heard; a close is as old as its day and has none."""
    now_ns = load_i64(gate + HEADER_NOW_NS)
    if source == REFERENCE_LAST:
        return now_ns - load_i64(instrument + INSTRUMENT_LAST_TIME_NS)
    if source == REFERENCE_MID:
        return now_ns - load_i64(instrument + INSTRUMENT_MID_TIME_NS)
    if source == REFERENCE_OUTSIDE:
        return now_ns - load_i64(instrument + INSTRUMENT_OUTSIDE_TIME_NS)
    return 0


@inline
def note_reference(
    gate: int, instrument: int, source: int, offset: int, time_offset: int, price: int
) -> None:
    """Take a new price of a source."""
    store_i64(instrument + offset, price)
    if time_offset != 0:
        store_i64(instrument + time_offset, load_i64(gate + HEADER_NOW_NS))
    known = load_i64(instrument + INSTRUMENT_REFERENCE_FLAGS)
    store_i64(instrument + INSTRUMENT_REFERENCE_FLAGS, known | source)


@inline
def price_at_window_start(gate: int, instrument: int, reference: int) -> int:
    """Where the market was when the current window began; a window that is over begins anew."""
    now_ns = load_i64(gate + HEADER_NOW_NS)
    start_ns = load_i64(instrument + INSTRUMENT_WINDOW_START_NS)
    if start_ns == 0 or now_ns - start_ns >= load_i64(gate + HEADER_PRICE_MOVE_WINDOW_NS):
        store_i64(instrument + INSTRUMENT_WINDOW_START_NS, max(now_ns, 1))
        store_i64(instrument + INSTRUMENT_WINDOW_PRICE, reference)
    return load_i64(instrument + INSTRUMENT_WINDOW_PRICE)
