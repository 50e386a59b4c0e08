"""Sequenced controls: limits, switches, restrictions, reference prices, positions, cash.

Every control is idempotent. A row is made where a level has none yet; a full table refuses.
"""

from __future__ import annotations

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import load_i32, load_i64, store_f64, store_i32, store_i64
from tradecaptain.kernels.fixed_point import subtract_saturating
from tradecaptain.kernels.risk_gate.far_calls import FAR_APPLY_CONTROL, far_entry
from tradecaptain.kernels.risk_gate.layout import (
    ACCOUNT_CASH,
    ACCOUNT_DAY_START_VALUE,
    ACCOUNT_EXECUTION_COUNT,
    ACCOUNT_POSITION_VALUE,
    ACCOUNT_ROW_BYTES,
    ACCOUNT_TRADE_CASH,
    CONVERSION_ONE,
    FIRST_LIMIT_KIND,
    FIRST_TOTAL_KIND,
    FLAG_KILLED,
    FLAG_THROTTLED,
    HEADER_ACCOUNTS,
    HEADER_DUPLICATES_ARE_WATCHED,
    HEADER_EXECUTIONS_ARE_WATCHED,
    HEADER_INSTRUMENTS,
    HEADER_NOW_NS,
    HEADER_PAIRS,
    HEADER_RATES_ARE_WATCHED,
    HEADER_TOTALS,
    INSTRUMENT_CLOSE_PRICE,
    INSTRUMENT_CONVERSION,
    INSTRUMENT_DENOMINATOR,
    INSTRUMENT_KEY,
    INSTRUMENT_LAST_PRICE,
    INSTRUMENT_LAST_TIME_NS,
    INSTRUMENT_MARGIN_BPS,
    INSTRUMENT_MID_PRICE,
    INSTRUMENT_MID_TIME_NS,
    INSTRUMENT_NOTIONAL_RATIO,
    INSTRUMENT_NUMERATOR,
    INSTRUMENT_OUTSIDE_PRICE,
    INSTRUMENT_OUTSIDE_TIME_NS,
    INSTRUMENT_REFERENCE_FLAGS,
    INSTRUMENT_ROW_BYTES,
    INT64_MAX,
    LAST_LIMIT_KIND,
    LAST_TOTAL_KIND,
    LIMIT_FLAGS,
    NO_PRICE,
    PAIR_POSITION,
    REFERENCE_CLOSE,
    REFERENCE_LAST,
    REFERENCE_MID,
    REFERENCE_OUTSIDE,
    RESTRICTION_SHIFT,
    RESTRICTIONS,
    TABLE_BUCKET_COUNT,
    TABLE_ROWS,
    TOTAL_ROW_BYTES,
    UNLIMITED,
)
from tradecaptain.kernels.risk_gate.level_rows import (
    account_row,
    find_or_add_limits,
    instrument_row,
    is_pair_scope,
    scope_row,
)
from tradecaptain.kernels.risk_gate.pairs import add_pair, pair_of
from tradecaptain.kernels.risk_gate.questions import answer_dry_run, report_sums
from tradecaptain.kernels.risk_gate.references import note_reference
from tradecaptain.kernels.risk_gate.revaluation import gate_revalue, keep_values
from tradecaptain.kernels.risk_gate.rows import is_valid_id
from tradecaptain.kernels.risk_gate.scenario_control import set_scenarios
from tradecaptain.kernels.risk_gate.sums import add_to_account, profit
from tradecaptain.kernels.risk_gate.table import find_row, is_full, pair_key
from tradecaptain.kernels.risk_gate.temporary import (
    begin_record,
    find_temporary,
    forget_temporary,
    grant_temporary,
    note_change,
    write_limit,
)
from tradecaptain.kernels.risk_gate.totals import (
    TOTAL_OF_FIRM,
    TOTAL_OF_GROUP,
    join_total,
    kind_in_row,
    total_limit_row,
)
from tradecaptain.kernels.risk_gate.valuation import change_pair, note_value_scale
from tradecaptain.wire import control, reason

