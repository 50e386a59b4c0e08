"""The orderbook's compiled duty cycle: a turn of the sequencer, or a stretch of a replay.

Both are one program, so that what was logged is carried out by the machine code that carries out
what is new, and so that the largest kernel of all is compiled once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import aligned_zeros, load_i64
from tradecaptain.base.records import records_at
from tradecaptain.mesh.agent import FRAME_ENTRY_BYTES, Agent, whole_duty_cycle
from tradecaptain.mesh.doorbell import doorbell_ring
from tradecaptain.mesh.transport import Resource
from tradecaptain.orderbook.replaying import REPLAY, replay_frames
from tradecaptain.orderbook.reporting import report
from tradecaptain.orderbook.sequencer import sequencer_turn
from tradecaptain.orderbook.sequencer_state import SEQUENCER

WAKING = np.dtype([("bell", "<i8"), ("client_commands", "<i8")], align=True)
"""Whom a turn wakes: the word of the gateway, and how many commands of clients it knows of."""


@inline
def wake_gateway(header: Any, waking: Any) -> None:
    """Ring for the gateway when a turn took commands of clients, who wait for the answer.

    What becomes of their orders by the replayed flow is heard at the end of the gateway's sleep.
    """
    client_commands = header[0]["orders_sequenced"] + header[0]["controls_sequenced"]
    if client_commands != waking[0]["client_commands"]:
        waking[0]["client_commands"] = client_commands
        doorbell_ring(waking[0]["bell"])


@whole_duty_cycle
def orderbook_do_work(frame: int, now_ns: int) -> int:
    """One turn and its report; the frame is the sequencer's header, waking and replay.

    ``waking`` may be empty: then nobody is woken and nothing is reported. Unless ``replay`` is
    empty it is carried on instead, and the result is its verdict.
    """
    header = records_at(load_i64(frame), 1, SEQUENCER)
    waking_entry = frame + FRAME_ENTRY_BYTES
    replay_entry = waking_entry + FRAME_ENTRY_BYTES
    if load_i64(replay_entry + 8) != 0:
        return replay_frames(records_at(load_i64(replay_entry), 1, REPLAY), header)
    work_count = sequencer_turn(header, now_ns)
    if load_i64(waking_entry + 8) != 0:
        wake_gateway(header, records_at(load_i64(waking_entry), 1, WAKING))
        report(header, work_count, now_ns)
    return work_count


def venue_agent(
    header: npt.NDArray[Any],
    *,
    bell: int | None = None,
    resources: tuple[Resource, ...] = (),
) -> Agent:
    """The agent that runs a sequencer, given by its header.

    ``bell`` is the address of the gateway's bell; without one nothing is reported either.
    """
    waking = aligned_zeros(0 if bell is None else 1, WAKING)
    waking["bell"] = bell or 0
    return Agent(
        "orderbook",
        orderbook_do_work,
        [header, waking, aligned_zeros(0, REPLAY)],
        resources=resources,
    )


def replay_agent(header: npt.NDArray[Any], replay: npt.NDArray[Any]) -> Agent:
    """The agent whose turn replays the frames that ``replay`` names; its result is the verdict."""
    return Agent("replay", orderbook_do_work, [header, aligned_zeros(0, WAKING), replay])
