"""The media driver process: Aeron's C driver, run from the library that the clients use.

``python -m tradecaptain.mesh.driver`` owns one Aeron folder. It prints one JSON line on standard
error when it is ready and ends on SIGTERM or SIGINT, leaving neither folder nor files behind.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import struct
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.base.toml_table import TableReader, read_toml
from tradecaptain.mesh.aeron_library import AeronLibrary, aeron_library
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.mapping import PRIVATE_FOLDER_MODE
from tradecaptain.mesh.timeouts import MILLISECOND_NS, SECOND_NS, TIMEOUTS, Timeouts

IDLE_STRATEGIES: Final = ("backoff", "spin", "yield", "sleep-ns", "noop")
IDLE_VARIABLE: Final = "TRADECAPTAIN_DRIVER__IDLE"
CLIENT_LIVENESS_VARIABLE: Final = "TRADECAPTAIN_DRIVER__CLIENT_LIVENESS_SECONDS"
_CLIENT_LIVENESS_SECONDS_MAX: Final = 600
IPC_MTU_BYTES: Final = 8192
_THREADING_MODE_SHARED: Final = 2
_CNC_PID_OFFSET: Final = 40
CNC_HEADER_BYTES: Final = 128
_PRIVATE_UMASK: Final = 0o077


def driver_is_active(directory: Path, timeouts: Timeouts = TIMEOUTS) -> bool:
    """Whether a live driver owns the folder, by its process and the heartbeat in its CnC file."""
    try:
        with (directory / "cnc.dat").open("rb") as file:
            header = file.read(CNC_HEADER_BYTES)
    except OSError:
        return False
    if not owner_lives(header):
        return False
    library = aeron_library()
    return bool(
        library.functions.aeron_is_driver_active(
            os.fsencode(directory), timeouts.driver_timeout_ns // MILLISECOND_NS, _quiet(library)
        )
    )


def owner_of(header: bytes) -> int:
    """Id of the process named in a CnC file's header; 0 when the header is cut."""
    if len(header) < CNC_HEADER_BYTES:
        return 0
    return int(struct.unpack_from("<q", header, _CNC_PID_OFFSET)[0])


def owner_lives(header: bytes) -> bool:
    """Whether the process named in a CnC file's header still runs.

    After a kill the heartbeat looks fresh for as long as the driver time-out; the process does not.
    """
    try:
        status = Path(f"/proc/{owner_of(header)}/stat").read_text("ascii", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


is_alive = driver_is_active


def _quiet(library: AeronLibrary) -> Any:
    """A log function that says nothing, kept for the life of the process."""
    if _QUIET_CALLBACKS.get(library.path) is None:
        _QUIET_CALLBACKS[library.path] = library.ffi.callback(
            "void(const char *)", lambda _message: None
        )
    return _QUIET_CALLBACKS[library.path]


_QUIET_CALLBACKS: dict[Path, Any] = {}


class MediaDriver(Closing):
    """An Aeron C driver with its agents on one native thread, owned by this process."""

    def __init__(
        self, directory: Path, *, idle_strategy: str = "backoff", timeouts: Timeouts = TIMEOUTS
    ) -> None:
        """Start the driver; :class:`MeshError` with Aeron's message if it can't be."""
        if idle_strategy not in IDLE_STRATEGIES:
            raise MeshError(
                f"idle strategy {idle_strategy!r} must be one of {', '.join(IDLE_STRATEGIES)}"
            )
        if driver_is_active(directory, timeouts):
            raise MeshError(f"another media driver is running in {directory}")
        self.directory = directory
        self._library = aeron_library()
        self._context = self._new_context(idle_strategy, timeouts)
        self._driver: Any = None
        directory.parent.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
        pointer = self._library.ffi.new("void **")
        # The driver makes its folder and files by the process's mask.
        previous_mask = os.umask(_PRIVATE_UMASK)
        try:
            self._call("aeron_driver_init", pointer, self._context)
            self._driver = pointer[0]
            self._call("aeron_driver_start", self._driver, False)
        finally:
            os.umask(previous_mask)

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library.functions, name)(*arguments) < 0:
            raise MeshError(f"{name}: {self._library.error_message()}")

    def _new_context(self, idle_strategy: str, timeouts: Timeouts) -> Any:
        pointer = self._library.ffi.new("void **")
        self._call("aeron_driver_context_init", pointer)
        settings: dict[str, Any] = {
            "dir": os.fsencode(self.directory),
            "dir_delete_on_start": True,
            "dir_delete_on_shutdown": True,
            "threading_mode": _THREADING_MODE_SHARED,
            "shared_idle_strategy": idle_strategy.encode(),
            "term_buffer_sparse_file": True,
            "ipc_mtu_length": IPC_MTU_BYTES,
            "driver_timeout_ms": timeouts.driver_timeout_ns // MILLISECOND_NS,
            "client_liveness_timeout_ns": timeouts.client_liveness_ns,
            "image_liveness_timeout_ns": timeouts.image_liveness_ns,
            "publication_unblock_timeout_ns": timeouts.publication_unblock_ns,
            "publication_connection_timeout_ns": timeouts.publication_connection_ns,
            "publication_linger_timeout_ns": timeouts.publication_linger_ns,
            "untethered_window_limit_timeout_ns": timeouts.untethered_window_limit_ns,
            "untethered_linger_timeout_ns": timeouts.untethered_linger_ns,
            "untethered_resting_timeout_ns": timeouts.untethered_resting_ns,
            "counters_free_to_reuse_timeout_ns": timeouts.counter_reuse_ns,
            "timer_interval_ns": timeouts.driver_timer_interval_ns,
        }
        for name, value in settings.items():
            self._call(f"aeron_driver_context_set_{name}", pointer[0], value)
        return pointer[0]

    def close(self) -> None:
        """Stop the driver and remove its folder."""
        if self._driver is not None:
            driver, self._driver = self._driver, None
            self._call("aeron_driver_close", driver)
        if self._context is not None:
            context, self._context = self._context, None
            self._call("aeron_driver_context_close", context)
        shutil.rmtree(self.directory, ignore_errors=True)


