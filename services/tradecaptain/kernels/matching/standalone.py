"""The engine's entry points as kernels, for callers that hold no risk gate.

The sequencer composes the same inlines with the gate between check and acceptance; what these
kernels do with a command is the same. No service loads them, so that none waits for their build.
"""

from __future__ import annotations

from tradecaptain.base.jit import kernel
from tradecaptain.kernels.matching.engine import (
    claim_events,
    resume_step,
    submit_command,
    submit_control,
)


@kernel("void(int64, int64, int64, int64, int64)")
def engine_claim(
    engine: int, execution_address: int, execution_stride: int, book_address: int, book_stride: int
) -> None:
    """`claim_events` for callers outside of kernels."""
    claim_events(engine, execution_address, execution_stride, book_address, book_stride)


@kernel("int64(int64, int64)")
def engine_submit(engine: int, command: int) -> int:
    """Carry out one sequenced order command: DONE, or MORE (then go on with `engine_resume`).

    Events are counted in the header since `engine_claim`. A refusal is an event, not a result.
    """
    return submit_command(engine, command)


@kernel("int64(int64)")
def engine_resume(engine: int) -> int:
    """Go on with what the last step left under way: DONE or MORE."""
    return resume_step(engine)


@kernel("int64(int64, int64)")
def engine_control(engine: int, record: int) -> int:
    """Carry out a control of the venue, a mass cancel or a status request.

    DONE, MORE, or minus a reason.
    """
    return submit_control(engine, record)
