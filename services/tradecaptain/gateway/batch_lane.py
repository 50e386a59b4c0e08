"""The fast lane of SubmitBatch: from bytes to bytes by kernels, with Python only for admission."""

from __future__ import annotations

import numpy as np
from tradecaptain.base.accounts import Account
from tradecaptain.base.memory import address_of
from tradecaptain.gateway.agent import OrderDesk
from tradecaptain.gateway.batch_codec import (
    COLUMN_BYTES_MAX,
    encode_answer,
    new_batch,
    parse_batch,
    stamp_rows,
)
from tradecaptain.gateway.mapped_file import Records
from tradecaptain.gateway.requests import Pending, Requests

_COLUMNS = 5
_INPUT_BYTES = 1 << 18
"""Longest request that the fast lane takes."""


class BatchLane:
    """Stages one batch at a time; nothing may be awaited between :meth:`parse` and `enter`."""

    def __init__(self, desk: OrderDesk, requests: Requests, template: Records) -> None:
        self._desk = desk
        self._store = desk.store
        self._requests = requests
        self._template = template
        self._batch = new_batch(address_of(desk.store.staging), address_of(template))
        body = np.zeros(_COLUMNS * COLUMN_BYTES_MAX, dtype=np.uint8)
        out = np.zeros(_COLUMNS * COLUMN_BYTES_MAX + 16, dtype=np.uint8)
        scratch = np.zeros(COLUMN_BYTES_MAX, dtype=np.uint8)
        self._rooms = (out, body, scratch)
        input_room = np.zeros(_INPUT_BYTES, dtype=np.uint8)
        self._input, self._address = memoryview(input_room), address_of(input_room)
        self._addresses = tuple(address_of(room) for room in self._rooms)
        self._out = memoryview(out)

    def parse(self, data: bytes) -> int:
        """Stage the orders of a request; returns their number, negative if it isn't plain."""
        length = len(data)
        if length > _INPUT_BYTES:
            return -1
        self._input[:length] = data
        return int(parse_batch(self._batch, self._address, length))

    @property
    def account(self) -> str:
        """The account that the parsed request names."""
        row = self._batch[0]
        length = int(row["account_length"])
        if length == 0:
            return ""
        start = int(row["account_offset"]) - self._address
        # What isn't UTF-8 names no account.
        return bytes(self._input[start : start + length]).decode("utf-8", "replace")

    @property
    def session_id(self) -> int:
        """The session that the parsed request names."""
        return int(self._batch["session_id"][0])

    def enter(self, count: int, account: Account, session_id: int) -> Pending:
        """Enter the staged orders."""
        stamp_rows(
            self._batch, count, account.account_id, account.firm_id, account.self_trade_group
        )
        self._store.slots[:count] = -1
        return self._requests.pending(self._desk.enter(count, session_id))

    def answer(self, pending: Pending) -> bytes:
        """The serialised response of a batch whose answers have come."""
        entered = pending.entered
        length = encode_answer(
            self._store.requests,
            address_of(entered.codes),
            address_of(entered.targets),
            len(entered.codes),
            *self._addresses,
        )
        return bytes(self._out[:length])
