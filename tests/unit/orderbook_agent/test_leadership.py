"""One process at a time may write the venue's log, and a stopped one is fenced as surely as any."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError
from tradecaptain.orderbook.leadership import Leader, Leadership
from tradecaptain.wire import reason

HOLDER = """
import sys
from pathlib import Path
from tradecaptain.orderbook.leadership import Leadership
leadership = Leadership(Path(sys.argv[1]))
leadership.take("orderbook")
print("taken", flush=True)
sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    return process


def test_the_first_process_leads_until_another_is_promoted(tmp_path: Path) -> None:
    leadership = Leadership(tmp_path)
    assert leadership.leader == Leader(0, "orderbook")
    leadership.take("orderbook")
    leadership.release()
    assert leadership.seize("standby") == Leader(1, "standby")
    leadership.release()
    assert Leadership(tmp_path).leader == Leader(1, "standby")
    with pytest.raises(TradeCaptainError, match="standby shall write"):
        leadership.take("orderbook")


@pytest.mark.parametrize("is_stopped", [False, True])
def test_whoever_is_promoted_ends_the_writer_and_keeps_it_out(
    tmp_path: Path, is_stopped: bool
) -> None:
    writer = hold(tmp_path)
    leadership = Leadership(tmp_path)
    with pytest.raises(TradeCaptainError) as refused:
        leadership.take("orderbook")
    assert refused.value.reason == reason.REASON_UNAVAILABLE
    assert str(writer.pid) in refused.value.message
    if is_stopped:
        # One that hangs, and would go on where it stood.
        os.kill(writer.pid, signal.SIGSTOP)
    assert leadership.seize("standby").term == 1
    assert writer.wait() == -signal.SIGKILL
    late = subprocess.run(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert late.returncode == 1
    assert "writes the venue's log" in late.stderr
    leadership.release()


def test_a_writer_that_ended_by_itself_is_followed_at_once(tmp_path: Path) -> None:
    writer = hold(tmp_path)
    writer.kill()
    writer.wait()
    # Its number may belong to somebody else by now, who isn't touched.
    bystander = subprocess.Popen(["sleep", "60"])
    (tmp_path / "venue.lock").write_text(f"{bystander.pid}\n")
    leadership = Leadership(tmp_path)
    leadership.seize("standby")
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    leadership.release()


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "leader").write_text("once upon a time\n")
    with pytest.raises(ConfigurationError, match="leader must hold"):
        _ = Leadership(tmp_path).leader
