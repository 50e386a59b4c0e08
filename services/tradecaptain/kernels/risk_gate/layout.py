"""Layout of the gate's memory: what its rows hold, and where.

A row of limits has its key first and then the limits in the order of their kinds, so that the limit
of kind k lies 8 k bytes into it. Rows of accounts, instruments and totals have one in their middle,
by whose address they go; what lies before it has offsets below zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tradecaptain.base.accounts import UNLIMITED_UNITS
from tradecaptain.kernels.fixed_point.wide import SCALE_BITS
from tradecaptain.wire import control

INT64_MAX = 2**63 - 1
UNLIMITED = UNLIMITED_UNITS
"""An explicit "no limit": unlike an unset limit it lets orders pass."""
NO_PRICE = -(2**63)
"""Stands for an empty side in :func:`gate_apply_quote`."""
MAXIMUM_ID = 2**31 - 1
"""Largest account, instrument, firm, group and strategy id; a pair's key is a positive int64."""

LIMIT_NAMES = (
    "order_quantity",
    "order_notional",
    "price_collar_bps",
    "position_long",
    "position_short",
    "open_orders",
    "gross_position",
    "displayed_share_bps",
    "price_move_bps",
    "reference_age_ms",
    "message_rate",
    "message_burst",
    "duplicate_window_ms",
    "execution_count",
    "execution_window_ms",
    "gross_exposure",
    "net_exposure",
    "credit",
    "daily_loss",
)
"""Limits in the order of their kinds, which count from 1."""
LIMIT_KIND_COUNT = len(LIMIT_NAMES)
FIRST_LIMIT_KIND = control.LIMIT_KIND_ORDER_QUANTITY
LAST_LIMIT_KIND = control.LIMIT_KIND_DAILY_LOSS
# Limits on totals over a group or firm lie in rows of their own, each in the place of the limit
# that bounds the same of one account.
FIRST_TOTAL_KIND = control.LIMIT_KIND_TOTAL_GROSS_EXPOSURE
LAST_TOTAL_KIND = control.LIMIT_KIND_TOTAL_POSITION_SHORT
FIRST_POSITION_TOTAL_KIND = control.LIMIT_KIND_TOTAL_POSITION_LONG

TABLE_DTYPE = np.dtype(
    [("rows", "i8"), ("bucket_count", "i8"), ("used_count", "i8"), ("capacity", "i8")]
)

# What one level of the hierarchy says: limits, kill switch, restrictions.
LIMIT_ROW_DTYPE = np.dtype(
    [
        ("key", "i8"),
        *((name, "i8") for name in LIMIT_NAMES),
        ("set_mask", "i4"),  # bit k: the limit of kind k is set
        ("flags", "i4"),  # FLAG_… and RESTRICT_…
    ]
)

# Rows of accounts, instruments and totals are addressed by their limits. What a check reads lies
# before them, on cache lines of its own that hold nothing else, and begins with the key once more.
ACCOUNT_ROW_DTYPE = np.dtype(
    [
        # Who it is, whether it may trade at all, how many messages and orders.
        ("account_key", "i8"),
        ("resolved_version", "i4"),  # of the limits of all levels, as far as 32 bits go; 0 if none
        ("resolved_firm", "i4"),
        ("resolved_flags", "i4"),
        ("marks", "i4"),  # MARK_…: where else to look
        ("open_order_count", "i4"),
        ("message_interval_ns", "i4"),  # time that a message takes up
        ("next_message_ns", "i8"),  # when the average rate will have caught up with the messages
        ("message_allowed_ns", "i8"),  # how far it may go ahead
        ("resolved_duplicate_window_ms", "i4"),
        ("resolved_reference_age_ms", "i4"),
        ("resolved_open_orders", "i4"),
        ("resolved_displayed_share_bps", "i4"),
        # What its own limits come to with those of its firm, group and the venue, made anew when
        # any limit of these levels has changed.
        ("resolved_order_quantity", "i8"),
        ("resolved_order_notional", "i8"),
        ("resolved_position_long", "i8"),
        ("resolved_position_short", "i8"),
        ("resolved_gross_position", "i8"),
        ("resolved_price_collar_bps", "i4"),
        ("resolved_price_move_bps", "i4"),
        ("resolved_gross_exposure", "i8"),
        ("resolved_net_exposure", "i8"),
        # What it holds, and two limits in the form in which that is held against them.
        ("gross_exposure", "i8"),
        ("net_if_bought", "i8"),  # net exposure if all working buys were filled
        ("net_if_sold", "i8"),
        ("margin", "i8"),
        ("trade_cash", "i8"),  # what sales brought less what purchases cost
        ("position_value", "i8"),
        ("credit_and_cash", "i8"),
        ("profit_floor", "i8"),  # profit at which the day's loss is at its limit
        # What a check of the short way doesn't read.
        ("limits", LIMIT_ROW_DTYPE),
        ("cash", "i8"),
        ("day_start_value", "i8"),  # trade cash and position value when the day began
        ("throttled_limit", "i8"),  # what stopped it, while it is throttled: the limit …
        # Rows of the totals of its group and firm; zero if they have none.
        ("group_total", "i8"),
        ("firm_total", "i8"),
        ("group_id", "i4"),
        ("firm_id", "i4"),  # as the risk service names it; zero until then
        ("execution_window_start_ns", "i8"),
        ("execution_count", "i8"),  # executions since that window began
        ("resolved_execution_count", "i8"),
        ("resolved_execution_window_ns", "i8"),
        ("throttled_count", "i8"),  # … and the executions that exceeded it
    ]
)
SUM_NAMES = (
    "cash",
    "trade_cash",
    "position_value",
    "day_start_value",
    "gross_exposure",
    "net_if_bought",
    "net_if_sold",
    "margin",
)
"""The sums of an account, in the order in which they are reported."""

