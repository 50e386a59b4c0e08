"""Runs agents on a thread: one compiled loop that holds no GIL and rarely comes back to Python.

The loop returns when it is asked to: to stop, to run a Python call between two turns, or because a
watcher thread saw that an agent's resource must be refreshed. A turn that returns to Python may
have to wait for the GIL, so nothing does it on a timer. The watcher sleeps until a resource says
that it may have changed, and looks now and then even so.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.jit import JIT_DISABLED, kernel
from tradecaptain.base.kernel_clock import realtime_ns_kernel
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    load_acquire_i64,
    store_release_i64,
)
from tradecaptain.mesh.agent import Agent
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.doorbell import NO_BELL
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.idle import IDLE, IDLE_TYPE, STRATEGIES, idle_after
from tradecaptain.mesh.timeouts import SECOND_NS, TIMEOUTS, Timeouts

_PARK_NS_MIN: Final = 1_000
# A shorter sleep lasts no shorter, for the kernel lets timers be late by that much.
_FIRST_PARK_NS: Final = 50_000

LOOP: Final = np.dtype(
    [
        ("request", "<i8"),
        ("turn_count", "<i8"),
        ("work_count", "<i8"),
        ("busy_turn_count", "<i8"),
        ("last_now_ns", "<i8"),
        ("last_work", "<i8"),
        ("busy_turn_ns_max", "<i8"),
        ("failed_agent", "<i8"),
    ],
    align=True,
)
"""Counters of one loop; ``request`` is what makes it return."""
LOOP_TYPE: Final[Any] = numba.from_dtype(LOOP)[::1]

ENTRY: Final = np.dtype(
    [("function_address", "<i8"), ("frame_address", "<i8"), ("work_count", "<i8")], align=True
)
"""One agent of a loop."""
ENTRY_TYPE: Final[Any] = numba.from_dtype(ENTRY)[::1]


@intrinsic
def _call_entry(typing_context: Any, function: Any, frame: Any, now_ns: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        pointer = builder.inttoptr(arguments[0], ir.FunctionType(word, [word, word]).as_pointer())
        return builder.call(pointer, [arguments[1], arguments[2]])

    return types.int64(types.int64, types.int64, types.int64), codegen


def _run_loop(loop: Any, request_address: int, entries: Any, idle: Any) -> int:
    """Turn until asked to return; 0, or the negative result of the agent that failed."""
    while load_acquire_i64(request_address) == 0:
        now_ns = realtime_ns_kernel()
        # A turn that follows work without idling in between shows how long that work took.
        if loop[0]["last_work"] > 0:
            duration_ns = now_ns - loop[0]["last_now_ns"]
            loop[0]["busy_turn_ns_max"] = max(loop[0]["busy_turn_ns_max"], duration_ns)
        work = 0
        for index in range(entries.shape[0]):
            count = _call_entry(
                entries[index]["function_address"], entries[index]["frame_address"], now_ns
            )
            if count < 0:
                loop[0]["failed_agent"] = index
                return count
            entries[index]["work_count"] += count
            work += count
        loop[0]["turn_count"] += 1
        loop[0]["work_count"] += work
        loop[0]["busy_turn_count"] += 1 if work > 0 else 0
        loop[0]["last_work"] = work
        loop[0]["last_now_ns"] = now_ns
        idle_after(idle, work, now_ns)
    return 0


if not JIT_DISABLED:
    _run_loop = kernel(types.int64(LOOP_TYPE, types.int64, ENTRY_TYPE, IDLE_TYPE))(_run_loop)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a loop runs."""

    core: int | None = None
    """Core to pin the thread to; none lets the system choose."""
    idle: str = "backoff"
    """``spin``, ``yield``, ``backoff`` or ``sleep``."""
    park_ns_max: int = 1_000_000
    """Longest sleep of ``backoff``, and the sleep of ``sleep``."""
    spin_ns: int = 1_000
    """How long ``backoff`` spins after the last work before it yields and sleeps."""

    def __post_init__(self) -> None:
        if self.idle not in STRATEGIES:
            raise MeshError(f"idle {self.idle!r} must be one of {', '.join(STRATEGIES)}")
        if self.core is not None and self.core not in os.sched_getaffinity(0):
            raise MeshError(f"core {self.core} must be one that this process may use")
        if not _PARK_NS_MIN <= self.park_ns_max <= SECOND_NS:
            raise MeshError(f"park_ns_max {self.park_ns_max} must be from 1000 to 1000000000")
        if self.spin_ns < 0:
            raise MeshError(f"spin_ns {self.spin_ns} must not be negative")


class AgentFailedError(MeshError):
    """An agent's duty cycle returned a negative result, or one of its hooks raised."""


