"""From requests to staged commands: names to numbers, decimals to units, exactly once.

What the contract's rules can't say is checked here (a limit order needs a price); what depends on
the instrument is checked by the entry kernel, for single orders and batches alike.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.base.accounts import Account
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.base.memory import address_of, aligned_zeros
from tradecaptain.base.reference import Reference
from tradecaptain.edge.order_instructions import BOUNDED, instruction_bits
from tradecaptain.gateway.layout import BATCH_MAX
from tradecaptain.gateway.mapped_file import Records
from tradecaptain.gateway.store import Store
from tradecaptain.wire import common, order_command
from tradecaptain.wire import reason as reasons

_KEY_BYTES: Final = 32
_CODES: Final[Mapping[int, str]] = {1: "B", 2: "H", 4: "I", 8: "q"}
NEEDS_PRICE: Final = (common.ORDER_TYPE_LIMIT, common.ORDER_TYPE_STOP_LIMIT)
MAY_HAVE_PRICE: Final = (*NEEDS_PRICE, common.ORDER_TYPE_PEGGED)
NEEDS_STOP_PRICE: Final = (common.ORDER_TYPE_STOP, common.ORDER_TYPE_STOP_LIMIT)

_U16_MAX: Final = (1 << 16) - 1
_I64_MAX: Final = (1 << 63) - 1
_OPTIONAL_COLUMNS: Final = (
    ("stop_prices_units", "stop_price_units", 0),
    ("display_quantities_units", "display_quantity_units", 0),
    ("minimum_visibles_units", "minimum_visible_units", 0),
    ("minimum_quantities_units", "minimum_quantity_units", 0),
    ("expire_times_ns", "expire_time_ns", 0),
    ("instructions", "instructions", _U16_MAX),
    ("self_trade_preventions", "self_trade_prevention", _U16_MAX),
    ("peg_references", "peg_reference", _U16_MAX),
    ("offsets_units", "offset_units", 0),
    ("trailing_basis_points", "offset_basis_points", _U16_MAX),
    ("group_ids", "group_id", _I64_MAX),
    ("group_roles", "group_role", _U16_MAX),
)
"""Optional columns, the fields that they fill, and the largest number; zero for any int64."""


def _packer() -> tuple[struct.Struct, tuple[str, ...]]:
    """A struct of the whole command record, and the names of its values in order.

    The four words of the client order id are one value of 32 bytes.
    """
    fields = order_command.DTYPE.fields
    assert fields is not None
    names, codes, place = [], ["<"], 0
    for name, (kind, offset, *_) in sorted(fields.items(), key=lambda item: int(item[1][1])):
        if name in ("client_order_id1", "client_order_id2", "client_order_id3"):
            continue
        size = _KEY_BYTES if name == "client_order_id0" else kind.itemsize
        codes.append("x" * (offset - place))
        codes.append(f"{_KEY_BYTES}s" if name == "client_order_id0" else _CODES[size])
        names.append(name)
        place = offset + size
    codes.append("x" * (order_command.RECORD_BYTES - place))
    return struct.Struct("".join(codes)), tuple(names)


_PACKER, _NAMES = _packer()


class Directory:
    """Finds instruments and accounts by the texts that requests use."""

    def __init__(self, reference: Reference) -> None:
        self._instruments: dict[str, Instrument] = {}
        self.instruments: dict[int, Instrument] = {}
        for instrument in reference.instruments:
            self.add(instrument)
        self.accounts: dict[int, Account] = {
            account.account_id: account for account in reference.accounts
        }

    def add(self, instrument: Instrument) -> None:
        """Let an instrument be found from now on."""
        self.instruments[instrument.instrument_id] = instrument
        self._instruments[instrument.key] = instrument
        self._instruments[str(instrument.instrument_id)] = instrument

    def instrument(self, text: str) -> Instrument:
        """The instrument that a request means; REASON_UNKNOWN_INSTRUMENT if there is none."""
        found = self._instruments.get(text)
        if found is None:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_INSTRUMENT, f"there is no instrument {text[:64]!r}"
            )
        return found


class Stager:
    """Writes commands into the staging records of a store."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory
        self._buffer = memoryview(store.staging.view(np.uint8))
        order_command.initialise(address_of(store.staging))
        template = store.staging[0].copy()
        self._defaults: dict[str, Any] = {name: int(template[name]) for name in _NAMES}
        self._prefix = tuple(self._defaults[name] for name in ("segment_table", "root_pointer"))
        self._kind = int(template["kind"])
        self._version = int(template["schema_version"])
        self._template = template
        self.batch_template: Records = aligned_zeros(1, order_command.DTYPE)
        self.batch_template[0] = template
        self.batch_template["action"] = order_command.COMMAND_ACTION_NEW_ORDER
        self.batch_template["capacity"] = common.CAPACITY_AGENCY

    def stage_new(self, row: int, order: records_pb2.NewOrder, account_id: int) -> Instrument:
        """Stage a new order for an account that the caller is entitled to."""
        instrument = self._directory.instrument(order.instrument)
        account = self._directory.accounts[account_id]
        order_type = order.type
        _PACKER.pack_into(
            self._buffer,
            row * order_command.RECORD_BYTES,
            *self._prefix,
            self._kind,
            self._version,
            0,  # epoch
            0,  # sequence
            0,  # time
            order_command.COMMAND_ACTION_NEW_ORDER,
            order.side,
            order_type,
            order.time_in_force or common.TIME_IN_FORCE_DAY,
            account_id,
            instrument.instrument_id,
            _price(order, instrument, order_type),
            instrument.quantity.parse(order.quantity),
            0,  # order id
            order.client_order_id.encode(),
            account.firm_id,
            0,  # session, stamped on entry
            order.trader_id,
            order.strategy_id,
            order.self_trade_group
            if order.HasField("self_trade_group")
            else account.self_trade_group,
            order.capacity or common.CAPACITY_AGENCY,
            order.position_effect,
            order.short_sale,
            instruction_bits(order),
            0,  # tag, stamped on entry
            _stop_price(order, instrument, order_type),
            _optional_quantity(order, instrument, "display_quantity"),
            _optional_quantity(order, instrument, "minimum_quantity"),
            order.expire_time_ns,
            order.seen_execution_sequence,
            order.seen_price_sequence,
            0,  # send time, stamped on entry
            order.self_trade_prevention,
            order.peg_reference,
            order.group_role,
            order.trailing_basis_points,
            _offset(order, instrument, order_type),
            _optional_quantity(order, instrument, "minimum_visible"),
            order.group_id,
        )
        self._store.slots[row] = -1
        return instrument

    def stage_columns(self, columns: records_pb2.NewOrderColumns, account_id: int) -> int:
        """Stage a batch of columns from row 0 on; returns the number of orders."""
        ids = columns.client_order_ids
        count = len(ids)
        if count > BATCH_MAX:
            raise _invalid("columns.client_order_ids", f"at most {BATCH_MAX} orders in a batch")
        required = (columns.instrument_ids, columns.sides)
        quantities = (columns.prices_units, columns.quantities_units)
        if any(len(column) != count for column in (*required, *quantities)):
            raise _invalid("columns", "required columns must be of equal length")
        account = self._directory.accounts[account_id]
        rows = self._store.staging[:count]
        rows[:] = self.batch_template[0]
        rows["instrument_id"] = columns.instrument_ids
        rows["side"] = columns.sides
        rows["price_units"] = columns.prices_units
        rows["quantity_units"] = columns.quantities_units
        rows["order_type"] = _column(columns.types, count, common.ORDER_TYPE_LIMIT, "types")
        rows["time_in_force"] = _column(
            columns.times_in_force, count, common.TIME_IN_FORCE_DAY, "times_in_force"
        )
        rows["account_id"] = account_id
        rows["firm_id"] = account.firm_id
        rows["self_trade_group"] = account.self_trade_group
        rows["trader_id"] = columns.trader_id
        rows["strategy_id"] = columns.strategy_id
        for name, field, largest in _OPTIONAL_COLUMNS:
            values = getattr(columns, name)
            if values:
                rows[field] = _numbers(values, count, name, largest)
        # A price of an order that has none means nothing; a peg's is its bound.
        is_bound = rows["instructions"] & BOUNDED != 0
        has_price = np.isin(rows["order_type"], NEEDS_PRICE) | is_bound
        rows["price_units"][~has_price] = 0
        self._stage_keys(rows, list(ids))
        self._store.slots[:count] = -1
        return count

    def stage_change(
        self,
        row: int,
        *,
        action: int,
        slot: int,
        key: str,
        quantity_units: int,
        price_units: int,
        stop_price_units: int = 0,
    ) -> None:
        """Stage a cancel or replace of the order in ``slot`` of the store."""
        store = self._store
        order = store.requests[slot]
        body = store.commands[slot]
        account = self._directory.accounts[int(order["account_id"])]
        values = dict(self._defaults)
        values.update(
            action=action,
            side=int(order["side"]),
            order_type=int(order["order_type"]),
            time_in_force=int(order["time_in_force"]),
            account_id=account.account_id,
            instrument_id=int(order["instrument_id"]),
            price_units=price_units,
            quantity_units=quantity_units,
            stop_price_units=stop_price_units,
            order_id=int(order["order_id"]),
            client_order_id0=key.encode(),
            firm_id=account.firm_id,
            strategy_id=int(order["strategy_id"]),
            self_trade_group=int(body["self_trade_group"]),
            instructions=int(body["instructions"]),
            capacity=int(body["capacity"]),
            trader_id=int(body["trader_id"]),
        )
        offset = row * order_command.RECORD_BYTES
        _PACKER.pack_into(self._buffer, offset, *(values[name] for name in _NAMES))
        store.slots[row] = slot

    def _stage_keys(self, rows: Any, ids: list[str]) -> None:
        try:
            encoded = [text.encode("ascii") for text in ids]
        except UnicodeEncodeError as error:
            raise _bad_key("a client order id isn't ASCII") from error
        if max(map(len, encoded)) > _KEY_BYTES:
            raise _bad_key(f"a client order id is longer than {_KEY_BYTES} characters")
        if any(key.endswith(b"\0") for key in encoded):
            raise _bad_key("a client order id ends with a zero byte")
        words = np.array(encoded, dtype=f"S{_KEY_BYTES}").view("<i8").reshape(-1, 4)
        for word in range(4):
            rows[f"client_order_id{word}"] = words[:, word]


