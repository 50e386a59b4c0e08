"""Bytes that are no record are refused, and nothing outside the buffer is touched."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import wire_records
from support.wire_records import RECORD_STRUCTS
from tradecaptain.wire import status

PROBE = Path(__file__).resolve().parents[2] / "support" / "guard_page_probe.py"
FAR = 2
LIST = 1
OTHER = 3


def message_of(record: str) -> bytes:
    module = wire_records.accessors(record)
    buffer = wire_records.aligned_buffer(module.RECORD_BYTES)
    module.initialise(buffer.ctypes.data)
    return buffer.tobytes()


def with_table(message: bytes, segments_less_one: int, words: int) -> bytes:
    return segments_less_one.to_bytes(4, "little") + words.to_bytes(4, "little") + message[8:]


def with_pointer(message: bytes, low: int, data_words: int, pointer_words: int) -> bytes:
    pointer = (low & 0xFFFFFFFF) | data_words << 32 | pointer_words << 48
    return message[:8] + pointer.to_bytes(8, "little") + message[16:]


def hostile(record: str) -> dict[str, tuple[bytes, int]]:
    """Name of the attack: the bytes, and the status that is due for them."""
    module = wire_records.accessors(record)
    good = message_of(record)
    words = module.DATA_WORDS
    wrong_kind = bytearray(good)
    wrong_kind[16:18] = (module.KIND + 1).to_bytes(2, "little")
    return {
        "empty": (b"", status.TRUNCATED),
        "table alone": (good[:8], status.TRUNCATED),
        "no data": (good[:16], status.TRUNCATED),
        "segment of no words": (with_table(good, 0, 0), status.TRUNCATED),
        "segment longer than the buffer": (with_table(good, 0, words + 2), status.TRUNCATED),
        "huge segment": (with_table(good, 0, 0xFFFFFFFF), status.TRUNCATED),
        "segment too short for the struct": (with_table(good, 0, words), status.OUT_OF_BOUNDS),
        "two segments": (with_table(good, 1, words + 1), status.SEGMENT_COUNT),
        "huge segment count": (with_table(good, 0xFFFFFFFF, words + 1), status.SEGMENT_COUNT),
        "null pointer": (with_pointer(good, 0, 0, 0), status.POINTER_KIND),
        "list pointer": (with_pointer(good, LIST, words, 0), status.POINTER_KIND),
        "far pointer": (with_pointer(good, FAR, words, 0), status.POINTER_KIND),
        "capability pointer": (with_pointer(good, OTHER, words, 0), status.POINTER_KIND),
        "struct behind the segment": (with_pointer(good, 4, words, 0), status.OUT_OF_BOUNDS),
        "struct far behind": (with_pointer(good, 0x7FFFFFFC, words, 0), status.OUT_OF_BOUNDS),
        "struct before the segment": (with_pointer(good, -8, words, 0), status.OUT_OF_BOUNDS),
        "struct far before": (with_pointer(good, -0x80000000, words, 0), status.OUT_OF_BOUNDS),
        "struct on its own pointer": (with_pointer(good, -4, words, 0), status.OUT_OF_BOUNDS),
        "huge data section": (with_pointer(good, 0, 0xFFFF, 0), status.OUT_OF_BOUNDS),
        "huge pointer section": (with_pointer(good, 0, words, 0xFFFF), status.OUT_OF_BOUNDS),
        "both huge": (with_pointer(good, 0, 0xFFFF, 0xFFFF), status.OUT_OF_BOUNDS),
        "no data section": (with_pointer(good, 0, 0, 1), status.WRONG_KIND),
        "another kind": (bytes(wrong_kind), status.WRONG_KIND),
        "all ones": (b"\xff" * len(good), status.SEGMENT_COUNT),
        "all zeros": (bytes(len(good)), status.TRUNCATED),
    }


def probe(record: str, messages: list[bytes]) -> list[list[int]]:
    request = json.dumps({"record": record, "messages": [message.hex() for message in messages]})
    outcome = subprocess.run(
        [sys.executable, str(PROBE)], input=request, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, f"probe died: {outcome.returncode} {outcome.stderr[-2000:]}"
    results: list[list[int]] = json.loads(outcome.stdout)
    return results


def expected_pair(message: bytes, due: int) -> list[int]:
    # Flush against the end, a message of odd length cannot lie on an 8-byte boundary.
    return [due if len(message) % 8 == 0 else status.MISALIGNED, due]


def test_the_guard_page_catches_a_read_behind_the_buffer() -> None:
    outcome = subprocess.run(
        [sys.executable, str(PROBE)],
        input=json.dumps({"record": "overrun", "messages": []}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == -signal.SIGSEGV


@pytest.mark.parametrize("record", tuple(RECORD_STRUCTS))
def test_hostile_bytes_are_refused_beside_a_guard_page(record: str) -> None:
    attacks = hostile(record)
    good = message_of(record)
    # Every proper prefix of a good message, as it is and with a table that claims less.
    truncations = [good[:length] for length in range(len(good))]
    short_tables = [
        with_table(good[: 8 * words], 0, words - 1)
        for words in range(2, wire_records.accessors(record).DATA_WORDS + 2)
    ]
    cases = [(f"attack: {name}", *attack) for name, attack in attacks.items()]
    cases += [(f"cut to {len(item)}", item, status.TRUNCATED) for item in truncations]
    cases += [(f"short table {len(item)}", item, status.OUT_OF_BOUNDS) for item in short_tables]
    cases.append(("the good message", good, 1))
    results = probe(record, [message for _, message, _ in cases])
    wrong = {
        name: result
        for (name, message, due), result in zip(cases, results, strict=True)
        if result != expected_pair(message, due)
    }
    assert not wrong


@pytest.mark.parametrize("record", tuple(RECORD_STRUCTS))
def test_every_record_names_what_is_wrong(record: str) -> None:
    for name, (message, due) in hostile(record).items():
        buffer = wire_records.aligned_buffer(max(len(message), 8))
        buffer[: len(message)] = bytearray(message)
        scratch = wire_records.aligned_buffer(wire_records.accessors(record).RECORD_BYTES)
        found = wire_records.accessors(record).normalise(
            buffer.ctypes.data, len(message), scratch.ctypes.data
        )
        assert status.NAMES.get(found) == status.NAMES[due], name
        assert not scratch.any(), f"{name}: a refused record must not be copied"


@pytest.mark.parametrize("shift", range(1, 8))
def test_misaligned_message_is_refused(shift: int) -> None:
    module = wire_records.accessors("control")
    message = message_of("control")
    buffer = wire_records.aligned_buffer(len(message) + 8)
    buffer[shift : shift + len(message)] = bytearray(message)
    assert module.normalise(buffer.ctypes.data + shift, len(message), 0) == status.MISALIGNED


def test_every_status_has_a_name_and_a_description() -> None:
    assert set(status.NAMES) == set(status.DESCRIPTIONS)
    assert all(number < 0 for number in status.NAMES)
