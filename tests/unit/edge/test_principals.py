"""Accounts: a request means one of the caller's own, or is refused."""

import pytest
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.principals import AccountDirectory, Principal, Role
from tradecaptain.wire import reason

DIRECTORY = AccountDirectory({"alpha": 100, "beta": 101})
ALPHA = Principal("alpha", frozenset({100}), False, frozenset({Role.TRADE}))
BOTH = Principal("both", frozenset({100, 101}), False, frozenset({Role.TRADE}))
OPERATOR = Principal("operator", frozenset(), True, frozenset({Role.OPERATE}))


@pytest.mark.parametrize(
    ("principal", "text", "account_id"),
    [
        (ALPHA, "alpha", 100),
        (ALPHA, "100", 100),
        (ALPHA, "", 100),
        (BOTH, "beta", 101),
        (OPERATOR, "101", 101),
    ],
)
def test_a_request_means_an_account(principal: Principal, text: str, account_id: int) -> None:
    assert DIRECTORY.resolve(principal, text) == account_id


@pytest.mark.parametrize(
    ("principal", "text", "why"),
    [
        (ALPHA, "beta", reason.REASON_PERMISSION_DENIED),
        (ALPHA, "101", reason.REASON_PERMISSION_DENIED),
        # Whether an account exists isn't told to those who may not use it.
        (ALPHA, "nobody", reason.REASON_PERMISSION_DENIED),
        (ALPHA, "0100", reason.REASON_PERMISSION_DENIED),
        (OPERATOR, "nobody", reason.REASON_UNKNOWN_ACCOUNT),
        (BOTH, "", reason.REASON_UNKNOWN_ACCOUNT),
        (OPERATOR, "", reason.REASON_UNKNOWN_ACCOUNT),
    ],
)
def test_other_accounts_are_refused(principal: Principal, text: str, why: int) -> None:
    with pytest.raises(TradeCaptainError) as refused:
        DIRECTORY.resolve(principal, text)
    assert (refused.value.reason, refused.value.field) == (why, "account")
