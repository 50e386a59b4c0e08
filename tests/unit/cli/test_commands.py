"""The command line without a mesh: help, refusals, and what they tell to do next."""

import math
import subprocess
import sys
from contextlib import nullcontext
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from tradecaptain.api.pricing.v1 import options_pb2
from tradecaptain.base.run_paths import RUN_VARIABLE, RunPaths
from tradecaptain.cli import checkout, main, perf, price, test, up
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.verify import command as verify
from tradecaptain.edge.tokens import default_entries, write_tokens
from tradecaptain.launch.run_state import RunState, supervisor_lock
from typer.testing import CliRunner, Result

VERBS = list(main.VERBS)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main.build(VERBS), list(arguments))


def test_the_help_names_every_verb() -> None:
    answer = call("--help")
    assert answer.exit_code == 0
    for verb in VERBS:
        assert verb in answer.stdout


def test_the_version_is_that_of_the_installed_package() -> None:
    answer = call("--version")
    assert answer.exit_code == 0
    assert answer.stdout == f"tradecaptain {metadata.version('tradecaptain')}\n"


def test_no_help_loads_a_compiler() -> None:
    asked = (
        "import sys; from tradecaptain.cli import main;"
        "[main.build([verb]) for verb in main.VERBS];"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    answer = call(verb, "--help")
    assert answer.exit_code == 0
    assert "Usage:" in answer.stdout


@pytest.mark.parametrize("verb", ["submit", "cancel", "replace", "list"])
def test_every_order_verb_explains_itself(verb: str) -> None:
    assert call("order", verb, "--help").exit_code == 0


def test_status_of_nothing_is_an_answer_and_exits_3(run: RunPaths) -> None:
    answer = call("status", "--json")
    assert answer.exit_code == 3
    assert orjson.loads(answer.stdout) == {
        "run": str(run.folder),
        "running": False,
        "ready": False,
    }
    assert "tradecaptain up" in call("status").stdout


def test_status_of_a_mesh_that_starts_says_so(run: RunPaths) -> None:
    with supervisor_lock(run):
        assert "is starting" in call("status").stdout
        # What an earlier supervisor left says nothing of this one.
        RunState(supervisor_pid=1, started_ns=0, ready=True).write(run)
        answer = call("status", "--json")
    assert answer.exit_code == 1
    assert orjson.loads(answer.stdout) == {
        "run": str(run.folder),
        "running": True,
        "ready": False,
    }


def test_down_of_nothing_cleans_up_and_prints_one_object(run: RunPaths) -> None:
    answer = call("down", "--json")
    assert answer.exit_code == 0
    assert orjson.loads(answer.stdout)["stopped"] is False
    assert not run.shared_memory.exists()


def test_a_second_up_says_where_the_first_is(run: RunPaths) -> None:
    with supervisor_lock(run):
        answer = call("up")
    assert isinstance(answer.exception, CommandError)
    assert str(run.folder) in answer.exception.message
    assert "tradecaptain down" in answer.exception.next_step


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("up", "--replay", "/nowhere/file.zip"), "no such file"),
        (("up", "--speed", "max"), "--speed needs --replay"),
        (("logs", "nobody"), "there is no log of nobody"),
        (("verify", "astrology", "x"), "no kind 'astrology'"),
        (("token",), "there are no tokens"),
        (("order", "list"), "nothing is running"),
        (("standby", "status"), "no standby"),
        (("watch", "quotes", "ACME@XSIM"), "nothing is running"),
        (("price", "option", "call", "100", "95", "1", "0.2"), "nothing is running"),
        (("price", "option", "call", "100", "-95", "1", "0.2"), "nothing is running"),
        (("venue", "fee-tier", "3", "-100", "500"), "nothing is running"),
        (("price", "option", "sideways", "100", "95", "1", "0.2"), "'sideways' isn't known"),
        (("price", "exotic", "astrology", "spot=1"), "'astrology' isn't known"),
        (("price", "exotic", "quanto", "moon=1"), "there is no term 'moon'"),
        (("price", "exotic", "quanto", "spot"), "'spot' isn't name=value"),
        (("price", "exotic", "quanto", "spot=much"), "spot: 'much' isn't a number"),
        (("price", "exotic", "quanto", "spot=nan"), "spot: 'nan' isn't a number"),
        (("price", "exotic", "quanto", "spot=-inf"), "spot: '-inf' isn't a number"),
        (("price", "exotic", "quanto", "right=left"), "right can't be 'left'"),
        (("price", "exotic", "quanto", "spot=1", "spot=2"), "spot is given twice"),
        *(
            (
                ("price", "exotic", "arithmetic_asian", f"fixing_count={text}"),
                f"fixing_count: {why}",
            )
            for text, why in (
                ("-1", "'-1' isn't a count"),
                ("2.7", "'2.7' isn't a count"),
                ("1e10", "'1e10' isn't a count"),
                ("nan", "'nan' isn't a number"),
            )
        ),
        (
            ("price", "exotic", "geometric_asian", "average_strike=yess"),
            "average_strike: 'yess' is neither true nor false",
        ),
        (("price", "simulate", "european", "spot=1", "right=call"), "nothing is running"),
        (("price", "portfolio", "X=1", "--spots", "1,two"), "1,two: 'two' isn't a number"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(
    run: RunPaths, arguments: tuple[str, ...], said: str
) -> None:
    answer = call(*arguments)
    assert isinstance(answer.exception, CommandError)
    assert said in answer.exception.message
    assert answer.exception.next_step


def test_an_expected_failure_ends_in_two_lines_and_status_1(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["tradecaptain", "order", "list"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[0].startswith("error: nothing is running in")
    assert said.err.splitlines()[1].startswith("next:")


def test_a_bad_term_answers_with_one_object(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["price", "exotic", "arithmetic_asian", "fixing_count=-1", "--json"]
    monkeypatch.setattr("sys.argv", ["tradecaptain", *arguments])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 1
    error = orjson.loads(capsys.readouterr().out)["error"]
    assert error["message"] == "fixing_count: '-1' isn't a count"
    assert error["next_step"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_price_without_a_volatility_exits_1_in_either_form(
    form: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = options_pb2.SolveImpliedVolatilitiesResponse(
        volatility=[math.nan], status=[options_pb2.OPTION_STATUS_PRICE_BELOW_INTRINSIC]
    )
    stub = SimpleNamespace(SolveImpliedVolatilities=lambda *_, **__: answer)
    monkeypatch.setattr(price, "connect", lambda account: nullcontext(account))
    monkeypatch.setattr(price, "_options", lambda connection: stub)
    monkeypatch.setattr(price, "_settings", lambda connection: {})
    found = call("price", "implied", "call", "100", "80", "0.5", "4.2", *form)
    assert found.exit_code == 1
    if form:
        said = {"volatility": None, "status": "price_below_intrinsic"}
        assert orjson.loads(found.stdout) == said


@pytest.mark.parametrize("option", ["--points", "--seed", "--fixings"])
@pytest.mark.parametrize("number", ["-1", "4294967296"])
def test_counts_of_a_simulation_that_no_request_holds_are_refused(
    run: RunPaths, option: str, number: str
) -> None:
    answer = call("price", "simulate", "european", "spot=1", option, number)
    assert answer.exit_code == main.USAGE_STATUS


@pytest.mark.parametrize("verb", ["up", "down", "status"])
def test_a_file_in_place_of_a_folder_ends_in_two_lines_and_status_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
) -> None:
    place = tmp_path / "file"
    place.touch()
    monkeypatch.setenv(RUN_VARIABLE, str(place))
    monkeypatch.setattr("sys.argv", ["tradecaptain", verb])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: ")
    assert str(place) in first
    assert second.startswith("next:")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("order", "list"), 1, "nothing is running"),
        (("watch", "quotes", "ACME@XSIM"), 1, "nothing is running"),
        (("token", "nobody"), 1, "there are no tokens"),
        (("verify", "astrology", "x"), 1, "no kind 'astrology'"),
        (("verify",), 2, "isn't understood: Missing argument"),
        (("order", "cancel", "x y"), 2, "isn't understood: Invalid value"),
        (("order", "list", "--whose"), 2, "isn't understood: No such option: --whose"),
        (("perf", "astrology"), 1, "gave no answer"),
    ],
)
def test_a_failure_with_json_is_one_object(
    run: RunPaths,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    arguments: tuple[str, ...],
    status: int,
    said: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["tradecaptain", *arguments, "--json"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == status
    assert said in orjson.loads(capfdbinary.readouterr().out)["error"]["message"]


def test_a_typed_refusal_keeps_its_detail_with_json(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    write_tokens(run.tokens, default_entries({"alpha": 100}))
    monkeypatch.setattr("sys.argv", ["tradecaptain", "token", "nobody", "--json"])
    with pytest.raises(SystemExit):
        main.main()
    error = orjson.loads(capfdbinary.readouterr().out)["error"]
    assert error["reason"].startswith("REASON_")
    assert error["rule"]


@pytest.mark.parametrize("kind", ["options", "matching", "replay"])
def test_a_file_that_is_not_there_fails_alone(kind: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"half": ')
    answer = call("verify", kind, "/nowhere/file", str(bad), str(tmp_path), "--json")
    assert answer.exit_code == 1
    result = orjson.loads(answer.stdout)
    assert (result["checked"], result["failed"]) == (3, 3)
    assert [item["id"] for item in result["failures"]] == ["/nowhere/file", str(bad), str(tmp_path)]
    assert all(item["why"].startswith("REASON_") for item in result["failures"])


def test_somebody_who_changes_their_mind_while_a_verb_is_imported_gets_no_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(verbs: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "build", interrupted)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 130


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("", "it was stopped before it was ready"),
        ("import sys; sys.exit('error: no room')", "no room"),
        ("import sys; sys.exit(3)", "what it said stands above"),
    ],
)
def test_a_detached_start_that_ended_says_why(run: RunPaths, program: str, said: str) -> None:
    log = run.log_of("up")
    with log.open("wb") as output:
        child = subprocess.Popen([sys.executable, "-c", program], stderr=output)
    child.wait()
    with pytest.raises(CommandError, match=f"didn't start: {said}"):
        up._follow_start(run, child, log)


def test_logs_with_json_are_one_object(run: RunPaths) -> None:
    run.log_of("risk").write_text('{"event":"one"}\n{"event":"two"}\nno object\n')
    answer = call("logs", "risk", "-n", "2", "--json")
    assert orjson.loads(answer.stdout) == {
        "part": "risk",
        "lines": [{"event": "two"}, {"event": "no object"}],
    }


def test_logs_print_the_end_of_a_part_s_log(run: RunPaths) -> None:
    run.log_of("risk").write_text("one\ntwo\nthree\n")
    assert call("logs", "risk", "-n", "2").stdout == "two\nthree\n"
    assert call("logs", "risk", "-n", "0").stdout == ""


def test_verbs_of_a_checkout_say_so_in_an_installed_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert checkout.find_checkout() is not None
    installed = tmp_path / "lib/python3/site-packages/tradecaptain/cli/checkout.py"
    monkeypatch.setattr(checkout, "__file__", str(installed))
    for verb in (perf.perf, test.run_tests):
        with pytest.raises(CommandError, match="is a verb of a checkout"):
            verb()


def test_kinds_of_verification_are_the_modules_that_can_judge() -> None:
    for kind in verify.kinds():
        module = __import__(f"tradecaptain.cli.verify.{kind}", fromlist=["judge"])
        assert kind == module.KIND
        assert module.HELP
        assert callable(module.judge)


def test_the_doctor_looks_at_everything_and_names_remedies(run: RunPaths) -> None:
    answer = call("doctor", "--json")
    findings = {item["what"]: item for item in orjson.loads(answer.stdout)["findings"]}
    for what in ("Python", "Aeron", "Envoy", "shared memory", "run folder", "kernel cache"):
        assert findings[what]["found"]
    for finding in findings.values():
        assert finding["state"] in ("good", "hint", "bad")
        assert finding["remedy"] or finding["state"] != "bad"


def test_a_busy_port_is_a_finding_of_the_doctor(run: RunPaths) -> None:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        run.config.write_text(f"[ports]\nrisk = {listener.getsockname()[1]}\n")
        answer = call("doctor", "--json")
    assert answer.exit_code == 1
    bad = [item for item in orjson.loads(answer.stdout)["findings"] if item["state"] == "bad"]
    assert any("(risk)" in item["what"] and "process" in item["found"] for item in bad)