# Limits on what a group or a firm holds together, and those sums: in all instruments, or positions
# in one. The sums lie where an account's lie, seen from the limits.
TOTAL_ROW_DTYPE = np.dtype(
    [
        *((f"total_{name}", "i8") for name in SUM_NAMES[4:]),
        ("total_trade_cash", "i8"),
        ("total_position_value", "i8"),
        *((f"total_reserved{number}", "i8") for number in range(2)),
        ("limits", LIMIT_ROW_DTYPE),
        ("total_cash", "i8"),
        ("total_day_start_value", "i8"),
        ("total_position", "i8"),
        ("total_working_buy", "i8"),
        ("total_working_sell", "i8"),
        *((f"total_reserved{number}", "i8") for number in range(2, 8)),
    ]
)

INSTRUMENT_ROW_DTYPE = np.dtype(
    [
        # Which it is, and the market as its book and others tell it.
        ("instrument_key", "i8"),
        ("instrument_version", "i4"),  # of the limits, as an account's
        ("instrument_flags", "i4"),
        ("reference_price", "i8"),  # the best of the known references
        ("reference_time_ns", "i8"),
        ("displayed_bid", "i8"),  # quantity shown at the best prices
        ("displayed_ask", "i8"),
        ("window_price", "i8"),  # reference at the start of the price-move window
        ("window_start_ns", "i8"),  # zero if there was no reference yet
        # What a unit is worth, and its own limits as checks of the short way read them.
        ("notional_ratio", "f8"),  # numerator over denominator, for a first guess
        ("valued_price", "i8"),  # the price that unit_value and unit_margin were made from
        ("unit_value", "i8"),  # value of one quantity unit in 2^-20 notional units
        ("unit_margin", "i8"),
        ("reference_source", "i4"),  # REFERENCE_…, or zero while none is known
        ("margin_bps", "i4"),
        ("own_price_collar_bps", "i4"),
        ("own_price_move_bps", "i4"),
        ("own_displayed_share_bps", "i4"),
        ("own_open_orders", "i4"),
        ("own_reference_age_ms", "i4"),
        ("own_duplicate_window_ms", "i4"),
        ("own_order_quantity", "i8"),
        ("own_order_notional", "i8"),
        ("own_position_long", "i8"),
        ("own_position_short", "i8"),
        ("own_gross_position", "i8"),
        ("risk_group", "i8"),  # row of the risk group whose scenarios give its margin; or zero
        ("notional_numerator", "i8"),
        ("notional_denominator", "i8"),
        # What a check of the short way doesn't read.
        ("limits", LIMIT_ROW_DTYPE),
        ("conversion", "i8"),  # accounts' currency for one notional unit, in billionths; 0 unknown
        ("scenarios", "i8"),  # row of its scenarios
        ("next_in_group", "i8"),  # row of the next instrument of its risk group
        ("reference_flags", "i8"),  # which of the four prices are known: the REFERENCE_* bits
        ("last_price", "i8"),
        ("mid_price", "i8"),
        ("outside_price", "i8"),
        ("close_price", "i8"),
        ("last_time_ns", "i8"),
        ("mid_time_ns", "i8"),
        ("outside_time_ns", "i8"),
        # A price's value of one quantity unit, where these numbers suffice: price times numerator
        # over denominator, for prices up to a largest one.
        ("value_numerator", "i8"),
        ("value_denominator", "i8"),
        ("value_price_max", "i8"),
        *((f"instrument_reserved{number}", "i8") for number in range(5)),
    ]
)

