"""The exotic families of ``registry``: input rows by name, domains, kernels.

The first seven rows are those of a European option on a spot; what a family doesn't use of them is
said in its kernel's docstring and must still be valid, or, where the rules leave it out, may be
anything.
"""

from __future__ import annotations

from typing import Final

from tradecaptain.kernels.pricing import (
    asian_closed,
    asian_grid,
    barrier_variants,
    compound,
    double_barrier,
    forward_start,
    lookback,
    status,
    two_asset,
)
from tradecaptain.kernels.pricing.columns import (
    AMOUNT,
    BARRIER,
    BARRIER_KIND,
    RATE,
    STRIKE,
    TIME,
    VOLATILITY,
)
from tradecaptain.kernels.pricing.domains import (
    IS_AMOUNT,
    IS_BELOW,
    IS_CALM,
    IS_CHOICE,
    IS_CORRELATION,
    IS_COUNT,
    IS_MODERATE,
    IS_NOT_ABOVE,
    IS_PRICE,
    IS_RATE,
    IS_RIGHT,
    IS_TIME,
    IS_TIME_LEFT,
    IS_VOLATILITY,
    MARKET_RULES,
    OPTION_RULES,
    RIGHT_RULE,
    Rule,
    checker,
)
from tradecaptain.kernels.pricing.family import BARRIER_INPUTS, SPOT_INPUTS, Family

FIXINGS_MAX: Final = 10_000

AMOUNT_RULE: Final[Rule] = (IS_AMOUNT, AMOUNT, 0, status.INVALID_AMOUNT)
BARRIER_RULES: Final[tuple[Rule, ...]] = (
    (IS_PRICE, BARRIER, 0, status.INVALID_BARRIER),
    (IS_CHOICE, BARRIER_KIND, 4, status.INVALID_BARRIER_KIND),
)


def _other_asset(spot: int, volatility: int, dividend_yield: int, correlation: int) -> list[Rule]:
    """Rules for a second asset's rows."""
    return [
        (IS_PRICE, spot, 0, status.INVALID_OTHER_SPOT),
        (IS_VOLATILITY, volatility, 0, status.INVALID_OTHER_VOLATILITY),
        (IS_MODERATE, volatility, TIME, status.INVALID_OTHER_VOLATILITY),
        (IS_RATE, dividend_yield, TIME, status.INVALID_OTHER_RATE),
        (IS_CORRELATION, correlation, 0, status.INVALID_CORRELATION),
    ]


def _earlier(row: int, *, strictly: bool = False) -> list[Rule]:
    """Rules for a time from now to expiry; strictly: neither now nor expiry."""
    left, order = (IS_TIME_LEFT, IS_BELOW) if strictly else (IS_TIME, IS_NOT_ABOVE)
    return [
        (left, row, 0, status.INVALID_EARLIER_TIME),
        (order, row, TIME, status.INVALID_EARLIER_TIME),
    ]


def _extreme(row: int) -> Rule:
    return (IS_PRICE, row, 0, status.INVALID_EXTREME)


_LOOKBACK: Final = (
    Family(
        name="floating_lookback",
        inputs=(*SPOT_INPUTS, "extreme"),
        check=checker(RIGHT_RULE, *MARKET_RULES, _extreme(lookback.EXTREME)),
        values=lookback.floating_lookback_values,
    ),
    Family(
        name="fixed_lookback",
        inputs=(*SPOT_INPUTS, "extreme"),
        check=checker(*OPTION_RULES, _extreme(lookback.EXTREME)),
        values=lookback.fixed_lookback_values,
    ),
    Family(
        name="partial_floating_lookback",
        inputs=(*SPOT_INPUTS, "extreme", "earlier_time_years", "fraction"),
        check=checker(
            RIGHT_RULE,
            *MARKET_RULES,
            _extreme(lookback.EXTREME),
            *_earlier(lookback.WINDOW, strictly=True),
            (IS_PRICE, lookback.FRACTION, 0, status.INVALID_FRACTION),
        ),
        values=lookback.partial_floating_lookback_values,
        time_rows=(TIME, lookback.WINDOW),
    ),
    Family(
        name="partial_fixed_lookback",
        inputs=(*SPOT_INPUTS, "extreme", "earlier_time_years"),
        check=checker(
            *OPTION_RULES,
            (IS_TIME, lookback.WINDOW, 0, status.INVALID_EARLIER_TIME),
            (IS_BELOW, lookback.WINDOW, TIME, status.INVALID_EARLIER_TIME),
        ),
        values=lookback.partial_fixed_lookback_values,
        time_rows=(TIME, lookback.WINDOW),
    ),
)

