"""The one root exception, and what the error catalogue says about a reason.

The numbered reasons and their rules are declared once, in ``proto/tradecaptain/api/errors/v1``.
Code that refuses something raises :class:`TradeCaptainError` with a number of
``tradecaptain.wire.reason``; the edge turns it into a gRPC status with a typed detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tradecaptain.wire import reason as reasons


@dataclass(frozen=True, slots=True)
class ReasonInfo:
    """One entry of the error catalogue."""

    number: int
    name: str
    rule: str
    field: str
    retryable: bool
    grpc_code: int
    clause: str


@cache
def reason_info(reason: int) -> ReasonInfo:
    """Return the catalogue's entry of a reason; an unknown number is a ``KeyError``."""
    return ReasonInfo(reason, reasons.NAMES[reason], *reasons.RULES[reason])


def _text(value: str | int | None) -> str:
    return "" if value is None else str(value)


class TradeCaptainError(Exception):
    """Something was refused, for a numbered reason.

    ``message`` is one sentence for a person. ``field`` names the field at fault and defaults to the
    catalogue's. ``limit``, ``observed`` and ``level`` say, where it applies, which limit was
    broken, by what value, and at which level (``account``, ``instrument`` …) the limit is set.
    """

    def __init__(
        self,
        reason: int,
        message: str,
        *,
        field: str | None = None,
        limit: str | int | None = None,
        observed: str | int | None = None,
        level: str | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self._field = field
        self.limit = _text(limit)
        self.observed = _text(observed)
        self.level = _text(level)

    @property
    def field(self) -> str:
        """The field at fault; empty where no single field is."""
        return reason_info(self.reason).field if self._field is None else self._field

    @property
    def name(self) -> str:
        """The reason's name in the catalogue, such as ``REASON_PRICE_COLLAR``."""
        return reason_info(self.reason).name

    @property
    def rule(self) -> str:
        """The rule that was broken."""
        return reason_info(self.reason).rule

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without a change."""
        return reason_info(self.reason).retryable

    @property
    def grpc_code(self) -> int:
        """Number of the gRPC status code that carries the reason."""
        return reason_info(self.reason).grpc_code

    def __reduce__(self) -> tuple[object, ...]:
        arguments = (self.reason, self.message, self._field, self.limit, self.observed, self.level)
        return _rebuild, (type(self), *arguments)


def _rebuild(
    kind: type[TradeCaptainError],
    reason: int,
    message: str,
    field: str | None,
    limit: str,
    observed: str,
    level: str,
) -> TradeCaptainError:
    """Recreate an error that crossed a process boundary, without running its class's checks."""
    error = kind.__new__(kind)
    TradeCaptainError.__init__(
        error, reason, message, field=field, limit=limit, observed=observed, level=level
    )
    return error


class ConfigurationError(TradeCaptainError):
    """A configuration file or environment variable breaks a rule; the message names both."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(reasons.REASON_INVALID_CONFIGURATION, message, field=field)
