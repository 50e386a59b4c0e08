"""What the compiler makes of the loops on the hot path: no allocation, no Python, no exceptions."""

import re
from collections.abc import Callable
from typing import Any

import numba
import pytest
from numba import types
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.mesh import handover, publisher, runner, stream_reader
from tradecaptain.mesh.handover import HANDOVER_TYPE
from tradecaptain.mesh.idle import IDLE_TYPE
from tradecaptain.mesh.layout import IMAGE_TYPE, PUBLICATION_TYPE
from tradecaptain.mesh.runner import ENTRY_TYPE, LOOP_TYPE
from tradecaptain.mesh.stream_reader import READER_TYPE, TRACK_TYPE

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="without the JIT there is no native code")

WORD = types.int64
KERNELS: dict[str, tuple[Callable[..., Any], Any]] = {
    "loop": (runner._run_loop, WORD(LOOP_TYPE, WORD, ENTRY_TYPE, IDLE_TYPE)),
    "reader": (
        stream_reader.stream_reader_take,
        WORD(READER_TYPE, IMAGE_TYPE, TRACK_TYPE, HANDOVER_TYPE),
    ),
    "drain": (handover.handover_drain, WORD(HANDOVER_TYPE, WORD, WORD)),
    "publish": (publisher.offer_records, WORD(PUBLICATION_TYPE, WORD, WORD, WORD)),
}
ALLOWED = {"clock_gettime", "nanosleep", "syscall", "sched_yield", "write", "memcpy", "memset"}
# An array that Python handed in is counted once as the kernel begins and ends.
ALLOWED |= {"NRT_incref", "NRT_decref"}


def native_function(kernel: Any, signature: Any) -> str:
    """Optimised code of the function itself, without the wrappers that Python calls."""
    compiled = numba.njit(signature, nogil=True, error_model="numpy")(kernel.py_func)
    module = compiled.inspect_llvm(compiled.signatures[0])
    bodies = re.findall(
        r"^define [^\n]*@_ZN(?!7cpython)[^\n]*\{\n.*?^\}", module, re.MULTILINE | re.DOTALL
    )
    assert bodies
    return "\n".join(bodies)


@pytest.mark.parametrize("name", list(KERNELS))
def test_it_calls_nothing_but_the_named_system_functions(name: str) -> None:
    code = native_function(*KERNELS[name])
    called = set(re.findall(r"call [^\n]*?@([\w.]+)\(", code))
    foreign = {
        function
        for function in called
        if not function.startswith(("llvm.", "_ZN")) and function not in ALLOWED
    }
    assert foreign == set()


def test_the_ring_is_drained_without_divisions() -> None:
    code = native_function(*KERNELS["drain"])
    assert "sdiv" not in code
    assert "srem" not in code
