"""Price-time matching of many instruments in one block of memory.

A caller claims room for events, submits one sequenced command, and resumes while the answer is
``MORE``: `engine` is for compiled callers, `standalone` for others. Events are wire records written
where the room was claimed. See `layout` for the state, `entry` for what commands do, `prices` for
how prices are found.
"""

from tradecaptain.kernels.matching.layout import DONE, MORE
from tradecaptain.kernels.matching.state import (
    Engine,
    InstrumentRules,
    MatchingCapacity,
    add_instrument,
    allocate_engine,
)
from tradecaptain.kernels.matching.views import engine_depth, engine_orders, engine_state_hash

__all__ = [
    "DONE",
    "MORE",
    "Engine",
    "InstrumentRules",
    "MatchingCapacity",
    "add_instrument",
    "allocate_engine",
    "engine_depth",
    "engine_orders",
    "engine_state_hash",
]
