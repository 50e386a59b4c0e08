"""The replayed flow on the mesh: commands out, the venue's reports in, reference prices out."""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import load_acquire_i64
from tradecaptain.kernels.market_data.flow_layout import (
    ACTION_CANCEL_ALL,
    ACTION_EXECUTE,
    ACTION_NEW,
    FLOW_LIVE,
    FLOW_PROBING,
    FLOW_WAITING,
)
from tradecaptain.kernels.market_data.flow_session import (
    REFUSAL_PAUSE_NS,
    flow_note_probe,
    flow_wait,
    flow_wait_all,
)
from tradecaptain.kernels.market_data.replay_flow import flow_note_report, flow_settle
from tradecaptain.mesh.image import image_intact, image_length, image_next, image_release
from tradecaptain.mesh.publication import (
    publication_claim,
    publication_commit,
    publication_stride,
)
from tradecaptain.mesh.status import NOT_CONNECTED
from tradecaptain.wire import common, control, execution_event, order_command, reason

_COMMANDS_A_TURN = 64
_REPORTS_A_TURN = 512
_COMMAND_STRIDE = publication_stride(order_command.RECORD_BYTES)

_EVENT_LAST = 1
_REFERENCE_IS_MID = 4
_REFERENCE_IS_OUTSIDE = 8


@inline
def write_command(header: Any, command: Any, address: int, now_ns: int) -> None:
    """One command of the flow as the venue's record."""
    header["command_sequence"] += 1
    action = command["action"]
    order_command.initialise(address)
    order_command.set_epoch(address, header["epoch"])
    order_command.set_sequence(address, header["command_sequence"])
    order_command.set_account_id(address, header["replay_account_id"])
    order_command.set_firm_id(address, header["replay_firm_id"])
    order_command.set_instrument_id(address, command["instrument_id"])
    order_command.set_capacity(address, common.CAPACITY_PRINCIPAL)
    order_command.set_send_time_ns(address, now_ns)
    order_command.set_client_order_id0(address, command["order_id"])
    order_command.set_tag(address, command["tag"])
    order_command.set_price_units(address, command["price_units"])
    order_command.set_quantity_units(address, command["quantity_units"])
    if action in (ACTION_NEW, ACTION_EXECUTE):
        order_command.set_action(address, order_command.COMMAND_ACTION_NEW_ORDER)
        order_command.set_side(address, command["side"])
        order_command.set_order_type(address, common.ORDER_TYPE_LIMIT)
        if action == ACTION_EXECUTE:
            order_command.set_time_in_force(address, common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL)
        else:
            order_command.set_time_in_force(address, common.TIME_IN_FORCE_DAY)
    elif action == ACTION_CANCEL_ALL:
        order_command.set_action(address, order_command.COMMAND_ACTION_MASS_CANCEL)
    else:
        order_command.set_action(address, order_command.COMMAND_ACTION_CANCEL_ORDER)


@inline
def send_commands(header: Any, pools: Any, publication: Any, now_ns: int) -> int:
    """Send what waits in the ring, as far as there is room; how many commands."""
    rings = pools.rings[0]
    waiting = min(rings["command_tail"] - rings["command_head"], _COMMANDS_A_TURN)
    if waiting == 0:
        return 0
    address = publication_claim(publication, waiting, order_command.RECORD_BYTES)
    if address == NOT_CONNECTED:
        # The venue isn't there: what stood there is gone, and so is what was to be sent.
        flow_wait_all(pools)
        return 0
    if address < 0:
        return 0
    for index in range(waiting):
        command = pools.commands[(rings["command_head"] + index) % rings["command_capacity"]]
        write_command(header, command, address + index * _COMMAND_STRIDE, now_ns)
    publication_commit(publication, waiting)
    rings["command_head"] += waiting
    return waiting


@inline
def flow_of_instrument(pools: Any, instrument_id: int) -> int:
    """Index of the flow into an instrument, or -1."""
    for index in range(pools.rings[0]["flow_count"]):
        if pools.flows[index]["instrument_id"] == instrument_id:
            return index
    return -1


@inline
def refuses_all(why: int) -> bool:
    """Whether an order was refused for what holds for all that follow as well.

    While the log takes no orders each refusal takes room in its ring, which is kept for cancels.
    """
    return why == reason.REASON_LIMIT_UNSET or why == reason.REASON_JOURNAL_UNAVAILABLE


@inline
def log_refuses(header: Any) -> bool:
    """Whether the venue's log takes no new risk now."""
    address = header["refusal_address"]
    return address != 0 and load_acquire_i64(address) != 0


@inline
def hold_flows(pools: Any) -> None:
    """Send nothing while the log takes nothing: what a flow sent would be refused, or, as a
    reference price, be logged, and there is room for cancels alone. All start over then."""
    for index in range(pools.rings[0]["flow_count"]):
        if pools.flows[index]["state"] != FLOW_WAITING:
            flow_wait_all(pools)
            return


