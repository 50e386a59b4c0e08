"""The trading day, which begins by itself: at a time of day, or with the sessions of a calendar.

A day begins by a sequenced control, so a replay begins it at the same place. Which day began last
is kept in the store: a service that was away when a day began begins it late, but once.
"""

from __future__ import annotations

import asyncio
import datetime
from zoneinfo import ZoneInfo

import structlog
from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.base.instruments import Calendar
from tradecaptain.base.reference import Reference
from tradecaptain.risk.channel import ControlOutcome, ControlRequest
from tradecaptain.risk.config import RiskConfig
from tradecaptain.risk.controller import RiskController
from tradecaptain.risk.levels import SCOPE_FIRM, Level
from tradecaptain.risk.store import Setting, Stamp
from tradecaptain.wire import control

_LOG = structlog.get_logger("risk")
_ACTION = control.CONTROL_ACTION_START_DAY
_VENUE = Level(SCOPE_FIRM)
_AUTHOR = "trading day"
_LOOK_SECONDS = 1.0
_LONGEST_BREAK_DAYS = 31


class DaySchedule:
    """When days begin: at a local time of every day, or when the sessions of a calendar open."""

    def __init__(
        self,
        time: datetime.time,
        timezone: str = "UTC",
        calendar: Calendar | None = None,
    ) -> None:
        self._time = time if calendar is None else calendar.open
        self._zone = ZoneInfo(timezone if calendar is None else calendar.timezone)
        self._calendar = calendar

    def day_at(self, now_ns: int) -> int:
        """The day that has begun by a time, as the ordinal of its date; 0 if none has."""
        now = datetime.datetime.fromtimestamp(now_ns / 1e9, self._zone)
        day = now.date()
        if now.timetz().replace(tzinfo=None) < self._time:
            day -= datetime.timedelta(days=1)
        for _ in range(_LONGEST_BREAK_DAYS):
            if self._calendar is None or self._calendar.is_trading_day(day):
                return day.toordinal()
            day -= datetime.timedelta(days=1)
        return 0


def day_schedule(config: RiskConfig, reference: Reference) -> DaySchedule:
    """The schedule that is configured; a ConfigurationError names what isn't known."""
    calendars = {item.calendar.name: item.calendar for item in reference.instruments}
    if config.day_calendar and config.day_calendar not in calendars:
        raise ConfigurationError(
            f"there is no calendar {config.day_calendar!r}; known are {', '.join(calendars)}",
            field="risk.day_calendar",
        )
    try:
        return DaySchedule(
            config.day_start, config.day_timezone, calendars.get(config.day_calendar)
        )
    except (KeyError, ValueError) as error:
        raise ConfigurationError(
            f"there is no time zone {config.day_timezone!r}", field="risk.day_timezone"
        ) from error


class TradingDay:
    """Begins days: on schedule, and when an operator says so."""

    def __init__(self, controller: RiskController, schedule: DaySchedule, clock: Clock) -> None:
        self._controller = controller
        self._schedule = schedule
        self._clock = clock

    async def start(self, author: str, comment: str, timeout_s: float) -> ControlOutcome:
        """Begin a day now, after positions were brought to present prices."""
        await self._controller.revalue(timeout_s)
        day = self._schedule.day_at(self._clock.now_ns())
        kept = Setting(_ACTION, _VENUE, 0, day)
        stamp = Stamp(author, 0, comment=comment)
        request = ControlRequest(_ACTION, _VENUE)
        done = await self._controller.apply("start_day", request, (kept,), stamp, timeout_s)
        # The last prices are closing prices now; what was told of the day before is history.
        self._controller.store.forget_settings(control.CONTROL_ACTION_REFERENCE_PRICE)
        return done

    async def start_if_due(self, timeout_s: float) -> bool:
        """Begin the scheduled day unless it has begun; whether it did.

        Where no day is on record, the present one is taken as begun: whoever has traded keeps the
        profit of the day.
        """
        store = self._controller.store
        day = self._schedule.day_at(self._clock.now_ns())
        known = store.setting(_ACTION, _VENUE)
        if known == 0:
            stamp = Stamp(_AUTHOR, self._clock.now_ns(), comment="the first day on record")
            store.put_settings("start_day", [Setting(_ACTION, _VENUE, 0, day)], stamp)
            return False
        if day <= known:
            return False
        date = datetime.date.fromordinal(day).isoformat()
        await self.start(_AUTHOR, f"{date}, on schedule", timeout_s)
        _LOG.info("a trading day began", date=date)
        return True

    async def run(self, timeout_s: float) -> None:
        """Begin each day when it is due, for good."""
        while True:
            try:
                await self.start_if_due(timeout_s)
            except TradeCaptainError as error:
                _LOG.warning("the day has not begun", reason=error.name, message=error.message)
            await asyncio.sleep(_LOOK_SECONDS)
