"""Order sessions: numbers under which orders are entered, and cancelled when their client leaves.

The venue does the cancelling: it is told when a session opens and when it closes. Open sessions are
kept in the mapped file, so that a gateway that was killed closes them when it starts again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge import Principal
from tradecaptain.gateway.store import Store
from tradecaptain.wire import control
from tradecaptain.wire import reason as reasons

_LOG = structlog.get_logger("gateway")
FLAG_CANCEL_ON_DISCONNECT = 2

type SendControl = Callable[..., Awaitable[Any]]
"""Publishes a control command: (action, scope, scope_id, flags)."""


@dataclass(frozen=True, slots=True)
class Session:
    """An open session of one account."""

    session_id: int
    account_id: int
    place: int
    cancel_on_disconnect: bool


class SessionTable:
    """Opens and closes sessions; all methods belong to the loop thread."""

    def __init__(self, store: Store, send: SendControl, sessions_max: int) -> None:
        self._store = store
        self._send = send
        self._sessions_max = min(sessions_max, store.sessions.shape[0])
        self._open: dict[int, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def open(self, account_id: int, cancel_on_disconnect: bool) -> Session:
        """Open a session and tell the venue; REASON_OVERLOADED when too many are open."""
        rows = self._store.sessions
        place = next(
            (at for at in range(self._sessions_max) if int(rows[at]["session_id"]) == 0), -1
        )
        if place < 0:
            raise TradeCaptainError(
                reasons.REASON_OVERLOADED, f"{self._sessions_max} sessions are open", field=""
            )
        session_id = self._store.new_session_id()
        rows[place]["account_id"] = account_id
        rows[place]["cancel_on_disconnect"] = int(cancel_on_disconnect)
        rows[place]["session_id"] = session_id
        session = Session(session_id, account_id, place, cancel_on_disconnect)
        self._open[session_id] = session
        try:
            await self._tell_open(session)
        except TradeCaptainError:
            self._forget(session)
            raise
        return session

    def close(self, session: Session) -> None:
        """Close a session; the venue then cancels its orders if it asked for that."""
        if self._open.pop(session.session_id, None) is not None:
            self._run(self._tell_closed(session))

    def check(self, session_id: int, principal: Principal, account_id: int) -> int:
        """The session of a unary command, 0 for none; refuses one that isn't the account's."""
        if session_id == 0:
            return 0
        session = self._open.get(session_id)
        if session is None or not principal.may_use(session.account_id):
            raise TradeCaptainError(
                reasons.REASON_PERMISSION_DENIED,
                f"session {session_id} isn't open, or isn't yours",
                field="session_id",
            )
        if session.account_id != account_id:
            raise TradeCaptainError(
                reasons.REASON_PERMISSION_DENIED,
                f"session {session_id} belongs to another account",
                field="session_id",
            )
        return session_id

    def close_left_over(self) -> int:
        """Close the sessions that an earlier process left open; returns how many."""
        rows = self._store.sessions
        left = [
            Session(int(rows[place]["session_id"]), int(rows[place]["account_id"]), place, True)
            for place in np.flatnonzero(rows["session_id"]).tolist()
            if int(rows[place]["session_id"]) not in self._open
        ]
        for session in left:
            self._run(self._tell_closed(session))
        return len(left)

    def open_again(self) -> None:
        """Tell a restarted venue of the sessions that are open."""
        for session in self._open.values():
            self._run(self._tell_open(session))

    async def drain(self) -> None:
        """Close all sessions and wait until the venue was told."""
        for session in list(self._open.values()):
            self.close(session)
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _tell_open(self, session: Session) -> None:
        flags = FLAG_CANCEL_ON_DISCONNECT if session.cancel_on_disconnect else 0
        await self._send(
            action=control.CONTROL_ACTION_SESSION_OPEN,
            scope=control.CONTROL_SCOPE_SESSION,
            scope_id=session.session_id,
            flags=flags,
        )

    async def _tell_closed(self, session: Session) -> None:
        try:
            await self._send(
                action=control.CONTROL_ACTION_SESSION_CLOSE,
                scope=control.CONTROL_SCOPE_SESSION,
                scope_id=session.session_id,
                flags=0,
            )
        except TradeCaptainError as error:
            # The place stays taken, so that the next start of the gateway closes the session.
            _LOG.error("session not closed", session=session.session_id, message=error.message)
        else:
            self._forget(session)

    def _forget(self, session: Session) -> None:
        self._open.pop(session.session_id, None)
        self._store.sessions[session.place]["session_id"] = 0

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
