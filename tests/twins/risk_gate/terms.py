"""What the twin of the gate is told and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tradecaptain.wire import common, control

INT64_MAX = 2**63 - 1
UNLIMITED = INT64_MAX
LARGEST_ID = 2**31 - 1
KINDS = range(1, 26)
REQUIRED_KINDS = range(1, 7)
(ORDER_QUANTITY, ORDER_NOTIONAL, PRICE_COLLAR, POSITION_LONG, POSITION_SHORT, OPEN_ORDERS) = range(
    1, 7
)
(GROSS_POSITION, DISPLAYED_SHARE, PRICE_MOVE, REFERENCE_AGE, MESSAGE_RATE, MESSAGE_BURST) = range(
    7, 13
)
(DUPLICATE_WINDOW, EXECUTION_COUNT, EXECUTION_WINDOW) = range(13, 16)
(GROSS_EXPOSURE, NET_EXPOSURE, CREDIT, DAILY_LOSS) = range(16, 20)
(TOTAL_GROSS, TOTAL_NET, TOTAL_CREDIT, TOTAL_LOSS, TOTAL_LONG, TOTAL_SHORT) = range(20, 26)
TOTAL_KINDS = range(TOTAL_GROSS, TOTAL_SHORT + 1)
WHOLE_ACCOUNT_KINDS = {OPEN_ORDERS, MESSAGE_RATE, MESSAGE_BURST, EXECUTION_COUNT}
WHOLE_ACCOUNT_KINDS |= {EXECUTION_WINDOW, GROSS_EXPOSURE, NET_EXPOSURE, CREDIT, DAILY_LOSS}
MILLISECOND_NS = 10**6
PRICE_MOVE_WINDOW_NS = 60 * 10**9

FIRM = control.CONTROL_SCOPE_FIRM
ACCOUNT = control.CONTROL_SCOPE_ACCOUNT
INSTRUMENT = control.CONTROL_SCOPE_INSTRUMENT
STRATEGY = control.CONTROL_SCOPE_STRATEGY
ACCOUNT_INSTRUMENT = control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT
GROUP = control.CONTROL_SCOPE_GROUP

(TRADING, CLOSED, TO_REDUCING, SHORT_SALES, UNLOCATED, WITHOUT_KEY) = (1, 2, 4, 8, 16, 32)
(LIMIT_ORDERS, MARKET_ORDERS, STOP_ORDERS) = (64, 128, 256)
REDUCE_ONLY_INSTRUCTION, LOCATED_INSTRUCTION = 2, 1 << 15

REFERENCE_BITS = {"last": 4, "mid": 8, "outside": 16, "close": 32}

# A level is (scope, account or firm or strategy id, instrument id).
Level = tuple[int, int, int]


@dataclass(frozen=True)
class Order:
    """What the gate looks at in an order command."""

    account: int = 100
    instrument: int = 7
    side: int = common.SIDE_BUY
    quantity: int = 1
    price: int = 1000
    order_type: int = common.ORDER_TYPE_LIMIT
    firm: int = 10
    strategy: int = 0
    instructions: int = 0
    short_sale: int = 0
    self_trade_group: int = 0
    time_ns: int = 0


@dataclass(frozen=True)
class Verdict:
    """0 or a reason, and the detail of a refusal."""

    reason: int = 0
    level: int = 0
    limit: int = 0
    observed: int = 0
    reference: int = 0


PASSED = Verdict()


def ceiling_to_int64(value: Fraction) -> int:
    return min(INT64_MAX, -((-value.numerator) // value.denominator))


def saturate(value: int) -> int:
    return max(-(2**63), min(INT64_MAX, value))


def distance_bps(price: int, reference: int) -> Fraction:
    """Distance from a reference in basis points; from zero it is beyond any limit."""
    if price == reference:
        return Fraction(0)
    if reference == 0:
        return Fraction(INT64_MAX)
    return Fraction(abs(price - reference) * 10_000, abs(reference))
