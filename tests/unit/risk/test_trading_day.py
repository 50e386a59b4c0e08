"""When a trading day begins, and that it does so once."""

import datetime
from pathlib import Path

import pytest
from support.risk_world import RiskWorld, risk_world, small_reference
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.instruments import Calendar
from tradecaptain.risk.config import RiskConfig
from tradecaptain.risk.levels import SCOPE_FIRM, Level
from tradecaptain.risk.trading_day import DaySchedule, TradingDay, day_schedule
from tradecaptain.wire import control

NEW_YORK = Calendar(
    "us",
    "America/New_York",
    datetime.time(9, 30),
    datetime.time(16),
    (1, 2, 3, 4, 5),
    frozenset({datetime.date(2026, 11, 26)}),
)
TIMEOUT_S = 2.0
ALPHA = 100


def nanoseconds(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp()) * 1_000_000_000


def date_of(schedule: DaySchedule, text: str) -> str:
    return datetime.date.fromordinal(schedule.day_at(nanoseconds(text))).isoformat()


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-25T05:59:59+00:00", "2026-11-24"),
        ("2026-11-25T06:00:00+00:00", "2026-11-25"),
        ("2026-11-25T23:59:59+00:00", "2026-11-25"),
        ("2026-11-29T06:00:00+00:00", "2026-11-29"),
    ],
)
def test_a_day_begins_at_its_time(now: str, day: str) -> None:
    assert date_of(DaySchedule(datetime.time(6)), now) == day


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-25T14:29:59+00:00", "2026-11-24"),
        ("2026-11-25T14:30:00+00:00", "2026-11-25"),
        ("2026-11-26T20:00:00+00:00", "2026-11-25"),  # a holiday
        ("2026-11-29T20:00:00+00:00", "2026-11-27"),  # a Sunday
        ("2026-06-15T13:30:00+00:00", "2026-06-15"),  # summer time
    ],
)
def test_a_calendar_begins_days_with_its_sessions(now: str, day: str) -> None:
    assert date_of(DaySchedule(datetime.time(), "UTC", NEW_YORK), now) == day


def test_an_unknown_calendar_or_zone_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="no calendar 'mars'") as caught:
        day_schedule(RiskConfig(day_calendar="mars"), small_reference())
    assert caught.value.field == "risk.day_calendar"
    with pytest.raises(ConfigurationError, match="no time zone 'Mars/Port'") as caught:
        day_schedule(RiskConfig(day_timezone="Mars/Port"), small_reference())
    assert caught.value.field == "risk.day_timezone"


class Sundial:
    """A clock that is set by hand."""

    def __init__(self, text: str) -> None:
        self.text = text

    def now_ns(self) -> int:
        return nanoseconds(self.text)

    def monotonic_ns(self) -> int:
        return SYSTEM_CLOCK.monotonic_ns()


def day_start(world: RiskWorld) -> int:
    rows = world.venue.core.gate.accounts
    return int(rows["day_start_value"][rows["limits"]["key"] == ALPHA][0])


async def test_a_scheduled_day_begins_once_and_late_if_need_be(tmp_path: Path) -> None:
    async with risk_world(tmp_path) as world:
        clock = Sundial("2026-11-25T12:00:00+00:00")
        schedule = DaySchedule(datetime.time(6))
        day = TradingDay(world.agent.controller, schedule, clock)  # type: ignore[arg-type]
        world.store.forget_settings(control.CONTROL_ACTION_START_DAY)
        rows = world.venue.core.gate.accounts
        rows["trade_cash"][rows["limits"]["key"] == ALPHA] = 7
        assert not await day.start_if_due(TIMEOUT_S)
        assert day_start(world) == 0
        clock.text = "2026-11-26T05:59:59+00:00"
        assert not await day.start_if_due(TIMEOUT_S)
        clock.text = "2026-11-28T09:00:00+00:00"
        assert await day.start_if_due(TIMEOUT_S)
        assert day_start(world) == 7
        assert not await day.start_if_due(TIMEOUT_S)
        again = TradingDay(world.agent.controller, schedule, clock)  # type: ignore[arg-type]
        assert not await again.start_if_due(TIMEOUT_S)
        (entry, *_) = world.store.audit(1)
        assert (entry.action, entry.stamp.author) == ("start_day", "trading day")
        assert entry.stamp.comment == "2026-11-28, on schedule"
        assert entry.after == world.store.setting(
            control.CONTROL_ACTION_START_DAY, Level(SCOPE_FIRM)
        )
