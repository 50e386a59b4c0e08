"""LOBSTER lines taken apart with ``split``: what a line means, if it is one."""

from __future__ import annotations

import re
from decimal import Decimal

_SECONDS = re.compile(r"[0-9]{1,10}(\.[0-9]+)?")
_DIGITS = re.compile(r"[0-9]{1,18}")
_INTEGER = re.compile(r"-?[0-9]{1,18}")


def message_of(line: str) -> tuple[int, ...] | None:
    """Time in ns, type, order id, quantity, price, direction; none if it isn't a message."""
    fields = line.removesuffix("\r").split(",")
    if len(fields) != 6 or not _SECONDS.fullmatch(fields[0]) or not _DIGITS.fullmatch(fields[1]):
        return None
    if not all(_INTEGER.fullmatch(field) for field in fields[2:]):
        return None
    time_ns = int(Decimal(fields[0]).scaleb(9))
    numbers = [int(field) for field in fields[1:]]
    if not 1 <= numbers[0] <= 7 or numbers[4] not in (1, -1) or time_ns > 9_000_000_000_999_999_999:
        return None
    return time_ns, *numbers


def deepest_level_of(line: str) -> tuple[int, ...] | None:
    """The last four numbers of an order book line; none if they aren't numbers."""
    fields = line.removesuffix("\r").split(",")[-4:]
    if len(fields) != 4 or not all(_INTEGER.fullmatch(field) for field in fields):
        return None
    return tuple(int(field) for field in fields)
