"""Which process serves which service of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROCESS_OF_SERVICE: Final[Mapping[str, str]] = {
    "tradecaptain.api.instruments.v1.InstrumentService": "collector",
    "tradecaptain.api.marketdata.v1.MarketDataService": "collector",
    "tradecaptain.api.orderbook.v1.OrderBookService": "orderbook",
    "tradecaptain.api.orderbook.v1.StandbyService": "standby",
    "tradecaptain.api.orderbook.v1.VenueAdministrationService": "gateway",
    "tradecaptain.api.orders.v1.OrderService": "gateway",
    "tradecaptain.api.pricing.v1.BondService": "pricing",
    "tradecaptain.api.pricing.v1.IndicatorService": "pricing",
    "tradecaptain.api.pricing.v1.OptionService": "pricing",
    "tradecaptain.api.pricing.v1.PricingService": "pricing",
    "tradecaptain.api.pricing.v1.SurfaceService": "pricing",
    "tradecaptain.api.risk.v1.RiskAdministrationService": "risk",
    "tradecaptain.api.risk.v1.RiskMonitorService": "risk",
    "tradecaptain.api.risk.v1.RiskService": "risk",
}
"""Which process serves each service of the contract."""


def services_of(process: str) -> tuple[str, ...]:
    """Full names of the services that a process hosts."""
    return tuple(name for name, owner in PROCESS_OF_SERVICE.items() if owner == process)
