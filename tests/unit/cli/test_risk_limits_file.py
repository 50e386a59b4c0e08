"""Files of limits: written, read again, and what is said about a wrong one."""

from pathlib import Path

import pytest
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.risk_limits_file import limits_toml, read_limits
from tradecaptain.cli.risk_targets import target_of
from tradecaptain.cli.risk_values import import_limits

TEXTS = (
    "venue",
    "firm:10",
    "firm:10/ACME@TCAP",
    "group:30",
    "group:30/ACME@TCAP",
    "account:alpha",
    "instrument:ACME@TCAP",
    "alpha/ACME@TCAP",
    "strategy:5",
)


def limit(target: str, kind: str, value: str) -> risk_pb2.Limit:
    number = risk_pb2.LimitKind.Value(f"LIMIT_KIND_{kind}")
    return risk_pb2.Limit(target=target_of(target), kind=number, value=value)


def test_a_file_that_was_written_is_read_as_the_same_limits(tmp_path: Path) -> None:
    limits = [limit(text, "MESSAGE_RATE", "12") for text in TEXTS]
    limits.append(limit("account:alpha", "CREDIT", "unlimited"))
    path = tmp_path / "limits.toml"
    path.write_text(limits_toml(limits))
    found, problems = read_limits(path)
    assert problems == []
    key = lambda item: (item.target.SerializeToString(), item.kind, item.value)  # noqa: E731
    assert sorted(map(key, limits)) == sorted(key(item.request) for item in found)


def test_a_limit_that_is_named_in_two_ways_is_told_with_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text('["alpha/ACME"]\ncredit = "5"\n["alpha/ACME@TCAP"] # again\ncredit = "6"\n')
    found, (problem,) = read_limits(path)
    assert [item.line for item in found] == [2]
    assert (problem.line, problem.message) == (4, "the same limit as in line 2")


def test_what_is_wrong_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(
        "\n".join(
            [
                'stray = "5"',
                '["account:alpha"]',
                'order-size = "5"',
                "open-orders = 5",
                'credit = "7.5"',
                '["desk:30"]',
                'credit = "7"',
            ]
        )
    )
    found, problems = read_limits(path)
    assert [(item.table, item.key, item.line) for item in found] == [("account:alpha", "credit", 5)]
    assert [(problem.line, problem.place) for problem in problems] == [
        (1, "stray"),
        (3, "account:alpha.order-size"),
        (4, "account:alpha.open-orders"),
        (6, "desk:30"),
    ]
    text = problems[1].text(path)
    assert text == f"{path}:3: account:alpha.order-size: there is no limit 'order-size'"


@pytest.mark.parametrize("content", [b"[", b"\xff", None])
def test_what_is_no_toml_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "limits.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError):
        read_limits(path)


def test_of_many_things_that_are_wrong_the_first_are_told(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text('["account:alpha"]\n' + "\n".join(f"wrong-{at} = 5" for at in range(30)))
    with pytest.raises(CommandError) as refused:
        import_limits(path, False, "", "operator", False)
    lines = refused.value.message.splitlines()
    assert len(lines) == 21
    assert ":2: account:alpha.wrong-0" in lines[0]
    assert lines[-1] == "and 10 more"


def test_an_order_is_named_for_a_kill() -> None:
    target = target_of("order:123")
    assert target == risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ORDER, order_id=123)
