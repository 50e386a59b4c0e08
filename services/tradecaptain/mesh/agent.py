"""Agents: bounded pieces of work that a loop repeats, and the frame in which they find their state.

An agent's work is one compiled function of two integers, the address of its frame and the time. The
frame lists the arrays of the agent, so every agent has the same signature whatever its state is,
and which agents share a thread is configuration, not code.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import carray, types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from tradecaptain.base.jit import CompiledEntry, entry, inline
from tradecaptain.base.memory import address_of, load_i64
from tradecaptain.base.records import records_at
from tradecaptain.mesh.transport import Resource

FRAME_ENTRY_BYTES = 16
"""From one entry of a frame, an array's address and length, to the next."""
_DUTY_CYCLE = types.int64(types.int64, types.int64)
type DutyCycle = CompiledEntry


def duty_cycle(function: Callable[[int, int], int]) -> CompiledEntry:
    """Compile ``do_work(frame, now_ns) -> work count`` so that a loop can call it by address.

    The count tells truthfully how many records or timers were handled; a negative one is a failure
    that stops the loop.
    """
    return entry(_DUTY_CYCLE)(function)


def whole_duty_cycle(function: Callable[[int, int], int]) -> CompiledEntry:
    """Compile a duty cycle as one program, for the paths on which nanoseconds count."""
    return entry(_DUTY_CYCLE, whole_program=True)(function)


@intrinsic
def _as_pointer(typing_context: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


def frame_array(frame: int, index: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The agent's array number ``index``; ``dtype`` is a constant of the calling module."""
    item = np.dtype(dtype)
    address = load_i64(frame + index * FRAME_ENTRY_BYTES)
    count = load_i64(frame + index * FRAME_ENTRY_BYTES + 8)
    memory = (ctypes.c_char * (count * item.itemsize)).from_address(address)
    return np.frombuffer(memory, dtype=item)


@overload(frame_array, strict=False)
def _frame_array_overload(frame: Any, index: Any, dtype: Any) -> Callable[..., Any]:
    def compiled(frame: int, index: int, dtype: Any) -> Any:
        slot = frame + index * FRAME_ENTRY_BYTES
        return carray(_as_pointer(load_i64(slot)), load_i64(slot + 8), dtype)

    return compiled


@inline
def frame_records(frame: int, index: int, dtype: npt.DTypeLike) -> Any:
    """The agent's array number ``index`` as records without a length.

    An array is seven words and two calls of the reference counter for every function that it is
    handed to; this is one word. ``dtype`` is a constant of the calling module.
    """
    slot = frame + index * FRAME_ENTRY_BYTES
    return records_at(load_i64(slot), load_i64(slot + 8), dtype)


class Agent:
    """A duty cycle with its state, what it must keep up to date, and its life-cycle hooks.

    The hooks run in Python on the thread that runs the duty cycle: ``on_start`` before the first
    turn, ``on_control`` whenever the loop comes back to Python, ``on_close`` after the last turn.
    """

    def __init__(
        self,
        name: str,
        do_work: CompiledEntry,
        arrays: Sequence[npt.NDArray[Any]],
        *,
        resources: Sequence[Resource] = (),
        on_start: Callable[[], None] | None = None,
        on_control: Callable[[], None] | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.resources = tuple(resources)
        self._do_work = do_work
        self._arrays = tuple(arrays)
        self._hooks = (on_start, on_control, on_close)
        self._frame = np.array(
            [[address_of(array), len(array)] for array in self._arrays], dtype=np.int64
        ).reshape(-1)

    @property
    def frame_address(self) -> int:
        """Address of the frame, valid as long as the agent lives."""
        return address_of(self._frame)

    @property
    def function_address(self) -> int:
        """Address of the compiled duty cycle; 0 with the JIT off."""
        return self._do_work.address

    def do_work(self, now_ns: int) -> int:
        """Crank one turn by hand."""
        return int(self._do_work(self.frame_address, now_ns))

    def refresh(self) -> bool:
        """Bring the agent's resources up to date; true if anything changed."""
        changed = False
        for resource in self.resources:
            if resource.needs_refresh():
                changed = resource.refresh() or changed
        return changed

    def needs_refresh(self) -> bool:
        """Whether a resource changed outside; from any thread."""
        return any(resource.needs_refresh() for resource in self.resources)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Have the resources call back, from any thread, when they may need a refresh."""
        for resource in self.resources:
            resource.on_change(callback)

    def on_start(self) -> None:
        """Run the start hook."""
        self._run_hook(0)

    def on_control(self) -> None:
        """Bring the resources up to date and run the control hook."""
        self.refresh()
        self._run_hook(1)

    def on_close(self) -> None:
        """Run the close hook."""
        self._run_hook(2)

    def _run_hook(self, index: int) -> None:
        hook = self._hooks[index]
        if hook is not None:
            hook()
