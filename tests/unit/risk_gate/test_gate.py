"""The gate's calls beyond single controls: replaces, accounting, controls, capacity, memory."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from support.gate_cases import KIND_NUMBERS, level_of, prepare
from support.gate_driver import GateDriver
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.kernels import risk_gate
from tradecaptain.kernels.risk_gate import layout, table
from tradecaptain.wire import common, control, reason
from twins.risk_gate.naive_gate import NaiveGate
from twins.risk_gate.terms import REQUIRED_KINDS, UNLIMITED, Order, Verdict

pytestmark = pytest.mark.twin

BUY, SELL = common.SIDE_BUY, common.SIDE_SELL
ACCOUNT = level_of("account:100")


@pytest.fixture(params=[GateDriver, NaiveGate])
def gate(request: pytest.FixtureRequest) -> Any:
    made = request.param()
    prepare(made)
    return made


@pytest.fixture
def compiled() -> GateDriver:
    made = GateDriver()
    prepare(made)
    return made


def work(gate: Any, **terms: int) -> Order:
    order = Order(**terms)
    assert gate.check_new(order) == Verdict()
    return order


class TestReplace:
    def test_growth_is_held_against_the_difference_only(self, gate: Any) -> None:
        assert gate.set_position(100, 7, 200) == 0
        work(gate, quantity=60)
        assert gate.check_replace(Order(quantity=100), 60, 1000, 0) == Verdict()
        verdict = gate.check_replace(Order(quantity=100, price=999), 99, 1000, 0)
        assert verdict == Verdict(reason.REASON_POSITION_LIMIT_LONG, ACCOUNT[0], 300, 301)

    def test_refused_replace_leaves_the_reservation(self, compiled: GateDriver) -> None:
        work(compiled, quantity=60)
        refused = compiled.check_replace(Order(quantity=101), 60, 1000, 0)
        assert refused.reason == reason.REASON_ORDER_QUANTITY_LIMIT
        refused = compiled.check_replace(Order(quantity=60, price=1051), 60, 1000, 0)
        assert refused.reason == reason.REASON_PRICE_COLLAR
        assert compiled.gate.position(100, 7) == (0, 60, 0)
        assert compiled.gate.open_order_count(100) == 1

    def test_filled_part_counts_in_the_total_but_not_in_the_reservation(
        self, compiled: GateDriver
    ) -> None:
        work(compiled, quantity=60)
        assert compiled.apply_fill(100, 7, BUY, 20, 1000, 0) == 0
        assert compiled.check_replace(Order(quantity=90), 40, 1000, 20) == Verdict()
        assert compiled.gate.position(100, 7) == (20, 70, 0)

    def test_reduction_passes_though_the_order_breaks_a_tightened_limit(self, gate: Any) -> None:
        work(gate, quantity=60)
        assert gate.set_limit(ACCOUNT, KIND_NUMBERS["order_quantity"], 10) == 0
        assert gate.clear_limit(ACCOUNT, KIND_NUMBERS["order_notional"]) == 0
        assert gate.check_replace(Order(quantity=50), 60, 1000, 0) == Verdict()

    def test_price_change_needs_all_limits(self, gate: Any) -> None:
        work(gate, quantity=60)
        assert gate.clear_limit(ACCOUNT, KIND_NUMBERS["order_notional"]) == 0
        verdict = gate.check_replace(Order(quantity=60, price=999), 60, 1000, 0)
        assert verdict.reason == reason.REASON_LIMIT_UNSET

    def test_kill_stops_even_a_reduction(self, gate: Any) -> None:
        work(gate, quantity=60)
        assert gate.switch(ACCOUNT, True) == 0
        verdict = gate.check_replace(Order(quantity=50), 60, 1000, 0)
        assert verdict.reason == reason.REASON_KILL_SWITCH

    @pytest.mark.parametrize("total", [19, 20])
    def test_total_must_exceed_what_is_filled(self, gate: Any, total: int) -> None:
        work(gate, quantity=60)
        verdict = gate.check_replace(Order(quantity=total), 40, 1000, 20)
        assert verdict == Verdict(reason.REASON_REPLACE_BELOW_FILLED, 0, 20, total)

    def test_account_without_orders_has_nothing_to_replace(self, gate: Any) -> None:
        verdict = gate.check_replace(Order(account=100, instrument=8), 1, 1000, 0)
        assert verdict == Verdict(reason.REASON_UNKNOWN_ORDER)


class TestAccounting:
    def test_fill_moves_working_to_position_on_both_sides(self, compiled: GateDriver) -> None:
        work(compiled, quantity=60)
        work(compiled, quantity=50, side=SELL)
        assert compiled.apply_fill(100, 7, BUY, 60, 1001, 1) == 0
        assert compiled.apply_fill(100, 7, SELL, 20, 1001, 0) == 0
        assert compiled.gate.position(100, 7) == (40, 0, 30)
        assert compiled.gate.open_order_count(100) == 1

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("release", (100, 7, BUY, 61, 1)),
            ("release", (100, 7, SELL, 1, 1)),
            ("release", (100, 7, BUY, 1, 2)),
            ("release", (100, 8, BUY, 1, 1)),
            ("release", (0, 7, BUY, 1, 1)),
            ("apply_fill", (100, 7, BUY, 61, 1000, 1)),
            ("apply_fill", (100, 7, BUY, -1, 1000, 0)),
            ("apply_fill", (100, 99, BUY, 1, 1000, 0)),
        ],
    )
    def test_more_than_is_reserved_is_an_error_and_changes_nothing(
        self, compiled: GateDriver, method: str, arguments: tuple[int, ...]
    ) -> None:
        work(compiled, quantity=60)
        assert getattr(compiled, method)(*arguments) == risk_gate.ACCOUNTING_ERROR
        assert compiled.gate.position(100, 7) == (0, 60, 0)
        assert compiled.gate.open_order_count(100) == 1
        assert compiled.gate.header[0]["accounting_error_count"] == 1

    def test_partial_cancel_keeps_the_order_open(self, compiled: GateDriver) -> None:
        work(compiled, quantity=60)
        assert compiled.release(100, 7, BUY, 25, 0) == 0
        assert compiled.gate.position(100, 7) == (0, 35, 0)
        assert compiled.gate.open_order_count(100) == 1


class TestControls:
    @pytest.mark.parametrize(
        ("level", "kind", "value", "outcome"),
        [
            ((control.CONTROL_SCOPE_UNSET, 0, 0), 1, 1, reason.REASON_INVALID_REQUEST),
            ((control.CONTROL_SCOPE_SESSION, 1, 0), 1, 1, reason.REASON_INVALID_REQUEST),
            ((control.CONTROL_SCOPE_STRATEGY, 0, 0), 1, 1, reason.REASON_INVALID_REQUEST),
            ((control.CONTROL_SCOPE_GROUP, 0, 0), 1, 1, reason.REASON_INVALID_REQUEST),
            (level_of("account:0"), 1, 1, reason.REASON_UNKNOWN_ACCOUNT),
            (level_of("account:2147483648"), 1, 1, reason.REASON_UNKNOWN_ACCOUNT),
            (level_of("instrument:99"), 1, 1, reason.REASON_UNKNOWN_INSTRUMENT),
            (level_of("account_instrument:100:99"), 1, 1, reason.REASON_UNKNOWN_INSTRUMENT),
            (level_of("firm:2147483648"), 1, 1, reason.REASON_INVALID_REQUEST),
            (level_of("account:100"), 0, 1, reason.REASON_INVALID_REQUEST),
            (level_of("account:100"), 20, 1, reason.REASON_INVALID_REQUEST),
            (level_of("account:100"), 1, -1, reason.REASON_NUMBER_OUT_OF_RANGE),
            (level_of("account_instrument:100:7"), 6, 1, reason.REASON_INVALID_REQUEST),
        ],
    )
    def test_bad_limit_is_refused(
        self, gate: Any, level: tuple[int, int, int], kind: int, value: int, outcome: int
    ) -> None:
        assert gate.set_limit(level, kind, value) == outcome

    def test_account_scope_with_an_instrument_means_the_pair(self, compiled: GateDriver) -> None:
        level = (control.CONTROL_SCOPE_ACCOUNT, 100, 7)
        assert compiled.set_limit(level, KIND_NUMBERS["order_quantity"], 5) == 0
        verdict = compiled.check_new(Order(quantity=6))
        assert verdict.level == control.CONTROL_SCOPE_ACCOUNT_INSTRUMENT
        refusal = compiled.set_limit(level, KIND_NUMBERS["open_orders"], 5)
        assert refusal == reason.REASON_INVALID_REQUEST

    def test_gate_knows_which_actions_are_its_own(self) -> None:
        names = [
            control.CONTROL_ACTION_NAMES[action]
            for action in range(len(control.CONTROL_ACTION_NAMES))
            if risk_gate.gate_handles(action)
        ]
        expected = {"setLimit", "kill", "unkill", "referencePrice", "setPosition", "clearLimit"}
        expected |= {"setGroup", "restrict", "permit", "resetThrottle", "setCash"}
        expected |= {"setConversion", "setMargin", "startDay", "grantOverride", "setFirm"}
        expected |= {"setScenarios", "revalue", "checkOrder", "reportSums"}
        assert {name.replace("_", "").lower() for name in names} == {
            name.lower() for name in expected
        }

    def test_other_actions_are_refused(self, compiled: GateDriver) -> None:
        for action in range(len(control.CONTROL_ACTION_NAMES)):
            if not risk_gate.gate_handles(action):
                outcome = compiled._control_record(action, scope=control.CONTROL_SCOPE_ACCOUNT)
                assert outcome == reason.REASON_INVALID_REQUEST

    def test_reference_price_may_be_anything_but_the_empty_mark(self, gate: Any) -> None:
        assert gate.set_reference(7, "last", -(2**63)) == reason.REASON_NUMBER_OUT_OF_RANGE
        assert gate.set_reference(99, "last", 1) == reason.REASON_UNKNOWN_INSTRUMENT
        assert gate.set_reference(7, "outside", -(2**63) + 1) == 0

    def test_position_is_replaced_and_working_orders_stay(self, compiled: GateDriver) -> None:
        work(compiled, quantity=60)
        assert compiled.set_position(100, 7, -5) == 0
        assert compiled.gate.position(100, 7) == (-5, 60, 0)

    def test_instrument_is_added_once_and_checked(self, compiled: GateDriver) -> None:
        assert compiled.add_instrument(0, 1, 1) == -reason.REASON_UNKNOWN_INSTRUMENT
        assert compiled.add_instrument(5, 0, 1) == -reason.REASON_NUMBER_OUT_OF_RANGE
        assert compiled.set_limit(level_of("instrument:7"), 1, 3) == 0
        assert compiled.add_instrument(7, 10_000, 1) == 0
        assert compiled.check_new(Order(quantity=4)).limit == 3


class TestCapacity:
    def test_full_pair_table_refuses_and_known_pairs_go_on(self) -> None:
        gate = GateDriver(pairs=2)
        prepare(gate)
        for account in (101, 102):
            for kind in REQUIRED_KINDS:
                assert gate.set_limit((2, account, 0), kind, UNLIMITED) == 0
        work(gate, account=100)
        work(gate, account=101)
        assert gate.check_new(Order(account=102)) == Verdict(reason.REASON_CAPACITY_EXHAUSTED)
        assert gate.set_position(102, 7, 1) == reason.REASON_CAPACITY_EXHAUSTED
        work(gate, account=100)
        assert gate.gate.position(102, 7) == (0, 0, 0)
        assert gate.gate.open_order_count(102) == 0

    @pytest.mark.parametrize(
        ("capacity", "levels"),
        [
            ("accounts", ["account:100", "account:101"]),
            ("firms", ["firm:10", "firm:11"]),
            ("overrides", ["account_instrument:100:7", "account_instrument:100:8"]),
            ("strategies", ["strategy:1", "strategy:2"]),
        ],
    )
    def test_full_table_of_levels_refuses(self, capacity: str, levels: list[str]) -> None:
        gate = GateDriver(**{capacity: 1})
        prepare(gate)
        first, second = map(level_of, levels)
        assert gate.switch(first, True) == 0
        assert gate.switch(second, True) == reason.REASON_CAPACITY_EXHAUSTED
        assert gate.switch(first, False) == 0

    def test_full_instrument_table_refuses(self) -> None:
        gate = GateDriver(instruments=2)
        assert gate.add_instrument(1, 1, 1) == 0
        assert gate.add_instrument(2, 1, 1) == 0
        assert gate.add_instrument(3, 1, 1) == -reason.REASON_CAPACITY_EXHAUSTED

    @pytest.mark.parametrize("capacity", [0, -1, 2**31])
    def test_impossible_capacity_is_refused_by_name(self, capacity: int) -> None:
        with pytest.raises(ConfigurationError, match="pairs") as caught:
            risk_gate.allocate_gate(risk_gate.GateCapacities(pairs=capacity))
        assert caught.value.field == "pairs"


class TestMemory:
    def test_rows_lie_on_cache_lines(self) -> None:
        gate = risk_gate.allocate_gate(risk_gate.GateCapacities(pairs=1000))
        assert layout.PAIR_ROW_BYTES == 48
        assert layout.ACCOUNT_ROW_BYTES % 64 == 0
        assert layout.INSTRUMENT_ROW_BYTES % 64 == 0
        for rows in (gate.header, gate.accounts, gate.pairs, gate.instruments):
            assert rows.ctypes.data % 64 == 0

    def test_pair_in_use_costs_at_most_64_bytes(self) -> None:
        gate = risk_gate.allocate_gate(risk_gate.GateCapacities(pairs=100_000))
        assert gate.pair_bytes() / 100_000 <= 64

    def test_keys_that_collide_are_kept_apart(self) -> None:
        gate = GateDriver(accounts=400, pairs=400)
        prepare(gate)
        buckets = int(gate.gate.header[0]["pairs"]["bucket_count"])
        assert buckets > 400
        for account in range(1, 401):
            assert gate.set_position(account, 7, account) == 0
        for account in range(1, 401):
            assert gate.gate.position(account, 7) == (account, 0, 0)

    def test_buckets_are_spread(self) -> None:
        keys = [(account << 32) | instrument for account in range(50) for instrument in range(40)]
        buckets = np.array([table.bucket_of(key, 1024) for key in keys])
        assert buckets.min() >= 0
        assert buckets.max() < 1024
        assert np.bincount(buckets, minlength=1024).max() <= 12

    def test_notional_ratio_is_exact(self) -> None:
        assert risk_gate.notional_ratio(Fraction(1, 100), Fraction(1), 1) == (10_000, 1)
        assert risk_gate.notional_ratio(Fraction(1, 256), Fraction(1), 50) == (390_625, 2)
        small = risk_gate.notional_ratio(Fraction(1, 100), Fraction(1, 10**8), 1)
        assert small == (1, 10_000)

    @pytest.mark.parametrize("unit", [Fraction(0), Fraction(-1), Fraction(10**20)])
    def test_ratio_that_does_not_fit_is_refused(self, unit: Fraction) -> None:
        with pytest.raises(ConfigurationError, match="notional ratio"):
            risk_gate.notional_ratio(unit, Fraction(1), 1)
