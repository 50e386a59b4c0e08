"""Sorted levels of the kernels against a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradecaptain.collector.books import BookShape, MirrorBooks
from tradecaptain.kernels.market_data.layout import (
    FEED_MESSAGE_DTYPE,
    MESSAGE_LEVEL,
    MESSAGE_SNAPSHOT,
)
from tradecaptain.kernels.market_data.mirror import mirror_apply_messages

pytestmark = pytest.mark.twin

EDGE = (1 << 62) - 1
PRICES = st.one_of(
    st.integers(-20, 20), st.integers(-EDGE, EDGE), st.sampled_from([-EDGE, 0, EDGE])
)
CHANGES = st.lists(
    st.tuples(st.sampled_from([1, 2]), PRICES, st.sampled_from([0, 1, 7, EDGE])), max_size=60
)


@given(changes=CHANGES, capacity=st.sampled_from([2, 5, 64]))
def test_levels_are_the_best_of_what_was_set(
    changes: list[tuple[int, int, int]], capacity: int
) -> None:
    mirror = MirrorBooks([BookShape(capacity)])
    messages = np.zeros(len(changes) + 1, dtype=FEED_MESSAGE_DTYPE)
    messages[0]["message_type"] = MESSAGE_SNAPSHOT
    naive: dict[int, dict[int, int]] = {1: {}, 2: {}}
    for message, (side, price, quantity) in zip(messages[1:], changes, strict=True):
        message["message_type"] = MESSAGE_LEVEL
        message["side"] = side
        message["price_units"] = price
        message["quantity_units"] = quantity
        levels = naive[side]
        if quantity:
            levels[price] = quantity
        else:
            levels.pop(price, None)
        if len(levels) > capacity:
            del levels[min(levels) if side == 1 else max(levels)]
    misfits = mirror_apply_messages(
        messages, 0, len(messages), mirror.books, mirror.levels, mirror.orders
    )
    assert misfits == 0
    for side in (1, 2):
        ours = [
            (int(level["price_units"]), int(level["quantity_units"]))
            for level in mirror.side(0, side == 1)
        ]
        assert ours == sorted(naive[side].items(), reverse=side == 1)
