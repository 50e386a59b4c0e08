"""Entries that are compiled as one program: the same results, and nobody else's code changed."""

import re

import numba
import pytest
from numba import types
from tradecaptain.base.jit import JIT_DISABLED, entry, inline, kernel
from tradecaptain.base.memory import load_i64, store_i64

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="without the JIT there is no native code")

WORD = types.int64


@inline
def weigh(address: int, count: int, weight: int) -> int:
    """Long enough to stay a function, and with an argument that one caller never varies."""
    total = 0
    for index in range(count):
        value = load_i64(address + 8 * (index & 7))
        if value & 1:
            total += value * weight
        elif value & 2:
            total -= value // weight
        else:
            store_i64(address + 8 * (index & 7), value + weight)
            total ^= value
    return total


@entry(WORD(WORD, WORD), whole_program=True)
def weigh_as_program(address: int, count: int) -> int:
    """Calls the helper twice, always with the same weight."""
    return weigh(address, count, 3) + weigh(address, count + 1, 3)


@kernel(WORD(WORD, WORD, WORD))
def weigh_as_kernel(address: int, count: int, weight: int) -> int:
    """Loaded after the program, with the same helper under the same name."""
    return weigh(address, count, weight) + weigh(address, count + 1, weight)


def test_both_forms_agree_with_plain_python() -> None:
    import numpy as np

    def area() -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return np.array([1, 2, 4, 8, 15, 16, 23, 42], np.int64)

    python, program, compiled = area(), area(), area()
    expected = weigh(python.ctypes.data, 100, 3) + weigh(python.ctypes.data, 101, 3)
    assert weigh_as_program(program.ctypes.data, 100) == expected
    assert weigh_as_kernel(compiled.ctypes.data, 100, 3) == expected
    assert (program == python).all()
    assert (compiled == python).all()


def test_a_program_leaves_only_itself_to_be_called_from_outside() -> None:
    # Compiled anew: what comes from the disk cache has no LLVM text any more.
    fresh = numba.cfunc(WORD(WORD, WORD), error_model="numpy")(weigh_as_program.python)
    module = fresh._library.get_llvm_str()
    defined = re.findall(r"^define (?!internal)[^\n]*@\"?([\w.$<>]+)", module, re.MULTILINE)
    assert defined
    assert all("weigh_as_program" in name for name in defined)
