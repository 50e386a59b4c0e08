"""Values of a pair and its account's sums without saturation, for the short way.

Quantities and sums are held within bounds first, so that no addition or product can leave int64;
whatever lies beyond goes the long way. The results are then those of ``valuation``.

The sums of an account or total lie on one line of memory: eight words, which are changed together
as one vector (perf/topology/risk_gate_path.py). Values come in the same order as eight words, a
*line*: gross, net if bought, net if sold, margin, trade cash, value of the position, and two that
are zero.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.extending import intrinsic, overload, register_model
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
_QUANTITY_BITS = 43
_VALUE_BITS = 55  # one less than of VALUE_MAX
_UNIT_BITS = 62  # of UNIT_VALUE_MAX
_SCALE_BITS = UNIT_VALUE_SHIFT
_SCALE_MASK = (1 << _SCALE_BITS) - 1
_LINE_WORDS = 8
_SUM_OFFSETS = (
    ACCOUNT_GROSS_EXPOSURE,
    ACCOUNT_NET_IF_BOUGHT,
    ACCOUNT_NET_IF_SOLD,
    ACCOUNT_MARGIN,
    ACCOUNT_TRADE_CASH,
    ACCOUNT_POSITION_VALUE,
)
_MARGIN, _CASH = _SUM_OFFSETS.index(ACCOUNT_MARGIN), _SUM_OFFSETS.index(ACCOUNT_TRADE_CASH)
assert tuple(range(_SUM_OFFSETS[0], _SUM_OFFSETS[0] + 48, 8)) == _SUM_OFFSETS


@inline_always
def are_moderate(first: int, second: int, third: int, fourth: int) -> bool:
    """Whether four numbers lie within 2^60 of zero."""
    spread = (first + _HALF_RANGE) | (second + _HALF_RANGE)
    spread |= (third + _HALF_RANGE) | (fourth + _HALF_RANGE)
    return spread >> _RANGE_SHIFT == 0


def _scaled(quantity: int, unit: int) -> int:
    magnitude = -(-(abs(quantity) * unit) >> _SCALE_BITS)
    return magnitude if quantity >= 0 else -magnitude


def scaled_line(
    largest: int, bought: int, sold: int, position: int, unit_value: int, unit_margin: int
) -> Any:
    """Line of quantities times a unit's value or margin over 2^20, magnitudes rounded up.

    :func:`excess_of` the largest must be 0.
    """
    return (
        _scaled(largest, unit_value),
        _scaled(bought, unit_value),
        _scaled(sold, unit_value),
        _scaled(largest, unit_margin),
        0,
        _scaled(position, unit_value),
        0,
        0,
    )


def wide_excess(quantity: int, unit: int) -> int:
    """Not zero if the scaled product is 2^55 or more."""
    return (quantity * unit) >> (_VALUE_BITS + _SCALE_BITS)


@inline_always
def excess_of(largest: int, unit_value: int, unit_margin: int) -> int:
    """Not zero if a value, a quantity or a unit is too large for :func:`scaled_line`."""
    units = unit_value | unit_margin
    return wide_excess(largest, units) | (largest >> _QUANTITY_BITS) | (units >> _UNIT_BITS)


@inline_always
def largest_of(position: int, buys: int, sells: int) -> int:
    """The larger of what a position comes to if all that works is bought, or sold.

    The position itself lies between both.
    """
    return max(abs(position + buys), abs(position - sells))


@inline_always
def plain_values(position: int, buys: int, sells: int, unit_value: int, unit_margin: int) -> Any:
    """Line of the values of a position with its working orders, as ``values_of_pair`` has them."""
    bought, sold, largest = position + buys, position - sells, largest_of(position, buys, sells)
    return scaled_line(largest, bought, sold, position, unit_value, unit_margin)


@inline_always
def plain_excess(position: int, buys: int, sells: int, unit_value: int, unit_margin: int) -> int:
    """Not zero if something is too large for :func:`plain_values`."""
    return excess_of(largest_of(position, buys, sells), unit_value, unit_margin)


@inline_always
def plain_values_before(pair: int) -> Any:
    """Line of the values with which a pair stands in its account's sums."""
    return plain_values(
        load_i64(pair + PAIR_POSITION),
        load_i64(pair + PAIR_WORKING_BUY),
        load_i64(pair + PAIR_WORKING_SELL),
        load_i64(pair + PAIR_UNIT_VALUE),
        load_i64(pair + PAIR_UNIT_MARGIN),
    )


