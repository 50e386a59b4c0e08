"""The fast lane of orders against the protobuf runtime, the contract's rules and exact decimals."""

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from numba import types
from support.gateway_desk import ALPHA, BETA, REFERENCE, GatewayDesk, new_order
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of
from tradecaptain.base.units import UnitScale
from tradecaptain.edge import validation
from tradecaptain.gateway.commands import Directory, Stager
from tradecaptain.gateway.decimal_text import read_decimal, write_decimal
from tradecaptain.gateway.order_lane import OrderLane
from tradecaptain.gateway.order_parser import stamp_orders
from tradecaptain.gateway.views import order_view, units_of
from tradecaptain.wire import common
from tradecaptain.wire import reason as reasons

ACME = 1001
U32 = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 127, 128, 2**32 - 1]))
U63 = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([0, 127, 128, 2**63 - 1]))
I64 = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, -1, 2**61, -(2**61), 2**63 - 1])
)
KEYS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=32)
DECIMALS = st.one_of(
    st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", fullmatch=True),
    st.from_regex(r"[0-9]{0,19}\.?[0-9]{0,19}", fullmatch=True),
    st.sampled_from(["", ".", "1.", ".5", "+1", "1e3", "1_0", "٣", "0", "0.000", "00.10", "1..2"]),
    st.text(max_size=44),
)
PLAIN_FIELDS: dict[str, Any] = {
    "account": st.sampled_from(["", "alpha", "100"]),
    "instrument": st.sampled_from([i.key for i in REFERENCE.instruments] + ["1001", "ACME@TCAP"]),
    "client_order_id": KEYS,
    "side": st.sampled_from([1, 2]),
    "type": st.just(1),
    "time_in_force": st.integers(0, 5),
    "quantity": st.integers(1, 10**6).map(str),
    "price": st.integers(1, 10**6).map(str),
}
OPTIONAL_FIELDS: dict[str, Any] = {
    "expire_time_ns": st.integers(1, 2**63 - 1),
    "post_only": st.booleans(),
    "reduce_only": st.booleans(),
    "hidden": st.booleans(),
    "all_or_none": st.booleans(),
    "trader_id": U32,
    "strategy_id": U32,
    "self_trade_group": U32,
    "capacity": st.integers(0, 3),
    "position_effect": st.integers(0, 2),
    "short_sale": st.integers(0, 3),
    "seen_execution_sequence": U63,
    "seen_price_sequence": U63,
}
ANY_FIELDS: dict[str, Any] = {
    "account": st.sampled_from(["", "alpha", "é", "a" * 65]),
    "instrument": st.sampled_from(["ACME@TCAP", "1001", "01001", "", "NOPE@TCAP", "ACME", "é"]),
    "client_order_id": st.one_of(KEYS, st.sampled_from(["", "\x1f", "é", "k" * 33])),
    "side": st.integers(0, 4),
    "type": st.integers(0, 6),
    "time_in_force": st.integers(0, 7),
    "quantity": DECIMALS,
    "price": DECIMALS,
    "stop_price": DECIMALS,
    "display_quantity": DECIMALS,
    "expire_time_ns": st.integers(-2, 2**63 - 1),
    "capacity": st.integers(-1, 5),
    "position_effect": st.integers(0, 4),
    "short_sale": st.integers(0, 5),
    "self_trade_group": U32,
    "seen_price_sequence": st.integers(0, 2**64 - 1),
}
PLAIN = st.fixed_dictionaries(PLAIN_FIELDS, optional=OPTIONAL_FIELDS)
ANY = st.fixed_dictionaries({}, optional=ANY_FIELDS)


class Lane:
    """A fast lane and the slow one over the same staging area."""

    def __init__(self, folder: Path) -> None:
        self.gateway = GatewayDesk(folder, requests=64)
        self.directory = Directory(REFERENCE)
        self.stager = Stager(self.gateway.store, self.directory)
        self.units = {i.instrument_id: units_of(i) for i in REFERENCE.instruments}
        self.fast = OrderLane(
            self.gateway.desk,
            self.gateway.writer,
            self.stager.batch_template,
            self.directory.instruments,
            {number: units.SerializeToString() for number, units in self.units.items()},
        )

    def stamped(self, count: int) -> Any:
        account = REFERENCE.account(ALPHA)
        group = account.self_trade_group
        stamp_orders(self.fast._parser_address, count, ALPHA, account.firm_id, group)
        return self.gateway.store.staging[:count].copy()

    def slow(self, row: int, order: records_pb2.NewOrder) -> Any:
        """The staged row of an order that keeps the contract; raises what a client would get."""
        validation.check(order)
        self.stager.stage_new(row, order, ALPHA)
        return self.gateway.store.staging[row].copy()


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Lane:
    return Lane(Path(tmp_path_factory.mktemp("gateway")))


