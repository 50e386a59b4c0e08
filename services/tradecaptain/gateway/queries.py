"""Finds orders in the store, for queries and for the targets of cancels and replaces."""

from __future__ import annotations

import struct
from typing import Any, Final

from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import store_i64
from tradecaptain.gateway.layout import ACCOUNT_TYPE, BUCKETS_TYPE, REQUEST_TYPE, WORK_TYPE
from tradecaptain.gateway.lookup import find_key, find_order, is_open, key_hash
from tradecaptain.gateway.store import Store

_WORDS: Final = struct.Struct("<4q")
LISTED_MAX: Final = 1000


@kernel(types.int64(WORK_TYPE, REQUEST_TYPE, BUCKETS_TYPE, types.int64))
def query_order(work: Any, requests: Any, buckets: Any, order_id: int) -> int:
    """The request that created the order with a venue id, or -1."""
    return find_order(work, requests, buckets, order_id)


@kernel(
    types.int64(
        WORK_TYPE,
        REQUEST_TYPE,
        BUCKETS_TYPE,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
    )
)
def query_key(
    work: Any,
    requests: Any,
    buckets: Any,
    account_id: int,
    key_0: int,
    key_1: int,
    key_2: int,
    key_3: int,
) -> int:
    """The newest request with a client order id, or -1."""
    bucket = key_hash(account_id, key_0, key_1, key_2, key_3) & work[0]["bucket_mask"]
    return find_key(requests, buckets[bucket], account_id, key_0, key_1, key_2, key_3)


@kernel(
    types.int64(
        WORK_TYPE,
        REQUEST_TYPE,
        ACCOUNT_TYPE,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
    )
)
def query_list(
    work: Any,
    requests: Any,
    accounts: Any,
    account_id: int,
    start: int,
    instrument_id: int,
    working_only: int,
    limit: int,
) -> int:
    """List an account's orders, newest first, at ``listed_address``; returns how many.

    ``start`` is the link at which a page begins, 0 for the newest. The link of the next page is
    written behind the last order listed.
    """
    link = start if start > 0 else accounts[account_id]["newest_order"]
    found = 0
    while link > 0 and found < limit:
        index = link - 1
        link = requests[index]["previous_order"]
        if instrument_id != 0 and requests[index]["instrument_id"] != instrument_id:
            continue
        if working_only != 0 and not is_open(requests[index]["status"]):
            continue
        if requests[index]["key_0"] == 0 and requests[index]["order_id"] == 0:
            # A command from before a restart that never reached the venue.
            continue
        store_i64(work[0]["listed_address"] + found * 8, index)
        found += 1
    store_i64(work[0]["listed_address"] + found * 8, link)
    return found


def slot_of_order(store: Store, account_id: int, order_id: int) -> int:
    """The order with a venue id if it is the account's, else -1."""
    if order_id >= 1 << 63:
        return -1
    slot = int(query_order(store.work, store.requests, store.buckets, order_id))
    if slot < 0 or int(store.requests[slot]["account_id"]) != account_id:
        return -1
    return slot


def request_of_key(store: Store, account_id: int, key: str) -> int:
    """The account's newest request with a client order id, else -1."""
    words = _WORDS.unpack(key.encode("ascii").ljust(_WORDS.size, b"\0"))
    return int(query_key(store.work, store.requests, store.buckets, account_id, *words))


def list_orders(
    store: Store, account_id: int, start: int, instrument_id: int, working_only: bool, limit: int
) -> tuple[list[int], int]:
    """Orders of an account, newest first, and the link of the next page (0 at the end)."""
    found = int(
        query_list(
            store.work,
            store.requests,
            store.accounts,
            account_id,
            start,
            instrument_id,
            int(working_only),
            min(limit, LISTED_MAX),
        )
    )
    return store.listed[:found].tolist(), int(store.listed[found])
