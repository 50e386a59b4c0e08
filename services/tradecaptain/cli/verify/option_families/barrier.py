"""Options with barriers, watched continuously: one, two, soft ones, one on another asset."""

from __future__ import annotations

from typing import Final

from tradecaptain.cli.verify.option_families.kernel import spot_inputs, value
from tradecaptain.cli.verify_case import Case, Judge, missing
from tradecaptain.kernels.pricing import columns, double_barrier

KINDS: Final = {
    "down_in": columns.DOWN_IN,
    "down_out": columns.DOWN_OUT,
    "up_in": columns.UP_IN,
    "up_out": columns.UP_OUT,
}
DOUBLE_KINDS: Final = {
    "knock_in": double_barrier.KNOCK_IN,
    "knockin": double_barrier.KNOCK_IN,
    "in": double_barrier.KNOCK_IN,
    "knock_out": double_barrier.KNOCK_OUT,
    "knockout": double_barrier.KNOCK_OUT,
    "out": double_barrier.KNOCK_OUT,
}
BINARY_KINDS: Final = {
    **DOUBLE_KINDS,
    "k_i_k_o": double_barrier.LOW_FIRST,
    "k_o_k_i": double_barrier.HIGH_FIRST,
    "kiko": double_barrier.LOW_FIRST,
    "koki": double_barrier.HIGH_FIRST,
    "knock_in_knock_out": double_barrier.LOW_FIRST,
    "knock_out_knock_in": double_barrier.HIGH_FIRST,
}
TWO_ASSET_YEARS: Final = 0.5
TWO_ASSET_TOLERANCE: Final = 0.004
UNUSED: Final = 1.0
# A count of looks at the barriers that stands for continuous watch.
ALWAYS: Final = 0.0


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


def _double(case: Case) -> None:
    require_european(case)
    kind = case.choice("barrier_type", DOUBLE_KINDS, fold=True)
    barriers = case.numbers("barrier_lo", "barrier_hi")
    case.expect(value("double_barrier", *spot_inputs(case), 0.0, *barriers, kind, ALWAYS))


def _double_binary(case: Case) -> None:
    """KIKO pays when the low barrier is touched before the high one, KOKI the other way round."""
    kind = case.choice("barrier_type", BINARY_KINDS, fold=True)
    spot, cash = case.numbers("spot", "cash")
    inputs = (UNUSED, spot, UNUSED, *case.numbers("t", "vol", "r", "q"), cash)
    barriers = case.numbers("barrier_lo", "barrier_hi")
    case.expect(value("double_binary", *inputs, *barriers, kind, ALWAYS))


def _soft(case: Case) -> None:
    kind = case.choice("barrier_type", KINDS)
    low, high = case.numbers("L", "U")
    case.expect(value("soft_barrier", *spot_inputs(case), 0.0, low, kind, high))


def _two_asset(case: Case) -> None:
    """A call or put on the first asset with a barrier on the second; half a year."""
    kind = case.choice("barrier_type", KINDS)
    time, rate = case.number("t", TWO_ASSET_YEARS), case.number("r")
    spot, strike, volatility = case.numbers("s1", "strike", "v1")
    inputs = (case.right(), spot, strike, time, volatility, rate, case.number("q1"))
    other = case.numbers("s2", "v2", "q2", "corr")
    found = value("two_asset_barrier", *inputs, 0.0, case.number("barrier"), kind, *other)
    case.expect(found, TWO_ASSET_TOLERANCE)


FAMILIES: Final[dict[str, Judge]] = {
    "barrier_haug": _single("barrier_option", "rebate"),
    "barrier_babsiri": _single("barrier_option", "rebate"),
    "barrier_beaglehole": _single("barrier_option", "rebate"),
    "binary_barrier_cash_haug": _single("barrier_cash", "cash"),
    "binary_barrier_asset_haug": _single("barrier_asset", None),
    "double_barrier_haug": _double,
    "double_binary_haug": _double_binary,
    "soft_barrier_haug": _soft,
    "two_asset_barrier": _two_asset,
}
