"""Failures that end a command: what went wrong, and what to do next."""

from __future__ import annotations


class CommandError(Exception):
    """Ends the command with status 1; ``next_step`` tells the person how to go on."""

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
