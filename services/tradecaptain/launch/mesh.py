"""One run of a mesh from an empty folder to a clean end: what `tradecaptain up` does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.config import SupervisorConfig
from tradecaptain.launch.leftovers import remove_leftovers, remove_traces
from tradecaptain.launch.parts import mesh_parts
from tradecaptain.launch.prepare import (
    Options,
    check_ports,
    check_shared_memory,
    part_environment,
    write_run_folder,
)
from tradecaptain.launch.processes import spawn
from tradecaptain.launch.run_state import RunState, supervisor_lock
from tradecaptain.launch.supervisor import Supervisor
from tradecaptain.launch.telemetry import Telemetry

_COMPILE = (sys.executable, "-m", "tradecaptain.cli.main", "compile", "--quiet-when-done")


async def run_mesh(
    run: RunPaths,
    options: Options,
    *,
    say: Callable[[str], None],
    on_change: Callable[[RunState], None],
) -> None:
    """Prepare the run folder, start all parts, and return when the mesh was stopped."""
    run.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A signal that comes from here on ends in the clean-up, whatever is just being prepared.
    with supervisor_lock(run), stop_signals() as stopping:
        for found in remove_leftovers(run):
            say(f"cleaned up after an earlier run: {found}")
        try:
            check_shared_memory(run)
            check_ports(run)
            config = SupervisorConfig.load(run)
            write_run_folder(run, options)
            if not await compile_kernels(stopping):
                return
            supervisor = Supervisor(
                run,
                mesh_parts(run),
                config,
                _new_state(options),
                environment=part_environment(options),
                on_change=on_change,
                rates=Telemetry(run, SYSTEM_CLOCK).rates,
            )
            stopping.then(supervisor.stop)
            async with compiling_the_rest(run):
                await supervisor.run_until_stopped()
        finally:
            # Also after a refused recording: the folder in shared memory stands by then.
            remove_traces(run)


class Stopping:
    """Tells that a signal asked us to stop, to whoever is in charge at that moment."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._stop: Callable[[], None] = self._asked.set

    def ask(self) -> None:
        """Pass on that we are asked to stop."""
        self._stop()

    def then(self, stop: Callable[[], None]) -> None:
        """Hand over to another way of stopping; it is used at once if we were asked already."""
        self._stop = stop
        if self._asked.is_set():
            stop()

    async def wait(self) -> None:
        """Return once a signal came before anybody else was in charge."""
        await self._asked.wait()


@contextmanager
def stop_signals() -> Iterator[Stopping]:
    """Take Ctrl-C, the request to end and the end of the terminal as one wish.

    A signal that is ignored from the start, as by nohup, stays so.
    """
    stopping = Stopping()
    loop = asyncio.get_running_loop()
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    numbers = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
    for number in numbers:
        loop.add_signal_handler(number, stopping.ask)
    try:
        yield stopping
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _new_state(options: Options) -> RunState:
    return RunState(
        supervisor_pid=os.getpid(),
        started_ns=SYSTEM_CLOCK.now_ns(),
        replay=[str(path) for path in options.replay],
        speed=options.speed,
    )


async def compile_kernels(stopping: Stopping) -> bool:
    """Compile what the parts load at once, in a process of its own whose memory is given back.

    Says what it does on standard error only if there is something to compile. ``False`` if we were
    asked to stop meanwhile.
    """
    process = await spawn((*_COMPILE, "--for-start"), sys.stderr.fileno(), os.environ)
    ended = asyncio.create_task(process.wait())
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
    was_asked = asked.done()
    asked.cancel()
    if was_asked:
        if not ended.done():
            process.terminate()
        await ended
        return False
    if ended.result():
        raise ConfigurationError("the kernels can't be compiled; what the compiler says is above")
    return True


@asynccontextmanager
async def compiling_the_rest(run: RunPaths) -> AsyncIterator[None]:
    """Meanwhile compile, in time that no part wants, what is loaded when somebody asks for it."""
    run.logs.mkdir(mode=0o700, exist_ok=True)
    with (run.logs / "compile.log").open("ab") as log:
        process = await spawn((*_COMPILE, "--background"), log.fileno(), os.environ)
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
