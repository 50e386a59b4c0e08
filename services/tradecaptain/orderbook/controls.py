"""Controls as the sequencer carries them out: stamp, gate, sweep of the book, answer.

A control goes through stages, each of which may have to wait for room: its sweep begins, its sweep
runs, its answer is published. What it changes in the gate happens at once.
"""

from __future__ import annotations

from typing import Any

from tradecaptain.base.jit import inline
from tradecaptain.base.memory import copy_bytes, load_i64, store_u8
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.checks import check_new
from tradecaptain.kernels.matching.control import (
    set_accounts,
    set_scope,
    submit_control_sweep,
)
from tradecaptain.kernels.matching.tables import book_index
from tradecaptain.kernels.matching.venue_control import submit_venue_control
from tradecaptain.kernels.risk_gate import (
    FAR_APPLY_CONTROL,
    FAR_MARK_GROUP,
    asked_order,
    call_far,
    gate_add_instrument,
    gate_handles,
)
from tradecaptain.mesh.journal import FLAG_RESULT
from tradecaptain.mesh.publication import publication_claim, publication_commit
from tradecaptain.mesh.status import NOT_CONNECTED
from tradecaptain.orderbook.events import (
    claim_step,
    close_claim,
    finish_steps,
    give_back,
    settle_step,
    show_quote,
)
from tradecaptain.orderbook.journaling import has_journal_room, journal_record, show_journal
from tradecaptain.orderbook.sessions import session_add, session_remove
from tradecaptain.wire import control, reason

STAGE_NONE = 0
STAGE_BEGIN_SWEEP = 1
STAGE_SWEEP = 2
STAGE_ANSWER = 3

FLAG_CANCEL_WORKING = 1
FLAG_CANCEL_ON_DISCONNECT = 2
FLAG_VENUE_RULES = 1
"""Of a question about an order: it says all that the order would, so the venue's own rules, which
come before the gate, can be asked too."""


@inline
def stamp(header: Any, now_ns: int) -> None:
    """Open the next place in the log; time never goes back."""
    header[0]["sequence"] += 1
    if now_ns > header[0]["time_ns"]:
        header[0]["time_ns"] = now_ns


@inline
def sweep_reason(action: int) -> int:
    """Why orders in a control's scope are cancelled."""
    if action == control.CONTROL_ACTION_SESSION_CLOSE:
        return reason.REASON_CANCELLED_ON_DISCONNECT
    return reason.REASON_CANCELLED_BY_MASS_CANCEL


@inline
def apply_session(header: Any, record: int, action: int) -> bool:
    """Open or close a session; True when its orders have to be cancelled."""
    session_id = control.get_scope_id(record)
    if session_id == 0 or control.get_scope(record) != control.CONTROL_SCOPE_SESSION:
        header[0]["control_outcome"] = reason.REASON_INVALID_REQUEST
        return False
    if action == control.CONTROL_ACTION_SESSION_CLOSE:
        return session_remove(header, session_id)
    wants_cancel = (control.get_flags(record) & FLAG_CANCEL_ON_DISCONNECT) != 0
    if not wants_cancel:
        session_remove(header, session_id)
    elif not session_add(header, session_id):
        header[0]["control_outcome"] = reason.REASON_CAPACITY_EXHAUSTED
    return False


@inline
def name_group(header: Any, group_id: int) -> None:
    """Confine the sweep that follows to the accounts of a group, which the gate knows."""
    accounts, count = header[0]["account_map"], header[0]["account_id_limit"]
    gate = header[0]["gate"]
    call_far(gate, FAR_MARK_GROUP, gate, group_id, accounts, count, 0, 0)
    set_accounts(header[0]["engine"], accounts)


@inline
def is_venue_action(action: int) -> bool:
    """Whether the engine carries a control out: instruments, phases, bands, fees, the clock."""
    return control.CONTROL_ACTION_CREATE_INSTRUMENT <= action <= control.CONTROL_ACTION_TIMER


@inline
def create_instrument(header: Any, record: int) -> int:
    """Open an instrument in gate and engine: not negative, or minus the reason why not.

    The gate comes first: a row there without a book does no harm, and a second try takes it.
    """
    instrument_id = control.get_instrument_id(record)
    if book_index(header[0]["engine"], instrument_id) != 0:
        return -reason.REASON_DUPLICATE_INSTRUMENT
    answer = gate_add_instrument(
        header[0]["gate"],
        instrument_id,
        control.get_notional_numerator(record),
        control.get_notional_denominator(record),
    )
    if answer < 0:
        return answer
    answer = submit_venue_control(header[0]["engine"], record)
    if answer >= 0:
        store_u8(header[0]["durability"] + instrument_id, control.get_durability(record))
    return answer


@inline
def carry_out(header: Any, record: int) -> None:
    """Begin the step of a control that the engine carries out."""
    action = control.get_action(record)
    engine = header[0]["engine"]
    if action == control.CONTROL_ACTION_CREATE_INSTRUMENT:
        answer = create_instrument(header, record)
    elif is_venue_action(action):
        answer = submit_venue_control(engine, record)
    else:
        is_status = action == control.CONTROL_ACTION_REQUEST_STATUS
        answer = submit_control_sweep(engine, record, is_status, sweep_reason(action))
    if answer < 0:
        header[0]["control_outcome"] = -answer


@inline
def check_asked_order(header: Any, record: int) -> int:
    """Why the venue's own rules would refuse the order that a control asks about, or 0."""
    if control.get_flags(record) & FLAG_VENUE_RULES == 0:
        return 0
    return check_new(header[0]["engine"], asked_order(header[0]["gate"], record))


