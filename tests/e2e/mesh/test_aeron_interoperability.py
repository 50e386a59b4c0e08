"""What we write directly, Aeron's C client reads, and the other way round."""

from collections.abc import Iterator

import numpy as np
import pytest
from support.aeron_c_api import CApi
from support.mesh_kernels import offer, read_numbers, write_numbers
from support.mesh_transports import SMALL_TERM, aeron_driver
from support.wait import wait_until
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.layout import (
    METADATA_ACTIVE_TERM_COUNT,
    METADATA_LENGTH,
    METADATA_TAIL_COUNTERS,
)

ROUNDS = 6


@pytest.fixture(scope="module")
def mesh() -> Iterator[AeronMesh]:
    with aeron_driver() as driver, AeronMesh(driver.directory, "interoperability") as opened:
        yield opened


@pytest.fixture
def api(mesh: AeronMesh) -> CApi:
    return CApi(mesh.client)


def test_the_c_client_reads_what_we_write(mesh: AeronMesh, api: CApi) -> None:
    publication = mesh.add_publication(11, term_bytes=SMALL_TERM)
    subscription = api.add("subscription", "aeron:ipc", 11)
    image = api.image_of(subscription)
    wait_until(lambda: publication.is_connected)
    sizes = [40, 8, 1000, 72]
    expected: list[bytes] = []
    while publication.position < ROUNDS * SMALL_TERM:
        size = sizes[len(expected) % len(sizes)]
        number = len(expected)
        if write_numbers(publication.state, number, 7, 3, size) > 0:
            expected += [np.full(size // 8, number + k, np.int64).tobytes() for k in range(3)]
        api.poll(image)
    wait_until(lambda: api.poll(image) == 0 and len(api.received) == len(expected))
    assert api.received == expected
    assert api.functions.aeron_image_position(image) == publication.position


def test_we_read_what_an_exclusive_c_publication_writes(mesh: AeronMesh, api: CApi) -> None:
    check_reading(mesh, api, "exclusive_publication", 12)


def test_we_read_what_a_shared_c_publication_writes(mesh: AeronMesh, api: CApi) -> None:
    check_reading(mesh, api, "publication", 13)


def check_reading(mesh: AeronMesh, api: CApi, kind: str, stream_id: int) -> None:
    subscription = mesh.add_subscription(stream_id, tether=True)
    publication = api.add(kind, f"aeron:ipc?term-length={SMALL_TERM}", stream_id)
    wait_until(lambda: (subscription.refresh(), subscription.image_count == 1)[1])
    numbers, lengths = np.zeros(512, np.int64), np.zeros(512, np.int64)
    sizes = [8, 88, 1000, 32]
    sent, position = 0, 0
    found: list[tuple[int, int]] = []
    while position < ROUNDS * SMALL_TERM:
        size = sizes[sent % len(sizes)]
        position = api.offer(kind, publication, np.full(size // 8, sent, np.int64).tobytes())
        sent += 1
        count = read_numbers(subscription.images, 0, numbers, lengths)
        found += zip(numbers[:count].tolist(), lengths[:count].tolist(), strict=True)
    assert found == [(number, sizes[number % len(sizes)]) for number in range(sent)]
    assert subscription.images[0]["released_position"] == position


def test_the_log_metadata_stays_as_aeron_keeps_it(mesh: AeronMesh, api: CApi) -> None:
    """A C publication writes the same frames; tails and term counts must be equal in the end."""
    ours = mesh.add_publication(14, term_bytes=SMALL_TERM)
    reader = mesh.add_subscription(14, tether=True)
    wait_until(lambda: (reader.refresh(), reader.image_count == 1 and ours.is_connected)[1])
    theirs = api.add("exclusive_publication", f"aeron:ipc?term-length={SMALL_TERM}", 15)
    other = mesh.add_subscription(15, tether=True)
    wait_until(lambda: (other.refresh(), other.image_count == 1)[1])
    numbers, lengths = np.zeros(512, np.int64), np.zeros(512, np.int64)
    record = np.zeros(125, np.int64)
    for _ in range(400):
        wait_until(lambda: offer(ours.state, address_of(record), 1000) > 0)
        api.offer("exclusive_publication", theirs, record.tobytes())
        read_numbers(reader.images, 0, numbers, lengths)
        read_numbers(other.images, 0, numbers, lengths)
    assert ours.position == api.functions.aeron_exclusive_publication_position(theirs)

    def metadata(subscription: object) -> tuple[int, list[tuple[int, int]]]:
        image = subscription.images[0]  # type: ignore[attr-defined]
        log = subscription._slots[0].log  # type: ignore[attr-defined]
        page = log.array("u1", METADATA_LENGTH, log.length - METADATA_LENGTH)
        count = int(page[METADATA_ACTIVE_TERM_COUNT:][:4].view("<i4")[0])
        tails = page[METADATA_TAIL_COUNTERS:][:24].view("<i8")
        initial = int(image["initial_term_id"])
        active = count % 3
        term_count = (int(tails[active] >> 32) - initial) & 0xFFFFFFFF
        return count, [(term_count, int(tails[active] & 0xFFFFFFFF))]

    assert metadata(reader) == metadata(other)


def test_a_late_c_subscriber_joins_where_the_writer_is(mesh: AeronMesh, api: CApi) -> None:
    publication = mesh.add_publication(16, term_bytes=SMALL_TERM)
    first = mesh.add_subscription(16, tether=True)
    wait_until(lambda: (first.refresh(), first.image_count and publication.is_connected)[1])
    assert write_numbers(publication.state, 0, 5, 5, 40) > 0
    numbers, lengths = np.zeros(64, np.int64), np.zeros(64, np.int64)
    assert read_numbers(first.images, 0, numbers, lengths) == 5
    image = api.image_of(api.add("subscription", "aeron:ipc", 16))
    wait_until(lambda: write_numbers(publication.state, 5, 4, 2, 8) > 0)
    wait_until(lambda: api.poll(image) > 0)
    assert api.received == [np.int64(5).tobytes(), np.int64(6).tobytes()]
