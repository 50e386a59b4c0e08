"""Gateway, risk, market data and a strategy in simulation: each as its own process makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, ClassVar, Final

from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference_file import ReferenceFile
from tradecaptain.collector.market import Market
from tradecaptain.edge.principals import CURRENT_CALL, Call
from tradecaptain.gateway.process import Gateway
from tradecaptain.gateway.service import OrderService
from tradecaptain.mesh.stream_reader import StreamReader
from tradecaptain.orderbook.agent import BookState
from tradecaptain.orderbook.follower import BookFollower
from tradecaptain.orderbook.log_reading import HISTORY_FILE
from tradecaptain.orderbook.view_layout import ViewCapacity
from tradecaptain.orderbook.view_updates import L3, DepthLevel
from tradecaptain.orderbook.views import BookViews
from tradecaptain.risk.agent import RiskAgent
from tradecaptain.risk.store import RiskStore
from tradecaptain.simulation import settings
from tradecaptain.simulation.process import LoopProcess, SimulatedProcess, turn_agents
from tradecaptain.simulation.surroundings import ConnectionLost, MakeCall, Surroundings
from tradecaptain.strategy.agent import StrategyHost
from tradecaptain.strategy.desk import NO_TIMER, Owner
from tradecaptain.strategy.example import quoter
from tradecaptain.wire import book_event, reason, streams

_LOOP_PASSES: Final = 2


class GatewayProcess(LoopProcess):
    """Order entry: clients call its service as gRPC does."""

    name: ClassVar[str] = "gateway"

    def __init__(self, world: Surroundings) -> None:
        super().__init__(world)
        self.gateway: Gateway
        self.service: OrderService
        self._calls: dict[asyncio.Task[Any], Callable[[Any], None]] = {}

    def start(self) -> None:
        """As its main function does, but for threads and server."""

        def start() -> None:
            self.gateway = self.make_gateway()
            self.gateway.start()
            self.service = self.gateway.service()

        self.loop.call(start)

    def make_gateway(self) -> Gateway:
        """The gateway as its process makes it."""
        world = self.world
        author_id = 1_000 + self.kill_count
        return Gateway(
            self.mesh,
            world.paths,
            ReferenceFile(world.paths.reference),
            settings.GATEWAY,
            world.clock,
            author_id,
        )

    def turn(self) -> int:
        """Read the mesh, then serve calls."""
        agents = [reader.agent for reader in self.gateway.readers]
        work = turn_agents(agents, self.world.clock.now_ns())
        self.turn_loop(_LOOP_PASSES)
        return work

    @property
    def last_sequence(self) -> int:
        """The newest execution event that it has."""
        return self.gateway.store.last_sequence

    def call(self, call: Call, make: MakeCall, done: Callable[[Any], None]) -> None:
        """Serve a call as gRPC does."""
        context = copy_context()
        context.run(CURRENT_CALL.set, call)
        task = self.loop.create_task(make(self.service), context=context)
        self._calls[task] = done
        task.add_done_callback(self._answer)

    def answer_calls(self) -> None:
        """Serve the calls that came, while the mesh stands still."""
        self.turn_loop(_LOOP_PASSES)

    def _answer(self, task: asyncio.Task[Any]) -> None:
        done = self._calls.pop(task, None)
        if done is not None and not task.cancelled():
            error = task.exception()
            done(task.result() if error is None else error)

    def drop(self) -> None:
        """What the operating system does for a process that is gone."""
        for reader in self.gateway.readers:
            reader.close()
        calls, self._calls = self._calls, {}
        for done in calls.values():
            done(ConnectionLost())

    def lose_power(self) -> None:
        """The machine boots again: what the order file holds can't be known."""
        mark = self.world.paths.folder / "gateway" / "orders.state.written"
        if mark.exists():
            mark.write_text("another boot\n", encoding="ascii")