@inline
def apply_control(header: Any, record: int) -> bool:
    """Carry out what needs no room; True when a sweep of the book has to follow."""
    action = control.get_action(record)
    header[0]["control_outcome"] = 0
    if action == control.CONTROL_ACTION_KILL and (
        control.get_scope(record) == control.CONTROL_SCOPE_ORDER
    ):
        # An order that is cancelled can't come back: nothing is left for the gate to stop.
        header[0]["control_outcome"] = set_scope(header[0]["engine"], record)
        return header[0]["control_outcome"] == 0
    if gate_handles(action) != 0:
        gate = header[0]["gate"]
        outcome = 0
        if action == control.CONTROL_ACTION_CHECK_ORDER:
            outcome = check_asked_order(header, record)
        if outcome == 0:
            outcome = call_far(gate, FAR_APPLY_CONTROL, gate, record, 0, 0, 0, 0)
        header[0]["control_outcome"] = outcome
        if action != control.CONTROL_ACTION_KILL or (
            control.get_flags(record) & FLAG_CANCEL_WORKING == 0
        ):
            return False
    elif (
        action == control.CONTROL_ACTION_SESSION_OPEN
        or action == control.CONTROL_ACTION_SESSION_CLOSE
    ):
        if not apply_session(header, record, action):
            return False
    elif is_venue_action(action):
        return True
    elif (
        action != control.CONTROL_ACTION_MASS_CANCEL
        and action != control.CONTROL_ACTION_REQUEST_STATUS
    ):
        header[0]["control_outcome"] = reason.REASON_INVALID_REQUEST
    if header[0]["control_outcome"] == 0:
        header[0]["control_outcome"] = set_scope(header[0]["engine"], record)
    if control.get_scope(record) == control.CONTROL_SCOPE_GROUP:
        name_group(header, control.get_scope_id(record))
    return header[0]["control_outcome"] == 0


@inline
def begin_control(header: Any) -> None:
    """Stamp the control in scratch and carry out what can be done at once."""
    show_quote(header)
    record = header[0]["control_record"]
    control.set_epoch(record, header[0]["epoch"])
    control.set_sequence(record, header[0]["sequence"])
    control.set_time_ns(record, header[0]["time_ns"])
    if header[0]["is_replaying"] == 0:
        # What a new instrument's events are given is the venue's to say; the log keeps it.
        control.set_durability(record, header[0]["default_durability"])
    journal_record(header, record, control.RECORD_BYTES, 0)
    header[0]["control_affected"] = 0
    header[0]["control_stage"] = (
        STAGE_BEGIN_SWEEP if apply_control(header, record) else STAGE_ANSWER
    )


@inline
def answer_control(header: Any, controls: Any, record: int) -> bool:
    """Log a control's answer and publish it; False when there is no room. An unheard one is only
    counted."""
    address = publication_claim(controls, 1, control.RECORD_BYTES)
    if address < 0 and address != NOT_CONNECTED:
        return False
    give_back(header)
    journal_record(header, record, control.RECORD_BYTES, FLAG_RESULT)
    show_journal(header)
    if address == NOT_CONNECTED:
        header[0]["unheard_controls"] += 1
        return True
    copy_bytes(address, record, control.RECORD_BYTES)
    publication_commit(controls, 1)
    return True


@inline
def advance_control(header: Any, executions: Any, books: Any, controls: Any) -> bool:
    """Take the control at work, if any, as far as there is room; True when none is left at work."""
    return header[0]["control_stage"] == STAGE_NONE or advance_stages(
        header, executions, books, controls
    )


@inline
def advance_stages(header: Any, executions: Any, books: Any, controls: Any) -> bool:
    """Take the control at work from stage to stage; False where it has to wait for room."""
    record = header[0]["control_record"]
    engine = header[0]["engine"]
    if header[0]["control_stage"] == STAGE_BEGIN_SWEEP:
        if not claim_step(header, executions, books):
            return False
        carry_out(header, record)
        settle_step(header)
        header[0]["control_stage"] = STAGE_SWEEP
    if header[0]["control_stage"] == STAGE_SWEEP:
        if not finish_steps(header, executions, books):
            return False
        header[0]["control_affected"] = load_i64(engine + at.HEADER_AFFECTED_COUNT)
        header[0]["control_stage"] = STAGE_ANSWER
    if header[0]["control_stage"] == STAGE_ANSWER:
        # What it cancelled is told before it is answered.
        close_claim(header, executions, books)
        control.set_outcome(record, header[0]["control_outcome"])
        control.set_affected_count(record, header[0]["control_affected"])
        if not answer_control(header, controls, record):
            return False
        header[0]["control_stage"] = STAGE_NONE
    return True


@inline
def announce_epoch(header: Any, controls: Any, now_ns: int) -> None:
    """Tell that an epoch began, once somebody listens."""
    if not has_journal_room(header):
        return
    address = publication_claim(controls, 1, control.RECORD_BYTES)
    if address < 0:
        return
    stamp(header, now_ns)
    control.initialise(address)
    control.set_epoch(address, header[0]["epoch"])
    control.set_sequence(address, header[0]["sequence"])
    control.set_time_ns(address, header[0]["time_ns"])
    control.set_action(address, control.CONTROL_ACTION_EPOCH_START)
    journal_record(header, address, control.RECORD_BYTES, 0)
    show_journal(header)
    publication_commit(controls, 1)
    header[0]["epoch_announced"] = 1