# Instruments whose margin is taken together, such as an underlying with its options.
RISK_GROUP_ROW_DTYPE = np.dtype(
    [
        ("key", "i8"),
        ("version", "i8"),  # grows with every change of the scenarios or instruments of the group
        ("first_instrument", "i8"),
        ("group_reserved", "i8"),
    ]
)

SCENARIO_COUNT = 16
STAGED_COUNT = 8
"""Scenarios that one control carries; the second such control puts all of them into effect."""
# What one quantity unit long of an instrument gains in each scenario, in 2^-20 notional units.
SCENARIO_ROW_DTYPE = np.dtype(
    [
        ("key", "i8"),
        ("changes", "i8", SCENARIO_COUNT),
        ("staged", "i8", STAGED_COUNT),
    ]
)

# What an account would lose in each scenario with all it holds in a risk group.
SCAN_ROW_DTYPE = np.dtype(
    [
        ("key", "i8"),  # account and risk group, as a pair's
        ("scan_version", "i8"),  # the group's when the losses were made
        ("scan_margin", "i8"),  # the largest loss, with which it stands in the account's margin
        ("losses", "i8", SCENARIO_COUNT),
    ]
)

PAIR_ROW_DTYPE = np.dtype(
    [
        ("key", "i8"),
        ("position", "i8"),
        ("working_buy", "i8"),
        ("working_sell", "i8"),
        ("unit_value", "i8"),  # at which the pair stands in its account's sums
        ("unit_margin", "i8"),
    ]
)

DUPLICATE_ROW_DTYPE = np.dtype(
    [
        ("pair", "i8"),
        ("price_units", "i8"),
        ("quantity_units", "i8"),
        ("terms", "i8"),  # side, order type and time in force
    ]
)

DUPLICATE_MARK_DTYPE = np.dtype([("mark", "i8"), ("time_ns", "i8")])

FAR_COUNT = 8
HEADER_DTYPE = np.dtype(
    [
        ("accounts", TABLE_DTYPE),
        ("pairs", TABLE_DTYPE),
        ("pair_order", "i8"),  # places of the pairs by their numbers
        ("instruments", TABLE_DTYPE),
        ("duplicates", "i8"),
        ("duplicate_marks", "i8"),
        ("duplicate_sets", "i8"),
        ("limits_version", "i8"),  # grows with every change of a limit or a flag
        ("now_ns", "i8"),  # sequencer time of the record at hand
        ("next_override_end_ns", "i8"),  # when the first temporary limit ends
        ("price_move_window_ns", "i8"),
        ("values_are_kept", "i8"),  # one once a limit on exposure, credit or loss was set
        ("rates_are_watched", "i8"),  # one once a message rate was set
        ("executions_are_watched", "i8"),  # one once a count of executions was set
        ("duplicates_are_watched", "i8"),  # one once a window for duplicates was set
        ("position_total_count", "i8"),  # rows of totals of positions in an instrument
        ("passed_count", "i8"),
        ("passed_fast_count", "i8"),  # those among them that took the short way
        ("duplicate_place", "i8"),  # where the order at hand is remembered if it passes, or -1
        ("firms", TABLE_DTYPE),
        ("groups", TABLE_DTYPE),
        ("overrides", TABLE_DTYPE),
        ("strategies", TABLE_DTYPE),
        ("temporary", TABLE_DTYPE),
        ("venue", LIMIT_ROW_DTYPE),
        ("absent", ACCOUNT_ROW_DTYPE),  # stands for a level without a row
        ("level_rows", "i8", 7),  # rows of the levels that govern the order at hand
        ("reject_limit_value", "i8"),
        ("reject_observed_value", "i8"),
        ("reject_level", "i8"),
        ("reject_flags", "i8"),
        ("refused_count", "i8"),
        ("accounting_error_count", "i8"),
        ("forgotten_duplicate_count", "i8"),  # orders forgotten before their window was over
        ("totals", TABLE_DTYPE),
        ("risk_groups", TABLE_DTYPE),
        ("scenario_rows", TABLE_DTYPE),
        ("scans", TABLE_DTYPE),
        ("scratch_command", "i8"),  # an order command, for dry runs
        ("far_calls", "i8", FAR_COUNT),  # addresses of code that is compiled by itself
    ]
)

