"""Whatever the unit, text and count stand for the same number, compared by fractions."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.units import INT64_MAX, INT64_MIN, UnitScale
from tradecaptain.wire import reason

units_of_measure = st.one_of(
    st.integers(0, 18).map(lambda power: Fraction(1, 10**power)),
    st.integers(0, 12).map(lambda power: Fraction(1, 2**power)),
    st.sampled_from([Fraction(5), Fraction(1, 4), Fraction(5, 100), Fraction(25, 1000)]),
)
counts = st.one_of(
    st.integers(INT64_MIN, INT64_MAX),
    st.integers(-1000, 1000),
    st.integers(0, 62).map(lambda power: 2**power),
)


@given(units_of_measure, counts)
def test_a_count_survives_being_written_and_read(unit: Fraction, count: int) -> None:
    scale = UnitScale(unit, reason.REASON_INVALID_PRICE, "price")
    text = scale.format(count)
    assert Fraction(text) == count * unit
    if len(text) <= 40:
        assert scale.parse(text) == count


@given(units_of_measure, st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_text_is_read_exactly_or_refused(unit: Fraction, value: Decimal) -> None:
    scale = UnitScale(unit, reason.REASON_INVALID_PRICE, "price")
    text = f"{value:f}"
    exact = Fraction(text) / unit
    try:
        count = scale.parse(text)
    except TradeCaptainError as error:
        in_range = INT64_MIN <= exact <= INT64_MAX
        assert exact.denominator != 1 or not in_range or len(text) > 40
        assert error.reason in (reason.REASON_INVALID_PRICE, reason.REASON_NUMBER_OUT_OF_RANGE)
    else:
        assert exact == count


@given(st.text(max_size=12))
def test_no_text_whatever_raises_anything_but_a_typed_refusal(text: str) -> None:
    scale = UnitScale(Fraction(1, 100), reason.REASON_INVALID_PRICE, "price")
    try:
        count = scale.parse(text)
    except TradeCaptainError:
        return
    assert Fraction(text) == Fraction(count, 100)
