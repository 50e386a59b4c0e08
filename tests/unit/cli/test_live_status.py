"""What `up` shows while it runs."""

import errno
import io

import pytest
from rich.console import Console, ConsoleDimensions
from rich.text import Text
from tradecaptain.base.clock import ManualClock
from tradecaptain.cli.live_status import LiveStatus, log_line, rates_line, summary_line
from tradecaptain.launch.run_state import PartState, RunState
from tradecaptain.wire import reason

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


LONG = "exited with status 1; last words: cannot start the media driver: no space left on device"


def terminal(width: int, height: int = 24) -> Console:
    return Console(
        file=io.StringIO(),
        force_terminal=True,
        soft_wrap=True,
        width=width,
        height=height,
        _environ={"TERM": "xterm-256color"},
    )


def drawn(console: Console) -> list[str]:
    """What stands on the terminal, without colours; the last picture only."""
    assert isinstance(console.file, io.StringIO)
    text = Text.from_ansi(console.file.getvalue().rpartition("\x1b[2K")[2]).plain
    return text.splitlines()


def troubled() -> RunState:
    whole = state(driver="waiting to restart", orderbook="ready", gateway="starting")
    for port, part in enumerate(whole.parts.values(), 10_000):
        part.pid, part.port = 12_345, port
    whole.parts["driver"].why = LONG
    return whole


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (120, ["part", "state", "pid", "port", "restarts", "note"]),
        (60, ["part", "state", "port", "restarts", "note"]),
        (50, ["part", "state", "port", "note"]),
        (44, ["part", "state", "note"]),
        (30, ["part", "state"]),
        (29, ["part", "state"]),
    ],
)
def test_a_narrow_terminal_gets_fewer_columns_and_whole_words(
    width: int, headings: list[str]
) -> None:
    console = terminal(width)
    with LiveStatus(console, ManualClock()) as display:
        display.update(troubled())
        lines = drawn(console)
    assert lines[0].split() == headings
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("driver")
    assert "waiting to restart" in lines[1]
    assert "Ctrl-C stops everything" in lines[-1]
    if "note" in headings:
        assert LONG[:5] in lines[1]
        assert lines[1].endswith("…") or LONG in lines[1]


def test_no_rate_is_cut_off() -> None:
    console = terminal(40)
    with LiveStatus(console, ManualClock()) as display:
        whole = troubled()
        whole.rates = {"ticks_per_second": 4000.0, "order_p99_microseconds": 15.0}
        display.update(whole)
        shown = " ".join(" ".join(drawn(console)).split())
    assert rates_line(whole.rates) in shown


def test_a_low_terminal_gets_the_summary() -> None:
    console = terminal(80, 7)
    with LiveStatus(console, ManualClock()) as display:
        display.update(troubled())
        shown = " ".join(" ".join(drawn(console)).split())
    assert shown.startswith("1/3 ready")
    assert f"driver waiting to restart ({LONG})" in shown


def test_a_resized_terminal_is_drawn_anew() -> None:
    console = terminal(100)
    with LiveStatus(console, ManualClock()) as display:
        display.update(troubled())
        before = drawn(console)
        assert isinstance(console.file, io.StringIO)
        assert "\x1b[2J" not in console.file.getvalue()
        console.size = ConsoleDimensions(60, 24)
        display.update(troubled())
        assert console.file.getvalue().count("\x1b[2J") == 1
        after = drawn(console)
        display.update(troubled())
        assert console.file.getvalue().count("\x1b[2J") == 1
    assert max(map(len, before)) > 60 >= max(map(len, after))


class ClosedTerminal(io.StringIO):
    """A terminal whose window was closed."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
def test_a_closed_terminal_is_no_reason_to_end(term: str) -> None:
    console = Console(file=ClosedTerminal(), force_terminal=True, _environ={"TERM": term})
    with LiveStatus(console, ManualClock()) as display:
        display.update(troubled())
        display.update(troubled())


def test_a_dumb_terminal_gets_lines() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, _environ={"TERM": "dumb"})
    with LiveStatus(console, ManualClock()) as display:
        display.update(state(driver="ready"))
    assert "1/1 ready" in text.getvalue()


def test_the_log_is_told_in_one_line() -> None:
    assert log_line({}) == ""
    counters = {
        "instruments_process": 12,
        "instruments_group": 1,
        "instruments_async": 0,
        "unsynced_bytes": 4_096,
        "last_sync_ns": 1_250_000,
        "snapshot_sequence": 77,
        "refusal": 0,
    }
    assert log_line(counters) == (
        "durability process for 12 instruments, group for 1 instruments · 4,096 bytes not on disk"
        " · last sync 1.2 ms · snapshot at command 77"
    )
    refused = log_line(counters | {"refusal": reason.REASON_JOURNAL_UNAVAILABLE})
    assert refused.endswith("new orders are refused: REASON_JOURNAL_UNAVAILABLE")
