"""The limits that accounts start with, from reference data."""

from __future__ import annotations

from tradecaptain.base.accounts import Account
from tradecaptain.base.clock import Clock
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.risk.levels import SCOPE_ACCOUNT, SCOPE_ACCOUNT_INSTRUMENT, Level
from tradecaptain.risk.store import RiskStore, Stamp
from tradecaptain.wire import control

SEED_AUTHOR = "reference"


def limits_of(account: Account, instrument: Instrument) -> list[tuple[Level, int, int]]:
    """An account's limits in an instrument; what the reference leaves unset stays unset.

    All but open orders are set for the account in the instrument, so that one of them may be
    loosened for one instrument: of several levels the tightest counts.
    """
    units = account.limits_for(instrument)
    pair = Level(SCOPE_ACCOUNT_INSTRUMENT, account.account_id, instrument.instrument_id)
    whole = Level(SCOPE_ACCOUNT, account.account_id)
    values = [
        (pair, control.LIMIT_KIND_ORDER_QUANTITY, units.order_quantity),
        (pair, control.LIMIT_KIND_ORDER_NOTIONAL, units.order_notional),
        (pair, control.LIMIT_KIND_PRICE_COLLAR, units.price_collar_bps),
        (pair, control.LIMIT_KIND_POSITION_LONG, units.position_long),
        (pair, control.LIMIT_KIND_POSITION_SHORT, units.position_short),
        (whole, control.LIMIT_KIND_OPEN_ORDERS, units.open_orders),
    ]
    return [(level, kind, value) for level, kind, value in values if value is not None]


def seed_store(store: RiskStore, reference: Reference, clock: Clock) -> int:
    """Give every account its first limits in every instrument that it lacks; how many pairs."""
    stamp = Stamp(SEED_AUTHOR, clock.now_ns(), comment="first start")
    seeded = 0
    for account in reference.accounts:
        for instrument in reference.own_venue():
            limits = limits_of(account, instrument)
            ids = account.account_id, instrument.instrument_id
            seeded += store.seed_limits(*ids, limits, stamp)
    return seeded
