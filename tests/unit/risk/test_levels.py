"""Limit values as text and integers, which levels govern an order, and money of positions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference_file import default_reference
from tradecaptain.risk.ledger import PairState
from tradecaptain.risk.levels import (
    SCOPE_ACCOUNT,
    SCOPE_ACCOUNT_INSTRUMENT,
    SCOPE_FIRM,
    SCOPE_INSTRUMENT,
    SCOPE_STRATEGY,
    Level,
    format_value,
    parse_value,
)
from tradecaptain.risk.values import average_price, money_scale, worst_case_units
from tradecaptain.wire import control, reason

REFERENCE = default_reference()
SHARE = REFERENCE.by_symbol("ACME@TCAP")
TOKEN = REFERENCE.by_symbol("UMBRA@TCAP")
HERE = Level(SCOPE_INSTRUMENT, 0, TOKEN.instrument_id)
ACCOUNT = Level(SCOPE_ACCOUNT, 100)


@pytest.mark.parametrize(
    ("level", "kind", "text", "units"),
    [
        (HERE, control.LIMIT_KIND_ORDER_QUANTITY, "1.5", Fraction(3, 2) / TOKEN.quantity_unit),
        (HERE, control.LIMIT_KIND_ORDER_QUANTITY, "0", 0),
        (ACCOUNT, control.LIMIT_KIND_ORDER_NOTIONAL, "0.000001", 1),
        (ACCOUNT, control.LIMIT_KIND_ORDER_NOTIONAL, "9223372036854.775806", 2**63 - 2),
        (ACCOUNT, control.LIMIT_KIND_PRICE_COLLAR, "250", 250),
        (ACCOUNT, control.LIMIT_KIND_OPEN_ORDERS, "unlimited", 2**63 - 1),
    ],
)
def test_text_becomes_units_exactly_and_back(
    level: Level, kind: int, text: str, units: Fraction
) -> None:
    value = parse_value(text, level, kind, REFERENCE)
    assert value == units
    assert parse_value(format_value(value, level, kind, REFERENCE), level, kind, REFERENCE) == value


@pytest.mark.parametrize(
    ("level", "kind", "text", "expected"),
    [
        (ACCOUNT, control.LIMIT_KIND_ORDER_QUANTITY, "5", reason.REASON_INVALID_REQUEST),
        (Level(SCOPE_FIRM, 10), control.LIMIT_KIND_POSITION_LONG, "5", 112),
        (Level(SCOPE_STRATEGY, 1), control.LIMIT_KIND_POSITION_LONG, "5", 112),
        (Level(SCOPE_ACCOUNT_INSTRUMENT, 100, 7), control.LIMIT_KIND_CREDIT, "5", 112),
        (ACCOUNT, control.LIMIT_KIND_ORDER_NOTIONAL, "0.0000001", reason.REASON_INVALID_REQUEST),
        (ACCOUNT, control.LIMIT_KIND_PRICE_COLLAR, "2.5", reason.REASON_INVALID_REQUEST),
        (ACCOUNT, control.LIMIT_KIND_PRICE_COLLAR, "-1", reason.REASON_NUMBER_OUT_OF_RANGE),
        (ACCOUNT, control.LIMIT_KIND_PRICE_COLLAR, "Unlimited", reason.REASON_INVALID_REQUEST),
        (ACCOUNT, control.LIMIT_KIND_PRICE_COLLAR, "9" * 19, reason.REASON_NUMBER_OUT_OF_RANGE),
        (ACCOUNT, control.LIMIT_KIND_PRICE_COLLAR, "", reason.REASON_INVALID_REQUEST),
    ],
)
def test_bad_value_is_refused(level: Level, kind: int, text: str, expected: int) -> None:
    with pytest.raises(TradeCaptainError) as caught:
        parse_value(text, level, kind, REFERENCE)
    assert caught.value.reason == expected


@pytest.mark.parametrize(
    ("level", "governs"),
    [
        (Level(SCOPE_FIRM), True),
        (Level(SCOPE_FIRM, 10), True),
        (Level(SCOPE_FIRM, 11), False),
        (Level(SCOPE_ACCOUNT, 100), True),
        (Level(SCOPE_ACCOUNT, 101), False),
        (Level(SCOPE_INSTRUMENT, 0, 7), True),
        (Level(SCOPE_INSTRUMENT, 0, 8), False),
        (Level(SCOPE_ACCOUNT_INSTRUMENT, 100, 7), True),
        (Level(SCOPE_ACCOUNT_INSTRUMENT, 100, 8), False),
        (Level(SCOPE_ACCOUNT_INSTRUMENT, 101, 7), False),
        (Level(SCOPE_STRATEGY, 100, 7), False),
    ],
)
def test_levels_that_govern_an_order(level: Level, governs: bool) -> None:
    assert level.governs(firm_id=10, account_id=100, instrument_id=7) is governs


@pytest.mark.parametrize(
    ("position", "cost", "text"),
    [
        (3, 30_000, "100"),
        (3, 30_001, "100.003333333"),
        (-3, -30_001, "100.003333333"),
        (3, -30_001, "-100.003333333"),
        (0, 0, None),
    ],
)
def test_average_price_has_twelve_digits(position: int, cost: int, text: str | None) -> None:
    pair = PairState(100, SHARE.instrument_id, position, cost=cost)
    found = average_price(pair, SHARE)
    assert (found and Fraction(found)) == (text and Fraction(text))


def test_average_price_is_absent_where_the_cost_is_not_known() -> None:
    pair = PairState(100, SHARE.instrument_id, 3, cost=1, is_value_known=False)
    assert average_price(pair, SHARE) is None


def test_money_counts_the_multiplier() -> None:
    option = replace(SHARE, multiplier=100)
    assert Fraction(money_scale(option).format(12_345)) == Fraction(12_345)


def test_worst_case_takes_the_larger_side() -> None:
    pair = PairState(100, 7, 10, working_buy=5, working_sell=40)
    assert worst_case_units(pair) == 30
    assert worst_case_units(replace(pair, working_sell=0)) == 15
