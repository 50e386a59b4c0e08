"""The sequencer: the one writer of the book's input.

It takes records from the control, order and replay streams, stamps them, holds new risk against the
gate, lets matching act, and publishes what came of it. Controls go first, so that a kill overtakes
orders. A record is taken only when there is room for the events of a whole bounded step; what needs
more than one step is finished before anything else is sequenced.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.kernel_clock import monotonic_ns_kernel
from tradecaptain.base.memory import copy_bytes, load_acquire_i64, load_i16, load_i32, load_i64
from tradecaptain.base.records import records_at
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.checks import check_new, check_replace, find_target
from tradecaptain.kernels.matching.control import submit_mass_cancel
from tradecaptain.kernels.matching.entry import (
    accept_new,
    accept_replace,
    begin_order_command,
    cancel_order,
    refuse,
    refuse_target,
)
from tradecaptain.kernels.matching.layout import DONE, PHASE_IDLE
from tradecaptain.kernels.matching.lookahead import ask_closer, ask_for_command
from tradecaptain.kernels.matching.plain import submit_plain
from tradecaptain.kernels.matching.plain_rules import NOT_PLAIN, further_terms
from tradecaptain.kernels.matching.tables import order_at
from tradecaptain.kernels.risk_gate import (
    gate_look_ahead,
    gate_look_closer,
    gate_reject_flags,
    gate_reject_level,
    gate_reject_limit_value,
    gate_reject_observed_value,
    gate_release,
)
from tradecaptain.mesh.history import history_publish
from tradecaptain.mesh.image import image_length, image_next, image_peek, image_release
from tradecaptain.mesh.layout import (
    FRAME_ALIGNMENT,
    FRAME_HEADER_LENGTH,
    IMAGE,
    PUBLICATION,
)
from tradecaptain.mesh.publication import publication_prefetch, publication_stride
from tradecaptain.orderbook import judged_form
from tradecaptain.orderbook.controls import (
    STAGE_NONE,
    advance_control,
    announce_epoch,
    begin_control,
    stamp,
)
from tradecaptain.orderbook.events import (
    claim_step,
    close_claim,
    end_turn,
    finish_steps,
    settle_step,
)
from tradecaptain.orderbook.journaling import journal_command, look_at_journal, room_for_control
from tradecaptain.orderbook.judged_form import may_enter, may_replace, note_cancel
from tradecaptain.orderbook.sequencer_state import LARGEST_RECORD_BYTES
from tradecaptain.wire import book_event, control, execution_event, order_command, reason
from tradecaptain.wire.status import OUT_OF_BOUNDS

ORDER_BATCH = 64
EXECUTION_BYTES_AHEAD = 2 * publication_stride(execution_event.RECORD_BYTES)
BOOK_BYTES_AHEAD = 2 * publication_stride(book_event.RECORD_BYTES)
"""Log that a turn asks for ahead: what most commands write."""
CONTROL_BATCH = 16
IMAGE_BYTES = IMAGE.itemsize
TIMING_INTERVAL = 16
COPIED_FIRST_BYTES = 64
LENGTH_MASK = 0xFFFFFFFF
LARGEST_LENGTH = 0x7FFFFFFF


@inline
def refuse_by_risk(header: Any, engine: int, command: int, why: int) -> int:
    """Answer a command that the gate refused, with the limit that tripped."""
    gate = header[0]["gate"]
    event = refuse(engine, command, why)
    execution_event.set_limit_value(event, gate_reject_limit_value(gate))
    execution_event.set_observed_value(event, gate_reject_observed_value(gate))
    execution_event.set_limit_level(event, gate_reject_level(gate))
    execution_event.set_flags(event, execution_event.get_flags(event) | gate_reject_flags(gate))
    header[0]["refused_by_risk"] += 1
    return DONE


@inline
def sequence_new(header: Any, engine: int, command: int) -> int:
    """A new order: the venue's rules, then the gate, then the book."""
    refusal = header[0]["journal_refusal"]
    if refusal == 0:
        refusal = check_new(engine, command)
    if refusal != 0:
        header[0]["refused_by_rules"] += 1
        refuse(engine, command, refusal)
        return DONE
    refusal = may_enter(engine, command)
    if refusal != 0:
        return refuse_by_risk(header, engine, command, refusal)
    return accept_new(engine, command)


