"""A stream as a list: what was committed, in order."""


class ListLog:
    """One writer and one reader, without any bytes."""

    def __init__(self) -> None:
        self.committed: list[tuple[int, int]] = []
        self._taken = 0

    def commit(self, first: int, count: int, length: int) -> None:
        self.committed += [(first + k, length) for k in range(count)]

    def take(self, limit: int) -> list[tuple[int, int]]:
        found = self.committed[self._taken : self._taken + limit]
        self._taken += len(found)
        return found