@given(PLAIN, U32)
def test_a_plain_order_is_staged_as_the_slow_lane_does(
    lane: Lane, fields: dict[str, Any], session_id: int
) -> None:
    order = records_pb2.NewOrder(**fields)
    slow = lane.slow(0, order)
    data = orders_pb2.SubmitOrderRequest(order=order, session_id=session_id).SerializeToString()
    assert lane.fast.parse_order(data)
    assert lane.fast.account == order.account
    assert lane.fast.session_id == session_id
    assert lane.stamped(1)[0] == slow
    assert lane.gateway.store.slots[0] == -1


@given(PLAIN, ANY)
def test_whatever_the_fast_lane_takes_keeps_the_contract(
    lane: Lane, plain: dict[str, Any], changes: dict[str, Any]
) -> None:
    order = records_pb2.NewOrder(**(plain | changes))
    if lane.fast.parse_order(orders_pb2.SubmitOrderRequest(order=order).SerializeToString()):
        fast = lane.stamped(1)[0]
        assert fast == lane.slow(0, order)


@given(PLAIN, st.data())
def test_damaged_bytes_are_the_same_order_or_left_to_the_runtime(
    lane: Lane, plain: dict[str, Any], data: st.DataObject
) -> None:
    request = orders_pb2.SubmitOrderRequest(order=records_pb2.NewOrder(**plain), session_id=5)
    damaged = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    if not lane.fast.parse_order(cut):
        return
    fast = lane.stamped(1)[0]
    session_id = lane.fast.session_id
    read = orders_pb2.SubmitOrderRequest.FromString(cut)
    assert fast == lane.slow(0, read.order)
    assert session_id == read.session_id


@given(st.binary(max_size=200))
def test_hostile_bytes_are_left_to_the_runtime(lane: Lane, data: bytes) -> None:
    if lane.fast.parse_order(data):
        fast = lane.stamped(1)[0]
        assert fast == lane.slow(0, orders_pb2.SubmitOrderRequest.FromString(data).order)
    if lane.fast.parse_commands(data) >= 0:
        orders_pb2.OrderSessionRequest.FromString(data)


@given(st.lists(st.tuples(U63, PLAIN), min_size=1, max_size=5), st.booleans(), st.data())
def test_the_commands_of_a_session_are_staged_alike(
    lane: Lane, drawn: list[tuple[int, dict[str, Any]]], damage: bool, data: st.DataObject
) -> None:
    request = orders_pb2.OrderSessionRequest(
        commands=[
            orders_pb2.SessionCommand(
                request_id=number, submit=records_pb2.NewOrder(**(fields | {"account": "alpha"}))
            )
            for number, fields in drawn
        ]
    )
    message = bytearray(request.SerializeToString())
    if damage:
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    count = lane.fast.parse_commands(bytes(message))
    if count < 0:
        assert damage
        return
    read = orders_pb2.OrderSessionRequest.FromString(bytes(message))
    numbers = memoryview(lane.fast.request_ids(count)).cast("q").tolist()
    rows = lane.stamped(count)
    assert numbers == [command.request_id for command in read.commands]
    for row, command in zip(rows, read.commands, strict=True):
        validation.check(command)
        assert lane.fast.account == command.submit.account
        assert row == lane.slow(len(rows), command.submit)


def test_orders_of_two_accounts_in_one_message_are_left_to_the_runtime(lane: Lane) -> None:
    for first, second in (("alpha", "beta"), ("alpha", ""), ("", "alpha")):
        commands = [
            orders_pb2.SessionCommand(request_id=1, submit=new_order("1", account=first)),
            orders_pb2.SessionCommand(request_id=2, submit=new_order("2", account=second)),
        ]
        data = orders_pb2.OrderSessionRequest(commands=commands).SerializeToString()
        assert lane.fast.parse_commands(data) < 0


ROWS = st.fixed_dictionaries(
    {
        "order_id": U63,
        "account_id": st.sampled_from([ALPHA, BETA]),
        "side": st.integers(0, 2),
        "order_type": st.integers(0, 4),
        "time_in_force": st.integers(0, 5),
        "status": st.integers(0, 6),
        "status_reason": st.sampled_from([0, 203]),
        "price_units": I64,
        "quantity_units": I64,
        "leaves_quantity_units": I64,
        "session_id": U32,
        "strategy_id": U32,
        "epoch": U32,
        "sequence": U63,
        "create_time_ns": U63,
        "update_time_ns": U63,
        "outcome": st.sampled_from([0, 1]),
        "instrument_id": st.sampled_from([i.instrument_id for i in REFERENCE.instruments]),
        "current_request": st.sampled_from([3, 4]),
    }
)


