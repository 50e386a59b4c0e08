"""Functions that stay calls, so that what calls them keeps its registers for itself.

LLVM would build one large function of everything that happens to a command, and then spend a fifth
of its instructions on moving values to the stack and back. Cut where little has to be handed over,
each part finds room for its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.compiler import Flags
from numba.extending import intrinsic, overload

_WORD = ir.IntType(64)


def _add_part(context: Any, builder: Any, name: str, part: Any, signature: Any) -> Any:
    """A function that does what ``part`` does and returns its result in a register.

    numba's own functions return a status, and the result through memory.
    """
    words = [_WORD] * len(signature.args)
    function = ir.Function(builder.module, ir.FunctionType(_WORD, words), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    function.calling_convention = "preserve_nonecc"
    inner = ir.IRBuilder(function.append_basic_block())
    _, result = context.call_internal_no_propagate(
        inner, part.fndesc, signature, list(function.args)
    )
    for instruction in function.blocks[0].instructions:
        if isinstance(instruction, ir.CallInstr):
            instruction.attributes.add("alwaysinline")
    inner.ret(result)
    return function


def _build_call(
    function: Callable[..., int], context: Any, builder: Any, signature: Any, arguments: Any
) -> Any:
    """Call a part, which the module gets with the first call of it."""
    flags = Flags()
    flags.error_model = "numpy"
    part = context.compile_subroutine(builder, function, signature, flags=flags)
    name = f"{part.fndesc.mangled_name}.apart"
    called = builder.module.globals.get(name)
    if called is None:
        called = _add_part(context, builder, name, part, signature)
    return builder.call(called, arguments, cconv="preserve_nonecc")


def apart(function: Callable[..., int]) -> Callable[..., int]:
    """Mark a function of four integers that compiled code calls and never takes in."""

    @intrinsic
    def call(typing_context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _build_call(function, context, builder, signature, arguments)

        return types.int64(*[types.int64] * 4), codegen

    @overload(function, strict=False)
    def compiled(a: Any, b: Any, c: Any, d: Any) -> Any:
        return lambda a, b, c, d: call(a, b, c, d)

    return function


def apart_of_nine(function: Callable[..., int]) -> Callable[..., int]:
    """`apart` of nine integers: all of them are handed over in registers."""

    @intrinsic
    def call(
        typing_context: Any,
        a: Any,
        b: Any,
        c: Any,
        d: Any,
        e: Any,
        f: Any,
        g: Any,
        h: Any,
        i: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _build_call(function, context, builder, signature, arguments)

        return types.int64(*[types.int64] * 9), codegen

    @overload(function, strict=False)
    def compiled(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any) -> Any:
        return lambda a, b, c, d, e, f, g, h, i: call(a, b, c, d, e, f, g, h, i)

    return function
