"""Round trips through real Aeron IPC: our direct access to the logs against Aeron's C API.

Both run in the same process on the same driver, each on streams of its own, one pair after the
other: client on the first core, echo on the second. The peer is compiled by the same compiler and
calls ``aeron_exclusive_publication_try_claim`` and ``aeron_image_poll``.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from tradecaptain.base.memory import address_of, aligned_zeros, store_release_i64
from tradecaptain.mesh.aeron_client import AeronClient
from tradecaptain.mesh.client import AeronMesh

from perf.support.bare_aeron import (
    BareEnd,
    answer,
    bare_echo_until,
    bare_ping_pong,
    note,
)
from perf.support.driver_process import media_driver
from perf.support.machine import core_pair, pinned_to
from perf.support.measurement import (
    Measurement,
    interleaved_pairs,
    median_of,
    median_ratio,
)
from perf.support.result import Result
from perf.topology.echo import PLACEMENT, TERM_BYTES, EchoRig

__all__ = ["PLACEMENT", "run"]

RECORD_BYTES = 64
PEER = "Aeron C API"
_REQUEST_STREAM = 9011
_REPLY_STREAM = 9012
_SECOND_NS = 1_000_000_000
_GOAL_RATIO = 1.1


class BareRig:
    """Two ends of bare Aeron that play ping-pong."""

    def __init__(self, client: AeronClient) -> None:
        options = {"channel": "aeron:ipc", "term_bytes": TERM_BYTES, "record_bytes": RECORD_BYTES}
        self._client_end = BareEnd(client, _REQUEST_STREAM, _REPLY_STREAM, **options)  # type: ignore[arg-type]
        self._echo_end = BareEnd(client, _REPLY_STREAM, _REQUEST_STREAM, **options)  # type: ignore[arg-type]
        self._client_end.wait_for_image()
        self._echo_end.wait_for_image()
        self._stop = aligned_zeros(1, np.int64)
        self._client_core, self._echo_core = core_pair()

    def ping_pong(self, count: int) -> Measurement:
        """Round trips one after the other."""
        self._stop[0] = 0
        echo = threading.Thread(target=self._echo)
        echo.start()
        try:
            with pinned_to(self._client_core):
                self._run(np.zeros(max(count // 10, 100), np.int64))
                latencies = np.zeros(count, np.int64)
                elapsed_ns = self._run(latencies)
        finally:
            store_release_i64(address_of(self._stop), 1)
            echo.join()
        return Measurement(latencies, elapsed_ns / _SECOND_NS)

    def _run(self, latencies: np.ndarray) -> int:
        end = self._client_end
        elapsed_ns = int(bare_ping_pong(end.image, note.address, end.context, latencies))
        if elapsed_ns < 0:
            raise RuntimeError(f"bare Aeron answered wrongly ({elapsed_ns})")
        return elapsed_ns

    def _echo(self) -> None:
        end = self._echo_end
        with pinned_to(self._echo_core):
            bare_echo_until(address_of(self._stop), end.image, answer.address, end.context)


def _measure(directory: Path, smoke: bool) -> list[Result]:
    count = 20_000 if smoke else 1_000_000
    with (
        AeronMesh(directory, "ping-pong", prefault=True) as mesh,
        EchoRig(mesh, RECORD_BYTES, RECORD_BYTES) as ours,
    ):
        peer = BareRig(mesh.client)
        pairs = interleaved_pairs(
            lambda: ours.closed_loop(count), lambda: peer.ping_pong(count), smoke=smoke
        )
    results = []
    for name, percent in (("p50", 50.0), ("p99", 99.0), ("p999", 99.9)):

        def figure(item: Measurement, percent: float = percent) -> float:
            return item.percentile_ns(percent)

        own = median_of([pair.ours for pair in pairs], figure)
        other = median_of([pair.peer for pair in pairs], figure)
        ratio = median_ratio(pairs, figure)
        results.append(
            Result(f"ping_pong.{name}_ns", own, "ns", peer=PEER, peer_value=other, ratio=ratio)
        )
        if name != "p999":
            results.append(
                Result(
                    f"ping_pong.{name}_ratio", ratio, "ratio", _GOAL_RATIO,
                    peer=PEER, peer_value=other, ratio=ratio,
                )
            )  # fmt: skip
    return results


def run(smoke: bool) -> list[Result]:
    """Compare percentiles of round trips, medians of nine interleaved pairs."""
    with media_driver() as directory:
        return _measure(directory, smoke)
