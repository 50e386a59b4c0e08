"""Pre-trade controls in front of the book: every order is checked here, and fails closed.

A gate is one address. Modules: ``state`` has its memory, ``gate`` the checks on the order path,
``accounting`` what the book's events do, ``control`` the sequenced controls, ``levels`` the
hierarchy; ``controls``, ``permissions``, ``rates``, ``exposures`` and ``totals`` the single rules,
``scenarios`` margins of portfolios, ``questions`` what can be asked. Rules, reasons and clauses are
in docs/risk.md.
"""

from tradecaptain.kernels.risk_gate.accounting import (
    ACCOUNTING_ERROR,
    gate_apply_fill,
    gate_apply_quote,
    gate_release,
)
from tradecaptain.kernels.risk_gate.asked_order import asked_order
from tradecaptain.kernels.risk_gate.control import (
    gate_add_instrument,
    gate_apply_control,
    gate_handles,
)
from tradecaptain.kernels.risk_gate.far_calls import (
    FAR_APPLY_CONTROL,
    FAR_MARK_GROUP,
    call_far,
)
from tradecaptain.kernels.risk_gate.gate import (
    gate_check_new,
    gate_check_replace,
    gate_note_cancel,
)
from tradecaptain.kernels.risk_gate.layout import NO_PRICE, UNLIMITED
from tradecaptain.kernels.risk_gate.look_ahead import (
    gate_ask_for,
    gate_look_ahead,
    gate_look_closer,
)
from tradecaptain.kernels.risk_gate.rejection import (
    gate_reject_flags,
    gate_reject_level,
    gate_reject_limit_value,
    gate_reject_observed_value,
)
from tradecaptain.kernels.risk_gate.revaluation import gate_revalue
from tradecaptain.kernels.risk_gate.state import (
    GateCapacities,
    RiskGate,
    allocate_gate,
    notional_ratio,
)

__all__ = [
    "ACCOUNTING_ERROR",
    "FAR_APPLY_CONTROL",
    "FAR_MARK_GROUP",
    "NO_PRICE",
    "UNLIMITED",
    "GateCapacities",
    "RiskGate",
    "allocate_gate",
    "asked_order",
    "call_far",
    "gate_add_instrument",
    "gate_apply_control",
    "gate_apply_fill",
    "gate_apply_quote",
    "gate_ask_for",
    "gate_check_new",
    "gate_check_replace",
    "gate_handles",
    "gate_look_ahead",
    "gate_look_closer",
    "gate_note_cancel",
    "gate_reject_flags",
    "gate_reject_level",
    "gate_reject_limit_value",
    "gate_reject_observed_value",
    "gate_release",
    "gate_revalue",
    "notional_ratio",
]
