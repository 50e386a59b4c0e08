"""ISO dates at the edge, day numbers inside."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing.civil_date import civil_date
from tradecaptain.pricing.fixed_income.calendars import YEARS
from tradecaptain.wire import reason as reasons

_EPOCH: Final = date(1970, 1, 1).toordinal()
_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def parse_day(text: str, field: str) -> int:
    """Day number of an ISO date; ``field`` is named when it isn't one."""
    if _ISO.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = None
        if day is not None and day.year in YEARS:
            return day.toordinal() - _EPOCH
    raise TradeCaptainError(
        reasons.REASON_INVALID_REQUEST,
        f"{field} must be a date YYYY-MM-DD of the years {YEARS.start} to {YEARS.stop - 1}",
        field=field,
        observed=text,
    )


def day_text(day: int) -> str:
    """ISO date of a day number."""
    year, month, day_of_month = civil_date(day)
    return f"{year:04d}-{month:02d}-{day_of_month:02d}"


def refuse(field: str, message: str, observed: object = "") -> TradeCaptainError:
    """The refusal of an input that no model can price; to be raised by the caller."""
    return TradeCaptainError(
        reasons.REASON_MODEL_DOMAIN, message, field=field, observed=str(observed)
    )