class AgentRunner(Closing):
    """One thread that turns one or several agents."""

    def __init__(
        self,
        agents: Sequence[Agent],
        placement: Placement | None = None,
        *,
        bell: int = NO_BELL,
        clock: Clock = SYSTEM_CLOCK,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        """``bell`` is the word of :mod:`tradecaptain.mesh.doorbell` by which writers end a sleep.

        With one, ``backoff`` takes its longest sleep at once: who is in a hurry rings.
        """
        self.agents = tuple(agents)
        self.placement = placement or Placement()
        self.failure: BaseException | None = None
        self._clock = clock
        self._timeouts = timeouts
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._stop = threading.Event()
        self._finished = threading.Event()
        self._may_have_changed = threading.Event()
        self._loop = aligned_zeros(1, LOOP)
        self._idle = aligned_zeros(1, IDLE)
        self._entries = aligned_zeros(len(self.agents), ENTRY)
        longest_ns = self.placement.park_ns_max
        first_ns = longest_ns if bell != NO_BELL else min(_FIRST_PARK_NS, longest_ns)
        self._idle[0] = (
            STRATEGIES[self.placement.idle], 0, first_ns, first_ns, longest_ns, bell,
            self.placement.spin_ns, 0,
        )  # fmt: skip
        for index, agent in enumerate(self.agents):
            self._entries[index] = (agent.function_address, agent.frame_address, 0)
        name = "+".join(agent.name for agent in self.agents)
        self._thread = threading.Thread(target=self._run, name=f"agents {name}", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name=f"watch {name}", daemon=True)

    @property
    def statistics(self) -> dict[str, int]:
        """Turns, work, and the longest turn that followed work without idling, in nanoseconds."""
        names = ("turn_count", "work_count", "busy_turn_count", "busy_turn_ns_max")
        return {name: int(self._loop[0][name]) for name in names}

    @property
    def is_running(self) -> bool:
        """Whether the thread turns."""
        return self._thread.is_alive() and not self._finished.is_set()

    def start(self) -> None:
        """Start the thread."""
        # The compiled loop must not outlive the memory that it works on.
        atexit.register(self._stop_and_join)
        for agent in self.agents:
            agent.on_change(self._may_have_changed.set)
        # Before anybody listened something may have changed.
        self._may_have_changed.set()
        self._thread.start()
        self._watcher.start()

    def run_in_thread_control(self, call: Callable[[], Any]) -> Future[Any]:
        """Run a Python call on the agents' thread, between two turns."""
        future: Future[Any] = Future()
        self._calls.append((call, future))
        self._request()
        if self._finished.is_set():
            self._refuse_calls()
        return future

    def close(self) -> None:
        """Stop after the current turn; raises :class:`AgentFailedError` if an agent had failed."""
        self._stop_and_join()
        atexit.unregister(self._stop_and_join)
        if self._thread.is_alive():
            raise AgentFailedError(f"{self._thread.name} did not finish its turn in time")
        if self.failure is not None:
            raise AgentFailedError(f"{self._thread.name}: {self.failure}") from self.failure

    def _stop_and_join(self) -> None:
        self._stop.set()
        self._request()
        if self._thread.ident is not None:
            self._thread.join(self._timeouts.close_timeout_ns / SECOND_NS)
            self._watcher.join(self._timeouts.close_timeout_ns / SECOND_NS)

    def _request(self) -> None:
        store_release_i64(address_of(self._loop), 1)

    def _watch(self) -> None:
        soon = self._timeouts.watch_interval_ns / SECOND_NS
        later = self._timeouts.lookaround_interval_ns / SECOND_NS
        interval = soon
        try:
            while not self._finished.is_set():
                told = self._may_have_changed.wait(interval)
                self._may_have_changed.clear()
                changed = any(agent.needs_refresh() for agent in self.agents)
                if changed:
                    self._request()
                # What changes in several steps, or is told a moment too early, is looked at again.
                interval = soon if told or changed else later
        except BaseException as error:  # noqa: BLE001 - agents nobody watches must not run on
            self.failure = error
            self._stop.set()
            self._request()

    def _run(self) -> None:
        try:
            if self.placement.core is not None:
                os.sched_setaffinity(threading.get_native_id(), {self.placement.core})
            with ExitStack() as started:
                for agent in self.agents:
                    agent.on_start()
                    started.callback(agent.on_close)
                while not self._stop.is_set():
                    self._turn_until_request()
                    store_release_i64(address_of(self._loop), 0)
                    self._control()
        except BaseException as error:  # noqa: BLE001 - kept for whoever supervises the thread
            self.failure = error
        finally:
            self._finished.set()
            self._may_have_changed.set()
            self._refuse_calls()

    def _turn_until_request(self) -> None:
        address = address_of(self._loop)
        if JIT_DISABLED:
            result = self._run_loop_in_python(address)
        else:
            result = _run_loop(self._loop, address, self._entries, self._idle)
        if result < 0:
            agent = self.agents[int(self._loop[0]["failed_agent"])]
            raise AgentFailedError(f"agent {agent.name} failed with {result}")

    def _run_loop_in_python(self, request_address: int) -> int:
        """What ``_run_loop`` does, for runs with the JIT off."""
        loop = self._loop[0]
        while load_acquire_i64(request_address) == 0:
            now_ns = self._clock.now_ns()
            work = 0
            for index, agent in enumerate(self.agents):
                count = agent.do_work(now_ns)
                if count < 0:
                    loop["failed_agent"] = index
                    return count
                work += count
            loop["turn_count"] += 1
            loop["work_count"] += work
            loop["busy_turn_count"] += work > 0
            idle_after(self._idle, work, now_ns)
        return 0

    def _control(self) -> None:
        while self._calls:
            call, future = self._calls.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                    future.set_exception(error)
        for agent in self.agents:
            agent.on_control()

    def _refuse_calls(self) -> None:
        while self._calls:
            _, future = self._calls.popleft()
            if future.set_running_or_notify_cancel():
                future.set_exception(AgentFailedError(f"{self._thread.name} has stopped"))
