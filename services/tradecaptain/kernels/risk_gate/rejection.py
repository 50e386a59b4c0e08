"""Detail of the gate's last refusal: limit, observed value, level, source of the reference."""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    HEADER_REFUSED_COUNT,
    HEADER_REJECT_FLAGS,
    HEADER_REJECT_LEVEL,
    HEADER_REJECT_LIMIT_VALUE,
    HEADER_REJECT_OBSERVED_VALUE,
)


@inline
def reject(gate: int, reason: int, level: int, limit_value: int, observed_value: int) -> int:
    """Record why an order is refused; returns ``reason``."""
    store_i64(gate + HEADER_REJECT_LEVEL, level)
    store_i64(gate + HEADER_REJECT_LIMIT_VALUE, limit_value)
    store_i64(gate + HEADER_REJECT_OBSERVED_VALUE, observed_value)
    store_i64(gate + HEADER_REJECT_FLAGS, 0)
    store_i64(gate + HEADER_REFUSED_COUNT, load_i64(gate + HEADER_REFUSED_COUNT) + 1)
    return reason


@inline
def reject_noted(gate: int, reason: int) -> int:
    """Refuse for a reason whose detail is recorded already; returns ``reason``."""
    store_i64(gate + HEADER_REFUSED_COUNT, load_i64(gate + HEADER_REFUSED_COUNT) + 1)
    return reason


@inline
def name_reference(gate: int, reference_flags: int) -> None:
    """Add to the last refusal which reference price it used (one of the REFERENCE_* bits)."""
    store_i64(gate + HEADER_REJECT_FLAGS, reference_flags)


@kernel(types.int64(types.int64))
def gate_reject_limit_value(gate: int) -> int:
    """The limit that the last refusal tripped, in its own unit; 0 if it was none."""
    return load_i64(gate + HEADER_REJECT_LIMIT_VALUE)


@kernel(types.int64(types.int64))
def gate_reject_observed_value(gate: int) -> int:
    """The value that was held against the limit.

    For an unset limit the missing LimitKind; for a missing reference price or conversion rate the
    kind of limit on exposure, credit or loss that needs it, 0 if a collar or notional does.
    """
    return load_i64(gate + HEADER_REJECT_OBSERVED_VALUE)


@kernel(types.int64(types.int64))
def gate_reject_level(gate: int) -> int:
    """The ControlScope at which the last refusal tripped; 0 if at none."""
    return load_i64(gate + HEADER_REJECT_LEVEL)


@kernel(types.int64(types.int64))
def gate_reject_flags(gate: int) -> int:
    """Bits for ExecutionEvent.flags that name the reference price used; 0 if none was."""
    return load_i64(gate + HEADER_REJECT_FLAGS)