class RiskProcess(LoopProcess):
    """Limits, positions and kill switches."""

    name: ClassVar[str] = "risk"

    def __init__(self, world: Surroundings) -> None:
        super().__init__(world)
        self.store: RiskStore
        self.agent: RiskAgent

    def start(self) -> None:
        """As its main function does, but for threads and server."""
        world = self.world

        def start() -> None:
            self.store = RiskStore(world.paths.folder / settings.RISK.store_file)
            self.agent = RiskAgent(
                self.mesh,
                settings.reference(),
                self.store,
                world.paths.shared_memory / HISTORY_FILE,
                settings.RISK,
                world.clock,
                ring_path=world.paths.journal_ring,
            )
            self.agent.start()

        self.loop.call(start)

    def turn(self) -> int:
        """Read the mesh, then do what follows from it."""
        agents = (self.agent.executions.agent, self.agent.controls.agent)
        work = turn_agents(agents, self.world.clock.now_ns())
        self.turn_loop(1)
        return work

    def drop(self) -> None:
        """What the operating system does for a process that is gone."""
        self.agent.executions.close()
        self.agent.controls.close()
        self.store.close()

    @property
    def last_sequence(self) -> int:
        """The newest execution event that it has."""
        return self.agent.ledger.last_sequence

    @property
    def is_synchronised(self) -> bool:
        """Whether the gate has every limit."""
        return self.agent.synchroniser.synchronised_epoch != 0

    def positions(self) -> dict[tuple[int, int], int]:
        """What it holds for every account's position."""
        return {
            (pair.account_id, pair.instrument_id): pair.position
            for pair in self.agent.ledger.all_pairs()
            if pair.position
        }


_AHEAD_MESSAGES: Final = 512
"""A feed decodes thousands of messages at a time; a world needs some hundred."""


class MarketProcess(SimulatedProcess):
    """Market data, and the flow that the replay account makes of it at our own venue."""

    name: ClassVar[str] = "collector"

    def __init__(self, world: Surroundings) -> None:
        super().__init__(world)
        self.market: Market

    def start(self) -> None:
        """As its process does, but for threads."""
        world = self.world
        self.market = Market(
            self.mesh,
            settings.reference(),
            settings.collector_config(world.seed),
            world.paths.caches,
            world.clock,
            log_ring=world.paths.journal_ring,
        )

    def turn(self) -> int:
        """Decode ahead, then play what is due."""
        self.market.look_for_log()
        track = self.market.memory.tracks[0]
        if int(track["ring_tail"]) - int(track["ring_head"]) < _AHEAD_MESSAGES:
            self.market.feeder.fill_once(_AHEAD_MESSAGES)
        return turn_agents([self.market.agent], self.world.clock.now_ns())

    def drop(self) -> None:
        """What the operating system does for a process that is gone."""
        self.market.close()


_INTERVAL_NS: Final = 2_000_000
_PATIENCE_NS: Final = 50_000_000


class StrategyProcess(SimulatedProcess):
    """The worked example of the documentation as a user would run it."""

    name: ClassVar[str] = "strategy"

    def __init__(self, world: Surroundings) -> None:
        super().__init__(world)
        self.host: StrategyHost
        account = settings.reference().account_by_name(settings.STRATEGY_ACCOUNT)
        self.account_id = account.account_id

    def start(self) -> None:
        """As a user's own program does."""
        world = self.world
        account = settings.reference().account_by_name(settings.STRATEGY_ACCOUNT)
        self.host = StrategyHost(
            self.mesh,
            quoter(
                settings.MIRROR_ID,
                settings.INSTRUMENT_ID,
                half_spread_units=2,
                quantity_units=5,
                position_max_units=200,
                interval_ns=_INTERVAL_NS,
                patience_ns=_PATIENCE_NS,
            ),
            Owner(
                account.account_id,
                account.firm_id,
                settings.STRATEGY_ID,
                account.self_trade_group,
            ),
            world.paths.shared_memory / HISTORY_FILE,
            world.clock,
        )
        self.host.agent.on_start()

    def turn(self) -> int:
        """One turn of its agent."""
        return turn_agents([self.host.agent], self.world.clock.now_ns())

    def drop(self) -> None:
        """What the operating system does for a process that is gone."""
        self.host.close()

    @property
    def last_sequence(self) -> int:
        """The newest execution event that it has."""
        return int(self.host.header[0]["execution_sequence"])

    def stop_timer(self) -> None:
        """Have it follow executions only."""
        self.host.desk.record["timer_ns"] = NO_TIMER

    @property
    def position_units(self) -> int:
        """What it believes to hold."""
        return int(self.host.state[0]["position_units"])


