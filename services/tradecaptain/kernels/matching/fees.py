"""Fees of a trade by the account's tier, in exact integers.

A rate is in millionths of price times quantity, in the instrument's units; a fee is rounded up and
a rebate down, so that a fraction is never paid out. A value beyond int64 counts as the largest.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import FEE_TIER_BYTES, INT64_MAXIMUM, INT64_MINIMUM
from tradecaptain.kernels.matching.tables import account_known

MILLION = 1_000_000
RATE_LIMIT = 1_000_000


@inline
def traded_value(price_units: int, quantity_units: int) -> int:
    """Absolute price times quantity, at most the largest int64."""
    if price_units == INT64_MINIMUM:
        return INT64_MAXIMUM
    price_units = abs(price_units)
    if price_units != 0 and quantity_units > INT64_MAXIMUM // price_units:
        return INT64_MAXIMUM
    return price_units * quantity_units


@inline
def fee_units(
    engine: int, account_id: int, price_units: int, quantity_units: int, liquidity: int
) -> int:
    """Fee of one side of a trade; ``liquidity`` is maker, taker or auction."""
    tier = 0
    if account_known(engine, account_id):
        table = engine + load_i64(engine + at.HEADER_ACCOUNT_TIERS_OFFSET)
        tier = load_i32(table + account_id * 4) + 0
    rates = engine + load_i64(engine + at.HEADER_FEE_TIERS_OFFSET) + tier * FEE_TIER_BYTES
    rate = load_i64(rates + (liquidity - 1) * 8)
    value = traded_value(price_units, quantity_units)
    whole = value // MILLION
    part = value % MILLION
    if rate >= 0:
        return whole * rate + (part * rate + MILLION - 1) // MILLION
    return -(whole * -rate + part * -rate // MILLION)
