"""C library functions from compiled code."""

import os

import pytest
from numba import types
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.jit import entry, kernel
from tradecaptain.base.kernel_clock import monotonic_ns_kernel, realtime_ns_kernel
from tradecaptain.base.system_calls import eventfd_signal, sleep_ns, yield_processor

pytestmark = pytest.mark.twin


@kernel(types.int64(types.int64))
def sleep_and_measure(duration_ns: int) -> int:
    start_ns = monotonic_ns_kernel()
    sleep_ns(duration_ns)
    return monotonic_ns_kernel() - start_ns


@kernel(types.int64())
def read_clock() -> int:
    yield_processor()
    return realtime_ns_kernel()


@kernel(types.void(types.int64, types.int64))
def signal_often(descriptor: int, times: int) -> None:
    for _ in range(times):
        eventfd_signal(descriptor)


@entry(types.int64(types.int64, types.int64))
def add(left: int, right: int) -> int:
    """Add."""
    return left + right


@pytest.mark.parametrize("duration_ns", [1, 1_000_000, 1_000_000_001])
def test_sleeping_takes_at_least_as_long_as_asked(duration_ns: int) -> None:
    assert duration_ns <= sleep_and_measure(duration_ns) < duration_ns + 5_000_000_000


def test_the_kernels_clock_is_the_systems() -> None:
    before = SYSTEM_CLOCK.now_ns()
    now = read_clock()
    assert before <= now <= SYSTEM_CLOCK.now_ns()


def test_signals_add_up() -> None:
    descriptor = os.eventfd(0, os.EFD_NONBLOCK)
    try:
        signal_often(descriptor, 5)
        assert os.eventfd_read(descriptor) == 5
    finally:
        os.close(descriptor)


def test_an_entry_is_callable_from_python() -> None:
    assert add(2, 3) == 5
    assert add.__doc__ == "Add."
