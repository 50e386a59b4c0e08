"""What the venue reports: execution events are kept, applied to orders, and answer requests.

Events come from the mesh as they happen or from the venue's history; both go through
:func:`apply_events`, which takes each sequence number once and stops where one is missing.
"""

from __future__ import annotations

from typing import Any

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import copy_bytes, load_i64, store_i64, store_release_i64
from tradecaptain.gateway.frame import (
    AT_ACCOUNTS,
    AT_BUCKETS,
    AT_EVENTS,
    AT_FILE,
    AT_REQUESTS,
    AT_WORK,
)
from tradecaptain.gateway.layout import (
    ACCOUNT,
    BUCKET,
    EVENT,
    FILE_HEADER,
    OUTCOME_DONE,
    OUTCOME_PENDING,
    OUTCOME_REFUSED,
    REQUEST,
    STOP_END,
    STOP_EPOCH,
    STOP_FULL,
    STOP_GAP,
    STOP_NEWS,
    WORK,
)
from tradecaptain.gateway.lookup import (
    find_key,
    find_order,
    key_hash,
    link_key,
    link_order,
)
from tradecaptain.mesh.agent import frame_array
from tradecaptain.mesh.stream_reader import EVENT_RECORD
from tradecaptain.wire import execution_event, order_command

EVENT_BYTES = execution_event.RECORD_BYTES
COMPLETED_MAX = 4096
"""Answers that one call may list before it stops to have them taken."""
FLAG_LAST_OF_COMMAND = 1
FLAG_VENUE_RESTART = 2
NO_REQUEST = -1


@inline
def is_client(accounts: Any, account_id: int) -> bool:
    """Whether an account is a client's, and not the replayed market's."""
    return account_id < accounts.shape[0] and accounts[account_id]["is_client"] != 0


@inline
def _refusal_kind(execution_type: int) -> bool:
    """Whether the event refuses a cancel or replace and leaves the order as it is."""
    return (
        execution_type == execution_event.EXECUTION_TYPE_CANCEL_REJECTED
        or execution_type == execution_event.EXECUTION_TYPE_REPLACE_REJECTED
    )


@inline
def _by_tag(file: Any, requests: Any, event: int) -> int:
    """The request that the event's tag names, if it is this account's and this order's; or -1."""
    index = execution_event.get_tag(event) - 1
    if index < 0 or index >= file[0]["request_count"]:
        return NO_REQUEST
    if requests[index]["account_id"] != execution_event.get_account_id(event):
        return NO_REQUEST
    slot = requests[index]["slot"]
    order_id = requests[slot]["order_id"] if slot >= 0 else 0
    event_order_id = execution_event.get_order_id(event)
    if order_id != 0 and event_order_id != 0 and order_id != event_order_id:
        return NO_REQUEST
    return index


@inline
def _by_key(work: Any, requests: Any, buckets: Any, event: int) -> int:
    account_id = execution_event.get_account_id(event)
    key_0 = execution_event.get_client_order_id0(event)
    if key_0 == 0:
        return NO_REQUEST
    key_1 = execution_event.get_client_order_id1(event)
    key_2 = execution_event.get_client_order_id2(event)
    key_3 = execution_event.get_client_order_id3(event)
    bucket = key_hash(account_id, key_0, key_1, key_2, key_3) & work[0]["bucket_mask"]
    index = find_key(requests, buckets[bucket], account_id, key_0, key_1, key_2, key_3)
    if index >= 0:
        slot = requests[index]["slot"]
        order_id = requests[slot]["order_id"] if slot >= 0 else 0
        if order_id != 0 and order_id != execution_event.get_order_id(event):
            return NO_REQUEST
    return index


@inline
def _adopt(file: Any, work: Any, requests: Any, buckets: Any, accounts: Any, event: int) -> int:
    """Make a request for an order that was entered elsewhere; -1 without room for it."""
    index = file[0]["request_count"]
    if index >= work[0]["request_limit"]:
        work[0]["untracked_count"] += 1
        return NO_REQUEST
    account_id = execution_event.get_account_id(event)
    requests[index]["account_id"] = account_id
    requests[index]["key_0"] = execution_event.get_client_order_id0(event)
    requests[index]["key_1"] = execution_event.get_client_order_id1(event)
    requests[index]["key_2"] = execution_event.get_client_order_id2(event)
    requests[index]["key_3"] = execution_event.get_client_order_id3(event)
    requests[index]["action"] = order_command.COMMAND_ACTION_NEW_ORDER
    requests[index]["day"] = work[0]["day"]
    requests[index]["slot"] = index
    requests[index]["outcome"] = OUTCOME_DONE
    requests[index]["session_id"] = execution_event.get_session_id(event)
    requests[index]["current_request"] = index
    requests[index]["instrument_id"] = execution_event.get_instrument_id(event)
    requests[index]["side"] = execution_event.get_side(event)
    requests[index]["order_type"] = execution_event.get_order_type(event)
    requests[index]["time_in_force"] = execution_event.get_time_in_force(event)
    requests[index]["strategy_id"] = execution_event.get_strategy_id(event)
    requests[index]["create_time_ns"] = execution_event.get_time_ns(event)
    requests[index]["previous_order"] = accounts[account_id]["newest_order"]
    accounts[account_id]["newest_order"] = index + 1
    link_key(work, requests, buckets, index)
    store_release_i64(work[0]["request_count_address"], index + 1)
    work[0]["adopted_count"] += 1
    return index


