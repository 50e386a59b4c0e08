"""TCP ports that nobody uses, for meshes that are started to be measured or tested."""

from __future__ import annotations

import socket

_SPAN = 32
# Below the range from which the kernel takes ports of outgoing connections.
_BASES = range(20_000, 32_000, _SPAN)
_HELD: list[socket.socket] = []


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def free_port_base() -> int:
    """A number from which on 32 ports in a row are free: the ``base`` of a mesh's ports.

    Nobody else gets the same number for as long as this process lives, or one that it hands
    :func:`port_holders` to: several test runs may share a machine, and a mesh opens its ports some
    time after they were found free, and again whenever its parts start again.
    """
    for base in _BASES:
        # The last of the ports is held, unused, and says that the others are somebody's. Unlike
        # a file's lock it is seen by every user and from every folder of temporary files.
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", base + _SPAN - 1))
        except OSError:
            holder.close()
            continue
        if all(_is_free(port) for port in range(base, base + _SPAN - 1)):
            # Open for the life of the process.
            _HELD.append(holder)
            return base
        holder.close()
    raise RuntimeError(f"no {_SPAN} free ports in a row from {_BASES.start} to {_BASES.stop}")


def port_holders() -> tuple[int, ...]:
    """Descriptors that hold the numbers given out so far; ``pass_fds`` of a process that is to
    hold them too, as a mesh that may outlive a test run that was killed."""
    return tuple(holder.fileno() for holder in _HELD)


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
