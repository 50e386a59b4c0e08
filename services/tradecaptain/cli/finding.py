"""What ``doctor`` finds: one thing that was looked at, and how to mend it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GOOD: Final = "good"
HINT: Final = "hint"
"""Not as good as it could be; a mesh runs even so."""
BAD: Final = "bad"
"""Keeps a mesh from running."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``remedy`` says how to mend it."""

    what: str
    state: str
    found: str
    remedy: str = ""


def can_write(folder: Path) -> bool:
    """Whether we may make something in a folder; tried, for rights alone don't tell."""
    try:
        with tempfile.TemporaryDirectory(prefix=".tradecaptain-", dir=folder):
            return True
    except OSError:
        return False
