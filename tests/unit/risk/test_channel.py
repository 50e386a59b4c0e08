"""Requests and their outcomes: paired by author and number, late ones recorded, none lost."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.mesh.errors import MeshError
from tradecaptain.risk.channel import (
    AUTHOR_ID,
    ControlChannel,
    ControlOutcome,
    ControlRecords,
    ControlRequest,
)
from tradecaptain.risk.levels import SCOPE_ACCOUNT, Level
from tradecaptain.wire import control, reason

REQUEST = ControlRequest(
    control.CONTROL_ACTION_SET_LIMIT, Level(SCOPE_ACCOUNT, 100), kind=2, value=-(2**63), flags=1
)


class Wire:
    """Keeps what was published, and sends it back as a venue would."""

    def __init__(self) -> None:
        self.sent: list[ControlRecords] = []
        self.is_broken = False
        self.channel = ControlChannel(self.publish, ManualClock())

    async def publish(self, records: ControlRecords, timeout_s: float) -> None:
        if self.is_broken:
            raise MeshError("stream 1003 took 0 of 1 records: NOT_CONNECTED")
        self.sent.append(records.copy())

    def answer(self, index: int = -1, outcome: int = 0, author_id: int = AUTHOR_ID) -> bool:
        record = self.sent[index].copy()
        address = address_of(record)
        control.set_outcome(address, outcome)
        control.set_author_id(address, author_id)
        control.set_epoch(address, 3)
        control.set_sequence(address, 99)
        control.set_affected_count(address, 4)
        return self.channel.on_control(address)


async def start(wire: Wire, timeout_s: float = 5.0, seen: list[ControlOutcome] | None = None):  # type: ignore[no-untyped-def]
    on_outcome = None if seen is None else seen.append
    task = asyncio.ensure_future(wire.channel.request(REQUEST, timeout_s, on_outcome))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_request_carries_every_field_and_returns_its_place_in_the_log() -> None:
    wire = Wire()
    task = await start(wire)
    (record,) = wire.sent[0]
    assert record["scope"] == SCOPE_ACCOUNT
    assert record["scope_id"] == 100
    assert record["limit_kind"] == 2
    assert record["value"] == -(2**63)
    assert record["flags"] == 1
    assert wire.answer()
    outcome = await task
    assert (outcome.epoch, outcome.sequence, outcome.affected_count) == (3, 99, 4)
    assert wire.channel.pending_count == 0


async def test_refusal_is_raised_with_the_gates_reason() -> None:
    wire = Wire()
    task = await start(wire)
    wire.answer(outcome=reason.REASON_UNKNOWN_INSTRUMENT)
    with pytest.raises(TradeCaptainError) as caught:
        await task
    assert caught.value.reason == reason.REASON_UNKNOWN_INSTRUMENT


async def test_answers_of_others_and_repeated_answers_are_passed_over() -> None:
    wire = Wire()
    task = await start(wire)
    assert not wire.answer(author_id=AUTHOR_ID + 1)
    assert wire.answer()
    assert not wire.answer()
    await task


async def test_late_outcome_is_recorded_though_nobody_waits() -> None:
    wire = Wire()
    seen: list[ControlOutcome] = []
    task = await start(wire, timeout_s=0.01, seen=seen)
    with pytest.raises(TradeCaptainError) as caught:
        await task
    assert caught.value.reason == reason.REASON_OUTCOME_UNKNOWN
    assert wire.answer()
    assert [outcome.sequence for outcome in seen] == [99]


async def test_unreachable_venue_leaves_nothing_pending() -> None:
    wire = Wire()
    wire.is_broken = True
    with pytest.raises(TradeCaptainError) as caught:
        await wire.channel.request(REQUEST, 1.0)
    assert caught.value.reason == reason.REASON_UNAVAILABLE
    assert wire.channel.pending_count == 0


async def test_restart_of_the_venue_answers_changes_but_not_the_synchroniser() -> None:
    wire = Wire()
    change = await start(wire, seen=[])
    repeated = await start(wire)
    wire.channel.abandon()
    with pytest.raises(TradeCaptainError) as caught:
        await change
    assert caught.value.reason == reason.REASON_OUTCOME_UNKNOWN
    assert wire.answer()
    await repeated


async def test_many_are_sent_in_order_and_answered_in_order() -> None:
    wire = Wire()
    requests = [
        ControlRequest(control.CONTROL_ACTION_KILL, Level(SCOPE_ACCOUNT, account))
        for account in range(1, 1_301)
    ]
    task = asyncio.ensure_future(wire.channel.request_all(requests, 5.0))
    answered = 0
    while not task.done():
        await asyncio.sleep(0)
        sent = np.concatenate(wire.sent) if wire.sent else []
        for row in sent[answered:]:
            one = np.array([row])
            control.set_sequence(address_of(one), int(row["scope_id"]))
            wire.channel.on_control(address_of(one))
        answered = len(sent)
    outcomes = await task
    assert [outcome.sequence for outcome in outcomes] == list(range(1, 1_301))
