"""What forms of plain commands share where nobody but the venue's rules judges an order.

See `plain_form` for what each function does.
"""

from __future__ import annotations

from tradecaptain.base.jit import inline


@inline
def may_enter(_engine: int, _command: int) -> int:
    """See `plain_form`."""
    return 0


@inline
def may_replace(_engine: int, _command: int, _order: int) -> int:
    """See `plain_form`."""
    return 0


@inline
def note_cancel(_engine: int, _command: int) -> None:
    """See `plain_form`."""
