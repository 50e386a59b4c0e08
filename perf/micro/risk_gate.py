"""Pre-trade checks a second and their latency, with all controls on and a large state resident.

10,000 accounts of 100 firms and 1,000 instruments have every limit at every level that may set it,
and values, margins and profits are kept; each order is checked on its own, the account and the
instrument drawn by Zipf(1.0) (and uniformly, for comparison). A check is made as the venue's duty
cycle makes it: with a look at the next commands of the batch, which asks memory for what their
checks will read. That look is part of the measured time, so each check is charged with the
look-ahead of one. A check is timed between serialising reads of the cycle counter, and the cost of
an empty measurement is taken off (perf/support/cycles.py). What a check reserved is given back
outside the measurement, and at the end nothing may be left.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types
from tradecaptain.base.jit import kernel
from tradecaptain.base.memory import address_of, load_i64, store_i64
from tradecaptain.kernels import risk_gate
from tradecaptain.wire import common, control, order_command

from perf.support.cycles import (
    cycles,
    cycles_per_ns,
    grouped_percentile,
    step_of,
    time_nothing,
)
from perf.support.machine import core_pair, pinned_to
from perf.support.result import Result
from perf.topology.risk_gate_path import measure_kill, measure_path

PLACEMENT = (
    "checks: one thread on the first core; path and kill: client on core 0, orderbook agent on"
    " core 1, media drivers in processes of their own"
)

ACCOUNTS = 10_000
INSTRUMENTS = 1_000
FIRMS = 100
PAIRS_CAPACITY = 2_000_000
ROUNDS = 9
SAMPLES = 500_000
MARKET_SHARE = 0.05
REFERENCE_PRICE = 10_000
DISPLAYED_UNITS = 1_000_000_000
ORDER_INTERVAL_NS = 50_000
QUANTITY_MAX = 10_000
BATCH = 64
WRITTEN_AHEAD = 32
"""Orders that lie ready, as in a log: one that was only just written can't be read at once."""
LIMITS = {
    control.LIMIT_KIND_ORDER_QUANTITY: 10**6,
    control.LIMIT_KIND_ORDER_NOTIONAL: 10**15,
    control.LIMIT_KIND_PRICE_COLLAR: 1_000,
    control.LIMIT_KIND_POSITION_LONG: 10**12,
    control.LIMIT_KIND_POSITION_SHORT: 10**12,
    control.LIMIT_KIND_OPEN_ORDERS: 10**7,
    control.LIMIT_KIND_GROSS_POSITION: 10**13,
    control.LIMIT_KIND_DISPLAYED_SHARE: 5_000,
    control.LIMIT_KIND_PRICE_MOVE: 1_000,
    control.LIMIT_KIND_REFERENCE_AGE: 10**9,
    control.LIMIT_KIND_MESSAGE_RATE: 10**6,
    control.LIMIT_KIND_MESSAGE_BURST: 10**4,
    control.LIMIT_KIND_DUPLICATE_WINDOW: 1,
    control.LIMIT_KIND_EXECUTION_COUNT: 10**9,
    control.LIMIT_KIND_EXECUTION_WINDOW: 1_000,
    control.LIMIT_KIND_GROSS_EXPOSURE: 10**18,
    control.LIMIT_KIND_NET_EXPOSURE: 10**18,
    control.LIMIT_KIND_CREDIT: 10**18,
    control.LIMIT_KIND_DAILY_LOSS: 10**18,
}
"""Wide enough that no order is refused."""
WHOLE_ACCOUNT_KINDS = range(control.LIMIT_KIND_MESSAGE_RATE, control.LIMIT_KIND_DAILY_LOSS + 1)
_FULL_TABLE = 100_000
_I64 = types.int64
_ARRAY = types.int64[::1]


@kernel(_I64(_I64, _I64))
def _command_at(commands: int, index: int) -> int:
    """Where the command of an order lies among the few of the batch at hand."""
    return commands + (index & (BATCH - 1)) * order_command.RECORD_BYTES