@inline
def sequence_replace(header: Any, engine: int, command: int, slot: int) -> int:
    """A replace: the venue's rules, then the gate on the difference, then the book."""
    refusal = header[0]["journal_refusal"]
    if refusal == 0:
        refusal = check_replace(engine, command, slot)
    if refusal != 0:
        header[0]["refused_by_rules"] += 1
        refuse(engine, command, refusal)
        return DONE
    refusal = may_replace(engine, command, order_at(engine, slot))
    if refusal != 0:
        return refuse_by_risk(header, engine, command, refusal)
    return accept_replace(engine, command, slot)


@inline
def sequence_cancel(header: Any, engine: int, command: int, slot: int) -> int:
    """A cancel; what a partial one takes off is released here, a whole one by its event."""
    order = order_at(engine, slot)
    quantity_units = order_command.get_quantity_units(command)
    leaves_units = load_i64(order + at.ORDER_LEAVES_UNITS)
    if 0 < quantity_units < leaves_units:
        result = gate_release(
            header[0]["gate"],
            load_i32(order + at.ORDER_ACCOUNT_ID) + 0,
            order_command.get_instrument_id(command),
            load_i16(order + at.ORDER_SIDE) + 0,
            quantity_units,
            0,
        )
        if result < 0:
            header[0]["accounting_errors"] += 1
    return cancel_order(engine, command, slot)


@inline
def sequence_command(header: Any, command: int) -> int:
    """Carry out the first step of a stamped order command: DONE or MORE."""
    engine = header[0]["engine"]
    if header[0]["journal_refusal"] != 0:
        return sequence_special(header, engine, command)
    answer = submit_plain(judged_form, engine, command, further_terms(command))
    if answer > NOT_PLAIN:
        return answer
    if answer == NOT_PLAIN:
        return sequence_special(header, engine, command)
    begin_order_command(engine, command)
    return refuse_by_risk(header, engine, command, NOT_PLAIN - answer)


@inline
def sequence_special(header: Any, engine: int, command: int) -> int:
    """`sequence_command` of what isn't plain, or may not be taken because of the log."""
    action = order_command.get_action(command)
    if action == order_command.COMMAND_ACTION_MASS_CANCEL:
        return submit_mass_cancel(engine, command)
    begin_order_command(engine, command)
    if action == order_command.COMMAND_ACTION_NEW_ORDER:
        return sequence_new(header, engine, command)
    is_cancel = action == order_command.COMMAND_ACTION_CANCEL_ORDER
    if not is_cancel and action != order_command.COMMAND_ACTION_REPLACE_ORDER:
        header[0]["refused_by_rules"] += 1
        refuse(engine, command, reason.REASON_INVALID_REQUEST)
        return DONE
    slot = find_target(engine, command)
    if slot == 0:
        header[0]["refused_by_rules"] += 1
        return refuse_target(engine, command)
    if is_cancel:
        note_cancel(engine, command)
        return sequence_cancel(header, engine, command, slot)
    return sequence_replace(header, engine, command, slot)


@inline
def copy_raw(header: Any, address: int, length: int) -> None:
    """Copy a record as its writer left it to where it is checked.

    The copy of an order command needs no call, as its length is known. It is made in two pieces,
    since LLVM takes two copies that differ only by what is known of their length for one.
    """
    target = header[0]["raw_record"]
    if length == order_command.RECORD_BYTES:
        copy_bytes(target, address, COPIED_FIRST_BYTES)
        behind = target + COPIED_FIRST_BYTES
        left_bytes = order_command.RECORD_BYTES - COPIED_FIRST_BYTES
        copy_bytes(behind, address + COPIED_FIRST_BYTES, left_bytes)
    else:
        copy_bytes(target, address, length)


@inline
def take_copy(header: Any, images: Any, index: int, address: int) -> int:
    """Copy a record out of its writer's log; its length, or a negative status.

    Checks are made on the copy, since a writer could change what it has published.
    """
    length = image_length(images, index)
    if length > LARGEST_RECORD_BYTES:
        return OUT_OF_BOUNDS
    copy_raw(header, address, length)
    return length


@inline
def record_behind(images: Any, index: int, record: int) -> int:
    """Address of the payload behind another in the same term, to warm caches for it; 0 if none."""
    length = load_acquire_i64(record - FRAME_HEADER_LENGTH) & LENGTH_MASK
    frame = record - FRAME_HEADER_LENGTH + ((length + FRAME_ALIGNMENT - 1) & -FRAME_ALIGNMENT)
    if frame >= images[index]["term_address"] + images[index]["term_length"]:
        return 0
    length = load_acquire_i64(frame) & LENGTH_MASK
    return 0 if length == 0 or length > LARGEST_LENGTH else frame + FRAME_HEADER_LENGTH


