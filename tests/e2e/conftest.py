"""One simulated mesh shared by the end-to-end tests that don't break it."""

from collections.abc import Iterator

import pytest
from support.running_mesh import RunningMesh, running_mesh


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMesh]:
    """A mesh with simulated market data. Don't kill its parts: start your own for that."""
    with running_mesh(tmp_path_factory.mktemp("mesh") / "run") as started:
        yield started
