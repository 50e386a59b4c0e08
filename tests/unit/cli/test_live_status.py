"""What `up` shows while it runs."""

import io

from rich.console import Console
from tradecaptain.base.clock import ManualClock
from tradecaptain.cli.live_status import LiveStatus, rates_line, summary_line
from tradecaptain.launch.run_state import PartState, RunState

SECOND = 1_000_000_000


def state(**parts: str) -> RunState:
    whole = RunState(1, 0, ready=all(value == "ready" for value in parts.values()))
    whole.parts = {name: PartState(name, value) for name, value in parts.items()}
    return whole


def test_rates_that_are_not_known_yet_are_dashes() -> None:
    assert "- ticks/s" in rates_line({})
    shown = rates_line({"ticks_per_second": 12345.6, "order_p50_microseconds": 1.25})
    assert "12,346 ticks/s" in shown
    assert "p50 1.2 µs" in shown


def test_the_summary_names_parts_in_trouble() -> None:
    line = summary_line(state(driver="ready", risk="waiting to restart"))
    assert line.startswith("1/2 ready")
    assert "risk waiting to restart" in line


def test_without_a_terminal_changes_are_told_at_once_and_a_line_every_five_seconds() -> None:
    text = io.StringIO()
    clock = ManualClock()
    with LiveStatus(Console(file=text), clock) as display:
        display.update(state(driver="starting"))
        display.update(state(driver="ready"))
        lines = text.getvalue().splitlines()
        assert lines[0] == "driver starting"
        assert "driver ready" in lines
        assert lines[-1].startswith("1/1 ready")
        clock.advance(SECOND)
        display.update(state(driver="ready"))
        assert text.getvalue().splitlines() == lines
        clock.advance(4 * SECOND)
        display.update(state(driver="ready"))
        assert len(text.getvalue().splitlines()) == len(lines) + 1


def test_in_a_terminal_a_table_is_shown() -> None:
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=True, width=100, _environ={"TERM": "xterm-256color"}
    )
    with LiveStatus(console, ManualClock()) as display:
        display.update(state(driver="ready", gateway="starting"))
    assert "gateway" in text.getvalue()
    assert "Ctrl-C" in text.getvalue()


def test_a_dumb_terminal_gets_lines() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, _environ={"TERM": "dumb"})
    with LiveStatus(console, ManualClock()) as display:
        display.update(state(driver="ready"))
    assert "1/1 ready" in text.getvalue()
