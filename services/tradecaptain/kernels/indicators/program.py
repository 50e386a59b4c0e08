"""Programs ready to run: an indicator with its parameters, laid out for the engine.

``compute`` runs one over whole arrays, ``Stream`` bar by bar. A program is laid out once for each
set of parameters and kept; every run works on a copy of its nodes, so threads may share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.indicators import definitions, engine
from tradecaptain.kernels.indicators import node as layout
from tradecaptain.kernels.indicators.graph import Column, Graph, NodePlan, Settings
from tradecaptain.kernels.indicators.registry import INDICATORS, Indicator

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

assert definitions.__doc__  # Its modules fill the registry.

PIECE_BARS: Final = 1024
"""Bars that go through all nodes at a time: what is handed from node to node stays in the cache."""
DEFAULT_SETTINGS: Final = Settings()


class IndicatorError(ValueError):
    """A request that no indicator can serve; ``field`` names what is wrong."""

    def __init__(self, field: str, rule: str, observed: object = None) -> None:
        super().__init__(rule)
        self.field = field
        self.observed = observed


def find(name: str) -> Indicator:
    """The indicator of this name; raises `IndicatorError` if there is none."""
    found = INDICATORS.get(name)
    if found is None:
        raise IndicatorError("name", f"there is no indicator {name!r}", name)
    return found


def complete_parameters(indicator: Indicator, given: Mapping[str, float]) -> dict[str, float | int]:
    """Every parameter of an indicator, defaults where none is given; out of range is refused."""
    unknown = given.keys() - {parameter.name for parameter in indicator.parameters}
    if unknown:
        name = sorted(unknown)[0]
        raise IndicatorError(
            f"parameters.{name}", f"{indicator.name} has no parameter {name!r}", name
        )
    values: dict[str, float | int] = {}
    for parameter in indicator.parameters:
        value = given.get(parameter.name, parameter.default)
        field = f"parameters.{parameter.name}"
        if not parameter.lowest <= value <= parameter.highest:
            bounds = f"{parameter.lowest:g} … {parameter.highest:g}"
            raise IndicatorError(field, f"{parameter.name} must lie in {bounds}", value)
        if parameter.is_integer:
            if value != int(value):
                raise IndicatorError(field, f"{parameter.name} must be a whole number", value)
            value = int(value)
            if value == parameter.stands_for_default:
                value = int(parameter.default)
        values[parameter.name] = value
    return values


@dataclass(frozen=True)
class Program:
    """An indicator laid out: its nodes as words, and which columns are what."""

    indicator: Indicator
    nodes: IntArray
    node_count: int
    column_count: int
    input_count: int
    outputs: tuple[int, ...]
    warm_up: int
    """How many bars come before the first value."""
    history: int
    """How many elements a column keeps: one more than any node looks back."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Columns of a bar, in the order in which the program takes them."""
        return self.indicator.inputs


def _node_words(plan: NodePlan) -> IntArray:
    words = np.zeros(layout.STATE + plan.state_words, np.int64)
    reals = words.view(np.float64)
    words[layout.FUNCTION] = _function_word(plan)
    words[layout.BEGIN] = plan.begin
    words[layout.INPUT_COUNT] = plan.input_count
    words[layout.COLUMN_COUNT] = len(plan.columns)
    words[layout.WORDS] = len(words)
    words[layout.INTEGERS : layout.INTEGERS + len(plan.integers)] = plan.integers
    reals[layout.REALS : layout.REALS + len(plan.reals)] = plan.reals
    words[layout.COLUMN_IDS : layout.COLUMN_IDS + len(plan.columns)] = plan.columns
    return words


def _function_word(plan: NodePlan) -> int:
    if not JIT_DISABLED:
        return plan.block.address
    if plan.block not in engine.BLOCKS:
        engine.BLOCKS.append(plan.block)
    return engine.BLOCKS.index(plan.block)


def lay_out(
    indicator: Indicator, values: Mapping[str, Any], settings: Settings = DEFAULT_SETTINGS
) -> Program:
    """Build an indicator's program; ``values`` has every parameter, in range."""
    from tradecaptain.kernels.indicators.definitions import expressions

    graph = Graph(settings)
    outputs = list(indicator.build(graph, values))
    taken: set[int] = set(range(len(graph.inputs)))
    for place, column in enumerate(outputs):
        # Every output has an array of its own.
        if column.number in taken:
            copied = expressions.copy(graph, column)
            outputs[place] = column = Column(copied.number, column.begin)
        taken.add(column.number)
    words = [_node_words(plan) for plan in graph.nodes]
    nodes = np.concatenate(words) if words else np.zeros(0, np.int64)
    return Program(
        indicator=indicator,
        nodes=nodes,
        node_count=len(graph.nodes),
        column_count=graph.column_count,
        input_count=len(graph.inputs),
        outputs=tuple(column.number for column in outputs),
        warm_up=max(column.begin for column in outputs),
        history=graph.look_back + 1,
    )


@lru_cache(maxsize=1024)
def _default_program(name: str, values: tuple[tuple[str, float | int], ...]) -> Program:
    return lay_out(find(name), dict(values))


def program_of(
    name: str, parameters: Mapping[str, float] | None = None, settings: Settings | None = None
) -> Program:
    """The program of an indicator; raises `IndicatorError` for what it can't be."""
    indicator = find(name)
    values = complete_parameters(indicator, parameters or {})
    if settings is not None:
        return lay_out(indicator, values, settings)
    return _default_program(name, tuple(values.items()))


