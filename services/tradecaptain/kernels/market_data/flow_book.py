"""Queues of the replayed flow: pools of orders and levels with an index each."""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.kernels.market_data.order_table import home_slot


@inline
def clear_flow(pools: Any, flow: Any) -> None:
    """Forget all orders and levels."""
    mask = flow["bucket_mask"]
    for slot in range(mask + 1):
        pools.buckets[flow["order_bucket_offset"] + slot]["chain_head"] = 0
        pools.buckets[flow["level_bucket_offset"] + slot]["chain_head"] = 0
    offset = flow["order_offset"]
    for index in range(offset, offset + flow["order_capacity"]):
        pools.orders[index]["order_id"] = 0
        pools.orders[index]["chain"] = index + 1
    pools.orders[offset + flow["order_capacity"] - 1]["chain"] = 0
    flow["order_free"] = offset
    offset = flow["level_offset"]
    for index in range(offset, offset + flow["level_capacity"]):
        pools.levels[index]["chain"] = index + 1
    pools.levels[offset + flow["level_capacity"] - 1]["chain"] = 0
    flow["level_free"] = offset
    flow["live_orders"] = 0


@inline
def level_bucket(flow: Any, side: int, price_units: int) -> int:
    """Bucket of a level."""
    return flow["level_bucket_offset"] + home_slot(price_units * 2 + side, flow["bucket_mask"])


@inline
def find_flow_level(pools: Any, flow: Any, side: int, price_units: int) -> int:
    """Index of a level, or 0."""
    index = pools.buckets[level_bucket(flow, side, price_units)]["chain_head"]
    while index != 0:
        if (
            pools.levels[index]["price_units"] == price_units
            and pools.levels[index]["side"] == side
        ):
            return index
        index = pools.levels[index]["chain"]
    return 0


@inline
def make_flow_level(pools: Any, flow: Any, side: int, price_units: int) -> int:
    """Index of a level, made if there is none; 0 when the pool is empty."""
    index = find_flow_level(pools, flow, side, price_units)
    if index != 0:
        return index
    index = flow["level_free"]
    if index == 0:
        return 0
    flow["level_free"] = pools.levels[index]["chain"]
    bucket = level_bucket(flow, side, price_units)
    pools.levels[index]["price_units"] = price_units
    pools.levels[index]["side"] = side
    pools.levels[index]["vendor_units"] = 0
    pools.levels[index]["first"] = 0
    pools.levels[index]["last"] = 0
    pools.levels[index]["chain"] = pools.buckets[bucket]["chain_head"]
    pools.buckets[bucket]["chain_head"] = index
    return index


@inline
def free_flow_level(pools: Any, flow: Any, index: int) -> None:
    """Give back a level that has no orders."""
    bucket = level_bucket(flow, pools.levels[index]["side"], pools.levels[index]["price_units"])
    at = pools.buckets[bucket]["chain_head"]
    if at == index:
        pools.buckets[bucket]["chain_head"] = pools.levels[index]["chain"]
    else:
        while pools.levels[at]["chain"] != index:
            at = pools.levels[at]["chain"]
        pools.levels[at]["chain"] = pools.levels[index]["chain"]
    pools.levels[index]["chain"] = flow["level_free"]
    flow["level_free"] = index


@inline
def order_bucket(flow: Any, order_id: int) -> int:
    """Bucket of an order."""
    return flow["order_bucket_offset"] + home_slot(order_id, flow["bucket_mask"])


@inline
def find_flow_order(pools: Any, flow: Any, order_id: int) -> int:
    """Index of an order, or 0."""
    index = pools.buckets[order_bucket(flow, order_id)]["chain_head"]
    while index != 0 and pools.orders[index]["order_id"] != order_id:
        index = pools.orders[index]["chain"]
    return index


@inline
def make_flow_order(pools: Any, flow: Any, level: int, order_id: int, units: int) -> int:
    """Put an order at the tail of a level; its index, or 0 when the pool is empty."""
    index = flow["order_free"]
    if index == 0:
        return 0
    flow["order_free"] = pools.orders[index]["chain"]
    bucket = order_bucket(flow, order_id)
    last = pools.levels[level]["last"]
    pools.orders[index]["order_id"] = order_id
    pools.orders[index]["level"] = level
    pools.orders[index]["vendor_units"] = units
    pools.orders[index]["venue_units"] = units
    pools.orders[index]["pending_units"] = 0
    pools.orders[index]["awaiting"] = 0
    pools.orders[index]["previous"] = last
    pools.orders[index]["next"] = 0
    pools.orders[index]["is_queued"] = 1
    pools.orders[index]["chain"] = pools.buckets[bucket]["chain_head"]
    pools.buckets[bucket]["chain_head"] = index
    if last != 0:
        pools.orders[last]["next"] = index
    else:
        pools.levels[level]["first"] = index
    pools.levels[level]["last"] = index
    pools.levels[level]["vendor_units"] += units
    flow["live_orders"] += 1
    return index


@inline
def leave_queue(pools: Any, flow: Any, index: int) -> None:
    """Take an order out of its level's queue; a level without orders goes."""
    if pools.orders[index]["is_queued"] == 0:
        return
    level = pools.orders[index]["level"]
    before = pools.orders[index]["previous"]
    after = pools.orders[index]["next"]
    if before != 0:
        pools.orders[before]["next"] = after
    else:
        pools.levels[level]["first"] = after
    if after != 0:
        pools.orders[after]["previous"] = before
    else:
        pools.levels[level]["last"] = before
    pools.orders[index]["is_queued"] = 0
    if pools.levels[level]["first"] == 0:
        free_flow_level(pools, flow, level)


@inline
def free_flow_order(pools: Any, flow: Any, index: int) -> None:
    """Give back an order."""
    leave_queue(pools, flow, index)
    bucket = order_bucket(flow, pools.orders[index]["order_id"])
    at = pools.buckets[bucket]["chain_head"]
    if at == index:
        pools.buckets[bucket]["chain_head"] = pools.orders[index]["chain"]
    else:
        while pools.orders[at]["chain"] != index:
            at = pools.orders[at]["chain"]
        pools.orders[at]["chain"] = pools.orders[index]["chain"]
    pools.orders[index]["order_id"] = 0
    pools.orders[index]["chain"] = flow["order_free"]
    flow["order_free"] = index
    flow["live_orders"] -= 1
