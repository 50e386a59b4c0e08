"""Other order books on the same tape, each driven natively by a small program."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tradecaptain.wire import common, order_command

from perf.topology.order_flow import ORDER_NUMBER_MASK

SOURCE = Path(__file__).with_name("book_peers.cpp")
PEERS = ("liquibook", "orderly-chaos")
LIMIT, IMMEDIATE, MARKET, CANCEL, REPLACE = range(5)


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise RuntimeError(f"{name} is not installed: run `uv sync`")
    return Path(found.origin).parent


def build_driver(folder: Path) -> Path:
    """Compile the driver; a C++ compiler is the machine's or ziglang's."""
    found = next(filter(None, map(shutil.which, ("g++", "clang++"))), None)
    command = [found] if found else [sys.executable, "-m", "ziglang", "c++"]
    headers = _package("liquibook").parent / "include" / "liquibook"
    target = folder / "book_peers"
    flags = ["-std=c++17", "-O3", "-march=native", f"-I{headers}", "-o", str(target)]
    subprocess.run([*command, *flags, str(SOURCE), "-ldl"], check=True)
    return target


def peer_tape(records: npt.NDArray[np.void]) -> npt.NDArray[np.int64]:
    """Commands as the peers' driver reads them."""
    tape = np.zeros((len(records), 5), np.int64)
    is_new = records["action"] == order_command.COMMAND_ACTION_NEW_ORDER
    is_market = records["order_type"] == common.ORDER_TYPE_MARKET
    is_limit = records["time_in_force"] == common.TIME_IN_FORCE_DAY
    tape[:, 0] = np.select(
        [
            is_new & is_market,
            is_new & is_limit,
            is_new,
            records["action"] == order_command.COMMAND_ACTION_CANCEL_ORDER,
        ],
        [MARKET, LIMIT, IMMEDIATE, CANCEL],
        REPLACE,
    )
    tape[:, 1] = records["side"]
    numbers = np.cumsum(is_new)
    tape[:, 2] = np.where(is_new, numbers, records["order_id"] & ORDER_NUMBER_MASK)
    tape[:, 3] = records["price_units"]
    # Every replace of these flows asks for one lot more.
    tape[:, 4] = np.where(tape[:, 0] == REPLACE, 1, records["quantity_units"])
    return tape


def run_peer(driver: Path, name: str, tape: Path, warm_count: int) -> float:
    """Nanoseconds a command behind the first ``warm_count``."""
    arguments = [str(driver), name, str(tape), str(warm_count)]
    if name == "orderly-chaos":
        arguments.append(str(next(_package("orderly_chaos").glob("lib_orderly_chaos*.so"))))
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    nanoseconds, trades = done.stdout.split()
    if int(trades) == 0:
        raise RuntimeError(f"{name} traded nothing: its driver is wrong")
    return float(nanoseconds)
