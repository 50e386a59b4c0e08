"""What arguments of several verbs have in common."""

from __future__ import annotations

from typing import Final

import typer

TAKES_NEGATIVES: Final = {"ignore_unknown_options": True}
"""Settings of a command whose numbers may be negative: `-5` is then no option."""

PRINCIPAL_OF_ACCOUNT: Final = typer.Option(
    "", "--as", help="Principal whose token is used; the account's own if empty."
)
"""Who acts, for verbs that also name an account."""
