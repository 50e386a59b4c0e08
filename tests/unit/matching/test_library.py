"""The engine as a shared library: what C and Go programs get from it, without Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.matching_driver import EngineDriver
from support.matching_flow import random_commands
from support.venue_driver import (
    ALPHA,
    ALPHA_FIRM,
    BETA,
    BETA_FIRM,
    INSTRUMENT,
    VenueDriver,
    read_records,
)
from tradecaptain.base import native_library
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.jit import JIT_DISABLED
from tradecaptain.base.memory import address_of
from tradecaptain.base.native_library import linker, object_code
from tradecaptain.kernels.matching import InstrumentRules, MatchingCapacity
from tradecaptain.kernels.matching.layout import REPORT
from tradecaptain.kernels.matching.library_build import build_library
from tradecaptain.wire import execution_event, order_command

SOURCES = Path(__file__).parents[2] / "support" / "engine_library"
CAPACITY = MatchingCapacity(
    orders=512, levels=512, instruments=4, instrument_ids=8, account_ids=16, step_limit=4
)
COUNT = 1_500

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="there is no machine code with the JIT off")


@dataclass(frozen=True, slots=True)
class Program:
    """A built library, and a C program beside it."""

    folder: Path

    def run(self, name: str, *arguments: object) -> int:
        """Run a program of the folder; returns the number it prints last."""
        done = subprocess.run(
            [str(self.folder / name), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"LD_LIBRARY_PATH": str(self.folder), "PATH": ""},
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[-1])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("engine")
    built = build_library(folder)
    sources = [str(SOURCES / "replay.c"), "-o", str(folder / "replay")]
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{folder}", f"-L{folder}"]
    command = [*linker(), *flags, *sources, f"-l:{built.library.name}"]
    subprocess.run(command, check=True)
    return Program(folder)


def records(commands: list[dict[str, int]]) -> np.ndarray:
    """Commands as the wire has them."""
    rows = np.zeros(len(commands), order_command.DTYPE)
    for index, fields in enumerate(commands):
        order_command.initialise(address_of(rows) + index * order_command.RECORD_BYTES)
        for name, value in fields.items():
            rows[index][name] = value
    return rows


def kernel_events(rows: np.ndarray) -> tuple[bytes, bytes, EngineDriver]:
    """Bytes of both event streams as the kernels write them."""
    driver = EngineDriver([InstrumentRules(1), InstrumentRules(2)], CAPACITY)
    executions = bytearray()
    books = bytearray()
    for index in range(len(rows)):
        for execution_part, book_part in driver.raw_events(rows[index : index + 1]):
            executions += execution_part
            books += book_part
    return bytes(executions), bytes(books), driver


def test_a_c_program_gets_the_bytes_of_the_kernels(program: Program, tmp_path: Path) -> None:
    rows = records(list(random_commands(11, COUNT)))
    (tmp_path / "commands").write_bytes(rows.tobytes())
    hashed = program.run(
        "replay", tmp_path / "commands", tmp_path / "executions", tmp_path / "books", COUNT // 2
    )
    executions, books, driver = kernel_events(rows)
    assert (tmp_path / "executions").read_bytes() == executions
    assert (tmp_path / "books").read_bytes() == books
    assert hashed == driver.state_hash()
    assert len(executions) > COUNT * execution_event.RECORD_BYTES


def test_the_library_writes_what_the_venue_published(program: Program, tmp_path: Path) -> None:
    venue = VenueDriver(tmp_path, epoch=1)
    venue.open_all()
    sent = []
    for index in range(60):
        fields = {
            "account_id": BETA if index % 3 else ALPHA,
            "firm_id": BETA_FIRM if index % 3 else ALPHA_FIRM,
            "side": 1 + index % 2,
            "price_units": 10_000 + (index * 7) % 5,
            "quantity_units": 1 + index % 9,
            "client_order_id0": 77 + index,
            "send_time_ns": 5 + index,
        }
        venue.order(**fields)
        sent.append(fields)
    venue.crank(20)
    published = np.zeros(512, execution_event.DTYPE)
    count = read_records(
        venue.readers["execution"].images,
        address_of(published),
        execution_event.RECORD_BYTES,
        512,
    )
    published = published[:count]
    stamps = {}
    for event in published:
        stamps.setdefault(int(event["command_sequence"]), int(event["time_ns"]))
    rows = records(
        [
            {"action": 1, "order_type": 1, "time_in_force": 1, "instrument_id": INSTRUMENT}
            | fields
            | {"sequence": sequence, "time_ns": time_ns, "epoch": 1}
            for fields, (sequence, time_ns) in zip(sent, sorted(stamps.items()), strict=True)
        ]
    )
    venue.close()
    driver = EngineDriver(
        [InstrumentRules(INSTRUMENT)],
        MatchingCapacity(orders=256, levels=256, instrument_ids=2_000, account_ids=256),
    )
    written = b"".join(
        part
        for index in range(len(rows))
        for part, _books in driver.raw_events(rows[index : index + 1])
    )
    ours = np.frombuffer(written, execution_event.DTYPE).copy()
    # The two differ in how many events came before: the venue counts from its own start.
    for name in ("sequence", "execution_id", "durability"):
        ours[name] = published[name]
    assert ours.tobytes() == published.tobytes()


def test_a_go_program_drains_compact_reports_beside_the_engine(
    program: Program, tmp_path: Path
) -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go on this machine")
    rows = records(list(random_commands(12, COUNT)))
    (tmp_path / "commands").write_bytes(rows.tobytes())
    flags = {"CGO_CFLAGS": f"-I{program.folder}", "CGO_LDFLAGS": f"-L{program.folder}"}
    subprocess.run(
        [go, "build", "-o", str(program.folder / "replay_go"), str(SOURCES / "replay.go")],
        check=True,
        env=os.environ | flags | {"CGO_ENABLED": "1", "GO111MODULE": "off"},
    )
    hashed = program.run("replay_go", tmp_path / "commands", tmp_path / "reports")
    _executions, _books, driver = kernel_events(rows)
    assert hashed == driver.state_hash()
    reports = np.fromfile(tmp_path / "reports", REPORT)
    events = np.frombuffer(_executions, execution_event.DTYPE)
    taken = events[events["liquidity"] != 1]
    # One report for each event, but one for both sides of a trade.
    assert np.array_equal(reports["sequence"], taken["sequence"])
    assert np.array_equal(reports["execution_type"], taken["execution_type"])
    assert np.array_equal(reports["order_id"], taken["order_id"])
    assert np.array_equal(reports["reason"], taken["reason"])
    trades = reports[reports["execution_type"] == execution_event.EXECUTION_TYPE_TRADE]
    makers = events[events["liquidity"] == 1]
    assert np.array_equal(trades["contra_order_id"], makers["order_id"])
    assert np.array_equal(trades["quantity_units"], makers["last_quantity_units"])
    assert len(trades) > 100


def test_the_library_needs_nothing_of_python(program: Program) -> None:
    library = program.folder / "libtradecaptain_engine.so"
    needed = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True)
    if needed.returncode == 0:
        assert "python" not in needed.stdout
    text = library.read_bytes()
    for name in (b"NRT_", b"PyErr", b"numba_", b"PyObject"):
        assert name not in text


def test_a_function_that_needs_python_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="would need"):
        object_code([_allocates], portable=False)


def _allocates(count: int) -> int:
    return np.zeros(count, np.int64).sum()


def test_without_a_linker_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(native_library.shutil, "which", lambda _name: None)
    monkeypatch.setattr(native_library.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError, match="extra `engine`") as caught:
        build_library(tmp_path / "out")
    assert caught.value.field == "linker"
    assert not (tmp_path / "out").exists()


def test_the_wheels_linker_makes_the_same_library_work(program: Program, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    command = [sys.executable, "-m", "ziglang", "cc"]
    source = tmp_path / "zero.c"
    source.write_text(
        '#include "tradecaptain_engine.h"\nint main(void)'
        "{ return tc_engine_version() != TC_ENGINE_VERSION; }\n"
    )
    target = tmp_path / "zero"
    subprocess.run(
        [
            *command,
            str(source),
            f"-I{program.folder}",
            f"-L{program.folder}",
            "-ltradecaptain_engine",
            "-o",
            str(target),
        ],
        check=True,
        env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(tmp_path / "zig")},
    )
    subprocess.run([str(target)], check=True, env={"LD_LIBRARY_PATH": str(program.folder)})
