"""Sessions that asked for cancel-on-disconnect: an open-addressed table of their ids."""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64, store_i64


@inline
def session_slot(header: Any, session_id: int) -> int:
    """Address of the session's place, or of the empty place where it would go.

    The table is never more than half full, so there is always one.
    """
    table = header[0]["sessions"]
    mask = header[0]["session_mask"]
    index = (session_id * 40_503) & mask
    address = table + index * 8
    while load_i64(address) != 0 and load_i64(address) != session_id:
        index = (index + 1) & mask
        address = table + index * 8
    return address


@inline
def session_add(header: Any, session_id: int) -> bool:
    """Remember a session; False when the table is as full as it may get."""
    address = session_slot(header, session_id)
    if load_i64(address) == session_id:
        return True
    if header[0]["session_count"] * 2 > header[0]["session_mask"]:
        return False
    store_i64(address, session_id)
    header[0]["session_count"] += 1
    return True


@inline
def session_remove(header: Any, session_id: int) -> bool:
    """Forget a session; False when it wasn't there.

    Those behind it in the same run are moved up, so that no gap hides them.
    """
    address = session_slot(header, session_id)
    if load_i64(address) != session_id:
        return False
    table = header[0]["sessions"]
    mask = header[0]["session_mask"]
    store_i64(address, 0)
    header[0]["session_count"] -= 1
    index = (((address - table) >> 3) + 1) & mask
    moved = load_i64(table + index * 8)
    while moved != 0:
        store_i64(table + index * 8, 0)
        store_i64(session_slot(header, moved), moved)
        index = (index + 1) & mask
        moved = load_i64(table + index * 8)
    return True
