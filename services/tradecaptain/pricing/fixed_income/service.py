"""The gRPC edge of fixed income: bonds, curves, credit default swaps."""

from __future__ import annotations

from typing import Any, Final, override

from tradecaptain.api.pricing.v1 import bonds_pb2, bonds_pb2_grpc
from tradecaptain.pricing.fixed_income.calendars import holidays_are_loaded
from tradecaptain.pricing.later import Later
from tradecaptain.pricing.worker_pool import WorkerPool

INLINE_BONDS: Final = 8
"""A batch of more bonds is priced beside the loop."""
INLINE_PAYMENTS: Final = 20_000

_ANSWERS: Final = "tradecaptain.pricing.fixed_income.answers"
analyse_one: Final = Later(f"{_ANSWERS}:analyse_one")
analyse_all: Final = Later(f"{_ANSWERS}:analyse_all")
solve_yields: Final = Later(f"{_ANSWERS}:solve_yields")
compare: Final = Later(f"{_ANSWERS}:compare")
build_curve: Final = Later(f"{_ANSWERS}:build_curve")
price_credit: Final = Later(f"{_ANSWERS}:price_credit")


class Bonds(bonds_pb2_grpc.BondServiceServicer):
    """Small calls in the loop thread, large ones beside it."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    async def _answer(self, answer: Later, request: Any, *, is_large: bool = False) -> Any:
        """Answer here, or beside the loop what is large or has something to load first."""
        if is_large or not answer.is_loaded or not holidays_are_loaded():
            return await self._pool.run(answer, request)
        return answer(request)

    @override
    async def AnalyseBond(
        self, request: bonds_pb2.AnalyseBondRequest, context: Any
    ) -> bonds_pb2.AnalyseBondResponse:
        """Price, yield and sensitivities of one bond."""
        return await self._answer(analyse_one, request)

    @override
    async def AnalyseBonds(
        self, request: bonds_pb2.AnalyseBondsRequest, context: Any
    ) -> bonds_pb2.AnalyseBondsResponse:
        """The same for many, in their order."""
        is_large = len(request.queries) > INLINE_BONDS
        return await self._answer(analyse_all, request, is_large=is_large)

    @override
    async def SolveYields(
        self, request: bonds_pb2.SolveYieldsRequest, context: Any
    ) -> bonds_pb2.SolveYieldsResponse:
        """Yields of columns of payments."""
        is_large = len(request.amounts) > INLINE_PAYMENTS
        return await self._answer(solve_yields, request, is_large=is_large)

    @override
    async def CompareBondWithCurve(
        self, request: bonds_pb2.CompareBondWithCurveRequest, context: Any
    ) -> bonds_pb2.CompareBondWithCurveResponse:
        """Value on a curve, z-spread, key rate durations."""
        return await self._answer(compare, request)

    @override
    async def BuildCurve(
        self, request: bonds_pb2.BuildCurveRequest, context: Any
    ) -> bonds_pb2.BuildCurveResponse:
        """A curve that reproduces its quotes."""
        return await self._answer(build_curve, request, is_large=True)

    @override
    async def PriceCreditDefaultSwap(
        self, request: bonds_pb2.PriceCreditDefaultSwapRequest, context: Any
    ) -> bonds_pb2.PriceCreditDefaultSwapResponse:
        """All quotes of a contract from one of them."""
        return await self._answer(price_credit, request)
