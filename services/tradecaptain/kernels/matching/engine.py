"""The engine's entry points for compiled callers: a step is claimed, submitted and resumed."""

from __future__ import annotations

from tradecaptain.base.jit import inline, inline_always
from tradecaptain.base.memory import copy_bytes, load_i64, store_i64
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching import plain_compact, plain_wire
from tradecaptain.kernels.matching.apart import apart
from tradecaptain.kernels.matching.control import (
    set_scope,
    submit_control_sweep,
    submit_mass_cancel,
)
from tradecaptain.kernels.matching.entry import submit_order_command
from tradecaptain.kernels.matching.layout import (
    COMPACT_COMMAND_BYTES,
    COMPACT_FIRST_BYTE,
    DONE,
    PHASE_FILL_OR_KILL,
    PHASE_IDLE,
    PHASE_MATCH,
    PHASE_SPECIAL,
    PHASE_UNCROSS,
    PHASE_WORK,
)
from tradecaptain.kernels.matching.match import fill_or_kill_step, match_step
from tradecaptain.kernels.matching.phases import resume_phases
from tradecaptain.kernels.matching.plain import submit_plain
from tradecaptain.kernels.matching.plain_compact import begin_run
from tradecaptain.kernels.matching.plain_rules import NOT_PLAIN, further_terms
from tradecaptain.kernels.matching.reports import reports_wire
from tradecaptain.kernels.matching.special import special_step
from tradecaptain.kernels.matching.sweep import sweep_step
from tradecaptain.kernels.matching.venue_control import submit_venue_control
from tradecaptain.kernels.matching.work import work_step
from tradecaptain.wire import control, order_command, reason


@inline
def claim_events(
    engine: int, execution_address: int, execution_stride: int, book_address: int, book_stride: int
) -> None:
    """Tell where the events of the next step go; both regions must have room for a whole step."""
    store_i64(engine + at.HEADER_EXECUTION_ADDRESS, execution_address)
    store_i64(engine + at.HEADER_EXECUTION_STRIDE, execution_stride)
    store_i64(engine + at.HEADER_EXECUTION_COUNT, 0)
    store_i64(engine + at.HEADER_BOOK_ADDRESS, book_address)
    store_i64(engine + at.HEADER_BOOK_STRIDE, book_stride)
    store_i64(engine + at.HEADER_BOOK_COUNT, 0)


@inline
def resume_step(engine: int) -> int:
    """Go on with what the last step left under way: DONE or MORE."""
    phase = load_i64(engine + at.HEADER_PHASE)
    if phase == PHASE_IDLE:
        return DONE
    if phase == PHASE_MATCH:
        return match_step(engine)
    if phase == PHASE_FILL_OR_KILL:
        return fill_or_kill_step(engine)
    if phase == PHASE_SPECIAL:
        return special_step(engine)
    if phase == PHASE_WORK:
        return work_step(engine)
    if phase >= PHASE_UNCROSS:
        return resume_phases(engine, phase)
    return sweep_step(engine)


@inline
def submit_command(engine: int, command: int) -> int:
    """Carry out the first step of a sequenced order command: DONE or MORE."""
    if reports_wire(engine):
        answer = submit_plain(plain_wire, engine, command, further_terms(command))
    else:
        answer = submit_plain(plain_compact, engine, command, begin_run(engine, command))
    return submit_general(engine, command, 0, 0) if answer == NOT_PLAIN else answer


@inline
def submit_compact(engine: int, line: int, rest: int, said: int) -> int:
    """Carry out the first step of a compact command: DONE or MORE.

    ``rest`` is a whole record, which says for all commands of a run what they don't say themselves,
    and ``said`` what `begin_run` returned for it. It is overwritten with the command if that isn't
    plain.
    """
    if reports_wire(engine):
        return submit_completed(engine, line, rest, 0)
    return submit_reported(engine, line, rest, said)


@inline_always
def submit_reported(engine: int, line: int, rest: int, said: int) -> int:
    """`submit_compact` where reports are compact."""
    answer = submit_plain(plain_compact, engine, line - COMPACT_FIRST_BYTE, said)
    # One test for most commands.
    if answer == DONE:
        return DONE
    return submit_completed(engine, line, rest, 0) if answer == NOT_PLAIN else answer


@apart
def submit_completed(engine: int, line: int, rest: int, _fourth: int) -> int:
    """Carry out the first step of a compact command the general way.

    Its copy takes wide registers, which a loop over commands would clear before every call.
    """
    copy_bytes(rest + COMPACT_FIRST_BYTE, line, COMPACT_COMMAND_BYTES)
    return submit_general(engine, rest, 0, 0)


@apart
def submit_general(engine: int, command: int, _third: int, _fourth: int) -> int:
    """Carry out the first step of a command that isn't plain: DONE or MORE."""
    if order_command.get_action(command) == order_command.COMMAND_ACTION_MASS_CANCEL:
        return submit_mass_cancel(engine, command)
    return submit_order_command(engine, command)


@inline
def submit_control(engine: int, record: int) -> int:
    """Carry out the first step of a control: DONE, MORE, or minus a reason."""
    action = control.get_action(record)
    if action >= control.CONTROL_ACTION_CREATE_INSTRUMENT:
        return submit_venue_control(engine, record)
    refusal = set_scope(engine, record)
    if refusal != 0:
        return -refusal
    if action == control.CONTROL_ACTION_REQUEST_STATUS:
        return submit_control_sweep(engine, record, True, 0)
    if action == control.CONTROL_ACTION_MASS_CANCEL or action == control.CONTROL_ACTION_KILL:
        return submit_control_sweep(engine, record, False, reason.REASON_CANCELLED_BY_MASS_CANCEL)
    if action == control.CONTROL_ACTION_SESSION_CLOSE:
        return submit_control_sweep(engine, record, False, reason.REASON_CANCELLED_ON_DISCONNECT)
    return -reason.REASON_INVALID_REQUEST
