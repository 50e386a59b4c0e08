"""Puts programs together: indicators are written as expressions over columns.

    graph = Graph(Settings())
    close = graph.input("close")
    fast, slow = averages.exponential(graph, close, 12), averages.exponential(graph, close, 26)

Every expression adds a node. When a column begins is known while it is built: ``Column.begin`` is
the first bar at which it has a value, counted from the first bar at which all inputs have one.
Equal expressions are built once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tradecaptain.kernels.indicators import node as layout
from tradecaptain.kernels.indicators.node import Block


@dataclass(frozen=True)
class CandleSetting:
    """What "long", "short" or "near" means: ``factor`` times a mean over ``period`` bars before.

    ``measure`` is ``body``, ``range`` (high less low) or ``shadows`` (mean of both); of the candle
    itself if the period is 0.
    """

    measure: str
    period: int
    factor: float


CANDLE_SETTINGS: Final[Mapping[str, CandleSetting]] = {
    "body_long": CandleSetting("body", 10, 1.0),
    "body_very_long": CandleSetting("body", 10, 3.0),
    "body_short": CandleSetting("body", 10, 1.0),
    "body_doji": CandleSetting("range", 10, 0.1),
    "shadow_long": CandleSetting("body", 0, 1.0),
    "shadow_very_long": CandleSetting("body", 0, 2.0),
    "shadow_short": CandleSetting("shadows", 10, 1.0),
    "shadow_very_short": CandleSetting("range", 10, 0.1),
    "near": CandleSetting("range", 5, 0.2),
    "far": CandleSetting("range", 5, 0.6),
    "equal": CandleSetting("range", 5, 0.05),
}
"""The customary meanings, after Morris, Candlestick Charting Explained."""


@dataclass(frozen=True)
class Settings:
    """What holds for all indicators of a program.

    ``unstable`` gives, by name of a function (``EMA``, ``RSI``, …), how many of its first values to
    leave out because they still depend on where the data begin; ``candles`` says what patterns call
    long, short or near.
    """

    unstable: Mapping[str, int] = field(default_factory=dict)
    candles: Mapping[str, CandleSetting] = field(default_factory=lambda: CANDLE_SETTINGS)

    def unstable_bars(self, name: str) -> int:
        """How many first values of a function to leave out."""
        return self.unstable.get(name, 0)


@dataclass(frozen=True)
class Column:
    """A series of the program: its number, and the first bar at which it has a value."""

    number: int
    begin: int


@dataclass(frozen=True)
class NodePlan:
    """One node as it will be laid out."""

    block: Block
    columns: tuple[int, ...]
    input_count: int
    begin: int
    integers: tuple[int, ...]
    reals: tuple[float, ...]
    look_back: int
    state_words: int


class Graph:
    """A program under construction."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.inputs: dict[str, Column] = {}
        self.nodes: list[NodePlan] = []
        self.column_count = 0
        self.look_back = 0
        """How many bars any node reads before the one at work."""
        self._built: dict[tuple[object, ...], tuple[Column, ...]] = {}

    def input(self, name: str) -> Column:
        """The input of this name; inputs are numbered in the order in which they are asked for."""
        if name not in self.inputs:
            if self.nodes:
                raise ValueError("inputs come before nodes")
            self.inputs[name] = self._column(0)
        return self.inputs[name]

    def _column(self, begin: int) -> Column:
        column = Column(self.column_count, begin)
        self.column_count += 1
        return column

    def nodes_of(
        self,
        block: Block,
        inputs: Sequence[Column],
        results: int,
        *,
        integers: Sequence[int] = (),
        reals: Sequence[float] = (),
        begin: int = 0,
        warm_up: int = 0,
        look_back: int = 0,
        state_words: int = 0,
    ) -> tuple[Column, ...]:
        """Add a node with several results.

        It takes in bars from ``begin`` on, or from where all its inputs have values if that is
        later, and has results ``warm_up`` bars after that. It reads ``look_back`` bars before the
        one at work.
        """
        begin = max([begin, *(column.begin for column in inputs)])
        numbers = tuple(column.number for column in inputs)
        key = (id(block), numbers, tuple(integers), tuple(reals), begin, warm_up)
        if key not in self._built:
            columns = tuple(self._column(begin + warm_up) for _ in range(results))
            all_numbers = numbers + tuple(column.number for column in columns)
            if len(all_numbers) > layout.COLUMNS_MAX:
                raise ValueError(f"a node takes at most {layout.COLUMNS_MAX} columns")
            self.nodes.append(
                NodePlan(
                    block=block,
                    columns=all_numbers,
                    input_count=len(numbers),
                    begin=begin,
                    integers=tuple(integers),
                    reals=tuple(reals),
                    look_back=look_back,
                    state_words=state_words,
                )
            )
            self.look_back = max(self.look_back, look_back)
            self._built[key] = columns
        return self._built[key]

    def node(
        self,
        block: Block,
        inputs: Sequence[Column],
        *,
        integers: Sequence[int] = (),
        reals: Sequence[float] = (),
        begin: int = 0,
        warm_up: int = 0,
        look_back: int = 0,
        state_words: int = 0,
    ) -> Column:
        """Add a node with one result; see ``nodes_of``."""
        (column,) = self.nodes_of(
            block,
            inputs,
            1,
            integers=integers,
            reals=reals,
            begin=begin,
            warm_up=warm_up,
            look_back=look_back,
            state_words=state_words,
        )
        return column
