"""Images handed to kernels by their address: what is compiled must do what the source says."""

import numpy as np
import pytest
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of
from tradecaptain.base.records import records_at
from tradecaptain.mesh.image import image_next
from tradecaptain.mesh.layout import IMAGE

pytestmark = pytest.mark.twin

TERM_SHIFT = 16
TERM_LENGTH = 1 << TERM_SHIFT
FRAME_LENGTH = 256
DATA_FRAME = FRAME_LENGTH | 1 << 48


@kernel(types.int64(types.int64))
def next_payload(address: int) -> int:
    """One step; compiling it first leaves a finished library of ``image_next`` behind."""
    return image_next(records_at(address, 1, IMAGE), 0)


@kernel(types.int64(types.int64))
def count_payloads(address: int) -> int:
    """All steps in one loop, linked with that library."""
    images = records_at(address, 1, IMAGE)
    count = 0
    while image_next(images, 0) != 0:
        count += 1
    return count


def test_a_reader_in_a_loop_goes_on_to_the_next_term() -> None:
    log = np.zeros(3 * TERM_LENGTH // 8, np.int64)
    frame_count = 2 * TERM_LENGTH // FRAME_LENGTH + 3
    log[: frame_count * FRAME_LENGTH // 8 : FRAME_LENGTH // 8] = DATA_FRAME
    images = np.zeros(1, IMAGE)
    images["term_length"] = TERM_LENGTH
    images["term_shift"] = TERM_SHIFT
    images["is_open"] = 1
    images["log_address"] = images["term_address"] = log.ctypes.data
    assert next_payload(address_of(images)) == log.ctypes.data + 32
    assert count_payloads(address_of(images)) == frame_count - 1
    assert images[0]["position"] == frame_count * FRAME_LENGTH
    assert images[0]["term_begin_position"] == 2 * TERM_LENGTH
    assert images[0]["term_address"] == log.ctypes.data + 2 * TERM_LENGTH
