"""Websocket captures of crypto venues: one line a message, with its receive time before it.

``1652459225.53: {…}`` was received, ``wss://… <- 1652459225.29: {…}`` was sent, ``wss://… <->
1652459224.53`` opened a connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from tradecaptain.collector.feeds.sources import Source, TextWindow, file_error
from tradecaptain.wire import reason

_RECEIVED = re.compile(rb"(?:https?://\S+ -> )?(\d{9,10})(?:\.(\d+))?: ?(.*)")
_SENT_OR_OPENED = re.compile(rb"(?:wss|https?)://\S+ <-")
_LINE_BYTES_MAX = 4 << 20


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it came."""

    row: int
    receive_time_ns: int
    payload: Any


def text_lines(source: Source) -> Iterator[tuple[int, bytes]]:
    """Number and text of every line of a source; the last may lack its line end."""
    window = TextWindow(source)
    row = 0
    try:
        while True:
            filled = window.fill()
            text = window.text(_LINE_BYTES_MAX * 2)
            whole = text if window.is_final else text[: text.rfind(b"\n") + 1]
            if not whole and not window.is_final and not filled:
                detail = f"row {row + 1} has no end"
                raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail)
            for line in whole.splitlines():
                row += 1
                yield row, line
            window.consume(window.address + len(whole))
            if window.is_final and window.address == window.end_address:
                return
    finally:
        window.close()


def received_messages(source: Source) -> Iterator[Received]:
    """What was received, in order; a line of no known form is a typed error with its row."""
    for row, line in text_lines(source):
        if not line.strip() or _SENT_OR_OPENED.match(line):
            continue
        match = _RECEIVED.fullmatch(line)
        if match is None:
            detail = f"row {row} isn't a received message"
            raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail)
        try:
            fraction = (match[2] or b"").ljust(9, b"0")[:9]
            receive_time_ns = int(match[1]) * 1_000_000_000 + int(fraction)
            yield Received(row, receive_time_ns, orjson.loads(match[3]))
        except orjson.JSONDecodeError as error:
            detail = f"row {row} isn't JSON: {error}"
            raise file_error(reason.REASON_MALFORMED_FILE, source.name, detail) from error