@inline
def _request_of(
    file: Any, work: Any, requests: Any, buckets: Any, accounts: Any, event: int
) -> int:
    """The request that the event belongs to, made now if the order came from elsewhere; or -1."""
    index = NO_REQUEST
    if execution_event.get_send_time_ns(event) == 0:
        # No answer to a command: its tag names an older one, which may have another number now.
        index = find_order(work, requests, buckets, execution_event.get_order_id(event))
    if index < 0:
        index = _by_tag(file, requests, event)
    if index < 0:
        index = find_order(work, requests, buckets, execution_event.get_order_id(event))
    if index < 0:
        index = _by_key(work, requests, buckets, event)
    if index < 0 and not _refusal_kind(execution_event.get_execution_type(event)):
        index = _adopt(file, work, requests, buckets, accounts, event)
    return index


@inline
def is_held(file: Any, events: Any, index: int) -> bool:
    """Whether the event at ``index`` is still held."""
    return index >= 0 and index + events.shape[0] >= file[0]["event_count"]


@inline
def keep_event(
    file: Any, work: Any, requests: Any, events: Any, accounts: Any, event: int, request: int
) -> int:
    """Append an event to the log and to the chains of its account and order; returns its index."""
    index = file[0]["event_count"]
    mask = work[0]["event_mask"]
    place = index & mask
    account_id = execution_event.get_account_id(event)
    last = accounts[account_id]["last_event"] - 1
    slot = requests[request]["slot"] if request >= 0 else NO_REQUEST
    copy_bytes(work[0]["records_address"] + place * EVENT_BYTES, event, EVENT_BYTES)
    events[place]["account_id"] = account_id
    events[place]["request"] = request
    events[place]["slot"] = slot
    events[place]["earlier_request"] = requests[slot]["current_request"] if slot >= 0 else -1
    events[place]["previous_of_order"] = requests[slot]["newest_event"] if slot >= 0 else 0
    events[place]["previous_of_account"] = last + 1
    events[place]["next_of_account"] = 0
    store_release_i64(work[0]["event_count_address"], index + 1)
    if is_held(file, events, last):
        events[last & mask]["next_of_account"] = index + 1
    if accounts[account_id]["first_event"] == 0:
        accounts[account_id]["first_event"] = index + 1
    accounts[account_id]["last_event"] = index + 1
    if accounts[account_id]["touched"] == 0:
        accounts[account_id]["touched"] = 1
        store_i64(work[0]["touched_address"] + work[0]["touched_count"] * 8, account_id)
        work[0]["touched_count"] += 1
    return index


@inline
def apply_to_order(work: Any, requests: Any, buckets: Any, event: int, request: int) -> None:
    """Bring the order to the state that the event tells; doing it twice changes nothing."""
    slot = requests[request]["slot"]
    if slot < 0 or _refusal_kind(execution_event.get_execution_type(event)):
        return
    order_id = execution_event.get_order_id(event)
    if requests[slot]["order_id"] == 0 and order_id != 0:
        requests[slot]["order_id"] = order_id
        link_order(work, requests, buckets, slot)
    requests[slot]["status"] = execution_event.get_order_status(event)
    requests[slot]["status_reason"] = execution_event.get_reason(event)
    requests[slot]["price_units"] = execution_event.get_price_units(event)
    requests[slot]["quantity_units"] = execution_event.get_quantity_units(event)
    requests[slot]["leaves_quantity_units"] = execution_event.get_leaves_quantity_units(event)
    requests[slot]["cumulative_quantity_units"] = execution_event.get_cumulative_quantity_units(
        event
    )
    requests[slot]["epoch"] = execution_event.get_epoch(event)
    requests[slot]["sequence"] = execution_event.get_account_sequence(event)
    requests[slot]["update_time_ns"] = execution_event.get_time_ns(event)
    if (
        execution_event.get_execution_type(event) == execution_event.EXECUTION_TYPE_REPLACED
        and requests[request]["action"] == order_command.COMMAND_ACTION_REPLACE_ORDER
    ):
        requests[slot]["current_request"] = request


@inline
def answer(requests: Any, event: int, request: int, index: int) -> None:
    """Note on a request the event that its own command caused."""
    if requests[request]["outcome"] != OUTCOME_PENDING:
        return
    if requests[request]["first_event"] == 0:
        requests[request]["first_event"] = index + 1
        requests[request]["command_sequence"] = execution_event.get_command_sequence(event)
    requests[request]["last_event"] = index + 1
    execution_type = execution_event.get_execution_type(event)
    if execution_type == execution_event.EXECUTION_TYPE_REJECTED or _refusal_kind(execution_type):
        requests[request]["reason"] = execution_event.get_reason(event)


