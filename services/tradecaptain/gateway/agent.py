"""The order desk: between the service's loop and the mesh.

Commands go out from the loop thread, straight into the log. Events come in through a compiled
reader on a thread of its own, which hands batches to the loop; asyncio never polls. What the reader
missed is fetched from the venue's history.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import structlog
from tradecaptain.base.clock import Clock
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.memory import address_of
from tradecaptain.gateway.entry import enter_commands
from tradecaptain.gateway.events import EVENT_BYTES, apply_events
from tradecaptain.gateway.frame import AT_PUBLICATION
from tradecaptain.gateway.layout import (
    OUTCOME_PENDING,
    STOP_END,
    STOP_EPOCH,
    STOP_GAP,
    STOP_NEWS,
    WORK,
)
from tradecaptain.gateway.log_recovery import LogRecovery
from tradecaptain.gateway.recovery import cancel_open_orders, settle_request
from tradecaptain.gateway.store import WAITERS_MAX, Store
from tradecaptain.mesh.doorbell import NO_BELL
from tradecaptain.mesh.durable_place import DurablePlace
from tradecaptain.mesh.history import HistoryLapped, HistoryReader
from tradecaptain.mesh.status import (
    ADMIN_ACTION,
    BACK_PRESSURED,
    CLOSED,
    MAX_POSITION_EXCEEDED,
    NOT_CONNECTED,
)
from tradecaptain.mesh.stream_reader import PREFIX_BYTES
from tradecaptain.wire import execution_event
from tradecaptain.wire import reason as reasons

_LOG = structlog.get_logger("gateway")
_HISTORY_BATCH = 4096
_SLOT_BYTES = PREFIX_BYTES + EVENT_BYTES
_PLACES = {name: place for place, name in enumerate(WORK.names or ())}
_STOP, _COMPLETED_COUNT = _PLACES["stop"], _PLACES["completed_count"]
_FOLLOWED_COUNT, _TOUCHED_COUNT = _PLACES["followed_count"], _PLACES["touched_count"]


class Answer(Protocol):
    """What is told once the venue has answered: a future, or something that acts at once."""

    def done(self) -> bool:
        """Whether it was told already, or nobody waits any more."""
        ...

    def set_result(self, result: None, /) -> None:
        """The venue has answered."""
        ...

    def set_exception(self, error: TradeCaptainError, /) -> None:
        """The venue didn't answer in time."""
        ...


type FutureAnswer = asyncio.Future[None]


class CommandPublication(Protocol):
    """What the desk needs of a publication: the state that kernels write through."""

    @property
    def state(self) -> npt.NDArray[Any]:
        """The publication's record, of length one."""
        ...


class Entered:
    """What became of staged commands at once: codes and requests by row, and the venue's answer."""

    __slots__ = ("answer", "codes", "fresh", "targets")

    def __init__(
        self,
        codes: npt.NDArray[np.int64],
        targets: npt.NDArray[np.int64],
        fresh: int,
        answer: FutureAnswer | None,
    ) -> None:
        self.codes = codes
        self.targets = targets
        self.fresh = fresh
        self.answer = answer


