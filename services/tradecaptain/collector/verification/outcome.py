"""What a verification found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tradecaptain.base.errors import TradeCaptainError

FAILURES_KEPT = 50


@dataclass(slots=True)
class Outcome:
    """Counts of a session. A *row* is one statement of the vendor that was held against our book.

    ``checked`` is passed + failed + not applicable. ``reasons`` counts failures and rows that
    don't apply by their reason, so nothing is lost when ``failures`` keeps only the first.
    """

    passed: int = 0
    failed: int = 0
    rows: int = 0
    inconsistent_rows: int = 0
    revealed_levels: int = 0
    source_messages: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    not_applicable: Counter[str] = field(default_factory=Counter)
    extra: dict[str, Any] = field(default_factory=dict)

    def add_rows(self, checked: int, failed: int) -> None:
        """Count compared rows; their failures are told by :meth:`add_failure`."""
        self.rows += checked
        self.inconsistent_rows += failed
        self.passed += checked - failed
        self.failed += failed

    def add_failure(self, identifier: str, why: str, count: int = 1) -> None:
        """Describe failed rows that are counted already."""
        self.reasons[why] += count
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append((identifier, why))

    def add_error(self, identifier: str, error: TradeCaptainError) -> None:
        """Count a file that can't be used as one failure."""
        self.failed += 1
        self.reasons[error.name] += 1
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append((identifier, f"{error.name}: {error.message}"))

    def add_not_applicable(self, why: str, count: int = 1) -> None:
        """Count statements that can't be judged."""
        if count:
            self.not_applicable[why] += count
            self.reasons[why] += count
