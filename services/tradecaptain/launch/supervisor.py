"""Starts the parts in the order of their needs, watches them, brings them back, stops them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths
from tradecaptain.launch.config import SupervisorConfig
from tradecaptain.launch.event_log import EventLog
from tradecaptain.launch.health import HealthProbe, processes_behind
from tradecaptain.launch.parts import Part, Probe
from tradecaptain.launch.processes import (
    ProcessMark,
    describe_exit,
    last_words,
    open_log,
    spawn,
)
from tradecaptain.launch.run_state import PartState, RunState

NANOSECONDS = 1_000_000_000
_PROBE_SECONDS_STARTING = 0.05
_PROBE_SECONDS_READY = 1.0
_STATE_SECONDS = 1.0
# A busy machine makes a part late with an answer now and then; nobody need hear of that.
_WORRYING_SECONDS = 5.0


class StartFailedError(Exception):
    """A part could not be started for the first time; the message says which and why."""


class _Watched:
    """One part while the supervisor runs: its process, its state and its readiness.

    ``ready`` is set while it serves, which is what other parts need; ``is_reached`` once clients
    reach it through the front door as well.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self.state = PartState(part.name, port=part.port)
        self.ready = asyncio.Event()
        self.is_reached = False
        self.was_ready = False
        self.process: asyncio.subprocess.Process | None = None


