"""Functions put together at run time from compiled entries, which vanish into them.

A kernel that works through a table of functions calls each by its address and reads what each is
told from memory. Where one such table is worked through many million times, the calls can be
written out as a function of their own, with all that is known about them: LLVM then inlines every
one and drops what can't happen. That takes some hundredths of a second an entry and isn't kept on
disk, so it is for those who ask for it.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from tradecaptain.base.jit import JIT_DISABLED, CompiledEntry

INT: Final = ir.IntType(64)
FLOAT: Final = ir.DoubleType()
_BIT: Final = ir.IntType(1)
_STATUS: Final = ir.IntType(32)
_POINTER: Final = ir.IntType(8).as_pointer()
_ENTRY_PREFIX: Final = "cfunc."


class Fusion:
    """A function of int64 arguments under construction; it returns nothing.

    ``builder`` writes its instructions (llvmlite's ``IRBuilder``); the methods are what is shorter
    than that. Places are pointers, since LLVM tells apart what lies at offsets from one pointer;
    entries take addresses, as int64.
    """

    def __init__(self, name: str, argument_count: int) -> None:
        if JIT_DISABLED:
            raise ValueError("nothing is fused with the JIT off")
        with global_compiler_lock:
            codegen = cpu_target.target_context.codegen()
            self._library: Any = codegen.create_library(name)
            self._module: Any = self._library.create_ir_module(name)
        kind = ir.FunctionType(ir.VoidType(), [INT] * argument_count)
        self.function: Any = ir.Function(self._module, kind, name)
        self.builder: Any = ir.IRBuilder(self.function.append_basic_block("entry"))
        self._entries: dict[str, Any] = {}
        self._linked: list[Any] = []
        self._assume: Any = self._module.declare_intrinsic(
            "llvm.assume", fnty=ir.FunctionType(ir.VoidType(), [_BIT])
        )
        # Where an entry would say what went wrong; none does.
        self._result: Any = self.builder.alloca(_POINTER)
        self._error: Any = self.builder.alloca(_POINTER)

    @property
    def arguments(self) -> Any:
        """The function's arguments."""
        return self.function.args

    def integer(self, number: int) -> Any:
        """A constant."""
        return ir.Constant(INT, int(number))

    def pointer(self, address: Any) -> Any:
        """The pointer to an address that is an int64."""
        return self.builder.inttoptr(address, _POINTER)

    def plus(self, place: Any, distance: Any) -> Any:
        """A pointer so many bytes further on."""
        distance = self.integer(distance) if isinstance(distance, int) else distance
        return self.builder.gep(place, [distance], inbounds=True)

    def load(self, place: Any, kind: Any = INT) -> Any:
        """The number of a kind, an int64 or a float64, at a pointer."""
        loaded = self.builder.load(self.builder.bitcast(place, kind.as_pointer()))
        loaded.align = 8
        return loaded

    def store(self, place: Any, number: Any) -> Any:
        """Write a number at a pointer; gives the instruction."""
        stored = self.builder.store(number, self.builder.bitcast(place, number.type.as_pointer()))
        stored.align = 8
        return stored

    def opaque(self, number: Any) -> Any:
        """The same int64, of which the compiler knows nothing.

        A loop that counts by it takes one step after the other: several are never made into one.
        """
        return self.builder.asm(ir.FunctionType(INT, [INT]), "", "=r,0", [number], True)

    def assume(self, is_true: Any) -> None:
        """Let the compiler know that a bit is set."""
        self.builder.call(self._assume, [is_true])

    def assume_integer(self, loaded: Any, number: Any) -> None:
        """Let the compiler know what an int64 that was loaded is."""
        self.assume(self.builder.icmp_signed("==", loaded, number))

    def assume_float(self, loaded: Any, number: float) -> None:
        """Let the compiler know what a float64 that was loaded is; neither 0 nor NaN."""
        due = ir.Constant(FLOAT, float(number))
        self.assume(self.builder.fcmp_ordered("==", loaded, due))

    def call(self, entry: CompiledEntry, arguments: list[Any]) -> None:
        """Write out an entry that takes int64 arguments, addresses among them, returns nothing."""
        arguments = [
            self.builder.ptrtoint(argument, INT) if argument.type.is_pointer else argument
            for argument in arguments
        ]
        compiled: Any = entry.compiled
        name = compiled.native_name.removeprefix(_ENTRY_PREFIX)
        if name not in self._entries:
            slots = [_POINTER.as_pointer(), _POINTER.as_pointer(), *([INT] * len(arguments))]
            self._entries[name] = ir.Function(self._module, ir.FunctionType(_STATUS, slots), name)
            self._linked.append(compiled._library)
        callee, slots = self._entries[name], [self._result, self._error]
        self.builder.call(callee, [*slots, *arguments], attrs=("alwaysinline",))

    def finish(self) -> int:
        """Compile the function, which stays for good; returns its address."""
        with global_compiler_lock:
            self._library.add_ir_module(self._module)
            for library in self._linked:
                self._library.add_linking_library(library)
            self._library.finalize()
            _FINISHED.append(self._library)
            return int(self._library.get_pointer_to_function(self.function.name))


_FINISHED: Final[list[Any]] = []
"""Libraries whose code may still be called."""
