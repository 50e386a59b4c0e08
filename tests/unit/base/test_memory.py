"""Raw memory access, the same from Python and from compiled code."""

import numpy as np
import pytest
from numba import types
from tradecaptain.base import memory
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of, aligned_zeros

pytestmark = pytest.mark.twin

SIZES = {
    "i64": (8, True), "u64": (8, False), "i32": (4, True), "u32": (4, False),
    "i16": (2, True), "u16": (2, False), "i8": (1, True), "u8": (1, False),
}  # fmt: skip


@pytest.mark.parametrize("name", list(SIZES))
def test_a_value_comes_back_and_its_neighbours_stay(name: str) -> None:
    size, is_signed = SIZES[name]
    load, store = getattr(memory, f"load_{name}"), getattr(memory, f"store_{name}")
    low = -(2 ** (8 * size - 1)) if is_signed else 0
    high = 2 ** (8 * size - is_signed) - 1
    for value in (0, 1, low, high, high // 3):
        for offset in range(8, 17):
            area = np.full(32, 0xA5, np.uint8)
            store(address_of(area) + offset, value)
            assert load(address_of(area) + offset) == value
            inside = area[offset : offset + size].tobytes()
            assert int.from_bytes(inside, "little", signed=is_signed) == value
            assert (np.delete(area, slice(offset, offset + size)) == 0xA5).all()


@kernel(types.int64(types.int64, types.int64))
def exercise(source: int, target: int) -> int:
    """Write every width at ``target`` from what lies at ``source``."""
    memory.store_i64(target, memory.load_i64(source))
    memory.store_i32(target + 8, memory.load_i32(source + 8))
    memory.store_i16(target + 12, memory.load_i16(source + 12))
    memory.store_i8(target + 14, memory.load_i8(source + 14))
    memory.store_u8(target + 15, memory.load_u8(source + 15))
    memory.store_release_i64(target + 16, memory.load_acquire_i64(source + 16))
    memory.store_release_i32(target + 24, memory.load_acquire_i32(source + 24))
    memory.copy_bytes(target + 32, source + 32, 13)
    memory.zero_bytes(target + 50, 5)
    memory.fence()
    memory.acquire_fence()
    memory.release_fence()
    memory.pause()
    return memory.load_u32(source + 24) + memory.load_u16(source + 12)


def test_kernels_move_the_bytes_that_they_name() -> None:
    source = np.arange(64, dtype=np.uint8)[::-1].copy()
    target = aligned_zeros(64, np.uint8)
    target[50:55] = 1
    result = exercise(address_of(source), address_of(target))
    assert result == int(source[24:28].view("<u4")[0]) + int(source[12:14].view("<u2")[0])
    expected = source.copy()
    expected[28:32] = 0
    expected[45:] = 0
    assert target.tolist() == expected.tolist()


@kernel(types.float64(types.int64, types.float64))
def swap_double(address: int, value: float) -> float:
    before = memory.load_f64(address)
    memory.store_f64(address, value)
    return before


def test_doubles_keep_their_bits() -> None:
    area = np.array([-0.0])
    assert str(swap_double(address_of(area), 1.5e-310)) == "-0.0"
    assert area[0] == 1.5e-310


@pytest.mark.parametrize("alignment", [64, 4096])
def test_aligned_arrays_lie_where_they_should(alignment: int) -> None:
    record = np.dtype([("a", "<i8"), ("b", "<i4")])
    array = aligned_zeros(7, record, alignment)
    assert address_of(array) % alignment == 0
    assert array.shape == (7,)
    assert array.tobytes() == bytes(7 * record.itemsize)


@kernel(types.int64(types.int64, types.int64, types.int64))
def stream_lines(target: int, source: int, length: int) -> int:
    """Copy lines past the caches, with hints for where they come from and go to."""
    memory.prefetch_read(source)
    memory.prefetch_write(target)
    memory.copy_streaming(target, source, length)
    memory.streaming_fence()
    return memory.load_i64(target)


@pytest.mark.parametrize("lines", [0, 1, 4, 33])
def test_lines_are_streamed_and_their_neighbours_stay(lines: int) -> None:
    source = np.arange(8 * 40, dtype=np.int64)
    target = aligned_zeros(8 * 40, np.int64)
    target[:] = -1
    # The source needs no alignment.
    stream_lines(address_of(target) + 64, address_of(source) + 8, 64 * lines)
    assert target[8 : 8 + 8 * lines].tolist() == list(range(1, 1 + 8 * lines))
    assert (target[:8] == -1).all()
    assert (target[8 + 8 * lines :] == -1).all()


@kernel(types.int64(types.int64))
def hint(address: int) -> int:
    """Ask for a line, wherever it lies."""
    memory.prefetch_read(address)
    memory.prefetch_write(address)
    return 1


@pytest.mark.parametrize("address", [0, 1, -1, 2**47, -(2**63)])
def test_a_hint_about_any_address_is_harmless(address: int) -> None:
    assert hint(address) == 1
