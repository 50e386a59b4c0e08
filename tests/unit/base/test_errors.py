"""The root exception and the catalogue behind it."""

import pickle

import pytest
from tradecaptain.base.errors import ConfigurationError, TradeCaptainError, reason_info
from tradecaptain.wire import reason


def test_an_error_knows_its_rule() -> None:
    error = TradeCaptainError(
        reason.REASON_PRICE_COLLAR, "too far away", limit=500, observed="900", level="account"
    )
    assert error.name == "REASON_PRICE_COLLAR"
    assert error.field == "price"
    assert error.rule.startswith("price must lie within the collar")
    assert not error.retryable
    assert (error.limit, error.observed, error.level) == ("500", "900", "account")
    assert str(error) == "too far away"


def test_a_given_field_goes_over_the_catalogues() -> None:
    assert TradeCaptainError(reason.REASON_INVALID_PRICE, "x", field="stop_price").field == (
        "stop_price"
    )
    assert TradeCaptainError(reason.REASON_INVALID_PRICE, "x", field="").field == ""


def test_every_reason_of_the_catalogue_has_a_name_and_a_rule() -> None:
    for number in reason.NAMES:
        info = reason_info(number)
        assert info.name.startswith("REASON_")
        assert info.rule or number == reason.REASON_UNSPECIFIED


def test_an_unknown_number_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        reason_info(99_999)


@pytest.mark.parametrize(
    "error",
    [
        TradeCaptainError(reason.REASON_INVALID_PRICE, "a", field="b", limit=1, level="firm"),
        ConfigurationError("c", field="d"),
    ],
)
def test_an_error_crosses_process_boundaries(error: TradeCaptainError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert (copy.reason, copy.message, copy.field) == (error.reason, error.message, error.field)
    assert (copy.limit, copy.level) == (error.limit, error.level)
