"""What controls do to the twin of the gate: limits, switches, groups, positions."""

from __future__ import annotations

from collections.abc import Callable

from tradecaptain.wire import reason
from twins.risk_gate.terms import (
    ACCOUNT,
    ACCOUNT_INSTRUMENT,
    FIRM,
    GROSS_EXPOSURE,
    GROUP,
    INSTRUMENT,
    KINDS,
    LARGEST_ID,
    OPEN_ORDERS,
    STRATEGY,
    TOTAL_KINDS,
    TOTAL_LONG,
    TOTAL_SHORT,
    UNLIMITED,
    WHOLE_ACCOUNT_KINDS,
    Level,
)


class NaiveControls:
    """Controls of the gate; the state that they change is the gate's."""

    account_capacity: int
    accounts: set[int]
    executions: dict[int, tuple[int, int]]
    firms: dict[int, int]
    groups: dict[int, int]
    kills: set[Level]
    limits: dict[Level, dict[int, int]]
    now_ns: int
    overridden: dict[tuple[Level, int], tuple[int, int | None]]
    override_capacity: int
    overrides: set[tuple[int, int]]
    pair_capacity: int
    pairs: set[tuple[int, int]]
    ratios: dict[int, object]
    restrictions: dict[Level, int]
    throttled: dict[int, tuple[int, int]]
    total_levels: set[Level]
    begin: Callable[[int], None]
    keep_values: Callable[[], None]
    note_price: Callable[[int, str, int], None]
    replace_position: Callable[[int, int, int], None]

    def resolve(self, level: Level) -> int:
        """0 if limits and switches can be put on a level (its rows are made), else the reason."""
        scope, identifier, instrument = level
        if scope == FIRM:
            return 0 if 0 <= identifier <= LARGEST_ID else reason.REASON_INVALID_REQUEST
        if scope in (GROUP, STRATEGY):
            return 0 if 0 < identifier <= LARGEST_ID else reason.REASON_INVALID_REQUEST
        if scope == INSTRUMENT:
            return 0 if instrument in self.ratios else reason.REASON_UNKNOWN_INSTRUMENT
        if scope not in (ACCOUNT, ACCOUNT_INSTRUMENT):
            return reason.REASON_INVALID_REQUEST
        if not 0 < identifier <= LARGEST_ID:
            return reason.REASON_UNKNOWN_ACCOUNT
        if scope == ACCOUNT_INSTRUMENT and instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        if identifier not in self.accounts and len(self.accounts) >= self.account_capacity:
            return reason.REASON_CAPACITY_EXHAUSTED
        self.accounts.add(identifier)
        if scope == ACCOUNT_INSTRUMENT:
            pair = (identifier, instrument)
            if pair not in self.overrides and len(self.overrides) >= self.override_capacity:
                return reason.REASON_CAPACITY_EXHAUSTED
            self.overrides.add(pair)
        return 0

    def resolve_limit(self, level: Level, kind: int) -> int:
        """As `resolve`, for a limit, which may be one on totals."""
        if kind not in TOTAL_KINDS:
            return self.resolve(level)
        self.total_levels.add((*level[:2], 0))
        return 0

    def set_limit(self, level: Level, kind: int, value: int) -> int:
        refusal = self.check_limit(level, kind)
        if not refusal and value < 0:
            refusal = reason.REASON_NUMBER_OUT_OF_RANGE
        refusal = refusal or self.resolve_limit(level, kind)
        if not refusal:
            self.overridden.pop((level, kind), None)
            self.limits[level][kind] = value
            self.watch_values(kind, value)
        return refusal

    def grant_override(self, level: Level, kind: int, value: int, end_ns: int) -> int:
        """Let a limit have another value until a time."""
        self.begin(self.now_ns)
        if end_ns <= self.now_ns:
            return reason.REASON_NUMBER_OUT_OF_RANGE
        refusal = self.check_limit(level, kind)
        if not refusal and value < 0:
            refusal = reason.REASON_NUMBER_OUT_OF_RANGE
        refusal = refusal or self.resolve_limit(level, kind)
        if not refusal:
            before = self.limits[level].get(kind)
            if (level, kind) in self.overridden:
                before = self.overridden[(level, kind)][1]
            self.overridden[(level, kind)] = (end_ns, before)
            self.limits[level][kind] = value
            self.watch_values(kind, value)
        return refusal

    def watch_values(self, kind: int, value: int) -> None:
        is_position = kind in (TOTAL_LONG, TOTAL_SHORT)
        if kind >= GROSS_EXPOSURE and not is_position and value != UNLIMITED:
            self.keep_values()

    def clear_limit(self, level: Level, kind: int) -> int:
        refusal = self.check_limit(level, kind) or self.resolve_limit(level, kind)
        if not refusal:
            self.overridden.pop((level, kind), None)
            self.limits[level].pop(kind, None)
        return refusal

    def check_limit(self, level: Level, kind: int) -> int:
        if kind not in KINDS:
            return reason.REASON_INVALID_REQUEST
        if kind in TOTAL_KINDS:
            return self.check_total_limit(level, kind)
        if level[0] == ACCOUNT_INSTRUMENT and kind in WHOLE_ACCOUNT_KINDS:
            return reason.REASON_INVALID_REQUEST
        if level[0] == INSTRUMENT and kind in WHOLE_ACCOUNT_KINDS - {OPEN_ORDERS}:
            return reason.REASON_INVALID_REQUEST
        return 0

    def check_total_limit(self, level: Level, kind: int) -> int:
        scope, identifier, instrument = level
        if scope not in (GROUP, FIRM) or not 0 < identifier <= LARGEST_ID:
            return reason.REASON_INVALID_REQUEST
        if (kind in (TOTAL_LONG, TOTAL_SHORT)) != (instrument != 0):
            return reason.REASON_INVALID_REQUEST
        if instrument and instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        return 0

    def switch(self, level: Level, is_on: bool) -> int:
        refusal = self.resolve(level)
        if not refusal:
            (self.kills.add if is_on else self.kills.discard)(level)
        return refusal

    def restrict(self, level: Level, bits: int, is_on: bool) -> int:
        if bits <= 0 or bits > 511:
            return reason.REASON_NUMBER_OUT_OF_RANGE
        refusal = self.resolve(level)
        if not refusal:
            held = self.restrictions[level]
            self.restrictions[level] = held | bits if is_on else held & ~bits
        return refusal

    def set_group(self, account: int, group: int) -> int:
        if not 0 < account <= LARGEST_ID:
            return reason.REASON_UNKNOWN_ACCOUNT
        if not 0 <= group <= LARGEST_ID:
            return reason.REASON_NUMBER_OUT_OF_RANGE
        refusal = self.resolve((ACCOUNT, account, 0))
        if not refusal:
            self.groups[account] = group
        return refusal

    def set_firm(self, account: int, firm: int) -> int:
        if not 0 < account <= LARGEST_ID:
            return reason.REASON_UNKNOWN_ACCOUNT
        if not 0 <= firm <= LARGEST_ID:
            return reason.REASON_NUMBER_OUT_OF_RANGE
        refusal = self.resolve((ACCOUNT, account, 0))
        if not refusal:
            self.firms[account] = firm
        return refusal

    def reset_throttle(self, account: int) -> int:
        refusal = self.resolve((ACCOUNT, account, 0))
        if not refusal:
            self.throttled.pop(account, None)
            self.executions[account] = (0, 0)
        return refusal

    def set_reference(self, instrument: int, source: str, price: int) -> int:
        if price == -(2**63):
            return reason.REASON_NUMBER_OUT_OF_RANGE
        if instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        self.note_price(instrument, source, price)
        return 0

    def set_position(self, account: int, instrument: int, position: int) -> int:
        if not 0 < account <= LARGEST_ID:
            return reason.REASON_UNKNOWN_ACCOUNT
        if instrument not in self.ratios:
            return reason.REASON_UNKNOWN_INSTRUMENT
        refusal = self.resolve((ACCOUNT, account, 0))
        pair = (account, instrument)
        if not refusal and pair not in self.pairs and len(self.pairs) >= self.pair_capacity:
            refusal = reason.REASON_CAPACITY_EXHAUSTED
        if not refusal:
            self.pairs.add(pair)
            self.replace_position(account, instrument, position)
        return refusal