def _column(values: Any, count: int, default: int, name: str) -> Any:
    """An optional column: its values with zero for the default, or the default for all."""
    if not values:
        return default
    if len(values) != count:
        raise _invalid(f"columns.{name}", "an optional column is empty or of full length")
    column = np.array(values, dtype=np.int64)
    if (column < 0).any() or (column > np.iinfo(np.uint16).max).any():
        raise _invalid(f"columns.{name}", "must hold defined values only")
    column[column == 0] = default
    return column


def _numbers(values: Any, count: int, name: str, largest: int) -> npt.NDArray[Any]:
    """A whole column of numbers, each within its field of the mesh record."""
    if len(values) != count:
        raise _invalid(f"columns.{name}", "an optional column is empty or of full length")
    if largest and (min(values) < 0 or max(values) > largest):
        raise _invalid(f"columns.{name}", f"must hold numbers up to {largest}")
    return np.array(values, dtype=np.int64)


def _price(order: records_pb2.NewOrder, instrument: Instrument, order_type: int) -> int:
    if order.HasField("price"):
        if order_type not in MAY_HAVE_PRICE:
            raise TradeCaptainError(
                reasons.REASON_INVALID_PRICE, "an order of this type has no price"
            )
        return instrument.price.parse(order.price)
    if order_type in NEEDS_PRICE:
        raise TradeCaptainError(reasons.REASON_INVALID_PRICE, "a limit order needs a price")
    return 0


