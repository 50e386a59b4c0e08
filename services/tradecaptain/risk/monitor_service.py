"""RiskMonitorService over gRPC: drop copy and alerts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from tradecaptain.api.risk.v1 import monitor_pb2, monitor_pb2_grpc
from tradecaptain.base.reference import Reference
from tradecaptain.edge import current_call
from tradecaptain.risk.alerts import AlertDesk
from tradecaptain.risk.drop_copy import DropCopy, header_of
from tradecaptain.risk.follower import ExecutionHistory


def _visible_accounts(account: str) -> frozenset[int] | None:
    """Accounts whose events the caller gets: the one named, or all it may use; None for all."""
    call = current_call()
    if account:
        return frozenset({call.account_id(account)})
    return None if call.principal.all_accounts else call.principal.accounts


class RiskMonitorService(monitor_pb2_grpc.RiskMonitorServiceServicer):
    """Implements the contract; see monitor.proto for each method."""

    def __init__(self, alerts: AlertDesk, history: ExecutionHistory, reference: Reference) -> None:
        self._alerts = alerts
        self._history = history
        self._header = header_of(reference)

    async def StreamDropCopy(  # noqa: N802
        self, request: monitor_pb2.StreamDropCopyRequest, context: Any
    ) -> AsyncIterator[monitor_pb2.StreamDropCopyResponse]:
        """Events of orders and executions in the venue's own order."""
        copy = DropCopy(
            self._history,
            request.resume_from if request.HasField("resume_from") else None,
            firm_id=request.firm_id,
            account_ids=_visible_accounts(request.account),
        )
        yield monitor_pb2.StreamDropCopyResponse(header=self._header, position=copy.position)
        async for response in copy.batches():
            yield response

    async def StreamAlerts(  # noqa: N802
        self, request: monitor_pb2.StreamAlertsRequest, context: Any
    ) -> AsyncIterator[monitor_pb2.StreamAlertsResponse]:
        """Alerts as they come; the first message is empty: from then on none is missed."""
        kinds = set(request.kinds)
        with self._alerts.subscribe(_visible_accounts(request.account)) as queue:
            yield monitor_pb2.StreamAlertsResponse()
            async for alerts in queue.batches():
                chosen = [alert for alert in alerts if not kinds or alert.kind in kinds]
                if chosen:
                    yield monitor_pb2.StreamAlertsResponse(alerts=chosen)
