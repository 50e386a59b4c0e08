"""What ``up`` shows while it runs: a live table in a terminal, else one line every five seconds."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from tradecaptain.base.clock import Clock
from tradecaptain.launch.run_state import PartState, RunState

LINE_SECONDS = 5
NANOSECONDS = 1_000_000_000
_COLOURS = {"ready": "green", "starting": "yellow", "waiting": "dim", "stopped": "dim"}


def part_table(state: RunState) -> Table:
    """The parts of a mesh as a table."""
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "state", "pid", "port", "restarts", "note"):
        table.add_column(heading, justify="right" if heading in ("pid", "port") else "left")
    for part in state.parts.values():
        table.add_row(
            part.name,
            Text(part.state, style=_COLOURS.get(part.state, "red")),
            str(part.pid or ""),
            str(part.port or ""),
            str(part.restarts or ""),
            Text(part.why, overflow="ellipsis", no_wrap=True),
        )
    return table


def rates_line(rates: dict[str, float]) -> str:
    """Rates and latencies as one line; what isn't known yet is a dash."""

    def shown(name: str, pattern: str) -> str:
        return format(rates[name], pattern) if name in rates else "-"

    return (
        f"{shown('ticks_per_second', ',.0f')} ticks/s"
        f" · {shown('orders_per_second', ',.0f')} orders/s"
        f" ({shown('client_orders_per_second', ',.0f')} by clients)"
        f" · latency p50 {shown('order_p50_microseconds', ',.1f')} µs"
        f" p99 {shown('order_p99_microseconds', ',.1f')} µs"
    )


def summary_line(state: RunState) -> str:
    """The mesh in one line, for logs."""
    ready = sum(part.state == "ready" for part in state.parts.values())
    troubled = [describe(part) for part in state.parts.values() if part.state not in _COLOURS]
    line = f"{ready}/{len(state.parts)} ready · {rates_line(state.rates)}"
    return f"{line} · {'; '.join(troubled)}" if troubled else line


def describe(part: PartState) -> str:
    """A part in a few words."""
    return f"{part.name} {part.state}" + (f" ({part.why})" if part.why else "")


class LiveStatus:
    """Shows a mesh's state on a console as it changes."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        # A dumb terminal can't move its cursor back, so it gets lines as well.
        self._has_table = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._last_line_ns = 0
        self._states: dict[str, str] = {}
        self._was_ready = False

    def __enter__(self) -> Self:
        if self._has_table:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._has_table:
            self._live.stop()

    def update(self, state: RunState) -> None:
        """Show the state anew."""
        if self._has_table:
            hint = Text("Ctrl-C stops everything", style="dim")
            shown = Group(part_table(state), Text(rates_line(state.rates)), hint)
            self._live.update(shown, refresh=True)
            return
        self._print_changes(state)
        now_ns = self._clock.monotonic_ns()
        became_ready = state.ready and not self._was_ready
        if became_ready or now_ns - self._last_line_ns >= LINE_SECONDS * NANOSECONDS:
            self._last_line_ns = now_ns
            self._console.print(summary_line(state), markup=False)
        self._was_ready = state.ready

    def _print_changes(self, state: RunState) -> None:
        for part in state.parts.values():
            if self._states.get(part.name, "waiting") != part.state:
                self._states[part.name] = part.state
                self._console.print(describe(part), markup=False)