def _fill(lane: Lane, number: int, fields: dict[str, int], key: str) -> None:
    row = lane.gateway.store.requests[number]
    for name in row.dtype.names or ():
        row[name] = fields.get(name, 0)
    row["slot"] = number
    words = np.frombuffer(key.encode().ljust(32, b"\0"), dtype="<i8")
    for word in range(4):
        row[f"key_{word}"] = words[word]


@given(ROWS, KEYS, KEYS, st.booleans())
def test_the_answer_is_what_the_runtime_writes(
    lane: Lane, fields: dict[str, int], own_key: str, newest_key: str, duplicate: bool
) -> None:
    _fill(lane, 3, fields, own_key)
    _fill(lane, 4, fields, newest_key)
    instrument = lane.directory.instruments[fields["instrument_id"]]
    fast = lane.fast.submitted(3, duplicate)
    if fast is None:
        amounts = ("price_units", "quantity_units", "leaves_quantity_units")
        assert (
            fields["order_type"] not in (common.ORDER_TYPE_LIMIT, common.ORDER_TYPE_MARKET)
            or max(abs(fields[name]) for name in amounts) >= 2**18
        )
        return
    slow = orders_pb2.SubmitOrderResponse(
        order=order_view(lane.gateway.store, 3, instrument),
        duplicate=duplicate,
        units=lane.units[instrument.instrument_id],
    )
    assert fast == slow.SerializeToString()


@given(st.lists(st.tuples(U63, U63, st.integers(0, 6), I64, I64), min_size=1, max_size=20))
def test_the_results_of_a_session_are_what_the_runtime_writes(
    lane: Lane, drawn: list[tuple[int, int, int, int, int]]
) -> None:
    results = []
    for place, (number, order_id, status, leaves, filled) in enumerate(drawn):
        state = {
            "order_id": order_id,
            "status": status,
            "leaves_quantity_units": leaves,
            "cumulative_quantity_units": filled,
        }
        _fill(lane, 5 + place, state | {"outcome": 1}, "k")
        results.append(orders_pb2.SessionResult(request_id=number, **state))
    ids = np.array([number for number, *_ in drawn], dtype=np.int64).tobytes()
    data = lane.fast.results(5, len(drawn), ids)
    assert data == orders_pb2.OrderSessionResponse(results=results).SerializeToString()
    lane.gateway.store.requests[5]["outcome"] = 2
    assert lane.fast.results(5, len(drawn), ids) is None


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64))
def _read(address: int, length: int, numerator: int, denominator: int) -> int:
    return read_decimal(address, length, numerator, denominator)


@kernel(types.int64(types.int64, types.int64, types.int64, types.int64))
def _write(address: int, units: int, decimals: int, multiplier: int) -> int:
    return write_decimal(address, units, decimals, multiplier)


UNITS = st.sampled_from(
    [Fraction(1), Fraction(1, 100), Fraction(1, 256), Fraction(5, 2), Fraction(1, 10**8)]
)


@given(DECIMALS, UNITS)
def test_decimals_are_read_exactly_or_not_at_all(text: str, unit: Fraction) -> None:
    data = np.frombuffer(text.encode() + b"\0", dtype=np.uint8)
    length = len(text.encode())
    units = _read(address_of(data), length, unit.numerator, unit.denominator)
    scale = UnitScale(unit, reasons.REASON_INVALID_PRICE, "price")
    if units >= 0:
        assert units == scale.parse(text)
        return
    with contextlib.suppress(TradeCaptainError):
        assert scale.parse(text) <= 0 or len(text) > 8


@given(st.one_of(I64, st.integers(-(10**9), 10**9)), UNITS)
def test_decimals_are_written_as_exact_text(units: int, unit: Fraction) -> None:
    scale = UnitScale(unit, reasons.REASON_INVALID_PRICE, "price")
    multiplier = unit.numerator * 10**scale.decimals // unit.denominator
    room = np.zeros(64, dtype=np.uint8)
    end = _write(address_of(room), units, scale.decimals, multiplier)
    if end < 0:
        assert abs(units) * multiplier >= 2**60
        return
    assert bytes(room[: end - address_of(room)]).decode() == scale.format(units)


def test_utf8_errors_are_left_to_the_runtime(lane: Lane) -> None:
    good = orders_pb2.SubmitOrderRequest(order=new_order("key")).SerializeToString()
    bad = good.replace(b"key", b"k\xffy")
    with pytest.raises(DecodeError):
        orders_pb2.SubmitOrderRequest.FromString(bad)
    assert not lane.fast.parse_order(bad)
