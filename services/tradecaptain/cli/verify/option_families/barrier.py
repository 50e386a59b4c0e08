"""Options with one barrier, watched continuously."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.option_families.kernel import spot_inputs, value
from tradecaptain.cli.verify_case import Case, Judge, missing
from tradecaptain.kernels.pricing import columns

KINDS: Final = {
    "down_in": columns.DOWN_IN,
    "down_out": columns.DOWN_OUT,
    "up_in": columns.UP_IN,
    "up_out": columns.UP_OUT,
}


def require_european(case: Case) -> None:
    """Early exercise, where a case states it, isn't priced here."""
    if "exercise" in case and case.text("exercise") != "european":
        raise missing("early exercise")


def _single(family: str, amount_name: str | None) -> Judge:
    def judge(case: Case) -> None:
        require_european(case)
        amount = case.number(amount_name) if amount_name else 0.0
        kind = case.choice("barrier_type", KINDS)
        case.expect(value(family, *spot_inputs(case), amount, case.number("barrier"), kind))

    return judge


FAMILIES: Final[dict[str, Judge]] = {
    "barrier_haug": _single("barrier_option", "rebate"),
    "barrier_babsiri": _single("barrier_option", "rebate"),
    "barrier_beaglehole": _single("barrier_option", "rebate"),
    "binary_barrier_cash_haug": _single("barrier_cash", "cash"),
    "binary_barrier_asset_haug": _single("barrier_asset", None),
}
