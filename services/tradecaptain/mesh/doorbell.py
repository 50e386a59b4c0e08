"""Doorbells: how a writer wakes a part that sleeps between two looks at its streams.

There is one word in shared memory for each part whose loop may sleep on it. The loop arms the word,
looks at its streams once more, and sleeps until somebody rings or its longest sleep is over. A
writer rings after its commit, which costs one load unless the other side sleeps. Writers use no
fence: a ring that coincides with the arming may be lost, and what was written is then found when
the sleep is over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import fence, load_acquire_i32, store_release_i32
from tradecaptain.base.system_calls import futex_wait, futex_wake
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.mapping import PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE, MappedFile

PARTS: Final = ("orderbook", "gateway")
"""Parts that somebody rings for, in the order of their words."""
NO_BELL: Final = 0
"""In place of the address of a word: nobody can be woken, and a sleep only ends by itself."""
_LINE_BYTES: Final = 64
_AWAKE: Final = 0
_ARMED: Final = 1


@inline
def doorbell_sleep(bell: int, duration_ns: int) -> None:
    """Arm the word, so that the caller looks for work once more; if it is armed, sleep on it."""
    if load_acquire_i32(bell) == _ARMED:
        futex_wait(bell, _ARMED, duration_ns)
        return
    store_release_i32(bell, _ARMED)
    # The look for work that follows must not be done before others can see that the word is armed.
    fence()


@inline
def doorbell_disarm(bell: int) -> None:
    """Say that the caller is awake: nobody needs to ring."""
    if load_acquire_i32(bell) != _AWAKE:
        store_release_i32(bell, _AWAKE)


@inline
def doorbell_ring(bell: int) -> None:
    """Wake whoever sleeps on a word; call it after a commit."""
    if bell != NO_BELL and load_acquire_i32(bell) == _ARMED:
        store_release_i32(bell, _AWAKE)
        futex_wake(bell)


class Doorbells(Closing):
    """The words of a mesh; they outlive the processes that sleep on them."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE_MODE)
        try:
            os.ftruncate(descriptor, len(PARTS) * _LINE_BYTES)
        finally:
            os.close(descriptor)
        self._mapped = MappedFile(path, writable=True)

    def bell(self, part: str) -> int:
        """Address of a part's word; valid until this is closed."""
        if part not in PARTS:
            raise MeshError(f"part {part!r} has no doorbell; those are {', '.join(PARTS)}")
        return self._mapped.address + PARTS.index(part) * _LINE_BYTES

    def close(self) -> None:
        """Unmap; loops that sleep on a word, and writers that ring, must have stopped."""
        self._mapped.close()