@kernel(types.void(_I64, _ARRAY, _I64))
def _write_order(commands: int, orders: Any, index: int) -> None:
    """Let the order be one of the batch, if there is such an order."""
    base = index * 6
    if base >= orders.shape[0]:
        return
    command = _command_at(commands, index)
    order_command.set_account_id(command, orders[base])
    order_command.set_instrument_id(command, orders[base + 1])
    order_command.set_side(command, orders[base + 2])
    order_command.set_price_units(command, orders[base + 3])
    order_command.set_quantity_units(command, orders[base + 4])
    order_command.set_order_type(command, orders[base + 5])


@kernel(types.void(_I64, _I64, _I64))
def _stamp(gate: int, command: int, clock: int) -> None:
    """Give a command the sequencer's time, which goes on from one run to the next."""
    time_ns = load_i64(clock) + ORDER_INTERVAL_NS
    store_i64(clock, time_ns)
    order_command.set_time_ns(command, time_ns)


@kernel(_I64(_I64, _I64, _I64))
def _check(gate: int, commands: int, index: int) -> int:
    """Check an order as the duty cycle does, looking ahead at the two behind it."""
    risk_gate.gate_look_ahead(gate, _command_at(commands, index + 2))
    risk_gate.gate_look_closer(gate, _command_at(commands, index + 1))
    return risk_gate.gate_check_new(gate, _command_at(commands, index))


@kernel(_I64(_I64, _I64, _ARRAY, _I64))
def _release(gate: int, count: int, orders: Any, first: int) -> int:
    errors = 0
    for index in range(first, first + count):
        base = index * 6
        errors += risk_gate.gate_release(
            gate, orders[base], orders[base + 1], orders[base + 2], orders[base + 4], 1
        )
    return errors


@kernel(_I64(_I64, _I64, _I64, _ARRAY, _ARRAY))
def _time_checks(gate: int, commands: int, clock: int, orders: Any, samples: Any) -> int:
    """Time each check; returns how many passed."""
    passed = 0
    for index in range(WRITTEN_AHEAD):
        _write_order(commands, orders, index)
    for index in range(samples.shape[0]):
        _write_order(commands, orders, index + WRITTEN_AHEAD)
        _stamp(gate, _command_at(commands, index), clock)
        start = cycles()
        refusal = _check(gate, commands, index)
        samples[index] = cycles() - start
        if refusal == 0:
            passed += 1
            _release(gate, 1, orders, index)
    return passed


