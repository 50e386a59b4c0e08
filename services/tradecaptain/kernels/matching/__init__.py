"""Price-time matching of many instruments in one block of memory.

A caller claims room for events, submits one sequenced command, and resumes while the answer is
``MORE``. Events are wire records written where the room was claimed. See `layout` for the state,
`entry` for what commands do, `prices` for how prices are found.
"""

from tradecaptain.kernels.matching.engine import (
    engine_claim,
    engine_control,
    engine_resume,
    engine_submit,
)
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
    "engine_claim",
    "engine_control",
    "engine_depth",
    "engine_orders",
    "engine_resume",
    "engine_state_hash",
    "engine_submit",
]
