"""What a gateway must remember, as a dictionary: the first body and result of every key."""

from __future__ import annotations

from dataclasses import dataclass, field

FRESH = "fresh"
DUPLICATE = "duplicate"
CONFLICT = "conflict"
EXHAUSTED = "exhausted"


@dataclass
class KeyLedger:
    """Keys of accounts with the body that came first under each, and the order it made."""

    share: int = 1 << 20
    """How many requests an account may make, the last eighth of them cancels alone."""
    used: dict[int, int] = field(default_factory=dict)
    bodies: dict[tuple[int, str], tuple[object, ...]] = field(default_factory=dict)
    orders: dict[tuple[int, str], int] = field(default_factory=dict)

    def judge(self, account_id: int, key: str, body: tuple[object, ...]) -> str:
        """What must become of a request, and remember it if it is new."""
        first = self.bodies.get((account_id, key))
        if first is not None:
            return DUPLICATE if first == body else CONFLICT
        if not self.enter(account_id, self.share - self.share // 8):
            return EXHAUSTED
        self.bodies[account_id, key] = body
        return FRESH

    def judge_cancel(self, account_id: int) -> str:
        """What must become of a cancel without a key."""
        return FRESH if self.enter(account_id, self.share) else EXHAUSTED

    def enter(self, account_id: int, limit: int) -> bool:
        """Count one more request of an account, if that stays within a limit."""
        used = self.used.get(account_id, 0)
        self.used[account_id] = used + (used < limit)
        return used < limit
