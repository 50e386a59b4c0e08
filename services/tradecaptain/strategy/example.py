"""The worked example of docs/strategies.md: a quote on either side of an outside market.

It keeps one bid and one ask a fixed distance from the middle of the source's market, as long as its
position allows, and looks at them at intervals. A quote that stands elsewhere is cancelled, and
placed anew once the venue has said that it is gone.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from tradecaptain.base.jit import inline
from tradecaptain.base.records import records_at
from tradecaptain.strategy.contract import Strategy, handler
from tradecaptain.strategy.desk import (
    now_ns,
    order_number,
    place_cancel,
    place_order,
    placed,
    set_timer,
)
from tradecaptain.wire import common, execution_event, market_tick

QUOTE: Final = np.dtype(
    [("number", "<i8"), ("order_id", "<i8"), ("price_units", "<i8"), ("placed_ns", "<i8")],
    align=True,
)
"""One side: the number of its order, the venue's id of it once it is known, and its price."""

STATE: Final = np.dtype(
    [
        ("source_id", "<i8"),
        ("instrument_id", "<i8"),
        ("half_spread_units", "<i8"),
        ("quantity_units", "<i8"),
        ("position_max_units", "<i8"),
        ("interval_ns", "<i8"),
        ("patience_ns", "<i8"),
        ("middle_units", "<i8"),
        ("position_units", "<i8"),
        ("bid", QUOTE),
        ("ask", QUOTE),
    ],
    align=True,
)
BID: Final = int(STATE.fields["bid"][1])  # type: ignore[index]
ASK: Final = int(STATE.fields["ask"][1])  # type: ignore[index]


@handler
def on_market_data(state: int, tick: int, desk: int) -> int:
    """Note the middle of the source's market; the first one starts the timer."""
    row = records_at(state, 1, STATE)[0]
    if (
        market_tick.get_instrument_id(tick) != row["source_id"]
        or market_tick.get_bid_quantity_units(tick) == 0
        or market_tick.get_ask_quantity_units(tick) == 0
    ):
        return 0
    bid_units = market_tick.get_bid_price_units(tick)
    ask_units = market_tick.get_ask_price_units(tick)
    if row["middle_units"] == 0:
        set_timer(desk, now_ns(desk))
    row["middle_units"] = (bid_units + ask_units) // 2
    return 0


@inline
def renew(row: Any, address: int, desk: int, side: int, price_units: int) -> None:
    """Bring one side's quote where it belongs, a step a time."""
    quote = records_at(address, 1, QUOTE)[0]
    if quote["order_id"] != 0:
        if quote["price_units"] != price_units:
            place_cancel(desk, row["instrument_id"], quote["order_id"])
        return
    if quote["number"] != 0 and now_ns(desk) - quote["placed_ns"] < row["patience_ns"]:
        # The venue hasn't answered yet.
        return
    held_units = row["position_units"] if side == common.SIDE_BUY else -row["position_units"]
    if held_units + row["quantity_units"] > row["position_max_units"]:
        return
    quote["price_units"] = price_units
    quote["placed_ns"] = now_ns(desk)
    quote["number"] = place_order(
        desk,
        row["instrument_id"],
        side,
        price_units,
        row["quantity_units"],
        common.TIME_IN_FORCE_DAY,
    )


@handler
def on_timer(state: int, time_ns: int, desk: int) -> int:
    """Look at both quotes, and come back after the interval."""
    row = records_at(state, 1, STATE)[0]
    set_timer(desk, time_ns + row["interval_ns"])
    renew(row, state + BID, desk, common.SIDE_BUY, row["middle_units"] - row["half_spread_units"])
    renew(row, state + ASK, desk, common.SIDE_SELL, row["middle_units"] + row["half_spread_units"])
    return placed(desk)


@handler
def on_execution(state: int, event: int, desk: int) -> int:
    """Follow the position and what became of each quote."""
    row = records_at(state, 1, STATE)[0]
    kind = execution_event.get_execution_type(event)
    is_buy = execution_event.get_side(event) == common.SIDE_BUY
    quote = records_at(state + (BID if is_buy else ASK), 1, QUOTE)[0]
    order_id = execution_event.get_order_id(event)
    if kind == execution_event.EXECUTION_TYPE_CANCEL_REJECTED:
        # Filled or gone meanwhile, which another event tells.
        return 0
    if kind == execution_event.EXECUTION_TYPE_TRADE:
        units = execution_event.get_last_quantity_units(event)
        row["position_units"] += units if is_buy else -units
    if kind == execution_event.EXECUTION_TYPE_ACCEPTED:
        if order_number(desk, event) != quote["number"] or quote["order_id"] != 0:
            # An answer that came too late: another quote has taken this one's place.
            place_cancel(desk, row["instrument_id"], order_id)
        else:
            quote["order_id"] = order_id
            quote["price_units"] = execution_event.get_price_units(event)
    elif kind == execution_event.EXECUTION_TYPE_REJECTED:
        if order_number(desk, event) == quote["number"]:
            quote["number"] = 0
    elif order_id == quote["order_id"] and execution_event.get_leaves_quantity_units(event) == 0:
        quote["order_id"] = 0
        quote["number"] = 0
    return placed(desk)


def quoter(
    source_id: int,
    instrument_id: int,
    *,
    half_spread_units: int,
    quantity_units: int,
    position_max_units: int,
    interval_ns: int = 10_000_000,
    patience_ns: int = 1_000_000_000,
) -> Strategy:
    """A quoter of one instrument around the market of another; all in the instrument's units."""
    settings = {
        "source_id": source_id,
        "instrument_id": instrument_id,
        "half_spread_units": half_spread_units,
        "quantity_units": quantity_units,
        "position_max_units": position_max_units,
        "interval_ns": interval_ns,
        "patience_ns": patience_ns,
    }

    def start(record: Any) -> None:
        for name, value in settings.items():
            record[name] = value

    return Strategy("quoter", STATE, on_market_data, on_execution, on_timer, start)