class OrderDesk:
    """Enters commands, takes events, and tells those who wait. All of it on the loop thread."""

    def __init__(
        self,
        store: Store,
        publication: CommandPublication,
        history_path: Path,
        clock: Clock,
        answer_timeout_seconds: float,
        bell: int = NO_BELL,
        durable: DurablePlace | None = None,
        log: LogRecovery | None = None,
    ) -> None:
        """``bell`` is rung for the venue after each entry. ``durable`` holds back events of the
        history whose commands must be on disk first. ``log`` has what the history lacks."""
        self.store = store
        store.frame.set(AT_PUBLICATION, publication.state)
        store.work["bell_address"] = bell
        if durable is not None:
            durable.tell_refusal(store.work)
        self._frame = store.frame.address
        self._history_path = history_path
        self._durable = durable
        self._log = log
        self._history: HistoryReader | None = None
        self._left_events = False
        self._clock = clock
        self._timeout_ns = int(answer_timeout_seconds * 1e9)
        self._free = list(range(WAITERS_MAX - 1, 0, -1))
        self._waiting: dict[int, Answer] = {}
        self._followers: dict[int, list[Answer]] = {}
        self._expiries: deque[tuple[int, Answer]] = deque()
        self._listeners: dict[int, list[Callable[[], None]]] = {}
        self.on_new_epoch: list[Callable[[int], None]] = []
        self.is_departed = False
        """Whether the venue has lost what is known here: the order file must be made again."""
        self.on_interrupted: list[Callable[[], None]] = []
        self.on_lost_events: list[Callable[[], None]] = []
        # Requests that may never have come to the venue: whether an epoch ended with them, and
        # since when they are in doubt.
        self._unsettled: dict[int, tuple[bool, int]] = {}
        self._doubt(venue_restarted=False)

    # Commands -------------------------------------------------------------------------------

    def enter(self, count: int, session_id: int = 0) -> Entered:
        """Enter the staged commands 0 … ``count`` - 1.

        Raises REASON_UNAVAILABLE when the venue isn't connected and REASON_OVERLOADED under
        back-pressure; then none of the commands was sent.
        """
        answer = self.new_answer()
        fresh = self.publish(count, session_id, answer)
        codes, targets = self.store.codes[:count].copy(), self.store.targets[:count].copy()
        return Entered(codes, targets, fresh, answer if fresh else None)

    def publish(self, count: int, session_id: int, answer: Answer) -> int:
        """As :meth:`enter`, but codes and requests stay in the store's lists until the next call,
        and ``answer`` is told when the fresh ones are answered; returns how many were fresh."""
        if not self._free:
            raise TradeCaptainError(
                reasons.REASON_OVERLOADED, f"{WAITERS_MAX} calls wait for the venue", field=""
            )
        self.store.reserve(count)
        waiter = self._free[-1]
        now_ns = self._clock.now_ns()
        published = enter_commands(self._frame, count, waiter, session_id, now_ns)
        if published <= 0:
            if published < 0:
                raise _refusal(published)
            return 0
        self._free.pop()
        self._waiting[waiter] = answer
        self._expiries.append((now_ns + self._timeout_ns, answer))
        return published

    @staticmethod
    def new_answer() -> FutureAnswer:
        """An answer that a coroutine can await."""
        return asyncio.get_running_loop().create_future()

    def follow(self, request: int) -> FutureAnswer | None:
        """A future that is done when a request of another call is answered; None if it is."""
        row = self.store.requests[request]
        if row["outcome"] != OUTCOME_PENDING:
            return None
        answer = self.new_answer()
        row["followed"] = 1
        self._followers.setdefault(request, []).append(answer)
        self._expiries.append((self._clock.now_ns() + self._timeout_ns, answer))
        return answer

    def expire(self) -> None:
        """Tell those who have waited too long that the outcome is unknown; called at intervals."""
        now_ns = self._clock.now_ns()
        while self._expiries and (self._expiries[0][0] <= now_ns or self._expiries[0][1].done()):
            _, answer = self._expiries.popleft()
            if not answer.done():
                answer.set_exception(
                    TradeCaptainError(
                        reasons.REASON_OUTCOME_UNKNOWN,
                        "the venue didn't answer in time; ask by client order id",
                        field="",
                    )
                )

    # Events ---------------------------------------------------------------------------------

    def listen(self, account_id: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever the account has new events."""
        self._listeners.setdefault(account_id, []).append(callback)

    def unlisten(self, account_id: int, callback: Callable[[], None]) -> None:
        """Undo :meth:`listen`."""
        listeners = self._listeners[account_id]
        listeners.remove(callback)
        if not listeners:
            del self._listeners[account_id]

    def on_batch(self, batch: npt.NDArray[Any]) -> None:
        """Take a batch of the stream reader: records, and word of writers and gaps."""
        self.on_slots(address_of(batch), len(batch))

    def on_slots(self, address: int, count: int) -> None:
        """Take slots of the stream reader where they lie."""
        self._apply(address, _SLOT_BYTES, PREFIX_BYTES, count)

    def catch_up(self) -> None:
        """Take what the venue's history holds beyond the newest event: first of the epoch that is
        known, then of a newer one if the venue has started anew."""
        if self._durable is not None:
            self._durable.refresh()
        if self._history is not None:
            self._drain(self._history)
        if self._history is not None and self._history.is_current():
            return
        try:
            newest = HistoryReader.open(self._history_path)
        except OSError:
            return
        resumed = False
        if self._history is not None:
            resumed = newest.epoch == self._history.epoch
            self._history.close()
        self._history = newest
        if self._history.epoch > self.store.epoch and not self._goes_on:
            self.begin_epoch(self._history.epoch)
        self._drain(self._history)
        if resumed:
            self.note_interruption("the venue came back from its log")

    @property
    def _is_followed(self) -> bool:
        """Whether there is a history of this epoch, which has all that streams tell in the end."""
        return self._history is not None and self._history.epoch == self.store.epoch

    @property
    def _goes_on(self) -> bool:
        """Whether the venue goes on, from its log, behind the epoch that is known here."""
        return self._history is not None and self._history.goes_on_from(self.store.epoch)

    def _enter_epoch(self, epoch: int) -> None:
        """The venue goes on in another epoch, and all that it had told before is taken."""
        _LOG.warning("the venue goes on from its log in a new epoch", epoch=epoch)
        self.store.file["epoch"] = epoch

    def _knows_more(self, history: HistoryReader) -> bool:
        """Whether events were taken of which the venue knows nothing any more."""
        last = self.store.last_sequence
        return last != 0 and history.epoch_of(last) != self.store.epoch

    @property
    def newest_sequence(self) -> int:
        """The newest event of this epoch that the venue's history has, told yet or not."""
        if self._history is None or not self._is_followed:
            return self.store.last_sequence
        return self._history.last_sequence()

    @property
    def is_behind(self) -> bool:
        """Whether events were left in the history, because they must be on disk first."""
        return self._left_events and self.newest_sequence > self.store.last_sequence

    def note_interruption(self, what: str) -> None:
        """The venue, or the log of commands on the way to it, was replaced within an epoch: orders
        go on. What was on the way is lost unless it was sequenced before, which is known by its
        being mentioned."""
        _LOG.warning(what, pending=self._doubt(venue_restarted=False))
        for callback in self.on_interrupted:
            callback()

    def _drain(self, history: HistoryReader) -> None:
        self._left_events = False
        if self._goes_on and self._knows_more(history):
            self.is_departed = True
            return
        while history.epoch == self.store.epoch or self._goes_on:
            try:
                count, data = history.read(self.store.last_sequence + 1, _HISTORY_BATCH)
            except HistoryLapped as lapped:
                if self._log is None or self._log.catch_up(self.store, self._settle) == 0:
                    self._skip_to(lapped.first_sequence)
                continue
            if count == 0:
                if self._goes_on:
                    self._enter_epoch(history.epoch)
                return
            records = np.frombuffer(data, dtype=execution_event.DTYPE, count=count)
            if int(records["epoch"][0]) > self.store.epoch:
                self._enter_epoch(int(records["epoch"][0]))
            count = int((records["epoch"] == self.store.epoch).sum())
            records = records[:count]
            if self._durable is not None:
                released = self._durable.released(records)
                self._left_events = released < count
                count = released
                if count == 0:
                    return
            before = self.store.last_sequence
            self._apply(address_of(records), EVENT_BYTES, 0, count)
            if self.store.last_sequence == before:
                return

    def begin_epoch(self, epoch: int) -> None:
        """The venue started anew: report open orders as cancelled, begin to count again."""
        store = self.store
        if epoch <= store.epoch:
            return
        now_ns = self._clock.now_ns()
        first = 0
        if store.epoch != 0:
            self._doubt(venue_restarted=True)
        while first < int(store.file["request_count"][0]):
            first = cancel_open_orders(
                store.file,
                store.work,
                store.requests,
                store.events,
                store.buckets,
                store.accounts,
                first,
                now_ns,
            )
            self._settle()
        store.file["epoch"] = epoch
        store.file["last_sequence"] = 0
        _LOG.warning("new epoch of the venue", epoch=epoch)
        for callback in self.on_new_epoch:
            callback(epoch)

    def _doubt(self, *, venue_restarted: bool) -> int:
        """From now on nothing is known of the requests that are pending; returns how many."""
        pending = self._pending_requests()
        since_ns = self._clock.monotonic_ns()
        self._unsettled |= dict.fromkeys(pending, (venue_restarted, since_ns))
        return len(pending)

    @property
    def has_doubts(self) -> bool:
        """Whether there are requests of before a restart that the venue hasn't mentioned yet."""
        return bool(self._unsettled)

    def settle_unmentioned(self, until_ns: int | None = None) -> int:
        """Close requests of before a restart that the venue never mentioned; returns how many.

        Those that came into doubt after ``until_ns`` of the monotonic clock stay open: another
        restart came after, and what was sent to the venue since then has to be waited for anew.

        After a restart of the venue they count as cancelled by it. After one of the gateway they
        were remembered but never published: their keys are free again.
        """
        requests = self.store.requests
        settled = 0
        for index, (venue_restarted, since_ns) in list(self._unsettled.items()):
            if until_ns is not None and since_ns > until_ns:
                continue
            del self._unsettled[index]
            status, reason = execution_event.ORDER_STATUS_REJECTED, reasons.REASON_UNAVAILABLE
            if venue_restarted:
                status = execution_event.ORDER_STATUS_CANCELLED
                reason = reasons.REASON_CANCELLED_BY_VENUE_RESTART
            done = settle_request(self.store.file, self.store.work, requests, index, status, reason)
            if done and not venue_restarted:
                for word in ("key_0", "key_1", "key_2", "key_3"):
                    requests[index][word] = 0
            settled += done
            self._settle()
        if settled:
            _LOG.warning("requests that the venue never mentioned are closed", count=settled)
        return settled

    def _apply(self, address: int, stride: int, record_offset: int, count: int) -> None:
        words = self.store.words
        taken = 0
        gap_at = -1
        while True:
            source = address + taken * stride
            taken += apply_events(self._frame, source, stride, record_offset, count - taken)
            self._settle()
            stop = words[_STOP]
            if stop == STOP_END:
                return
            record = address + taken * stride + record_offset
            if stop == STOP_NEWS:
                self.catch_up()
                taken += 1
            elif stop == STOP_EPOCH:
                self.catch_up()
                if self._goes_on:
                    # Something of the epoch before has to be on disk first.
                    self._left_events = True
                    return
                self.begin_epoch(execution_event.get_epoch(record))
            elif stop == STOP_GAP:
                if gap_at == taken:
                    if self._is_followed:
                        # What lies between isn't on disk yet, or the venue was killed before it
                        # told its history, and will tell it from its log.
                        self._left_events = True
                        return
                    self._skip_to(execution_event.get_sequence(record))
                gap_at = taken
                self.catch_up()
            if taken >= count:
                return

    def _skip_to(self, sequence: int) -> None:
        first = self.store.last_sequence + 1
        _LOG.error("execution events are lost", first=first, count=sequence - first)
        self.store.file["last_sequence"] = sequence - 1
        for callback in self.on_lost_events:
            callback()

    def _settle(self) -> None:
        """Tell everyone whom the last kernel call listed."""
        store, words = self.store, self.store.words
        completed, followed = words[_COMPLETED_COUNT], words[_FOLLOWED_COUNT]
        touched = words[_TOUCHED_COUNT]
        words[_COMPLETED_COUNT] = words[_FOLLOWED_COUNT] = words[_TOUCHED_COUNT] = 0
        for waiter in store.completed[:completed].tolist():
            answer = self._waiting.pop(waiter)
            self._free.append(waiter)
            if not answer.done():
                answer.set_result(None)
        if followed:
            for request in store.followed[:followed].tolist():
                for answer in self._followers.pop(request, ()):
                    if not answer.done():
                        answer.set_result(None)
        for account_id in store.touched[:touched].tolist():
            store.accounts[account_id]["touched"] = 0
            for callback in self._listeners.get(account_id, ()):
                callback()

    def _pending_requests(self) -> list[int]:
        count = int(self.store.file["request_count"][0])
        pending = self.store.requests["outcome"][:count] == OUTCOME_PENDING
        return [int(index) for index in np.flatnonzero(pending)]


_REFUSALS = {
    NOT_CONNECTED: (reasons.REASON_UNAVAILABLE, "the order book isn't connected"),
    CLOSED: (reasons.REASON_UNAVAILABLE, "the mesh isn't reachable"),
    MAX_POSITION_EXCEEDED: (reasons.REASON_UNAVAILABLE, "the command stream is used up"),
    BACK_PRESSURED: (reasons.REASON_OVERLOADED, "the order book can't take more at the moment"),
    ADMIN_ACTION: (reasons.REASON_OVERLOADED, "the command stream is turning over; try again"),
}


def _refusal(status: int) -> TradeCaptainError:
    reason, message = _REFUSALS[status]
    return TradeCaptainError(reason, message, field="")
