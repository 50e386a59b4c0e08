"""Machine code of one program: ``engine.push_bars`` with all nodes written out, and nothing else.

The engine works through any program's nodes by their addresses, which costs 6 ns a node. Here
everything but values and state is known when the code is made: which blocks run, when each begins,
its parameters, where its columns lie. The blocks are the same machine-independent code that the
engine calls, so every bit of the results is the same as well.

Code of its own takes over when all nodes have begun and all outputs have values (`own_code_bar`):
nothing that is so only before is in it. What nodes remember stays in registers while bars are
taken, one after the other, and is in memory when the call ends.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np
from llvmlite import ir
from tradecaptain.base.fusion import FLOAT, INT, Fusion
from tradecaptain.kernels.indicators import node as layout
from tradecaptain.kernels.indicators.engine import PROGRAM, blocks_by_address
from tradecaptain.kernels.indicators.node import WORD_BYTES
from tradecaptain.kernels.indicators.program import Program
from tradecaptain.kernels.indicators.series import BLOCK, COLUMN, NODE, mark_kind

_SHORT: Final = ir.IntType(32)
_BARS_MAX: Final = 1 << 62
"""No stream takes as many bars."""
_NUMBERS: Final = itertools.count()
_MADE: Final[dict[tuple[bytes, tuple[int, ...]], int]] = {}


def fused_address(program: Program) -> int:
    """Address of a function that takes bars into streams of a program; made once for each.

    Its arguments are those of ``push_bars``, then the first bar to take. The stream must have taken
    ``own_code_bar`` bars before.
    """
    key = (program.template.tobytes(), program.outputs)
    if key not in _MADE:
        _MADE[key] = _Writer(program).write()
    return _MADE[key]


def _place(field: str) -> int:
    """Where a field of the header lies, in bytes."""
    fields: Any = PROGRAM.fields
    return int(fields[field][1])


class _Writer:
    """Writes the function of one program."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._fusion = Fusion(f"push_{program.indicator.name}_{next(_NUMBERS)}", 5)
        self._builder = self._fusion.builder
        header, bars, outputs, self._width, self._first = self._fusion.arguments
        pointer, load, plus = self._fusion.pointer, self._fusion.load, self._fusion.plus
        self._header, self._bars, self._outputs = pointer(header), pointer(bars), pointer(outputs)
        self._nodes = pointer(load(plus(self._header, _place("nodes_address"))))
        places = pointer(load(plus(self._header, _place("outputs_address"))))
        # Input 0 is column 0, and columns lie one after the other.
        self._origin = pointer(load(plus(places, WORD_BYTES * len(program.outputs))))
        self._ring_bytes = WORD_BYTES * program.history

    def write(self) -> int:
        """Write the loop over bars, and compile it."""
        builder, fusion = self._builder, self._fusion
        entry, function = builder.block, fusion.function
        head, body, end = (function.append_basic_block() for _ in range(3))
        first_bar = fusion.load(fusion.plus(self._header, _place("bar")))
        first_position = fusion.load(fusion.plus(self._header, _place("position")))
        first_position = builder.trunc(first_position, _SHORT)
        builder.branch(head)
        builder.position_at_end(head)
        index, bar = builder.phi(INT), builder.phi(INT)
        # A narrow counter tells the compiler that the bar after a position doesn't overflow.
        narrow = builder.phi(_SHORT)
        for counter, start in ((index, self._first), (bar, first_bar), (narrow, first_position)):
            counter.add_incoming(start, entry)
        builder.cbranch(builder.icmp_signed("<", index, self._width), body, end)
        builder.position_at_end(body)
        position = builder.zext(narrow, INT)
        self._take(index, bar, position)
        one = fusion.integer(1)
        following = builder.add(position, one)
        is_inside = builder.icmp_signed("<", following, fusion.integer(2 * self._program.history))
        following = builder.select(is_inside, following, fusion.integer(self._program.history))
        index.add_incoming(fusion.opaque(builder.add(index, one)), builder.block)
        bar.add_incoming(builder.add(bar, one), builder.block)
        narrow.add_incoming(builder.trunc(following, _SHORT), builder.block)
        builder.branch(head)
        builder.position_at_end(end)
        fusion.store(fusion.plus(self._header, _place("bar")), bar)
        fusion.store(fusion.plus(self._header, _place("position")), builder.zext(narrow, INT))
        builder.ret_void()
        return fusion.finish()

    def _take(self, index: Any, bar: Any, position: Any) -> None:
        """One bar through all nodes, as ``engine.take_bar`` and ``engine.store_outputs`` do."""
        builder, fusion = self._builder, self._fusion
        bars_past = builder.sub(bar, fusion.integer(self._program.own_code_bar))
        fusion.assume(builder.icmp_unsigned("<", bars_past, fusion.integer(_BARS_MAX)))
        offset = builder.shl(position, fusion.integer(3), flags=("nuw", "nsw"))
        for row in range(self._program.input_count):
            value = mark_kind(fusion.load(self._cell(self._bars, row, index), FLOAT), BLOCK)
            self._remember(self._element(row, offset), value)
        start = 0
        while start < len(self._program.nodes):
            length = int(self._program.nodes[start + layout.WORDS])
            self._run_node(start, length, bar, position, offset)
            start += length
        for row, number in enumerate(self._program.outputs):
            value = mark_kind(fusion.load(self._element(number, offset), FLOAT), COLUMN)
            mark_kind(fusion.store(self._cell(self._outputs, row, index), value), BLOCK)

    def _cell(self, block: Any, row: int, index: Any) -> Any:
        """Place of a number in a block of rows."""
        builder, fusion = self._builder, self._fusion
        flat = builder.add(builder.mul(fusion.integer(row), self._width), index)
        return fusion.plus(block, builder.shl(flat, fusion.integer(3)))

    def _element(self, column: int, offset: Any) -> Any:
        """Place of the element of a column at an offset."""
        return self._fusion.plus(self._column(column), offset)

    def _column(self, number: int) -> Any:
        return self._fusion.plus(self._origin, 2 * self._ring_bytes * number)

    def _remember(self, place: Any, value: Any) -> None:
        """Write an element of a column where both halves of its ring have it."""
        fusion = self._fusion
        mark_kind(fusion.store(place, value), COLUMN)
        mark_kind(fusion.store(fusion.plus(place, -self._ring_bytes), value), COLUMN)

    def _run_node(self, start: int, length: int, bar: Any, position: Any, offset: Any) -> None:
        """One node, as ``engine.take_range`` runs it."""
        builder, fusion = self._builder, self._fusion
        words = self._program.nodes[start : start + length]
        seen = builder.sub(bar, fusion.integer(words[layout.BEGIN]))
        node = fusion.plus(self._nodes, WORD_BYTES * start)
        count = fusion.plus(node, WORD_BYTES * layout.SEEN)
        mark_kind(fusion.store(count, seen), NODE)
        self._tell(node, words)
        end = builder.add(position, fusion.integer(1), flags=("nuw", "nsw"))
        fusion.call(blocks_by_address()[int(words[layout.FUNCTION])], [node, position, end])
        mark_kind(fusion.store(count, builder.add(seen, fusion.integer(1))), NODE)
        if words[layout.IS_REMEMBERED]:
            columns = words[layout.COLUMN_IDS : layout.COLUMN_IDS + words[layout.COLUMN_COUNT]]
            for number in columns[words[layout.INPUT_COUNT] :]:
                place = self._element(int(number), offset)
                value = mark_kind(fusion.load(place, FLOAT), COLUMN)
                self._remember(place, value)

    def _tell(self, node: Any, words: Any) -> None:
        """Tell the compiler the words of a node that don't change."""
        fusion = self._fusion

        def loaded(word: int, kind: Any = INT) -> Any:
            return mark_kind(fusion.load(fusion.plus(node, WORD_BYTES * word), kind), NODE)

        for word in range(layout.INTEGERS, layout.INTEGERS + layout.INTEGERS_MAX):
            fusion.assume_integer(loaded(word), fusion.integer(words[word]))
        reals = words.view(np.float64)
        for word in range(layout.REALS, layout.REALS + layout.REALS_MAX):
            if reals[word] != 0.0:
                fusion.assume_float(loaded(word, FLOAT), reals[word])
        for slot in range(int(words[layout.COLUMN_COUNT])):
            column = self._column(int(words[layout.COLUMN_IDS + slot]))
            address = self._builder.ptrtoint(column, INT)
            fusion.assume_integer(loaded(layout.COLUMNS + slot), address)
