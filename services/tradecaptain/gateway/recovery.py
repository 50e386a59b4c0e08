"""What happens when the venue or the gateway itself starts anew.

A restarted venue begins with an empty book, so every open order ends. A restarted gateway finds its
requests, orders and events in the mapped file and only has to link them again.
"""

from __future__ import annotations

from typing import Any

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.gateway.events import (
    COMPLETED_MAX,
    EVENT_BYTES,
    FLAG_LAST_OF_COMMAND,
    FLAG_VENUE_RESTART,
    answer,
    apply_to_order,
    complete,
    is_held,
    keep_event,
)
from tradecaptain.gateway.layout import (
    ACCOUNT_TYPE,
    BUCKETS_TYPE,
    EVENT_TYPE,
    FILE_HEADER_TYPE,
    OUTCOME_PENDING,
    REQUEST_TYPE,
    WORK_TYPE,
)
from tradecaptain.gateway.lookup import is_open, link_key, link_order
from tradecaptain.wire import execution_event
from tradecaptain.wire import reason as reasons


@inline
def _restart_event(requests: Any, slot: int, sequence: int, event: int, now_ns: int) -> None:
    """Write the event that tells of an order's end by a restart of the venue."""
    key = requests[slot]["current_request"]
    execution_event.initialise(event)
    execution_event.set_sequence(event, 0)
    execution_event.set_time_ns(event, now_ns)
    execution_event.set_execution_type(event, execution_event.EXECUTION_TYPE_CANCELLED)
    execution_event.set_order_status(event, execution_event.ORDER_STATUS_CANCELLED)
    execution_event.set_side(event, requests[slot]["side"])
    execution_event.set_account_id(event, requests[slot]["account_id"])
    execution_event.set_instrument_id(event, requests[slot]["instrument_id"])
    execution_event.set_account_sequence(event, sequence)
    execution_event.set_order_id(event, requests[slot]["order_id"])
    execution_event.set_client_order_id0(event, requests[key]["key_0"])
    execution_event.set_client_order_id1(event, requests[key]["key_1"])
    execution_event.set_client_order_id2(event, requests[key]["key_2"])
    execution_event.set_client_order_id3(event, requests[key]["key_3"])
    execution_event.set_session_id(event, requests[slot]["session_id"])
    execution_event.set_strategy_id(event, requests[slot]["strategy_id"])
    execution_event.set_price_units(event, requests[slot]["price_units"])
    execution_event.set_quantity_units(event, requests[slot]["quantity_units"])
    execution_event.set_cumulative_quantity_units(
        event, requests[slot]["cumulative_quantity_units"]
    )
    execution_event.set_order_type(event, requests[slot]["order_type"])
    execution_event.set_time_in_force(event, requests[slot]["time_in_force"])
    execution_event.set_reason(event, reasons.REASON_CANCELLED_BY_VENUE_RESTART)
    execution_event.set_flags(event, FLAG_LAST_OF_COMMAND | FLAG_VENUE_RESTART)
    execution_event.set_durability(event, execution_event.DURABILITY_PROCESS)


@inline
def _newest_sequence(file: Any, work: Any, events: Any, accounts: Any, account_id: int) -> int:
    """Account sequence of the account's newest event if it is of the current epoch, else 0."""
    last = accounts[account_id]["last_event"] - 1
    if not is_held(file, events, last):
        return 0
    record = work[0]["records_address"] + (last & work[0]["event_mask"]) * EVENT_BYTES
    if execution_event.get_epoch(record) != file[0]["epoch"]:
        return 0
    return execution_event.get_account_sequence(record)


@kernel(
    types.int64(
        FILE_HEADER_TYPE,
        WORK_TYPE,
        REQUEST_TYPE,
        EVENT_TYPE,
        BUCKETS_TYPE,
        ACCOUNT_TYPE,
        types.int64,
        types.int64,
    )
)
def cancel_open_orders(
    file: Any,
    work: Any,
    requests: Any,
    events: Any,
    buckets: Any,
    accounts: Any,
    first: int,
    now_ns: int,
) -> int:
    """Report every order that the old venue had taken as cancelled by a restart of the venue.

    The reports continue the old epoch's account sequences. Requests that the venue hasn't mentioned
    stay open, because they may have reached the new one. Goes on from request ``first``; returns
    the request at which the lists of answers were full, or the number of requests when done.
    """
    event = work[0]["scratch_address"]
    for index in range(first, file[0]["request_count"]):
        if (
            work[0]["completed_count"] >= COMPLETED_MAX
            or work[0]["followed_count"] >= COMPLETED_MAX
        ):
            return index
        slot = requests[index]["slot"]
        if slot < 0 or requests[slot]["order_id"] == 0:
            continue
        if slot == index and is_open(requests[index]["status"]):
            account_id = requests[index]["account_id"]
            sequence = _newest_sequence(file, work, events, accounts, account_id) + 1
            _restart_event(requests, index, sequence, event, now_ns)
            execution_event.set_epoch(event, file[0]["epoch"])
            kept = keep_event(file, work, requests, events, accounts, event, index)
            apply_to_order(work, requests, buckets, event, index)
            requests[index]["newest_event"] = kept + 1
            answer(requests, event, index, kept)
        if requests[index]["outcome"] == OUTCOME_PENDING:
            if slot != index:
                requests[index]["reason"] = reasons.REASON_CANCELLED_BY_VENUE_RESTART
            complete(work, requests, index)
    return file[0]["request_count"]


