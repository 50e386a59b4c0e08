"""The same functions over UDP: only the channel URI differs."""

from collections.abc import Iterator

import numpy as np
import pytest
from support.mesh_kernels import read_numbers, write_numbers
from support.mesh_transports import SMALL_TERM, aeron_driver
from support.ports import free_port
from support.wait import wait_until
from tradecaptain.mesh import status
from tradecaptain.mesh.client import AeronMesh


@pytest.fixture(scope="module")
def mesh() -> Iterator[AeronMesh]:
    with aeron_driver() as driver, AeronMesh(driver.directory, "udp") as opened:
        yield opened


def test_records_cross_the_loopback_in_order(mesh: AeronMesh) -> None:
    channel = f"aeron:udp?endpoint=127.0.0.1:{free_port()}"
    subscription = mesh.add_subscription(31, channel=channel, tether=True)
    publication = mesh.add_publication(31, channel=channel, term_bytes=SMALL_TERM)
    wait_until(
        lambda: subscription.refresh() or (subscription.image_count and publication.is_connected)
    )
    numbers, lengths = np.zeros(512, np.int64), np.zeros(512, np.int64)
    written, found = 0, []

    def step() -> bool:
        nonlocal written
        if publication.position < 5 * SMALL_TERM:
            result = write_numbers(publication.state, written, 6, 5, 104)
            assert result > 0 or result == status.BACK_PRESSURED
            written += 5 if result > 0 else 0
        count = read_numbers(subscription.images, 0, numbers, lengths)
        found.extend(numbers[:count].tolist())
        return publication.position >= 5 * SMALL_TERM and len(found) == written

    wait_until(step, timeout_s=30)
    assert found == list(range(written))
    assert publication.state[0]["max_payload_length"] == 1408 - 32
    publication.close()
    wait_until(lambda: subscription.refresh() and subscription.image_count == 0, timeout_s=30)
