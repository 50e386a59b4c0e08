"""An indicator that takes bars as they come."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.indicators import engine
from tradecaptain.kernels.indicators import node as layout
from tradecaptain.kernels.indicators.fused import fused_address
from tradecaptain.kernels.indicators.graph import Settings
from tradecaptain.kernels.indicators.program import (
    HEADER_WORDS,
    FloatArray,
    Program,
    call,
    program_of,
    start_of,
)
from tradecaptain.kernels.indicators.registry import IndicatorError


class Stream:
    """An indicator that takes bars one at a time, in time and memory that don't grow.

    Compiled code may push and peek as well, by ``address``, which stays as long as the stream does.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        history = program.history
        self._nodes = program.nodes.copy()
        self._spare = np.empty_like(self._nodes)
        self._columns = np.zeros((program.column_count, 2 * history))
        self._places = address_of(self._columns) + 16 * history * np.array(
            [*program.outputs, *range(program.input_count)], np.int64
        )
        self._header = program.template[:HEADER_WORDS].copy().view(engine.PROGRAM)
        self._header["nodes_address"] = address_of(self._nodes)
        self._header["spare_address"] = address_of(self._spare)
        self._header["outputs_address"] = address_of(self._places)
        self._header["position"] = history
        self._place_nodes()
        self._bar = np.empty((program.input_count, 1))
        self._values = np.empty((len(program.outputs), 1))
        self._bar_numbers = struct.Struct(f"{program.input_count}d")
        self._value_numbers = struct.Struct(f"{len(program.outputs)}d")
        self._bar_address, self._values_address = address_of(self._bar), address_of(self._values)
        self.address = address_of(self._header)

    @classmethod
    def of(
        cls,
        name: str,
        parameters: Mapping[str, float] | None = None,
        settings: Settings | None = None,
    ) -> Stream:
        """A stream of an indicator by name; raises `IndicatorError` as `compute` does."""
        return cls(program_of(name, parameters, settings))

    def _place_nodes(self) -> None:
        start = 0
        origin, stride = address_of(self._columns), 16 * self.program.history
        while start < len(self._nodes):
            node = self._nodes[start : start + int(self._nodes[start + layout.WORDS])]
            count = int(node[layout.COLUMN_COUNT])
            numbers = node[layout.COLUMN_IDS : layout.COLUMN_IDS + count]
            node[layout.COLUMNS : layout.COLUMNS + count] = origin + stride * numbers
            start += len(node)

    @property
    def bar_count(self) -> int:
        """How many bars were taken in."""
        return int(self._header[0]["bar"])

    @property
    def is_warm(self) -> bool:
        """Whether the last bar had values."""
        return self.bar_count > self.program.warm_up

    def fuse(self) -> None:
        """Have the stream take bars by machine code of its own, with the same results.

        A tick then costs a third or less. Making the code takes about a tenth of a second, once in
        a process for each program; with the JIT off nothing changes.
        """
        if not JIT_DISABLED:
            self._header["push_address"] = fused_address(self.program)

    def push(self, bar: Sequence[float]) -> list[float]:
        """Take in one bar; gives the outputs at it, NaN before the warm-up is over.

        One number for each input, in the order of ``input_names``; raises `IndicatorError` if there
        are more or fewer.
        """
        return self._take(engine.push_bars, bar, 1)

    def push_block(self, bars: FloatArray, outputs: FloatArray) -> None:
        """Take in the columns of ``bars`` one after the other: blocks of one row an input, output.

        Both are C-contiguous, and of equal width.
        """
        call(engine.push_bars, self.address, start_of(bars), start_of(outputs), bars.shape[1])

    def peek(self, bar: Sequence[float]) -> list[float]:
        """What ``push`` would give for this bar; the stream stays as it is.

        Raises as ``push`` does.
        """
        return self._take(engine.peek_bar, bar)

    def _take(self, kernel: Callable[..., None], bar: Sequence[float], *count: int) -> list[float]:
        if len(bar) != self.program.input_count:
            raise IndicatorError(
                "bar", f"a bar has {', '.join(self.program.input_names)}", len(bar)
            )
        self._bar_numbers.pack_into(self._bar, 0, *bar)
        call(kernel, self.address, self._bar_address, self._values_address, *count)
        return list(self._value_numbers.unpack_from(self._values))
