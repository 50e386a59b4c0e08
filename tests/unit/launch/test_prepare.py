"""The run folder before the parts start."""

import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from support.ports import free_port_base
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.reference_file import default_reference, dump_reference, load_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge.tokens import COLLECTOR, load_entries, write_tokens
from tradecaptain.launch import prepare
from tradecaptain.launch.prepare import (
    Options,
    busy_ports,
    check_ports,
    check_shared_memory,
    effective_reference,
    parse_speed,
    part_environment,
    write_run_folder,
)


@pytest.fixture
def quiet_run(run: RunPaths) -> RunPaths:
    """A run folder whose ports nobody else uses."""
    run.config.write_text(f"[ports]\nbase = {free_port_base()}\n")
    return run


def test_a_busy_port_is_named_with_its_owner(quiet_run: RunPaths) -> None:
    assert busy_ports(quiet_run) == []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", quiet_run.ports.risk))
        listener.listen()
        with pytest.raises(ConfigurationError) as caught:
            check_ports(quiet_run)
    assert f"port {quiet_run.ports.risk} of risk is in use" in caught.value.message
    assert f"process {os.getpid()}" in caught.value.message
    check_ports(quiet_run)


def test_a_standby_s_port_must_be_free_only_if_there_is_one(quiet_run: RunPaths) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", quiet_run.ports.standby))
        listener.listen()
        check_ports(quiet_run)
        with quiet_run.config.open("a") as file:
            file.write("[standby]\nenabled = true\n")
        with pytest.raises(ConfigurationError, match="of standby is in use"):
            check_ports(quiet_run)


def test_too_little_shared_memory_stops_the_start(
    quiet_run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_shared_memory(quiet_run)
    monkeypatch.setattr(prepare, "SHARED_MEMORY_BYTES_MIN", 1 << 60)
    with pytest.raises(ConfigurationError, match=r"/dev/shm has .* a mesh needs .*--shm-size"):
        check_shared_memory(quiet_run)


def test_an_empty_folder_gets_all_that_the_parts_read(run: RunPaths) -> None:
    reference = write_run_folder(run, Options())
    assert load_reference(run.reference) == reference == default_reference()
    assert stat.S_IMODE(run.tokens.stat().st_mode) == 0o600
    principals = {entry.principal.name for entry in load_entries(run.tokens)}
    assert principals == {"alpha", "beta", "gamma", "operator", "venue", "collector"}
    assert run.ports.envoy


def test_tokens_and_configuration_of_an_earlier_start_are_kept(run: RunPaths) -> None:
    write_run_folder(run, Options())
    tokens = run.tokens.read_text()
    run.config.write_text("[ports]\nbase = 12345\n")
    write_run_folder(run, Options())
    assert run.tokens.read_text() == tokens
    assert run.ports.envoy == 12345


def test_a_part_that_an_earlier_release_had_no_token_for_gets_one(run: RunPaths) -> None:
    write_run_folder(run, Options())
    kept = [entry for entry in load_entries(run.tokens) if entry.principal.name != COLLECTOR]
    write_tokens(run.tokens, kept)
    write_run_folder(run, Options())
    *others, collector = load_entries(run.tokens)
    assert others == kept
    assert collector.principal.name == COLLECTOR


def test_tokens_that_others_may_read_stop_the_start(run: RunPaths) -> None:
    write_run_folder(run, Options())
    run.tokens.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        write_run_folder(run, Options())


def test_instruments_of_earlier_starts_keep_their_ids(run: RunPaths) -> None:
    packaged = default_reference()
    added = replace(packaged.by_symbol("AMZN@XNAS"), instrument_id=30, symbol="ARL")
    dump_reference(packaged.with_instruments([added]), run.reference)
    assert effective_reference(run, Options()).by_symbol("ARL@XNAS").instrument_id == 30


def test_a_reference_file_takes_the_place_of_the_packaged_one(
    run: RunPaths, tmp_path: Path
) -> None:
    packaged = default_reference()
    mine = replace(packaged, instruments=packaged.instruments[:1])
    dump_reference(mine, tmp_path / "mine.toml")
    assert effective_reference(run, Options(reference=tmp_path / "mine.toml")) == mine


def test_the_replay_reaches_the_parts_through_their_environment(tmp_path: Path) -> None:
    options = Options(replay=(tmp_path / "a.zip",), speed="20")
    environment = part_environment(options)
    assert environment["TRADECAPTAIN_COLLECTOR__REPLAY"] == f'["{tmp_path}/a.zip"]'
    assert environment["TRADECAPTAIN_COLLECTOR__SPEED"] == "20"
    assert "TRADECAPTAIN_COLLECTOR__REPLAY" not in part_environment(Options())


@pytest.mark.parametrize("text", ["max", "1", "20", "0.5", "0.001", "1/3", "1000000"])
def test_a_speed_is_a_multiple_of_real_time_or_max(text: str) -> None:
    assert parse_speed(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "fast",
        "1x",
        "1/0",
        "nan",
        "1000001",
        "1e400",
        "0.0001",
        "1e999999999",
        "1/2/3",
    ],
)
def test_any_other_speed_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--speed must be max or a positive number"):
        parse_speed(text)
