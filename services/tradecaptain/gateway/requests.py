"""What the calls about orders have in common: enter, wait, and tell the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.api.orders.v1 import orders_pb2, records_pb2
from tradecaptain.base.accounts import Account
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.instruments import Instrument
from tradecaptain.edge.errors import to_detail
from tradecaptain.gateway import queries
from tradecaptain.gateway.agent import Entered, FutureAnswer, OrderDesk
from tradecaptain.gateway.commands import Directory, Stager
from tradecaptain.gateway.layout import CODE_DUPLICATE, CODE_FRESH, OUTCOME_REFUSED
from tradecaptain.gateway.views import refusal
from tradecaptain.wire import order_command
from tradecaptain.wire import reason as reasons

type Admitted = tuple[records_pb2.NewOrder, int, int]
"""An order with its account and session."""


class Pending:
    """Commands that were entered: their codes and requests, and what to wait for."""

    __slots__ = ("entered", "wait_for")

    def __init__(self, entered: Entered, wait_for: list[FutureAnswer]) -> None:
        self.entered = entered
        self.wait_for = wait_for

    async def answered(self) -> None:
        """Return when the venue has answered all of them."""
        for answer in self.wait_for:
            await answer


@dataclass(frozen=True, slots=True)
class Change:
    """A cancel or replace that was entered: its order, its request, and what to wait for."""

    slot: int
    number: int
    duplicate: bool
    answer: FutureAnswer | None
    instrument: Instrument


class Requests:
    """Enters the commands of all calls; a typed error tells every refusal."""

    def __init__(self, desk: OrderDesk, stager: Stager, directory: Directory) -> None:
        self._desk = desk
        self._store = desk.store
        self._stager = stager
        self._directory = directory

    def instrument_of(self, slot: int) -> Instrument:
        """The instrument of an order."""
        return self._directory.instruments[int(self._store.requests[slot]["instrument_id"])]

    def find(self, account_id: int, order_id: int, key: str) -> int:
        """The account's order by venue id, or else by any client order id about it."""
        if order_id:
            slot = queries.slot_of_order(self._store, account_id, order_id)
            named = f"the id {order_id}"
        else:
            request = queries.request_of_key(self._store, account_id, key)
            slot = int(self._store.requests[request]["slot"]) if request >= 0 else -1
            named = f"the client order id {key!r}"
        if slot < 0:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_ORDER, f"the account has no order with {named}"
            )
        return slot

    async def submit(
        self, order: records_pb2.NewOrder, account_id: int, session_id: int
    ) -> tuple[int, bool, Instrument]:
        """Enter one order and wait; returns its request, if it is a duplicate, and what for."""
        instrument = self._stager.stage_new(0, order, account_id)
        number, duplicate, answer = self._enter_one(session_id, instrument)
        if answer is not None:
            await answer
        if int(self._store.requests[number]["outcome"]) == OUTCOME_REFUSED:
            raise refusal(self._store, number, instrument)
        return number, duplicate, instrument

    async def enter_cancel(
        self, cancel: records_pb2.OrderCancel, account_id: int, session_id: int
    ) -> Change:
        """Enter a cancel, once the venue has given its order an id."""
        slot = await self._working(account_id, cancel)
        instrument = self.instrument_of(slot)
        quantity_units = 0
        if cancel.HasField("quantity"):
            quantity_units = instrument.quantity.parse(cancel.quantity)
            if quantity_units <= 0:
                raise TradeCaptainError(
                    reasons.REASON_INVALID_QUANTITY, "the quantity to take off must be positive"
                )
        self._stager.stage_change(
            0,
            action=order_command.COMMAND_ACTION_CANCEL_ORDER,
            slot=slot,
            key=cancel.client_order_id,
            quantity_units=quantity_units,
            price_units=0,
        )
        return Change(slot, *self._enter_one(session_id, instrument), instrument)

    async def enter_replace(
        self, replace: records_pb2.OrderReplace, account_id: int, session_id: int
    ) -> Change:
        """Enter a replace, once the venue has given its order an id."""
        slot = await self._working(account_id, replace)
        instrument = self.instrument_of(slot)
        order = self._store.requests[slot]
        quantity_units = int(order["quantity_units"])
        price_units = int(order["price_units"])
        if replace.HasField("quantity"):
            quantity_units = instrument.quantity.parse(replace.quantity)
        if replace.HasField("price"):
            price_units = instrument.price.parse(replace.price)
        stop_price_units = 0
        if replace.HasField("stop_price"):
            stop_price_units = instrument.price.parse(replace.stop_price)
        self._stager.stage_change(
            0,
            action=order_command.COMMAND_ACTION_REPLACE_ORDER,
            slot=slot,
            key=replace.client_order_id,
            quantity_units=quantity_units,
            price_units=price_units,
            stop_price_units=stop_price_units,
        )
        return Change(slot, *self._enter_one(session_id, instrument), instrument)

    async def finish(self, change: Change) -> Change:
        """Wait for the venue's answer to a cancel or replace; raises its refusal."""
        if change.answer is not None:
            await change.answer
        self.check(change)
        return change

    def check(self, change: Change) -> None:
        """Raise the venue's refusal of an answered cancel or replace, if it refused."""
        if int(self._store.requests[change.number]["outcome"]) == OUTCOME_REFUSED:
            raise refusal(self._store, change.number, change.instrument)

    def tell_state(
        self, result: orders_pb2.SubmitResult | orders_pb2.SessionResult, slot: int
    ) -> None:
        """Write into a result what it tells of an order's state."""
        row = self._store.requests[slot]
        result.order_id = int(row["order_id"])
        result.status = int(row["status"])  # type: ignore[assignment]
        result.leaves_quantity_units = int(row["leaves_quantity_units"])
        result.cumulative_quantity_units = int(row["cumulative_quantity_units"])

    async def submit_rows(self, orders: list[Admitted]) -> list[orders_pb2.SubmitResult]:
        """Enter many orders and wait; results in their order."""
        pending = self.enter_rows(orders)
        await pending[0].answered()
        return self.row_results(orders, *pending)

    def enter_rows(
        self, orders: list[Admitted]
    ) -> tuple[Pending, list[TradeCaptainError | Instrument]]:
        """Stage and enter many orders of one session; what can't be staged is told by its error."""
        outcomes: list[TradeCaptainError | Instrument] = []
        staged = 0
        for order, account_id, _ in orders:
            try:
                outcomes.append(self._stager.stage_new(staged, order, account_id))
            except TradeCaptainError as error:
                outcomes.append(error)
            else:
                staged += 1
        if staged == 0:
            nothing = np.zeros(0, dtype=np.int64)
            return Pending(Entered(nothing, nothing, 0, None), []), outcomes
        return self.pending(self._desk.enter(staged, orders[0][2])), outcomes

    def row_results(
        self,
        orders: list[Admitted],
        pending: Pending,
        outcomes: list[TradeCaptainError | Instrument],
    ) -> list[orders_pb2.SubmitResult]:
        """The results of rows whose answers have come."""
        results = []
        codes, targets = pending.entered.codes.tolist(), pending.entered.targets.tolist()
        entered = iter(zip(codes, targets, strict=True))
        for (order, _, _), outcome in zip(orders, outcomes, strict=True):
            result = orders_pb2.SubmitResult(client_order_id=order.client_order_id)
            if isinstance(outcome, TradeCaptainError):
                result.error.CopyFrom(_named(outcome, order.client_order_id))
            else:
                code, number = next(entered)
                self._fill_result(result, code, number, outcome)
            results.append(result)
        return results

    async def submit_columns(
        self, columns: records_pb2.NewOrderColumns, account_id: int, session_id: int
    ) -> orders_pb2.SubmitResultColumns:
        """Enter a batch of columns and wait; results as columns."""
        pending = self.enter_columns(columns, account_id, session_id)
        await pending.answered()
        return self.column_results(pending)

    def enter_columns(
        self, columns: records_pb2.NewOrderColumns, account_id: int, session_id: int
    ) -> Pending:
        """Stage and enter a batch of columns."""
        count = self._stager.stage_columns(columns, account_id)
        return self.pending(self._desk.enter(count, session_id))

    def column_results(self, pending: Pending) -> orders_pb2.SubmitResultColumns:
        """The results of a batch of columns whose answers have come."""
        codes, targets = pending.entered.codes, pending.entered.targets
        rows = self._store.requests[targets]
        # A code that is a reason: refused here, so there is no order of its own.
        here = codes > CODE_DUPLICATE
        refused = np.where(rows["reason"] != 0, rows["reason"], rows["status_reason"])
        return orders_pb2.SubmitResultColumns(
            order_ids=np.where(here, 0, rows["order_id"]).tolist(),
            statuses=np.where(here, 0, rows["status"]).tolist(),
            leaves_quantities_units=np.where(here, 0, rows["leaves_quantity_units"]).tolist(),
            cumulative_quantities_units=np.where(
                here, 0, rows["cumulative_quantity_units"]
            ).tolist(),
            reasons=np.where(here, codes, refused).tolist(),
        )

    def entry_error(self, code: int, row: int, instrument: Instrument) -> TradeCaptainError:
        """The error of a command that the entry kernel refused; staging must still hold it."""
        staged = self._store.staging[row]
        now_ns = int(self._store.work["send_time_ns"][0])
        try:
            if code in (reasons.REASON_INVALID_PRICE, reasons.REASON_PRICE_OUT_OF_RANGE):
                instrument.check_order_price(int(staged["price_units"]), now_ns)
            elif code == reasons.REASON_INVALID_QUANTITY:
                instrument.check_order_quantity(int(staged["quantity_units"]))
        except TradeCaptainError as error:
            return error
        if code == reasons.REASON_DUPLICATE_CLIENT_ORDER_ID:
            message = "the client order id was used for a different request today"
        elif code == reasons.REASON_CAPACITY_EXHAUSTED:
            message = "the gateway's room for commands is used up: raise gateway.requests_max"
            if self._store.disk_error:
                message = "the gateway's disk has no room for more commands"
        elif code == reasons.REASON_ACCOUNT_SHARE_EXHAUSTED:
            message = self._share_message(int(staged["action"]))
        elif code == reasons.REASON_UNKNOWN_INSTRUMENT:
            message = f"{instrument.key} isn't traded here"
        else:
            message = reasons.RULES[code].rule
        return TradeCaptainError(code, message)

    def _share_message(self, action: int) -> str:
        """Why an account may send no more commands of a kind, and what it may still do."""
        work = self._store.work[0]
        share, orders = int(work["account_limit"]), int(work["account_order_limit"])
        is_cancel = action == order_command.COMMAND_ACTION_CANCEL_ORDER
        left = "" if is_cancel else f"the last {share - orders} are for cancels; "
        return (
            f"the account has used up its share of {share} commands: {left}mass cancels always"
            " pass; the gateway drops commands of earlier days when it starts, and"
            " gateway.account_requests_max sets the share"
        )

    def _enter_one(
        self, session_id: int, instrument: Instrument
    ) -> tuple[int, bool, FutureAnswer | None]:
        entered = self._desk.enter(1, session_id)
        code, number = int(entered.codes[0]), int(entered.targets[0])
        if code == CODE_FRESH:
            return number, False, entered.answer
        if code == CODE_DUPLICATE:
            return number, True, self._desk.follow(number)
        raise self.entry_error(code, 0, instrument)

    async def _working(
        self, account_id: int, change: records_pb2.OrderCancel | records_pb2.OrderReplace
    ) -> int:
        """The order that a cancel or replace means, once the venue has given it an id."""
        order_id = change.order_id if change.HasField("order_id") else 0
        slot = self.find(account_id, order_id, change.target_client_order_id)
        answer = self._desk.follow(slot)
        if answer is not None:
            await answer
        if int(self._store.requests[slot]["order_id"]) == 0:
            raise TradeCaptainError(
                reasons.REASON_UNKNOWN_ORDER, "the venue never took the order, so there is none"
            )
        return slot

    def account(self, account_id: int) -> Account:
        """The account with an id that the caller is entitled to."""
        return self._directory.accounts[account_id]

    def pending(self, entered: Entered) -> Pending:
        """What to wait for: the answers to the fresh commands, and to those they repeat."""
        wait_for = [] if entered.answer is None else [entered.answer]
        return Pending(entered, wait_for + self._repeated(entered))

    def known(self, count: int, fresh: int) -> tuple[Entered, list[FutureAnswer]]:
        """What became of the commands that were just published, and the answers to repeated ones;
        who published them waits for the fresh ones by an answer of its own."""
        store = self._store
        entered = Entered(store.codes[:count].copy(), store.targets[:count].copy(), fresh, None)
        return entered, self._repeated(entered)

    def results(
        self, orders: Sequence[records_pb2.NewOrder], codes: Sequence[int], targets: Sequence[int]
    ) -> list[orders_pb2.SubmitResult]:
        """The results of orders whose answers have come, by their codes and requests."""
        results = []
        for order, code, number in zip(orders, codes, targets, strict=True):
            result = orders_pb2.SubmitResult(client_order_id=order.client_order_id)
            instrument = self._directory.instrument(order.instrument)
            self._fill_result(result, code, number, instrument)
            results.append(result)
        return results

    def _repeated(self, entered: Entered) -> list[FutureAnswer]:
        if entered.fresh == len(entered.codes):
            return []
        numbers = entered.targets[entered.codes == CODE_DUPLICATE].tolist()
        answers = [self._desk.follow(number) for number in numbers]
        return [answer for answer in answers if answer is not None]

    def _fill_result(
        self, result: orders_pb2.SubmitResult, code: int, number: int, instrument: Instrument
    ) -> None:
        if code > CODE_DUPLICATE:
            error = TradeCaptainError(code, reasons.RULES[code].rule)
            result.error.CopyFrom(_named(error, result.client_order_id))
            return
        row = self._store.requests[number]
        self.tell_state(result, number)
        result.sequence = int(row["sequence"])
        result.duplicate = code == CODE_DUPLICATE
        if int(row["outcome"]) == OUTCOME_REFUSED:
            result.error.CopyFrom(to_detail(refusal(self._store, number, instrument)))


def _named(error: TradeCaptainError, key: str) -> errors_pb2.ErrorDetail:
    detail = to_detail(error)
    detail.client_order_id = key
    return detail