# A limit's value at one level until a time, and what holds again after that.
TEMPORARY_ROW_DTYPE = np.dtype(
    [
        ("row", "i8"),  # address of the level's row; zero if the place is free
        ("kind", "i8"),
        ("end_ns", "i8"),
        ("value_before", "i8"),
        ("was_set", "i8"),
    ]
)

FLAG_KILLED = 1
FLAG_THROTTLED = 4
# Of the flags that levels come to: a required limit is missing, or a limit doesn't fit its place.
FLAG_LACKS_LIMITS = 8
FLAG_EXTREME = 16
# Where else to look for an account.
MARK_HAS_OVERRIDES = 1
MARK_HAS_TOTALS = 2
# Restrictions, as the controls `restrict` and `permit` name them, lie above the flags.
RESTRICTION_SHIFT = 8
RESTRICT_TRADING = 1
RESTRICT_CLOSED = 2
RESTRICT_TO_REDUCING = 4
RESTRICT_SHORT_SALES = 8
RESTRICT_UNLOCATED_SHORT_SALES = 16
RESTRICT_WITHOUT_KEY = 32
RESTRICT_LIMIT_ORDERS = 64
RESTRICT_MARKET_ORDERS = 128
RESTRICT_STOP_ORDERS = 256
RESTRICTIONS = 511

# The bits of ExecutionEvent.flags that name the reference price which a refusal used.
REFERENCE_LAST = 4
REFERENCE_MID = 8
REFERENCE_OUTSIDE = 16
REFERENCE_CLOSE = 32

UNIT_VALUE_SHIFT = SCALE_BITS
UNIT_VALUE_MAX = 1 << 62
"""A quantity unit worth so much or more (four million of the accounts' currency) has no value: any
limit on exposure refuses it."""
VALUE_MAX = 1 << 56
"""Largest value of one pair; beyond it any limit on exposure refuses."""
TOTAL_QUANTITY_MAX = 1 << 48
"""Largest quantity of one account in totals of positions; beyond it any such limit refuses."""
CONVERSION_ONE = 1_000_000_000
DUPLICATE_WAYS = 4

PAIR_ROW_BYTES = PAIR_ROW_DTYPE.itemsize
LIMIT_ROW_BYTES = LIMIT_ROW_DTYPE.itemsize
ACCOUNT_ROW_BYTES = ACCOUNT_ROW_DTYPE.itemsize
INSTRUMENT_ROW_BYTES = INSTRUMENT_ROW_DTYPE.itemsize
DUPLICATE_ROW_BYTES = DUPLICATE_ROW_DTYPE.itemsize
DUPLICATE_MARK_BYTES = DUPLICATE_MARK_DTYPE.itemsize
TEMPORARY_ROW_BYTES = TEMPORARY_ROW_DTYPE.itemsize
TOTAL_ROW_BYTES = TOTAL_ROW_DTYPE.itemsize
RISK_GROUP_ROW_BYTES = RISK_GROUP_ROW_DTYPE.itemsize
SCENARIO_ROW_BYTES = SCENARIO_ROW_DTYPE.itemsize
SCAN_ROW_BYTES = SCAN_ROW_DTYPE.itemsize


LIMIT32_MAX = 2**31 - 2
"""Largest limit that fits 32 bits."""
UNLIMITED32 = 2**31 - 1
"""Stands for "no limit" there."""


def lead_of(dtype: np.dtype[Any]) -> int:
    """Bytes before the limits of a row, by whose address it goes."""
    return dtype.fields["limits"][1] if dtype.fields and "limits" in dtype.fields else 0


def offset_of(dtype: np.dtype[Any], name: str) -> int:
    """Byte offset of a field from where its row goes by."""
    assert dtype.fields is not None
    return dtype.fields[name][1] - lead_of(dtype)


