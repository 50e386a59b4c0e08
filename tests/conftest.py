"""What all tests share: how Hypothesis runs, which tests are chosen, and a run folder."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths

TESTS = Path(__file__).parent
FOLDER_MARKERS = ("e2e", "perf", "soak")

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# Without the JIT an example costs a hundred times as much, and the twins were compared with it.
settings.register_profile("jit_off", settings.get_profile("default"), max_examples=15)
settings.register_profile("full", settings.get_profile("default"), max_examples=1000)
settings.load_profile(os.environ.get("TRADECAPTAIN_TEST_PROFILE", "default"))


def pytest_configure() -> None:
    """Let the parts that tests start be interrupted, also in a run in a background or under nohup.

    Such a run ignores these signals, and whatever it starts would inherit that. A run that is ended
    by SIGTERM, as one that took too long, stops what it started: a mesh that lived on would keep
    its ports, and meet the next run there.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the tests marked full")
    parser.addoption("--rounds", type=int, default=0, help="how many kills the kill rounds do")
    parser.addoption("--rounds-seed", type=int, default=0, help="other moments for the kill rounds")


# Before pytest's own choice by `-m`, which is to see the markers that come from folders.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in FOLDER_MARKERS:
            item.add_marker(folder)
    if config.getoption("--full"):
        return
    chosen = [item for item in items if item.get_closest_marker("full") is None]
    dropped = [item for item in items if item.get_closest_marker("full") is not None]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = chosen


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """Forget how a test set logging up: it was bound to that test's captured output."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunPaths]:
    """A run folder of the test's own, made and named in the environment; gone afterwards."""
    paths = RunPaths(tmp_path / "run")
    monkeypatch.setenv(RUN_VARIABLE, str(paths.folder))
    paths.create()
    yield paths
    shutil.rmtree(paths.shared_memory, ignore_errors=True)
    paths.journal_ring.unlink(missing_ok=True)
