"""From an order id to its slot, and from a vendor's order id of the replayed flow to its slot.

Both tables are chained; the chain lies in the slots. The table of order ids begins small, so that
it stays in the nearest cache while few orders live, and grows by a few buckets at a time, never at
once (linear hashing: W. Litwin, VLDB 1980), when a slot is used for the first time. Ids that count
up are neighbours in the table. While it is small it has many buckets for each order, so that a new
id, which may be any, seldom meets another.

A link, which is the word of a bucket or of a slot's chain, names an order. Where clients choose
ids, it says three bits as well that depend on the order's id, and whether that has another one
behind it. So a new id that meets another is most often known to differ from it, without a look at
the other order.
"""

from __future__ import annotations

from tradecaptain.base.bits import rotated_right
from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import (
    load_constant_i64,
    load_i32,
    load_i64,
    load_u32,
    store_i32,
    store_i64,
    store_u32,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.layout import (
    BUCKETS_PER_ORDER,
    INT64_MAXIMUM,
    ORDER_BUCKETS_AT,
    ORDER_IDS_CLIENT,
    ROOMY_BUCKETS,
    ROOMY_BUCKETS_PER_ORDER,
)
from tradecaptain.kernels.matching.tables import has_free_order, order_at, party_at

SLOT_BITS = 27
SLOT_MASK = (1 << SLOT_BITS) - 1
NAMES_ORDER = 1 << SLOT_BITS
ID_BITS = 7 << (SLOT_BITS + 1)
MORE_BIT = 31
MORE_BEHIND = 1 << MORE_BIT
"""Parts of a link above its slot. One that names no order is zero."""


@inline
def bucket_at(engine: int, bucket: int) -> int:
    """Address of a bucket of the table of order ids."""
    return engine + ORDER_BUCKETS_AT + bucket * 4


@inline
def spread(order_id: int) -> int:
    """An order id whose high bits count as well: a client may choose ids as it likes."""
    return order_id ^ rotated_right(order_id, 20) ^ rotated_right(order_id, 40)


@inline
def link_bits(order_id: int) -> int:
    """What the link to an order says of its id: some bits that depend on nearly all of it."""
    # Without `spread`, so that nothing of that is kept for where an order is linked.
    return ((order_id ^ (order_id >> 31)) * 0x9E3779B1) & ID_BITS | NAMES_ORDER


@inline
def order_link(engine: int, slot: int, order_id: int, behind: int) -> int:
    """A link to an order that has another link behind it, or none.

    Where the engine gives ids out nobody asks whether one is new, and a link is the slot alone.
    """
    # Not as a constant, which would be kept in a register from where it was read first.
    if load_i64(engine + at.HEADER_ORDER_IDS) != ORDER_IDS_CLIENT:
        return slot
    # Without a branch: nobody foresees which buckets are empty. Of a link but 0, negated, the high
    # half is all ones.
    return slot | link_bits(order_id) | ((-behind >> 32) & MORE_BEHIND)


@inline
def linked_slot(link: int) -> int:
    """The slot that a link (by its address) names, or 0."""
    return load_u32(link) & SLOT_MASK


@inline
def order_bucket(engine: int, order_id: int) -> int:
    """Address of the bucket of an order id.

    The mask is of the size that the table grows to next; a bucket that isn't open yet is still a
    part of the one half a table before it.
    """
    mask = load_i64(engine + at.HEADER_ORDER_BUCKET_MASK)
    half_mask = load_i64(engine + at.HEADER_ORDER_BUCKET_HALF_MASK)
    bucket = spread(order_id) & mask
    # Without a branch: which ids belong to buckets that aren't open yet nobody foresees.
    is_open = (bucket - load_i64(engine + at.HEADER_ORDER_BUCKETS)) >> 32
    return bucket_at(engine, bucket & (half_mask | is_open))


@inline
def link_order(engine: int, slot: int, bucket: int, order_id: int) -> None:
    """Put an order before all others of a bucket (by its address)."""
    behind = load_u32(bucket) + 0
    store_u32(order_at(engine, slot) + at.ORDER_CHAIN, behind)
    store_u32(bucket, order_link(engine, slot, order_id, behind))


@inline
def set_order_bucket_mask(engine: int, mask: int) -> None:
    """Note the mask of the size that the table grows to next."""
    store_i64(engine + at.HEADER_ORDER_BUCKET_MASK, mask)
    store_i64(engine + at.HEADER_ORDER_BUCKET_HALF_MASK, mask >> 1)


@inline
def set_order_buckets(engine: int, buckets: int) -> None:
    """Note how many buckets are open, and with how many used slots there will have to be more."""
    store_i64(engine + at.HEADER_ORDER_BUCKETS, buckets)
    per_order = ROOMY_BUCKETS_PER_ORDER if buckets < ROOMY_BUCKETS else BUCKETS_PER_ORDER
    is_last = buckets == load_i64(engine + at.HEADER_ORDER_BUCKET_CAPACITY)
    room = INT64_MAXIMUM if is_last else buckets // per_order
    store_i64(engine + at.HEADER_ORDER_BUCKET_ROOM, room)


@inline
def open_bucket(engine: int) -> None:
    """Open one more bucket, and move there what belongs to it."""
    buckets = load_i64(engine + at.HEADER_ORDER_BUCKETS)
    mask = load_i64(engine + at.HEADER_ORDER_BUCKET_MASK)
    if buckets > mask:
        mask = 2 * mask + 1
        set_order_bucket_mask(engine, mask)
    link = bucket_at(engine, buckets & (mask >> 1))
    opened = bucket_at(engine, buckets)
    store_u32(opened, 0)
    slot = linked_slot(link)
    while slot != 0:
        order = order_at(engine, slot)
        order_id = load_i64(order + at.ORDER_ORDER_ID)
        following = load_u32(order + at.ORDER_CHAIN) + 0
        if spread(order_id) & mask != buckets:
            link = order + at.ORDER_CHAIN
        else:
            store_u32(link, following)
            link_order(engine, slot, opened, order_id)
        slot = following & SLOT_MASK
    set_order_buckets(engine, buckets + 1)


@apart
def let_table_grow(engine: int, _second: int, _third: int, _fourth: int) -> int:
    """Open as many buckets as one more order may need, if there are too few for the slots that
    have been used."""
    for _ in range(ROOMY_BUCKETS_PER_ORDER):
        used = load_i64(engine + at.HEADER_USED_ORDERS)
        if used < load_i64(engine + at.HEADER_ORDER_BUCKET_ROOM):
            break
        open_bucket(engine)
    return 0


@inline_always
def can_take_order(engine: int) -> bool:
    """Whether another order fits; one that takes a slot for the first time lets the table grow,
    which moves links: no bucket may be known by then."""
    if load_i64(engine + at.HEADER_FREE_ORDER) != 0:
        return True
    let_table_grow(engine, 0, 0, 0)
    return has_free_order(engine)


@inline
def enter_order_id(engine: int, slot: int, order_id: int) -> None:
    """Make an order findable by its id."""
    link_order(engine, slot, order_bucket(engine, order_id), order_id)
    if load_i64(engine + at.HEADER_USED_ORDERS) > load_i64(engine + at.HEADER_ORDER_BUCKET_ROOM):
        let_table_grow(engine, 0, 0, 0)


@inline
def link_in_bucket(engine: int, bucket: int, order_id: int) -> int:
    """Address of the link that names the order of an id of a bucket (by its address); it holds 0
    where no such order works."""
    link = bucket
    slot = linked_slot(link)
    while slot != 0:
        order = order_at(engine, slot)
        if load_i64(order + at.ORDER_ORDER_ID) == order_id:
            return link
        link = order + at.ORDER_CHAIN
        slot = linked_slot(link)
    return link


@inline
def differs_at_once(bucket: int, order_id: int) -> bool:
    """Whether a bucket (by its address) says by itself that no order in it has an id."""
    differing = (load_u32(bucket) ^ link_bits(order_id)) & ~SLOT_MASK
    # In one test, since nobody foresees which buckets are empty: something differs, and no order
    # is behind the first.
    return ((differing - 1) | differing) >> MORE_BIT == 0


@inline
def link_of_order(engine: int, order_id: int) -> int:
    """Address of the link that names the order of an id; it holds 0 where no such order works."""
    return link_in_bucket(engine, order_bucket(engine, order_id), order_id)


@inline
def find_order_id(engine: int, order_id: int) -> int:
    """Slot of a working order, or 0."""
    return linked_slot(link_of_order(engine, order_id))


@inline
def leave_order_id(engine: int, slot: int) -> None:
    """Forget an order's id."""
    order = order_at(engine, slot)
    link = order_bucket(engine, load_i64(order + at.ORDER_ORDER_ID))
    while linked_slot(link) != slot:
        link = order_at(engine, linked_slot(link)) + at.ORDER_CHAIN
    store_u32(link, load_u32(order + at.ORDER_CHAIN))


@inline
def vendor_bucket(engine: int, book: int, vendor_id: int) -> int:
    """Address of the bucket of a vendor's order id within an instrument.

    Mixes in steps that stay far from 2^63, so that the result doesn't depend on wrapping.
    """
    low = vendor_id & 0xFFFFFFFF
    high = (vendor_id >> 32) & 0x7FFFFFFF
    mixed = low * 0x3C6EF372 + high * 0x2545F491 + book * 0x1B873593
    mixed = mixed ^ (mixed >> 29)
    table = engine + load_constant_i64(engine + at.HEADER_VENDOR_BUCKETS_OFFSET)
    return table + (mixed & load_constant_i64(engine + at.HEADER_VENDOR_BUCKET_MASK)) * 4


@inline
def vendor_id_of(engine: int, slot: int) -> int:
    """What a vendor calls an order of the replayed flow."""
    return load_i64(order_at(engine, slot) + at.ORDER_CLIENT_ORDER_ID0)


@inline
def is_vendor_order(engine: int, slot: int) -> bool:
    """Whether an order belongs to the replayed flow and carries a vendor's id."""
    account_id = load_i32(order_at(engine, slot) + at.ORDER_ACCOUNT_ID)
    return (
        account_id == load_constant_i64(engine + at.HEADER_REPLAY_ACCOUNT_ID)
        and vendor_id_of(engine, slot) != 0
    )


@inline
def enter_vendor_id(engine: int, slot: int) -> None:
    """Make an order of the replayed flow findable by its vendor's id."""
    party = party_at(engine, slot)
    book = load_i32(order_at(engine, slot) + at.ORDER_BOOK) + 0
    bucket = vendor_bucket(engine, book, vendor_id_of(engine, slot))
    store_i32(party + at.PARTY_VENDOR_CHAIN, load_i32(bucket))
    store_i32(bucket, slot)


@inline
def find_vendor_id(engine: int, book: int, vendor_id: int) -> int:
    """Slot of a working order of the replayed flow, or 0; the newest if an id was used twice."""
    slot = load_i32(vendor_bucket(engine, book, vendor_id)) + 0
    while slot != 0:
        party = party_at(engine, slot)
        if (
            vendor_id_of(engine, slot) == vendor_id
            and load_i32(order_at(engine, slot) + at.ORDER_BOOK) == book
        ):
            return slot
        slot = load_i32(party + at.PARTY_VENDOR_CHAIN) + 0
    return 0


@inline
def leave_vendor_id(engine: int, slot: int) -> None:
    """Forget an order's vendor id."""
    party = party_at(engine, slot)
    book = load_i32(order_at(engine, slot) + at.ORDER_BOOK) + 0
    link = vendor_bucket(engine, book, vendor_id_of(engine, slot))
    while load_i32(link) != slot:
        link = party_at(engine, load_i32(link) + 0) + at.PARTY_VENDOR_CHAIN
    store_i32(link, load_i32(party + at.PARTY_VENDOR_CHAIN))