def warm_up(
    name: str, parameters: Mapping[str, float] | None = None, settings: Settings | None = None
) -> int:
    """How many bars an indicator takes in before its first value."""
    return program_of(name, parameters, settings).warm_up


def _header(program: Program, nodes: IntArray) -> npt.NDArray[Any]:
    header = np.zeros(1, engine.PROGRAM)
    header["nodes_address"] = address_of(nodes)
    header["nodes_bytes"] = nodes.nbytes
    header["node_count"] = program.node_count
    header["column_count"] = program.column_count
    header["input_count"] = program.input_count
    header["output_count"] = len(program.outputs)
    header["warm_up"] = program.warm_up
    header["history"] = program.history
    return header


def run(program: Program, inputs: Sequence[FloatArray]) -> list[FloatArray]:
    """Run a program over whole arrays of equal length.

    Leading bars at which an input is NaN are passed over: the warm-up begins after them. Outputs
    are NaN, or 0 where they are whole numbers, up to the end of the warm-up.
    """
    inputs = [np.ascontiguousarray(column, np.float64) for column in inputs]
    count = len(inputs[0])
    skipped = _leading_missing(inputs)
    outputs = [np.empty(count) for _ in program.outputs]
    if skipped < count:
        _run_from(program, inputs, outputs, skipped)
    blank = min(skipped + program.warm_up, count)
    for name, output in zip(program.indicator.outputs, outputs, strict=True):
        output[:blank] = 0.0 if name in program.indicator.whole_outputs else np.nan
    return outputs


def _leading_missing(inputs: Sequence[FloatArray]) -> int:
    """How many bars come before the first at which every input has a value."""
    count = len(inputs[0])
    if count and all(column[0] == column[0] for column in inputs):
        return 0
    missing = np.isnan(inputs[0])
    for column in inputs[1:]:
        missing |= np.isnan(column)
    return count if missing.all() else int(np.argmin(missing))


def _run_from(
    program: Program, inputs: Sequence[FloatArray], outputs: Sequence[FloatArray], skipped: int
) -> None:
    count = len(inputs[0]) - skipped
    piece = min(PIECE_BARS, count)
    nodes = program.nodes.copy()
    header = _header(program, nodes)
    header["piece"] = piece
    columns = np.zeros(program.column_count, np.int64)
    windows = np.ones(program.column_count, np.int64)
    own = [*range(program.input_count), *program.outputs]
    windows[own] = 0
    columns[own] = [address_of(array) + 8 * skipped for array in (*inputs, *outputs)]
    width = program.history + piece
    scratch = np.empty(width * (program.column_count - len(own)))
    between = np.flatnonzero(windows)
    origin = address_of(scratch) + 8 * program.history
    columns[between] = origin + 8 * width * np.arange(len(between))
    with np.errstate(all="ignore"):
        engine.run_arrays(header, address_of(columns), address_of(windows), count)


def compute(
    name: str,
    inputs: Sequence[FloatArray] | Mapping[str, FloatArray],
    parameters: Mapping[str, float] | None = None,
    settings: Settings | None = None,
) -> list[FloatArray]:
    """An indicator over whole arrays: one array an output, as long as the inputs.

    ``inputs`` are arrays in the indicator's order, or by name. Raises `IndicatorError` if the name,
    a parameter or the inputs don't fit.
    """
    program = program_of(name, parameters, settings)
    wanted = program.input_names
    if isinstance(inputs, Mapping):
        missing = [column for column in wanted if column not in inputs]
        if missing:
            raise IndicatorError(f"columns.{missing[0]}", f"{name} needs {', '.join(wanted)}")
        inputs = [inputs[column] for column in wanted]
    if len(inputs) != len(wanted):
        raise IndicatorError("columns", f"{name} takes {', '.join(wanted)}", len(inputs))
    if len({len(column) for column in inputs}) > 1:
        raise IndicatorError("columns", "columns must be of equal length")
    return run(program, inputs)


class Stream:
    """An indicator that takes bars one at a time, in time and memory that don't grow.

    The block of state is kept in arrays that kernels may use by their address (``header``).
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
        self.header = _header(program, self._nodes)
        self.header["spare_address"] = address_of(self._spare)
        self.header["outputs_address"] = address_of(self._places)
        self.header["position"] = history
        self._place_nodes()
        self._bar = np.empty((program.input_count, 1))
        self._values = np.empty((len(program.outputs), 1))

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
        return int(self.header[0]["bar"])

    @property
    def is_warm(self) -> bool:
        """Whether the last bar had values."""
        return self.bar_count > self.program.warm_up

    def push(self, bar: Sequence[float]) -> list[float]:
        """Take in one bar; gives the outputs at it, NaN before the warm-up is over."""
        self._bar[:, 0] = bar
        self.push_block(self._bar, self._values)
        values: list[float] = self._values[:, 0].tolist()
        return values

    def push_block(self, bars: FloatArray, outputs: FloatArray) -> None:
        """Take in the columns of ``bars`` one after the other: blocks of one row an input, output.

        Both are C-contiguous, and of equal width.
        """
        with np.errstate(all="ignore"):
            engine.push_bars(self.header, address_of(bars), address_of(outputs), bars.shape[1])

    def peek(self, bar: Sequence[float]) -> list[float]:
        """What ``push`` would give for this bar; the stream stays as it is."""
        self._bar[:, 0] = bar
        with np.errstate(all="ignore"):
            engine.peek_bar(self.header, address_of(self._bar), address_of(self._values))
        values: list[float] = self._values[:, 0].tolist()
        return values
