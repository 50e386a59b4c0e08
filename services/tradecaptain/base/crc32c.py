"""CRC32C (Castagnoli) by the processor's own instruction, in kernels and with the JIT off.

Results are those of RFC 3720, appendix B.4. The instruction takes eight bytes in three cycles and
can begin anew every cycle, so long runs are taken in three lanes at once, whose remainders are
brought together by a carry-less product with x to the power of what lies behind them (V. Gopal et
al., Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction, Intel 2011).
"""

from __future__ import annotations

import platform
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import load_i64, load_u8

POLYNOMIAL: Final = 0x82F6_3B78
"""The Castagnoli polynomial, lowest bit first."""
WORD_BYTES: Final = 8
MASK: Final = 0xFFFF_FFFF


def _table() -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_BYTE_TABLE: Final = _table()


def _soft_bytes(crc: int, data: int, count: int) -> int:
    for _ in range(count):
        crc = (crc >> 8) ^ _BYTE_TABLE[(crc ^ data) & 0xFF]
        data >>= 8
    return crc


def _call(builder: Any, name: str, answer: Any, arguments: list[Any]) -> Any:
    signature = ir.FunctionType(answer, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), arguments)


@intrinsic
def _step_word(typing_context: Any, crc: Any, word: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        narrow, wide = ir.IntType(32), ir.IntType(64)
        if platform.machine() == "x86_64":
            return _call(builder, "llvm.x86.sse42.crc32.64.64", wide, list(arguments))
        state = builder.trunc(arguments[0], narrow)
        state = _call(builder, "llvm.aarch64.crc32cx", narrow, [state, arguments[1]])
        return builder.zext(state, wide)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def _step_byte(typing_context: Any, crc: Any, byte: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        narrow, wide = ir.IntType(32), ir.IntType(64)
        state = builder.trunc(arguments[0], narrow)
        if platform.machine() == "x86_64":
            octet = builder.trunc(arguments[1], ir.IntType(8))
            state = _call(builder, "llvm.x86.sse42.crc32.32.8", narrow, [state, octet])
        else:
            octet = builder.trunc(arguments[1], narrow)
            state = _call(builder, "llvm.aarch64.crc32cb", narrow, [state, octet])
        return builder.zext(state, wide)

    return types.int64(types.int64, types.int64), codegen


def crc32c_word(crc: int, word: int) -> int:
    """Take eight bytes, as a little-endian word, into the running remainder ``crc``."""
    return _soft_bytes(int(crc), int(word) & 0xFFFF_FFFF_FFFF_FFFF, WORD_BYTES)


@overload(crc32c_word, strict=False)
def _word_overload(crc: Any, word: Any) -> Any:
    return lambda crc, word: _step_word(crc, word)


def crc32c_byte(crc: int, byte: int) -> int:
    """Take one byte into the running remainder ``crc``."""
    return _soft_bytes(int(crc), int(byte) & 0xFF, 1)


@overload(crc32c_byte, strict=False)
def _byte_overload(crc: Any, byte: Any) -> Any:
    return lambda crc, byte: _step_byte(crc, byte)


_HAS_PRODUCT: Final = platform.machine() == "x86_64"
LANES_FROM_WORDS: Final = 12
"""Shorter runs are taken in one lane: bringing three together would cost more than it saves."""
_LANE_WORDS_MAX: Final = 63


def _shifted_by_word(state: int) -> int:
    """A remainder as it is after another eight bytes of zeros."""
    return _soft_bytes(state, 0, WORD_BYTES)


def _columns(power: int) -> list[int]:
    """What becomes of each bit of a remainder by ``power`` words of zeros behind it."""
    columns = [1 << bit for bit in range(32)]
    for _ in range(power):
        columns = [_shifted_by_word(column) for column in columns]
    return columns


def _applied(columns: list[int], state: int) -> int:
    value = 0
    for bit in range(32):
        if state >> bit & 1:
            value ^= columns[bit]
    return value


def _inverse(columns: list[int]) -> list[int]:
    """Columns of the inverse of a map of remainders, by elimination."""
    rows = [(column, 1 << bit) for bit, column in enumerate(columns)]
    for bit in range(32):
        pivot = next(index for index in range(bit, 32) if rows[index][0] >> bit & 1)
        rows[bit], rows[pivot] = rows[pivot], rows[bit]
        for index in range(32):
            if index != bit and rows[index][0] >> bit & 1:
                rows[index] = (rows[index][0] ^ rows[bit][0], rows[index][1] ^ rows[bit][1])
    return [row[1] for row in rows]


def _factors() -> tuple[int, ...]:
    """By the number of words: what brings a remainder behind so many words of zeros."""
    inverse = _inverse(_columns(1))
    columns = _columns(0)
    factors = []
    for _ in range(2 * _LANE_WORDS_MAX + 1):
        factors.append(_applied(inverse, columns[0]))
        columns = [_shifted_by_word(column) for column in columns]
    return tuple(factors)


_FACTORS: Final = np.array(_factors(), np.int64)


@intrinsic
def _product(typing_context: Any, left: Any, right: Any) -> Any:
    """Carry-less product of two 32-bit numbers."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pair = ir.VectorType(ir.IntType(64), 2)
        zero = ir.Constant(pair, [0, 0])
        place = ir.Constant(ir.IntType(32), 0)
        factors = [builder.insert_element(zero, argument, place) for argument in arguments]
        which = ir.Constant(ir.IntType(8), 0)
        product = _call(builder, "llvm.x86.pclmulqdq", pair, [*factors, which])
        return builder.extract_element(product, place)

    return types.int64(types.int64, types.int64), codegen


@inline_always
def _three_lanes(crc: int, address: int, first: int, others: int) -> int:
    """Take ``first`` words and twice ``others``, which aren't fewer, into the running remainder."""
    second = address + first * WORD_BYTES
    third = second + others * WORD_BYTES
    middle = 0
    last = 0
    for index in range(first):
        crc = crc32c_word(crc, load_i64(address + index * WORD_BYTES))
        middle = crc32c_word(middle, load_i64(second + index * WORD_BYTES))
        last = crc32c_word(last, load_i64(third + index * WORD_BYTES))
    for index in range(first, others):
        middle = crc32c_word(middle, load_i64(second + index * WORD_BYTES))
        last = crc32c_word(last, load_i64(third + index * WORD_BYTES))
    front = _product(crc, _FACTORS[2 * others])
    return last ^ crc32c_word(0, front ^ _product(middle, _FACTORS[others]))


def take_lanes(crc: int, address: int, first: int, others: int) -> int:
    """Take ``first`` words and twice ``others``, which aren't fewer, into the running remainder."""
    for index in range(first + 2 * others):
        crc = crc32c_word(crc, load_i64(address + index * WORD_BYTES))
    return crc


@overload(take_lanes, strict=False)
def _take_lanes_overload(crc: Any, address: Any, first: Any, others: Any) -> Any:
    if _HAS_PRODUCT:
        return lambda crc, address, first, others: _three_lanes(crc, address, first, others)
    return take_lanes


@inline_always
def crc32c_run(crc: int, address: int, length: int) -> int:
    """Take ``length`` bytes into the running remainder, which isn't inverted.

    The first lane is the shortest: whoever took a word or two before is still at work on them.
    """
    words = length >> 3
    taken = 0
    while words - taken >= LANES_FROM_WORDS:
        left = words - taken
        others = min((left + 2) // 3, _LANE_WORDS_MAX)
        first = min(left - 2 * others, others)
        crc = take_lanes(crc, address + taken * WORD_BYTES, first, others)
        taken += first + 2 * others
    for index in range(taken, words):
        crc = crc32c_word(crc, load_i64(address + index * WORD_BYTES))
    for index in range(words * WORD_BYTES, length):
        crc = crc32c_byte(crc, int(load_u8(address + index)))
    return crc


def crc32c_behind(crc: int, word_count: int) -> int:
    """What the running remainder ``crc`` adds behind ``word_count`` further words, at most 126.

    A remainder is linear: that of a run which begins with ``crc`` is this, combined by exclusive
    or with that of the same run which begins with 0.
    """
    return _soft_bytes(int(crc), 0, int(word_count) * WORD_BYTES)


@overload(crc32c_behind, strict=False)
def _behind_overload(crc: Any, word_count: Any) -> Any:
    if _HAS_PRODUCT:
        return lambda crc, word_count: crc32c_word(0, _product(crc, _FACTORS[word_count]))

    def behind(crc: int, word_count: int) -> int:
        for _ in range(word_count):
            crc = crc32c_word(crc, 0)
        return crc

    return behind


@inline
def crc32c(address: int, length: int, seed: int) -> int:
    """Checksum of ``length`` bytes; ``seed`` is 0, or the checksum of what comes before them."""
    return crc32c_run(seed ^ MASK, address, length) ^ MASK
