"""The form of plain commands in the venue: wire events, and the risk gate judges each order.

See `kernels/matching/plain_form.py`. What matching asks here, the sequencer asks as well for what
isn't plain.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_constant_i64, load_i16, load_i32, load_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.plain_wire import (
    AT_PRICE_UNITS,
    accepted,
    added,
    cancelled,
    count_trades,
    end_taking,
    expired,
    name_resting,
    name_taker,
    note_command,
    reduced,
    removed,
    rename,
    replaced,
)
from tradecaptain.kernels.matching.plain_wire import traded as write_traded
from tradecaptain.kernels.matching.tables import order_at
from tradecaptain.kernels.risk_gate import (
    gate_ask_for,
    gate_check_new,
    gate_check_replace,
    gate_note_cancel,
)
from tradecaptain.wire import order_command

__all__ = [
    "AT_PRICE_UNITS",
    "accepted",
    "added",
    "cancelled",
    "count_trades",
    "end_taking",
    "expired",
    "may_enter",
    "may_replace",
    "name_resting",
    "name_taker",
    "note_cancel",
    "note_command",
    "reduced",
    "removed",
    "rename",
    "replaced",
    "traded",
]


@inline
def gate_of(engine: int) -> int:
    """Address of the risk gate that stands before an engine."""
    return load_constant_i64(engine + at.HEADER_JUDGE)


@inline
def may_enter(engine: int, command: int) -> int:
    """Reserve for a new order: 0, or the reason why the gate refuses it."""
    return gate_check_new(gate_of(engine), command)


@inline
def may_replace(engine: int, command: int, order: int) -> int:
    """Reserve for what a replace adds to an order (by its address), or release what it takes off:
    0, or the reason why the gate refuses it."""
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    return gate_check_replace(
        gate_of(engine),
        command,
        load_i16(order + at.ORDER_SIDE) + 0,
        leaves_units,
        load_i64(order + at.ORDER_PRICE_UNITS),
        load_i64(order + at.ORDER_QUANTITY_UNITS) - leaves_units,
    )


@inline
def note_cancel(engine: int, command: int) -> None:
    """Count a cancel against its account's message rate."""
    gate_note_cancel(gate_of(engine), command)


@inline
def traded(
    engine: int,
    command: int,
    side: int,
    order_id: int,
    maker: int,
    price_units: int,
    quantity_units: int,
    leaves_units: int,
    trade_count: int,
) -> None:
    """Write the events, and ask memory for what the gate will change of the maker's account."""
    account_id = load_i32(order_at(engine, maker) + at.ORDER_ACCOUNT_ID) + 0
    gate_ask_for(gate_of(engine), account_id, order_command.get_instrument_id(command))
    write_traded(
        engine,
        command,
        side,
        order_id,
        maker,
        price_units,
        quantity_units,
        leaves_units,
        trade_count,
    )
