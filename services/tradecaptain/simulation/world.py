"""A simulated mesh: all processes, all faults, one seed.

A step lets some time pass, lets faults happen, lets the driver work, and turns every process that
gets the processor, in an order of the seed's choice. After the storm comes calm: everything must
come to rest within bounds, every request must be answered, and all parts must agree.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.base.reference_file import dump_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.kernels.matching.views import engine_depth
from tradecaptain.mesh.journal import OFFSET_DURABLE_COMMAND, JournalRing
from tradecaptain.mesh.simulated import SimulatedMesh
from tradecaptain.orderbook.replica import EVERYTHING
from tradecaptain.simulation import settings
from tradecaptain.simulation.client import Client
from tradecaptain.simulation.disk import Killed
from tradecaptain.simulation.process import SimulatedProcess
from tradecaptain.simulation.services import (
    GatewayProcess,
    MarketProcess,
    RiskProcess,
    StrategyProcess,
    ViewsProcess,
)
from tradecaptain.simulation.time import SimulatedClock
from tradecaptain.simulation.venue import ALL_SHOWN, VenueProcess
from tradecaptain.simulation.weather import Weather
from tradecaptain.simulation.witness import Violation, Witness, require
from tradecaptain.wire import common, reason, streams

STORM_STEPS: Final = 120
_OPENING_STEPS_MAX: Final = 400
_CALM_STEPS_MAX: Final = 600
_CALM_STEP_NS: Final = 3_000_000
_LOSSY: Final = {
    streams.EXECUTION_EVENTS,
    streams.BOOK_EVENTS,
    streams.CONTROL_EVENTS,
    streams.MARKET_TICKS,
}
"""Streams whose readers find out by themselves that the last of it was lost."""
_HELD: Final = (
    streams.ORDER_COMMANDS,
    streams.REPLAY_COMMANDS,
    streams.CONTROL_COMMANDS,
    streams.EXECUTION_EVENTS,
    streams.BOOK_EVENTS,
    streams.CONTROL_EVENTS,
)
_LEVEL: Final = np.dtype([("price", "<i8"), ("quantity", "<i8"), ("orders", "<i8")])


@dataclass(frozen=True, slots=True)
class Parts:
    """Which class simulates each process; a test may put another in its place."""

    venue: type[VenueProcess] = VenueProcess
    gateway: type[GatewayProcess] = GatewayProcess
    risk: type[RiskProcess] = RiskProcess
    market: type[MarketProcess] = MarketProcess
    strategy: type[StrategyProcess] = StrategyProcess


class World:
    """One run of one seed."""

    def __init__(self, seed: int, folder: Path, parts: Parts | None = None) -> None:
        """``folder`` is made, and removed by :meth:`close`; memory is the best place for it."""
        parts = parts or Parts()
        self.seed = seed
        self.step = 0
        self.random = random.Random(seed)
        self.clock = SimulatedClock()
        self.mesh = SimulatedMesh(seed)
        self.weather = Weather.of(self.random)
        self.journal = replace(
            settings.JOURNAL,
            lazy_interval_ms=self.random.choice([1, 2, 10]),
            compress=self.random.random() < 0.5,
        )
        self.paths = RunPaths(folder / "run", folder / "memory")
        self._folder = folder
        (folder / "memory").mkdir(parents=True)
        self.paths.create()
        reference = settings.reference()
        dump_reference(reference, self.paths.reference)
        self.clients = [Client(self, name) for name in settings.CLIENTS]
        strategy = reference.account_by_name(settings.STRATEGY_ACCOUNT)
        unique = {client.account_id for client in self.clients} | {strategy.account_id}
        self.witness = Witness(frozenset(unique))
        self.venue = parts.venue(self)
        self.gateway = parts.gateway(self)
        self.risk = parts.risk(self)
        self.market = parts.market(self)
        self.strategy = parts.strategy(self)
        self.views = ViewsProcess(self)
        self.processes: list[SimulatedProcess] = [
            self.venue,
            self.risk,
            self.gateway,
            self.market,
            self.strategy,
            self.views,
        ]
        self._is_stormy = False
        self._paused: set[str] = set()
        self._failure: Violation | None = None
        self._digest = hashlib.blake2b(digest_size=8)
        self._releases: list[tuple[int, int]] = []
        self._disk_ends = 0
        self.power_losses = 0
        self._depth = np.zeros(1, _LEVEL)

    # What parts and clients call ----------------------------------------------------------------

    def fail(self, why: str) -> None:
        """Note a failure from inside a callback; the step ends with it."""
        if self._failure is None:
            self._failure = Violation(why)

    def judge(self, check: Callable[[], None]) -> None:
        """Run a check inside a callback."""
        try:
            check()
        except Violation as violation:
            self.fail(str(violation))

    def trace(self, *numbers: int) -> None:
        """Take numbers into the digest by which two runs of a seed are compared."""
        for number in numbers:
            self._digest.update(struct.pack("<q", number))

    @property
    def digest(self) -> str:
        """What this run came to: equal for two runs of one seed."""
        return self._digest.hexdigest()

    def durable_command(self) -> int:
        """The last command that is on disk, as the log's ring tells."""
        if self.venue.is_up:
            return self.venue.durable_command()
        if self.venue.lost_power_at is not None:
            # Whatever is told now was read from the disk.
            return EVERYTHING
        with JournalRing(self.paths.journal_ring) as ring:
            return ring.load(OFFSET_DURABLE_COMMAND)

    # Steps ----------------------------------------------------------------------------------

    def run(self) -> None:
        """Open, storm, calm; raises :class:`Violation` with what went wrong."""
        for process in self.processes:
            self._let_disk_follow()
            self._start_process(process)
        self._go_until(lambda: self.risk.is_synchronised, _OPENING_STEPS_MAX, "limits at the gate")
        self._is_stormy = True
        for _ in range(STORM_STEPS):
            self.turn(self.random.randrange(10_000, self.weather.step_ns_max))
        self.calm()

    def turn(self, step_ns: int) -> None:
        """One step."""
        self.step += 1
        self.clock.advance(step_ns)
        if self._is_stormy:
            self._trouble()
        self.mesh.crank()
        turning = self.processes[:]
        self.random.shuffle(turning)
        for process in turning:
            self._turn_process(process)
        for client in self.clients:
            client.act(self.weather.act_probability if self._is_stormy else 0.0)
        self._check_book()
        if self.venue.is_up:
            self.trace(self.venue.log_checksum(), self.clock.now_ns())
        if self._failure is not None:
            raise self._failure

    def _turn_process(self, process: SimulatedProcess) -> None:
        if process.name in self._paused:
            return
        if not process.is_up:
            if process.starts_at_step <= self.step and self._may_start(process):
                if process is self.gateway:
                    self._let_disk_follow()
                self._start_process(process)
            return
        if self._is_stormy and self.random.random() >= self.weather.turn_probability:
            return
        try:
            work = process.turn()
        except Killed:
            process.kill()
            return
        require(work >= 0, f"{process.name}'s agent failed with {work}")

    def _may_start(self, process: SimulatedProcess) -> bool:
        """The views start with the venue, and behind a loss of power all others do as well."""
        waits = process is self.views or self.venue.lost_power_at is not None
        return process is self.venue or self.venue.is_up or not waits

    def _start_process(self, process: SimulatedProcess) -> None:
        """Start it. A disk that is full or fails may keep the venue from it for a while; so may a
        log that is damaged, or of which the newest part isn't on disk yet, keep a gateway that is
        made again from it."""
        faults = self.venue.files.faults
        try:
            process.up()
            return
        except OSError:
            if process is not self.venue or not (faults.is_full or faults.fails_to_sync):
                raise
            self.venue.files.drop()
        except Killed:
            # The venue writes, as it starts, what it hadn't logged.
            self.venue.files.drop()
        except TradeCaptainError as error:
            meets_damage = self.venue.flip is not None and (
                error.reason == reason.REASON_JOURNAL_DAMAGED
            )
            waits = error.reason == reason.REASON_UNAVAILABLE
            if process is not self.gateway or not (meets_damage or waits):
                raise
            self.gateway.loop.forget()
        process.mesh.close()
        process.starts_at_step = self.step + self.random.randrange(12)

    def _let_disk_follow(self) -> None:
        """Give the durability agent the time that a gateway's start may wait for the disk."""
        if self.venue.is_up:
            try:
                self.venue.force_sync()
            except Killed:
                self.venue.kill()

    def _check_book(self) -> None:
        """No crossed book, after whatever happened."""
        if not self.venue.is_up:
            return
        best = []
        for side in (common.SIDE_BUY, common.SIDE_SELL):
            count = engine_depth(
                self.venue.engine, settings.INSTRUMENT_ID, side, address_of(self._depth), 1
            )
            best.append(int(self._depth[0]["price"]) if count > 0 else None)
        bid, ask = best
        require(bid is None or ask is None or bid < ask, f"the book is crossed: {bid} over {ask}")

    # Trouble --------------------------------------------------------------------------------

    def _trouble(self) -> None:
        weather, source = self.weather, self.random
        faults = self.mesh.faults
        faults.delay_probability = weather.delay_probability
        faults.frames_per_crank_max = weather.frames_per_crank_max
        faults.loss_probability = weather.loss_probability
        faults.lossy_streams = _LOSSY
        self._releases = [(stream, end) for stream, end in self._releases if end > self.step]
        if source.random() < weather.hold_probability:
            self._releases.append((source.choice(_HELD), self.step + source.randrange(2, 12)))
        faults.held_streams = {stream for stream, _ in self._releases}
        if source.random() < weather.jump_probability:
            self.clock.jump(source.randrange(-2_000_000_000, 2_000_000_000))
        self._trouble_disk()
        for process in self.processes:
            if process.is_up and source.random() < weather.kill_probability:
                self._kill(process)
        if source.random() < weather.kill_all_probability:
            for process in self.processes:
                if process.is_up:
                    self._kill(process)
        if source.random() < weather.driver_probability:
            self.mesh.restart_driver()
        if source.random() < weather.power_probability and self._has_log_on_disk:
            self._lose_power()

    @property
    def _has_log_on_disk(self) -> bool:
        """Whether a start would find anything without the ring; a log that is damaged already is
        left to be found so."""
        ring = self.paths.journal_ring
        if self.venue.flip is not None or not ring.exists():
            return False
        with JournalRing(ring) as opened:
            return opened.durable_position > 0

    def _lose_power(self) -> None:
        """All processes end, memory is gone, and of what no sync had reached some is on disk."""
        durable_command = self.durable_command()
        for process in self.processes:
            if process.is_up:
                process.kill()
        self.mesh.restart_driver()
        self.venue.lose_power(durable_command)
        self.gateway.lose_power()
        for client in self.clients:
            client.lose_power(durable_command, waits_for_disk=self.venue.level == "group")
        shutil.rmtree(self.paths.shared_memory)
        self.paths.journal_ring.unlink()
        self.paths.create()
        self.power_losses += 1

    def _trouble_disk(self) -> None:
        faults, source = self.venue.files.faults, self.random
        if self.step >= self._disk_ends:
            faults.is_full = faults.fails_to_sync = False
        if source.random() < self.weather.disk_probability:
            self._disk_ends = self.step + source.randrange(2, 30)
            kind = source.randrange(3)
            faults.is_full = kind == 0
            faults.fails_to_sync = kind == 1
            faults.dies_in_write = kind == 2

    def _kill(self, process: SimulatedProcess) -> None:
        source = self.random
        if process is not self.venue:
            process.kill()
            return
        if source.random() < self.weather.crash_in_turn_share:
            self.venue.crash_in_turn(source.randrange(ALL_SHOWN + 1))
        else:
            self.venue.kill()
        if source.random() < self.weather.flip_probability:
            self.venue.damage()

    # Calm -----------------------------------------------------------------------------------

    def calm(self) -> None:
        """End all faults, and require that everything comes right."""
        self._is_stormy = False
        self.mesh.faults.delay_probability = self.mesh.faults.loss_probability = 0.0
        self.mesh.faults.frames_per_crank_max = None
        self.mesh.faults.held_streams = set()
        self.venue.files.faults.is_full = self.venue.files.faults.fails_to_sync = False
        self.venue.files.faults.dies_in_write = False
        # A disk that stays slower than what is to be written leaves requests unanswered for good.
        self.weather = replace(self.weather, sync_probability=1.0)
        probes = [client.submit() for client in self.clients if self.gateway.is_up]
        self._go_until(self._is_answered, _CALM_STEPS_MAX, "every request to be answered")
        require(
            not probes or self.risk.is_synchronised, "limits are not at the gate after the storm"
        )
        self._paused = {self.market.name}
        self.strategy.stop_timer()
        self._go_until(self._is_at_rest, _CALM_STEPS_MAX, "all parts to reach the last event")
        self.check()

    def _go_until(self, condition: Callable[[], bool], steps_max: int, what: str) -> None:
        for _ in range(steps_max):
            if condition():
                return
            self.turn(_CALM_STEP_NS)
        raise Violation(f"waited in vain for {what}: {self._state()}")

    def _is_answered(self) -> bool:
        return (
            all(process.is_up for process in self.processes)
            and not any(request.is_open for c in self.clients for request in c.requests)
            and self.risk.is_synchronised
        )

    def _is_at_rest(self) -> bool:
        last = self.witness.count
        return (
            self._is_answered()
            and self.venue.is_at_rest
            and self.gateway.last_sequence == last
            and self.risk.last_sequence == last
            and self.strategy.last_sequence == last
            and self.views.shows(self.venue.book())
            and all(
                len(client.told.reports) == self.witness.account_sequences[client.account_id]
                for client in self.clients
            )
        )

    def _state(self) -> str:
        parts = {
            "events": self.witness.count,
            "down": [process.name for process in self.processes if not process.is_up],
            "open": [r.key for client in self.clients for r in client.requests if r.is_open],
            "synchronised": self.risk.is_up and self.risk.is_synchronised,
            "gateway": self.gateway.is_up and self.gateway.last_sequence,
            "risk": self.risk.is_up and self.risk.last_sequence,
            "told": [len(client.told.reports) for client in self.clients],
            "venue": self.venue.is_up and self.venue.is_at_rest,
        }
        return ", ".join(f"{name} {value}" for name, value in parts.items())

    def check(self) -> None:
        """Everything must agree now."""
        self.witness.check_sums()
        self.venue.check_end()
        for client in self.clients:
            client.check_end()
        self._check_views()
        positions = {place: units for place, units in self.witness.positions.items() if units}
        require(
            self.risk.positions() == positions,
            f"the risk service has positions {self.risk.positions()}, not {positions}",
        )
        place = self.strategy.account_id, settings.INSTRUMENT_ID
        require(
            self.strategy.position_units == positions.get(place, 0),
            f"the strategy counts {self.strategy.position_units}, not {positions.get(place, 0)}",
        )

    def _check_views(self) -> None:
        """Whether the gateway shows every order as the venue left it. Nothing else moves meanwhile:
        an order's time may end, or one that is on its way may trade, with any step."""
        for client in self.clients:
            client.ask_for_views()
        self.gateway.answer_calls()
        unanswered = sum(client.unanswered_views for client in self.clients)
        if self._failure is not None:
            raise self._failure
        require(not unanswered, f"{unanswered} orders can't be asked for")

    def close(self) -> None:
        """Give everything back."""
        for process in self.processes:
            if process.is_up:
                process.kill()
        self.mesh.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