@inline
def complete(work: Any, requests: Any, request: int) -> None:
    """Close a request: its command is done, and whoever waits for it is listed."""
    if requests[request]["outcome"] != OUTCOME_PENDING:
        return
    refused = requests[request]["reason"] != 0
    requests[request]["outcome"] = OUTCOME_REFUSED if refused else OUTCOME_DONE
    waiter = requests[request]["waiter"]
    if waiter > 0:
        requests[request]["waiter"] = 0
        place = work[0]["waiters_address"] + waiter * 8
        left = load_i64(place) - 1
        store_i64(place, left)
        if left == 0:
            store_i64(work[0]["completed_address"] + work[0]["completed_count"] * 8, waiter)
            work[0]["completed_count"] += 1
    if requests[request]["followed"] != 0:
        requests[request]["followed"] = 0
        store_i64(work[0]["followed_address"] + work[0]["followed_count"] * 8, request)
        work[0]["followed_count"] += 1


@inline
def _take(
    file: Any, work: Any, requests: Any, events: Any, buckets: Any, accounts: Any, event: int
) -> None:
    """Keep and apply one event of a client's account."""
    request = _request_of(file, work, requests, buckets, accounts, event)
    index = keep_event(file, work, requests, events, accounts, event, request)
    if request < 0:
        return
    apply_to_order(work, requests, buckets, event, request)
    slot = requests[request]["slot"]
    if slot >= 0:
        requests[slot]["newest_event"] = index + 1
    # Its own command's events name the request and repeat when it was sent; others don't.
    if execution_event.get_send_time_ns(event) != 0 and (
        execution_event.get_tag(event) == request + 1
    ):
        answer(requests, event, request, index)
        work[0]["current_command_sequence"] = execution_event.get_command_sequence(event)
        work[0]["current_request"] = request


@inline
def _apply(
    file: Any, work: Any, requests: Any, events: Any, buckets: Any, accounts: Any, raw: int
) -> int:
    """Apply the event at ``raw``; STOP_END, or why it can't be applied now."""
    event = execution_event.normalise(raw, EVENT_BYTES, work[0]["scratch_address"])
    if event < 0:
        work[0]["malformed_count"] += 1
        return STOP_END
    epoch = execution_event.get_epoch(event)
    sequence = execution_event.get_sequence(event)
    if epoch < file[0]["epoch"] or (
        epoch == file[0]["epoch"] and sequence <= file[0]["last_sequence"]
    ):
        return STOP_END
    if epoch > file[0]["epoch"]:
        return STOP_EPOCH
    if sequence != file[0]["last_sequence"] + 1:
        return STOP_GAP
    if work[0]["completed_count"] >= COMPLETED_MAX or work[0]["followed_count"] >= COMPLETED_MAX:
        return STOP_FULL
    if is_client(accounts, execution_event.get_account_id(event)):
        _take(file, work, requests, events, buckets, accounts, event)
    if (execution_event.get_flags(event) & FLAG_LAST_OF_COMMAND) != 0 and (
        execution_event.get_command_sequence(event) == work[0]["current_command_sequence"]
    ):
        complete(work, requests, work[0]["current_request"])
    # Last, so that what a kill cuts off before this is taken again.
    store_release_i64(work[0]["last_sequence_address"], sequence)
    return STOP_END


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64))
def apply_events(frame: int, source: int, stride: int, record_offset: int, count: int) -> int:
    """Apply ``count`` events, ``stride`` bytes apart from ``source`` on.

    With a ``record_offset`` they lie in slots of the stream's reader, so many bytes behind a word
    that says what the slot holds. Returns how many were taken; fewer than ``count`` for the reason
    in ``work.stop``: a newer epoch begins, a sequence number is missing, the lists of answers must
    be drained first, or the slot holds news of a writer and no event.
    """
    file = frame_array(frame, AT_FILE, FILE_HEADER)
    work = frame_array(frame, AT_WORK, WORK)
    requests = frame_array(frame, AT_REQUESTS, REQUEST)
    events = frame_array(frame, AT_EVENTS, EVENT)
    buckets = frame_array(frame, AT_BUCKETS, BUCKET)
    accounts = frame_array(frame, AT_ACCOUNTS, ACCOUNT)
    work[0]["stop"] = STOP_END
    for position in range(count):
        slot = source + position * stride
        stop = STOP_END
        if record_offset > 0 and load_i64(slot) != EVENT_RECORD:
            stop = STOP_NEWS
        else:
            raw = slot + record_offset
            stop = _apply(file, work, requests, events, buckets, accounts, raw)
        work[0]["stop"] = stop
        if stop != STOP_END:
            return position
    return count
