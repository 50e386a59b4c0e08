"""What the risk service must not forget: limits, kill switches, positions, and who changed what.

One SQLite file in WAL mode with full synchronisation; every change is one transaction together with
its line in the audit trail.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tradecaptain.base.accounts import UNLIMITED_UNITS
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.mesh.closing import Closing
from tradecaptain.risk.ledger import AccountState, PairState
from tradecaptain.risk.levels import SCOPE_ACCOUNT, SCOPE_ACCOUNT_INSTRUMENT, Level
from tradecaptain.wire import control

SCHEMA_VERSION = 3
_OVERRIDE = control.CONTROL_ACTION_GRANT_OVERRIDE
VALUE_KINDS = (control.LIMIT_KIND_GROSS_EXPOSURE, control.LIMIT_KIND_TOTAL_DAILY_LOSS)
"""First and last kind of limits on exposure, credit and loss."""
_SETTINGS = """
CREATE TABLE settings (
    action INTEGER, scope INTEGER, scope_id INTEGER, instrument_id INTEGER, kind INTEGER,
    value INTEGER NOT NULL, expire_time_ns INTEGER NOT NULL, author TEXT NOT NULL,
    time_ns INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (action, scope, scope_id, instrument_id, kind)) WITHOUT ROWID;
"""
_SCHEMA = """
CREATE TABLE limits (
    scope INTEGER, scope_id INTEGER, instrument_id INTEGER, kind INTEGER, value INTEGER NOT NULL,
    author TEXT NOT NULL, time_ns INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (scope, scope_id, instrument_id, kind)) WITHOUT ROWID;
CREATE TABLE kill_switches (
    scope INTEGER, scope_id INTEGER, instrument_id INTEGER, comment TEXT NOT NULL,
    author TEXT NOT NULL, time_ns INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (scope, scope_id, instrument_id)) WITHOUT ROWID;
CREATE TABLE positions (
    account_id INTEGER, instrument_id INTEGER, position INTEGER NOT NULL, bought INTEGER NOT NULL,
    sold INTEGER NOT NULL, cost INTEGER NOT NULL, realised INTEGER NOT NULL,
    is_value_known INTEGER NOT NULL,
    PRIMARY KEY (account_id, instrument_id)) WITHOUT ROWID;
CREATE TABLE accounts (
    account_id INTEGER PRIMARY KEY, last_sequence INTEGER NOT NULL, is_complete INTEGER NOT NULL);
CREATE TABLE seeded (
    account_id INTEGER, instrument_id INTEGER, PRIMARY KEY (account_id, instrument_id)
    ) WITHOUT ROWID;
CREATE TABLE progress (
    id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
    positions_sent_epoch INTEGER NOT NULL);
INSERT INTO progress VALUES (1, 0, 0, 0);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, author TEXT NOT NULL,
    action TEXT NOT NULL, scope INTEGER NOT NULL, scope_id INTEGER NOT NULL,
    instrument_id INTEGER NOT NULL, kind INTEGER NOT NULL, before INTEGER, after INTEGER,
    comment TEXT NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL);
"""
_EXPIRY = "ALTER TABLE audit ADD COLUMN expire_time_ns INTEGER NOT NULL DEFAULT 0;"
_SCENARIO_COUNT = 16
_SCENARIO_UNIT = f"""
UPDATE settings SET value = value >> 12
    WHERE action = {control.CONTROL_ACTION_SET_SCENARIOS} AND kind < {_SCENARIO_COUNT};
"""
"""Up to version 2, what scenarios gain was in a unit 4,096 times as small; it rounds to a loss."""
_UPGRADES = {0: _SCHEMA + _SETTINGS + _EXPIRY, 1: _SETTINGS + _EXPIRY, 2: _EXPIRY + _SCENARIO_UNIT}
"""What makes a file of an older version, zero is an empty one, into one of this version."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who changed something, when (ns UTC), and where the change stands in the venue's log."""

    author: str
    time_ns: int
    epoch: int = 0
    sequence: int = 0
    comment: str = ""