HEADER_ACCOUNTS = offset_of(HEADER_DTYPE, "accounts")
HEADER_PAIRS = offset_of(HEADER_DTYPE, "pairs")
HEADER_PAIR_ORDER = offset_of(HEADER_DTYPE, "pair_order")
HEADER_INSTRUMENTS = offset_of(HEADER_DTYPE, "instruments")
HEADER_FIRMS = offset_of(HEADER_DTYPE, "firms")
HEADER_GROUPS = offset_of(HEADER_DTYPE, "groups")
HEADER_OVERRIDES = offset_of(HEADER_DTYPE, "overrides")
HEADER_STRATEGIES = offset_of(HEADER_DTYPE, "strategies")
HEADER_TEMPORARY = offset_of(HEADER_DTYPE, "temporary")
HEADER_DUPLICATES = offset_of(HEADER_DTYPE, "duplicates")
HEADER_DUPLICATE_MARKS = offset_of(HEADER_DTYPE, "duplicate_marks")
HEADER_DUPLICATE_SETS = offset_of(HEADER_DTYPE, "duplicate_sets")
HEADER_VENUE = offset_of(HEADER_DTYPE, "venue")
HEADER_ABSENT = offset_of(HEADER_DTYPE, "absent") + lead_of(ACCOUNT_ROW_DTYPE)
HEADER_LIMITS_VERSION = offset_of(HEADER_DTYPE, "limits_version")
HEADER_LEVEL_ROWS = offset_of(HEADER_DTYPE, "level_rows")
HEADER_DUPLICATE_PLACE = offset_of(HEADER_DTYPE, "duplicate_place")
HEADER_NOW_NS = offset_of(HEADER_DTYPE, "now_ns")
HEADER_NEXT_OVERRIDE_END_NS = offset_of(HEADER_DTYPE, "next_override_end_ns")
HEADER_VALUES_ARE_KEPT = offset_of(HEADER_DTYPE, "values_are_kept")
HEADER_RATES_ARE_WATCHED = offset_of(HEADER_DTYPE, "rates_are_watched")
HEADER_EXECUTIONS_ARE_WATCHED = offset_of(HEADER_DTYPE, "executions_are_watched")
HEADER_DUPLICATES_ARE_WATCHED = offset_of(HEADER_DTYPE, "duplicates_are_watched")
HEADER_PRICE_MOVE_WINDOW_NS = offset_of(HEADER_DTYPE, "price_move_window_ns")
HEADER_REJECT_LIMIT_VALUE = offset_of(HEADER_DTYPE, "reject_limit_value")
HEADER_REJECT_OBSERVED_VALUE = offset_of(HEADER_DTYPE, "reject_observed_value")
HEADER_REJECT_LEVEL = offset_of(HEADER_DTYPE, "reject_level")
HEADER_REJECT_FLAGS = offset_of(HEADER_DTYPE, "reject_flags")
HEADER_PASSED_COUNT = offset_of(HEADER_DTYPE, "passed_count")
HEADER_PASSED_FAST_COUNT = offset_of(HEADER_DTYPE, "passed_fast_count")
HEADER_REFUSED_COUNT = offset_of(HEADER_DTYPE, "refused_count")
HEADER_ACCOUNTING_ERROR_COUNT = offset_of(HEADER_DTYPE, "accounting_error_count")
HEADER_FORGOTTEN_DUPLICATE_COUNT = offset_of(HEADER_DTYPE, "forgotten_duplicate_count")
HEADER_TOTALS = offset_of(HEADER_DTYPE, "totals")
HEADER_POSITION_TOTAL_COUNT = offset_of(HEADER_DTYPE, "position_total_count")
HEADER_RISK_GROUPS = offset_of(HEADER_DTYPE, "risk_groups")
HEADER_SCENARIO_ROWS = offset_of(HEADER_DTYPE, "scenario_rows")
HEADER_SCANS = offset_of(HEADER_DTYPE, "scans")
HEADER_FAR_CALLS = offset_of(HEADER_DTYPE, "far_calls")
HEADER_SCRATCH_COMMAND = offset_of(HEADER_DTYPE, "scratch_command")

TABLE_ROWS = offset_of(TABLE_DTYPE, "rows")
TABLE_BUCKET_COUNT = offset_of(TABLE_DTYPE, "bucket_count")
TABLE_USED_COUNT = offset_of(TABLE_DTYPE, "used_count")
TABLE_CAPACITY = offset_of(TABLE_DTYPE, "capacity")

LIMIT_SET_MASK = offset_of(LIMIT_ROW_DTYPE, "set_mask")
LIMIT_FLAGS = offset_of(LIMIT_ROW_DTYPE, "flags")

