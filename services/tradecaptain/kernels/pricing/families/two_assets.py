"""Options on two assets.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import status, two_asset
from tradecaptain.kernels.pricing.domains import (
    IS_CHOICE,
    IS_PRICE,
    MARKET_RULES,
    OPTION_RULES,
    checker,
)
from tradecaptain.kernels.pricing.families.rules import other_asset
from tradecaptain.kernels.pricing.family import Kernels

_OTHER_ASSET_RULES: Final = other_asset(
    two_asset.OTHER_SPOT,
    two_asset.OTHER_VOLATILITY,
    two_asset.OTHER_YIELD,
    two_asset.CORRELATION,
)

KERNELS: Final = {
    "exchange": Kernels(
        check=checker(
            *MARKET_RULES,
            *_OTHER_ASSET_RULES,
            (IS_PRICE, two_asset.QUANTITY, 0, status.INVALID_QUANTITY),
            (IS_PRICE, two_asset.OTHER_QUANTITY, 0, status.INVALID_QUANTITY),
        ),
        greeks=two_asset.exchange_columns,
    ),
    "two_asset_basket": Kernels(
        check=checker(
            *OPTION_RULES,
            *_OTHER_ASSET_RULES,
            (IS_CHOICE, two_asset.BASKET_KIND, 4, status.INVALID_KIND),
        ),
        values=two_asset.basket_values,
    ),
}
