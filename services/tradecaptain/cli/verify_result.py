"""What a verification answers, in the one shape that people and machines read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradecaptain.base.errors import TradeCaptainError

FAILURES_SHOWN_MAX = 50


@dataclass(frozen=True, slots=True)
class Failure:
    """One case that failed, and why."""

    id: str
    why: str


def unreadable(path: Path, error: TradeCaptainError) -> Failure:
    """The failure of a whole file that can't be read, isn't there, or isn't what it claims."""
    return Failure(str(path), f"{error.name}: {error.message}")


@dataclass(frozen=True)
class VerifyResult:
    """Outcome of one kind of verification.

    ``failures`` may be cut short by its maker, who then says the whole number in ``failed``.
    ``not_applicable`` counts cases that can't be judged, by the reason why. ``extra`` are further
    figures of the kind, such as ``rows``.
    """

    passed: int
    failures: Sequence[Failure] = ()
    not_applicable: Mapping[str, int] = field(default_factory=dict)
    failed: int | None = None
    reasons: Mapping[str, int] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed_count(self) -> int:
        """How many cases failed in all."""
        return len(self.failures) if self.failed is None else self.failed

    @property
    def is_good(self) -> bool:
        """Something passed and nothing failed."""
        return self.failed_count == 0 and self.passed > 0

    def as_dict(self, seconds: float) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        skipped = sum(self.not_applicable.values())
        failures = list(self.failures)[:FAILURES_SHOWN_MAX]
        return {
            "checked": self.passed + self.failed_count + skipped,
            "passed": self.passed,
            "failed": self.failed_count,
            "not_applicable": skipped,
            "failures": [{"id": item.id, "why": item.why} for item in failures],
            "reasons": [{"why": why, "count": count} for why, count in self._reasons()],
            "seconds": round(seconds, 3),
            **self.extra,
        }

    def _reasons(self) -> list[tuple[str, int]]:
        """Why cases failed or couldn't be judged, most frequent first."""
        if self.reasons is not None:
            return sorted(self.reasons.items(), key=lambda item: -item[1])
        counts = Counter(item.why for item in self.failures)
        counts.update(self.not_applicable)
        return counts.most_common()
