"""What the compiler made of the gate: no allocation, no call back into Python."""

from typing import Any

import numba
import pytest
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.kernels import risk_gate

KERNELS = [
    risk_gate.gate_check_new,
    risk_gate.gate_check_replace,
    risk_gate.gate_release,
    risk_gate.gate_apply_fill,
]


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled with the JIT off")
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_kernel_neither_allocates_nor_calls_python(kernel: Any) -> None:
    # Compiled anew: what comes from the disk cache has no LLVM text any more.
    (signature,) = kernel.signatures
    fresh = numba.njit(signature, nogil=True, error_model="numpy")(kernel.py_func)
    text = fresh.inspect_llvm(signature)
    assert "NRT_Allocate" not in text
    assert "NRT_MemInfo_alloc" not in text
    assert "numba_raise" not in text
