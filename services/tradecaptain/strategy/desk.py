"""What a strategy's handlers are given: the time, a timer, and room for order commands.

The desk is one record; handlers get its address and use the functions of this module. A command is
written where it will be sent from, as the mesh's own record, so a handler may set any further field
of it with :mod:`tradecaptain.wire.order_command`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.base.jit import inline
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.base.records import records_at
from tradecaptain.wire import common, execution_event, order_command

COMMANDS_MAX: Final = 64
"""Commands that one call of a handler may place."""
NO_TIMER: Final = (1 << 63) - 1
_DIGITS: Final = 8
_DIGIT_MASK: Final = 15

DESK: Final = np.dtype(
    [
        # The time of the event at hand, ns UTC. It never goes back.
        ("now_ns", "<i8"),
        ("timer_ns", "<i8"),
        # Commands placed in this call and where they lie; while the desk replays, none are taken.
        ("commands_address", "<i8"),
        ("command_count", "<i8"),
        ("is_replaying", "<i8"),
        ("refused_count", "<i8"),
        # Whose orders they are.
        ("account_id", "<i8"),
        ("firm_id", "<i8"),
        ("strategy_id", "<i8"),
        ("self_trade_group", "<i8"),
        # The client order id: sixteen hexadecimal digits, of this life and of the order in it.
        ("life_text", "<i8"),
        ("order_number", "<i8"),
        # What the strategy had seen when it decided.
        ("seen_execution_sequence", "<i8"),
        ("seen_price_sequence", "<i8"),
    ],
    align=True,
)
"""One strategy's desk."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose orders a strategy places; the risk gate holds the account's limits against them."""

    account_id: int
    firm_id: int
    strategy_id: int
    self_trade_group: int = 0


class Desk:
    """The desk's memory; keep it as long as its address is used."""

    def __init__(self, owner: Owner, life: int) -> None:
        """``life`` is a number that no earlier life of the strategy had."""
        self.record: npt.NDArray[Any] = aligned_zeros(1, DESK)
        self._commands = aligned_zeros(COMMANDS_MAX, order_command.DTYPE)
        row = self.record[0]
        row["timer_ns"] = NO_TIMER
        row["commands_address"] = address_of(self._commands)
        for name in ("account_id", "firm_id", "strategy_id", "self_trade_group"):
            row[name] = getattr(owner, name)
        row["life_text"] = digits_text(life & 0xFFFF_FFFF)

    @property
    def address(self) -> int:
        """What handlers get."""
        return address_of(self.record)


@inline
def digits_text(number: int) -> int:
    """The lowest 32 bits of a number as eight hexadecimal digits, the first in the lowest byte."""
    text = 0
    for place in range(_DIGITS):
        digit = (number >> (4 * place)) & _DIGIT_MASK
        letter = digit + 48 if digit < 10 else digit + 87
        text = (text << 8) | letter
    return text


@inline
def digits_value(text: int) -> int:
    """The number that eight hexadecimal digits say, or -1 if they aren't such digits."""
    number = 0
    for place in range(_DIGITS):
        letter = (text >> (8 * place)) & 0xFF
        if 48 <= letter <= 57:
            digit = letter - 48
        elif 97 <= letter <= 102:
            digit = letter - 87
        else:
            return -1
        number = (number << 4) | digit
    return number


@inline
def now_ns(desk: int) -> int:
    """Time of the event at hand, ns UTC; it never goes back."""
    return records_at(desk, 1, DESK)[0]["now_ns"]


@inline
def set_timer(desk: int, time_ns: int) -> None:
    """Have ``on_timer`` called once, at a time; the last call counts. A time that has come is due
    before anything that happened later."""
    records_at(desk, 1, DESK)[0]["timer_ns"] = time_ns


@inline
def placed(desk: int) -> int:
    """How many commands this call has placed: what a handler returns to have all of them sent."""
    return records_at(desk, 1, DESK)[0]["command_count"]


@inline
def last_command(desk: int) -> int:
    """Address of the command that was placed last, for fields that have no argument here."""
    count = records_at(desk, 1, DESK)[0]["command_count"]
    first = records_at(desk, 1, DESK)[0]["commands_address"]
    return first + (count - 1) * order_command.RECORD_BYTES


@inline
def open_command(desk: int, action: int, instrument_id: int) -> int:
    """Begin a command with what all of them say; its address, or 0 if none can be taken."""
    row = records_at(desk, 1, DESK)[0]
    if row["is_replaying"] != 0 or row["command_count"] >= COMMANDS_MAX:
        row["refused_count"] += 1
        return 0
    command = row["commands_address"] + row["command_count"] * order_command.RECORD_BYTES
    row["command_count"] += 1
    order_command.initialise(command)
    order_command.set_action(command, action)
    order_command.set_instrument_id(command, instrument_id)
    order_command.set_account_id(command, row["account_id"])
    order_command.set_firm_id(command, row["firm_id"])
    order_command.set_strategy_id(command, row["strategy_id"])
    order_command.set_self_trade_group(command, row["self_trade_group"])
    order_command.set_capacity(command, common.CAPACITY_PRINCIPAL)
    order_command.set_seen_execution_sequence(command, row["seen_execution_sequence"])
    order_command.set_seen_price_sequence(command, row["seen_price_sequence"])
    order_command.set_send_time_ns(command, row["now_ns"])
    return command


@inline
def place_order(
    desk: int,
    instrument_id: int,
    side: int,
    price_units: int,
    quantity_units: int,
    time_in_force: int,
) -> int:
    """Place a limit order; the number by which :func:`order_number` knows it again, 0 if there was
    no room."""
    command = open_command(desk, order_command.COMMAND_ACTION_NEW_ORDER, instrument_id)
    if command == 0:
        return 0
    row = records_at(desk, 1, DESK)[0]
    row["order_number"] += 1
    number = row["order_number"]
    order_command.set_side(command, side)
    order_command.set_order_type(command, common.ORDER_TYPE_LIMIT)
    order_command.set_time_in_force(command, time_in_force)
    order_command.set_price_units(command, price_units)
    order_command.set_quantity_units(command, quantity_units)
    order_command.set_client_order_id0(command, row["life_text"])
    order_command.set_client_order_id1(command, digits_text(number))
    return number


@inline
def place_cancel(desk: int, instrument_id: int, order_id: int) -> bool:
    """Cancel an order by the id that the venue gave it; False if there was no room."""
    command = open_command(desk, order_command.COMMAND_ACTION_CANCEL_ORDER, instrument_id)
    if command == 0:
        return False
    order_command.set_order_id(command, order_id)
    return True


@inline
def place_replace(
    desk: int, instrument_id: int, order_id: int, price_units: int, quantity_units: int
) -> bool:
    """Give an order another price and another total quantity; False if there was no room."""
    command = open_command(desk, order_command.COMMAND_ACTION_REPLACE_ORDER, instrument_id)
    if command == 0:
        return False
    order_command.set_order_id(command, order_id)
    order_command.set_price_units(command, price_units)
    order_command.set_quantity_units(command, quantity_units)
    return True


@inline
def order_number(desk: int, event: int) -> int:
    """Number of the order that an execution event is about, as :func:`place_order` gave it; 0 for
    an order of an earlier life."""
    row = records_at(desk, 1, DESK)[0]
    if execution_event.get_client_order_id0(event) != row["life_text"]:
        return 0
    return max(digits_value(execution_event.get_client_order_id1(event)), 0)
