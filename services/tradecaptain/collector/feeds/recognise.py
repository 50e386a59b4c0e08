"""What a stream of bytes is, told from its first lines and never from its name."""

from __future__ import annotations

import re
from enum import StrEnum

from tradecaptain.collector.feeds.itch import LENGTHS


class ContentKind(StrEnum):
    """Kinds of content that the collector knows."""

    LOBSTER_MESSAGES = "lobster messages"
    LOBSTER_BOOK = "lobster order book"
    BINANCE = "binance capture"
    CRYPTO_CAPTURE = "crypto capture"
    DATABENTO_MBO = "databento market by order"
    DATABENTO_MBP10 = "databento market by price"
    DATABENTO_DBN = "databento binary"
    ITCH = "nasdaq itch 5.0"
    ITCH_DECODED = "decoded nasdaq itch"
    TEXT = "prose"
    UNKNOWN = "unknown"


_LOBSTER_MESSAGE = re.compile(rb"\d{1,6}(\.\d+)?,\d+,-?\d+,-?\d+,-?\d+,-?\d+\r?")
_LOBSTER_BOOK = re.compile(rb"-?\d+,\d+,-?\d+,\d+(,-?\d+,\d+,-?\d+,\d+)*\r?")
_NANOSECOND_CAPTURE = re.compile(rb"\d{16,19} [{\[]")
_BINANCE_MARK = re.compile(
    rb'"(depthUpdate|lastUpdateId|bookTicker)"|@(depth|bookTicker|trade|aggTrade)\b|binance\.com'
)
_SECONDS_CAPTURE = re.compile(rb"((wss|https)://\S+ (<-|->|<->) )?\d{9,10}\.\d+(: |\s*$)")
_ITCH_MESSAGES = 3


def _is_itch(head: bytes) -> bool:
    """Whether the first frames hold messages of known types, framed by their length or zeros."""
    position = 0
    for _ in range(_ITCH_MESSAGES):
        if position == len(head) and position > 0:
            return True
        length = LENGTHS.get(chr(head[position + 2])) if position + 2 < len(head) else None
        if length is None or int.from_bytes(head[position : position + 2], "big") not in (
            0,
            length,
        ):
            return False
        position += 2 + length
    return True


def recognise(head: bytes) -> ContentKind:
    """The kind of content that begins with ``head``."""
    if head.startswith(b"DBN") and len(head) > 3 and head[3] in (1, 2, 3):
        return ContentKind.DATABENTO_DBN
    if _is_itch(head):
        return ContentKind.ITCH
    if b"\x00" in head[:4096]:
        return ContentKind.UNKNOWN
    first, _, _ = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if _LOBSTER_MESSAGE.fullmatch(first):
        return ContentKind.LOBSTER_MESSAGES
    if _LOBSTER_BOOK.fullmatch(first):
        return ContentKind.LOBSTER_BOOK
    fields = first.strip().split(b",")
    if {b"ts_event", b"action", b"side", b"sequence"} <= set(fields):
        is_by_price = b"bid_px_00" in fields
        return ContentKind.DATABENTO_MBP10 if is_by_price else ContentKind.DATABENTO_MBO
    if _NANOSECOND_CAPTURE.match(first) or _SECONDS_CAPTURE.match(first):
        is_binance = _BINANCE_MARK.search(head[:8192]) is not None
        return ContentKind.BINANCE if is_binance else ContentKind.CRYPTO_CAPTURE
    if first.startswith(b'{"offset"') and b'"message_type"' in first:
        return ContentKind.ITCH_DECODED
    if is_prose(head):
        return ContentKind.TEXT
    return ContentKind.UNKNOWN


def is_prose(head: bytes) -> bool:
    """Whether the bytes read like a letter: mostly words, as in a vendor's read-me."""
    try:
        text = head[:4096].decode("utf-8", errors="strict" if len(head) < 4096 else "ignore")
    except UnicodeDecodeError:
        return False
    letters = sum(character.isalpha() or character.isspace() for character in text)
    return len(text) > 0 and letters * 10 >= len(text) * 6
