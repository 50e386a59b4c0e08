"""What ``up`` shows while it runs: a live table in a terminal, else one line every five seconds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console, JustifyMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text
from tradecaptain.base.clock import Clock
from tradecaptain.launch.run_state import PartState, RunState
from tradecaptain.wire import reason

LINE_SECONDS = 5
NANOSECONDS = 1_000_000_000
_HEADINGS = ("part", "state", "pid", "port", "restarts", "note")
_DROPPED_FIRST = ("pid", "restarts", "port", "note")
_NOTE_LENGTH_MIN = 12
_GAP_LENGTH = 2
_LEVELS = ("process", "group", "async")
# Beside the parts: headings, rates (which may take two lines), the hint, and the cursor's line.
_OTHER_LINES = 5
_COLOURS = {"ready": "green", "starting": "yellow", "waiting": "dim", "stopped": "dim"}


def part_table(state: RunState, width: int) -> Table:
    """The parts of a mesh as a table of at most ``width`` characters.

    Columns that don't fit are left out, those that matter least first.
    """
    rows = [_cells(part) for part in state.parts.values()]
    shown = list(_HEADINGS)
    for dropped in (*_DROPPED_FIRST, None):
        lengths = [max(len(name), *(len(row[name]) for row in rows), 0) for name in shown]
        if "note" in shown:
            lengths[shown.index("note")] = _NOTE_LENGTH_MIN
        if dropped is None or sum(lengths) + _GAP_LENGTH * (len(shown) - 1) <= width:
            break
        shown.remove(dropped)
    table = Table(box=None, pad_edge=False)
    for heading in shown:
        justify: JustifyMethod = "right" if heading in ("pid", "port") else "left"
        # Only a note is cut to the room that is left.
        table.add_column(heading, justify=justify, no_wrap=heading != "note")
    for row in rows:
        cells = {name: Text(row[name], no_wrap=True, overflow="ellipsis") for name in shown}
        cells["state"].style = _COLOURS.get(row["state"], "red")
        table.add_row(*cells.values())
    return table


def _cells(part: PartState) -> dict[str, str]:
    return {
        "part": part.name,
        "state": part.state,
        "pid": str(part.pid or ""),
        "port": str(part.port or ""),
        "restarts": str(part.restarts or ""),
        "note": part.why,
    }


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


def log_line(counters: Mapping[str, int]) -> str:
    """How durable acknowledgements are, and how far the disk and the snapshots are, as one line;
    empty without an execution log."""
    if not counters:
        return ""
    levels = [
        f"{level} for {counters[name]} instruments"
        for name, level in ((f"instruments_{level}", level) for level in _LEVELS)
        if counters.get(name)
    ]
    refusal = counters["refusal"]
    return (
        f"durability {', '.join(levels) or '-'} · {counters['unsynced_bytes']:,} bytes not on disk"
        f" · last sync {counters['last_sync_ns'] / NANOSECONDS * 1000:,.1f} ms"
        f" · snapshot at command {counters['snapshot_sequence'] or '-'}"
        + (f" · new orders are refused: {reason.NAMES[refusal]}" if refusal else "")
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
        self._live: Live | None = None
        self._size = console.size
        self._is_gone = False
        self._last_line_ns = 0
        self._states: dict[str, str] = {}
        self._was_ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._stop_table()

    def update(self, state: RunState) -> None:
        """Show the state anew; a terminal that was closed keeps nobody from going on."""
        if self._is_gone:
            return
        try:
            if self._has_table:
                self._show_table(state)
            else:
                self._print_lines(state)
        except OSError:
            self._is_gone = True

    def _show_table(self, state: RunState) -> None:
        size = self._console.size
        if self._live is not None and size != self._size:
            # What the terminal made of the lines that stood there is unknown.
            self._stop_table()
            self._console.clear()
        self._size = size
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        # A grid wraps long lines, and lines of a console that wraps softly are cut.
        shown = Table.grid()
        if size.height < len(state.parts) + _OTHER_LINES:
            shown.add_row(Text(summary_line(state)))
        else:
            shown.add_row(part_table(state, size.width))
            shown.add_row(Text(rates_line(state.rates)))
            shown.add_row(Text("Ctrl-C stops everything", style="dim"))
        self._live.update(shown, refresh=True)

    def _stop_table(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print_lines(self, state: RunState) -> None:
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
