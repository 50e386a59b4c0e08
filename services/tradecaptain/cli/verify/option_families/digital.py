"""Digital options: decided at expiry, or by touching the strike before."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.option_families.barrier import KINDS
from tradecaptain.cli.verify.option_families.kernel import spot_inputs, value
from tradecaptain.cli.verify_case import Case, Judge

# A strike that every price exceeds: the payoff is then paid whatever the price.
NO_STRIKE: Final = 1e-45


def _at_expiry(family: str, amount_name: str | None) -> Judge:
    def judge(case: Case) -> None:
        amount = case.number(amount_name) if amount_name else 0.0
        case.expect(value(family, *spot_inputs(case), amount))

    return judge


def _touch(*, pays_asset: bool, at_expiry: bool) -> Judge:
    """Digitals decided by touching the strike: from below for calls, from above for puts."""

    def judge(case: Case) -> None:
        case.ignore("t_effective")
        right, spot, level, *rest = spot_inputs(case)
        is_up = right > 0.0
        knock = case.choice("knock", {"in": "in", "out": "out"}) if "knock" in case else "in"
        kind = KINDS[("up_" if is_up else "down_") + knock]
        if at_expiry:
            family = "barrier_asset" if pays_asset else "barrier_cash"
            amount = 0.0 if pays_asset else case.number("cash")
        else:
            family = "touch_cash"
            is_touched = spot >= level if is_up else spot <= level
            paid = spot if is_touched else level
            amount = paid if pays_asset else case.number("cash")
        case.expect(value(family, 1.0, spot, NO_STRIKE, *rest, amount, level, kind))

    return judge


FAMILIES: Final[dict[str, Judge]] = {
    "cash_or_nothing_european": _at_expiry("cash_or_nothing", "cash"),
    "asset_or_nothing_european": _at_expiry("asset_or_nothing", None),
    "digital_gap_european": _at_expiry("gap", "payoff_strike"),
    "cash_at_hit_american": _touch(pays_asset=False, at_expiry=False),
    "asset_at_hit_american": _touch(pays_asset=True, at_expiry=False),
    "cash_at_expiry_american": _touch(pays_asset=False, at_expiry=True),
    "asset_at_expiry_american": _touch(pays_asset=True, at_expiry=True),
}
