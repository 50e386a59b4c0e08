"""The compiled batch codec against the protobuf runtime: same rows, same answer, no crash."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from support.gateway_desk import ALPHA, REFERENCE, GatewayDesk
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.gateway.agent import Entered
from tradecaptain.gateway.batch_lane import BatchLane
from tradecaptain.gateway.commands import Directory, Stager
from tradecaptain.gateway.requests import Pending

U32 = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 127, 128, 1001]))
I64 = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, -1, 2**61, -(2**62), 2**62 - 1, 2**62, 2**63 - 1, -(2**63)]),
)
KEYS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=32)


class Lane:
    """A fast lane and the slow one over the same staging area."""

    def __init__(self, folder: Path) -> None:
        self.gateway = GatewayDesk(folder, requests=64)
        self.stager = Stager(self.gateway.store, Directory(REFERENCE))
        self.fast = BatchLane(self.gateway.desk, self.gateway.requests, self.stager.batch_template)

    def staged(self, count: int) -> Any:
        return self.gateway.store.staging[:count].copy()


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Lane:
    return Lane(Path(tmp_path_factory.mktemp("gateway")))


@st.composite
def columns(draw: st.DrawFn) -> records_pb2.NewOrderColumns:
    count = draw(st.integers(1, 12))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=count, max_size=count))

    optional = draw(st.booleans())
    return records_pb2.NewOrderColumns(
        account=draw(st.sampled_from(["", "alpha", "100", "é"])),
        client_order_ids=column(KEYS),
        instrument_ids=column(U32),
        sides=column(st.integers(0, 200)),
        prices_units=column(I64),
        quantities_units=column(I64),
        types=column(st.integers(0, 4)) if optional else [],
        times_in_force=column(st.integers(0, 5)) if optional else [],
        strategy_id=draw(U32),
        trader_id=draw(U32),
    )


@given(columns(), U32)
def test_both_lanes_stage_the_same_rows(
    lane: Lane, batch: records_pb2.NewOrderColumns, session_id: int
) -> None:
    request = orders_pb2.SubmitBatchRequest(columns=batch, session_id=session_id)
    data = request.SerializeToString()
    count = len(batch.client_order_ids)
    lane.stager.stage_columns(batch, ALPHA)
    slow = lane.staged(count)
    parsed = lane.fast.parse(data)
    if parsed < 0:
        # Only numbers beyond 63 bits are left to the runtime.
        folded = [abs(value) for value in (*batch.prices_units, *batch.quantities_units)]
        assert max(folded) >= 2**62
        return
    assert parsed == count
    assert lane.fast.account == batch.account
    assert lane.fast.session_id == session_id
    from tradecaptain.gateway.batch_codec import stamp_rows

    account = REFERENCE.account(ALPHA)
    stamp_rows(lane.fast._batch, count, ALPHA, account.firm_id, account.self_trade_group)
    fast = lane.staged(count)
    for name in fast.dtype.names or ():
        assert (fast[name] == slow[name]).all(), name


@given(st.data())
def test_damaged_bytes_are_the_same_request_or_left_to_the_runtime(
    lane: Lane, data: st.DataObject
) -> None:
    good = orders_pb2.SubmitBatchRequest(
        columns=lane.gateway.columns(["a", "bb", "ccc"]), session_id=5
    ).SerializeToString()
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    count = lane.fast.parse(cut)
    if count < 0:
        return
    rows = lane.staged(count)
    try:
        request = orders_pb2.SubmitBatchRequest.FromString(cut)
    except DecodeError:
        # Text that isn't UTF-8: such a key is refused on entry, such an account is nobody's.
        keys = np.stack([rows[f"client_order_id{word}"] for word in range(4)]).tobytes()
        assert max(keys) >= 0x80 or "\ufffd" in lane.fast.account
        return
    assert len(request.columns.client_order_ids) == count
    assert rows["price_units"].tolist() == list(request.columns.prices_units)
    assert rows["quantity_units"].tolist() == list(request.columns.quantities_units)
    assert rows["instrument_id"].tolist() == list(request.columns.instrument_ids)
    assert lane.fast.session_id == request.session_id


@pytest.mark.parametrize(
    "request_message",
    [
        orders_pb2.SubmitBatchRequest(),
        orders_pb2.SubmitBatchRequest(session_id=1),
        orders_pb2.SubmitBatchRequest(orders=[records_pb2.NewOrder(quantity="1")]),
        orders_pb2.SubmitBatchRequest(columns=records_pb2.NewOrderColumns(client_order_ids=["a"])),
        orders_pb2.SubmitBatchRequest(
            columns=records_pb2.NewOrderColumns(
                client_order_ids=["a", ""],
                instrument_ids=[1, 1],
                sides=[1, 1],
                prices_units=[1, 1],
                quantities_units=[1, 1],
            )
        ),
    ],
)
def test_other_forms_are_left_to_the_runtime(
    lane: Lane, request_message: orders_pb2.SubmitBatchRequest
) -> None:
    assert lane.fast.parse(request_message.SerializeToString()) < 0


def test_more_orders_than_a_batch_may_have_are_left_to_the_runtime(lane: Lane) -> None:
    batch = lane.gateway.columns([f"k{number}" for number in range(1001)])
    data = orders_pb2.SubmitBatchRequest(columns=batch).SerializeToString()
    assert lane.fast.parse(data) < 0
    with pytest.raises(TradeCaptainError):
        lane.stager.stage_columns(batch, ALPHA)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 103, 106]),
            st.integers(0, 2**63 - 1),
            st.integers(0, 6),
            I64,
            I64,
            st.sampled_from([0, 203, 301]),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_both_lanes_give_the_same_answer(
    lane: Lane, outcomes: list[tuple[int, int, int, int, int, int]]
) -> None:
    requests = lane.gateway.store.requests
    names = ("order_id", "status", "leaves_quantity_units", "cumulative_quantity_units", "reason")
    for row, (_, *values) in enumerate(outcomes):
        for name, value in zip(names, values, strict=True):
            requests[row][name] = value
    codes = np.array([outcome[0] for outcome in outcomes], dtype=np.int64)
    targets = np.arange(len(outcomes), dtype=np.int64)
    pending = Pending(Entered(codes, targets, len(outcomes), None), [])
    slow = lane.gateway.requests.column_results(pending)
    data = lane.fast.answer(pending)
    assert data == orders_pb2.SubmitBatchResponse(columns=slow).SerializeToString()
