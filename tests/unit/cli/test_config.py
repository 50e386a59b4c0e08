"""`config` shows every setting in force, and says where it comes from."""

import subprocess
import sys

import orjson
import pytest
from tradecaptain.base.compile_cache import OWNER_VARIABLE
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.finding import GOOD, HINT
from tradecaptain.cli.main import build
from tradecaptain.cli.run_findings import configuration
from typer.testing import CliRunner


def shown(*arguments: str) -> str:
    answer = CliRunner().invoke(build(["config"]), ["config", *arguments])
    assert answer.exit_code == 0, answer.exception
    return answer.stdout


def test_every_table_that_a_part_reads_is_shown(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.config.write_text(
        '[standby]\nenabled = true\n[driver]\nclient_liveness_seconds = 9\nidle = "yield"\n'
    )
    monkeypatch.setenv("TRADECAPTAIN_RISK__READ_INTERVAL_MS", "7")
    monkeypatch.setenv(OWNER_VARIABLE, "/somewhere")
    settings = orjson.loads(shown("--json"))["settings"]
    assert settings["driver"] == {"idle": "yield", "client_liveness_seconds": 9}
    assert settings["standby"] == {"enabled": True, "channel": "aeron:ipc"}
    assert settings["risk"]["read_interval_ms"] == 7
    text = shown()
    assert f"# {run.config} sets driver, standby\n" in text
    assert "# TRADECAPTAIN_RISK__READ_INTERVAL_MS is set in the environment\n" in text
    assert OWNER_VARIABLE not in text
    assert "# account_requests_max isn't set\n" in text


def test_doctor_takes_a_standby_for_what_it_is(run: RunPaths) -> None:
    run.config.write_text("[standby]\nenabled = true\n")
    (finding,) = configuration(run)
    assert finding.state == GOOD


def test_up_starts_nothing_with_settings_that_a_part_cannot_read(run: RunPaths) -> None:
    run.config.write_text("[gatway]\n[gateway]\nrequests_max = -1\n")
    answer = CliRunner().invoke(build(["up"]), ["up"])
    assert isinstance(answer.exception, CommandError)
    assert "gateway.requests_max" in answer.exception.message
    assert str(run.config) in answer.exception.next_step
    assert not run.pids.exists() or not list(run.pids.iterdir())


def test_a_table_that_no_part_reads_is_named(run: RunPaths) -> None:
    run.config.write_text("[gatway]\n")
    (finding,) = configuration(run)
    assert (finding.state, finding.found) == (HINT, "[gatway] is no part's table")


def test_a_variable_that_no_part_reads_is_named(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADECAPTAIN_GATWAY__REQUESTS_MAX", "5000")
    (finding,) = configuration(run)
    assert (finding.state, finding.found) == (
        HINT,
        "TRADECAPTAIN_GATWAY__REQUESTS_MAX is no part's setting",
    )


def test_settings_are_read_without_the_compiler(run: RunPaths) -> None:
    # Where nothing is compiled yet, each kernel that reading them loaded would be compiled first.
    program = (
        "import sys;"
        "from tradecaptain.base.run_paths import RunPaths;"
        "from tradecaptain.cli.run_findings import configuration;"
        "print([item.state for item in configuration(RunPaths.from_environment())]);"
        "print('numba' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout == f"{[GOOD]}\nFalse\n", found.stderr