@inline
def note_own_report(pools: Any, record: int, now_ns: int) -> None:
    """A report about an order of ours."""
    index = flow_of_instrument(pools, execution_event.get_instrument_id(record))
    if index < 0:
        return
    flow = pools.flows[index]
    kind = execution_event.get_execution_type(record)
    order_id = execution_event.get_client_order_id0(record)
    rejected = kind == execution_event.EXECUTION_TYPE_REJECTED
    if flow["state"] == FLOW_PROBING and order_id == flow["probe_id"] and order_id != 0:
        if rejected or kind == execution_event.EXECUTION_TYPE_ACCEPTED:
            flow_note_probe(pools, flow, not rejected, now_ns)
        return
    if rejected and refuses_all(execution_event.get_reason(record)):
        flow_wait(flow, now_ns + REFUSAL_PAUSE_NS)
        return
    if order_id == 0 or flow["state"] == FLOW_WAITING:
        return
    is_cancel = (
        kind == execution_event.EXECUTION_TYPE_CANCELLED
        or kind == execution_event.EXECUTION_TYPE_REPLACED
        or kind == execution_event.EXECUTION_TYPE_CANCEL_REJECTED
    )
    leaves = execution_event.get_leaves_quantity_units(record)
    if rejected or kind == execution_event.EXECUTION_TYPE_CANCEL_REJECTED:
        leaves = 0
    flow_note_report(pools, flow, order_id, leaves, is_cancel)


@inline
def is_over(record: int) -> bool:
    """Whether the order that a report is about is done."""
    kind = execution_event.get_execution_type(record)
    if kind == execution_event.EXECUTION_TYPE_TRADE:
        return execution_event.get_leaves_quantity_units(record) == 0
    return (
        kind == execution_event.EXECUTION_TYPE_EXPIRED
        or kind == execution_event.EXECUTION_TYPE_REJECTED
        or kind == execution_event.EXECUTION_TYPE_CANCELLED
    )


@inline
def note_report(header: Any, pools: Any, record: int, now_ns: int) -> None:
    """Any report of the venue: a new epoch starts all flows over; ours move quantities."""
    rings = pools.rings[0]
    epoch = execution_event.get_epoch(record)
    if epoch != rings["venue_epoch"]:
        probing = rings["venue_epoch"] == 0
        rings["venue_epoch"] = epoch
        if not probing:
            flow_wait_all(pools)
    if execution_event.get_account_id(record) == header["replay_account_id"]:
        tag = execution_event.get_tag(record)
        if tag != 0 and is_over(record):
            rings["settling_tag"] = tag
        note_own_report(pools, record, now_ns)
    # A command's last report may be about the other side: only after it quantities are known.
    is_last = (execution_event.get_flags(record) & _EVENT_LAST) != 0
    if is_last and rings["settling_tag"] != 0:
        flow_settle(pools, rings["settling_tag"])
        rings["settling_tag"] = 0


@inline
def follow_reports(header: Any, pools: Any, images: Any, scratch: int, now_ns: int) -> int:
    """Read the venue's reports; how many. Reports that were missed start all flows over."""
    count = 0
    generation = 0
    for index in range(len(images)):
        generation += images[index]["generation"]
        while count < _REPORTS_A_TURN:
            payload = image_next(images, index)
            if payload <= 0:
                break
            count += 1
            record = execution_event.normalise(payload, image_length(images, index), scratch)
            if record > 0:
                note_report(header, pools, record, now_ns)
            if image_intact(images, index) == 0:
                generation = -1
                break
        image_release(images, index)
    if generation != header["report_generation"]:
        if header["report_generation"] != 0:
            header["resync_count"] += 1
            flow_wait_all(pools)
        header["report_generation"] = generation
    return count


@inline
def send_reference(header: Any, flow: Any, published: Any, publication: Any, now_ns: int) -> int:
    """Tell the gate the middle of the vendor's market when it moved; 1 if it was sent.

    It is held back to one an interval for each instrument.
    """
    if published["bid_quantity_units"] == 0 or published["ask_quantity_units"] == 0:
        return 0
    middle = (published["bid_price_units"] + published["ask_price_units"]) // 2
    if flow["instrument_id"] == 0 or middle == flow["reference_units"]:
        return 0
    if now_ns - flow["reference_sent_ns"] < header["reference_interval_ns"]:
        return 0
    address = publication_claim(publication, 1, control.RECORD_BYTES)
    if address < 0:
        return 0
    header["control_sequence"] += 1
    control.initialise(address)
    control.set_epoch(address, header["epoch"])
    control.set_sequence(address, header["control_sequence"])
    control.set_action(address, control.CONTROL_ACTION_REFERENCE_PRICE)
    control.set_scope(address, control.CONTROL_SCOPE_INSTRUMENT)
    control.set_instrument_id(address, flow["instrument_id"])
    control.set_value(address, middle)
    control.set_flags(address, _REFERENCE_IS_MID | _REFERENCE_IS_OUTSIDE)
    control.set_send_time_ns(address, now_ns)
    publication_commit(publication, 1)
    flow["reference_units"] = middle
    flow["reference_sent_ns"] = now_ns
    return 1


@inline
def is_live(flow: Any) -> bool:
    """Whether messages become commands."""
    return flow["state"] == FLOW_LIVE and flow["instrument_id"] != 0
