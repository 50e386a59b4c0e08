"""The configuration that we write for Envoy, judged by Envoy itself."""

import subprocess
from pathlib import Path

import pytest
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch import envoy_config


@pytest.mark.parametrize(
    "text", ["", '[envoy]\nconcurrency = 4\nallowed_origins = ["https://a"]\n']
)
def test_envoy_itself_finds_the_configuration_valid(tmp_path: Path, text: str) -> None:
    run = RunPaths(tmp_path, tmp_path / "shm")
    run.create()
    run.config.write_text(text)
    path = envoy_config.write_envoy_config(run)
    judged = subprocess.run(
        envoy_config.validate_command(path), capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stderr
    assert "OK" in judged.stdout


def test_a_broken_configuration_is_refused_by_envoy(tmp_path: Path) -> None:
    run = RunPaths(tmp_path, tmp_path / "shm")
    run.create()
    path = envoy_config.write_envoy_config(run)
    path.write_text(path.read_text().replace('"stat_prefix"', '"stat_prefiks"'))
    judged = subprocess.run(envoy_config.validate_command(path), capture_output=True, check=False)
    assert judged.returncode != 0


def test_bad_settings_are_named(tmp_path: Path) -> None:
    run = RunPaths(tmp_path, tmp_path / "shm")
    run.create()
    run.config.write_text("[envoy]\nconcurrency = 0\n")
    with pytest.raises(ConfigurationError, match=r"envoy\.concurrency"):
        envoy_config.write_envoy_config(run)
