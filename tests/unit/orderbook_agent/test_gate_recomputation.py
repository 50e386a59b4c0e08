"""The gate's state after any command is what the log's records come to, added up by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.logged_venue import INSTRUMENTS, LoggedVenue, opened, trade_for_a_while
from support.venue_driver import ALPHA, BETA, INSTRUMENT, SETTINGS
from tradecaptain.base.memory import address_of, load_u16
from tradecaptain.base.records import records_at
from tradecaptain.kernels.risk_gate import notional_ratio
from tradecaptain.mesh.journal import (
    FLAG_PADDING,
    FLAG_RESULT,
    FRAME_HEADER_BYTES,
    JournalRing,
    frame_bytes,
    frame_flags,
    frame_length,
)
from tradecaptain.mesh.journal_source import LogSource
from tradecaptain.orderbook.replica import Replica
from tradecaptain.wire import control, execution_event
from twins.risk_gate.recomputation import Recomputed, recompute

ACCOUNTS = (ALPHA, BETA)
SUMS = (
    *("cash", "trade_cash", "position_value", "gross_exposure"),
    *("net_if_bought", "net_if_sold", "margin"),
)


def trade_with_values(venue: LoggedVenue) -> None:
    """Random trading with limits on values, cash, and revaluations in between."""
    venue.control(
        action=control.CONTROL_ACTION_REFERENCE_PRICE,
        scope=control.CONTROL_SCOPE_INSTRUMENT,
        instrument_id=INSTRUMENT,
        value=10_000,
        flags=8,
    )
    for account in ACCOUNTS:
        for kind in (control.LIMIT_KIND_GROSS_EXPOSURE, control.LIMIT_KIND_DAILY_LOSS):
            venue.control(
                action=control.CONTROL_ACTION_SET_LIMIT,
                scope=control.CONTROL_SCOPE_ACCOUNT,
                scope_id=account,
                limit_kind=kind,
                value=10**17,
            )
        venue.control(
            action=control.CONTROL_ACTION_SET_CASH,
            scope=control.CONTROL_SCOPE_ACCOUNT,
            scope_id=account,
            value=1_000_000 * account,
        )
    for seed in range(6):
        trade_for_a_while(venue, seed, 40)
        venue.control(action=control.CONTROL_ACTION_REVALUE, value=1, quantity_units=100)
        venue.crank()


def log_frames(venue: LoggedVenue, folder: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with LogSource(folder / "segments", JournalRing(folder / "ring")) as source:
        return np.concatenate(list(source.checked_frames()))


def records_of(frames: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[list[Any], list[Any]]:
    """Controls that were carried out, and execution events, in the order of the log."""
    controls, events = [], []
    frame, end = address_of(frames), address_of(frames) + len(frames)
    while frame < end:
        length, flags = frame_length(frame), frame_flags(frame)
        record = frame + FRAME_HEADER_BYTES
        if flags & FLAG_PADDING:
            frame += FRAME_HEADER_BYTES + length
            continue
        kind = load_u16(record + execution_event.OFFSET_KIND)
        if flags & FLAG_RESULT and kind == execution_event.KIND:
            events.append(records_at(record, 1, execution_event.DTYPE)[0].copy())
        elif not flags & FLAG_RESULT and kind == control.KIND:
            controls.append(records_at(record, 1, control.DTYPE)[0].copy())
        frame += frame_bytes(length)
    return controls, events


def ratios() -> dict[int, Fraction]:
    return {
        item.instrument_id: Fraction(
            *notional_ratio(item.price_unit, item.quantity_unit, item.multiplier)
        )
        for item in INSTRUMENTS
    }


def assert_equal(gate: Any, expected: Recomputed) -> None:
    for account in ACCOUNTS:
        assert gate.open_order_count(account) == expected.open_orders[account]
        found = gate.position(account, INSTRUMENT)
        working = [expected.working[(account, INSTRUMENT, side)] for side in (1, 2)]
        assert found == (expected.positions[(account, INSTRUMENT)], *working)
        rows = gate.accounts[gate.accounts["limits"]["key"] == account]
        assert rows["trade_cash"].sum() == expected.trade_cash[account]
        assert rows["cash"].sum() == expected.cash[account]


@pytest.mark.twin
def test_the_state_after_any_command_is_what_the_log_comes_to(tmp_path: Path) -> None:
    venue = opened(tmp_path)
    trade_with_values(venue)
    frames = log_frames(venue, tmp_path)
    controls, events = records_of(frames)
    last = int(venue.core.header[0]["sequence"])
    revalued = {
        int(record["sequence"])
        for record in controls
        if record["action"] == control.CONTROL_ACTION_REVALUE
    }
    random = np.random.default_rng(7)
    stops = sorted({*random.integers(30, last, 10).tolist(), *sorted(revalued)[-3:], last})
    compared = 0
    for stop in stops:
        replica = Replica(SETTINGS, venue.core.epoch, tmp_path / f"history-{stop}")
        replica.go_until(stop)
        replica.apply(frames)
        assert replica.sequence == stop
        until = [record for record in controls if record["sequence"] <= stop]
        of_commands = [event for event in events if event["command_sequence"] <= stop]
        expected = recompute(ratios(), until, of_commands)
        gate = replica.core.gate
        assert_equal(gate, expected)
        if stop in revalued and expected.last_prices:
            compared += 1
            for account in ACCOUNTS:
                row = gate.accounts[gate.accounts["limits"]["key"] == account][0]
                found = {name: int(row[name]) for name in SUMS}
                assert found == {name: expected.sums(account)[name] for name in SUMS}
        replica.core.history.close()
    assert compared > 0
    assert_equal(venue.core.gate, recompute(ratios(), controls, events))
    assert any(event["execution_type"] == execution_event.EXECUTION_TYPE_TRADE for event in events)
    venue.stop()
