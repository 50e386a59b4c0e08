"""A histogram that keeps every value."""

import math


class ExactHistogram:
    """The values themselves, and percentiles by nearest rank."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def record(self, value: int) -> None:
        self.values.append(value)

    def percentile(self, percent: float) -> int:
        ordered = sorted(self.values)
        return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]
