"""How every verb talks: results to standard output, everything else to standard error.

With ``--json`` standard output is exactly one JSON object, whatever else is said meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import orjson
from rich.console import Console

MESSAGES = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
RESULTS = Console(highlight=False, soft_wrap=True, emoji=False)


def emit_json(result: Mapping[str, Any]) -> None:
    """Write the one object that a ``--json`` call answers with."""
    sys.stdout.buffer.write(orjson.dumps(result, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """Tell the person something on standard error, as it is, without markup."""
    MESSAGES.print(text, markup=False)


def show(text: str) -> None:
    """Write one line of a result for a person to standard output, without markup."""
    RESULTS.print(text, markup=False)