_ACTION_CHECK_ORDER = control.CONTROL_ACTION_CHECK_ORDER
_ACTION_CLEAR_LIMIT = control.CONTROL_ACTION_CLEAR_LIMIT
_ACTION_GRANT_OVERRIDE = control.CONTROL_ACTION_GRANT_OVERRIDE
_ACTION_KILL = control.CONTROL_ACTION_KILL
_ACTION_PERMIT = control.CONTROL_ACTION_PERMIT
_ACTION_REFERENCE_PRICE = control.CONTROL_ACTION_REFERENCE_PRICE
_ACTION_REPORT_SUMS = control.CONTROL_ACTION_REPORT_SUMS
_ACTION_RESET_THROTTLE = control.CONTROL_ACTION_RESET_THROTTLE
_ACTION_RESTRICT = control.CONTROL_ACTION_RESTRICT
_ACTION_REVALUE = control.CONTROL_ACTION_REVALUE
_ACTION_SET_CASH = control.CONTROL_ACTION_SET_CASH
_ACTION_SET_CONVERSION = control.CONTROL_ACTION_SET_CONVERSION
_ACTION_SET_FIRM = control.CONTROL_ACTION_SET_FIRM
_ACTION_SET_GROUP = control.CONTROL_ACTION_SET_GROUP
_ACTION_SET_LIMIT = control.CONTROL_ACTION_SET_LIMIT
_ACTION_SET_MARGIN = control.CONTROL_ACTION_SET_MARGIN
_ACTION_SET_POSITION = control.CONTROL_ACTION_SET_POSITION
_ACTION_SET_SCENARIOS = control.CONTROL_ACTION_SET_SCENARIOS
_ACTION_START_DAY = control.CONTROL_ACTION_START_DAY
_ACTION_UNKILL = control.CONTROL_ACTION_UNKILL
_KIND_DUPLICATE_WINDOW = control.LIMIT_KIND_DUPLICATE_WINDOW
_KIND_EXECUTION_COUNT = control.LIMIT_KIND_EXECUTION_COUNT
_KIND_GROSS_EXPOSURE = control.LIMIT_KIND_GROSS_EXPOSURE
_KIND_MESSAGE_RATE = control.LIMIT_KIND_MESSAGE_RATE
_KIND_OPEN_ORDERS = control.LIMIT_KIND_OPEN_ORDERS
_REASON_CAPACITY_EXHAUSTED = reason.REASON_CAPACITY_EXHAUSTED
_REASON_INVALID_REQUEST = reason.REASON_INVALID_REQUEST
_REASON_NUMBER_OUT_OF_RANGE = reason.REASON_NUMBER_OUT_OF_RANGE
_REASON_UNKNOWN_ACCOUNT = reason.REASON_UNKNOWN_ACCOUNT
_REASON_UNKNOWN_INSTRUMENT = reason.REASON_UNKNOWN_INSTRUMENT
_SCOPE_ACCOUNT = control.CONTROL_SCOPE_ACCOUNT
_SCOPE_ACCOUNT_INSTRUMENT = control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT
_SCOPE_INSTRUMENT = control.CONTROL_SCOPE_INSTRUMENT

CONTROL_FLAG_REFERENCE_MID = 4
CONTROL_FLAG_REFERENCE_OUTSIDE = 8
CONTROL_FLAG_REFERENCE_CLOSE = 16
MARGIN_BPS_MAX = 1_000_000
REVALUED_MAX = 4_096
"""Pairs that one control may revalue: a turn of the venue waits for them."""
# What is counted for an account as a whole has no meaning for an instrument, but for open orders.
_WHOLE_ACCOUNT_KINDS = (
    (1 << control.LIMIT_KIND_MESSAGE_RATE)
    | (1 << control.LIMIT_KIND_MESSAGE_BURST)
    | (1 << control.LIMIT_KIND_EXECUTION_COUNT)
    | (1 << control.LIMIT_KIND_EXECUTION_WINDOW)
    | (1 << control.LIMIT_KIND_GROSS_EXPOSURE)
    | (1 << control.LIMIT_KIND_NET_EXPOSURE)
    | (1 << control.LIMIT_KIND_CREDIT)
    | (1 << control.LIMIT_KIND_DAILY_LOSS)
)


@inline
def _limit_row(gate: int, record: int) -> int:
    """Row of limits that a limit's control names, or a negative reason."""
    kind = control.get_limit_kind(record)
    if kind >= FIRST_TOTAL_KIND and kind <= LAST_TOTAL_KIND:
        return total_limit_row(gate, record)
    if kind < FIRST_LIMIT_KIND or kind > LAST_LIMIT_KIND:
        return -_REASON_INVALID_REQUEST
    is_whole = (_WHOLE_ACCOUNT_KINDS >> kind) & 1 == 1
    if is_pair_scope(record) and (is_whole or kind == _KIND_OPEN_ORDERS):
        return -_REASON_INVALID_REQUEST
    if control.get_scope(record) == _SCOPE_INSTRUMENT and is_whole:
        return -_REASON_INVALID_REQUEST
    if control.get_action(record) != _ACTION_CLEAR_LIMIT and control.get_value(record) < 0:
        return -_REASON_NUMBER_OUT_OF_RANGE
    return scope_row(gate, record)


