"""How option requests are refused: the field by its path in the request, and the rule it breaks."""

from __future__ import annotations

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.kernels.pricing.family_rules import rule_of
from tradecaptain.wire import reason as reasons


def invalid(
    field: str, message: str, *, limit: int | str | None = None, observed: int | str | None = None
) -> TradeCaptainError:
    """The request contradicts itself or its contract."""
    return TradeCaptainError(
        reasons.REASON_INVALID_REQUEST, message, field=field, limit=limit, observed=observed
    )


def outside_domain(
    field: str, message: str, observed: float | str | None = None
) -> TradeCaptainError:
    """A number that no model can take."""
    shown = repr(observed) if isinstance(observed, float) else observed
    return TradeCaptainError(reasons.REASON_MODEL_DOMAIN, message, field=field, observed=shown)


def of_status(
    family: str, number: int, place: str, observed: float | str | None = None
) -> TradeCaptainError:
    """What a family's status says of the option at a place of the request."""
    name, rule = rule_of(family, number)
    return outside_domain(f"{place}.{name}" if name else place, rule, observed)


def unequal(field: str, found: int, due: int, of_what: str) -> TradeCaptainError:
    """A column that isn't as long as the others."""
    message = f"columns must be of equal length: {of_what} has {due} elements, {field} has {found}"
    return invalid(field, message, limit=due, observed=found)
