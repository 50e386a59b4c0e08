"""Every indicator by name: inputs, parameters with ranges and defaults, outputs, how it is built.

    outputs = compute("MACD", [close], {"fastperiod": 12})     # whole arrays
    stream = Stream.of("MACD", {"fastperiod": 12})             # one bar at a time
    macd, signal, histogram = stream.push([close])
    macd, signal, histogram = stream.peek([forming_close])

Names, parameters, outputs, warm-up and values are those of TA-Lib 0.8.1. Values before the warm-up
is over are NaN, or 0 where an output is a whole number.

Source: TA-Lib 0.8.1. A request that doesn't fit raises ``IndicatorError``; its ``field`` is a path
such as ``parameters.timeperiod``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tradecaptain.kernels.indicators.graph import Column, Graph

PERIOD_MAX: Final = 100_000
REAL_MAX: Final = 3.0e37


class IndicatorError(ValueError):
    """A request that no indicator can serve; ``field`` names what is wrong."""

    def __init__(self, field: str, rule: str, observed: object = None) -> None:
        super().__init__(rule)
        self.field = field
        self.observed = observed


@dataclass(frozen=True)
class Parameter:
    """One parameter and what values it may take, bounds included."""

    name: str
    default: float
    lowest: float
    highest: float
    is_integer: bool
    stands_for_default: int | None = None
    """A value that means the default."""


def period(name: str, default: int, lowest: int = 2, highest: int = PERIOD_MAX) -> Parameter:
    """A number of bars."""
    return Parameter(name, default, lowest, highest, is_integer=True)


def real(
    name: str, default: float, lowest: float = -REAL_MAX, highest: float = REAL_MAX
) -> Parameter:
    """A number that needn't be whole."""
    return Parameter(name, default, lowest, highest, is_integer=False)


Definition = Callable[..., Sequence[Column]]


@dataclass(frozen=True)
class Indicator:
    """One indicator.

    ``inputs`` name the columns of a bar that it is meant for; any series may stand for them.
    ``whole_outputs`` are outputs whose values are whole numbers. ``unstable`` names the functions
    whose unstable periods lengthen its warm-up.
    """

    name: str
    group: str
    summary: str
    inputs: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[str, ...]
    whole_outputs: frozenset[str]
    unstable: tuple[str, ...]
    definition: Definition

    def build(self, graph: Graph, values: Mapping[str, Any]) -> Sequence[Column]:
        """Add the indicator to a program; ``values`` has every parameter."""
        columns = [graph.input(name) for name in self.inputs]
        return self.definition(graph, *columns, **values)


INDICATORS: Final[dict[str, Indicator]] = {}
"""All of them, filled by the modules of ``definitions``."""


def indicator(
    name: str,
    group: str,
    inputs: Sequence[str],
    parameters: Sequence[Parameter] = (),
    outputs: Sequence[str] = ("real",),
    whole: Sequence[str] = (),
    unstable: Sequence[str] = (),
) -> Callable[[Definition], Definition]:
    """Register the definition that follows; its docstring's first line is the summary."""

    def register(definition: Definition) -> Definition:
        summary = (definition.__doc__ or "").strip().splitlines()[0]
        INDICATORS[name] = Indicator(
            name=name,
            group=group,
            summary=summary,
            inputs=tuple(inputs),
            parameters=tuple(parameters),
            outputs=tuple(outputs),
            whole_outputs=frozenset(whole),
            unstable=tuple(unstable),
            definition=definition,
        )
        return definition

    return register
