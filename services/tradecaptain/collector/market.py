"""Composition of the collector: which instruments, which feeds, and the agent that plays them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.collector.agent import collector_duty_cycle
from tradecaptain.collector.books import BookShape
from tradecaptain.collector.config import CollectorConfig
from tradecaptain.collector.feeds.binance import OrderedBinanceFeed, SymbolUnits
from tradecaptain.collector.feeds.lobster import LobsterFeed
from tradecaptain.collector.feeds.simulated import LEVEL_CAPACITY, SimulatedFeed
from tradecaptain.collector.feeds.sources import Source
from tradecaptain.collector.memory import REPLAY_ACCOUNT_ID, CollectorMemory, MirrorSpec
from tradecaptain.collector.replayed import (
    BINANCE_MIC,
    LOBSTER_MIC,
    UNNAMED_SYMBOL,
    binance_sources,
    binance_symbols,
    lobster_pairs,
)
from tradecaptain.collector.state import LAST_VALUE_DTYPE
from tradecaptain.collector.tracks import Feed, Track, TrackFeeder
from tradecaptain.kernels.market_data.flow_layout import FLOW_LIVE
from tradecaptain.kernels.market_data.lobster import LEVEL_COUNT_MAX
from tradecaptain.mesh.agent import Agent
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.last_value_cache import LastValueCache
from tradecaptain.mesh.transport import Mesh, Publication
from tradecaptain.wire import market_tick, reason, streams

LAST_VALUE_FILE = "quotes"

_SIMULATED_ORDER_SLOTS = 1 << 14
_SECOND_NS = 1_000_000_000


@dataclass(slots=True)
class Plan:
    """What is going to be played: mirrors by book index, and tracks of feeds."""

    mirrors: list[MirrorSpec]
    instruments: list[Instrument]
    tracks: list[Track]


class Planner:
    """Turns configuration and reference data into a plan."""

    def __init__(self, reference: Reference, config: CollectorConfig, start_ns: int) -> None:
        self._reference = reference
        self._config = config
        self._start_ns = start_ns
        self._plan = Plan([], [], [])
        self._book_of: dict[str, int] = {}

    def plan(self) -> Plan:
        """The plan; a file that can't be replayed is refused with a typed error."""
        if self._config.replay:
            self._plan_lobster()
            self._plan_binance()
        else:
            self._plan_simulator()
        return self._plan

    def _book(self, instrument: Instrument, source: int, shape: BookShape) -> int:
        """Book index of an instrument, which enters the plan if it is new."""
        known = self._book_of.get(instrument.key)
        if known is not None:
            return known
        own = self._reference.own_venue_of(instrument.instrument_id)
        own_id = 0
        if own is not None and (own.price_unit, own.quantity_unit) == (
            instrument.price_unit,
            instrument.quantity_unit,
        ):
            own_id = own.instrument_id
        index = len(self._plan.mirrors)
        self._plan.mirrors.append(MirrorSpec(instrument.instrument_id, source, shape, own_id))
        self._plan.instruments.append(instrument)
        self._book_of[instrument.key] = index
        return index

    def _plan_simulator(self) -> None:
        instruments = [item for item in self._reference.mirrors() if item.source == "simulator"]
        shape = BookShape(LEVEL_CAPACITY, order_slots=_SIMULATED_ORDER_SLOTS, orders_time=True)
        for instrument in instruments:
            self._book(instrument, market_tick.TICK_SOURCE_SIMULATOR, shape)
        if instruments:
            self._plan.tracks.append(Track([lambda: self._simulated_feed(instruments)]))

    def _simulated_feed(self, instruments: Sequence[Instrument]) -> Feed:
        prices = [item.initial_price_units for item in instruments]
        increments = [
            item.increment_at(item.initial_price_units, self._start_ns) for item in instruments
        ]
        return SimulatedFeed(
            prices,
            increments,
            [item.lot_units for item in instruments],
            seed=self._config.seed,
            rate_per_second=self._config.rate_per_second,
            start_ns=self._start_ns,
        )

    def _plan_lobster(self) -> None:
        by_book: dict[int, list[Callable[[], Feed]]] = defaultdict(list)
        for messages, book in lobster_pairs(self._config.replay):
            feed = LobsterFeed(messages, book)
            feed.close()
            instrument = self._named(f"{feed.symbol or UNNAMED_SYMBOL}@{LOBSTER_MIC}")
            # Each file tells its depth at its start; files of one instrument may differ.
            shape = BookShape(
                LEVEL_COUNT_MAX + 1, order_slots=self._config.order_slots, orders_time=True
            )
            index = self._book(instrument, market_tick.TICK_SOURCE_LOBSTER, shape)
            by_book[index].append(lambda m=messages, b=book, i=index: LobsterFeed(m, b, i))  # type: ignore[misc]
        self._plan.tracks += [Track(openers) for openers in by_book.values()]

    def _plan_binance(self) -> None:
        instruments = {
            item.symbol: item for item in self._reference.mirrors() if item.mic == BINANCE_MIC
        }
        openers: list[Callable[[], Feed]] = []
        for source in binance_sources(self._config.replay):
            # A snapshot names no symbol where the capture has only one, so a feed must know which
            # of all instruments are in its file.
            found = [
                self._binance_units(instruments[symbol])
                for symbol in sorted(binance_symbols(source))
                if symbol in instruments
            ]
            if not found:
                raise self._unknown(f"the symbols of {source.name}")
            openers.append(self._binance_opener(source, tuple(found)))
        if openers:
            self._plan.tracks.append(Track(openers))

    def _binance_units(self, instrument: Instrument) -> SymbolUnits:
        shape = BookShape(self._config.level_capacity)
        index = self._book(instrument, market_tick.TICK_SOURCE_BINANCE, shape)
        return SymbolUnits(
            instrument.symbol, instrument.price.decimals, instrument.quantity.decimals, index
        )

    def _binance_opener(self, source: Source, units: tuple[SymbolUnits, ...]) -> Callable[[], Feed]:
        return lambda: OrderedBinanceFeed(source, units, len(self._plan.mirrors))

    def _named(self, key: str) -> Instrument:
        for instrument in self._reference.mirrors():
            if instrument.key == key:
                return instrument
        raise self._unknown(key)

    @staticmethod
    def _unknown(what: str) -> TradeCaptainError:
        return TradeCaptainError(
            reason.REASON_UNKNOWN_INSTRUMENT,
            f"the reference data doesn't have {what}; `tradecaptain up --replay` adds it",
            observed=what,
        )


