"""``tradecaptain config``: the settings in force, and where they come from."""

from __future__ import annotations

import importlib
import os
from typing import Any

import typer
from tradecaptain.base.compile_cache import OWNER_VARIABLE
from tradecaptain.base.config import ENVIRONMENT_PREFIX, ServiceConfig
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.base.toml_table import read_toml, toml_table
from tradecaptain.cli.output import emit_json, show
from tradecaptain.mesh.driver import driver_settings

# Section and the module that declares its settings.
SECTIONS = {
    "supervisor": "tradecaptain.launch.config",
    "envoy": "tradecaptain.launch.envoy_config",
    "collector": "tradecaptain.collector.config",
    "orderbook": "tradecaptain.orderbook.config",
    "journal": "tradecaptain.orderbook.config",
    "standby": "tradecaptain.orderbook.standby_config",
    "risk": "tradecaptain.risk.config",
    "gateway": "tradecaptain.gateway.config",
    "pricing": "tradecaptain.pricing.config",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("config")(config)


def config(json: bool = typer.Option(False, "--json", help="Answer with one JSON object.")) -> None:
    """Check the configuration and print every setting in force."""
    run = RunPaths.from_environment()
    settings: dict[str, dict[str, Any]] = {
        "ports": run.ports.as_dict(),
        "driver": driver_settings(run).as_dict(),
    }
    for section, module in SECTIONS.items():
        loaded = config_class(section, module).load(run)
        settings[section] = loaded.model_dump(mode="json")
    given = sorted(
        name
        for name in os.environ
        # One of them is a note that the compiler's cache leaves for processes started from here.
        if name.startswith(ENVIRONMENT_PREFIX) and name != OWNER_VARIABLE
    )
    written = sorted(read_toml(run.config)) if run.config.exists() else []
    if json:
        emit_json({"run": str(run.folder), "settings": settings, "environment": given})
        return
    show(f"# {run.config}" + (f" sets {', '.join(written)}" if written else " sets nothing"))
    for name in given:
        show(f"# {name} is set in the environment")
    for section, values in settings.items():
        shown = {key: value for key, value in values.items() if value is not None}
        show("\n" + toml_table(f"[{section}]", shown).rstrip())
        for key in sorted(values.keys() - shown.keys()):
            show(f"# {key} isn't set")


def config_class(section: str, module: str) -> type[ServiceConfig]:
    """The configuration class of a section."""
    for value in vars(importlib.import_module(module)).values():
        is_config = isinstance(value, type) and issubclass(value, ServiceConfig)
        if is_config and value.section == section:
            return value
    raise LookupError(f"{module} declares no configuration for [{section}]")
