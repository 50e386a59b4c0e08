"""One Aeron C client: its connection to a driver, its errors, and its answer to a lost driver.

The client's conductor runs on a native thread of the library, so keepalives go out whatever Python
does. When the driver is gone the client closes itself; :meth:`AeronClient.revive` makes a new one
when a new driver is there, and raises ``generation``, by which publications and subscriptions see
that their C objects are gone. Every use of a C object happens under ``lock``.
"""

from __future__ import annotations

import atexit
import os
import struct
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tradecaptain.base.clock import SYSTEM_CLOCK, Clock
from tradecaptain.mesh.aeron_library import aeron_library
from tradecaptain.mesh.driver import CNC_HEADER_BYTES, driver_is_active
from tradecaptain.mesh.driver_counters import (
    COUNTER_METADATA_LENGTH,
    READER_POSITION_TYPE,
    READER_WORDS,
    STATE_ALLOCATED,
    STATE_UNUSED,
)
from tradecaptain.mesh.driver_process import DriverProcess
from tradecaptain.mesh.errors import DriverAbsentError, MeshError
from tradecaptain.mesh.layout import COUNTER_LENGTH, METADATA_CORRELATION_ID, METADATA_LENGTH
from tradecaptain.mesh.mapping import MappedFile
from tradecaptain.mesh.timeouts import MILLISECOND_NS, TIMEOUTS, Timeouts
from tradecaptain.mesh.transport import logbuffer_candidates

_ERRORS_KEPT: Final = 64
_RECORDS_AT_ONCE: Final = 64


