"""What differs between engines on the short way: who judges an order, and what is told of it.

A form is a module with these functions, which the short way's functions take as their first
argument. Compiled code knows which one it is: each form has machine code of its own.
`plain_compact` reports compactly, `plain_wire` writes wire events.
"""

from __future__ import annotations

from typing import Protocol


class Form(Protocol):
    """The functions of a form. Books and orders are given by their addresses, unless called slots.

    Whether something is the last that a command causes in its stream is told as 1 or 0.
    """

    AT_PRICE_UNITS: int
    """Where the price lies in what `accepted` writes."""

    def may_enter(self, engine: int, command: int) -> int:
        """Ask for a new order that no rule of the venue stops: 0, or the reason why not.

        The header's ``judge`` is the caller's word for this function.
        """

    def may_replace(self, engine: int, command: int, order: int) -> int:
        """The same for a replace of a resting order."""

    def note_cancel(self, engine: int, command: int) -> None:
        """Take note of a cancel that goes through."""

    def note_command(self, engine: int, command: int) -> None:
        """Note what later reports of a command that goes through say of it."""

    def name_taker(self, engine: int, slot: int, command: int) -> None:
        """Write who entered an order that is still trading."""

    def name_resting(self, engine: int, slot: int, command: int) -> None:
        """Write who entered a limit order for the day or until it is cancelled."""

    def rename(self, engine: int, slot: int, command: int) -> None:
        """Let the client order id and tag of a replace name an order from now on."""

    def accepted(
        self,
        engine: int,
        command: int,
        order_id: int,
        side: int,
        quantity_units: int,
        is_last: int,
    ) -> int:
        """Tell that a new order was accepted; returns where."""

    def traded(
        self,
        engine: int,
        command: int,
        side: int,
        order_id: int,
        maker: int,
        price_units: int,
        quantity_units: int,
        leaves_units: int,
        trade_count: int,
    ) -> None:
        """Tell of a trade of a new order with a maker (its slot), whose records are still those
        before it; ``leaves_units`` are the new order's. Trades of a command count from 1."""

    def count_trades(self, book: int, count: int) -> None:
        """Count the trades that were told of."""

    def expired(
        self,
        engine: int,
        command: int,
        order_id: int,
        side: int,
        price_units: int,
        quantity_units: int,
        leaves_units: int,
    ) -> None:
        """Tell that what is left of a new order found nobody."""

    def end_taking(self, engine: int) -> None:
        """End a command that may have traded, all of which is told."""

    def cancelled(self, engine: int, command: int, slot: int) -> None:
        """Tell that its owner has cancelled an order, whose records are still those before it."""

    def replaced(
        self,
        engine: int,
        slot: int,
        command: int,
        price_units: int,
        quantity_units: int,
        leaves_units: int,
    ) -> None:
        """Tell of a replace, with the order as it stands now."""

    def added(
        self,
        engine: int,
        book: int,
        side: int,
        order_id: int,
        price_units: int,
        quantity_units: int,
        level: int,
    ) -> None:
        """Tell that an order goes to the end of a level, which is still as before it, or 0: the
        last that a command does to a book."""

    def removed(self, engine: int, book: int, slot: int, is_last: int) -> None:
        """Tell that an order leaves its level, which is still as before that."""

    def reduced(self, engine: int, book: int, slot: int) -> None:
        """Tell that an order has become smaller, and its level with it: the last that a command
        does to a book."""
