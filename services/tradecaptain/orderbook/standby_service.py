"""StandbyService: how far the standby has come, and its promotion."""

from __future__ import annotations

import asyncio
from typing import Any

from tradecaptain.api.orderbook.v1 import standby_pb2 as pb
from tradecaptain.api.orderbook.v1.standby_pb2_grpc import StandbyServiceServicer
from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.orderbook.leadership import Leadership
from tradecaptain.orderbook.standby import Standby
from tradecaptain.wire import reason


class StandbyService(StandbyServiceServicer):
    """Serves one standby until it is the venue."""

    def __init__(
        self, standby: Standby, leadership: Leadership, process: str, clock: Clock
    ) -> None:
        self._standby = standby
        self._leadership = leadership
        self._process = process
        self._clock = clock
        self.asked: asyncio.Event = asyncio.Event()
        """Set when somebody wants the promotion."""
        self._promoted: asyncio.Future[pb.PromoteResponse] = (
            asyncio.get_running_loop().create_future()
        )
        self._asked_ns = 0

    async def GetStandby(  # noqa: N802
        self, request: pb.GetStandbyRequest, context: Any
    ) -> pb.GetStandbyResponse:
        """Tell how far it has come."""
        self._refuse_when_asked()
        progress = await asyncio.to_thread(self._standby.progress)
        return pb.GetStandbyResponse(
            process=self._process,
            term=self._leadership.leader.term,
            epoch=progress.epoch,
            sequence=progress.sequence,
            state_hash=f"{progress.state_hash:016x}",
            position=progress.position,
            log_position=progress.log_position,
            batch_count=progress.batch_count,
            gap_count=progress.gap_count,
        )

    async def Promote(  # noqa: N802
        self, request: pb.PromoteRequest, context: Any
    ) -> pb.PromoteResponse:
        """Have the process promoted, and return once it is the venue."""
        self._refuse_when_asked()
        self._asked_ns = self._clock.monotonic_ns()
        self.asked.set()
        return await asyncio.shield(self._promoted)

    def tell_promoted(self, term: int, epoch: int, sequence: int) -> None:
        """Answer whoever asked for the promotion."""
        self._promoted.set_result(
            pb.PromoteResponse(
                term=term,
                epoch=epoch,
                sequence=sequence,
                duration_ns=self._clock.monotonic_ns() - self._asked_ns,
            )
        )

    def tell_failed(self, error: TradeCaptainError) -> None:
        """Tell whoever asked for the promotion why it failed."""
        self._promoted.set_exception(error)

    def _refuse_when_asked(self) -> None:
        if self.asked.is_set():
            raise TradeCaptainError(
                reason.REASON_UNAVAILABLE, "this standby is just becoming the venue"
            )
