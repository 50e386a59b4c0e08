"""Records in which the gateway keeps requests, orders and execution events.

All fields are int64, so that kernels never mix signs. Links are kept as index + 1, which lets fresh
zeroed memory mean "none". `FILE_HEADER`, `REQUEST`, `EVENT` and the mesh records beside them live
in a mapped file and survive the process; `WORK`, `ACCOUNT` and the hash buckets are made anew.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np


def _int64_record(names: str) -> np.dtype[Any]:
    return np.dtype([(name, "<i8") for name in names.split()], align=True)


FILE_HEADER: Final = _int64_record(
    "magic version request_capacity event_capacity request_count event_count epoch last_sequence"
    " session_count"
)
"""Head of the mapped file. The counts, and the last sequence, are written last, after what they
count."""

REQUEST: Final = _int64_record(
    # The request: its key, what it asked for, what came of it.
    "account_id key_0 key_1 key_2 key_3 action day slot outcome reason first_event last_event"
    " command_sequence waiter followed send_time_ns session_id next_by_key"
    # The order, in the request that created it (slot is then its own index).
    " order_id current_request instrument_id side order_type time_in_force status status_reason"
    " price_units quantity_units leaves_quantity_units cumulative_quantity_units strategy_id"
    " newest_event epoch sequence create_time_ns update_time_ns next_by_order previous_order"
)
"""One command of a client; one that created an order also holds the order's state."""

EVENT: Final = _int64_record(
    "account_id request slot earlier_request previous_of_account next_of_account previous_of_order"
)
"""Links of one execution event; the event itself lies beside it as a mesh record."""

SESSION: Final = _int64_record("session_id account_id cancel_on_disconnect")
"""One open session; a free place has the id 0. Kept so that a restart can close what it left."""

ACCOUNT: Final = _int64_record(
    "is_client first_event last_event newest_order touched request_count"
)
"""What the gateway knows of an account, at the index that is its id."""

INSTRUMENT: Final = _int64_record(
    "is_tradable lot_units minimum_order_units maximum_order_units minimum_price_units"
    " maximum_price_units first_band band_count"
)
"""Order rules of an instrument, at the index that is its id."""

WORK: Final = _int64_record(
    # Where things lie.
    "bucket_mask event_mask commands_address records_address staging_address slots_address"
    " targets_address codes_address completed_address followed_address touched_address"
    " listed_address waiters_address bands_address scratch_address request_count_address"
    " event_count_address last_sequence_address"
    # How many requests the disk has room for, how many an account may use up, with cancels and
    # without; the venue's doorbell, and where it is told why the log takes no new risk; 0 where
    # nothing is.
    " request_limit account_limit account_order_limit bell_address refusal_address"
    # Arguments of the call in progress.
    " waiter session_id send_time_ns day"
    # Results of the call.
    " published fetched completed_count followed_count touched_count stop"
    # The command whose events are arriving.
    " current_command_sequence current_request adopted_count untracked_count malformed_count"
)
"""Addresses, arguments and results of the kernels; one record, of this process alone."""

BUCKET: Final = np.dtype("<i8")
"""Head of a hash chain: index + 1 of its newest request, 0 for none."""

FILE_HEADER_TYPE: Final[Any] = numba.from_dtype(FILE_HEADER)[::1]
REQUEST_TYPE: Final[Any] = numba.from_dtype(REQUEST)[::1]
EVENT_TYPE: Final[Any] = numba.from_dtype(EVENT)[::1]
ACCOUNT_TYPE: Final[Any] = numba.from_dtype(ACCOUNT)[::1]
INSTRUMENT_TYPE: Final[Any] = numba.from_dtype(INSTRUMENT)[::1]
WORK_TYPE: Final[Any] = numba.from_dtype(WORK)[::1]
BUCKETS_TYPE: Final[Any] = numba.types.int64[::1]

SESSIONS_MAX: Final = 4096
"""Places for open sessions in the mapped file."""

MAGIC: Final = 0x5443_4F52_4445_5231
VERSION: Final = 1

BATCH_MAX: Final = 1000
"""Commands of one call."""

OUTCOME_PENDING: Final = 0
OUTCOME_DONE: Final = 1
OUTCOME_REFUSED: Final = 2

CODE_FRESH: Final = 0
CODE_DUPLICATE: Final = 1
"""Codes of a staged command; anything higher is a reason of the error catalogue."""

STOP_END: Final = 0
STOP_EPOCH: Final = 1
STOP_GAP: Final = 2
STOP_FULL: Final = 3
STOP_NEWS: Final = 4
"""Why the events of a batch weren't all applied: a new epoch, missing ones, lists to be drained,
or a slot of the reader that tells of its writer."""

STATUS_PENDING: Final = 0
STATUS_WORKING: Final = 1
STATUS_PARTIALLY_FILLED: Final = 2
"""Open order statuses; higher ones are final. Equal to the mesh's OrderStatus."""
