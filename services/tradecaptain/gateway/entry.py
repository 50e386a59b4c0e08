"""Order entry: staged commands are checked, remembered under their key, and published.

One kernel does all of it, for one command as for a thousand. Nothing is remembered that wasn't
published, and nothing is published that wasn't remembered first.
"""

from __future__ import annotations

from typing import Any

from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import (
    copy_bytes,
    load_acquire_i64,
    load_i64,
    load_u8,
    store_i64,
    store_release_i64,
)
from tradecaptain.gateway.frame import (
    AT_ACCOUNTS,
    AT_BUCKETS,
    AT_FILE,
    AT_INSTRUMENTS,
    AT_PUBLICATION,
    AT_REQUESTS,
    AT_WORK,
)
from tradecaptain.gateway.layout import (
    ACCOUNT,
    BUCKET,
    CODE_DUPLICATE,
    CODE_FRESH,
    FILE_HEADER,
    INSTRUMENT,
    OUTCOME_PENDING,
    REQUEST,
    STATUS_PENDING,
    WORK,
)
from tradecaptain.gateway.lookup import find_key, is_open, key_hash, link_key
from tradecaptain.mesh.agent import frame_array
from tradecaptain.mesh.doorbell import doorbell_ring
from tradecaptain.mesh.layout import PUBLICATION
from tradecaptain.mesh.publication import (
    publication_claim,
    publication_commit,
    publication_stride,
)
from tradecaptain.wire import common, order_command
from tradecaptain.wire import reason as reasons

KEY_BYTES = 32
_COMMAND_BYTES = order_command.RECORD_BYTES
_STRIDE = publication_stride(_COMMAND_BYTES)


@inline
def _key_reason(command: int) -> int:
    """0 if the client order id is printable ASCII, padded with zero bytes at the end only."""
    key = command + order_command.OFFSET_CLIENT_ORDER_ID0
    ended = False
    for word in range(0, KEY_BYTES, 8):
        if load_i64(key + word) == 0:
            ended = True
            continue
        for offset in range(word, word + 8):
            character = load_u8(key + offset)
            if character == 0:
                ended = True
            elif ended or character < 0x20 or character > 0x7E:
                return reasons.REASON_INVALID_CLIENT_ORDER_ID
    return 0


@inline
def _increment_at(bands: int, first: int, count: int, price_units: int) -> int:
    """The order increment at a price; bands are pairs of lower bound and increment."""
    increment = load_i64(bands + first * 16 + 8)
    for index in range(first + 1, first + count):
        if price_units < load_i64(bands + index * 16):
            break
        increment = load_i64(bands + index * 16 + 8)
    return increment


@inline
def _price_reason(work: Any, instruments: Any, instrument_id: int, price_units: int) -> int:
    if (
        price_units < instruments[instrument_id]["minimum_price_units"]
        or price_units > instruments[instrument_id]["maximum_price_units"]
    ):
        return reasons.REASON_PRICE_OUT_OF_RANGE
    increment = _increment_at(
        work[0]["bands_address"],
        instruments[instrument_id]["first_band"],
        instruments[instrument_id]["band_count"],
        price_units,
    )
    return reasons.REASON_INVALID_PRICE if price_units % increment != 0 else 0


@inline
def _quantity_reason(instruments: Any, instrument_id: int, quantity_units: int) -> int:
    if (
        quantity_units < instruments[instrument_id]["minimum_order_units"]
        or quantity_units > instruments[instrument_id]["maximum_order_units"]
        or quantity_units <= 0
        or quantity_units % instruments[instrument_id]["lot_units"] != 0
    ):
        return reasons.REASON_INVALID_QUANTITY
    return 0


@inline
def _command_reason(work: Any, instruments: Any, command: int) -> int:
    """0 if the command keeps the instrument's rules, else the reason why it doesn't."""
    action = order_command.get_action(command)
    instrument_id = order_command.get_instrument_id(command)
    if instrument_id >= instruments.shape[0] or instruments[instrument_id]["is_tradable"] == 0:
        return reasons.REASON_UNKNOWN_INSTRUMENT
    side = order_command.get_side(command)
    if side != common.SIDE_BUY and side != common.SIDE_SELL:
        return reasons.REASON_INVALID_SIDE
    key_0 = order_command.get_client_order_id0(command)
    if key_0 == 0 and action != order_command.COMMAND_ACTION_CANCEL_ORDER:
        return reasons.REASON_INVALID_CLIENT_ORDER_ID
    reason = _key_reason(command)
    if reason != 0 or action == order_command.COMMAND_ACTION_CANCEL_ORDER:
        return reason
    reason = _quantity_reason(instruments, instrument_id, order_command.get_quantity_units(command))
    order_type = order_command.get_order_type(command)
    if reason != 0 or (
        order_type != common.ORDER_TYPE_LIMIT and order_type != common.ORDER_TYPE_STOP_LIMIT
    ):
        return reason
    return _price_reason(work, instruments, instrument_id, order_command.get_price_units(command))


@inline
def _bodies_equal(first: int, second: int) -> bool:
    for offset in range(0, _COMMAND_BYTES, 8):
        if load_i64(first + offset) != load_i64(second + offset):
            return False
    return True


