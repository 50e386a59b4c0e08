"""VenueAdministrationService: instruments, phases, halts, bands and fees, as controls of the venue.

Whoever calls must hold the role ``administer``; traders and risk operators don't.
"""

from __future__ import annotations

from typing import Any, Final

from tradecaptain.api.orderbook.v1 import administration_pb2 as pb
from tradecaptain.api.orderbook.v1.administration_pb2_grpc import (
    VenueAdministrationServiceServicer,
)
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.gateway.commands import Directory
from tradecaptain.gateway.control_desk import ControlDesk
from tradecaptain.gateway.listing import Listing, tell_reference
from tradecaptain.wire import common, control
from tradecaptain.wire import reason as reasons

_OPEN_LOW: Final = -(1 << 63)
_OPEN_HIGH: Final = (1 << 63) - 1
_VALUE_IS_REFERENCE: Final = 16


class VenueAdministrationService(VenueAdministrationServiceServicer):
    """Serves the venue's administrators."""

    def __init__(
        self,
        controls: ControlDesk,
        directory: Directory,
        accounts: dict[str, int],
        listing: Listing,
    ) -> None:
        self._controls = controls
        self._directory = directory
        self._accounts = accounts
        self._listing = listing

    async def CreateInstrument(  # noqa: N802
        self, request: pb.CreateInstrumentRequest, context: Any
    ) -> pb.CreateInstrumentResponse:
        """Open a new instrument."""
        instrument, is_duplicate = await self._listing.create(request)
        return pb.CreateInstrumentResponse(
            instrument=self._listing.message(instrument), duplicate=is_duplicate
        )

    async def SetPhase(  # noqa: N802
        self, request: pb.SetPhaseRequest, context: Any
    ) -> pb.SetPhaseResponse:
        """Change the trading phase of an instrument."""
        instrument = self._directory.instrument(request.instrument)
        reference = {}
        if request.HasField("reference_price"):
            value = instrument.price.parse(request.reference_price)
            reference = {"flags": _VALUE_IS_REFERENCE, "value": value}
        await self._set_phase(instrument, request.phase, request.duration_ns, **reference)
        if reference:
            await tell_reference(self._controls, instrument, reference["value"])
        return pb.SetPhaseResponse()

    async def HaltInstrument(  # noqa: N802
        self, request: pb.HaltInstrumentRequest, context: Any
    ) -> pb.HaltInstrumentResponse:
        """Stop an instrument at once."""
        instrument = self._directory.instrument(request.instrument)
        await self._set_phase(instrument, common.TRADING_PHASE_HALTED, 0)
        return pb.HaltInstrumentResponse()

    async def ResumeInstrument(  # noqa: N802
        self, request: pb.ResumeInstrumentRequest, context: Any
    ) -> pb.ResumeInstrumentResponse:
        """Let an instrument trade again."""
        instrument = self._directory.instrument(request.instrument)
        await self._set_phase(instrument, common.TRADING_PHASE_CONTINUOUS, 0)
        return pb.ResumeInstrumentResponse()

    async def SetBands(  # noqa: N802
        self, request: pb.SetBandsRequest, context: Any
    ) -> pb.SetBandsResponse:
        """Set the price bands of an instrument."""
        instrument = self._directory.instrument(request.instrument)
        price = instrument.price
        await self._request(
            control.CONTROL_ACTION_SET_BANDS,
            instrument_id=instrument.instrument_id,
            low_units=price.parse(request.low) if request.low else _OPEN_LOW,
            high_units=price.parse(request.high) if request.high else _OPEN_HIGH,
            value=price.parse(request.dynamic_distance) if request.dynamic_distance else 0,
            duration_ns=request.pause_ns,
        )
        return pb.SetBandsResponse()

    async def SetFeeTier(  # noqa: N802
        self, request: pb.SetFeeTierRequest, context: Any
    ) -> pb.SetFeeTierResponse:
        """Set the rates of a fee tier."""
        await self._request(
            control.CONTROL_ACTION_SET_FEE,
            scope_id=request.tier,
            value=request.maker_rate,
            low_units=request.taker_rate,
            high_units=request.auction_rate,
        )
        return pb.SetFeeTierResponse()

    async def AssignFeeTier(  # noqa: N802
        self, request: pb.AssignFeeTierRequest, context: Any
    ) -> pb.AssignFeeTierResponse:
        """Put an account into a fee tier."""
        by_text = self._accounts | {str(number): number for number in self._accounts.values()}
        account_id = by_text.get(request.account)
        if account_id is None:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_ACCOUNT, f"there is no account {request.account!r}"
            )
        await self._request(
            control.CONTROL_ACTION_SET_FEE_TIER, scope_id=account_id, value=request.tier
        )
        return pb.AssignFeeTierResponse()

    async def _set_phase(
        self, instrument: Instrument, phase: int, duration_ns: int, **fields: int
    ) -> None:
        await self._request(
            control.CONTROL_ACTION_SET_PHASE,
            instrument_id=instrument.instrument_id,
            phase=phase,
            duration_ns=duration_ns,
            **fields,
        )

    async def _request(self, action: int, *, scope_id: int = 0, **fields: int) -> None:
        await self._controls.request(
            action=action,
            scope=control.CONTROL_SCOPE_INSTRUMENT,
            scope_id=scope_id,
            **fields,
        )
