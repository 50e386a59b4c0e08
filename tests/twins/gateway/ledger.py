"""What a gateway must remember, as a dictionary: the first body and result of every key."""

from __future__ import annotations

from dataclasses import dataclass, field

FRESH = "fresh"
DUPLICATE = "duplicate"
CONFLICT = "conflict"


@dataclass
class KeyLedger:
    """Keys of accounts with the body that came first under each, and the order it made."""

    bodies: dict[tuple[int, str], tuple[object, ...]] = field(default_factory=dict)
    orders: dict[tuple[int, str], int] = field(default_factory=dict)

    def judge(self, account_id: int, key: str, body: tuple[object, ...]) -> str:
        """What must become of a request, and remember it if it is new."""
        first = self.bodies.setdefault((account_id, key), body)
        if first is body:
            return FRESH
        return DUPLICATE if first == body else CONFLICT
