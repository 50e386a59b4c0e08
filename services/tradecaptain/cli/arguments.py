"""What arguments of several verbs have in common."""

from __future__ import annotations

from typing import Final

TAKES_NEGATIVES: Final = {"ignore_unknown_options": True}
"""Settings of a command whose numbers may be negative: `-5` is then no option."""