@kernel(_I64(_I64, _I64, _I64, _ARRAY, _I64))
def _run_checks(gate: int, commands: int, clock: int, orders: Any, count: int) -> int:
    """Check without a clock in between; returns how many passed."""
    passed = 0
    for index in range(WRITTEN_AHEAD):
        _write_order(commands, orders, index)
    for index in range(count):
        _write_order(commands, orders, index + WRITTEN_AHEAD)
        _stamp(gate, _command_at(commands, index), clock)
        if _check(gate, commands, index) == 0:
            passed += 1
    return passed


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one round, net of the timer."""

    p50_ns: float
    p99_ns: float


class GateRig:
    """A gate with every limit set, and a command to check."""

    def __init__(self) -> None:
        capacities = risk_gate.GateCapacities(
            accounts=ACCOUNTS, instruments=INSTRUMENTS, pairs=PAIRS_CAPACITY, firms=FIRMS
        )
        self.gate = risk_gate.allocate_gate(capacities, huge_pages=True)
        self._control = np.zeros(1, control.DTYPE)
        self._commands = np.zeros(BATCH, order_command.DTYPE)
        self._clock = np.zeros(1, np.int64)
        for index in range(BATCH):
            order_command.initialise(self.commands + index * order_command.RECORD_BYTES)
        self._commands["action"] = order_command.COMMAND_ACTION_NEW_ORDER
        self._commands["firm_id"] = 1
        numerator, denominator = risk_gate.notional_ratio(Fraction(1, 100), Fraction(1), 1)
        for instrument in range(1, INSTRUMENTS + 1):
            risk_gate.gate_add_instrument(self.gate.address, instrument, numerator, denominator)
            risk_gate.gate_apply_quote(
                self.gate.address,
                instrument,
                REFERENCE_PRICE - 1,
                REFERENCE_PRICE + 1,
                DISPLAYED_UNITS,
                DISPLAYED_UNITS,
            )
        self._set_limits()
        self.cycles_per_ns = cycles_per_ns()
        nothing = np.zeros(100_000, np.int64)
        time_nothing(address_of(nothing), len(nothing))
        self.step = step_of(nothing)
        self._timer = grouped_percentile(nothing, 50, self.step)

    @property
    def timer_ns(self) -> float:
        """What an empty measurement reads."""
        return self._timer / self.cycles_per_ns

    @property
    def commands(self) -> int:
        """Address of the few commands of a batch that are looked at."""
        return address_of(self._commands)

    def _set_limits(self) -> None:
        levels = [(control.CONTROL_SCOPE_FIRM, 0, 0)]
        levels += [(control.CONTROL_SCOPE_FIRM, firm, 0) for firm in range(1, FIRMS + 1)]
        scope = control.CONTROL_SCOPE_INSTRUMENT
        levels += [(scope, 0, instrument) for instrument in range(1, INSTRUMENTS + 1)]
        scope = control.CONTROL_SCOPE_ACCOUNT
        levels += [(scope, account, 0) for account in range(1, ACCOUNTS + 1)]
        record = address_of(self._control)
        control.initialise(record)
        control.set_action(record, control.CONTROL_ACTION_SET_LIMIT)
        for scope, scope_id, instrument in levels:
            control.set_scope(record, scope)
            control.set_scope_id(record, scope_id)
            control.set_instrument_id(record, instrument)
            for kind, value in LIMITS.items():
                is_whole = (
                    kind in WHOLE_ACCOUNT_KINDS and kind != control.LIMIT_KIND_DUPLICATE_WINDOW
                )
                if is_whole and scope == control.CONTROL_SCOPE_INSTRUMENT:
                    continue
                control.set_limit_kind(record, kind)
                control.set_value(record, value)
                outcome = risk_gate.gate_apply_control(self.gate.address, record)
                assert outcome == 0, f"limit refused: {outcome}"

    def latency(self, orders: npt.NDArray[np.int64], count: int) -> Latency:
        """Time every check of ``orders``, all of which must pass."""
        samples = np.zeros(count, np.int64)
        passed = _time_checks(
            self.gate.address, self.commands, address_of(self._clock), orders, samples
        )
        assert passed == count, f"{count - passed} of {count} orders were refused"
        p50, p99 = (grouped_percentile(samples, percent, self.step) for percent in (50, 99))
        return Latency(
            (p50 - self._timer) / self.cycles_per_ns, (p99 - self._timer) / self.cycles_per_ns
        )

    def rate(self, orders: npt.NDArray[np.int64], count: int) -> float:
        """Checks a second."""
        start = time.perf_counter()
        passed = _run_checks(
            self.gate.address, self.commands, address_of(self._clock), orders, count
        )
        seconds = time.perf_counter() - start
        assert passed == count, f"{count - passed} of {count} orders were refused"
        assert _release(self.gate.address, count, orders, 0) == 0
        return count / seconds

    def fast_share(self) -> float:
        """The part of the orders that passed by the short way."""
        header = self.gate.header[0]
        return float(header["passed_fast_count"] / header["passed_count"])

    def verify_empty(self) -> None:
        """Nothing may be reserved once everything was given back."""
        assert not self.gate.pairs["working_buy"].any()
        assert not self.gate.pairs["working_sell"].any()
        assert not self.gate.accounts["open_order_count"].any()
        assert self.gate.header[0]["accounting_error_count"] == 0


def _zipf(generator: np.random.Generator, count: int, size: int) -> npt.NDArray[np.int64]:
    """Ranks by Zipf(1.0), dealt out to ids at random."""
    weights = 1.0 / np.arange(1, count + 1)
    ids = generator.permutation(count) + 1
    return ids[generator.choice(count, size, p=weights / weights.sum())].astype(np.int64)


def make_orders(size: int, *, is_zipf: bool, seed: int = 1) -> npt.NDArray[np.int64]:
    """Account, instrument, side, price, quantity and type of each order, one after the other."""
    generator = np.random.default_rng(seed)
    if is_zipf:
        accounts = _zipf(generator, ACCOUNTS, size)
        instruments = _zipf(generator, INSTRUMENTS, size)
    else:
        accounts = generator.integers(1, ACCOUNTS + 1, size)
        instruments = generator.integers(1, INSTRUMENTS + 1, size)
    is_market = generator.random(size) < MARKET_SHARE
    columns = (
        accounts,
        instruments,
        generator.integers(1, 3, size),
        generator.integers(REFERENCE_PRICE * 95 // 100, REFERENCE_PRICE * 105 // 100, size),
        generator.integers(1, QUANTITY_MAX, size),
        np.where(is_market, common.ORDER_TYPE_MARKET, common.ORDER_TYPE_LIMIT),
    )
    return np.ascontiguousarray(np.stack(columns, axis=1).astype(np.int64)).reshape(-1)


def bytes_per_pair() -> float:
    """Memory of the pair table for each pair in use, when the table is full."""
    gate = risk_gate.allocate_gate(risk_gate.GateCapacities(pairs=_FULL_TABLE))
    return gate.pair_bytes() / _FULL_TABLE


def run(smoke: bool) -> list[Result]:
    """Medians over rounds of the percentiles and of the rate."""
    samples, rounds = (20_000, 2) if smoke else (SAMPLES, ROUNDS)
    rig = GateRig()
    zipf = make_orders(4 * samples, is_zipf=True)
    uniform = make_orders(samples, is_zipf=False, seed=2)
    with pinned_to(core_pair()[0]):
        # The first runs make the pairs, whose pages are touched then.
        rig.rate(zipf, 4 * samples)
        rig.rate(uniform, samples)
        zipf_rounds = [rig.latency(zipf, samples) for _ in range(rounds)]
        uniform_rounds = [rig.latency(uniform, samples) for _ in range(rounds)]
        rates = [rig.rate(zipf, 4 * samples) for _ in range(rounds)]
    rig.verify_empty()
    pairs = int(rig.gate.header[0]["pairs"]["used_count"])
    print(
        f"timer {rig.timer_ns:.1f} ns (in steps of {rig.step / rig.cycles_per_ns:.1f}) taken off"
        f" each check; {pairs:,} pairs resident;"
        f" {rig.fast_share():.1%} took the short way; {rig.gate.huge_bytes() >> 20} of"
        f" {rig.gate.table_bytes() >> 20} MiB on huge pages",
        file=sys.stderr,
    )

    def median(latencies: list[Latency], name: str) -> float:
        return statistics.median(getattr(item, name) for item in latencies)

    return [
        Result("risk_gate.p50_ns", median(zipf_rounds, "p50_ns"), "ns", 100),
        Result("risk_gate.p99_ns", median(zipf_rounds, "p99_ns"), "ns", 500),
        Result("risk_gate.uniform_p50_ns", median(uniform_rounds, "p50_ns"), "ns"),
        Result("risk_gate.uniform_p99_ns", median(uniform_rounds, "p99_ns"), "ns"),
        Result(
            "risk_gate.checks_per_second",
            statistics.median(rates),
            "1/s",
            5_000_000,
            higher_is_better=True,
        ),
        Result("risk_gate.bytes_per_pair", bytes_per_pair(), "B", 64),
        *measure_path(smoke=smoke),
        *measure_kill(smoke=smoke),
    ]
