"""Rows of the ring as depth updates of the edge contract, and books as snapshots.

One update tells what one command did to one book. At L1 it always tells both sides, an empty one
with quantity zero; at L2 the changed levels as they are now; at L3 every changed order. Numbers
chain without gaps at every level: an update's ``previous_sequence`` is the number of the update
before it at that level, so a reader that filters loses nothing unawares.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.marketdata.v1 import records_pb2
from tradecaptain.orderbook.view_layout import ROW
from tradecaptain.wire.book_event import (
    BOOK_ACTION_CLEAR,
    BOOK_ACTION_INDICATIVE,
    BOOK_ACTION_PHASE,
)

L1 = records_pb2.DEPTH_LEVEL_L1
L2 = records_pb2.DEPTH_LEVEL_L2
L3 = records_pb2.DEPTH_LEVEL_L3
LEVELS = (L1, L2, L3)

FLAG_LAST = 1

type DepthLevel = records_pb2.DepthLevel.ValueType

Row = NamedTuple("Row", [(name, int) for name in ROW.names or ()])  # type: ignore[misc]
"""One row of the ring as Python integers."""


@dataclass(slots=True)
class UpdateBuilder:
    """Builds the updates of one book at one level, and keeps their numbers chained."""

    level: DepthLevel
    epoch: int
    previous_sequence: int
    publish_time_ns: int

    def updates(self, rows: Iterable[Any]) -> Iterator[records_pb2.DepthUpdate]:
        """Updates that tell these rows of one book, in their order."""
        for (_, _, is_clear), group in groupby(rows, key=_command):
            changes = list(group)
            if is_clear:
                yield self._cleared(changes[-1])
            elif self.level == L1:
                yield from self._top(changes)
            else:
                yield self._changed(changes)

    def _stamp(self, row: Any, is_last: bool) -> records_pb2.RecordStamp:
        if row.epoch != self.epoch:  # A new epoch numbers anew.
            self.epoch, self.previous_sequence = row.epoch, 0
        stamp = records_pb2.RecordStamp(
            epoch=row.epoch,
            sequence=row.sequence,
            previous_sequence=self.previous_sequence,
            event_time_ns=row.time_ns,
            receive_time_ns=row.time_ns,
            publish_time_ns=self.publish_time_ns,
            source=records_pb2.DATA_SOURCE_VENUE,
            last_of_command=is_last,
        )
        self.previous_sequence = row.sequence
        return stamp

    def _cleared(self, row: Any) -> records_pb2.DepthUpdate:
        stamp = self._stamp(row, bool(row.flags & FLAG_LAST))
        stamp.snapshot = True
        snapshot = records_pb2.BookSnapshot(
            instrument_id=row.instrument_id, stamp=stamp, level=self.level
        )
        return records_pb2.DepthUpdate(
            instrument_id=row.instrument_id, stamp=stamp, snapshot=snapshot
        )

    def _top(self, rows: list[Any]) -> Iterator[records_pb2.DepthUpdate]:
        moved = [row for row in rows if row.top_changed]
        notices = [row for row in rows if _is_notice(row)]
        if not moved and not notices:
            return
        row = max(moved[-1:] + notices[-1:], key=lambda found: found.sequence)
        update = records_pb2.DepthUpdate(
            instrument_id=row.instrument_id,
            stamp=self._stamp(row, bool(rows[-1].flags & FLAG_LAST)),
        )
        _add_notices(update, notices)
        update.levels.extend(
            [
                _level(
                    common_pb2.SIDE_BUY,
                    row.bid_price_units,
                    row.bid_quantity_units,
                    row.bid_order_count,
                ),
                _level(
                    common_pb2.SIDE_SELL,
                    row.ask_price_units,
                    row.ask_quantity_units,
                    row.ask_order_count,
                ),
            ]
            if moved
            else []
        )
        yield update

    def _changed(self, rows: list[Any]) -> records_pb2.DepthUpdate:
        last = rows[-1]
        update = records_pb2.DepthUpdate(
            instrument_id=last.instrument_id,
            stamp=self._stamp(last, bool(last.flags & FLAG_LAST)),
        )
        _add_notices(update, [row for row in rows if _is_notice(row)])
        rows = [row for row in rows if not _is_notice(row)]
        if self.level == L3:
            update.orders.extend(
                records_pb2.OrderChange(
                    action=row.action,
                    side=row.side,
                    order_id=row.order_id,
                    price_units=row.price_units,
                    quantity_units=row.quantity_units,
                    match_id=row.match_id,
                )
                for row in rows
            )
            return update
        # A level that changed several times is told once, as it is after the command.
        changed = {(row.side, row.price_units): row for row in rows}
        update.levels.extend(
            _level(side, price_units, row.level_quantity_units, row.level_order_count)
            for (side, price_units), row in changed.items()
        )
        return update


def _is_notice(row: Any) -> bool:
    """Whether a row is about the market, not about an order."""
    return row.action in (BOOK_ACTION_INDICATIVE, BOOK_ACTION_PHASE)


def _add_notices(update: records_pb2.DepthUpdate, rows: list[Any]) -> None:
    """Tell phases and indications."""
    for row in rows:
        if row.action == BOOK_ACTION_PHASE:
            update.phases.add(
                phase=row.quantity_units, auction_end_time_ns=row.level_quantity_units
            )
        else:
            update.indications.add(
                price_units=row.price_units if row.quantity_units else None,
                quantity_units=row.quantity_units,
                surplus_quantity_units=row.level_quantity_units,
                surplus_side=row.side,
            )


def _command(row: Any) -> tuple[int, int, bool]:
    return row.epoch, row.command_sequence, row.action == BOOK_ACTION_CLEAR


def _level(
    side: common_pb2.Side.ValueType, price_units: int, quantity_units: int, order_count: int
) -> records_pb2.LevelChange:
    return records_pb2.LevelChange(
        side=side,
        level=records_pb2.PriceLevel(
            price_units=price_units, quantity_units=quantity_units, order_count=order_count
        ),
    )
