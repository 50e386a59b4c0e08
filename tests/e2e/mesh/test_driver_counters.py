"""The driver's own counters and errors, read from outside."""

from pathlib import Path

import pytest
from support.mesh_kernels import write_numbers
from support.mesh_transports import SMALL_TERM, aeron_driver
from support.wait import wait_until
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.driver_counters import driver_counters, driver_errors
from tradecaptain.mesh.errors import DriverAbsentError, MeshError


def test_positions_and_errors_can_be_read() -> None:
    with aeron_driver() as driver, AeronMesh(driver.directory, "counted") as mesh:
        publication = mesh.add_publication(41, term_bytes=SMALL_TERM)
        subscription = mesh.add_subscription(41, tether=True)
        wait_until(
            lambda: (subscription.refresh(), subscription.image_count and publication.is_connected)[
                1
            ]
        )
        position = write_numbers(publication.state, 0, 3, 3, 8)
        labels = {counter.label: counter.value for counter in driver_counters(driver.directory)}
        assert any(label.startswith("Bytes sent") for label in labels)
        session = int(subscription.images[0]["session_id"])

        def publisher_position() -> int:
            return max(
                counter.value
                for counter in driver_counters(driver.directory)
                if counter.label.startswith("pub-pos") and str(session) in counter.label
            )

        wait_until(lambda: publisher_position() == position)
        assert driver_errors(driver.directory) == []
        with pytest.raises(MeshError):
            mesh.add_subscription(42, channel="aeron:udp?term-length=64k")
        (error,) = wait_until(lambda: driver_errors(driver.directory))
        assert "endpoint" in error.text
        assert error.count == 1
        assert 0 < error.first_ms <= error.last_ms


def test_without_a_driver_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(DriverAbsentError):
        driver_counters(tmp_path)
