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
WORDS = 4


def _add_part(context: Any, builder: Any, name: str, part: Any, signature: Any) -> Any:
    """A function that does what ``part`` does and returns its result in a register.

    numba's own functions return a status, and the result through memory.
    """
    words = [_WORD for argument in signature.args if isinstance(argument, types.Integer)]
    function = ir.Function(builder.module, ir.FunctionType(_WORD, words), name)
    function.linkage = "linkonce_odr"
    function.attributes.add("noinline")
    function.calling_convention = "preserve_nonecc"
    inner = ir.IRBuilder(function.append_basic_block())
    handed_over = iter(function.args)
    arguments = [
        next(handed_over) if isinstance(argument, types.Integer) else context.get_dummy_value()
        for argument in signature.args
    ]
    _, result = context.call_internal_no_propagate(inner, part.fndesc, signature, arguments)
    for instruction in function.blocks[0].instructions:
        if isinstance(instruction, ir.CallInstr):
            instruction.attributes.add("alwaysinline")
    inner.ret(result)
    return function


def _build_call(
    function: Callable[..., int], context: Any, builder: Any, kinds: Any, arguments: Any
) -> Any:
    """Call a part, which the module gets with the first call of it."""
    flags = Flags()
    flags.error_model = "numpy"
    signature = types.int64(*kinds)
    part = context.compile_subroutine(builder, function, signature, flags=flags)
    name = f"{part.fndesc.mangled_name}.apart"
    called = builder.module.globals.get(name)
    if called is None:
        called = _add_part(context, builder, name, part, signature)
    words = [
        builder.extract_value(arguments, index)
        for index, kind in enumerate(kinds)
        if isinstance(kind, types.Integer)
    ]
    return builder.call(called, words, cconv="preserve_nonecc")


def _call_of(function: Callable[..., int]) -> Any:
    """What compiled code calls a function by, with all arguments in one tuple."""

    @intrinsic
    def call(typing_context: Any, arguments: Any) -> Any:
        kinds = list(arguments)

        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return _build_call(function, context, builder, kinds, values[0])

        return types.int64(arguments), codegen

    return call


def apart(function: Callable[..., int]) -> Callable[..., int]:
    """Mark a function of four integers that compiled code calls and never takes in.

    A form, which is none of them, may come first: each has a function of its own.
    """
    call = _call_of(function)
    if function.__code__.co_argcount == WORDS:

        @overload(function, strict=False)
        def compiled(a: Any, b: Any, c: Any, d: Any) -> Any:
            return lambda a, b, c, d: call((a, b, c, d))

    else:

        @overload(function, strict=False)
        def compiled_in_form(form: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
            return lambda form, a, b, c, d: call((form, a, b, c, d))

    return function


def apart_of_nine(function: Callable[..., int]) -> Callable[..., int]:
    """`apart` of a form and nine integers: all of them are handed over in registers."""
    call = _call_of(function)

    @overload(function, strict=False)
    def compiled(
        form: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any, i: Any
    ) -> Any:
        return lambda form, a, b, c, d, e, f, g, h, i: call((form, a, b, c, d, e, f, g, h, i))

    return function
