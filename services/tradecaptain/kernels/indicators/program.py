"""Programs ready to run: an indicator with its parameters, laid out for the engine.

``compute`` runs one over whole arrays, ``stream.Stream`` bar by bar. A program is laid out once for
each set of parameters and kept; every run works on a copy of its nodes, so threads may share it.

Columns are float64, outputs as long as the inputs, in the units that ``definitions`` tells. Source
of the values: TA-Lib 0.8.1; one node list for both forms, so that they give the same bits.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
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
from tradecaptain.kernels.indicators.registry import INDICATORS, Indicator, IndicatorError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

assert definitions.__doc__  # Its modules fill the registry.

HEADER_WORDS: Final = engine.PROGRAM.itemsize // 8
PIECE_WORD: Final = list(engine.PROGRAM.fields or ()).index("piece")
NODES_WORD: Final = list(engine.PROGRAM.fields or ()).index("nodes_address")
PIECE_BARS: Final = 1024
"""Bars that go through all nodes at a time: what is handed from node to node stays in the cache."""
DEFAULT_SETTINGS: Final = Settings()


def find(name: str) -> Indicator:
    """The indicator of this name; raises `IndicatorError` if there is none."""
    found = INDICATORS.get(name)
    if found is None:
        meant = f"; {name.upper()!r} is one" if name.upper() in INDICATORS else ""
        raise IndicatorError("name", f"there is no indicator {name!r}{meant}", name)
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
    column_count: int
    input_count: int
    outputs: tuple[int, ...]
    warm_up: int
    """How many bars come before the first value."""
    own_code_bar: int
    """First bar at which all nodes have begun, and outputs have values; at least 1."""
    history: int
    """How many elements a column keeps: one more than any node looks back."""
    between: tuple[int, ...]
    """Columns that are neither inputs nor outputs."""
    template: IntArray
    """Header, addresses of the columns, marks of those between nodes, and nodes, as words."""

    @property
    def nodes_place(self) -> int:
        """Where the nodes begin in the template."""
        return HEADER_WORDS + 2 * self.column_count

    @property
    def input_names(self) -> tuple[str, ...]:
        """Columns of a bar, in the order in which the program takes them."""
        return self.indicator.inputs


def _node_words(plan: NodePlan, remembered: set[int]) -> IntArray:
    words = np.zeros(layout.STATE + plan.state_words, np.int64)
    reals = words.view(np.float64)
    words[layout.FUNCTION] = engine.block_word(plan.block)
    words[layout.BEGIN] = plan.begin
    words[layout.INPUT_COUNT] = plan.input_count
    words[layout.COLUMN_COUNT] = len(plan.columns)
    words[layout.WORDS] = len(words)
    words[layout.IS_REMEMBERED] = not remembered.isdisjoint(plan.columns[plan.input_count :])
    words[layout.INTEGERS : layout.INTEGERS + len(plan.integers)] = plan.integers
    reals[layout.REALS : layout.REALS + len(plan.reals)] = plan.reals
    words[layout.COLUMN_IDS : layout.COLUMN_IDS + len(plan.columns)] = plan.columns
    return words


def lay_out(
    indicator: Indicator, values: Mapping[str, Any], settings: Settings = DEFAULT_SETTINGS
) -> Program:
    """Build an indicator's program; ``values`` has every parameter, in range.

    ``complete_parameters`` gives such values.
    """
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
    remembered = {
        number
        for plan in graph.nodes
        if plan.look_back
        for number in plan.columns[: plan.input_count]
    }
    words = [_node_words(plan, remembered) for plan in graph.nodes]
    nodes = np.concatenate(words) if words else np.zeros(0, np.int64)
    numbers = tuple(column.number for column in outputs)
    own = {*range(len(graph.inputs)), *numbers}
    between = tuple(number for number in range(graph.column_count) if number not in own)
    header = np.zeros(1, engine.PROGRAM)
    header["nodes_bytes"] = nodes.nbytes
    header["node_count"] = len(graph.nodes)
    header["column_count"] = graph.column_count
    header["input_count"] = len(graph.inputs)
    header["output_count"] = len(outputs)
    header["warm_up"] = max(column.begin for column in outputs)
    own_code_bar = max(1, int(header[0]["warm_up"]), *(plan.begin for plan in graph.nodes))
    header["own_code_bar"] = own_code_bar
    header["history"] = graph.look_back + 1
    windows = np.zeros(graph.column_count, np.int64)
    windows[list(between)] = 1
    addresses = np.zeros(graph.column_count, np.int64)
    return Program(
        indicator=indicator,
        nodes=nodes,
        column_count=graph.column_count,
        input_count=len(graph.inputs),
        outputs=numbers,
        warm_up=int(header[0]["warm_up"]),
        own_code_bar=own_code_bar,
        history=graph.look_back + 1,
        between=between,
        template=np.concatenate([header.view(np.int64), addresses, windows, nodes]),
    )


@lru_cache(maxsize=1024)
def _kept_program(name: str, parameters: tuple[tuple[str, float], ...]) -> Program:
    indicator = find(name)
    return lay_out(indicator, complete_parameters(indicator, dict(parameters)))


def program_of(
    name: str, parameters: Mapping[str, float] | None = None, settings: Settings | None = None
) -> Program:
    """The program of an indicator; raises `IndicatorError` for what it can't be."""
    if settings is None:
        return _kept_program(name, tuple(parameters.items()) if parameters else ())
    indicator = find(name)
    return lay_out(indicator, complete_parameters(indicator, parameters or {}), settings)


def warm_up(
    name: str, parameters: Mapping[str, float] | None = None, settings: Settings | None = None
) -> int:
    """How many bars an indicator takes in before its first value.

    Whole bars, from 0 on; raises `IndicatorError` as `compute` does.
    """
    return program_of(name, parameters, settings).warm_up


def start_of(array: npt.NDArray[Any]) -> int:
    """Address of an array's first element; faster than numpy's own where it may be written."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError):
        # Read-only arrays and empty ones lend no buffer.
        return address_of(array)


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
    words = program.template.copy()
    start = start_of(words)
    words[PIECE_WORD] = piece
    words[NODES_WORD] = start + 8 * program.nodes_place
    place = HEADER_WORDS
    for array in inputs:
        words[place] = start_of(array) + 8 * skipped
        place += 1
    for number, array in zip(program.outputs, outputs, strict=True):
        words[HEADER_WORDS + number] = start_of(array) + 8 * skipped
    if program.between:
        width = program.history + piece
        scratch = np.empty(width * len(program.between))
        origin = start_of(scratch) + 8 * program.history
        for number in program.between:
            words[HEADER_WORDS + number] = origin
            origin += 8 * width
    columns = start + 8 * HEADER_WORDS
    call(engine.run_arrays, start, columns, columns + 8 * program.column_count, count)


def call(kernel: Callable[..., None], *arguments: int) -> None:
    """Run one of the engine's kernels, or its twin, without a word of what arithmetic lets pass."""
    if JIT_DISABLED:
        # Plain Python warns of what compiled code lets pass: quotients by 0 and the like.
        with np.errstate(all="ignore"):
            kernel(*arguments)
    else:
        kernel(*arguments)


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