ACCOUNT_KEY = offset_of(ACCOUNT_ROW_DTYPE, "account_key")
ACCOUNT_RESOLVED_VERSION = offset_of(ACCOUNT_ROW_DTYPE, "resolved_version")
ACCOUNT_RESOLVED_FIRM = offset_of(ACCOUNT_ROW_DTYPE, "resolved_firm")
ACCOUNT_RESOLVED_FLAGS = offset_of(ACCOUNT_ROW_DTYPE, "resolved_flags")
ACCOUNT_MARKS = offset_of(ACCOUNT_ROW_DTYPE, "marks")
ACCOUNT_OPEN_ORDER_COUNT = offset_of(ACCOUNT_ROW_DTYPE, "open_order_count")
ACCOUNT_MESSAGE_INTERVAL_NS = offset_of(ACCOUNT_ROW_DTYPE, "message_interval_ns")
ACCOUNT_NEXT_MESSAGE_NS = offset_of(ACCOUNT_ROW_DTYPE, "next_message_ns")
ACCOUNT_MESSAGE_ALLOWED_NS = offset_of(ACCOUNT_ROW_DTYPE, "message_allowed_ns")
ACCOUNT_GROSS_EXPOSURE = offset_of(ACCOUNT_ROW_DTYPE, "gross_exposure")
ACCOUNT_NET_IF_BOUGHT = offset_of(ACCOUNT_ROW_DTYPE, "net_if_bought")
ACCOUNT_NET_IF_SOLD = offset_of(ACCOUNT_ROW_DTYPE, "net_if_sold")
ACCOUNT_MARGIN = offset_of(ACCOUNT_ROW_DTYPE, "margin")
ACCOUNT_TRADE_CASH = offset_of(ACCOUNT_ROW_DTYPE, "trade_cash")
ACCOUNT_POSITION_VALUE = offset_of(ACCOUNT_ROW_DTYPE, "position_value")
ACCOUNT_CREDIT_AND_CASH = offset_of(ACCOUNT_ROW_DTYPE, "credit_and_cash")
ACCOUNT_PROFIT_FLOOR = offset_of(ACCOUNT_ROW_DTYPE, "profit_floor")
ACCOUNT_CASH = offset_of(ACCOUNT_ROW_DTYPE, "cash")
ACCOUNT_DAY_START_VALUE = offset_of(ACCOUNT_ROW_DTYPE, "day_start_value")
ACCOUNT_GROUP_TOTAL = offset_of(ACCOUNT_ROW_DTYPE, "group_total")
ACCOUNT_FIRM_TOTAL = offset_of(ACCOUNT_ROW_DTYPE, "firm_total")
ACCOUNT_GROUP_ID = offset_of(ACCOUNT_ROW_DTYPE, "group_id")
ACCOUNT_FIRM_ID = offset_of(ACCOUNT_ROW_DTYPE, "firm_id")
ACCOUNT_EXECUTION_WINDOW_START_NS = offset_of(ACCOUNT_ROW_DTYPE, "execution_window_start_ns")
ACCOUNT_EXECUTION_COUNT = offset_of(ACCOUNT_ROW_DTYPE, "execution_count")
ACCOUNT_THROTTLED_COUNT = offset_of(ACCOUNT_ROW_DTYPE, "throttled_count")
ACCOUNT_THROTTLED_LIMIT = offset_of(ACCOUNT_ROW_DTYPE, "throttled_limit")
RESOLVED_EXECUTION_COUNT = offset_of(ACCOUNT_ROW_DTYPE, "resolved_execution_count")
RESOLVED_EXECUTION_WINDOW_NS = offset_of(ACCOUNT_ROW_DTYPE, "resolved_execution_window_ns")
RESOLVED_DUPLICATE_WINDOW_MS = offset_of(ACCOUNT_ROW_DTYPE, "resolved_duplicate_window_ms")
RESOLVED_REFERENCE_AGE_MS = offset_of(ACCOUNT_ROW_DTYPE, "resolved_reference_age_ms")
RESOLVED_OPEN_ORDERS = offset_of(ACCOUNT_ROW_DTYPE, "resolved_open_orders")
RESOLVED_DISPLAYED_SHARE_BPS = offset_of(ACCOUNT_ROW_DTYPE, "resolved_displayed_share_bps")
RESOLVED_ORDER_QUANTITY = offset_of(ACCOUNT_ROW_DTYPE, "resolved_order_quantity")
RESOLVED_ORDER_NOTIONAL = offset_of(ACCOUNT_ROW_DTYPE, "resolved_order_notional")
RESOLVED_POSITION_LONG = offset_of(ACCOUNT_ROW_DTYPE, "resolved_position_long")
RESOLVED_POSITION_SHORT = offset_of(ACCOUNT_ROW_DTYPE, "resolved_position_short")
RESOLVED_GROSS_POSITION = offset_of(ACCOUNT_ROW_DTYPE, "resolved_gross_position")
RESOLVED_PRICE_COLLAR_BPS = offset_of(ACCOUNT_ROW_DTYPE, "resolved_price_collar_bps")
RESOLVED_PRICE_MOVE_BPS = offset_of(ACCOUNT_ROW_DTYPE, "resolved_price_move_bps")
RESOLVED_GROSS_EXPOSURE = offset_of(ACCOUNT_ROW_DTYPE, "resolved_gross_exposure")
RESOLVED_NET_EXPOSURE = offset_of(ACCOUNT_ROW_DTYPE, "resolved_net_exposure")
SUM_OFFSETS = tuple(offset_of(ACCOUNT_ROW_DTYPE, name) for name in SUM_NAMES)
TOTAL_POSITION = offset_of(TOTAL_ROW_DTYPE, "total_position")
assert tuple(offset_of(TOTAL_ROW_DTYPE, f"total_{name}") for name in SUM_NAMES) == SUM_OFFSETS

