"""CRC32C (Castagnoli) by the processor's own instruction, in kernels and with the JIT off.

Results are those of RFC 3720, appendix B.4. Eight bytes take three cycles.
"""

from __future__ import annotations

import platform
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload
from tradecaptain.base.jit import inline
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


@inline
def crc32c_run(crc: int, address: int, length: int) -> int:
    """Take ``length`` bytes into the running remainder, which isn't inverted."""
    words = length >> 3
    for index in range(words):
        crc = crc32c_word(crc, load_i64(address + index * WORD_BYTES))
    for index in range(words * WORD_BYTES, length):
        crc = crc32c_byte(crc, int(load_u8(address + index)))
    return crc


@inline
def crc32c(address: int, length: int, seed: int) -> int:
    """Checksum of ``length`` bytes; ``seed`` is 0, or the checksum of what comes before them."""
    return crc32c_run(seed ^ MASK, address, length) ^ MASK
