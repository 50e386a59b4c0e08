"""The obvious way to check a Binance capture: json, Decimal and dictionaries."""

from __future__ import annotations

import json
from decimal import Decimal


def check_capture(text: str) -> tuple[int, int]:
    """Statements of the vendor that were held against the book, and how many of them failed.

    They are tickers of the same update as the book, gaps, and books crossed after an update. One
    symbol, one snapshot.
    """
    lines = [json.loads(line.partition(" ")[2]) for line in text.splitlines()]
    payloads = [line.get("data", line) for line in lines]
    place = next((i for i, item in enumerate(payloads) if "lastUpdateId" in item), None)
    if place is None:
        return 0, 0
    snapshot = payloads[place]
    book = {
        "b": {Decimal(price): Decimal(size) for price, size in snapshot["bids"]},
        "a": {Decimal(price): Decimal(size) for price, size in snapshot["asks"]},
    }
    last, first_after = snapshot["lastUpdateId"], True
    checked = failed = 0
    best_at: dict[int, tuple] = {}
    for item in payloads:
        if item.get("e") != "depthUpdate" or item["u"] <= last:
            continue
        if "pu" in item:
            follows = item["pu"] <= last if first_after else item["pu"] == last
        else:
            follows = item["U"] <= last + 1
        if not follows:
            checked, failed = checked + 1, failed + 1
        first_after, last = False, item["u"]
        for side in ("b", "a"):
            for price, size in item[side]:
                if Decimal(size) == 0:
                    book[side].pop(Decimal(price), None)
                else:
                    book[side][Decimal(price)] = Decimal(size)
        bid, ask = max(book["b"], default=None), min(book["a"], default=None)
        if bid is not None and ask is not None and bid >= ask:
            checked, failed = checked + 1, failed + 1
        best_at[last] = (bid, book["b"].get(bid), ask, book["a"].get(ask))
    for item in payloads:
        if "B" in item and "A" in item and item["u"] in best_at:
            checked += 1
            told = tuple(Decimal(item[key]) for key in ("b", "B", "a", "A"))
            failed += told != best_at[item["u"]]
    return checked, failed
