"""Everything that the sequencer's kernels work on, allocated from configuration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.memory import address_of
from tradecaptain.kernels.matching import Engine, MatchingCapacity, allocate_engine
from tradecaptain.kernels.matching.layout import IDENTITY_BITS
from tradecaptain.kernels.matching.state import define_instrument
from tradecaptain.kernels.risk_gate import (
    GateCapacities,
    RiskGate,
    allocate_gate,
    gate_add_instrument,
)
from tradecaptain.mesh.history import HistoryWriter
from tradecaptain.mesh.layout import BATCH_FRACTION
from tradecaptain.mesh.publication import publication_stride
from tradecaptain.mesh.runner import Placement
from tradecaptain.mesh.transport import Mesh, Publication, Subscription
from tradecaptain.orderbook.instrument_rules import VenueInstrument
from tradecaptain.orderbook.reporting import COUNTER_NAMES
from tradecaptain.orderbook.sequencer_state import SequencerMemory, allocate_sequencer
from tradecaptain.orderbook.sessions import session_add
from tradecaptain.wire import book_event, execution_event, streams

SHARED_CLAIM_EVENTS = 128
"""Events of a turn's commands that are published at once, beyond those of one step."""
_CORES_TO_SPARE: Final = 4
_SPIN_US_MAX: Final = 100
_SPIN_US_CROWDED: Final = 20


def usual_spin_us(core: int | None) -> int:
    """How long the venue's thread spins after its last command unless configuration says it.

    Long on a core of its own, and where there are cores to spare. The mesh has three threads that
    are busy while orders flow (gateway, venue, log): with fewer than four cores for all, a spinning
    venue holds up those whose orders it waits for.
    """
    has_room = core is not None or len(os.sched_getaffinity(0)) >= _CORES_TO_SPARE
    return _SPIN_US_MAX if has_room else _SPIN_US_CROWDED


@dataclass(frozen=True, slots=True)
class VenueSettings:
    """Capacities of the venue and where its thread runs; everything is allocated at the start."""

    orders: int = 65_536
    levels: int = 65_536
    pegs: int = 1 << 12
    hidden: int = 1 << 12
    instruments: int = 1_024
    instrument_ids: int = 65_536
    account_ids: int = 65_536
    step_limit: int = 16
    sessions: int = 4_096
    history_events: int = 262_144
    writers: int = 8
    gate_accounts: int = 16_384
    gate_pairs: int = 262_144
    gate_overrides: int = 4_096
    gate_huge_pages: bool = False
    """Whether the gate's tables are all in memory at once, on huge pages where there are any."""
    replay_account_id: int = 1
    term_bytes: int = 0
    """Term length of the order path's streams; 0 takes that of schemas/streams.toml."""
    core: int | None = None
    idle: str = "backoff"
    spin_us: int | None = None
    """How long the thread spins after its last command; if absent see `usual_spin_us`."""

    @property
    def placement(self) -> Placement:
        """Where and how the venue's thread runs."""
        spin_us = usual_spin_us(self.core) if self.spin_us is None else self.spin_us
        return Placement(core=self.core, idle=self.idle, spin_ns=1_000 * spin_us)

    @property
    def matching(self) -> MatchingCapacity:
        """Capacities of the matching engine."""
        return MatchingCapacity(
            orders=self.orders,
            levels=self.levels,
            instruments=self.instruments,
            instrument_ids=self.instrument_ids,
            account_ids=self.account_ids,
            step_limit=self.step_limit,
            pegs=self.pegs,
            hidden=self.hidden,
        )

    @property
    def gate(self) -> GateCapacities:
        """Capacities of the risk gate."""
        return GateCapacities(
            accounts=self.gate_accounts,
            instruments=2 * self.instruments,
            pairs=self.gate_pairs,
            overrides=self.gate_overrides,
        )

    def term_length(self, stream: str) -> int:
        """Term length of a stream's log, in bytes."""
        return self.term_bytes or streams.STREAMS[stream].term_bytes


@dataclass(frozen=True, slots=True)
class VenueStreams:
    """The six streams of the sequencer."""

    controls: Subscription
    orders: Subscription
    replay: Subscription
    execution_events: Publication
    book_events: Publication
    control_events: Publication

    @property
    def arrays(self) -> list[npt.NDArray[Any]]:
        """State records in the order in which the sequencer takes them."""
        return [
            self.controls.images,
            self.orders.images,
            self.replay.images,
            self.execution_events.state,
            self.book_events.state,
            self.control_events.state,
        ]

    @property
    def resources(self) -> list[Publication | Subscription]:
        """What the agent keeps connected."""
        return [
            self.controls,
            self.orders,
            self.replay,
            self.execution_events,
            self.book_events,
            self.control_events,
        ]


