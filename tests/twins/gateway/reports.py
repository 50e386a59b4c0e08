"""How an execution event becomes an ExecutionReport, field by field and without tables."""

from __future__ import annotations

from typing import Any

from tradecaptain.api.orders.v1 import records_pb2

MARKET = 2
TRADE = 3
REPLACED = 5


def key_of(words: list[int]) -> str:
    """The text in four words."""
    data = b"".join((word & (2**64 - 1)).to_bytes(8, "little") for word in words)
    return data.split(b"\0")[0].decode("ascii")


def report_of(event: dict[str, int], previous_sequence: int) -> Any:
    """The report of an event that stands alone: no order is known to it, and nothing was before."""
    flags = event["flags"]
    report = records_pb2.ExecutionReport(
        epoch=event["epoch"],
        sequence=event["account_sequence"],
        previous_sequence=previous_sequence,
        time_ns=event["time_ns"],
        execution_id=event["execution_id"],
        original_execution_id=event["original_execution_id"],
        match_id=event["match_id"],
        execution_type=event["execution_type"],
        order_status=event["order_status"],
        order_id=event["order_id"],
        client_order_id=key_of([event[f"client_order_id{word}"] for word in range(4)]),
        session_id=event["session_id"],
        firm_id=event["firm_id"],
        account_id=event["account_id"],
        trader_id=event["trader_id"],
        strategy_id=event["strategy_id"],
        instrument_id=event["instrument_id"],
        side=event["side"],
        order_type=event["order_type"],
        time_in_force=event["time_in_force"],
        self_trade_group=event["self_trade_group"],
        quantity_units=event["quantity_units"],
        last_quantity_units=event["last_quantity_units"],
        leaves_quantity_units=event["leaves_quantity_units"],
        cumulative_quantity_units=event["cumulative_quantity_units"],
        liquidity=event["liquidity"],
        fee_units=event["fee_units"],
        trade_date=event["trade_date"],
        reason=event["reason"],
        limit_level=event["limit_level"],
        durability=event["durability"],
        command_sequence=event["command_sequence"],
        last_of_command=bool(flags & 1),
    )
    if event["order_type"] != MARKET:
        report.price_units = event["price_units"]
    if event["execution_type"] == TRADE:
        report.last_price_units = event["last_price_units"]
    if event["limit_level"]:
        report.limit_value = event["limit_value"]
        report.observed_value = event["observed_value"]
    sources = {0: 0, 1: 1, 2: 2, 4: 3}
    report.reference_source = sources[flags >> 2 & 7]
    return report
