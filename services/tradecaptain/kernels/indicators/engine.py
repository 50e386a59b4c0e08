"""Runs programs: whole arrays in pieces that stay in the cache, or one bar at a time.

A program is a list of nodes in the order in which they are to run, and a list of columns. Columns
are the inputs, the outputs and what nodes hand to each other. There are two ways to run it, through
the same nodes:

* ``run_arrays`` goes over ``count`` bars in pieces of ``piece`` bars. Inputs and outputs are the
  caller's arrays; columns between nodes are windows of ``history + piece`` elements that are moved
  along.
* ``push_bars`` takes bars one after the other, each through all nodes. Every column is a ring of
  ``history`` elements that is kept twice in a row, so that the window that ends at any element lies
  in one piece. ``peek_bar`` does the same for a bar that is still forming, and leaves no trace. A
  program may have code of its own for pushing (``fused``), which then takes the engine's place.

Columns hold at least one element more than any block looks back.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from tradecaptain.base.jit import JIT_DISABLED, CompiledEntry, inline_always, kernel
from tradecaptain.base.memory import (
    copy_bytes,
    load_f64,
    load_i64,
    store_f64,
    store_i64,
    zero_bytes,
)
from tradecaptain.base.records import records_at
from tradecaptain.kernels.indicators import node as layout
from tradecaptain.kernels.indicators.node import WORD_BYTES

PROGRAM: Final = np.dtype(
    [
        ("nodes_address", "<i8"),
        ("nodes_bytes", "<i8"),
        ("spare_address", "<i8"),
        ("node_count", "<i8"),
        ("column_count", "<i8"),
        ("input_count", "<i8"),
        ("output_count", "<i8"),
        ("outputs_address", "<i8"),
        ("warm_up", "<i8"),
        ("history", "<i8"),
        ("piece", "<i8"),
        ("bar", "<i8"),
        ("position", "<i8"),
        ("push_address", "<i8"),
        ("own_code_bar", "<i8"),
    ],
    align=True,
)
"""A program at work. ``outputs_address`` lists the columns that are outputs; ``spare_address`` has
room for a copy of the nodes; ``bar`` and ``position`` are those of the next tick; ``push_address``
is that of the program's own code, 0 if it has none, which may take bar ``own_code_bar`` and those
after it."""

BLOCKS: Final[list[CompiledEntry]] = []
"""Blocks in use: with the JIT off they are called by their number here."""


def block_word(block: CompiledEntry) -> int:
    """What stands for a block in a node: its address, or its number with the JIT off."""
    if block not in BLOCKS:
        BLOCKS.append(block)
    return BLOCKS.index(block) if JIT_DISABLED else block.address


def blocks_by_address() -> dict[int, CompiledEntry]:
    """Blocks in use by the address that stands for them in nodes."""
    return {block.address: block for block in BLOCKS}


def call_block(function: int, node: int, first: int, end: int) -> None:
    """Run the block of a node."""
    BLOCKS[function].python(node, first, end)


@intrinsic
def _call_block(typing_context: Any, function: Any, node: Any, first: Any, end: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [word, word, word])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, word, word, word), codegen


@overload(call_block, strict=False)
def _call_block_overload(function: Any, node: Any, first: Any, end: Any) -> Any:
    return lambda function, node, first, end: _call_block(function, node, first, end)


def call_push(function: int, program: int, bars: int, outputs: int, count: int, first: int) -> None:
    """Push the bars from ``first`` on by a program's own code; there is none with the JIT off."""
    raise NotImplementedError


@intrinsic
def _call_push(
    typing_context: Any,
    function: Any,
    program: Any,
    bars: Any,
    outputs: Any,
    count: Any,
    first: Any,
) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)] * 5)
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    word = types.int64
    return types.void(word, word, word, word, word, word), codegen


@overload(call_push, strict=False)
def _call_push_overload(
    function: Any, program: Any, bars: Any, outputs: Any, count: Any, first: Any
) -> Any:
    return lambda function, program, bars, outputs, count, first: _call_push(
        function, program, bars, outputs, count, first
    )


@inline_always
def take_range(node: int, first: int, end: int) -> None:
    """Let a node take in a range and count its bars."""
    call_block(load_i64(node + layout.FUNCTION * WORD_BYTES), node, first, end)
    place = node + layout.SEEN * WORD_BYTES
    store_i64(place, load_i64(place) + end - first)


@inline_always
def place_columns(node: int, columns: int, windows: int, start: int) -> None:
    """Set the addresses of a node's columns for a piece that begins at bar ``start``.

    ``columns`` lists, by column, an address, then 1 if it is a window: element 0 of a window moves.
    """
    count = load_i64(node + layout.COLUMN_COUNT * WORD_BYTES)
    for slot in range(count):
        number = load_i64(node + (layout.COLUMN_IDS + slot) * WORD_BYTES)
        address = load_i64(columns + number * WORD_BYTES)
        if load_i64(windows + number * WORD_BYTES) != 0:
            address -= start * WORD_BYTES
        store_i64(node + (layout.COLUMNS + slot) * WORD_BYTES, address)


@inline_always
def zero_windows(node: int, windows: int, first: int, end: int) -> None:
    """Zero a node's result columns over bars that the node doesn't take in."""
    slot = load_i64(node + layout.INPUT_COUNT * WORD_BYTES)
    count = load_i64(node + layout.COLUMN_COUNT * WORD_BYTES)
    for result in range(slot, count):
        number = load_i64(node + (layout.COLUMN_IDS + result) * WORD_BYTES)
        if load_i64(windows + number * WORD_BYTES) != 0:
            address = load_i64(node + (layout.COLUMNS + result) * WORD_BYTES)
            zero_bytes(address + first * WORD_BYTES, (end - first) * WORD_BYTES)


