"""What a gate is told beside limits and switches, and how it is kept: one place for both.

A setting's value of zero is what a gate begins with and needs no telling, but for conversions: an
instrument in a foreign currency of which no rate is known must not count as one in the accounts'.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from tradecaptain.base.accounts import NOTIONAL_UNIT
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.base.units import UnitScale
from tradecaptain.risk.channel import ControlRequest
from tradecaptain.risk.levels import SCOPE_ACCOUNT, SCOPE_INSTRUMENT, Level
from tradecaptain.risk.store import RiskStore, Setting
from tradecaptain.wire import control, reason

CONVERSION_ONE: Final = 1_000_000_000
SCENARIO_COUNT: Final = 16
STAGED_COUNT: Final = 8
RISK_GROUP_KIND: Final = SCENARIO_COUNT
"""Place of the risk group among the settings of an instrument's scenarios."""
UNIT_VALUE_ONE: Final = 1 << 20
FLAG_OUTSIDE: Final = 8
FLAG_CLOSE: Final = 16
# Moves of SPAN's scenarios in thirds of the price range, each once with the volatility up and once
# with it down; the last two are extreme moves, of which a third counts.
_SPAN_THIRDS: Final = (0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3)
SPAN_MOVES: Final = (*(Fraction(thirds, 3) for thirds in _SPAN_THIRDS), Fraction(1), Fraction(-1))

_RATE = UnitScale(Fraction(1, CONVERSION_ONE), reason.REASON_INVALID_REQUEST, "rate")


def instrument_level(instrument: Instrument) -> Level:
    """Level of settings of an instrument."""
    return Level(SCOPE_INSTRUMENT, 0, instrument.instrument_id)


def parse_rate(text: str) -> int:
    """A conversion rate in billionths; never negative."""
    rate = _RATE.parse(text)
    if rate < 0:
        raise TradeCaptainError(
            reason.REASON_NUMBER_OUT_OF_RANGE, "a rate must not be negative", field="rate"
        )
    return rate


def format_rate(rate: int) -> str:
    """A conversion rate as exact decimal text."""
    return _RATE.format(rate)


def parse_decimal(text: str, field: str) -> Fraction:
    """Exact decimal text."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise TradeCaptainError(
            reason.REASON_INVALID_REQUEST, f"{text!r} isn't a decimal number", field=field
        ) from None


def unit_change(change: Fraction, instrument: Instrument) -> int:
    """What one quantity unit gains, in 2^-20 notional units; rounded towards a loss."""
    exact = change * instrument.quantity_unit / NOTIONAL_UNIT * UNIT_VALUE_ONE
    units = exact.numerator // exact.denominator
    if not -(2**62) <= units <= 2**62:
        raise TradeCaptainError(
            reason.REASON_NUMBER_OUT_OF_RANGE, "a change is too large", field="changes"
        )
    return units


def exact_change(units: int, instrument: Instrument) -> Fraction:
    """What one quantity unit gains, as `unit_change` reads it, in the accounts' currency."""
    return Fraction(units, UNIT_VALUE_ONE) * NOTIONAL_UNIT / instrument.quantity_unit


def delta_changes(delta: Fraction, price_range: Fraction) -> list[Fraction]:
    """The sixteen changes of something that moves by ``delta`` with its underlying."""
    return [delta * price_range * move for move in SPAN_MOVES]


def scenario_requests(level: Level, group: int, changes: Sequence[int]) -> list[ControlRequest]:
    """The controls that give an instrument its scenarios, the one that puts them in effect last."""
    return [
        ControlRequest(
            control.CONTROL_ACTION_SET_SCENARIOS,
            Level(SCOPE_INSTRUMENT, group, level.instrument_id),
            fields={
                "first_scenario": first,
                **{f"scenario{place}": changes[first + place] for place in range(STAGED_COUNT)},
            },
        )
        for first in ((0, STAGED_COUNT) if group else (0,))
    ]


def scenario_settings(level: Level, group: int, changes: Sequence[int]) -> list[Setting]:
    """How an instrument's scenarios are kept: the risk group first, then each change."""
    action = control.CONTROL_ACTION_SET_SCENARIOS
    return [
        Setting(action, level, RISK_GROUP_KIND, group),
        *(Setting(action, level, kind, change) for kind, change in enumerate(changes)),
    ]


def kept_scenario_requests(store: RiskStore) -> list[ControlRequest]:
    """Scenarios of all instruments that are in a risk group."""
    settings = store.settings(control.CONTROL_ACTION_SET_SCENARIOS)
    by_level: dict[Level, dict[int, int]] = {}
    for item in settings:
        by_level.setdefault(item.level, {})[item.kind] = item.value
    requests: list[ControlRequest] = []
    for level, values in by_level.items():
        if group := values.get(RISK_GROUP_KIND, 0):
            changes = [values[kind] for kind in range(SCENARIO_COUNT)]
            requests += scenario_requests(level, group, changes)
    return requests


def conversion_requests(
    store: RiskStore, reference: Reference, accounts_currency: str
) -> list[ControlRequest]:
    """Rates that were set, and zero for what isn't quoted in the accounts' currency without one."""
    action = control.CONTROL_ACTION_SET_CONVERSION
    rates = {item.level: item.value for item in store.settings(action)}
    for instrument in reference.own_venue():
        if instrument.currency != accounts_currency:
            rates.setdefault(instrument_level(instrument), 0)
    return [ControlRequest(action, level, value=rate) for level, rate in rates.items()]


def firm_requests(reference: Reference) -> list[ControlRequest]:
    """Whose firm each account is, so that totals count what it held before its first order."""
    return [
        ControlRequest(
            control.CONTROL_ACTION_SET_FIRM,
            Level(SCOPE_ACCOUNT, account.account_id),
            value=account.firm_id,
        )
        for account in reference.accounts
    ]


def margin_requests(store: RiskStore) -> list[ControlRequest]:
    """Margins that were set, zero among them: a gate begins with the whole value."""
    action = control.CONTROL_ACTION_SET_MARGIN
    return [ControlRequest(action, item.level, value=item.value) for item in store.settings(action)]


def closing_price_requests(store: RiskStore) -> list[ControlRequest]:
    """Closing prices that somebody told."""
    action = control.CONTROL_ACTION_REFERENCE_PRICE
    return [
        ControlRequest(action, item.level, value=item.value, flags=FLAG_CLOSE)
        for item in store.settings(action)
    ]
