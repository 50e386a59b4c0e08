"""The compiled risk gate behind the same methods as its naive twin."""

from __future__ import annotations

from typing import Any

import numpy as np
from tradecaptain.kernels import risk_gate
from tradecaptain.kernels.risk_gate.snapshot import gate_tables, restore_gate
from tradecaptain.wire import control, order_command
from twins.risk_gate.terms import REFERENCE_BITS, Level, Order, Verdict

CONTROL_FLAGS = {"last": 0, "mid": 4, "outside": 8, "close": 16}


class GateDriver:
    """Writes wire records and calls the kernels with their addresses."""

    def __init__(self, **capacities: int) -> None:
        defaults = {"accounts": 64, "instruments": 16, "pairs": 256, "overrides": 64}
        defaults |= {"strategies": 16, "firms": 16, "groups": 16, "duplicates": 1024}
        defaults |= {"temporary": 256}
        self.now_ns = 0
        self.gate = risk_gate.allocate_gate(risk_gate.GateCapacities(**(defaults | capacities)))
        self._command = np.zeros(1, order_command.DTYPE)
        self._control = np.zeros(1, control.DTYPE)

    def restart(self) -> None:
        """Go on with a gate that is made from a snapshot; its own snapshot is the same."""
        tables = gate_tables(self.gate)
        restored = risk_gate.allocate_gate(self.gate.capacities)
        restore_gate(restored, tables)
        again = gate_tables(restored)
        assert tables.keys() == again.keys()
        for name, rows in tables.items():
            assert rows.tobytes() == again[name].tobytes(), name
        self.gate = restored

    def add_instrument(self, instrument: int, numerator: int, denominator: int) -> int:
        return risk_gate.gate_add_instrument(self.gate.address, instrument, numerator, denominator)

    def _write_command(self, order: Order) -> int:
        address = int(self._command.ctypes.data)
        order_command.initialise(address)
        order_command.set_action(address, order_command.COMMAND_ACTION_NEW_ORDER)
        order_command.set_account_id(address, order.account)
        order_command.set_instrument_id(address, order.instrument)
        order_command.set_side(address, order.side)
        order_command.set_quantity_units(address, order.quantity)
        order_command.set_price_units(address, order.price)
        order_command.set_order_type(address, order.order_type)
        order_command.set_firm_id(address, order.firm)
        order_command.set_strategy_id(address, order.strategy)
        order_command.set_instructions(address, order.instructions)
        order_command.set_short_sale(address, order.short_sale)
        order_command.set_self_trade_group(address, order.self_trade_group)
        order_command.set_time_ns(address, order.time_ns)
        return address

    def _verdict(self, reason: int) -> Verdict:
        if reason == 0:
            return Verdict()
        gate = self.gate.address
        return Verdict(
            reason,
            risk_gate.gate_reject_level(gate),
            risk_gate.gate_reject_limit_value(gate),
            risk_gate.gate_reject_observed_value(gate),
            risk_gate.gate_reject_flags(gate),
        )

    def check_new(self, order: Order) -> Verdict:
        command = self._write_command(order)
        return self._verdict(risk_gate.gate_check_new(self.gate.address, command))

    def check_replace(
        self, order: Order, old_leaves: int, old_price: int, cumulative: int
    ) -> Verdict:
        command = self._write_command(order)
        return self._verdict(
            risk_gate.gate_check_replace(
                self.gate.address, command, order.side, old_leaves, old_price, cumulative
            )
        )

    def release(self, *arguments: int) -> int:
        return risk_gate.gate_release(self.gate.address, *arguments)

    def apply_fill(self, *arguments: int) -> int:
        return risk_gate.gate_apply_fill(self.gate.address, *arguments)

    def apply_quote(
        self,
        instrument: int,
        bid: int | None,
        ask: int | None,
        bid_units: int = 0,
        ask_units: int = 0,
    ) -> int:
        prices = [risk_gate.NO_PRICE if price is None else price for price in (bid, ask)]
        return risk_gate.gate_apply_quote(
            self.gate.address, instrument, *prices, bid_units, ask_units
        )

    def note_cancel(self, order: Order) -> None:
        risk_gate.gate_note_cancel(self.gate.address, self._write_command(order))

    def revalue(self) -> None:
        step = 1
        while step != 0:
            outcome = self._control_record(
                control.CONTROL_ACTION_REVALUE, value=step, quantity_units=2
            )
            assert outcome == 0
            step = control.get_value(int(self._control.ctypes.data))

    def _control_record(self, action: int, **values: Any) -> int:
        address = int(self._control.ctypes.data)
        control.initialise(address)
        control.set_action(address, action)
        control.set_time_ns(address, self.now_ns)
        for name, value in values.items():
            getattr(control, f"set_{name}")(address, value)
        return risk_gate.gate_apply_control(self.gate.address, address)

    def _level_record(self, action: int, level: Level, **values: Any) -> int:
        scope, identifier, instrument = level
        return self._control_record(
            action, scope=scope, scope_id=identifier, instrument_id=instrument, **values
        )

    def grant_override(self, level: Level, kind: int, value: int, end_ns: int) -> int:
        action = control.CONTROL_ACTION_GRANT_OVERRIDE
        return self._level_record(
            action, level, limit_kind=kind, value=value, expire_time_ns=end_ns
        )

    def restrict(self, level: Level, bits: int, is_on: bool) -> int:
        action = control.CONTROL_ACTION_RESTRICT if is_on else control.CONTROL_ACTION_PERMIT
        return self._level_record(action, level, value=bits)

    def set_group(self, account: int, group: int) -> int:
        level = (control.CONTROL_SCOPE_ACCOUNT, account, 0)
        return self._level_record(control.CONTROL_ACTION_SET_GROUP, level, value=group)

    def set_cash(self, account: int, cash: int) -> int:
        level = (control.CONTROL_SCOPE_ACCOUNT, account, 0)
        return self._level_record(control.CONTROL_ACTION_SET_CASH, level, value=cash)

    def set_firm(self, account: int, firm: int) -> int:
        level = (control.CONTROL_SCOPE_ACCOUNT, account, 0)
        return self._level_record(control.CONTROL_ACTION_SET_FIRM, level, value=firm)

    def set_scenarios(
        self,
        instrument: int,
        group: int,
        changes: list[int],
        version: int = control.SCHEMA_VERSION,
    ) -> int:
        """Both halves, as two controls of a schema version; a group of zero needs one."""
        outcome = 0
        for first in (0, 8) if group else (0,):
            values = {f"scenario{place}": changes[first + place] for place in range(8)}
            outcome = outcome or self._control_record(
                control.CONTROL_ACTION_SET_SCENARIOS,
                scope=control.CONTROL_SCOPE_INSTRUMENT,
                scope_id=group,
                instrument_id=instrument,
                first_scenario=first,
                schema_version=version,
                **values,
            )
        return outcome

    def dry_run(self, order: Order) -> Verdict:
        """What a control that asks about an order is answered."""
        self.now_ns = order.time_ns
        outcome = self._control_record(
            control.CONTROL_ACTION_CHECK_ORDER,
            scope=control.CONTROL_SCOPE_ACCOUNT,
            scope_id=order.account,
            instrument_id=order.instrument,
            side=order.side,
            order_type=order.order_type,
            price_units=order.price,
            quantity_units=order.quantity,
            firm_id=order.firm,
            strategy_id=order.strategy,
            self_trade_group=order.self_trade_group,
            short_sale=order.short_sale,
            instructions=order.instructions,
        )
        record = int(self._control.ctypes.data)
        names = ("limit_level", "limit_value", "observed_value", "reference_flags")
        return Verdict(outcome, *(getattr(control, f"get_{name}")(record) for name in names))

    def total_sums(self, scope: int, identifier: int) -> list[int] | None:
        """Gross, net if bought, net if sold, margin, profit of the day, equity; or None."""
        outcome = self._control_record(
            control.CONTROL_ACTION_REPORT_SUMS, scope=scope, scope_id=identifier
        )
        if outcome:
            return None
        record = int(self._control.ctypes.data)
        cash, trade_cash, value, day_start, *exposures = (
            getattr(control, f"get_scenario{place}")(record) for place in range(8)
        )
        profit = trade_cash + value
        return [*exposures, profit - day_start, profit + cash]

    def reset_throttle(self, account: int) -> int:
        level = (control.CONTROL_SCOPE_ACCOUNT, account, 0)
        return self._level_record(control.CONTROL_ACTION_RESET_THROTTLE, level)

    def set_conversion(self, instrument: int, billionths: int) -> int:
        level = (control.CONTROL_SCOPE_INSTRUMENT, 0, instrument)
        return self._level_record(control.CONTROL_ACTION_SET_CONVERSION, level, value=billionths)

    def set_margin(self, instrument: int, basis_points: int) -> int:
        level = (control.CONTROL_SCOPE_INSTRUMENT, 0, instrument)
        return self._level_record(control.CONTROL_ACTION_SET_MARGIN, level, value=basis_points)

    def start_day(self) -> int:
        return self._control_record(control.CONTROL_ACTION_START_DAY)

    def sums(self, account: int) -> tuple[int, ...]:
        """Gross, net if bought, net if sold, margin, position value and trade cash."""
        names = ("gross_exposure", "net_if_bought", "net_if_sold", "margin")
        rows = self.gate.accounts
        for row in rows[rows["limits"]["key"] == account]:
            return tuple(int(row[name]) for name in (*names, "position_value", "trade_cash"))
        return (0,) * 6

    def set_limit(self, level: Level, kind: int, value: int) -> int:
        scope, identifier, instrument = level
        return self._control_record(
            control.CONTROL_ACTION_SET_LIMIT,
            scope=scope,
            scope_id=identifier,
            instrument_id=instrument,
            limit_kind=kind,
            value=value,
        )

    def clear_limit(self, level: Level, kind: int) -> int:
        scope, identifier, instrument = level
        return self._control_record(
            control.CONTROL_ACTION_CLEAR_LIMIT,
            scope=scope,
            scope_id=identifier,
            instrument_id=instrument,
            limit_kind=kind,
        )

    def switch(self, level: Level, is_on: bool) -> int:
        scope, identifier, instrument = level
        action = control.CONTROL_ACTION_KILL if is_on else control.CONTROL_ACTION_UNKILL
        return self._control_record(
            action, scope=scope, scope_id=identifier, instrument_id=instrument
        )

    def set_reference(self, instrument: int, source: str, price: int) -> int:
        return self._control_record(
            control.CONTROL_ACTION_REFERENCE_PRICE,
            scope=control.CONTROL_SCOPE_INSTRUMENT,
            instrument_id=instrument,
            flags=CONTROL_FLAGS[source],
            value=price,
        )

    def set_position(self, account: int, instrument: int, position: int) -> int:
        return self._control_record(
            control.CONTROL_ACTION_SET_POSITION,
            scope=control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT,
            scope_id=account,
            instrument_id=instrument,
            value=position,
        )


def source_name(bit: int) -> str:
    """Name of a reference source's bit, or an empty text."""
    return next((name for name, value in REFERENCE_BITS.items() if value == bit), "")
