"""What a strategy is: three handlers, and a record in which it keeps what it knows.

A handler is a function that ``numba`` compiles (the rules of ``@njit``) and that does nothing but
compute: it reads the event, reads and writes the strategy's record, places order commands at its
desk, and returns how many of them are to be sent. It reads no clock, draws no random numbers but
from its own record, and does no input or output. So the same handlers run live, in a backtest and
in the simulation, and the same events give the same commands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import types
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.jit import CompiledEntry, entry

_HANDLER: Final = types.int64(types.int64, types.int64, types.int64)


def handler(function: Callable[[int, int, int], int]) -> CompiledEntry:
    """Compile a handler ``(state, event, desk) -> number of commands``.

    ``state`` is the address of the strategy's record and ``desk`` that of its desk
    (:mod:`tradecaptain.strategy.desk`). ``event`` is the address of a ``MarketTick`` for
    ``on_market_data`` and of an ``ExecutionEvent`` for ``on_execution``, and for ``on_timer`` the
    time that was asked for. The machine code is cached, as every kernel's is.
    """
    return entry(_HANDLER)(function)


@handler
def ignore(state: int, event: int, desk: int) -> int:
    """What a strategy does with events that it has no handler for."""
    return 0


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy: its name, the dtype of its record, and its handlers.

    ``start`` fills a fresh record, which is zero otherwise; it is all that Python ever does for a
    strategy that runs.
    """

    name: str
    state: np.dtype[Any]
    on_market_data: CompiledEntry = ignore
    on_execution: CompiledEntry = ignore
    on_timer: CompiledEntry = ignore
    start: Callable[[Any], None] = lambda record: None

    def __post_init__(self) -> None:
        """Refuse handlers that aren't compiled and a record that no kernel could read."""
        for name in ("on_market_data", "on_execution", "on_timer"):
            if not isinstance(getattr(self, name), CompiledEntry):
                raise ConfigurationError(
                    f"{self.name}.{name} must be marked with @handler", field=name
                )
        if self.state.names is None or not self.state.isalignedstruct:
            raise ConfigurationError(
                f"{self.name}.state must be a record dtype with align=True", field="state"
            )
