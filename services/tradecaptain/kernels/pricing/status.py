"""Status of one option in a batch: zero, or a negative number that names what is wrong.

Where the status is an input error, every output of that option is NaN, on purpose. Where it is
``GREEKS_UNDEFINED`` the value is right and no derivative may be used: block kernels leave in their
rows what the formula gives at the kink, or NaN; services answer none.

Rules name the domain of most models. American options also take a spot or a strike of 0, the normal
model any price within 1e50 and a volatility up to 1e50; with barriers and other exotic terms time
begins at 1e-9 years and volatility at 1e-4. Source: the bounds of ``validity`` and ``domains``.
"""

from __future__ import annotations

from typing import Final

OK: Final = 0
INVALID_RIGHT: Final = -1
INVALID_SPOT: Final = -2
INVALID_STRIKE: Final = -3
INVALID_TIME: Final = -4
INVALID_VOLATILITY: Final = -5
INVALID_RATE: Final = -6
INVALID_YIELD: Final = -7
INVALID_AMOUNT: Final = -8
INVALID_PRICE: Final = -9
INVALID_BARRIER: Final = -10
INVALID_BARRIER_KIND: Final = -11
RATE_TOO_NEGATIVE: Final = -12
INVALID_LATTICE: Final = -13
GREEKS_UNDEFINED: Final = -20
PRICE_BELOW_INTRINSIC: Final = -30
PRICE_ABOVE_MAXIMUM: Final = -31
PRICE_CARRIES_NO_VOLATILITY: Final = -32
INVALID_CORRELATION: Final = -40
INVALID_EXTREME: Final = -41
INVALID_EARLIER_TIME: Final = -42
INVALID_LATER_TIME: Final = -43
INVALID_OTHER_SPOT: Final = -44
INVALID_OTHER_STRIKE: Final = -45
INVALID_OTHER_VOLATILITY: Final = -46
INVALID_OTHER_RATE: Final = -47
INVALID_QUANTITY: Final = -48
INVALID_HIGH_BARRIER: Final = -49
INVALID_FRACTION: Final = -50
INVALID_COUNT: Final = -51
INVALID_KIND: Final = -52
INVALID_AVERAGE: Final = -53
NOT_CONVERGED: Final = -60
INVALID_DIVIDEND: Final = -61

# Status: name of the input at fault, and the rule that it breaks.
RULES: Final[dict[int, tuple[str, str]]] = {
    INVALID_RIGHT: ("right", "right must be that of a call or of a put"),
    INVALID_SPOT: ("spot", "spot must lie from 1e-50 to 1e50"),
    INVALID_STRIKE: ("strike", "strike must lie from 1e-50 to 1e50"),
    INVALID_TIME: ("time_years", "time must lie from 0 to 1000 years"),
    INVALID_VOLATILITY: ("volatility", "volatility must lie from 0 to 100"),
    INVALID_RATE: (
        "interest_rate",
        "rate must lie within 100, rate times time within 500",
    ),
    INVALID_YIELD: ("dividend_yield", "yield must lie within 100, yield times time within 500"),
    INVALID_AMOUNT: ("amount", "amount must lie within 1e50"),
    INVALID_PRICE: ("price", "price must lie within 1e50"),
    INVALID_BARRIER: ("barrier", "barrier must lie from 1e-50 to 1e50"),
    INVALID_BARRIER_KIND: ("barrier_kind", "kind must be 0 to 3: down in, down out, up in, up out"),
    RATE_TOO_NEGATIVE: ("interest_rate", "rate must not lie below minus half the squared drift"),
    INVALID_LATTICE: ("steps", "steps, time and factors must give a chance of up from 0 to 1"),
    GREEKS_UNDEFINED: ("", "at the strike with no time or volatility left some greeks don't exist"),
    PRICE_BELOW_INTRINSIC: ("price", "price must not lie below the intrinsic value"),
    PRICE_ABOVE_MAXIMUM: ("price", "price must lie below the value at infinite volatility"),
    PRICE_CARRIES_NO_VOLATILITY: ("price", "price must exceed the intrinsic value"),
    INVALID_CORRELATION: ("correlation", "correlation must lie from -1 to 1"),
    INVALID_EXTREME: ("extreme", "the extreme so far must lie from 1e-50 to 1e50"),
    INVALID_EARLIER_TIME: (
        "earlier_time_years",
        "the earlier time must lie from 0 to the time of expiry",
    ),
    INVALID_LATER_TIME: (
        "later_time_years",
        "the later time must lie from the earlier one to 1000 years",
    ),
    INVALID_OTHER_SPOT: ("other_spot", "the other spot must lie from 1e-50 to 1e50"),
    INVALID_OTHER_STRIKE: ("other_strike", "the other strike must lie from 1e-50 to 1e50"),
    INVALID_OTHER_VOLATILITY: (
        "other_volatility",
        "the other volatility must lie from 1e-4 to 100, times the root of time within 8",
    ),
    INVALID_OTHER_RATE: (
        "other_rate",
        "the other rate or yield must lie within 100, times time within 500",
    ),
    INVALID_QUANTITY: ("quantity", "quantity must lie from 1e-50 to 1e50"),
    INVALID_HIGH_BARRIER: ("high_barrier", "the high barrier must not lie below the low one"),
    INVALID_FRACTION: ("fraction", "the strike's share of the extreme must lie from 1e-50 to 1e50"),
    INVALID_COUNT: ("fixing_count", "the count of fixings must be a whole number up to 10000"),
    INVALID_KIND: ("kind", "kind must be one of the family's numbers"),
    INVALID_AVERAGE: ("average", "the average so far must lie within 1e50"),
    NOT_CONVERGED: ("", "the early-exercise boundary was not found to the accuracy asked for"),
    INVALID_DIVIDEND: (
        "dividends",
        "dividends must be positive amounts at times from 0 to expiry, in order of time",
    ),
}
