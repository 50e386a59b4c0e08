"""The fast lane of single orders and of sessions: from bytes to bytes by kernels.

Python does the admission and waits; everything else goes from the request's bytes to the log and
from the store to the answer's bytes. What the parser doesn't take, the slow lane does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from tradecaptain.api.orders.v1 import orders_pb2
from tradecaptain.base.accounts import Account
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.gateway.agent import Answer, OrderDesk
from tradecaptain.gateway.frame import AT_TEXTS
from tradecaptain.gateway.instrument_texts import InstrumentTexts
from tradecaptain.gateway.layout import BATCH_MAX
from tradecaptain.gateway.mapped_file import Records
from tradecaptain.gateway.order_encoder import (
    AVERAGE,
    NEEDS_AVERAGE,
    ORDER_BYTES_MAX,
    RESULT_BYTES_MAX,
    encode_results,
    encode_submitted,
)
from tradecaptain.gateway.order_parser import PARSER, parse_commands, parse_submit, stamp_orders
from tradecaptain.gateway.views import ReportWriter, average_price

_INPUT_BYTES: Final = 1 << 18
"""Longest request that the fast lane takes."""
_PLACES: Final = {name: place for place, name in enumerate(PARSER.names or ())}
_ACCOUNT_ADDRESS: Final = _PLACES["account_address"]
_ACCOUNT_LENGTH: Final = _PLACES["account_length"]
_SESSION_ID: Final = _PLACES["session_id"]
_REPORTS: Final = int(orders_pb2.SubmitOrderResponse.DESCRIPTOR.fields_by_name["reports"].number)


class OrderLane:
    """Stages the orders of one message at a time; nothing may be awaited between parsing it and
    entering it, nor between an answer's parts."""

    def __init__(
        self,
        desk: OrderDesk,
        writer: ReportWriter,
        template: Records,
        instruments: Mapping[int, Instrument],
        units: Mapping[int, bytes],
    ) -> None:
        self._desk = desk
        self._store = store = desk.store
        self._writer = writer
        self._instruments = instruments
        self._texts = InstrumentTexts(instruments.values(), units)
        store.frame.set(AT_TEXTS, self._texts.table)
        self._frame = store.frame.address
        self._template = template
        self._own_groups = np.zeros(BATCH_MAX, dtype=np.int64)
        self._request_ids = np.zeros(BATCH_MAX, dtype=np.int64)
        self._parser = aligned_zeros(1, PARSER)
        self._parser_address = address_of(self._parser)
        row = self._parser[0]
        row["template_address"] = address_of(template)
        row["staging_address"] = address_of(store.staging)
        row["slots_address"] = address_of(store.slots)
        row["own_groups_address"] = address_of(self._own_groups)
        row["request_ids_address"] = self._ids_address = address_of(self._request_ids)
        row["texts_address"] = address_of(self._texts.table)
        self._words = memoryview(self._parser.view(np.int64))
        self._ids = memoryview(self._request_ids.view(np.uint8))
        input_room = np.zeros(_INPUT_BYTES, dtype=np.uint8)
        self._input, self._input_address = memoryview(input_room), address_of(input_room)
        out = np.zeros(max(2 * ORDER_BYTES_MAX, BATCH_MAX * RESULT_BYTES_MAX), dtype=np.uint8)
        self._out, self._out_address = memoryview(out), address_of(out)
        self._average = aligned_zeros(1, AVERAGE)
        self._average_address = address_of(self._average)

    def show_units(self, units: Mapping[int, bytes]) -> None:
        """Take in instruments that were opened meanwhile, and their serialised units."""
        self._texts.fill(self._instruments.values(), units)

    def parse_order(self, data: bytes) -> bool:
        """Stage the order of a ``SubmitOrderRequest``; False if it isn't plain."""
        length = len(data)
        if length > _INPUT_BYTES:
            return False
        self._input[:length] = data
        return bool(parse_submit(self._parser_address, self._input_address, length) > 0)

    def parse_commands(self, data: bytes) -> int:
        """Stage the orders of an ``OrderSessionRequest``; how many, negative if it isn't plain."""
        length = len(data)
        if length > _INPUT_BYTES:
            return -1
        self._input[:length] = data
        return int(parse_commands(self._parser_address, self._input_address, length))

    @property
    def account(self) -> str:
        """The account that the staged orders name."""
        length = self._words[_ACCOUNT_LENGTH]
        if length == 0:
            return ""
        start = self._words[_ACCOUNT_ADDRESS] - self._input_address
        return bytes(self._input[start : start + length]).decode("ascii")

    @property
    def session_id(self) -> int:
        """The session that the staged order names."""
        return self._words[_SESSION_ID]

    @property
    def first_target(self) -> int:
        """The request of the first order that was entered."""
        return self._store.first_target[0]

    def request_ids(self, count: int) -> bytes:
        """The session's numbers of the staged orders, as :meth:`results` takes them."""
        return bytes(self._ids[: count * 8])

    def enter(self, count: int, account: Account, session_id: int, answer: Answer) -> int:
        """Enter the staged orders; see :meth:`OrderDesk.publish`."""
        stamp_orders(
            self._parser_address,
            count,
            account.account_id,
            account.firm_id,
            account.self_trade_group,
        )
        return self._desk.publish(count, session_id, answer)

    def submitted(self, number: int, duplicate: bool) -> bytes | None:
        """The serialised ``SubmitOrderResponse`` of a request that the venue has answered.

        None if it was refused, or if the runtime has to write it.
        """
        length = self._encode(number, duplicate)
        if length == NEEDS_AVERAGE:
            length = self._encode_filled(number, duplicate)
        if length < 0:
            return None
        return bytes(self._out[:length]) + self._writer.reports_of(number, _REPORTS)

    def _encode(self, number: int, duplicate: bool) -> int:
        return int(
            encode_submitted(
                self._frame, number, int(duplicate), self._average_address, self._out_address
            )
        )

    def _encode_filled(self, number: int, duplicate: bool) -> int:
        slot = int(self._store.requests[number]["slot"])
        instrument = self._instruments[int(self._store.requests[slot]["instrument_id"])]
        text = average_price(self._store, slot, instrument).encode()
        room = np.frombuffer(text + b"\0", dtype=np.uint8)
        self._average[0] = (1, address_of(room), len(text))
        length = self._encode(number, duplicate)
        self._average[0] = (0, 0, 0)
        return length

    def results(self, first: int, count: int, request_ids: bytes) -> bytes | None:
        """The results of fresh orders from request ``first`` on, as fields of a response.

        None if the venue refused one of them.
        """
        self._ids[: count * 8] = request_ids
        length = encode_results(self._frame, first, count, self._ids_address, self._out_address)
        return None if length < 0 else bytes(self._out[:length])
