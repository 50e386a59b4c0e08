"""The base of every part's configuration: one frozen object, validated once, at start."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.base.toml_table import read_toml

ENVIRONMENT_PREFIX = "TRADECAPTAIN_"


class ServiceConfig(BaseSettings):
    """Configuration of one part.

    A subclass sets ``section`` and declares fields with defaults and bounds. Values come from the
    environment (``TRADECAPTAIN_<SECTION>__<KEY>``), then from the table ``[section]`` of the run
    folder's ``config.toml``, then from the defaults. Unknown keys are refused.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_nested_delimiter="__", validate_default=True
    )

    section: ClassVar[str] = ""

    @classmethod
    def load(cls, run: RunPaths) -> Self:
        """Read and validate the configuration; an error names every key at fault and its rule."""
        table = read_toml(run.config).get(cls.section, {}) if run.config.exists() else {}
        if not isinstance(table, dict):
            raise ConfigurationError(f"{cls.section} must be a table", field=cls.section)
        prefix = f"{ENVIRONMENT_PREFIX}{cls.section.upper()}__"
        cls._refuse_unknown_variables(prefix)
        try:
            # An argument of pydantic-settings' constructor that its type stub doesn't show.
            return cls(_env_prefix=prefix, **table)  # type: ignore[call-arg]
        except ValidationError as error:
            raise _configuration_error(cls.section, error) from error

    @classmethod
    def _refuse_unknown_variables(cls, prefix: str) -> None:
        """Refuse a misspelt variable, which would be read by nobody, as the file's keys are."""
        for name in sorted(os.environ):
            key = name.upper().removeprefix(prefix).partition("__")[0].lower()
            if name.upper().startswith(prefix) and key not in cls.model_fields:
                raise ConfigurationError(
                    f"{cls.section}.{key}: is not a known key (from {name})",
                    field=f"{cls.section}.{key}",
                )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment over the table of the file."""
        return env_settings, init_settings


def _configuration_error(section: str, error: ValidationError) -> ConfigurationError:
    problems = []
    keys = []
    for entry in error.errors(include_url=False):
        key = ".".join(str(part) for part in (section, *entry["loc"]))
        keys.append(key)
        problems.append(f"{key}: {_rule(entry)}")
    variable = f"{ENVIRONMENT_PREFIX}{section.upper()}__…"
    message = f"{'; '.join(problems)} (from config.toml [{section}] or {variable})"
    return ConfigurationError(message, field=keys[0])


def _rule(entry: Any) -> str:
    if entry["type"] == "extra_forbidden":
        return "is not a known key"
    shown = repr(entry["input"])
    return f"{entry['msg']}, not {shown}" if len(shown) <= 60 else str(entry["msg"])
