"""Where a mesh keeps its things."""

import os
import stat
from pathlib import Path

import pytest
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import PORT_NAMES, Ports, RunPaths, resolve_ports


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_environment_names_the_folder_or_the_users_state_folder_is_taken() -> None:
    named = RunPaths.from_environment({"TRADECAPTAIN_RUN": "/srv/mesh"})
    assert named.folder == Path("/srv/mesh")
    by_xdg = RunPaths.from_environment({"XDG_STATE_HOME": "/state"})
    assert by_xdg.folder == Path("/state/tradecaptain/default")
    by_home = RunPaths.from_environment({})
    assert by_home.folder == Path.home() / ".local/state/tradecaptain/default"


def test_a_relative_folder_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunPaths.from_environment({"TRADECAPTAIN_RUN": "here"}).folder == tmp_path / "here"


def test_two_run_folders_of_one_name_share_no_memory() -> None:
    first, second = RunPaths(Path("/a/default")), RunPaths(Path("/b/default"))
    assert first.shared_memory != second.shared_memory
    assert f"tradecaptain-{os.getuid()}-default-" in str(first.shared_memory)


def test_shared_memory_can_be_put_elsewhere() -> None:
    run = RunPaths.from_environment({"TRADECAPTAIN_SHM": "/mnt/fast"})
    assert run.aeron.is_relative_to("/mnt/fast")


def test_all_folders_are_private(run: RunPaths) -> None:
    for folder in (run.folder, run.shared_memory, run.caches, run.counters, run.logs, run.epochs):
        assert mode_of(folder) == 0o700


def test_a_folder_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "run", tmp_path / "shm")
    run.shared_memory.mkdir(parents=True, mode=0o777)
    run.shared_memory.chmod(0o777)
    run.create()
    assert mode_of(run.shared_memory) == 0o700


def test_a_symbolic_link_in_the_place_of_shared_memory_is_refused(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "run", tmp_path / "shm")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run.shared_memory.parent.mkdir()
    run.shared_memory.symlink_to(elsewhere)
    with pytest.raises(ConfigurationError, match="must be a folder of yours"):
        run.create()


def test_ports_have_defaults_that_move_together() -> None:
    assert resolve_ports({}, {}) == Ports()
    moved = resolve_ports({"base": 20_000}, {})
    assert moved.envoy == 20_000
    assert moved.pricing == Ports().pricing + 10_000
    assert len(set(moved.as_dict().values())) == len(PORT_NAMES)


def test_the_environment_goes_over_the_file() -> None:
    ports = resolve_ports({"envoy": 8080, "risk": 8081}, {"TRADECAPTAIN_PORTS__ENVOY": "9090"})
    assert (ports.envoy, ports.risk) == (9090, 8081)
    assert resolve_ports({}, {"TRADECAPTAIN_PORTS__BASE": "30000"}).envoy == 30_000


@pytest.mark.parametrize(
    ("table", "environment", "said"),
    [
        ({"envoy": 0}, {}, "ports.envoy must lie in 1"),
        ({"envoy": 70_000}, {}, "ports.envoy must lie in 1"),
        ({"envoy": "8080"}, {}, "ports.envoy must be a whole number"),
        ({"envy": 8080}, {}, "ports.envy is not a known key"),
        ({"envoy": 8080, "risk": 8080}, {}, "ports.risk must be a port of its own"),
        ({"base": 65_500}, {}, "ports.base must lie in"),
        ({}, {"TRADECAPTAIN_PORTS__RISK": "many"}, "TRADECAPTAIN_PORTS__RISK must be a port"),
        ({}, {"TRADECAPTAIN_PORTS__ENVOYY": "9000"}, "TRADECAPTAIN_PORTS__ENVOYY is no part"),
    ],
)
def test_a_bad_port_is_named(
    table: dict[str, object], environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        resolve_ports(table, environment)


def test_a_part_without_a_port_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"ports\.driver must name a part"):
        Ports().of("driver")


def test_ports_are_read_from_the_run_folder(run: RunPaths) -> None:
    run.config.write_text("[ports]\ngateway = 4321\n")
    assert run.ports.gateway == 4321
    run.config.write_text("ports = 3\n")
    with pytest.raises(ConfigurationError, match="ports must be a table"):
        _ = run.ports