@dataclass(frozen=True, slots=True)
class LimitRecord:
    """A limit that is set, or with a time of expiry one that is granted until then."""

    level: Level
    kind: int
    value: int
    author: str
    time_ns: int
    sequence: int
    expire_time_ns: int = 0
    comment: str = ""


@dataclass(frozen=True, slots=True)
class KillRecord:
    """A kill switch that is on."""

    level: Level
    comment: str
    author: str
    time_ns: int
    sequence: int


@dataclass(frozen=True, slots=True)
class Setting:
    """Something else that the gate was told: a group, restrictions, cash, an override."""

    action: int
    level: Level
    kind: int
    value: int
    expire_time_ns: int = 0


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change; ``before`` and ``after`` are None where nothing was or is set."""

    stamp: Stamp
    action: str
    level: Level
    kind: int
    before: int | None
    after: int | None
    number: int = 0
    """Place in the audit trail, ascending; the store gives it."""
    expire_time_ns: int = 0


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which changes are asked for; what is empty or zero leaves all."""

    author: str = ""
    action: str = ""
    account_id: int = 0
    before_number: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest event that the stored positions contain, and where the gate was given them."""

    epoch: int
    sequence: int
    positions_sent_epoch: int


def _key(level: Level) -> tuple[int, int, int]:
    return level.scope, level.scope_id, level.instrument_id


class RiskStore(Closing):
    """The file and its transactions. Used from one thread."""

    def __init__(self, path: Path) -> None:
        self._limits: list[LimitRecord] | None = None
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version in _UPGRADES:
                self._connection.executescript(
                    f"BEGIN; {_UPGRADES[version]} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
                )
                version = SCHEMA_VERSION
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(
                f"{path} can't be used: {error}", field="store_file"
            ) from error
        if version != SCHEMA_VERSION:
            self._connection.close()
            raise ConfigurationError(
                f"{path} has version {version} of the risk store; this release knows"
                f" {SCHEMA_VERSION}",
                field="store_file",
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _audit(
        self,
        stamp: Stamp,
        action: str,
        level: Level,
        kind: int,
        before: int | None,
        after: int | None,
        expire_time_ns: int = 0,
    ) -> None:
        self._connection.execute(
            "INSERT INTO audit (time_ns, author, action, scope, scope_id, instrument_id, kind,"
            " before, after, comment, epoch, sequence, expire_time_ns)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(stamp.time_ns, stamp.author, action, *_key(level), kind, before, after),
                *(stamp.comment, stamp.epoch, stamp.sequence, expire_time_ns),
            ),
        )

    # Limits

    def limit(self, level: Level, kind: int) -> int | None:
        """Value of a limit; None if it is unset."""
        row = self._connection.execute(
            "SELECT value FROM limits WHERE scope=? AND scope_id=? AND instrument_id=? AND kind=?",
            (*_key(level), kind),
        ).fetchone()
        return None if row is None else int(row[0])

    def set_limit(self, level: Level, kind: int, value: int, stamp: Stamp) -> LimitRecord:
        """Record a limit that the gate applied."""
        with self._transaction():
            self._put_limit(level, kind, value, stamp)
        return LimitRecord(level, kind, value, stamp.author, stamp.time_ns, stamp.sequence)

    def set_limits(self, limits: Iterable[tuple[Level, int, int | None, Stamp]]) -> None:
        """Record many limits that the gate applied, all of them or none; None for a cleared one."""
        with self._transaction():
            for level, kind, value, stamp in limits:
                if value is None:
                    self._drop_limit(level, kind, stamp)
                else:
                    self._put_limit(level, kind, value, stamp)

    def _put_limit(self, level: Level, kind: int, value: int, stamp: Stamp) -> None:
        before = self.limit(level, kind)
        self._limits = None
        self._end_override(level, kind)
        self._connection.execute(
            "INSERT OR REPLACE INTO limits VALUES (?,?,?,?,?,?,?,?)",
            (*_key(level), kind, value, stamp.author, stamp.time_ns, stamp.sequence),
        )
        self._audit(stamp, "set_limit", level, kind, before, value)

    def clear_limit(self, level: Level, kind: int, stamp: Stamp) -> bool:
        """Forget a limit that the gate cleared; whether it was set."""
        with self._transaction():
            return self._drop_limit(level, kind, stamp)

    def _drop_limit(self, level: Level, kind: int, stamp: Stamp) -> bool:
        before = self.limit(level, kind)
        self._limits = None
        self._end_override(level, kind)
        self._connection.execute(
            "DELETE FROM limits WHERE scope=? AND scope_id=? AND instrument_id=? AND kind=?",
            (*_key(level), kind),
        )
        self._audit(stamp, "clear_limit", level, kind, before, None)
        return before is not None

    def limits(self) -> list[LimitRecord]:
        """All limits, by level and kind; read again only after a change of one."""
        if self._limits is None:
            rows = self._connection.execute(
                "SELECT * FROM limits ORDER BY scope, scope_id, instrument_id, kind"
            )
            self._limits = [LimitRecord(Level(*row[:3]), *row[3:]) for row in rows]
        return list(self._limits)

    def limits_in_force(self, now_ns: int) -> list[LimitRecord]:
        """What holds at a time: limits, and in their place what is granted until later."""
        granted = self.overrides(now_ns)
        if not granted:
            return self.limits()
        held = {(limit.level, limit.kind): limit for limit in self.limits()}
        held |= {(item.level, item.kind): item for item in granted}
        return sorted(held.values(), key=lambda limit: (limit.level, limit.kind))

    # Overrides

    def overrides(self, now_ns: int) -> list[LimitRecord]:
        """What was granted until later than a time, by level and kind."""
        rows = self._connection.execute(
            "SELECT scope, scope_id, instrument_id, kind, value, author, time_ns, sequence,"
            " expire_time_ns, coalesce((SELECT comment FROM audit"
            " WHERE audit.action = 'grant_override' AND audit.sequence = settings.sequence"
            " AND audit.time_ns = settings.time_ns), '')"
            " FROM settings WHERE action = ? AND expire_time_ns > ?"
            " ORDER BY scope, scope_id, instrument_id, kind",
            (_OVERRIDE, now_ns),
        )
        return [LimitRecord(Level(*row[:3]), *row[3:]) for row in rows]

    def grant_override(self, granted: Setting, stamp: Stamp) -> None:
        """Record that a limit has another value until a time; what held before is told."""
        held = [
            item.value
            for item in self.limits_in_force(stamp.time_ns)
            if item.level == granted.level and item.kind == granted.kind
        ]
        with self._transaction():
            self._put_setting(granted, stamp)
            self._audit(
                *(stamp, "grant_override", granted.level, granted.kind),
                *(held[0] if held else None, granted.value, granted.expire_time_ns),
            )

    def _end_override(self, level: Level, kind: int) -> None:
        """A limit was set or cleared for good: the gate ended what was granted on it."""
        self._connection.execute(
            "DELETE FROM settings WHERE action=? AND scope=? AND scope_id=? AND instrument_id=?"
            " AND kind=?",
            (_OVERRIDE, *_key(level), kind),
        )

    def has_limits_on_values(self) -> bool:
        """Whether a limit holds that depends on what positions are worth."""
        row = self._connection.execute(
            "SELECT 1 FROM limits WHERE kind BETWEEN ? AND ? AND value < ? LIMIT 1",
            (*VALUE_KINDS, UNLIMITED_UNITS),
        ).fetchone()
        return row is not None

    def seed_limits(
        self,
        account_id: int,
        instrument_id: int,
        limits: Iterable[tuple[Level, int, int]],
        stamp: Stamp,
    ) -> bool:
        """Set an account's first limits in an instrument, once; later calls change nothing.

        A limit that is set already stays, and one that somebody cleared doesn't come back.
        """
        with self._transaction():
            added = self._connection.execute(
                "INSERT OR IGNORE INTO seeded VALUES (?,?)", (account_id, instrument_id)
            ).rowcount
            if added:
                for level, kind, value in limits:
                    if self.limit(level, kind) is None:
                        self._put_limit(level, kind, value, stamp)
        return bool(added)

    # Kill switches

    def kill_switch(self, level: Level) -> KillRecord | None:
        """A kill switch that is on, or None."""
        row = self._connection.execute(
            "SELECT * FROM kill_switches WHERE scope=? AND scope_id=? AND instrument_id=?",
            _key(level),
        ).fetchone()
        return None if row is None else KillRecord(level, *row[3:])

    def request_kill(self, level: Level, stamp: Stamp) -> None:
        """Record that a kill switch is asked for, before the venue knows of it.

        From here on it is sent to every gate until one applied it, whatever dies meanwhile.
        """
        with self._transaction():
            before = self.kill_switch(level)
            if before is None:
                self._put_kill(level, stamp)
            self._audit(stamp, "request_kill", level, 0, int(before is not None), None)

    def _put_kill(self, level: Level, stamp: Stamp) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO kill_switches VALUES (?,?,?,?,?,?,?)",
            (*_key(level), stamp.comment, stamp.author, stamp.time_ns, stamp.sequence),
        )

    def set_kill(self, level: Level, stamp: Stamp) -> KillRecord:
        """Record that a kill switch is on; a second time keeps who turned it on first."""
        with self._transaction():
            before = self.kill_switch(level)
            was_on = before is not None and before.sequence != 0
            if not was_on:
                self._put_kill(level, stamp)
            self._audit(stamp, "kill", level, 0, int(was_on), 1)
        found = self.kill_switch(level)
        assert found is not None
        return found

    def clear_kill(self, level: Level, stamp: Stamp) -> bool:
        """Record that a kill switch is off; whether it was on."""
        with self._transaction():
            before = self.kill_switch(level)
            self._connection.execute(
                "DELETE FROM kill_switches WHERE scope=? AND scope_id=? AND instrument_id=?",
                _key(level),
            )
            self._audit(stamp, "unkill", level, 0, int(before is not None), 0)
        return before is not None

    def kill_switches(self) -> list[KillRecord]:
        """All kill switches that are on, by level."""
        rows = self._connection.execute(
            "SELECT * FROM kill_switches ORDER BY scope, scope_id, instrument_id"
        )
        return [KillRecord(Level(*row[:3]), *row[3:]) for row in rows]

    # Groups, restrictions, cash, overrides, conversions, margins, scenarios

    def setting(self, action: int, level: Level, kind: int = 0) -> int:
        """Value of a setting; zero if there is none."""
        return self._held(action, level, kind) or 0

    def _held(self, action: int, level: Level, kind: int) -> int | None:
        row = self._connection.execute(
            "SELECT value FROM settings WHERE action=? AND scope=? AND scope_id=?"
            " AND instrument_id=? AND kind=?",
            (action, *_key(level), kind),
        ).fetchone()
        return None if row is None else int(row[0])

    def put_settings(self, name: str, settings: Sequence[Setting], stamp: Stamp) -> None:
        """Record settings that the gate applied; the audit shows, under a name, the first of them
        and whichever others have changed."""
        with self._transaction():
            for setting in settings:
                level, kind, value = setting.level, setting.kind, setting.value
                before = self._held(setting.action, level, kind)
                self._put_setting(setting, stamp)
                if setting is settings[0] or (before or 0) != value:
                    self._audit(stamp, name, level, kind, before, value)

    def _put_setting(self, setting: Setting, stamp: Stamp) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO settings VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                *(setting.action, *_key(setting.level), setting.kind, setting.value),
                *(setting.expire_time_ns, stamp.author, stamp.time_ns, stamp.sequence),
            ),
        )

    def forget_settings(self, action: int) -> None:
        """Keep no setting of an action any more; the gate isn't told of it again."""
        with self._transaction():
            self._connection.execute("DELETE FROM settings WHERE action = ?", (action,))

    def note(self, name: str, level: Level, stamp: Stamp) -> None:
        """Put on record what leaves nothing behind."""
        with self._transaction():
            self._audit(stamp, name, level, 0, None, None)

    def settings(self, action: int) -> list[Setting]:
        """All settings of an action, by level and kind."""
        rows = self._connection.execute(
            "SELECT * FROM settings WHERE action=? ORDER BY scope, scope_id, instrument_id, kind",
            (action,),
        )
        return [Setting(row[0], Level(*row[1:4]), *row[4:7]) for row in rows]

    # Positions

    def progress(self) -> Progress:
        """How far the stored positions reach."""
        row = self._connection.execute(
            "SELECT epoch, sequence, positions_sent_epoch FROM progress"
        ).fetchone()
        return Progress(*row)

    def set_positions_sent(self, epoch: int) -> None:
        """Record that the gate of an epoch was given all positions."""
        with self._transaction():
            self._connection.execute("UPDATE progress SET positions_sent_epoch = ?", (epoch,))

    def save_ledger(
        self,
        pairs: Iterable[PairState],
        accounts: Iterable[AccountState],
        epoch: int,
        sequence: int,
    ) -> None:
        """Write changed positions together with the event that they reach to."""
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?,?,?,?,?,?,?,?)",
                [
                    (
                        *(state.account_id, state.instrument_id, state.position),
                        *(state.bought, state.sold, state.cost, state.realised),
                        int(state.is_value_known),
                    )
                    for state in pairs
                ],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO accounts VALUES (?,?,?)",
                [(a.account_id, a.last_sequence, int(a.is_complete)) for a in accounts],
            )
            self._connection.execute(
                "UPDATE progress SET epoch = ?, sequence = ?", (epoch, sequence)
            )

    def begin_epoch(self, epoch: int) -> None:
        """Let sequences and the quantities traded in the epoch begin anew; positions stay."""
        with self._transaction():
            self._connection.execute("UPDATE progress SET epoch = ?, sequence = 0", (epoch,))
            self._connection.execute("UPDATE accounts SET last_sequence = 0")
            self._connection.execute("UPDATE positions SET bought = 0, sold = 0")

    def go_on_in(self, epoch: int) -> None:
        """Enter an epoch whose venue has its gate's positions of before, and goes on counting."""
        with self._transaction():
            self._connection.execute(
                "UPDATE progress SET epoch = ?, positions_sent_epoch = ?", (epoch, epoch)
            )

    def positions(self) -> list[PairState]:
        """The stored positions, by account and instrument."""
        rows = self._connection.execute("SELECT * FROM positions")
        return [
            PairState(
                account_id=row[0],
                instrument_id=row[1],
                position=row[2],
                bought=row[3],
                sold=row[4],
                cost=row[5],
                realised=row[6],
                is_value_known=bool(row[7]),
            )
            for row in rows
        ]

    def accounts(self) -> list[AccountState]:
        """How far each account was followed."""
        rows = self._connection.execute("SELECT * FROM accounts")
        return [AccountState(row[0], row[1], bool(row[2])) for row in rows]

    # Audit

    def audit(self, count: int = 100, wanted: AuditFilter = AuditFilter()) -> list[AuditRecord]:
        """The newest changes that are wanted, newest first."""
        conditions = {
            "author = ?": wanted.author,
            "action = ?": wanted.action,
            f"scope IN ({SCOPE_ACCOUNT}, {SCOPE_ACCOUNT_INSTRUMENT}) AND scope_id = ?": (
                wanted.account_id
            ),
            "id < ?": wanted.before_number,
        }
        given = {text: value for text, value in conditions.items() if value}
        where = f" WHERE {' AND '.join(given)}" if given else ""
        rows = self._connection.execute(
            "SELECT author, time_ns, epoch, sequence, comment, action, scope, scope_id,"
            f" instrument_id, kind, before, after, id, expire_time_ns FROM audit{where}"
            " ORDER BY id DESC LIMIT ?",
            (*given.values(), count),
        )
        return [AuditRecord(Stamp(*row[:5]), row[5], Level(*row[6:9]), *row[9:]) for row in rows]

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection)


class _Transaction:
    """Commits on success, rolls back on an exception."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
