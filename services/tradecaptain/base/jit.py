"""The one place where numba is wrapped.

A *kernel* is compiled for an explicit signature, releases the GIL and is cached on disk.
An *entry* is a kernel that compiled code calls through a pointer.
An *inline* is a small function that kernels call; it is compiled with its caller.
With ``NUMBA_DISABLE_JIT=1`` both stay plain Python, which is how the twin suites run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding
from numba.core import caching, codegen, config
from numba.extending import register_jitable
from tradecaptain.base.compile_cache import jit_is_disabled, note_kernel, prepare_cache

JIT_DISABLED: bool = jit_is_disabled()
if not JIT_DISABLED:
    prepare_cache()
    # LLVM's last stage rewrites an access at a computed address as an offset from null. numba links
    # functions that went through that stage into their callers and optimises again, where an
    # offset from null counts as undefined, so that stores and whole branches vanish.
    binding.set_option("tradecaptain", "-addr-sink-using-gep=false")


class _ModuleLocator(caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """Keeps compiled code under the name of its module, wherever the module's file lies."""

    def __init__(self, function: Callable[..., Any], path: str) -> None:
        super().__init__(function, path)
        if function.__module__.startswith("tradecaptain."):
            self._cache_path = str(Path(config.CACHE_DIR) / function.__module__)


caching.CacheImpl._locator_classes.insert(0, _ModuleLocator)


def kernel(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function to machine code for one explicit signature.

    The result holds no GIL while it runs and follows C rules for division by zero. The compiled
    code is cached where ``NUMBA_CACHE_DIR`` says; ``tradecaptain compile`` fills that cache.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        note_kernel(function.__module__, function.__qualname__)
        return numba.njit(signature, nogil=True, error_model="numpy", cache=True)(function)

    return decorate


def inline(function: Callable[..., Any]) -> Any:
    """Mark a small function as callable from kernels; it is compiled together with its caller."""
    return register_jitable(no_cfunc_wrapper=True)(function)


def inline_always(function: Callable[..., Any]) -> Any:
    """Mark a function that must vanish into its caller, so a loop around it can be vectorised.

    LLVM leaves a function of more than a few dozen instructions as a call, and a loop with a call
    in it stays scalar.
    """
    return register_jitable(forceinline=True, no_cfunc_wrapper=True)(function)


_WHOLE_PROGRAMS: list[str] = []


class _Library(codegen.JITCodeLibrary):  # type: ignore[misc]
    """Machine code of one function and what it calls.

    numba optimises every function that a kernel calls together with all that it calls in turn, and
    makes machine code of it, which nobody runs: of a deep program most is built a dozen times over.
    Here only what is called from outside is; of an inner function just its own code is kept until
    a kernel links everything and optimises it once.
    """

    _linking_libraries: list[_Library]
    _linking = False

    def add_linking_library(self, library: _Library) -> None:
        """Remember what to link: behind an inner function also what that one calls."""
        if library is not self:
            called = [] if library._finalized else library._linking_libraries
            known = [*self._linking_libraries, *called, library]
            self._linking_libraries = list(dict.fromkeys(known))

    def finalize(self) -> None:
        """Link, optimise and make machine code."""
        # Only what is asked for already is taken from a module: callers come before what they call.
        self._linking_libraries.reverse()
        self._shared_module = None
        super().finalize()

    def get_pointer_to_function(self, name: str) -> int:
        """Address of a function; 0 if there is none of this name, which needs no machine code."""
        if not self._finalized and name not in {
            function.name for function in self._final_module.functions
        }:
            return 0
        return int(super().get_pointer_to_function(name))

    def _ensure_finalized(self) -> None:
        """Leave an inner function as it is when a kernel links it."""
        if not self._linking:
            super()._ensure_finalized()

    def _get_module_for_linking(self) -> Any:
        self._linking = True
        try:
            return super()._get_module_for_linking()
        finally:
            self._linking = False

    def _optimize_final_module(self) -> None:
        """Optimise after linking; of a whole program only the function itself stays visible.

        Functions that nobody else can call may be inlined where they are called once, and lose
        arguments, results and checks that aren't needed: on the order path that is a tenth of the
        time. It costs compile time again, so only what asks for it is built so.
        """
        if self.name in _WHOLE_PROGRAMS:
            for function in self._final_module.functions:
                if not function.is_declaration and function.linkage == binding.Linkage.linkonce_odr:
                    # The loader finds internal functions by name as well, and these no longer take
                    # the arguments that their namesakes take.
                    function.name = f"{self.name}.{function.name}"
                    function.linkage = binding.Linkage.internal
        super()._optimize_final_module()


def _set_env(self: Any, name: str, env: Any, set_env: Any = codegen.JITCPUCodegen.set_env) -> None:
    if self._engine.is_symbol_defined(name):
        set_env(self, name, env)


codegen.JITCPUCodegen._library_class = _Library
codegen.JITCPUCodegen.set_env = _set_env


class CompiledEntry:
    """A function that other compiled code reaches by its address, and Python by a call."""

    def __init__(self, function: Callable[..., Any], signature: Any) -> None:
        self.python = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.compiled = (
            None
            if JIT_DISABLED
            else numba.cfunc(signature, cache=True, error_model="numpy")(function)
        )

    @property
    def address(self) -> int:
        """Address of the machine code; 0 with the JIT off."""
        return 0 if self.compiled is None else int(self.compiled.address)

    def __call__(self, *arguments: int) -> Any:
        """Run it once from Python."""
        return (self.python if self.compiled is None else self.compiled.ctypes)(*arguments)


def entry(
    signature: Any, *, whole_program: bool = False
) -> Callable[[Callable[..., Any]], CompiledEntry]:
    """Compile a function so that it can be called through a pointer, cached like a kernel.

    A ``whole_program`` is optimised together with everything that it calls.
    """

    def decorate(function: Callable[..., Any]) -> CompiledEntry:
        if whole_program:
            _WHOLE_PROGRAMS.append(function.__qualname__)
        note_kernel(function.__module__, function.__qualname__)
        return CompiledEntry(function, signature)

    return decorate
