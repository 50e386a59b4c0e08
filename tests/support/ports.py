"""Finds TCP ports that nobody uses."""

import socket

_SPAN = 32


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def free_port_base() -> int:
    """A number from which on 32 ports in a row are free: the ``base`` of a mesh's ports."""
    for base in range(20_000, 32_000, _SPAN):
        if all(_is_free(port) for port in range(base, base + _SPAN)):
            return base
    raise AssertionError("no 32 free ports in a row between 20000 and 32000")


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
