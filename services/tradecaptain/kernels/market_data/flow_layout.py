"""Records of the replayed flow: what we have entered at our own venue for a vendor's book.

The vendor's orders stand at the venue as orders of one account, in queues by level as the vendor
has them. Clients may trade with them, so each order has two quantities: what the vendor says is
left, and what the venue says is left. Index 0 of every pool means "none".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

FLOW_WAITING = 0  # nothing of ours stands at the venue; try again at retry_ns
FLOW_PROBING = 1  # one order was sent to see whether the venue takes orders
FLOW_SEEDING = 2  # the book enters, one order a level
FLOW_LIVE = 3  # every message of the vendor becomes commands

# Ids from here on name orders that we made up for whole levels; vendors' ids are smaller.
SYNTHETIC_ID = 1 << 62

FLOW_DTYPE = np.dtype(
    [
        ("instrument_id", "i8"),  # our own venue's instrument; zero if there is none
        ("state", "i8"),
        ("retry_ns", "i8"),
        ("probe_id", "i8"),
        ("seed_side", "i8"),
        ("seed_index", "i8"),  # levels of that side entered so far, best first
        ("next_synthetic", "i8"),
        ("order_free", "i8"),  # heads of the free lists
        ("level_free", "i8"),
        ("order_bucket_offset", "i8"),
        ("level_bucket_offset", "i8"),
        ("bucket_mask", "i8"),
        ("order_offset", "i8"),
        ("order_capacity", "i8"),
        ("level_offset", "i8"),
        ("level_capacity", "i8"),
        ("live_orders", "i8"),
        ("divergence_count", "i8"),  # vendor steps that clients had made impossible
        ("divergence_units", "i8"),
        ("refused_count", "i8"),  # orders for which a pool had no room
        ("reference_units", "i8"),  # last reference price sent
        ("reference_sent_ns", "i8"),
        ("levels_time_ns", "i8"),  # the vendor's time of the last update of levels
        ("reserved0", "i8"),
    ],
    align=True,
)

FLOW_ORDER_DTYPE = np.dtype(
    [
        ("order_id", "i8"),
        ("level", "i8"),
        ("vendor_units", "i8"),  # what the vendor says is left
        ("venue_units", "i8"),  # what the venue says is left
        ("pending_units", "i8"),  # reductions that the venue hasn't answered yet
        ("awaiting", "i8"),  # executions against it under way
        ("previous", "i8"),  # queue of the level
        ("next", "i8"),
        ("chain", "i8"),  # same bucket of the index by id
        ("is_queued", "i8"),
    ],
    align=True,
)

FLOW_LEVEL_DTYPE = np.dtype(
    [
        ("price_units", "i8"),
        ("side", "i8"),
        ("vendor_units", "i8"),
        ("first", "i8"),
        ("last", "i8"),
        ("chain", "i8"),
    ],
    align=True,
)

# One bucket of the indices by order id and by level.
FLOW_BUCKET_DTYPE = np.dtype([("chain_head", "i8")], align=True)

ACTION_NEW = 1
ACTION_EXECUTE = 2  # an immediate-or-cancel order from the other side
ACTION_CANCEL = 3  # quantity zero: all of it
ACTION_CANCEL_ALL = 4

FLOW_COMMAND_DTYPE = np.dtype(
    [
        ("instrument_id", "i8"),
        ("action", "i8"),
        ("side", "i8"),
        ("price_units", "i8"),
        ("quantity_units", "i8"),
        ("order_id", "i8"),
        ("tag", "i8"),
        ("flow_index", "i8"),
    ],
    align=True,
)

# Orders whose state is looked at once the execution with this tag is over.
SETTLEMENT_DTYPE = np.dtype(
    [("tag", "i8"), ("flow_index", "i8"), ("order", "i8"), ("order_id", "i8")], align=True
)

# Rings of all flows: commands to be sent and settlements to be made; and how many flows there are.
RINGS_DTYPE = np.dtype(
    [
        ("command_head", "i8"),
        ("command_tail", "i8"),
        ("settlement_head", "i8"),
        ("settlement_tail", "i8"),
        ("next_tag", "i8"),
        ("settling_tag", "i8"),  # execution whose events are being read
        ("venue_epoch", "i8"),
        ("command_capacity", "i8"),
        ("settlement_capacity", "i8"),
        ("flow_count", "i8"),
    ],
    align=True,
)

# One message of the vendor makes at most so many commands and settlements; before it is taken both
# rings must have room for them.
STEP_COMMANDS_MAX = 1024


class FlowPools(NamedTuple):
    """The records of all replayed flows, handed from function to function as one argument.

    How many there are stands in ``rings``: records at an address have no length.
    """

    flows: Any
    orders: Any
    levels: Any
    buckets: Any
    rings: Any
    commands: Any
    settlements: Any
