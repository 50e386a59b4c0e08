"""The floor of every path through Aeron IPC: a record goes to another core and one comes back.

The client runs on the calling thread, pinned to the first core, the echo on a thread pinned to the
second, the driver in a process of its own wherever the system puts it. Both sides read and write
the logs as the product's agents do, and every byte of a record travels: the client fills its
request, the echo copies it into its reply. Between measurements nothing spins.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.kernel_clock import monotonic_ns_kernel
from tradecaptain.base.memory import (
    address_of,
    aligned_zeros,
    copy_bytes,
    load_acquire_i64,
    load_i64,
    pause,
    store_i64,
    store_release_i64,
    zero_bytes,
)
from tradecaptain.base.records import records_at
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.closing import Closing
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.layout import IMAGE, PUBLICATION
from tradecaptain.mesh.publication import (
    publication_claim,
    publication_commit,
    publication_stride,
)
from tradecaptain.mesh.waiting import wait_until

from perf.support.driver_process import media_driver
from perf.support.machine import core_pair, pinned_to
from perf.support.measurement import Measurement, median_of, warn_if_slow
from perf.support.result import Result

PLACEMENT = "client on core 0, echo on core 1, media driver in a process of its own, not pinned"
TERM_BYTES = 16 * 1024 * 1024
REQUEST_STREAM = 9001
REPLY_STREAM = 9002
BATCH_MAX = 64
OPEN_LOOP_RATE = 100_000
_WAIT_NS = 5_000_000_000
_STALL_NS = 20_000_000_000
_SPIN_MASK = 0xFFFF
_SECOND_NS = 1_000_000_000
_I64 = types.int64

STALLED = -1001
OUT_OF_ORDER = -1002


@kernel(_I64(_I64, _I64, _I64, _I64, _I64))
def echo_until(
    stop_address: int,
    images_address: int,
    publication_address: int,
    request_bytes: int,
    reply_bytes: int,
) -> int:
    """Answer each request with a record that carries all of it; how many.

    The reply's length is its own: what is longer than the request is filled with zeros.
    """
    carried_bytes = min(request_bytes, reply_bytes)
    images = records_at(images_address, 1, IMAGE)
    publication = records_at(publication_address, 1, PUBLICATION)
    stride = publication_stride(reply_bytes)
    answered = 0
    while load_acquire_i64(stop_address) == 0:
        target = publication_claim(publication, BATCH_MAX, reply_bytes)
        if target < 0:
            pause()
            continue
        count = 0
        while count < BATCH_MAX:
            request = image_next(images, 0)
            if request == 0:
                break
            reply = target + count * stride
            copy_bytes(reply, request, carried_bytes)
            zero_bytes(reply + carried_bytes, reply_bytes - carried_bytes)
            count += 1
        if count > 0:
            publication_commit(publication, count)
            image_release(images, 0)
            answered += count
    return answered


@inline
def send(publication: Any, index: int, time_ns: int, record_bytes: int) -> int:
    """Publish one request; negative when there is no room."""
    target = publication_claim(publication, 1, record_bytes)
    if target < 0:
        return target
    store_i64(target, index)
    store_i64(target + 8, time_ns)
    zero_bytes(target + 16, record_bytes - 16)
    return publication_commit(publication, 1)


@inline
def receive(images: Any, expected: int, total: int, latencies: int) -> int:
    """Take all replies there are, check their order, note their latencies; the next index."""
    now_ns = 0
    while expected < total:
        reply = image_next(images, 0)
        if reply == 0:
            break
        if load_i64(reply) != expected:
            return OUT_OF_ORDER
        if now_ns == 0:
            now_ns = monotonic_ns_kernel()
        store_i64(latencies + 8 * expected, now_ns - load_i64(reply + 8))
        expected += 1
    if now_ns != 0:
        image_release(images, 0)
    return expected


@kernel(_I64(_I64, _I64, _I64, _I64, _I64, _I64))
def closed_loop(
    publication_address: int,
    images_address: int,
    latencies: int,
    total: int,
    in_flight: int,
    record_bytes: int,
) -> int:
    """Keep ``in_flight`` requests on the way; nanoseconds for all, or a negative reason."""
    images = records_at(images_address, 1, IMAGE)
    publication = records_at(publication_address, 1, PUBLICATION)
    sent = received = spins = seen = 0
    start_ns = progress_ns = monotonic_ns_kernel()
    while received < total:
        if sent < total and sent - received < in_flight:
            now_ns = monotonic_ns_kernel()
            while sent < total and sent - received < in_flight:
                if send(publication, sent, now_ns, record_bytes) < 0:
                    break
                sent += 1
        before = received
        received = receive(images, received, total, latencies)
        if received < 0:
            return received
        if received == before:
            pause()
            spins += 1
            if spins & _SPIN_MASK == 0:
                now_ns = monotonic_ns_kernel()
                if received != seen:
                    seen = received
                    progress_ns = now_ns
                elif now_ns - progress_ns > _STALL_NS:
                    return STALLED
    return monotonic_ns_kernel() - start_ns


@kernel(_I64(_I64, _I64, _I64, _I64, _I64, _I64))
def open_loop(
    publication_address: int,
    images_address: int,
    latencies: int,
    total: int,
    interval_ns: int,
    record_bytes: int,
) -> int:
    """Send on a schedule whatever comes back; latencies count from the scheduled time."""
    images = records_at(images_address, 1, IMAGE)
    publication = records_at(publication_address, 1, PUBLICATION)
    sent = received = 0
    start_ns = monotonic_ns_kernel()
    while received < total:
        now_ns = monotonic_ns_kernel()
        while sent < total and start_ns + sent * interval_ns <= now_ns:
            if send(publication, sent, start_ns + sent * interval_ns, record_bytes) < 0:
                break
            sent += 1
        received = receive(images, received, total, latencies)
        if received < 0:
            return received
        if now_ns - start_ns > total * interval_ns + _STALL_NS:
            return STALLED
    return monotonic_ns_kernel() - start_ns


class EchoRig(Closing):
    """A client and an echo on two streams of one driver."""

    def __init__(self, mesh: AeronMesh, request_bytes: int, reply_bytes: int) -> None:
        self.request_bytes = request_bytes
        self.reply_bytes = reply_bytes
        self._requests = mesh.add_publication(REQUEST_STREAM, term_bytes=TERM_BYTES)
        self._taken = mesh.add_subscription(REQUEST_STREAM, tether=True, image_capacity=1)
        self._replies = mesh.add_publication(REPLY_STREAM, term_bytes=TERM_BYTES)
        self._returned = mesh.add_subscription(REPLY_STREAM, tether=True, image_capacity=1)
        self._stop = aligned_zeros(1, np.int64)
        self._client_core, self._echo_core = core_pair()
        if not wait_until(self._connected, _WAIT_NS):
            raise RuntimeError("the echo's streams did not connect")

    def _connected(self) -> bool:
        self._taken.refresh()
        self._returned.refresh()
        return (
            self._taken.image_count == self._returned.image_count == 1
            and self._requests.is_connected
            and self._replies.is_connected
        )

    def closed_loop(self, count: int, *, in_flight: int = 1) -> Measurement:
        """Round trips with a number of requests on the way."""
        return self._measure(closed_loop, count, in_flight, None)

    def open_loop(self, count: int, rate: float = OPEN_LOOP_RATE) -> Measurement:
        """Round trips at a fixed rate; a late send counts from when it was due."""
        return self._measure(open_loop, count, int(_SECOND_NS / rate), rate)

    def _measure(
        self, loop: Any, count: int, parameter: int, target_rate: float | None
    ) -> Measurement:
        self._stop[0] = 0
        echo = threading.Thread(target=self._echo)
        echo.start()
        try:
            with pinned_to(self._client_core):
                warm_up = np.zeros(max(count // 10, 100), np.int64)
                self._run(closed_loop, warm_up, 1)
                # Written once, so that no page of it is made during the measurement.
                latencies = np.full(count, -1, np.int64)
                elapsed_ns = self._run(loop, latencies, parameter)
        finally:
            store_release_i64(address_of(self._stop), 1)
            echo.join()
        return Measurement(latencies, elapsed_ns / _SECOND_NS, target_rate)

    def _run(self, loop: Any, latencies: Any, parameter: int) -> int:
        elapsed_ns = int(
            loop(
                address_of(self._requests.state),
                address_of(self._returned.images),
                address_of(latencies),
                len(latencies),
                parameter,
                self.request_bytes,
            )
        )
        if elapsed_ns < 0:
            reason = {STALLED: "stalled", OUT_OF_ORDER: "got replies out of order"}
            raise RuntimeError(f"the echo {reason.get(elapsed_ns, elapsed_ns)}")
        return elapsed_ns

    def _echo(self) -> None:
        with pinned_to(self._echo_core):
            echo_until(
                address_of(self._stop),
                address_of(self._taken.images),
                address_of(self._replies.state),
                self.request_bytes,
                self.reply_bytes,
            )

    def close(self) -> None:
        """Close the four ends."""
        for end in (self._requests, self._taken, self._replies, self._returned):
            end.close()


def run(smoke: bool) -> list[Result]:
    """The echo by itself, in the three ways in which ``order_path`` uses it."""
    repeats, seconds = (1, 0.2) if smoke else (9, 1.0)
    with (
        media_driver() as directory,
        AeronMesh(directory, "echo", prefault=True) as mesh,
        EchoRig(mesh, 256, 256) as rig,
    ):
        steady = [rig.open_loop(int(OPEN_LOOP_RATE * seconds)) for _ in range(repeats)]
        single = [rig.closed_loop(int(500_000 * seconds)) for _ in range(repeats)]
        many = [rig.closed_loop(int(3_000_000 * seconds), in_flight=64) for _ in range(repeats)]
    warn_if_slow("echo", steady)
    results = [
        Result(f"echo.{name}_ns", median_of(runs, lambda item, p=p: item.percentile_ns(p)), "ns")  # type: ignore[misc]
        for name, runs, p in (
            ("p50", steady, 50), ("p99", steady, 99), ("p999", steady, 99.9),
            ("p50_idle", single, 50), ("p99_idle", single, 99),
        )
    ]  # fmt: skip
    rate = median_of(many, lambda item: item.rate)
    return [*results, Result("echo.round_trips_per_second", rate, "1/s")]
