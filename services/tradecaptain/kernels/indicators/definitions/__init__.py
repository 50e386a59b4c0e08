"""What each indicator is made of; importing the package fills the registry."""

from tradecaptain.kernels.indicators.definitions import (
    direction,
    momentum,
    overlap,
    patterns,
    price,
    stochastic,
    volatility,
    volume,
)

__all__ = [
    "direction",
    "momentum",
    "overlap",
    "patterns",
    "price",
    "stochastic",
    "volatility",
    "volume",
]