@dataclass(frozen=True, slots=True)
class VenueCore:
    """Engine, gate, history and sequencer."""

    engine: Engine
    gate: RiskGate
    history: HistoryWriter
    memory: SequencerMemory
    instruments: dict[int, VenueInstrument] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """Epoch of what is sequenced now."""
        return int(self.header[0]["epoch"])

    def continue_in(self, epoch: int) -> None:
        """Go on in another epoch: nothing ends, and no id that is given from now on was before."""
        self.begin_in(self.history.began, epoch)

    def begin_in(self, began: int, epoch: int) -> None:
        """Be in an epoch of a log that ``began`` in that one or in an earlier one."""
        self.header[0]["epoch"] = epoch
        engine = self.engine.header[0]
        engine["epoch"] = epoch
        engine["identity_base"] = epoch << IDENTITY_BITS
        self.history.begin_in(began, epoch)

    def define(self, instrument: VenueInstrument) -> None:
        """Make an instrument tradable, or hold its orders against other rules from now on."""
        define_instrument(self.engine, instrument.rules)
        outcome = gate_add_instrument(
            self.gate.address,
            instrument.rules.instrument_id,
            instrument.notional_numerator,
            instrument.notional_denominator,
        )
        if outcome < 0:
            raise ConfigurationError(
                f"the risk gate refuses instrument {instrument.rules.instrument_id}:"
                f" reason {-outcome}"
            )
        self.remember(instrument)

    def remember(self, instrument: VenueInstrument) -> None:
        """Note how an instrument was defined, where engine and gate have it already."""
        self.instruments[instrument.rules.instrument_id] = instrument
        self.memory.durability[instrument.rules.instrument_id] = instrument.durability

    def remember_created(self) -> None:
        """Note how instruments were defined that controls have created while the venue ran."""
        rows = self.gate.instruments
        for book in self.engine.books[1 : len(self.instrument_ids()) + 1]:
            instrument_id = int(book["instrument_id"])
            if instrument_id in self.instruments:
                continue
            (row,) = rows[rows["limits"]["key"] == instrument_id]
            self.instruments[instrument_id] = VenueInstrument.from_tables(
                book, row, int(self.memory.durability[instrument_id])
            )

    def sessions(self) -> npt.NDArray[np.int64]:
        """Ids of the open sessions, in order."""
        table = self.memory.sessions
        return np.sort(table[table != 0])

    def open_sessions(self, session_ids: npt.NDArray[np.int64]) -> None:
        """Remember sessions; a ConfigurationError if there is no room for them."""
        for session_id in session_ids.tolist():
            if not session_add(self.header, session_id):
                raise ConfigurationError(
                    f"{len(session_ids)} sessions are open, more than the configuration allows",
                    field="sessions",
                )

    def instrument_ids(self) -> list[int]:
        """Every instrument that has a book, in the order of the books."""
        count = int(self.engine.header[0]["instrument_count"])
        ids: list[int] = self.engine.books["instrument_id"][1 : count + 1].tolist()
        return ids

    @property
    def header(self) -> npt.NDArray[Any]:
        """The sequencer's header record."""
        return self.memory.header

    @property
    def header_address(self) -> int:
        """What the sequencer's kernel takes."""
        return address_of(self.memory.header)

    def attach(self, venue_streams: VenueStreams) -> None:
        """Tell the sequencer where its streams' state records lie; they stay there for life."""
        header = self.header[0]
        header["image_count"] = len(venue_streams.orders.images)
        names = (
            "control_images",
            "order_images",
            "replay_images",
            "execution_publication",
            "book_publication",
            "control_publication",
        )
        for name, array in zip(names, venue_streams.arrays, strict=True):
            header[name] = address_of(array)

    def report_to(self, counters: npt.NDArray[Any], histograms: npt.NDArray[Any]) -> None:
        """Tell the sequencer which tables in shared memory it keeps up to date."""
        header = self.header[0]
        header["counters"] = address_of(counters)
        header["counter_count"] = len(COUNTER_NAMES)
        header["counted_books"] = self.engine.header[0]["instrument_count"]
        header["histograms"] = address_of(histograms)

    def size_claims(self, settings: VenueSettings) -> None:
        """Let the commands of a turn share a claim, as large as terms and scratch allow."""
        header = self.header[0]
        for name, stream, record_bytes in (
            ("execution", "execution_events", execution_event.RECORD_BYTES),
            ("book", "book_events", book_event.RECORD_BYTES),
        ):
            room = int(header[f"{name}_room"])
            largest = settings.term_length(stream) // BATCH_FRACTION
            header[f"{name}_batch"] = min(
                room + SHARED_CLAIM_EVENTS, largest // publication_stride(record_bytes)
            )

    def counts(self) -> dict[str, int]:
        """Every count that the venue keeps, by name."""
        sequencer = self.header[0]
        engine = self.engine.header[0]
        divergence = int(np.sum(self.engine.books["divergence_count"]))
        return {
            "commands_sequenced": int(
                sequencer["orders_sequenced"] + sequencer["replayed_sequenced"]
            ),
            "orders_sequenced": int(sequencer["orders_sequenced"]),
            "replayed_sequenced": int(sequencer["replayed_sequenced"]),
            "controls_sequenced": int(sequencer["controls_sequenced"]),
            "malformed": int(sequencer["malformed"]),
            "refused_by_risk": int(sequencer["refused_by_risk"]),
            "refused_by_rules": int(sequencer["refused_by_rules"]),
            "refused_by_journal": int(sequencer["refused_by_journal"]),
            "execution_events": int(sequencer["execution_events"]),
            "book_events": int(sequencer["book_events"]),
            "trades": int(engine["last_match_number"]),
            "orders_accepted": int(engine["last_order_number"]),
            "orders_working": int(engine["order_count"]),
            "levels": int(engine["level_count"]),
            "sessions": int(sequencer["session_count"]),
            "divergence": divergence,
            "blocked_turns": int(sequencer["blocked_turns"]),
            "unheard_executions": int(sequencer["unheard_executions"]),
            "unheard_books": int(sequencer["unheard_books"]),
            "unheard_controls": int(sequencer["unheard_controls"]),
            "accounting_errors": int(sequencer["accounting_errors"]),
            "epoch": self.epoch,
        }


