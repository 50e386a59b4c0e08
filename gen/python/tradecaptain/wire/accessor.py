# Copied by tools/gen.py from tools/generators/runtime/accessor.py. Do not edit.
"""How a generated accessor becomes machine code.

A getter or setter is an ordinary function, and as such it runs with the JIT off. The decorators
here tell numba to put one load or store in the place of a call. Compiling each of the small
functions by itself (``base.jit.inline``) cost seconds for a kernel that touches a whole record.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

Function = TypeVar("Function", bound=Callable[..., Any])

NUMBERS = {
    "int8": types.int8,
    "uint8": types.uint8,
    "int16": types.int16,
    "uint16": types.uint16,
    "int32": types.int32,
    "uint32": types.uint32,
    "int64": types.int64,
    "float64": types.float64,
}


def _pointer(context: Any, builder: Any, address: Any, offset_bytes: int, number: Any) -> Any:
    place = builder.add(address, ir.Constant(ir.IntType(64), offset_bytes))
    return builder.inttoptr(place, context.get_value_type(number).as_pointer())


def getter(number_name: str, offset_bytes: int) -> Callable[[Function], Function]:
    """Compile calls of a getter as one load at ``address + offset_bytes``, widened to int64."""
    number = NUMBERS[number_name]
    result = types.float64 if number == types.float64 else types.int64

    def decorate(function: Function) -> Function:
        @type_callable(function)
        def type_of(context: Any) -> Any:
            return lambda address: result

        @lower_builtin(function, types.Integer)
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address = context.cast(builder, arguments[0], signature.args[0], types.int64)
            load = builder.load(_pointer(context, builder, address, offset_bytes, number))
            load.align = 1
            return context.cast(builder, load, number, result)

        return function

    return decorate


def setter(number_name: str, offset_bytes: int) -> Callable[[Function], Function]:
    """Compile calls of a setter as one store at ``address + offset_bytes``."""
    number = NUMBERS[number_name]

    def decorate(function: Function) -> Function:
        @type_callable(function)
        def type_of(context: Any) -> Any:
            return lambda address, value: types.void

        @lower_builtin(function, types.Integer, types.Any)
        def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address = context.cast(builder, arguments[0], signature.args[0], types.int64)
            value = context.cast(builder, arguments[1], signature.args[1], number)
            pointer = _pointer(context, builder, address, offset_bytes, number)
            store = builder.store(value, pointer)
            store.align = 1
            return context.get_dummy_value()

        return function

    return decorate
