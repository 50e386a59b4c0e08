"""Reference prices of an instrument: which counts, how old it is, where the market came from."""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i32, load_i64, store_i32, store_i64
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
    INSTRUMENT_REFERENCE_PRICE,
    INSTRUMENT_REFERENCE_SOURCE,
    INSTRUMENT_REFERENCE_TIME_NS,
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
    return load_i32(instrument + INSTRUMENT_REFERENCE_SOURCE) + 0


@inline_always
def reference_price(instrument: int) -> int:
    """The price of the best known reference."""
    return load_i64(instrument + INSTRUMENT_REFERENCE_PRICE)


@inline_always
def reference_age_ns(gate: int, instrument: int) -> int:
    """Sequencer time since the reference was heard; a close is as old as its day and has none."""
    if load_i32(instrument + INSTRUMENT_REFERENCE_SOURCE) == REFERENCE_CLOSE:
        return 0
    return load_i64(gate + HEADER_NOW_NS) - load_i64(instrument + INSTRUMENT_REFERENCE_TIME_NS)


@inline
def _take_reference(instrument: int, source: int, price: int, time_ns: int) -> None:
    store_i32(instrument + INSTRUMENT_REFERENCE_SOURCE, source)
    store_i64(instrument + INSTRUMENT_REFERENCE_PRICE, price)
    store_i64(instrument + INSTRUMENT_REFERENCE_TIME_NS, time_ns)


@inline
def choose_reference(instrument: int) -> None:
    """Put the best of the known references where checks read it."""
    known = load_i64(instrument + INSTRUMENT_REFERENCE_FLAGS)
    source, price, time_ns = 0, 0, 0
    if known & REFERENCE_LAST:
        source = REFERENCE_LAST
        price = load_i64(instrument + INSTRUMENT_LAST_PRICE)
        time_ns = load_i64(instrument + INSTRUMENT_LAST_TIME_NS)
    elif known & REFERENCE_MID:
        source = REFERENCE_MID
        price = load_i64(instrument + INSTRUMENT_MID_PRICE)
        time_ns = load_i64(instrument + INSTRUMENT_MID_TIME_NS)
    elif known & REFERENCE_OUTSIDE:
        source = REFERENCE_OUTSIDE
        price = load_i64(instrument + INSTRUMENT_OUTSIDE_PRICE)
        time_ns = load_i64(instrument + INSTRUMENT_OUTSIDE_TIME_NS)
    elif known & REFERENCE_CLOSE:
        source = REFERENCE_CLOSE
        price = load_i64(instrument + INSTRUMENT_CLOSE_PRICE)
    _take_reference(instrument, source, price, time_ns)


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
    choose_reference(instrument)


@inline
def price_at_window_start(gate: int, instrument: int) -> int:
    """Where the market was when the current window began; a window that is over begins anew."""
    now_ns = load_i64(gate + HEADER_NOW_NS)
    start_ns = load_i64(instrument + INSTRUMENT_WINDOW_START_NS)
    if start_ns == 0 or now_ns - start_ns >= load_i64(gate + HEADER_PRICE_MOVE_WINDOW_NS):
        store_i64(instrument + INSTRUMENT_WINDOW_START_NS, max(now_ns, 1))
        store_i64(instrument + INSTRUMENT_WINDOW_PRICE, reference_price(instrument))
    return load_i64(instrument + INSTRUMENT_WINDOW_PRICE)
