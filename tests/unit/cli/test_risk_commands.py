"""Commands of `tradecaptain risk` as they are typed: numbers out of range, names, texts."""

from __future__ import annotations

import pytest
import typer
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.api.risk.v1 import administration_pb2, risk_pb2
from tradecaptain.cli import risk
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.order import Short, mark_short
from tradecaptain.cli.output import show
from tradecaptain.cli.risk_restrictions import restrictions_of, restrictions_text
from tradecaptain.cli.risk_targets import limit_text, time_text
from tradecaptain.cli.risk_values import position_of
from typer.testing import CliRunner

APP = typer.Typer()
risk.register(APP)
APP.callback()(lambda: None)


@pytest.mark.parametrize(
    "command",
    [
        "audit --count -1",
        "audit --count 0",
        "override account:alpha credit 5 --comment c --seconds 0",
        "override account:alpha credit 5 --comment c --seconds 86401",
        "margin AMZN 1000001",
        "margin AMZN -1",
        "group alpha 99999999999",
        "scenarios AMZN 99999999999 --delta 1 --range 1",
        "check alpha AMZN buy 1 --strategy -1",
        "drop-copy --firm -1",
    ],
)
def test_a_number_out_of_range_is_refused_as_the_line_is_read(command: str) -> None:
    result = CliRunner().invoke(APP, ["risk", *command.split()])
    assert result.exit_code == 2, result.output
    assert "Invalid value" in result.output


@pytest.mark.parametrize(
    "command", ["cash alpha -500", "set account:alpha open-orders -1", "reference-price AMZN -1"]
)
def test_a_negative_number_is_a_value_and_no_option(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADECAPTAIN_RUN", "/nonexistent")
    result = CliRunner().invoke(APP, ["risk", *command.split()])
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, CommandError)


def test_restrictions_are_told_as_they_are_named() -> None:
    found = restrictions_of(["short-sales", "trading"])
    assert found == [
        administration_pb2.RESTRICTION_SHORT_SALES,
        administration_pb2.RESTRICTION_TRADING,
    ]
    assert restrictions_text(found) == "trading, short-sales"
    with pytest.raises(CommandError, match="no restriction 'shorts'"):
        restrictions_of(["shorts"])


def test_an_override_is_told_with_its_end_and_its_reason() -> None:
    limit = risk_pb2.Limit(
        target=risk_pb2.RiskTarget(scope=common_pb2.SCOPE_ACCOUNT, account="alpha"),
        kind=risk_pb2.LIMIT_KIND_OPEN_ORDERS,
        value="7",
        author="operator",
        expire_time_ns=1_700_000_000_123_456_789,
        comment="busy",
    )
    assert time_text(limit.expire_time_ns) == "2023-11-14T22:13:20.123Z"
    assert limit_text(limit).endswith("7  operator until 2023-11-14T22:13:20.123Z (busy)")


@pytest.mark.parametrize(
    ("short", "mark", "is_located"),
    [
        (None, records_pb2.SHORT_SALE_UNSPECIFIED, False),
        (Short.LOCATED, records_pb2.SHORT_SALE_SHORT, True),
        (Short.UNLOCATED, records_pb2.SHORT_SALE_SHORT, False),
        (Short.EXEMPT, records_pb2.SHORT_SALE_SHORT_EXEMPT, False),
    ],
)
def test_short_sales_are_marked(short: Short | None, mark: int, is_located: bool) -> None:
    order = records_pb2.NewOrder()
    mark_short(order, short)
    assert (order.short_sale, order.located) == (mark, is_located)


def test_a_place_among_the_events_is_epoch_and_sequence() -> None:
    place = position_of("3:17")
    assert (place.epoch, place.sequence) == (3, 17)
    for text in ("", "3", "3:", "a:1", "1:-2"):
        with pytest.raises(CommandError, match="no place"):
            position_of(text)


def test_texts_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show("limits.toml:14: group:x: 'group:x' names no level")
    assert capsys.readouterr().out == "limits.toml:14: group:x: 'group:x' names no level\n"