@inline
def _bucket_of(work: Any, command: int) -> int:
    """Where the chain of the command's key begins."""
    return (
        key_hash(
            order_command.get_account_id(command),
            order_command.get_client_order_id0(command),
            order_command.get_client_order_id1(command),
            order_command.get_client_order_id2(command),
            order_command.get_client_order_id3(command),
        )
        & work[0]["bucket_mask"]
    )


@inline
def _fetch_buckets(work: Any, buckets: Any, count: int) -> None:
    """Read the bucket of every staged command, so that the misses of the cache overlap."""
    fetched = 0
    for position in range(count):
        command = work[0]["staging_address"] + position * _COMMAND_BYTES
        fetched ^= buckets[_bucket_of(work, command)]
    work[0]["fetched"] = fetched


@inline
def _existing(work: Any, requests: Any, buckets: Any, command: int) -> int:
    """The request that holds the command's key today, or -1."""
    key_0 = order_command.get_client_order_id0(command)
    if key_0 == 0:
        return -1
    account_id = order_command.get_account_id(command)
    key_1 = order_command.get_client_order_id1(command)
    key_2 = order_command.get_client_order_id2(command)
    key_3 = order_command.get_client_order_id3(command)
    bucket = _bucket_of(work, command)
    index = find_key(requests, buckets[bucket], account_id, key_0, key_1, key_2, key_3)
    if index >= 0 and requests[index]["day"] != work[0]["day"]:
        slot = requests[index]["slot"]
        if slot < 0 or not is_open(requests[slot]["status"]):
            # A key of an earlier trading day, and nothing of it is working any more.
            return -1
    return index


@inline
def _log_reason(work: Any) -> int:
    """0, or why the venue's log takes no new risk: the venue would refuse it too, as long as the
    log has room for its answers, which is kept for cancels so."""
    address = work[0]["refusal_address"]
    return 0 if address == 0 else load_acquire_i64(address)


@inline
def _room_reason(work: Any, accounts: Any, command: int, count: int) -> int:
    """0 if one more request can be remembered behind ``count`` others, else why not.

    An account's share keeps one that floods from using up the room of all. Cancels have some of it
    to themselves, so that who has used up the rest can still take back what works.
    """
    used = accounts[order_command.get_account_id(command)]["request_count"]
    limit = work[0]["account_order_limit"]
    if order_command.get_action(command) == order_command.COMMAND_ACTION_CANCEL_ORDER:
        limit = work[0]["account_limit"]
    if used >= limit:
        return reasons.REASON_ACCOUNT_SHARE_EXHAUSTED
    return 0 if count < work[0]["request_limit"] else reasons.REASON_CAPACITY_EXHAUSTED


@inline
def _look_up(work: Any, requests: Any, buckets: Any, instruments: Any, position: int) -> int:
    """List the code of a staged command, and the request that it repeats, or -1; the code."""
    command = work[0]["staging_address"] + position * _COMMAND_BYTES
    code = _command_reason(work, instruments, command)
    target = -1
    if code == 0:
        code = CODE_FRESH
        target = _existing(work, requests, buckets, command)
        if target >= 0:
            kept = work[0]["commands_address"] + target * _COMMAND_BYTES
            same = _bodies_equal(kept, command)
            code = CODE_DUPLICATE if same else reasons.REASON_DUPLICATE_CLIENT_ORDER_ID
        elif order_command.get_action(command) != order_command.COMMAND_ACTION_CANCEL_ORDER:
            code = _log_reason(work)
    store_i64(work[0]["codes_address"] + position * 8, code)
    store_i64(work[0]["targets_address"] + position * 8, target)
    return int(code)


@inline
def remember(
    work: Any, requests: Any, buckets: Any, accounts: Any, index: int, command: int, slot: int
) -> None:
    """Write the request at ``index``; ``slot`` is its order's request, -1 for a new order."""
    account_id = order_command.get_account_id(command)
    requests[index]["account_id"] = account_id
    requests[index]["key_0"] = order_command.get_client_order_id0(command)
    requests[index]["key_1"] = order_command.get_client_order_id1(command)
    requests[index]["key_2"] = order_command.get_client_order_id2(command)
    requests[index]["key_3"] = order_command.get_client_order_id3(command)
    requests[index]["action"] = order_command.get_action(command)
    requests[index]["day"] = work[0]["day"]
    requests[index]["outcome"] = OUTCOME_PENDING
    requests[index]["reason"] = 0
    requests[index]["first_event"] = 0
    requests[index]["last_event"] = 0
    requests[index]["command_sequence"] = 0
    requests[index]["waiter"] = work[0]["waiter"]
    requests[index]["followed"] = 0
    requests[index]["send_time_ns"] = work[0]["send_time_ns"]
    requests[index]["session_id"] = work[0]["session_id"]
    requests[index]["slot"] = index if slot < 0 else slot
    accounts[account_id]["request_count"] += 1
    if slot < 0:
        _open_order(work, requests, index, command)
        requests[index]["previous_order"] = accounts[account_id]["newest_order"]
        accounts[account_id]["newest_order"] = index + 1
    link_key(work, requests, buckets, index)


