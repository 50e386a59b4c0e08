"""Enumerations that the edge and the mesh share have the same numbers and the same names."""

from __future__ import annotations

import re

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from tradecaptain.api.common.v1 import common_pb2
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.marketdata.v1 import records_pb2 as market_records
from tradecaptain.api.orders.v1 import records_pb2 as order_records
from tradecaptain.api.risk.v1 import risk_pb2
from tradecaptain.wire import book_event, common, control, execution_event, reason

# google.rpc.Code of calls that were refused: OK is none, UNKNOWN says nothing.
REFUSALS = set(range(1, 17)) - {2}

PAIRS = [
    (common_pb2.Side, "SIDE", common),
    (common_pb2.Scope, "CONTROL_SCOPE", control),
    (risk_pb2.LimitKind, "LIMIT_KIND", control),
    (order_records.OrderType, "ORDER_TYPE", common),
    (order_records.TimeInForce, "TIME_IN_FORCE", common),
    (order_records.Capacity, "CAPACITY", common),
    (order_records.PositionEffect, "POSITION_EFFECT", common),
    (order_records.ShortSale, "SHORT_SALE", common),
    (order_records.ExecutionType, "EXECUTION_TYPE", execution_event),
    (order_records.OrderStatus, "ORDER_STATUS", execution_event),
    (order_records.Liquidity, "LIQUIDITY", execution_event),
    (order_records.SelfTradePrevention, "SELF_TRADE_PREVENTION", common),
    (order_records.PegReference, "PEG_REFERENCE", common),
    (order_records.GroupRole, "GROUP_ROLE", common),
    (market_records.TradingPhase, "TRADING_PHASE", common),
    (order_records.Durability, "DURABILITY", execution_event),
]


@pytest.mark.parametrize(("edge", "prefix", "module"), PAIRS, ids=[pair[1] for pair in PAIRS])
def test_edge_and_mesh_agree(edge: EnumTypeWrapper, prefix: str, module: object) -> None:
    own = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", edge.DESCRIPTOR.name).upper()
    ours = {name.removeprefix(f"{own}_"): number for name, number in edge.items()}
    theirs = {
        name.removeprefix(f"{prefix}_"): number
        for name, number in vars(module).items()
        if name.startswith(f"{prefix}_") and isinstance(number, int)
    }
    ours["UNSET"] = ours.pop("UNSPECIFIED")
    assert ours == theirs


def test_book_actions_agree_but_for_clear_which_is_a_snapshot_at_the_edge() -> None:
    for name in ("ADD", "REDUCE", "REMOVE", "TRADE"):
        assert market_records.BookAction.Value(f"BOOK_ACTION_{name}") == getattr(
            book_event, f"BOOK_ACTION_{name}"
        )


def test_every_reason_says_what_it_means() -> None:
    for value in errors_pb2.Reason.DESCRIPTOR.values:
        info = value.GetOptions().Extensions[errors_pb2.info]
        if value.number == 0:
            assert not info.rule
            continue
        assert info.rule, value.name
        assert info.grpc_code in REFUSALS, value.name
        assert reason.NAMES[value.number] == value.name