@inline_always
def plain_excess_before(pair: int) -> int:
    """Not zero if something is too large for :func:`plain_values_before`."""
    return plain_excess(
        load_i64(pair + PAIR_POSITION),
        load_i64(pair + PAIR_WORKING_BUY),
        load_i64(pair + PAIR_WORKING_SELL),
        load_i64(pair + PAIR_UNIT_VALUE),
        load_i64(pair + PAIR_UNIT_MARGIN),
    )


def changes_of(old: Any, new: Any, cash: int) -> Any:
    """Line of what new values in the place of old ones, and trade cash, add to sums."""
    line = [after - before for before, after in zip(old, new, strict=True)]
    line[_CASH] += cash
    return tuple(line)


def have_moderate_sums(row: int) -> bool:
    """Whether the sums of an account or total lie within 2^60 of zero."""
    sums = [load_i64(row + offset) for offset in _SUM_OFFSETS]
    return are_moderate(*sums[:4]) and are_moderate(*sums[4:], 0, 0)


def add_plainly(row: int, changes: Any) -> None:
    """Change moderate sums of an account or total."""
    for index, offset in enumerate(_SUM_OFFSETS):
        store_i64(row + offset, load_i64(row + offset) + changes[index])


def margin_with(row: int, changes: Any) -> int:
    """The margin of an account or total with its change."""
    return load_i64(row + ACCOUNT_MARGIN) + int(changes[_MARGIN])


def fit_exposures(row: int, changes: Any, gross_limit: int, net_limit: int) -> bool:
    """Whether moderate sums with their changes keep to limits on gross and net exposure."""
    after = [load_i64(row + offset) + changes[n] for n, offset in enumerate(_SUM_OFFSETS[:3])]
    return abs(after[0]) <= gross_limit and max(abs(after[1]), abs(after[2])) <= net_limit


# The same in vectors of eight words.
_WORD = ir.IntType(64)
_LINE = ir.VectorType(_WORD, _LINE_WORDS)


class _LineType(types.Type):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(name="line_of_sums")


_line = _LineType()


@register_model(_LineType)
class _LineModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, line: Any) -> None:
        super().__init__(manager, line, _LINE)


def _words(*numbers: int) -> Any:
    """Eight words, zero where no number is given."""
    return ir.Constant(_LINE, [*numbers, *[0] * (_LINE_WORDS - len(numbers))])


def _line_of(builder: Any, *words: Any) -> Any:
    line = _words()
    for index, word in enumerate(words):
        line = builder.insert_element(line, word, ir.IntType(32)(index))
    return line


def _line_pointer(builder: Any, row: Any) -> Any:
    address = builder.add(row, _WORD(_SUM_OFFSETS[0] % 2**64))
    return builder.inttoptr(address, _LINE.as_pointer())


def _load_line(builder: Any, row: Any) -> Any:
    line = builder.load(_line_pointer(builder, row))
    line.align = 8
    return line


def _magnitudes(builder: Any, line: Any) -> tuple[Any, Any]:
    """Which words of a line are negative, and the magnitudes of all."""
    is_negative = builder.icmp_signed("<", line, _words())
    return is_negative, builder.select(is_negative, builder.sub(_words(), line), line)


def _is_none(builder: Any, marks: Any) -> Any:
    byte = ir.IntType(8)
    return builder.icmp_unsigned("==", builder.bitcast(marks, byte), byte(0))


