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


def apart(function: Callable[..., int]) -> Callable[..., int]:
    """Mark a function of four integers that compiled code calls and never takes in."""

    @intrinsic
    def call(typing_context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            flags = Flags()
            flags.error_model = "numpy"
            part = context.compile_subroutine(builder, function, signature, flags=flags)
            result = context.call_internal(builder, part.fndesc, signature, arguments)
            name = part.fndesc.mangled_name
            for block in builder.function.blocks:
                for instruction in block.instructions:
                    if isinstance(instruction, ir.CallInstr) and instruction.callee.name == name:
                        instruction.attributes.add("noinline")
            return result

        return types.int64(types.int64, types.int64, types.int64, types.int64), codegen

    @overload(function, strict=False)
    def compiled(a: Any, b: Any, c: Any, d: Any) -> Any:
        return lambda a, b, c, d: call(a, b, c, d)

    return function
