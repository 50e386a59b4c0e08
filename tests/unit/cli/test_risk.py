"""Levels and kinds of limits as the command line names them."""

import pytest
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.cli.failure import CommandError
from tradecaptain.cli.risk_targets import kind_of, target_of, target_text

LEVELS = {
    "venue": common_pb2.SCOPE_FIRM,
    "firm:10": common_pb2.SCOPE_FIRM,
    "group:30": common_pb2.SCOPE_GROUP,
    "account:alpha": common_pb2.SCOPE_ACCOUNT,
    "instrument:AMZN@TCAP": common_pb2.SCOPE_INSTRUMENT,
    "alpha/AMZN@TCAP": common_pb2.SCOPE_ACCOUNT_INSTRUMENT,
    "strategy:5": common_pb2.SCOPE_STRATEGY,
}


@pytest.mark.parametrize(("text", "scope"), LEVELS.items())
def test_a_level_is_told_as_it_was_named(text: str, scope: int) -> None:
    target = target_of(text)
    assert target.scope == scope
    assert target_text(target) == text


def test_an_instrument_without_venue_is_ours() -> None:
    assert target_of("alpha/AMZN").instrument == "AMZN@TCAP"


@pytest.mark.parametrize("text", ["", "desk:1", "firm:ten", "firm:", "alpha", "strategy:-1"])
def test_what_names_no_level_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="names no level"):
        target_of(text)


def test_every_kind_has_a_name() -> None:
    for name, number in risk_pb2.LimitKind.items():
        if number:
            text = name.removeprefix("LIMIT_KIND_").lower().replace("_", "-")
            assert kind_of(text) == number
    for text in ("", "unspecified", "order"):
        with pytest.raises(CommandError, match="there is no limit"):
            kind_of(text)
