"""The compiled encoder of reports against the protobuf runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.gateway_desk import ALPHA, GatewayDesk
from support.toy_venue import BATCH
from tradecaptain.api.orders.v1 import orders_pb2
from tradecaptain.base.memory import address_of
from tradecaptain.wire import execution_event
from twins.gateway.reports import report_of

U64 = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([0, 1, 127, 128, 2**32, 2**63 - 1]))
I64 = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([0, -1, 1, 63, 64, -64, -65, 2**62, -(2**62), 2**63 - 1, -(2**63)]),
)
U32 = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 127, 128, 2**32 - 1]))
KEYS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=32)
SIGNED = (
    "time_ns",
    "price_units",
    "quantity_units",
    "last_price_units",
    "last_quantity_units",
    "leaves_quantity_units",
    "cumulative_quantity_units",
    "fee_units",
    "limit_value",
    "observed_value",
)
UNSIGNED = ("execution_id", "match_id", "original_execution_id", "command_sequence")
NUMBERS = ("session_id", "firm_id", "trader_id", "strategy_id", "self_trade_group", "trade_date")
SMALL = {
    "execution_type": st.integers(0, 7),
    "order_status": st.integers(0, 6),
    "side": st.integers(0, 2),
    "order_type": st.integers(0, 4),
    "time_in_force": st.integers(0, 5),
    "liquidity": st.integers(0, 2),
    "durability": st.integers(0, 4),
    "limit_level": st.integers(0, 6),
    "reason": st.sampled_from([0, 100, 203, 305]),
    "flags": st.builds(
        lambda last, source: last | source, st.sampled_from([0, 1]), st.sampled_from([0, 4, 8, 16])
    ),
}
EVENTS = st.fixed_dictionaries(
    dict.fromkeys(SIGNED, I64)
    | dict.fromkeys(UNSIGNED, U64)
    | dict.fromkeys(NUMBERS, U32)
    | SMALL
    | {"key": KEYS}
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> GatewayDesk:
    return GatewayDesk(Path(tmp_path_factory.mktemp("gateway")), requests=16, events=256)


@given(st.lists(EVENTS, min_size=1, max_size=4))
def test_every_report_is_what_the_protobuf_runtime_reads(
    desk: GatewayDesk, drawn: list[dict[str, Any]]
) -> None:
    store = desk.store
    # A new epoch and an order that nobody knows, so that each event stands alone.
    desk.desk.begin_epoch(store.epoch + 1)
    place = int(store.accounts[ALPHA]["last_event"])
    batch = np.zeros(len(drawn), dtype=BATCH)
    events = []
    for number, fields in enumerate(drawn, start=1):
        words = np.frombuffer(fields.pop("key").encode().ljust(32, b"\0"), dtype="<i8").tolist()
        event = fields | {f"client_order_id{word}": value for word, value in enumerate(words)}
        event |= {
            "epoch": store.epoch,
            "sequence": number,
            "account_id": ALPHA,
            "instrument_id": 1001,
            "account_sequence": number,
            "order_id": 0,
        }
        record = batch["record"][number - 1 : number]
        filled = np.zeros(1, dtype=execution_event.DTYPE)
        execution_event.initialise(address_of(filled))
        for name, value in event.items():
            filled[name] = value
        record[:] = filled
        events.append(event)
    # With no room for requests nothing is adopted, and events carry no order.
    store.file["request_count"] = store.requests.shape[0]
    store.buckets[:] = 0
    desk.desk.on_batch(batch)
    reports = desk.reports(ALPHA, place)
    assert reports == [report_of(event, event["sequence"] - 1) for event in events]


def test_an_encoded_report_is_canonical(desk: GatewayDesk) -> None:
    cursor = desk.writer.cursor(ALPHA, -int(desk.store.file["event_count"][0]), 2)
    data = desk.writer.next_reports(cursor, 4)
    parsed = orders_pb2.StreamExecutionsResponse.FromString(data)
    assert parsed.reports
    assert parsed.SerializeToString() == data