@kernel(types.void(types.int64, types.int64, types.int64, types.int64))
def run_arrays(address: int, columns: int, windows: int, count: int) -> None:
    """Run the program at ``address`` from its beginning over ``count`` bars.

    ``columns`` and ``windows`` are the addresses of int64 arrays with one entry a column: the
    address of the caller's array, or of element 0 behind the history of a window; and whether it is
    a window.
    """
    program = records_at(address, 1, PROGRAM)
    history, piece = program[0]["history"], program[0]["piece"]
    nodes, node_count = program[0]["nodes_address"], program[0]["node_count"]
    for start in range(0, count, piece):
        end = min(start + piece, count)
        node = nodes
        for _ in range(node_count):
            begin = load_i64(node + layout.BEGIN * WORD_BYTES)
            place_columns(node, columns, windows, start)
            if begin > start:
                zero_windows(node, windows, start, min(begin, end))
            if begin < end:
                take_range(node, max(begin, start), end)
            node += load_i64(node + layout.WORDS * WORD_BYTES) * WORD_BYTES
        if end < count:
            for number in range(program[0]["column_count"]):
                if load_i64(windows + number * WORD_BYTES) != 0:
                    address = load_i64(columns + number * WORD_BYTES)
                    for index in range(-history, 0):
                        value = load_f64(address + (index + piece) * WORD_BYTES)
                        store_f64(address + index * WORD_BYTES, value)


@inline_always
def take_bar(program: Any, bars: int, count: int, index: int) -> None:
    """Write a bar into the input columns and run every node that has begun.

    ``bars`` is the address of a block of input rows of ``count`` elements.
    """
    ring_bytes = program[0]["history"] * WORD_BYTES
    position, bar = program[0]["position"], program[0]["bar"]
    node = program[0]["nodes_address"]
    inputs = program[0]["outputs_address"] + program[0]["output_count"] * WORD_BYTES
    for row in range(program[0]["input_count"]):
        place = load_i64(inputs + row * WORD_BYTES) + position * WORD_BYTES
        value = load_f64(bars + (row * count + index) * WORD_BYTES)
        store_f64(place, value)
        store_f64(place - ring_bytes, value)
    for _ in range(program[0]["node_count"]):
        if load_i64(node + layout.BEGIN * WORD_BYTES) <= bar:
            take_range(node, position, position + 1)
            column_count = load_i64(node + layout.COLUMN_COUNT * WORD_BYTES)
            if load_i64(node + layout.IS_REMEMBERED * WORD_BYTES) == 0:
                column_count = 0
            for slot in range(load_i64(node + layout.INPUT_COUNT * WORD_BYTES), column_count):
                address = load_i64(node + (layout.COLUMNS + slot) * WORD_BYTES)
                place = address + position * WORD_BYTES
                store_f64(place - ring_bytes, load_f64(place))
        node += load_i64(node + layout.WORDS * WORD_BYTES) * WORD_BYTES


@inline_always
def store_outputs(program: Any, outputs: int, count: int, index: int) -> None:
    """Write the outputs of the bar just taken; before the warm-up is over they are NaN."""
    is_warm = program[0]["bar"] >= program[0]["warm_up"]
    for row in range(program[0]["output_count"]):
        address = load_i64(program[0]["outputs_address"] + row * WORD_BYTES)
        value = load_f64(address + program[0]["position"] * WORD_BYTES) if is_warm else np.nan
        store_f64(outputs + (row * count + index) * WORD_BYTES, value)


@inline_always
def advance(program: Any) -> None:
    """Go on to the next bar."""
    history = program[0]["history"]
    program[0]["bar"] += 1
    position = program[0]["position"] + 1
    program[0]["position"] = position if position < 2 * history else history


@inline_always
def is_missing(program: Any, bars: int, count: int, index: int) -> bool:
    """Whether an input of a bar is NaN."""
    missing = False
    for row in range(program[0]["input_count"]):
        value = load_f64(bars + (row * count + index) * WORD_BYTES)
        missing = missing or value != value
    return missing


@kernel(types.void(types.int64, types.int64, types.int64, types.int64))
def push_bars(address: int, bars: int, outputs: int, count: int) -> None:
    """Take in ``count`` bars, one after the other, and write the outputs at each.

    ``bars`` and ``outputs`` are the addresses of blocks of one row an input or output. Leading bars
    with a NaN are not counted: the warm-up begins after them.
    """
    program = records_at(address, 1, PROGRAM)
    own_code = program[0]["push_address"]
    for index in range(count):
        if own_code != 0 and program[0]["bar"] >= program[0]["own_code_bar"]:
            call_push(own_code, address, bars, outputs, count, index)
            return
        if program[0]["bar"] == 0 and is_missing(program, bars, count, index):
            for row in range(program[0]["output_count"]):
                store_f64(outputs + (row * count + index) * WORD_BYTES, np.nan)
            continue
        take_bar(program, bars, count, index)
        store_outputs(program, outputs, count, index)
        advance(program)


@kernel(types.void(types.int64, types.int64, types.int64))
def peek_bar(address: int, bars: int, outputs: int) -> None:
    """Write what the outputs would be if the next bar were this one; nothing is remembered."""
    program = records_at(address, 1, PROGRAM)
    nodes, length = program[0]["nodes_address"], program[0]["nodes_bytes"]
    copy_bytes(program[0]["spare_address"], nodes, length)
    take_bar(program, bars, 1, 0)
    store_outputs(program, outputs, 1, 0)
    copy_bytes(nodes, program[0]["spare_address"], length)
