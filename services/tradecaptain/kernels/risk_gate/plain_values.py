"""Values of a pair and its account's sums without saturation, for the short way.

Quantities and sums are held within 2^60 first, so that no addition can leave int64; whatever lies
beyond goes the long way. The results are then those of ``valuation``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from tradecaptain.base.jit import inline_always
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_GROSS_EXPOSURE,
    ACCOUNT_MARGIN,
    ACCOUNT_NET_IF_BOUGHT,
    ACCOUNT_NET_IF_SOLD,
    ACCOUNT_POSITION_VALUE,
    ACCOUNT_TRADE_CASH,
    PAIR_POSITION,
    PAIR_UNIT_MARGIN,
    PAIR_UNIT_VALUE,
    PAIR_WORKING_BUY,
    PAIR_WORKING_SELL,
    UNIT_VALUE_SHIFT,
)

_HALF_RANGE = 1 << 60
_RANGE_SHIFT = 61
_VALUE_BITS = 56  # of VALUE_MAX
_UNIT_BITS = 62  # of UNIT_VALUE_MAX
_SCALE_BITS = UNIT_VALUE_SHIFT


def scaled(quantity: int, unit: int) -> int:
    """``quantity * unit / 2^20`` rounded up, if :func:`scaling_excess` is 0; none is negative."""
    return -(-(quantity * unit) >> _SCALE_BITS)


def scaling_excess(quantity: int, unit: int) -> int:
    """Not zero if the scaled product is VALUE_MAX or more."""
    return (quantity * unit + (1 << _SCALE_BITS) - 1) >> (_VALUE_BITS + _SCALE_BITS)


def _make_shifted(shift: int) -> Any:
    @intrinsic
    def shifted(typing_context: Any, quantity: Any, unit: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            wide = ir.IntType(128)
            left, right = (builder.zext(argument, wide) for argument in arguments)
            rounded = builder.add(builder.mul(left, right), wide(2**_SCALE_BITS - 1))
            return builder.trunc(builder.lshr(rounded, wide(shift)), ir.IntType(64))

        return types.int64(types.int64, types.int64), codegen

    return shifted


_scaled = _make_shifted(_SCALE_BITS)
_scaling_excess = _make_shifted(_SCALE_BITS + _VALUE_BITS)


@overload(scaled, strict=False)
def _scaled_overload(quantity: Any, unit: Any) -> Any:
    return lambda quantity, unit: _scaled(quantity, unit)


@overload(scaling_excess, strict=False)
def _scaling_excess_overload(quantity: Any, unit: Any) -> Any:
    return lambda quantity, unit: _scaling_excess(quantity, unit)


@inline_always
def are_moderate(first: int, second: int, third: int, fourth: int) -> bool:
    """Whether four numbers lie within 2^60 of zero."""
    spread = (first + _HALF_RANGE) | (second + _HALF_RANGE)
    spread |= (third + _HALF_RANGE) | (fourth + _HALF_RANGE)
    return spread >> _RANGE_SHIFT == 0


@inline_always
def have_moderate_sums(row: int) -> bool:
    """Whether the sums of an account or total lie within 2^60 of zero."""
    return are_moderate(
        load_i64(row + ACCOUNT_GROSS_EXPOSURE),
        load_i64(row + ACCOUNT_NET_IF_BOUGHT),
        load_i64(row + ACCOUNT_NET_IF_SOLD),
        load_i64(row + ACCOUNT_MARGIN),
    ) and are_moderate(
        load_i64(row + ACCOUNT_TRADE_CASH), load_i64(row + ACCOUNT_POSITION_VALUE), 0, 0
    )


@inline_always
def plain_values(position: int, buys: int, sells: int, unit_value: int, unit_margin: int) -> Any:
    """As ``values_of_pair``, and an excess: not zero if a value is VALUE_MAX or more."""
    bought, sold = position + buys, position - sells
    bought_units, sold_units = abs(bought), abs(sold)
    bought_value = scaled(bought_units, unit_value)
    sold_value = scaled(sold_units, unit_value)
    position_value = scaled(abs(position), unit_value)
    # A position lies between both, so none of the three is larger than the larger of them.
    largest = max(bought_units, sold_units)
    excess = scaling_excess(largest, unit_value) | scaling_excess(largest, unit_margin)
    excess |= (unit_value | unit_margin) >> _UNIT_BITS
    return (
        max(bought_value, sold_value),
        bought_value if bought >= 0 else -bought_value,
        sold_value if sold >= 0 else -sold_value,
        scaled(largest, unit_margin),
        position_value if position >= 0 else -position_value,
        excess,
    )


@inline_always
def plain_values_before(pair: int) -> Any:
    """Values with which a pair stands in its account's sums, and their excess."""
    return plain_values(
        load_i64(pair + PAIR_POSITION),
        load_i64(pair + PAIR_WORKING_BUY),
        load_i64(pair + PAIR_WORKING_SELL),
        load_i64(pair + PAIR_UNIT_VALUE),
        load_i64(pair + PAIR_UNIT_MARGIN),
    )


@inline_always
def _add(row: int, offset: int, amount: int) -> None:
    store_i64(row + offset, load_i64(row + offset) + amount)


@inline_always
def add_plainly(row: int, old: Any, new: Any) -> None:
    """Put new values into moderate sums in the place of old ones."""
    _add(row, ACCOUNT_GROSS_EXPOSURE, new[0] - old[0])
    _add(row, ACCOUNT_NET_IF_BOUGHT, new[1] - old[1])
    _add(row, ACCOUNT_NET_IF_SOLD, new[2] - old[2])
    _add(row, ACCOUNT_MARGIN, new[3] - old[3])
    _add(row, ACCOUNT_POSITION_VALUE, new[4] - old[4])