@inline
def ask_ahead(header: Any, command: int) -> None:
    """Ask for what gate and book will read for a command that comes behind the next one."""
    gate_look_ahead(header[0]["gate"], command)
    ask_for_command(header[0]["engine"], command)


@inline
def ask_near(header: Any, command: int) -> None:
    """Ask for what they will read for the next command, now that more of it is known."""
    gate_look_closer(header[0]["gate"], command)
    ask_closer(header[0]["engine"], command)


@inline
def look_ahead(header: Any, images: Any, index: int, address: int) -> bool:
    """Ask for what gate and book will read; no record of it is checked yet.

    In a batch each command is looked at when it is the second behind the one that is taken, and
    once more when it is the next. One that comes alone is looked at as it is taken: that is
    answered True, and it wants a closer look once the answer to the first may be there.
    """
    following = image_peek(images, index)
    if following == 0:
        gate_look_ahead(header[0]["gate"], address)
        return True
    behind = record_behind(images, index, following)
    ask_ahead(header, following if behind == 0 else behind)
    ask_near(header, following)
    return False


@inline
def take_command(header: Any, images: Any, index: int, address: int) -> int:
    """Address of a checked copy of an order command, or a negative status."""
    is_alone = look_ahead(header, images, index, address)
    length = take_copy(header, images, index, address)
    if length < 0:
        return length
    command = order_command.normalise(header[0]["raw_record"], length, header[0]["spare_record"])
    if is_alone and command >= 0:
        gate_look_closer(header[0]["gate"], command)
    return command


@inline
def run_command(header: Any, executions: Any, books: Any, now_ns: int) -> bool:
    """Sequence the command that was taken, and finish it; False when room ran out."""
    if not claim_step(header, executions, books):
        return False
    command = header[0]["pending_command"]
    header[0]["pending_command"] = 0
    stamp(header, now_ns)
    order_command.set_epoch(command, header[0]["epoch"])
    order_command.set_sequence(command, header[0]["sequence"])
    order_command.set_time_ns(command, header[0]["time_ns"])
    journal_command(header, command)
    sequence_command(header, command)
    settle_step(header)
    return finish_steps(header, executions, books)


@inline
def start_timing(header: Any) -> None:
    """Read the clock when a turn's first command is taken, in every sixteenth such turn."""
    header[0]["timing_countdown"] -= 1
    if header[0]["timing_countdown"] <= 0:
        header[0]["timing_countdown"] = TIMING_INTERVAL
        header[0]["timing_start_ns"] = monotonic_ns_kernel()


@inline
def stop_timing(header: Any, work_count: int) -> None:
    """Turn the time since the turn's first command into the time for one."""
    header[0]["service_time_ns"] = 0
    if header[0]["timing_start_ns"] != 0:
        elapsed_ns = monotonic_ns_kernel() - header[0]["timing_start_ns"]
        header[0]["timing_start_ns"] = 0
        header[0]["service_time_ns"] = elapsed_ns // max(work_count, 1)


@inline
def images_of(header: Any, images_address: int) -> Any:
    """The records of a stream's writers."""
    return records_at(images_address, header[0]["image_count"], IMAGE)


@inline
def drain_orders(
    header: Any, images_address: int, index: int, executions: Any, books: Any, now_ns: int
) -> int:
    """Sequence up to a batch of one writer's commands; returns how many were taken."""
    images = images_of(header, images_address)
    header[0]["image_at_work"] = images_address + index * IMAGE_BYTES
    count = 0
    while count < ORDER_BATCH:
        address = image_next(images, index)
        if address == 0:
            break
        if count == 0:
            start_timing(header)
        count += 1
        command = take_command(header, images, index, address)
        if command < 0:
            header[0]["malformed"] += 1
            continue
        header[0]["pending_command"] = command
        if not run_command(header, executions, books, now_ns):
            break
    if count > 0:
        close_claim(header, executions, books)
        image_release(images, index)
    header[0]["image_at_work"] = 0
    return count


@inline
def drain_controls(
    header: Any,
    images_address: int,
    index: int,
    executions: Any,
    books: Any,
    controls: Any,
    now_ns: int,
) -> int:
    """Apply up to a batch of one writer's controls; returns how many were taken."""
    images = images_of(header, images_address)
    header[0]["image_at_work"] = images_address + index * IMAGE_BYTES
    count = 0
    while (
        count < CONTROL_BATCH
        and header[0]["control_stage"] == STAGE_NONE
        and room_for_control(header)
    ):
        address = image_next(images, index)
        if address == 0:
            break
        count += 1
        length = take_copy(header, images, index, address)
        if length >= 0:
            length = control.normalise(header[0]["raw_record"], length, header[0]["spare_record"])
        if length < 0:
            header[0]["malformed"] += 1
            continue
        copy_bytes(header[0]["control_record"], length, control.RECORD_BYTES)
        stamp(header, now_ns)
        begin_control(header)
        advance_control(header, executions, books, controls)
    if count > 0:
        image_release(images, index)
    header[0]["image_at_work"] = 0
    return count


