"""What a benchmark says: metrics with their goals and peers, in one fixed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """One metric.

    ``goal`` is a bound that ``value`` (for a comparison, the ratio itself) must not exceed, or,
    with ``higher_is_better``, must reach. A metric whose peer didn't run has no value and says why.
    """

    metric: str
    value: float | None
    unit: str
    goal: float | None = None
    higher_is_better: bool = False
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    why_missing: str | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; none where there is no goal, false where nothing ran."""
        if self.goal is None:
            return None
        if self.value is None:
            return False
        # A value may come from NumPy, whose comparisons aren't booleans of JSON.
        return bool(self.value >= self.goal if self.higher_is_better else self.value <= self.goal)

    def as_dict(self) -> dict[str, Any]:
        """The metric as the output has it, in its order of keys."""
        return {
            "metric": self.metric,
            "value": self.value,
            "unit": self.unit,
            "goal": self.goal,
            "met": self.met,
            "peer": self.peer,
            "peer_value": self.peer_value,
            "ratio": self.ratio,
            "why_missing": self.why_missing,
        }
