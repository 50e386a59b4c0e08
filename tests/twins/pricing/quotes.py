"""Slow and obvious twin of the quote feed: what is known of each underlying after some ticks."""

from __future__ import annotations

from dataclasses import dataclass

TRADE, QUOTE, CLEAR = 1, 2, 4


@dataclass
class Quote:
    epoch: int = 0
    sequence: int = 0
    event_time_ns: int = 0
    bid: tuple[int, int] = (0, 0)
    ask: tuple[int, int] = (0, 0)
    last: tuple[int, int] = (0, 0)


class Quotes:
    """Price and quantity of bid, ask and last trade, by instrument."""

    def __init__(self, instrument_ids: list[int]) -> None:
        self.by_id = {instrument_id: Quote() for instrument_id in instrument_ids}

    def take(self, tick: dict[str, int]) -> None:
        quote = self.by_id.get(tick["instrument_id"])
        if quote is None or tick["tick_type"] not in (TRADE, QUOTE, CLEAR):
            return
        if tick["tick_type"] == TRADE:
            quote.last = (tick["price_units"], tick["quantity_units"])
        elif tick["tick_type"] == QUOTE:
            quote.bid = (tick["bid_price_units"], tick["bid_quantity_units"])
            quote.ask = (tick["ask_price_units"], tick["ask_quantity_units"])
        else:
            quote.bid = (quote.bid[0], 0)
            quote.ask = (quote.ask[0], 0)
        quote.epoch = tick["epoch"]
        quote.sequence = tick["instrument_sequence"]
        quote.event_time_ns = tick["event_time_ns"]
