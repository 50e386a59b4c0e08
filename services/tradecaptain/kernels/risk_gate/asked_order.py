"""The order that a control asks about, as a command."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i64
from tradecaptain.kernels.risk_gate.layout import HEADER_SCRATCH_COMMAND
from tradecaptain.wire import control, order_command


@inline
def asked_order(gate: int, record: int) -> int:
    """Write the order of a control into the gate's scratch command; the address of that."""
    command = load_i64(gate + HEADER_SCRATCH_COMMAND)
    order_command.initialise(command)
    order_command.set_action(command, order_command.COMMAND_ACTION_NEW_ORDER)
    order_command.set_time_ns(command, control.get_time_ns(record))
    order_command.set_account_id(command, control.get_scope_id(record))
    order_command.set_instrument_id(command, control.get_instrument_id(record))
    order_command.set_side(command, control.get_side(record))
    order_command.set_order_type(command, control.get_order_type(record))
    order_command.set_time_in_force(command, control.get_time_in_force(record))
    order_command.set_price_units(command, control.get_price_units(record))
    order_command.set_quantity_units(command, control.get_quantity_units(record))
    order_command.set_firm_id(command, control.get_firm_id(record))
    order_command.set_strategy_id(command, control.get_strategy_id(record))
    order_command.set_self_trade_group(command, control.get_self_trade_group(record))
    order_command.set_short_sale(command, control.get_short_sale(record))
    order_command.set_instructions(command, control.get_instructions(record))
    return command
