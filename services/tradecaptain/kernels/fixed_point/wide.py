"""Wide integer arithmetic as LLVM integers of 128 to 256 bits.

Each function is a handful of machine multiplications inside a kernel. Called from Python (or with
the JIT off) it is plain integer arithmetic, which Python does exactly at any width.
Arguments are int64; none is checked: signs are the caller's duty where a docstring says so.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

SCALE_BITS = 20
"""Fraction bits of the values that `scaled_up` multiplies by."""

_DISTANCE_BITS = 192
_PRODUCT_BITS = 192
_LONG_PRODUCT_BITS = 256


def _widen(builder: Any, value: Any, bits: int) -> Any:
    return builder.sext(value, ir.IntType(bits))


def _magnitude(builder: Any, wide: Any) -> Any:
    negated = builder.neg(wide)
    is_negative = builder.icmp_signed("<", wide, ir.Constant(wide.type, 0))
    return builder.select(is_negative, negated, wide)


def _product(builder: Any, factors: Any, bits: int) -> Any:
    result = None
    for factor in factors:
        # The factors after the first are never negative, and zero extension lets LLVM drop the
        # multiplications of their upper halves.
        wide = builder.zext(factor, ir.IntType(bits)) if factor.type.width < bits else factor
        result = wide if result is None else builder.mul(result, wide)
    return result


def add_saturating(left: int, right: int) -> int:
    """Sum of two int64, held at the ends of int64."""
    return max(INT64_MIN, min(INT64_MAX, left + right))


def subtract_saturating(left: int, right: int) -> int:
    """Difference of two int64, held at the ends of int64."""
    return max(INT64_MIN, min(INT64_MAX, left - right))


def product_exceeds(first: int, second: int, third: int, left: int, right: int) -> bool:
    """Whether ``|first| * second * third > left * right``; all but ``first`` are not negative."""
    return abs(first) * second * third > left * right


def product4_exceeds(
    first: int, second: int, third: int, fourth: int, left: int, middle: int, right: int
) -> bool:
    """Whether ``|first| * second * third * fourth > left * middle * right``.

    All but ``first`` are not negative.
    """
    return abs(first) * second * third * fourth > left * middle * right


def scaled_up(first: int, second: int, ceiling: int) -> int:
    """``first * second / 2^20`` rounded up and held at ``ceiling``; none is negative."""
    return min(-(-(first * second) >> SCALE_BITS), ceiling)


def distance_exceeds(value: int, reference: int, scale: int, limit: int) -> bool:
    """Whether ``|value - reference| * scale > limit * |reference|``.

    ``scale`` and ``limit`` are not negative. With a scale of 10,000 the limit is in basis points.
    """
    return abs(value - reference) * scale > limit * abs(reference)


def _make_saturating(name: str) -> Any:
    @intrinsic
    def saturating(typing_context: Any, left: Any, right: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            word = ir.IntType(64)
            function_type = ir.FunctionType(word, (word, word))
            function = builder.module.declare_intrinsic(name, (word,), function_type)
            return builder.call(function, arguments)

        return types.int64(types.int64, types.int64), codegen

    return saturating


_add_saturating = _make_saturating("llvm.sadd.sat")
_subtract_saturating = _make_saturating("llvm.ssub.sat")


@intrinsic
def _product_exceeds(
    typing_context: Any, first: Any, second: Any, third: Any, left: Any, right: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        magnitude = _magnitude(builder, _widen(builder, arguments[0], _PRODUCT_BITS))
        product = _product(builder, (magnitude, *arguments[1:3]), _PRODUCT_BITS)
        bound = _product(builder, arguments[3:5], _PRODUCT_BITS)
        return builder.icmp_unsigned(">", product, bound)

    return types.boolean(*([types.int64] * 5)), codegen


@intrinsic
def _product4_exceeds(
    typing_context: Any,
    first: Any,
    second: Any,
    third: Any,
    fourth: Any,
    left: Any,
    middle: Any,
    right: Any,
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        magnitude = _magnitude(builder, _widen(builder, arguments[0], _LONG_PRODUCT_BITS))
        product = _product(builder, (magnitude, *arguments[1:4]), _LONG_PRODUCT_BITS)
        bound = _product(builder, arguments[4:7], _LONG_PRODUCT_BITS)
        return builder.icmp_unsigned(">", product, bound)

    return types.boolean(*([types.int64] * 7)), codegen


@intrinsic
def _scaled_up(typing_context: Any, first: Any, second: Any, ceiling: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = _product(builder, (builder.zext(arguments[0], wide), arguments[1]), 128)
        rounded = builder.add(product, ir.Constant(wide, 2**SCALE_BITS - 1))
        quotient = builder.lshr(rounded, ir.Constant(wide, SCALE_BITS))
        bound = builder.zext(arguments[2], wide)
        is_above = builder.icmp_unsigned(">", quotient, bound)
        return builder.trunc(builder.select(is_above, bound, quotient), ir.IntType(64))

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def _distance_exceeds(
    typing_context: Any, value: Any, reference: Any, scale: Any, limit: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value_wide = _widen(builder, arguments[0], _DISTANCE_BITS)
        reference_wide = _widen(builder, arguments[1], _DISTANCE_BITS)
        distance = _magnitude(builder, builder.sub(value_wide, reference_wide))
        scaled = _product(builder, (distance, arguments[2]), _DISTANCE_BITS)
        magnitude = _magnitude(builder, reference_wide)
        bound = _product(builder, (magnitude, arguments[3]), _DISTANCE_BITS)
        return builder.icmp_unsigned(">", scaled, bound)

    return types.boolean(*([types.int64] * 4)), codegen


@overload(add_saturating, strict=False)
def _add_saturating_overload(left: Any, right: Any) -> Any:
    return lambda left, right: _add_saturating(left, right)


@overload(subtract_saturating, strict=False)
def _subtract_saturating_overload(left: Any, right: Any) -> Any:
    return lambda left, right: _subtract_saturating(left, right)


@overload(product_exceeds, strict=False)
def _product_exceeds_overload(first: Any, second: Any, third: Any, left: Any, right: Any) -> Any:
    return lambda first, second, third, left, right: _product_exceeds(
        first, second, third, left, right
    )


@overload(product4_exceeds, strict=False)
def _product4_exceeds_overload(
    first: Any, second: Any, third: Any, fourth: Any, left: Any, middle: Any, right: Any
) -> Any:
    return lambda first, second, third, fourth, left, middle, right: _product4_exceeds(
        first, second, third, fourth, left, middle, right
    )


@overload(scaled_up, strict=False)
def _scaled_up_overload(first: Any, second: Any, ceiling: Any) -> Any:
    return lambda first, second, ceiling: _scaled_up(first, second, ceiling)


@overload(distance_exceeds, strict=False)
def _distance_exceeds_overload(value: Any, reference: Any, scale: Any, limit: Any) -> Any:
    return lambda value, reference, scale, limit: _distance_exceeds(value, reference, scale, limit)
