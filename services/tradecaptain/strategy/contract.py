"""What a strategy is: three handlers, and a record in which it keeps what it knows.

A handler is a function that ``numba`` compiles (the rules of ``@njit``) and that does nothing but
compute: it reads the event, reads and writes the strategy's record, places order commands at its
desk, and returns how many of them are to be sent. It reads no clock, draws no random numbers but
from its own record, and does no input or output. So the same handlers run live, in a backtest and
in the simulation, and the same events give the same commands.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.jit import JIT_DISABLED, CompiledEntry, entry

_HANDLER: Final = types.int64(types.int64, types.int64, types.int64)
_RAISES: Final = "RAISE_VARARGS"


def handler(function: Callable[[int, int, int], int]) -> CompiledEntry:
    """Compile a handler ``(state, event, desk) -> number of commands``.

    ``state`` is the address of the strategy's record and ``desk`` that of its desk
    (:mod:`tradecaptain.strategy.desk`). ``event`` is the address of a ``MarketTick`` for
    ``on_market_data`` and of an ``ExecutionEvent`` for ``on_execution``, and for ``on_timer`` the
    time that was asked for. The machine code is cached, as every kernel's is. Raises
    ConfigurationError for other parameters, and for a handler that raises or asserts: nobody would
    hear of it, and the strategy would trade on. What numba can't compile it refuses with the line.
    """
    name = function.__name__
    if len(inspect.signature(function).parameters) != len(_HANDLER.args):
        raise ConfigurationError(f"{name} must take state, event and desk", field=name)
    if any(step.opname == _RAISES for step in dis.get_instructions(function)):
        raise ConfigurationError(
            f"{name} must not raise or assert: nobody would hear of it; note it in the record and"
            " return 0",
            field=name,
        )
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


_PYTHON_HANDLERS: list[CompiledEntry] = []
"""Handlers by number, where there is no machine code to call."""


def handler_address(entry: CompiledEntry) -> int:
    """How the duty cycle reaches a handler."""
    if not JIT_DISABLED:
        return entry.address
    if entry not in _PYTHON_HANDLERS:
        _PYTHON_HANDLERS.append(entry)
    return _PYTHON_HANDLERS.index(entry)


def call_handler(function: int, state: int, event: int, desk: int) -> int:
    """Call a handler by its address."""
    return int(_PYTHON_HANDLERS[function](state, event, desk))


@intrinsic
def _call_handler(typing_context: Any, function: Any, state: Any, event: Any, desk: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word] * 3)
        pointer = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.call(pointer, arguments[1:])

    return types.int64(*[types.int64] * 4), codegen


@overload(call_handler, strict=False)
def _call_handler_overload(
    function: Any, state: Any, event: Any, desk: Any
) -> Callable[[int, int, int, int], int]:
    return lambda function, state, event, desk: _call_handler(function, state, event, desk)
