"""Mass cancels and status requests as commands: from a record to the filters of a walk."""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.entry import begin_order_command, refuse
from tradecaptain.kernels.matching.events import begin_command
from tradecaptain.kernels.matching.identity import find_order_id
from tradecaptain.kernels.matching.layout import DONE, PHASE_MASS_CANCEL, PHASE_STATUS
from tradecaptain.kernels.matching.sweep import begin_sweep, clear_filters, sweep_one
from tradecaptain.kernels.matching.tables import account_known, book_index
from tradecaptain.wire import common, control, order_command, reason


@inline
def submit_mass_cancel(engine: int, command: int) -> int:
    """Cancel an account's own orders; instrument, side, session and strategy narrow it if set."""
    begin_order_command(engine, command)
    account_id = order_command.get_account_id(command)
    instrument_id = order_command.get_instrument_id(command)
    side = order_command.get_side(command)
    book = book_index(engine, instrument_id)
    if not account_known(engine, account_id):
        refuse(engine, command, reason.REASON_UNKNOWN_ACCOUNT)
        return DONE
    if instrument_id != 0 and book == 0:
        refuse(engine, command, reason.REASON_UNKNOWN_INSTRUMENT)
        return DONE
    if side > common.SIDE_SELL:
        refuse(engine, command, reason.REASON_INVALID_SIDE)
        return DONE
    clear_filters(engine)
    store_i64(engine + at.HEADER_FILTER_ACCOUNT_ID, account_id)
    store_i64(engine + at.HEADER_FILTER_BOOK, book)
    store_i64(engine + at.HEADER_FILTER_SIDE, side)
    store_i64(engine + at.HEADER_FILTER_SESSION_ID, order_command.get_session_id(command))
    store_i64(engine + at.HEADER_FILTER_STRATEGY_ID, order_command.get_strategy_id(command))
    store_i64(engine + at.HEADER_ANSWERS_ACCOUNT_ID, account_id)
    return begin_sweep(engine, PHASE_MASS_CANCEL, reason.REASON_CANCELLED_BY_MASS_CANCEL)


@inline
def set_scope(engine: int, record: int) -> int:
    """Filters of a control's scope: 0, or the reason why the scope can't be served.

    The engine knows no groups: whoever calls names a group's accounts by `set_accounts` after this.
    """
    scope = control.get_scope(record)
    scope_id = control.get_scope_id(record)
    instrument_id = control.get_instrument_id(record)
    book = book_index(engine, instrument_id)
    clear_filters(engine)
    if instrument_id != 0 and book == 0:
        return reason.REASON_UNKNOWN_INSTRUMENT
    if control.get_side(record) > common.SIDE_SELL:
        return reason.REASON_INVALID_SIDE
    store_i64(engine + at.HEADER_FILTER_BOOK, book)
    store_i64(engine + at.HEADER_FILTER_SIDE, control.get_side(record))
    if scope == control.CONTROL_SCOPE_FIRM:
        store_i64(engine + at.HEADER_FILTER_FIRM_ID, scope_id)
        return 0
    if scope == control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT and book == 0:
        return reason.REASON_UNKNOWN_INSTRUMENT
    if scope == control.CONTROL_SCOPE_INSTRUMENT:
        return 0 if book != 0 else reason.REASON_UNKNOWN_INSTRUMENT
    if scope == control.CONTROL_SCOPE_ORDER:
        is_working = find_order_id(engine, control.get_value(record)) != 0
        return 0 if is_working else reason.REASON_UNKNOWN_ORDER
    if scope_id == 0:
        return reason.REASON_INVALID_REQUEST
    if scope == control.CONTROL_SCOPE_GROUP:
        return 0
    if scope == control.CONTROL_SCOPE_ACCOUNT or scope == control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT:
        store_i64(engine + at.HEADER_FILTER_ACCOUNT_ID, scope_id)
        store_i64(engine + at.HEADER_FILTER_STRATEGY_ID, control.get_value(record))
    elif scope == control.CONTROL_SCOPE_STRATEGY:
        store_i64(engine + at.HEADER_FILTER_STRATEGY_ID, scope_id)
    elif scope == control.CONTROL_SCOPE_SESSION:
        store_i64(engine + at.HEADER_FILTER_SESSION_ID, scope_id)
    else:
        return reason.REASON_INVALID_REQUEST
    return 0


@inline
def set_accounts(engine: int, accounts: int) -> None:
    """Confine a walk to accounts whose bytes in a map, by account id, aren't zero."""
    store_i64(engine + at.HEADER_FILTER_ACCOUNTS, accounts)


@inline
def submit_control_sweep(engine: int, record: int, is_status: bool, why: int) -> int:
    """Cancel or report the orders in a control's scope; `set_scope` has set the filters."""
    begin_command(engine, control.get_sequence(record), control.get_time_ns(record))
    store_i64(engine + at.HEADER_ANSWER_TAG, 0)
    store_i64(engine + at.HEADER_ANSWER_TIME_NS, 0)
    if control.get_scope(record) == control.CONTROL_SCOPE_ORDER and not is_status:
        return sweep_one(engine, find_order_id(engine, control.get_value(record)), why)
    return begin_sweep(engine, PHASE_STATUS if is_status else PHASE_MASS_CANCEL, why)
