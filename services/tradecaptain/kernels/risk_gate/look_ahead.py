"""Asking for what a check will read, some commands before it is made.

A check reads some ten cache lines of tables that are larger than a core's caches; one after the
other they would cost more than all else. Who takes commands in batches looks ahead in two stages:
what follows from a command's ids first, and a command later the remembered terms that might be the
same, which follow from all of it. Nothing waits for any of it, and any numbers will do.
"""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, inline_always, kernel
from tradecaptain.base.memory import load_i64, prefetch_write
from tradecaptain.kernels.risk_gate.duplicates import mark_of, prefetch_marks
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_GROUP_TOTAL,
    ACCOUNT_KEY,
    ACCOUNT_ROW_BYTES,
    HEADER_ACCOUNTS,
    HEADER_DUPLICATES_ARE_WATCHED,
    HEADER_INSTRUMENTS,
    INSTRUMENT_KEY,
    INSTRUMENT_ROW_BYTES,
)
from tradecaptain.kernels.risk_gate.pairs import prefetch_pair
from tradecaptain.kernels.risk_gate.table import pair_key, place_of_id
from tradecaptain.wire import order_command

_LINE_BYTES = 64


@inline_always
def _prefetch_lead(row: int, lead_offset: int) -> None:
    """Ask for the lines before a row's limits."""
    for offset in range(lead_offset, 0, _LINE_BYTES):
        prefetch_write(row + offset)


@inline
def gate_ask_for(gate: int, account_id: int, instrument_id: int) -> None:
    """Ask for an account, an instrument and their pair."""
    prefetch_pair(gate, pair_key(account_id, instrument_id))
    row = place_of_id(gate + HEADER_ACCOUNTS, account_id, ACCOUNT_ROW_BYTES)
    _prefetch_lead(row, ACCOUNT_KEY)
    # Where its totals lie, and how often it traded of late.
    prefetch_write(row + ACCOUNT_GROUP_TOTAL)
    row = place_of_id(gate + HEADER_INSTRUMENTS, instrument_id, INSTRUMENT_ROW_BYTES)
    _prefetch_lead(row, INSTRUMENT_KEY)


@kernel(types.void(types.int64, types.int64))
def gate_look_ahead(gate: int, command: int) -> None:
    """Ask for what a command's ids lead to: account, instrument and pair.

    ``command`` is the address of an OrderCommand, which need not be checked yet.
    """
    account_id = order_command.get_account_id(command)
    gate_ask_for(gate, account_id, order_command.get_instrument_id(command))


@kernel(types.void(types.int64, types.int64))
def gate_look_closer(gate: int, command: int) -> None:
    """Ask for the remembered terms that might be a new order's, if any are compared."""
    if (
        load_i64(gate + HEADER_DUPLICATES_ARE_WATCHED) == 0
        or order_command.get_action(command) != order_command.COMMAND_ACTION_NEW_ORDER
    ):
        return
    account_id = order_command.get_account_id(command)
    key = pair_key(account_id, order_command.get_instrument_id(command))
    prefetch_marks(gate, mark_of(key, command))
