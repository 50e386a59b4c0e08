"""Names, inputs and depth of every family of options; importing it loads no kernel.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing.columns import ALL_GREEK_ROWS, GREEK_ROWS
from tradecaptain.kernels.pricing.family import Family

_MARKET: Final = ("strike", "time_years", "volatility", "interest_rate")
FORWARD_INPUTS: Final = ("right", "forward", *_MARKET)
SPOT_INPUTS: Final = ("right", "spot", *_MARKET, "dividend_yield")
BARRIER_INPUTS: Final = (*SPOT_INPUTS, "amount", "barrier", "barrier_kind")
_BAND_INPUTS: Final = ("amount", "barrier", "high_barrier", "kind", "monitoring_count")
_FIXING_INPUTS: Final = ("earlier_time_years", "fixing_count")
_OTHER_INPUTS: Final = ("other_spot", "other_volatility", "other_yield", "correlation")

_ROWS: Final[tuple[tuple[str, tuple[str, ...], int, str], ...]] = (
    ("black_scholes", SPOT_INPUTS, ALL_GREEK_ROWS, "lognormal"),
    ("black76", FORWARD_INPUTS, ALL_GREEK_ROWS, "lognormal"),
    ("bachelier", FORWARD_INPUTS, ALL_GREEK_ROWS, "normal"),
    ("cash_or_nothing", (*SPOT_INPUTS, "amount"), GREEK_ROWS, "digital"),
    ("asset_or_nothing", (*SPOT_INPUTS, "amount"), GREEK_ROWS, "digital"),
    ("gap", (*SPOT_INPUTS, "amount"), GREEK_ROWS, "digital"),
    ("barrier_option", BARRIER_INPUTS, 1, "barrier"),
    ("barrier_cash", BARRIER_INPUTS, 1, "barrier"),
    ("barrier_asset", BARRIER_INPUTS, 1, "barrier"),
    ("touch_cash", BARRIER_INPUTS, 1, "barrier"),
    ("floating_lookback", (*SPOT_INPUTS, "extreme"), 1, "lookback"),
    ("fixed_lookback", (*SPOT_INPUTS, "extreme"), 1, "lookback"),
    (
        "partial_floating_lookback",
        (*SPOT_INPUTS, "extreme", "earlier_time_years", "fraction"),
        1,
        "lookback",
    ),
    ("partial_fixed_lookback", (*SPOT_INPUTS, "extreme", "earlier_time_years"), 1, "lookback"),
    (
        "geometric_asian",
        (*SPOT_INPUTS, *_FIXING_INPUTS, "is_average_strike"),
        1,
        "asian",
    ),
    (
        "turnbull_wakeman_asian",
        (*SPOT_INPUTS, *_FIXING_INPUTS, "volatility_slope"),
        1,
        "asian",
    ),
    ("levy_asian", (*SPOT_INPUTS, "average", "elapsed_years"), 1, "asian"),
    (
        "arithmetic_asian",
        (*SPOT_INPUTS, *_FIXING_INPUTS, "is_average_strike"),
        1,
        "asian",
    ),
    ("double_barrier", (*SPOT_INPUTS, *_BAND_INPUTS), 1, "two_barriers"),
    ("double_binary", (*SPOT_INPUTS, *_BAND_INPUTS), 1, "two_barriers"),
    ("soft_barrier", (*BARRIER_INPUTS, "high_barrier"), 1, "barrier_variants"),
    ("monitored_barrier", (*BARRIER_INPUTS, "monitoring_count"), 1, "barrier_variants"),
    ("two_asset_barrier", (*BARRIER_INPUTS, *_OTHER_INPUTS), 1, "barrier_variants"),
    (
        "exchange",
        (*SPOT_INPUTS, *_OTHER_INPUTS, "quantity", "other_quantity"),
        GREEK_ROWS,
        "two_assets",
    ),
    ("two_asset_basket", (*SPOT_INPUTS, *_OTHER_INPUTS, "kind"), 1, "two_assets"),
    (
        "compound",
        (*SPOT_INPUTS, "other_right", "other_strike", "later_time_years"),
        GREEK_ROWS,
        "on_options",
    ),
    (
        "chooser",
        (*SPOT_INPUTS, "earlier_time_years", "other_strike", "later_time_years"),
        1,
        "on_options",
    ),
    ("forward_start", (*SPOT_INPUTS, "earlier_time_years", "fraction"), 1, "on_options"),
    (
        "quanto",
        (*SPOT_INPUTS, "exchange_rate", "other_rate", "other_volatility", "correlation"),
        1,
        "on_options",
    ),
    ("american", SPOT_INPUTS, GREEK_ROWS, "american"),
)
FAMILIES: Final[dict[str, Family]] = {row[0]: Family(*row) for row in _ROWS}
