"""Layout of an Aeron log and of the records through which kernels reach it.

A log is three term buffers of equal length and one metadata page. A frame is a 32-byte header and a
payload, aligned to 32 bytes; its first eight bytes hold length (4), version (1), flags (1) and type
(2), and the frame exists once the length is positive.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np

PARTITION_COUNT: Final = 3
TERM_LENGTH_MINIMUM: Final = 64 * 1024
TERM_LENGTH_MAXIMUM: Final = 1024 * 1024 * 1024
METADATA_LENGTH: Final = 4096
FRAME_HEADER_LENGTH: Final = 32
FRAME_ALIGNMENT: Final = 32
FRAME_TYPE_PADDING: Final = 0
FRAME_TYPE_DATA: Final = 1

DATA_WORD: Final = (FRAME_TYPE_DATA << 48) | (0xC0 << 40)
"""First eight bytes of an unfragmented data frame, but for the length."""
PADDING_WORD: Final = (FRAME_TYPE_PADDING << 48) | (0xC0 << 40)
"""First eight bytes of a padding frame, but for the length."""

METADATA_TAIL_COUNTERS: Final = 0
METADATA_ACTIVE_TERM_COUNT: Final = 24
METADATA_END_OF_STREAM_POSITION: Final = 128
METADATA_IS_CONNECTED: Final = 136
METADATA_CORRELATION_ID: Final = 256
METADATA_INITIAL_TERM_ID: Final = 264
METADATA_MTU_LENGTH: Final = 272
METADATA_TERM_LENGTH: Final = 276
METADATA_PAGE_SIZE: Final = 280

CACHE_LINE_BYTES: Final = 64

COUNTER_LENGTH: Final = 128
"""Bytes from one counter to the next in the values buffer of the CnC file."""

BATCH_FRACTION: Final = 8
"""A claim takes at most this fraction of a term, as Aeron's longest message does."""

PACE_FRACTION: Final = 8
"""A writer that outruns its readers moves its own one after at most this fraction of a term, long
before the driver, which gives half a term, holds it back."""

PUBLICATION: Final = np.dtype(
    [
        ("log_address", "<i8"),
        ("metadata_address", "<i8"),
        ("limit_address", "<i8"),
        # Position of the writer's own reader, for a writer that outruns its readers; else zero.
        ("pacer_address", "<i8"),
        ("term_address", "<i8"),
        ("tail_address", "<i8"),
        ("term_offset", "<i8"),
        ("term_begin_position", "<i8"),
        ("limit", "<i8"),
        ("term_length", "<i8"),
        ("term_shift", "<i8"),
        ("claim_address", "<i8"),
        ("claim_stride", "<i8"),
        ("claim_count", "<i8"),
        ("claim_frame_length", "<i8"),
        ("dirty_offset", "<i8"),
        ("stream_term_word", "<i8"),
        ("session_word", "<i8"),
        ("initial_term_id", "<i8"),
        ("max_payload_length", "<i8"),
        ("max_position", "<i8"),
        ("is_open", "<i8"),
        ("generation", "<i8"),
        ("record_count", "<i8"),
        ("not_connected_count", "<i8"),
        ("back_pressured_count", "<i8"),
        ("admin_action_count", "<i8"),
    ],
    align=True,
)
"""State of one exclusive publication; addresses are of this process, positions are bytes."""

IMAGE: Final = np.dtype(
    [
        ("log_address", "<i8"),
        ("position_address", "<i8"),
        ("position", "<i8"),
        ("term_length", "<i8"),
        ("term_shift", "<i8"),
        ("term_address", "<i8"),
        ("term_begin_position", "<i8"),
        ("frame_address", "<i8"),
        ("payload_length", "<i8"),
        ("released_position", "<i8"),
        ("is_open", "<i8"),
        ("generation", "<i8"),
        ("session_id", "<i8"),
        ("initial_term_id", "<i8"),
        ("join_position", "<i8"),
        ("record_count", "<i8"),
        ("metadata_address", "<i8"),
        # In the first record only: how many of the subscription's slots were ever used.
        ("used_slots", "<i8"),
    ],
    align=True,
)
"""State of one writer as a subscription sees it."""

PUBLICATION_TYPE: Final[Any] = numba.from_dtype(PUBLICATION)[::1]
IMAGE_TYPE: Final[Any] = numba.from_dtype(IMAGE)[::1]


def log_length(term_length: int, page_size: int = METADATA_LENGTH) -> int:
    """Bytes of a whole log file."""
    raw = term_length * PARTITION_COUNT + METADATA_LENGTH
    return -(-raw // page_size) * page_size
