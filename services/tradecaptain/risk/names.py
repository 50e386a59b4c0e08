"""Accounts, instruments and levels as requests and answers name them."""

from __future__ import annotations

from typing import cast

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.accounts import Account
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import Reference
from tradecaptain.risk.levels import (
    SCOPE_ACCOUNT,
    SCOPE_ACCOUNT_INSTRUMENT,
    SCOPE_FIRM,
    SCOPE_GROUP,
    SCOPE_STRATEGY,
    Level,
)


class Names:
    """Names of what reference data knows, numbers of what it doesn't."""

    def __init__(self, reference: Reference) -> None:
        self._accounts = {account.account_id: account for account in reference.accounts}
        self._instruments = {item.instrument_id: item for item in reference.instruments}

    def account(self, account_id: int) -> Account | None:
        """An account by its number."""
        return self._accounts.get(account_id)

    def instrument(self, instrument_id: int) -> Instrument | None:
        """An instrument by its number."""
        return self._instruments.get(instrument_id)

    def account_name(self, account_id: int) -> str:
        """Name of an account, or its number if it is gone."""
        account = self.account(account_id)
        return str(account_id) if account is None else account.name

    def instrument_name(self, instrument_id: int) -> str:
        """Name of an instrument, or its number if it is gone."""
        instrument = self.instrument(instrument_id)
        return str(instrument_id) if instrument is None else instrument.key

    def target(self, level: Level) -> risk_pb2.RiskTarget:
        """A level as requests and answers name it."""
        target = risk_pb2.RiskTarget(scope=cast("common_pb2.Scope.ValueType", level.scope))
        if level.scope == SCOPE_FIRM and level.scope_id:
            target.firm_id = level.scope_id
        elif level.scope == SCOPE_STRATEGY:
            target.strategy_id = level.scope_id
        elif level.scope == SCOPE_GROUP:
            target.group_id = level.scope_id
        elif level.scope in (SCOPE_ACCOUNT, SCOPE_ACCOUNT_INSTRUMENT):
            target.account = self.account_name(level.scope_id)
        if level.instrument_id:
            target.instrument = self.instrument_name(level.instrument_id)
        return target