class StopSignals:
    """SIGTERM and SIGINT as something to wait for, from the moment on at which this is entered.

    The system may deliver a signal to any thread of the process, and libraries start some; a
    handler with a wake-up pipe gets it whichever thread that is.
    """

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._descriptor = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._handlers = {
            number: signal.signal(number, lambda _number, _frame: None)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def wait(self) -> signal.Signals:
        """Wait for the first of them."""
        while True:
            (number,) = os.read(self._reader, 1)
            if number in self._handlers:
                return signal.Signals(number)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._descriptor)
        os.close(self._reader)
        os.close(self._writer)


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """How the driver idles, and what it waits for."""

    idle: str
    timeouts: Timeouts

    def as_dict(self) -> dict[str, Any]:
        """The settings by the names that they have in ``[driver]``."""
        seconds = self.timeouts.client_liveness_ns // SECOND_NS
        return {"idle": self.idle, "client_liveness_seconds": seconds}


def driver_settings(run: RunPaths) -> DriverSettings:
    """The settings of ``[driver]``, each from the environment first.

    ``idle`` (``TRADECAPTAIN_DRIVER__IDLE``) is the idle strategy, ``client_liveness_seconds``
    (``TRADECAPTAIN_DRIVER__CLIENT_LIVENESS_SECONDS``) for how long the driver keeps what a process
    had that was killed; a machine that stands still for longer needs more.
    """
    table = read_toml(run.config).get("driver", {}) if run.config.exists() else {}
    if not isinstance(table, dict):
        raise ConfigurationError("driver must be a table", field="driver")
    values = dict(table)
    if named := os.environ.get(IDLE_VARIABLE):
        values["idle"] = named
    if seconds := os.environ.get(CLIENT_LIVENESS_VARIABLE):
        if not (seconds.isascii() and seconds.isdigit()):
            raise ConfigurationError(
                f"{CLIENT_LIVENESS_VARIABLE} must be whole seconds, not {seconds!r}"
            )
        values["client_liveness_seconds"] = int(seconds)
    reader = TableReader(values, "driver")
    idle = reader.choice("idle", IDLE_STRATEGIES, "backoff")
    liveness_seconds = reader.integer(
        "client_liveness_seconds",
        TIMEOUTS.client_liveness_ns // SECOND_NS,
        minimum=1,
        maximum=_CLIENT_LIVENESS_SECONDS_MAX,
    )
    reader.finish()
    # The driver insists on freeing a frame of a dead writer later than it gives the writer up.
    grace_ns = TIMEOUTS.publication_unblock_ns - TIMEOUTS.client_liveness_ns
    liveness_ns = liveness_seconds * SECOND_NS
    timeouts = replace(
        TIMEOUTS, client_liveness_ns=liveness_ns, publication_unblock_ns=liveness_ns + grace_ns
    )
    return DriverSettings(idle, timeouts)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tradecaptain.mesh.driver", description="Run the Aeron media driver of the mesh."
    )
    parser.add_argument(
        "--aeron-dir", type=Path, help="folder of the driver (default: that of the run folder)"
    )
    parser.add_argument(
        "--idle", choices=IDLE_STRATEGIES, help="idle strategy (default: as configured)"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 1 with a one-line reason if the driver can't start."""
    arguments = _arguments(argv)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    log = structlog.get_logger().bind(part="driver")
    with StopSignals() as stop_signals:
        return _run_until(stop_signals, arguments, log)


def _run_until(stop_signals: StopSignals, arguments: argparse.Namespace, log: Any) -> int:
    try:
        run = RunPaths.from_environment()
        directory = arguments.aeron_dir or run.aeron
        settings = driver_settings(run)
        idle = arguments.idle or settings.idle
        driver = MediaDriver(directory, idle_strategy=idle, timeouts=settings.timeouts)
    except TradeCaptainError as error:
        log.error("cannot start the media driver", why=error.message)
        return 1
    with driver:
        log.info("media driver is ready", directory=str(directory), idle=idle)
        received = stop_signals.wait()
        log.info("media driver is closing", signal=received.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
