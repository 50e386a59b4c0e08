"""A seeded order flow on tape: the same commands for every run of a benchmark.

About 57 % limit orders, 5 % market or immediate-or-cancel, 33 % cancels, 5 % replaces over many
instruments and accounts, with a given number of resting orders held by how many limit orders cross.
Order ids follow from the order of commands alone, so the tape can name orders that the venue will
create; it is recorded by running a matching engine and looking at its events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import inline, kernel
from tradecaptain.base.memory import address_of, load_i64
from tradecaptain.kernels.matching import (
    Engine,
    InstrumentRules,
    MatchingCapacity,
    allocate_engine,
)
from tradecaptain.kernels.matching import offsets as at
from tradecaptain.kernels.matching.layout import MORE
from tradecaptain.kernels.matching.standalone import engine_claim, engine_resume, engine_submit
from tradecaptain.wire import book_event, common, execution_event, order_command

MID_UNITS = 100_000
DEPTH_UNITS = 40
LARGEST_LOTS = 100
FIRST_ACCOUNT_ID = 100
FIRST_INSTRUMENT_ID = 1
FIRM_ID = 10
ORDER_NUMBER_MASK = (1 << 40) - 1

_I64 = types.int64
_I64_ARRAY = types.int64[::1]
_MASK_63 = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """What a tape is made of."""

    commands: int
    live_orders: int
    instruments: int
    accounts: int
    seed: int = 1
    epoch: int = 1


@inline
def next_random(state: Any, bound: int) -> int:
    """A pseudo-random number below ``bound``: Lehmer's generator modulo 2^31 - 1, twice.

    Source: Park and Miller (1988); products stay below 2^63.
    """
    value = (state[0] * 48_271) % 2_147_483_647
    state[0] = value
    return value % bound


@inline
def live_add(live: Any, places: Any, state: Any, number: int) -> None:
    """Remember a resting order."""
    places[number] = state[1] + 1
    live[state[1]] = number
    state[1] += 1


@inline
def live_remove(live: Any, places: Any, state: Any, number: int) -> None:
    """Forget an order that rests no more; the last one takes its place."""
    place = places[number] - 1
    if place < 0:
        return
    state[1] -= 1
    last = live[state[1]]
    live[place] = last
    places[last] = place + 1
    places[number] = 0


@inline
def follow_events(engine: int, live: Any, places: Any, terms: Any, state: Any) -> None:
    """Take what one step did to the resting orders."""
    event = load_i64(engine + at.HEADER_EXECUTION_ADDRESS)
    for _ in range(load_i64(engine + at.HEADER_EXECUTION_COUNT)):
        number = execution_event.get_order_id(event) & ORDER_NUMBER_MASK
        kind = execution_event.get_execution_type(event)
        is_done = (
            kind == execution_event.EXECUTION_TYPE_CANCELLED
            or kind == execution_event.EXECUTION_TYPE_EXPIRED
            or (
                kind == execution_event.EXECUTION_TYPE_TRADE
                and execution_event.get_leaves_quantity_units(event) == 0
            )
        )
        if is_done:
            live_remove(live, places, state, number)
        elif kind == execution_event.EXECUTION_TYPE_ACCEPTED:
            terms[number * 4] = execution_event.get_instrument_id(event)
            terms[number * 4 + 1] = execution_event.get_account_id(event)
            terms[number * 4 + 2] = execution_event.get_side(event)
        if kind != execution_event.EXECUTION_TYPE_CANCEL_REJECTED:
            terms[number * 4 + 3] = execution_event.get_quantity_units(event)
        event += execution_event.RECORD_BYTES
    event = load_i64(engine + at.HEADER_BOOK_ADDRESS)
    for _ in range(load_i64(engine + at.HEADER_BOOK_COUNT)):
        number = book_event.get_order_id(event) & ORDER_NUMBER_MASK
        if book_event.get_action(event) == book_event.BOOK_ACTION_ADD and places[number] == 0:
            live_add(live, places, state, number)
        event += book_event.RECORD_BYTES


@inline
def set_terms(command: int, side: int, price_units: int, quantity_units: int) -> None:
    """Side, price and quantity."""
    order_command.set_side(command, side)
    order_command.set_price_units(command, price_units)
    order_command.set_quantity_units(command, quantity_units)


@inline
def write_new(command: int, state: Any, instruments: int, accounts: int, target: int) -> None:
    """A new order: passive around the middle, or crossing when enough orders rest."""
    order_command.set_action(command, order_command.COMMAND_ACTION_NEW_ORDER)
    order_command.set_instrument_id(command, FIRST_INSTRUMENT_ID + next_random(state, instruments))
    order_command.set_account_id(command, FIRST_ACCOUNT_ID + next_random(state, accounts))
    side = 1 + next_random(state, 2)
    sign = -1 if side == common.SIDE_BUY else 1
    distance = 1 + next_random(state, DEPTH_UNITS)
    order_command.set_order_type(command, common.ORDER_TYPE_LIMIT)
    order_command.set_time_in_force(command, common.TIME_IN_FORCE_DAY)
    quantity_units = 1 + next_random(state, LARGEST_LOTS)
    kind = next_random(state, 62)
    if kind < 2:
        order_command.set_order_type(command, common.ORDER_TYPE_MARKET)
        order_command.set_time_in_force(command, common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL)
    elif kind < 5:
        order_command.set_time_in_force(command, common.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL)
        distance = -distance
    elif state[1] > target:
        distance = -(distance // 8) - 1
    set_terms(command, side, MID_UNITS + sign * distance, quantity_units)


@inline
def write_change(command: int, state: Any, live: Any, terms: Any, identity_base: int) -> None:
    """A cancel or replace of a random resting order."""
    number = live[next_random(state, state[1])]
    order_command.set_order_id(command, identity_base + number)
    order_command.set_instrument_id(command, terms[number * 4])
    order_command.set_account_id(command, terms[number * 4 + 1])
    side = terms[number * 4 + 2]
    if next_random(state, 38) < 33:
        order_command.set_action(command, order_command.COMMAND_ACTION_CANCEL_ORDER)
        order_command.set_side(command, side)
        return
    order_command.set_action(command, order_command.COMMAND_ACTION_REPLACE_ORDER)
    order_command.set_order_type(command, common.ORDER_TYPE_LIMIT)
    order_command.set_time_in_force(command, common.TIME_IN_FORCE_DAY)
    sign = -1 if side == common.SIDE_BUY else 1
    distance = 1 + next_random(state, DEPTH_UNITS)
    set_terms(command, side, MID_UNITS + sign * distance, terms[number * 4 + 3] + 1)


@inline
def count_answers(engine: int, answers: Any, index: int) -> None:
    """Add what one step answered to the counts of its command: events, and quantity traded."""
    event = load_i64(engine + at.HEADER_EXECUTION_ADDRESS)
    for _ in range(load_i64(engine + at.HEADER_EXECUTION_COUNT)):
        answers[2 * index] += 1
        answers[2 * index + 1] += execution_event.get_last_quantity_units(event)
        event += execution_event.RECORD_BYTES


@kernel(_I64(_I64, _I64, _I64_ARRAY, _I64_ARRAY, _I64_ARRAY, _I64_ARRAY, _I64_ARRAY, _I64_ARRAY))
def record_flow(
    engine: int,
    commands: int,
    plan: Any,
    state: Any,
    live: Any,
    places: Any,
    terms: Any,
    answers: Any,
) -> int:
    """Write ``plan[0]`` commands and carry each out; returns how many orders rest at the end.

    ``plan``: commands, resting orders, instruments, accounts, identity base, execution region,
    book region.
    """
    for index in range(plan[0]):
        command = commands + index * order_command.RECORD_BYTES
        order_command.initialise(command)
        order_command.set_firm_id(command, FIRM_ID)
        order_command.set_sequence(command, index + 1)
        order_command.set_client_order_id0(command, index + 1)
        order_command.set_tag(command, index & 0xFFFF)
        if state[1] >= plan[1] // 2 and next_random(state, 100) < 38:
            write_change(command, state, live, terms, plan[4])
        else:
            write_new(command, state, plan[2], plan[3], plan[1])
        engine_claim(
            engine, plan[5], execution_event.RECORD_BYTES, plan[6], book_event.RECORD_BYTES
        )
        answer = engine_submit(engine, command)
        follow_events(engine, live, places, terms, state)
        count_answers(engine, answers, index)
        while answer == MORE:
            engine_claim(
                engine, plan[5], execution_event.RECORD_BYTES, plan[6], book_event.RECORD_BYTES
            )
            answer = engine_resume(engine)
            follow_events(engine, live, places, terms, state)
            count_answers(engine, answers, index)
    return state[1]


@dataclass(frozen=True, slots=True)
class Tape:
    """Recorded commands, and the engine that carried them out."""

    commands: npt.NDArray[Any]
    engine: Engine
    resting: int
    answers: npt.NDArray[np.int64]
    """For each command: how many execution events it brings about, and their traded quantity."""


def flow_engine(settings: FlowSettings) -> Engine:
    """An empty engine that the tape's commands fit."""
    capacity = MatchingCapacity(
        orders=max(4_096, 4 * settings.live_orders),
        levels=max(4_096, settings.instruments * 4 * DEPTH_UNITS),
        instruments=settings.instruments,
        instrument_ids=settings.instruments + FIRST_INSTRUMENT_ID,
        account_ids=settings.accounts + FIRST_ACCOUNT_ID,
    )
    rules = [InstrumentRules(FIRST_INSTRUMENT_ID + index) for index in range(settings.instruments)]
    return allocate_engine(capacity, rules, epoch=settings.epoch)


def record_tape(settings: FlowSettings) -> Tape:
    """Record a flow; equal settings give equal bytes."""
    engine = flow_engine(settings)
    commands = np.zeros(settings.commands, order_command.DTYPE)
    executions = np.zeros(engine.capacity.execution_room, execution_event.DTYPE)
    books = np.zeros(engine.capacity.book_room, book_event.DTYPE)
    plan = np.array(
        [
            settings.commands,
            settings.live_orders,
            settings.instruments,
            settings.accounts,
            settings.epoch << 40,
            address_of(executions),
            address_of(books),
        ],
        np.int64,
    )
    state = np.array([settings.seed * 2_654_435 % 2_147_483_646 + 1, 0], np.int64)
    live = np.zeros(engine.capacity.orders + 1, np.int64)
    places = np.zeros(settings.commands + 2, np.int64)
    terms = np.zeros((settings.commands + 2) * 4, np.int64)
    answers = np.zeros(2 * settings.commands, np.int64)
    resting = record_flow(
        engine.address, address_of(commands), plan, state, live, places, terms, answers
    )
    return Tape(commands, engine, int(resting), answers.reshape(-1, 2))
