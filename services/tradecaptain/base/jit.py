"""The one place where numba is wrapped.

A *kernel* is compiled for an explicit signature, releases the GIL and is cached on disk.
An *inline* is a small function that kernels call; it is compiled with its caller.
With ``NUMBA_DISABLE_JIT=1`` both stay plain Python, which is how the twin suites run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numba
from numba.extending import register_jitable

JIT_DISABLED: bool = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")

_KERNELS: list[tuple[str, str]] = []


def kernel(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function to machine code for one explicit signature.

    The result holds no GIL while it runs and follows C rules for division by zero. The compiled
    code is cached where ``NUMBA_CACHE_DIR`` says; ``tradecaptain compile`` fills that cache.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        _KERNELS.append((function.__module__, function.__qualname__))
        return numba.njit(signature, nogil=True, error_model="numpy", cache=True)(function)

    return decorate


def inline(function: Callable[..., Any]) -> Any:
    """Mark a small function as callable from kernels; it is compiled together with its caller."""
    return register_jitable(function)


def inline_always(function: Callable[..., Any]) -> Any:
    """Mark a function that must vanish into its caller, so a loop around it can be vectorised.

    LLVM leaves a function of more than a few dozen instructions as a call, and a loop with a call
    in it stays scalar.
    """
    return register_jitable(forceinline=True)(function)


def registered_kernels() -> tuple[tuple[str, str], ...]:
    """Module and name of every kernel imported so far, for ``tradecaptain compile``."""
    return tuple(_KERNELS)
