"""TCP ports that nobody uses, for meshes that are started to be measured or tested."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

_SPAN = 32
# Below the range from which the kernel takes ports of outgoing connections.
_BASES = range(20_000, 32_000, _SPAN)
_LOCKS: list[int] = []


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def free_port_base() -> int:
    """A number from which on 32 ports in a row are free: the ``base`` of a mesh's ports.

    Nobody else gets the same number for as long as this process lives: several test runs may share
    a machine, and a mesh opens its ports some time after they were found free.
    """
    folder = Path(tempfile.gettempdir()) / f"tradecaptain-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for base in _BASES:
        lock = os.open(folder / str(base), os.O_RDWR | os.O_CREAT, 0o600)
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if all(_is_free(port) for port in range(base, base + _SPAN)):
                # Open for the life of the process, which holds the lock.
                _LOCKS.append(lock)
                return base
        os.close(lock)
    raise RuntimeError(f"no {_SPAN} free ports in a row from {_BASES.start} to {_BASES.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