class Supervisor:
    """Runs one mesh until it is told to stop.

    ``environment`` is what the parts inherit; ``on_change`` is called about once a second and
    whenever a part changes its state; ``rates`` tells what the mesh did since it was called last.
    """

    def __init__(
        self,
        run: RunPaths,
        parts: tuple[Part, ...],
        config: SupervisorConfig,
        state: RunState,
        environment: Mapping[str, str] | None = None,
        on_change: Callable[[RunState], None] = lambda _state: None,
        rates: Callable[[], dict[str, float]] = dict,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._run = run
        self._config = config
        self._state = state
        self._on_change = on_change
        self._clock = clock
        inherited = os.environ if environment is None else environment
        self._environment = {**inherited, RUN_VARIABLE: str(run.folder)}
        self._watched = {part.name: _Watched(part) for part in parts}
        self._front_door = next((part for part in parts if part.probe is Probe.ENVOY), None)
        self._stopping = asyncio.Event()
        self._failure: StartFailedError | None = None
        self._log = EventLog(run.log_of("supervisor"), clock)
        self._rates = rates
        state.parts = {name: watched.state for name, watched in self._watched.items()}

    def stop(self) -> None:
        """Ask the mesh to stop; a second call kills what is still there."""
        if self._stopping.is_set():
            for watched in self._watched.values():
                if watched.process is not None and watched.process.returncode is None:
                    watched.process.kill()
        self._stopping.set()

    async def run_until_stopped(self) -> None:
        """Start and watch all parts; returns when :meth:`stop` was called and all have ended.

        Raises :class:`StartFailedError` if a part was never ready in the attempts it has.
        """
        self._log.info("mesh is starting", parts=list(self._watched), pid=os.getpid())
        try:
            async with asyncio.TaskGroup() as group:
                for watched in self._watched.values():
                    group.create_task(self._keep_running(watched), name=watched.part.name)
                group.create_task(self._report())
                await self._stopping.wait()
                self._log.info("mesh is stopping")
                await self._stop_all()
        finally:
            self._log.info("mesh has stopped")
            self._changed()
        if self._failure is not None:
            raise self._failure

    async def _keep_running(self, watched: _Watched) -> None:
        config = self._config
        attempts = 0
        backoff = config.backoff_seconds_first
        while not self._stopping.is_set():
            if not await self._needs_are_ready(watched):
                return
            started_ns = self._clock.monotonic_ns()
            why = await self._run_once(watched)
            if self._stopping.is_set():
                return
            attempts += 1
            lived_seconds = (self._clock.monotonic_ns() - started_ns) / NANOSECONDS
            if watched.was_ready and lived_seconds > config.steady_seconds:
                backoff = config.backoff_seconds_first
            if not watched.was_ready and attempts >= config.first_start_attempts:
                self._give_up(watched, why)
                return
            self._set(watched, "waiting to restart", why=why)
            watched.state.restarts += 1
            self._log.warning(
                "part died", died=watched.part.name, why=why, restart_in_seconds=backoff
            )
            await self._pause(backoff)
            backoff = min(2 * backoff, config.backoff_seconds_max)

    def _give_up(self, watched: _Watched, why: str) -> None:
        self._set(watched, "failed", why=why)
        name = watched.part.name
        log = self._run.log_of(name)
        self._log.error("part can't be started; stopping the mesh", failed=name, why=why)
        self._failure = StartFailedError(f"{name} can't be started: {why} (log: {log})")
        self._stopping.set()

    async def _needs_are_ready(self, watched: _Watched) -> bool:
        for need in watched.part.needs:
            await self._until_stopping(self._watched[need].ready.wait())
        return not self._stopping.is_set()

    async def _run_once(self, watched: _Watched) -> str:
        """Run a part's process until it ends or must be ended; says why it isn't there any more."""
        part = watched.part
        log = self._run.log_of(part.name)
        with open_log(log) as output:
            log_begin = output.seek(0, os.SEEK_END)
            process = await spawn(part.command, output.fileno(), self._environment)
        watched.process = process
        mark = ProcessMark.of(process.pid)
        if mark is not None:
            with suppress(OSError):
                mark.write(self._run.pid_of(part.name))
        watched.state.pid = process.pid
        self._set(watched, "starting")
        self._log.info("part started", started=part.name, pid=process.pid)
        ended = asyncio.create_task(process.wait())
        try:
            if self._stopping.is_set():
                # The order of stopping has passed this part by while its process was being made.
                await self._end(process)
            why = await self._watch(watched, ended)
            if not ended.done() and not self._stopping.is_set():
                await self._end(process)
        except BaseException:
            process.kill()
            raise
        finally:
            watched.ready.clear()
            watched.is_reached = False
            # While the mesh stops, its order of stopping ends the process.
            status = await ended
            watched.state.pid = 0
            with suppress(OSError):
                self._run.pid_of(part.name).unlink(missing_ok=True)
        if self._stopping.is_set():
            self._set(watched, "stopped")
        words = last_words(log, log_begin)
        return why or (describe_exit(status) + (f"; last words: {words}" if words else ""))

    async def _watch(self, watched: _Watched, ended: asyncio.Task[int]) -> str:
        """Look at a part's health until it ends (empty answer) or must be ended (the reason)."""
        config = self._config
        begun_ns = answered_ns = self._clock.monotonic_ns()
        async with HealthProbe(watched.part, self._run) as probe:
            while not ended.done() and not self._stopping.is_set():
                ready = await probe.is_ready()
                now_ns = self._clock.monotonic_ns()
                if ready:
                    answered_ns = now_ns
                    await self._note_ready(watched, now_ns - begun_ns)
                elif watched.ready.is_set():
                    silent_seconds = (now_ns - answered_ns) / NANOSECONDS
                    if silent_seconds > config.unresponsive_seconds:
                        return f"didn't answer for {config.unresponsive_seconds:g} s"
                    if silent_seconds > _WORRYING_SECONDS:
                        self._set(watched, "not answering")
                elif now_ns - begun_ns > config.start_timeout_seconds * NANOSECONDS:
                    return f"wasn't ready after {config.start_timeout_seconds:g} s"
                is_settled = ready and watched.is_reached
                seconds = _PROBE_SECONDS_READY if is_settled else _PROBE_SECONDS_STARTING
                await asyncio.wait({ended}, timeout=seconds)
        return ""

    async def _note_ready(self, watched: _Watched, after_ns: int) -> None:
        if not watched.ready.is_set():
            seconds = round(after_ns / NANOSECONDS, 2)
            self._log.info("part is ready", ready=watched.part.name, after_seconds=seconds)
            watched.was_ready = True
            watched.ready.set()
        if not watched.is_reached:
            watched.is_reached = await self._is_reached(watched.part)
        if watched.is_reached and watched.state.state != "ready":
            self._set(watched, "ready", why=watched.state.why)

    async def _is_reached(self, part: Part) -> bool:
        """Whether clients reach a part that serves: what the front door fronts, through it."""
        if self._front_door is None or part.probe is not Probe.GRPC:
            return True
        return part.name in await processes_behind(self._front_door)

    def _set(self, watched: _Watched, state: str, *, why: str = "") -> None:
        if (watched.state.state, watched.state.why) != (state, why):
            watched.state.state = state
            watched.state.why = why
            watched.state.since_ns = self._clock.now_ns()
            self._changed()

    def _changed(self) -> None:
        self._state.ready = all(
            watched.ready.is_set() and watched.is_reached for watched in self._watched.values()
        )
        self._state.updated_ns = self._clock.now_ns()
        # A full disk must not end the mesh; what is kept here is written again within a second.
        with suppress(OSError):
            self._state.write(self._run)
        self._on_change(self._state)

    async def _report(self) -> None:
        while not self._stopping.is_set():
            self._state.rates = self._rates()
            self._changed()
            self._trim_logs()
            await self._pause(_STATE_SECONDS)

    def _trim_logs(self) -> None:
        for log in self._run.logs.glob("*.log"):
            if log.stat().st_size > self._config.log_bytes_max:
                # Writers append, so cutting the file under them is safe.
                with suppress(OSError):
                    shutil.copyfile(log, log.with_suffix(".log.1"))
                with suppress(OSError):
                    os.truncate(log, 0)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _until_stopping(self, awaitable: Any) -> None:
        wanted = asyncio.ensure_future(awaitable)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({wanted, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wanted.cancel()
            stopping.cancel()

    async def _stop_all(self) -> None:
        """Close the door first, then end the services together, then the driver under them."""
        for names in (["envoy"], [n for n in self._watched if n not in ("envoy", "driver")]):
            await self._end_parts(names)
        await self._end_parts(["driver"])

    async def _end_parts(self, names: list[str]) -> None:
        processes = [self._watched[name].process for name in names if name in self._watched]
        await asyncio.gather(*(self._end(process) for process in processes if process))

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self._config.stop_timeout_seconds)
        except TimeoutError:
            self._log.warning("part ignored SIGTERM and was killed", pid=process.pid)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
