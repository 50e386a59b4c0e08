"""What a refusal says of the limit that tripped: numbers with their units, and where it is set."""

import pytest
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.base.reference_file import default_reference
from tradecaptain.edge.limit_texts import fill_limit
from tradecaptain.wire import reason

INSTRUMENT = default_reference().instruments[0]


def told(why: int, level: int, limit: int = 0, observed: int = 0, source: int = 0) -> str:
    detail = errors_pb2.ErrorDetail(reason=why, message="refused")  # type: ignore[arg-type]
    fill_limit(detail, level, limit, observed, source, INSTRUMENT)
    return detail.message


@pytest.mark.parametrize(
    ("why", "limit", "observed", "expected"),
    [
        (reason.REASON_PRICE_COLLAR, 1000, 5000, "limit 1000 basis points, observed 5000 basis"),
        (reason.REASON_DUPLICATE_ORDER, 500, 20, "limit 500 ms, observed 20 ms"),
        (reason.REASON_MESSAGE_RATE_LIMIT, 100, 12, "limit 100 messages a second, observed 12 at"),
        (reason.REASON_OPEN_ORDER_LIMIT, 3, 4, "limit 3 orders, observed 4 orders"),
        (reason.REASON_CREDIT_LIMIT, 250_000_000, 275_000_000, "limit 250.000000, observed 275"),
    ],
)
def test_numbers_have_the_unit_of_their_reason(
    why: int, limit: int, observed: int, expected: str
) -> None:
    assert told(why, common_pb2.SCOPE_FIRM, limit, observed).startswith(f"refused ({expected}")


def test_the_level_and_the_reference_are_named_in_words() -> None:
    source = common_pb2.REFERENCE_PRICE_SOURCE_LAST_TRADE
    text = told(reason.REASON_PRICE_COLLAR, common_pb2.SCOPE_ACCOUNT_INSTRUMENT, 1, 2, source)
    assert text.endswith(
        "at the level of the account in this instrument, reference is the last trade)"
    )


def test_a_switch_has_no_numbers() -> None:
    assert told(reason.REASON_KILL_SWITCH, common_pb2.SCOPE_GROUP, 0, 1) == (
        "refused (at the level of the group)"
    )


def test_an_unset_limit_is_named() -> None:
    kind = risk_pb2.LIMIT_KIND_OPEN_ORDERS
    assert told(reason.REASON_LIMIT_UNSET, common_pb2.SCOPE_ACCOUNT, 0, kind) == (
        "refused (unset is open orders, at the level of the account)"
    )


def test_a_refusal_without_a_level_tells_no_limit() -> None:
    assert told(reason.REASON_INVALID_SIDE, 0, 0, 7) == "refused"


def test_a_switch_has_neither_limit_nor_value() -> None:
    detail = errors_pb2.ErrorDetail(reason=errors_pb2.REASON_KILL_SWITCH)
    fill_limit(detail, common_pb2.SCOPE_ACCOUNT, 0, 0, 0, INSTRUMENT)
    assert not detail.HasField("limit")
    assert not detail.HasField("observed")
