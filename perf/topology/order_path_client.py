"""The client of the order path: sends a tape in open loop or with a window, and checks each answer.

Every command is answered by at least one event that echoes its send time; the first one ends its
round trip. Commands of one writer are answered in order, so the n-th answered is the n-th sent.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.kernel_clock import monotonic_ns_kernel
from tradecaptain.base.memory import copy_bytes
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.layout import IMAGE_TYPE, PUBLICATION_TYPE
from tradecaptain.mesh.publication import publication_claim, publication_commit
from tradecaptain.wire import execution_event, order_command

CLIENT: Final = np.dtype(
    [
        ("tape_address", "<i8"),
        ("next_index", "<i8"),
        ("order_id_offset", "<i8"),
        # What one run is to do.
        ("target", "<i8"),
        ("window", "<i8"),
        ("interval_ns", "<i8"),
        ("deadline_ns", "<i8"),
        # What it has done.
        ("sent", "<i8"),
        ("answered", "<i8"),
        ("events", "<i8"),
        ("volume_units", "<i8"),
        ("other_events", "<i8"),
        ("last_command_sequence", "<i8"),
        ("last_event_is_last", "<i8"),
        ("mismatches", "<i8"),
        ("gaps", "<i8"),
        ("last_sequence", "<i8"),
        ("late_sends", "<i8"),
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
    ],
    align=True,
)
"""State of the client; counts start anew with each run."""
CLIENT_TYPE: Final[Any] = numba.from_dtype(CLIENT)[::1]
_I64_ARRAY = types.int64[::1]

LATE_NS = 1_000_000
"""A command that leaves later than this behind its schedule means that the rate wasn't held."""


@inline
def send_next(client: Any, publication: Any, send_times: Any, send_time_ns: int) -> bool:
    """Send the tape's next command; False when the log has no room now."""
    address = publication_claim(publication, 1, order_command.RECORD_BYTES)
    if address < 0:
        return False
    record = client[0]["tape_address"] + client[0]["next_index"] * order_command.RECORD_BYTES
    copy_bytes(address, record, order_command.RECORD_BYTES)
    order_id = order_command.get_order_id(record)
    if order_id != 0:
        order_command.set_order_id(address, order_id + client[0]["order_id_offset"])
    order_command.set_send_time_ns(address, send_time_ns)
    publication_commit(publication, 1)
    send_times[client[0]["sent"]] = send_time_ns
    client[0]["sent"] += 1
    client[0]["next_index"] += 1
    return True


@inline
def take_event(client: Any, event: int, send_times: Any, latencies: Any) -> None:
    """Follow one execution event."""
    sequence = execution_event.get_sequence(event)
    if client[0]["last_sequence"] != 0 and sequence != client[0]["last_sequence"] + 1:
        client[0]["gaps"] += 1
    client[0]["last_sequence"] = sequence
    client[0]["events"] += 1
    client[0]["volume_units"] += execution_event.get_last_quantity_units(event)
    client[0]["last_event_is_last"] = execution_event.get_flags(event) & 1
    send_time_ns = execution_event.get_send_time_ns(event)
    command_sequence = execution_event.get_command_sequence(event)
    if send_time_ns == 0 or command_sequence == client[0]["last_command_sequence"]:
        return
    client[0]["last_command_sequence"] = command_sequence
    index = client[0]["answered"]
    if index >= client[0]["sent"] or send_times[index] != send_time_ns:
        client[0]["mismatches"] += 1
        return
    latencies[index] = monotonic_ns_kernel() - send_time_ns
    client[0]["answered"] += 1


@inline
def poll_events(client: Any, images: Any, send_times: Any, latencies: Any) -> None:
    """Take all events that are there."""
    for index in range(images.shape[0]):
        count = 0
        while count < 64:
            event = image_next(images, index)
            if event == 0:
                break
            take_event(client, event, send_times, latencies)
            count += 1
        if count > 0:
            image_release(images, index)


@kernel(types.int64(CLIENT_TYPE, PUBLICATION_TYPE, IMAGE_TYPE, _I64_ARRAY, _I64_ARRAY))
def run_client(client: Any, publication: Any, images: Any, send_times: Any, latencies: Any) -> int:
    """Send ``target`` commands and wait for the last event of the last one.

    With an interval, command n is due n intervals after the start whatever the answers do, and its
    round trip counts from when it was due. Without one, ``window`` commands are kept in flight.
    Returns 0, or -1 when the deadline passed.
    """
    start_ns = monotonic_ns_kernel()
    client[0]["start_ns"] = start_ns
    interval_ns = client[0]["interval_ns"]
    target = client[0]["target"]
    while client[0]["answered"] < target or client[0]["last_event_is_last"] == 0:
        now_ns = monotonic_ns_kernel()
        if now_ns - start_ns > client[0]["deadline_ns"]:
            return -1
        sent = client[0]["sent"]
        if sent < target:
            if interval_ns > 0:
                due_ns = start_ns + sent * interval_ns
                if due_ns <= now_ns:
                    if now_ns - due_ns > LATE_NS:
                        client[0]["late_sends"] += 1
                    send_next(client, publication, send_times, due_ns)
            elif sent - client[0]["answered"] < client[0]["window"]:
                send_next(client, publication, send_times, now_ns)
        poll_events(client, images, send_times, latencies)
    client[0]["end_ns"] = monotonic_ns_kernel()
    return 0
