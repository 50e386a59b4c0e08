"""The gRPC edge of option analytics: everything here is answered beside the loop."""

from __future__ import annotations

from typing import Any, Final, override

from tradecaptain.api.pricing.v1 import (
    option_families_pb2,
    options_pb2,
    options_pb2_grpc,
    simulation_pb2,
)
from tradecaptain.pricing.later import Later
from tradecaptain.pricing.options.listed import ListedOptions
from tradecaptain.pricing.worker_pool import WorkerPool

_ANSWERS: Final = "tradecaptain.pricing.options"
price_block: Final = Later(f"{_ANSWERS}.blocks:price_block")
price_american: Final = Later(f"{_ANSWERS}.american:price_american")
price_dividend: Final = Later(f"{_ANSWERS}.american:price_dividend")
price_exotics: Final = Later(f"{_ANSWERS}.exotics:price_exotics")
list_families: Final = Later(f"{_ANSWERS}.exotics:list_families")
simulate_option: Final = Later(f"{_ANSWERS}.simulation:simulate_option")
solve_implied: Final = Later(f"{_ANSWERS}.implied:solve_implied")
revalue_request: Final = Later(f"{_ANSWERS}.portfolio:revalue_request")
revalue_listed: Final = Later(f"{_ANSWERS}.portfolio:revalue_listed")


class Options(options_pb2_grpc.OptionServiceServicer):
    """Answers with the threads of the pool; only listed positions need the loop's own state."""

    def __init__(self, pool: WorkerPool, listed: ListedOptions) -> None:
        self._pool = pool
        self._listed = listed

    @override
    async def PriceOptionBlock(
        self, request: options_pb2.PriceOptionBlockRequest, context: Any
    ) -> options_pb2.PriceOptionBlockResponse:
        """Values of a block, each with its status."""
        return await self._pool.run(price_block, request)

    @override
    async def PriceAmericanOption(
        self, request: options_pb2.PriceAmericanOptionRequest, context: Any
    ) -> options_pb2.PriceAmericanOptionResponse:
        """One American option, and where exercise is best."""
        return await self._pool.run(price_american, request)

    @override
    async def PriceDividendOption(
        self, request: options_pb2.PriceDividendOptionRequest, context: Any
    ) -> options_pb2.PriceDividendOptionResponse:
        """One option on a stock that pays cash."""
        return await self._pool.run(price_dividend, request)

    @override
    async def PriceExoticOptions(
        self, request: option_families_pb2.PriceExoticOptionsRequest, context: Any
    ) -> option_families_pb2.PriceExoticOptionsResponse:
        """Options of any families, in their order."""
        return await self._pool.run(price_exotics, request)

    @override
    async def ListOptionFamilies(
        self, request: option_families_pb2.ListOptionFamiliesRequest, context: Any
    ) -> option_families_pb2.ListOptionFamiliesResponse:
        """What an option of each family is described by."""
        return await self._pool.run(list_families, request)

    @override
    async def SimulateOption(
        self, request: simulation_pb2.SimulateOptionRequest, context: Any
    ) -> simulation_pb2.SimulateOptionResponse:
        """One option by simulation."""
        return await self._pool.run(simulate_option, request)

    @override
    async def SolveImpliedVolatilities(
        self, request: options_pb2.SolveImpliedVolatilitiesRequest, context: Any
    ) -> options_pb2.SolveImpliedVolatilitiesResponse:
        """Volatilities of prices, each with its status."""
        return await self._pool.run(solve_implied, request)

    @override
    async def RevaluePortfolio(
        self, request: options_pb2.RevaluePortfolioRequest, context: Any
    ) -> options_pb2.RevaluePortfolioResponse:
        """A portfolio in every scenario."""
        if request.listed:
            holdings = self._listed.holdings_of(request.listed)
            return await self._pool.run(revalue_listed, (request, holdings))
        return await self._pool.run(revalue_request, request)
