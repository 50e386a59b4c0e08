"""``tradecaptain verify options FILE…``: option values, greeks and volatilities as published.

Families are judged by the modules of ``option_families``, one for each kind of option. A family
that none of them has counts as not applicable, by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tradecaptain.cli.verify.option_families import (
    american,
    asian,
    barrier,
    digital,
    european,
    implied_volatility,
    lookback,
    on_options,
    tree,
    two_asset,
)
from tradecaptain.cli.verify_case import Judge, judge_families, merge_families
from tradecaptain.cli.verify_result import VerifyResult

KIND = "options"
HELP = "Option prices, greeks and implied volatilities by published families of cases (JSON)."

JUDGES: Final[dict[str, Judge]] = merge_families(
    (
        american.FAMILIES,
        asian.FAMILIES,
        barrier.FAMILIES,
        digital.FAMILIES,
        european.FAMILIES,
        implied_volatility.FAMILIES,
        lookback.FAMILIES,
        on_options.FAMILIES,
        tree.FAMILIES,
        two_asset.FAMILIES,
    )
)


def judge(files: list[Path]) -> VerifyResult:
    """Judge every case of the files."""
    return judge_families(files, JUDGES, "isn't priced")