@inline
def _place_of(record: int) -> int:
    """The kind in whose place a limit lies in its row."""
    kind = control.get_limit_kind(record)
    return kind_in_row(kind) if kind >= FIRST_TOTAL_KIND else kind


@inline
def _watch(gate: int, kind: int, value: int) -> None:
    """The first limit of some kinds begins what it is held against: others don't pay for it."""
    if value == UNLIMITED:
        return
    if kind >= _KIND_GROSS_EXPOSURE:
        keep_values(gate)
    elif kind == _KIND_MESSAGE_RATE:
        store_i64(gate + HEADER_RATES_ARE_WATCHED, 1)
    elif kind == _KIND_EXECUTION_COUNT:
        store_i64(gate + HEADER_EXECUTIONS_ARE_WATCHED, 1)
    elif kind == _KIND_DUPLICATE_WINDOW:
        store_i64(gate + HEADER_DUPLICATES_ARE_WATCHED, 1)


@inline
def _apply_limit(gate: int, record: int, is_set: bool) -> int:
    row = _limit_row(gate, record)
    if row < 0:
        return -row
    kind = _place_of(record)
    value = control.get_value(record) if is_set else UNLIMITED
    forget_temporary(gate, row, kind)
    write_limit(gate, row, kind, value, is_set)
    _watch(gate, kind, value)
    return 0


@inline
def _grant_override(gate: int, record: int) -> int:
    """Let a limit have another value until a time that lies ahead."""
    end_ns = control.get_expire_time_ns(record)
    if end_ns <= load_i64(gate + HEADER_NOW_NS):
        return _REASON_NUMBER_OUT_OF_RANGE
    row = _limit_row(gate, record)
    if row < 0:
        return -row
    kind = _place_of(record)
    place = find_temporary(gate, row, kind)
    if place == 0:
        return _REASON_CAPACITY_EXHAUSTED
    grant_temporary(gate, place, row, kind, control.get_value(record), end_ns)
    _watch(gate, kind, control.get_value(record))
    return 0


@inline
def _change_flags(gate: int, record: int, bits: int, is_on: bool) -> int:
    """Turn flags of a level on or off; asking twice changes nothing."""
    row = scope_row(gate, record)
    if row < 0:
        return -row
    flags = load_i32(row + LIMIT_FLAGS)
    store_i32(row + LIMIT_FLAGS, flags | bits if is_on else flags & ~bits)
    note_change(gate)
    return 0


@inline
def _change_restrictions(gate: int, record: int, is_on: bool) -> int:
    bits = control.get_value(record)
    if bits <= 0 or bits & ~RESTRICTIONS != 0:
        return _REASON_NUMBER_OUT_OF_RANGE
    return _change_flags(gate, record, bits << RESTRICTION_SHIFT, is_on)


@inline
def _set_reference_price(gate: int, record: int) -> int:
    value = control.get_value(record)
    if value == NO_PRICE:
        return _REASON_NUMBER_OUT_OF_RANGE
    row = instrument_row(gate, control.get_instrument_id(record))
    if row < 0:
        return -row
    flags = control.get_flags(record)
    offset, time_offset, source = INSTRUMENT_LAST_PRICE, INSTRUMENT_LAST_TIME_NS, REFERENCE_LAST
    if flags & CONTROL_FLAG_REFERENCE_MID:
        offset, time_offset, source = INSTRUMENT_MID_PRICE, INSTRUMENT_MID_TIME_NS, REFERENCE_MID
    if flags & CONTROL_FLAG_REFERENCE_OUTSIDE:
        offset, time_offset = INSTRUMENT_OUTSIDE_PRICE, INSTRUMENT_OUTSIDE_TIME_NS
        source = REFERENCE_OUTSIDE
    if flags & CONTROL_FLAG_REFERENCE_CLOSE:
        offset, time_offset, source = INSTRUMENT_CLOSE_PRICE, 0, REFERENCE_CLOSE
    note_reference(gate, row, source, offset, time_offset, value)
    return 0


