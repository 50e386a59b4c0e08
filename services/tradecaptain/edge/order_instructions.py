"""Instructions of an order: the contract's flags as the bits that commands of the mesh carry.

The engine and the risk gate read the same bits (``kernels.matching.terms``).
"""

from __future__ import annotations

from typing import Final

from tradecaptain.api.orders.v1 import records_pb2

BIT_BY_FIELD: Final = {
    "post_only": 1,
    "reduce_only": 2,
    "hidden": 4,
    "all_or_none": 8,
    "slide": 32,
    "top_priority": 64,
    "located": 1 << 15,
}
"""What each flag of ``NewOrder`` is in a command."""
BOUNDED: Final = 128
"""A peg that has a price, which it never passes."""


def instruction_bits(order: records_pb2.NewOrder) -> int:
    """The bits of an order's flags, and of a peg's bound."""
    bits = sum(bit for name, bit in BIT_BY_FIELD.items() if getattr(order, name))
    is_bound = order.type == records_pb2.ORDER_TYPE_PEGGED and order.HasField("price")
    return bits | BOUNDED * is_bound
