"""The client of the order path: sends a tape on schedule or with a window, and checks the answers.

Every command is answered by at least one event that echoes its send time; the first one ends its
round trip. Commands of one writer are answered in order, so the n-th answered is the n-th sent.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.kernel_clock import monotonic_ns_kernel
from tradecaptain.base.memory import copy_bytes, load_i64, pause, store_i64
from tradecaptain.base.records import records_at
from tradecaptain.mesh.doorbell import doorbell_ring
from tradecaptain.mesh.image import image_next, image_release
from tradecaptain.mesh.layout import IMAGE, PUBLICATION
from tradecaptain.mesh.publication import publication_claim, publication_commit
from tradecaptain.wire import execution_event, order_command

CLIENT: Final = np.dtype(
    [
        # Where things lie: the tape, the streams, the venue's bell, and one word a command for its
        # times.
        ("tape", "<i8"),
        ("orders", "<i8"),
        ("executions", "<i8"),
        ("books", "<i8"),
        ("bell", "<i8"),
        ("send_times", "<i8"),
        ("latencies", "<i8"),
        # What one run is to do.
        ("next_index", "<i8"),
        ("order_id_offset", "<i8"),
        ("target", "<i8"),
        ("in_flight", "<i8"),
        ("interval_ns", "<i8"),
        # What it has done.
        ("sent", "<i8"),
        ("answered", "<i8"),
        ("events", "<i8"),
        ("volume_units", "<i8"),
        ("is_finished", "<i8"),
        ("mismatches", "<i8"),
        ("gaps", "<i8"),
        ("last_sequence", "<i8"),
        ("last_command_sequence", "<i8"),
    ],
    align=True,
)
"""State of the client."""

POLL_MAX = 64
STALL_NS = 5_000_000_000
STALLED = -1


@inline
def send_next(client: Any, orders: Any, send_time_ns: int) -> bool:
    """Send the tape's next command; False when the log has no room now."""
    address = publication_claim(orders, 1, order_command.RECORD_BYTES)
    if address < 0:
        return False
    record = client[0]["tape"] + client[0]["next_index"] * order_command.RECORD_BYTES
    copy_bytes(address, record, order_command.RECORD_BYTES)
    order_id = order_command.get_order_id(record)
    if order_id != 0:
        order_command.set_order_id(address, order_id + client[0]["order_id_offset"])
    order_command.set_send_time_ns(address, send_time_ns)
    publication_commit(orders, 1)
    doorbell_ring(client[0]["bell"])
    store_i64(client[0]["send_times"] + 8 * client[0]["sent"], send_time_ns)
    client[0]["sent"] += 1
    client[0]["next_index"] += 1
    return True


@inline
def take_event(client: Any, event: int, now_ns: int) -> None:
    """Follow one execution event."""
    sequence = execution_event.get_sequence(event)
    if client[0]["last_sequence"] != 0 and sequence != client[0]["last_sequence"] + 1:
        client[0]["gaps"] += 1
    client[0]["last_sequence"] = sequence
    client[0]["events"] += 1
    client[0]["volume_units"] += execution_event.get_last_quantity_units(event)
    client[0]["is_finished"] = execution_event.get_flags(event) & 1
    send_time_ns = execution_event.get_send_time_ns(event)
    command_sequence = execution_event.get_command_sequence(event)
    if send_time_ns == 0 or command_sequence == client[0]["last_command_sequence"]:
        return
    client[0]["last_command_sequence"] = command_sequence
    index = client[0]["answered"]
    if load_i64(client[0]["send_times"] + 8 * index) != send_time_ns:
        client[0]["mismatches"] += 1
    store_i64(client[0]["latencies"] + 8 * index, now_ns - send_time_ns)
    client[0]["answered"] += 1


@inline
def poll_events(client: Any, executions: Any, books: Any) -> int:
    """Take the execution events that are there, else look at some book events; how many."""
    count = 0
    now_ns = 0
    while count < POLL_MAX:
        event = image_next(executions, 0)
        if event == 0:
            break
        if count == 0:
            now_ns = monotonic_ns_kernel()
        take_event(client, event, now_ns)
        count += 1
    if count > 0:
        image_release(executions, 0)
        return count
    seen = 0
    while seen < POLL_MAX and image_next(books, 0) != 0:
        seen += 1
    if seen > 0:
        image_release(books, 0)
    return 0


@inline
def send_due(client: Any, orders: Any, start_ns: int) -> None:
    """Send what is due by the schedule, or what the window leaves room for."""
    sent = client[0]["sent"]
    target = client[0]["target"]
    interval_ns = client[0]["interval_ns"]
    if interval_ns > 0:
        due_ns = start_ns + sent * interval_ns
        if sent < target and due_ns <= monotonic_ns_kernel():
            send_next(client, orders, due_ns)
    elif sent < target and sent - client[0]["answered"] < client[0]["in_flight"]:
        now_ns = monotonic_ns_kernel()
        while client[0]["sent"] < target and (
            client[0]["sent"] - client[0]["answered"] < client[0]["in_flight"]
        ):
            if not send_next(client, orders, now_ns):
                break


@kernel(types.int64(types.int64))
def run_client(address: int) -> int:
    """Send ``target`` commands and wait for the last event of the last one.

    With an interval, command n is due n intervals after the start whatever the answers do, and its
    round trip counts from when it was due. Without one, ``in_flight`` commands are kept on the way.
    Returns nanoseconds for all, or STALLED.
    """
    client = records_at(address, 1, CLIENT)
    orders = records_at(client[0]["orders"], 1, PUBLICATION)
    executions = records_at(client[0]["executions"], 1, IMAGE)
    books = records_at(client[0]["books"], 1, IMAGE)
    start_ns = monotonic_ns_kernel()
    progress_ns = start_ns
    idle_turns = 0
    target = client[0]["target"]
    while client[0]["answered"] < target or client[0]["is_finished"] == 0:
        send_due(client, orders, start_ns)
        if poll_events(client, executions, books) > 0:
            idle_turns = 0
            continue
        pause()
        idle_turns += 1
        if idle_turns & 0xFFFF == 1:
            now_ns = monotonic_ns_kernel()
            if idle_turns == 1:
                progress_ns = now_ns
            elif now_ns - progress_ns > STALL_NS:
                return STALLED
    return monotonic_ns_kernel() - start_ns


@kernel(types.int64(types.int64))
def drain_client(address: int) -> int:
    """Take and throw away the events that are there; how many execution events."""
    client = records_at(address, 1, CLIENT)
    executions = records_at(client[0]["executions"], 1, IMAGE)
    books = records_at(client[0]["books"], 1, IMAGE)
    count = 0
    event = image_next(executions, 0)
    while event != 0:
        client[0]["last_sequence"] = execution_event.get_sequence(event)
        count += 1
        event = image_next(executions, 0)
    image_release(executions, 0)
    while image_next(books, 0) != 0:
        pass
    image_release(books, 0)
    return count