INSTRUMENT_KEY = offset_of(INSTRUMENT_ROW_DTYPE, "instrument_key")
INSTRUMENT_VERSION = offset_of(INSTRUMENT_ROW_DTYPE, "instrument_version")
INSTRUMENT_FLAGS = offset_of(INSTRUMENT_ROW_DTYPE, "instrument_flags")
INSTRUMENT_REFERENCE_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "reference_price")
INSTRUMENT_REFERENCE_TIME_NS = offset_of(INSTRUMENT_ROW_DTYPE, "reference_time_ns")
INSTRUMENT_DISPLAYED_BID = offset_of(INSTRUMENT_ROW_DTYPE, "displayed_bid")
INSTRUMENT_DISPLAYED_ASK = offset_of(INSTRUMENT_ROW_DTYPE, "displayed_ask")
INSTRUMENT_WINDOW_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "window_price")
INSTRUMENT_WINDOW_START_NS = offset_of(INSTRUMENT_ROW_DTYPE, "window_start_ns")
INSTRUMENT_NOTIONAL_RATIO = offset_of(INSTRUMENT_ROW_DTYPE, "notional_ratio")
INSTRUMENT_VALUED_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "valued_price")
INSTRUMENT_UNIT_VALUE = offset_of(INSTRUMENT_ROW_DTYPE, "unit_value")
INSTRUMENT_UNIT_MARGIN = offset_of(INSTRUMENT_ROW_DTYPE, "unit_margin")
INSTRUMENT_REFERENCE_SOURCE = offset_of(INSTRUMENT_ROW_DTYPE, "reference_source")
INSTRUMENT_MARGIN_BPS = offset_of(INSTRUMENT_ROW_DTYPE, "margin_bps")
INSTRUMENT_RISK_GROUP = offset_of(INSTRUMENT_ROW_DTYPE, "risk_group")
INSTRUMENT_NUMERATOR = offset_of(INSTRUMENT_ROW_DTYPE, "notional_numerator")
INSTRUMENT_DENOMINATOR = offset_of(INSTRUMENT_ROW_DTYPE, "notional_denominator")
INSTRUMENT_CONVERSION = offset_of(INSTRUMENT_ROW_DTYPE, "conversion")
INSTRUMENT_VALUE_NUMERATOR = offset_of(INSTRUMENT_ROW_DTYPE, "value_numerator")
INSTRUMENT_VALUE_DENOMINATOR = offset_of(INSTRUMENT_ROW_DTYPE, "value_denominator")
INSTRUMENT_VALUE_PRICE_MAX = offset_of(INSTRUMENT_ROW_DTYPE, "value_price_max")
INSTRUMENT_SCENARIOS = offset_of(INSTRUMENT_ROW_DTYPE, "scenarios")
INSTRUMENT_NEXT_IN_GROUP = offset_of(INSTRUMENT_ROW_DTYPE, "next_in_group")
INSTRUMENT_REFERENCE_FLAGS = offset_of(INSTRUMENT_ROW_DTYPE, "reference_flags")
INSTRUMENT_LAST_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "last_price")
INSTRUMENT_MID_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "mid_price")
INSTRUMENT_OUTSIDE_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "outside_price")
INSTRUMENT_CLOSE_PRICE = offset_of(INSTRUMENT_ROW_DTYPE, "close_price")
INSTRUMENT_LAST_TIME_NS = offset_of(INSTRUMENT_ROW_DTYPE, "last_time_ns")
INSTRUMENT_MID_TIME_NS = offset_of(INSTRUMENT_ROW_DTYPE, "mid_time_ns")
INSTRUMENT_OUTSIDE_TIME_NS = offset_of(INSTRUMENT_ROW_DTYPE, "outside_time_ns")
OWN_PRICE_COLLAR_BPS = offset_of(INSTRUMENT_ROW_DTYPE, "own_price_collar_bps")
OWN_PRICE_MOVE_BPS = offset_of(INSTRUMENT_ROW_DTYPE, "own_price_move_bps")
OWN_DISPLAYED_SHARE_BPS = offset_of(INSTRUMENT_ROW_DTYPE, "own_displayed_share_bps")
OWN_OPEN_ORDERS = offset_of(INSTRUMENT_ROW_DTYPE, "own_open_orders")
OWN_REFERENCE_AGE_MS = offset_of(INSTRUMENT_ROW_DTYPE, "own_reference_age_ms")
OWN_DUPLICATE_WINDOW_MS = offset_of(INSTRUMENT_ROW_DTYPE, "own_duplicate_window_ms")
OWN_ORDER_QUANTITY = offset_of(INSTRUMENT_ROW_DTYPE, "own_order_quantity")
OWN_ORDER_NOTIONAL = offset_of(INSTRUMENT_ROW_DTYPE, "own_order_notional")
OWN_POSITION_LONG = offset_of(INSTRUMENT_ROW_DTYPE, "own_position_long")
OWN_POSITION_SHORT = offset_of(INSTRUMENT_ROW_DTYPE, "own_position_short")
OWN_GROSS_POSITION = offset_of(INSTRUMENT_ROW_DTYPE, "own_gross_position")