@inline
def _set_position(gate: int, record: int) -> int:
    """Replace the position of a pair; what is working stays, and it is neither profit nor loss."""
    scope = control.get_scope(record)
    instrument_id = control.get_instrument_id(record)
    account_id = control.get_scope_id(record)
    if scope != _SCOPE_ACCOUNT and scope != _SCOPE_ACCOUNT_INSTRUMENT:
        return _REASON_INVALID_REQUEST
    if not is_valid_id(account_id):
        return _REASON_UNKNOWN_ACCOUNT
    instrument = instrument_row(gate, instrument_id)
    if instrument < 0:
        return _REASON_UNKNOWN_INSTRUMENT
    account = account_row(gate, account_id)
    if account < 0:
        return -account
    key = pair_key(account_id, instrument_id)
    if load_i64(pair_of(gate, key)) == 0 and is_full(gate + HEADER_PAIRS):
        return _REASON_CAPACITY_EXHAUSTED
    pair = add_pair(gate, key)
    before = load_i64(account + ACCOUNT_POSITION_VALUE)
    change_pair(gate, account, instrument, pair, PAIR_POSITION, control.get_value(record))
    gained = subtract_saturating(load_i64(account + ACCOUNT_POSITION_VALUE), before)
    add_to_account(account, ACCOUNT_TRADE_CASH, -max(gained, -INT64_MAX))
    return 0


@inline
def _change_account(gate: int, record: int, action: int) -> int:
    """Group, firm, cash or throttle of an account."""
    account_id = control.get_scope_id(record)
    value = control.get_value(record)
    if control.get_scope(record) != _SCOPE_ACCOUNT:
        return _REASON_INVALID_REQUEST
    if not is_valid_id(account_id):
        return _REASON_UNKNOWN_ACCOUNT
    names_total = action in (_ACTION_SET_GROUP, _ACTION_SET_FIRM)
    if names_total and value != 0 and not is_valid_id(value):
        return _REASON_NUMBER_OUT_OF_RANGE
    account = account_row(gate, account_id)
    if account < 0:
        return -account
    note_change(gate)
    if action == _ACTION_SET_GROUP:
        join_total(gate, account, TOTAL_OF_GROUP, value)
    elif action == _ACTION_SET_FIRM:
        join_total(gate, account, TOTAL_OF_FIRM, value)
    elif action == _ACTION_SET_CASH:
        more = subtract_saturating(value, load_i64(account + ACCOUNT_CASH))
        add_to_account(account, ACCOUNT_CASH, more)
        store_i64(account + ACCOUNT_CASH, value)
    else:
        store_i32(account + LIMIT_FLAGS, load_i32(account + LIMIT_FLAGS) & ~FLAG_THROTTLED)
        store_i64(account + ACCOUNT_EXECUTION_COUNT, 0)
    return 0


@inline
def _change_instrument(gate: int, record: int, action: int) -> int:
    """Conversion or margin of an instrument; pairs take it when they change or are revalued."""
    row = instrument_row(gate, control.get_instrument_id(record))
    if row < 0:
        return -row
    value = control.get_value(record)
    if value < 0 or (action == _ACTION_SET_MARGIN and value > MARGIN_BPS_MAX):
        return _REASON_NUMBER_OUT_OF_RANGE
    if action == _ACTION_SET_MARGIN:
        store_i32(row + INSTRUMENT_MARGIN_BPS, value)
    else:
        store_i64(row + INSTRUMENT_CONVERSION, value)
    note_value_scale(row)
    return 0


@inline
def _start_day(gate: int) -> int:
    """Profit and loss of the day begin at zero; last prices become closing prices."""
    note_change(gate)
    table = gate + HEADER_ACCOUNTS
    row = load_i64(table + TABLE_ROWS)
    for _ in range(load_i64(table + TABLE_BUCKET_COUNT)):
        if load_i64(row) != 0:
            store_i64(row + ACCOUNT_DAY_START_VALUE, profit(row))
        row += ACCOUNT_ROW_BYTES
    table = gate + HEADER_TOTALS
    row = load_i64(table + TABLE_ROWS)
    for _ in range(load_i64(table + TABLE_BUCKET_COUNT)):
        store_i64(row + ACCOUNT_DAY_START_VALUE, profit(row))
        row += TOTAL_ROW_BYTES
    table = gate + HEADER_INSTRUMENTS
    row = load_i64(table + TABLE_ROWS)
    for _ in range(load_i64(table + TABLE_BUCKET_COUNT)):
        if load_i64(row + INSTRUMENT_REFERENCE_FLAGS) & REFERENCE_LAST:
            last = load_i64(row + INSTRUMENT_LAST_PRICE)
            note_reference(gate, row, REFERENCE_CLOSE, INSTRUMENT_CLOSE_PRICE, 0, last)
        row += INSTRUMENT_ROW_BYTES
    return 0


