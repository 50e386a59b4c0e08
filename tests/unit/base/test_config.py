"""Configuration: environment over file over defaults, and errors that name key and rule."""

from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, Field, ValidationError
from tradecaptain.base.config import ServiceConfig
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import RunPaths


class Nested(BaseModel):
    core: int = -1


class ToyConfig(ServiceConfig):
    section: ClassVar[str] = "toy"

    rate: int = Field(default=10, ge=1, le=100)
    files: tuple[Path, ...] = ()
    nested: Nested = Nested()


def test_defaults_hold_without_file_and_environment(run: RunPaths) -> None:
    assert ToyConfig.load(run) == ToyConfig()


def test_the_file_goes_over_defaults_and_the_environment_over_the_file(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.config.write_text('[toy]\nrate = 20\nfiles = ["/a"]\n[other]\nrate = 1000\n')
    assert ToyConfig.load(run).rate == 20
    monkeypatch.setenv("TRADECAPTAIN_TOY__RATE", "30")
    monkeypatch.setenv("TRADECAPTAIN_TOY__FILES", '["/b", "/c"]')
    monkeypatch.setenv("TRADECAPTAIN_TOY__NESTED__CORE", "1")
    loaded = ToyConfig.load(run)
    assert loaded.rate == 30
    assert loaded.files == (Path("/b"), Path("/c"))
    assert loaded.nested.core == 1


@pytest.mark.parametrize(
    ("text", "key", "rule"),
    [
        ("rate = 0", "toy.rate", "greater than or equal to 1"),
        ('rate = "many"', "toy.rate", "valid integer"),
        ("rat = 3", "toy.rat", "is not a known key"),
    ],
)
def test_an_error_names_key_and_rule(run: RunPaths, text: str, key: str, rule: str) -> None:
    run.config.write_text(f"[toy]\n{text}\n")
    with pytest.raises(ConfigurationError) as caught:
        ToyConfig.load(run)
    assert f"{key}: " in caught.value.message
    assert rule in caught.value.message
    assert caught.value.field == key


def test_a_bad_variable_is_refused_too(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADECAPTAIN_TOY__RATE", "1000")
    with pytest.raises(ConfigurationError, match="TRADECAPTAIN_TOY__"):
        ToyConfig.load(run)


@pytest.mark.parametrize("name", ["TRADECAPTAIN_TOY__RAT", "tradecaptain_toy__nestled__core"])
def test_a_variable_of_no_setting_is_refused(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "3")
    with pytest.raises(ConfigurationError, match=rf"is not a known key \(from {name}\)"):
        ToyConfig.load(run)


def test_a_file_that_is_no_toml_and_a_section_that_is_no_table_are_refused(run: RunPaths) -> None:
    run.config.write_text("[toy")
    with pytest.raises(ConfigurationError, match="isn't TOML"):
        ToyConfig.load(run)
    run.config.write_text("toy = 3")
    with pytest.raises(ConfigurationError, match="toy must be a table"):
        ToyConfig.load(run)


def test_a_configuration_is_frozen(run: RunPaths) -> None:
    loaded = ToyConfig.load(run)
    with pytest.raises(ValidationError, match="frozen"):
        loaded.rate = 5  # type: ignore[misc]