@intrinsic
def _scaled_line(
    typing_context: Any,
    largest: Any,
    bought: Any,
    sold: Any,
    position: Any,
    value: Any,
    margin: Any,
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        largest, bought, sold, position, unit_value, unit_margin = arguments
        quantities = _line_of(builder, largest, bought, sold, largest, _WORD(0), position)
        first = builder.insert_element(_words(), unit_value, ir.IntType(32)(0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), _LINE_WORDS), [0] * _LINE_WORDS)
        units = builder.shuffle_vector(first, first, everywhere)
        units = builder.insert_element(units, unit_margin, ir.IntType(32)(_MARGIN))
        # Of a unit, what lies above the scale is multiplied exactly and the rest rounded up.
        is_negative, magnitudes = _magnitudes(builder, quantities)
        mask = _words(*[_SCALE_MASK] * _LINE_WORDS)
        shift = _words(*[_SCALE_BITS] * _LINE_WORDS)
        part = builder.add(builder.mul(magnitudes, builder.and_(units, mask)), mask)
        whole = builder.mul(magnitudes, builder.lshr(units, shift))
        values = builder.add(whole, builder.lshr(part, shift))
        return builder.select(is_negative, builder.sub(_words(), values), values)

    return _line(*[types.int64] * 6), codegen


@intrinsic
def _wide_excess(typing_context: Any, quantity: Any, unit: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        left, right = (builder.zext(argument, wide) for argument in arguments)
        over = builder.lshr(builder.mul(left, right), wide(_VALUE_BITS + _SCALE_BITS))
        return builder.trunc(over, _WORD)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _changes_of(typing_context: Any, old: Any, new: Any, cash: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        old, new, cash = arguments
        return builder.insert_element(builder.sub(new, old), cash, ir.IntType(32)(_CASH))

    return _line(_line, _line, types.int64), codegen


@intrinsic
def _have_moderate_sums(typing_context: Any, row: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        moved = builder.add(_load_line(builder, arguments[0]), _words(*[_HALF_RANGE] * 6))
        outside = builder.and_(moved, _words(*[-1 << _RANGE_SHIFT] * 6))
        return _is_none(builder, builder.icmp_unsigned("!=", outside, _words()))

    return types.boolean(types.int64), codegen


@intrinsic
def _add_plainly(typing_context: Any, row: Any, changes: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, changes = arguments
        changed = builder.add(_load_line(builder, row), changes)
        builder.store(changed, _line_pointer(builder, row)).align = 8
        return context.get_dummy_value()

    return types.void(types.int64, _line), codegen


@intrinsic
def _word_of(typing_context: Any, line: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.extract_element(arguments[0], builder.trunc(arguments[1], ir.IntType(32)))

    return types.int64(_line, types.int64), codegen


@intrinsic
def _fit_exposures(
    typing_context: Any, row: Any, changes: Any, gross_limit: Any, net_limit: Any
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, changes, gross, net = arguments
        changed = builder.add(_load_line(builder, row), changes)
        most = _line_of(builder, gross, net, net, *[_WORD(2**63 - 1)] * 5)
        exceed = builder.icmp_signed(">", _magnitudes(builder, changed)[1], most)
        return _is_none(builder, exceed)

    return types.boolean(types.int64, _line, types.int64, types.int64), codegen


@overload(scaled_line, strict=False)
def _scaled_line_overload(
    largest: Any, bought: Any, sold: Any, position: Any, unit_value: Any, unit_margin: Any
) -> Any:
    return lambda largest, bought, sold, position, unit_value, unit_margin: _scaled_line(
        largest, bought, sold, position, unit_value, unit_margin
    )


@overload(wide_excess, strict=False)
def _wide_excess_overload(quantity: Any, unit: Any) -> Any:
    return lambda quantity, unit: _wide_excess(quantity, unit)


@overload(changes_of, strict=False)
def _changes_of_overload(old: Any, new: Any, cash: Any) -> Any:
    return lambda old, new, cash: _changes_of(old, new, cash)


@overload(have_moderate_sums, strict=False)
def _have_moderate_sums_overload(row: Any) -> Any:
    return lambda row: _have_moderate_sums(row)


@overload(add_plainly, strict=False)
def _add_plainly_overload(row: Any, changes: Any) -> Any:
    return lambda row, changes: _add_plainly(row, changes)


@overload(margin_with, strict=False)
def _margin_with_overload(row: Any, changes: Any) -> Any:
    return lambda row, changes: load_i64(row + ACCOUNT_MARGIN) + _word_of(changes, _MARGIN)


@overload(fit_exposures, strict=False)
def _fit_exposures_overload(row: Any, changes: Any, gross_limit: Any, net_limit: Any) -> Any:
    return lambda row, changes, gross_limit, net_limit: _fit_exposures(
        row, changes, gross_limit, net_limit
    )