def _publication(mesh: Mesh, name: str) -> Publication:
    stream = streams.STREAMS[name]
    return mesh.add_publication(
        stream.stream_id, term_bytes=stream.term_bytes, outruns_readers=not stream.tether
    )


class Market:
    """The running market side: memory, streams, the agent and the thread that feeds it."""

    def __init__(
        self,
        mesh: Mesh,
        reference: Reference,
        config: CollectorConfig,
        caches: Path,
        clock: Clock,
        *,
        log_ring: Path,
    ) -> None:
        """``log_ring`` is where the venue's log tells whether it takes anything."""
        start_ns = clock.now_ns()
        self.plan = Planner(reference, config, start_ns).plan()
        speeds = [config.playback_speed for _ in self.plan.tracks]
        self.epoch = start_ns // _SECOND_NS
        replay_account = reference.account(REPLAY_ACCOUNT_ID)
        self.memory = CollectorMemory(
            self.plan.mirrors, speeds, epoch=self.epoch, replay_firm_id=replay_account.firm_id
        )
        self._log = DurablePlace(log_ring)
        self._log.tell_refusal(self.memory.header)
        if not config.replay:
            # A simulated market keeps the wall's time: what its start took doesn't delay its ticks.
            self.memory.tracks["anchor_source_ns"] = start_ns
            self.memory.tracks["anchor_wall_ns"] = start_ns
            self.memory.tracks["is_anchored"] = 1
        self.ticks = _publication(mesh, "market_ticks")
        self._commands = _publication(mesh, "replay_commands")
        self._controls = _publication(mesh, "control_commands")
        self._reports = mesh.add_subscription(streams.EXECUTION_EVENTS, tether=False)
        caches.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cache = LastValueCache.create(
            caches / LAST_VALUE_FILE, LAST_VALUE_DTYPE, max(len(self.plan.mirrors), 1)
        )
        self.agent = Agent(
            "collector",
            collector_duty_cycle,
            self.memory.arrays(
                self.ticks.state,
                self._cache.state,
                self._commands.state,
                self._controls.state,
                self._reports.images,
            ),
            resources=[self.ticks, self._commands, self._controls, self._reports],
        )
        self.feeder = TrackFeeder(self.memory, self.plan.tracks)

    def look_for_log(self) -> None:
        """Follow a venue that began another log, from now and then on."""
        self._log.refresh()

    def start_feeds(self) -> None:
        """Begin to decode; the agent plays what is there."""
        self.feeder.start()

    def statistics(self) -> dict[str, int]:
        """Counters for people and machines."""
        memory = self.memory
        return {
            "ticks_published": int(memory.header[0]["sequence"]),
            "source_messages": int(memory.tracks["message_count"].sum()),
            "misfit_messages": int(memory.tracks["misfit_count"].sum()),
            "paused_turns": int(memory.tracks["paused_count"].sum()),
            "replay_commands": int(memory.header[0]["command_sequence"]),
            "live_flows": int((memory.flows["state"] == FLOW_LIVE).sum()),
            "divergence_count": int(memory.flows["divergence_count"].sum()),
            "divergence_units": int(memory.flows["divergence_units"].sum()),
            "resync_count": int(memory.header[0]["resync_count"]),
            "revealed_levels": int(memory.books.books["revealed_levels"].sum()),
        }

    def close(self) -> None:
        """Give everything back; the agent's runner must have been closed before."""
        self.feeder.close()
        for resource in (self.ticks, self._commands, self._controls, self._reports):
            resource.close()
        self._cache.close()