@kernel(
    types.int64(FILE_HEADER_TYPE, WORK_TYPE, REQUEST_TYPE, types.int64, types.int64, types.int64)
)
def settle_request(
    file: Any, work: Any, requests: Any, index: int, status: int, reason: int
) -> int:
    """Close a request that the venue never mentioned; returns 1, or 0 if it was answered.

    A new order takes ``status``; whoever waits is refused with ``reason``. A request that the venue
    did mention, but whose last event a kill of the gateway kept from closing it, is closed as its
    events tell: by now all of them are in.
    """
    if index >= file[0]["request_count"] or requests[index]["outcome"] != OUTCOME_PENDING:
        return 0
    if requests[index]["first_event"] != 0:
        complete(work, requests, index)
        return 0
    requests[index]["reason"] = reason
    if requests[index]["slot"] == index:
        requests[index]["status"] = status
        requests[index]["status_reason"] = reason
        requests[index]["leaves_quantity_units"] = 0
    complete(work, requests, index)
    return 1


@inline
def _redo_last(file: Any, work: Any, requests: Any, events: Any, buckets: Any) -> None:
    index = file[0]["event_count"] - 1
    place = index & work[0]["event_mask"]
    record = work[0]["records_address"] + place * EVENT_BYTES
    request = events[place]["request"]
    if execution_event.get_epoch(record) == file[0]["epoch"]:
        file[0]["last_sequence"] = max(
            file[0]["last_sequence"], execution_event.get_sequence(record)
        )
    if request < 0 or request >= file[0]["request_count"]:
        return
    apply_to_order(work, requests, buckets, record, request)
    slot = requests[request]["slot"]
    if slot >= 0:
        requests[slot]["newest_event"] = index + 1
    if execution_event.get_send_time_ns(record) != 0 and (
        execution_event.get_tag(record) == request + 1
    ):
        answer(requests, record, request, index)
        work[0]["current_command_sequence"] = execution_event.get_command_sequence(record)
        work[0]["current_request"] = request
        if (execution_event.get_flags(record) & FLAG_LAST_OF_COMMAND) != 0:
            complete(work, requests, request)


@kernel(
    types.int64(
        FILE_HEADER_TYPE,
        WORK_TYPE,
        REQUEST_TYPE,
        EVENT_TYPE,
        BUCKETS_TYPE,
        ACCOUNT_TYPE,
    )
)
def rebuild(file: Any, work: Any, requests: Any, events: Any, buckets: Any, accounts: Any) -> int:
    """Make hash chains and account heads anew from the mapped file; returns the open requests.

    The last event may have been kept without being applied before a kill, so it is applied again.
    """
    pending = 0
    for index in range(file[0]["request_count"]):
        account_id = requests[index]["account_id"]
        requests[index]["waiter"] = 0
        requests[index]["followed"] = 0
        requests[index]["next_by_key"] = 0
        requests[index]["next_by_order"] = 0
        link_key(work, requests, buckets, index)
        if account_id < accounts.shape[0]:
            accounts[account_id]["request_count"] += 1
        if requests[index]["slot"] == index:
            if requests[index]["order_id"] != 0:
                link_order(work, requests, buckets, index)
            if account_id < accounts.shape[0]:
                requests[index]["previous_order"] = accounts[account_id]["newest_order"]
                accounts[account_id]["newest_order"] = index + 1
        if requests[index]["outcome"] == OUTCOME_PENDING:
            pending += 1
    mask = work[0]["event_mask"]
    oldest = max(0, file[0]["event_count"] - events.shape[0])
    for index in range(oldest, file[0]["event_count"]):
        account_id = events[index & mask]["account_id"]
        if account_id >= accounts.shape[0]:
            continue
        last = accounts[account_id]["last_event"] - 1
        if last >= 0:
            events[last & mask]["next_of_account"] = index + 1
        else:
            accounts[account_id]["first_event"] = index + 1
        accounts[account_id]["last_event"] = index + 1
        events[index & mask]["next_of_account"] = 0
    if file[0]["event_count"] > 0:
        _redo_last(file, work, requests, events, buckets)
    return pending
