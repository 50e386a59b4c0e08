"""Who calls, and what they may do.

Every call is resolved to one :class:`Principal` before a service sees it. Today the source is the
token file of the run folder; another source replaces only :class:`PrincipalSource`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.wire import reason as reasons


class Role(enum.StrEnum):
    """What a principal may do; each method of a service asks for exactly one."""

    OPEN = "open"
    """No token needed: health, reflection."""
    READ = "read"
    """See market data and the principal's own accounts."""
    TRADE = "trade"
    """Enter orders for the principal's accounts; implies READ."""
    OPERATE = "operate"
    """Set limits and kill switches; implies READ."""
    ADMINISTER = "administer"
    """Run the venue: phases, halts, bands, fees; implies READ."""


_IMPLIED: dict[Role, frozenset[Role]] = {
    Role.OPEN: frozenset(),
    Role.READ: frozenset({Role.READ}),
    Role.TRADE: frozenset({Role.TRADE, Role.READ}),
    Role.OPERATE: frozenset({Role.OPERATE, Role.READ}),
    Role.ADMINISTER: frozenset({Role.ADMINISTER, Role.READ}),
}


@cache
def _granted(roles: frozenset[Role]) -> frozenset[Role]:
    """All that these roles allow, by themselves and by what they imply."""
    return frozenset[Role]().union(*(_IMPLIED[own] for own in roles))


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller that presented valid credentials."""

    name: str
    accounts: frozenset[int]
    all_accounts: bool
    roles: frozenset[Role]

    @property
    def default_account(self) -> int:
        """The account that a request without one means: the only one, else zero."""
        return next(iter(self.accounts)) if len(self.accounts) == 1 else 0

    def has_role(self, role: Role) -> bool:
        """True if one of the principal's roles is, or implies, ``role``."""
        return role in _granted(self.roles)

    def may_use(self, account_id: int) -> bool:
        """True if the principal is entitled to the account."""
        return self.all_accounts or account_id in self.accounts

    def require_account(self, account_id: int) -> None:
        """Refuse an account outside the principal with REASON_PERMISSION_DENIED."""
        if not (self.all_accounts or account_id in self.accounts):
            raise TradeCaptainError(
                reasons.REASON_PERMISSION_DENIED,
                f"{self.name} isn't entitled to account {account_id}",
                field="account",
            )


class AccountDirectory:
    """Account ids by the texts that name them: the account's name, or its decimal id."""

    def __init__(self, ids_by_name: Mapping[str, int]) -> None:
        self._ids = {str(account_id): account_id for account_id in ids_by_name.values()}
        self._ids.update(ids_by_name)

    def resolve(self, principal: Principal, text: str) -> int:
        """The account that a request of ``principal`` means by ``text``.

        An empty text means the principal's only account. Accounts outside the principal are
        refused with REASON_PERMISSION_DENIED whether they exist or not, so that nobody learns
        which ones do; only who may use all accounts gets REASON_UNKNOWN_ACCOUNT.
        """
        account_id = self._ids.get(text) if text else principal.default_account
        if account_id and (principal.all_accounts or account_id in principal.accounts):
            return account_id
        if not text:
            message = f"{principal.name} has no single account: name one"
            raise TradeCaptainError(reasons.REASON_UNKNOWN_ACCOUNT, message, field="account")
        if principal.all_accounts:
            message = f"there is no account {text[:32]!r}"
            raise TradeCaptainError(reasons.REASON_UNKNOWN_ACCOUNT, message, field="account")
        message = f"{principal.name} isn't entitled to account {text[:32]!r}"
        raise TradeCaptainError(reasons.REASON_PERMISSION_DENIED, message, field="account")


NOBODY = Principal("nobody", frozenset(), False, frozenset())


class PrincipalSource(Protocol):
    """Resolves the value of an ``authorization`` header."""

    def resolve(self, authorization: str) -> Principal | None:
        """The principal that the header proves, or None."""
        ...


class Call:
    """One call in progress: who makes it, and how long they wait."""

    __slots__ = ("_accounts", "_context", "method", "principal")

    def __init__(
        self, principal: Principal, method: str, context: Any, accounts: AccountDirectory
    ) -> None:
        self.principal = principal
        self.method = method
        self._context = context
        self._accounts = accounts

    def account_id(self, text: str) -> int:
        """The account that a request means by ``text``; see :class:`AccountDirectory`."""
        return self._accounts.resolve(self.principal, text)

    @property
    def request_id(self) -> str:
        """The caller's ``x-request-id`` (Envoy stamps one), else an empty string."""
        for key, value in self._context.invocation_metadata() or ():
            if key == "x-request-id":
                return str(value)[:64]
        return ""

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None without one."""
        remaining = self._context.time_remaining()
        return None if remaining is None else float(remaining)

    def audit(self) -> dict[str, Any]:
        """The fields that every audit record of this call carries."""
        return {
            "principal": self.principal.name,
            "method": self.method,
            "request_id": self.request_id,
            "peer": str(self._context.peer()),
        }


CURRENT_CALL: ContextVar[Call] = ContextVar("tradecaptain_current_call")


def current_call() -> Call:
    """The call that the running task serves; only valid inside a servicer's method."""
    return CURRENT_CALL.get()
