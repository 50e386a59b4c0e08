"""The venue's administration from calls to controls, and how new kinds of orders are staged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.gateway_desk import ALPHA, REFERENCE, GatewayDesk, new_order
from tradecaptain.api.orderbook.v1 import administration_pb2 as pb
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.gateway.administration import VenueAdministrationService
from tradecaptain.gateway.commands import Directory, Stager
from tradecaptain.wire import control, reason

ACME = REFERENCE.named("ACME@TCAP").instrument_id


class Controls:
    """Keeps what was asked of the venue."""

    def __init__(self) -> None:
        self.requests: list[dict[str, int]] = []

    async def request(self, **fields: int) -> int:
        self.requests.append({name: value for name, value in fields.items() if value})
        return 0


@pytest.fixture
def controls() -> Controls:
    return Controls()


@pytest.fixture
def service(controls: Controls) -> VenueAdministrationService:
    known: Any = controls
    nothing_new: Any = None
    return VenueAdministrationService(known, Directory(REFERENCE), {"alpha": ALPHA}, nothing_new)


async def test_phases(service: VenueAdministrationService, controls: Controls) -> None:
    await service.HaltInstrument(pb.HaltInstrumentRequest(instrument="ACME@TCAP"), None)
    await service.ResumeInstrument(pb.ResumeInstrumentRequest(instrument="ACME@TCAP"), None)
    auction = pb.SetPhaseRequest(
        instrument="ACME@TCAP", phase=4, duration_ns=9, reference_price="1.25"
    )
    await service.SetPhase(auction, None)
    known = {"action": control.CONTROL_ACTION_SET_PHASE, "instrument_id": ACME, "scope": 3}
    assert controls.requests == [
        known | {"phase": 3},
        known | {"phase": 1},
        known | {"phase": 4, "duration_ns": 9, "flags": 16, "value": 125},
        known | {"action": control.CONTROL_ACTION_REFERENCE_PRICE, "flags": 16, "value": 125},
    ]


async def test_bands_and_fees(service: VenueAdministrationService, controls: Controls) -> None:
    bands = pb.SetBandsRequest(instrument="ACME@TCAP", low="-1.00", dynamic_distance="0.50")
    await service.SetBands(bands, None)
    await service.SetFeeTier(pb.SetFeeTierRequest(tier=2, maker_rate=-20, taker_rate=30), None)
    await service.AssignFeeTier(pb.AssignFeeTierRequest(account="alpha", tier=2), None)
    with pytest.raises(TradeCaptainError) as error:
        await service.AssignFeeTier(pb.AssignFeeTierRequest(account="nobody", tier=2), None)
    assert error.value.reason == reason.REASON_UNKNOWN_ACCOUNT
    bands_control, rates, tier = controls.requests
    assert (bands_control["low_units"], bands_control["value"]) == (-100, 50)
    assert bands_control["high_units"] == (1 << 63) - 1
    assert (rates["scope_id"], rates["value"], rates["low_units"]) == (2, -20, 30)
    assert (tier["scope_id"], tier["value"]) == (ALPHA, 2)


@pytest.mark.parametrize(
    ("fields", "why", "field"),
    [
        ({"peg_offset": "1.00"}, reason.REASON_INVALID_PEG, "peg_offset"),
        ({"trailing_distance": "1.00"}, reason.REASON_INVALID_TRAIL, "trailing_distance"),
        (
            {"type": 6, "peg_reference": 1, "trailing_distance": "1.00"},
            reason.REASON_INVALID_TRAIL,
            "trailing_distance",
        ),
        ({"type": 5, "peg_offset": "1.00"}, reason.REASON_INVALID_PEG, "peg_offset"),
    ],
)
def test_an_offset_belongs_to_a_peg_and_a_distance_to_a_trailing_stop(
    tmp_path: Path, fields: dict[str, Any], why: int, field: str
) -> None:
    desk = GatewayDesk(tmp_path)
    stager = Stager(desk.store, Directory(REFERENCE))
    order = new_order(**fields)
    if "type" in fields:
        order.ClearField("price")
    with pytest.raises(TradeCaptainError) as error:
        stager.stage_new(0, order, ALPHA)
    assert (error.value.reason, error.value.field) == (why, field)


@pytest.mark.parametrize(
    ("fields", "staged"),
    [
        (
            {"type": 5, "price": None, "trailing_distance": "0.75"},
            {"order_type": 5, "offset_units": 75, "price_units": 0},
        ),
        (
            {"type": 5, "price": None, "trailing_basis_points": 150},
            {"offset_basis_points": 150},
        ),
        (
            {"type": 6, "peg_reference": 3, "peg_offset": "-0.05"},
            {"order_type": 6, "peg_reference": 3, "offset_units": -5, "instructions": 128},
        ),
        (
            {"display_quantity": "4", "minimum_visible": "2", "self_trade_prevention": 4},
            {"display_quantity_units": 4, "minimum_visible_units": 2, "self_trade_prevention": 4},
        ),
        (
            {"post_only": True, "slide": True, "group_id": 7, "group_role": 1},
            {"instructions": 33, "group_id": 7, "group_role": 1},
        ),
        (
            {"type": 4, "stop_price": "99.00", "time_in_force": 5, "expire_time_ns": 12},
            {"stop_price_units": 9_900, "time_in_force": 5, "expire_time_ns": 12},
        ),
    ],
)
def test_orders_are_staged_with_all_they_say(
    tmp_path: Path, fields: dict[str, Any], staged: dict[str, int]
) -> None:
    desk = GatewayDesk(tmp_path)
    stager = Stager(desk.store, Directory(REFERENCE))
    order = new_order(**{name: value for name, value in fields.items() if value is not None})
    for name in [name for name, value in fields.items() if value is None]:
        order.ClearField(name)
    stager.stage_new(0, order, ALPHA)
    row = desk.store.staging[0]
    assert {name: int(row[name]) for name in staged} == staged