@kernel(types.int64(types.int64))
def gate_handles(action: int) -> int:
    """1 if a ControlAction is the gate's business, else 0."""
    if action >= _ACTION_SET_LIMIT and action <= _ACTION_SET_POSITION:
        return 1
    if action >= _ACTION_SET_GROUP and action <= _ACTION_REPORT_SUMS:
        return 1
    return 1 if action == _ACTION_CLEAR_LIMIT else 0


@inline
def _revalue(gate: int, record: int) -> int:
    """Bring some pairs to present prices; the control tells then where to go on, or zero."""
    count = control.get_quantity_units(record)
    if count <= 0 or count > REVALUED_MAX:
        return _REASON_NUMBER_OUT_OF_RANGE
    control.set_value(record, gate_revalue(gate, control.get_value(record), count))
    return 0


@inline
def _apply_level(gate: int, record: int, action: int) -> int:
    """Limits, switches and restrictions of a level."""
    if action == _ACTION_SET_LIMIT:
        return _apply_limit(gate, record, True)
    if action == _ACTION_CLEAR_LIMIT:
        return _apply_limit(gate, record, False)
    if action == _ACTION_GRANT_OVERRIDE:
        return _grant_override(gate, record)
    if action in (_ACTION_KILL, _ACTION_UNKILL):
        return _change_flags(gate, record, FLAG_KILLED, action == _ACTION_KILL)
    return _change_restrictions(gate, record, action == _ACTION_RESTRICT)


@far_entry(FAR_APPLY_CONTROL)
def apply_control(gate: int, record: int, a: int, b: int, c: int, d: int) -> int:
    """Apply a normalised Control at address ``record``; 0, or the reason why nothing changed."""
    action = control.get_action(record)
    if gate_handles(action) == 0:
        return _REASON_INVALID_REQUEST
    begin_record(gate, control.get_time_ns(record))
    if action == _ACTION_REFERENCE_PRICE:
        return _set_reference_price(gate, record)
    if action == _ACTION_SET_POSITION:
        return _set_position(gate, record)
    if action == _ACTION_SET_FIRM or (
        action in (_ACTION_SET_GROUP, _ACTION_SET_CASH, _ACTION_RESET_THROTTLE)
    ):
        return _change_account(gate, record, action)
    if action in (_ACTION_SET_CONVERSION, _ACTION_SET_MARGIN):
        return _change_instrument(gate, record, action)
    if action == _ACTION_START_DAY:
        return _start_day(gate)
    if action == _ACTION_SET_SCENARIOS:
        return set_scenarios(gate, record)
    if action == _ACTION_REVALUE:
        return _revalue(gate, record)
    if action == _ACTION_CHECK_ORDER:
        return answer_dry_run(gate, record)
    if action == _ACTION_REPORT_SUMS:
        return report_sums(gate, record)
    return _apply_level(gate, record, action)


def gate_apply_control(gate: int, record: int) -> int:
    """Apply a normalised Control at address ``record``; 0, or the reason why nothing changed.

    This is for Python; compiled code calls by `FAR_APPLY_CONTROL`.
    """
    return int(apply_control(gate, record, 0, 0, 0, 0))


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64))
def gate_add_instrument(gate: int, instrument_id: int, numerator: int, denominator: int) -> int:
    """Make an instrument tradable; the ratio is that of :func:`notional_ratio`.

    It begins with the accounts' own currency and a margin of its whole value. Returns 0 or a
    negative reason. Adding it again changes its ratio only.
    """
    if not is_valid_id(instrument_id):
        return -_REASON_UNKNOWN_INSTRUMENT
    if numerator <= 0 or denominator <= 0:
        return -_REASON_NUMBER_OUT_OF_RANGE
    table = gate + HEADER_INSTRUMENTS
    place = find_row(table, instrument_id, INSTRUMENT_ROW_BYTES, INSTRUMENT_KEY)
    is_new = load_i64(place) == 0
    row = find_or_add_limits(table, instrument_id, INSTRUMENT_ROW_BYTES, INSTRUMENT_KEY)
    if row < 0:
        return row
    if is_new:
        store_i64(row + INSTRUMENT_CONVERSION, CONVERSION_ONE)
        store_i32(row + INSTRUMENT_MARGIN_BPS, 10_000)
    store_i64(row + INSTRUMENT_NUMERATOR, numerator)
    store_i64(row + INSTRUMENT_DENOMINATOR, denominator)
    store_f64(row + INSTRUMENT_NOTIONAL_RATIO, float(numerator) / float(denominator))
    note_value_scale(row)
    return 0