RISK_GROUP_VERSION = offset_of(RISK_GROUP_ROW_DTYPE, "version")
RISK_GROUP_FIRST_INSTRUMENT = offset_of(RISK_GROUP_ROW_DTYPE, "first_instrument")
SCENARIO_CHANGES = offset_of(SCENARIO_ROW_DTYPE, "changes")
SCENARIO_STAGED = offset_of(SCENARIO_ROW_DTYPE, "staged")
SCAN_VERSION = offset_of(SCAN_ROW_DTYPE, "scan_version")
SCAN_MARGIN = offset_of(SCAN_ROW_DTYPE, "scan_margin")
SCAN_LOSSES = offset_of(SCAN_ROW_DTYPE, "losses")

PAIR_POSITION = offset_of(PAIR_ROW_DTYPE, "position")
PAIR_WORKING_BUY = offset_of(PAIR_ROW_DTYPE, "working_buy")
PAIR_WORKING_SELL = offset_of(PAIR_ROW_DTYPE, "working_sell")
PAIR_UNIT_VALUE = offset_of(PAIR_ROW_DTYPE, "unit_value")
PAIR_UNIT_MARGIN = offset_of(PAIR_ROW_DTYPE, "unit_margin")

DUPLICATE_PRICE_UNITS = offset_of(DUPLICATE_ROW_DTYPE, "price_units")
DUPLICATE_QUANTITY_UNITS = offset_of(DUPLICATE_ROW_DTYPE, "quantity_units")
DUPLICATE_TERMS = offset_of(DUPLICATE_ROW_DTYPE, "terms")
DUPLICATE_MARK_TIME_NS = offset_of(DUPLICATE_MARK_DTYPE, "time_ns")

TEMPORARY_KIND = offset_of(TEMPORARY_ROW_DTYPE, "kind")
TEMPORARY_END_NS = offset_of(TEMPORARY_ROW_DTYPE, "end_ns")
TEMPORARY_VALUE_BEFORE = offset_of(TEMPORARY_ROW_DTYPE, "value_before")
TEMPORARY_WAS_SET = offset_of(TEMPORARY_ROW_DTYPE, "was_set")

# Limits that every account must have, itself or in the instrument; others bind where they are set.
REQUIRED_MASK = sum(
    1 << kind
    for kind in range(control.LIMIT_KIND_ORDER_QUANTITY, control.LIMIT_KIND_OPEN_ORDERS + 1)
)
