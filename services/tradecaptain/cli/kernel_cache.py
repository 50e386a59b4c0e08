"""Where compiled kernels are kept, set up before anything imports numba."""

from __future__ import annotations

import os
from pathlib import Path

from tradecaptain.base.compile_cache import prepare_cache

CACHE_VARIABLE = "TRADECAPTAIN_CACHE"


def cache_root() -> Path:
    """The folder that ``TRADECAPTAIN_CACHE`` names, or one in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tradecaptain"


def open_kernel_cache() -> Path:
    """Point numba of this process and its children at the cache; returns its folder."""
    return prepare_cache(cache_root() / "kernels")
