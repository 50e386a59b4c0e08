"""Finds requests by their key and orders by their venue id: two chained hash tables in one array.

``buckets`` holds the heads, by key in its first half and by order id in its second.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.gateway.layout import STATUS_PARTIALLY_FILLED

_LOW_32_BITS = 0xFFFFFFFF
_KEEP = (1 << 60) - 1


@inline
def _mix(value: int, word: int) -> int:
    # Every product stays below 2**59, so that plain Python and machine integers agree.
    value = (value + (word & _LOW_32_BITS) * 0x4F1BBCD) & _KEEP
    value = (value + ((word >> 32) & _LOW_32_BITS) * 0x2E623B5) & _KEEP
    return value ^ (value >> 27)


@inline
def key_hash(account_id: int, key_0: int, key_1: int, key_2: int, key_3: int) -> int:
    """A non-negative hash of a request's key."""
    value = _mix(_mix(account_id * 0x9E3779B, key_0), key_1)
    return _mix(_mix(value, key_2), key_3)


@inline
def is_open(status: int) -> bool:
    """Whether an order in this status is pending or working."""
    return status <= STATUS_PARTIALLY_FILLED


@inline
def find_key(
    requests: Any, bucket: int, account_id: int, key_0: int, key_1: int, key_2: int, key_3: int
) -> int:
    """Index of the newest request with this key in the chain that begins at ``bucket``, or -1."""
    link = bucket
    while link != 0:
        index = link - 1
        if (
            requests[index]["key_0"] == key_0
            and requests[index]["key_1"] == key_1
            and requests[index]["key_2"] == key_2
            and requests[index]["key_3"] == key_3
            and requests[index]["account_id"] == account_id
        ):
            return index
        link = requests[index]["next_by_key"]
    return -1


@inline
def link_key(work: Any, requests: Any, buckets: Any, index: int) -> None:
    """Make a request findable by its key; an all-zero key is none."""
    key_0 = requests[index]["key_0"]
    if key_0 == 0:
        return
    bucket = (
        key_hash(
            requests[index]["account_id"],
            key_0,
            requests[index]["key_1"],
            requests[index]["key_2"],
            requests[index]["key_3"],
        )
        & work[0]["bucket_mask"]
    )
    requests[index]["next_by_key"] = buckets[bucket]
    buckets[bucket] = index + 1


@inline
def find_order(work: Any, requests: Any, buckets: Any, order_id: int) -> int:
    """Index of the request that created an order, or -1."""
    if order_id == 0:
        return -1
    mask = work[0]["bucket_mask"]
    link = buckets[mask + 1 + (order_id & mask)]
    while link != 0:
        index = link - 1
        if requests[index]["order_id"] == order_id:
            return index
        link = requests[index]["next_by_order"]
    return -1


@inline
def link_order(work: Any, requests: Any, buckets: Any, index: int) -> None:
    """Make an order findable by its venue id."""
    mask = work[0]["bucket_mask"]
    bucket = mask + 1 + (requests[index]["order_id"] & mask)
    requests[index]["next_by_order"] = buckets[bucket]
    buckets[bucket] = index + 1
