"""The parts of a mesh: how each is started, what it needs, and how it shows that it is ready."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum

from tradecaptain.base.run_paths import RunPaths
from tradecaptain.launch.envoy_config import envoy_command, write_envoy_config
from tradecaptain.orderbook.standby_config import StandbyConfig


class Probe(Enum):
    """How to ask a part whether it is ready."""

    DRIVER = "heartbeat of the media driver"
    GRPC = "gRPC health check"
    ENVOY = "Envoy's ready page"


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the mesh. ``needs`` are the parts that must be ready before it starts."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...]
    probe: Probe
    port: int


def mesh_parts(run: RunPaths) -> tuple[Part, ...]:
    """All parts in the order in which they become ready; writes Envoy's configuration."""
    ports = run.ports
    write_envoy_config(run)

    def python(name: str, *needs: str) -> Part:
        command = (sys.executable, "-m", f"tradecaptain.{name}")
        return Part(name, command, needs, Probe.GRPC, ports.of(name))

    driver = (sys.executable, "-m", "tradecaptain.mesh.driver")
    return (
        Part("driver", driver, (), Probe.DRIVER, 0),
        Part("envoy", tuple(envoy_command(run)), (), Probe.ENVOY, ports.envoy_admin),
        python("orderbook", "driver"),
        python("collector", "driver"),
        python("risk", "driver", "orderbook"),
        python("gateway", "driver", "orderbook"),
        python("pricing", "driver"),
        *_standby(run),
    )


def _standby(run: RunPaths) -> tuple[Part, ...]:
    """The second process of the venue, if it is asked for."""
    if not StandbyConfig.load(run).enabled:
        return ()
    command = (sys.executable, "-m", "tradecaptain.orderbook", "standby")
    return (Part("standby", command, ("driver", "orderbook"), Probe.GRPC, run.ports.standby),)
