"""Controls on an account as a whole: gross and net exposure, credit, the day's loss.

An order is held against them as if it worked already. One that doesn't grow what a limit bounds
passes it, so that an account beyond its limit can get back.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64
from tradecaptain.kernels.fixed_point import add_saturating
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_GROSS_EXPOSURE,
    ACCOUNT_MARGIN,
    ACCOUNT_NET_IF_BOUGHT,
    ACCOUNT_NET_IF_SOLD,
    HEADER_VALUES_ARE_KEPT,
    INT64_MAX,
    UNLIMITED,
    VALUE_MAX,
)
from tradecaptain.kernels.risk_gate.levels import (
    LEVEL_ACCOUNT,
    LEVEL_INSTRUMENT,
    level_of,
    level_row,
    reject_limit,
    tightest,
)
from tradecaptain.kernels.risk_gate.permissions import reduces
from tradecaptain.kernels.risk_gate.rejection import reject
from tradecaptain.kernels.risk_gate.sums import equity, profit_of_day
from tradecaptain.kernels.risk_gate.valuation import (
    refresh_unit_value,
    values_with,
    why_without_value,
)
from tradecaptain.wire import control, reason

_KIND_CREDIT = control.LIMIT_KIND_CREDIT
_KIND_DAILY_LOSS = control.LIMIT_KIND_DAILY_LOSS
_KIND_GROSS_EXPOSURE = control.LIMIT_KIND_GROSS_EXPOSURE
_KIND_NET_EXPOSURE = control.LIMIT_KIND_NET_EXPOSURE
_REASON_CREDIT_LIMIT = reason.REASON_CREDIT_LIMIT
_REASON_DAILY_LOSS_LIMIT = reason.REASON_DAILY_LOSS_LIMIT
_REASON_GROSS_EXPOSURE_LIMIT = reason.REASON_GROSS_EXPOSURE_LIMIT
_REASON_NET_EXPOSURE_LIMIT = reason.REASON_NET_EXPOSURE_LIMIT


@inline
def _first_kind_set(gate: int) -> int:
    """The first kind of limit on exposure that binds, or 0."""
    for kind in range(_KIND_GROSS_EXPOSURE, _KIND_DAILY_LOSS + 1):
        if tightest(gate, kind) != UNLIMITED:
            return kind
    return 0


@inline
def _total(account: int, offset: int, before: int, after: int) -> int:
    """An account's sum with one pair's part replaced; INT64_MAX for a part too large to know."""
    if abs(after) >= VALUE_MAX:
        return INT64_MAX
    return add_saturating(load_i64(account + offset), after - before)


@inline
def _check_sum(gate: int, why: int, kind: int, before: int, after: int) -> int:
    """Hold a sum against its limit, unless the order doesn't grow it."""
    limit = tightest(gate, kind)
    if limit == UNLIMITED or after <= limit or (after <= before and after != INT64_MAX):
        return 0
    return reject_limit(gate, why, kind, limit, after)


@inline
def _check_net(gate: int, account: int, old: Any, new: Any) -> int:
    if_bought = load_i64(account + ACCOUNT_NET_IF_BOUGHT)
    if_sold = load_i64(account + ACCOUNT_NET_IF_SOLD)
    before = max(abs(if_bought), abs(if_sold))
    bought = _total(account, ACCOUNT_NET_IF_BOUGHT, old[1], new[1])
    sold = _total(account, ACCOUNT_NET_IF_SOLD, old[2], new[2])
    after = max(abs(bought), abs(sold))
    return _check_sum(gate, _REASON_NET_EXPOSURE_LIMIT, _KIND_NET_EXPOSURE, before, after)


@inline
def _check_credit(gate: int, account: int, old: Any, new: Any) -> int:
    """Margin of everything, this order included, against cash, profit and credit."""
    credit = tightest(gate, _KIND_CREDIT)
    if credit == UNLIMITED:
        return 0
    after = _total(account, ACCOUNT_MARGIN, old[3], new[3])
    allowed = add_saturating(credit, equity(account))
    grows = after > load_i64(account + ACCOUNT_MARGIN)
    if after <= allowed or not grows:
        return 0
    level = level_of(gate, _KIND_CREDIT, credit)
    return reject(gate, _REASON_CREDIT_LIMIT, level, allowed, after)


@inline
def _check_loss(gate: int, account: int, pair: int, side: int, added: int) -> int:
    limit = tightest(gate, _KIND_DAILY_LOSS)
    if limit == UNLIMITED:
        return 0
    loss = -max(profit_of_day(account), -INT64_MAX)
    if loss <= limit or reduces(pair, side, added):
        return 0
    return reject_limit(gate, _REASON_DAILY_LOSS_LIMIT, _KIND_DAILY_LOSS, limit, loss)


@inline
def check_exposure(gate: int, pair: int, side: int, added: int) -> int:
    """Exposure, credit and loss of the account if ``added`` worked on a side of the pair."""
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        return 0
    first = _first_kind_set(gate)
    if first == 0:
        return 0
    instrument = level_row(gate, LEVEL_INSTRUMENT)
    if not refresh_unit_value(instrument):
        limit = tightest(gate, first)
        return reject_limit(gate, why_without_value(instrument), first, limit, first)
    account = level_row(gate, LEVEL_ACCOUNT)
    old, new = values_with(gate, account, instrument, pair, side, added)
    before = load_i64(account + ACCOUNT_GROSS_EXPOSURE)
    after = _total(account, ACCOUNT_GROSS_EXPOSURE, old[0], new[0])
    why = _REASON_GROSS_EXPOSURE_LIMIT
    refusal = _check_sum(gate, why, _KIND_GROSS_EXPOSURE, before, after)
    if refusal == 0:
        refusal = _check_net(gate, account, old, new)
    if refusal == 0:
        refusal = _check_credit(gate, account, old, new)
    if refusal == 0:
        refusal = _check_loss(gate, account, pair, side, added)
    return refusal
