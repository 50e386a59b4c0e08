"""Drives a matching engine with plain dicts, the way the naive venue is driven."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import (
    MORE,
    Engine,
    InstrumentRules,
    MatchingCapacity,
    allocate_engine,
    engine_depth,
    engine_state_hash,
)
from tradecaptain.kernels.matching.restore import engine_restore_snapshot
from tradecaptain.kernels.matching.snapshot import engine_snapshot_bytes, engine_write_snapshot
from tradecaptain.kernels.matching.standalone import (
    engine_claim,
    engine_control,
    engine_resume,
    engine_submit,
)
from tradecaptain.wire import book_event, control, execution_event, order_command

STEPS_MAX = 10_000
"""Steps of one command, many times what any of the tests' books need."""

Event = dict[str, int]
PREFIX = ("segment_table", "root_pointer", "kind", "schema_version")


def plain(record: Any) -> Event:
    """A wire record as a dict of its fields that aren't zero."""
    names = [name for name in record.dtype.names if name not in PREFIX]
    values = {name: int(record[name]) for name in names}
    return {name: value for name, value in values.items() if value}


def without_zeros(event: Event) -> Event:
    return {name: value for name, value in event.items() if value}


class EngineDriver:
    """An engine with regions for the events of one step."""

    def __init__(
        self,
        instruments: list[InstrumentRules],
        capacity: MatchingCapacity | None = None,
        **settings: int,
    ) -> None:
        self.capacity = capacity or MatchingCapacity(orders=4_096, levels=4_096, instruments=16)
        self.engine: Engine = allocate_engine(self.capacity, instruments, **settings)
        # One record more than a step may fill, to see that it is never touched.
        self.executions = np.zeros(self.capacity.execution_room + 1, execution_event.DTYPE)
        self.book_events = np.zeros(self.capacity.book_room + 1, book_event.DTYPE)
        self.command = np.zeros(1, order_command.DTYPE)
        self.control_record = np.zeros(1, control.DTYPE)
        self.steps = 0

    def submit(self, command: dict[str, int]) -> tuple[list[Event], list[Event]]:
        """Carry a command out, to its end; returns execution events and book events."""
        order_command.initialise(self.command.ctypes.data)
        for name, value in command.items():
            self.command[0][name] = value
        self._claim()
        return self._collect(self.begin(address_of(self.command)))

    def begin(self, command: int) -> int:
        """Carry out the first step of a command, given by its address: DONE or MORE."""
        return int(engine_submit(self.engine.address, command))

    def raw_events(self, command: np.ndarray[Any, Any]) -> Iterator[tuple[bytes, bytes]]:
        """Carry a wire record out; the bytes of both streams, step by step."""
        self._claim()
        answer = self.begin(address_of(command))
        while True:
            header = self.engine.header[0]
            executions = self.executions[: header["execution_count"]].tobytes()
            yield executions, self.book_events[: header["book_count"]].tobytes()
            if answer != MORE:
                return
            self._claim()
            answer = engine_resume(self.engine.address)

    def control(self, record: dict[str, int]) -> tuple[list[Event], list[Event], int]:
        """Carry a mass cancel or status request out; the number is what it affected, or -reason."""
        control.initialise(self.control_record.ctypes.data)
        for name, value in record.items():
            self.control_record[0][name] = value
        self._claim()
        answer = engine_control(self.engine.address, self.control_record.ctypes.data)
        if answer < 0:
            return [], [], int(answer)
        executions, book_events = self._collect(answer)
        return executions, book_events, int(self.engine.header[0]["affected_count"])

    def _claim(self) -> None:
        engine_claim(
            self.engine.address,
            self.executions.ctypes.data,
            execution_event.RECORD_BYTES,
            self.book_events.ctypes.data,
            book_event.RECORD_BYTES,
        )

    def _collect(self, answer: int) -> tuple[list[Event], list[Event]]:
        executions: list[Event] = []
        book_events: list[Event] = []
        last = self.steps + STEPS_MAX
        while True:
            self.steps += 1
            assert self.steps <= last, "the engine comes to no end"
            header = self.engine.header[0]
            assert header["execution_count"] <= self.capacity.execution_room
            assert header["book_count"] <= self.capacity.book_room
            executions += [plain(r) for r in self.executions[: header["execution_count"]]]
            book_events += [plain(r) for r in self.book_events[: header["book_count"]]]
            if answer != MORE:
                return executions, book_events
            self._claim()
            answer = engine_resume(self.engine.address)

    def depth(
        self, instrument_id: int, side: int, limit: int = 1_000
    ) -> list[tuple[int, int, int]]:
        target = np.zeros((limit, 3), np.int64)
        count = engine_depth(
            self.engine.address, instrument_id, side, int(target.ctypes.data), limit
        )
        return [(int(a), int(b), int(c)) for a, b, c in target[:count]]

    def state_hash(self) -> int:
        return int(engine_state_hash(self.engine.address))

    def snapshot(self) -> np.ndarray[Any, Any]:
        """What the engine says it knows, in words of 64 bits."""
        size = int(engine_snapshot_bytes(self.engine.address))
        assert size > 0
        target = np.zeros(size // 8, np.int64)
        assert engine_write_snapshot(self.engine.address, address_of(target)) == size
        return target

    def restore(self, snapshot: np.ndarray[Any, Any]) -> int:
        """Make a new engine the one that a snapshot was taken of: 0 or minus a reason."""
        scratch = np.zeros(128, np.int64)
        return int(
            engine_restore_snapshot(
                self.engine.address, address_of(snapshot), snapshot.nbytes, address_of(scratch)
            )
        )