@inline
def _open_order(work: Any, requests: Any, index: int, command: int) -> None:
    requests[index]["order_id"] = 0
    requests[index]["current_request"] = index
    requests[index]["instrument_id"] = order_command.get_instrument_id(command)
    requests[index]["side"] = order_command.get_side(command)
    requests[index]["order_type"] = order_command.get_order_type(command)
    requests[index]["time_in_force"] = order_command.get_time_in_force(command)
    requests[index]["status"] = STATUS_PENDING
    requests[index]["status_reason"] = 0
    requests[index]["price_units"] = order_command.get_price_units(command)
    requests[index]["quantity_units"] = order_command.get_quantity_units(command)
    requests[index]["leaves_quantity_units"] = order_command.get_quantity_units(command)
    requests[index]["cumulative_quantity_units"] = 0
    requests[index]["strategy_id"] = order_command.get_strategy_id(command)
    requests[index]["newest_event"] = 0
    requests[index]["epoch"] = 0
    requests[index]["sequence"] = 0
    requests[index]["create_time_ns"] = work[0]["send_time_ns"]
    requests[index]["update_time_ns"] = work[0]["send_time_ns"]
    requests[index]["next_by_order"] = 0


@inline
def _write_command(work: Any, index: int, command: int, target: int) -> None:
    """Keep the body as the client wrote it, and stamp the copy that is published."""
    copy_bytes(work[0]["commands_address"] + index * _COMMAND_BYTES, command, _COMMAND_BYTES)
    copy_bytes(target, command, _COMMAND_BYTES)
    order_command.set_tag(target, index + 1)
    order_command.set_session_id(target, work[0]["session_id"])
    order_command.set_send_time_ns(target, work[0]["send_time_ns"])


@inline
def _enter(
    file: Any,
    work: Any,
    requests: Any,
    buckets: Any,
    accounts: Any,
    instruments: Any,
    payload: int,
    count: int,
) -> int:
    """Enter staged commands into a claimed log; returns how many were fresh."""
    first = file[0]["request_count"]
    fresh = 0
    if count > 1:
        _fetch_buckets(work, buckets, count)
    for position in range(count):
        if _look_up(work, requests, buckets, instruments, position) != CODE_FRESH:
            continue
        command = work[0]["staging_address"] + position * _COMMAND_BYTES
        reason = _room_reason(work, accounts, command, first + fresh)
        if reason != 0:
            store_i64(work[0]["codes_address"] + position * 8, reason)
            continue
        target = first + fresh
        slot = load_i64(work[0]["slots_address"] + position * 8)
        _write_command(work, target, command, payload + fresh * _STRIDE)
        remember(work, requests, buckets, accounts, target, command, slot)
        store_i64(work[0]["targets_address"] + position * 8, target)
        fresh += 1
    return fresh


@inline
def _are_known(work: Any, requests: Any, buckets: Any, instruments: Any, count: int) -> bool:
    """Whether no staged command has anything to tell the venue: each is refused here, or repeats
    one that it was told. Codes and requests are listed then."""
    for position in range(count):
        if _look_up(work, requests, buckets, instruments, position) == CODE_FRESH:
            return False
    return True


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64, types.int64))
def enter_commands(frame: int, count: int, waiter: int, session_id: int, now_ns: int) -> int:
    """Enter ``count`` staged commands; returns how many were published, or a negative status.

    For each command its code (fresh, duplicate, or a reason) and its request are written to the
    lists at ``codes_address`` and ``targets_address``; the fresh ones are numbered without gaps. On
    a negative status nothing has happened. Where the venue can't be told anything, commands that it
    was told before have their answers all the same.
    """
    file = frame_array(frame, AT_FILE, FILE_HEADER)
    work = frame_array(frame, AT_WORK, WORK)
    requests = frame_array(frame, AT_REQUESTS, REQUEST)
    buckets = frame_array(frame, AT_BUCKETS, BUCKET)
    accounts = frame_array(frame, AT_ACCOUNTS, ACCOUNT)
    instruments = frame_array(frame, AT_INSTRUMENTS, INSTRUMENT)
    publication = frame_array(frame, AT_PUBLICATION, PUBLICATION)
    work[0]["waiter"] = waiter
    work[0]["session_id"] = session_id
    work[0]["send_time_ns"] = now_ns
    payload = publication_claim(publication, count, _COMMAND_BYTES)
    if payload < 0:
        return 0 if _are_known(work, requests, buckets, instruments, count) else payload
    first = file[0]["request_count"]
    fresh = _enter(file, work, requests, buckets, accounts, instruments, payload, count)
    if fresh > 0:
        # The count comes last: a request that was counted is complete, also after a kill.
        store_release_i64(work[0]["request_count_address"], first + fresh)
        store_i64(work[0]["waiters_address"] + waiter * 8, fresh)
    publication_commit(publication, fresh)
    if fresh > 0:
        doorbell_ring(work[0]["bell_address"])
    work[0]["published"] += fresh
    return fresh