class AeronClient:
    """A connection to the media driver of one folder."""

    def __init__(
        self,
        directory: Path,
        name: str,
        *,
        prefault: bool = False,
        timeouts: Timeouts = TIMEOUTS,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Connect; :class:`DriverAbsentError` when no driver runs in ``directory``."""
        self.directory = directory
        self.name = name
        self.prefault = prefault
        self.timeouts = timeouts
        self.library = aeron_library()
        self.lock = threading.RLock()
        self.generation = 0
        self.errors: deque[str] = deque(maxlen=_ERRORS_KEPT)
        self._clock = clock
        self._context: Any = None
        self._client: Any = None
        self._counters: MappedFile | None = None
        self._driver: DriverProcess | None = None
        self._next_attempt_ns = 0
        self._callbacks: list[Any] = []
        self._error_callback = self.callback("void(void *, int, const char *)", self._on_error)
        self._connect()
        # The library's thread must not report an error to an interpreter that is gone.
        atexit.register(self.close)

    def _on_error(self, _clientd: Any, code: int, message: Any) -> None:
        lines = self.library.text(message).split("\n")
        self.errors.append(f"{code}: " + "; ".join(line.strip() for line in lines if line.strip()))

    def callback(self, declaration: str, function: Callable[..., None]) -> Any:
        """A C function that calls ``function``, kept for as long as the library may call it."""
        made = self.library.ffi.callback(declaration, function)
        self._callbacks.append(made)
        return made

    def call(self, name: str, *arguments: Any) -> int:
        """Call a library function; a negative result raises with Aeron's message."""
        result = int(getattr(self.library.functions, name)(*arguments))
        if result < 0:
            raise MeshError(f"{name}: {self.library.error_message()}")
        return result

    @property
    def handle(self) -> Any:
        """The C client."""
        if self._client is None:
            raise MeshError(f"the mesh client {self.name!r} is closed")
        return self._client

    @property
    def is_lost(self) -> bool:
        """Whether the driver is gone, or has given up on this client.

        The library notices by the heartbeat, after the driver time-out; the end of the driver's
        process is seen at once.
        """
        with self.lock:
            if self._client is None or self.library.functions.aeron_is_closed(self._client):
                return True
            return self._driver is None or not self._driver.lives()

    def _connect(self) -> None:
        if not driver_is_active(self.directory, self.timeouts):
            raise DriverAbsentError(self.directory)
        pointer = self.library.ffi.new("void **")
        self.call("aeron_context_init", pointer)
        self._context = pointer[0]
        settings: dict[str, Any] = {
            "dir": os.fsencode(self.directory),
            "driver_timeout_ms": self.timeouts.driver_timeout_ns // MILLISECOND_NS,
            "keepalive_interval_ns": self.timeouts.keepalive_interval_ns,
            "resource_linger_duration_ns": self.timeouts.resource_linger_ns,
            "idle_sleep_duration_ns": self.timeouts.conductor_sleep_ns,
            "client_name": self.name.encode(),
        }
        try:
            for name, value in settings.items():
                self.call(f"aeron_context_set_{name}", self._context, value)
            self.call(
                "aeron_context_set_error_handler",
                self._context,
                self._error_callback,
                self.library.ffi.NULL,
            )
            self.call("aeron_init", pointer, self._context)
            self._client = pointer[0]
            self.call("aeron_start", self._client)
        except MeshError:
            self._disconnect()
            raise
        self._counters = MappedFile(self.directory / "cnc.dat", writable=True)
        self._driver = DriverProcess(bytes(self._counters.array("u1", CNC_HEADER_BYTES)))
        self.generation += 1

    def _disconnect(self) -> None:
        if self._driver is not None:
            driver, self._driver = self._driver, None
            driver.close()
        if self._client is not None:
            client, self._client = self._client, None
            self.library.functions.aeron_close(client)
        if self._context is not None:
            context, self._context = self._context, None
            self.library.functions.aeron_context_close(context)

    def map_log(self, registration_id: int, *, writable: bool) -> MappedFile:
        """Map the log of a publication, or that of a received image, and check whose it is."""
        for path in logbuffer_candidates(self.directory, registration_id):
            if path.exists():
                log = MappedFile(path, writable=writable, prefault=self.prefault)
                (found,) = log.array(
                    "<i8", 1, log.length - METADATA_LENGTH + METADATA_CORRELATION_ID
                )
                if found != registration_id:
                    raise MeshError(f"{path} holds the log {found}, not {registration_id}")
                return log
        raise MeshError(f"the driver keeps no log {registration_id} in {self.directory}")

    def counters_file(self) -> MappedFile:
        """The driver's CnC file; whoever keeps an address into it keeps this object."""
        if self._counters is None:
            raise MeshError(f"the mesh client {self.name!r} has no driver")
        return self._counters

    @staticmethod
    def furthest_reader(counters: MappedFile, session_id: int, stream_id: int) -> int:
        """Position of the furthest of all that read one writer's stream, in a mapped CnC file;
        those are among them that were killed and whose end the driver hasn't noticed yet."""
        header = bytes(counters.array("u1", CNC_HEADER_BYTES))
        to_driver, to_clients, metadata, values = struct.unpack_from("<iiii", header, 4)
        start = CNC_HEADER_BYTES + to_driver + to_clients
        records = counters.array("<i4", metadata // 4, start)
        records = records.reshape(-1, COUNTER_METADATA_LENGTH // 4)
        positions = counters.array("<i8", values // 8, start + metadata)[:: COUNTER_LENGTH // 8]
        wanted = (STATE_ALLOCATED, READER_POSITION_TYPE, session_id, stream_id)
        furthest = 0
        # The first record that was never in use ends them, and most never were.
        for first in range(0, len(records), _RECORDS_AT_ONCE):
            words = records[first : first + _RECORDS_AT_ONCE, READER_WORDS]
            is_reader = (words == wanted).all(axis=1)
            found = positions[first : first + len(words)][is_reader]
            furthest = max(furthest, int(found.max(initial=0)))
            if (words[:, 0] == STATE_UNUSED).any():
                break
        return furthest

    @staticmethod
    def counter_address(counters: MappedFile, counter_id: int) -> int:
        """Address of a counter's value in a mapped CnC file."""
        header = bytes(counters.array("u1", CNC_HEADER_BYTES))
        to_driver, to_clients, metadata, values = struct.unpack_from("<iiii", header, 4)
        if not 0 <= counter_id < values // COUNTER_LENGTH:
            raise MeshError(f"counter {counter_id} lies outside the driver's counters")
        start = CNC_HEADER_BYTES + to_driver + to_clients + metadata
        return counters.address + start + counter_id * COUNTER_LENGTH

    def revive(self) -> bool:
        """Make a new connection if the old one is lost and a driver is there; false if not.

        Looks for a driver at most once in ``reconnect_interval_ns``.
        """
        with self.lock:
            if not self.is_lost:
                return True
            now_ns = self._clock.monotonic_ns()
            if now_ns < self._next_attempt_ns:
                return False
            self._next_attempt_ns = now_ns + self.timeouts.reconnect_interval_ns
            if not driver_is_active(self.directory, self.timeouts):
                return False
            self._disconnect()
            try:
                self._connect()
            except MeshError as error:
                self.errors.append(error.message)
                return False
            return True

    def close(self) -> None:
        """Close the C client; everything opened from it is gone."""
        atexit.unregister(self.close)
        with self.lock:
            self._disconnect()
            self._counters = None
