"""The venue with a client and a tape, on the streams and with the agent that the product ships."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.base.reference_file import default_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.kernels.risk_gate import gate_apply_control
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.doorbell import Doorbells
from tradecaptain.mesh.journal import OFFSET_DURABLE_POSITION
from tradecaptain.mesh.journal_agent import JournalSettings
from tradecaptain.mesh.publisher import RecordPublisher
from tradecaptain.mesh.runner import AgentRunner
from tradecaptain.mesh.waiting import wait_until
from tradecaptain.orderbook.agent import Venue
from tradecaptain.orderbook.venue_core import VenueSettings
from tradecaptain.wire import control, streams

from perf.support.machine import core_pair, pinned_to
from perf.support.measurement import Measurement
from perf.topology.order_flow import (
    FIRST_ACCOUNT_ID,
    FIRST_INSTRUMENT_ID,
    MID_UNITS,
    FlowSettings,
    record_tape,
)
from perf.topology.order_path_client import CLIENT, STALLED, drain_client, run_client

_WAIT_NS = 10_000_000_000
_SECOND_NS = 1_000_000_000
_LIMITS = {
    control.LIMIT_KIND_ORDER_QUANTITY: 10**6,
    control.LIMIT_KIND_ORDER_NOTIONAL: 10**17,
    control.LIMIT_KIND_PRICE_COLLAR: 9_000,
    control.LIMIT_KIND_POSITION_LONG: 10**12,
    control.LIMIT_KIND_POSITION_SHORT: 10**12,
    control.LIMIT_KIND_OPEN_ORDERS: 10**6,
}
"""Wide enough that nothing of the tape is refused; every check is made."""
REFERENCE_FROM_OUTSIDE = 8


def benchmark_instruments(count: int) -> list[Instrument]:
    """Instruments like one of the default reference data, with ids from one on."""
    pattern = default_reference().own_venue()[0]
    return [
        dataclasses.replace(
            pattern,
            instrument_id=FIRST_INSTRUMENT_ID + index,
            symbol=f"PERF{index}",
            maximum_price_units=10 * MID_UNITS,
        )
        for index in range(count)
    ]


class VenueRig(Closing):
    """One venue in its first epoch, and a client that plays a tape against it again and again.

    The venue's agent runs as the product ships it, but pinned to the second core, and only during a
    measurement; the client is the calling thread, pinned to the first. Each answer is checked
    against what the tape says.
    """

    def __init__(
        self,
        mesh: AeronMesh,
        folder: Path,
        flow: FlowSettings,
        journal: JournalSettings | None = None,
    ) -> None:
        """With ``journal`` the venue logs, on a disk that is done at once (`forget_log`)."""
        self.flow = flow
        self.tape = record_tape(flow)
        paths = RunPaths(folder / "run", folder)
        paths.create()
        # Where the venue leaves a snapshot when it stops; its log never gets to the disk.
        paths.journal.mkdir(parents=True)
        instruments = benchmark_instruments(flow.instruments)
        self._client_core, venue_core = core_pair()
        settings = VenueSettings(core=venue_core, gate_huge_pages=True)
        self._placement = settings.placement
        self.venue = Venue(mesh, paths, instruments, settings, journal)
        self._orders = mesh.add_publication(
            streams.ORDER_COMMANDS, term_bytes=streams.STREAMS["order_commands"].term_bytes
        )
        self._controls = mesh.add_publication(
            streams.CONTROL_COMMANDS, term_bytes=streams.STREAMS["control_commands"].term_bytes
        )
        self._executions = mesh.add_subscription(
            streams.EXECUTION_EVENTS, tether=True, image_capacity=1
        )
        self._books = mesh.add_subscription(streams.BOOK_EVENTS, tether=True, image_capacity=1)
        self._ends: list[Any] = [self._orders, self._controls, self._executions, self._books]
        self._client = aligned_zeros(1, CLIENT)
        client = self._client[0]
        client["tape"] = address_of(self.tape.commands)
        client["orders"] = address_of(self._orders.state)
        client["executions"] = address_of(self._executions.images)
        client["books"] = address_of(self._books.images)
        self._doorbells = Doorbells(paths.doorbells)
        client["bell"] = self._doorbells.bell("orderbook")
        self._open_gate()
        if not wait_until(self._connected, _WAIT_NS):
            raise RuntimeError("the venue's streams did not connect")

    def _connected(self) -> bool:
        for end in [*self._ends, *self.venue.streams.resources]:
            end.refresh()
        return bool(
            self._orders.is_connected
            and self._controls.is_connected
            and self._executions.image_count == self._books.image_count == 1
        )

    def _open_gate(self) -> None:
        record = np.zeros(1, control.DTYPE)
        for index in range(self.flow.instruments):
            self._apply(
                record,
                action=control.CONTROL_ACTION_REFERENCE_PRICE,
                instrument_id=FIRST_INSTRUMENT_ID + index,
                value=MID_UNITS,
                flags=REFERENCE_FROM_OUTSIDE,
            )
        for index in range(self.flow.accounts):
            for kind, value in _LIMITS.items():
                self._apply(
                    record,
                    action=control.CONTROL_ACTION_SET_LIMIT,
                    scope=control.CONTROL_SCOPE_ACCOUNT,
                    scope_id=FIRST_ACCOUNT_ID + index,
                    limit_kind=kind,
                    value=value,
                )

    def _apply(self, record: Any, **fields: int) -> None:
        control.initialise(address_of(record))
        for name, value in fields.items():
            record[0][name] = value
        outcome = gate_apply_control(self.venue.core.gate.address, address_of(record))
        if outcome != 0:
            raise RuntimeError(f"the gate refused a control of the set-up: reason {outcome}")

    @contextmanager
    def _running(self) -> Iterator[None]:
        runner = AgentRunner([self.venue.agent], self._placement)
        runner.start()
        try:
            yield
        finally:
            runner.close()

    def closed_loop(self, count: int, in_flight: int = 1) -> Measurement:
        """Round trips with a number of commands on the way."""
        return self._measure(count, in_flight=in_flight)

    def open_loop(self, count: int, rate: float) -> Measurement:
        """Round trips at a fixed rate; a late send counts from when it was due."""
        return self._measure(count, rate=rate)

    def _measure(self, count: int, *, in_flight: int = 0, rate: float | None = None) -> Measurement:
        warm_up = max(count // 10, 100)
        if int(self._client[0]["next_index"]) + warm_up + count > self.flow.commands:
            self._rewind()
        self.forget_log()
        with self._running(), pinned_to(self._client_core):
            self._run(warm_up, 1, 0)
            interval_ns = int(_SECOND_NS / rate) if rate else 0
            latencies, elapsed_ns = self._run(count, in_flight, interval_ns)
        return Measurement(latencies, elapsed_ns / _SECOND_NS, rate)

    def _run(self, count: int, in_flight: int, interval_ns: int) -> tuple[Any, int]:
        client = self._client[0]
        first = int(client["next_index"])
        # Written once, so that no page of them is made during the measurement.
        latencies, send_times = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
        client["send_times"], client["latencies"] = address_of(send_times), address_of(latencies)
        client["target"], client["in_flight"] = count, in_flight
        client["interval_ns"] = interval_ns
        for name in ("sent", "answered", "events", "volume_units", "is_finished"):
            client[name] = 0
        elapsed_ns = int(run_client(address_of(self._client)))
        self._verify(first, count, elapsed_ns)
        return latencies, elapsed_ns

    def _verify(self, first: int, count: int, elapsed_ns: int) -> None:
        """Every answer in order, and as many events and as much volume as the tape says."""
        client = self._client[0]
        if elapsed_ns == STALLED:
            raise RuntimeError(
                f"the venue stalled: {client['answered']} of {count} answered, {self.venue.stats()}"
            )
        events, volume_units = self.tape.answers[first : first + count].sum(axis=0)
        seen = (int(client["events"]), int(client["volume_units"]))
        if seen != (int(events), int(volume_units)):
            raise RuntimeError(f"answers {seen} differ from the tape's {events}, {volume_units}")
        if client["mismatches"] or client["gaps"]:
            raise RuntimeError(f"{client['mismatches']} mismatches, {client['gaps']} gaps")

    def _rewind(self) -> None:
        """Cancel what rests and play the tape from its beginning, its order ids moved on."""
        record = np.zeros(1, control.DTYPE)
        control.initialise(address_of(record))
        record[0]["action"] = control.CONTROL_ACTION_MASS_CANCEL
        record[0]["scope"] = control.CONTROL_SCOPE_FIRM
        RecordPublisher(self._controls, control.RECORD_BYTES).offer(record)
        client = self._client[0]

        def is_empty() -> bool:
            drain_client(address_of(self._client))
            engine = self.venue.core.engine.header[0]
            published = int(self.venue.core.header[0]["execution_events"])
            return engine["order_count"] == 0 and int(client["last_sequence"]) == published

        with self._running():
            if not wait_until(is_empty, _WAIT_NS):
                raise RuntimeError("the resting orders were not cancelled in time")
        client["next_index"] = 0
        client["order_id_offset"] = int(self.venue.core.engine.header[0]["last_order_number"])

    def forget_log(self) -> None:
        """Make room in the log as if all of it were on disk; the disk isn't what is measured."""
        log = self.venue.log
        if log is not None:
            log.agent.place = log.end
            log.ring.store(OFFSET_DURABLE_POSITION, log.end.position)

    def check_counts(self) -> None:
        """Nothing was refused, lost or miscounted."""
        counts = self.venue.stats()
        wrong = ("malformed", "refused_by_risk", "refused_by_rules", "accounting_errors")
        if any(counts[name] for name in wrong):
            raise RuntimeError(f"the venue's counts are wrong: {counts}")
        print(f"order_path: {counts}", file=sys.stderr)

    def close(self) -> None:
        """Close the client's ends and the venue."""
        for end in self._ends:
            end.close()
        self.forget_log()
        self.venue.stop()
        self._doorbells.close()