def _stop_price(order: records_pb2.NewOrder, instrument: Instrument, order_type: int) -> int:
    if order.HasField("stop_price") == (order_type in NEEDS_STOP_PRICE):
        return instrument.price.parse(order.stop_price) if order.stop_price else 0
    raise TradeCaptainError(
        reasons.REASON_INVALID_STOP_PRICE, "stop orders need a stop price, and others have none"
    )


def _optional_quantity(order: records_pb2.NewOrder, instrument: Instrument, name: str) -> int:
    text: str = getattr(order, name)
    return instrument.quantity.parse(text) if text else 0


def _offset(order: records_pb2.NewOrder, instrument: Instrument, order_type: int) -> int:
    """What is added to a peg's reference, or the distance of a trailing stop, in price units."""
    if order.peg_offset and order_type != common.ORDER_TYPE_PEGGED:
        raise TradeCaptainError(
            reasons.REASON_INVALID_PEG, "only a pegged order has an offset", field="peg_offset"
        )
    if order.trailing_distance and order_type != common.ORDER_TYPE_TRAILING_STOP:
        raise TradeCaptainError(reasons.REASON_INVALID_TRAIL, "only a trailing stop has a distance")
    text = order.peg_offset or order.trailing_distance
    return instrument.price.parse(text) if text else 0


def _invalid(field: str, message: str) -> TradeCaptainError:
    return TradeCaptainError(reasons.REASON_INVALID_REQUEST, f"{field}: {message}", field=field)


def _bad_key(message: str) -> TradeCaptainError:
    return TradeCaptainError(reasons.REASON_INVALID_CLIENT_ORDER_ID, message)
