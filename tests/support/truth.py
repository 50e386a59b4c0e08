"""Finds the independent ground truth, which isn't part of the repository."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
VARIABLE = "TRADECAPTAIN_TRUTH"


def truth_folder() -> Path:
    """The folder that ``TRADECAPTAIN_TRUTH`` names, or ``../shared/truth`` of the repository."""
    return Path(os.environ.get(VARIABLE) or REPOSITORY.parent / "shared" / "truth")


def truth_path(relative: str) -> Path:
    """A truth file or folder; the test is skipped, saying so, where it isn't there."""
    path = truth_folder() / relative
    if not path.exists():
        pytest.skip(f"no truth data at {path}; set {VARIABLE}")
    return path
