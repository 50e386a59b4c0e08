"""One option on a spot with its market, for methods that value options one at a time.

Units: see the package. Source of the model: Merton, Theory of Rational Option Pricing (1973).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tradecaptain.kernels.pricing import validity
from tradecaptain.kernels.pricing.status import GREEKS_UNDEFINED, OK


@dataclass(frozen=True, slots=True)
class Contract:
    """A call (right 1) or put (-1); rates are continuous, a year."""

    right: float
    spot: float
    strike: float
    time_years: float
    volatility: float
    interest_rate: float
    dividend_yield: float
    is_american: bool


def contract_block(contract: Contract, spot: float | None = None) -> npt.NDArray[np.float64]:
    """A block of one column and 7 rows, for the array kernels; with another spot if given."""
    return np.array(
        [
            [contract.right],
            [contract.spot if spot is None else spot],
            [contract.strike],
            [contract.time_years],
            [contract.volatility],
            [contract.interest_rate],
            [contract.dividend_yield],
        ]
    )


def contract_status(contract: Contract) -> int:
    """Status of the inputs in a lognormal model.

    A number of ``status``: its rules are those of ``validity.lognormal_option_status``.
    """
    status = np.empty(1, dtype=np.int64)
    validity.check_lognormal(contract_block(contract), status)
    return OK if status[0] == GREEKS_UNDEFINED else int(status[0])
