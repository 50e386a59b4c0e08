"""Runs pricing: ``python -m tradecaptain.pricing``."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import structlog
from tradecaptain.api.pricing.v1.bonds_pb2_grpc import add_BondServiceServicer_to_server
from tradecaptain.api.pricing.v1.indicators_pb2_grpc import add_IndicatorServiceServicer_to_server
from tradecaptain.api.pricing.v1.options_pb2_grpc import add_OptionServiceServicer_to_server
from tradecaptain.api.pricing.v1.pricing_pb2_grpc import add_PricingServiceServicer_to_server
from tradecaptain.api.pricing.v1.surface_pb2_grpc import add_SurfaceServiceServicer_to_server
from tradecaptain.base.reference import Reference
from tradecaptain.base.reference_file import ReferenceFile
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge import EdgeServer, EdgeSettings, Role, configure_logging, run, serve_while
from tradecaptain.edge.server import HOST
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.counters import CounterTable
from tradecaptain.mesh.runner import AgentRunner, Placement
from tradecaptain.mesh.transport import Mesh
from tradecaptain.pricing.agent import QuoteFeed
from tradecaptain.pricing.config import PricingConfig
from tradecaptain.pricing.fixed_income.service import Bonds
from tradecaptain.pricing.indicators import Indicators
from tradecaptain.pricing.indicators_candles import MarketDataCandles
from tradecaptain.pricing.options.service import Options
from tradecaptain.pricing.service import Pricing
from tradecaptain.pricing.surfaces.service import Surfaces
from tradecaptain.pricing.volatility import VolatilityBook

ACCESS: Final = {"SetVolatility": Role.OPERATE, "*": Role.READ}
READ_ACCESS: Final = {"*": Role.READ}
"""Which role each method asks for."""
VOLATILITY_FILE: Final = "volatilities.json"
_WATCH_SECONDS: Final = 0.1
_UNFOLLOWED_SECONDS: Final = 0.1
"""How long a quote may wait while nobody follows a chain."""
_PARK_NS_MIN: Final = 50_000
_PARK_NS_MAX: Final = 10_000_000
"""Below the window after which the log drops a reader (`mesh.timeouts`)."""

_LOG = structlog.get_logger("pricing")


class PricingProcess:
    """The quote feed on its thread, and the service that prices what it brings."""

    def __init__(
        self, mesh: Mesh, paths: RunPaths, reference: Reference, config: PricingConfig
    ) -> None:
        book = VolatilityBook(reference, paths.folder / VOLATILITY_FILE)
        self.service = Pricing(reference, book, config)
        self.feed = QuoteFeed(mesh, self.service.chains, config.conflation_us * 1_000)
        # Quotes are handed on no more often than this, so nobody waits for it to look sooner.
        park_ns = min(max(config.conflation_us * 1_000, _PARK_NS_MIN), _PARK_NS_MAX)
        placement = Placement(core=config.core, idle=config.idle, park_ns_max=park_ns)
        self._runner = AgentRunner([self.feed.agent], placement)
        paths.counters.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._counters = CounterTable.create(
            paths.counters / "pricing.counters", list(self.feed.counters)
        )
        self._is_closing = False

    def start(self) -> None:
        """Follow the underlyings."""
        self.feed.handover.attach(
            asyncio.get_running_loop(),
            self.service.on_quotes,
            pause_seconds=_UNFOLLOWED_SECONDS,
            is_urgent=lambda: self.service.follower_count > 0,
        )
        self.service.catch_up = self.feed.handover.catch_up
        self._runner.start()
        contracts = sum(len(chain.options) for chain in self.service.chains.values())
        _LOG.info("following", chains=len(self.service.chains), contracts=contracts)

    async def watch(self) -> str:
        """Show the counters; return only if the feed's thread has died: then the process ends."""
        while self._is_closing or self._runner.is_running:
            if not self._is_closing:
                for name, value in self.feed.counters.items():
                    self._counters.set(name, value)
            await asyncio.sleep(_WATCH_SECONDS)
        return f"the quote feed's thread died: {self._runner.failure}"

    async def close(self) -> None:
        """Stop following and pricing."""
        self._is_closing = True
        self._runner.close()
        self.feed.close()
        self.service.close()
        self._counters.close()
        _LOG.info("closed", **self.feed.counters)


async def main() -> None:
    """Join the mesh, serve until SIGTERM, and leave."""
    configure_logging("pricing")
    paths = RunPaths.from_environment()
    config = PricingConfig.load(paths)
    reference = ReferenceFile(paths.reference).reference
    with AeronMesh(aeron_directory=paths.aeron, client_name="pricing") as mesh:
        process = PricingProcess(mesh, paths, reference, config)
        process.start()
        server = EdgeServer(
            EdgeSettings(
                service="pricing",
                port=paths.ports.pricing,
                token_path=paths.tokens,
                accounts={account.name: account.account_id for account in reference.accounts},
                unary_calls_max=config.unary_calls_max,
                streams_max=config.streams_max,
            )
        )
        server.add(add_PricingServiceServicer_to_server, process.service, access=ACCESS)
        pool = process.service.pool
        candles = MarketDataCandles(f"{HOST}:{paths.ports.collector}")
        for add_to_server, servicer in (
            (add_OptionServiceServicer_to_server, Options(pool, process.service.listed)),
            (add_SurfaceServiceServicer_to_server, Surfaces(pool)),
            (add_BondServiceServicer_to_server, Bonds(pool)),
            (add_IndicatorServiceServicer_to_server, Indicators(reference, pool, candles)),
        ):
            server.add(add_to_server, servicer, access=READ_ACCESS)
        server.on_drain(process.close)
        await server.start()
        await serve_while(server, process.watch())


if __name__ == "__main__":
    sys.exit(run(main))
