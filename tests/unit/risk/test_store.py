"""The store: what is written is there after a restart, each change has its line in the audit."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tradecaptain.base.clock import ManualClock
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.reference_file import default_reference
from tradecaptain.risk.ledger import AccountState, PairState
from tradecaptain.risk.levels import (
    SCOPE_ACCOUNT,
    SCOPE_ACCOUNT_INSTRUMENT,
    SCOPE_INSTRUMENT,
    Level,
)
from tradecaptain.risk.seeds import seed_store
from tradecaptain.risk.store import RiskStore, Setting, Stamp
from tradecaptain.wire import control

LEVEL = Level(SCOPE_ACCOUNT, 100)
STAMP = Stamp("operator", 5, 3, 9, "because")
QUANTITY = control.LIMIT_KIND_ORDER_QUANTITY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "risk.sqlite"


def test_limits_outlive_the_process_with_who_and_when(path: Path) -> None:
    with RiskStore(path) as store:
        store.set_limit(LEVEL, QUANTITY, 2**63 - 1, STAMP)
        store.set_limit(LEVEL, QUANTITY, 7, Stamp("other", 6, 3, 10))
    with RiskStore(path) as store:
        (record,) = store.limits()
        assert (record.value, record.author, record.time_ns, record.sequence) == (7, "other", 6, 10)
        second, first = store.audit()
        assert (first.before, first.after) == (None, 2**63 - 1)
        assert (second.before, second.after) == (2**63 - 1, 7)
        assert first.stamp == STAMP


def test_clear_tells_whether_there_was_a_limit(path: Path) -> None:
    with RiskStore(path) as store:
        assert not store.clear_limit(LEVEL, QUANTITY, STAMP)
        store.set_limit(LEVEL, QUANTITY, 7, STAMP)
        assert store.clear_limit(LEVEL, QUANTITY, STAMP)
        assert store.limits() == []


def test_kill_keeps_its_first_author_and_takes_its_place_in_the_log(path: Path) -> None:
    with RiskStore(path) as store:
        store.set_kill(LEVEL, Stamp("operator", 5, comment="a"))
        store.set_kill(LEVEL, Stamp("operator", 6, 3, 11, "a"))
        store.set_kill(LEVEL, Stamp("somebody", 7, 3, 12, "b"))
        (record,) = store.kill_switches()
        assert (record.author, record.sequence, record.comment) == ("operator", 11, "a")
        assert store.clear_kill(LEVEL, STAMP)
        assert not store.clear_kill(LEVEL, STAMP)


def test_positions_and_progress_are_written_together(path: Path) -> None:
    pair = PairState(100, 1001, -5, bought=1, sold=6, cost=-17, realised=-3, is_value_known=False)
    with RiskStore(path) as store:
        store.save_ledger([pair], [AccountState(100, 8, False)], 3, 44)
        store.set_positions_sent(3)
    with RiskStore(path) as store:
        assert store.positions() == [pair]
        assert store.accounts() == [AccountState(100, 8, False)]
        progress = store.progress()
        assert (progress.epoch, progress.sequence, progress.positions_sent_epoch) == (3, 44, 3)
        store.begin_epoch(4)
        assert store.progress().sequence == 0
        (state,) = store.positions()
        assert (state.position, state.bought, state.sold) == (-5, 0, 0)
        assert store.accounts() == [AccountState(100, 0, False)]


def test_failed_change_leaves_nothing_behind(path: Path) -> None:
    with RiskStore(path) as store:
        with pytest.raises(OverflowError):
            store.set_limit(LEVEL, QUANTITY, 2**63, STAMP)
        assert store.limits() == []
        assert store.audit() == []


def test_reference_limits_are_set_once_and_do_not_come_back(path: Path) -> None:
    reference = default_reference()
    pairs = len(reference.accounts) * len(reference.own_venue())
    with RiskStore(path) as store:
        assert seed_store(store, reference, ManualClock()) == pairs
        instrument = reference.own_venue()[0].instrument_id
        level = Level(SCOPE_ACCOUNT_INSTRUMENT, 100, instrument)
        assert store.clear_limit(level, QUANTITY, STAMP)
        assert seed_store(store, reference, ManualClock()) == 0
        assert store.limit(level, QUANTITY) is None


def test_every_seeded_account_has_all_its_limits(path: Path) -> None:
    reference = default_reference()
    with RiskStore(path) as store:
        seed_store(store, reference, ManualClock())
        for account in reference.accounts:
            for instrument in reference.own_venue():
                ids = account.firm_id, account.account_id, instrument.instrument_id
                kinds = {r.kind for r in store.limits() if r.level.governs(*ids)}
                assert kinds == set(range(1, 7))
            break


def test_file_of_another_kind_is_refused(path: Path) -> None:
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(ConfigurationError, match=r"risk\.sqlite"):
        RiskStore(path)


def test_file_of_a_newer_release_is_refused(path: Path) -> None:
    with RiskStore(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationError, match="version 99"):
        RiskStore(path)


def test_scenarios_of_version_2_come_into_the_unit_of_today(path: Path) -> None:
    action = control.CONTROL_ACTION_SET_SCENARIOS
    level = Level(SCOPE_INSTRUMENT, 0, 7)
    kept = [Setting(action, level, 16, 5), *(Setting(action, level, n, 0) for n in range(2, 16))]
    changes = [Setting(action, level, 0, -4097), Setting(action, level, 1, 3 * 4096)]
    with RiskStore(path) as store:
        store.put_settings("set_scenarios", [*kept, *changes], STAMP)
    connection = sqlite3.connect(path)
    connection.executescript(
        "ALTER TABLE audit DROP COLUMN expire_time_ns; PRAGMA user_version = 2;"
    )
    connection.close()
    with RiskStore(path) as store:
        held = {item.kind: item.value for item in store.settings(action)}
    assert held == {16: 5, 0: -2, 1: 3, **dict.fromkeys(range(2, 16), 0)}