@inline
def run_timer(header: Any, executions: Any, books: Any, controls: Any, now_ns: int) -> None:
    """Carry out what the engine has due, as a control that is logged as any is.

    Records are never stamped before the last one, wherever the clock has gone since, so what is due
    by that is due.
    """
    due_ns = max(now_ns, header[0]["time_ns"])
    if due_ns >= load_i64(header[0]["engine"] + at.HEADER_NEXT_TIMER_NS):
        sequence_timer(header, executions, books, controls, now_ns)


@inline
def sequence_timer(header: Any, executions: Any, books: Any, controls: Any, now_ns: int) -> None:
    """Sequence the control by which the engine carries out what is due, if the log has room."""
    if not room_for_control(header):
        return
    record = header[0]["control_record"]
    control.initialise(record)
    control.set_action(record, control.CONTROL_ACTION_TIMER)
    stamp(header, now_ns)
    begin_control(header)
    advance_control(header, executions, books, controls)


@inline
def finish_pending(header: Any, executions: Any, books: Any, controls: Any, now_ns: int) -> bool:
    """Finish what earlier turns left under way; False while there is no room for it.

    A command that was taken and had no room is stamped now, so what became due meanwhile goes
    before it.
    """
    if not finish_steps(header, executions, books):
        return False
    if not advance_control(header, executions, books, controls):
        return False
    if header[0]["pending_command"] == 0:
        return True
    run_timer(header, executions, books, controls, now_ns)
    return header[0]["control_stage"] == STAGE_NONE and run_command(
        header, executions, books, now_ns
    )


@inline
def is_idle(header: Any) -> bool:
    """Whether nothing waits for room, so that the next record may be taken."""
    return (
        header[0]["pending_command"] == 0
        and header[0]["control_stage"] == STAGE_NONE
        and load_i64(header[0]["engine"] + at.HEADER_PHASE) == PHASE_IDLE
    )


@inline
def sequencer_turn(header: Any, now_ns: int) -> int:
    """One bounded turn: controls of all writers, then a batch of each writer's commands.

    Returns how many records were taken. Writers of orders take turns to be first.
    """
    control_images = header[0]["control_images"]
    order_images = header[0]["order_images"]
    replay_images = header[0]["replay_images"]
    executions = records_at(header[0]["execution_publication"], 1, PUBLICATION)
    books = records_at(header[0]["book_publication"], 1, PUBLICATION)
    controls = records_at(header[0]["control_publication"], 1, PUBLICATION)
    look_at_journal(header)
    if header[0]["epoch_announced"] == 0:
        announce_epoch(header, controls, now_ns)
    if not finish_pending(header, executions, books, controls, now_ns):
        end_turn(header, executions, books)
        history_publish(header[0]["history"])
        header[0]["blocked_turns"] += 1
        return 0
    run_timer(header, executions, books, controls, now_ns)
    work_count = 0
    for index in range(images_of(header, control_images)[0]["used_slots"]):
        if is_idle(header):
            taken = drain_controls(
                header, control_images, index, executions, books, controls, now_ns
            )
            header[0]["controls_sequenced"] += taken
            work_count += taken
    order_slots = images_of(header, order_images)[0]["used_slots"]
    first = header[0]["next_image"] if header[0]["next_image"] < order_slots else 0
    header[0]["next_image"] = first + 1
    for step in range(order_slots):
        index = first + step if first + step < order_slots else first + step - order_slots
        if is_idle(header):
            taken = drain_orders(header, order_images, index, executions, books, now_ns)
            header[0]["orders_sequenced"] += taken
            work_count += taken
    for index in range(images_of(header, replay_images)[0]["used_slots"]):
        if is_idle(header):
            taken = drain_orders(header, replay_images, index, executions, books, now_ns)
            header[0]["replayed_sequenced"] += taken
            work_count += taken
    end_turn(header, executions, books)
    stop_timing(header, work_count)
    history_publish(header[0]["history"])
    if work_count > 0:
        publication_prefetch(executions, EXECUTION_BYTES_AHEAD)
        publication_prefetch(books, BOOK_BYTES_AHEAD)
    return work_count
