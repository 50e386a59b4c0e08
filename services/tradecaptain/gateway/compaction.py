"""Drops commands of earlier trading days that nothing needs any more, when most room is used: of
all, or of one account's share.

A client order id names one request a trading day. What is kept beyond its day: open orders, what
their requests and the events that are still held refer to. The rest moves together in a new file,
which then takes the old one's place in one step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.gateway.layout import (
    MAGIC,
    OUTCOME_PENDING,
    STATUS_PARTIALLY_FILLED,
    VERSION,
)
from tradecaptain.gateway.mapped_file import Records, Sections, map_sections

_EVENT_LINKS: Final = ("request", "slot", "earlier_request")
_REQUEST_LINKS: Final = ("slot", "current_request")


def compact(path: Path, sections: Sections, day: int, account_requests: int) -> int:
    """Drop what isn't needed on ``day`` if three quarters of the room are used, or of the
    ``account_requests`` that an account may use up; returns how many commands.

    Nothing is done while a command has no answer yet: its events will name it by its number. All
    later events are found by the number that the venue gave to their order.
    """
    if not path.exists() or path.stat().st_size == 0:
        return 0
    _, old, _ = map_sections(path, sections)
    head = old["file"][0]
    count, capacity = int(head["request_count"]), len(old["requests"])
    is_ours = head["magic"] == MAGIC and head["version"] == VERSION
    if not is_ours or not 0 < count <= capacity:
        return 0
    requests = old["requests"][:count]
    most = int(np.bincount(requests["account_id"]).max())
    if count <= capacity * 3 // 4 and most <= account_requests * 3 // 4:
        return 0
    if (requests["outcome"] == OUTCOME_PENDING).any():
        return 0
    events = old["events"][: int(head["event_count"])]
    kept = kept_requests(requests, events, day)
    dropped = count - int(kept.sum())
    if dropped:
        _write(path, sections, old, kept)
    return dropped


def kept_requests(requests: Records, events: Records, day: int) -> npt.NDArray[np.bool_]:
    """Which requests are needed: those of the day, open orders, and what is referred to."""
    is_order = requests["slot"] == np.arange(len(requests))
    kept: npt.NDArray[np.bool_] = requests["day"] == day
    kept |= is_order & (requests["status"] <= STATUS_PARTIALLY_FILLED)
    for name in _EVENT_LINKS:
        kept[events[name][events[name] >= 0]] = True
    slots = requests["slot"][kept]
    kept[slots[slots >= 0]] = True
    kept[requests["current_request"][kept & is_order]] = True
    return kept


def _write(path: Path, sections: Sections, old: dict[str, Records], kept: Any) -> None:
    """Write the kept requests, numbered anew, and all else as it is; then take the file's place."""
    scratch = path.with_name(f"{path.name}.compact")
    scratch.unlink(missing_ok=True)
    mapping, new, _ = map_sections(scratch, sections)
    count = int(kept.sum())
    places = np.cumsum(kept) - 1
    for name in ("requests", "commands"):
        new[name][:count] = old[name][: len(kept)][kept]
    held = min(int(old["file"]["event_count"][0]), len(old["events"]))
    for name in ("events", "records"):
        new[name][:held] = old[name][:held]
    new["sessions"][:] = old["sessions"]
    for table, names in (
        (new["requests"][:count], _REQUEST_LINKS),
        (new["events"][:held], _EVENT_LINKS),
    ):
        for name in names:
            table[name] = np.where(table[name] >= 0, places[table[name]], table[name])
    new["file"][:] = old["file"]
    new["file"]["request_count"] = count
    mapping.flush()
    scratch.replace(path)
