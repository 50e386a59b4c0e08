"""Functions inside kernels: linked whole, optimised once, and machine code only of the kernel."""

import re
from typing import Any

import numba
import pytest
from numba import types
from numba.core import codegen
from tradecaptain.base.jit import JIT_DISABLED, inline, kernel

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="without the JIT there is no native code")

WORD = types.int64


@inline
def remainder_chain(value: int, rounds: int) -> int:
    """The innermost, called on every way; with a loop that is too long to be written out."""
    total = value
    for turn in range(rounds):
        total = total * 31 % (turn + 7) + (total >> 3)
        if total & 4:
            total ^= value * turn
    return total


@inline
def both_ways(value: int, rounds: int) -> int:
    """Between the kernel and the innermost."""
    return remainder_chain(value, rounds) - remainder_chain(rounds, value & 7)


@inline
def outermost(value: int, rounds: int) -> int:
    """Calls the innermost by itself and through another one: it is linked once."""
    return both_ways(value, rounds) + remainder_chain(value + 1, rounds + 1)


@kernel(WORD(WORD, WORD))
def inner_kernel(value: int, rounds: int) -> int:
    """A kernel that another one calls, with inner functions that both have."""
    return both_ways(value, rounds) * 3


def chain(value: int, rounds: int) -> int:
    """What is compiled anew below."""
    return outermost(value, rounds) + inner_kernel(value, rounds)


def test_a_kernel_has_all_that_it_calls_and_counts_as_python_does() -> None:
    compiled = numba.njit(WORD(WORD, WORD), error_model="numpy")(chain)
    inner = inner_kernel.py_func(5, 9)
    assert compiled(5, 9) == outermost(5, 9) + inner
    assert inner_kernel(5, 9) == inner
    code = compiled.inspect_llvm(compiled.signatures[0])
    missing = re.findall(r"^declare [^\n]*@(_ZN\w*tradecaptain\w*|_ZN\w*test_inner\w*)", code, re.M)
    assert missing == []


def test_the_kernel_alone_is_optimised_and_made_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optimised: list[str] = []
    optimise: Any = codegen.CPUCodeLibrary._optimize_final_module

    def noted(self: Any) -> None:
        optimised.append(self.name)
        optimise(self)

    monkeypatch.setattr(codegen.CPUCodeLibrary, "_optimize_final_module", noted)

    @inline
    def anew(value: int, rounds: int) -> int:
        return outermost(value + rounds, rounds)

    @numba.njit(WORD(WORD, WORD), error_model="numpy")
    def asks(value: int, rounds: int) -> int:
        return anew(value, rounds)

    assert asks(3, 4) == outermost(7, 4)
    (name,) = optimised
    assert "asks" in name
