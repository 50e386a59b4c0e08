"""What the risk controls cost the order path, and how fast a kill switch empties the book.

Two venues play the same tape in turn: one with every limit at every level, totals of groups and the
firm included, and one whose required limits are all explicitly unlimited and that has no others.
The kill is one control sent behind a burst of orders that are on their way; it is timed from just
before it is published until the last cancel has been read, and until the last book event that takes
one of its orders out has been read: the venue tells first.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.kernel_clock import monotonic_ns_kernel
from tradecaptain.base.memory import address_of
from tradecaptain.base.records import records_at
from tradecaptain.kernels.risk_gate import UNLIMITED
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.doorbell import doorbell_ring
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.layout import IMAGE, PUBLICATION
from tradecaptain.mesh.publication import publication_offer
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.mesh.waiting import wait_until
from tradecaptain.wire import book_event, control, execution_event, order_command

from perf.support.driver_process import media_driver
from perf.support.machine import pinned_to
from perf.support.measurement import interleaved_pairs, median_of, median_ratio
from perf.support.result import Result
from perf.topology.order_flow import (
    FIRM_ID,
    FIRST_ACCOUNT_ID,
    FIRST_INSTRUMENT_ID,
    MID_UNITS,
    FlowSettings,
)
from perf.topology.order_path_client import CLIENT, drain_client
from perf.topology.order_path_rig import REFERENCE_FROM_OUTSIDE, VenueRig

COMMANDS = 600_000
SMOKE_COMMANDS = 30_000
IN_FLIGHT = 64
GROUPS = 10
KILL_ORDERS = 10_000
KILL_FLOOD = 512
KILLS = 9
OTHER_KILLS = 5
SMOKE_KILLS = 1
_STALL_NS = 2_000_000_000
_QUIET_NS = 2_000_000
_WAIT_NS = 10_000_000_000
_REQUIRED = range(control.LIMIT_KIND_ORDER_QUANTITY, control.LIMIT_KIND_OPEN_ORDERS + 1)
_EVERYWHERE = range(control.LIMIT_KIND_ORDER_QUANTITY, control.LIMIT_KIND_DAILY_LOSS + 1)
_WHOLE_ACCOUNT = frozenset(
    range(control.LIMIT_KIND_MESSAGE_RATE, control.LIMIT_KIND_DAILY_LOSS + 1)
) - {control.LIMIT_KIND_DUPLICATE_WINDOW}
_TOTALS = range(control.LIMIT_KIND_TOTAL_GROSS_EXPOSURE, control.LIMIT_KIND_TOTAL_DAILY_LOSS + 1)
_WIDE = 10**15
_VALUES = {
    control.LIMIT_KIND_PRICE_COLLAR: 9_000,
    control.LIMIT_KIND_PRICE_MOVE: 9_000,
    control.LIMIT_KIND_OPEN_ORDERS: 10**6,
    control.LIMIT_KIND_DISPLAYED_SHARE: 10**9,
    # The first reference is told before there is a clock.
    control.LIMIT_KIND_REFERENCE_AGE: 10**14,
    control.LIMIT_KIND_MESSAGE_RATE: 10**6,
    control.LIMIT_KIND_MESSAGE_BURST: 10**6,
    # The tape has orders of equal terms: a window of nothing looks for them and refuses none.
    control.LIMIT_KIND_DUPLICATE_WINDOW: 0,
    control.LIMIT_KIND_EXECUTION_COUNT: 10**12,
    control.LIMIT_KIND_EXECUTION_WINDOW: 1_000,
    control.LIMIT_KIND_GROSS_EXPOSURE: 10**18,
    control.LIMIT_KIND_NET_EXPOSURE: 10**18,
    control.LIMIT_KIND_CREDIT: 10**18,
    control.LIMIT_KIND_DAILY_LOSS: 10**18,
}
"""Limits that bind and refuse nothing of the tape; `_WIDE` for others."""


class OpenRig(VenueRig):
    """A venue with as few controls as there can be: what is required, and that unlimited."""

    def _open_gate(self) -> None:
        record = np.zeros(1, control.DTYPE)
        for index in range(self.flow.accounts):
            for kind in _REQUIRED:
                self._set_limit(
                    record, control.CONTROL_SCOPE_ACCOUNT, FIRST_ACCOUNT_ID + index, 0, kind
                )

    def _value_of(self, kind: int) -> int:
        return UNLIMITED

    def _set_limit(
        self, record: Any, scope: int, scope_id: int, instrument_id: int, kind: int
    ) -> None:
        self._apply(
            record,
            action=control.CONTROL_ACTION_SET_LIMIT,
            scope=scope,
            scope_id=scope_id,
            instrument_id=instrument_id,
            limit_kind=kind,
            value=self._value_of(kind),
        )


class ControlledRig(OpenRig):
    """A venue with every limit at every level."""

    def _value_of(self, kind: int) -> int:
        return 10**18 if kind in _TOTALS else _VALUES.get(kind, _WIDE)

    def _open_gate(self) -> None:
        record = np.zeros(1, control.DTYPE)
        levels = [(control.CONTROL_SCOPE_FIRM, 0, 0), (control.CONTROL_SCOPE_FIRM, FIRM_ID, 0)]
        for index in range(self.flow.instruments):
            self._apply(
                record,
                action=control.CONTROL_ACTION_REFERENCE_PRICE,
                instrument_id=FIRST_INSTRUMENT_ID + index,
                value=MID_UNITS,
                flags=REFERENCE_FROM_OUTSIDE,
            )
            levels.append((control.CONTROL_SCOPE_INSTRUMENT, 0, FIRST_INSTRUMENT_ID + index))
        for index in range(self.flow.accounts):
            account_id = FIRST_ACCOUNT_ID + index
            levels.append((control.CONTROL_SCOPE_ACCOUNT, account_id, 0))
            self._apply(
                record,
                action=control.CONTROL_ACTION_SET_GROUP,
                scope=control.CONTROL_SCOPE_ACCOUNT,
                scope_id=account_id,
                value=1 + index % GROUPS,
            )
        for level in levels:
            for kind in _EVERYWHERE:
                if level[0] != control.CONTROL_SCOPE_INSTRUMENT or kind not in _WHOLE_ACCOUNT:
                    self._set_limit(record, *level, kind)
        groups = [(control.CONTROL_SCOPE_GROUP, 1 + index, 0) for index in range(GROUPS)]
        for level in [*groups, (control.CONTROL_SCOPE_FIRM, FIRM_ID, 0)]:
            for kind in _TOTALS:
                self._set_limit(record, *level, kind)


@contextmanager
def _rig(kind: type[VenueRig], flow: FlowSettings) -> Iterator[Any]:
    """A venue on a media driver of its own."""
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tradecaptain-perf-") as folder,
        media_driver() as directory,
        AeronMesh(directory, "risk-gate", prefault=True) as mesh,
        kind(mesh, Path(folder), flow) as rig,
    ):
        yield rig


def measure_path(*, smoke: bool) -> list[Result]:
    """Time for an order with 64 in flight, with all controls over with none."""
    commands = SMOKE_COMMANDS if smoke else COMMANDS
    flow = FlowSettings(commands, 1_000, 100, 1_000)
    count = commands // 3
    with ExitStack() as stack:
        controlled = stack.enter_context(_rig(ControlledRig, flow))
        plain = stack.enter_context(_rig(OpenRig, flow))
        for rig in (controlled, plain):
            rig.closed_loop(commands // 10, in_flight=IN_FLIGHT)
        pairs = interleaved_pairs(
            lambda: controlled.closed_loop(count, in_flight=IN_FLIGHT),
            lambda: plain.closed_loop(count, in_flight=IN_FLIGHT),
            smoke=smoke,
        )
        for rig in (controlled, plain):
            rig.check_counts()
    ratio = median_ratio(pairs, lambda item: 1 / item.rate)
    without = median_of([pair.peer for pair in pairs], lambda item: item.rate)
    return [
        Result(
            "risk_gate.path_ratio",
            ratio,
            "ratio",
            goal=1.25,
            peer="the same path without controls",
            peer_value=1e9 / without,
            ratio=ratio,
        )
    ]


SEEN = np.dtype(
    [
        ("kill_ns", "<i8"),
        ("cancels", "<i8"),
        ("last_cancel_ns", "<i8"),
        ("removed", "<i8"),
        ("last_removed_ns", "<i8"),
    ],
    align=True,
)
"""What is seen of a kill: when it was sent, its cancels, the orders that have left the book, and
when the last of each was read."""


@inline
def read_cancels(client: Any, executions: Any, seen: Any) -> int:
    """Read the execution events that are there; how many."""
    count = 0
    cancels = 0
    event = image_next(executions, 0)
    while event != 0:
        count += 1
        kind = execution_event.get_execution_type(event)
        if kind == execution_event.EXECUTION_TYPE_CANCELLED:
            cancels += 1
        client[0]["last_sequence"] = execution_event.get_sequence(event)
        event = image_next(executions, 0)
    image_release(executions, 0)
    if cancels > 0:
        seen[0]["cancels"] += cancels
        seen[0]["last_cancel_ns"] = monotonic_ns_kernel()
    return count


@inline
def read_removals(books: Any, seen: Any) -> int:
    """Read the book events that are there; how many."""
    count = 0
    removed = 0
    event = image_next(books, 0)
    while event != 0:
        count += 1
        if book_event.get_action(event) == book_event.BOOK_ACTION_REMOVE:
            removed += 1
        event = image_next(books, 0)
    image_release(books, 0)
    if removed > 0:
        seen[0]["removed"] += removed
        seen[0]["last_removed_ns"] = monotonic_ns_kernel()
    return count


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64))
def kill_and_read(
    client_address: int, controls_address: int, switch: int, seen_address: int
) -> int:
    """Send a kill and read events until its orders have left the book and none comes for a while.

    0, or -1 if nothing happens for long. ``seen_address`` is that of a SEEN record.
    """
    client = records_at(client_address, 1, CLIENT)
    seen = records_at(seen_address, 1, SEEN)
    controls = records_at(controls_address, 1, PUBLICATION)
    executions = records_at(client[0]["executions"], 1, IMAGE)
    books = records_at(client[0]["books"], 1, IMAGE)
    seen[0]["kill_ns"] = monotonic_ns_kernel()
    if publication_offer(controls, switch, control.RECORD_BYTES) < 0:
        return -1
    doorbell_ring(client[0]["bell"])
    progress_ns = seen[0]["kill_ns"]
    while True:
        count = read_cancels(client, executions, seen) + read_removals(books, seen)
        now_ns = monotonic_ns_kernel()
        is_done = seen[0]["cancels"] > 0 and seen[0]["removed"] == seen[0]["cancels"]
        if count > 0:
            progress_ns = now_ns
        elif is_done and now_ns - progress_ns > _QUIET_NS:
            return 0
        elif now_ns - progress_ns > _STALL_NS:
            return -1


class KillRig(ControlledRig):
    """A venue whose book is filled, and emptied by a kill switch."""

    def fill(self) -> None:
        """Play the tape until the book holds what it is to hold."""
        self.closed_loop(self.flow.commands // 2, in_flight=IN_FLIGHT)

    def _flood(self) -> Any:
        """Orders that are on their way when the kill is sent: far from the market, so they rest."""
        orders = np.zeros(KILL_FLOOD, order_command.DTYPE)
        for index in range(KILL_FLOOD):
            record = address_of(orders) + index * order_command.RECORD_BYTES
            order_command.initialise(record)
        orders["action"] = order_command.COMMAND_ACTION_NEW_ORDER
        orders["side"], orders["order_type"], orders["time_in_force"] = 1, 1, 1
        orders["account_id"], orders["firm_id"] = FIRST_ACCOUNT_ID, FIRM_ID
        orders["instrument_id"] = FIRST_INSTRUMENT_ID
        orders["price_units"], orders["quantity_units"] = MID_UNITS // 2, 1
        return orders

    def _is_heard(self, order_count: int) -> bool:
        """Whether so many orders were sequenced, and every event of theirs is read."""
        drain_client(address_of(self._client))
        core = self.venue.core
        read = int(self._client[0]["last_sequence"])
        return (
            core.header[0]["orders_sequenced"] == order_count
            and read == core.engine.header[0]["execution_sequence"]
        )

    def kill(self) -> tuple[float, float, int]:
        """Milliseconds from the kill to the last cancel and to the last order's leaving the book,
        and how many cancels there were."""
        orders, switch = self._flood(), np.zeros(1, control.DTYPE)
        control.initialise(address_of(switch))
        switch["action"], switch["flags"] = control.CONTROL_ACTION_KILL, 1
        switch["scope"] = control.CONTROL_SCOPE_FIRM
        seen = np.zeros(1, SEEN)
        flood = RecordPublisher(self._orders, order_command.RECORD_BYTES)
        bell = int(self._client[0]["bell"])
        controls = address_of(self._controls.state)
        drain_client(address_of(self._client))
        order_count = int(self.venue.core.header[0]["orders_sequenced"]) + KILL_FLOOD
        with self._running(), pinned_to(self._client_core):
            flood.offer_batch(orders)
            doorbell_ring(bell)
            ends = address_of(self._client), controls, address_of(switch), address_of(seen)
            if kill_and_read(*ends) < 0:
                raise RuntimeError(f"the kill stalled: {self.venue.stats()}")
            if not wait_until(lambda: self._is_heard(order_count), _WAIT_NS):
                raise RuntimeError(f"orders behind the kill stalled: {self.venue.stats()}")
        self._apply(
            switch,
            action=control.CONTROL_ACTION_UNKILL,
            scope=control.CONTROL_SCOPE_FIRM,
        )
        client = self._client[0]
        client["next_index"] = 0
        client["order_id_offset"] = int(self.venue.core.engine.header[0]["last_order_number"])
        kill_ns, last_ns, empty_ns, cancels = (
            int(seen[0][name])
            for name in ("kill_ns", "last_cancel_ns", "last_removed_ns", "cancels")
        )
        return (last_ns - kill_ns) / 1e6, (empty_ns - kill_ns) / 1e6, cancels


def _kills(flow: FlowSettings, count: int) -> list[tuple[float, float, int]]:
    """What `KillRig.kill` gave so many times; the first of all isn't counted."""
    with _rig(KillRig, flow) as rig:
        kills = []
        for _ in range(1 + count):
            rig.fill()
            kills.append(rig.kill())
    return kills[1:]


def measure_kill(*, smoke: bool) -> list[Result]:
    """Time from a kill of the whole venue to the last cancel, and to the empty book, with 10,000
    orders working in a hundred instruments; and to the last cancel where they work in one
    instrument, or in a thousand."""
    commands = 40_000 if smoke else 200_000
    flow = FlowSettings(commands, KILL_ORDERS, 100, 1_000)
    told, emptied, counts = zip(*_kills(flow, SMOKE_KILLS if smoke else KILLS), strict=True)
    results = [
        Result("risk_gate.kill_ms", statistics.median(told), "ms", goal=1.0),
        Result("risk_gate.kill_orders", statistics.median(counts), "orders"),
        Result("risk_gate.kill_worst_ms", max(told), "ms"),
        Result("risk_gate.kill_emptied_ms", statistics.median(emptied), "ms"),
    ]
    for instruments, name in () if smoke else ((1, "one_book"), (1_000, "thousand_books")):
        kills = _kills(FlowSettings(commands, KILL_ORDERS, instruments, 1_000), OTHER_KILLS)
        told_ms = statistics.median(kill[0] for kill in kills)
        results.append(Result(f"risk_gate.kill_{name}_ms", told_ms, "ms"))
    return results