_ASIAN: Final = (
    Family(
        name="geometric_asian",
        inputs=(*SPOT_INPUTS, "earlier_time_years", "fixing_count", "is_average_strike"),
        check=checker(
            *OPTION_RULES,
            *_earlier(asian_closed.FIRST_FIXING),
            (IS_COUNT, asian_closed.FIXING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
            (IS_CHOICE, asian_closed.IS_AVERAGE_STRIKE, 2, status.INVALID_KIND),
        ),
        values=asian_closed.geometric_asian_values,
        time_rows=(TIME, asian_closed.FIRST_FIXING),
    ),
    Family(
        name="turnbull_wakeman_asian",
        inputs=(*SPOT_INPUTS, "earlier_time_years", "fixing_count", "volatility_slope"),
        check=checker(
            *OPTION_RULES,
            *_earlier(asian_closed.FIRST_FIXING),
            (IS_COUNT, asian_closed.FIXING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
            (IS_CORRELATION, asian_closed.VOLATILITY_SLOPE, 0, status.INVALID_VOLATILITY),
        ),
        values=asian_closed.turnbull_wakeman_values,
        time_rows=(TIME, asian_closed.FIRST_FIXING),
    ),
    Family(
        name="levy_asian",
        inputs=(*SPOT_INPUTS, "average", "elapsed_years"),
        check=checker(
            *OPTION_RULES,
            (IS_AMOUNT, asian_closed.AVERAGE, 0, status.INVALID_AVERAGE),
            (IS_TIME, asian_closed.ELAPSED, 0, status.INVALID_EARLIER_TIME),
        ),
        values=asian_closed.levy_values,
    ),
    Family(
        name="arithmetic_asian",
        inputs=(*SPOT_INPUTS, "earlier_time_years", "fixing_count", "is_average_strike"),
        check=checker(
            *OPTION_RULES,
            (IS_CALM, VOLATILITY, TIME, status.INVALID_VOLATILITY),
            *_earlier(asian_grid.FIRST_FIXING),
            (IS_COUNT, asian_grid.FIXING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
            (IS_CHOICE, asian_grid.IS_AVERAGE_STRIKE, 2, status.INVALID_KIND),
        ),
        values=asian_grid.arithmetic_asian_values,
        time_rows=(TIME, asian_grid.FIRST_FIXING),
    ),
)

_TWO_BARRIERS: Final = tuple(
    Family(
        name=name,
        inputs=(*SPOT_INPUTS, "amount", "barrier", "high_barrier", "kind", "monitoring_count"),
        check=checker(
            *rules,
            AMOUNT_RULE,
            (IS_PRICE, double_barrier.LOW, 0, status.INVALID_BARRIER),
            (IS_PRICE, double_barrier.HIGH, 0, status.INVALID_HIGH_BARRIER),
            (IS_BELOW, double_barrier.LOW, double_barrier.HIGH, status.INVALID_HIGH_BARRIER),
            (IS_CHOICE, double_barrier.KIND, kinds, status.INVALID_KIND),
            (IS_COUNT, double_barrier.MONITORING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
        ),
        values=values,
    )
    for name, rules, kinds, values in (
        ("double_barrier", OPTION_RULES, 2, double_barrier.double_barrier_values),
        ("double_binary", MARKET_RULES, 4, double_barrier.double_binary_values),
    )
)

_BARRIER_VARIANTS: Final = (
    Family(
        name="soft_barrier",
        inputs=(*BARRIER_INPUTS, "high_barrier"),
        check=checker(
            *OPTION_RULES,
            *BARRIER_RULES,
            (IS_PRICE, barrier_variants.HIGH_BARRIER, 0, status.INVALID_HIGH_BARRIER),
            (IS_NOT_ABOVE, BARRIER, barrier_variants.HIGH_BARRIER, status.INVALID_HIGH_BARRIER),
        ),
        values=barrier_variants.soft_barrier_values,
    ),
    Family(
        name="monitored_barrier",
        inputs=(*BARRIER_INPUTS, "monitoring_count"),
        check=checker(
            *OPTION_RULES,
            AMOUNT_RULE,
            *BARRIER_RULES,
            (IS_COUNT, barrier_variants.MONITORING_COUNT, FIXINGS_MAX, status.INVALID_COUNT),
        ),
        values=barrier_variants.monitored_barrier_values,
    ),
    Family(
        name="two_asset_barrier",
        inputs=(*BARRIER_INPUTS, "other_spot", "other_volatility", "other_yield", "correlation"),
        check=checker(
            *OPTION_RULES,
            *BARRIER_RULES,
            *_other_asset(
                barrier_variants.OTHER_SPOT,
                barrier_variants.OTHER_VOLATILITY,
                barrier_variants.OTHER_YIELD,
                barrier_variants.CORRELATION,
            ),
        ),
        values=barrier_variants.two_asset_barrier_values,
    ),
)

_OTHER_ASSET_RULES: Final = _other_asset(
    two_asset.OTHER_SPOT,
    two_asset.OTHER_VOLATILITY,
    two_asset.OTHER_YIELD,
    two_asset.CORRELATION,
)
_OTHER_ASSET_INPUTS: Final = ("other_spot", "other_volatility", "other_yield", "correlation")
_TWO_ASSETS: Final = (
    Family(
        name="exchange",
        inputs=(*SPOT_INPUTS, *_OTHER_ASSET_INPUTS, "quantity", "other_quantity"),
        check=checker(
            *MARKET_RULES,
            *_OTHER_ASSET_RULES,
            (IS_PRICE, two_asset.QUANTITY, 0, status.INVALID_QUANTITY),
            (IS_PRICE, two_asset.OTHER_QUANTITY, 0, status.INVALID_QUANTITY),
        ),
        greeks=two_asset.exchange_columns,
    ),
    Family(
        name="two_asset_basket",
        inputs=(*SPOT_INPUTS, *_OTHER_ASSET_INPUTS, "kind"),
        check=checker(
            *OPTION_RULES,
            *_OTHER_ASSET_RULES,
            (IS_CHOICE, two_asset.BASKET_KIND, 4, status.INVALID_KIND),
        ),
        values=two_asset.basket_values,
    ),
)

_ON_OPTIONS: Final = (
    Family(
        name="compound",
        inputs=(*SPOT_INPUTS, "other_right", "other_strike", "later_time_years"),
        check=checker(
            *OPTION_RULES,
            (IS_RIGHT, compound.DAUGHTER_RIGHT, 0, status.INVALID_RIGHT),
            (IS_PRICE, compound.DAUGHTER_STRIKE, 0, status.INVALID_OTHER_STRIKE),
            (IS_TIME_LEFT, compound.DAUGHTER_TIME, 0, status.INVALID_LATER_TIME),
            (IS_BELOW, TIME, compound.DAUGHTER_TIME, status.INVALID_LATER_TIME),
            (IS_RATE, RATE, compound.DAUGHTER_TIME, status.INVALID_RATE),
            (IS_MODERATE, VOLATILITY, compound.DAUGHTER_TIME, status.INVALID_VOLATILITY),
        ),
        greeks=compound.compound_columns,
        time_rows=(TIME, compound.DAUGHTER_TIME),
    ),
    Family(
        name="chooser",
        inputs=(*SPOT_INPUTS, "earlier_time_years", "other_strike", "later_time_years"),
        check=checker(
            (IS_PRICE, STRIKE, 0, status.INVALID_STRIKE),
            *MARKET_RULES,
            *_earlier(compound.CHOICE_TIME, strictly=True),
            (IS_PRICE, compound.PUT_STRIKE, 0, status.INVALID_OTHER_STRIKE),
            (IS_TIME_LEFT, compound.PUT_TIME, 0, status.INVALID_LATER_TIME),
            (IS_BELOW, compound.CHOICE_TIME, compound.PUT_TIME, status.INVALID_LATER_TIME),
            (IS_RATE, RATE, compound.PUT_TIME, status.INVALID_RATE),
            (IS_MODERATE, VOLATILITY, compound.PUT_TIME, status.INVALID_VOLATILITY),
        ),
        values=compound.chooser_values,
        time_rows=(TIME, compound.CHOICE_TIME, compound.PUT_TIME),
    ),
    Family(
        name="forward_start",
        inputs=(*SPOT_INPUTS, "earlier_time_years", "fraction"),
        check=checker(
            RIGHT_RULE,
            *MARKET_RULES,
            *_earlier(forward_start.START_TIME),
            (IS_PRICE, forward_start.FRACTION, 0, status.INVALID_FRACTION),
        ),
        values=forward_start.forward_start_values,
        time_rows=(TIME, forward_start.START_TIME),
    ),
    Family(
        name="quanto",
        inputs=(
            *SPOT_INPUTS,
            "exchange_rate",
            "other_rate",
            "other_volatility",
            "correlation",
        ),
        check=checker(
            *OPTION_RULES,
            (IS_PRICE, forward_start.EXCHANGE_RATE, 0, status.INVALID_QUANTITY),
            (IS_RATE, forward_start.FOREIGN_RATE, TIME, status.INVALID_OTHER_RATE),
            (IS_VOLATILITY, forward_start.EXCHANGE_VOLATILITY, 0, status.INVALID_OTHER_VOLATILITY),
            (
                IS_MODERATE,
                forward_start.EXCHANGE_VOLATILITY,
                TIME,
                status.INVALID_OTHER_VOLATILITY,
            ),
            (IS_CORRELATION, forward_start.CORRELATION, 0, status.INVALID_CORRELATION),
        ),
        values=forward_start.quanto_values,
    ),
)

EXOTIC_FAMILIES: Final[tuple[Family, ...]] = (
    *_LOOKBACK,
    *_ASIAN,
    *_TWO_BARRIERS,
    *_BARRIER_VARIANTS,
    *_TWO_ASSETS,
    *_ON_OPTIONS,
)
