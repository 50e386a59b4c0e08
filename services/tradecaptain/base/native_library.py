"""From kernels to a shared library that any program can load: no Python, no numba at run time.

numba compiles each function for C callers; their modules are linked into one, everything but the
functions themselves is made internal, and LLVM optimises the whole once more. What is left refers
to nothing outside. A C compiler turns the object into a library.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numba
from llvmlite import binding
from numba import types
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.jit import JIT_DISABLED

INTERNAL = binding.Linkage.internal
_NEVER_INLINED_CALL = re.compile(r"(= call i32 @.*\)) #\d+$", re.MULTILINE)
PASSES = 2
"""The second run sees what the first one made internal and inlined."""


def _compiled_module(function: Callable[..., int]) -> tuple[binding.ModuleRef, str]:
    """A function compiled for C callers, not from any cache, and the name of its C entry."""
    count = function.__code__.co_argcount
    signature = types.int64(*[types.int64] * count)
    compiled = numba.cfunc(signature, error_model="numpy")(function)
    # numba keeps the function itself out of its entry, which would cost each call a second one.
    source = _NEVER_INLINED_CALL.sub(r"\1", str(compiled._library._final_module))
    return binding.parse_assembly(source), compiled._wrapper_name


def _link(functions: Sequence[Callable[..., int]]) -> binding.ModuleRef:
    """One module with all functions under their own names, and nothing else visible."""
    entries: dict[str, str] = {}
    whole: binding.ModuleRef | None = None
    for function in functions:
        module, entry = _compiled_module(function)
        entries[entry] = function.__name__
        if whole is None:
            whole = module
        else:
            whole.link_in(module)
    if whole is None:
        raise ValueError("a library has at least one function")
    for value in [*whole.functions, *whole.global_variables]:
        if value.is_declaration:
            continue
        if value.name in entries:
            value.name = entries[value.name]
            value.linkage = binding.Linkage.external
        else:
            value.linkage = INTERNAL
    return whole


def object_code(functions: Sequence[Callable[..., int]], *, portable: bool) -> bytes:
    """Machine code of functions of 64-bit integers, as a relocatable object.

    ``portable`` code runs on every processor of this architecture, else on those that have what
    this one has. A function that needs Python at run time is a ``ConfigurationError``.
    """
    if JIT_DISABLED:
        raise ConfigurationError("kernels can't be compiled while NUMBA_DISABLE_JIT is set")
    whole = _link(functions)
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu="" if portable else binding.get_host_cpu_name(),
        features="" if portable else binding.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="default",
    )
    options = binding.create_pipeline_tuning_options(speed_level=3)
    builder = binding.create_pass_builder(machine, options)
    for _ in range(PASSES):
        builder.getModulePassManager().run(whole, builder)
    outside = [
        value.name
        for value in whole.functions
        if value.is_declaration and not value.name.startswith("llvm.")
    ]
    foreign = [name for name in outside if name not in ("memcpy", "memset", "memmove")]
    if foreign:
        raise ConfigurationError(f"compiled code would need {', '.join(sorted(foreign))}")
    return bytes(machine.emit_object(whole))


def linker() -> list[str]:
    """Command of a C compiler that can link: the machine's, or that of the ``engine`` extra."""
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found:
            return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    raise ConfigurationError(
        "no C compiler was found to link with: install the extra `engine` "
        "(uv sync --extra engine), or cc, gcc or clang",
        field="linker",
    )


def link_library(code: bytes, target: Path, command: Sequence[str]) -> None:
    """Link an object into the shared library ``target``; a linker's words end in an error."""
    object_file = target.with_suffix(".o")
    object_file.write_bytes(code)
    arguments = ["-shared", "-Wl,--gc-sections", "-o", str(target), str(object_file)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    object_file.unlink()
    if done.returncode != 0:
        raise ConfigurationError(f"linking failed: {done.stderr.strip()}", field="linker")
