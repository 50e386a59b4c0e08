"""Runs the risk service: ``python -m tradecaptain.risk``."""

from __future__ import annotations

import sys
from typing import Final

from tradecaptain.api.risk.v1.administration_pb2_grpc import (
    add_RiskAdministrationServiceServicer_to_server,
)
from tradecaptain.api.risk.v1.monitor_pb2_grpc import add_RiskMonitorServiceServicer_to_server
from tradecaptain.api.risk.v1.risk_pb2_grpc import add_RiskServiceServicer_to_server
from tradecaptain.base.clock import SYSTEM_CLOCK
from tradecaptain.base.reference_file import ReferenceFile
from tradecaptain.base.run_paths import RunPaths
from tradecaptain.edge import (
    EdgeServer,
    EdgeSettings,
    Role,
    configure_logging,
    run,
    serve_while,
)
from tradecaptain.edge.server import ANY_METHOD
from tradecaptain.mesh.client import AeronMesh
from tradecaptain.mesh.counters import CounterTable
from tradecaptain.risk.administration import RiskAdministrationService
from tradecaptain.risk.agent import COUNTERS, HISTORY_FILE, RiskAgent
from tradecaptain.risk.config import RiskConfig
from tradecaptain.risk.monitor_service import RiskMonitorService
from tradecaptain.risk.service import RiskService
from tradecaptain.risk.store import RiskStore

ACCESS: Final = {
    "SetLimit": Role.OPERATE,
    "ClearLimit": Role.OPERATE,
    "ListLimits": Role.OPERATE,
    "Kill": Role.OPERATE,
    "Unkill": Role.OPERATE,
    "ListKillSwitches": Role.OPERATE,
    "GetLimits": Role.READ,
    "GetPositions": Role.READ,
    "GetExposure": Role.READ,
    "GetValues": Role.READ,
    "CheckOrder": Role.READ,
}
"""Which role each method asks for."""
ADMINISTRATION_ACCESS: Final = {ANY_METHOD: Role.OPERATE}
MONITOR_ACCESS: Final = {ANY_METHOD: Role.READ}


async def main() -> None:
    """Serve until told to stop."""
    configure_logging("risk")
    paths = RunPaths.from_environment()
    config = RiskConfig.load(paths)
    instruments = ReferenceFile(paths.reference)
    reference = instruments.reference
    accounts = {account.name: account.account_id for account in reference.accounts}
    with (
        RiskStore(paths.folder / config.store_file) as store,
        AeronMesh(paths.aeron, "risk") as mesh,
        CounterTable.create(paths.counters / "risk.counters", COUNTERS) as counters,
    ):
        history_path = paths.shared_memory / HISTORY_FILE
        agent = RiskAgent(
            mesh,
            reference,
            store,
            history_path,
            config,
            SYSTEM_CLOCK,
            counters,
            ring_path=paths.journal_ring,
        )
        instruments.on_added.append(agent.on_instruments)
        settings = EdgeSettings(
            service="risk", port=paths.ports.risk, token_path=paths.tokens, accounts=accounts
        )
        server = EdgeServer(settings)
        service = RiskService(
            agent.controller,
            agent.ledger,
            reference,
            control_timeout_s=config.control_timeout_seconds,
            catch_up=agent.executions.catch_up,
        )
        server.add(add_RiskServiceServicer_to_server, service, access=ACCESS)
        server.add(
            add_RiskAdministrationServiceServicer_to_server,
            RiskAdministrationService(service, agent.controller, reference, agent.trading_day),
            access=ADMINISTRATION_ACCESS,
        )
        server.add(
            add_RiskMonitorServiceServicer_to_server,
            RiskMonitorService(agent.alerts, agent.history, reference),
            access=MONITOR_ACCESS,
        )
        agent.start()
        agent.run_readers()
        try:
            await server.start()
            await serve_while(server, agent.watch())
        finally:
            await agent.close()


if __name__ == "__main__":
    sys.exit(run(main))
