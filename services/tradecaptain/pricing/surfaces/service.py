"""The gRPC edge of volatility surfaces."""

from __future__ import annotations

from typing import Any, Final, override

from tradecaptain.api.pricing.v1 import surface_pb2, surface_pb2_grpc
from tradecaptain.pricing.later import Later
from tradecaptain.pricing.worker_pool import WorkerPool

_ANSWERS: Final = "tradecaptain.pricing.surfaces.answers"
imply_forwards: Final = Later(f"{_ANSWERS}:imply_forwards")
fit_surface: Final = Later(f"{_ANSWERS}:fit_surface")
check_surface: Final = Later(f"{_ANSWERS}:check_surface")
interpolate_surface: Final = Later(f"{_ANSWERS}:interpolate_surface")


class Surfaces(surface_pb2_grpc.SurfaceServiceServicer):
    """Everything here is answered beside the loop."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    @override
    async def ImplyForwards(
        self, request: surface_pb2.ImplyForwardsRequest, context: Any
    ) -> surface_pb2.ImplyForwardsResponse:
        """Forward and discount factor of each expiry."""
        return await self._pool.run(imply_forwards, request)

    @override
    async def FitSurface(
        self, request: surface_pb2.FitSurfaceRequest, context: Any
    ) -> surface_pb2.FitSurfaceResponse:
        """Slices through quotes."""
        return await self._pool.run(fit_surface, request)

    @override
    async def CheckSurface(
        self, request: surface_pb2.CheckSurfaceRequest, context: Any
    ) -> surface_pb2.CheckSurfaceResponse:
        """Where slices allow arbitrage."""
        return await self._pool.run(check_surface, request)

    @override
    async def InterpolateSurface(
        self, request: surface_pb2.InterpolateSurfaceRequest, context: Any
    ) -> surface_pb2.InterpolateSurfaceResponse:
        """Volatilities at any times and strikes."""
        return await self._pool.run(interpolate_surface, request)
