"""Named negative results of the transport functions; the first five are Aeron's own numbers."""

from __future__ import annotations

from typing import Final

NOT_CONNECTED: Final = -1
"""No subscriber is attached."""
BACK_PRESSURED: Final = -2
"""The slowest tethered subscriber has not made room yet."""
ADMIN_ACTION: Final = -3
"""The log is being rotated; try again."""
CLOSED: Final = -4
"""The publication is closed, or its driver is gone until the next refresh."""
MAX_POSITION_EXCEEDED: Final = -5
"""The stream is at its last possible position; a new publication is needed."""
CLAIM_TOO_LONG: Final = -6
"""A record exceeds the largest payload, or a batch exceeds an eighth of the term."""

NAMES: Final[dict[int, str]] = {
    NOT_CONNECTED: "NOT_CONNECTED",
    BACK_PRESSURED: "BACK_PRESSURED",
    ADMIN_ACTION: "ADMIN_ACTION",
    CLOSED: "CLOSED",
    MAX_POSITION_EXCEEDED: "MAX_POSITION_EXCEEDED",
    CLAIM_TOO_LONG: "CLAIM_TOO_LONG",
}


def status_name(result: int) -> str:
    """Name of a negative result, for messages."""
    return NAMES.get(result, f"UNKNOWN({result})")
