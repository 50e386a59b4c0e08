"""Small kernels through which the mesh tests write and read numbered records."""

from typing import Any

from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import load_i64, store_i64
from tradecaptain.mesh.image import (
    image_intact,
    image_length,
    image_next,
    image_peek,
    image_release,
)
from tradecaptain.mesh.layout import IMAGE_TYPE, PUBLICATION_TYPE
from tradecaptain.mesh.publication import (
    publication_claim,
    publication_commit,
    publication_offer,
    publication_stride,
)

_I64 = types.int64
_I64_ARRAY = types.int64[::1]


@kernel(_I64(PUBLICATION_TYPE, _I64, _I64, _I64, _I64))
def write_numbers(
    publication: Any, first: int, claimed: int, committed: int, record_bytes: int
) -> int:
    """Claim, fill every claimed record with its number in all of its words, commit some."""
    address = publication_claim(publication, claimed, record_bytes)
    if address < 0:
        return address
    stride = publication_stride(record_bytes)
    for index in range(claimed):
        for offset in range(0, record_bytes, 8):
            store_i64(address + index * stride + offset, first + index)
    return publication_commit(publication, committed)


@kernel(_I64(IMAGE_TYPE, _I64, _I64_ARRAY, _I64_ARRAY))
def read_numbers(images: Any, index: int, numbers: Any, lengths: Any) -> int:
    """Read and release what one image has, at most as much as fits; how many records."""
    count = 0
    while count < numbers.shape[0]:
        address = image_next(images, index)
        if address == 0:
            break
        numbers[count] = load_i64(address)
        lengths[count] = image_length(images, index)
        count += 1
    image_release(images, index)
    return count


@kernel(_I64(IMAGE_TYPE, _I64))
def peek(images: Any, index: int) -> int:
    """Take the next record without giving its space back."""
    return image_next(images, index)


@kernel(_I64(IMAGE_TYPE, _I64))
def look_ahead(images: Any, index: int) -> int:
    """First word of the record behind the last one taken, or -1; nothing is taken."""
    address = image_peek(images, index)
    return -1 if address == 0 else load_i64(address)


@kernel(_I64(IMAGE_TYPE, _I64))
def is_intact(images: Any, index: int) -> int:
    """Whether the record that was taken last is still there."""
    return image_intact(images, index)


@kernel(_I64(PUBLICATION_TYPE, _I64, _I64))
def offer(publication: Any, address: int, length: int) -> int:
    """Copy one record into the log."""
    return publication_offer(publication, address, length)
