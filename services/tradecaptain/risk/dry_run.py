"""Orders that are only asked about, and the gate's answers as detail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.base.accounts import Account
from tradecaptain.base.errors import TradeCaptainError, reason_info
from tradecaptain.base.instruments import Instrument
from tradecaptain.edge.errors import to_detail
from tradecaptain.edge.limit_texts import fill_limit, reference_source
from tradecaptain.edge.order_instructions import BIT_BY_FIELD, instruction_bits
from tradecaptain.risk.channel import ControlOutcome, ControlRequest
from tradecaptain.risk.levels import SCOPE_ACCOUNT_INSTRUMENT, Level
from tradecaptain.wire import common, control, reason

VENUE_RULES: Final = 1
"""Flag of a question that says all that the order would."""
_CARRIED: Final = frozenset(
    {
        *BIT_BY_FIELD,
        *("account", "instrument", "client_order_id", "side", "type", "time_in_force"),
        *("quantity", "price", "trader_id", "strategy_id", "self_trade_group", "capacity"),
        *("position_effect", "short_sale", "seen_execution_sequence", "seen_price_sequence"),
    }
)
"""What of an order a question carries, or no rule of the venue looks at."""


def meets_venue_rules(order: records_pb2.NewOrder) -> bool:
    """Whether a question can be held against the venue's own rules too.

    It can't carry stops, pegs, displays, minimum quantities, times of expiry and groups.
    """
    return order.type in (common.ORDER_TYPE_LIMIT, common.ORDER_TYPE_MARKET) and all(
        field.name in _CARRIED for field, _ in order.ListFields()
    )


def dry_run_request(
    order: records_pb2.NewOrder, account: Account, instrument: Instrument
) -> ControlRequest:
    """The control that asks about an order; refuses what isn't on the instrument's units."""
    is_priced = order.HasField("price")
    needs_price = order.type in (common.ORDER_TYPE_LIMIT, common.ORDER_TYPE_STOP_LIMIT)
    if is_priced != needs_price and order.type != common.ORDER_TYPE_PEGGED:
        message = "a limit order needs a price"
        if is_priced:
            message = "an order of this type has no price"
        raise TradeCaptainError(reason.REASON_INVALID_PRICE, message, field="price")
    group = order.self_trade_group
    has_group = order.HasField("self_trade_group")
    return ControlRequest(
        control.CONTROL_ACTION_CHECK_ORDER,
        Level(SCOPE_ACCOUNT_INSTRUMENT, account.account_id, instrument.instrument_id),
        fields={
            "side": order.side,
            "order_type": order.type,
            "time_in_force": order.time_in_force or common.TIME_IN_FORCE_DAY,
            "price_units": instrument.price.parse(order.price) if is_priced else 0,
            "quantity_units": instrument.quantity.parse(order.quantity),
            "firm_id": account.firm_id,
            "strategy_id": order.strategy_id,
            "self_trade_group": group if has_group else account.self_trade_group,
            "short_sale": order.short_sale,
            "instructions": instruction_bits(order),
        },
        flags=VENUE_RULES if meets_venue_rules(order) else 0,
    )


def instrument_refusal(
    question: ControlRequest, order: records_pb2.NewOrder, instrument: Instrument, now_ns: int
) -> errors_pb2.ErrorDetail | None:
    """Why an order is off its instrument's own limits, in the words in which it would be refused.

    The gateway holds orders against these before the venue sees them; None if it breaks none.
    """
    try:
        if order.HasField("price"):
            instrument.check_order_price(question.fields["price_units"], now_ns)
        instrument.check_order_quantity(question.fields["quantity_units"])
    except TradeCaptainError as error:
        detail = to_detail(error)
        detail.client_order_id = order.client_order_id
        return detail
    return None


def refusal_detail(
    outcome: ControlOutcome, order: records_pb2.NewOrder, instrument: Instrument
) -> errors_pb2.ErrorDetail:
    """Why the gate would refuse an order, as a refused order is told."""
    why = outcome.outcome
    info = reason_info(why)
    detail = errors_pb2.ErrorDetail(
        reason=why,  # type: ignore[arg-type]
        rule=info.rule,
        field=info.field,
        retryable=info.retryable,
        clause=info.clause,
        message=f"it would be refused: {info.rule}",
        client_order_id=order.client_order_id,
    )
    fill_limit(
        detail,
        outcome.value("limit_level"),
        outcome.value("limit_value"),
        outcome.value("observed_value"),
        reference_source(outcome.value("reference_flags")),
        instrument,
    )
    return detail


@dataclass(frozen=True, slots=True)
class AccountSums:
    """What the gate holds limits of an account, group or firm against, in notional units."""

    cash: int
    trade_cash: int
    position_value: int
    day_start_value: int
    gross_exposure: int
    net_if_bought: int
    net_if_sold: int
    margin: int

    @classmethod
    def of(cls, outcome: ControlOutcome) -> Self:
        """From the answer to `reportSums`."""
        return cls(*(outcome.value(f"scenario{place}") for place in range(8)))

    @property
    def profit(self) -> int:
        """What trades brought and positions are worth."""
        return self.trade_cash + self.position_value

    @property
    def profit_of_day(self) -> int:
        """Profit since the day began; negative is a loss."""
        return self.profit - self.day_start_value

    @property
    def net_exposure(self) -> int:
        """The larger balance, as its limit bounds it."""
        return max(abs(self.net_if_bought), abs(self.net_if_sold))
