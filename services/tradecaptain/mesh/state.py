"""Filling the state records of publications and images, which both transports do alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from tradecaptain.base.memory import load_acquire_i64
from tradecaptain.mesh.image import image_seek
from tradecaptain.mesh.layout import PARTITION_COUNT
from tradecaptain.mesh.publication import publication_seek


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where a log lies in this process, and whose it is."""

    address: int
    term_length: int
    session_id: int
    initial_term_id: int

    @property
    def metadata_address(self) -> int:
        """Address of the metadata page behind the three terms."""
        return self.address + PARTITION_COUNT * self.term_length


def open_publication_state(
    state: npt.NDArray[Any],
    log: LogPlace,
    *,
    stream_id: int,
    limit_address: int,
    max_payload_length: int,
    position: int,
) -> None:
    """Let kernels write at ``position`` of a log; the limit is read at the first claim."""
    record = state[0]
    record["log_address"] = log.address
    record["metadata_address"] = log.metadata_address
    record["limit_address"] = limit_address
    record["limit"] = 0
    record["term_length"] = log.term_length
    record["term_shift"] = log.term_length.bit_length() - 1
    record["claim_count"] = 0
    record["stream_term_word"] = stream_id
    record["session_word"] = log.session_id * 2**32
    record["initial_term_id"] = log.initial_term_id
    record["max_payload_length"] = max_payload_length
    record["max_position"] = log.term_length * 2**31
    record["generation"] += 1
    publication_seek(state, position)
    record["is_open"] = 1


def open_image_state(
    images: npt.NDArray[Any],
    index: int,
    log: LogPlace,
    *,
    position_address: int,
    join_position: int,
) -> None:
    """Let kernels read from the subscriber position on."""
    record = images[index]
    record["log_address"] = log.address
    record["metadata_address"] = log.metadata_address
    record["position_address"] = position_address
    record["term_length"] = log.term_length
    record["term_shift"] = log.term_length.bit_length() - 1
    record["session_id"] = log.session_id
    record["initial_term_id"] = log.initial_term_id
    record["join_position"] = join_position
    position = load_acquire_i64(position_address)
    record["released_position"] = position
    image_seek(images, index, position)
    record["generation"] += 1
    record["is_open"] = 1
    images[0]["used_slots"] = max(images[0]["used_slots"], index + 1)


def choose_slot(images: npt.NDArray[Any], session_id: int) -> int | None:
    """The slot for a new image, or none; a writer that comes back gets its old slot again."""
    free = [index for index in range(len(images)) if images[index]["is_open"] == 0]
    for index in free:
        if images[index]["generation"] > 0 and images[index]["session_id"] == session_id:
            return index
    unused = [index for index in free if images[index]["generation"] == 0]
    return next(iter([*unused, *free]), None)
