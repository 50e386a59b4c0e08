"""Settings of the driver and channels, and how the time-outs hang together."""

import pytest
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.mesh.driver import (
    CLIENT_LIVENESS_VARIABLE,
    IDLE_VARIABLE,
    MediaDriver,
    driver_settings,
)
from tradecaptain.mesh.errors import MeshError
from tradecaptain.mesh.timeouts import SECOND_NS, TIMEOUTS
from tradecaptain.mesh.transport import with_parameter


def test_the_drivers_idle_strategy_comes_from_environment_over_file(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(IDLE_VARIABLE, raising=False)
    assert driver_settings(run).idle == "backoff"
    run.config.write_text('[driver]\nidle = "yield"\n')
    assert driver_settings(run).idle == "yield"
    monkeypatch.setenv(IDLE_VARIABLE, "spin")
    assert driver_settings(run).idle == "spin"


@pytest.mark.parametrize(
    "text", ['idle = "fast"', "idle = 3", 'idel = "spin"', "client_liveness_seconds = 0"]
)
def test_a_bad_driver_setting_is_named(run: RunPaths, text: str) -> None:
    run.config.write_text(f"[driver]\n{text}\n")
    with pytest.raises(ConfigurationError, match=r"driver\.(id|client)"):
        driver_settings(run)


def test_how_long_killed_clients_are_kept_comes_from_environment_over_file(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CLIENT_LIVENESS_VARIABLE, raising=False)
    assert driver_settings(run).timeouts == TIMEOUTS
    run.config.write_text("[driver]\nclient_liveness_seconds = 30\n")
    assert driver_settings(run).timeouts.client_liveness_ns == 30 * SECOND_NS
    monkeypatch.setenv(CLIENT_LIVENESS_VARIABLE, "60")
    timeouts = driver_settings(run).timeouts
    assert timeouts.client_liveness_ns == 60 * SECOND_NS
    # A driver that frees frames of writers before it gives these up doesn't start.
    assert timeouts.client_liveness_ns < timeouts.publication_unblock_ns
    monkeypatch.setenv(CLIENT_LIVENESS_VARIABLE, "1.5")
    with pytest.raises(ConfigurationError, match="whole seconds"):
        driver_settings(run)


def test_a_driver_refuses_an_unknown_idle_strategy(run: RunPaths) -> None:
    with pytest.raises(MeshError, match="busy"):
        MediaDriver(run.aeron, idle_strategy="busy")
    assert not run.aeron.exists()


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("aeron:ipc", "aeron:ipc?tether=false"),
        ("aeron:ipc?mtu=4k", "aeron:ipc?mtu=4k|tether=false"),
        ("aeron:ipc?tether=true|mtu=4k", "aeron:ipc?tether=true|mtu=4k"),
        ("aeron:udp?endpoint=h:1", "aeron:udp?endpoint=h:1|tether=false"),
    ],
)
def test_a_channels_own_parameter_wins(channel: str, expected: str) -> None:
    assert with_parameter(channel, "tether", "false") == expected


def test_time_outs_leave_room_for_each_other() -> None:
    assert 5 * TIMEOUTS.keepalive_interval_ns <= TIMEOUTS.client_liveness_ns
    assert 5 * TIMEOUTS.keepalive_interval_ns <= TIMEOUTS.driver_timeout_ns
    assert TIMEOUTS.client_liveness_ns < TIMEOUTS.publication_unblock_ns
    noticed_ns = TIMEOUTS.watch_interval_ns + TIMEOUTS.conductor_sleep_ns
    assert 10 * noticed_ns <= TIMEOUTS.untethered_linger_ns
    untold_ns = TIMEOUTS.lookaround_interval_ns + TIMEOUTS.conductor_sleep_ns
    assert untold_ns < TIMEOUTS.untethered_linger_ns
    assert 10 * untold_ns <= TIMEOUTS.counter_reuse_ns
    assert TIMEOUTS.driver_timer_interval_ns <= TIMEOUTS.untethered_window_limit_ns