def open_streams(mesh: Mesh, settings: VenueSettings) -> VenueStreams:
    """Open the sequencer's streams; it subscribes tethered, for it must see every record."""
    return VenueStreams(
        controls=_subscribe(mesh, streams.CONTROL_COMMANDS, settings),
        orders=_subscribe(mesh, streams.ORDER_COMMANDS, settings),
        replay=_subscribe(mesh, streams.REPLAY_COMMANDS, settings),
        execution_events=_publish(mesh, "execution_events", settings),
        book_events=_publish(mesh, "book_events", settings),
        control_events=_publish(mesh, "control_events", settings),
    )


def _subscribe(mesh: Mesh, stream_id: int, settings: VenueSettings) -> Subscription:
    # A venue that was killed has read, and logged, what its successor must not carry out again.
    return mesh.add_subscription(
        stream_id, tether=True, image_capacity=settings.writers, takes_over=True
    )


def _publish(mesh: Mesh, stream: str, settings: VenueSettings) -> Publication:
    described = streams.STREAMS[stream]
    return mesh.add_publication(
        described.stream_id,
        term_bytes=settings.term_length(stream),
        outruns_readers=not described.tether,
    )


def allocate_core(
    settings: VenueSettings,
    instruments: Sequence[Instrument],
    epoch: int,
    history_path: Path,
    *,
    is_shown: bool = True,
) -> VenueCore:
    """Allocate the venue's memory for an epoch; the gate starts closed, without any limit.

    Unless ``is_shown``, readers find the history of its events only after ``history.show()``.
    """
    capacity = settings.matching
    check_room(settings)
    engine = allocate_engine(
        capacity, [], epoch=epoch, replay_account_id=settings.replay_account_id
    )
    engine.header[0]["knows_positions"] = 1
    gate = allocate_gate(settings.gate, huge_pages=settings.gate_huge_pages)
    history = HistoryWriter(
        history_path,
        record_bytes=execution_event.RECORD_BYTES,
        capacity=settings.history_events,
        epoch=epoch,
        is_shown=is_shown,
    )
    memory = allocate_sequencer(
        engine=engine.address,
        gate=gate.address,
        history=history.address,
        epoch=epoch,
        execution_room=capacity.execution_room,
        shared_events=SHARED_CLAIM_EVENTS,
        execution_stride=publication_stride(execution_event.RECORD_BYTES),
        book_room=capacity.book_room,
        book_stride=publication_stride(book_event.RECORD_BYTES),
        session_capacity=settings.sessions,
        instrument_id_limit=settings.instrument_ids,
        account_id_limit=settings.account_ids,
    )
    core = VenueCore(engine, gate, history, memory)
    core.size_claims(settings)
    for instrument in instruments:
        core.define(VenueInstrument.from_reference(instrument))
    return core


def check_room(settings: VenueSettings) -> None:
    """Refuse terms that are too short for the events of one bounded step."""
    needed = {
        "execution_events": settings.matching.execution_room
        * publication_stride(execution_event.RECORD_BYTES),
        "book_events": settings.matching.book_room * publication_stride(book_event.RECORD_BYTES),
    }
    for stream, length in needed.items():
        allowed = settings.term_length(stream) // BATCH_FRACTION
        if length > allowed:
            raise ConfigurationError(
                f"a step of {settings.step_limit} needs {length} bytes of {stream}, but a claim "
                f"may take {allowed}: lower step_limit or use longer terms",
                field="step_limit",
            )
