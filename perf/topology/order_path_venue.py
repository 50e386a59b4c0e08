"""The venue of the order path benchmark: the orderbook's own agent in a process of its own."""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
import threading

from tradecaptain.base.instruments import Instrument
from tradecaptain.base.reference import default_reference
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.orderbook.agent import Venue
from tradecaptain.orderbook.venue_core import VenueSettings

READY = "ready"
INT64_MAXIMUM = (1 << 63) - 1


def benchmark_instruments(count: int, first_id: int = 1) -> list[Instrument]:
    """Instruments of the default reference data under ids of the benchmark's own."""
    pattern = default_reference().own_venue()[0]
    return [
        dataclasses.replace(
            pattern,
            instrument_id=first_id + index,
            symbol=f"PERF{index}",
            maximum_price_units=10_000_000,
        )
        for index in range(count)
    ]


def main() -> int:
    """Serve until SIGTERM; prints one line when commands are taken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--instruments", type=int, required=True)
    parser.add_argument("--core", type=int)
    parser.add_argument("--idle", default="spin")
    arguments = parser.parse_args()
    paths = RunPaths.from_environment()
    settings = VenueSettings(core=arguments.core, idle=arguments.idle)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    with AeronMesh(aeron_directory=paths.aeron, client_name="perf-orderbook") as mesh:
        venue = Venue(mesh, paths, benchmark_instruments(arguments.instruments), settings)
        venue.start()
        print(READY, flush=True)
        stopped.wait()
        print({"stats": venue.stats()}, file=sys.stderr, flush=True)
        venue.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
