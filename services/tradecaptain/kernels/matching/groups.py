"""Order groups by (account, the author's number): where their members are found.

Members lie in a chained table; a group is small, so its members are told in the order of their ids
by looking for the next larger one.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_i32, load_i64, store_i32
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.tables import order_at, terms_at

GROUP_LIMIT = 8
ROLE_ONE_CANCELS_OTHER = 1
ROLE_ENTRY = 2
ROLE_EXIT = 3


@inline
def group_bucket(engine: int, account_id: int, group_id: int) -> int:
    """Address of a group's bucket; mixes in steps that don't depend on wrapping."""
    low = group_id & 0xFFFFFFFF
    high = (group_id >> 32) & 0x7FFFFFFF
    mixed = low * 0x3C6EF372 + high * 0x2545F491 + account_id * 0x1B873593
    mixed = mixed ^ (mixed >> 29)
    table = engine + load_i64(engine + at.HEADER_GROUP_BUCKETS_OFFSET)
    return table + (mixed & load_i64(engine + at.HEADER_GROUP_BUCKET_MASK)) * 4


@inline
def bucket_of(engine: int, slot: int) -> int:
    """Address of the bucket of an order's group."""
    return group_bucket(
        engine,
        load_i32(order_at(engine, slot) + at.ORDER_ACCOUNT_ID) + 0,
        load_i64(terms_at(engine, slot) + at.TERMS_GROUP_ID),
    )


@inline
def enter_group(engine: int, slot: int) -> None:
    """Make an order findable by its group."""
    bucket = bucket_of(engine, slot)
    store_i32(terms_at(engine, slot) + at.TERMS_GROUP_CHAIN, load_i32(bucket))
    store_i32(bucket, slot)


@inline
def leave_group(engine: int, slot: int) -> None:
    """The reverse of `enter_group`."""
    link = bucket_of(engine, slot)
    while load_i32(link) != slot:
        link = terms_at(engine, load_i32(link) + 0) + at.TERMS_GROUP_CHAIN
    store_i32(link, load_i32(terms_at(engine, slot) + at.TERMS_GROUP_CHAIN))


@inline
def next_member(engine: int, account_id: int, group_id: int, after_order_id: int) -> int:
    """Slot of the group's member with the smallest order id above one, or 0."""
    slot = load_i32(group_bucket(engine, account_id, group_id)) + 0
    found = 0
    found_id = 0
    while slot != 0:
        terms = terms_at(engine, slot)
        order = order_at(engine, slot)
        if (
            load_i64(terms + at.TERMS_GROUP_ID) == group_id
            and load_i32(order + at.ORDER_ACCOUNT_ID) == account_id
        ):
            order_id = load_i64(order + at.ORDER_ORDER_ID)
            if order_id > after_order_id and (found == 0 or order_id < found_id):
                found = slot
                found_id = order_id
        slot = load_i32(terms + at.TERMS_GROUP_CHAIN) + 0
    return found


@inline
def role_of(engine: int, slot: int) -> int:
    """Part of an order in its group."""
    return load_i32(terms_at(engine, slot) + at.TERMS_GROUP_ROLE) + 0