_VIEW_CAPACITY: Final = ViewCapacity(orders=4_096, levels=2_048, rows=1_024, instrument_limit=2_048)
_VIEW_READER_CAPACITY: Final = 512
_COMPARED_EVERY_SECONDS: Final = 0.01


class Nobody:
    """Listens to views that nobody watches."""

    def changed(
        self, instrument_id: int, level: DepthLevel, updates: list[records_pb2.DepthUpdate]
    ) -> None:
        """Nothing follows from it."""

    def skipped(self, instrument_id: int, level: DepthLevel) -> None:
        """Nothing follows from it."""


class ViewsProcess(LoopProcess):
    """The views of order books: book events, and a copy of a book where some were lost.

    They live in the venue's process and die with it; here they are killed by themselves as well.
    """

    name: ClassVar[str] = "views"

    def __init__(self, world: Surroundings) -> None:
        super().__init__(world)
        self.views: BookViews
        self._reader: StreamReader

    def start(self) -> None:
        """As the orderbook's process does, but for threads and server."""

        def start() -> None:
            self._reader = StreamReader(
                self.mesh, streams.BOOK_EVENTS, book_event.DTYPE, capacity=_VIEW_READER_CAPACITY
            )
            self.views = BookViews(
                [settings.INSTRUMENT_ID], 1, _VIEW_CAPACITY, Nobody(), self.world.clock
            )
            follower = BookFollower(self.views, self._ask_venue)
            self._reader.attach(self.loop, follower.on_batch)
            # A book of a venue that runs already is told by the venue.
            self.views.invalidate()
            follower.mend()
            self._compare(follower)

        self.loop.call(start)

    def _compare(self, follower: BookFollower) -> None:
        if self.world.venue.is_up:
            follower.compare(self.world.venue.venue.book_sequences())
        self.loop.call_later(_COMPARED_EVERY_SECONDS, self._compare, follower)

    def _ask_venue(self, instrument_id: int) -> Future[BookState]:
        answer: Future[BookState] = Future()
        if self.world.venue.is_up:
            answer.set_result(self.world.venue.venue.copy_book(instrument_id))
        else:
            answer.set_exception(
                TradeCaptainError(reason.REASON_UNAVAILABLE, "the venue isn't there")
            )
        return answer

    def turn(self) -> int:
        """Read the mesh, then do what follows from it."""
        work = turn_agents([self._reader.agent], self.world.clock.now_ns())
        self.turn_loop(1)
        return work

    def drop(self) -> None:
        """What the operating system does for a process that is gone."""
        self._reader.close()

    def shows(self, book: BookState) -> bool:
        """Whether what is shown is a book, order by order."""
        if not self.views.is_valid(settings.INSTRUMENT_ID):
            return False
        shown = self.views.snapshot(settings.INSTRUMENT_ID, L3)
        orders = [*shown.bid_orders, *shown.ask_orders]
        return shown.stamp.sequence == book.instrument_sequence and (
            [(order.order_id, order.price_units, order.quantity_units) for order in orders]
            == [
                (int(row["order_id"]), int(row["price_units"]), int(row["quantity_units"]))
                for row in book.orders
            ]
        )
