"""Exact conversion between decimal text and integer units."""

from fractions import Fraction

import pytest
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.units import INT64_MAX, INT64_MIN, UnitScale, parse_rational
from tradecaptain.wire import reason

CENT = UnitScale(Fraction(1, 100), reason.REASON_INVALID_PRICE, "price")
SATOSHI = UnitScale(Fraction(1, 10**8), reason.REASON_INVALID_QUANTITY, "quantity")
SHARE = UnitScale(Fraction(1), reason.REASON_INVALID_QUANTITY, "quantity")
TICK_256 = UnitScale(Fraction(1, 256), reason.REASON_INVALID_PRICE, "price")
FIVE = UnitScale(Fraction(5), reason.REASON_INVALID_QUANTITY, "quantity")


@pytest.mark.parametrize(
    ("scale", "text", "units"),
    [
        (CENT, "0", 0),
        (CENT, "-0.00", 0),
        (CENT, "12", 1200),
        (CENT, "12.5", 1250),
        (CENT, "12.50", 1250),
        (CENT, "12.500", 1250),
        (CENT, "-0.01", -1),
        (CENT, "007.10", 710),
        (CENT, "92233720368547758.07", INT64_MAX),
        (CENT, "-92233720368547758.08", INT64_MIN),
        (SATOSHI, "0.00000001", 1),
        (SATOSHI, "21000000", 2_100_000_000_000_000),
        (SHARE, "3.0", 3),
        (TICK_256, "0.00390625", 1),
        (TICK_256, "101.5", 25_984),
        (FIVE, "15", 3),
    ],
)
def test_text_becomes_an_exact_count(scale: UnitScale, text: str, units: int) -> None:
    assert scale.parse(text) == units


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("+1", "plus sign"),
        (" 1", "white space"),
        ("1 ", "white space"),
        ("1\n", "white space"),
        ("1e2", "exponent"),
        ("1E2", "exponent"),
        ("-1.5e-3", "exponent"),
        ("unlimitedx", "isn't a plain decimal"),
        ("one", "isn't a plain decimal"),
        ("१२", "aren't ASCII"),
        ("\uff11", "aren't ASCII"),
        ("²", "aren't ASCII"),
        ("1,5", "isn't a plain decimal"),
        ("1.", "isn't a plain decimal"),
        (".5", "isn't a plain decimal"),
        ("-", "isn't a plain decimal"),
        ("--1", "isn't a plain decimal"),
        ("1-", "isn't a plain decimal"),
        ("1.-5", "isn't a plain decimal"),
        ("1.2.3", "isn't a plain decimal"),
        ("1_000", "isn't a plain decimal"),
        ("0x10", "isn't a plain decimal"),
        ("nan", "isn't a plain decimal"),
        ("inf", "isn't a plain decimal"),
        ("9" * 41, "longer than 40"),
        ("0.001", "isn't a whole count of the unit 1/100"),
    ],
)
def test_anything_else_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(TradeCaptainError, match=why) as caught:
        CENT.parse(text)
    assert caught.value.reason == reason.REASON_INVALID_PRICE
    assert caught.value.field == "price"


@pytest.mark.parametrize("text", ["92233720368547758.08", "-92233720368547758.09", "9" * 40])
def test_a_count_beyond_64_bits_is_out_of_range(text: str) -> None:
    with pytest.raises(TradeCaptainError) as caught:
        CENT.parse(text)
    assert caught.value.reason == reason.REASON_NUMBER_OUT_OF_RANGE


def test_a_count_off_a_binary_grid_is_refused() -> None:
    with pytest.raises(TradeCaptainError, match="1/256"):
        TICK_256.parse("0.01")


@pytest.mark.parametrize(
    ("scale", "units", "text"),
    [
        (CENT, 1250, "12.50"),
        (CENT, -1, "-0.01"),
        (CENT, -100, "-1.00"),
        (SHARE, -7, "-7"),
        (SATOSHI, 1, "0.00000001"),
        (TICK_256, 3, "0.01171875"),
        (TICK_256, -256, "-1.00000000"),
        (FIVE, 3, "15"),
    ],
)
def test_a_count_becomes_text_with_the_units_decimals(
    scale: UnitScale, units: int, text: str
) -> None:
    assert scale.format(units) == text


@pytest.mark.parametrize("unit", [Fraction(0), Fraction(-1, 100), Fraction(1, 3)])
def test_a_unit_that_decimals_cannot_write_is_refused(unit: Fraction) -> None:
    with pytest.raises(ValueError, match=r"positive|finite"):
        UnitScale(unit, reason.REASON_INVALID_PRICE, "price")


@pytest.mark.parametrize(
    ("text", "value"), [("0.01", Fraction(1, 100)), ("1/256", Fraction(1, 256)), ("5", Fraction(5))]
)
def test_a_rational_is_read_exactly(text: str, value: Fraction) -> None:
    assert parse_rational(text) == value


@pytest.mark.parametrize("text", ["1/0", "1/-2", "a/b", "1e-2", "", "0.1/2"])
def test_what_is_no_rational_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"divides by zero|quotient|exponent|empty"):
        parse_rational(text)
