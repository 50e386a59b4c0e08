"""Several threads write one shared publication; our direct reader sees every record once."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from support.mesh_kernels import read_numbers
from support.mesh_transports import SMALL_TERM, aeron_driver
from support.wait import wait_until
from tradecaptain.mesh import status
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.errors import MeshError

WRITERS = 3
RECORDS = 2_000


@pytest.fixture(scope="module")
def mesh() -> Iterator[AeronMesh]:
    with aeron_driver() as driver, AeronMesh(driver.directory, "shared") as opened:
        yield opened


def test_records_of_all_writers_arrive_once_and_each_writers_in_order(mesh: AeronMesh) -> None:
    publications = [mesh.add_shared_publication(51, term_bytes=SMALL_TERM) for _ in range(WRITERS)]
    subscription = mesh.add_subscription(51, tether=True)

    def is_connected() -> bool:
        subscription.refresh()
        return subscription.image_count == 1 and publications[0].is_connected

    wait_until(is_connected)

    def write(writer: int) -> None:
        for number in range(RECORDS):
            record = np.array([writer * RECORDS + number, 0], np.int64)
            wait_until(lambda record=record: publications[writer].offer(record) > 0)

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    numbers, lengths = np.zeros(512, np.int64), np.zeros(512, np.int64)
    found: list[int] = []

    def everything() -> bool:
        count = read_numbers(subscription.images, 0, numbers, lengths)
        found.extend(numbers[:count].tolist())
        return len(found) >= WRITERS * RECORDS

    wait_until(everything, timeout_s=60)
    for thread in threads:
        thread.join()
    for writer in range(WRITERS):
        own = [number for number in found if number // RECORDS == writer]
        assert own == list(range(writer * RECORDS, (writer + 1) * RECORDS))


def test_a_claim_is_published_whole_or_not_at_all(mesh: AeronMesh) -> None:
    publication = mesh.add_shared_publication(52, term_bytes=SMALL_TERM)
    with pytest.raises(MeshError, match="NOT_CONNECTED"):
        publication.try_claim(8)
    assert publication.offer(bytes(8)) == status.NOT_CONNECTED
    subscription = mesh.add_subscription(52, tether=True)

    def is_connected() -> bool:
        subscription.refresh()
        return subscription.image_count == 1 and publication.is_connected

    wait_until(is_connected)
    with pytest.raises(ZeroDivisionError), publication.try_claim(16) as claim:
        claim.buffer[:8] = (666).to_bytes(8, "little")
        _ = 1 // 0
    with publication.try_claim(16) as claim:
        claim.buffer[:8] = (77).to_bytes(8, "little")
    numbers, lengths = np.zeros(8, np.int64), np.zeros(8, np.int64)
    assert wait_until(lambda: read_numbers(subscription.images, 0, numbers, lengths)) == 1
    assert (numbers[0], lengths[0]) == (77, 16)
    with pytest.raises(MeshError, match="max_payload_length"):
        publication.try_claim(100_000)
    publication.close()
    assert publication.offer(bytes(8)) == status.CLOSED
