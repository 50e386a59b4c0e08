"""Where a running mesh keeps its things: the run folder, its shared memory and its ports.

One run folder is one mesh. ``TRADECAPTAIN_RUN`` names it; without it it lies in the user's state
folder. What processes share in memory lies in a folder of its own on a memory file system, named
after the run folder, so that two meshes never meet.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.toml_table import TableReader, read_toml

RUN_VARIABLE = "TRADECAPTAIN_RUN"
SHARED_MEMORY_VARIABLE = "TRADECAPTAIN_SHM"
PORT_VARIABLE = "TRADECAPTAIN_PORTS__"
PRIVATE_FOLDER_MODE = 0o700
_PORT_MAX = 65_535
_BASE = 10_000


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of a mesh, all on the loopback interface."""

    envoy: int = _BASE
    envoy_admin: int = _BASE + 1
    collector: int = _BASE + 11
    orderbook: int = _BASE + 12
    risk: int = _BASE + 13
    gateway: int = _BASE + 14
    pricing: int = _BASE + 15
    standby: int = _BASE + 16

    def of(self, part: str) -> int:
        """The port of a part, by its name."""
        if part not in PORT_NAMES:
            raise ConfigurationError(
                f"ports.{part} must name a part, one of {', '.join(PORT_NAMES)}", field=part
            )
        return int(getattr(self, part))

    def as_dict(self) -> dict[str, int]:
        """Name and number of every port."""
        return asdict(self)


PORT_NAMES = tuple(item.name for item in fields(Ports))


def resolve_ports(table: Mapping[str, object], environment: Mapping[str, str]) -> Ports:
    """Compute the ports: environment over ``[ports]`` over defaults; ``base`` moves them all."""
    values: dict[str, object] = dict(table)
    known = {PORT_VARIABLE + name.upper() for name in ("base", *PORT_NAMES)}
    for variable in sorted(environment):
        if variable.startswith(PORT_VARIABLE) and variable not in known:
            raise ConfigurationError(f"{variable} is no part's port", field="ports")
    for name in ("base", *PORT_NAMES):
        text = environment.get(PORT_VARIABLE + name.upper())
        if text is not None:
            variable = PORT_VARIABLE + name.upper()
            if not (text.isascii() and text.isdigit()):
                raise ConfigurationError(f"{variable} must be a port number, not {text!r}")
            values[name] = int(text)
    reader = TableReader(values, "ports")
    base = reader.integer("base", _BASE, minimum=1, maximum=_PORT_MAX - 100)
    defaults = {name: port - _BASE + base for name, port in Ports().as_dict().items()}
    ports = {
        name: reader.integer(name, default, minimum=1, maximum=_PORT_MAX)
        for name, default in defaults.items()
    }
    reader.finish()
    owners: dict[int, str] = {}
    for name, port in ports.items():
        if port in owners:
            raise reader.fail(name, f"must be a port of its own, and {port} is {owners[port]}'s")
        owners[port] = name
    return replace(Ports(), **ports)


def _default_folder(environment: Mapping[str, str]) -> Path:
    state = environment.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "tradecaptain" / "default"


@dataclass(frozen=True)
class RunPaths:
    """The places of one mesh. Making an object touches nothing; :meth:`create` makes folders."""

    folder: Path
    shared_memory_parent: Path = Path("/dev/shm")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> RunPaths:
        """The run folder that the environment names, or the user's default one."""
        values = os.environ if environment is None else environment
        named = values.get(RUN_VARIABLE)
        folder = Path(named) if named else _default_folder(values)
        parent = Path(values.get(SHARED_MEMORY_VARIABLE) or "/dev/shm")
        return cls(folder.absolute(), parent.absolute())

    @property
    def config(self) -> Path:
        """Configuration of all parts, one table each."""
        return self.folder / "config.toml"

    @property
    def reference(self) -> Path:
        """The effective reference data: instruments and accounts."""
        return self.folder / "reference.toml"

    @property
    def tokens(self) -> Path:
        """Bearer tokens of the principals; readable by the owner alone."""
        return self.folder / "tokens.toml"

    @property
    def state(self) -> Path:
        """What the supervisor says about itself and its parts, rewritten about once a second."""
        return self.folder / "up.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.folder / "up.lock"

    @property
    def epochs(self) -> Path:
        """Folder of the persisted epochs."""
        return self.folder / "epochs"

    @property
    def logs(self) -> Path:
        """Folder of the parts' logs."""
        return self.folder / "logs"

    @property
    def pids(self) -> Path:
        """Folder with the process id of every part that runs."""
        return self.folder / "pids"

    @property
    def envoy(self) -> Path:
        """Folder of Envoy's generated configuration."""
        return self.folder / "envoy"

    def log_of(self, part: str) -> Path:
        """The log file of a part."""
        return self.logs / f"{part}.log"

    def pid_of(self, part: str) -> Path:
        """The file with a part's process id."""
        return self.pids / f"{part}.pid"

    @cached_property
    def name(self) -> str:
        """A short name that no other run folder has."""
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        readable = re.sub(r"[^A-Za-z0-9]+", "-", self.folder.name).strip("-")[:24]
        return f"{readable or 'run'}-{digest}"

    @property
    def shared_memory(self) -> Path:
        """Folder for everything that processes share in memory."""
        return self.shared_memory_parent / f"tradecaptain-{os.getuid()}-{self.name}"

    @property
    def journal(self) -> Path:
        """Folder of the execution log's segment files."""
        return self.folder / "journal"

    @property
    def journal_ring(self) -> Path:
        """The newest part of the execution log; stays when the mesh is killed."""
        return self.shared_memory_parent / f"{self.shared_memory.name}.journal"

    @property
    def aeron(self) -> Path:
        """Folder of the media driver."""
        return self.shared_memory / "aeron"

    @property
    def caches(self) -> Path:
        """Folder of the last-value caches."""
        return self.shared_memory / "caches"

    @property
    def counters(self) -> Path:
        """Folder of the counters and histograms."""
        return self.shared_memory / "counters"

    @property
    def doorbells(self) -> Path:
        """File of the words by which processes wake each other."""
        return self.shared_memory / "doorbells"

    @property
    def ports(self) -> Ports:
        """The ports as configuration and environment set them, read anew on each use."""
        table = read_toml(self.config).get("ports", {}) if self.config.exists() else {}
        if not isinstance(table, dict):
            raise ConfigurationError("ports must be a table", field="ports")
        return resolve_ports(table, os.environ)

    def create(self) -> None:
        """Make the folders that a mesh needs, private to the user.

        Not the media driver's: the driver makes it, and takes one that exists for a mistake.
        """
        run_folders = (self.folder, self.epochs, self.logs, self.pids, self.envoy)
        for folder in (*run_folders, self.shared_memory, self.caches, self.counters):
            folder.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
        self._check_ownership()

    def _check_ownership(self) -> None:
        """Refuse a shared-memory folder that somebody else made first, or that others can read."""
        status = self.shared_memory.lstat()
        if self.shared_memory.is_symlink() or status.st_uid != os.getuid():
            raise ConfigurationError(
                f"{self.shared_memory} must be a folder of yours, and belongs to user"
                f" {status.st_uid}; remove it or set {SHARED_MEMORY_VARIABLE}"
            )
        for folder in (self.folder, self.shared_memory):
            folder.chmod(PRIVATE_FOLDER_MODE)
