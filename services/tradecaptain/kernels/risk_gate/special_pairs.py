"""Pairs of accounts with totals or instruments with scenarios: changed with all that follows."""

from __future__ import annotations

from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.kernels.risk_gate.far_calls import FAR_CHANGE_PAIR, far_entry
from tradecaptain.kernels.risk_gate.layout import HEADER_VALUES_ARE_KEPT, INSTRUMENT_RISK_GROUP
from tradecaptain.kernels.risk_gate.scenarios import change_scan
from tradecaptain.kernels.risk_gate.sums import has_totals, quantities_of
from tradecaptain.kernels.risk_gate.totals import add_quantity
from tradecaptain.kernels.risk_gate.valuation import enter_pair, values_before


@far_entry(FAR_CHANGE_PAIR)
def change_special_pair(
    gate: int, account: int, instrument: int, pair: int, offset: int, amount: int
) -> int:
    """Set one quantity of a pair; sums of the account, of totals and losses follow."""
    if has_totals(account):
        add_quantity(gate, account, load_i64(instrument), offset, load_i64(pair + offset), amount)
    if load_i64(gate + HEADER_VALUES_ARE_KEPT) == 0:
        store_i64(pair + offset, amount)
        return 0
    position, buys, sells = quantities_of(pair)
    old = values_before(pair)
    store_i64(pair + offset, amount)
    enter_pair(account, instrument, pair, old)
    if load_i64(instrument + INSTRUMENT_RISK_GROUP) != 0:
        change_scan(gate, account, instrument, pair, position, buys, sells)
    return 0
